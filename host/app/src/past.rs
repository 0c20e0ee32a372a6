//! What a line knows of the records below the committed offset in addition to the state: which of them are exceptions,
//! that is, went out undecided. A replay skips those. Not where this is stored, and not the rule.

use engine::progress::{Ledger, Progress, Ranges};
use engine::record::Offset;

/// See the module.
#[derive(Debug, Clone)]
pub struct Past {
    /// The record and its bounds.
    pub ledger: Ledger,
    /// Exceptions that the record had no room for, read back from elsewhere.
    recovered: Ranges,
    /// From here on a replay knows every exception; below it, nobody does.
    known_from: Offset,
}

impl Past {
    /// From a record and what was read back beside it. A state on disk contains what is below `durable`.
    #[must_use]
    pub fn new(record: Progress, recovered: Ranges, known_from: Offset, durable: Offset) -> Self {
        Self { ledger: Ledger::new(record, durable), recovered, known_from }
    }

    /// Whether a replay must pass an offset by.
    pub(crate) fn is_exception(&self, offset: Offset) -> bool {
        self.ledger.settled().exceptions().contains(offset) || self.recovered.contains(offset)
    }

    /// Whether a replay must pass any of `from..to` by.
    pub(crate) fn has_exceptions(&self, from: Offset, to: Offset) -> bool {
        self.ledger.settled().exceptions().meets(from, to) || self.recovered.meets(from, to)
    }

    /// Whether it is known that a record, no exception, was decided: then no replay may leave it undecided.
    pub(crate) fn was_decided(&self, offset: Offset) -> bool {
        offset >= self.known_from
    }
}
