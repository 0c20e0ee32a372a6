//! Killed, and robbed of what was not synced, at any step that a store takes on the disk: while it opens, persists, drops
//! what has expired, is captured and is adopted. What is done to the files is `cut.c`'s, preloaded into a process of its
//! own. Afterwards, the store opens with nothing missing below what it says is applied, and that is never before what was
//! persisted; a snapshot is whole or refused by name.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use crate::common::{applied, event, identity, keeping, kept, lookup, open_with, write};
use state::{OpenError, PartitionStore, StoreOptions};

const DIR: &str = "STATE_TEST_CUT_DIR";
const BATCH: i64 = 300;
const BATCHES: i64 = 16;

/// What is looked for: the window is 80 s, and its last bucket may be gone.
const LIVE: i64 = 2_300;

/// Batch after which a snapshot is captured.
const CAPTURED: i64 = 6;

fn keeping_little() -> StoreOptions {
    keeping(1 << 14, 1 << 16)
}

/// Buckets are of 10 s: each batch fills one, and from the tenth on, one expires with each.
fn time(offset: i64) -> i64 {
    offset * 30
}

fn process(store: &mut PartitionStore, start: i64) {
    let offsets = start..start + BATCH;
    for offset in offsets.clone().step_by(7) {
        store.keep(offset, &event(offset)).unwrap();
    }
    store.stage(&offsets.map(|n| write(n.unsigned_abs(), n, time(n))).collect::<Vec<_>>());
    store.commit(applied(start + BATCH, Some(time(start + BATCH))));
    store.persist().unwrap();
}

/// What the process does that is killed: the same test, told a directory.
fn live(dir: &Path) {
    let mut store = open_with(&dir.join("store"), &keeping_little());
    let mut start = store.applied().map_or(0, |applied| applied.next_offset);
    println!("persisted {start}");
    while start < BATCHES * BATCH {
        process(&mut store, start);
        start += BATCH;
        println!("persisted {start}");
        let snapshot = dir.join(format!("snapshot-{start}"));
        if start == CAPTURED * BATCH && !snapshot.exists() {
            store.capture(&snapshot).unwrap();
            println!("captured {start}");
            PartitionStore::adopt(&snapshot, &dir.join("adopted"), &identity()).unwrap();
            println!("adopted {start}");
            process(&mut open_with(&dir.join("adopted"), &keeping_little()), start);
        }
    }
}

/// The library that is preloaded.
fn library() -> &'static Path {
    static LIBRARY: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        let (library, source) =
            (dir.path().join("cut.so"), Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/cut.c"));
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wno-unused-result", "-o"])
            .args([&library, &source])
            .args(["-ldl", "-lpthread"])
            .output()
            .expect("a C compiler, which RocksDB needs as well");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        (dir, library)
    });
    &LIBRARY.1
}

fn run(dir: &Path, mode: &str, at: Option<usize>) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "cut::killed_and_cut_at_any_step", "--nocapture"])
        .env(DIR, dir)
        .env("LD_PRELOAD", library())
        .env("CUT_DIR", dir)
        .env("CUT_MODE", mode)
        .env("CUT_TOTAL", dir.with_extension("total"));
    if let Some(at) = at {
        command.env("CUT_AT", at.to_string());
    }
    command.output().unwrap()
}

/// The last number that a process said with a word.
fn last(output: &Output, word: &str) -> Option<i64> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter_map(|line| line.split_once(word)?.1.trim().parse().ok()).next_back()
}

/// Opens a store and looks at all of it; goes on with it and looks again.
fn check(dir: &Path, persisted: i64, what: &str) {
    for _ in 0..2 {
        let mut store =
            PartitionStore::open(dir, &identity(), keeping_little()).unwrap_or_else(|error| panic!("{what}: {error}"));
        let next = store.applied().map_or(0, |applied| applied.next_offset);
        assert!(next >= persisted, "{what}: {next} is applied, and {persisted} was persisted");
        let live: Vec<i64> = ((next - LIVE).max(0)..next).collect();
        let keys: Vec<u64> = live.iter().map(|offset| offset.unsigned_abs()).collect();
        let found = lookup(&mut store, &keys, i64::MAX);
        let expected: Vec<_> = live.iter().zip(0..).map(|(offset, key)| (key, *offset, time(*offset))).collect();
        assert_eq!(found, expected, "{what}: below {next}");
        let ahead: Vec<u64> = (next..next + 2 * BATCH).map(i64::unsigned_abs).collect();
        assert_eq!(lookup(&mut store, &ahead, i64::MAX), [], "{what}: ahead of {next}");
        let originals: Vec<i64> = live.iter().copied().filter(|offset| offset % BATCH % 7 == 0).collect();
        assert_eq!(kept(&mut store, originals.clone()), originals, "{what}");
        process(&mut store, next);
    }
}

#[test]
fn killed_and_cut_at_any_step() {
    if let Some(dir) = std::env::var_os(DIR) {
        return live(Path::new(&dir));
    }
    let whole = tempfile::tempdir().unwrap();
    let root = whole.path().join("whole");
    std::fs::create_dir(&root).unwrap();
    let output = run(&root, "kill", None);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(last(&output, "persisted"), Some(BATCHES * BATCH));
    let total: usize = std::fs::read_to_string(root.with_extension("total")).unwrap().parse().unwrap();
    assert!(total > 500, "only {total} steps were seen");
    check(&root.join("store"), BATCHES * BATCH, "not killed");
    let points = cases::cases(12).cases as usize;
    let (mut killed, mut refused) = (0, 0);
    for (index, mode) in ["kill", "drop", "tear"].into_iter().enumerate() {
        for point in 0..points {
            let at = 1 + (point * total + index * total / 3) / points;
            let what = format!("{mode} at step {at} of {total}");
            let root = whole.path().join(format!("{mode}-{at}"));
            std::fs::create_dir(&root).unwrap();
            let first = run(&root, mode, Some(at));
            killed += usize::from(!first.status.success());
            // Once more, while it opens and makes good.
            let second = run(&root, mode, Some(1 + at % 97));
            let persisted = last(&second, "persisted").max(last(&first, "persisted")).unwrap_or(0);
            check(&root.join("store"), persisted, &what);
            if root.join("adopted").exists() {
                let adopted = last(&first, "adopted").unwrap_or(0);
                check(&root.join("adopted"), adopted, &format!("{what}: adopted"));
            }
            let snapshot = root.join(format!("snapshot-{}", CAPTURED * BATCH));
            if snapshot.exists() {
                match PartitionStore::adopt(&snapshot, &root.join("later"), &identity()) {
                    Ok(_) => check(&root.join("later"), CAPTURED * BATCH, &format!("{what}: adopted later")),
                    Err(error) => {
                        assert!(matches!(error, OpenError::Snapshot { .. }), "{what}: {error}");
                        assert_eq!(last(&first, "captured"), None, "{what}: {error}");
                        refused += 1;
                    }
                }
            }
            std::fs::remove_dir_all(&root).unwrap();
        }
    }
    println!("{killed} processes killed, {refused} snapshots refused");
    assert!(killed > points * 2, "{killed} processes were killed");
}
