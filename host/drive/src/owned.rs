//! A partition of a worker: its line, its state on disk, and the batch that waits. Where it stands in the protocol is known
//! to the machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::record::Offset;
use engine::state::DurableState;
use line::{Line, Past};

use crate::dispatch::Delivered;
use crate::failure::Failure;
use crate::flow::Flow;
use crate::report::{PartitionReport, Took};

/// Time between two of the times that it is written only to make room in the progress record.
const CROWDED_PERSIST_PAUSE: Duration = Duration::from_secs(1);

/// Time between two looks at the sizes of the state.
const SIZES_INTERVAL: Duration = Duration::from_secs(2);

/// A partition of this worker. What is first here goes first: the outside forgets it, its state is closed, and only then
/// is it released.
pub(crate) struct Owned<S, P> {
    pub(crate) report: P,
    pub(crate) line: Line<S>,
    /// The progress record of the last commit, or of the one under way.
    pub(crate) record: String,
    /// Characters that it may have.
    pub(crate) record_chars_max: usize,
    /// Whether exceptions can be read back from somewhere.
    pub(crate) has_dead_letters: bool,
    pub(crate) flow: Arc<Flow>,
    /// The batch that waits for a plugin that works.
    pub(crate) kept: Option<Box<Delivered>>,
    pub(crate) persist_interval: Duration,
    pub(crate) persisted_at: Instant,
    pub(crate) sized_at: Instant,
    pub(crate) release: Arc<Release>,
    /// How many partitions the input had when it was opened, where it matters.
    pub(crate) partitions: Option<i32>,
    /// Batches do not go beyond this: others wait for it to be reached.
    pub(crate) cut_at: Option<Offset>,
}

/// Says, when dropped, that a worker has let go of a partition.
pub(crate) struct Release(pub(crate) Arc<Flow>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl<S: DurableState, P: PartitionReport<S>> Owned<S, P> {
    /// Drops what was decided and is not committed.
    pub(crate) fn roll_back(&mut self) {
        self.report.rolled_back();
        self.line.rollback();
        self.kept = None;
    }

    /// What the line's work has cost.
    pub(crate) fn tell_costs(&mut self) {
        let (times, costs) = self.line.take_costs();
        self.report.costs(&times, &costs);
    }

    /// The progress record for a commit up to `next`.
    pub(crate) fn write_record(&mut self, next: Offset) -> Result<&str, Failure> {
        let (log_start, chars_max) = (self.flow.log_start(), self.record_chars_max);
        if let Some(past) = self.line.past_mut() {
            let record = past.ledger.offer(next, log_start, chars_max);
            self.record = record.map_err(|error| Failure::bug(format!("progress record: {error}")))?;
        }
        Ok(&self.record)
    }

    /// Whether a commit is due, however young what is decided is: the state holds as much as it may, and only what is
    /// committed can be written; or what another batch adds to the progress record might not have room any more.
    pub(crate) fn is_commit_due(&mut self) -> bool {
        let is_crowded = |past: &Past| past.ledger.is_commit_due(self.record_chars_max);
        self.line.past().is_some_and(is_crowded) || self.line.store().should_persist()
    }

    /// Whether the record needs room for exceptions that only a state on disk lets go. Where they can be read back from
    /// the dead-letter topic there is no hurry.
    fn is_record_crowded(&self) -> bool {
        let pause = if self.has_dead_letters { CROWDED_PERSIST_PAUSE } else { Duration::ZERO };
        let is_crowded = |past: &Past| past.ledger.is_persist_due(self.record_chars_max);
        self.persisted_at.elapsed() >= pause && self.line.past().is_some_and(is_crowded)
    }

    /// Writes the state, which contains what is below `applied`, if it is large or old enough, and says whether it did.
    pub(crate) fn persist_if_due(&mut self, applied: Offset, is_live: bool) -> Result<bool, Failure> {
        let is_old = self.persisted_at.elapsed() >= self.persist_interval;
        let is_due = self.line.store().should_persist() || is_old || is_live && self.is_record_crowded();
        if is_due {
            self.persist(applied)?;
        }
        if self.sized_at.elapsed() >= SIZES_INTERVAL {
            self.report.sizes(self.line.store());
            self.sized_at = Instant::now();
        }
        Ok(is_due)
    }

    pub(crate) fn persist(&mut self, applied: Offset) -> Result<(), Failure> {
        let start = Instant::now();
        self.line.store().persist().map_err(Failure::state)?;
        if let Some(past) = self.line.past_mut() {
            past.ledger.persisted(applied);
        }
        self.persisted_at = Instant::now();
        self.report.took(Took::Persist, start.elapsed());
        self.report.persisted(applied);
        Ok(())
    }
}
