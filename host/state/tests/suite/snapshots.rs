//! Snapshots: captured while the store goes on, adopted elsewhere, refused by name where they are not whole or not what is
//! wanted. Not kills: see `cut`.

use std::path::Path;

use crate::common::{applied, fill, identity, keep, keeping, kept, lookup, open, open_with, options, write};
use engine::fingerprint::Seed;
use state::{OpenError, Opened, PartitionStore, StoreIdentity};

/// Keys that are found, of those below `to`.
fn found(store: &mut PartitionStore, to: u64) -> usize {
    lookup(store, &(0..to).collect::<Vec<_>>(), i64::MAX).len()
}

#[test]
fn a_snapshot_taken_while_writing_goes_on_is_adopted_elsewhere_and_decides_the_same_after_a_replay() {
    let dir = tempfile::tempdir().unwrap();
    let (origin, snapshot, into) = (dir.path().join("a"), dir.path().join("s"), dir.path().join("b/0"));
    let keeping = keeping(1 << 14, 1 << 16);
    let mut store = open_with(&origin, &keeping);
    keep(&mut store, 0..3_000, 0);
    keep(&mut store, 3_000..5_000, 12_000);
    // Committed and not persisted, and staged: neither is in the snapshot, and both go on.
    store.stage(&[write(5_000, 5_000, 12_000)]);
    store.commit(applied(5_001, Some(12_000)));
    store.stage(&[write(5_001, 5_001, 12_000)]);
    let captured = store.capture(&snapshot).unwrap();
    assert_eq!(captured.next_offset, Some(5_000));
    store.commit(applied(5_002, Some(12_000)));
    keep(&mut store, 5_002..9_000, 24_000);
    store.commit(applied(9_000, Some(100_000)));
    store.persist().unwrap();
    assert_eq!(lookup(&mut store, &[1], i64::MAX), [], "its first bucket is gone by now");

    let seed = store.seed();
    let wanted = StoreIdentity { seed: Some(seed), ..identity() };
    assert_eq!(PartitionStore::adopt(&snapshot, &into, &wanted).unwrap(), captured);
    let mut adopted = PartitionStore::open(&into, &wanted, keeping.clone()).unwrap();
    assert_eq!((adopted.opened().keys_read, adopted.seed()), (0, seed));
    assert_eq!(adopted.applied(), Some(&applied(5_000, Some(12_000))));
    assert_eq!(found(&mut adopted, 9_000), 5_000);
    assert_eq!(kept(&mut adopted, 0..9_000), (0..5_000).collect::<Vec<_>>());
    // What came after is read again.
    adopted.stage(&[write(5_000, 5_000, 12_000), write(5_001, 5_001, 12_000)]);
    adopted.commit(applied(5_002, Some(12_000)));
    keep(&mut adopted, 5_002..9_000, 24_000);
    adopted.commit(applied(9_000, Some(100_000)));
    adopted.persist().unwrap();
    let keys: Vec<u64> = (0..9_100).collect();
    assert_eq!(lookup(&mut adopted, &keys, i64::MAX), lookup(&mut store, &keys, i64::MAX));
    drop(adopted);
    assert_eq!(found(&mut open_with(&into, &keeping), 9_100), found(&mut store, 9_100));
    let again = dir.path().join("again");
    PartitionStore::adopt(&snapshot, &again, &identity()).unwrap();
    assert_eq!(found(&mut open_with(&again, &keeping), 9_000), 5_000, "the snapshot is as it was");
}

#[test]
fn a_new_store_can_be_captured_and_adopted() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = dir.path().join("s");
    let store = open(&dir.path().join("a"));
    assert_eq!(store.capture(&snapshot).unwrap().next_offset, None);
    PartitionStore::adopt(&snapshot, &dir.path().join("b"), &identity()).unwrap();
    let adopted = open(&dir.path().join("b"));
    assert!(adopted.is_new() && adopted.seed() == store.seed());
    assert!(store.capture(&snapshot).is_err(), "a directory that is there is not captured into");
    assert!(open(&snapshot).is_new(), "and is left as it was");
}

#[test]
fn a_snapshot_of_something_else_is_refused_and_the_difference_named() {
    let dir = tempfile::tempdir().unwrap();
    let (snapshot, into) = (dir.path().join("s"), dir.path().join("b"));
    let mut store = open(&dir.path().join("a"));
    fill(&mut store, 0..10, 0);
    store.capture(&snapshot).unwrap();
    let other = StoreIdentity { partition: 7, ..identity() };
    let error = PartitionStore::adopt(&snapshot, &into, &other).unwrap_err().to_string();
    assert!(error.contains("partition: stored 0, wanted 7"), "{error}");
    let other = StoreIdentity { seed: Some(Seed([9; 16])), ..identity() };
    assert!(matches!(PartitionStore::adopt(&snapshot, &into, &other), Err(OpenError::Seed { .. })));
    assert!(!into.exists(), "and nothing was made of it");
    drop(open(&into));
    let error = PartitionStore::adopt(&snapshot, &into, &identity()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, OpenError::Snapshot { .. }) && text.contains("there is something in"), "{text}");
    assert!(open(&into).is_new());
}

/// Each file of a snapshot, and what may have become of it.
#[test]
fn a_snapshot_that_is_not_whole_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (snapshot, into) = (dir.path().join("s"), dir.path().join("b"));
    let mut store = open(&dir.path().join("a"));
    fill(&mut store, 0..5_000, 0);
    fill(&mut store, 5_000..6_000, 12_000);
    let captured = store.capture(&snapshot).unwrap();
    let mut files = Vec::new();
    for within in [snapshot.clone(), snapshot.join("filters")] {
        let found = std::fs::read_dir(within).unwrap().map(|file| file.unwrap().path());
        files.extend(found.filter(|file| file.is_file()));
    }
    assert_eq!(files.len(), captured.files + 1, "all of them are in the list, but for the list");
    let refused = |file: &Path, how: &str| {
        let error = PartitionStore::adopt(&snapshot, &into, &identity()).unwrap_err();
        let (text, name) = (error.to_string(), file.file_name().unwrap().to_str().unwrap());
        assert!(matches!(error, OpenError::Snapshot { .. }), "{name} {how}: {text}");
        assert!(text.contains("to fix this"), "{name} {how}: {text}");
        assert!(!into.exists(), "{name} {how}: nothing is made of it");
    };
    for file in &files {
        let whole = std::fs::read(file).unwrap();
        std::fs::remove_file(file).unwrap();
        refused(file, "is missing");
        std::fs::write(file, whole.split_last().map_or(&b"more"[..], |(_, cut)| cut)).unwrap();
        refused(file, "has another length");
        let is_table = file.extension().is_some_and(|extension| extension == "sst");
        if !is_table && whole.len() > 1 {
            let mut garbled = whole.clone();
            garbled[whole.len() / 2] ^= 1;
            std::fs::write(file, garbled).unwrap();
            refused(file, "is garbled");
        }
        std::fs::remove_file(file).unwrap();
        std::os::unix::fs::symlink("/dev/null", file).unwrap();
        refused(file, "is a link");
        std::fs::remove_file(file).unwrap();
        std::fs::write(file, whole).unwrap();
    }
    std::fs::create_dir_all(dir.path().join("b.adopting/filters")).unwrap();
    std::fs::write(dir.path().join("b.adopting/CURRENT"), b"of an adoption that was killed").unwrap();
    assert_eq!(PartitionStore::adopt(&snapshot, &into, &identity()).unwrap(), captured);
    let mut adopted = PartitionStore::open(&into, &identity(), options()).unwrap();
    assert_eq!(adopted.opened(), Opened { filters_loaded: 2, ..Opened::default() });
    assert_eq!(found(&mut adopted, 7_000), 6_000);
}
