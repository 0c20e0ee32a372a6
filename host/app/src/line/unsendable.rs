//! The end of the line: each record leaves by its lane or, if the lane does not accept it, as a dead letter without its
//! payload; if there is no dead-letter lane, the policy decides. The sink knows what a lane accepts.
//!
//! Whether an event can be forwarded is determined before it is decided, because it must leave no key if it cannot.
//! Everything else, such as a record about a duplicate that is too large however it is cut, does not change the
//! decision.

use std::borrow::Cow;

use connectors::headers::{NEXT_HEADER, OFFSET_HEADER, PARTITION_HEADER, STAGE_HEADER, TOPIC_HEADER};
use connectors::{KEY_BYTES_MAX, Lane, Origin, Outgoing, Refusal, Sink, SinkFailure, Unsendable};
use engine::decide::Outcome;
use engine::fields::KeyStatus;
use engine::record::{Offset, RecordBatch, TopicPartition};
use sha2::{Digest, Sha256};

use super::{HOST_FIELDS, Line, LineError, Way};
use crate::explain;
use crate::redaction::Redaction;
use crate::settings::config::OnUnsendable;

/// Bytes of a reason in a letter that stands in for a record that was too large.
const REASON_BYTES_MAX: usize = 1_024;

/// A record that is decided.
pub(super) struct Leaving<'a> {
    pub(super) way: Way<'a>,
    /// Its index in the batch.
    pub(super) index: u32,
    pub(super) outcome: Outcome,
    /// The lane that it is to leave by; none at all, by policy.
    pub(super) lane: Option<Lane>,
    /// What is told of it, if it is a duplicate.
    pub(super) letter: Option<&'a [u8]>,
    /// The key that it shares with its original, if it is a duplicate.
    pub(super) met: Option<&'a [u8]>,
    /// Why it could not be forwarded.
    pub(super) unsendable: Option<&'a Unsendable>,
}

/// How a record left.
pub(super) struct Left {
    /// The lane; none at all, by policy.
    pub(super) by: Option<Lane>,
    /// Why it was not the one that it was to leave by.
    pub(super) refusal: Option<Refusal>,
}

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

impl Line {
    /// Finds the events that could not be forwarded, whatever they turn out to be. Replayed ones need not be.
    pub(super) fn find_unsendable(&mut self, batch: &RecordBatch, live_from: Offset, sink: &dyn Sink) {
        let scratch = &mut self.scratch;
        scratch.unsendable.clear();
        scratch.is_tight = !sink.takes_all(&batch.outline());
        if !scratch.is_tight {
            return;
        }
        let mut event = 0;
        for (index, record) in (0_u32..).zip(batch.iter()) {
            let decoded = scratch.decoded.get(event) == Some(&index);
            let fields = scratch.fields.get(HOST_FIELDS).filter(|_| decoded);
            let uuid = fields.and_then(|fields| explain::uuid(fields, event));
            event += usize::from(decoded);
            if record.offset() < live_from {
                continue;
            }
            let way = Way { source: &self.source, record, uuid, reason: None };
            if let Some(why) = sink.refusal(Lane::Output, &way.passed(way.key().as_deref())) {
                scratch.unsendable.push((index, why));
                if let Some(candidate) = scratch.candidates.get_mut(index as usize) {
                    candidate.sendable = false;
                }
            }
        }
    }

    /// Sends a record by its lane, or else as a letter without its payload.
    pub(super) fn leave(&self, leaving: &Leaving<'_>, sink: &mut dyn Sink) -> Result<Left, LineError> {
        let Some(lane) = leaving.lane else { return Ok(Left { by: None, refusal: None }) };
        let is_first = leaving.outcome == Outcome::DeadLetter && self.has_key(leaving.index);
        let lane = if is_first { Lane::Output } else { lane };
        let known = leaving.unsendable.filter(|_| lane == Lane::Output);
        let why = match known {
            Some(why) => why.clone(),
            None => match self.try_lane(leaving, lane, sink)? {
                None => return Ok(Left { by: Some(lane), refusal: None }),
                Some(why) => why,
            },
        };
        self.send_without_payload(leaving, lane, why, sink)
    }

    /// Whether the plugin gave a record a key: one that has one and is a dead letter would be the first of it, and could not
    /// be forwarded.
    fn has_key(&self, index: u32) -> bool {
        let candidate = self.scratch.candidates.get(index as usize);
        candidate.is_some_and(|candidate| candidate.status == KeyStatus::Keyed)
    }

    fn try_lane(
        &self,
        leaving: &Leaving<'_>,
        lane: Lane,
        sink: &mut dyn Sink,
    ) -> Result<Option<Unsendable>, SinkFailure> {
        let way = &leaving.way;
        match lane {
            Lane::Output | Lane::Late => {
                let key = way.key();
                let record = way.passed(key.as_deref());
                match if self.scratch.is_tight { sink.refusal(lane, &record) } else { None } {
                    None => sink.send(lane, &record).map(|()| None),
                    why => Ok(why),
                }
            }
            Lane::Duplicates => {
                let Some(letter) = leaving.letter else { return Ok(None) };
                let key = self.key_of_explained(leaving);
                send_own(lane, &way.explained(key.as_deref(), letter), way, sink)
            }
            Lane::DeadLetter => {
                let (stage, reason) = way.stage();
                let (partition, offset) = (way.source.partition.to_string(), way.record.offset().to_string());
                let headers = [
                    ("dedup-host-reason", reason),
                    (STAGE_HEADER, stage),
                    (TOPIC_HEADER, way.source.topic.as_str()),
                    (PARTITION_HEADER, partition.as_str()),
                    (OFFSET_HEADER, offset.as_str()),
                ];
                send_own(lane, &way.buried(&headers), way, sink)
            }
        }
    }

    /// The key of a record about a duplicate. Where values are hidden it is what the record itself calls the key, unless the
    /// event has a uuid: the key that the input's record had is a value as any other.
    fn key_of_explained<'a>(&self, leaving: &Leaving<'a>) -> Option<Cow<'a, [u8]>> {
        match (&self.rules.redaction, leaving.way.uuid, leaving.met) {
            (Some(redaction), None, Some(met)) => Some(Cow::Owned(redaction.of(met).into_bytes())),
            (Some(_), None, None) => None,
            (Some(_), Some(_), _) | (None, _, _) => leaving.way.key().map(bounded_cow),
        }
    }

    fn send_without_payload(
        &self,
        leaving: &Leaving<'_>,
        lane: Lane,
        why: Unsendable,
        sink: &mut dyn Sink,
    ) -> Result<Left, LineError> {
        let refusal = Some(why.reason);
        let cause = match sink.has(Lane::DeadLetter) {
            false => why.cause,
            true => match send_stub(leaving, lane, &why, self.rules.redaction.as_ref(), sink)? {
                None => return Ok(Left { by: Some(Lane::DeadLetter), refusal }),
                Some(last) => format!("{}; nor can it be sent as a dead letter without its payload: {last}", why.cause),
            },
        };
        let (partition, offset) = (leaving.way.source.clone(), leaving.way.record.offset());
        match self.rules.on_unsendable {
            OnUnsendable::Stop => Err(LineError::Unsendable { partition, offset, lane, cause }),
            OnUnsendable::Skip => Ok(Left { by: None, refusal }),
        }
    }

    /// Offsets that cannot be read are done with: a letter says which, and a replay passes them by, whatever can be read of
    /// them by then. `is_live`: they were not below the committed offset, where all that is to be said was said.
    ///
    /// # Errors
    /// The letter cannot be sent.
    pub fn skip(&mut self, unread: &Unread, is_live: bool, sink: &mut dyn Sink) -> Result<(), LineError> {
        if !is_live {
            return Ok(());
        }
        if let Some(past) = &mut self.past {
            past.ledger.decide_from(unread.from);
            past.ledger.note_range(unread.from, unread.next);
        }
        self.tally.unread += unread.next.abs_diff(unread.from);
        if sink.has(Lane::DeadLetter) {
            send_coordinates(&self.source, unread, sink)?;
        }
        Ok(())
    }
}

/// Sends what the host says of a record. It has the time and the key of the record; where the topic does not take that time,
/// the time of its sending, and where it wants a key and there is none, the place of the record. Answers why it was not sent.
fn send_own(
    lane: Lane,
    record: &Outgoing<'_>,
    way: &Way<'_>,
    sink: &mut dyn Sink,
) -> Result<Option<Unsendable>, SinkFailure> {
    match sink.refusal(lane, record) {
        None => sink.send(lane, record).map(|()| None),
        Some(why) if why.reason == Refusal::Timestamp && record.timestamp.is_some() => {
            send_own(lane, &Outgoing { timestamp: None, ..*record }, way, sink)
        }
        Some(why) if why.reason == Refusal::NoKey && record.key.is_none() => {
            let place = way.place();
            send_own(lane, &Outgoing { key: Some(place.as_bytes()), ..*record }, way, sink)
        }
        Some(why) => Ok(Some(why)),
    }
}

/// Sends a letter that stands in for a record: where it was, how large its parts are, why, and a digest to know it by. Of its
/// key only a digest is left where values are hidden.
fn send_stub(
    leaving: &Leaving<'_>,
    lane: Lane,
    why: &Unsendable,
    redaction: Option<&Redaction>,
    sink: &mut dyn Sink,
) -> Result<Option<Unsendable>, SinkFailure> {
    let way = &leaving.way;
    let (partition, offset) = (way.source.partition.to_string(), way.record.offset().to_string());
    let payload = way.record.payload().unwrap_or_default();
    let key_bytes = way.record.key().map_or(0, <[u8]>::len);
    let headers_bytes = way.record.bytes() - payload.len() - key_bytes;
    let [payload_bytes, key_bytes, headers_bytes] =
        [payload.len(), key_bytes, headers_bytes].map(|bytes| bytes.to_string());
    let (stage, digest, reason) =
        (stage(leaving, lane), format!("{:x}", Sha256::digest(payload)), reason(leaving, lane, why));
    let headers = [
        ("dedup-host-reason", cut(&reason)),
        (STAGE_HEADER, stage),
        (TOPIC_HEADER, way.source.topic.as_str()),
        (PARTITION_HEADER, partition.as_str()),
        (OFFSET_HEADER, offset.as_str()),
        ("dedup-host-unsendable", why.reason.as_str()),
        ("dedup-host-payload-bytes", payload_bytes.as_str()),
        ("dedup-host-key-bytes", key_bytes.as_str()),
        ("dedup-host-headers-bytes", headers_bytes.as_str()),
        ("dedup-host-payload-sha256", digest.as_str()),
    ];
    let key = way.record.key().map(|key| match redaction {
        Some(redaction) => Cow::Owned(redaction.of(key).into_bytes()),
        None => bounded(key),
    });
    let letter = Outgoing {
        origin: way.origin(),
        key: key.as_deref(),
        payload: None,
        timestamp: way.record.timestamp(),
        headers_of: None,
        extra_headers: &headers,
    };
    send_own(Lane::DeadLetter, &letter, way, sink)
}

/// What the record was on its way to, or what had made a dead letter of it before. Where the state is rebuilt, `output` tells
/// a record that was not decided from one that was.
fn stage(leaving: &Leaving<'_>, lane: Lane) -> &'static str {
    match (leaving.outcome, lane) {
        (Outcome::Late, _) => "late",
        (Outcome::Duplicate { .. }, _) => "duplicates",
        (Outcome::DeadLetter | Outcome::Keyless, Lane::DeadLetter) => leaving.way.stage().0,
        (Outcome::DeadLetter, _) => leaving.way.reason.map_or("output", |reason| reason.kind),
        (Outcome::Unique | Outcome::Keyless, _) => "output",
    }
}

fn reason(leaving: &Leaving<'_>, lane: Lane, why: &Unsendable) -> String {
    let before = leaving.way.reason.map(|reason| format!("{}; besides, ", cut(&reason.text)));
    format!("{}it cannot be sent to its lane, {}: {}", before.unwrap_or_default(), lane.name(), why.cause)
}

fn send_coordinates(source: &TopicPartition, unread: &Unread, sink: &mut dyn Sink) -> Result<(), SinkFailure> {
    let (partition, from, next) = (source.partition.to_string(), unread.from.to_string(), unread.next.to_string());
    let key = format!("{}/{partition}/{from}", source.topic);
    let headers = [
        ("dedup-host-reason", cut(&unread.cause)),
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

/// A key as it is, or its digest where it is too long to be one.
pub(super) fn bounded(key: &[u8]) -> Cow<'_, [u8]> {
    bounded_cow(Cow::Borrowed(key))
}

fn bounded_cow(key: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if key.len() <= KEY_BYTES_MAX {
        return key;
    }
    Cow::Owned(format!("sha256:{:x}", Sha256::digest(&key)).into_bytes())
}

/// The beginning of a text, in whole characters.
fn cut(text: &str) -> &str {
    let end = text.floor_char_boundary(REASON_BYTES_MAX);
    text.get(..end).unwrap_or_default()
}
