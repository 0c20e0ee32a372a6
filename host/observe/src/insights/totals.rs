//! Records by outcome, summed up. Nothing about how duplicates differ.

use serde::Serialize;

/// Records by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Records decided, replays not counted.
    pub consumed: u64,
    /// First of their key.
    pub unique: u64,
    /// Seen before.
    pub duplicate: u64,
    /// Seen before, and forwarded because it is too dissimilar to the original.
    pub dissimilar: u64,
    /// Too late to be decided.
    pub late: u64,
    /// Without a key.
    pub keyless: u64,
    /// Not decodable, or refused by the plugin.
    pub dead_letter: u64,
    /// Bytes of keys, payloads and headers.
    pub bytes: u64,
}

impl Totals {
    pub(super) fn add(&mut self, other: &Self) {
        self.consumed += other.consumed;
        self.unique += other.unique;
        self.duplicate += other.duplicate;
        self.dissimilar += other.dissimilar;
        self.late += other.late;
        self.keyless += other.keyless;
        self.dead_letter += other.dead_letter;
        self.bytes += other.bytes;
    }
}
