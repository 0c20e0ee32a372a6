//! A sink in memory, for tests and simulations: it keeps what was sent, and refuses what it is told to refuse. Not a
//! transaction: its owner takes what was sent, or forgets it.

use std::collections::BTreeMap;

use engine::record::{Millis, Outline};

use crate::failure::{Remedy, SinkFailure};
use crate::lane::Lane;
use crate::outgoing::{Origin, Outgoing};
use crate::refusal::{Refusal, Unsendable};
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

/// What one lane takes.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Bytes of key, payload and headers.
    bytes_max: usize,
    /// Times from here on are refused.
    future: Millis,
}

/// Keeps what is sent by lanes that it listens on.
#[derive(Debug, Clone, Default)]
pub struct MemorySink {
    lanes: BTreeMap<usize, Limits>,
    /// What was sent, in order.
    pub sent: Vec<Sent>,
}

impl MemorySink {
    /// Listens on these lanes.
    #[must_use]
    pub fn listening(lanes: &[Lane]) -> Self {
        let limits = Limits { bytes_max: usize::MAX, future: Millis::MAX };
        Self { lanes: lanes.iter().map(|lane| (*lane as usize, limits)).collect(), sent: Vec::new() }
    }

    /// Takes no more than so many bytes of a record on a lane.
    #[must_use]
    pub fn up_to(mut self, lane: Lane, bytes_max: usize) -> Self {
        self.lanes.entry(lane as usize).and_modify(|limits| limits.bytes_max = bytes_max);
        self
    }

    /// Takes no record of this time or a later one.
    #[must_use]
    pub fn before(mut self, future: Millis) -> Self {
        self.lanes.values_mut().for_each(|limits| limits.future = future);
        self
    }

    /// What left by a lane.
    #[must_use]
    pub fn of(&self, lane: Lane) -> Vec<&Sent> {
        self.sent.iter().filter(|sent| sent.lane == lane).collect()
    }
}

impl Sink for MemorySink {
    fn has(&self, lane: Lane) -> bool {
        self.lanes.contains_key(&(lane as usize))
    }

    fn takes_all(&self, _records: &Outline) -> bool {
        self.lanes.values().all(|limits| limits.bytes_max == usize::MAX && limits.future == Millis::MAX)
    }

    fn refusal(&self, lane: Lane, record: &Outgoing<'_>) -> Option<Unsendable> {
        let Limits { bytes_max, future } = *self.lanes.get(&(lane as usize))?;
        if record.timestamp.is_some_and(|time| time >= future) {
            return Some(Unsendable { reason: Refusal::Timestamp, cause: "it is of the future".to_owned() });
        }
        let bytes = bytes(record);
        let cause = || format!("{bytes} bytes where {bytes_max} are taken");
        (bytes > bytes_max).then(|| Unsendable { reason: Refusal::TooLarge, cause: cause() })
    }

    /// A record that is refused and sent all the same is a failure of the sink.
    fn send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkFailure> {
        if !self.has(lane) {
            return Ok(());
        }
        if let Some(refused) = self.refusal(lane, record) {
            return Err(SinkFailure::new(Remedy::None, refused));
        }
        self.sent.push(Sent {
            lane,
            origin: record.origin,
            key: record.key.map(<[u8]>::to_vec),
            payload: record.payload.map(<[u8]>::to_vec),
            timestamp: record.timestamp,
            headers: record.extra_headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        });
        Ok(())
    }
}

/// Bytes of key, payload and headers.
fn bytes(record: &Outgoing<'_>) -> usize {
    let own = record.headers_of.into_iter().flat_map(|record| record.headers());
    let own: usize = own.map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum();
    let extra: usize = record.extra_headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.map_or(0, <[u8]>::len) + record.payload.map_or(0, <[u8]>::len) + own + extra
}
