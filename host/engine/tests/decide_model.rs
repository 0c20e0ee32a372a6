//! The decider against a naive model that knows nothing of batches, replays or buckets.

#![expect(
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a model may panic, and only strips indexes"
)]

use std::collections::{BTreeSet, HashMap};

use engine::decide::{Batch, Candidate, Decider, Decisions, Gone, Outcome, Window};
use engine::entry::{Entry, Found, UNTIMED};
use engine::fields::KeyStatus;
use engine::fingerprint::Fingerprint;
use engine::time::{CLOCK_RECORDS, Clock, ClockRules};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Event {
    time: i64,
    keys: Vec<u8>,
    status: KeyStatus,
    sendable: bool,
}

/// All that was ever remembered, as the state would hold it. It survives replays.
#[derive(Debug, Default, Clone)]
struct Memory {
    entries: HashMap<Fingerprint, Vec<Entry>>,
}

impl Memory {
    fn lookup(&self, keys: &[Fingerprint]) -> Vec<Found> {
        let mut found = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            for entry in self.entries.get(key).into_iter().flatten() {
                found.push(Found { key: index as u32, entry: *entry });
            }
        }
        found
    }
}

/// Offset of the first event: before it are as many records as a clock must have seen.
const FIRST: usize = CLOCK_RECORDS;

/// A clock that stands where the times of [`events`] begin, and goes on with them: half of what it has seen lies before,
/// half will come to be looked at in turn.
fn started() -> Clock {
    let mut clock = Clock::default();
    for offset in 0..FIRST as i64 {
        let ahead = offset - FIRST as i64 / 2;
        clock.observe(offset, Some(1_000 + ahead.max(0) * 5), &WINDOW.clock);
    }
    clock
}

const WINDOW: Window = Window {
    length: Some(100),
    allowed_lateness: 20,
    clock: ClockRules { out_of_orderness_max: 10, jump_max: 1_000_000 },
};

fn run_batch(
    decider: &mut Decider,
    clock: &mut Clock,
    memory: &mut Memory,
    events: &[Event],
    from: usize,
) -> Vec<Outcome> {
    let mut candidates = Vec::new();
    let (mut owners, mut keys) = (Vec::new(), Vec::new());
    for (index, event) in events.iter().enumerate() {
        candidates.push(Candidate {
            offset: (FIRST + from + index) as i64,
            time: Some(event.time),
            status: event.status,
            sendable: event.sendable,
        });
        for key in event.keys.iter().filter(|_| event.status == KeyStatus::Keyed) {
            owners.push(index as u32);
            keys.push(Fingerprint(u128::from(*key)));
        }
    }
    let found = memory.lookup(&keys);
    let mut decisions = Decisions::default();
    decider.decide(
        &Batch {
            candidates: &candidates,
            owners: &owners,
            keys: &keys,
            found: &found,
            gone: Gone::default(),
            elders: &[],
        },
        clock,
        &mut decisions,
    );
    for write in &decisions.writes {
        memory.entries.entry(write.fingerprint).or_default().push(write.entry);
    }
    decisions.outcomes
}

fn run_cut(events: &[Event], cuts: &[usize]) -> (Vec<Outcome>, Memory) {
    let (mut decider, mut clock, mut memory) = (Decider::new(WINDOW), started(), Memory::default());
    let mut outcomes = Vec::new();
    let mut from = 0;
    for size in cuts.iter().copied().chain(std::iter::repeat(7)) {
        let to = (from + size.max(1)).min(events.len());
        outcomes.extend(run_batch(&mut decider, &mut clock, &mut memory, &events[from..to], from));
        from = to;
        if from == events.len() {
            break;
        }
    }
    (outcomes, memory)
}

/// The rule, written down event by event with a plain list.
fn naive(events: &[Event]) -> Vec<Outcome> {
    let mut seen: Vec<(u8, Entry)> = Vec::new();
    let mut clock = started();
    let mut key_index = 0;
    let mut outcomes = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let offset = (FIRST + index) as i64;
        let watermark = clock.watermark(&WINDOW.clock);
        clock.observe(offset, Some(event.time), &WINDOW.clock);
        let late = watermark.is_some_and(|watermark| event.time < watermark - 20);
        outcomes.push(match event.status {
            KeyStatus::Invalid => Outcome::DeadLetter,
            KeyStatus::NoKey => Outcome::Keyless,
            KeyStatus::Keyed => {
                let mut outcome = if late { Outcome::Late } else { Outcome::Unique };
                let was_seen = event.keys.iter().any(|key| {
                    let live = |(known, entry): &&(u8, Entry)| known == key && entry.time >= event.time - 100;
                    seen.iter().rev().find(live).is_some_and(|(_, entry)| entry.offset < offset)
                });
                if outcome == Outcome::Unique && !event.sendable && !was_seen {
                    outcome = Outcome::DeadLetter;
                }
                for key in event.keys.iter() {
                    let index = key_index;
                    key_index += 1;
                    if late || outcome == Outcome::DeadLetter {
                        continue;
                    }
                    let live = |(known, entry): &&(u8, Entry)| known == key && entry.time >= event.time - 100;
                    match seen.iter().rev().find(live) {
                        Some((_, entry)) if entry.offset < offset && outcome == Outcome::Unique => {
                            outcome = Outcome::Duplicate { key: index, original: *entry, elder: None };
                        }
                        Some(_) => {}
                        None => seen.push((*key, Entry { offset, time: event.time })),
                    }
                }
                outcome
            }
        });
    }
    outcomes
}

/// Key indexes count from the start of a batch; without them outcomes of different cuts can be compared.
fn without_key_index(outcomes: &[Outcome]) -> Vec<Outcome> {
    let strip = |outcome: &Outcome| match *outcome {
        Outcome::Duplicate { original, .. } => Outcome::Duplicate { key: 0, original, elder: None },
        other => other,
    };
    outcomes.iter().map(strip).collect()
}

fn event() -> impl Strategy<Value = (i64, Vec<u8>, KeyStatus, bool)> {
    let status = prop_oneof![20 => Just(KeyStatus::Keyed), 1 => Just(KeyStatus::NoKey), 1 => Just(KeyStatus::Invalid)];
    (-60_i64..12, prop::collection::vec(0_u8..12, 1..3), status, prop::bool::weighted(0.9))
}

/// Times drift forward and jitter backward, so that windows end, events are late and keys are admitted again.
fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 1..400).prop_map(|raw| {
        let mut base = 1_000;
        let drift = |(jitter, keys, status, sendable)| {
            base += 5;
            Event { time: base + jitter, keys, status, sendable }
        };
        raw.into_iter().map(drift).collect()
    })
}

proptest! {
    #![proptest_config(cases::cases(512))]

    #[test]
    fn decisions_are_those_of_the_naive_model(events in events()) {
        let (outcomes, _) = run_cut(&events, &[events.len()]);
        prop_assert_eq!(outcomes, naive(&events));
    }

    #[test]
    fn decisions_do_not_depend_on_where_batches_are_cut(events in events(), cuts in prop::collection::vec(1_usize..40, 0..40)) {
        let (outcomes, _) = run_cut(&events, &cuts);
        prop_assert_eq!(without_key_index(&outcomes), without_key_index(&naive(&events)));
    }

    /// The state is ahead of the offset that reading starts at, by a crash or by an operator; the clock is too.
    #[test]
    fn a_replay_decides_the_same(events in events(), from in 0_usize..400) {
        let (outcomes, mut memory) = run_cut(&events, &[]);
        let from = from % events.len();
        let mut clock = started();
        for (index, event) in events.iter().enumerate() {
            clock.observe((FIRST + index) as i64, Some(event.time), &WINDOW.clock);
        }
        let again = run_batch(&mut Decider::new(WINDOW), &mut clock, &mut memory, &events[from..], from);
        for (index, (first, second)) in outcomes[from..].iter().zip(&again).enumerate() {
            // Which events are late is the clock's to say, and a clock that is ahead calls no replayed event late.
            if *first != Outcome::Late && !late_relative_before(&outcomes, &events, from + index) {
                prop_assert_eq!(without_key_index(&[*first]), without_key_index(&[*second]), "offset {}", from + index);
            }
        }
    }

    #[test]
    fn every_key_first_seen_is_written_once(events in events()) {
        let (_, memory) = run_cut(&events, &[]);
        for entries in memory.entries.values() {
            let mut offsets: Vec<_> = entries.iter().map(|entry| entry.offset).collect();
            offsets.dedup();
            prop_assert_eq!(offsets.len(), entries.len());
        }
    }
}

/// A late event is admitted when it is replayed, so those after it that share a key may be its duplicates then; and a duplicate
/// links its other keys, which reaches those that share one of these.
fn late_relative_before(outcomes: &[Outcome], events: &[Event], at: usize) -> bool {
    let mut related: BTreeSet<u8> = BTreeSet::new();
    for (event, outcome) in events[..at].iter().zip(outcomes) {
        if *outcome == Outcome::Late || event.keys.iter().any(|key| related.contains(key)) {
            related.extend(&event.keys);
        }
    }
    events[at].keys.iter().any(|key| related.contains(key))
}

/// Offsets from the first event on.
fn at(index: i64) -> i64 {
    FIRST as i64 + index
}

#[test]
fn a_window_edge_is_exact_to_the_millisecond() {
    let keyed = |time| Event { time, keys: vec![1], status: KeyStatus::Keyed, sendable: true };
    let (outcomes, _) = run_cut(&[keyed(1_000), keyed(1_100), keyed(1_101)], &[3]);
    let first = Entry { offset: at(0), time: 1_000 };
    assert_eq!(
        outcomes,
        [Outcome::Unique, Outcome::Duplicate { key: 1, original: first, elder: None }, Outcome::Unique]
    );
}

#[test]
fn an_event_is_late_one_millisecond_after_the_lateness() {
    let keyed = |time, key| Event { time, keys: vec![key], status: KeyStatus::Keyed, sendable: true };
    let (outcomes, _) = run_cut(&[keyed(970, 1), keyed(969, 2)], &[1]);
    assert_eq!(outcomes, [Outcome::Unique, Outcome::Late]);
}

#[test]
fn an_event_with_several_keys_links_events_that_share_one() {
    let event = |time, keys: &[u8]| Event { time, keys: keys.to_vec(), status: KeyStatus::Keyed, sendable: true };
    let (outcomes, _) = run_cut(&[event(1_000, &[1]), event(1_001, &[1, 2]), event(1_002, &[2])], &[1, 1, 1]);
    assert_eq!(outcomes[0], Outcome::Unique);
    assert_eq!(outcomes[1], Outcome::Duplicate { key: 0, original: Entry { offset: at(0), time: 1_000 }, elder: None });
    assert_eq!(outcomes[2], Outcome::Duplicate { key: 0, original: Entry { offset: at(1), time: 1_001 }, elder: None });
}

#[test]
fn an_event_that_cannot_be_forwarded_leaves_no_entry_unless_it_is_a_duplicate() {
    let event = |keys: &[u8], sendable| Event { time: 1_000, keys: keys.to_vec(), status: KeyStatus::Keyed, sendable };
    let events =
        [event(&[1, 2], false), event(&[1], true), event(&[1, 3], false), event(&[3], true), event(&[2], true)];
    for cuts in [&[5][..], &[1, 1, 1, 1, 1]] {
        let (outcomes, _) = run_cut(&events, cuts);
        assert_eq!((outcomes[0], outcomes[1], outcomes[4]), (Outcome::DeadLetter, Outcome::Unique, Outcome::Unique));
        let original = |outcome| match outcome {
            Outcome::Duplicate { original, .. } => original.offset,
            other => panic!("{other:?}"),
        };
        assert_eq!((original(outcomes[2]), original(outcomes[3])), (at(1), at(2)), "key 3 was linked by a duplicate");
    }
}

#[test]
fn state_ahead_of_a_replay_makes_no_event_its_own_duplicate() {
    let keyed = Event { time: 50, keys: vec![1], status: KeyStatus::Keyed, sendable: true };
    let mut memory = Memory::default();
    memory.entries.insert(Fingerprint(1), vec![Entry { offset: at(9), time: 50 }]);
    let again = run_batch(&mut Decider::new(WINDOW), &mut Clock::default(), &mut memory, &[keyed.clone(), keyed], 8);
    assert_eq!(
        again,
        [Outcome::Unique, Outcome::Duplicate { key: 1, original: Entry { offset: at(8), time: 50 }, elder: None }]
    );
}

/// Decides events of one key, a batch each, by their times and what the state has forgotten.
fn decide_times(clock: &mut Clock, times: &[Option<i64>], gone: Gone) -> Vec<(Outcome, bool)> {
    let (mut decider, mut decisions) = (Decider::new(WINDOW), Decisions::default());
    let mut found = Vec::new();
    let mut decided = Vec::new();
    for (offset, time) in (FIRST as i64..).zip(times) {
        let candidates = [Candidate { offset, time: *time, status: KeyStatus::Keyed, sendable: true }];
        let keys = [Fingerprint(1)];
        let batch = Batch { candidates: &candidates, owners: &[0], keys: &keys, found: &found, gone, elders: &[] };
        decider.decide(&batch, clock, &mut decisions);
        found.extend(decisions.writes.iter().map(|write| Found { key: 0, entry: write.entry }));
        decided.push((decisions.outcomes[0], !decisions.without_memory.is_empty()));
    }
    decided
}

fn outcomes(decided: &[(Outcome, bool)]) -> Vec<Outcome> {
    decided.iter().map(|(outcome, _)| *outcome).collect()
}

#[test]
fn events_without_a_time_before_the_clock_starts_are_no_events_of_1970() {
    let first = Outcome::Duplicate { key: 0, original: Entry { offset: at(0), time: UNTIMED }, elder: None };
    let now = 1_767_268_800_000;
    let times = [None, Some(now), None, Some(now + 1_000_000), None];
    let decided = decide_times(&mut Clock::default(), &times, Gone::default());
    assert_eq!(outcomes(&decided), [Outcome::Unique, first, first, first, first]);
}

#[test]
fn an_event_without_a_time_has_the_clocks() {
    let decided = decide_times(&mut started(), &[None, Some(1_100), Some(1_101)], Gone::default());
    let first = Outcome::Duplicate { key: 0, original: Entry { offset: at(0), time: 1_000 }, elder: None };
    assert_eq!(outcomes(&decided), [Outcome::Unique, first, Outcome::Unique]);
}

#[test]
fn sixty_four_records_a_day_ahead_make_nobody_late() {
    let now = 1_767_268_800_000;
    let mut clock = Clock::default();
    for offset in 0..128 {
        clock.observe(offset, Some(now + if offset < 64 { 0 } else { 86_400_000 }), &WINDOW.clock);
    }
    assert_eq!(outcomes(&decide_times(&mut clock, &[Some(now)], Gone::default())), [Outcome::Unique]);
}

#[test]
fn a_unique_event_whose_window_reaches_into_what_is_gone_is_told_apart() {
    let reached = |time, gone| decide_times(&mut started(), &[time], gone)[0];
    let until = |until| Gone { until: Some(until), untimed: false };
    assert_eq!(reached(Some(1_050), until(950)), (Outcome::Unique, false));
    assert_eq!(reached(Some(1_050), until(951)), (Outcome::Unique, true));
    assert_eq!(reached(Some(1_050), Gone { until: None, untimed: true }), (Outcome::Unique, true));
    assert_eq!(reached(Some(900), until(1_000)), (Outcome::Late, false));
    let twice = decide_times(&mut started(), &[Some(1_050), Some(1_050)], until(951));
    assert!(matches!(twice[1], (Outcome::Duplicate { .. }, false)), "{twice:?}");
}
