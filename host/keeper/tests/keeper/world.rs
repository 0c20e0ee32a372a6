//! Hosts with real states in directories, and the checkpoints that they share. No assertions but that the scene is set.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use checkpoint::{Control, Depot, Limits, Place};
use connectors::Bounds;
use drive::{Copies, Leave, OpenFailure, States, Waits, Wanted};
use engine::entry::{Entry, Write};
use engine::fingerprint::{Fingerprint, Seed};
use engine::record::TopicPartition;
use keeper::{At, Keeper, Local, Rules, Shelf};
use observe::metrics::Metrics;
use observe::status::{PartitionStatus, Phase, Status};
use private_files::Trust;
use state::{Applied, OpenError, PartitionStore, StoreIdentity, StoreOptions};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const SEED: Seed = Seed([7; 16]);

/// States of a host in a directory.
pub(crate) struct Disk {
    pub(crate) dir: PathBuf,
    pub(crate) window_ms: Option<i64>,
}

impl Local for Disk {
    fn identity(&self, partition: i32, seed: Option<Seed>) -> StoreIdentity {
        StoreIdentity { topic: "events".into(), partition, window_ms: self.window_ms, seed, ..StoreIdentity::default() }
    }

    fn dir(&self, partition: i32) -> Result<PathBuf, OpenError> {
        Ok(self.dir.join("events").join(partition.to_string()))
    }

    fn open(&self, partition: i32, seed: Option<Seed>) -> Result<PartitionStore, OpenError> {
        let options = StoreOptions::for_window(self.window_ms, 0);
        PartitionStore::open(&self.dir(partition)?, &self.identity(partition, seed), options)
    }

    fn open_elder(&self, _: i32, _: Seed, _: (i32, i32)) -> Result<PartitionStore, OpenError> {
        unreachable!("the topic does not grow")
    }

    fn forget_elders(&self, _: Option<(i32, i32)>) {}
}

#[derive(Default)]
pub(crate) struct Patient {
    pub(crate) said: Mutex<Vec<String>>,
    pub(crate) gone: AtomicBool,
}

impl Waits for Patient {
    fn restoring(&self, words: &str) {
        self.said.lock().unwrap().push(words.to_owned());
    }

    fn is_wanted(&self) -> bool {
        !self.gone.load(Ordering::SeqCst)
    }
}

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) struct Host {
    pub(crate) keeper: Keeper<Disk>,
    pub(crate) metrics: Metrics,
    pub(crate) status: Arc<Status>,
    pub(crate) store: PathBuf,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn shelf(&self) -> PathBuf {
        self.dir.path().join("checkpoints")
    }

    pub(crate) fn place(partition: u32) -> Place {
        Place { group: "group".into(), topic: "events".into(), topic_id: None, partition }
    }

    pub(crate) fn host(&self, name: &str, interval: Duration) -> Host {
        self.host_with(name, interval, None, &self.shelf())
    }

    /// Every so many of its checkpoints are whole.
    pub(crate) fn host_of(&self, name: &str, interval: Duration, full_every: u32) -> Host {
        self.make(name, interval, None, &self.shelf(), full_every)
    }

    pub(crate) fn host_with(&self, name: &str, interval: Duration, window_ms: Option<i64>, shelf: &Path) -> Host {
        self.make(name, interval, window_ms, shelf, 10)
    }

    fn make(&self, name: &str, interval: Duration, window_ms: Option<i64>, shelf: &Path, full_every: u32) -> Host {
        let (metrics, status) = (Metrics::new().unwrap(), Arc::new(Status::new()));
        let shelf = Shelf::new(At::Directory(shelf.to_owned(), Trust::Anyone), Limits::default(), 3);
        let (group, topic) = ("group".to_owned(), "events".to_owned());
        let rules = Rules { group, topic, topic_id: None, interval, full_every };
        let store = self.dir.path().join(name);
        let disk = Disk { dir: store.clone(), window_ms };
        let keeper = Keeper::start(disk, vec![shelf], rules, metrics.clone(), Arc::clone(&status)).unwrap();
        Host { keeper, metrics, status, store }
    }

    /// How far the checkpoints of partition 0 reach, the one that reaches furthest first.
    pub(crate) fn offsets(&self) -> Vec<u64> {
        let depot = Depot::directory(&self.shelf(), Trust::Anyone, Limits::default()).unwrap();
        let found = depot.candidates(&Self::place(0), &Control::default()).unwrap();
        found.manifests.iter().filter_map(|manifest| manifest.about().next_offset).collect()
    }
}

impl Host {
    pub(crate) fn open(&self, committed: Option<i64>, log_start: i64) -> Result<PartitionStore, OpenFailure> {
        self.open_for(&Patient::default(), committed, log_start)
    }

    pub(crate) fn open_for(
        &self,
        waits: &Patient,
        committed: Option<i64>,
        log_start: i64,
    ) -> Result<PartitionStore, OpenFailure> {
        let bounds = Bounds { log_start, log_end: i64::MAX, stable_end: i64::MAX };
        self.keeper.open(&Wanted { partition: 0, seed: Some(SEED), committed, bounds, waits })
    }

    /// What a worker does that has the partition.
    pub(crate) fn shows(&self) {
        let source = TopicPartition { topic: "events".into(), partition: 0 };
        self.status.set_partition(source, PartitionStatus::new(Phase::Live));
    }

    pub(crate) fn write(&self, store: &mut PartitionStore, offsets: Range<i64>) {
        write(store, offsets);
        self.keeper.written(0, store);
    }

    /// Gives a state up as planned, and returns how long that took.
    pub(crate) fn leave(&self, mut store: PartitionStore, within: Duration) -> Duration {
        let (start, held) = (Instant::now(), Arc::new(()));
        let leave = Leave { until: start + within, hold: Box::new(Arc::clone(&held)) };
        self.keeper.leaves(0, &mut store, leave);
        drop(store);
        until(|| Arc::strong_count(&held) == 1);
        start.elapsed()
    }

    pub(crate) fn says(&self, line: &str) -> bool {
        self.metrics.render().unwrap().lines().any(|is| is == line)
    }

    pub(crate) fn came_from(&self, origin: &str) {
        let line = format!("dedup_host_states_opened_total{{origin=\"{origin}\"}} 1");
        assert!(self.says(&line), "{line} is not in\n{}", self.metrics.render().unwrap());
    }
}

pub(crate) fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it never holds");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn key(offset: i64) -> Fingerprint {
    Fingerprint(u128::from(offset.unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
}

/// A key for each offset, committed and written.
pub(crate) fn write(store: &mut PartitionStore, offsets: Range<i64>) {
    let entry = |offset| Write { fingerprint: key(offset), entry: Entry { offset, time: 0 } };
    store.stage(&offsets.clone().map(entry).collect::<Vec<_>>());
    let next_offset = offsets.end;
    store.commit(Applied {
        next_offset,
        clock: Vec::new(),
        watermark: None,
        clock_records: 0,
        clock_is_ahead: false,
        extra: Vec::new(),
    });
    store.persist().unwrap();
}

pub(crate) fn applied(store: &PartitionStore) -> Option<i64> {
    store.applied().map(|applied| applied.next_offset)
}

/// How many of the first thousand offsets have a key, each its own.
pub(crate) fn known(store: &mut PartitionStore) -> usize {
    let (keys, mut found) = ((0..1_000).map(key).collect::<Vec<_>>(), Vec::new());
    store.lookup(&keys, i64::MAX, &mut found).unwrap();
    assert!(found.iter().all(|found| found.entry.offset == i64::from(found.key)), "a key has another's offset");
    found.len()
}

pub(crate) const NEVER: Duration = Duration::from_secs(3_600);
pub(crate) const ALWAYS: Duration = Duration::from_millis(1);

pub(crate) fn quick_leave(host: &Host, store: PartitionStore) {
    let took = host.leave(store, PATIENCE);
    assert!(took < PATIENCE, "{took:?}");
}

pub(crate) fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let (mut found, mut directories) = (BTreeSet::new(), vec![dir.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                found.insert(path);
            }
        }
    }
    found
}
