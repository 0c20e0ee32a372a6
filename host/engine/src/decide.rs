//! The rule: which events of a batch are first, and which are duplicates. Not where keys come from or where events go.
//!
//! An event at offset o is a duplicate if and only if a live entry for one of its keys has an offset smaller than o.
//! An entry of the same offset is the event itself, seen again; one of a larger offset is state that is ahead of a
//! replay. Both leave the event what it was the first time. So decisions are a function of the log, never of where
//! batches are cut or of how often a part of it is read. (Kafka Streams' KIP-655 keeps the offset for the same reason.)
//!
//! An event that could not be forwarded (see [`Candidate::sendable`]) leaves no entry where it would be the first: a copy
//! that can be forwarded must not be taken for a duplicate of something that never went on.
//!
//! An event is also a duplicate of a live entry of another partition, an elder, from before the input grew: see
//! [`crate::growth`]. Its offset says nothing here; it counts for events from an offset on.
//!
//! An entry is live for an event at time t if the entry's first event is not older than t less the window. Where one of
//! the two has no time, it is live.

use std::cmp::Reverse;

use hashbrown::HashMap;

use crate::entry::{Entry, Found, UNTIMED, Write};
use crate::fields::KeyStatus;
use crate::fingerprint::Fingerprint;
use crate::growth::Elder;
use crate::record::{Millis, Offset};
use crate::time::{Clock, ClockRules};

/// How long keys are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// A key is remembered this long after its first event, in milliseconds; `None` is for ever.
    pub length: Option<Millis>,
    /// An event older than the watermark by more than this is late: the entries it would need may be gone.
    pub allowed_lateness: Millis,
    /// How the watermark follows the events.
    pub clock: ClockRules,
}

impl Window {
    /// How long an entry must be kept after its bucket's end, by the watermark; `None` is for ever.
    #[must_use]
    pub fn retention(&self) -> Option<Millis> {
        self.length.map(|length| length.saturating_add(self.allowed_lateness))
    }

    pub(crate) fn is_live(&self, entry: Entry, time: Millis) -> bool {
        let lives_on = |length| entry.time >= time.saturating_sub(length);
        self.length.is_none_or(lives_on) || entry.time == UNTIMED || time == UNTIMED
    }

    fn is_late(&self, time: Millis, clock: &Clock) -> bool {
        let Some(watermark) = clock.watermark(&self.clock) else { return false };
        self.length.is_some() && time != UNTIMED && time < watermark.saturating_sub(self.allowed_lateness)
    }

    /// An event's time, and what becomes of it before its keys are looked at; [`Outcome::Unique`] where they decide.
    pub(crate) fn standing(&self, candidate: &Candidate, clock: &Clock) -> (Millis, Outcome) {
        let time = candidate.time.or_else(|| clock.now()).unwrap_or(UNTIMED);
        let outcome = match candidate.status {
            KeyStatus::Invalid => Outcome::DeadLetter,
            KeyStatus::NoKey => Outcome::Keyless,
            KeyStatus::Keyed if !clock.has_seen(candidate.offset) && self.is_late(time, clock) => Outcome::Late,
            KeyStatus::Keyed => Outcome::Unique,
        };
        (time, outcome)
    }

    /// Whether an entry that is gone could have been live for an event at `time`.
    pub(crate) fn reaches_into(&self, gone: Gone, time: Millis) -> bool {
        gone.untimed
            || gone.until.is_some_and(|until| {
                time == UNTIMED || self.length.is_none_or(|length| time.saturating_sub(length) < until)
            })
    }
}

/// What a state may have forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gone {
    /// Entries of events before this time may be gone; `None`: none of them is.
    pub until: Option<Millis>,
    /// Entries of events without a time may be gone.
    pub untimed: bool,
}

/// One event of a batch, as far as the rule needs it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Its position.
    pub offset: Offset,
    /// Its event time, if it has one.
    pub time: Option<Millis>,
    /// What the plugin said of it.
    pub status: KeyStatus,
    /// Whether it could be forwarded. One that could not is a duplicate where it is one, and else undecided: a dead letter
    /// that leaves no entry.
    pub sendable: bool,
}

/// A batch to decide: candidates in offset order, their keys, and what the state knows of these keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct Batch<'a> {
    /// The events; offsets ascend.
    pub candidates: &'a [Candidate],
    /// For each key the index of its event; ascending.
    pub owners: &'a [u32],
    /// The keys.
    pub keys: &'a [Fingerprint],
    /// Entries of the state, ascending by key index.
    pub found: &'a [Found],
    /// Entries of other partitions, ascending by key index.
    pub elders: &'a [Elder],
    /// What the state may have forgotten.
    pub gone: Gone,
}

/// What becomes of an event. Every event has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The first of its keys.
    Unique,
    /// A key of it was seen before.
    Duplicate {
        /// Index in the batch of the key that met, the plugin's order deciding between several.
        key: u32,
        /// The event that was first.
        original: Entry,
        /// The partition that it was in, if that is another one.
        elder: Option<i32>,
    },
    /// Too far behind the watermark to be decided.
    Late,
    /// The plugin found no key in it.
    Keyless,
    /// It could not be decoded, the plugin cannot make sense of it, or it would be the first and cannot be forwarded.
    DeadLetter,
}

/// The decisions of a batch, and what is to be remembered once they are committed.
#[derive(Debug, Clone, Default)]
pub struct Decisions {
    /// One an event, in order.
    pub outcomes: Vec<Outcome>,
    /// Entries for keys first seen in this batch, in offset order.
    pub writes: Vec<Write>,
    /// Indexes of events that are called unique although their window reaches into what the state has forgotten.
    pub without_memory: Vec<u32>,
}

/// Applies the rule, batch by batch, for one partition.
#[derive(Debug)]
pub struct Decider {
    window: Window,
    /// Newest entry of each key first seen in the batch under way.
    fresh: HashMap<Fingerprint, Entry, crate::fingerprint::BuildFingerprintHasher>,
}

/// What is known of one key before an event.
enum Known {
    /// With its partition, if that is another one.
    Original(Entry, Option<i32>),
    Itself,
    Nothing,
}

impl Decider {
    /// A decider for a window.
    #[must_use]
    pub fn new(window: Window) -> Self {
        Self { window, fresh: HashMap::default() }
    }

    /// Decides a batch. `clock` is the partition's and moves on; `decisions` is overwritten.
    pub fn decide(&mut self, batch: &Batch<'_>, clock: &mut Clock, decisions: &mut Decisions) {
        self.fresh.clear();
        decisions.outcomes.clear();
        decisions.writes.clear();
        decisions.without_memory.clear();
        let mut keys = Keys { batch, key: 0, found: 0, elder: 0 };
        for (event, candidate) in batch.candidates.iter().enumerate() {
            let (time, standing) = self.window.standing(candidate, clock);
            let cannot_be_first = standing == Outcome::Unique
                && !candidate.sendable
                && !self.was_seen(candidate.offset, time, event, keys.clone());
            let standing = if cannot_be_first { Outcome::DeadLetter } else { standing };
            let outcome = self.decide_one(candidate.offset, time, standing, event, &mut keys, &mut decisions.writes);
            if outcome == Outcome::Unique && self.window.reaches_into(batch.gone, time) {
                decisions.without_memory.extend(u32::try_from(event));
            }
            decisions.outcomes.push(outcome);
            clock.observe(candidate.offset, candidate.time, &self.window.clock);
        }
    }

    fn decide_one(
        &mut self,
        offset: Offset,
        time: Millis,
        standing: Outcome,
        event: usize,
        keys: &mut Keys<'_>,
        writes: &mut Vec<Write>,
    ) -> Outcome {
        let decidable = standing == Outcome::Unique;
        let mut outcome = standing;
        while let Some(asked) = keys.next_of(event) {
            if !decidable {
                continue;
            }
            let Asked { key, fingerprint, .. } = asked;
            match self.known(&asked, offset, time) {
                Known::Original(original, elder) if outcome == Outcome::Unique => {
                    outcome = Outcome::Duplicate { key, original, elder };
                }
                Known::Original(..) | Known::Itself => {}
                Known::Nothing => {
                    let entry = Entry { offset, time };
                    self.fresh.insert(fingerprint, entry);
                    writes.push(Write { fingerprint, entry });
                }
            }
        }
        outcome
    }

    /// Whether a key of an event has an original.
    fn was_seen(&self, offset: Offset, time: Millis, event: usize, mut keys: Keys<'_>) -> bool {
        std::iter::from_fn(|| keys.next_of(event))
            .any(|asked| matches!(self.known(&asked, offset, time), Known::Original(..)))
    }

    /// Among the live entries before `offset` the one of the greatest offset is the original, so that the answer does
    /// not depend on which older windows the state still holds.
    fn known(&self, asked: &Asked<'_>, offset: Offset, time: Millis) -> Known {
        let fresh = self.fresh.get(&asked.fingerprint).copied();
        let entries = || asked.found.iter().map(|found| found.entry).chain(fresh);
        let before = entries().filter(|entry| entry.offset < offset && self.window.is_live(*entry, time));
        match before.max_by_key(|entry| entry.offset) {
            Some(original) => Known::Original(original, None),
            None if entries().any(|entry| entry.offset == offset) => Known::Itself,
            None => self.known_elsewhere(asked.elders, offset, time),
        }
    }

    /// Of the elders the newest is the original, and of these that of the lowest partition.
    fn known_elsewhere(&self, elders: &[Elder], offset: Offset, time: Millis) -> Known {
        let counts = |elder: &&Elder| elder.counts_from <= offset && self.window.is_live(elder.entry, time);
        let newest = elders.iter().filter(counts).max_by_key(|elder| (elder.entry.time, Reverse(elder.partition)));
        newest.map_or(Known::Nothing, |elder| Known::Original(elder.entry, Some(elder.partition)))
    }
}

/// Walks keys and found entries in step with the events.
#[derive(Clone)]
struct Keys<'a> {
    batch: &'a Batch<'a>,
    key: usize,
    found: usize,
    elder: usize,
}

/// A key of an event, and what is known of it.
struct Asked<'a> {
    key: u32,
    fingerprint: Fingerprint,
    found: &'a [Found],
    elders: &'a [Elder],
}

impl<'a> Keys<'a> {
    fn next_of(&mut self, event: usize) -> Option<Asked<'a>> {
        let owner = *self.batch.owners.get(self.key)?;
        if owner as usize != event {
            return None;
        }
        let key = u32::try_from(self.key).ok()?;
        let fingerprint = *self.batch.keys.get(self.key)?;
        let found = self.batch.found.get(self.found..).unwrap_or_default();
        let found = found.get(..found.iter().take_while(|found| found.key == key).count()).unwrap_or_default();
        let elders = self.batch.elders.get(self.elder..).unwrap_or_default();
        let elders = elders.get(..elders.iter().take_while(|elder| elder.key == key).count()).unwrap_or_default();
        self.key += 1;
        self.found += found.len();
        self.elder += elders.len();
        Some(Asked { key, fingerprint, found, elders })
    }
}
