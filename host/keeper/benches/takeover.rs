//! A partition that moves to a host with an empty disk: how long its last checkpoint takes to be published, and how long the
//! next host takes from nothing to an open state, from a directory and from an S3-compatible store. Beside them, how long
//! merely copying the same files takes. Not the replay of what came after the checkpoint.
//!
//! `cargo bench --workspace --bench takeover -- [KEYS]`; 20 M by default. The store is named as for the tests: TEST_S3_ENDPOINT,
//! TEST_S3_BUCKET, TEST_S3_KEY, TEST_S3_SECRET.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops where it is wrong")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use checkpoint::{Credentials, Limits, S3Options};
use connectors::Bounds;
use drive::{Copies, Leave, States, Waits, Wanted};
use engine::entry::{Entry, Write};
use engine::fingerprint::{Fingerprint, Seed};
use keeper::{At, Keeper, Local, Rules, Shelf};
use observe::metrics::Metrics;
use observe::status::Status;
use private_files::Trust;
use state::{Applied, OpenError, PartitionStore, StoreIdentity, StoreOptions};

const SEED: Seed = Seed([7; 16]);
const ROUNDS: usize = 3;

/// Keys that are written at once, as a worker does.
const KEYS_A_WRITE: i64 = 1_000_000;

/// A day in eighths, in milliseconds: keys are spread over all buckets.
const WINDOW_MS: i64 = 86_400_000;

struct Disk(PathBuf);

impl Local for Disk {
    fn identity(&self, partition: i32, seed: Option<Seed>) -> StoreIdentity {
        let window_ms = Some(WINDOW_MS);
        StoreIdentity { topic: "bench".into(), partition, window_ms, seed, ..StoreIdentity::default() }
    }

    fn dir(&self, partition: i32) -> Result<PathBuf, OpenError> {
        Ok(self.0.join("bench").join(partition.to_string()))
    }

    fn open(&self, partition: i32, seed: Option<Seed>) -> Result<PartitionStore, OpenError> {
        let options = StoreOptions::for_window(Some(WINDOW_MS), 0);
        PartitionStore::open(&self.dir(partition)?, &self.identity(partition, seed), options)
    }

    fn open_elder(&self, _: i32, _: Seed, _: (i32, i32)) -> Result<PartitionStore, OpenError> {
        unreachable!("the topic does not grow")
    }

    fn forget_elders(&self, _: Option<(i32, i32)>) {}
}

struct Patient;

impl Waits for Patient {
    fn restoring(&self, _words: &str) {}

    fn is_wanted(&self) -> bool {
        true
    }
}

fn keeper(disk: &Path, at: At) -> Keeper<Disk> {
    let interval = Duration::from_secs(3_600);
    let rules = Rules { group: "bench".into(), topic: "bench".into(), topic_id: None, interval, full_every: 10 };
    let shelf = Shelf::new(at, Limits::default(), 1);
    fs::create_dir_all(disk.join("bench")).unwrap();
    Keeper::start(Disk(disk.to_owned()), vec![shelf], rules, Metrics::new().unwrap(), Arc::new(Status::new())).unwrap()
}

fn open(keeper: &Keeper<Disk>, committed: Option<i64>) -> PartitionStore {
    // The log has nothing left of what is in the checkpoint.
    let bounds = Bounds { log_start: committed.unwrap_or(0), log_end: i64::MAX, stable_end: i64::MAX };
    keeper.open(&Wanted { partition: 0, seed: Some(SEED), committed, bounds, waits: &Patient }).unwrap()
}

/// Uniform fingerprints from a counter (SplitMix64).
fn fingerprint(n: i64) -> Fingerprint {
    let mix = |z: u64| {
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let high = mix(n.cast_unsigned().wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    Fingerprint(u128::from(high) << 64 | u128::from(mix(high ^ 0x1234_5678)))
}

fn fill(store: &mut PartitionStore, keys: i64) {
    let write = |offset| Write {
        fingerprint: fingerprint(offset),
        entry: Entry {
            offset,
            time: i64::try_from(i128::from(offset) * i128::from(WINDOW_MS) / i128::from(keys)).unwrap(),
        },
    };
    let mut next_offset = 0;
    while next_offset < keys {
        let end = keys.min(next_offset + KEYS_A_WRITE);
        store.stage(&(next_offset..end).map(write).collect::<Vec<_>>());
        next_offset = end;
        store.commit(Applied { next_offset, watermark: Some(0), ..Applied::default() });
        store.persist().unwrap();
    }
}

/// The partition is given up, as planned. Returns how long it is held for that.
fn leave(keeper: &Keeper<Disk>, mut store: PartitionStore) -> Duration {
    struct Told(Arc<Mutex<Option<Instant>>>);
    impl Drop for Told {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Some(Instant::now());
        }
    }
    let (start, let_go) = (Instant::now(), Arc::<Mutex<Option<Instant>>>::default());
    let leave = Leave { until: start + Duration::from_secs(600), hold: Box::new(Told(Arc::clone(&let_go))) };
    keeper.leaves(0, &mut store, leave);
    drop(store);
    loop {
        if let Some(at) = *let_go.lock().unwrap() {
            return at - start;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut directories) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { directories.push(path) } else { found.push(path) }
        }
    }
    found
}

/// Copies every file, and has it on the disk, one after the other.
fn copied(from: &Path, into: &Path) -> Duration {
    fs::create_dir_all(into).unwrap();
    let start = Instant::now();
    for (number, file) in files(from).into_iter().enumerate() {
        let to = into.join(number.to_string());
        fs::copy(file, &to).unwrap();
        fs::File::open(&to).unwrap().sync_all().unwrap();
    }
    start.elapsed()
}

fn main() {
    // Cargo adds a flag of its own.
    let keys = std::env::args().find_map(|argument| argument.replace('_', "").parse().ok()).unwrap_or(20_000_000);
    let work = tempfile::tempdir().unwrap();
    let mut places = vec![("a directory", At::Directory(work.path().join("checkpoints"), Trust::Anyone))];
    match s3() {
        Some(options) => places.push(("S3", At::S3(options))),
        None => println!("######## NOT RUN: from S3 (TEST_S3_ENDPOINT is not set) ########"),
    }
    println!("{keys} keys; seconds to move a partition to a host with an empty disk, through");
    println!("{:>14} {:>10} {:>8} {:>10} {:>12} {:>10}", "", "publish", "MB", "take over", "merely copy", "ratio");
    for (name, at) in places {
        let disk = work.path().join("first");
        let first = keeper(&disk, at.clone());
        let mut store = open(&first, None);
        fill(&mut store, keys);
        let published = leave(&first, store);
        for round in 0..ROUNDS {
            let next = work.path().join(format!("next-{round}"));
            let (host, start) = (keeper(&next, at.clone()), Instant::now());
            let mut store = open(&host, Some(keys));
            let took = start.elapsed();
            right(&mut store, keys);
            drop(store);
            let copy = copied(&next, &work.path().join("copy"));
            let bytes: u64 = files(&next).iter().map(|file| file.metadata().unwrap().len()).sum();
            let [published, seconds, copy] = [published, took, copy].map(|took| took.as_secs_f64());
            println!(
                "{name:>14} {published:>10.2} {:>8} {seconds:>10.2} {copy:>12.2} {:>10.2}",
                bytes / 1_000_000,
                seconds / copy
            );
            fs::remove_dir_all(&next).unwrap();
            fs::remove_dir_all(work.path().join("copy")).unwrap();
        }
        fs::remove_dir_all(&disk).unwrap();
    }
}

/// What was taken over knows all that was written.
fn right(store: &mut PartitionStore, keys: i64) {
    assert_eq!(store.applied().map(|applied| applied.next_offset), Some(keys));
    let (mut asked, mut found) = (Vec::new(), Vec::new());
    asked.extend((0..keys).step_by(997).map(fingerprint));
    store.lookup(&asked, i64::MAX, &mut found).unwrap();
    assert_eq!(found.len(), asked.len());
}

fn s3() -> Option<S3Options> {
    let [endpoint, bucket, key, secret] =
        ["ENDPOINT", "BUCKET", "KEY", "SECRET"].map(|name| std::env::var(format!("TEST_S3_{name}")).ok());
    let credentials = Some(Credentials { key: key?, secret: secret?, token: None });
    let prefix = format!("bench-{}", std::process::id());
    Some(S3Options { bucket: bucket?, prefix, region: "us-east-1".into(), endpoint, allow_http: true, credentials })
}
