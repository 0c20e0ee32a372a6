//! Between the polling thread and the workers: bounded queues of batches, one flow per partition. Does not decide
//! records.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use engine::record::{Offset, RecordBatch};
use kafka_connector::Assignment;
use line::Past;
use state::PartitionStore;

use super::start::Start;
use super::unreadable::Obstacle;

/// What a worker is asked to do, in this order and no other.
pub(super) enum Work {
    /// A partition comes, its state open.
    Opened(Box<Opened>),
    /// Records of a partition.
    Batch(Box<Delivered>),
    /// The end of a partition: all of it that can be read was delivered before.
    End { partition: i32, epoch: u64 },
    /// Something that cannot be read stands between what was delivered of a partition and what comes next.
    Obstacle(Box<Obstacle>),
    /// Some partitions go; their flows say which, and how.
    Close,
}

/// A partition that can be read.
pub(super) struct Opened {
    pub(super) assignment: Assignment,
    pub(super) flow: Arc<Flow>,
    pub(super) store: PartitionStore,
    pub(super) start: Start,
    /// What is known of the records below the committed offset.
    pub(super) past: Past,
}

/// A batch on its way to a worker. Its records count as in flight until it is dropped.
pub(super) struct Delivered {
    pub(super) partition: i32,
    /// The flow's epoch when the records were polled; a batch of another epoch is stale.
    pub(super) epoch: u64,
    /// Where the batch before this one ended: the worker's position, or a batch was lost on the way.
    pub(super) from: Offset,
    /// Shared with the state, which holds batches for their originals.
    pub(super) batch: Arc<RecordBatch>,
    pub(super) flow: Arc<Flow>,
    pub(super) total: Arc<InFlight>,
}

impl Delivered {
    pub(super) fn new(
        partition: i32,
        epoch: u64,
        from: Offset,
        batch: RecordBatch,
        flow: Arc<Flow>,
        total: Arc<InFlight>,
    ) -> Self {
        flow.records.fetch_add(batch.len(), Ordering::Relaxed);
        total.records.fetch_add(batch.len(), Ordering::Relaxed);
        total.bytes.fetch_add(batch.bytes() as u64, Ordering::Relaxed);
        Self { partition, epoch, from, batch: Arc::new(batch), flow, total }
    }
}

impl Drop for Delivered {
    fn drop(&mut self) {
        self.flow.records.fetch_sub(self.batch.len(), Ordering::Relaxed);
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

/// The way of one partition from the polling thread to its worker, for as long as it is assigned.
#[derive(Debug)]
pub(super) struct Flow {
    /// A [`Standing`].
    standing: AtomicU8,
    /// Raised whenever what was polled before must not be processed: on a rewind, and when the partition goes.
    epoch: AtomicU64,
    records: AtomicUsize,
    /// While it is held, the next offset that it will process; else [`NOT_HELD`].
    held_at: AtomicI64,
    /// Where the log began when it was last asked.
    log_start: AtomicI64,
    /// Index of the worker.
    pub(super) worker: usize,
}

/// Whose a partition is. It only moves down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Standing {
    /// Given by the group; its state is being opened.
    Opening,
    /// A worker has it.
    Owned,
    /// The group takes it back and waits: the worker may still commit.
    Leaving,
    /// It may be another's already: nothing of it may be committed any more.
    Lost,
    /// No worker has it.
    Released,
}

const NOT_HELD: Offset = -1;

impl Flow {
    pub(super) fn new(worker: usize) -> Self {
        Self {
            standing: AtomicU8::new(Standing::Opening as u8),
            epoch: AtomicU64::new(0),
            records: AtomicUsize::new(0),
            held_at: AtomicI64::new(NOT_HELD),
            log_start: AtomicI64::new(0),
            worker,
        }
    }

    fn step(&self, from: Standing, to: Standing) -> bool {
        self.standing.compare_exchange(from as u8, to as u8, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn is(&self, standing: Standing) -> bool {
        self.standing.load(Ordering::SeqCst) == standing as u8
    }

    /// A worker takes it. `false`: it has gone meanwhile.
    pub(super) fn adopt(&self) -> bool {
        self.step(Standing::Opening, Standing::Owned)
    }

    /// The group takes it back and waits for the worker. `false`: no worker has it, so there is nothing to wait for.
    pub(super) fn leave(&self) -> bool {
        !self.step(Standing::Opening, Standing::Released) && self.step(Standing::Owned, Standing::Leaving)
    }

    /// The group does not wait any longer. `false`: it was released in time.
    pub(super) fn expire(&self) -> bool {
        self.step(Standing::Leaving, Standing::Lost)
    }

    /// It is another's already.
    pub(super) fn lose(&self) {
        if !self.step(Standing::Opening, Standing::Released) {
            let _lost = self.step(Standing::Owned, Standing::Lost);
        }
    }

    /// The worker has let go of it: its state is closed.
    pub(super) fn release(&self) {
        self.standing.store(Standing::Released as u8, Ordering::SeqCst);
    }

    pub(super) fn is_opening(&self) -> bool {
        self.is(Standing::Opening)
    }

    /// Whether the worker has to let go of it.
    pub(super) fn is_going(&self) -> bool {
        self.is(Standing::Leaving) || self.is(Standing::Lost)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is(Standing::Lost)
    }

    pub(super) fn is_released(&self) -> bool {
        self.is(Standing::Released)
    }

    /// No use to poll it: what comes is stale until the worker asks for a rewind. `None`: go on.
    pub(super) fn hold(&self, at: Option<Offset>) {
        self.held_at.store(at.unwrap_or(NOT_HELD), Ordering::Release);
    }

    pub(super) fn held_at(&self) -> Option<Offset> {
        Some(self.held_at.load(Ordering::Acquire)).filter(|at| *at != NOT_HELD)
    }

    /// The log does not go back further than this any more.
    pub(super) fn set_log_start(&self, log_start: Offset) {
        self.log_start.store(log_start, Ordering::Relaxed);
    }

    pub(super) fn log_start(&self) -> Offset {
        self.log_start.load(Ordering::Relaxed)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Makes stale whatever was polled so far. Returns the new epoch.
    pub(super) fn next_epoch(&self) -> u64 {
        self.epoch.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub(super) fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }
}

/// All that is polled and not yet processed.
#[derive(Default)]
pub(super) struct InFlight {
    records: AtomicUsize,
    bytes: AtomicU64,
    lock: Mutex<()>,
    drained: Condvar,
    spare: Mutex<Vec<RecordBatch>>,
}

impl InFlight {
    pub(super) fn exceeds(&self, records_max: usize, bytes_max: u64) -> bool {
        self.records.load(Ordering::Relaxed) >= records_max || self.bytes.load(Ordering::Relaxed) >= bytes_max
    }

    /// Waits until a worker has finished a batch, or for `timeout`.
    pub(super) fn wait(&self, timeout: Duration) {
        if let Ok(guard) = self.lock.lock() {
            drop(self.drained.wait_timeout(guard, timeout));
        }
    }

    /// A batch that is empty again: memory that is known costs less than fresh.
    pub(super) fn give_back(&self, batch: RecordBatch) {
        if let Ok(mut spare) = self.spare.lock()
            && spare.len() < SPARE_BATCHES_MAX
        {
            spare.push(batch);
        }
    }

    pub(super) fn spare_batch(&self) -> RecordBatch {
        self.spare.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }
}

/// What a worker asks of the polling thread.
pub(super) enum Reading {
    /// To read a partition for the first time.
    Begin { partition: i32, flow: Arc<Flow>, offset: Offset },
    /// To read it again from an offset.
    Again(Rewind),
}

impl Reading {
    pub(super) fn partition(&self) -> i32 {
        match self {
            Self::Begin { partition, .. } => *partition,
            Self::Again(rewind) => rewind.partition,
        }
    }
}

/// A worker asks for a partition to be read again from an offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rewind {
    pub(super) partition: i32,
    /// The epoch that the records read again will have.
    pub(super) epoch: u64,
    pub(super) offset: Offset,
}
