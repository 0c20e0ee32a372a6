//! Between the polling thread and the workers: bounded queues of batches, and what a worker asks of the polling thread. Does
//! not decide records.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use engine::protocol::Epoch;
use engine::record::{Offset, RecordBatch};

use crate::flow::Flow;

/// A batch on its way to a worker. Its records count as in flight until it is dropped.
pub(crate) struct Delivered {
    pub(crate) partition: i32,
    /// The epoch that the records were polled under; a batch of another one is stale.
    pub(crate) epoch: Epoch,
    /// Where the batch before this one ended: the worker's position, or a batch was lost on the way.
    pub(crate) from: Offset,
    /// Shared with the state, which holds batches for their originals.
    pub(crate) batch: Arc<RecordBatch>,
    pub(crate) flow: Arc<Flow>,
    pub(crate) total: Arc<InFlight>,
}

impl Delivered {
    pub(crate) fn new(
        partition: i32,
        epoch: Epoch,
        from: Offset,
        batch: RecordBatch,
        flow: Arc<Flow>,
        total: Arc<InFlight>,
    ) -> Self {
        flow.add(batch.len());
        total.records.fetch_add(batch.len(), Ordering::Relaxed);
        total.bytes.fetch_add(batch.bytes() as u64, Ordering::Relaxed);
        Self { partition, epoch, from, batch: Arc::new(batch), flow, total }
    }
}

impl Delivered {
    /// What is before an offset, and what is from there on; itself where either is nothing.
    pub(crate) fn cut(self, at: Offset) -> Result<(Self, Self), Self> {
        let [mut first, mut second] = [RecordBatch::new(), RecordBatch::new()];
        let offset = |index: Option<usize>| index.and_then(|index| self.batch.get(index)).map(|record| record.offset());
        let (begins, ends) = (offset(Some(0)), offset(self.batch.len().checked_sub(1)));
        if begins.is_none_or(|begins| begins >= at) || ends.is_none_or(|ends| ends < at) {
            return Err(self);
        }
        for record in self.batch.iter() {
            if record.offset() < at { &mut first } else { &mut second }.push_copy(&record);
        }
        let next = first.iter().last().map_or(self.from, |last| last.offset() + 1);
        let part = |from, batch| {
            Self::new(self.partition, self.epoch, from, batch, Arc::clone(&self.flow), Arc::clone(&self.total))
        };
        Ok((part(self.from, first), part(next, second)))
    }
}

impl Drop for Delivered {
    fn drop(&mut self) {
        self.flow.subtract(self.batch.len());
        self.total.records.fetch_sub(self.batch.len(), Ordering::Relaxed);
        self.total.bytes.fetch_sub(self.batch.bytes() as u64, Ordering::Relaxed);
        self.total.drained.notify_one();
        if let Some(mut batch) = Arc::into_inner(std::mem::take(&mut self.batch)) {
            batch.clear();
            self.total.give_back(batch);
        }
    }
}

/// Batches kept for reuse.
const SPARE_BATCHES_MAX: usize = 256;

/// All that is polled and not yet processed.
#[derive(Default)]
pub(crate) struct InFlight {
    records: AtomicUsize,
    bytes: AtomicU64,
    lock: Mutex<()>,
    drained: Condvar,
    spare: Mutex<Vec<RecordBatch>>,
}

impl InFlight {
    pub(crate) fn exceeds(&self, records_max: usize, bytes_max: u64) -> bool {
        self.records.load(Ordering::Relaxed) >= records_max || self.bytes.load(Ordering::Relaxed) >= bytes_max
    }

    /// Waits until a worker has finished a batch, or for `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) {
        if let Ok(guard) = self.lock.lock() {
            drop(self.drained.wait_timeout(guard, timeout));
        }
    }

    /// A batch that is empty again: memory that is known costs less than fresh.
    pub(crate) fn give_back(&self, batch: RecordBatch) {
        if let Ok(mut spare) = self.spare.lock()
            && spare.len() < SPARE_BATCHES_MAX
        {
            spare.push(batch);
        }
    }

    pub(crate) fn spare_batch(&self) -> RecordBatch {
        self.spare.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }
}

/// What a worker asks of the polling thread.
pub(crate) enum Reading {
    /// To read a partition for the first time.
    Begin { partition: i32, flow: Arc<Flow>, epoch: Epoch, offset: Offset },
    /// To read it again from an offset.
    Again(Rewind),
}

impl Reading {
    pub(crate) fn partition(&self) -> i32 {
        match self {
            Self::Begin { partition, .. } => *partition,
            Self::Again(rewind) => rewind.partition,
        }
    }
}

/// A worker asks for a partition to be read again from an offset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rewind {
    pub(crate) partition: i32,
    /// The epoch that the records read again will have.
    pub(crate) epoch: Epoch,
    pub(crate) offset: Offset,
}
