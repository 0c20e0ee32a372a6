//! Partitions that come and go. Called inside a poll, so it only notes what changed, starts the opening of new
//! partitions, and waits, for a limited time, for workers to release the ones that go. The polling loop handles the
//! changes when the poll returns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use kafka_connector::Assignments;
use observe::metrics::Rebalance;

use super::dispatch::{Flow, Work};
use super::ground::KafkaGround;
use super::observer::Observed;
use super::opening::Openings;
use super::{RunError, Stop};

/// Time between two looks at whether workers have let go.
const RELEASE_LOOK: Duration = Duration::from_millis(2);

/// Shared between the consumer, which calls it, and the polling loop, which takes the changes.
pub(super) struct Assigner {
    inboxes: Mutex<Vec<Sender<Work>>>,
    flows: Mutex<BTreeMap<i32, Arc<Flow>>>,
    /// How many partitions have come so far: no two assignments have the same number.
    assignments: AtomicU64,
    revoked: Mutex<Vec<i32>>,
    failure: Mutex<Option<RunError>>,
    openings: OnceLock<Openings<KafkaGround>>,
    stop: Stop,
    /// A worker that takes longer than this to let go has lost its partitions: it finds that out before it commits.
    release_timeout: Duration,
    observed: Observed,
}

impl Assigner {
    pub(super) fn new(inboxes: Vec<Sender<Work>>, stop: Stop, release_timeout: Duration, observed: Observed) -> Self {
        Self {
            inboxes: Mutex::new(inboxes),
            flows: Mutex::default(),
            assignments: AtomicU64::new(0),
            revoked: Mutex::default(),
            failure: Mutex::default(),
            openings: OnceLock::new(),
            stop,
            release_timeout,
            observed,
        }
    }

    /// Who opens what comes; once, before the first poll.
    pub(super) fn open_with(&self, openings: Openings<KafkaGround>) {
        let _once = self.openings.set(openings);
    }

    /// A worker has taken a partition that was opened.
    pub(super) fn taken(&self, partition: i32, flow: &Arc<Flow>) {
        if let Some(openings) = self.openings.get() {
            openings.taken(partition, flow);
        }
    }

    /// Workers end when nobody can ask them for anything more.
    pub(super) fn hang_up(&self, deadline: Instant) {
        if let Ok(mut inboxes) = self.inboxes.lock() {
            inboxes.clear();
        }
        if let Some(openings) = self.openings.get() {
            openings.end(deadline);
        }
    }

    /// Partitions that have gone since the last call.
    pub(super) fn take_revoked(&self) -> Vec<i32> {
        self.revoked.lock().map(|mut revoked| std::mem::take(&mut *revoked)).unwrap_or_default()
    }

    /// Whether this is still the partition's flow.
    pub(super) fn is_current(&self, partition: i32, flow: &Arc<Flow>) -> bool {
        self.flows.lock().is_ok_and(|flows| flows.get(&partition).is_some_and(|current| Arc::ptr_eq(current, flow)))
    }

    /// All partitions that are assigned.
    pub(super) fn partitions(&self) -> Vec<i32> {
        self.flows.lock().map(|flows| flows.keys().copied().collect()).unwrap_or_default()
    }

    /// The first failure; asks for the end of the run.
    pub(super) fn fail(&self, error: RunError) {
        if let Ok(mut failure) = self.failure.lock() {
            failure.get_or_insert(error);
        }
        self.stop.request();
    }

    pub(super) fn take_failure(&self) -> Option<RunError> {
        self.failure.lock().ok().and_then(|mut failure| failure.take())
    }

    pub(super) fn send(&self, worker: usize, work: Work) -> Result<(), RunError> {
        let inbox = self.inboxes.lock().ok().and_then(|inboxes| inboxes.get(worker).cloned());
        inbox.and_then(|inbox| inbox.send(work).ok()).ok_or_else(|| RunError::Other("a worker is gone".to_owned()))
    }

    fn least_loaded(&self, flows: &BTreeMap<i32, Arc<Flow>>) -> usize {
        let load = |worker: &usize| flows.values().filter(|flow| flow.worker == *worker).count();
        let workers = self.inboxes.lock().map_or(0, |inboxes| inboxes.len());
        (0..workers).min_by_key(load).unwrap_or(0)
    }

    fn take_flows(&self, partitions: &[i32]) -> Vec<(i32, Arc<Flow>)> {
        let Ok(mut flows) = self.flows.lock() else { return Vec::new() };
        partitions.iter().filter_map(|partition| flows.remove_entry(partition)).collect()
    }

    /// Waits until the workers have let go. What they have not let go of in time they have lost.
    fn wait_released(&self, leaving: &[(i32, Arc<Flow>)]) {
        let deadline = Instant::now() + self.release_timeout;
        while leaving.iter().any(|(_, flow)| !flow.is_released()) && Instant::now() < deadline {
            // The wait has an end, so it is no sign of a loop that hangs.
            self.observed.status.beat();
            std::thread::sleep(RELEASE_LOOK);
        }
        let expired: Vec<i32> =
            leaving.iter().filter(|(_, flow)| flow.expire()).map(|(partition, _)| *partition).collect();
        if !expired.is_empty() {
            tracing::error!(
                partitions = ?expired,
                timeout = ?self.release_timeout,
                "a worker did not release its partitions in time; what it has not committed is abandoned and will be read \
                 again. a longer --shutdown-timeout-secs gives it more time"
            );
        }
    }
}

impl Assignments for Assigner {
    fn assigned(&self, partitions: &[i32]) {
        tracing::info!(?partitions, "partitions assigned");
        self.observed.metrics.process.rebalances.inc_by(Rebalance::Assigned, partitions.len() as u64);
        let mut coming = Vec::new();
        if let Ok(mut flows) = self.flows.lock() {
            for partition in partitions {
                let assignment = self.assignments.fetch_add(1, Ordering::Relaxed);
                let flow = Arc::new(Flow::new(assignment, self.least_loaded(&flows)));
                flows.insert(*partition, Arc::clone(&flow));
                coming.push((*partition, flow));
            }
        }
        if let Some(openings) = self.openings.get() {
            openings.add(coming);
        }
        // Not before the partitions are known to the status: to own nothing is to be ready.
        self.observed.status.assigned();
    }

    fn revoked(&self, partitions: &[i32], lost: bool) {
        tracing::info!(?partitions, lost, "partitions revoked");
        let kind = if lost { Rebalance::Lost } else { Rebalance::Revoked };
        self.observed.metrics.process.rebalances.inc_by(kind, partitions.len() as u64);
        let flows = self.take_flows(partitions);
        let leaving: Vec<_> = if lost {
            flows.iter().for_each(|(_, flow)| flow.lose());
            Vec::new()
        } else {
            flows.iter().filter(|(_, flow)| flow.leave()).cloned().collect()
        };
        if let Some(openings) = self.openings.get() {
            openings.cancel(partitions);
        }
        for worker in flows.iter().map(|(_, flow)| flow.worker).collect::<BTreeSet<_>>() {
            let _gone = self.send(worker, Work::Close);
        }
        self.wait_released(&leaving);
        if let Ok(mut revoked) = self.revoked.lock() {
            revoked.extend(partitions);
        }
    }
}
