//! Which lanes somebody listens on, and what they take of a record. Not what left by them.

use engine::record::Millis;

use crate::lane::{ByLane, Lane};
use crate::outgoing::Outgoing;
use crate::refusal::{Refusal, Unsendable};

/// What one lane takes.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Bytes of key, payload and headers.
    bytes_max: usize,
    /// Times from here on are refused.
    future: Millis,
}

/// Lanes that somebody listens on, and what each takes.
#[derive(Debug, Clone, Default)]
pub struct Lanes(ByLane<Option<Limits>>);

impl Lanes {
    /// These lanes, which take everything.
    #[must_use]
    pub fn listening(lanes: &[Lane]) -> Self {
        let limits = Limits { bytes_max: usize::MAX, future: Millis::MAX };
        Self(lanes.iter().map(|lane| (*lane, Some(limits))).collect())
    }

    /// The lane takes no more than so many bytes of a record.
    #[must_use]
    pub fn up_to(mut self, lane: Lane, bytes_max: usize) -> Self {
        if let Some(limits) = &mut self.0[lane] {
            limits.bytes_max = bytes_max;
        }
        self
    }

    /// No lane takes a record of this time or a later one.
    #[must_use]
    pub fn before(mut self, future: Millis) -> Self {
        self.0.iter_mut().flatten().for_each(|limits| limits.future = future);
        self
    }

    /// Whether somebody listens.
    #[must_use]
    pub fn has(&self, lane: Lane) -> bool {
        self.0[lane].is_some()
    }

    /// Whether all lanes take everything.
    #[must_use]
    pub fn take_all(&self) -> bool {
        self.0.iter().flatten().all(|limits| limits.bytes_max == usize::MAX && limits.future == Millis::MAX)
    }

    /// Why a lane does not take a record.
    #[must_use]
    pub fn refusal(&self, lane: Lane, record: &Outgoing<'_>) -> Option<Unsendable> {
        let Limits { bytes_max, future } = self.0[lane]?;
        if record.timestamp.is_some_and(|time| time >= future) {
            return Some(Unsendable { reason: Refusal::Timestamp, cause: "it is of the future".to_owned() });
        }
        let bytes = bytes(record);
        let cause = || format!("{bytes} bytes where {bytes_max} are taken");
        (bytes > bytes_max).then(|| Unsendable { reason: Refusal::TooLarge, cause: cause() })
    }
}

/// Bytes of key, payload and headers.
pub(super) fn bytes(record: &Outgoing<'_>) -> usize {
    let own = record.headers_of.into_iter().flat_map(|record| record.headers());
    let own: usize = own.map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum();
    let extra: usize = record.extra_headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.map_or(0, <[u8]>::len) + record.payload.map_or(0, <[u8]>::len) + own + extra
}
