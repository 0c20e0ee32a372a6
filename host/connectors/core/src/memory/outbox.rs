//! A record that was sent, and the simplest of sinks: it keeps what is sent by lanes that it listens on. Not a transaction:
//! its owner takes what was sent, or forgets it.

use std::collections::BTreeMap;

use engine::record::{Millis, Outline};

use super::lanes::Lanes;
use crate::failure::{Remedy, SinkFailure};
use crate::lane::Lane;
use crate::outgoing::{Origin, Outgoing};
use crate::refusal::Unsendable;
use crate::sink::Sink;

/// A record that was sent. Headers that came along from the input are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The lane that it left by.
    pub lane: Lane,
    /// What it comes of.
    pub origin: Origin,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its payload.
    pub payload: Option<Vec<u8>>,
    /// Its time.
    pub timestamp: Option<Millis>,
    /// The headers that the host added.
    pub headers: BTreeMap<&'static str, String>,
}

impl Sent {
    pub(super) fn of(lane: Lane, record: &Outgoing<'_>) -> Self {
        Self {
            lane,
            origin: record.origin,
            key: record.key.map(<[u8]>::to_vec),
            payload: record.payload.map(<[u8]>::to_vec),
            timestamp: record.timestamp,
            headers: record.extra_headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        }
    }
}

/// Keeps what is sent.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    lanes: Lanes,
    /// What was sent, in order.
    pub sent: Vec<Sent>,
}

impl Outbox {
    /// Listens on these lanes, which take everything.
    #[must_use]
    pub fn listening(lanes: &[Lane]) -> Self {
        Self::of_lanes(Lanes::listening(lanes))
    }

    /// Listens on these lanes.
    #[must_use]
    pub fn of_lanes(lanes: Lanes) -> Self {
        Self { lanes, sent: Vec::new() }
    }

    /// What left by a lane.
    #[must_use]
    pub fn of(&self, lane: Lane) -> Vec<&Sent> {
        self.sent.iter().filter(|sent| sent.lane == lane).collect()
    }
}

impl Sink for Outbox {
    fn has(&self, lane: Lane) -> bool {
        self.lanes.has(lane)
    }

    fn takes_all(&self, _records: &Outline) -> bool {
        self.lanes.take_all()
    }

    fn refusal(&self, lane: Lane, record: &Outgoing<'_>) -> Option<Unsendable> {
        self.lanes.refusal(lane, record)
    }

    /// A record that is refused and sent all the same is a failure of the sink.
    fn send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkFailure> {
        if !self.has(lane) {
            return Ok(());
        }
        if let Some(refused) = self.refusal(lane, record) {
            return Err(SinkFailure::new(Remedy::None, refused));
        }
        self.sent.push(Sent::of(lane, record));
        Ok(())
    }
}
