//! Latency from topic to topic: events come in at a constant rate, and each is timed from the moment it should have been sent
//! to the moment a stock client reads it from the host's output, against a client that reads the input itself in the same
//! run. For both kinds of delivery. A run whose output is not right to the last event ends the benchmark. Not throughput at
//! full load: that is in `kafka`, which takes the same `HOST_ARGS`.
//!
//! Events of the first seconds are not counted.
//!
//! From the environment, each with a default: `RATE` (events a second), `LATENCY_SECONDS`, `ROUNDS`, `PARTITIONS` (the first
//! number), `HOST_ARGS` (further arguments of the host), and `BASELINE_ARGS` (arguments of a second host in their place, which
//! takes its turn in every round).

#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "a benchmark prints, and stops where it is wrong")]
#![expect(clippy::expect_used, clippy::cast_precision_loss, reason = "as above; and its figures are rounded anyway")]

mod paced;

use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;

use dedup_host_tests::broker::{Broker, hosts};
use dedup_host_tests::program::{Running, free_port, plugin};

use paced::{Figures, LATE_MAX, Plan, Read, Reader, number, wait_ready, words};

fn main() {
    if hosts().is_none() {
        println!("######## NOT RUN: latency (KAFKA_HOSTS is not set) ########");
        std::process::exit(1);
    }
    let (rate, seconds) = (number("RATE", 20_000), number("LATENCY_SECONDS", 16));
    let (rounds, partitions) = (number("ROUNDS", 3), number("PARTITIONS", 4));
    let mut hosts = vec![("dedup-host", words("HOST_ARGS"))];
    hosts.extend(std::env::var_os("BASELINE_ARGS").map(|_| ("baseline", words("BASELINE_ARGS"))));
    println!(
        "latency: {rate} events/s for {seconds} s, {partitions} partitions, {rounds} rounds; arguments: {hosts:?}"
    );
    println!("ms from when an event should have been sent; \"times\" is the host's figure against the direct read's\n");
    println!("{:>5} {:<14} {:<12} {:>8} {:>8} {:>8} {:>8}", "round", "delivery", "what", "p50", "p95", "p99", "max");
    let plan = Plan { rate, events: rate * seconds };
    for round in 1..=rounds {
        for delivery in ["at-least-once", "exactly-once"] {
            for turn in 0..hosts.len() {
                // Each goes first as often as the other.
                let (name, host_args) = &hosts[(turn + round) % hosts.len()];
                let run = Run { plan, delivery, partitions: i32::try_from(partitions).expect("few"), host_args };
                run.measure().print(round, delivery, name);
            }
        }
    }
}

/// One host, one delivery.
struct Run<'a> {
    plan: Plan,
    delivery: &'a str,
    partitions: i32,
    host_args: &'a [String],
}

impl Run<'_> {
    fn measure(&self) -> Measured {
        let broker = Broker::connect("latency");
        let topics = ["input", "output"].map(|name| broker.topic(name, self.partitions, &[]));
        let store = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let mut host = Running::start(self.host_arguments(&broker, &topics, store.path(), port));
        wait_ready(&mut host, port);
        let [direct, output] =
            [&topics[0], &topics[1]].map(|topic| Reader::of(&broker, topic, self.partitions, self.plan));
        let (ready, start) = (&AtomicUsize::new(0), &OnceLock::new());
        let measured = std::thread::scope(|scope| {
            let readers = [direct, output].map(|reader| scope.spawn(move || reader.read(start, ready)));
            let behind = self.plan.generate(&broker, (&topics[0], self.partitions), start, (ready, 2));
            let [direct, host] = readers.map(|reader| reader.join().expect("read to the end"));
            Measured { behind, direct, host }
        });
        assert!(host.is_running(), "the host has ended:\n{}", host.stderr());
        let repeated = measured.host.repeated;
        assert!(repeated == 0 || self.delivery == "at-least-once", "{repeated} events came out more than once");
        let _ended = host.stop(LATE_MAX).ok();
        topics.iter().for_each(|topic| broker.delete_topic(topic));
        measured
    }

    fn host_arguments(&self, broker: &Broker, topics: &[String; 2], store: &std::path::Path, port: u16) -> Vec<String> {
        let plugin = plugin("composite_key").display().to_string();
        let (group, port, store) = (broker.name("group"), port.to_string(), store.display().to_string());
        let checkpoints = format!("{store}/checkpoints");
        let mut arguments = vec![
            ("--plugin", plugin.as_str()),
            ("--kafka-hosts", &broker.hosts),
            ("--kafka-consumer-topic", &topics[0]),
            ("--kafka-consumer-group", &group),
            ("--output-topic", &topics[1]),
            ("--delivery", self.delivery),
            ("--store-path", &store),
            ("--local-checkpoint-dir", &checkpoints),
            ("--bind-host", "127.0.0.1"),
            ("--bind-port", &port),
        ];
        if self.delivery == "exactly-once" {
            arguments.push(("--transactional-id-prefix", &group));
        }
        let own = arguments.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value.to_owned()]);
        own.chain(self.host_args.iter().cloned()).collect()
    }
}

struct Measured {
    /// The generator behind its plan: where this is much, the machine is too busy to measure anything.
    behind: Figures,
    direct: Read,
    host: Read,
}

impl Measured {
    fn print(&self, round: usize, delivery: &str, name: &str) {
        let line = |what: &str, figures: [String; 4]| {
            let [p50, p95, p99, max] = figures;
            println!("{round:>5} {delivery:<14} {what:<12} {p50:>8} {p95:>8} {p99:>8} {max:>8}");
        };
        let [host, direct] = [&self.host, &self.direct].map(|read| Figures::of(read.of(0..usize::MAX)).0);
        let millis = |figures: [f64; 4]| figures.map(|figure| format!("{figure:.1}"));
        line("sent behind", millis(self.behind.0));
        line("direct read", millis(direct));
        line(name, millis(host));
        line("times", [0, 1, 2, 3].map(|at| format!("{:.1}", host[at] / direct[at])));
    }
}
