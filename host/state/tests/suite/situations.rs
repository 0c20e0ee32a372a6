//! Situations of one store: filters, expiry, capacity, opening. Not crashes (see `kill`) nor full disks (see `disks`).

use std::path::Path;

use crate::common::{applied, fill, identity, keeping, key, lookup, open, options, write};
use engine::decide::Gone;
use engine::entry::UNTIMED;
use engine::fingerprint::Seed;
use engine::history::History;
use state::{OpenError, PartitionStore, StateError, StoreIdentity, StoreOptions};

#[test]
fn a_new_store_says_so_and_keeps_its_seed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(store.is_new() && store.applied().is_none());
    let seed = store.seed();
    assert_ne!(seed, Seed([0; 16]));
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
    assert!(blocks < 500, "200,000 unseen keys read {blocks} blocks: {counts:?}");
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
    // By turns: the clock forgets what came before, and a retention later the next but one is emptied.
    for turn in 1..8 {
        store.commit(applied(21 + turn, Some(night + turn * 100_000)));
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
    assert!(sizes.bytes_on_disk <= 1_000_000 && sizes.buckets_dropped_early > 0, "{sizes:?}");
    fill(&mut store, 40_000..40_001, 15_000);
    assert_eq!(store.sizes().effective_window_ms, Some(14_999), "what is gone is of time 0");
    assert_eq!(lookup(&mut store, &[1, 39_999], i64::MAX), [(1, 39_999, 10_000)]);
    assert_eq!(store.gone(), Gone { until: Some(1), untimed: false });
    let (gone, dropped) = (store.gone(), store.sizes().buckets_dropped_early);
    drop(store);
    let store = PartitionStore::open(dir.path(), &identity(), limited).unwrap();
    assert_eq!((store.gone(), store.sizes().buckets_dropped_early), (gone, dropped));
}

/// Bytes of all files of a store.
fn bytes_on_disk(dir: &Path) -> u64 {
    // RocksDB deletes files in the background.
    let files = std::fs::read_dir(dir).unwrap().filter_map(|file| file.ok()?.metadata().ok());
    files.filter(std::fs::Metadata::is_file).map(|file| file.len()).sum()
}

/// What RocksDB writes for itself: its log, its manifest, its options.
const SLACK_BYTES: u64 = 2 << 20;

/// Times of the nth of many events, by which a capacity may be hard to keep.
type TimeOf = fn(i64) -> i64;

const HARD_TIMES: [(&str, Option<i64>, TimeOf); 6] = [
    ("no window", None, |n| 1_767_268_800_000 + n),
    ("no window and no times", None, |_| UNTIMED),
    ("no times", Some(80_000), |_| UNTIMED),
    ("far ahead", Some(80_000), |n| 1_767_268_800_000 + n * 10_000_000),
    ("one bucket", Some(80_000), |n| 1 + n % 100),
    ("anything", Some(80_000), |n| if n % 3 == 0 { UNTIMED } else { n % 7 * 10_000 * (n % 5) * (n % 1_000) }),
];

#[test]
fn the_capacity_holds_whatever_the_times_are() {
    for (name, window, time_of) in HARD_TIMES {
        let dir = tempfile::tempdir().unwrap();
        let capacity = 2 << 20;
        let limited = StoreOptions { capacity_bytes_max: Some(capacity), ..StoreOptions::for_window(window, 0) };
        let mut store = PartitionStore::open(dir.path(), &identity(), limited).unwrap();
        let (mut n, total) = (0_i64, 200_000_i64);
        while n < total {
            store.stage(&(n..n + 1_000).map(|n| write(n.unsigned_abs(), n, time_of(n))).collect::<Vec<_>>());
            n += 1_000;
            store.commit(applied(n, window.map(|_| 50)));
            if store.should_persist() || n == total {
                store.persist().unwrap();
                assert!(store.sizes().bytes_on_disk <= capacity, "{name}: {:?}", store.sizes());
                let bytes = bytes_on_disk(dir.path());
                assert!(bytes <= capacity + SLACK_BYTES, "{name}: {bytes} bytes after {n} entries");
            }
        }
        let sizes = store.sizes();
        assert!(sizes.buckets < 40, "{name}: {sizes:?}");
        assert!(store.gone().untimed || store.gone().until.is_some(), "{name}");
        // Where times and offsets disagree, what is old by time goes first, however late it came.
        if name == "anything" {
            continue;
        }
        let window = sizes.effective_window_offsets.unwrap_or_else(|| panic!("{name}: nothing went"));
        assert!(window > 20_000 && window < total, "{name}: the latest {window} are remembered");
        let latest: Vec<u64> = (total - window..total).map(i64::unsigned_abs).collect();
        assert_eq!(lookup(&mut store, &latest, i64::MAX).len(), latest.len(), "{name}: none of them is missing");
        assert_eq!(lookup(&mut store, &[0, 1, 2], i64::MAX), [], "{name}: the oldest are gone");
    }
}

#[test]
fn histories_do_not_outgrow_the_capacity() {
    let dir = tempfile::tempdir().unwrap();
    let capacity = 1 << 20;
    let limited = StoreOptions {
        capacity_bytes_max: Some(capacity),
        originals: keeping(1 << 20, 1 << 20).originals,
        ..StoreOptions::for_window(None, 0)
    };
    let mut store = PartitionStore::open(dir.path(), &identity(), limited).unwrap();
    for part in 0..40_i64 {
        let offsets = part * 2_000..(part + 1) * 2_000;
        store.stage(&offsets.clone().map(|n| write(n.unsigned_abs(), n, UNTIMED)).collect::<Vec<_>>());
        for n in offsets.clone() {
            let history = store.history(n, || History::of(Some(Some(7)))).unwrap().unwrap();
            for uuid in 0..10 {
                history.count(n + 100_000_000 + uuid, Some(key(uuid.unsigned_abs()).0 as u64));
            }
        }
        store.commit(applied(offsets.end, None));
        store.persist().unwrap();
    }
    let sizes = store.sizes();
    assert!(sizes.bytes_on_disk + sizes.histories_bytes <= capacity, "{sizes:?}");
    let bytes = bytes_on_disk(dir.path());
    assert!(bytes <= capacity + SLACK_BYTES, "{bytes} bytes");
}

#[test]
fn a_clock_that_was_wrong_leaves_nothing_behind_once_it_is_right_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let wrong = 315_360_000_000;
    fill(&mut store, 0..10, 0);
    // Most records are ten years ahead for a while: what is honest expires.
    fill(&mut store, 10..20, wrong);
    assert_eq!(lookup(&mut store, &[5], 30), []);
    // Honest records again: what they leave is kept, and expires in its time.
    fill(&mut store, 20..30, 30_000);
    fill(&mut store, 30..40, 60_000);
    assert_eq!(lookup(&mut store, &[25, 35], 50).len(), 2);
    assert!(store.gone().until.is_some_and(|until| until < 1_000_000), "{:?}", store.gone());
    fill(&mut store, 40..50, 30_000 + 80_000);
    assert_eq!(lookup(&mut store, &[25, 35, 45], 60).len(), 3, "kept for as long as they are to be");
    for turn in 1..=4 {
        fill(&mut store, 50 + turn..51 + turn, 120_000 + turn.cast_signed() * 90_000);
    }
    assert_eq!(lookup(&mut store, &[15, 25, 35, 45], 60), [], "and what is ten years ahead went with them");
    assert!(store.sizes().buckets <= 2, "{:?}", store.sizes());
}

#[test]
fn entries_ahead_of_a_slow_clock_are_kept_for_their_window_however_it_leaps() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let few_records = |next_offset, watermark, clock_records| state::Applied {
        clock_records,
        ..applied(next_offset, Some(watermark))
    };
    // The clock stands ten hours behind, as there are few records. Then many come at once, and it leaps after them.
    let now = 36_000_000;
    store.stage(&[write(1, 5_000, now)]);
    store.commit(few_records(5_001, 0, 5_000));
    store.persist().unwrap();
    for n in 1..40_i64 {
        store.commit(few_records(5_001 + n, n * 900_000, 5_000 + n.unsigned_abs() * 50));
        store.persist().unwrap();
        assert_eq!(lookup(&mut store, &[1], 10_000).len(), 1, "at {} of {now}", n * 900_000);
    }
}

#[test]
fn reading_that_is_set_back_goes_on_with_the_clock_of_that_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let with_clock = |next_offset: i64| state::Applied {
        clock: next_offset.to_le_bytes().to_vec(),
        ..applied(next_offset, Some(0))
    };
    for part in 1..=300 {
        store.commit(with_clock(part * 5_000));
        store.persist().unwrap();
    }
    drop(store);
    let mut store = open(dir.path());
    assert_eq!(store.rewind_to(4_000, 0).unwrap(), None, "before the first note");
    let near = store.rewind_to(1_480_000, 0).unwrap().unwrap().next_offset;
    assert!((1_450_000..=1_480_000).contains(&near), "{near}");
    let noted = store.rewind_to(1_000_000, 0).unwrap().unwrap().clone();
    assert!((900_000..=1_000_000).contains(&noted.next_offset), "{}", noted.next_offset);
    assert_eq!(noted.clock, noted.next_offset.to_le_bytes());
    assert_eq!(store.rewind_to(noted.next_offset + 1, noted.next_offset + 1).unwrap(), None, "the log has it no more");
    assert_eq!(store.applied().map(|applied| applied.next_offset), Some(noted.next_offset));
    store.persist().unwrap();
    drop(store);
    assert_eq!(open(dir.path()).applied().map(|applied| applied.next_offset), Some(noted.next_offset));
}

#[test]
fn a_clock_that_is_ahead_of_what_is_read_is_not_noted() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store.commit(state::Applied { clock_is_ahead: true, ..applied(5_000, Some(0)) });
    store.persist().unwrap();
    assert_eq!(store.rewind_to(5_000, 0).unwrap(), None);
}

#[test]
fn a_store_of_another_format_is_refused_with_the_ways_out() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let families = rocksdb::DB::list_cf(&rocksdb::Options::default(), dir.path()).unwrap();
    let database = rocksdb::DB::open_cf(&rocksdb::Options::default(), dir.path(), families).unwrap();
    database
        .put(b"description", br#"{"format_version":1,"identity":{"topic":"events"},"bucket_ms":10000,"seed":[1]}"#)
        .unwrap();
    drop(database);
    let error = PartitionStore::open(dir.path(), &identity(), options()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, OpenError::Format { stored: 1, .. }), "{text}");
    for part in ["format 1", "format 2", "--store-path", "rebuilt from the topic"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

/// What a later version adds, written into the manifest as that version would.
fn with_section(dir: &Path, tag: u8, body: &[u8]) {
    let families = rocksdb::DB::list_cf(&rocksdb::Options::default(), dir).unwrap();
    let database = rocksdb::DB::open_cf(&rocksdb::Options::default(), dir, families).unwrap();
    let mut manifest = database.get(b"manifest").unwrap().unwrap();
    let end = manifest.split_off(manifest.len() - 6);
    let mut sum = crc32fast::Hasher::new();
    sum.update(&[1]);
    sum.update(&u64::from(tag).to_le_bytes());
    sum.update(body);
    manifest.extend([tag, body.len() as u8]);
    manifest.extend(sum.finalize().to_le_bytes());
    manifest.extend(body);
    manifest.extend(end);
    database.put(b"manifest", manifest).unwrap();
}

#[test]
fn what_a_later_version_adds_is_refused_by_name_where_it_must_be_known_and_passed_over_where_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    fill(&mut store, 0..10, 0);
    drop(store);
    with_section(dir.path(), 33 << 1, b"later");
    let mut store = open(dir.path());
    assert_eq!(lookup(&mut store, &[3], i64::MAX).len(), 1);
    drop(store);
    with_section(dir.path(), 33 << 1 | 1, b"later");
    let error = PartitionStore::open(dir.path(), &identity(), options()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, OpenError::Unknown { .. }), "{text}");
    for part in ["section 33 of the manifest", "run the version that wrote it", "delete the directory", "rebuilt"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

/// The entry of a key as a later version writes those that it takes over from another partition.
fn with_adopted(dir: &Path, n: u64) {
    let families = rocksdb::DB::list_cf(&rocksdb::Options::default(), dir).unwrap();
    let database = rocksdb::DB::open_cf(&rocksdb::Options::default(), dir, families).unwrap();
    let bucket = database.cf_handle("bucket 0").unwrap();
    // Of kind 1, required; partition 3, epoch 2, offset 100, at the start of the bucket.
    database.put_cf(bucket, key(n).0.to_be_bytes(), [7, 3, 2, 100, 0]).unwrap();
}

#[test]
fn an_entry_adopted_from_another_partition_is_never_one_of_the_partitions_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    fill(&mut store, 0..10, 0);
    drop(store);
    with_adopted(dir.path(), 77);
    // Its offset is ahead of what is applied here, and one of another log: it stays when all keys are read.
    std::fs::remove_dir_all(dir.path().join("filters")).unwrap();
    for _ in 0..2 {
        let mut store = open(dir.path());
        assert_eq!(lookup(&mut store, &[3, 78], i64::MAX).len(), 1);
        let mut found = Vec::new();
        let error = store.lookup(&[key(77)], i64::MAX, &mut found).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, StateError::Unknown { .. }) && found.is_empty(), "{text}");
        for part in ["adopted from partition 3 (epoch 2)", "run the version that wrote it", "delete the directory"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }
    // Whoever writes such entries says so in the manifest.
    for (kind, words) in [(1, "entries of kind 1, adopted from another partition"), (9, "entries of kind 9")] {
        with_section(dir.path(), 4 << 1 | 1, &[kind << 1 | 1]);
        let error = PartitionStore::open(dir.path(), &identity(), options()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    with_section(dir.path(), 4 << 1 | 1, &[9 << 1]);
    assert_eq!(lookup(&mut open(dir.path()), &[3], i64::MAX).len(), 1, "what may be passed over is");
}

#[test]
fn a_state_hashed_with_another_seed_is_refused_by_name_and_an_empty_one_takes_the_groups() {
    let dir = tempfile::tempdir().unwrap();
    let with_seed = |byte: u8| StoreIdentity { seed: Some(Seed([byte; 16])), ..identity() };
    let open_with = |identity: &StoreIdentity| PartitionStore::open(dir.path(), identity, options());
    assert_eq!(open_with(&with_seed(1)).unwrap().seed(), Seed([1; 16]));
    assert_eq!(open(dir.path()).seed(), Seed([1; 16]), "nobody asked for another");
    assert_eq!(open_with(&with_seed(2)).unwrap().seed(), Seed([2; 16]), "nothing was ever applied");
    let mut store = open(dir.path());
    fill(&mut store, 0..10, 0);
    drop(store);
    assert_eq!(open_with(&with_seed(2)).unwrap().seed(), Seed([2; 16]));
    let error = open_with(&with_seed(3)).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, OpenError::Seed { .. }), "{text}");
    for part in ["another seed", "delete the directory", "--store-path", "rebuilt from the topic"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    assert_eq!(lookup(&mut open(dir.path()), &[3], i64::MAX).len(), 1, "and nothing was touched");
}

#[test]
fn a_setting_that_gives_entries_another_meaning_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let with = |name: &str, value: &str| {
        let mut identity = identity();
        identity.settings.insert(name.into(), value.into());
        identity
    };
    drop(PartitionStore::open(dir.path(), &with("--event-time", "/at"), options()).unwrap());
    let error = PartitionStore::open(dir.path(), &with("--event-time", "/time"), options()).unwrap_err().to_string();
    for part in ["--event-time: stored /at, wanted /time", "to fix this", "--store-path"] {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
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
    for part in ["another plugin", "--window in ms: stored 80000", "span of a bucket", "--store-path"] {
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
fn an_attempt_at_a_store_in_use_touches_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let names = || {
        let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name());
        files.collect::<std::collections::BTreeSet<_>>()
    };
    let before = names();
    for _ in 0..5 {
        let again = PartitionStore::open(dir.path(), &identity(), options());
        assert!(matches!(again, Err(OpenError::InUse { is_here: true, .. })), "{:?}", again.err());
    }
    assert_eq!(names(), before, "RocksDB's own log is not put aside");
    // Nor does an attempt ever meet a file that the store has just deleted.
    std::thread::scope(|scope| {
        let trying = scope.spawn(|| {
            (0..2_000).find_map(|_| match PartitionStore::open(dir.path(), &identity(), options()) {
                Err(OpenError::InUse { .. }) => None,
                other => Some(other.map(drop)),
            })
        });
        (0..20).for_each(|part| fill(&mut store, part * 100..(part + 1) * 100, 0));
        let other = trying.join().unwrap();
        assert!(other.is_none(), "{other:?}");
    });
    drop(store);
    drop(open(dir.path()));
}

#[test]
fn a_store_that_somebody_holds_for_a_moment_is_waited_for_and_keeps_no_other_waiting() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(open(dir.path()));
    // As a process that is being started has the files of its parent.
    let held = std::fs::File::open(dir.path().join("in-use")).unwrap();
    held.lock().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| PartitionStore::open(dir.path(), &identity(), options()).map(drop));
        std::thread::sleep(std::time::Duration::from_millis(50));
        drop(open(other.path()));
        drop(held);
        waiting.join().unwrap().unwrap();
    });
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
