//! A real broker, reached at `KAFKA_HOSTS`, through stock clients.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

/// The bootstrap servers, if there are any.
#[must_use]
pub fn hosts() -> Option<String> {
    std::env::var("KAFKA_HOSTS").ok().filter(|hosts| !hosts.is_empty())
}

/// Headers in their order; `None` is a null value, which is not an empty one.
pub type Headers = Vec<(String, Option<Vec<u8>>)>;

/// A record as a stock client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its payload.
    pub payload: Option<Vec<u8>>,
    /// Its time in milliseconds.
    pub timestamp: Option<i64>,
    /// Its headers.
    pub headers: Headers,
}

impl Seen {
    /// The payload as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.payload.as_deref().unwrap_or_default()).into_owned()
    }

    /// A header's value as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned())
    }

    /// All that must arrive as it left: everything but the place and the key.
    #[must_use]
    pub fn content(&self) -> (Option<&[u8]>, Option<i64>, &Headers) {
        (self.payload.as_deref(), self.timestamp, &self.headers)
    }
}

/// A record to be produced: to partition 0, with this payload and nothing else, until told otherwise.
#[must_use]
pub fn record(payload: impl Into<Vec<u8>>) -> Seen {
    Seen { partition: 0, offset: 0, key: None, payload: Some(payload.into()), timestamp: None, headers: Vec::new() }
}

/// A connection to the broker for one test.
pub struct Broker {
    /// Bootstrap servers.
    pub hosts: String,
    name: String,
    admin: AdminClient<DefaultClientContext>,
}

static TOPICS: AtomicU32 = AtomicU32::new(0);

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A broker that was killed has come back by then, on a machine that has much else to do.
const RESTART_MAX: Duration = Duration::from_secs(90);

/// An abandoned transaction ends after its time-out, 15 s unless a test says less, and the broker looks every 10 s.
const STABLE_WAIT_MAX: Duration = Duration::from_secs(60);

impl Broker {
    /// Connects to the broker of the suite; `name` becomes part of the names of topics and groups.
    #[must_use]
    pub fn connect(name: &str) -> Self {
        Self::connect_to(&hosts().expect("a broker: the suite must fail without one"), name)
    }

    /// Connects to another broker.
    #[must_use]
    pub fn connect_to(hosts: &str, name: &str) -> Self {
        let admin = ClientConfig::new().set("bootstrap.servers", hosts).create().expect("an admin client");
        let name = format!("{name}-{}-{}", std::process::id(), TOPICS.fetch_add(1, Ordering::Relaxed));
        Self { hosts: hosts.to_owned(), name, admin }
    }

    /// A name of this test's own, for topics, groups and transactional ids.
    #[must_use]
    pub fn name(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name)
    }

    /// Creates a topic; `config` are pairs such as `("cleanup.policy", "compact")`.
    #[must_use]
    pub fn topic(&self, suffix: &str, partitions: i32, config: &[(&str, &str)]) -> String {
        let name = self.name(suffix);
        let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        for (key, value) in config {
            topic = topic.set(key, value);
        }
        let created = block_on(self.admin.create_topics([&topic], &AdminOptions::new())).expect("an answer");
        assert!(created.iter().all(Result::is_ok), "topic {name}: {created:?}");
        self.wait_known(&name, usize::try_from(partitions).expect("some"));
        name
    }

    /// The controller has a topic before the broker answers for it, which under load takes seconds: a host that starts
    /// meanwhile would rightly say that there is none.
    fn wait_known(&self, name: &str, partitions: usize) {
        let deadline = Instant::now() + RESTART_MAX;
        let is_known = || {
            let metadata = self.admin.inner().fetch_metadata(Some(name), REQUEST_TIMEOUT);
            metadata.is_ok_and(|metadata| {
                metadata.topics().iter().any(|topic| {
                    topic.error().is_none()
                        && topic.partitions().len() == partitions
                        && topic.partitions().iter().all(|partition| partition.leader() >= 0)
                })
            })
        };
        while !is_known() {
            assert!(Instant::now() < deadline, "topic {name}: the broker does not answer for it");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Gives a topic more partitions, `partitions` in all.
    pub fn add_partitions(&self, name: &str, partitions: usize) {
        let more = [NewPartitions::new(name, partitions)];
        let added = block_on(self.admin.create_partitions(&more, &AdminOptions::new())).expect("an answer");
        assert!(added.iter().all(Result::is_ok), "topic {name}: {added:?}");
    }

    /// Changes a setting of a topic; all others that were set are as by default again.
    pub fn set(&self, topic: &str, name: &str, value: &str) {
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
        let changed = block_on(self.admin.alter_configs([&change], &AdminOptions::new())).expect("an answer");
        assert!(changed.iter().all(Result::is_ok), "topic {topic}: {changed:?}");
        // The controller has it before the broker goes by it.
        std::thread::sleep(Duration::from_secs(1));
    }

    /// Changes a byte of what the broker has on its disk of partition 0 of a topic, as a disk that fails does: the first one
    /// after `text`, which has to be there once. Only for a broker on this machine.
    pub fn damage(&self, topic: &str, text: &str) {
        let asked = [ResourceSpecifier::Broker(1)];
        let answer = block_on(self.admin.describe_configs(&asked, &AdminOptions::new())).expect("an answer");
        let broker = answer.into_iter().next().expect("one broker").expect("its settings");
        let dirs = broker.get("log.dirs").and_then(|entry| entry.value.clone()).expect("a directory");
        let path = std::path::Path::new(&dirs).join(format!("{topic}-0")).join("00000000000000000000.log");
        let log = std::fs::read(&path).expect("the broker is on this machine");
        let found = log.windows(text.len()).position(|window| window == text.as_bytes()).expect("it is there");
        let at = found + text.len();
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the log");
        std::os::unix::fs::FileExt::write_all_at(&file, &[log[at] ^ 1], at as u64).expect("written");
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, name: &str) {
        let deleted = block_on(self.admin.delete_topics(&[name], &AdminOptions::new())).expect("an answer");
        assert!(deleted.iter().all(Result::is_ok), "topic {name}: {deleted:?}");
    }

    /// A producer with further settings.
    #[must_use]
    pub fn producer(&self, settings: &[(&str, &str)]) -> BaseProducer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.hosts).set("linger.ms", "5").set("message.max.bytes", "20000000");
        for (name, value) in settings {
            config.set(*name, *value);
        }
        config.create().expect("a producer")
    }

    /// Produces payloads to partition 0 and waits for them.
    pub fn produce<P: AsRef<[u8]>>(&self, topic: &str, payloads: impl IntoIterator<Item = P>) {
        let producer = self.producer(&[]);
        for payload in payloads {
            send(&producer, BaseRecord::<[u8], [u8]>::to(topic).partition(0).payload(payload.as_ref()));
        }
        producer.flush(REQUEST_TIMEOUT).expect("all delivered");
    }

    /// Produces records as they are given, each to its partition; the broker chooses the offsets.
    pub fn produce_records(&self, topic: &str, records: &[Seen]) {
        let producer = self.producer(&[]);
        records.iter().for_each(|record| send_record(&producer, topic, record));
        producer.flush(REQUEST_TIMEOUT).expect("all delivered");
    }

    /// Everything in a topic, as a stock client in `read_committed` mode sees it, partition by partition in offset
    /// order. Waits for transactions that are still open.
    #[must_use]
    pub fn read_committed(&self, topic: &str) -> Vec<Seen> {
        let mut seen = Vec::new();
        self.for_each_committed(topic, |record| seen.push(record));
        seen.sort_by_key(|record| (record.partition, record.offset));
        seen
    }

    /// As [`Broker::read_committed`], for topics too large to be kept. The order holds within a partition only.
    pub fn for_each_committed(&self, topic: &str, each: impl FnMut(Seen)) {
        self.for_each_committed_from(topic, &[], each);
    }

    /// From an offset of each partition on; those without one are read from their beginning.
    pub fn for_each_committed_from(&self, topic: &str, from: &[i64], mut each: impl FnMut(Seen)) {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.hosts)
            .set("group.id", self.name("reader"))
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.message.max.bytes", "20000000")
            .set("check.crcs", "true")
            .create()
            .expect("a consumer");
        let metadata = patiently(|| consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT));
        let partitions: Vec<i32> = metadata.topics().iter().flat_map(|t| t.partitions()).map(|p| p.id()).collect();
        let mut list = TopicPartitionList::new();
        let mut open = std::collections::BTreeSet::new();
        for partition in partitions {
            let offset = usize::try_from(partition).ok().and_then(|index| from.get(index));
            let offset = offset.map_or(Offset::Beginning, |offset| Offset::Offset(*offset));
            list.add_partition_offset(topic, partition, offset).expect("an offset");
            open.insert(partition);
        }
        self.wait_stable(&consumer, topic, i32::try_from(open.len()).expect("few"));
        consumer.assign(&list).expect("assigned");
        let deadline = Instant::now() + Duration::from_secs(120);
        while !open.is_empty() {
            assert!(Instant::now() < deadline, "topic {topic} cannot be read to its end: {open:?}");
            match consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => each(take(&message)),
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
                Some(Err(error)) => panic!("reading {topic}: {error}"),
            }
        }
    }

    /// Waits until no transaction is open below what is the end now: the last stable offset, which is what a
    /// `read_committed` consumer is told as the end of the log, has reached it.
    fn wait_stable(&self, committed: &BaseConsumer, topic: &str, partitions: i32) {
        let deadline = Instant::now() + STABLE_WAIT_MAX;
        for (partition, end) in (0..).zip(self.ends(topic, partitions)) {
            let stable = || patiently(|| committed.fetch_watermarks(topic, partition, REQUEST_TIMEOUT)).1;
            while stable() < end {
                let at = stable();
                assert!(
                    Instant::now() < deadline,
                    "the stable end of {topic}[{partition}] stays at {at}, below {end}: a transaction does not end"
                );
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    /// Checks that the stable end of each of these topics comes to reach what is its end now. After any fault it must:
    /// a host that was killed leaves a transaction behind, and its time-out ends that. Topics that are not there, any
    /// more or at all, have no end.
    pub fn check_stable(&self, topics: &[String]) {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.hosts)
            .set("isolation.level", "read_committed")
            .create()
            .expect("a consumer");
        for topic in topics {
            let metadata = patiently(|| consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT));
            let partitions = metadata.topics().iter().filter(|found| found.error().is_none());
            let partitions = partitions.map(|found| found.partitions().len()).sum::<usize>();
            self.wait_stable(&consumer, topic, i32::try_from(partitions).expect("few"));
        }
    }

    /// The group's committed offset of each partition; one that an open transaction may still move counts as it was.
    #[must_use]
    pub fn committed(&self, group: &str, topic: &str, partitions: i32) -> Vec<Option<i64>> {
        self.progress(group, topic, partitions).committed()
    }

    /// A look at the group's offsets that can be repeated cheaply.
    #[must_use]
    pub fn progress(&self, group: &str, topic: &str, partitions: i32) -> Progress {
        let consumer = ClientConfig::new()
            .set("bootstrap.servers", &self.hosts)
            .set("group.id", group)
            .set("isolation.level", "read_uncommitted")
            .create()
            .expect("a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        Progress { consumer, list }
    }

    /// Partitions whose committed offset no reader of committed transactions gets to see: the broker says that a
    /// transaction may still move it, and no transaction is open. A stock client's word, for when all hosts are gone.
    #[must_use]
    pub fn undecided(&self, group: &str, topic: &str, partitions: i32) -> Vec<i32> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.hosts)
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .create()
            .expect("a consumer");
        let is_undecided = |partition: &i32| {
            let mut list = TopicPartitionList::new();
            list.add_partition(topic, *partition);
            consumer.committed_offsets(list, REQUEST_TIMEOUT).is_err()
        };
        (0..partitions).filter(is_undecided).collect()
    }

    /// Sets the group's offsets of partitions, as an operator does while nobody is in the group.
    pub fn set_committed(&self, group: &str, topic: &str, offsets: &[(i32, i64)]) {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.hosts)
            .set("group.id", group)
            .create()
            .expect("a consumer");
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).expect("an offset");
        }
        consumer.commit(&list, rdkafka::consumer::CommitMode::Sync).expect("committed");
    }

    /// Deletes the records of partitions below these offsets, as retention does.
    pub fn delete_records(&self, topic: &str, offsets: &[(i32, i64)]) {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).expect("an offset");
        }
        let _deleted = block_on(self.admin.delete_records(&list, &AdminOptions::new())).expect("deleted");
    }

    /// Deletes a group that nobody is in, and with it its offsets.
    pub fn delete_group(&self, group: &str) {
        let deleted = block_on(self.admin.delete_groups(&[group], &AdminOptions::new())).expect("an answer");
        assert!(deleted.iter().all(Result::is_ok), "group {group}: {deleted:?}");
    }

    /// End offset of each partition, whatever transactions are open.
    #[must_use]
    pub fn ends(&self, topic: &str, partitions: i32) -> Vec<i64> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.hosts)
            .set("isolation.level", "read_uncommitted")
            .create()
            .expect("a consumer");
        let end = |partition| {
            let ends = consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT);
            if ends.is_err() {
                // librdkafka takes what it last heard of the topic for final.
                drop(consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT));
            }
            ends
        };
        (0..partitions).map(|partition| patiently(|| end(partition)).1).collect()
    }

    /// Waits until the group has committed everything up to these offsets. Control records of transactions count as
    /// offsets, so a committed offset may stay a little below the end: give the ends of what was produced.
    pub fn wait_committed(&self, group: &str, topic: &str, ends: &[i64], timeout: Duration, mut alive: impl FnMut()) {
        let deadline = Instant::now() + timeout;
        let progress = self.progress(group, topic, i32::try_from(ends.len()).expect("few"));
        loop {
            let committed = progress.committed();
            let done = |(committed, end): (&Option<i64>, &i64)| *end == 0 || committed.is_some_and(|c| c >= *end);
            if committed.iter().zip(ends).all(done) {
                return;
            }
            alive();
            assert!(Instant::now() < deadline, "{group} is at {committed:?} of {ends:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Watches the offsets of a group.
pub struct Progress {
    consumer: BaseConsumer,
    list: TopicPartitionList,
}

impl Progress {
    /// The committed offset of each partition. A broker that has just come back may not know its groups yet.
    #[must_use]
    pub fn committed(&self) -> Vec<Option<i64>> {
        let answer = patiently(|| self.consumer.committed_offsets(self.list.clone(), REQUEST_TIMEOUT));
        let offset = |offset| if let Offset::Offset(offset) = offset { Some(offset) } else { None };
        answer.elements().iter().map(|element| offset(element.offset())).collect()
    }

    /// What the metadata of each partition's offset says that keys are hashed with, read as `host/engine/src/progress/text.rs`
    /// describes it.
    #[must_use]
    pub fn seeds(&self) -> Vec<Option<Vec<u8>>> {
        let answer = patiently(|| self.consumer.committed_offsets(self.list.clone(), REQUEST_TIMEOUT));
        answer.elements().iter().map(|element| seed_of(element.metadata())).collect()
    }

    /// The sum of the committed offsets: where partitions start at 0 and nothing aborted is in them, records done.
    #[must_use]
    pub fn records(&self) -> i64 {
        self.committed().into_iter().flatten().sum()
    }
}

/// The seed in a progress record: section 4, which a reader must know.
fn seed_of(metadata: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |byte: u8| ALPHABET.iter().position(|of| *of == byte).expect("base64url");
    let text = metadata.strip_prefix("dedup-host/1:")?;
    let bits: Vec<bool> =
        text.bytes().flat_map(|byte| (0..6).rev().map(move |bit| digit(byte) >> bit & 1 == 1)).collect();
    let bytes: Vec<u8> =
        bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect();
    let number = |rest: &mut &[u8]| {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let (byte, behind) = rest.split_first()?;
            *rest = behind;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Some(number)
    };
    let mut rest = bytes.get(..bytes.len().checked_sub(4)?)?;
    while !rest.is_empty() {
        let (tag, length) = (number(&mut rest)?, number(&mut rest)?);
        let (section, behind) = rest.split_at_checked(length)?;
        if tag == 4 << 1 | 1 {
            return Some(section.to_vec());
        }
        rest = behind;
    }
    None
}

/// Asks again until there is an answer; fails with the last refusal when time is up.
fn patiently<T>(ask: impl Fn() -> rdkafka::error::KafkaResult<T>) -> T {
    let deadline = Instant::now() + RESTART_MAX;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "the broker does not answer: {error}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Sends one record, waiting while the queue is full.
pub fn send(producer: &BaseProducer, mut record: BaseRecord<'_, [u8], [u8]>) {
    while let Err((error, back)) = producer.send(record) {
        let full = error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::QueueFull);
        assert!(full, "{error}");
        producer.poll(Duration::from_millis(10));
        record = back;
    }
}

/// Sends one record as it is given, waiting while the queue is full.
pub fn send_record(producer: &BaseProducer, topic: &str, record: &Seen) {
    let mut headers = OwnedHeaders::new();
    for (key, value) in &record.headers {
        headers = headers.insert(Header { key, value: value.as_deref() });
    }
    let mut outgoing = BaseRecord::<[u8], [u8]>::to(topic).partition(record.partition).headers(headers);
    outgoing.key = record.key.as_deref();
    outgoing.payload = record.payload.as_deref();
    outgoing.timestamp = record.timestamp;
    send(producer, outgoing);
}

fn take(message: &rdkafka::message::BorrowedMessage<'_>) -> Seen {
    let headers = message.headers().into_iter().flat_map(rdkafka::message::Headers::iter);
    Seen {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        timestamp: message.timestamp().to_millis(),
        headers: headers.map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect(),
    }
}

fn block_on<T>(future: impl std::future::Future<Output = T>) -> T {
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
