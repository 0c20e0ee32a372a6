//! The threads that put checkpoints on shelves: what the board says, one thing after the other.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use checkpoint::{About, Control, Depot, DepotError, Full, Place};
use engine::record::{Offset, TopicPartition};
use observe::metrics::PartitionMetrics;

use crate::board::{Begun, Board, Claim, Ended, Newest, OnShelf};
use crate::captured::Captured;
use crate::shelf::{Shelf, lower_priority};
use crate::told::Told;

/// Threads of each shelf: while one waits for an answer, the other reads and compresses.
pub const THREADS: usize = 2;

/// Between two looks at the age of checkpoints.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// In a manifest: where the owner of its claim began.
const FROM: &str = "from";

/// What checkpoints of a group on a topic have in common.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    pub(crate) group: String,
    pub(crate) topic: String,
    pub(crate) topic_id: Option<String>,
    /// Every so many a checkpoint is whole.
    pub(crate) full_every: u32,
}

impl Common {
    pub(crate) fn place(&self, partition: i32) -> Place {
        let (group, topic, topic_id) = (self.group.clone(), self.topic.clone(), self.topic_id.clone());
        Place { group, topic, topic_id, partition: partition.unsigned_abs() }
    }

    fn source(&self, partition: i32) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition }
    }
}

/// What is said about a state in its checkpoints.
#[derive(Debug, Clone)]
pub(crate) struct Labels {
    pub(crate) identity: String,
    pub(crate) seed: String,
}

/// Where the owner began that made a checkpoint; one that does not say so supersedes nothing.
pub(crate) fn from(about: &About) -> Offset {
    about.notes.get(FROM).and_then(|from| from.parse().ok()).unwrap_or(Offset::MAX)
}

/// What the threads share.
pub(crate) struct Publisher {
    pub(crate) shelves: Vec<Shelf>,
    pub(crate) common: Common,
    pub(crate) told: Told,
    board: Mutex<Board>,
    changed: Condvar,
    ended: AtomicBool,
    /// Of the partitions that workers have: what is said of them, and where.
    known: Mutex<BTreeMap<i32, (Labels, Option<PartitionMetrics>)>>,
}

impl Publisher {
    pub(crate) fn new(shelves: Vec<Shelf>, common: Common, told: Told, interval: Duration) -> Self {
        let board = Mutex::new(Board::new(interval, shelves.len()));
        let (changed, ended, known) = (Condvar::new(), AtomicBool::new(false), Mutex::default());
        Self { shelves, common, told, board, changed, ended, known }
    }

    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn start(self: &Arc<Self>) -> io::Result<()> {
        for (index, shelf) in self.shelves.iter().enumerate() {
            for number in 0..THREADS {
                let this = Arc::clone(self);
                let name = format!("checkpoints-{}-{number}", shelf.place().as_str());
                Builder::new().name(name).spawn(move || this.work_on(index))?;
            }
        }
        let this = Arc::clone(self);
        Builder::new().name("checkpoints".to_owned()).spawn(move || this.look_on())?;
        Ok(())
    }

    /// The threads end when they are done with what they do.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        drop(self.board());
        self.changed.notify_all();
    }

    /// Something changes on the board.
    pub(crate) fn change<A>(&self, change: impl FnOnce(&mut Board) -> A) -> A {
        let changed = change(&mut self.board());
        self.changed.notify_all();
        changed
    }

    /// A worker has the partition from now on.
    pub(crate) fn know(&self, partition: i32, labels: Labels) {
        self.known().insert(partition, (labels, None));
    }

    /// It has it no longer: nothing more is said of it.
    pub(crate) fn mute(&self, partition: i32) {
        if let Some((_, metrics)) = self.known().get_mut(&partition) {
            *metrics = None;
        }
    }

    /// The partition is shown from now on, if it is not yet.
    pub(crate) fn show(&self, partition: i32) {
        if let Some((_, metrics)) = self.known().get_mut(&partition) {
            metrics.get_or_insert_with(|| self.told.metrics.partition(&self.common.source(partition)));
        }
        self.say(&self.board(), Instant::now());
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<i32, (Labels, Option<PartitionMetrics>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn labels(&self, partition: i32) -> Option<Labels> {
        self.known().get(&partition).map(|(labels, _)| labels.clone())
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn wait<'a>(&self, board: MutexGuard<'a, Board>, time: Duration) -> MutexGuard<'a, Board> {
        self.changed.wait_timeout(board, time).map_or_else(|poisoned| poisoned.into_inner().0, |(board, _)| board)
    }

    /// Lets go of partitions in time, and says how old checkpoints are.
    fn look_on(&self) {
        let mut board = self.board();
        while !self.is_ended() {
            let now = Instant::now();
            let until = board.let_go(now);
            self.say(&board, now);
            let time = until.map_or(LOOK_INTERVAL, |until| until.saturating_duration_since(now).min(LOOK_INTERVAL));
            board = self.wait(board, time.max(Duration::from_millis(1)));
        }
    }

    fn say(&self, board: &Board, now: Instant) {
        let known = self.known();
        for (partition, on_shelves) in board.all() {
            let Some((_, Some(metrics))) = known.get(&partition) else { continue };
            let places = self.shelves.iter().map(Shelf::place);
            let shelves: Vec<(_, &OnShelf)> = places.zip(on_shelves).collect();
            self.told.standing(&self.common.source(partition), metrics, &shelves, now);
        }
    }

    fn work_on(&self, shelf: usize) {
        lower_priority();
        while !self.is_ended() {
            let mut board = self.board();
            let Some(begun) = board.begin(shelf) else {
                drop(self.wait(board, Duration::from_secs(60)));
                continue;
            };
            drop(board);
            let ended = self.work(&begun);
            // What was captured goes before the partition does.
            let mut job = begun.job;
            drop(job.captured.take());
            self.change(|board| board.end(&job, ended));
        }
    }

    fn work(&self, begun: &Begun) -> Ended {
        let (job, Some(shelf)) = (&begun.job, self.shelves.get(begun.job.shelf)) else { return Ended::Cancelled };
        match self.do_job(begun, shelf) {
            Ok(ended) => ended,
            Err(DepotError::Cancelled) => Ended::Cancelled,
            Err(_) if job.cancel.is_cancelled() => Ended::Cancelled,
            Err(error @ DepotError::Fenced { .. }) => {
                tracing::warn!(partition = job.partition, shelf = shelf.name(), %error, "checkpoint not published");
                Ended::Overtaken
            }
            Err(error @ DepotError::Behind { .. }) => {
                tracing::info!(partition = job.partition, shelf = shelf.name(), %error, "checkpoint not published");
                Ended::Behind
            }
            Err(error) => {
                self.told.failed(shelf.place());
                tracing::warn!(partition = job.partition, shelf = shelf.name(), %error, "checkpoint failed; the next one is tried");
                Ended::Failed(error.to_string())
            }
        }
    }

    fn do_job(&self, Begun { job, claim, from }: &Begun, shelf: &Shelf) -> Result<Ended, DepotError> {
        let (depot, place) = (shelf.depot()?, self.common.place(job.partition));
        let control = Control { cancel: job.cancel.clone(), progress: None };
        let epoch = match claim {
            Claim::Made(epoch) => *epoch,
            Claim::Due | Claim::Overtaken(_) => depot.claim(&place, 0, &control)?,
        };
        self.change(|board| board.claimed(job, epoch));
        let (Some(captured), Some(labels)) = (&job.captured, self.labels(job.partition)) else {
            return Ok(Ended::Claimed);
        };
        let about = about(captured, labels, epoch, *from);
        self.publish(depot, &place, captured, &about, &control, shelf)?;
        let Captured { offset, bytes, at, .. } = **captured;
        Ok(Ended::Published(Newest { offset, bytes, at }))
    }

    fn publish(
        &self,
        depot: &Depot,
        place: &Place,
        captured: &Captured,
        about: &About,
        control: &Control,
        shelf: &Shelf,
    ) -> Result<(), DepotError> {
        let start = Instant::now();
        let published = depot.publish(place, captured.dir(), about, Full::Every(self.common.full_every), control)?;
        let took = start.elapsed();
        self.told.published(shelf.place(), &published, took);
        tracing::info!(
            partition = place.partition,
            shelf = shelf.name(),
            checkpoint = published.name,
            offset = captured.offset,
            size = plain_text::size(captured.bytes),
            sent = plain_text::size(published.sent_bytes),
            objects = published.sent_objects,
            seconds = took.as_secs_f64(),
            "checkpoint published"
        );
        if let Err(error) = depot.prune(place, shelf.keep(), control)
            && !control.cancel.is_cancelled()
        {
            tracing::warn!(partition = place.partition, shelf = shelf.name(), %error, "older checkpoints not removed");
        }
        Ok(())
    }
}

fn about(captured: &Captured, labels: Labels, epoch: u64, from: Offset) -> About {
    About {
        identity: labels.identity,
        next_offset: Some(captured.offset.max(0).unsigned_abs()),
        seed: labels.seed,
        taken_at_ms: captured.at_ms,
        epoch,
        notes: BTreeMap::from([(FROM.to_owned(), from.to_string())]),
    }
}
