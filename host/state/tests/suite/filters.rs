//! Filters on disk: opening reads no key, and one that is torn, missing or behind is made again. Not what a filter is.

use std::path::{Path, PathBuf};

use crate::common::{applied, fill, lookup, open, write};
use state::Opened;

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir.join("filters")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort_unstable();
    files
}

/// Keys 0 to 120,000 in three buckets, with tables large and small.
fn filled(dir: &Path) {
    let mut store = open(dir);
    for (start, end, time) in [(0, 40_000, 0), (40_000, 40_100, 0), (40_100, 90_000, 12_000), (90_000, 120_000, 25_000)]
    {
        fill(&mut store, start..end, time);
    }
}

fn all_are_found(dir: &Path) -> Opened {
    let mut store = open(dir);
    let opened = store.opened();
    let keys: Vec<u64> = (0..120_000).collect();
    assert_eq!(lookup(&mut store, &keys, i64::MAX).len(), 120_000, "no filter hides a key that is there");
    opened
}

#[test]
fn opening_loads_every_filter_and_reads_no_key() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let store = open(dir.path());
    assert_eq!(store.opened(), Opened { filters_loaded: 3, ..Opened::default() });
    let blocks = store.filter_counts().data_blocks;
    // The keys are in some 700; RocksDB may be merging manifests.
    assert!(blocks < 50, "RocksDB itself says that {blocks} blocks of data were read");
    drop(store);
    let opened = all_are_found(dir.path());
    assert_eq!((opened.filters_loaded, opened.keys_read), (3, 0));
    let mut store = open(dir.path());
    let unseen: Vec<u64> = (1_000_000..1_100_000).collect();
    let before = store.filter_counts().data_blocks;
    assert_eq!(lookup(&mut store, &unseen, i64::MAX), []);
    let read = store.filter_counts().data_blocks - before;
    assert!(read < 200, "100,000 unseen keys read {read} blocks: the filters that were loaded stop nearly all");
}

#[test]
fn a_filter_that_is_torn_garbled_or_missing_is_made_again_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let damage: [fn(&Path); 4] = [
        |file| {
            let bytes = std::fs::read(file).unwrap();
            std::fs::write(file, &bytes[..bytes.len() - 9]).unwrap();
        },
        |file| {
            let mut bytes = std::fs::read(file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
            std::fs::write(file, bytes).unwrap();
        },
        |file| std::fs::remove_file(file).unwrap(),
        |file| std::fs::write(file, b"").unwrap(),
    ];
    for damage in damage {
        damage(&files(dir.path())[1]);
        let opened = all_are_found(dir.path());
        assert_eq!((opened.filters_rebuilt, opened.filters_loaded), (1, 2), "{opened:?}");
        assert!(opened.keys_read >= 30_000, "{opened:?}");
        let again = all_are_found(dir.path());
        assert_eq!((again.filters_loaded, again.keys_read), (3, 0), "it is stored again at once");
    }
    std::fs::remove_dir_all(dir.path().join("filters")).unwrap();
    let opened = all_are_found(dir.path());
    assert_eq!((opened.filters_rebuilt, opened.keys_read), (3, 120_000));
}

/// As a crash leaves it between the filter and the applied offset.
#[test]
fn a_filter_that_is_longer_or_newer_than_it_should_be_has_its_bucket_searched() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let longer = &files(dir.path())[0];
    std::fs::write(longer, [&std::fs::read(longer).unwrap()[..], b"torn"].concat()).unwrap();
    let opened = all_are_found(dir.path());
    assert_eq!((opened.buckets_searched, opened.filters_rebuilt, opened.filters_loaded), (1, 0, 2));
    std::fs::write(dir.path().join("filters/1.0.4000.filter"), b"").unwrap();
    let opened = all_are_found(dir.path());
    assert_eq!((opened.buckets_searched, opened.filters_loaded), (1, 2));
    assert_eq!(all_are_found(dir.path()).filters_loaded, 3);
    assert_eq!(files(dir.path()).len(), 3, "and nothing is left of either");
}

#[test]
fn a_store_that_was_set_back_is_searched_for_what_is_ahead_until_it_has_caught_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    fill(&mut store, 0..1_000, 0);
    store.commit(applied(600, Some(0)));
    store.persist().unwrap();
    drop(store);
    let mut store = open(dir.path());
    assert_eq!(store.opened().buckets_searched, 1);
    assert_eq!(lookup(&mut store, &(0..1_000).collect::<Vec<_>>(), i64::MAX).len(), 600);
    drop(store);
    let mut store = open(dir.path());
    assert_eq!(store.opened(), Opened { filters_loaded: 1, ..Opened::default() }, "it was made good");
    store.stage(&[write(700, 700, 0)]);
    store.commit(applied(701, Some(0)));
    store.persist().unwrap();
    drop(store);
    let mut store = open(dir.path());
    assert_eq!((store.opened().keys_read, lookup(&mut store, &[700], i64::MAX).len()), (0, 1));
}

#[test]
fn files_of_expired_buckets_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    for step in 0..40_i64 {
        let start = step.unsigned_abs() * 500;
        fill(&mut store, start..start + 500, step * 10_000);
    }
    assert!(store.sizes().buckets <= 10);
    assert_eq!(files(dir.path()).len(), store.sizes().buckets);
}
