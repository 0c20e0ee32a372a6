//! Nanoseconds of keeping originals, reading them again, and counting duplicates. Not a test of correctness.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::history::History;
use engine::record::{NewRecord, Offset, RecordBatch};
use engine::state::Originals;
use state::{Applied, OriginalsOptions, OriginalsWriter, PartitionStore, StoreOptions};

use crate::{BATCH, Settings, cpu, fingerprint, identity, thread};

/// Events that are made before; kept in turn. Repeats lie further apart than any block is long.
const POOL: u64 = 20_000;

/// Batches read or counted for one figure.
const BATCHES: usize = 200;

/// Records of a batch that are kept, and what is put before each.
const RECORDS: usize = 1_024;
const HEAD: [u8; 50] = [b'h'; 50];

pub(crate) fn originals(settings: &Settings) {
    let dir = tempfile::tempdir_in(&settings.dir).unwrap();
    let writer = OriginalsWriter::start().unwrap();
    let kept = OriginalsOptions::new(writer);
    let options = StoreOptions { originals: Some(kept), ..StoreOptions::for_window(Some(8_000_000), 0) };
    let mut store = PartitionStore::open(dir.path(), &identity(), options).unwrap();
    let events: Vec<String> = (0..POOL).map(event).collect();
    let bytes: usize = events.iter().map(String::len).sum();
    println!("originals: {} events of {} bytes in the mean", settings.keys, bytes / events.len());
    keep(&mut store, settings.keys, &events);
    read(&mut store, settings.keys);
    count(&mut store);
    for is_shared in [false, true] {
        keep_batches(settings, &events, is_shared);
    }
}

/// What a line's thread pays to keep the events of batches just made, which are not of its making: with a copy into a
/// scratch buffer and another by `keep`, or shared.
fn keep_batches(settings: &Settings, pool: &[String], is_shared: bool) {
    let dir = tempfile::tempdir_in(&settings.dir).unwrap();
    let originals = OriginalsOptions::new(OriginalsWriter::start().unwrap());
    let options = StoreOptions { originals: Some(originals), ..StoreOptions::for_window(Some(8_000_000), 0) };
    let mut store = PartitionStore::open(dir.path(), &identity(), options).unwrap();
    let mut next = pool.iter().cycle();
    let (mut times, mut scratch, mut spare) = (Vec::new(), Vec::new(), Vec::new());
    let (mut made, mut most, mut own) = (0, 0, Duration::ZERO);
    for first in (0..settings.keys).step_by(RECORDS) {
        let mut batch = spare.pop().unwrap_or_else(|| {
            made += 1;
            RecordBatch::new()
        });
        for (offset, event) in (first..first + RECORDS).zip(&mut next) {
            let payload = Some(event.as_bytes());
            batch.push(NewRecord { offset: offset as Offset, payload, ..NewRecord::default() });
        }
        let batch = Arc::new(batch);
        let (begun, cpu_begun) = (Instant::now(), thread());
        for record in batch.iter() {
            let body = record.payload().unwrap();
            if is_shared {
                store.keep_shared(record.offset(), &HEAD, &batch, body, b"\n").unwrap();
            } else {
                scratch.clear();
                scratch.extend_from_slice(&HEAD);
                scratch.extend_from_slice(body);
                scratch.push(b'\n');
                store.keep(record.offset(), &scratch).unwrap();
            }
        }
        while let Some(batch) = store.take_released_batch() {
            spare.push(batch);
        }
        own += thread() - cpu_begun;
        times.push(begun.elapsed().as_nanos() as f64 / RECORDS as f64);
        most = most.max(store.sizes().originals_memory_bytes);
        spare.extend(Arc::into_inner(batch).map(|mut batch| {
            batch.clear();
            batch
        }));
    }
    times.sort_unstable_by(f64::total_cmp);
    let batches = times.len();
    println!(
        "  {}: {:.0} ns an event in the median batch of {RECORDS}, {:.0} in one of ten; {:.0} ns of processor in the mean, \
         with sealing and ingesting; {made} batches made of {batches} used; {} MB of memory at most",
        if is_shared { "keep_shared" } else { "copy and keep" },
        times[batches / 2],
        times[batches * 9 / 10],
        own.as_nanos() as f64 / (batches * RECORDS) as f64,
        most >> 20,
    );
}

fn keep(store: &mut PartitionStore, events: usize, pool: &[String]) {
    let (mut longest, mut raw) = (Duration::ZERO, 0);
    let (start, own, all) = (Instant::now(), thread(), cpu());
    let mut next = pool.iter().cycle();
    for first in (0..events).step_by(BATCH) {
        let begun = Instant::now();
        for (offset, event) in (first..first + BATCH).zip(&mut next) {
            raw += event.len();
            store.keep(offset as Offset, event.as_bytes()).unwrap();
        }
        longest = longest.max(begun.elapsed());
    }
    let (elapsed, own) = (start.elapsed(), thread() - own);
    store.commit(applied(events));
    let persisted = Instant::now();
    store.persist().unwrap();
    let persisted = persisted.elapsed();
    let each = |duration: Duration| duration.as_nanos() as f64 / events as f64;
    println!(
        "  keep: {:.0} ns an event of the line's processor, {:.0} ns with waiting for the writer at full speed, \
         {:.0} ns of all threads; {:.0} MB/s; persist {persisted:?}; {BATCH} took {longest:?} at most",
        each(own),
        each(elapsed),
        each(cpu() - all),
        raw as f64 / elapsed.as_secs_f64() / 1e6,
    );
    let sizes = store.sizes();
    println!(
        "  {:.0} bytes of table an event, ratio {:.2}, {} tables, {} MB of memory",
        sizes.originals_bytes as f64 / events as f64,
        raw as f64 / sizes.originals_bytes as f64,
        sizes.originals_tables,
        sizes.originals_memory_bytes >> 20,
    );
}

fn read(store: &mut PartitionStore, events: usize) {
    let mut out = Originals::default();
    let near = 20_000.min(events);
    for (name, first, spread) in [("near", events - near, near), ("far", 0, events - near)] {
        for batch in [1, 10, 100] {
            let mut took = Duration::ZERO;
            for question in 0..BATCHES {
                let at = |n: usize| (fingerprint((question * batch + n) as u64).0 >> 64) as usize % spread.max(1);
                let offsets: Vec<Offset> = (0..batch).map(|n| (first + at(n)) as Offset).collect();
                let begun = Instant::now();
                store.originals(&offsets, &mut out).unwrap();
                took += begun.elapsed();
                assert!((0..batch).all(|n| out.get(n).is_some()));
            }
            println!(
                "  read {name}, {batch} at once: {:.0} ns each",
                took.as_nanos() as f64 / (BATCHES * batch) as f64
            );
        }
    }
}

fn count(store: &mut PartitionStore) {
    let uuid = |n: u64| Some(fingerprint(n).0 as u64);
    let mut offset = 1 << 40;
    for (name, spread) in [("new keys", u64::MAX), ("one hot key", 1)] {
        let begun = thread();
        for batch in 0..BATCHES as u64 {
            let original = |n: u64| ((batch * BATCH as u64 + n) % spread).cast_signed();
            let originals: Vec<Offset> = (0..BATCH as u64).map(original).collect();
            store.load_histories(&originals).unwrap();
            for original in originals {
                offset += 1;
                let history = store.history(original, || History::of(Some(uuid(0)))).unwrap().unwrap();
                history.count(offset, uuid(offset.unsigned_abs()));
            }
            store.commit(applied(0));
        }
        let took = thread() - begun;
        let begun = thread();
        let histories = store.sizes().histories_in_memory;
        store.persist().unwrap();
        let persisted = thread() - begun;
        println!(
            "  count, {name}: {:.0} ns a duplicate; persist of {histories} {persisted:?}",
            took.as_nanos() as f64 / (BATCHES * BATCH) as f64,
        );
    }
    println!("  {} bytes of histories", store.sizes().histories_bytes);
}

fn applied(next_offset: usize) -> Applied {
    Applied { next_offset: next_offset as i64, watermark: Some(0), ..Applied::default() }
}

/// An event as product analytics send them, about 700 bytes, of varied text.
fn event(n: u64) -> String {
    const WORDS: [&str; 32] = [
        "account",
        "button",
        "checkout",
        "dashboard",
        "export",
        "filter",
        "gallery",
        "home",
        "invoice",
        "journal",
        "kitchen",
        "login",
        "message",
        "notebook",
        "overview",
        "payment",
        "quarter",
        "report",
        "search",
        "table",
        "upload",
        "vendor",
        "weather",
        "yearly",
        "zebra",
        "orange",
        "purple",
        "silver",
        "crimson",
        "window",
        "mountain",
        "river",
    ];
    let mut state = n;
    let mut next = |bound: u64| {
        state = state.wrapping_add(1);
        (fingerprint(state << 20 ^ n).0 >> 64) as u64 % bound
    };
    let mut words = String::new();
    for _ in 0..12 {
        let _ = write!(words, "{} ", WORDS[next(32) as usize]);
    }
    format!(
        r#"{{"uuid":"{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}","event":"{}","distinct_id":"user-{:010}","token":"phc_{:016x}{:016x}","timestamp":"2026-03-{:02}T{:02}:{:02}:{:02}.{:03}Z","properties":{{"$current_url":"https://app.example.com/{}/{}?id={}","$browser":"Firefox","$browser_version":{},"$os":"Linux","$screen_height":{},"$screen_width":{},"$referrer":"https://www.example.org/{}","$session_id":"{:016x}{:016x}","title":"{}","amount":{}.{:02},"$lib":"web","$lib_version":"1.{}.{}","active":{}}},"sent_at":"2026-03-{:02}T10:00:{:02}Z"}}"#,
        next(1 << 32),
        next(1 << 16),
        next(1 << 12),
        next(1 << 12),
        next(1 << 48),
        WORDS[next(6) as usize],
        next(1_000_000_000),
        next(4),
        next(3),
        next(28) + 1,
        next(24),
        next(60),
        next(60),
        next(1000),
        WORDS[next(32) as usize],
        WORDS[next(32) as usize],
        next(1_000_000),
        next(40) + 90,
        next(2000),
        next(3000),
        WORDS[next(32) as usize],
        next(u64::MAX),
        next(u64::MAX),
        words.trim_end(),
        next(10_000),
        next(100),
        next(200),
        next(10),
        next(2) == 0,
        next(28) + 1,
        next(60),
    )
}
