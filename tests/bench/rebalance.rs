//! How long events wait while partitions move: under a constant rate, exactly once, a second host joins and leaves in good
//! order; then a third joins and is killed. A run whose output is not right to the last event ends the benchmark.
//!
//! From the environment, each with a default: `RATE` (events a second), `ROUNDS`, and `HOST_ARGS` (further arguments of the
//! hosts).

#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "a benchmark prints, and stops where it is wrong")]
#![expect(clippy::expect_used, clippy::cast_precision_loss, reason = "as above; and its figures are rounded anyway")]

mod paced;

use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use dedup_host_tests::broker::{Broker, hosts};
use dedup_host_tests::program::{Running, free_port, plugin};

use paced::{Figures, LATE_MAX, Plan, Read, Reader, number, wait_ready, words};

const PARTITIONS: i32 = 8;

/// What happens from which second of the plan on.
const PHASES: [(&str, usize); 5] =
    [("one host runs", 4), ("another joins", 6), ("it leaves", 16), ("one joins again", 24), ("it is killed", 34)];
const ENDS: usize = 54;

/// An event that comes out so much later than it should have been sent was held up.
const HELD_UP: Duration = Duration::from_millis(200);

fn main() {
    if hosts().is_none() {
        println!("######## NOT RUN: rebalance (KAFKA_HOSTS is not set) ########");
        std::process::exit(1);
    }
    let (rate, rounds, host_args) = (number("RATE", 5_000), number("ROUNDS", 3), words("HOST_ARGS"));
    println!(
        "rebalance: {rate} events/s, {PARTITIONS} partitions, {rounds} rounds; arguments of the hosts: {host_args:?}"
    );
    println!("ms from when an event should have been sent, and the share of events that took over {HELD_UP:?}\n");
    println!("{:>5} {:<16} {:>8} {:>8} {:>8} {:>8} {:>9}", "round", "while", "p50", "p95", "p99", "max", "held up");
    for round in 1..=rounds {
        let read = Run { plan: Plan { rate, events: rate * ENDS }, host_args: &host_args }.measure();
        for (phase, (what, from)) in PHASES.into_iter().enumerate() {
            let until = PHASES.get(phase + 1).map_or(ENDS, |(_, from)| *from);
            print(round, what, &read, from * rate..until * rate);
        }
    }
}

fn print(round: usize, what: &str, read: &Read, events: Range<usize>) {
    let latencies = read.of(events);
    let held_up = latencies.iter().filter(|latency| **latency > HELD_UP).count() as f64 / latencies.len() as f64;
    let [p50, p95, p99, max] = Figures::of(latencies).0;
    println!("{round:>5} {what:<16} {p50:>8.1} {p95:>8.1} {p99:>8.1} {max:>8.1} {:>7.1} %", held_up * 100.0);
}

struct Run<'a> {
    plan: Plan,
    host_args: &'a [String],
}

impl Run<'_> {
    fn measure(&self) -> Read {
        let broker = Broker::connect("rebalance");
        let topics = ["input", "output"].map(|name| broker.topic(name, PARTITIONS, &[]));
        let group = broker.name("group");
        let disk = tempfile::tempdir().expect("a directory");
        let start_host = |member: &str| {
            let port = free_port();
            (Running::start(self.arguments(&broker, &topics, (&group, member), disk.path(), port)), port)
        };
        let (mut first, port) = start_host("first");
        wait_ready(&mut first, port);
        let reader = Reader::of(&broker, &topics[1], PARTITIONS, self.plan);
        let (ready, start) = (&AtomicUsize::new(0), &OnceLock::new());
        let read = std::thread::scope(|scope| {
            let reading = scope.spawn(move || reader.read(start, ready));
            let (broker, input) = (&broker, &topics[0]);
            let sending = scope.spawn(move || self.plan.generate(broker, (input, PARTITIONS), start, (ready, 1)));
            let begun = loop {
                if let Some(start) = start.get() {
                    break *start;
                }
                std::thread::sleep(Duration::from_millis(1));
            };
            let [_, (_, joins), (_, leaves), (_, joins_again), (_, is_killed)] = PHASES;
            let join = |member: &str, at: usize| {
                wait_until(begun, at);
                let (mut host, port) = start_host(member);
                wait_ready(&mut host, port);
                host
            };
            let second = join("second", joins);
            wait_until(begun, leaves);
            let _ended = second.stop(LATE_MAX).ok();
            let third = join("third", joins_again);
            wait_until(begun, is_killed);
            let _log = third.kill();
            sending.join().expect("sent to the end");
            reading.join().expect("read to the end")
        });
        assert!(first.is_running(), "the first host has ended:\n{}", first.stderr());
        assert_eq!(read.repeated, 0, "events that came out more than once");
        let _ended = first.stop(LATE_MAX).ok();
        topics.iter().for_each(|topic| broker.delete_topic(topic));
        read
    }

    fn arguments(
        &self,
        broker: &Broker,
        topics: &[String; 2],
        (group, member): (&str, &str),
        disk: &Path,
        port: u16,
    ) -> Vec<String> {
        let plugin = plugin("composite_key").display().to_string();
        let store = disk.join(member).display().to_string();
        let checkpoints = disk.join("checkpoints").display().to_string();
        let (id, port) = (format!("{group}-{member}"), port.to_string());
        let arguments = [
            ("--plugin", plugin.as_str()),
            ("--kafka-hosts", &broker.hosts),
            ("--kafka-consumer-topic", &topics[0]),
            ("--kafka-consumer-group", group),
            ("--transactional-id-prefix", &id),
            ("--output-topic", &topics[1]),
            ("--store-path", &store),
            ("--local-checkpoint-dir", &checkpoints),
            ("--bind-host", "127.0.0.1"),
            ("--bind-port", &port),
        ];
        let own = arguments.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value.to_owned()]);
        own.chain(self.host_args.iter().cloned()).collect()
    }
}

fn wait_until(begun: Instant, seconds: usize) {
    let at = begun + Duration::from_secs(seconds as u64);
    std::thread::sleep(at.saturating_duration_since(Instant::now()));
}
