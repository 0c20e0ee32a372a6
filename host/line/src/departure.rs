//! A record at the end of the line, and the forms in which it can leave. Not by which lane it leaves.

use std::borrow::Cow;

use connectors::headers::{OFFSET_HEADER, PARTITION_HEADER, REASON_HEADER, STAGE_HEADER, TOPIC_HEADER};
use connectors::{KEY_BYTES_MAX, Lane, Origin, Outgoing, Refusal, Sink, SinkFailure, Unsendable};
use engine::record::{Record, TopicPartition};
use sha2::{Digest, Sha256};

use crate::scratch::Reason;

/// A record at the end of the line.
#[derive(Clone, Copy)]
pub(crate) struct Departure<'a> {
    pub(crate) source: &'a TopicPartition,
    pub(crate) record: Record<'a>,
    pub(crate) uuid: Option<&'a [u8]>,
    pub(crate) reason: Option<&'a Reason>,
}

impl<'a> Departure<'a> {
    #[inline]
    pub(crate) fn origin(&self) -> Origin {
        Origin { partition: self.source.partition, offset: self.record.offset() }
    }

    /// Where the record stands, in a text.
    fn place(&self) -> String {
        format!("{}/{}/{}", self.source.topic, self.source.partition, self.record.offset())
    }

    /// The key of what goes out: the event's uuid where there is one, of a length that a key may have.
    #[inline]
    pub(crate) fn key(&self) -> Option<Cow<'a, [u8]>> {
        self.uuid.map(|uuid| bounded(Cow::Borrowed(uuid))).or(self.record.key().map(Cow::Borrowed))
    }

    /// Byte for byte; the key is the event's uuid where there is one.
    #[inline]
    pub(crate) fn passed<'b>(&self, key: Option<&'b [u8]>) -> Outgoing<'b>
    where
        'a: 'b,
    {
        Outgoing {
            origin: self.origin(),
            key,
            payload: self.record.payload(),
            timestamp: self.record.timestamp(),
            headers_of: Some(self.record),
            extra_headers: &[],
        }
    }

    /// In the place of a duplicate, what is said of it.
    pub(crate) fn explained<'b>(&self, key: Option<&'b [u8]>, explanation: &'b [u8]) -> Outgoing<'b> {
        Outgoing {
            origin: self.origin(),
            key,
            payload: Some(explanation),
            timestamp: self.record.timestamp(),
            headers_of: None,
            extra_headers: &[],
        }
    }

    /// The stage that made a dead letter of it, and why.
    pub(crate) fn stage(&self) -> (&'static str, &'a str) {
        self.reason.map_or(("key", "the plugin calls the event invalid"), |r| (r.kind, r.text.as_str()))
    }

    /// Sends it as a dead letter, byte for byte, with what is to be said of it. Answers why it was not sent.
    pub(crate) fn send_dead(&self, sink: &mut dyn Sink) -> Result<Option<Unsendable>, SinkFailure> {
        let (stage, reason) = self.stage();
        let (partition, offset) = (self.source.partition.to_string(), self.record.offset().to_string());
        let headers = [
            (REASON_HEADER, reason),
            (STAGE_HEADER, stage),
            (TOPIC_HEADER, self.source.topic.as_str()),
            (PARTITION_HEADER, partition.as_str()),
            (OFFSET_HEADER, offset.as_str()),
        ];
        let dead = Outgoing { key: self.record.key(), extra_headers: &headers, ..self.passed(None) };
        self.send_own(Lane::DeadLetter, &dead, sink)
    }

    /// Sends what the host says of the record. It has the time and the key of the record; where the topic does not take that
    /// time, the time of its sending, and where it wants a key and there is none, the place of the record. Answers why it was
    /// not sent.
    pub(crate) fn send_own(
        &self,
        lane: Lane,
        record: &Outgoing<'_>,
        sink: &mut dyn Sink,
    ) -> Result<Option<Unsendable>, SinkFailure> {
        match sink.refusal(lane, record) {
            None => sink.send(lane, record).map(|()| None),
            Some(why) if why.reason == Refusal::Timestamp && record.timestamp.is_some() => {
                self.send_own(lane, &Outgoing { timestamp: None, ..*record }, sink)
            }
            Some(why) if why.reason == Refusal::NoKey && record.key.is_none() => {
                let place = self.place();
                self.send_own(lane, &Outgoing { key: Some(place.as_bytes()), ..*record }, sink)
            }
            Some(why) => Ok(Some(why)),
        }
    }
}

/// A key as it is, or its digest where it is too long to be one.
#[inline]
pub(crate) fn bounded(key: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if key.len() <= KEY_BYTES_MAX { key } else { Cow::Owned(digest(&key)) }
}

fn digest(key: &[u8]) -> Vec<u8> {
    format!("sha256:{:x}", Sha256::digest(key)).into_bytes()
}
