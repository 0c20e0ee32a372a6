//! Situations of originals and histories: near and far, expiry, capacity, off and on, damage. Not crashes (see `kill`).

use std::path::Path;

use engine::history::History;
use engine::state::Originals;
use state::{OpenError, PartitionStore, StateError, StoreOptions};

use crate::common::{
    applied, batch, event, fill, identity, keep, keep_shared, keeping, kept, key, lookup, open, open_with, options,
    write,
};

#[test]
fn originals_are_found_in_memory_and_in_tables_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    let options = keeping(10_000, 40_000);
    let mut store = open_with(dir.path(), &options);
    for offset in (0..4_000).step_by(2) {
        store.keep(offset, &event(offset)).unwrap();
    }
    assert!(store.sizes().originals_tables > 10, "{:?}", store.sizes());
    let asked = [3_998, 0, 1, 3_999, 0, 2_000, 5_000, -1, i64::MAX, 0];
    assert_eq!(kept(&mut store, asked), [3_998, 0, 0, 2_000, 0]);
    assert_eq!(kept(&mut store, 0..4_000).len(), 2_000);
    assert!(kept(&mut store, []).is_empty());
    store.commit(applied(4_000, Some(0)));
    store.persist().unwrap();
    drop(store);
    let mut store = open_with(dir.path(), &options);
    assert_eq!(kept(&mut store, asked), [3_998, 0, 0, 2_000, 0]);
    assert_eq!(kept(&mut store, 0..4_000).len(), 2_000);
}

/// In memory, in full chunks and in tables.
#[test]
fn after_a_rollback_or_a_crash_other_events_can_be_the_originals() {
    for (chunk_bytes, memory) in [(1 << 20, 1 << 22), (3_000, 1 << 22), (3_000, 1)] {
        for committed in [0, 1, 100, 500] {
            for crashes in [false, true] {
                let dir = tempfile::tempdir().unwrap();
                let options = keeping(chunk_bytes, memory);
                let mut store = open_with(dir.path(), &options);
                (0..committed).for_each(|offset| store.keep(offset, &event(offset)).unwrap());
                store.commit(applied(committed, Some(0)));
                store.persist().unwrap();
                let records = batch(committed..1_000);
                let odd = (committed..1_000).filter(|offset| offset % 2 == 1);
                odd.for_each(|offset| keep_shared(&mut store, &records, (offset - committed) as usize, false));
                store.rollback();
                if crashes {
                    drop(store);
                    store = open_with(dir.path(), &options);
                }
                let other: Vec<i64> =
                    (0..committed).chain((committed..1_200).filter(|offset| offset % 3 == 0)).collect();
                let (_, new) = other.split_at(committed as usize);
                new.iter().for_each(|offset| store.keep(*offset, &event(*offset)).unwrap());
                assert_eq!(kept(&mut store, 0..1_200), other, "{chunk_bytes} {memory} {committed} {crashes}");
                store.commit(applied(1_200, Some(0)));
                store.persist().unwrap();
                drop(store);
                assert_eq!(kept(&mut open_with(dir.path(), &options), 0..1_200), other);
            }
        }
    }
}

/// What was written to tables, but not yet applied, goes when a store is opened.
#[test]
fn originals_ahead_of_what_is_applied_go_with_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let options = keeping(3_000, 1);
    let mut store = open_with(dir.path(), &options);
    keep(&mut store, 0..100, 0);
    store.commit(applied(100, Some(0)));
    store.persist().unwrap();
    (100..1_000).for_each(|offset| store.keep(offset, &event(offset)).unwrap());
    drop(store);
    let mut store = open_with(dir.path(), &options);
    assert_eq!(kept(&mut store, 0..1_000), (0..100).collect::<Vec<_>>());
    assert!(store.sizes().originals_tables > 0);
}

#[test]
fn originals_take_no_more_memory_than_they_may() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open_with(dir.path(), &keeping(1 << 17, 1 << 20));
    let mut most = 0;
    for offset in 0..50_000 {
        store.keep(offset, &event(offset)).unwrap();
        if offset % 100 == 0 {
            most = most.max(store.sizes().originals_memory_bytes);
        }
        if offset % 10_000 == 9_999 {
            store.commit(applied(offset + 1, Some(0)));
            store.persist().unwrap();
        }
    }
    // Room for indexes that doubled.
    assert!((1 << 19..5 << 18).contains(&most), "{most} bytes");
    assert_eq!(kept(&mut store, 0..50_000).len(), 50_000);
}

/// Keeps events in batches of which every nth record is kept, and returns the most memory that it took.
fn memory_of_batches(store: &mut PartitionStore, batches: i64, every: i64) -> usize {
    const BATCH: i64 = 100;
    let mut most = 0;
    for first in (0..batches).map(|batch| batch * BATCH) {
        let records = batch(first..first + BATCH);
        for record in (0..BATCH).step_by(usize::try_from(every).unwrap()) {
            keep_shared(store, &records, usize::try_from(record).unwrap(), false);
            most = most.max(store.sizes().originals_memory_bytes);
        }
    }
    let kept_offsets: Vec<i64> = (0..batches * BATCH).filter(|offset| offset % BATCH % every == 0).collect();
    assert_eq!(kept(store, 0..batches * BATCH), kept_offsets);
    most
}

#[test]
fn batches_take_no_more_memory_than_originals_may_however_little_of_them_is_kept() {
    for every in [1, 3, 10, 100] {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open_with(dir.path(), &keeping(1 << 17, 1 << 20));
        let most = memory_of_batches(&mut store, 200, every);
        // Batches are of some 40 KiB; room for indexes that doubled.
        assert!((1 << 18..9 << 17).contains(&most), "{most} bytes with one in {every}");
    }
}

#[test]
fn memory_that_is_too_little_for_a_chunk_holds_the_open_one_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open_with(dir.path(), &keeping(1 << 17, 1));
    let most = memory_of_batches(&mut store, 50, 2);
    // The open one, its index, and the batch whose records it shares.
    assert!(most < 6 << 16, "{most} bytes");
}

#[test]
fn a_batch_larger_than_two_chunks_is_copied_and_not_held() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open_with(dir.path(), &keeping(5_000, 20_000));
    let records = batch(0..100);
    (0..100).for_each(|record| keep_shared(&mut store, &records, record, false));
    assert_eq!(std::sync::Arc::strong_count(&records), 1);
    assert_eq!(kept(&mut store, 0..100).len(), 100);
}

#[test]
fn batches_are_let_go_when_tables_have_them_and_memory_is_needed_and_can_be_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open_with(dir.path(), &keeping(1 << 16, 1 << 18));
    let (mut made, mut used_again) = (0, 0);
    for first in (0..20_000).step_by(100) {
        made += 1;
        let records = batch(first..first + 100);
        (0..100).for_each(|record| keep_shared(&mut store, &records, record, false));
        drop(records);
        while let Some(batch) = store.take_released_batch() {
            assert!(batch.is_empty() && batch.memory_bytes() > 15_000);
            used_again += 1;
        }
    }
    // The rest is still held, or made room for another at once.
    assert!(used_again > made / 2 && used_again < made, "{used_again} of {made}");
    assert_eq!(kept(&mut store, 0..20_000).len(), 20_000);
    store.commit(applied(20_000, Some(0)));
    store.persist().unwrap();
    drop(store);
    assert_eq!(kept(&mut open_with(dir.path(), &keeping(1 << 16, 1)), 0..20_000).len(), 20_000);
}

#[test]
fn a_shared_event_too_long_for_a_chunk_is_counted_and_a_repeated_one_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open_with(dir.path(), &keeping(1_000, 10_000));
    let records = batch(5..7);
    keep_shared(&mut store, &records, 0, false);
    let body = records.get(1).unwrap().payload().unwrap();
    store.keep_shared(6, &[0; 500], &records, body, &[0; 500]).unwrap();
    keep_shared(&mut store, &records, 1, false);
    keep_shared(&mut store, &records, 0, false);
    assert_eq!(store.sizes().originals_too_long, 1);
    assert_eq!(kept(&mut store, 0..9), [5]);
}

#[test]
fn without_originals_nothing_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let records = batch(0..1);
    keep_shared(&mut store, &records, 0, false);
    assert_eq!(std::sync::Arc::strong_count(&records), 1);
    assert!(store.take_released_batch().is_none());
}

#[test]
fn a_replay_keeps_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let options = keeping(10_000, 40_000);
    let mut store = open_with(dir.path(), &options);
    keep(&mut store, 0..1_000, 0);
    let before = store.sizes();
    keep(&mut store, 0..1_000, 0);
    drop(store);
    let mut store = open_with(dir.path(), &options);
    keep(&mut store, 500..1_000, 0);
    assert_eq!(store.sizes().originals_bytes, before.originals_bytes);
    keep(&mut store, 900..1_100, 0);
    assert_eq!(kept(&mut store, 0..2_000).len(), 1_100);
}

#[test]
fn an_event_too_long_for_a_chunk_is_counted_and_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open_with(dir.path(), &keeping(1_000, 10_000));
    store.keep(0, &event(0)).unwrap();
    store.keep(1, &[0; 1_000]).unwrap();
    store.keep(2, b"").unwrap();
    store.keep(3, &event(3)).unwrap();
    assert_eq!(store.sizes().originals_too_long, 1);
    assert_eq!(kept(&mut store, [0, 1, 3]), [0, 3]);
    let mut out = Originals::default();
    store.originals(&[2, 1], &mut out).unwrap();
    assert_eq!((out.get(0), out.get(1), out.get(2)), (Some(&b""[..]), None, None));
}

#[test]
fn many_small_persists_make_few_tables() {
    let dir = tempfile::tempdir().unwrap();
    let options = keeping(1 << 20, 4 << 20);
    let mut store = open_with(dir.path(), &options);
    for n in 0..100 {
        keep(&mut store, n * 10..(n + 1) * 10, 0);
        assert!(store.sizes().originals_tables < 8);
    }
    assert_eq!(kept(&mut store, 0..1_000).len(), 1_000);
    drop(store);
    assert_eq!(kept(&mut open_with(dir.path(), &options), 0..1_000).len(), 1_000);
}

fn duplicates(store: &mut PartitionStore, original: i64) -> u64 {
    let count = store.history(original, || History::of(None)).unwrap().map_or(0, |history| history.duplicates());
    store.rollback();
    count
}

fn count(store: &mut PartitionStore, original: i64, offset: i64) {
    assert!(store.history(original, || History::of(Some(None))).unwrap().unwrap().count(offset, Some(7)));
}

#[test]
fn originals_and_histories_go_with_the_last_bucket_of_their_keys() {
    let dir = tempfile::tempdir().unwrap();
    let options = keeping(10_000, 1);
    let mut store = open_with(dir.path(), &options);
    // A hundred events in each bucket of 10 s, over twice the retention.
    for bucket in 0..16 {
        let first = bucket * 100;
        count(&mut store, first, first + 50);
        keep(&mut store, first..first + 100, bucket * 10_000 + 5_000);
        let live = lookup(&mut store, &(0..1_600).collect::<Vec<_>>(), i64::MAX);
        let live: Vec<i64> = live.into_iter().map(|(_, offset, _)| offset).collect();
        assert_eq!(kept(&mut store, live.clone()), live, "all that is remembered can be explained");
        assert_eq!(duplicates(&mut store, live[0]), 1);
    }
    let first_live = lookup(&mut store, &(0..1_600).collect::<Vec<_>>(), i64::MAX)[0].1;
    let oldest = store.sizes().oldest_original;
    assert_eq!((first_live, oldest), (700, 700), "with the keys");
    assert_eq!(kept(&mut store, 0..1_600), (700..1_600).collect::<Vec<_>>());
    assert_eq!((duplicates(&mut store, 600), duplicates(&mut store, 700)), (0, 1));
    assert_eq!(store.sizes().originals_dropped_early, 0);
    drop(store);
    let mut store = open_with(dir.path(), &options);
    assert_eq!(kept(&mut store, 0..1_600), (700..1_600).collect::<Vec<_>>());
    assert_eq!((duplicates(&mut store, 600), duplicates(&mut store, 700)), (0, 1));
    store.commit(applied(1_600, Some(1_000_000)));
    store.persist().unwrap();
    let sizes = store.sizes();
    assert_eq!((sizes.originals_bytes, sizes.originals_tables, sizes.oldest_original), (0, 0, 1_600));
    assert_eq!(table_bytes(dir.path(), 5_000), 0, "no large file is left");
}

fn table_bytes(dir: &Path, larger_than: u64) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap());
    let tables = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "sst"));
    tables.map(|file| file.metadata().unwrap().len()).filter(|bytes| *bytes > larger_than).sum()
}

#[test]
fn without_a_window_only_the_capacity_bounds_originals() {
    let dir = tempfile::tempdir().unwrap();
    let forever = StoreOptions {
        originals: keeping(10_000, 40_000).originals,
        capacity_bytes_max: Some(200_000),
        ..StoreOptions::for_window(None, 0)
    };
    let mut store = PartitionStore::open(dir.path(), &identity(), forever).unwrap();
    keep(&mut store, 0..500, 0);
    keep(&mut store, 500..501, 1_700_000_000_000);
    assert_eq!(kept(&mut store, 0..501).len(), 501);
    keep(&mut store, 501..2_000, 1_700_000_000_000);
    let sizes = store.sizes();
    assert!(sizes.originals_dropped_early > 0 && sizes.originals_bytes + sizes.bytes_on_disk <= 200_000, "{sizes:?}");
    assert_eq!(lookup(&mut store, &(0..2_000).collect::<Vec<_>>(), i64::MAX).len(), 2_000);
}

#[test]
fn beyond_the_capacity_originals_go_before_any_key() {
    let dir = tempfile::tempdir().unwrap();
    let limited = StoreOptions { capacity_bytes_max: Some(1_000_000), ..keeping(100_000, 400_000) };
    let mut store = open_with(dir.path(), &limited);
    keep(&mut store, 0..3_000, 0);
    assert_eq!(store.sizes().originals_dropped_early, 0);
    keep(&mut store, 3_000..6_000, 10_000);
    let sizes = store.sizes();
    let dropped = sizes.originals_dropped_early;
    assert!(dropped > 0 && sizes.originals_dropped_early_bytes > 0, "{sizes:?}");
    assert!(sizes.originals_bytes + sizes.bytes_on_disk <= 1_000_000, "{sizes:?}");
    let oldest = sizes.oldest_original;
    assert_eq!(oldest.unsigned_abs(), dropped, "the oldest went, and all of them were counted");
    assert_eq!(kept(&mut store, 0..6_000), (oldest..6_000).collect::<Vec<_>>());
    assert_eq!((sizes.buckets, sizes.buckets_dropped_early, sizes.effective_window_ms), (2, 0, Some(80_000)));
    assert_eq!(lookup(&mut store, &(0..6_000).collect::<Vec<_>>(), i64::MAX).len(), 6_000);
    // Keys alone beyond the capacity: no original is left, and only then the oldest bucket goes.
    fill(&mut store, 6_000..40_000, 20_000);
    let sizes = store.sizes();
    assert_eq!((sizes.originals_bytes, sizes.originals_dropped_early), (0, 6_000), "{sizes:?}");
    assert!(sizes.buckets_dropped_early > 0);
    drop(store);
    assert_eq!(open_with(dir.path(), &limited).sizes().originals_dropped_early, 6_000);
}

#[test]
fn switched_off_and_on_again_both_begin_anew() {
    let dir = tempfile::tempdir().unwrap();
    // A store of a time without originals opens as one with them.
    let mut store = open(dir.path());
    fill(&mut store, 0..100, 0);
    store.keep(0, b"").unwrap();
    assert!(store.history(0, || History::of(None)).unwrap().is_none());
    assert!(kept(&mut store, 0..100).is_empty());
    drop(store);
    let on = keeping(10_000, 40_000);
    let mut store = open_with(dir.path(), &on);
    count(&mut store, 100, 110);
    keep(&mut store, 100..200, 0);
    assert_eq!((kept(&mut store, 0..200).len(), duplicates(&mut store, 100)), (100, 1));
    drop(store);
    let mut store = open(dir.path());
    assert_eq!((kept(&mut store, 0..200).len(), store.sizes().originals_bytes), (0, 0));
    fill(&mut store, 200..300, 0);
    drop(store);
    assert!(table_bytes(dir.path(), 10_000) == 0, "they went when it was opened without them");
    let mut store = open_with(dir.path(), &on);
    assert_eq!((kept(&mut store, 0..300).len(), duplicates(&mut store, 100)), (0, 0));
    keep(&mut store, 300..400, 0);
    assert_eq!(kept(&mut store, 0..400), (300..400).collect::<Vec<_>>());
    assert_eq!(lookup(&mut store, &(0..400).collect::<Vec<_>>(), i64::MAX).len(), 400);
}

#[test]
fn a_store_that_belongs_to_something_else_keeps_its_originals() {
    let dir = tempfile::tempdir().unwrap();
    let on = keeping(10_000, 40_000);
    keep(&mut open_with(dir.path(), &on), 0..100, 0);
    let mut other = identity();
    other.topic = "others".into();
    assert!(matches!(PartitionStore::open(dir.path(), &other, options()), Err(OpenError::Identity { .. })));
    assert_eq!(kept(&mut open_with(dir.path(), &on), 0..100).len(), 100);
}

#[test]
fn a_damaged_original_is_called_damage() {
    let dir = tempfile::tempdir().unwrap();
    keep(&mut open_with(dir.path(), &keeping(1 << 20, 4 << 20)), 0..3_000, 0);
    let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap());
    let table = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "sst"));
    let largest = table.max_by_key(|file| file.metadata().unwrap().len()).unwrap().path();
    let mut bytes = std::fs::read(&largest).unwrap();
    bytes[1_000..2_000].fill(0x55);
    std::fs::write(&largest, bytes).unwrap();
    // With options of its own, and so a cache that has read nothing.
    let mut store = open_with(dir.path(), &keeping(1 << 20, 4 << 20));
    let read = store.originals(&(0..3_000).collect::<Vec<_>>(), &mut Originals::default());
    assert!(matches!(read, Err(StateError::Corrupt { .. })), "{read:?}");
    assert_eq!(kept(&mut store, 2_900..3_000).len(), 100, "what is whole can be read");
    keep(&mut store, 3_000..3_100, 0);
}

#[test]
fn a_writer_that_cannot_write_stops_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open_with(dir.path(), &keeping(10_000, 40_000));
    keep(&mut store, 0..100, 0);
    let incoming = dir.path().join("incoming");
    std::fs::remove_dir_all(&incoming).unwrap();
    std::fs::write(&incoming, b"not a directory").unwrap();
    let error = (100..10_000).find_map(|offset| store.keep(offset, &event(offset)).err()).unwrap();
    assert!(matches!(error, StateError::Io { .. }) && error.to_string().contains("incoming"), "{error}");
    assert!(matches!(store.keep(10_000, b"x"), Err(StateError::Refused { .. })));
    assert!(matches!(store.persist(), Err(StateError::Refused { .. })));
    assert!(matches!(store.load_histories(&[1]), Err(StateError::Refused { .. })));
    let mut found = Vec::new();
    assert!(matches!(store.lookup(&[key(1)], 0, &mut found), Err(StateError::Refused { .. })));
    drop(store);
    std::fs::remove_file(&incoming).unwrap();
    let mut store = open_with(dir.path(), &keeping(10_000, 40_000));
    assert_eq!(store.applied().unwrap().next_offset, 100);
    assert_eq!(kept(&mut store, 0..100).len(), 100);
}

#[test]
fn a_million_duplicates_of_one_event_are_one_history() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open_with(dir.path(), &keeping(10_000, 40_000));
    for batch in 0..1_000_i64 {
        store.load_histories(&[5]).unwrap();
        for offset in batch * 1_000..(batch + 1) * 1_000 {
            let history = store.history(5, || History::of(Some(None))).unwrap().unwrap();
            history.count(offset + 6, Some((key(offset.unsigned_abs()).0 >> 64) as u64));
        }
        store.commit(applied(batch, Some(0)));
        assert_eq!(store.sizes().histories_in_memory, 1);
        if batch % 100 == 99 {
            store.persist().unwrap();
        }
    }
    let history = store.history(5, || panic!("it is there")).unwrap().unwrap().clone();
    assert_eq!((history.duplicates(), history.last_offset()), (1_000_000, Some(1_000_005)));
    let (uuids, exact) = history.distinct_uuids().unwrap();
    assert!(!exact && (800_000..1_200_000).contains(&uuids), "{uuids}");
    assert!(store.sizes().histories_bytes < 20_000, "{:?}", store.sizes());
}

#[test]
fn histories_in_memory_make_a_persist_due_and_unsettled_ones_prevent_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut limited = keeping(10_000, 40_000);
    if let Some(originals) = &mut limited.originals {
        originals.histories_memory_bytes_max = 100_000;
    }
    let mut store = open_with(dir.path(), &limited);
    let due = (0..10_000).find(|original| {
        count(&mut store, *original, 20_000);
        store.should_persist()
    });
    assert!((100..2_000).contains(&due.unwrap()), "{due:?}");
    assert!(matches!(store.persist(), Err(StateError::Uncommitted { .. })));
    store.commit(applied(20_001, Some(0)));
    store.persist().unwrap();
    assert!(!store.should_persist());
    assert_eq!((store.sizes().histories_in_memory, duplicates(&mut store, due.unwrap())), (0, 1));
    store.stage(&[write(1, 1, 0)]);
    store.rollback();
}
