//! The rule where events that are too unlike their originals pass: which events of a batch are first, which are
//! duplicates of what, and which are distinct although their key was seen. Not the comparison: it says which pairs it
//! wants compared, and is told how alike they are.
//!
//! A key has up to [`ORIGINALS_MAX`] places for originals. An original is live for an event as an entry is in
//! [`crate::decide`]: of a smaller offset, and inside the window; of several live ones in a place the one of the greatest
//! offset counts. With these, an event
//! - is unique where none of its keys has a live original;
//! - is a duplicate where it is at least as alike as the bound to a live original of any of its keys: of the one that it
//!   is most alike to, of several such of the one of the smallest offset;
//! - is a duplicate too where it is that alike to none, but could not be compared with one of them: of the earliest such;
//! - else is distinct.
//!
//! A unique or distinct event takes the first place without a live original of each of its keys, and is an original
//! there, for a window of its own. A key whose places are all taken does not remember it: later copies pass as well, and
//! this is counted. A duplicate takes the first place of those of its keys that have no live original, as in
//! [`crate::decide`].
//!
//! An event that could not be forwarded and is no duplicate leaves no entry, as in [`crate::decide`].
//!
//! So decisions are a function of the log and of how alike its events are, never of where batches are cut. An original in
//! another place than the first is an entry like any other, of a key made from the key and the place: it is staged, kept,
//! found again and expired like any other. A further entry, the beacon, says that a key has such places at all, so that
//! keys without them, which are most, ask for one entry more and not for all places.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use crate::decide::{Candidate, Decisions, Gone, Outcome, Window};
use crate::entry::{Entry, Found, Write};
use crate::fingerprint::{BuildFingerprintHasher, Fingerprint};
use crate::record::{Millis, Offset};
use crate::time::Clock;

/// Live originals that a key can have. Each duplicate is compared with all of them.
pub const ORIGINALS_MAX: u8 = 16;

/// Stands for the beacon where places are numbered.
const BEACON: u8 = ORIGINALS_MAX;

/// Ends a chain.
const NONE: u32 = u32::MAX;

/// Odd, and without a pattern (the golden ratio's fraction in 128 bits): fingerprints are random, so that those of places
/// meet no other key's but by chance.
const STEP: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// Two events to be compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Index of the later one among the candidates.
    pub record: u32,
    /// The earlier one.
    pub original: Entry,
}

/// An entry found or made, in a chain with the others of its key.
#[derive(Debug, Clone, Copy)]
struct Place {
    number: u8,
    entry: Entry,
    next: u32,
}

/// An event that its keys decide.
#[derive(Debug, Clone, Copy)]
struct Event {
    record: u32,
    offset: Offset,
    time: Millis,
    /// Its keys, from and to.
    keys: (u32, u32),
    sendable: bool,
    settled: bool,
}

/// A live original of an event, and the first of the event's keys that has it.
#[derive(Debug, Clone, Copy)]
struct Original {
    key: u32,
    entry: Entry,
}

/// Applies the rule, batch by batch, for one partition. Between batches it remembers nothing.
#[derive(Debug)]
pub struct Distinct {
    window: Window,
    bound: f64,
    /// What to ask the state for, and what that is.
    asked: Vec<Fingerprint>,
    questions: Vec<(Fingerprint, u8)>,
    keys: Vec<Fingerprint>,
    heads: HashMap<Fingerprint, u32, BuildFingerprintHasher>,
    places: Vec<Place>,
    events: Vec<Event>,
    /// How alike a candidate is to the event at an offset; `None` where nobody can say.
    scores: BTreeMap<(u32, Offset), Option<f64>>,
    wanted: Vec<Pair>,
    /// Keys of events that are not settled yet.
    open: HashSet<Fingerprint, BuildFingerprintHasher>,
    originals: Vec<Original>,
    outcomes: Vec<Outcome>,
    writes: Vec<Write>,
    forwarded: Vec<u32>,
    not_remembered: Vec<u32>,
}

impl Distinct {
    /// The rule for a window; events less alike than `bound`, 0 to 1, are distinct.
    #[must_use]
    pub fn new(window: Window, bound: f64) -> Self {
        Self {
            window,
            bound,
            asked: Vec::new(),
            questions: Vec::new(),
            keys: Vec::new(),
            heads: HashMap::default(),
            places: Vec::new(),
            events: Vec::new(),
            scores: BTreeMap::new(),
            wanted: Vec::new(),
            open: HashSet::default(),
            originals: Vec::new(),
            outcomes: Vec::new(),
            writes: Vec::new(),
            forwarded: Vec::new(),
            not_remembered: Vec::new(),
        }
    }

    /// Begins with a batch: candidates in offset order, and for each key the index of its candidate, ascending. `clock`
    /// is the partition's and moves on.
    pub fn begin(&mut self, candidates: &[Candidate], owners: &[u32], keys: &[Fingerprint], clock: &mut Clock) {
        self.clear();
        self.keys.extend_from_slice(keys);
        let mut key = 0;
        for (record, candidate) in (0..).zip(candidates) {
            let (time, outcome) = self.window.standing(candidate, clock);
            clock.observe(candidate.offset, candidate.time, &self.window.clock);
            let first = key;
            while owners.get(key as usize) == Some(&record) {
                key += 1;
            }
            if outcome == Outcome::Unique {
                let (offset, sendable) = (candidate.offset, candidate.sendable);
                let event = Event { record, offset, time, keys: (first, key), sendable, settled: false };
                self.events.push(event);
            }
            self.outcomes.push(outcome);
        }
        for key in keys {
            if self.heads.insert(*key, NONE).is_none() {
                self.ask(*key, 0);
                self.ask(*key, BEACON);
            }
        }
    }

    fn clear(&mut self) {
        self.asked.clear();
        self.questions.clear();
        self.keys.clear();
        self.heads.clear();
        self.places.clear();
        self.events.clear();
        self.scores.clear();
        self.wanted.clear();
        self.outcomes.clear();
        self.writes.clear();
        self.forwarded.clear();
        self.not_remembered.clear();
    }

    fn ask(&mut self, key: Fingerprint, number: u8) {
        self.asked.push(place(key, number));
        self.questions.push((key, number));
    }

    /// Fingerprints that the state is to be asked for, all its entries of each; none when all is known.
    #[must_use]
    pub fn asked(&self) -> &[Fingerprint] {
        &self.asked
    }

    /// Takes in what the state has of [`Distinct::asked`].
    pub fn found(&mut self, found: &[Found]) {
        let mut further = Vec::new();
        for found in found {
            match self.questions.get(found.key as usize).copied() {
                Some((key, BEACON)) if further.last() != Some(&key) => further.push(key),
                Some((_, BEACON)) | None => {}
                Some((key, number)) => self.remember(key, number, found.entry),
            }
        }
        self.asked.clear();
        self.questions.clear();
        for key in further {
            (1..ORIGINALS_MAX).for_each(|number| self.ask(key, number));
        }
        if self.asked.is_empty() {
            self.advance();
        }
    }

    /// Pairs that are to be compared; none when all is decided.
    #[must_use]
    pub fn wanted(&self) -> &[Pair] {
        &self.wanted
    }

    /// Takes in how alike the pairs of [`Distinct::wanted`] are, 0 to 1; `None` where nobody can say.
    pub fn scored(&mut self, scores: &[Option<f64>]) {
        let scores = scores.iter().copied().chain(std::iter::repeat(None));
        for (pair, score) in self.wanted.iter().zip(scores) {
            self.scores.insert((pair.record, pair.original.offset), score);
        }
        self.advance();
    }

    /// Hands the decisions over. A distinct event is a duplicate there, of the original it is most alike to, and is in
    /// [`Distinct::forwarded`].
    /// `gone` is what the state may have forgotten.
    pub fn finish(&mut self, gone: Gone, decisions: &mut Decisions) {
        decisions.without_memory.clear();
        for event in &self.events {
            let is_unique = self.outcomes.get(event.record as usize) == Some(&Outcome::Unique);
            if is_unique && self.window.reaches_into(gone, event.time) {
                decisions.without_memory.push(event.record);
            }
        }
        std::mem::swap(&mut decisions.outcomes, &mut self.outcomes);
        std::mem::swap(&mut decisions.writes, &mut self.writes);
        // Events are settled in another order where some wait to be compared. Stable: a key's own order stays.
        decisions.writes.sort_by_key(|write| write.entry.offset);
        self.forwarded.sort_unstable();
    }

    /// Whether a candidate is distinct, by its index.
    #[must_use]
    pub fn is_forwarded(&self, record: u32) -> bool {
        self.forwarded.binary_search(&record).is_ok()
    }

    /// Distinct events that a key of theirs had no place for, by their index.
    #[must_use]
    pub fn not_remembered(&self) -> &[u32] {
        &self.not_remembered
    }

    /// Settles what can be settled, and asks for what keeps the rest from it. The first event that is not settled always
    /// is after its pairs are compared.
    fn advance(&mut self) {
        self.wanted.clear();
        self.open.clear();
        for at in 0..self.events.len() {
            let Some(event) = self.events.get(at).copied().filter(|event| !event.settled) else { continue };
            self.find_originals(event);
            let before = self.wanted.len();
            for Original { entry, .. } in &self.originals {
                if !self.scores.contains_key(&(event.record, entry.offset)) {
                    self.wanted.push(Pair { record: event.record, original: *entry });
                }
            }
            let waits = self.keys_of(event).iter().any(|key| self.open.contains(key));
            if waits || self.wanted.len() > before {
                let Self { open, keys, .. } = self;
                open.extend(keys_in(keys, event));
                continue;
            }
            self.settle(event);
            if let Some(event) = self.events.get_mut(at) {
                event.settled = true;
            }
        }
    }

    fn settle(&mut self, event: Event) {
        let Some(first) = self.originals.first().copied() else {
            return if event.sendable { self.take_places(event, true) } else { self.leave_undecided(event) };
        };
        let score = |original: &Original| self.scores.get(&(event.record, original.entry.offset)).copied().flatten();
        let (mut best, mut unknown): (Option<(f64, Original)>, Option<Original>) = (None, None);
        // Ascending by offset, so that the earlier one stays.
        for original in &self.originals {
            match score(original) {
                Some(score) if best.is_none_or(|(highest, _)| score > highest) => best = Some((score, *original)),
                Some(_) => {}
                None => unknown = unknown.or(Some(*original)),
            }
        }
        let alike = best.filter(|(score, _)| *score >= self.bound).map(|(_, original)| original);
        let is_distinct = alike.is_none() && unknown.is_none();
        if is_distinct && !event.sendable {
            return self.leave_undecided(event);
        }
        let Original { key, entry } = alike.or(unknown).or(best.map(|(_, original)| original)).unwrap_or(first);
        if let Some(outcome) = self.outcomes.get_mut(event.record as usize) {
            *outcome = Outcome::Duplicate { key, original: entry, elder: None };
        }
        if is_distinct {
            self.forwarded.push(event.record);
        }
        self.take_places(event, is_distinct);
    }

    /// It would go on, and cannot.
    fn leave_undecided(&mut self, event: Event) {
        if let Some(outcome) = self.outcomes.get_mut(event.record as usize) {
            *outcome = Outcome::DeadLetter;
        }
    }

    /// Makes the event an original of its keys: of all, or of those that have none.
    fn take_places(&mut self, event: Event, of_all: bool) {
        let entry = Entry { offset: event.offset, time: event.time };
        let mut is_remembered = true;
        for at in event.keys.0..event.keys.1 {
            let Some(key) = self.keys.get(at as usize).copied() else { continue };
            let (mut taken, mut is_itself) = (0_u32, false);
            for place in self.places_of(key) {
                is_itself |= place.entry.offset == event.offset;
                taken |= u32::from(self.is_live(place.entry, event)) << place.number;
            }
            if is_itself || (taken > 0 && !of_all) {
                continue;
            }
            let number = taken.trailing_ones() as u8;
            if number == ORIGINALS_MAX {
                is_remembered = false;
                continue;
            }
            self.remember(key, number, entry);
            self.writes.push(Write { fingerprint: place(key, number), entry });
            if number > 0 {
                self.writes.push(Write { fingerprint: place(key, BEACON), entry });
            }
        }
        if !is_remembered {
            self.not_remembered.push(event.record);
        }
    }

    /// Finds the live originals of an event, ascending by offset.
    fn find_originals(&mut self, event: Event) {
        let mut originals = std::mem::take(&mut self.originals);
        originals.clear();
        for key in event.keys.0..event.keys.1 {
            let Some(fingerprint) = self.keys.get(key as usize).copied() else { continue };
            let mut live = [None::<Entry>; ORIGINALS_MAX as usize];
            for place in self.places_of(fingerprint).filter(|place| self.is_live(place.entry, event)) {
                if let Some(of_place) = live.get_mut(usize::from(place.number))
                    && of_place.is_none_or(|entry| entry.offset < place.entry.offset)
                {
                    *of_place = Some(place.entry);
                }
            }
            originals.extend(live.into_iter().flatten().map(|entry| Original { key, entry }));
        }
        originals.sort_by_key(|original| (original.entry.offset, original.key));
        originals.dedup_by_key(|original| original.entry.offset);
        self.originals = originals;
    }

    fn is_live(&self, entry: Entry, event: Event) -> bool {
        entry.offset < event.offset && self.window.is_live(entry, event.time)
    }

    fn keys_of(&self, event: Event) -> &[Fingerprint] {
        keys_in(&self.keys, event)
    }

    fn places_of(&self, key: Fingerprint) -> impl Iterator<Item = Place> {
        let mut next = self.heads.get(&key).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let place = self.places.get(next as usize).copied()?;
            next = place.next;
            Some(place)
        })
    }

    fn remember(&mut self, key: Fingerprint, number: u8, entry: Entry) {
        let head = self.heads.entry(key).or_insert(NONE);
        self.places.push(Place { number, entry, next: *head });
        *head = u32::try_from(self.places.len() - 1).unwrap_or(NONE);
    }
}

fn keys_in(keys: &[Fingerprint], event: Event) -> &[Fingerprint] {
    keys.get(event.keys.0 as usize..event.keys.1 as usize).unwrap_or_default()
}

/// The fingerprint of a place of a key; that of the first place is the key's own.
fn place(key: Fingerprint, number: u8) -> Fingerprint {
    Fingerprint(key.0.wrapping_add(STEP.wrapping_mul(u128::from(number))))
}
