//! What it costs the line when its plugin traps on one record in a thousand: nanoseconds an event with and without, in
//! turns of one batch, and the calls and new instances it takes. Every record is checked to come out where it belongs.
//! Not the cost of endless loops, which is that of their time limit.
//!
//! `cargo bench --workspace --bench poison -- [EVENTS]`; by default two million events over a million keys.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints, and stops where it cannot go on")]

#[expect(dead_code, reason = "each benchmark uses its part")]
mod scene;

use line::{Line, PluginCost, Plugins};

use std::sync::Arc;
use std::time::{Duration, Instant};

use connectors::{Lane, Outgoing, Sink, SinkFailure};
use engine::record::{NewRecord, RecordBatch, TopicPartition};
use plugin::{Limits, Plugin, Runtime};
use scene::{BATCH_RECORDS, BATCHES_PER_COMMIT, DAY_MS};
use state::PartitionStore;
use workbench::generate::{Generator, Spec};

const KEYS: u64 = 1_000_000;

/// One record in so many is one that the plugin traps on.
const POISON_EVERY: i64 = 1_000;

/// How the `distinct_id` of such a record starts; see the plugin.
const POISON: &[u8] = b"poison";

/// The least part of its throughput that a line is to keep.
const RATIO_MIN: f64 = 0.67;

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.replace('_', "").parse().ok()).collect();
    let events = numbers.first().copied().unwrap_or(2_000_000);
    let runtime = Runtime::new(Limits::default()).expect("a runtime");
    let plugin = scene::load(&runtime, "for-tests/brittle_key");
    time_starts(&plugin);

    let batches = events.div_ceil(BATCH_RECORDS as u64);
    let mut runs = [false, true].map(|poisoned| Run::new(&plugin, batches * BATCH_RECORDS as u64, poisoned));
    for batch in 1..=batches {
        for run in &mut runs {
            run.process();
            if batch % BATCHES_PER_COMMIT as u64 == 0 || batch == batches {
                run.commit(batch == batches);
            }
        }
    }
    println!("{} events each, batches of {BATCH_RECORDS}, {KEYS} keys, one thread", batches * BATCH_RECORDS as u64);
    let [clean, poisoned] = runs.map(Run::end);
    println!("no trap              {clean:8.1} ns an event");
    println!("a trap in {POISON_EVERY:>5}      {poisoned:8.1} ns an event");
    let ratio = clean / poisoned;
    println!("throughput with traps is {ratio:.2} of that without; aim: more than {RATIO_MIN}");
}

/// How long it takes to make an instance that is ready to be called.
fn time_starts(plugin: &Plugin) {
    const STARTS: u32 = 500;
    let started = Instant::now();
    for _ in 0..STARTS {
        drop(plugin.extractor().expect("an instance"));
    }
    let each = started.elapsed() / STARTS;
    println!("an instance of {} is made, configured and dropped in {each:.1?}", plugin.name());
}

/// A line and what came out of it.
struct Run {
    line: Line<PartitionStore>,
    generator: Generator,
    poisoned: bool,
    records: RecordBatch,
    payload: Vec<u8>,
    next_offset: i64,
    batches: u64,
    busy: Duration,
    exits: Exits,
    cost: PluginCost,
    _dir: tempfile::TempDir,
}

impl Run {
    fn new(plugin: &Plugin, events: u64, poisoned: bool) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut store = scene::open(dir.path(), |_| ());
        scene::fill(&mut store, KEYS);
        let source = TopicPartition { topic: "bench".to_owned(), partition: 0 };
        let plugins = Plugins { extractor: plugin.clone(), scorer: None };
        let spec = Spec { events, duplicates: 0.0, seed: 11, ..Spec::default() };
        Self {
            line: Line::new(source, Arc::new(scene::rules(false)), &plugins, store).expect("a line"),
            generator: Generator::new(spec).expect("a generator"),
            poisoned,
            records: RecordBatch::new(),
            payload: Vec::new(),
            next_offset: KEYS.cast_signed(),
            batches: 0,
            busy: Duration::ZERO,
            exits: Exits::default(),
            cost: PluginCost::default(),
            _dir: dir,
        }
    }

    /// One batch, of which only the processing is timed.
    fn process(&mut self) {
        self.records.clear();
        while self.records.len() < BATCH_RECORDS {
            self.payload.clear();
            let event = self.generator.next(&mut self.payload).expect("an event");
            if self.poisoned && self.next_offset % POISON_EVERY == 0 {
                let id = self.payload.get_mut(event.distinct_id.clone()).and_then(|id| id.get_mut(..POISON.len()));
                id.expect("a longer distinct_id").copy_from_slice(POISON);
            }
            let (offset, payload) = (self.next_offset, Some(self.payload.as_slice()));
            self.records.push(NewRecord { offset, timestamp: Some(DAY_MS), key: None, payload });
            self.next_offset += 1;
        }
        let shared = Arc::new(std::mem::take(&mut self.records));
        let start = Instant::now();
        self.line.process(&shared, 0, &mut self.exits).expect("processed");
        self.busy += start.elapsed();
        self.records = Arc::into_inner(shared).unwrap_or_default();
        self.batches += 1;
    }

    fn commit(&mut self, last: bool) {
        let start = Instant::now();
        self.line.commit(self.next_offset, Vec::new());
        if self.line.store().should_persist() || last {
            self.line.store().persist().expect("persisted");
        }
        self.busy += start.elapsed();
        let (_, [extractor, _]) = self.line.take_costs();
        self.cost.calls += extractor.calls;
        self.cost.failures += extractor.failures;
        self.cost.time += extractor.time;
    }

    /// Checks what came out, says what the plugin cost, and returns the nanoseconds an event.
    fn end(self) -> f64 {
        let events = self.next_offset - KEYS.cast_signed();
        let multiples = |below: i64| (below + POISON_EVERY - 1) / POISON_EVERY;
        let poison = multiples(self.next_offset) - multiples(KEYS.cast_signed());
        let expected = if self.poisoned { poison } else { 0 };
        assert_eq!(self.exits, Exits { passed: events - expected, buried: expected }, "every record comes out once");
        let each = |count: u64| count as f64 / self.batches as f64;
        println!(
            "{:20} {:8.2} calls and {:.2} new instances a batch, {:.1} ns an event in them",
            if self.poisoned { "with traps" } else { "without" },
            each(self.cost.calls),
            each(self.cost.failures),
            self.cost.time.as_nanos() as f64 / events as f64
        );
        self.busy.as_nanos() as f64 / events as f64
    }
}

/// Counts what comes out, and checks that what is buried is poison, by its offset and its reason.
#[derive(Debug, Default, PartialEq, Eq)]
struct Exits {
    passed: i64,
    buried: i64,
}

impl Sink for Exits {
    fn has(&self, lane: Lane) -> bool {
        matches!(lane, Lane::Output | Lane::Duplicates | Lane::DeadLetter)
    }

    fn send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkFailure> {
        if lane == Lane::Output {
            self.passed += 1;
            return Ok(());
        }
        assert_eq!(lane, Lane::DeadLetter, "no event is a duplicate");
        let header = |name| record.extra_headers.iter().find(|(header, _)| *header == name).map(|(_, text)| *text);
        let offset: i64 = header("dedup-host-offset").and_then(|text| text.parse().ok()).expect("an offset");
        assert_eq!(offset % POISON_EVERY, 0, "offset {offset} is no poison");
        let reason = header("dedup-host-reason").expect("a reason");
        assert!(reason.contains("unreachable"), "{reason}");
        self.buried += 1;
        Ok(())
    }
}
