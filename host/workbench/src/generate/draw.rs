//! Numbers drawn from a seed and a counter, in integers only. Not a stateful generator, and not for secrets.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// The word at `index` of the sequence named by `key`; different indices give different words, because SplitMix64 maps
/// its states one to one.
pub(super) fn word(key: u64, index: u64) -> u64 {
    SplitMix64::seed_from_u64(key.wrapping_add(index)).next_u64()
}

/// As many words as wanted that belong to `index`.
pub(super) fn stream(key: u64, index: u64) -> impl FnMut() -> u64 {
    let mut generator = SplitMix64::seed_from_u64(word(key, index));
    move || generator.next_u64()
}

/// A key for one purpose, so that purposes do not share numbers.
pub(super) fn key(seed: u64, purpose: &str) -> u64 {
    purpose.bytes().fold(word(0, seed), |key, byte| word(key, u64::from(byte)))
}

/// Maps a word evenly to `0..limit` (Lemire's multiplication).
pub(super) fn below(word: u64, limit: u64) -> u64 {
    ((u128::from(word) * u128::from(limit)) >> 64) as u64
}

/// A number in `0..limit`, each power of two as likely as the next: mostly small, with a tail to the limit.
pub(super) fn log_uniform(magnitude: u64, place: u64, limit: u64) -> u64 {
    let magnitudes = u64::from(u64::BITS - limit.leading_zeros());
    let first = (1_u64 << below(magnitude, magnitudes)) - 1;
    first + below(place, (first + 1).min(limit - first))
}
