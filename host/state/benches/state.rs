//! Nanoseconds a key: the store against plain RocksDB, in one run, on unseen keys. Not a test of correctness.
//!
//! `cargo bench --workspace --bench state -- --keys 20000000 --buckets 8 --duplicates 0.1 --dir /somewhere`
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may stop")]

#[path = "state/originals.rs"]
mod originals;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::entry::{Entry, Found, Write};
use engine::fingerprint::Fingerprint;
use rocksdb::{BlockBasedOptions, DB, DBCompressionType, Options, WriteBatch, WriteOptions};
use state::{Applied, PartitionStore, StoreIdentity, StoreOptions};

/// Events asked for at once, as a worker does.
const BATCH: usize = 1_000;

struct Settings {
    keys: usize,
    buckets: i64,
    duplicates: f64,
    front: usize,
    dir: PathBuf,
    baseline: bool,
}

fn main() {
    let settings = settings();
    println!(
        "{} keys, batches of {BATCH}, {} buckets, {} duplicates",
        settings.keys, settings.buckets, settings.duplicates
    );
    store(&settings);
    originals::originals(&settings);
    if settings.baseline {
        plain(&settings);
    }
}

fn settings() -> Settings {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    Settings {
        keys: value("--keys").map_or(1_000_000, |v| v.parse().unwrap()),
        buckets: value("--buckets").map_or(8, |v| v.parse().unwrap()),
        duplicates: value("--duplicates").map_or(0.0, |v| v.parse().unwrap()),
        front: value("--front").map_or(1_000_000, |v| v.parse().unwrap()),
        dir: value("--dir").map_or_else(std::env::temp_dir, PathBuf::from),
        baseline: !arguments.iter().any(|a| a == "--no-baseline"),
    }
}

/// Uniform fingerprints from a counter (SplitMix64), repeatable.
fn fingerprint(n: u64) -> Fingerprint {
    let mix = |z: u64| {
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let high = mix(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    Fingerprint(u128::from(high) << 64 | u128::from(mix(high ^ 0x1234_5678)))
}

/// The key of event `n`: a new one, or one of the events before it, spread over all of them.
fn key_number(n: u64, duplicates: f64) -> u64 {
    let roll = (fingerprint(n ^ 0xdead_beef_0000).0 >> 64) as u64;
    if (roll % 1000) as f64 >= duplicates * 1000.0 || n == 0 { n } else { (roll >> 10) % n }
}

fn identity() -> StoreIdentity {
    StoreIdentity {
        topic: "bench".into(),
        topic_id: None,
        partition: 0,
        extractor: String::new(),
        key_version: 1,
        window_ms: Some(8_000_000),
        allowed_lateness_ms: 0,
        ..StoreIdentity::default()
    }
}

fn store(settings: &Settings) {
    let dir = tempfile::tempdir_in(&settings.dir).unwrap();
    let options = StoreOptions { front_entries_max: settings.front, ..StoreOptions::for_window(Some(8_000_000), 0) };
    let mut store = PartitionStore::open(dir.path(), &identity(), options.clone()).unwrap();
    let (mut lookup, mut stage, mut persist) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut keys, mut writes, mut found) = (Vec::new(), Vec::new(), Vec::new());
    let start = Instant::now();
    let cpu_start = cpu();
    let mut next = 0;
    let mut lap = (0, Duration::ZERO);
    let mut duplicates = 0;
    while next < settings.keys {
        keys.clear();
        keys.extend((next..next + BATCH).map(|n| fingerprint(key_number(n as u64, settings.duplicates))));
        let begun = thread();
        store.lookup(&keys, next as i64, &mut found).unwrap();
        lookup += thread() - begun;
        duplicates += found.len();
        let begun = thread();
        to_writes(settings, next, &keys, &found, &mut writes);
        store.stage(&writes);
        next += BATCH;
        store.commit(Applied { next_offset: next as i64, watermark: Some(0), ..Applied::default() });
        stage += thread() - begun;
        if store.should_persist() || next >= settings.keys {
            let begun = thread();
            store.persist().unwrap();
            persist += thread() - begun;
            if next - lap.0 >= settings.keys / 5 {
                println!("  at {next}: lookup {} ns of late", (lookup - lap.1).as_nanos() / (next - lap.0) as u128);
                lap = (next, lookup);
            }
        }
    }
    report(
        "store",
        settings.keys,
        &[("lookup", lookup), ("stage+commit", stage), ("persist", persist)],
        start,
        cpu_start,
    );
    let (sizes, counts) = (store.sizes(), store.filter_counts());
    println!("  {duplicates} found; {counts:?}");
    println!("  {sizes:?}\n  {:.1} bytes a key on disk", sizes.bytes_on_disk as f64 / sizes.keys_estimate as f64);
    drop(store);
    open_both_ways(dir.path(), &options);
    captured(dir.path(), &options);
}

/// With the filters as they are stored, and without them, which is how stores were opened before they were: every key is
/// read to make them. In turns, and the best of three of each.
fn open_both_ways(dir: &Path, options: &StoreOptions) {
    let open = || {
        let begun = Instant::now();
        let store = PartitionStore::open(dir, &identity(), options.clone()).unwrap();
        (begun.elapsed(), store.opened().keys_read)
    };
    let (mut stored, mut read) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        stored.push(open());
        std::fs::remove_dir_all(dir.join("filters")).unwrap();
        read.push(open());
    }
    let best = |opened: Vec<(Duration, u64)>| opened.into_iter().min().unwrap();
    let ((stored, none), (read, keys)) = (best(stored), best(read));
    println!(
        "  opened in {stored:?} with {none} keys read; in {read:?} by reading {keys} keys, as before filters were stored"
    );
}

/// A snapshot: how long the line waits for it, and how long it takes to be the store of another host.
fn captured(dir: &Path, options: &StoreOptions) {
    let (snapshot, into) = (dir.with_extension("snapshot"), dir.with_extension("adopted"));
    let store = PartitionStore::open(dir, &identity(), options.clone()).unwrap();
    let begun = Instant::now();
    let captured = store.capture(&snapshot).unwrap();
    let took = begun.elapsed();
    let begun = Instant::now();
    PartitionStore::adopt(&snapshot, &into, &identity()).unwrap();
    let adopted = begun.elapsed();
    drop(PartitionStore::open(&into, &identity(), options.clone()).unwrap());
    println!(
        "  captured in {took:?}: {} files, {} MB; adopted in {adopted:?}, opened in {:?}",
        captured.files,
        captured.bytes >> 20,
        begun.elapsed() - adopted
    );
    std::fs::remove_dir_all(&snapshot).unwrap();
    std::fs::remove_dir_all(&into).unwrap();
}

fn to_writes(settings: &Settings, next: usize, keys: &[Fingerprint], found: &[Found], writes: &mut Vec<Write>) {
    writes.clear();
    let mut known = found.iter().map(|found| found.key as usize).peekable();
    for (index, fingerprint) in keys.iter().enumerate() {
        let mut duplicate = false;
        while known.next_if_eq(&index).is_some() {
            duplicate = true;
        }
        if !duplicate {
            let offset = next + index;
            let time = (offset as i64) * settings.buckets * 1_000_000 / settings.keys as i64;
            let entry = Entry { offset: offset as i64, time };
            writes.push(Write { fingerprint: *fingerprint, entry });
        }
    }
}

fn report(name: &str, keys: usize, parts: &[(&str, Duration)], start: Instant, cpu_start: Duration) {
    let elapsed = start.elapsed();
    let per_key = |duration: Duration| duration.as_nanos() as f64 / keys as f64;
    let parts: Vec<String> = parts.iter().map(|(part, took)| format!("{part} {:.0}", per_key(*took))).collect();
    let background = per_key(cpu() - cpu_start);
    let rate = keys as f64 / elapsed.as_secs_f64();
    println!("{name}: ns a key: {}; {background:.0} of all threads together; {rate:.0} keys/s", parts.join(", "));
}

/// Processor time of this thread: what a key costs here even when other programs share the core.
fn thread() -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(schedstat.split(' ').next().unwrap().parse().unwrap())
}

/// Processor time of all threads of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields.get(11..13).unwrap_or_default().iter().filter_map(|f| f.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The plain way: every key put into RocksDB's memtable, looked up by multi-get behind a filter.
fn plain(settings: &Settings) {
    let dir = tempfile::tempdir_in(&settings.dir).unwrap();
    let db = open_plain(dir.path());
    let mut unlogged = WriteOptions::default();
    unlogged.disable_wal(true);
    let family = db.cf_handle("default").unwrap();
    let (mut get, mut put) = (Duration::ZERO, Duration::ZERO);
    let start = Instant::now();
    let cpu_start = cpu();
    for next in (0..settings.keys).step_by(BATCH) {
        let numbers = (next..next + BATCH).map(|n| key_number(n as u64, settings.duplicates));
        let mut keys: Vec<[u8; 16]> = numbers.map(|n| fingerprint(n).0.to_be_bytes()).collect();
        let begun = thread();
        keys.sort_unstable();
        let found = db.batched_multi_get_cf(family, &keys, true);
        let unseen: Vec<bool> = found.into_iter().map(|value| value.unwrap().is_none()).collect();
        get += thread() - begun;
        let begun = thread();
        let mut batch = WriteBatch::default();
        keys.iter().zip(unseen).filter(|(_, unseen)| *unseen).for_each(|(key, _)| batch.put(key, [0; 16]));
        db.write_opt(batch, &unlogged).unwrap();
        put += thread() - begun;
    }
    report("plain RocksDB", settings.keys, &[("multi-get", get), ("put", put)], start, cpu_start);
}

fn open_plain(dir: &Path) -> DB {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_bloom_filter(15.0, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::None);
    options.set_block_based_table_factory(&blocks);
    // The memtable has a filter too: without it the plain way would be slower still.
    options.set_memtable_prefix_bloom_ratio(0.1);
    options.set_memtable_whole_key_filtering(true);
    DB::open_cf_with_opts(&options, dir, [("default", options.clone())]).unwrap()
}
