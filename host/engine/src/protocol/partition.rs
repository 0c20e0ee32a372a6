//! One partition of a worker, as far as the protocol goes. Not its records, and not its state.

use std::time::Duration;

use crate::record::Offset;

use super::recovery::{Remembered, resume};
use super::{Batch, Effect, Epoch, Moment, Opened, Stage, Standing};

/// Time before a held batch is tried again, which doubles up to the longest.
const RETRY_PAUSE_MIN: Duration = Duration::from_secs(1);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// The same where what is waited for is on its way.
const RETRY_PAUSE_SOON: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) epoch: Epoch,
    pub(super) standing: Standing,
    /// Records before this are replayed with outputs off.
    pub(super) live_from: Offset,
    /// Next offset to process.
    pub(super) position: Offset,
    /// The position at the last commit.
    pub(super) committed: Offset,
    /// The group's offset, as far as this worker knows.
    pub(super) group: Option<Offset>,
    /// Whether a commit is due although nothing has moved, see [`Opened::owes_record`].
    pub(super) owes_record: bool,
    pub(super) hold: Option<Hold>,
    /// Whether what another batch adds to the progress record might not have room any more.
    pub(super) is_crowded: bool,
}

/// What a partition waits for: a plugin that works, or something that is on its way.
#[derive(Debug)]
pub(super) struct Hold {
    /// The batch that is tried again; none after a rewind, as the next one is it.
    pub(super) batch: Option<Batch>,
    pause: Duration,
    retry_at: Moment,
}

impl Partition {
    pub(super) fn new(opened: &Opened) -> Self {
        Self {
            epoch: Epoch::first(opened.assignment),
            standing: Standing::Owned,
            live_from: opened.start.live_from,
            position: opened.start.read_from,
            committed: opened.start.read_from,
            group: opened.group,
            owes_record: opened.owes_record,
            hold: None,
            is_crowded: false,
        }
    }

    /// Keeps the batch at hand until the plugin works. What is read after it is stale: it is read again on release, as
    /// queues that do not move would fill up the room of other partitions.
    pub(super) fn keep(&mut self, batch: Batch, now: Moment) {
        self.hold.get_or_insert_with(|| Hold::since(now)).batch = Some(batch);
        self.epoch = self.epoch.next();
    }

    /// What the next commit says of it: the position, where it has got past what was committed before, or where nothing
    /// ever was: a start at the log's end must not be chosen anew after a crash.
    pub(super) fn target(&self) -> Option<Offset> {
        let has_moved = self.position > self.committed && self.position > self.live_from;
        if has_moved || self.group.is_none() {
            return Some(self.position);
        }
        self.owes_record.then_some(self.position.max(self.live_from))
    }

    /// Whether a commit is due, however little has moved.
    pub(super) fn owes_commit(&self) -> bool {
        self.group.is_none() || self.owes_record
    }

    /// Whether the open transaction has records of it, and so must never be committed once it is lost.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.position != self.committed || self.target().is_some()
    }

    pub(super) fn remembered(&self) -> Remembered {
        let (group, target) = (self.group, self.target());
        Remembered { group, target, committed: self.committed, live_from: self.live_from }
    }

    /// Drops what was decided and is not committed. A batch that waits is read again with the others, and waits for its time
    /// again.
    pub(super) fn roll_back(&mut self) {
        self.position = self.committed;
        self.is_crowded = false;
        if let Some(hold) = &mut self.hold {
            hold.batch = None;
        }
    }

    /// Back to where the group says; the records since are read again.
    pub(super) fn rewind(&mut self, answer: Option<Offset>) {
        let (read_from, live_from) = resume(&self.remembered(), answer);
        // Where the group has moved, there are records to be read, and the commit after them says it.
        self.owes_record &= answer == self.group;
        self.group = answer;
        (self.committed, self.live_from) = (read_from, live_from);
        self.roll_back();
        self.epoch = self.epoch.next();
    }

    /// All that was decided is committed. Returns whether nothing ever was before, and whether the state has to be told.
    pub(super) fn apply(&mut self) -> (bool, bool) {
        let is_first = self.group.is_none();
        self.group = self.target().or(self.group);
        let has_moved = self.position > self.committed;
        self.committed = self.position;
        self.is_crowded = false;
        (is_first, has_moved || is_first)
    }

    pub(super) fn stage(&self) -> Stage {
        match self.live_from - self.position {
            ..=0 => Stage::Live,
            behind => Stage::Replaying(behind),
        }
    }

    /// Reading goes on from the position.
    pub(super) fn read(&self, partition: i32, is_first: bool) -> Effect {
        Effect::Read { partition, epoch: self.epoch, from: self.position, is_first }
    }

    pub(super) fn persist(&self, partition: i32, must: bool) -> Effect {
        Effect::Persist { partition, applied: self.committed, is_live: self.position > self.live_from, must }
    }
}

impl Hold {
    fn since(now: Moment) -> Self {
        Self { batch: None, pause: RETRY_PAUSE_MIN, retry_at: now + RETRY_PAUSE_MIN }
    }

    /// The batch failed again.
    pub(super) fn wait_longer(&mut self, now: Moment) {
        self.pause = (self.pause * 2).min(RETRY_PAUSE_MAX);
        self.retry_at = now + self.pause;
    }

    /// What it waits for is on its way.
    pub(super) fn retry_soon(&mut self, now: Moment) {
        (self.pause, self.retry_at) = (RETRY_PAUSE_MIN, now + RETRY_PAUSE_SOON);
    }

    /// There is a plugin that has not been tried.
    pub(super) fn retry_now(&mut self, now: Moment) {
        (self.pause, self.retry_at) = (RETRY_PAUSE_MIN, now);
    }

    /// When its batch is to be tried again, if it has one.
    pub(super) fn retry_at(&self) -> Option<Moment> {
        self.batch.map(|_| self.retry_at)
    }
}
