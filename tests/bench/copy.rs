//! The bare copy: what Kafka to Kafka, exactly once, costs without any decision. Byte for byte with key, headers and
//! timestamp, in transactions of the host's commit interval, with the host's own librdkafka properties. Not the host.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use connectors::kafka::KafkaSettings;
use dedup_host_tests::broker::send;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

/// Time that anything asked of the broker may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Sends between two looks at the producer's own events, as in the host.
const SENDS_PER_POLL: u64 = 1_000;

/// Messages handed from thread to thread at once.
const BATCH_MESSAGES: usize = 1_024;

/// Such batches under way: more than the broker sends in a commit interval.
const BATCHES_MAX: usize = 256;

/// One copy of a topic.
pub(super) struct Copy<'a> {
    pub(super) settings: &'a KafkaSettings,
    pub(super) group: String,
    pub(super) output: &'a str,
    /// Records in the input.
    pub(super) records: u64,
    pub(super) commit_interval: Duration,
}

impl Copy<'_> {
    /// Polls and produces in one loop. `started` is called at the first record; returns after the last commit.
    pub(super) fn one_thread(&self, started: impl FnOnce()) {
        let consumer = self.consumer();
        let mut out = Out::new(self);
        let mut started = Some(started);
        while out.records < self.records {
            if let Some(message) = consumer.poll(out.until_commit().min(Duration::from_millis(10))) {
                started.take().into_iter().for_each(|started| started());
                out.send(&message.expect("a message"));
            }
            if out.until_commit().is_zero() {
                out.commit(&consumer);
            }
        }
        out.commit(&consumer);
    }

    /// Polls in one thread and produces in another, as the host does; the messages themselves change hands, uncopied.
    pub(super) fn two_threads(&self, started: impl FnOnce()) {
        let consumer = &self.consumer();
        let mut out = Out::new(self);
        let mut started = Some(started);
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::sync_channel::<Vec<BorrowedMessage<'_>>>(BATCHES_MAX);
            scope.spawn(move || {
                let mut polled = 0;
                while polled < self.records {
                    let batch = poll_batch(consumer, self.records - polled);
                    polled += batch.len() as u64;
                    sender.send(batch).expect("the other thread listens to the end");
                }
            });
            loop {
                match receiver.recv_timeout(out.until_commit()) {
                    Ok(batch) => {
                        if !batch.is_empty() {
                            started.take().into_iter().for_each(|started| started());
                        }
                        batch.iter().for_each(|message| out.send(message));
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                if out.until_commit().is_zero() {
                    out.commit(consumer);
                }
            }
        });
        out.commit(consumer);
        assert_eq!(out.records, self.records);
    }

    fn consumer(&self) -> BaseConsumer {
        let mut config = self.settings.consumer_config();
        config.set("group.id", &self.group).set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        consumer.subscribe(&[&self.settings.topic]).expect("subscribed");
        consumer
    }
}

fn poll_batch(consumer: &BaseConsumer, left: u64) -> Vec<BorrowedMessage<'_>> {
    let mut batch = Vec::with_capacity(BATCH_MESSAGES);
    let mut timeout = Duration::from_millis(10);
    while batch.len() < BATCH_MESSAGES
        && (batch.len() as u64) < left
        && let Some(message) = consumer.poll(timeout)
    {
        batch.push(message.expect("a message"));
        timeout = Duration::ZERO;
    }
    batch
}

/// The producing side, with its transaction.
struct Out<'a> {
    copy: &'a Copy<'a>,
    producer: BaseProducer,
    next: Vec<i64>,
    records: u64,
    /// When the first record of the open transaction was sent.
    open_since: Option<Instant>,
}

impl<'a> Out<'a> {
    fn new(copy: &'a Copy<'a>) -> Self {
        let mut config = copy.settings.producer_config();
        config.set("transactional.id", &copy.group);
        config.set("transaction.timeout.ms", copy.settings.transaction_timeout_ms.to_string());
        let producer: BaseProducer = config.create().expect("a producer");
        producer.init_transactions(ANSWER_MAX).expect("transactions");
        Self { copy, producer, next: Vec::new(), records: 0, open_since: None }
    }

    fn until_commit(&self) -> Duration {
        self.open_since.map_or(ANSWER_MAX, |since| self.copy.commit_interval.saturating_sub(since.elapsed()))
    }

    fn send(&mut self, message: &BorrowedMessage<'_>) {
        if self.open_since.is_none() {
            self.producer.begin_transaction().expect("begun");
            self.open_since = Some(Instant::now());
        }
        let mut record = BaseRecord::<[u8], [u8]>::to(self.copy.output);
        record.key = message.key();
        record.payload = message.payload();
        record.timestamp = message.timestamp().to_millis();
        record.headers = message.headers().map(rdkafka::message::BorrowedHeaders::detach);
        send(&self.producer, record);
        let partition = usize::try_from(message.partition()).expect("not negative");
        if self.next.len() <= partition {
            self.next.resize(partition + 1, 0);
        }
        self.next[partition] = message.offset() + 1;
        self.records += 1;
        if self.records.is_multiple_of(SENDS_PER_POLL) {
            self.producer.poll(Duration::ZERO);
        }
    }

    fn commit(&mut self, consumer: &BaseConsumer) {
        if self.open_since.take().is_none() {
            return;
        }
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in (0..).zip(&self.next) {
            let topic = &self.copy.settings.topic;
            offsets.add_partition_offset(topic, partition, Offset::Offset(*offset)).expect("an offset");
        }
        let group = consumer.group_metadata().expect("a member of the group");
        self.producer.send_offsets_to_transaction(&offsets, &group, ANSWER_MAX).expect("offsets");
        self.producer.commit_transaction(ANSWER_MAX).expect("committed");
    }
}
