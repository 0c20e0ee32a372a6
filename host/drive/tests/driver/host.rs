//! A host: a run of the real driver in a thread, its states in a directory of its own, and what it says of itself.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use connectors::memory::{MemoryInquiry, MemorySink, MemorySource, MemorySystem};
use connectors::{ByLane, Unreadable};
use drive::{
    Around, Change, Commits, Ending, Failure, Failures, FeedReport, InFlightLimits, InForce, Input,
    OnIncompleteProgress, OnPartitionsAdded, OnStuck, OnUnreadable, OpenFailure, PartitionReport, Partitions, Pauses,
    Policies, Report, Setup, States, Stop, Wanted,
};
use engine::findings::Findings;
use engine::fingerprint::Seed;
use engine::progress::TEXT_CHARS_MAX;
use engine::protocol::start::OnLogGap;
use engine::protocol::{Stage, Transaction};
use engine::record::{Offset, TopicPartition};
use line::{Plugins, Rules, Tally};
use state::{OpenError, OriginalsOptions, OriginalsWriter, PartitionStore, StoreIdentity, StoreOptions};

use crate::archive::Archive;
use crate::mortal::Mortal;
use crate::scene::{PATIENCE, Scene, until};

pub(crate) const TOPIC: &str = "events";

/// Something that a host said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Stage(i32, Stage),
    Held(i32),
    Released(i32),
    WentBack(i32, Offset, Offset),
    RolledBack(i32),
    Ended(Transaction),
    Fenced,
    Shortened(usize),
    Rebalanced(Change, usize),
    Unreadable(i32),
    DecidesWith(i32, u64),
}

/// What a host said.
#[derive(Default)]
pub(crate) struct Diary {
    said: Mutex<Vec<Said>>,
    beats: AtomicU64,
    /// Duplicates of events in other partitions from before the input grew, and records by the layout of before.
    moved: AtomicU64,
    stale: AtomicU64,
    /// The longest time between two signs of life.
    last_beat: Mutex<Option<Instant>>,
    longest_silence: Mutex<Duration>,
}

impl Diary {
    fn say(&self, said: Said) {
        self.said.lock().expect("a lock").push(said);
    }

    pub(crate) fn has(&self, said: &Said) -> bool {
        self.said().contains(said)
    }

    pub(crate) fn said(&self) -> Vec<Said> {
        self.said.lock().expect("a lock").clone()
    }

    pub(crate) fn until(&self, said: &Said) {
        assert!(until(|| self.has(said)), "never {said:?}: {:?}", self.said());
    }

    pub(crate) fn longest_silence(&self) -> Duration {
        *self.longest_silence.lock().expect("a lock")
    }

    pub(crate) fn moved(&self) -> u64 {
        self.moved.load(Ordering::SeqCst)
    }

    pub(crate) fn stale(&self) -> u64 {
        self.stale.load(Ordering::SeqCst)
    }

    pub(crate) fn beats(&self) -> u64 {
        self.beats.load(Ordering::SeqCst)
    }
}

/// Writes down what a host says, as the listener of a run.
pub(crate) struct Listener(Arc<Diary>);

pub(crate) struct PartitionListener(Arc<Diary>, i32);

impl Report<Mortal> for Listener {
    type Partition = PartitionListener;
    type Feed = PartitionListener;

    fn partition(&self, source: &TopicPartition, _: (u64, &Plugins), _: ByLane<bool>) -> PartitionListener {
        PartitionListener(Arc::clone(&self.0), source.partition)
    }

    fn feed(&self, source: &TopicPartition) -> PartitionListener {
        PartitionListener(Arc::clone(&self.0), source.partition)
    }

    fn beat(&self) {
        let now = Instant::now();
        let last = self.0.last_beat.lock().expect("a lock").replace(now);
        let mut longest = self.0.longest_silence.lock().expect("a lock");
        *longest = last.map_or(*longest, |last| longest.max(now - last));
        self.0.beats.fetch_add(1, Ordering::SeqCst);
    }

    fn rebalanced(&self, change: Change, partitions: usize) {
        self.0.say(Said::Rebalanced(change, partitions));
    }

    fn ended(&self, transaction: Transaction) {
        self.0.say(Said::Ended(transaction));
    }

    fn fenced(&self) {
        self.0.say(Said::Fenced);
    }

    fn shortened(&self, _chars: usize, from_now_on: usize) {
        self.0.say(Said::Shortened(from_now_on));
    }
}

impl PartitionReport<Mortal> for PartitionListener {
    fn decided_with(&mut self, generation: u64, _plugins: &Plugins) {
        self.0.say(Said::DecidesWith(self.1, generation));
    }

    fn stage(&mut self, stage: Stage, _why: &str) {
        self.0.say(Said::Stage(self.1, stage));
    }

    fn held(&mut self, _why: &str) {
        self.0.say(Said::Held(self.1));
    }

    fn released(&mut self) {
        self.0.say(Said::Released(self.1));
    }

    fn went_back(&mut self, from: Offset, to: Offset) {
        self.0.say(Said::WentBack(self.1, from, to));
    }

    fn committed(&mut self, tally: &Tally, _findings: Findings, _next: Offset) {
        self.0.moved.fetch_add(tally.moved, Ordering::SeqCst);
        self.0.stale.fetch_add(tally.stale, Ordering::SeqCst);
    }

    fn rolled_back(&mut self) {
        self.0.say(Said::RolledBack(self.1));
    }
}

impl FeedReport for PartitionListener {
    fn unreadable(&mut self, _what: &Unreadable, _then: OnUnreadable, _is_new: bool) {
        self.0.say(Said::Unreadable(self.1));
    }
}

/// The states of a host, on its disk.
pub(crate) struct Disk {
    dir: PathBuf,
    writer: OriginalsWriter,
    /// Opening takes so long, of all partitions but the first.
    pub(crate) open_takes: Duration,
    pub(crate) is_broken: AtomicBool,
    /// Nothing is written any more.
    is_dead: Arc<AtomicBool>,
    seeds: Mutex<Vec<Seed>>,
    /// Where states come from that are not on it.
    archive: Option<Arc<Archive>>,
}

impl Disk {
    /// What the keys of each state that was opened are hashed with.
    pub(crate) fn seeds(&self) -> Vec<Seed> {
        self.seeds.lock().expect("a lock").clone()
    }
}

impl States for Disk {
    type State = Mortal;

    fn open(&self, wanted: &Wanted<'_>) -> Result<Mortal, OpenFailure> {
        let Wanted { partition, seed, .. } = *wanted;
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(OpenFailure::Other("the disk is broken".into()));
        }
        if partition > 0 {
            std::thread::sleep(self.open_takes);
        }
        let identity =
            StoreIdentity { topic: TOPIC.to_owned(), partition, key_version: 1, seed, ..StoreIdentity::default() };
        let mut options = StoreOptions::for_window(None, 0);
        options.originals = Some(OriginalsOptions::new(self.writer.clone()));
        let dir = self.dir.join(partition.to_string());
        self.archive.iter().for_each(|archive| archive.restore(partition, wanted.committed, &dir, &identity));
        let store = PartitionStore::open(&dir, &identity, options);
        let store = store.map_err(|error| {
            let OpenError::InUse { is_here, .. } = error else { return OpenFailure::Other(error.into()) };
            if is_here { OpenFailure::InUseHere(error.into()) } else { OpenFailure::InUseElsewhere(error.into()) }
        })?;
        self.seeds.lock().expect("a lock").push(store.seed());
        Ok(Mortal { store, is_dead: Arc::clone(&self.is_dead) })
    }

    fn open_elder(&self, partition: i32, seed: Seed, (before, after): (i32, i32)) -> Result<Mortal, OpenFailure> {
        let seed = Some(seed);
        let identity =
            StoreIdentity { topic: TOPIC.to_owned(), partition, key_version: 1, seed, ..StoreIdentity::default() };
        let dir = self.dir.join(format!("elders/{before}-{after}/{partition}"));
        let store = PartitionStore::open(&dir, &identity, StoreOptions::for_window(None, 0));
        let store = store.map_err(|error| {
            let is_open = matches!(error, OpenError::InUse { .. });
            if is_open { OpenFailure::InUseHere(error.into()) } else { OpenFailure::Other(error.into()) }
        })?;
        Ok(Mortal { store, is_dead: Arc::clone(&self.is_dead) })
    }
}

/// What a host is like where it is not like all others.
#[derive(Clone)]
pub(crate) struct Habits {
    pub(crate) workers: usize,
    pub(crate) plugins: Plugins,
    pub(crate) rules: Arc<Rules>,
    pub(crate) commit_interval: Duration,
    pub(crate) release_timeout: Duration,
    pub(crate) open_takes: Duration,
    pub(crate) on_unreadable: OnUnreadable,
    pub(crate) on_stuck: OnStuck,
    pub(crate) archive: Option<Arc<Archive>>,
    /// Where the input grows: what becomes of that, and how many partitions it has.
    pub(crate) added: Option<(OnPartitionsAdded, Arc<AtomicI32>)>,
}

/// An input that grows.
struct Counted(Arc<AtomicI32>);

impl Input for Counted {
    fn partitions(&self) -> i32 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            workers: 1,
            plugins: crate::scene::builds().honest.clone(),
            rules: Arc::default(),
            commit_interval: Duration::from_millis(5),
            release_timeout: PATIENCE,
            open_takes: Duration::ZERO,
            on_unreadable: OnUnreadable::Stop,
            on_stuck: OnStuck::Hold,
            archive: None,
            added: None,
        }
    }
}

/// See the module.
pub(crate) struct Host {
    name: &'static str,
    system: MemorySystem,
    pub(crate) plugins: Arc<InForce>,
    pub(crate) diary: Arc<Diary>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) stop: Stop,
    thread: Option<JoinHandle<Result<Ending, Failure>>>,
}

impl Host {
    pub(crate) fn start(scene: &Scene, name: &'static str) -> Self {
        Self::start_with(scene, name, Habits::default())
    }

    pub(crate) fn start_with(scene: &Scene, name: &'static str, habits: Habits) -> Self {
        let (stop, diary) = (Stop::default(), Arc::new(Diary::default()));
        let plugins = Arc::new(InForce::new(habits.plugins.clone()));
        let disk = Arc::new(Disk {
            dir: dir_of(scene, name),
            writer: OriginalsWriter::start().expect("a thread"),
            open_takes: habits.open_takes,
            is_broken: AtomicBool::new(false),
            is_dead: Arc::default(),
            seeds: Mutex::default(),
            archive: habits.archive.clone(),
        });
        let setup = setup(scene.partitions(), &habits, Arc::clone(&plugins));
        let around = Around {
            inquiry: Arc::new(MemoryInquiry::new(&scene.system, name)),
            states: Arc::clone(&disk),
            copies: habits.archive.clone().map_or_else(|| Arc::new(()) as _, |archive| archive as _),
            report: Arc::new(Listener(Arc::clone(&diary))),
        };
        let (system, failures, stopped) = (scene.system.clone(), Failures::new(stop.clone()), stop.clone());
        let workers = habits.workers;
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            drive::run(setup, around, &failures, |assignments| {
                let sinks: Result<Vec<MemorySink>, _> =
                    (0..workers).map(|worker| connect(&system, name, worker, &stopped)).collect();
                Ok((MemorySource::join(&system, name, assignments), sinks?))
            })
        });
        let thread = Some(thread.expect("a thread"));
        Self { name, system: scene.system.clone(), plugins, diary, disk, stop, thread }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// How it ends, which it does by itself.
    pub(crate) fn end(mut self) -> Result<Ending, Failure> {
        assert!(until(|| !self.is_running()), "{} does not end: {:?}", self.name, self.diary.said());
        self.thread.take().expect("once").join().expect("no panic")
    }

    /// How it ends when it is asked to.
    pub(crate) fn stop(self) -> Result<Ending, Failure> {
        self.stop.request();
        self.end()
    }

    /// It is asked to end, and does.
    pub(crate) fn stop_well(self) {
        let name = self.name;
        assert_eq!(self.stop().map_err(|failure| failure.to_string()), Ok(Ending::Stopped), "{name}");
    }

    /// It dies: nothing of it gets through any more, and the group gives it up. What it had not written is lost.
    pub(crate) fn crash(self) {
        let (system, name) = (self.system.clone(), self.name);
        system.cut_off(name, true);
        self.disk.is_dead.store(true, Ordering::SeqCst);
        let _whatever = self.stop();
        system.throw_out(name);
        system.cut_off(name, false);
    }
}

/// Where a host keeps its states.
pub(crate) fn dir_of(scene: &Scene, name: &str) -> PathBuf {
    scene.dir.path().join(name)
}

/// A sink is not always connected at the first attempt, as a predecessor may still be ending.
fn connect(system: &MemorySystem, name: &str, worker: usize, stop: &Stop) -> Result<MemorySink, Failure> {
    loop {
        match MemorySink::connect(system, name, &format!("{name}-{worker}")) {
            Err(_) if !stop.is_requested() => std::thread::sleep(Duration::from_millis(1)),
            connected => return connected.map_err(Failure::from),
        }
    }
}

fn setup(partitions: i32, habits: &Habits, plugins: Arc<InForce>) -> Setup {
    let (on_partitions_added, input): (_, Arc<dyn Input>) = match &habits.added {
        Some((on_partitions_added, partitions)) => (*on_partitions_added, Arc::new(Counted(Arc::clone(partitions)))),
        None => (OnPartitionsAdded::Pass, Arc::new(Partitions(partitions))),
    };
    Setup {
        topic: TOPIC.to_owned(),
        input,
        plugins,
        rules: Arc::clone(&habits.rules),
        workers: habits.workers,
        poll_wait: Duration::from_millis(5),
        in_flight: InFlightLimits { records: 10_000, records_per_partition: 1_000, bytes: 64 << 20 },
        commits: Commits {
            interval: habits.commit_interval,
            records_max: 200_000,
            failures_max: 30,
            text_chars_max: TEXT_CHARS_MAX,
        },
        persist_interval: Duration::from_secs(30),
        release_timeout: habits.release_timeout,
        policies: Policies {
            on_stuck: habits.on_stuck,
            on_unreadable: habits.on_unreadable,
            on_log_gap: OnLogGap::Stop,
            on_incomplete_progress: OnIncompleteProgress::Stop,
            on_partitions_added,
        },
        pauses: Pauses {
            reconnect: Duration::from_millis(10),
            opening: Duration::from_millis(10),
            grown: Duration::ZERO,
        },
    }
}
