//! The decision where events that are too dissimilar to their originals pass: the rule asks what it needs to know, and state
//! and scorer answer. Not the rule: that is [`engine::distinct`].

use std::sync::Arc;

use engine::distinct::Distinct;
use engine::record::{Offset, RecordBatch};
use engine::state::PartitionState;

use crate::decide::LineClock;
use crate::error::LineError;
use crate::explain::{Explainable, Explainer};
use crate::rules::Rules;
use crate::scratch::Scratch;

/// All entries of a key, and not only those that a batch from some offset on needs.
const ANY: Offset = Offset::MIN;

/// Decides by similarity.
pub(crate) struct BySimilarity {
    distinct: Distinct,
    /// How alike pairs of events are.
    scores: Vec<Option<f64>>,
}

impl BySimilarity {
    /// `None` where the operator does not want it.
    pub(crate) fn new(rules: &Rules) -> Option<Box<Self>> {
        let distinct = |bound| Distinct::new(rules.window, bound);
        rules.explain.forward_below.map(|bound| Box::new(Self { distinct: distinct(bound), scores: Vec::new() }))
    }

    /// Decides the batch. Where the scorer cannot be asked nothing has changed, and the batch may be tried again.
    pub(crate) fn decide<S: PartitionState>(
        &mut self,
        records: &Arc<RecordBatch>,
        scratch: &mut Scratch,
        explainer: &mut Explainer,
        clock: &mut LineClock,
        state: &mut S,
    ) -> Result<(), LineError> {
        let distinct = &mut self.distinct;
        let mut now = clock.now.clone();
        distinct.begin(&scratch.candidates, &scratch.owners, &scratch.keys, &mut now);
        loop {
            state.lookup(distinct.asked(), ANY, &mut scratch.found).map_err(LineError::state)?;
            distinct.found(&scratch.found);
            if distinct.asked().is_empty() {
                break;
            }
        }
        let batch = Explainable { records, scratch, live_from: 0, explained_to: None };
        while !distinct.wanted().is_empty() {
            explainer.similarities(&batch, distinct.wanted(), state, &mut self.scores)?;
            distinct.scored(&self.scores);
        }
        distinct.finish(state.gone(), &mut scratch.decisions);
        clock.now = now;
        state.stage(&scratch.decisions.writes);
        Ok(())
    }

    /// Whether a duplicate passes as too dissimilar.
    pub(crate) fn is_forwarded(&self, record: u32) -> bool {
        self.distinct.is_forwarded(record)
    }

    /// How many live events of the batch pass, but none of their copies will be compared with them.
    pub(crate) fn not_remembered(&self, batch: &RecordBatch, live_from: Offset) -> u64 {
        let is_live = |record: &&u32| batch.get(**record as usize).is_some_and(|record| record.offset() >= live_from);
        self.distinct.not_remembered().iter().filter(is_live).count() as u64
    }
}
