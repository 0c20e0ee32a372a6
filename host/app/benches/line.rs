//! The line without Kafka: nanoseconds an event by stage, for state of different sizes. Events are generated outside of
//! the time that is measured, outputs go nowhere.
//!
//! `cargo bench -p dedup-host --bench line -- [EVENTS] [KEYS ...]`; by default a million events over 1 M and 20 M keys.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints, and stops where it cannot go on")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use connectors::{Lane, Outgoing, Sink, SinkError};
use dedup_host::generate::{Generator, Spec};
use dedup_host::line::{Line, Rules};
use dedup_host::settings::config::{LatePolicy, OnMissingKey, OnPluginFailure};
use engine::decide::Window;
use engine::entry::{Entry, Write};
use engine::fingerprint::Fingerprint;
use engine::projection::Numbers;
use engine::record::{NewRecord, RecordBatch, TopicPartition};
use engine::time::ClockRules;
use plugin::{Limits, Plugin, Runtime};
use state::{Applied, PartitionStore, StoreIdentity, StoreOptions};

const BATCH_RECORDS: usize = 1_024;

/// As often as transactions are committed at a million events a second and the default interval.
const BATCHES_PER_COMMIT: usize = 100;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

const WINDOW: Window = Window {
    length: Some(DAY_MS),
    allowed_lateness: 60 * 60 * 1_000,
    clock: ClockRules { out_of_orderness_max: 60_000, jump_max: 60 * 60 * 1_000 },
};

/// Somebody who listens to the output and keeps nothing.
struct Nowhere(u64);

impl Sink for Nowhere {
    fn has(&self, lane: Lane) -> bool {
        lane == Lane::Output
    }

    fn send(&mut self, _: Lane, record: &Outgoing<'_>) -> Result<(), SinkError> {
        self.0 += record.payload.map_or(0, <[u8]>::len) as u64;
        Ok(())
    }
}

fn main() {
    // Cargo adds a flag of its own.
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.replace('_', "").parse().ok()).collect();
    let (events, keys) = match numbers.as_slice() {
        [] => (1_000_000, vec![1_000_000, 20_000_000]),
        [events] => (*events, vec![1_000_000, 20_000_000]),
        [events, keys @ ..] => (*events, keys.to_vec()),
    };
    let runtime = Runtime::new(Limits::default()).expect("a runtime");
    let plugin = runtime.load(&plugin_file(), None).expect("make build leaves dist/plugins/composite_key.wasm");
    println!("{events} generated events, batches of {BATCH_RECORDS}, one thread; nanoseconds an event");
    println!(
        "{:>12} {:>10} | {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} | {:>7} {:>10}",
        "keys", "duplicates", "decode", "extract", "lookup", "decide", "send", "commit", "persist", "total", "events/s"
    );
    for keys in keys {
        for duplicates in [0.0, 0.1] {
            measure(&plugin, events, keys, duplicates);
        }
    }
}

fn plugin_file() -> PathBuf {
    let dist = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dist/plugins");
    std::env::var_os("DEDUP_PLUGINS_DIR").map_or(dist, PathBuf::from).join("composite_key.wasm")
}

fn measure(plugin: &Plugin, events: u64, keys: u64, duplicates: f64) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = open(dir.path());
    fill(&mut store, keys);
    let source = TopicPartition { topic: "bench".to_owned(), partition: 0 };
    let mut line = Line::new(source, Arc::new(rules()), plugin, store).expect("a line");
    let spec = Spec { events, duplicates, seed: 11, ..Spec::default() };
    let mut generator = Generator::new(spec).expect("a generator");
    let (mut batch, mut payload) = (RecordBatch::new(), Vec::new());
    let (mut next_offset, mut batches) = (keys.cast_signed(), 0);
    let (mut commit, mut persist, mut sink) = (Duration::ZERO, Duration::ZERO, Nowhere(0));
    let mut processed = Duration::ZERO;
    loop {
        batch.clear();
        while batch.len() < BATCH_RECORDS {
            payload.clear();
            let Some(event) = generator.next(&mut payload) else { break };
            let key = payload.get(event.distinct_id.clone());
            batch.push(NewRecord { offset: next_offset, timestamp: Some(DAY_MS), key, payload: Some(&payload) });
            next_offset += 1;
        }
        if batch.is_empty() {
            break;
        }
        let start = Instant::now();
        line.process(&batch, 0, &mut sink).expect("processed");
        processed += start.elapsed();
        batches += 1;
        if batches % BATCHES_PER_COMMIT == 0 {
            let start = Instant::now();
            line.commit(next_offset, Vec::new());
            commit += start.elapsed();
            if line.store().should_persist() {
                let start = Instant::now();
                line.store().persist().expect("persisted");
                persist += start.elapsed();
            }
        }
    }
    let start = Instant::now();
    line.commit(next_offset, Vec::new());
    line.store().persist().expect("persisted");
    persist += start.elapsed();
    let (times, _) = line.take_costs();
    let each = |time: Duration| time.as_nanos() as f64 / events as f64;
    let total = each(processed + commit + persist);
    println!(
        "{keys:>12} {duplicates:>10} | {:>7.0} {:>7.0} {:>7.0} {:>7.0} {:>7.0} {:>7.0} {:>7.0} | {total:>7.0} {:>10.0}",
        each(times.decode),
        each(times.extract),
        each(times.lookup),
        each(times.decide),
        each(times.produce),
        each(commit),
        each(persist),
        1e9 / total
    );
}

fn rules() -> Rules {
    Rules {
        window: WINDOW,
        uuid_field: "/uuid".to_owned(),
        event_time: None,
        numbers: Numbers::AsWritten,
        on_missing_key: OnMissingKey::Pass,
        late: LatePolicy::Pass,
        on_plugin_failure: OnPluginFailure::DeadLetter,
    }
}

fn open(dir: &std::path::Path) -> PartitionStore {
    let identity = StoreIdentity {
        topic: "bench".to_owned(),
        topic_id: None,
        partition: 0,
        extractor: String::new(),
        key_version: 1,
        window_ms: WINDOW.length,
        allowed_lateness_ms: WINDOW.allowed_lateness,
    };
    PartitionStore::open(dir, &identity, StoreOptions::for_window(WINDOW.length, WINDOW.allowed_lateness))
        .expect("a store")
}

/// Keys nobody will ask for, over the whole of the window, as a day of events leaves them.
fn fill(store: &mut PartitionStore, keys: u64) {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut writes = Vec::new();
    for key in 0..keys {
        let time = (u128::from(key) * DAY_MS as u128 / u128::from(keys)) as i64;
        let fingerprint = Fingerprint(u128::from(next()) << 64 | u128::from(next()));
        writes.push(Write { fingerprint, entry: Entry { offset: key.cast_signed(), time } });
        if writes.len() == 1_000_000 || key + 1 == keys {
            store.stage(&writes);
            let next_offset = key.cast_signed() + 1;
            store.commit(Applied { next_offset, clock: Vec::new(), watermark: Some(time), extra: Vec::new() });
            store.persist().expect("persisted");
            writes.clear();
        }
    }
}
