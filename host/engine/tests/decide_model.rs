//! The decider against a naive model that knows nothing of batches, replays or buckets.

#![expect(
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a model may panic, and only strips indexes"
)]

use std::collections::HashMap;

use engine::decide::{Batch, Candidate, Decider, Decisions, Outcome, Window};
use engine::entry::{Entry, Found};
use engine::fields::KeyStatus;
use engine::fingerprint::Fingerprint;
use engine::time::{Clock, ClockRules};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Event {
    time: i64,
    keys: Vec<u8>,
    status: KeyStatus,
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
        candidates.push(Candidate { offset: (from + index) as i64, time: Some(event.time), status: event.status });
        for key in event.keys.iter().filter(|_| event.status == KeyStatus::Keyed) {
            owners.push(index as u32);
            keys.push(Fingerprint(u128::from(*key)));
        }
    }
    let found = memory.lookup(&keys);
    let mut decisions = Decisions::default();
    decider.decide(
        &Batch { candidates: &candidates, owners: &owners, keys: &keys, found: &found },
        clock,
        &mut decisions,
    );
    for write in &decisions.writes {
        memory.entries.entry(write.fingerprint).or_default().push(write.entry);
    }
    decisions.outcomes
}

fn run_cut(events: &[Event], cuts: &[usize]) -> (Vec<Outcome>, Memory) {
    let (mut decider, mut clock, mut memory) = (Decider::new(WINDOW), Clock::default(), Memory::default());
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
    let mut clock = Clock::default();
    let mut key_index = 0;
    let mut outcomes = Vec::new();
    for (offset, event) in events.iter().enumerate() {
        let offset = offset as i64;
        let watermark = clock.watermark(&WINDOW.clock);
        clock.observe(offset, Some(event.time), &WINDOW.clock);
        let late = watermark.is_some_and(|watermark| event.time < watermark - 20);
        outcomes.push(match event.status {
            KeyStatus::Invalid => Outcome::DeadLetter,
            KeyStatus::NoKey => Outcome::Keyless,
            KeyStatus::Keyed => {
                let mut outcome = if late { Outcome::Late } else { Outcome::Unique };
                for key in event.keys.iter() {
                    let index = key_index;
                    key_index += 1;
                    if late {
                        continue;
                    }
                    let live = |(known, entry): &&(u8, Entry)| known == key && entry.time >= event.time - 100;
                    match seen.iter().rev().find(live) {
                        Some((_, entry)) if entry.offset < offset && outcome == Outcome::Unique => {
                            outcome = Outcome::Duplicate { key: index, original: *entry };
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
        Outcome::Duplicate { original, .. } => Outcome::Duplicate { key: 0, original },
        other => other,
    };
    outcomes.iter().map(strip).collect()
}

fn event() -> impl Strategy<Value = (i64, Vec<u8>, KeyStatus)> {
    let status = prop_oneof![20 => Just(KeyStatus::Keyed), 1 => Just(KeyStatus::NoKey), 1 => Just(KeyStatus::Invalid)];
    (-60_i64..12, prop::collection::vec(0_u8..12, 1..3), status)
}

/// Times drift forward and jitter backward, so that windows end, events are late and keys are admitted again.
fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 1..400).prop_map(|raw| {
        let mut base = 1_000;
        let drift = |(jitter, keys, status)| {
            base += 5;
            Event { time: base + jitter, keys, status }
        };
        raw.into_iter().map(drift).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

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
        let mut clock = Clock::default();
        for (offset, event) in events.iter().enumerate() {
            clock.observe(offset as i64, Some(event.time), &WINDOW.clock);
        }
        let again = run_batch(&mut Decider::new(WINDOW), &mut clock, &mut memory, &events[from..], from);
        for (index, (first, second)) in outcomes[from..].iter().zip(&again).enumerate() {
            // Which events are late is the clock's to say, and a clock that is ahead calls no replayed event late.
            if *first != Outcome::Late && !late_twin_before(&outcomes, &events, from + index) {
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

/// A late event is admitted when it is replayed, so those after it that share a key may be its duplicates then.
fn late_twin_before(outcomes: &[Outcome], events: &[Event], at: usize) -> bool {
    let shares_key = |earlier: &Event| earlier.keys.iter().any(|key| events[at].keys.contains(key));
    (0..at).any(|earlier| outcomes[earlier] == Outcome::Late && shares_key(&events[earlier]))
}

#[test]
fn a_window_edge_is_exact_to_the_millisecond() {
    let keyed = |time| Event { time, keys: vec![1], status: KeyStatus::Keyed };
    let (outcomes, _) = run_cut(&[keyed(1_000), keyed(1_100), keyed(1_101)], &[3]);
    let first = Entry { offset: 0, time: 1_000 };
    assert_eq!(outcomes, [Outcome::Unique, Outcome::Duplicate { key: 1, original: first }, Outcome::Unique]);
}

#[test]
fn an_event_with_several_keys_links_events_that_share_one() {
    let event = |time, keys: &[u8]| Event { time, keys: keys.to_vec(), status: KeyStatus::Keyed };
    let (outcomes, _) = run_cut(&[event(0, &[1]), event(1, &[1, 2]), event(2, &[2])], &[1, 1, 1]);
    assert_eq!(outcomes[0], Outcome::Unique);
    assert_eq!(outcomes[1], Outcome::Duplicate { key: 0, original: Entry { offset: 0, time: 0 } });
    assert_eq!(outcomes[2], Outcome::Duplicate { key: 0, original: Entry { offset: 1, time: 1 } });
}

#[test]
fn state_ahead_of_a_replay_makes_no_event_its_own_duplicate() {
    let keyed = Event { time: 50, keys: vec![1], status: KeyStatus::Keyed };
    let mut memory = Memory::default();
    memory.entries.insert(Fingerprint(1), vec![Entry { offset: 9, time: 50 }]);
    let again = run_batch(&mut Decider::new(WINDOW), &mut Clock::default(), &mut memory, &[keyed.clone(), keyed], 8);
    assert_eq!(again, [Outcome::Unique, Outcome::Duplicate { key: 1, original: Entry { offset: 8, time: 50 } }]);
}
