//! Between the polling thread and the workers: bounded queues of batches, one flow per partition. Does not decide
//! records.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use engine::protocol::start::Start;
use engine::protocol::{Epoch, Handover, Standing};
use engine::record::{Offset, RecordBatch};
use kafka_connector::Assignment;
use line::Past;
use state::PartitionStore;

use super::unreadable::Obstacle;

/// What a worker is asked to do, in this order and no other.
pub(super) enum Work {
    /// A partition comes, its state open.
    Opened(Box<Opened>),
    /// Records of a partition.
    Batch(Box<Delivered>),
    /// The end of a partition: all of it that can be read was delivered before.
    End { partition: i32, epoch: Epoch },
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
    /// The epoch that the records were polled under; a batch of another one is stale.
    pub(super) epoch: Epoch,
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
        epoch: Epoch,
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

/// The way of one partition from the polling thread to its worker, for as long as it is assigned: what the threads have to
/// see of each other's words. What follows from them is the protocol's.
#[derive(Debug)]
pub(super) struct Flow {
    /// A [`Standing`], as its place in the list.
    standing: AtomicU8,
    records: AtomicUsize,
    /// While it is held, the next offset that it will process; else [`NOT_HELD`].
    held_at: AtomicI64,
    /// Where the log began when it was last asked.
    log_start: AtomicI64,
    /// The number of the assignment, which no other of the process has.
    pub(super) assignment: u64,
    /// Index of the worker.
    pub(super) worker: usize,
}

const NOT_HELD: Offset = -1;

impl Flow {
    pub(super) fn new(assignment: u64, worker: usize) -> Self {
        Self {
            standing: AtomicU8::new(Standing::Opening as u8),
            records: AtomicUsize::new(0),
            held_at: AtomicI64::new(NOT_HELD),
            log_start: AtomicI64::new(0),
            assignment,
            worker,
        }
    }

    /// Where it stood, and whether that is another now.
    fn hand_over(&self, handover: Handover) -> (Standing, bool) {
        let next = |from| standing(from).after(handover).map(|to| to as u8);
        match self.standing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next) {
            Ok(from) => (standing(from), true),
            Err(from) => (standing(from), false),
        }
    }

    pub(super) fn standing(&self) -> Standing {
        standing(self.standing.load(Ordering::SeqCst))
    }

    /// A worker takes it. `false`: it has gone meanwhile.
    pub(super) fn adopt(&self) -> bool {
        self.hand_over(Handover::Adopt).1
    }

    /// The group takes it back and waits for the worker. `false`: no worker has it, so there is nothing to wait for.
    pub(super) fn leave(&self) -> bool {
        self.hand_over(Handover::Leave) == (Standing::Owned, true)
    }

    /// The group does not wait any longer. `false`: it was released in time.
    pub(super) fn expire(&self) -> bool {
        self.hand_over(Handover::Expire).1
    }

    /// It is another's already.
    pub(super) fn lose(&self) {
        let _known = self.hand_over(Handover::Lose);
    }

    /// The worker has let go of it: its state is closed.
    pub(super) fn release(&self) {
        let _known = self.hand_over(Handover::Release);
    }

    pub(super) fn is_opening(&self) -> bool {
        self.standing() == Standing::Opening
    }

    pub(super) fn is_released(&self) -> bool {
        self.standing() == Standing::Released
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

    pub(super) fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }
}

fn standing(place: u8) -> Standing {
    Standing::ALL.get(usize::from(place)).copied().unwrap_or(Standing::Released)
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
    Begin { partition: i32, flow: Arc<Flow>, epoch: Epoch, offset: Offset },
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
    pub(super) epoch: Epoch,
    pub(super) offset: Offset,
}
