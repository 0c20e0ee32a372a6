//! What explaining duplicates costs the line: its speed with scoring off and on, by share of duplicates; ten million
//! duplicates of one key; a million names of properties. Events are made outside of the time that is measured.
//!
//! `cargo bench --workspace --bench explain -- [EVENTS] [ROUNDS] [shares] [one-key] [many-names]`; by default a million
//! events, three rounds, all three.
//!
//! Off is the line that decides only (`--keep-originals off`); counted keeps counts of duplicates by key; scored also
//! keeps originals and compares. Rounds take turns, and the ratio is of medians.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints, and stops where it cannot go on")]

#[expect(dead_code, reason = "shared with a benchmark that fills stores")]
mod scene;

use line::{Line, Plugins, StageTimes};

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::record::{NewRecord, RecordBatch, TopicPartition};
use observe::insights::Insights;
use plugin::{Limits, Runtime};
use scene::{BATCH_RECORDS, BATCHES_PER_COMMIT, DAY_MS, Nowhere};
use state::{OriginalsOptions, OriginalsWriter, PartitionStore};
use workbench::generate::{Generator, Spec};

/// How much the line does about duplicates.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Off,
    Counted,
    Scored,
}

const MODES: [Mode; 3] = [Mode::Off, Mode::Counted, Mode::Scored];

const PARTS_OF_IT: [&str; 3] = ["shares", "one-key", "many-names"];

/// Parts of a long run that are compared with one another.
const PARTS: u64 = 10;

struct Bench {
    runtime: Runtime,
}

/// A line, and what it took so far.
struct Run {
    line: Line<PartitionStore>,
    insights: Insights,
    processed: Duration,
    busy: Duration,
    times: StageTimes,
    next_offset: i64,
    batches: usize,
    /// Batches to fill: a host uses them again too.
    spare: Vec<RecordBatch>,
    _dir: tempfile::TempDir,
}

fn main() {
    // Cargo adds a flag of its own.
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.replace('_', "").parse().ok()).collect();
    let events = numbers.first().copied().unwrap_or(1_000_000);
    let rounds = numbers.get(1).copied().unwrap_or(3).max(1);
    let bench = Bench { runtime: Runtime::new(Limits::default()).expect("a runtime") };
    println!(
        "{events} generated events, batches of {BATCH_RECORDS}, one thread and the writer of originals; {rounds} rounds"
    );
    let named: Vec<String> = std::env::args().filter(|name| PARTS_OF_IT.contains(&name.as_str())).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|named| named == name);
    if wanted("shares") {
        [0.01, 0.1, 0.5].into_iter().for_each(|duplicates| bench.compare(events, duplicates, rounds));
    }
    if wanted("one-key") {
        bench.one_key(events.saturating_mul(10));
    }
    if wanted("many-names") {
        bench.many_names(events);
    }
}

impl Bench {
    /// The line in each mode, taking turns.
    fn compare(&self, events: u64, duplicates: f64, rounds: u64) {
        let mut nanos: [Vec<f64>; 3] = Default::default();
        let mut busy: [Vec<f64>; 3] = Default::default();
        for round in 0..rounds {
            for ((mode, nanos), busy) in MODES.into_iter().zip(&mut nanos).zip(&mut busy) {
                let spec = Spec { events, duplicates, seed: 11 + round, ..Spec::default() };
                let mut generator = Generator::new(spec).expect("a generator");
                let mut run = self.start(mode);
                run.take(events, |payload| {
                    let _made = generator.next(payload);
                });
                let times = run.times;
                let (wall, processor) = run.finish(events);
                nanos.push(wall);
                busy.push(processor);
                if mode == Mode::Scored && round + 1 == rounds {
                    let each = |time: Duration| time.as_nanos() as f64 / events as f64;
                    println!(
                        "       scored, ns an event: decode {:.0}, extract {:.0}, look up {:.0}, decide {:.0}, explain {:.0}, send {:.0}",
                        each(times.decode),
                        each(times.extract),
                        each(times.lookup),
                        each(times.decide),
                        each(times.explain),
                        each(times.produce)
                    );
                }
            }
        }
        let [off, counted, scored] = nanos.map(median);
        println!(
            "{:>4.0} % duplicates: off {off:.0} ns an event, counted {counted:.0}, scored {scored:.0}; speed with scoring \
             {:.2} of that without ({:.2} for counts alone)",
            duplicates * 100.0,
            off / scored,
            off / counted
        );
        let [off, counted, scored] = busy.map(median);
        println!(
            "       processor time of the line's thread: off {off:.0}, counted {counted:.0}, scored {scored:.0}; {:.2}",
            off / scored
        );
    }

    /// One event over and over, each time with another uuid and another property.
    fn one_key(&self, events: u64) {
        println!("{events} duplicates of one key, each with a uuid of its own:");
        let mut number = 0;
        self.long_run(events, |text| {
            number += 1;
            let _infallible = write!(
                text,
                "{{\"uuid\":\"{number:032x}\",\"event\":\"e\",\"distinct_id\":\"d\",\"token\":\"t\",\"timestamp\":\"2026-01-01T00:00:00Z\",\
                 \"properties\":{{\"$lib\":\"web\",\"attempt\":{number},\"$os\":\"Linux\"}}}}"
            );
        });
    }

    /// Pairs of events whose duplicate has a property of a name that was never seen.
    fn many_names(&self, names: u64) {
        println!("{names} names of properties, each seen once:");
        let mut number = 0_u64;
        self.long_run(names.saturating_mul(2), |text| {
            let (pair, second) = (number / 2, number % 2 == 1);
            number += 1;
            let extra = if second { format!(",\"name{pair}\":1") } else { String::new() };
            let _infallible = write!(
                text,
                "{{\"uuid\":\"u\",\"event\":\"e\",\"distinct_id\":\"{pair}\",\"token\":\"t\",\"timestamp\":\"2026-01-01T00:00:00Z\",\
                 \"properties\":{{\"$lib\":\"web\"{extra}}}}}"
            );
        });
    }

    /// A scored run, part by part: neither time nor memory may grow.
    fn long_run(&self, events: u64, mut make: impl FnMut(&mut String)) {
        let mut run = self.start(Mode::Scored);
        let mut text = String::new();
        let part = (events / PARTS).max(1);
        for number in 1..=PARTS {
            let before = run.processed;
            run.take(part, |payload| {
                text.clear();
                make(&mut text);
                payload.extend_from_slice(text.as_bytes());
            });
            if number == 1 || number == PARTS / 2 || number == PARTS {
                println!(
                    "  after {:>10} events: {:>5.0} ns an event in the last {part}, {:>5} MiB resident, {} series of properties",
                    part * number,
                    (run.processed - before).as_nanos() as f64 / part as f64,
                    resident_mib(),
                    run.series()
                );
            }
        }
    }

    fn start(&self, mode: Mode) -> Run {
        let dir = tempfile::tempdir().expect("a directory");
        let store = scene::open(dir.path(), |options| {
            if mode != Mode::Off {
                // As a host with one partition.
                let mut originals = OriginalsOptions::new(OriginalsWriter::start().expect("a thread"));
                originals.originals_memory_bytes_max = 256 << 20;
                options.originals = Some(originals);
            }
        });
        let plugins: Plugins = scene::plugins(&self.runtime, (mode == Mode::Scored).then_some("property_similarity"));
        let source = TopicPartition { topic: "bench".to_owned(), partition: 0 };
        let rules = Arc::new(scene::rules(mode != Mode::Off));
        Run {
            line: Line::new(source, rules, &plugins, store).expect("a line"),
            insights: Insights::new(false),
            processed: Duration::ZERO,
            busy: Duration::ZERO,
            times: StageTimes::default(),
            next_offset: 0,
            batches: 0,
            spare: Vec::new(),
            _dir: dir,
        }
    }
}

impl Run {
    fn take(&mut self, events: u64, mut make: impl FnMut(&mut Vec<u8>)) {
        let (mut payload, mut sink) = (Vec::new(), Nowhere::default());
        let mut left = events;
        while left > 0 {
            let mut batch = self.spare.pop().unwrap_or_default();
            while batch.len() < BATCH_RECORDS && left > 0 {
                payload.clear();
                make(&mut payload);
                left -= 1;
                let (offset, payload) = (self.next_offset, payload.as_slice());
                batch.push(NewRecord { offset, timestamp: Some(DAY_MS), key: None, payload: Some(payload) });
                self.next_offset += 1;
            }
            let batch = Arc::new(batch);
            let (start, busy) = (Instant::now(), processor_time());
            self.line.process(&batch, 0, &mut sink).expect("processed");
            self.batches += 1;
            if self.batches.is_multiple_of(BATCHES_PER_COMMIT) {
                self.commit();
            }
            self.processed += start.elapsed();
            self.busy += processor_time().saturating_sub(busy);
            self.spare.extend(Arc::into_inner(batch));
            self.spare.extend(std::iter::from_fn(|| self.line.store().take_released_batch()));
            self.spare.iter_mut().for_each(RecordBatch::clear);
        }
        self.times = self.line.take_costs().0;
    }

    fn commit(&mut self) {
        let (_, findings) = self.line.commit(self.next_offset, Vec::new());
        self.insights.merge(findings, 0);
        if self.line.store().should_persist() {
            self.line.store().persist().expect("persisted");
        }
    }

    /// Nanoseconds an event by the clock and of the thread's processor, all that was begun included.
    fn finish(mut self, events: u64) -> (f64, f64) {
        let (start, busy) = (Instant::now(), processor_time());
        self.commit();
        self.line.store().persist().expect("persisted");
        let each = |time: Duration| time.as_nanos() as f64 / events as f64;
        (each(self.processed + start.elapsed()), each(self.busy + processor_time().saturating_sub(busy)))
    }

    fn series(&self) -> usize {
        self.insights.duplicates(0).properties.len()
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Processor time of this thread by Linux' count, which holds on a machine that does other things too; 0 elsewhere.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// Memory of the process by the system's count; 0 where it does not say.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1_024
}
