//! A state on a disk whose process can die: from then on nothing of it is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::decide::Gone;
use engine::entry::{Found, Write};
use engine::fingerprint::{Fingerprint, Seed};
use engine::history::History;
use engine::record::{Offset, RecordBatch};
use engine::state::{DurableState, Frontier, Originals, PartitionState};
use engine::time::Clock;
use state::{PartitionStore, StateError};

/// See the module.
pub(crate) struct Mortal {
    pub(crate) store: PartitionStore,
    pub(crate) is_dead: Arc<AtomicBool>,
}

impl PartitionState for Mortal {
    type Failure = StateError;

    fn seed(&self) -> Seed {
        self.store.seed()
    }

    fn clock(&self) -> Option<Clock> {
        self.store.clock()
    }

    fn gone(&self) -> Gone {
        self.store.gone()
    }

    fn lookup(&mut self, keys: &[Fingerprint], before: Offset, found: &mut Vec<Found>) -> Result<(), StateError> {
        self.store.lookup(keys, before, found)
    }

    fn stage(&mut self, writes: &[Write]) {
        self.store.stage(writes);
    }

    fn keep(&mut self, offset: Offset, bytes: &[u8]) -> Result<(), StateError> {
        self.store.keep(offset, bytes)
    }

    fn keep_shared(
        &mut self,
        offset: Offset,
        head: &[u8],
        batch: &Arc<RecordBatch>,
        body: &[u8],
        tail: &[u8],
    ) -> Result<(), StateError> {
        self.store.keep_shared(offset, head, batch, body, tail)
    }

    fn originals(&mut self, offsets: &[Offset], out: &mut Originals) -> Result<(), StateError> {
        self.store.originals(offsets, out)
    }

    fn load_histories(&mut self, originals: &[Offset]) -> Result<(), StateError> {
        self.store.load_histories(originals)
    }

    fn history(
        &mut self,
        original: Offset,
        make: impl FnOnce() -> History,
    ) -> Result<Option<&mut History>, StateError> {
        self.store.history(original, make)
    }

    fn commit(&mut self, frontier: Frontier<'_>) {
        PartitionState::commit(&mut self.store, frontier);
    }

    fn rollback(&mut self) {
        self.store.rollback();
    }
}

impl DurableState for Mortal {
    fn applied(&self) -> Option<(Offset, &[u8])> {
        DurableState::applied(&self.store)
    }

    fn should_persist(&self) -> bool {
        self.store.should_persist()
    }

    fn persist(&mut self) -> Result<(), StateError> {
        if self.is_dead.load(Ordering::SeqCst) {
            return Err(StateError::Refused { dir: "nowhere".into(), cause: "the process is dead".to_owned() });
        }
        self.store.persist()
    }

    fn rewind_to(&mut self, offset: Offset, log_start: Offset) -> Result<Option<Offset>, StateError> {
        DurableState::rewind_to(&mut self.store, offset, log_start)
    }

    fn take_released_batch(&mut self) -> Option<RecordBatch> {
        self.store.take_released_batch()
    }
}
