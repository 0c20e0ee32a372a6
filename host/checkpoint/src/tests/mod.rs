//! Tests of the whole crate over stores in memory and in directories, sound and faulty.

mod basics;
mod conditional;
mod corpus;
mod damage;
mod faults;
mod faulty;
mod limits;
mod races;
mod retention;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use private_files::Trust;
use tempfile::TempDir;

use crate::{About, Control, Depot, DepotError, Full, Limits, Manifest, Place};

/// What a snapshot holds: names and bytes.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

pub(super) fn place() -> Place {
    Place { group: "dedup".into(), topic: "events.raw".into(), topic_id: Some("Zm9v".into()), partition: 3 }
}

/// Impatient: what is asked for is in memory.
pub(super) fn limits() -> Limits {
    Limits {
        timeout: Duration::from_millis(150),
        parallel: 3,
        attempts: 8,
        backoff: Duration::from_micros(100),
        ..Limits::default()
    }
}

pub(super) fn control() -> Control {
    Control::default()
}

pub(super) fn about(next_offset: u64, epoch: u64) -> About {
    About {
        identity: "keys of events.raw".into(),
        next_offset: Some(next_offset),
        seed: "5eed".into(),
        taken_at_ms: 1_700_000_000_000 + i64::try_from(next_offset).unwrap(),
        epoch,
        notes: BTreeMap::from([("from".into(), "7".into())]),
    }
}

pub(super) fn over(store: Arc<dyn ObjectStore>, limits: Limits) -> Depot {
    Depot::over(store, "prefix/of/ours".into(), "memory".into(), limits).unwrap()
}

pub(super) fn in_memory() -> (Arc<InMemory>, Depot) {
    let store = Arc::new(InMemory::new());
    let depot = over(Arc::clone(&store) as Arc<dyn ObjectStore>, limits());
    (store, depot)
}

pub(super) fn in_directory(dir: &Path) -> Depot {
    Depot::directory(dir, Trust::Ours, limits()).unwrap()
}

/// What a state at an offset is: tables that stay, some that are merged away, and small files that change every time.
pub(super) fn state(next_offset: u64, writer: &str) -> Files {
    let mut files = Files::new();
    let tables = next_offset / 10;
    for table in tables.saturating_sub(4)..=tables {
        files.insert(format!("{table:06}.sst"), format!("table {table} ").repeat(40).into_bytes());
    }
    files.insert("CURRENT".into(), format!("{next_offset} {writer}\n").into_bytes());
    files.insert("filters/1.0.filter".into(), vec![u8::try_from(next_offset % 251).unwrap(); 300]);
    files.insert("empty".into(), Vec::new());
    files
}

/// Writes a snapshot, as a store captures one.
pub(super) fn write(dir: &Path, files: &Files) {
    for (name, bytes) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

pub(super) fn read(dir: &Path) -> Files {
    let files = crate::local::scan(dir).unwrap();
    files.into_iter().map(|file| (file.name, fs::read(file.path).unwrap())).collect()
}

/// A directory in memory, where there is such a file system: these tests write a lot, and lastingly.
pub(super) fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// A directory with this snapshot.
pub(super) fn snapshot(files: &Files) -> TempDir {
    let dir = scratch();
    write(dir.path(), files);
    dir
}

pub(super) fn publish(depot: &Depot, next_offset: u64, epoch: u64, full: Full) -> Result<crate::Published, DepotError> {
    let dir = snapshot(&state(next_offset, "w"));
    depot.publish(&place(), dir.path(), &about(next_offset, epoch), full, &control())
}

/// Fetches a checkpoint into a new directory.
pub(super) fn fetched(depot: &Depot, manifest: &Manifest) -> Result<Files, DepotError> {
    let dir = scratch();
    let into: PathBuf = dir.path().join("into");
    depot.fetch(manifest, &into, &[], &control()).map(|_| read(&into))
}

/// What a caller comes to: the first checkpoint that is whole.
pub(super) fn restored(depot: &Depot) -> Option<(Manifest, Files)> {
    let candidates = depot.candidates(&place(), &control()).unwrap();
    candidates.manifests.into_iter().find_map(|manifest| {
        let files = fetched(depot, &manifest).ok()?;
        Some((manifest, files))
    })
}

#[track_caller]
pub(super) fn refused<T>(result: Result<T, DepotError>, words: &[&str]) -> DepotError {
    let Err(error) = result else { panic!("not refused; expected {words:?}") };
    let said = error.to_string();
    for word in words {
        assert!(said.contains(word), "{said:?} does not say {word:?}");
    }
    error
}

/// Numbers that a seed decides.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
