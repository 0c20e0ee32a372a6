//! Latency from topic to topic: events come in at a constant rate, and each is timed from the moment it should have been sent
//! to the moment a stock client reads it from the host's output, against a client that reads the input itself in the same
//! run. For both kinds of delivery. A run whose output is not right to the last event ends the benchmark. Not throughput at
//! full load: that is in `kafka`, which takes the same `HOST_ARGS`.
//!
//! An event's time is the generator's plan, not when it got round to sending: where something stalls, all events that
//! should have been sent meanwhile count with their whole delay (no coordinated omission). Generator, reader of the input and
//! reader of the output are threads of this process, so there is one clock. Events of the first seconds are not counted.
//!
//! From the environment, each with a default: `RATE` (events a second), `LATENCY_SECONDS`, `ROUNDS`, `PARTITIONS` (the first
//! number), and `HOST_ARGS` (further arguments of the host).

#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "a benchmark prints, and stops where it is wrong")]
#![expect(clippy::expect_used, clippy::cast_precision_loss, reason = "as above; and its figures are rounded anyway")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dedup_host_tests::broker::{Broker, hosts, send};
use dedup_host_tests::program::{Running, free_port, get, plugin};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// Before the plan starts so many events go all the way, so that connections are made and code is compiled.
const WARM_UP_EVENTS: usize = 2_000;

/// Events of the first seconds find what else is cold.
const WARM_UP_SECONDS: usize = 4;

/// What has not come out by then is lost or stuck.
const LATE_MAX: Duration = Duration::from_secs(60);

/// Size of an event in bytes, as those that `generate` makes on average.
const EVENT_BYTES: usize = 427;

/// Digits of an event's number, which are the first thing in it.
const DIGITS: usize = 12;

/// Time between two looks of the generator at what is due.
const TICK: Duration = Duration::from_micros(500);

/// Of the producer that plays the world: it does not gather long, and the host is not charged for it.
const PRODUCER_LINGER_MS: &str = "1";

fn main() {
    if hosts().is_none() {
        println!("######## NOT RUN: latency (KAFKA_HOSTS is not set) ########");
        std::process::exit(1);
    }
    let (rate, seconds) = (number("RATE", 20_000), number("LATENCY_SECONDS", 16));
    let (rounds, partitions) = (number("ROUNDS", 3), number("PARTITIONS", 4));
    let host_args: Vec<String> = words("HOST_ARGS");
    println!(
        "latency: {rate} events/s for {seconds} s, {partitions} partitions, {rounds} rounds; arguments of the host: {host_args:?}"
    );
    println!("ms from when an event should have been sent; \"times\" is the host's figure against the direct read's\n");
    println!("{:>5} {:<14} {:<12} {:>8} {:>8} {:>8} {:>8}", "round", "delivery", "what", "p50", "p95", "p99", "max");
    let plan = Plan { rate, events: rate * seconds };
    for round in 1..=rounds {
        for delivery in ["at-least-once", "exactly-once"] {
            let run =
                Run { plan, delivery, partitions: i32::try_from(partitions).expect("few"), host_args: &host_args };
            run.measure().print(round, delivery);
        }
    }
}

fn words(name: &str) -> Vec<String> {
    let text = std::env::var(name).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn number(name: &str, default: usize) -> usize {
    let word = words(name).into_iter().next();
    word.map_or(default, |word| word.parse().unwrap_or_else(|_| panic!("{name}: cannot read {word:?}")))
}

/// When each event is to be sent.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Events a second.
    rate: usize,
    events: usize,
}

impl Plan {
    /// The time of an event after the start.
    fn due(self, event: usize) -> Duration {
        Duration::from_secs_f64(event as f64 / self.rate as f64)
    }

    /// The first event that counts.
    fn first_counted(self) -> usize {
        (WARM_UP_SECONDS * self.rate).min(self.events / 2)
    }
}

/// An event that nobody has seen before, of the usual size.
fn event(number: usize) -> String {
    let (seconds, millis) = (number / 1_000 % 60, number % 1_000);
    let start = format!(
        "{{\"n\":\"{number:0DIGITS$}\",\"uuid\":\"01936f4e-0000-7000-8000-{number:012x}\",\"event\":\"page_view\",\
         \"distinct_id\":\"user-{number}\",\"token\":\"latency\",\"timestamp\":\"2026-01-01T12:00:{seconds:02}.{millis:03}Z\",\
         \"properties\":{{\"$current_url\":\"https://example.com/{number}\",\"filler\":\""
    );
    let filler = EVENT_BYTES.saturating_sub(start.len() + 3);
    format!("{start}{}\"}}}}", "x".repeat(filler))
}

/// The number of an event.
fn number_of(payload: &[u8]) -> usize {
    let start = "{\"n\":\"".len();
    let digits = std::str::from_utf8(&payload[start..start + DIGITS]).expect("digits");
    digits.parse().expect("a number")
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
            let behind = self.generate(&broker, &topics[0], start, ready);
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

    /// Sends each event as soon as it is due. Returns how far behind the plan each was sent.
    fn generate(&self, broker: &Broker, topic: &str, start: &OnceLock<Instant>, ready: &AtomicUsize) -> Figures {
        let producer = broker.producer(&[
            ("linger.ms", PRODUCER_LINGER_MS),
            ("compression.codec", "snappy"),
            // Few requests under way, as with any producer of today: without that bound a broker that is slow for a moment
            // gets ever more and ever smaller batches, and does not catch up.
            ("enable.idempotence", "true"),
        ]);
        let mut behind = Vec::with_capacity(self.plan.events);
        let partitions = usize::try_from(self.partitions).expect("not negative");
        // Within a millisecond to one partition, as the usual partitioner does it with events without a key.
        let a_millisecond = self.plan.rate.div_ceil(1_000);
        let send_event = |number: usize| {
            let partition = i32::try_from(number / a_millisecond % partitions).expect("few");
            let payload = event(number);
            send(&producer, BaseRecord::<[u8], [u8]>::to(topic).partition(partition).payload(payload.as_bytes()));
        };
        (self.plan.events..self.plan.events + WARM_UP_EVENTS).for_each(send_event);
        let deadline = Instant::now() + LATE_MAX;
        while ready.load(Ordering::Acquire) < 2 {
            assert!(Instant::now() < deadline, "the first events do not come out");
            producer.poll(TICK);
        }
        let start = *start.get_or_init(|| Instant::now() + Duration::from_millis(100));
        for number in 0..self.plan.events {
            let due = start + self.plan.due(number);
            while Instant::now() < due {
                producer.poll(Duration::ZERO);
                std::thread::sleep(TICK.min(due.saturating_duration_since(Instant::now())));
            }
            send_event(number);
            if number >= self.plan.first_counted() {
                behind.push(due.elapsed());
            }
        }
        producer.flush(LATE_MAX).expect("all delivered");
        Figures::of(behind)
    }
}

fn wait_ready(host: &mut Running, port: u16) {
    let deadline = Instant::now() + LATE_MAX;
    while !matches!(get(port, "/_readiness"), Some((200, _))) {
        assert!(host.is_running() && Instant::now() < deadline, "the host is never ready:\n{}", host.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A stock client that reads a topic.
struct Reader {
    consumer: BaseConsumer,
    plan: Plan,
}

impl Reader {
    fn of(broker: &Broker, topic: &str, partitions: i32, plan: Plan) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &broker.hosts)
            .set("group.id", broker.name("reader"))
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("fetch.queue.backoff.ms", "5")
            .create()
            .expect("a consumer");
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
        }
        consumer.assign(&list).expect("assigned");
        Self { consumer, plan }
    }

    /// Reads until every event was seen; `ready` is counted up when those of the warm-up were.
    fn read(self, start: &OnceLock<Instant>, ready: &AtomicUsize) -> Read {
        let mut seen = vec![false; self.plan.events + WARM_UP_EVENTS];
        let (mut latencies, mut left, mut repeated) = (Vec::with_capacity(self.plan.events), seen.len(), 0);
        let deadline = Instant::now() + self.plan.due(self.plan.events) + 2 * LATE_MAX;
        while left > 0 {
            assert!(Instant::now() < deadline, "{left} of {} events did not come out", self.plan.events);
            let Some(message) = self.consumer.poll(Duration::from_millis(100)) else { continue };
            let number = number_of(message.expect("a message").payload().expect("a payload"));
            if std::mem::replace(&mut seen[number], true) {
                repeated += 1;
                continue;
            }
            left -= 1;
            if left == self.plan.events {
                ready.fetch_add(1, Ordering::Release);
            }
            if (self.plan.first_counted()..self.plan.events).contains(&number) {
                let start = *start.get().expect("the plan has started");
                latencies.push((start + self.plan.due(number)).elapsed());
            }
        }
        Read { figures: Figures::of(latencies), repeated }
    }
}

/// What a reader saw.
struct Read {
    figures: Figures,
    /// Events that came again.
    repeated: usize,
}

/// Quantiles in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Figures([f64; 4]);

impl Figures {
    fn of(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        let at = |share: usize| latencies[(latencies.len() - 1) * share / 1_000].as_secs_f64() * 1e3;
        Self([500, 950, 990, 1_000].map(at))
    }
}

struct Measured {
    /// The generator behind its plan: where this is much, the machine is too busy to measure anything.
    behind: Figures,
    direct: Read,
    host: Read,
}

impl Measured {
    fn print(&self, round: usize, delivery: &str) {
        let line = |what: &str, figures: [String; 4]| {
            let [p50, p95, p99, max] = figures;
            println!("{round:>5} {delivery:<14} {what:<12} {p50:>8} {p95:>8} {p99:>8} {max:>8}");
        };
        let (host, direct) = (self.host.figures.0, self.direct.figures.0);
        let millis = |figures: [f64; 4]| figures.map(|figure| format!("{figure:.1}"));
        line("sent behind", millis(self.behind.0));
        line("direct read", millis(direct));
        line("dedup-host", millis(host));
        line("times", [0, 1, 2, 3].map(|at| format!("{:.1}", host[at] / direct[at])));
    }
}
