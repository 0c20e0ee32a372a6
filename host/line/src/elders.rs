//! What a line asks of the keys that other partitions had before the input grew. A seam: where these come from, and when they
//! are there, is the driver's business; which of them count is the engine's (`engine::growth`).

use std::error::Error;

use engine::decide::Candidate;
use engine::fingerprint::Fingerprint;
use engine::growth::{Elder, Growth, Partitioner};
use engine::record::{Millis, Offset, RecordBatch};

use crate::error::LineError;

/// The elders, as one partition asks them. Used by several threads.
pub trait Elders: Send + Sync {
    /// What is waited for before events up to `last` can be decided, in words; `None`: for nothing.
    fn awaited(&self, last: Offset) -> Option<String>;

    /// From this event time on none of them counts.
    fn end_at(&self) -> Option<Millis>;

    /// How producers found partitions before the input grew, where that is known.
    fn partitioner(&self) -> Option<Partitioner>;

    /// Replaces `found` by what the other partitions knew of the keys, ascending by key index.
    ///
    /// # Errors
    /// They cannot be read.
    fn look_up(&self, keys: &[Fingerprint], found: &mut Vec<Elder>) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// The elders of a line.
pub(crate) struct Kin {
    partition: i32,
    growth: Growth,
    elders: Box<dyn Elders>,
}

impl Kin {
    pub(crate) fn new(partition: i32, growth: Growth, elders: Box<dyn Elders>) -> Self {
        Self { partition, growth, elders }
    }

    /// Before anything of a batch is looked at.
    pub(crate) fn wait_for(&self, batch: &RecordBatch) -> Result<(), LineError> {
        let last = batch.len().checked_sub(1).and_then(|last| batch.get(last)).map_or(-1, |last| last.offset());
        match self.elders.awaited(last).filter(|_| last >= self.growth.from) {
            Some(words) => Err(LineError::Elders { words }),
            None => Ok(()),
        }
    }

    pub(crate) fn look_up(
        &self,
        candidates: &[Candidate],
        keys: &[Fingerprint],
        found: &mut Vec<Elder>,
    ) -> Result<(), LineError> {
        let end = self.elders.end_at();
        let is_past = |candidate: &Candidate| candidate.time.zip(end).is_some_and(|(time, end)| time >= end);
        let asks = |candidate: &Candidate| candidate.offset >= self.growth.from && !is_past(candidate);
        if !candidates.iter().any(asks) {
            return Ok(());
        }
        self.elders.look_up(keys, found).map_err(LineError::State)
    }

    /// How many records from `live_from` on were sent by the layout of before the growth, though everybody should know it.
    pub(crate) fn stale(&self, batch: &RecordBatch, live_from: Offset) -> u64 {
        let Some(partitioner) = self.elders.partitioner() else { return 0 };
        let from = live_from.max(self.growth.to);
        let is_stale = |key: &[u8]| partitioner.is_of_before(key, self.partition, &self.growth);
        let stale = batch.iter().filter(|record| record.offset() >= from && record.key().is_some_and(is_stale));
        stale.count() as u64
    }
}
