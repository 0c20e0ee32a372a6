//! Events that come in at a constant rate, and how long after its time each is read: what the benchmarks of latency have in
//! common. Not what is between the topics.
//!
//! An event's time is the plan, not when the generator got round to sending: where something stalls, all events that should
//! have been sent meanwhile count with their whole delay (no coordinated omission). Generator and readers are threads of one
//! process, so there is one clock.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dedup_host_tests::broker::{Broker, send};
use dedup_host_tests::program::{Running, get};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// Before the plan starts so many events go all the way, so that connections are made and code is compiled.
pub(crate) const WARM_UP_EVENTS: usize = 2_000;

/// Events of the first seconds find what else is cold.
pub(crate) const WARM_UP_SECONDS: usize = 4;

/// What has not come out by then is lost or stuck.
pub(crate) const LATE_MAX: Duration = Duration::from_secs(60);

/// Size of an event in bytes, as those that `generate` makes on average.
pub(crate) const EVENT_BYTES: usize = 427;

/// Digits of an event's number, which are the first thing in it.
pub(crate) const DIGITS: usize = 12;

/// Time between two looks of the generator at what is due.
pub(crate) const TICK: Duration = Duration::from_micros(500);

/// Of the producer that plays the world: it does not gather long, and the host is not charged for it.
pub(crate) const PRODUCER_LINGER_MS: &str = "1";

pub(crate) fn words(name: &str) -> Vec<String> {
    let text = std::env::var(name).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

pub(crate) fn number(name: &str, default: usize) -> usize {
    let word = words(name).into_iter().next();
    word.map_or(default, |word| word.parse().unwrap_or_else(|_| panic!("{name}: cannot read {word:?}")))
}

/// When each event is to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Events a second.
    pub(crate) rate: usize,
    pub(crate) events: usize,
}

impl Plan {
    /// The time of an event after the start.
    pub(crate) fn due(self, event: usize) -> Duration {
        Duration::from_secs_f64(event as f64 / self.rate as f64)
    }

    /// The first event that counts.
    pub(crate) fn first_counted(self) -> usize {
        (WARM_UP_SECONDS * self.rate).min(self.events / 2)
    }

    /// Sends each event as soon as it is due, once so many readers have seen those of the warm-up. Returns how far behind the
    /// plan each was sent.
    pub(crate) fn generate(
        self,
        broker: &Broker,
        (topic, partitions): (&str, i32),
        start: &OnceLock<Instant>,
        (ready, readers): (&AtomicUsize, usize),
    ) -> Figures {
        let producer = broker.producer(&[
            ("linger.ms", PRODUCER_LINGER_MS),
            ("compression.codec", "snappy"),
            // Few requests under way, as with any producer of today: without that bound a broker that is slow for a moment
            // gets ever more and ever smaller batches, and does not catch up.
            ("enable.idempotence", "true"),
        ]);
        let mut behind = Vec::with_capacity(self.events);
        let partitions = usize::try_from(partitions).expect("not negative");
        // Within a millisecond to one partition, as the usual partitioner does it with events without a key.
        let a_millisecond = self.rate.div_ceil(1_000);
        let send_event = |number: usize| {
            let partition = i32::try_from(number / a_millisecond % partitions).expect("few");
            let payload = event(number);
            send(&producer, BaseRecord::<[u8], [u8]>::to(topic).partition(partition).payload(payload.as_bytes()));
        };
        (self.events..self.events + WARM_UP_EVENTS).for_each(send_event);
        let deadline = Instant::now() + LATE_MAX;
        while ready.load(Ordering::Acquire) < readers {
            assert!(Instant::now() < deadline, "the first events do not come out");
            producer.poll(TICK);
        }
        let start = *start.get_or_init(|| Instant::now() + Duration::from_millis(100));
        for number in 0..self.events {
            let due = start + self.due(number);
            while Instant::now() < due {
                producer.poll(Duration::ZERO);
                std::thread::sleep(TICK.min(due.saturating_duration_since(Instant::now())));
            }
            send_event(number);
            if number >= self.first_counted() {
                behind.push(due.elapsed());
            }
        }
        producer.flush(LATE_MAX).expect("all delivered");
        Figures::of(behind)
    }
}

/// An event that nobody has seen before, of the usual size.
pub(crate) fn event(number: usize) -> String {
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
pub(crate) fn number_of(payload: &[u8]) -> usize {
    let start = "{\"n\":\"".len();
    let digits = std::str::from_utf8(&payload[start..start + DIGITS]).expect("digits");
    digits.parse().expect("a number")
}

pub(crate) fn wait_ready(host: &mut Running, port: u16) {
    let deadline = Instant::now() + LATE_MAX;
    while !matches!(get(port, "/_readiness"), Some((200, _))) {
        assert!(host.is_running() && Instant::now() < deadline, "the host is never ready:\n{}", host.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A stock client that reads a topic.
pub(crate) struct Reader {
    consumer: BaseConsumer,
    plan: Plan,
}

impl Reader {
    pub(crate) fn of(broker: &Broker, topic: &str, partitions: i32, plan: Plan) -> Self {
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
    pub(crate) fn read(self, start: &OnceLock<Instant>, ready: &AtomicUsize) -> Read {
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
                latencies.push((number, (start + self.plan.due(number)).elapsed()));
            }
        }
        Read { latencies, repeated }
    }
}

/// What a reader saw.
pub(crate) struct Read {
    /// Of each event that counts, by its number.
    pub(crate) latencies: Vec<(usize, Duration)>,
    /// Events that came again.
    pub(crate) repeated: usize,
}

impl Read {
    /// Of the events with these numbers, as far as they count.
    pub(crate) fn of(&self, events: Range<usize>) -> Vec<Duration> {
        self.latencies.iter().filter(|(number, _)| events.contains(number)).map(|(_, latency)| *latency).collect()
    }
}

/// Quantiles in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures(pub(crate) [f64; 4]);

impl Figures {
    pub(crate) fn of(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        let at = |share: usize| latencies[(latencies.len() - 1) * share / 1_000].as_secs_f64() * 1e3;
        Self([500, 950, 990, 1_000].map(at))
    }
}
