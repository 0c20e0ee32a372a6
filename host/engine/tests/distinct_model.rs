//! The rule by which events too unlike their originals pass, against a naive model that knows nothing of batches, rounds
//! of comparisons, replays or beacons.

#![expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "a model may panic, and counts little")]

use std::collections::{BTreeMap, HashMap};

use engine::decide::{Candidate, Decisions, Gone, Outcome, Window};
use engine::distinct::{Distinct, ORIGINALS_MAX};
use engine::entry::{Entry, Found};
use engine::fields::KeyStatus;
use engine::fingerprint::Fingerprint;
use engine::record::Offset;
use engine::time::{Clock, ClockRules};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Event {
    time: i64,
    keys: Vec<u8>,
    status: KeyStatus,
    look: u8,
    sendable: bool,
}

/// What becomes of an event, without the index of its key, which counts from the start of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Said {
    Unique,
    Duplicate(Offset),
    Distinct(Offset),
    Other(Outcome),
}

const WINDOW: Window = Window {
    length: Some(100),
    allowed_lateness: 20,
    clock: ClockRules { out_of_orderness_max: 10, jump_max: 1_000_000 },
};

const BOUND: f64 = 0.75;

/// Some looks nobody can compare.
fn similarity(one: u8, other: u8) -> Option<f64> {
    (one + other != 13).then(|| 1.0 - f64::from(one.abs_diff(other)) / 8.0)
}

/// All that was ever remembered, as the state would hold it.
#[derive(Debug, Default, Clone)]
struct Memory(HashMap<Fingerprint, Vec<Entry>>);

impl Memory {
    fn lookup(&self, keys: &[Fingerprint]) -> Vec<Found> {
        let found = (0..).zip(keys).flat_map(|(key, fingerprint)| {
            let entries = self.0.get(fingerprint).into_iter().flatten();
            entries.map(move |entry| Found { key, entry: *entry })
        });
        found.collect()
    }
}

/// One partition.
struct Partition {
    rule: Distinct,
    clock: Clock,
    memory: Memory,
    not_remembered: usize,
}

impl Partition {
    fn new() -> Self {
        let (clock, memory) = (Clock::default(), Memory::default());
        Self { rule: Distinct::new(WINDOW, BOUND), clock, memory, not_remembered: 0 }
    }

    /// Decides `events[from..to]`.
    fn run(&mut self, events: &[Event], from: usize, to: usize) -> Vec<Said> {
        let (mut candidates, mut owners, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for (index, event) in events[from..to].iter().enumerate() {
            let offset = (from + index) as i64;
            candidates.push(Candidate {
                offset,
                time: Some(event.time),
                status: event.status,
                sendable: event.sendable,
            });
            for key in event.keys.iter().filter(|_| event.status == KeyStatus::Keyed) {
                owners.push(index as u32);
                keys.push(Fingerprint(u128::from(*key) << 100));
            }
        }
        self.rule.begin(&candidates, &owners, &keys, &mut self.clock);
        while !self.rule.asked().is_empty() {
            let found = self.memory.lookup(self.rule.asked());
            self.rule.found(&found);
        }
        let mut rounds = 0;
        while !self.rule.wanted().is_empty() {
            let look = |offset: i64| events[usize::try_from(offset).unwrap_or_default()].look;
            let score = |pair: &engine::distinct::Pair| {
                similarity(look(from as i64 + i64::from(pair.record)), look(pair.original.offset))
            };
            let scores: Vec<_> = self.rule.wanted().iter().map(score).collect();
            self.rule.scored(&scores);
            rounds += 1;
            assert!(rounds <= candidates.len(), "each round settles an event");
        }
        let mut decisions = Decisions::default();
        self.rule.finish(Gone::default(), &mut decisions);
        assert!(decisions.writes.is_sorted_by_key(|write| write.entry.offset));
        for write in &decisions.writes {
            self.memory.0.entry(write.fingerprint).or_default().push(write.entry);
        }
        self.not_remembered += self.rule.not_remembered().len();
        let said = (0..).zip(&decisions.outcomes).map(|(record, outcome)| match *outcome {
            Outcome::Unique => Said::Unique,
            Outcome::Duplicate { original, .. } if self.rule.is_forwarded(record) => Said::Distinct(original.offset),
            Outcome::Duplicate { key, original, .. } => {
                assert_eq!(owners[key as usize], record, "the key is the event's own");
                Said::Duplicate(original.offset)
            }
            other @ (Outcome::Late | Outcome::Keyless | Outcome::DeadLetter) => Said::Other(other),
        });
        said.collect()
    }

    fn run_cut(&mut self, events: &[Event], mut from: usize, cuts: &[usize]) -> Vec<Said> {
        let mut said = Vec::new();
        for size in cuts.iter().copied().chain(std::iter::repeat(7)) {
            let to = (from + size.max(1)).min(events.len());
            said.extend(self.run(events, from, to));
            from = to;
            if from == events.len() {
                break;
            }
        }
        said
    }
}

/// The places of a key, each with its originals by offset and time, oldest first.
type Places = [Vec<(i64, i64)>; ORIGINALS_MAX as usize];

/// The rule, written down event by event with plain lists.
fn naive(events: &[Event]) -> (Vec<Said>, usize) {
    let mut keys: HashMap<u8, Places> = HashMap::new();
    let (mut clock, mut said, mut not_remembered) = (Clock::default(), Vec::new(), 0);
    for (offset, event) in (0_i64..).zip(events) {
        let watermark = clock.watermark(&WINDOW.clock);
        clock.observe(offset, Some(event.time), &WINDOW.clock);
        let late = watermark.is_some_and(|watermark| event.time < watermark - 20);
        let other = match event.status {
            KeyStatus::Invalid => Some(Outcome::DeadLetter),
            KeyStatus::NoKey => Some(Outcome::Keyless),
            KeyStatus::Keyed => late.then_some(Outcome::Late),
        };
        if let Some(other) = other {
            said.push(Said::Other(other));
            continue;
        }
        let live = |(_, time): &&(i64, i64)| *time >= event.time - 100;
        let mut originals = BTreeMap::new();
        for places in event.keys.iter().filter_map(|key| keys.get(key)) {
            let latest = places.iter().filter_map(|place| place.iter().rev().find(live));
            originals
                .extend(latest.map(|(offset, _)| (*offset, similarity(event.look, events[*offset as usize].look))));
        }
        let best = originals.iter().fold(None::<(i64, f64)>, |best, (offset, score)| match (best, score) {
            (Some((_, highest)), Some(score)) if *score <= highest => best,
            (_, Some(score)) => Some((*offset, *score)),
            (best, None) => best,
        });
        let unknown = originals.iter().find(|(_, score)| score.is_none());
        let is = match (best, unknown) {
            (Some((original, score)), _) if score >= BOUND => Said::Duplicate(original),
            (_, Some((original, _))) => Said::Duplicate(*original),
            (Some((original, _)), None) => Said::Distinct(original),
            (None, None) => Said::Unique,
        };
        if !event.sendable && !matches!(is, Said::Duplicate(_)) {
            said.push(Said::Other(Outcome::DeadLetter));
            continue;
        }
        let mut has_room = true;
        for key in &event.keys {
            let places = keys.entry(*key).or_default();
            let is_free = |place: &Vec<(i64, i64)>| !place.iter().any(|original| live(&original));
            let is_known = places.iter().flatten().any(|(original, _)| *original == offset);
            if is_known || (matches!(is, Said::Duplicate(_)) && !places.iter().all(is_free)) {
                continue;
            }
            match places.iter_mut().find(|place| is_free(place)) {
                Some(place) => place.push((offset, event.time)),
                None => has_room = false,
            }
        }
        not_remembered += usize::from(!has_room);
        said.push(is);
    }
    (said, not_remembered)
}

/// Times drift forward and jitter backward; `jitter` says how far.
fn events(jitter: i64, keys: u8) -> impl Strategy<Value = Vec<Event>> {
    let status = prop_oneof![20 => Just(KeyStatus::Keyed), 1 => Just(KeyStatus::NoKey), 1 => Just(KeyStatus::Invalid)];
    let sendable = prop::bool::weighted(0.9);
    let event = (-jitter..12, prop::collection::vec(0..keys, 1..3), status, 0_u8..12, sendable);
    prop::collection::vec(event, 1..300).prop_map(|raw| {
        let drift = |(index, (jitter, keys, status, look, sendable)): (usize, (i64, Vec<u8>, KeyStatus, u8, bool))| {
            Event { time: 1_000 + index as i64 * 3 + jitter, keys, status, look, sendable }
        };
        raw.into_iter().enumerate().map(drift).collect()
    })
}

proptest! {
    #![proptest_config(cases::cases(400))]

    #[test]
    fn decisions_are_those_of_the_naive_model_wherever_batches_are_cut(
        events in events(60, 6),
        cuts in prop::collection::vec(1_usize..60, 0..40),
    ) {
        let (expected, not_remembered) = naive(&events);
        for cuts in [&[events.len()][..], &cuts, &[1; 300]] {
            let mut partition = Partition::new();
            prop_assert_eq!(&partition.run_cut(&events, 0, cuts), &expected);
            prop_assert_eq!(partition.not_remembered, not_remembered);
        }
    }

    /// The state is as it was somewhere before, or ahead, by a crash or by an operator.
    #[test]
    fn a_replay_decides_the_same(
        events in events(10, 6),
        cuts in prop::collection::vec(1_usize..60, 0..40),
        crash in 0_usize..300,
        back in 0_usize..300,
    ) {
        let (expected, _) = naive(&events);
        let crash = crash % events.len();
        let from = back % (crash + 1);
        let mut partition = Partition::new();
        let before = partition.run(&events, 0, from);
        let (clock, memory) = (partition.clock.clone(), partition.memory.clone());
        partition.run(&events, from, crash);
        let ahead = Partition { clock: clock.clone(), ..partition };
        let behind = Partition { clock, memory, ..Partition::new() };
        for mut partition in [behind, ahead] {
            let again = partition.run_cut(&events, from, &cuts);
            prop_assert_eq!([before.clone(), again].concat(), expected.clone());
        }
    }
}

fn alike(times: impl IntoIterator<Item = (i64, u8)>) -> Vec<Event> {
    let event = |(time, look)| Event { time, keys: vec![1], status: KeyStatus::Keyed, look, sendable: true };
    times.into_iter().map(event).collect()
}

#[test]
fn copies_of_a_distinct_event_are_its_duplicates_also_in_one_batch() {
    let events = alike([(0, 0), (1, 8), (2, 8), (3, 8), (4, 0), (5, 7)]);
    let expected = [
        Said::Unique,
        Said::Distinct(0),
        Said::Duplicate(1),
        Said::Duplicate(1),
        Said::Duplicate(0),
        Said::Duplicate(1),
    ];
    for cut in [1, 2, 6] {
        assert_eq!(Partition::new().run_cut(&events, 0, &[cut; 6]), expected);
    }
}

#[test]
fn a_distinct_event_outlives_the_first_of_its_key() {
    // Once the first is forgotten the distinct one is the only original, and at its end the key begins anew.
    let events = alike([(0, 0), (90, 8), (110, 8), (120, 0), (191, 8), (192, 8)]);
    let expected =
        [Said::Unique, Said::Distinct(0), Said::Duplicate(1), Said::Distinct(1), Said::Distinct(3), Said::Duplicate(4)];
    for cut in [1, 6] {
        assert_eq!(Partition::new().run_cut(&events, 0, &[cut; 6]), expected);
    }
}

#[test]
fn a_key_remembers_sixteen_and_says_so_of_the_others() {
    const APART: u8 = 2;
    // Far apart: none is as alike to another as the bound. None adds up to 13 either.
    let looks: Vec<u8> = (0..20).map(|n| 20 + n * (APART + 1)).collect();
    let events = alike(looks.iter().chain(&looks).map(|look| (0, *look)));
    let mut partition = Partition::new();
    let said = partition.run_cut(&events, 0, &[events.len()]);
    for (at, is) in said[20..].iter().enumerate() {
        let expected = if at < 16 { Said::Duplicate(at as i64) } else { *is };
        assert_eq!(*is, expected);
        assert!(at < 16 || matches!(is, Said::Distinct(_)), "{at}: {is:?}");
    }
    assert_eq!(partition.not_remembered, 8, "four that came twice");
    assert_eq!(naive(&events), (said, 8));
}

#[test]
fn of_equally_alike_originals_the_earliest_is_named() {
    let events = alike([(0, 0), (1, 4), (2, 2)]);
    assert_eq!(Partition::new().run_cut(&events, 0, &[3]), [Said::Unique, Said::Distinct(0), Said::Duplicate(0)]);
}

#[test]
fn what_cannot_be_compared_is_held_back() {
    let events = alike([(0, 0), (1, 13), (2, 8)]);
    assert_eq!(Partition::new().run_cut(&events, 0, &[3]), [Said::Unique, Said::Duplicate(0), Said::Distinct(0)]);
}
