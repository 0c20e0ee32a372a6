//! Reads a few records of a partition beside the run, to learn what the log still has. Not part of the line: nothing that
//! is read here is decided or counted.

use std::ops::Range;
use std::time::{Duration, Instant};

use engine::record::{Offset, RecordBatch};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::failure::KafkaFailure;
use crate::record::append;
use crate::settings::KafkaSettings;
use crate::watch::client;

/// A broker that has not given the records by then is taken for gone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

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
    let consumer = client(settings, SEEN_BY_THE_RUN)?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&settings.topic, partition, KafkaOffset::Offset(span.start))
        .map_err(|error| failed(error.to_string()))?;
    consumer.assign(&list).map_err(|error| failed(error.to_string()))?;
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
