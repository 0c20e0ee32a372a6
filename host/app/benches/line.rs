//! The line without Kafka: nanoseconds an event by stage, for state of different sizes. Events are generated outside of
//! the time that is measured, outputs go nowhere.
//!
//! `cargo bench --workspace --bench line -- [EVENTS] [KEYS ...]`; by default a million events over 1 M and 20 M keys.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints, and stops where it cannot go on")]

mod scene;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::record::{NewRecord, RecordBatch, TopicPartition};
use line::{Line, Plugins};
use plugin::{Limits, Runtime};
use scene::{BATCH_RECORDS, BATCHES_PER_COMMIT, DAY_MS, Nowhere};
use workbench::generate::{Generator, Spec};

fn main() {
    // Cargo adds a flag of its own.
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.replace('_', "").parse().ok()).collect();
    let (events, keys) = match numbers.as_slice() {
        [] => (1_000_000, vec![1_000_000, 20_000_000]),
        [events] => (*events, vec![1_000_000, 20_000_000]),
        [events, keys @ ..] => (*events, keys.to_vec()),
    };
    let runtime = Runtime::new(Limits::default()).expect("a runtime");
    let plugins = scene::plugins(&runtime, None);
    println!("{events} generated events, batches of {BATCH_RECORDS}, one thread; nanoseconds an event");
    println!(
        "{:>12} {:>10} | {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} | {:>7} {:>10}",
        "keys", "duplicates", "decode", "extract", "lookup", "decide", "send", "commit", "persist", "total", "events/s"
    );
    for keys in keys {
        for duplicates in [0.0, 0.1] {
            measure(&plugins, events, keys, duplicates);
        }
    }
}

fn measure(plugins: &Plugins, events: u64, keys: u64, duplicates: f64) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = scene::open(dir.path(), |_| ());
    scene::fill(&mut store, keys);
    let source = TopicPartition { topic: "bench".to_owned(), partition: 0 };
    let mut line = Line::new(source, Arc::new(scene::rules(false)), plugins, store).expect("a line");
    let spec = Spec { events, duplicates, seed: 11, ..Spec::default() };
    let mut generator = Generator::new(spec).expect("a generator");
    let (mut batch, mut payload) = (RecordBatch::new(), Vec::new());
    let (mut next_offset, mut batches) = (keys.cast_signed(), 0);
    let (mut commit, mut persist, mut sink) = (Duration::ZERO, Duration::ZERO, Nowhere::default());
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
        let shared = Arc::new(std::mem::take(&mut batch));
        line.process(&shared, 0, &mut sink).expect("processed");
        batch = Arc::into_inner(shared).unwrap_or_default();
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
