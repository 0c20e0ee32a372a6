//! An input that grows under producers and owners of partitions that see it at any time: whatever the order of things, no
//! event is lost, and none goes out twice but for producers that stay behind. The rule is the engine's; the world is made up.

#![expect(clippy::indexing_slicing, reason = "a made-up world may panic")]

use std::collections::BTreeMap;

use engine::decide::{Batch, Candidate, Decider, Decisions, Outcome, Window};
use engine::entry::{Entry, Found};
use engine::fields::KeyStatus;
use engine::fingerprint::Fingerprint;
use engine::growth::{Elder, Finding, Growth, Layout};
use engine::time::{Clock, ClockRules};
use proptest::prelude::*;

const KEYS: u128 = 12;

#[derive(Debug, Clone, Copy)]
struct Event {
    key: u128,
    time: i64,
    by_new: bool,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Send { producer: usize, key: u128 },
    Decide { partition: usize },
    Refresh { producer: usize },
    Grow,
    See { partition: usize },
}

/// A partition with its owner.
#[derive(Default)]
struct Partition {
    log: Vec<Event>,
    position: usize,
    entries: BTreeMap<u128, Vec<Entry>>,
    growth: Option<Growth>,
    forwarded: Vec<usize>,
}

struct World {
    before: i32,
    after: i32,
    window: Window,
    partitions: Vec<Partition>,
    /// Which layout each producer knows.
    refreshed: [bool; 3],
    has_grown: bool,
    /// No producer stays behind when the first owner has seen it.
    all_refresh: bool,
    time: i64,
}

impl World {
    fn new(before: i32, added: i32, window: Option<i64>, all_refresh: bool) -> Self {
        let clock = ClockRules { out_of_orderness_max: 0, jump_max: i64::MAX };
        Self {
            before,
            after: before + added,
            window: Window { length: window, allowed_lateness: 0, clock },
            partitions: (0..before).map(|_| Partition::default()).collect(),
            refreshed: [false; 3],
            has_grown: false,
            all_refresh,
            time: 0,
        }
    }

    fn go(&mut self, step: Step) {
        self.time += 1;
        match step {
            Step::Send { producer, key } => self.send(producer, key),
            Step::Decide { partition } => {
                self.decide(partition);
            }
            Step::Refresh { producer } => self.refreshed[producer] |= self.has_grown,
            Step::Grow if !self.has_grown => {
                self.has_grown = true;
                self.partitions.resize_with(self.after as usize, Partition::default);
            }
            Step::Grow => {}
            Step::See { partition } => self.see(partition),
        }
    }

    fn send(&mut self, producer: usize, key: u128) {
        let by_new = self.refreshed[producer];
        let place = if by_new { (key * 7 + 5) % self.after as u128 } else { key % self.before as u128 };
        self.partitions[place as usize].log.push(Event { key, time: self.time, by_new });
    }

    fn see(&mut self, at: usize) {
        if !self.has_grown || at >= self.partitions.len() || self.partitions[at].growth.is_some() {
            return;
        }
        if self.all_refresh {
            self.refreshed = [true; 3];
        }
        let partition = &mut self.partitions[at];
        let finding = Finding {
            partition: at as i32,
            partitions: self.after,
            committed: partition.position as i64,
            log_end: partition.log.len() as i64,
            watermark: None,
            retention: self.window.length,
        };
        let known = Layout { partitions: self.before, growth: None };
        let own = Some(&known).filter(|_| at < self.before as usize);
        partition.growth = Layout::next(own, &[known], &finding).0.growth;
    }

    /// Whether the partition may decide its next event: before anybody has seen the growth, or when all is known that it
    /// must know.
    fn may_decide(&self, at: usize) -> bool {
        let partition = &self.partitions[at];
        let Some(growth) = partition.growth else { return !self.has_grown };
        let Some(turns) = growth.turns_before(at as i32, partition.position as i64) else { return true };
        let old = self.partitions.iter().take(self.before as usize).enumerate();
        old.clone().all(|(_, other)| other.growth.is_some())
            && old
                .take(turns as usize)
                .all(|(_, other)| other.growth.is_some_and(|lines| other.position as i64 >= lines.to))
    }

    fn decide(&mut self, at: usize) -> Option<()> {
        let event = *self.partitions.get(at)?.log.get(self.partitions[at].position)?;
        if !self.may_decide(at) {
            return None;
        }
        let offset = self.partitions[at].position as i64;
        let status = KeyStatus::Keyed;
        let candidates = [Candidate { offset, time: Some(event.time), status, sendable: true }];
        let own = self.partitions[at].entries.get(&event.key).cloned().unwrap_or_default();
        let found: Vec<Found> = own.into_iter().map(|entry| Found { key: 0, entry }).collect();
        let (elders, keys) = (self.elders(at, event.key), [Fingerprint(event.key)]);
        let batch = Batch {
            candidates: &candidates,
            owners: &[0],
            keys: &keys,
            found: &found,
            elders: &elders,
            ..Batch::default()
        };
        let (mut decisions, mut clock) = (Decisions::default(), Clock::default());
        Decider::new(self.window).decide(&batch, &mut clock, &mut decisions);
        match decisions.outcomes[0] {
            Outcome::Unique => self.partitions[at].forwarded.push(offset as usize),
            Outcome::Duplicate { original, elder, .. } => {
                let home = elder.map_or(at, |elder| elder as usize);
                assert!(self.partitions[home].forwarded.contains(&(original.offset as usize)), "dropped for nothing");
                assert_eq!(self.partitions[home].log[original.offset as usize].key, event.key);
            }
            Outcome::Late | Outcome::Keyless | Outcome::DeadLetter => panic!("{:?}", decisions.outcomes),
        }
        let partition = &mut self.partitions[at];
        decisions.writes.iter().for_each(|write| partition.entries.entry(event.key).or_default().push(write.entry));
        partition.position += 1;
        Some(())
    }

    fn elders(&self, at: usize, key: u128) -> Vec<Elder> {
        let Some(growth) = self.partitions[at].growth else { return Vec::new() };
        let mut elders = Vec::new();
        for (other, partition) in
            self.partitions.iter().take(self.before as usize).enumerate().filter(|(other, _)| *other != at)
        {
            let Some(lines) = &partition.growth else { continue };
            for entry in partition.entries.get(&key).into_iter().flatten() {
                let counts_from = growth.counts_from(at as i32, (other as i32, lines), entry.offset);
                let elder = |counts_from| Elder { key: 0, entry: *entry, partition: other as i32, counts_from };
                elders.extend(counts_from.map(elder));
            }
        }
        elders
    }

    /// Everybody sees the growth in the end, and everything is decided.
    fn finish(&mut self) {
        self.go(Step::Grow);
        (0..self.after as usize).for_each(|partition| self.see(partition));
        let left = |world: &Self| {
            world.partitions.iter().map(|partition| partition.log.len() - partition.position).sum::<usize>()
        };
        while left(self) > 0 {
            let before = left(self);
            for partition in 0..self.after as usize {
                self.decide(partition);
            }
            assert!(left(self) < before, "they wait for each other");
        }
    }

    /// Events of one key that went out though one of them was to be known to the other, by whether one was sent by the old
    /// layout after its partition's second line.
    fn twice(&self) -> (usize, usize) {
        let out = self.partitions.iter().enumerate().flat_map(|(at, partition)| {
            let to = partition.growth.filter(|_| at < self.before as usize).map_or(0, |growth| growth.to);
            partition.forwarded.iter().map(move |offset| {
                let event = partition.log[*offset];
                (event, !event.by_new && *offset as i64 >= to && partition.growth.is_some())
            })
        });
        let (out, mut twice): (Vec<_>, _) = (out.collect(), (0, 0));
        for (index, (one, stale)) in out.iter().enumerate() {
            for (other, other_stale) in &out[..index] {
                let is_near = self.window.length.is_none_or(|length| one.time.abs_diff(other.time) <= length as u64);
                if one.key == other.key && is_near {
                    let place = if *stale || *other_stale { &mut twice.1 } else { &mut twice.0 };
                    *place += 1;
                }
            }
        }
        twice
    }

    /// No key is without an event that went out.
    fn assert_none_is_lost(&self) {
        for event in self.partitions.iter().flat_map(|partition| &partition.log) {
            let went_out = |partition: &Partition| {
                let mut out = partition.forwarded.iter().map(|offset| partition.log[*offset]);
                out.any(|out| {
                    out.key == event.key && self.window.length.is_none_or(|length| out.time >= event.time - length)
                })
            };
            assert!(self.partitions.iter().any(went_out), "{event:?}");
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..3_usize, 0..KEYS).prop_map(|(producer, key)| Step::Send { producer, key }),
        8 => (0..7_usize).prop_map(|partition| Step::Decide { partition }),
        2 => (0..3_usize).prop_map(|producer| Step::Refresh { producer }),
        1 => Just(Step::Grow),
        2 => (0..7_usize).prop_map(|partition| Step::See { partition }),
    ];
    prop::collection::vec(step, 0..160)
}

fn window() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![Just(None), (1_i64..120).prop_map(Some)]
}

proptest! {
    #![proptest_config(cases::cases(3_000))]

    #[test]
    fn nothing_is_lost_and_nothing_goes_out_twice(
        steps in steps(), before in 1_i32..5, added in 1_i32..4, window in window(),
    ) {
        let mut world = World::new(before, added, window, true);
        steps.into_iter().for_each(|step| world.go(step));
        world.finish();
        world.assert_none_is_lost();
        prop_assert_eq!(world.twice(), (0, 0));
    }

    #[test]
    fn producers_that_stay_behind_lose_nothing_and_only_what_they_send_goes_out_twice(
        steps in steps(), before in 1_i32..5, added in 1_i32..4, window in window(),
    ) {
        let mut world = World::new(before, added, window, false);
        steps.into_iter().for_each(|step| world.go(step));
        world.finish();
        world.assert_none_is_lost();
        prop_assert_eq!(world.twice().0, 0);
    }
}
