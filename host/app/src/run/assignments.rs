//! Partitions that come and go. Called inside a poll, so it only asks workers and notes what changed; the polling loop
//! takes the changes up when the poll returns.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connectors::kafka::{Assignment, Assignments};
use engine::record::Offset;

use super::dispatch::{Flow, Work};
use super::observe::Observed;
use super::{RunError, Stop};
use crate::metrics::Rebalance;

/// What the polling loop must know of.
pub(super) enum Change {
    Assigned { partition: i32, flow: Arc<Flow>, read_from: Offset },
    Revoked { partition: i32 },
}

/// Shared between the consumer, which calls it, and the polling loop, which takes the changes.
pub(super) struct Assigner {
    inboxes: Mutex<Vec<Sender<Work>>>,
    flows: Mutex<BTreeMap<i32, Arc<Flow>>>,
    changes: Mutex<Vec<Change>>,
    failure: Mutex<Option<RunError>>,
    stop: Stop,
    /// A worker that takes longer than this to let go is left behind; the group's generation fences it.
    release_timeout: Duration,
    observed: Observed,
}

impl Assigner {
    pub(super) fn new(inboxes: Vec<Sender<Work>>, stop: Stop, release_timeout: Duration, observed: Observed) -> Self {
        Self {
            inboxes: Mutex::new(inboxes),
            flows: Mutex::default(),
            changes: Mutex::default(),
            failure: Mutex::default(),
            stop,
            release_timeout,
            observed,
        }
    }

    /// Workers end when nobody can ask them for anything more.
    pub(super) fn hang_up(&self) {
        if let Ok(mut inboxes) = self.inboxes.lock() {
            inboxes.clear();
        }
    }

    pub(super) fn take_changes(&self) -> Vec<Change> {
        self.changes.lock().map(|mut changes| std::mem::take(&mut *changes)).unwrap_or_default()
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

    fn open(&self, assignments: &[Assignment]) -> Result<Vec<(i32, Offset)>, RunError> {
        let mut flows = self.flows.lock().map_err(|_| RunError::Other("a thread panicked".to_owned()))?;
        let mut opened = Vec::new();
        for assignment in assignments {
            let flow = Arc::new(Flow::new(self.least_loaded(&flows)));
            let (reply, answer) = mpsc::channel();
            let work = Work::Open { assignment: assignment.clone(), flow: Arc::clone(&flow), reply };
            self.send(flow.worker, work)?;
            flows.insert(assignment.partition, Arc::clone(&flow));
            opened.push((assignment.partition, flow, answer));
        }
        let mut starts = Vec::new();
        for (partition, flow, answer) in opened {
            let start = answer.recv().map_err(|_| RunError::Other("a worker is gone".to_owned()))??;
            starts.push((partition, start.read_from));
            self.note(Change::Assigned { partition, flow, read_from: start.read_from });
        }
        Ok(starts)
    }

    fn least_loaded(&self, flows: &BTreeMap<i32, Arc<Flow>>) -> usize {
        let load = |worker: &usize| flows.values().filter(|flow| flow.worker == *worker).count();
        let workers = self.inboxes.lock().map_or(0, |inboxes| inboxes.len());
        (0..workers).min_by_key(load).unwrap_or(0)
    }

    fn send(&self, worker: usize, work: Work) -> Result<(), RunError> {
        let inbox = self.inboxes.lock().ok().and_then(|inboxes| inboxes.get(worker).cloned());
        inbox.and_then(|inbox| inbox.send(work).ok()).ok_or_else(|| RunError::Other("a worker is gone".to_owned()))
    }

    fn note(&self, change: Change) {
        if let Ok(mut changes) = self.changes.lock() {
            changes.push(change);
        }
    }

    /// Makes the partitions' queued batches stale and groups them by worker.
    fn forget(&self, partitions: &[i32]) -> BTreeMap<usize, Vec<i32>> {
        let mut by_worker: BTreeMap<usize, Vec<i32>> = BTreeMap::new();
        let Ok(mut flows) = self.flows.lock() else { return by_worker };
        for partition in partitions {
            if let Some(flow) = flows.remove(partition) {
                flow.next_epoch();
                by_worker.entry(flow.worker).or_default().push(*partition);
            }
            self.note(Change::Revoked { partition: *partition });
        }
        by_worker
    }
}

impl Assignments for Assigner {
    fn assigned(&self, assignments: &[Assignment]) -> Option<Vec<(i32, Offset)>> {
        tracing::info!(partitions = ?assignments.iter().map(|a| a.partition).collect::<Vec<_>>(), "partitions assigned");
        self.observed.metrics.rebalanced(Rebalance::Assigned, assignments.len() as u64);
        match self.open(assignments) {
            Ok(starts) => {
                // Not before the partitions are known to the status: to own nothing is to be ready.
                self.observed.status.assigned();
                Some(starts)
            }
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    fn revoked(&self, partitions: &[i32], lost: bool) {
        tracing::info!(?partitions, lost, "partitions revoked");
        let kind = if lost { Rebalance::Lost } else { Rebalance::Revoked };
        self.observed.metrics.rebalanced(kind, partitions.len() as u64);
        let deadline = Instant::now() + self.release_timeout;
        let mut answers = Vec::new();
        for (worker, partitions) in self.forget(partitions) {
            let (reply, answer) = mpsc::channel();
            if self.send(worker, Work::Close { partitions, lost, reply }).is_ok() {
                answers.push(answer);
            }
        }
        for answer in answers {
            let left = deadline.saturating_duration_since(Instant::now());
            if answer.recv_timeout(left).is_err() {
                tracing::error!(
                    "a worker did not release its partitions in time; its transaction is fenced by the group"
                );
            }
        }
    }
}
