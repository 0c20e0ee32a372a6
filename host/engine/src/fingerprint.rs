//! Key bytes as 128 bits. The seed is random and no producer knows it, so that none can craft two keys that meet. Not a
//! checksum: another seed gives other fingerprints.

use siphasher::sip128::SipHasher13;

/// 128 bits of keyed hash of a key's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u128);

/// The secret of a lineage, which is a consumer group on a topic, or the runs over files with one state. All its
/// partitions hash keys with it, so that their keys can be compared. Random, and never derived from events.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seed(pub [u8; 16]);

impl std::fmt::Debug for Seed {
    /// Whoever reads a log need not know it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// Hashes keys with one seed (SipHash-1-3 with 128 bits of output: Aumasson and Bernstein, 2012).
#[derive(Debug, Clone)]
pub struct Fingerprinter {
    hasher: SipHasher13,
}

impl Fingerprinter {
    /// A fingerprinter for a seed.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self { hasher: SipHasher13::new_with_key(&seed.0) }
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
