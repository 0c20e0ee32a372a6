//! Key bytes as 128 bits. The seed is random and part of the store, so that no producer can craft two keys that meet.
//! Not a checksum: other stores give other fingerprints.

use siphasher::sip128::SipHasher13;

/// 128 bits of keyed hash of a key's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u128);

/// Hashes keys with one store's seed (SipHash-1-3 with 128 bits of output: Aumasson and Bernstein, 2012).
#[derive(Debug, Clone)]
pub struct Fingerprinter {
    hasher: SipHasher13,
}

impl Fingerprinter {
    /// A fingerprinter for a store's seed.
    #[must_use]
    pub fn new(seed: [u8; 16]) -> Self {
        Self { hasher: SipHasher13::new_with_key(&seed) }
    }

    /// The fingerprint of one key.
    #[must_use]
    pub fn fingerprint(&self, key: &[u8]) -> Fingerprint {
        Fingerprint(self.hasher.hash(key).as_u128())
    }
}
