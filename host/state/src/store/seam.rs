//! A partition's store as its line sees it. Says nothing of its own: what each call does is said where it is done.

use std::sync::Arc;

use engine::decide::Gone;
use engine::entry::{Found, Write};
use engine::fingerprint::{Fingerprint, Seed};
use engine::history::History;
use engine::record::{Offset, RecordBatch};
use engine::state::{DurableState, Frontier, Originals, PartitionState};
use engine::time::Clock;

use super::{Applied, PartitionStore};
use crate::error::StateError;

impl PartitionState for PartitionStore {
    type Failure = StateError;

    fn seed(&self) -> Seed {
        self.seed()
    }

    fn clock(&self) -> Option<Clock> {
        self.applied().and_then(|applied| Clock::decode(&applied.clock))
    }

    fn gone(&self) -> Gone {
        self.gone()
    }

    fn lookup(
        &mut self,
        keys: &[Fingerprint],
        before_offset: Offset,
        found: &mut Vec<Found>,
    ) -> Result<(), StateError> {
        self.lookup(keys, before_offset, found)
    }

    fn stage(&mut self, writes: &[Write]) {
        self.stage(writes);
    }

    fn keep(&mut self, offset: Offset, bytes: &[u8]) -> Result<(), StateError> {
        self.keep(offset, bytes)
    }

    fn keep_shared(
        &mut self,
        offset: Offset,
        head: &[u8],
        batch: &Arc<RecordBatch>,
        body: &[u8],
        tail: &[u8],
    ) -> Result<(), StateError> {
        self.keep_shared(offset, head, batch, body, tail)
    }

    fn originals(&mut self, offsets: &[Offset], out: &mut Originals) -> Result<(), StateError> {
        self.originals(offsets, out)
    }

    fn load_histories(&mut self, originals: &[Offset]) -> Result<(), StateError> {
        self.load_histories(originals)
    }

    fn history(
        &mut self,
        original: Offset,
        make: impl FnOnce() -> History,
    ) -> Result<Option<&mut History>, StateError> {
        self.history(original, make)
    }

    fn commit(&mut self, frontier: Frontier<'_>) {
        let Frontier { next_offset, clock, watermark, extra } = frontier;
        self.commit(Applied {
            next_offset,
            clock: clock.encode(),
            watermark,
            clock_records: clock.records(),
            clock_is_ahead: clock.has_seen(next_offset),
            extra,
        });
    }

    fn rollback(&mut self) {
        self.rollback();
    }
}

impl DurableState for PartitionStore {
    fn applied(&self) -> Option<(Offset, &[u8])> {
        self.applied().map(|applied| (applied.next_offset, applied.extra.as_slice()))
    }

    fn should_persist(&self) -> bool {
        self.should_persist()
    }

    fn persist(&mut self) -> Result<(), StateError> {
        self.persist()
    }

    fn rewind_to(&mut self, offset: Offset, log_start: Offset) -> Result<Option<Offset>, StateError> {
        Ok(self.rewind_to(offset, log_start)?.map(|applied| applied.next_offset))
    }

    fn take_released_batch(&mut self) -> Option<RecordBatch> {
        self.take_released_batch()
    }
}
