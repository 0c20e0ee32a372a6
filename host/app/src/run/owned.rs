//! A partition of a worker: its line, its state on disk, and the batch that waits. Where it stands in the protocol is known
//! to the machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::record::Offset;
use line::Past;
use observe::metrics::Stage;

use super::dispatch::{Delivered, Flow};
use super::observer::PartitionObserver;
use super::{Line, RunError};

/// State in memory is written at least this often, so that a crash replays little.
const PERSIST_INTERVAL: Duration = Duration::from_secs(30);

/// Time between two of the times that it is written only to make room in the progress record.
const CROWDED_PERSIST_PAUSE: Duration = Duration::from_secs(1);

/// Time between two looks at the sizes of the state.
const SIZES_INTERVAL: Duration = Duration::from_secs(2);

/// A partition of this worker. What is first here goes first: the outside forgets it, its state is closed, and only then
/// is it released.
pub(super) struct Owned {
    pub(super) observer: PartitionObserver,
    pub(super) line: Line,
    /// The progress record of the last commit, or of the one under way.
    pub(super) record: String,
    /// Characters that it may have.
    pub(super) record_chars_max: usize,
    /// Whether exceptions can be read back from somewhere.
    pub(super) has_dead_letters: bool,
    pub(super) flow: Arc<Flow>,
    /// The batch that waits for a plugin that works.
    pub(super) kept: Option<Box<Delivered>>,
    pub(super) persisted_at: Instant,
    pub(super) sized_at: Instant,
    pub(super) _release: Release,
}

/// Says, when dropped, that a worker has let go of a partition.
pub(super) struct Release(pub(super) Arc<Flow>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Owned {
    /// Drops what was decided and is not committed.
    pub(super) fn roll_back(&mut self) {
        self.observer.rolled_back();
        self.line.rollback();
        self.kept = None;
    }

    /// The progress record for a commit up to `next`.
    pub(super) fn write_record(&mut self, next: Offset) -> Result<&str, RunError> {
        let (log_start, chars_max) = (self.flow.log_start(), self.record_chars_max);
        if let Some(past) = self.line.past_mut() {
            let record = past.ledger.offer(next, log_start, chars_max);
            self.record =
                record.map_err(|error| RunError::Other(format!("progress record: {error}: this is a bug")))?;
        }
        Ok(&self.record)
    }

    /// Whether what another batch adds to the progress record might not have room any more.
    pub(super) fn is_commit_due(&self) -> bool {
        self.line.past().is_some_and(|past| past.ledger.is_commit_due(self.record_chars_max))
    }

    /// Whether the record needs room for exceptions that only a state on disk lets go. Where they can be read back from
    /// the dead-letter topic there is no hurry.
    fn is_record_crowded(&self) -> bool {
        let pause = if self.has_dead_letters { CROWDED_PERSIST_PAUSE } else { Duration::ZERO };
        let is_crowded = |past: &Past| past.ledger.is_persist_due(self.record_chars_max);
        self.persisted_at.elapsed() >= pause && self.line.past().is_some_and(is_crowded)
    }

    /// Writes the state, which contains what is below `applied`, if it is large or old enough.
    pub(super) fn persist_if_due(&mut self, applied: Offset, is_live: bool) -> Result<(), RunError> {
        let is_old = self.persisted_at.elapsed() >= PERSIST_INTERVAL;
        if self.line.store().should_persist() || is_old || is_live && self.is_record_crowded() {
            self.persist(applied)?;
        }
        if self.sized_at.elapsed() >= SIZES_INTERVAL {
            self.observer.sizes(&mut self.line);
            self.sized_at = Instant::now();
        }
        Ok(())
    }

    pub(super) fn persist(&mut self, applied: Offset) -> Result<(), RunError> {
        let start = Instant::now();
        self.line.store().persist()?;
        if let Some(past) = self.line.past_mut() {
            past.ledger.persisted(applied);
        }
        self.persisted_at = Instant::now();
        self.observer.stage(Stage::Persist, start.elapsed());
        self.observer.persisted(applied);
        Ok(())
    }
}
