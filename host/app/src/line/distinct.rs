//! The line's decision if events that are too dissimilar to their originals pass: the rule asks what it needs to know,
//! and state and scorer answer. Not the rule: that is [`engine::distinct`].

use std::sync::Arc;

use engine::record::{Offset, RecordBatch};

use super::{HOST_FIELDS, Line, LineError};
use crate::explain::Batch as Explainable;

/// All entries of a key, and not only those that a batch from some offset on needs.
const ANY: Offset = Offset::MIN;

impl Line {
    /// Decides the batch. Where the scorer cannot be asked nothing has changed, and the batch may be tried again.
    pub(super) fn decide_by_likeness(&mut self, records: &Arc<RecordBatch>) -> Result<(), LineError> {
        let scratch = &mut self.scratch;
        let (Some(distinct), Some(host_fields)) = (&mut self.distinct, scratch.fields.get(HOST_FIELDS)) else {
            return Ok(());
        };
        let mut clock = self.clock.clone();
        distinct.begin(&scratch.candidates, &scratch.owners, &scratch.keys, &mut clock);
        loop {
            self.store.lookup(distinct.asked(), ANY, &mut scratch.found)?;
            distinct.found(&scratch.found);
            if distinct.asked().is_empty() {
                break;
            }
        }
        let batch = Explainable {
            records,
            keys: &scratch.extraction.keys,
            candidates: &scratch.candidates,
            decoded: &scratch.decoded,
            host_fields,
            wanted: &scratch.wanted,
            fingerprinter: &self.fingerprinter,
            live_from: 0,
            letters_to: None,
        };
        while !distinct.wanted().is_empty() {
            self.explainer.similarities(&batch, distinct.wanted(), &mut self.store, &mut scratch.scores)?;
            distinct.scored(&scratch.scores);
        }
        distinct.finish(self.store.gone(), &mut scratch.decisions);
        self.clock = clock;
        self.store.stage(&scratch.decisions.writes);
        Ok(())
    }

    /// Counts the live events of the batch that pass, but that none of their copies will be compared with.
    pub(super) fn count_not_remembered(&mut self, batch: &RecordBatch, live_from: Offset) {
        let Some(distinct) = &self.distinct else { return };
        let is_live = |record: &&u32| batch.get(**record as usize).is_some_and(|record| record.offset() >= live_from);
        self.tally.not_remembered += distinct.not_remembered().iter().filter(is_live).count() as u64;
    }
}
