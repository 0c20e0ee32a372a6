//! A real broker, reached at `KAFKA_HOSTS`, through stock clients.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

/// The bootstrap servers, if there are any.
#[must_use]
pub fn hosts() -> Option<String> {
    std::env::var("KAFKA_HOSTS").ok().filter(|hosts| !hosts.is_empty())
}

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
    pub headers: Vec<(String, Vec<u8>)>,
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
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
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

impl Broker {
    /// Connects; `name` becomes part of the names of topics and groups.
    #[must_use]
    pub fn connect(name: &str) -> Self {
        let hosts = hosts().expect("a broker: the suite must be ignored without one");
        let admin = ClientConfig::new().set("bootstrap.servers", &hosts).create().expect("an admin client");
        let name = format!("{name}-{}-{}", std::process::id(), TOPICS.fetch_add(1, Ordering::Relaxed));
        Self { hosts, name, admin }
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
        name
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

    /// Produces one record with everything given.
    pub fn produce_one(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
        headers: &[(&str, &[u8])],
        timestamp: Option<i64>,
    ) {
        let producer = self.producer(&[]);
        let mut owned = OwnedHeaders::new();
        for (name, value) in headers {
            owned = owned.insert(rdkafka::message::Header { key: name, value: Some(*value) });
        }
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(0).headers(owned);
        record.key = key;
        record.payload = payload;
        record.timestamp = timestamp;
        send(&producer, record);
        producer.flush(REQUEST_TIMEOUT).expect("all delivered");
    }

    /// Everything in a topic, as a stock client in `read_committed` mode sees it, partition by partition in offset
    /// order. Waits for transactions that are still open.
    #[must_use]
    pub fn read_committed(&self, topic: &str) -> Vec<Seen> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.hosts)
            .set("group.id", self.name("reader"))
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.message.max.bytes", "20000000")
            .create()
            .expect("a consumer");
        let metadata = consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT).expect("metadata");
        let partitions: Vec<i32> = metadata.topics().iter().flat_map(|t| t.partitions()).map(|p| p.id()).collect();
        let mut list = TopicPartitionList::new();
        let mut ends = std::collections::BTreeMap::new();
        for partition in partitions {
            let (_, end) = consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT).expect("bounds");
            ends.insert(partition, end);
            list.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
        }
        consumer.assign(&list).expect("assigned");
        let mut seen = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(120);
        while !ends.is_empty() {
            assert!(Instant::now() < deadline, "topic {topic} cannot be read to its end: {ends:?}");
            match consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => seen.push(take(&message)),
                // At the end of what is stable: it is the end if no transaction is open.
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(partition))) => {
                    let position = consumer.position().expect("a position");
                    let at = position.find_partition(topic, partition).map(|p| p.offset());
                    let open = ends.get(&partition).is_some_and(|end| {
                        matches!(at, Some(Offset::Offset(at)) if at < *end) && !self.is_stable(topic, partition, *end)
                    });
                    if !open {
                        ends.remove(&partition);
                    }
                }
                Some(Err(error)) => panic!("reading {topic}: {error}"),
            }
        }
        seen.sort_by_key(|record| (record.partition, record.offset));
        seen
    }

    /// Whether no transaction is open below `end`: the last stable offset, which is what a `read_committed` consumer
    /// is told as the end of the log, has reached it.
    fn is_stable(&self, topic: &str, partition: i32, end: i64) -> bool {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.hosts)
            .set("group.id", self.name("stable"))
            .set("isolation.level", "read_committed")
            .create()
            .expect("a consumer");
        consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT).is_ok_and(|(_, stable)| stable >= end)
    }

    /// The group's committed offset of each partition.
    #[must_use]
    pub fn committed(&self, group: &str, topic: &str, partitions: i32) -> Vec<Option<i64>> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.hosts)
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .create()
            .expect("a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        let answer = consumer.committed_offsets(list, REQUEST_TIMEOUT).expect("offsets");
        let offset = |offset| if let Offset::Offset(offset) = offset { Some(offset) } else { None };
        answer.elements().iter().map(|element| offset(element.offset())).collect()
    }

    /// End offset of each partition.
    #[must_use]
    pub fn ends(&self, topic: &str, partitions: i32) -> Vec<i64> {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.hosts).create().expect("a consumer");
        (0..partitions).map(|p| consumer.fetch_watermarks(topic, p, REQUEST_TIMEOUT).expect("bounds").1).collect()
    }

    /// Waits until the group has committed everything up to these offsets. Control records of transactions count as
    /// offsets, so a committed offset may stay a little below the end: give the ends of what was produced.
    pub fn wait_committed(&self, group: &str, topic: &str, ends: &[i64], timeout: Duration, mut alive: impl FnMut()) {
        let deadline = Instant::now() + timeout;
        loop {
            let committed = self.committed(group, topic, i32::try_from(ends.len()).expect("few"));
            let done = |(committed, end): (&Option<i64>, &i64)| *end == 0 || committed.is_some_and(|c| c >= *end);
            if committed.iter().zip(ends).all(done) {
                return;
            }
            alive();
            assert!(Instant::now() < deadline, "{group} is at {committed:?} of {ends:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
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

fn take(message: &rdkafka::message::BorrowedMessage<'_>) -> Seen {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Seen {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        timestamp: message.timestamp().to_millis(),
        headers: headers.map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect(),
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
