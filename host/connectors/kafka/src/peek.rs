//! Reads a few records of a partition beside the run, to learn what the log still has. Not part of the line: nothing that
//! is read here is decided or counted.

use std::ops::Range;
use std::time::{Duration, Instant};

use connectors::SCAN_RECORDS;
use engine::record::{Offset, RecordBatch};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::failure::KafkaFailure;
use crate::record::append;
use crate::settings::KafkaSettings;
use crate::watch::client;

/// A broker that has not given the records by then is taken for gone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The same, of many records.
const SCANNED: &[(&str, &str)] =
    &[("isolation.level", "read_committed"), ("auto.offset.reset", "earliest"), ("enable.partition.eof", "true")];

/// No records of transactions that were aborted; one fetch is enough.
const SEEN_BY_THE_RUN: &[(&str, &str)] = &[
    ("isolation.level", "read_committed"),
    ("auto.offset.reset", "earliest"),
    ("enable.partition.eof", "true"),
    ("fetch.wait.max.ms", "50"),
    ("queued.min.messages", "1"),
];

/// The first records of `span`, at most `records_max` of them; fewer where the rest of the range holds none.
///
/// # Errors
/// The broker does not answer in time.
pub(crate) fn peek(
    settings: &KafkaSettings,
    partition: i32,
    span: Range<Offset>,
    records_max: usize,
) -> Result<RecordBatch, KafkaFailure> {
    let failed = |cause: String| KafkaFailure::Read { topic: settings.topic.clone(), cause };
    let consumer = reader(settings, partition, span.start, SEEN_BY_THE_RUN)?;
    let (mut batch, deadline) = (RecordBatch::new(), Instant::now() + ANSWER_TIMEOUT);
    while batch.len() < records_max {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if message.offset() < span.end => append(&mut batch, &message),
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => break,
            Some(Err(error)) => tracing::debug!(%error, partition, "peek"),
            None => {}
        }
        if Instant::now() > deadline {
            return Err(failed(format!("partition {partition}: no records from offset {} in time", span.start)));
        }
    }
    Ok(batch)
}

/// Hands over all records of `span`, in order and in batches, until `each` wants no more.
///
/// # Errors
/// The broker is silent for too long, or something cannot be read.
pub(crate) fn scan(
    settings: &KafkaSettings,
    partition: i32,
    span: Range<Offset>,
    each: &mut dyn FnMut(RecordBatch) -> bool,
) -> Result<(), KafkaFailure> {
    let failed = |cause: String| KafkaFailure::Read { topic: settings.topic.clone(), cause };
    let consumer = reader(settings, partition, span.start, SCANNED)?;
    let (mut batch, mut heard) = (RecordBatch::new(), Instant::now());
    loop {
        let is_over = match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if message.offset() < span.end => {
                append(&mut batch, &message);
                message.offset() + 1 >= span.end
            }
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => true,
            Some(Err(error)) if heard.elapsed() > ANSWER_TIMEOUT => return Err(failed(error.to_string())),
            Some(Err(error)) => {
                tracing::debug!(%error, partition, "scan");
                continue;
            }
            None if heard.elapsed() > ANSWER_TIMEOUT => {
                return Err(failed(format!("partition {partition}: no records after offset {} in time", span.start)));
            }
            None => continue,
        };
        heard = Instant::now();
        let is_due = is_over || batch.len() >= SCAN_RECORDS;
        let goes_on = !is_due || batch.is_empty() || each(std::mem::take(&mut batch));
        if is_over || !goes_on {
            return Ok(());
        }
    }
}

/// A consumer of one partition, from an offset on.
fn reader(
    settings: &KafkaSettings,
    partition: i32,
    from: Offset,
    properties: &[(&str, &str)],
) -> Result<BaseConsumer, KafkaFailure> {
    let failed = |error: KafkaError| KafkaFailure::Read { topic: settings.topic.clone(), cause: error.to_string() };
    let consumer = client(settings, properties)?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&settings.topic, partition, KafkaOffset::Offset(from)).map_err(failed)?;
    consumer.assign(&list).map_err(failed)?;
    Ok(consumer)
}
