//! The bare copy: what Kafka to Kafka, exactly once, costs without any decision. Byte for byte with key, headers and
//! timestamp, in transactions of the host's commit interval, with the host's own librdkafka properties. Not the host.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use dedup_host_tests::broker::send;
use kafka_connector::KafkaSettings;
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
    pub(super) fn one_loop(&self, started: impl FnOnce()) {
        let consumer = self.consumer();
        let mut out = Out::new(self, 0);
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

    /// Polls in one thread and produces in `producers` others, as the host does: a partition belongs to one of them,
    /// and each has transactions of its own. The messages themselves change hands, uncopied.
    pub(super) fn threads(&self, producers: usize, started: impl FnOnce()) {
        let consumer = &self.consumer();
        let outs: Vec<Out<'_>> = (0..producers).map(|index| Out::new(self, index)).collect();
        std::thread::scope(|scope| {
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..producers).map(|_| mpsc::sync_channel(BATCHES_MAX)).unzip();
            for (mut out, receiver) in outs.into_iter().zip(receivers) {
                scope.spawn(move || out.serve(&receiver, consumer));
            }
            self.deal(consumer, &senders, started);
        });
    }

    /// Polls everything there is, and gives each producer the messages of its partitions.
    fn deal<'c>(
        &self,
        consumer: &'c BaseConsumer,
        senders: &[SyncSender<Vec<BorrowedMessage<'c>>>],
        started: impl FnOnce(),
    ) {
        let mut started = Some(started);
        let mut batches: Vec<Vec<BorrowedMessage<'_>>> = senders.iter().map(|_| Vec::new()).collect();
        let mut polled = 0;
        while polled < self.records {
            let Some(message) = consumer.poll(Duration::from_millis(5)) else {
                batches.iter_mut().zip(senders).for_each(|(batch, sender)| hand_over(batch, sender));
                continue;
            };
            started.take().into_iter().for_each(|started| started());
            let message = message.expect("a message");
            polled += 1;
            let index = usize::try_from(message.partition()).expect("not negative") % senders.len();
            batches[index].push(message);
            if batches[index].len() == BATCH_MESSAGES {
                hand_over(&mut batches[index], &senders[index]);
            }
        }
        batches.iter_mut().zip(senders).for_each(|(batch, sender)| hand_over(batch, sender));
    }

    fn consumer(&self) -> BaseConsumer {
        let mut config = self.settings.consumer_config();
        config.set("group.id", &self.group).set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        consumer.subscribe(&[&self.settings.topic]).expect("subscribed");
        consumer
    }
}

fn hand_over<'c>(batch: &mut Vec<BorrowedMessage<'c>>, sender: &SyncSender<Vec<BorrowedMessage<'c>>>) {
    let full = std::mem::replace(batch, Vec::with_capacity(BATCH_MESSAGES));
    sender.send(full).expect("the producer listens to the end");
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
    fn new(copy: &'a Copy<'a>, index: usize) -> Self {
        let mut config = copy.settings.producer_config();
        config.set("transactional.id", format!("{}-{index}", copy.group));
        config.set("transaction.timeout.ms", copy.settings.transaction_timeout_ms.to_string());
        let producer: BaseProducer = config.create().expect("a producer");
        producer.init_transactions(ANSWER_MAX).expect("transactions");
        Self { copy, producer, next: Vec::new(), records: 0, open_since: None }
    }

    /// Sends what comes, until the polling thread hangs up.
    fn serve(&mut self, receiver: &Receiver<Vec<BorrowedMessage<'_>>>, consumer: &BaseConsumer) {
        loop {
            match receiver.recv_timeout(self.until_commit()) {
                Ok(batch) => batch.iter().for_each(|message| self.send(message)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.until_commit().is_zero() {
                self.commit(consumer);
            }
        }
        self.commit(consumer);
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
        for (partition, offset) in (0..).zip(&self.next).filter(|(_, offset)| **offset > 0) {
            let topic = &self.copy.settings.topic;
            offsets.add_partition_offset(topic, partition, Offset::Offset(*offset)).expect("an offset");
        }
        let group = consumer.group_metadata().expect("a member of the group");
        self.producer.send_offsets_to_transaction(&offsets, &group, ANSWER_MAX).expect("offsets");
        self.producer.commit_transaction(ANSWER_MAX).expect("committed");
    }
}
