//! Examines, beside the run, a position of the log at which the run is stuck: is there something that the client cannot
//! read, why, and where does it end? Nothing that is read here is decided, and what to do about it is decided
//! elsewhere.
//!
//! librdkafka (2.12.1) fetches a batch that it cannot decompress again and again, and reports this without naming the
//! partition; a batch whose checksum is wrong it reports and skips. Both are errors of the next poll. A response larger
//! than `receive.message.max.bytes` ends the connection. A consumer that reads one partition from one offset therefore
//! sees first what is wrong there.

use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use connectors::{ReadComplaint, Sight, Unreadable, UnreadableReason};
use engine::record::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{ClientContext, Offset as KafkaOffset, TopicPartitionList};

use crate::failure::KafkaFailure;
use crate::settings::KafkaSettings;

/// A look without an answer by then says nothing.
const LOOK_MAX: Duration = Duration::from_secs(15);

/// Offsets that are looked at one by one, where the client does not say where a batch begins.
const STEPS_MAX: Offset = 1_000;

/// `None`: the error is of the connection or the group, not of what was read.
fn reason_of(code: RDKafkaErrorCode, cause: &str) -> Option<UnreadableReason> {
    if cause.contains("receive.message.max.bytes") {
        return Some(UnreadableReason::TooLarge);
    }
    let is = |codes: &[RDKafkaErrorCode]| codes.contains(&code);
    let by_code = [
        (
            UnreadableReason::Compression,
            is(&[RDKafkaErrorCode::BadCompression, RDKafkaErrorCode::CriticalSystemResource]),
        ),
        (UnreadableReason::Damaged, is(&[RDKafkaErrorCode::BadMessage, RDKafkaErrorCode::InvalidMessage])),
        (UnreadableReason::TooLarge, is(&[RDKafkaErrorCode::MessageSizeTooLarge])),
        (UnreadableReason::Unsupported, is(&[RDKafkaErrorCode::NotImplemented])),
    ];
    by_code.into_iter().find(|(_, is)| *is).map(|(reason, _)| reason)
}

/// What the client complains of, where that is something that it has read.
pub(crate) fn complaint_of(code: RDKafkaErrorCode, cause: &str) -> Option<ReadComplaint> {
    let reason = reason_of(code, cause)?;
    Some(ReadComplaint { reason, offset: offset_in(cause), cause: cause.to_owned() })
}

/// The number after "at" or "at offset", which is how librdkafka names a batch.
fn offset_in(cause: &str) -> Option<Offset> {
    let (_, rest) = cause.split_once(" at ")?;
    let rest = rest.strip_prefix("offset ").unwrap_or(rest);
    let digits = rest.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..digits)?.parse().ok()
}

/// What one look saw first.
enum Look {
    Readable,
    Complaint(ReadComplaint),
}

/// Looks at what stands first in `span`. Offsets before its end may hold records.
///
/// # Errors
/// The broker does not answer, or `is_cancelled`.
pub(crate) fn inspect(
    settings: &KafkaSettings,
    partition: i32,
    span: Range<Offset>,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Sight, KafkaFailure> {
    let Range { start: from, end } = span;
    let eye = Eye { settings, partition, is_cancelled };
    let Look::Complaint(first) = eye.look(from)? else { return Ok(Sight::Readable) };
    let bad = first.offset.filter(|offset| (from..end).contains(offset)).unwrap_or(from);
    let next = match first.offset {
        Some(base) => eye.end_of_batch(base, bad, end)?,
        None => eye.first_readable(bad, end)?,
    };
    Ok(Sight::Unreadable(Unreadable { from: bad, next, reason: first.reason, cause: first.cause }))
}

struct Eye<'a> {
    settings: &'a KafkaSettings,
    partition: i32,
    is_cancelled: &'a dyn Fn() -> bool,
}

impl Eye<'_> {
    /// Each look has a client of its own, so that nothing it hears is of an earlier one.
    fn look(&self, at: Offset) -> Result<Look, KafkaFailure> {
        let topic = &self.settings.topic;
        let failed = |cause: String| KafkaFailure::Read { topic: topic.clone(), cause };
        let mut config = self.settings.consumer_config();
        config.set("enable.partition.eof", "true").set("queued.min.messages", "1");
        let consumer: BaseConsumer<Words> = config
            .create_with_context(Words::default())
            .map_err(|error: KafkaError| KafkaFailure::Settings(error.to_string()))?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, self.partition, KafkaOffset::Offset(at))
            .map_err(|error| failed(error.to_string()))?;
        consumer.assign(&list).map_err(|error| failed(error.to_string()))?;
        let deadline = Instant::now() + LOOK_MAX;
        let mut last = "no answer in time".to_owned();
        while Instant::now() < deadline && !(self.is_cancelled)() {
            match consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) if message.offset() < at => {}
                Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Ok(Look::Readable),
                Some(Err(error)) => {
                    let words = consumer.context().take();
                    let code = error.rdkafka_error_code();
                    if let Some(complaint) = code.and_then(|code| complaint_of(code, &words)) {
                        return Ok(Look::Complaint(complaint));
                    }
                    last = format!("{error}: {words}");
                }
            }
        }
        Err(failed(format!("partition {} at offset {at}: {last}", self.partition)))
    }

    /// The offset after a batch, found by halves: from every offset of a batch the same batch is read.
    fn end_of_batch(&self, base: Offset, bad: Offset, end: Offset) -> Result<Offset, KafkaFailure> {
        let is_inside = |at: Offset| match self.look(at)? {
            Look::Complaint(complaint) => Ok(complaint.offset == Some(base)),
            Look::Readable => Ok::<_, KafkaFailure>(false),
        };
        let (mut inside, mut outside) = (bad, bad + 1);
        while outside < end && is_inside(outside)? {
            inside = outside;
            outside = (bad + 2 * (outside - bad)).min(end);
        }
        while outside - inside > 1 {
            let middle = inside + (outside - inside) / 2;
            match is_inside(middle)? {
                true => inside = middle,
                false => outside = middle,
            }
        }
        Ok(outside)
    }

    /// Where nobody says what belongs together, each offset is looked at: none that can be read may be passed over.
    fn first_readable(&self, bad: Offset, end: Offset) -> Result<Offset, KafkaFailure> {
        let last = end.min(bad + STEPS_MAX);
        for at in bad + 1..last {
            if matches!(self.look(at)?, Look::Readable) {
                return Ok(at);
            }
        }
        Ok(last.max(bad + 1))
    }
}

/// What librdkafka says of an error beside its code.
#[derive(Default)]
pub(crate) struct Words(Mutex<String>);

impl Words {
    pub(crate) fn put(&self, words: &str) {
        if let Ok(mut last) = self.0.lock() {
            words.clone_into(&mut last);
        }
    }

    pub(crate) fn take(&self) -> String {
        self.0.lock().map(|mut last| std::mem::take(&mut *last)).unwrap_or_default()
    }
}

impl ClientContext for Words {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = false;

    fn error(&self, _error: KafkaError, reason: &str) {
        self.put(reason);
    }
}

impl ConsumerContext for Words {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_names_its_reason_and_the_batch() {
        let of = |code, cause| complaint_of(code, cause).map(|complaint| (complaint.reason, complaint.offset));
        let words = "Decompression (codec 0x4) of message at 5 of 9700 bytes failed: Local: Invalid compressed data";
        assert_eq!(of(RDKafkaErrorCode::BadCompression, words), Some((UnreadableReason::Compression, Some(5))));
        let words = "MessageSet at offset 1234 (77 bytes) failed CRC32C check (original 0x1 != calculated 0x2)";
        assert_eq!(of(RDKafkaErrorCode::BadMessage, words), Some((UnreadableReason::Damaged, Some(1_234))));
        let words = "Receive failed: Invalid response size 2000000 (0..1000000): increase receive.message.max.bytes";
        assert_eq!(of(RDKafkaErrorCode::BadMessage, words), Some((UnreadableReason::TooLarge, None)));
        let words = "Unsupported Message(Set) MagicByte 7 at offset 12";
        assert_eq!(of(RDKafkaErrorCode::NotImplemented, words), Some((UnreadableReason::Unsupported, Some(12))));
        assert_eq!(of(RDKafkaErrorCode::BrokerTransportFailure, "broker at 5 is down"), None);
    }
}
