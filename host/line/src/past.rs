//! What a line knows of the records below the committed offset in addition to the state: which of them are exceptions,
//! that is, went out undecided. A replay skips those. Not where this is stored, and not the rule.

use engine::fields::KeyStatus;
use engine::progress::{Ledger, Progress, Ranges};
use engine::record::{Offset, RecordBatch};

use crate::scratch::Scratch;

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
    #[must_use]
    pub fn is_exception(&self, offset: Offset) -> bool {
        self.ledger.settled().exceptions().contains(offset) || self.recovered.contains(offset)
    }

    /// Whether a replay must pass any of `from..to` by.
    fn has_exceptions(&self, from: Offset, to: Offset) -> bool {
        self.ledger.settled().exceptions().meets(from, to) || self.recovered.meets(from, to)
    }

    /// Whether it is known that a record, no exception, was decided: then no replay may leave it undecided.
    #[must_use]
    pub fn was_decided(&self, offset: Offset) -> bool {
        offset >= self.known_from
    }

    /// Replayed records that went out undecided are not put to the plugin again, and so leave no entry.
    pub(crate) fn pass_exceptions_by(&mut self, batch: &RecordBatch, live_from: Offset, scratch: &mut Scratch) {
        let ends = batch.get(0).zip(batch.len().checked_sub(1).and_then(|last| batch.get(last)));
        let Some((first, last)) = ends else { return };
        self.ledger.decide_from(first.offset().max(live_from));
        if !self.has_exceptions(first.offset(), live_from.min(last.offset() + 1)) {
            return;
        }
        scratch.leave_out(|record| {
            let offset = batch.get(record as usize).map_or(live_from, |record| record.offset());
            offset < live_from && self.is_exception(offset)
        });
    }

    /// What was decided before must be decided as it was: neither anew nor not at all. The first record of which the plugin
    /// makes something else now, and why.
    pub(crate) fn new_decision(
        &self,
        batch: &RecordBatch,
        live_from: Offset,
        scratch: &Scratch,
    ) -> Option<(Offset, String)> {
        if batch.get(0).is_none_or(|first| first.offset() >= live_from) {
            return None;
        }
        let offset_of = |record: u32| batch.get(record as usize).map_or(live_from, |record| record.offset());
        let is_new = |record: u32| offset_of(record) < live_from && self.was_decided(offset_of(record));
        let invalid = scratch.decoded.iter().zip(&scratch.extraction.status);
        let mut invalid = invalid.filter(|(_, status)| **status == KeyStatus::Invalid).map(|(record, _)| *record);
        let record = invalid.find(|record| is_new(*record))?;
        let reason = scratch.reasons.iter().find(|reason| reason.record == record);
        let reason = reason.map_or("the plugin calls it invalid", |reason| reason.text.as_str());
        Some((offset_of(record), reason.to_owned()))
    }
}
