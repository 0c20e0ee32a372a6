//! Partitions that come and go. Called inside a poll, so it only notes what changed, starts the opening of new
//! partitions, and waits, for a limited time, for workers to release the ones that go. The polling loop handles the
//! changes when the poll returns.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use connectors::Assignments;

use crate::flow::{Flow, Flows};
use crate::inboxes::{Inboxes, Work};
use crate::opening::{Ground, Openings};
use crate::report::{Change, Report};

/// Time between two looks at whether workers have let go.
const RELEASE_LOOK: Duration = Duration::from_millis(2);

/// Called by the source. The polling loop takes the changes.
pub(crate) struct Assigner<G: Ground, R> {
    pub(crate) inboxes: Arc<Inboxes<G::State>>,
    pub(crate) flows: Arc<Flows>,
    pub(crate) revoked: Arc<Revoked>,
    /// Who opens what comes.
    pub(crate) openings: Arc<Openings<G>>,
    /// A worker that takes longer than this to let go has lost its partitions: it finds that out before it commits.
    pub(crate) release_timeout: Duration,
    pub(crate) report: Arc<R>,
}

/// Partitions that have gone, until the polling loop takes them.
#[derive(Debug, Default)]
pub(crate) struct Revoked(Mutex<Vec<i32>>);

impl Revoked {
    /// Those that have gone since the last call.
    pub(crate) fn take(&self) -> Vec<i32> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, partitions: &[i32]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(partitions);
    }
}

impl<G: Ground, R: Report<G::State>> Assigner<G, R> {
    /// Waits until the workers have let go. What they have not let go of in time they have lost.
    fn wait_released(&self, leaving: &[(i32, Arc<Flow>)]) {
        let deadline = Instant::now() + self.release_timeout;
        while leaving.iter().any(|(_, flow)| !flow.is_released()) && Instant::now() < deadline {
            // The wait has an end, so it is no sign of a loop that hangs.
            self.report.beat();
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

impl<G: Ground, R: Report<G::State>> Assignments for Assigner<G, R> {
    fn assigned(&self, partitions: &[i32]) {
        tracing::info!(?partitions, "partitions assigned");
        self.report.rebalanced(Change::Assigned, partitions.len());
        let workers = self.inboxes.len();
        let come = |partition: &i32| (*partition, self.flows.come(*partition, workers));
        self.openings.add(partitions.iter().map(come).collect::<Vec<_>>());
        // Not before the partitions are known to the status: to own nothing is to be ready.
        self.report.assigned();
    }

    fn revoked(&self, partitions: &[i32], lost: bool) {
        tracing::info!(?partitions, lost, "partitions revoked");
        self.report.rebalanced(if lost { Change::Lost } else { Change::Revoked }, partitions.len());
        let flows = self.flows.go(partitions);
        let leaving: Vec<_> = if lost {
            flows.iter().for_each(|(_, flow)| flow.lose());
            Vec::new()
        } else {
            flows.iter().filter(|(_, flow)| flow.leave()).cloned().collect()
        };
        self.openings.cancel(partitions);
        for worker in flows.iter().map(|(_, flow)| flow.worker).collect::<BTreeSet<_>>() {
            let _gone = self.inboxes.send(worker, Work::Close);
        }
        self.wait_released(&leaving);
        self.revoked.add(partitions);
    }
}
