//! Partitions on their way from the group to a worker: their committed offset is asked for and their state is opened,
//! on separate threads and for as long as it takes. The polling thread only says which partitions come and go, so
//! neither a broker that does not answer, nor a pending transaction, nor a large state costs liveness or membership.
//!
//! It does not decide where to read from, and reads nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use connectors::{Bounds, NoAnswer, Word};

use crate::assignment::Assignment;
use crate::failure::Failure;
use crate::flow::Flow;
use crate::report::{OpeningReason, WaitingFor};
use crate::states::{OpenFailure, Waits};

/// A state that another process keeps for longer than this is not being released: it is another host's. One that a
/// worker of this process still has is waited for without end, as the worker does end.
const OTHER_PROCESS_PATIENCE: Duration = Duration::from_secs(45);

/// Between two looks at whether threads have ended.
const END_LOOK: Duration = Duration::from_millis(2);

/// Waiting is said in the log after this, and each time it has doubled, but at least every [`SAY_PAUSE_MAX`].
const SAY_AFTER: Duration = Duration::from_secs(5);
const SAY_PAUSE_MAX: Duration = Duration::from_secs(300);

/// What opening needs of the world around it.
pub(crate) trait Ground: Send + Sync + 'static {
    /// The state of a partition.
    type State: Send;

    /// How far each partition is done. Waits for some seconds at most.
    fn committed(&self, partitions: &[i32]) -> Result<Vec<(i32, Word)>, NoAnswer>;

    /// Why that is pending, in words.
    fn why_pending(&self, partition: i32) -> String;

    /// Where partitions begin and end; those that nobody speaks for are left out. Waits for some seconds at most.
    fn bounds(&self, partitions: &[i32]) -> Result<Vec<(i32, Bounds)>, NoAnswer>;

    /// What a partition with a stable offset still waits for before its state is opened, in words.
    fn awaits_seed(&self, _partition: i32) -> Option<String> {
        None
    }

    /// Opens a partition's state, which may take minutes.
    fn open(&self, assignment: &Assignment, waits: &dyn Waits) -> Result<Self::State, OpenFailure>;

    /// The partition can be read.
    fn opened(&self, assignment: Assignment, flow: Arc<Flow>, state: Self::State) -> Result<(), Failure>;

    /// What waits, for whom it concerns; called a few times a second while something does, and when nothing does any more.
    fn waiting(&self, waiting: &[WaitingFor]);

    /// Something that waiting does not cure.
    fn failed(&self, error: Failure);
}

/// How far a partition has come.
enum Step {
    /// The group and the log are to be asked.
    Asking,
    /// All is known, and the state is to be opened at this time.
    Known(Assignment, Instant),
    /// A thread is opening the state.
    Opening,
    /// The worker has yet to take it.
    HandedOver,
}

struct Partition {
    flow: Arc<Flow>,
    since: Instant,
    reason: OpeningReason,
    words: String,
    step: Step,
}

impl Partition {
    fn waits(&mut self, reason: OpeningReason, words: impl Into<String>) {
        (self.reason, self.words) = (reason, words.into());
    }
}

/// The partitions that are being opened, and the threads that do it.
pub(crate) struct Openings<G: Ground> {
    shared: Arc<Shared<G>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared<G> {
    ground: G,
    /// Time between two rounds of questions while something waits, and between two attempts at a state that is in use.
    pause: Duration,
    partitions: Mutex<BTreeMap<i32, Partition>>,
    /// Whose states are being opened, for whichever assignment: no two threads open one at a time.
    being_opened: Mutex<BTreeSet<i32>>,
    changed: Condvar,
    ended: AtomicBool,
}

impl<G: Ground> Openings<G> {
    /// One thread asks, and so many open.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn start(ground: G, openers: usize, pause: Duration) -> Result<Self, Failure> {
        let shared = Arc::new(Shared {
            ground,
            pause,
            partitions: Mutex::default(),
            changed: Condvar::new(),
            being_opened: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let mut threads = Vec::new();
        let asking = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("offsets".to_owned());
        threads.push(thread.spawn(move || asking.ask_on()).map_err(Failure::Thread)?);
        for index in 0..openers.max(1) {
            let opening = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(format!("opener-{index}"));
            threads.push(thread.spawn(move || opening.open_on()).map_err(Failure::Thread)?);
        }
        Ok(Self { shared, threads: Mutex::new(threads) })
    }

    /// Partitions come. Returns at once.
    pub(crate) fn add(&self, partitions: impl IntoIterator<Item = (i32, Arc<Flow>)>) {
        let mut waiting = self.shared.lock();
        for (partition, flow) in partitions {
            let (since, words) = (Instant::now(), String::new());
            let mut new = Partition { flow, since, reason: OpeningReason::Offsets, words, step: Step::Asking };
            new.waits(OpeningReason::Offsets, "asking the group for its offset");
            waiting.insert(partition, new);
        }
        self.shared.show(&waiting);
        drop(waiting);
        self.shared.changed.notify_all();
    }

    /// Partitions go. Returns at once; a state that is being opened is closed again as soon as it is open.
    pub(crate) fn cancel(&self, partitions: &[i32]) {
        let mut waiting = self.shared.lock();
        waiting.retain(|partition, _| !partitions.contains(partition));
        self.shared.show(&waiting);
    }

    /// A worker has taken a partition, and whoever asks can see it there.
    pub(crate) fn taken(&self, partition: i32, flow: &Arc<Flow>) {
        let mut waiting = self.shared.lock();
        if Shared::<G>::same(&mut waiting, partition, flow).is_some() {
            waiting.remove(&partition);
        }
        self.shared.show(&waiting);
    }

    /// Ends the threads, but waits for a state that is being opened only until then.
    pub(crate) fn end(&self, deadline: Instant) {
        {
            // Under the lock, or a thread that is about to wait would miss it.
            let _waiting = self.shared.lock();
            self.shared.ended.store(true, Ordering::SeqCst);
        }
        self.shared.changed.notify_all();
        let Ok(threads) = self.threads.lock() else { return };
        while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(END_LOOK);
        }
    }
}

impl<G: Ground> Shared<G> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, Partition>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn show(&self, partitions: &BTreeMap<i32, Partition>) {
        let waiting = |(partition, waits): (&i32, &Partition)| WaitingFor {
            partition: *partition,
            since: waits.since,
            reason: waits.reason,
            words: waits.words.clone(),
        };
        self.ground.waiting(&partitions.iter().map(waiting).collect::<Vec<_>>());
    }

    /// Asks for all partitions that are to be asked for, round after round.
    fn ask_on(&self) {
        let mut say = Say::default();
        while !self.is_ended() {
            let asking: Vec<i32> = {
                let waiting = self.lock();
                let waiting = if waiting.is_empty() { self.wait(waiting, SAY_PAUSE_MAX) } else { waiting };
                let asking = waiting.iter().filter(|(_, waits)| matches!(waits.step, Step::Asking));
                asking.map(|(partition, _)| *partition).collect()
            };
            if !asking.is_empty() {
                self.ask(&asking);
            }
            let waiting = self.lock();
            self.show(&waiting);
            say.now_and_then(&waiting);
            drop(self.wait(waiting, self.pause));
        }
    }

    fn wait<'a>(
        &self,
        guard: MutexGuard<'a, BTreeMap<i32, Partition>>,
        pause: Duration,
    ) -> MutexGuard<'a, BTreeMap<i32, Partition>> {
        if self.is_ended() {
            return guard;
        }
        self.changed.wait_timeout(guard, pause).map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard)
    }

    /// First the group: an offset that is pending needs no bounds yet.
    fn ask(&self, asking: &[i32]) {
        let answers = match self.ground.committed(asking) {
            Ok(answers) => answers,
            Err(failure) => return self.no_answer(asking, &failure),
        };
        let mut stable = BTreeMap::new();
        for (partition, answer) in answers {
            match answer {
                Word::Stable(offset) => match self.ground.awaits_seed(partition) {
                    Some(words) => self.waits(&[partition], OpeningReason::Offsets, &words),
                    None => drop(stable.insert(partition, offset)),
                },
                Word::Pending => {
                    self.waits(&[partition], OpeningReason::Pending, &self.ground.why_pending(partition));
                }
            }
        }
        let known: Vec<i32> = stable.keys().copied().collect();
        if known.is_empty() {
            return;
        }
        let bounds = match self.ground.bounds(&known) {
            Ok(bounds) => bounds,
            Err(failure) => return self.no_answer(&known, &failure),
        };
        self.waits(&known, OpeningReason::NoAnswer, "no broker answers for the partition; it may have no leader now");
        let mut waiting = self.lock();
        for (partition, bounds) in bounds {
            let committed = stable.remove(&partition).flatten();
            let Some(waits) = waiting.get_mut(&partition).filter(|waits| matches!(waits.step, Step::Asking)) else {
                continue;
            };
            waits.step = Step::Known(Assignment { partition, committed, bounds }, Instant::now());
            waits.waits(OpeningReason::State, "opening its state");
        }
        drop(waiting);
        self.changed.notify_all();
    }

    fn no_answer(&self, partitions: &[i32], failure: &NoAnswer) {
        self.waits(partitions, OpeningReason::NoAnswer, &format!("the broker does not answer: {failure}"));
    }

    fn waits(&self, partitions: &[i32], reason: OpeningReason, words: &str) {
        let mut waiting = self.lock();
        for partition in partitions {
            if let Some(waits) = waiting.get_mut(partition).filter(|waits| matches!(waits.step, Step::Asking)) {
                waits.waits(reason, words);
            }
        }
    }

    /// Opens one state after the other.
    fn open_on(&self) {
        while !self.is_ended() {
            let Some((partition, flow, assignment)) = self.take_known() else {
                let waiting = self.lock();
                let pause = if waiting.is_empty() { SAY_PAUSE_MAX } else { self.pause };
                drop(self.wait(waiting, pause));
                continue;
            };
            match self.ground.open(&assignment, &Opener { shared: self, partition, flow: &flow }) {
                Ok(state) => self.hand_over(assignment, flow, state),
                Err(failure) => self.not_opened(assignment, &flow, failure),
            }
            self.being_opened().remove(&partition);
            self.changed.notify_all();
        }
    }

    fn being_opened(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.being_opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_known(&self) -> Option<(i32, Arc<Flow>, Assignment)> {
        let mut waiting = self.lock();
        for (partition, waits) in waiting.iter_mut() {
            if let Step::Known(assignment, at) = &waits.step
                && *at <= Instant::now()
                && self.being_opened().insert(*partition)
            {
                let taken = (*partition, Arc::clone(&waits.flow), assignment.clone());
                waits.step = Step::Opening;
                return Some(taken);
            }
        }
        None
    }

    /// The partition as long as it is the same flow's: it may have gone and come back while its state was being opened.
    fn same<'a>(
        waiting: &'a mut BTreeMap<i32, Partition>,
        partition: i32,
        flow: &Arc<Flow>,
    ) -> Option<&'a mut Partition> {
        waiting.get_mut(&partition).filter(|waits| Arc::ptr_eq(&waits.flow, flow))
    }

    fn hand_over(&self, assignment: Assignment, flow: Arc<Flow>, state: G::State) {
        let partition = assignment.partition;
        let wanted = match Self::same(&mut self.lock(), partition, &flow) {
            Some(waits) if flow.is_opening() => {
                waits.step = Step::HandedOver;
                waits.waits(OpeningReason::Worker, "its worker is busy with other partitions");
                true
            }
            Some(_) | None => false,
        };
        if !wanted {
            // Closed here, outside of the lock.
            return drop(state);
        }
        if let Err(error) = self.ground.opened(assignment, flow, state) {
            self.ground.failed(error);
        }
    }

    fn not_opened(&self, assignment: Assignment, flow: &Arc<Flow>, failure: OpenFailure) {
        if self.is_ended() {
            return;
        }
        let partition = assignment.partition;
        let holder = match &failure {
            OpenFailure::InUseHere(_) => "the worker that had the partition before",
            OpenFailure::InUseElsewhere(_) => "another process",
            OpenFailure::Other(_) => return self.give_up(partition, flow, failure),
        };
        let mut waiting = self.lock();
        let Some(waits) = Self::same(&mut waiting, partition, flow) else { return };
        if matches!(failure, OpenFailure::InUseElsewhere(_)) && waits.since.elapsed() > OTHER_PROCESS_PATIENCE {
            drop(waiting);
            return self.give_up(partition, flow, failure);
        }
        waits.waits(OpeningReason::StateInUse, format!("{holder} still has its state open"));
        waits.step = Step::Known(assignment, Instant::now() + self.pause);
    }

    fn give_up(&self, partition: i32, flow: &Arc<Flow>, failure: OpenFailure) {
        let wanted = Self::same(&mut self.lock(), partition, flow).is_some();
        if wanted {
            self.ground.failed(Failure::Open(failure.into_cause()));
        }
    }
}

/// The thread that opens a partition's state, as whoever brings the state sees it.
struct Opener<'a, G> {
    shared: &'a Shared<G>,
    partition: i32,
    flow: &'a Arc<Flow>,
}

impl<G: Ground> Waits for Opener<'_, G> {
    fn restoring(&self, words: &str) {
        let mut waiting = self.shared.lock();
        if let Some(waits) = Shared::<G>::same(&mut waiting, self.partition, self.flow) {
            waits.waits(OpeningReason::Checkpoint, words);
        }
        self.shared.show(&waiting);
    }

    fn is_wanted(&self) -> bool {
        let mut waiting = self.shared.lock();
        !self.shared.is_ended() && Shared::<G>::same(&mut waiting, self.partition, self.flow).is_some()
    }
}

/// Says in the log what waits, at growing intervals.
#[derive(Default)]
struct Say {
    said_at: Option<Instant>,
    pause: Duration,
}

impl Say {
    fn now_and_then(&mut self, waiting: &BTreeMap<i32, Partition>) {
        let Some(since) = waiting.values().map(|waits| waits.since).min() else {
            *self = Self::default();
            return;
        };
        let last = self.said_at.unwrap_or(since);
        if last.elapsed() < self.pause.max(SAY_AFTER) {
            return;
        }
        self.said_at = Some(Instant::now());
        self.pause = (self.pause.max(SAY_AFTER) * 2).min(SAY_PAUSE_MAX);
        let mut by_reason: BTreeMap<&str, (Vec<i32>, &str)> = BTreeMap::new();
        for (partition, waits) in waiting {
            let entry = by_reason.entry(waits.reason.as_str()).or_insert((Vec::new(), waits.words.as_str()));
            entry.0.push(*partition);
        }
        for (reason, (partitions, why)) in by_reason {
            let seconds = since.elapsed().as_secs();
            tracing::warn!(count = partitions.len(), ?partitions, reason, seconds, why, "partitions wait to be read");
        }
    }
}

#[cfg(test)]
mod tests;
