//! A partition of a worker: its line, its position in the log, and what holds it. The worker decides what to do with
//! it, and when.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use engine::record::Offset;
use line::Past;
use observe::metrics::Stage;
use observe::status::Phase;

use super::dispatch::{Delivered, Flow, Reading, Rewind};
use super::observer::PartitionObserver;
use super::recovery::Remembered;
use super::{Line, RunError};

/// State in memory is written at least this often, so that a crash replays little.
const PERSIST_INTERVAL: Duration = Duration::from_secs(30);

/// Time between two of the times that it is written only to make room in the progress record.
const CROWDED_PERSIST_PAUSE: Duration = Duration::from_secs(1);

/// Time between two looks at the sizes of the state.
pub(super) const SIZES_INTERVAL: Duration = Duration::from_secs(2);

/// Time before a held batch is tried again, which doubles up to the longest.
pub(super) const RETRY_PAUSE_MIN: Duration = Duration::from_secs(1);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

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
    /// Batches of another epoch are stale.
    pub(super) epoch: u64,
    /// Records before this are replayed with outputs off.
    pub(super) live_from: Offset,
    /// Next offset to process.
    pub(super) position: Offset,
    /// The position at the last commit.
    pub(super) committed: Offset,
    /// The group's offset, as far as this worker knows.
    pub(super) group: Option<Offset>,
    /// Whether the next commit is due although nothing has moved: the group waits to hear what its keys are hashed with.
    pub(super) owes_seed: bool,
    pub(super) hold: Option<Hold>,
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

/// A partition that waits for a plugin that works.
pub(super) struct Hold {
    /// The batch that is tried again; none after a rewind, as the next one is it.
    pub(super) batch: Option<Box<Delivered>>,
    pub(super) pause: Duration,
    pub(super) retry_at: Instant,
}

impl Owned {
    /// Keeps a batch until the plugin works. What is polled after it is stale: it is read again on release, as queues
    /// that do not move would fill up the room of other partitions.
    pub(super) fn keep(&mut self, batch: Box<Delivered>) {
        let hold = self.hold.get_or_insert_with(|| {
            let retry_at = Instant::now() + RETRY_PAUSE_MIN;
            Hold { batch: None, pause: RETRY_PAUSE_MIN, retry_at }
        });
        hold.batch = Some(batch);
        self.flow.hold(Some(self.position));
        self.epoch = self.flow.next_epoch();
    }

    /// The held batch failed again.
    pub(super) fn wait_longer(&mut self) {
        if let Some(hold) = &mut self.hold {
            hold.pause = (hold.pause * 2).min(RETRY_PAUSE_MAX);
            hold.retry_at = Instant::now() + hold.pause;
        }
    }

    /// The held batch is processed: on with what comes after it.
    pub(super) fn release(&mut self, partition: i32, rewinds: &Sender<Reading>) {
        self.observer.released();
        if self.position < self.live_from {
            self.show_phase();
        }
        self.flow.hold(None);
        let rewind = Rewind { partition, epoch: self.epoch, offset: self.position };
        let _gone = rewinds.send(Reading::Again(rewind));
    }

    /// Live, or replaying what the group has already.
    pub(super) fn show_phase(&self) {
        match self.live_from - self.position {
            ..=0 => self.observer.phase(Phase::Live, ""),
            behind => self.observer.phase(Phase::Replaying, &format!("{behind} offsets into the state, outputs off")),
        }
    }

    /// What the next commit says of it: the position, where it has got past what was committed before, or where nothing
    /// ever was.
    pub(super) fn target(&self) -> Option<Offset> {
        let moved = self.position > self.committed && self.position > self.live_from;
        if moved || self.group.is_none() {
            return Some(self.position);
        }
        self.owes_seed.then_some(self.position.max(self.live_from))
    }

    pub(super) fn remembered(&self) -> Remembered {
        let (group, target) = (self.group, self.target());
        Remembered { group, target, committed: self.committed, live_from: self.live_from }
    }

    /// Drops what was decided and is not committed, and reads on from the last commit.
    pub(super) fn roll_back(&mut self) {
        self.observer.rolled_back();
        self.line.rollback();
        self.position = self.committed;
        // The batch is read again with the others, and waits for its time again.
        if let Some(hold) = &mut self.hold {
            hold.batch = None;
            self.flow.hold(None);
        }
    }

    pub(super) fn retry_is_due(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.batch.is_some() && hold.retry_at <= Instant::now())
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
    fn is_persist_due(&self) -> bool {
        let pause = if self.has_dead_letters { CROWDED_PERSIST_PAUSE } else { Duration::ZERO };
        let is_crowded = |past: &Past| past.ledger.is_persist_due(self.record_chars_max);
        let is_live = self.position > self.live_from;
        is_live && self.persisted_at.elapsed() >= pause && self.line.past().is_some_and(is_crowded)
    }

    /// Writes the state if it is large or old enough.
    pub(super) fn persist_if_due(&mut self) -> Result<(), RunError> {
        let is_old = self.persisted_at.elapsed() >= PERSIST_INTERVAL;
        if self.line.store().should_persist() || is_old || self.is_persist_due() {
            self.persist()?;
        }
        if self.sized_at.elapsed() >= SIZES_INTERVAL {
            self.observer.sizes(&mut self.line);
            self.sized_at = Instant::now();
        }
        Ok(())
    }

    pub(super) fn persist(&mut self) -> Result<(), RunError> {
        let start = Instant::now();
        self.line.store().persist()?;
        if let Some(past) = self.line.past_mut() {
            past.ledger.persisted(self.committed);
        }
        self.persisted_at = Instant::now();
        self.observer.stage(Stage::Persist, start.elapsed());
        self.observer.persisted(self.committed);
        Ok(())
    }
}
