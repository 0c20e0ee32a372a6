//! The balance of a partition's records: each one that was read is decided or given back. Everything else that a partition
//! exports is written through its handles.

use super::labels::Outcome;
use super::table::PartitionMetrics;

impl PartitionMetrics {
    /// Records were read; each of them must be decided or given back.
    pub fn consumed(&self, records: u64, bytes: u64) {
        self.consumed.inc_by(records);
        self.consumed_bytes.inc_by(bytes);
        self.undecided.add(signed(records));
    }

    /// Records were decided.
    pub fn decided(&self, outcome: Outcome, records: u64) {
        self.decisions.inc_by(outcome, records);
        self.given_back(records);
    }

    /// Records were read and will be read again: a batch was dropped before it was decided.
    pub fn given_back(&self, records: u64) {
        self.undecided.sub(signed(records));
    }

    /// Records read, less records decided or given back: 0 when idle, unless records were lost.
    #[must_use]
    pub fn undecided(&self) -> i64 {
        self.undecided.get()
    }
}

/// Gauges are signed.
fn signed(records: u64) -> i64 {
    i64::try_from(records).unwrap_or(i64::MAX)
}
