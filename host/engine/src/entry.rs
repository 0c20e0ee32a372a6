//! What is remembered of a key. Not where: that is the state's.

use crate::fingerprint::Fingerprint;
use crate::record::{Millis, Offset};

/// The first event of a key inside a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Source offset of the event that was first.
    pub offset: Offset,
    /// Its event time, or [`UNTIMED`].
    pub time: Millis,
}

/// In the place of the time of an event that has none, where the clock said nothing yet either. Its entry is live for
/// every event after it, and goes by capacity alone.
pub const UNTIMED: Millis = Millis::MIN;

impl Entry {
    /// Its event time; `None` where it had none.
    #[must_use]
    pub fn event_time(&self) -> Option<Millis> {
        (self.time != UNTIMED).then_some(self.time)
    }
}

/// An entry that the state holds for the key at `key` of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Index of the key in the look-up.
    pub key: u32,
    /// What is remembered. A key may have several, of different windows.
    pub entry: Entry,
}

/// An entry to be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// The key.
    pub fingerprint: Fingerprint,
    /// Its first event.
    pub entry: Entry,
}
