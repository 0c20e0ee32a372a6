//! A disk that is full, and one that cannot be written. Both need the right to mount.

use std::path::Path;
use std::process::Command;

use crate::common::{applied, event, fill, identity, keep, keeping, kept, lookup, open, open_with, options, write};
use state::{OpenError, PartitionStore, StateError};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("a_full_disk_stops_the_store_and_loses_nothing", a_full_disk_stops_the_store_and_loses_nothing),
    (
        "a_disk_that_originals_fill_stops_the_store_and_loses_nothing",
        a_disk_that_originals_fill_stops_the_store_and_loses_nothing,
    ),
    ("a_read_only_disk_is_named_with_its_directory", a_read_only_disk_is_named_with_its_directory),
];

/// A memory file system of so many bytes, unmounted at the end.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount(bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"], dir.path());
        assert!(mounted, "mounting small disks is not permitted here; SKIP=\"disks\" does without these tests");
        Self(dir)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn mount(arguments: &[&str], dir: &Path) -> bool {
    Command::new("mount").args(arguments).arg(dir).output().is_ok_and(|output| output.status.success())
}

fn a_full_disk_stops_the_store_and_loses_nothing() {
    let disk = Disk::mount(6 << 20);
    let mut store = open(disk.0.path());
    fill(&mut store, 0..50_000, 0);
    let mut next = 50_000;
    let error = loop {
        let writes: Vec<_> = (next..next + 50_000).map(|n| write(n, n as i64, 0)).collect();
        store.stage(&writes);
        store.commit(applied(next as i64 + 50_000, Some(0)));
        match store.persist() {
            Ok(()) => next += 50_000,
            Err(error) => break error,
        }
        assert!(next < 1_000_000, "the disk never became full");
    };
    assert!(matches!(error, StateError::Full { .. }), "{error:?}");
    let mut found = Vec::new();
    assert!(matches!(store.lookup(&[], 0, &mut found), Err(StateError::Refused { .. })));
    assert!(matches!(store.persist(), Err(StateError::Refused { .. })));
    drop(store);
    assert!(mount(&["-o", "remount,size=64m"], disk.0.path()));
    let mut store = open(disk.0.path());
    assert_eq!(store.applied().unwrap().next_offset, next as i64);
    assert_eq!(lookup(&mut store, &(0..next).collect::<Vec<_>>(), i64::MAX).len() as u64, next);
    fill(&mut store, next..next + 10, 0);
}

fn a_disk_that_originals_fill_stops_the_store_and_loses_nothing() {
    let disk = Disk::mount(6 << 20);
    let options = keeping(1 << 18, 1 << 20);
    let mut store = open_with(disk.0.path(), &options);
    keep(&mut store, 0..5_000, 0);
    let mut offset = 5_000;
    let error = loop {
        match store.keep(offset, &event(offset)) {
            Ok(()) => offset += 1,
            Err(error) => break error,
        }
        assert!(offset < 100_000, "the disk never became full");
    };
    assert!(matches!(error, StateError::Full { .. }), "{error:?}");
    assert!(matches!(store.keep(offset, b"x"), Err(StateError::Refused { .. })));
    assert!(matches!(store.persist(), Err(StateError::Refused { .. })));
    drop(store);
    assert!(mount(&["-o", "remount,size=64m"], disk.0.path()));
    let mut store = open_with(disk.0.path(), &options);
    assert_eq!(store.applied().unwrap().next_offset, 5_000);
    assert_eq!(kept(&mut store, 0..5_000).len(), 5_000);
    keep(&mut store, 5_000..20_000, 0);
    assert_eq!(kept(&mut store, 0..20_000).len(), 20_000);
}

fn a_read_only_disk_is_named_with_its_directory() {
    let disk = Disk::mount(16 << 20);
    drop(open(disk.0.path()));
    assert!(mount(&["-o", "remount,ro"], disk.0.path()));
    let error = PartitionStore::open(disk.0.path(), &identity(), options()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, OpenError::Io { .. }), "{text}");
    assert!(text.contains(&disk.0.path().display().to_string()) && text.contains("Read-only"), "{text}");
    let error = PartitionStore::open(&disk.0.path().join("new"), &identity(), options()).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
}
