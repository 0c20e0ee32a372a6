//! Situations of one store: filters, expiry, capacity, opening. Not crashes (see `kill`) nor full disks (see `disks`).

use std::path::Path;

use crate::common::{applied, fill, identity, key, lookup, open, options, write};
use state::{OpenError, PartitionStore, StateError, StoreOptions};

#[test]
fn a_new_store_says_so_and_keeps_its_seed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(store.is_new() && store.applied().is_none());
    let seed = store.seed();
    assert_ne!(seed, [0; 16]);
    drop(store);
    assert_eq!(open(dir.path()).seed(), seed);
    assert_ne!(open(tempfile::tempdir().unwrap().path()).seed(), seed);
}

#[test]
fn what_was_applied_comes_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    fill(&mut store, 0..10, 5_000);
    drop(store);
    let mut store = open(dir.path());
    assert!(!store.is_new());
    assert_eq!(store.applied(), Some(&applied(10, Some(5_000))));
    assert_eq!(lookup(&mut store, &[3, 11], 10), [(0, 3, 5_000)]);
}

#[test]
fn a_commit_that_was_not_persisted_is_gone_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    fill(&mut store, 0..10, 5_000);
    store.stage(&[write(10, 10, 5_000)]);
    store.commit(applied(11, Some(5_000)));
    assert_eq!(lookup(&mut store, &[10], 11), [(0, 10, 5_000)]);
    drop(store);
    let mut store = open(dir.path());
    assert_eq!(store.applied().map(|applied| applied.next_offset), Some(10));
    assert_eq!(lookup(&mut store, &[10], 11), []);
}

#[test]
fn a_replay_with_state_ahead_ends_with_the_smaller_offset() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store.stage(&[write(1, 500, 7_000)]);
    store.commit(applied(501, Some(7_000)));
    store.persist().unwrap();
    assert_eq!(lookup(&mut store, &[1], 100), [(0, 500, 7_000)]);
    store.stage(&[write(1, 100, 7_000)]);
    assert_eq!(lookup(&mut store, &[1], 100), [(0, 100, 7_000), (0, 500, 7_000)]);
    store.commit(applied(101, Some(7_000)));
    store.persist().unwrap();
    drop(store);
    assert_eq!(lookup(&mut open(dir.path()), &[1], 100), [(0, 100, 7_000)]);
}

/// As a crash between the keys and the applied offset leaves them, and a rewind.
#[test]
fn entries_ahead_of_what_is_applied_are_gone_when_the_store_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store.stage(&[write(1, 99, 7_000), write(2, 100, 7_000), write(3, 500, 27_000)]);
    store.commit(applied(501, Some(7_000)));
    store.persist().unwrap();
    store.commit(applied(100, Some(7_000)));
    store.persist().unwrap();
    for _ in 0..2 {
        drop(store);
        store = open(dir.path());
        assert_eq!(lookup(&mut store, &[1, 2, 3], 600), [(0, 99, 7_000)]);
    }
    store.stage(&[write(2, 100, 7_000)]);
    store.commit(applied(101, Some(7_000)));
    store.persist().unwrap();
    drop(store);
    assert_eq!(lookup(&mut open(dir.path()), &[1, 2, 3], 600), [(0, 99, 7_000), (1, 100, 7_000)]);
}

#[test]
fn a_key_that_came_again_after_its_window_has_both_entries() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store.stage(&[write(1, 5, 1_000), write(1, 9, 15_000)]);
    let both = [(0, 5, 1_000), (0, 9, 15_000)];
    assert_eq!(lookup(&mut store, &[1], 10), both);
    store.commit(applied(10, Some(15_000)));
    store.persist().unwrap();
    assert_eq!(lookup(&mut store, &[1], 10), both);
}

#[test]
fn a_key_that_came_again_within_a_bucket_longer_than_the_window_is_the_newer_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store.stage(&[write(1, 5, 1_000)]);
    store.commit(applied(6, Some(1_000)));
    store.stage(&[write(1, 9, 2_000)]);
    assert_eq!(lookup(&mut store, &[1], 10), [(0, 9, 2_000)]);
    store.rollback();
    assert_eq!(lookup(&mut store, &[1], 10), [(0, 5, 1_000)]);
    store.stage(&[write(1, 9, 2_000)]);
    store.commit(applied(10, Some(2_000)));
    store.persist().unwrap();
    assert_eq!(lookup(&mut store, &[1], 10), [(0, 9, 2_000)]);
}

#[test]
fn the_same_key_asked_twice_is_answered_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    fill(&mut store, 0..100, 0);
    assert_eq!(lookup(&mut store, &[7, 1_000, 7, 8], 100), [(0, 7, 0), (2, 7, 0), (3, 8, 0)]);
}

#[test]
fn persist_between_stage_and_commit_is_refused_and_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store.stage(&[write(1, 1, 0)]);
    assert!(matches!(store.persist(), Err(StateError::Uncommitted { writes: 1, .. })));
    store.commit(applied(2, Some(0)));
    store.persist().unwrap();
    assert_eq!(lookup(&mut store, &[1], 2), [(0, 1, 0)]);
}

#[test]
fn unseen_keys_read_nearly_no_blocks_because_filters_stop_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    for part in 0..5 {
        fill(&mut store, part * 20_000..(part + 1) * 20_000, 0);
    }
    drop(store);
    let mut store = open(dir.path());
    let before = store.filter_counts();
    let unseen: Vec<u64> = (1_000_000..1_200_000).collect();
    assert_eq!(lookup(&mut store, &unseen, i64::MAX), []);
    let counts = store.filter_counts();
    assert!(counts.useful > before.useful, "the tables' filters were never asked: {counts:?}");
    let blocks = counts.data_blocks - before.data_blocks;
    assert!(blocks < 200, "200,000 unseen keys read {blocks} blocks: {counts:?}");
    let seen: Vec<u64> = (0..100_000).collect();
    assert_eq!(lookup(&mut store, &seen, i64::MAX).len(), 100_000, "and no filter hides a key that is there");
}

#[test]
fn should_persist_follows_the_front() {
    let dir = tempfile::tempdir().unwrap();
    let limited = StoreOptions { front_entries_max: 3, ..options() };
    let mut store = PartitionStore::open(dir.path(), &identity(), limited).unwrap();
    store.stage(&[write(1, 1, 0), write(2, 2, 0)]);
    assert!(!store.should_persist());
    store.stage(&[write(3, 3, 0)]);
    assert!(store.should_persist());
    store.commit(applied(4, Some(0)));
    store.persist().unwrap();
    assert!(!store.should_persist());
}

fn table_bytes(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap());
    let tables = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "sst"));
    tables.map(|file| file.metadata().unwrap().len()).sum()
}

#[test]
fn an_expired_bucket_goes_as_a_whole_and_frees_its_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    fill(&mut store, 0..20_000, 9_999);
    let full = table_bytes(dir.path());
    assert!(full > 400_000);
    // Bucket [0, 10 s) ends at 10 s; 80 s after that it goes, and not one millisecond before.
    store.commit(applied(20_001, Some(89_999)));
    store.persist().unwrap();
    assert_eq!(lookup(&mut store, &[1], i64::MAX).len(), 1);
    store.commit(applied(20_002, Some(90_000)));
    store.persist().unwrap();
    assert_eq!(lookup(&mut store, &[1], i64::MAX), []);
    assert_eq!(store.sizes().buckets, 0);
    drop(store);
    let left = table_bytes(dir.path());
    assert!(left < 20_000, "{left} of {full} bytes are left");
    assert_eq!(lookup(&mut open(dir.path()), &[1], i64::MAX), []);
}

#[test]
fn times_far_past_and_far_ahead_make_no_buckets_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let now = 1_700_000_000_000;
    for n in 0..500_i64 {
        let time = if n % 2 == 0 { n * 1_000_000 } else { now + n * 1_000_000_000 };
        store.stage(&[write(n.unsigned_abs(), n, time)]);
    }
    store.commit(applied(500, Some(now)));
    store.persist().unwrap();
    assert_eq!(store.sizes().buckets, 2);
    assert_eq!(lookup(&mut store, &(0..500).collect::<Vec<_>>(), 500).len(), 500);
}

#[test]
fn a_jump_of_time_over_many_windows_keeps_the_newest_keys() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    fill(&mut store, 0..10, 0);
    fill(&mut store, 10..20, 50_000_000);
    store.commit(applied(21, Some(50_000_000 + 79_999)));
    store.persist().unwrap();
    assert_eq!(lookup(&mut store, &[5, 15], 30), [(1, 15, 50_000_000)]);
}

#[test]
fn keys_far_ahead_outlive_the_jump_of_time_that_makes_them_plausible_and_wrong_ones_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    fill(&mut store, 0..10, 0);
    let night = 500_000_000;
    // Ten keys of the morning, persisted while the clock still stands at the evening, and a clock that is wrong.
    store.stage(&(10..20).map(|n| write(n, n.cast_signed(), night)).collect::<Vec<_>>());
    store.stage(&[write(99, 20, i64::MAX / 2)]);
    store.commit(applied(21, Some(0)));
    store.persist().unwrap();
    for watermark in [night, night + 79_000] {
        store.commit(applied(21, Some(watermark)));
        store.persist().unwrap();
        assert_eq!(lookup(&mut store, &(10..20).collect::<Vec<_>>(), 30).len(), 10, "at {watermark}");
    }
    for turn in 1..4 {
        store.commit(applied(21, Some(night + turn * 100_000)));
        store.persist().unwrap();
    }
    assert_eq!(lookup(&mut store, &[5, 15, 99], 30), []);
    drop(store);
    assert_eq!(open(dir.path()).sizes().buckets, 0);
}

#[test]
fn without_a_window_all_keys_are_kept_in_one_bucket() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = PartitionStore::open(dir.path(), &identity(), StoreOptions::for_window(None, 0)).unwrap();
    fill(&mut store, 0..10, 0);
    fill(&mut store, 10..20, 1_700_000_000_000);
    assert_eq!((store.sizes().buckets, store.sizes().effective_window_ms), (1, None));
    assert_eq!(lookup(&mut store, &[5, 15], 30).len(), 2);
}

#[test]
fn beyond_the_capacity_the_oldest_buckets_go_early_and_the_window_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let limited = StoreOptions { capacity_bytes_max: Some(1_000_000), ..options() };
    let mut store = PartitionStore::open(dir.path(), &identity(), limited.clone()).unwrap();
    fill(&mut store, 0..20_000, 0);
    assert_eq!(store.sizes().effective_window_ms, Some(80_000));
    fill(&mut store, 20_000..40_000, 10_000);
    let sizes = store.sizes();
    assert_eq!((sizes.buckets, sizes.buckets_dropped_early), (1, 1));
    fill(&mut store, 40_000..40_001, 15_000);
    assert_eq!(store.sizes().effective_window_ms, Some(5_000));
    assert_eq!(lookup(&mut store, &[1, 20_001], i64::MAX), [(1, 20_001, 10_000)]);
    drop(store);
    let store = PartitionStore::open(dir.path(), &identity(), limited).unwrap();
    assert_eq!(store.sizes().buckets_dropped_early, 1);
}

#[test]
fn a_store_of_something_else_is_refused_and_the_difference_named() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let mut other = identity();
    other.extractor = "cd".into();
    other.window_ms = Some(160_000);
    let error = PartitionStore::open(dir.path(), &other, StoreOptions::for_window(Some(160_000), 0)).unwrap_err();
    let text = error.to_string();
    let OpenError::Identity { differences, .. } = error else { panic!("{text}") };
    assert_eq!(differences.len(), 3, "{text}");
    for part in ["another plugin", "window_ms: stored 80000", "bucket_ms", "--store-path"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn a_topic_created_anew_is_noticed_once_its_id_was_known() {
    let dir = tempfile::tempdir().unwrap();
    let with_id = |id: Option<&str>| {
        let mut identity = identity();
        identity.topic_id = id.map(Into::into);
        PartitionStore::open(dir.path(), &identity, options()).map(drop)
    };
    with_id(None).unwrap();
    with_id(Some("first")).unwrap();
    with_id(None).unwrap();
    assert!(matches!(with_id(Some("second")), Err(OpenError::Identity { .. })));
}

#[test]
fn a_second_opener_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path());
    let second = PartitionStore::open(dir.path(), &identity(), options());
    let text = second.as_ref().unwrap_err().to_string();
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{text}");
    assert!(text.contains(&dir.path().display().to_string()), "{text}");
}

#[test]
fn a_damaged_table_is_called_damage() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    fill(&mut store, 0..20_000, 0);
    drop(store);
    let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap());
    let table = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "sst"));
    let largest = table.max_by_key(|file| file.metadata().unwrap().len()).unwrap().path();
    let mut bytes = std::fs::read(&largest).unwrap();
    bytes[1_000..2_000].fill(0x55);
    std::fs::write(&largest, bytes).unwrap();
    let mut found = Vec::new();
    match PartitionStore::open(dir.path(), &identity(), options()) {
        Err(OpenError::Corrupt { .. }) => {}
        Err(error) => panic!("{error}"),
        Ok(mut store) => {
            let keys: Vec<_> = (0..20_000).map(key).collect();
            let read = store.lookup(&keys, i64::MAX, &mut found);
            assert!(matches!(read, Err(StateError::Corrupt { .. })), "{read:?}");
        }
    }
}

#[test]
fn tables_without_a_manifest_are_damage_and_not_a_new_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    fill(&mut store, 0..10, 0);
    drop(store);
    std::fs::remove_file(dir.path().join("CURRENT")).unwrap();
    assert!(matches!(PartitionStore::open(dir.path(), &identity(), options()), Err(OpenError::Corrupt { .. })));
}
