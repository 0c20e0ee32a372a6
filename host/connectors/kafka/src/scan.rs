//! Reads spans of a topic beside any run, with committed transactions only: in no group, nothing is committed, and nothing
//! is decided. Not for records that a line gets.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use connectors::SeenRecord;
use engine::record::{Millis, Offset};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message, Timestamp};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::dead_letters::{bounds, consumer};
use crate::failure::KafkaFailure;
use crate::inspect::complaint_of;
use crate::settings::KafkaSettings;

/// How long a broker may take to answer, and how long it may be silent while there is something to read.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Between two looks whether transactions have ended.
const SETTLE_PAUSE: Duration = Duration::from_millis(100);

/// Offsets by partition.
pub type Spans = BTreeMap<i32, Range<Offset>>;

/// A topic that is read from beside.
pub struct TopicScan {
    settings: KafkaSettings,
    topic: String,
    consumer: BaseConsumer,
}

impl TopicScan {
    /// A reader of a topic, which has to exist.
    ///
    /// # Errors
    /// Settings that librdkafka refuses, no answer, or no such topic.
    pub fn open(settings: &KafkaSettings, topic: &str) -> Result<Self, KafkaFailure> {
        let first = consumer(settings, "read_committed")?;
        let (hosts, topic) = (settings.hosts.clone(), topic.to_owned());
        let metadata = first.fetch_metadata(Some(&topic), ANSWER_TIMEOUT);
        let metadata =
            metadata.map_err(|error| KafkaFailure::Unreachable { hosts: hosts.clone(), cause: error.to_string() })?;
        let is_there = metadata.topics().iter().any(|found| found.error().is_none() && !found.partitions().is_empty());
        if !is_there {
            return Err(KafkaFailure::NoTopic { topic, hosts });
        }
        let mut settings = settings.clone();
        settings.share_fetch_queues(metadata.topics().iter().map(|found| found.partitions().len()).sum());
        Ok(Self { consumer: consumer(&settings, "read_committed")?, settings, topic })
    }

    /// Where each partition begins, and up to where its transactions have ended.
    ///
    /// # Errors
    /// No answer in time.
    pub fn stable_spans(&self) -> Result<Spans, KafkaFailure> {
        Ok(spans(bounds(&self.consumer, &self.topic).map_err(|error| self.failed(&error.to_string()))?))
    }

    /// As [`TopicScan::stable_spans`], once every transaction has ended that has written anything by now.
    ///
    /// # Errors
    /// No answer in time, or a transaction that stays open for longer than `patience`.
    pub fn settled_spans(&self, patience: Duration) -> Result<Spans, KafkaFailure> {
        let all = consumer(&self.settings, "read_uncommitted")?;
        let ends = spans(bounds(&all, &self.topic).map_err(|error| self.failed(&error.to_string()))?);
        let deadline = Instant::now() + patience;
        loop {
            let stable = self.stable_spans()?;
            let is_behind = |(partition, span): &(&i32, &Range<Offset>)| {
                stable.get(partition).is_none_or(|stable| stable.end < span.end)
            };
            let Some((partition, _)) = ends.iter().find(is_behind) else { return Ok(stable) };
            if Instant::now() > deadline {
                let cause = format!("a transaction that writes to partition {partition} does not end");
                return Err(self.failed(&cause));
            }
            std::thread::sleep(SETTLE_PAUSE);
        }
    }

    /// The first offset of each partition whose record has this timestamp or a later one; none where there is no such record.
    ///
    /// # Errors
    /// No answer in time.
    pub fn offsets_at(&self, partitions: &[i32], time: Millis) -> Result<BTreeMap<i32, Option<Offset>>, KafkaFailure> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            let added = list.add_partition_offset(&self.topic, *partition, KafkaOffset::Offset(time));
            added.map_err(|error| self.failed(&error.to_string()))?;
        }
        let answer = self.consumer.offsets_for_times(list, ANSWER_TIMEOUT);
        let answer = answer.map_err(|error| self.failed(&error.to_string()))?;
        let offset = |offset| if let KafkaOffset::Offset(offset) = offset { Some(offset) } else { None };
        Ok(answer.elements().iter().map(|found| (found.partition(), offset(found.offset()))).collect())
    }

    /// Hands over every record of the spans, in the order of each partition.
    ///
    /// # Errors
    /// Something cannot be read, the broker is silent for too long, or `each` fails.
    pub fn read<E: From<KafkaFailure>>(
        &self,
        spans: &Spans,
        mut each: impl FnMut(&SeenRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut open: Spans = spans.iter().filter(|(_, span)| !span.is_empty()).map(own).collect();
        self.assign(&open)?;
        let mut heard = Instant::now();
        while !open.is_empty() {
            match self.consumer.poll(Duration::from_millis(100)) {
                None if heard.elapsed() > ANSWER_TIMEOUT => return Err(self.failed("no answer").into()),
                None => continue,
                Some(Ok(message)) => {
                    let (partition, offset) = (message.partition(), message.offset());
                    let Some(span) = open.get(&partition) else { continue };
                    let is_last = offset + 1 >= span.end;
                    if span.contains(&offset) {
                        each(&seen(&message))?;
                    }
                    if is_last {
                        open.remove(&partition);
                        self.rest(partition)?;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
                Some(Err(error)) => {
                    self.consider(&error, heard)?;
                    continue;
                }
            }
            heard = Instant::now();
        }
        self.assign(&open)?;
        Ok(())
    }

    fn assign(&self, spans: &Spans) -> Result<(), KafkaFailure> {
        let mut list = TopicPartitionList::new();
        for (partition, span) in spans {
            let added = list.add_partition_offset(&self.topic, *partition, KafkaOffset::Offset(span.start));
            added.map_err(|error| self.failed(&error.to_string()))?;
        }
        self.consumer.assign(&list).map_err(|error| self.failed(&error.to_string()))?;
        // An earlier reading may have left them at rest, and an assignment does not end that.
        self.consumer.resume(&list).map_err(|error| self.failed(&error.to_string()))
    }

    /// Nothing more is wanted of a partition, which may go on growing.
    fn rest(&self, partition: i32) -> Result<(), KafkaFailure> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, partition);
        self.consumer.pause(&list).map_err(|error| self.failed(&error.to_string()))
    }

    /// What cannot be read is no matter of waiting.
    fn consider(&self, error: &KafkaError, heard: Instant) -> Result<(), KafkaFailure> {
        let is_unreadable = error.rdkafka_error_code().is_some_and(|code| complaint_of(code, "").is_some());
        match is_unreadable || heard.elapsed() > ANSWER_TIMEOUT {
            true => Err(self.failed(&error.to_string())),
            false => Ok(()),
        }
    }

    fn failed(&self, cause: &str) -> KafkaFailure {
        KafkaFailure::Read { topic: self.topic.clone(), cause: cause.to_owned() }
    }
}

fn spans(bounds: BTreeMap<i32, (Offset, Offset)>) -> Spans {
    bounds.into_iter().map(|(partition, (start, end))| (partition, start..end)).collect()
}

fn own((partition, span): (&i32, &Range<Offset>)) -> (i32, Range<Offset>) {
    (*partition, span.clone())
}

fn seen<'a>(message: &'a BorrowedMessage<'_>) -> SeenRecord<'a> {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    SeenRecord {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        has_append_time: matches!(message.timestamp(), Timestamp::LogAppendTime(_)),
        key: message.key(),
        payload: message.payload(),
        headers: headers.map(|header| (header.key, header.value)).collect(),
    }
}
