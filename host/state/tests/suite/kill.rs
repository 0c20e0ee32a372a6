//! Kill -9 at any moment: after opening again, all keys and originals below the applied offset are there, and a replay
//! counts every duplicate once. The page cache survives such a kill: that files reach the disk itself is not shown here.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use engine::history::History;
use state::{PartitionStore, StoreOptions};

use crate::common::{applied, batch, event, keep_shared, keeping, kept, lookup, open_with, write};

const DIR: &str = "STATE_TEST_KILL_DIR";
const ROUNDS: u64 = 12;
const BATCH: i64 = 500;

/// Events that are duplicates of the one event of so many offsets.
const GROUP: i64 = 100;

/// Events of a batch that is held.
const HELD: usize = 40;

fn keeping_little() -> StoreOptions {
    keeping(1 << 14, 1 << 16)
}

/// One batch: half the events of a group are duplicates of its first. Of the others, some are shared with batches.
fn process(store: &mut PartitionStore, start: i64) {
    let offsets = start..start + BATCH;
    store.stage(&offsets.clone().map(|n| write(n.unsigned_abs(), n, time(n))).collect::<Vec<_>>());
    let mut records = batch([]);
    for (n, offset) in offsets.enumerate() {
        if n % HELD == 0 {
            records = batch((offset..).take(HELD));
        }
        if is_duplicate(offset) {
            let history = store.history(offset - offset % GROUP, || History::of(None)).unwrap().unwrap();
            history.count(offset, None);
        } else if offset % 5 > 0 {
            keep_shared(store, &records, n % HELD, false);
        } else {
            store.keep(offset, &event(offset)).unwrap();
        }
    }
    store.commit(applied(start + BATCH, Some(0)));
}

fn is_duplicate(offset: i64) -> bool {
    offset % GROUP != 0 && offset % 2 == 0
}

/// The time of an offset: buckets change often, none expires.
fn time(offset: i64) -> i64 {
    offset % 80_000
}

#[test]
fn killed_while_persisting() {
    if let Some(dir) = std::env::var_os(DIR) {
        persist_until_killed(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut reached = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::killed_while_persisting", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut last = reached;
        for line in lines.by_ref().take(20) {
            last = line.unwrap().strip_prefix("persisted ").map_or(last, |n| n.parse().unwrap());
        }
        std::thread::sleep(Duration::from_micros(round * 1_700));
        child.kill().unwrap();
        for line in lines.map_while(Result::ok) {
            last = line.strip_prefix("persisted ").and_then(|n| n.parse().ok()).unwrap_or(last);
        }
        child.wait().unwrap();
        let mut store = open_with(dir.path(), &keeping_little());
        let next_offset = store.applied().unwrap().next_offset;
        assert!(next_offset >= last && last > reached, "{next_offset} is applied after {last} was said to be");
        let keys: Vec<u64> = (0..next_offset.unsigned_abs()).collect();
        let found = lookup(&mut store, &keys, i64::MAX);
        let expected: Vec<_> = (0..next_offset).map(|n| (n as u32, n, time(n))).collect();
        assert_eq!(found, expected);
        let originals: Vec<i64> = (0..next_offset).filter(|offset| !is_duplicate(*offset)).collect();
        assert_eq!(kept(&mut store, originals.clone()), originals);
        // What was written ahead of the applied offset is at most one batch: after it all counts are exact.
        process(&mut store, next_offset);
        for original in (0..next_offset + BATCH).step_by(GROUP as usize) {
            let history = store.history(original, || History::of(None)).unwrap().unwrap();
            assert_eq!(history.duplicates(), GROUP.unsigned_abs() / 2 - 1, "of {original}");
        }
        reached = last;
    }
}

/// What the process that is killed does: the same test, told a directory.
fn persist_until_killed(dir: &Path) -> ! {
    let mut store = open_with(dir, &keeping_little());
    loop {
        let start = store.applied().map_or(0, |applied| applied.next_offset);
        process(&mut store, start);
        store.persist().unwrap();
        println!("persisted {}", start + BATCH);
    }
}
