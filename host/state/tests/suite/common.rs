//! Stores and writes for the tests of this crate. No assertions.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use engine::entry::{Entry, Found, Write};
use engine::fingerprint::Fingerprint;
use engine::record::{NewRecord, RecordBatch};
use engine::state::Originals;
use state::{Applied, OriginalsOptions, OriginalsWriter, PartitionStore, StoreIdentity, StoreOptions};

pub(crate) fn identity() -> StoreIdentity {
    StoreIdentity {
        topic: "events".into(),
        topic_id: None,
        partition: 0,
        extractor: "ab".into(),
        key_version: 1,
        window_ms: Some(80_000),
        allowed_lateness_ms: 0,
        ..StoreIdentity::default()
    }
}

/// Buckets of 10 s, kept for 80 s.
pub(crate) fn options() -> StoreOptions {
    StoreOptions::for_window(Some(80_000), 0)
}

/// The same with originals, in small chunks, so that there are many tables.
pub(crate) fn keeping(chunk_bytes: usize, originals_memory_bytes_max: usize) -> StoreOptions {
    static WRITER: LazyLock<OriginalsWriter> = LazyLock::new(|| OriginalsWriter::start().unwrap());
    let originals =
        OriginalsOptions { chunk_bytes, originals_memory_bytes_max, ..OriginalsOptions::new(WRITER.clone()) };
    StoreOptions { originals: Some(originals), ..options() }
}

pub(crate) fn open_with(dir: &Path, options: &StoreOptions) -> PartitionStore {
    PartitionStore::open(dir, &identity(), options.clone()).unwrap()
}

/// The event at an offset: 100 to 299 bytes of which most are the offset's own.
pub(crate) fn event(offset: i64) -> Vec<u8> {
    let length = 100 + (key(offset.unsigned_abs()).0 % 200) as usize;
    (0..).flat_map(|n| key(offset.unsigned_abs() << 8 | n).0.to_le_bytes()).take(length).collect()
}

/// A batch of the middles of events, each with a key that nothing keeps.
pub(crate) fn batch(offsets: impl IntoIterator<Item = i64>) -> Arc<RecordBatch> {
    let mut batch = RecordBatch::new();
    for offset in offsets {
        let event = event(offset);
        let (_, payload) = event.split_at(HEAD_BYTES);
        batch.push(NewRecord { offset, timestamp: None, key: Some(b"key"), payload: Some(payload) });
    }
    Arc::new(batch)
}

const HEAD_BYTES: usize = 50;

/// Keeps an event of a batch of middles as head, body and tail; with `is_long` the tail is long and most is copied.
pub(crate) fn keep_shared(store: &mut PartitionStore, batch: &Arc<RecordBatch>, record: usize, is_long: bool) {
    let record = batch.get(record).unwrap();
    let payload = record.payload().unwrap();
    let event = event(record.offset());
    let (head, _) = event.split_at(HEAD_BYTES);
    let (body, tail) = payload.split_at(if is_long { 10 } else { payload.len() - 1 });
    store.keep_shared(record.offset(), head, batch, body, tail).unwrap();
}

/// Keeps, commits and persists the events of `range`, each with an entry.
pub(crate) fn keep(store: &mut PartitionStore, range: std::ops::Range<i64>, time: i64) {
    for offset in range.clone() {
        store.keep(offset, &event(offset)).unwrap();
    }
    store.stage(&range.clone().map(|offset| write(offset.unsigned_abs(), offset, time)).collect::<Vec<_>>());
    store.commit(applied(range.end, Some(time)));
    store.persist().unwrap();
}

/// Which of the offsets have an original; it must be the right one.
pub(crate) fn kept(store: &mut PartitionStore, offsets: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let offsets: Vec<i64> = offsets.into_iter().collect();
    let mut out = Originals::default();
    store.originals(&offsets, &mut out).unwrap();
    assert_eq!(out.len(), offsets.len());
    let kept = (0..).zip(offsets).filter_map(|(index, offset)| {
        let original = out.get(index)?;
        assert_eq!(original, event(offset), "the original of {offset}");
        Some(offset)
    });
    kept.collect()
}

pub(crate) fn open(dir: &Path) -> PartitionStore {
    PartitionStore::open(dir, &identity(), options()).unwrap()
}

/// Uniform fingerprints from a counter (SplitMix64).
pub(crate) fn key(n: u64) -> Fingerprint {
    let mix = |z: u64| {
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let high = mix(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    Fingerprint(u128::from(high) << 64 | u128::from(mix(high ^ 1)))
}

pub(crate) fn write(n: u64, offset: i64, time: i64) -> Write {
    Write { fingerprint: key(n), entry: Entry { offset, time } }
}

pub(crate) fn applied(next_offset: i64, watermark: Option<i64>) -> Applied {
    // As many records as make a clock forget, with each offset: only tests of far times care.
    let clock_records = next_offset.unsigned_abs() * engine::time::CLOCK_RECORDS as u64;
    Applied { next_offset, clock: vec![1, 2], watermark, clock_records, clock_is_ahead: false, extra: vec![3] }
}

pub(crate) fn lookup(store: &mut PartitionStore, keys: &[u64], before_offset: i64) -> Vec<(u32, i64, i64)> {
    let keys: Vec<Fingerprint> = keys.iter().map(|n| key(*n)).collect();
    let mut found: Vec<Found> = Vec::new();
    store.lookup(&keys, before_offset, &mut found).unwrap();
    found.iter().map(|found| (found.key, found.entry.offset, found.entry.time)).collect()
}

/// Stages, commits and persists keys `range`, key n at offset n.
pub(crate) fn fill(store: &mut PartitionStore, range: std::ops::Range<u64>, time: i64) {
    let end = i64::try_from(range.end).unwrap();
    let writes: Vec<Write> = range.map(|n| write(n, i64::try_from(n).unwrap(), time)).collect();
    store.stage(&writes);
    store.commit(applied(end, Some(time)));
    store.persist().unwrap();
}
