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

/// Hashes fingerprints for maps by taking their low bits: they are random already.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuildFingerprintHasher;

/// See [`BuildFingerprintHasher`].
#[derive(Debug, Clone, Copy, Default)]
pub struct FingerprintHasher(u64);

impl std::hash::BuildHasher for BuildFingerprintHasher {
    type Hasher = FingerprintHasher;

    fn build_hasher(&self) -> FingerprintHasher {
        FingerprintHasher::default()
    }
}

impl std::hash::Hasher for FingerprintHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low 64 bits are as random as all 128")]
    fn write_u128(&mut self, fingerprint: u128) {
        self.0 = fingerprint as u64;
    }
}
