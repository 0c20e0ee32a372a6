//! Dead letters without a payload: those that stand in for a record that its lane does not take, and those that stand for
//! offsets that cannot be read. Each says where the record was, and enough to know it by. Not those of records that leave
//! whole.

use std::borrow::Cow;

use connectors::headers::{NEXT_HEADER, OFFSET_HEADER, PARTITION_HEADER, REASON_HEADER, STAGE_HEADER, TOPIC_HEADER};
use connectors::{Lane, Origin, Outgoing, Sink, SinkFailure, Unsendable};
use engine::decide::Outcome;
use engine::record::{Offset, TopicPartition};
use sha2::{Digest, Sha256};

use crate::departure::{Departure, bounded};
use crate::redaction::Redaction;

/// Bytes of a reason in a letter that stands in for a record that was too large.
const REASON_BYTES_MAX: usize = 1_024;

/// Offsets that cannot be read, and what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// First of them.
    pub from: Offset,
    /// The offset after the last.
    pub next: Offset,
    /// Why, in words.
    pub cause: String,
}

/// A record that its lane does not take.
pub(crate) struct Refused<'a> {
    pub(crate) departure: &'a Departure<'a>,
    pub(crate) outcome: Outcome,
    /// The lane that it was to leave by.
    pub(crate) lane: Lane,
    pub(crate) why: &'a Unsendable,
}

impl Refused<'_> {
    /// Sends a letter that stands in for it: where it was, how large its parts are, why, and a digest to know it by. Of its key
    /// only a digest is left where values are hidden. Answers why the letter was not sent.
    pub(crate) fn send_stub(
        &self,
        redaction: Option<&Redaction>,
        sink: &mut dyn Sink,
    ) -> Result<Option<Unsendable>, SinkFailure> {
        let Departure { source, record, .. } = *self.departure;
        let (partition, offset) = (source.partition.to_string(), record.offset().to_string());
        let payload = record.payload().unwrap_or_default();
        let key_bytes = record.key().map_or(0, <[u8]>::len);
        let headers_bytes = record.bytes() - payload.len() - key_bytes;
        let [payload_bytes, key_bytes, headers_bytes] =
            [payload.len(), key_bytes, headers_bytes].map(|bytes| bytes.to_string());
        let (stage, digest, reason) = (self.stage(), format!("{:x}", Sha256::digest(payload)), self.reason());
        let headers = [
            (REASON_HEADER, cut(&reason)),
            (STAGE_HEADER, stage),
            (TOPIC_HEADER, source.topic.as_str()),
            (PARTITION_HEADER, partition.as_str()),
            (OFFSET_HEADER, offset.as_str()),
            ("dedup-host-unsendable", self.why.reason.as_str()),
            ("dedup-host-payload-bytes", payload_bytes.as_str()),
            ("dedup-host-key-bytes", key_bytes.as_str()),
            ("dedup-host-headers-bytes", headers_bytes.as_str()),
            ("dedup-host-payload-sha256", digest.as_str()),
        ];
        let key = record.key().map(|key| match redaction {
            Some(redaction) => Cow::Owned(redaction.of(key).into_bytes()),
            None => bounded(Cow::Borrowed(key)),
        });
        let letter = Outgoing {
            origin: self.departure.origin(),
            key: key.as_deref(),
            payload: None,
            timestamp: record.timestamp(),
            headers_of: None,
            extra_headers: &headers,
        };
        self.departure.send_own(Lane::DeadLetter, &letter, sink)
    }

    /// What the record was on its way to, or what had made a dead letter of it before. Where the state is rebuilt, `output`
    /// tells a record that was not decided from one that was.
    fn stage(&self) -> &'static str {
        match (self.outcome, self.lane) {
            (Outcome::Late, _) => "late",
            (Outcome::Duplicate { .. }, _) => "duplicates",
            (Outcome::DeadLetter | Outcome::Keyless, Lane::DeadLetter) => self.departure.stage().0,
            (Outcome::DeadLetter, _) => self.departure.reason.map_or("output", |reason| reason.kind),
            (Outcome::Unique | Outcome::Keyless, _) => "output",
        }
    }

    fn reason(&self) -> String {
        let before = self.departure.reason.map(|reason| format!("{}; besides, ", cut(&reason.text)));
        let (before, lane, why) = (before.unwrap_or_default(), self.lane.name(), &self.why.cause);
        format!("{before}it cannot be sent to its lane, {lane}: {why}")
    }
}

/// Sends a letter that stands for offsets that cannot be read.
pub(crate) fn send_coordinates(
    source: &TopicPartition,
    unread: &Unread,
    sink: &mut dyn Sink,
) -> Result<(), SinkFailure> {
    let (partition, from, next) = (source.partition.to_string(), unread.from.to_string(), unread.next.to_string());
    let key = format!("{}/{partition}/{from}", source.topic);
    let headers = [
        (REASON_HEADER, cut(&unread.cause)),
        (STAGE_HEADER, "read"),
        (TOPIC_HEADER, source.topic.as_str()),
        (PARTITION_HEADER, partition.as_str()),
        (OFFSET_HEADER, from.as_str()),
        (NEXT_HEADER, next.as_str()),
    ];
    let letter = Outgoing {
        origin: Origin { partition: source.partition, offset: unread.from },
        key: Some(key.as_bytes()),
        payload: None,
        timestamp: None,
        headers_of: None,
        extra_headers: &headers,
    };
    sink.send(Lane::DeadLetter, &letter)
}

/// The beginning of a text, in whole characters.
fn cut(text: &str) -> &str {
    let end = text.floor_char_boundary(REASON_BYTES_MAX);
    text.get(..end).unwrap_or_default()
}
