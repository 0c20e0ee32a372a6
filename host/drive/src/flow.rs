//! The way of one partition from the polling thread to its worker, for as long as it is assigned: what the threads have to see
//! of each other's words. What follows from them is the protocol's.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use engine::protocol::{Handover, Standing};
use engine::record::Offset;

/// See the module.
#[derive(Debug)]
pub(crate) struct Flow {
    /// A [`Standing`], as its place in the list.
    standing: AtomicU8,
    records: AtomicUsize,
    /// While it is held, the next offset that it will process; else [`NOWHERE`].
    held_at: AtomicI64,
    /// Where the log began when it was last asked.
    log_start: AtomicI64,
    /// Where it stood with all that was decided committed, when that was last asked; else [`NOWHERE`].
    settled_at: AtomicI64,
    /// When the group began to wait for the worker.
    leaving_since: OnceLock<Instant>,
    /// The number of the assignment, which no other of the process has.
    pub(crate) assignment: u64,
    /// Index of the worker.
    pub(crate) worker: usize,
}

const NOWHERE: Offset = -1;

impl Flow {
    pub(crate) fn new(assignment: u64, worker: usize) -> Self {
        Self {
            standing: AtomicU8::new(Standing::Opening as u8),
            records: AtomicUsize::new(0),
            held_at: AtomicI64::new(NOWHERE),
            log_start: AtomicI64::new(0),
            settled_at: AtomicI64::new(NOWHERE),
            leaving_since: OnceLock::new(),
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

    pub(crate) fn standing(&self) -> Standing {
        standing(self.standing.load(Ordering::SeqCst))
    }

    /// A worker takes it. `false`: it has gone meanwhile.
    pub(crate) fn adopt(&self) -> bool {
        self.hand_over(Handover::Adopt).1
    }

    /// The group takes it back and waits for the worker. `false`: no worker has it, so there is nothing to wait for.
    pub(crate) fn leave(&self) -> bool {
        let _before = self.leaving_since.set(Instant::now());
        self.hand_over(Handover::Leave) == (Standing::Owned, true)
    }

    /// Since when the group waits.
    pub(crate) fn leaving_since(&self) -> Instant {
        self.leaving_since.get().copied().unwrap_or_else(Instant::now)
    }

    /// The group does not wait any longer. `false`: it was released in time.
    pub(crate) fn expire(&self) -> bool {
        self.hand_over(Handover::Expire).1
    }

    /// It is another's already.
    pub(crate) fn lose(&self) {
        let _known = self.hand_over(Handover::Lose);
    }

    /// The worker has let go of it: its state is closed.
    pub(crate) fn release(&self) {
        let _known = self.hand_over(Handover::Release);
    }

    pub(crate) fn is_opening(&self) -> bool {
        self.standing() == Standing::Opening
    }

    pub(crate) fn is_released(&self) -> bool {
        self.standing() == Standing::Released
    }

    /// No use to poll it: what comes is stale until the worker asks for a rewind. `None`: go on.
    pub(crate) fn hold(&self, at: Option<Offset>) {
        self.held_at.store(at.unwrap_or(NOWHERE), Ordering::Release);
    }

    pub(crate) fn held_at(&self) -> Option<Offset> {
        Some(self.held_at.load(Ordering::Acquire)).filter(|at| *at != NOWHERE)
    }

    /// The log does not go back further than this any more.
    pub(crate) fn set_log_start(&self, log_start: Offset) {
        self.log_start.store(log_start, Ordering::Relaxed);
    }

    pub(crate) fn log_start(&self) -> Offset {
        self.log_start.load(Ordering::Relaxed)
    }

    /// All that was decided is committed. `None`: there may be something again that is not.
    pub(crate) fn settle(&self, at: Option<Offset>) {
        self.settled_at.store(at.unwrap_or(NOWHERE), Ordering::Release);
    }

    pub(crate) fn is_settled_at(&self, offset: Offset) -> bool {
        self.settled_at.load(Ordering::Acquire) == offset
    }

    /// Records that were polled and are not processed.
    pub(crate) fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, records: usize) {
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, records: usize) {
        self.records.fetch_sub(records, Ordering::Relaxed);
    }
}

fn standing(place: u8) -> Standing {
    Standing::ALL.get(usize::from(place)).copied().unwrap_or(Standing::Released)
}

/// The partitions that are assigned.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    flows: Mutex<BTreeMap<i32, Arc<Flow>>>,
    /// How many have come so far: no two assignments have the same number.
    assignments: AtomicU64,
}

impl Flows {
    /// A partition comes, and goes to the worker out of so many that has fewest.
    pub(crate) fn come(&self, partition: i32, workers: usize) -> Arc<Flow> {
        let mut flows = self.lock();
        let load = |worker: &usize| flows.values().filter(|flow| flow.worker == *worker).count();
        let worker = (0..workers).min_by_key(load).unwrap_or(0);
        let flow = Arc::new(Flow::new(self.assignments.fetch_add(1, Ordering::Relaxed), worker));
        flows.insert(partition, Arc::clone(&flow));
        flow
    }

    /// Partitions go, as far as they are there.
    pub(crate) fn go(&self, partitions: &[i32]) -> Vec<(i32, Arc<Flow>)> {
        let mut flows = self.lock();
        partitions.iter().filter_map(|partition| flows.remove_entry(partition)).collect()
    }

    /// Whether this is still the partition's flow.
    pub(crate) fn is_current(&self, partition: i32, flow: &Arc<Flow>) -> bool {
        self.lock().get(&partition).is_some_and(|current| Arc::ptr_eq(current, flow))
    }

    /// All of them.
    pub(crate) fn partitions(&self) -> Vec<i32> {
        self.lock().keys().copied().collect()
    }

    /// Whether these are all of them.
    pub(crate) fn are<'a>(&self, partitions: impl Iterator<Item = &'a i32>) -> bool {
        self.lock().keys().eq(partitions)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, Arc<Flow>>> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
