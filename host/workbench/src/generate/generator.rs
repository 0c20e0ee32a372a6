//! The generator: event i as a pure function of the [`Spec`] and i. Not the bytes of an event: those are `content`'s.

use std::ops::Range;

use super::content::{Changed, Content};
use super::draw::{self, log_uniform, stream, word};
use super::spec::{Spec, SpecError};

/// What an event is to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first event of its composite (timestamp, distinct_id, token, event).
    Unique,
    /// A duplicate with the properties of its original, to the byte.
    Exact,
    /// A duplicate whose properties differ in those named.
    Altered(Changed),
}

/// What is known of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Number of the event, from 0.
    pub index: u64,
    /// Partition by token and distinct_id: duplicates share that of their original.
    pub partition: u32,
    /// Where the distinct_id stands in the buffer that the event was appended to; it needs no escapes.
    pub distinct_id: Range<usize>,
    /// The event's uuid as text.
    pub uuid: [u8; 36],
    /// The event's timestamp, in milliseconds since the epoch.
    pub timestamp_ms: u64,
    /// Index of the unique event that this one repeats.
    pub duplicate_of: Option<u64>,
    /// What it is.
    pub kind: Kind,
    /// Whether it is a duplicate with the uuid of its original.
    pub same_uuid: bool,
}

/// Makes the events of a [`Spec`] one after another.
pub struct Generator {
    spec: Spec,
    content: Content,
    next: u64,
    /// Shares as parts of 2^64.
    duplicates: u64,
    same_uuid: u64,
    altered: u64,
    chance_key: u64,
    repeat_key: u64,
}

/// What index i repeats, and how.
struct Repeat {
    original: u64,
    same_uuid: bool,
    changed: Changed,
}

impl Generator {
    /// A generator that stands before event 0.
    ///
    /// # Errors
    /// The spec asks for what cannot be made.
    pub fn new(spec: Spec) -> Result<Self, SpecError> {
        spec.check()?;
        Ok(Self {
            content: Content::new(&spec),
            next: 0,
            duplicates: parts(spec.duplicates),
            same_uuid: parts(spec.same_uuid),
            altered: parts(spec.altered),
            chance_key: draw::key(spec.seed, "chance"),
            repeat_key: draw::key(spec.seed, "repeat"),
            spec,
        })
    }

    /// Appends the next event to `out`, as one line of JSON without its newline; `None` after the last one.
    pub fn next(&mut self, out: &mut Vec<u8>) -> Option<Event> {
        let event = self.event(self.next, out)?;
        self.next += 1;
        Some(event)
    }

    /// Goes on at event `index` with the next call of [`Generator::next`].
    pub fn seek(&mut self, index: u64) {
        self.next = index;
    }

    /// Appends event `index` to `out`; `None` where the spec has no such event.
    pub fn event(&mut self, index: u64, out: &mut Vec<u8>) -> Option<Event> {
        if index >= self.spec.events {
            return None;
        }
        let repeat = self.repeat(index);
        let (original, same_uuid, changed) = match &repeat {
            None => (index, false, Changed::default()),
            Some(repeat) => (repeat.original, repeat.same_uuid, repeat.changed),
        };
        let uuid_of = if same_uuid { original } else { index };
        let written = self.content.write(out, original, uuid_of, changed);
        let kind = match &repeat {
            None => Kind::Unique,
            Some(_) if changed.is_empty() => Kind::Exact,
            Some(_) => Kind::Altered(changed),
        };
        Some(Event {
            index,
            partition: written.partition,
            distinct_id: written.distinct_id,
            uuid: written.uuid,
            timestamp_ms: written.timestamp_ms,
            duplicate_of: repeat.map(|repeat| repeat.original),
            kind,
            same_uuid,
        })
    }

    /// Whether others may repeat event `index`: only what is drawn as unique is repeated, so that no chain has to be
    /// followed.
    fn is_original(&self, index: u64) -> bool {
        index == 0 || word(self.chance_key, index) >= self.duplicates
    }

    fn repeat(&self, index: u64) -> Option<Repeat> {
        if self.is_original(index) {
            return None;
        }
        let mut draws = stream(self.repeat_key, index);
        let original = self.original_near(index, draws(), draws())?;
        let same_uuid = draws() < self.same_uuid;
        let changed = if draws() < self.altered { Changed::draw(draws(), draws()) } else { Changed::default() };
        Some(Repeat { original, same_uuid, changed })
    }

    /// The original at the distance drawn, or the nearest one to it that the distances allow: first later, then
    /// earlier ones. `None` where there is none; the event is unique then, and nobody repeats it.
    fn original_near(&self, index: u64, magnitude: u64, place: u64) -> Option<u64> {
        let (nearest, farthest) = (*self.spec.distance.start(), (*self.spec.distance.end()).min(index));
        let choices = (farthest + 1).checked_sub(nearest).filter(|choices| *choices > 0)?;
        let drawn = index - nearest - log_uniform(magnitude, place, choices);
        let mut later = drawn..=index - nearest;
        let mut earlier = (index - farthest..drawn).rev();
        later.find(|at| self.is_original(*at)).or_else(|| earlier.find(|at| self.is_original(*at)))
    }
}

/// A share as parts of 2^64. The product with a power of two is exact, so every machine agrees.
fn parts(share: f64) -> u64 {
    (share * 18_446_744_073_709_551_616.0) as u64
}
