//! A partition's line and state in miniature: the engine's own rule, clock and progress record around a plugin that is a
//! number and a state that is a list. It obeys the rules of the real ones: nothing of a batch that is stuck is staged,
//! staged entries can be rolled back, and only what was synced survives a crash.

use std::collections::{BTreeMap, BTreeSet};

use cases::Rng;
use engine::decide::{Batch, Candidate, Decider, Decisions, Gone, Outcome};
use engine::entry::{Entry, Found, Write};
use engine::fields::KeyStatus;
use engine::fingerprint::Fingerprint;
use engine::progress::{Ledger, Progress, Ranges};
use engine::record::{Millis, Offset};
use engine::time::Clock;

use crate::WINDOW;
use crate::flaws::Flaw;

/// What the log has at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Record {
        key: u8,
        time: Millis,
        poison: bool,
        large: bool,
    },
    /// The marker of a transaction, or a record of one that was aborted.
    Gap,
    /// A record that the client cannot read.
    Unreadable,
}

/// What leaves a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Out {
    pub(crate) partition: i32,
    pub(crate) offset: Offset,
    pub(crate) outcome: Outcome,
    /// The generation of the plugins that decided it.
    pub(crate) plugins: u64,
    /// Whether the broker refuses it where its limit is low.
    pub(crate) large: bool,
}

/// What is on disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    pub(crate) entries: BTreeSet<(u8, Offset, Millis)>,
    pub(crate) applied: Option<Applied>,
}

#[derive(Debug, Clone)]
pub(crate) struct Applied {
    pub(crate) next: Offset,
    clock: Clock,
    gone: Gone,
}

pub(crate) struct Line {
    partition: i32,
    decider: Decider,
    decisions: Decisions,
    clock: Clock,
    committed_clock: Clock,
    /// Entries that are part of the state, and those that are decided and not yet committed.
    entries: BTreeMap<u8, Vec<(Offset, Millis)>>,
    staged: Vec<Write>,
    pub(crate) applied: Option<Applied>,
    gone: Gone,
    capacity: usize,
    pub(crate) ledger: Ledger,
    recovered: Ranges,
    known_from: Offset,
    pub(crate) plugins: u64,
    pub(crate) flaw: Option<Flaw>,
}

/// How a plugin behaves at the moment.
pub(crate) struct Plugin<'a> {
    pub(crate) rng: &'a mut Rng,
    /// It fails on everything.
    pub(crate) is_broken: bool,
    /// The offsets that it failed on the first time, among those that were committed and are decided again.
    pub(crate) first_time: &'a BTreeSet<Offset>,
    /// How often, in a thousand, it fails on a record that was decided before.
    pub(crate) replay_fails: u64,
    /// Below this offset it answers as it did before.
    pub(crate) repeats_below: Offset,
}

impl Plugin<'_> {
    fn fails(&mut self, offset: Offset, is_replay: bool) -> bool {
        if !is_replay && offset < self.repeats_below {
            return self.first_time.contains(&offset);
        }
        // A plugin that fails on single records now and then fails less often on a whole batch.
        self.rng.chance(if is_replay { self.replay_fails } else { 500 })
    }
}

/// Where a line begins.
pub(crate) struct Begin<'a> {
    pub(crate) partition: i32,
    pub(crate) disk: &'a Disk,
    pub(crate) record: Progress,
    pub(crate) recovered: Ranges,
    pub(crate) known_from: Offset,
    pub(crate) capacity: usize,
    pub(crate) flaw: Option<Flaw>,
}

impl Line {
    /// Opens a state. Entries beyond its applied offset are removed: their events may end differently this time.
    pub(crate) fn open(begin: Begin<'_>) -> Self {
        let Begin { partition, disk, record, recovered, known_from, capacity, flaw } = begin;
        let next = disk.applied.as_ref().map_or(0, |applied| applied.next);
        let mut entries = BTreeMap::<u8, Vec<(Offset, Millis)>>::new();
        for (key, offset, time) in &disk.entries {
            if *offset < next {
                entries.entry(*key).or_default().push((*offset, *time));
            }
        }
        let clock = disk.applied.as_ref().map(|applied| applied.clock.clone()).unwrap_or_default();
        Self {
            partition,
            decider: Decider::new(WINDOW),
            decisions: Decisions::default(),
            committed_clock: clock.clone(),
            clock,
            entries,
            staged: Vec::new(),
            gone: disk.applied.as_ref().map(|applied| applied.gone).unwrap_or_default(),
            applied: disk.applied.clone(),
            capacity,
            ledger: Ledger::new(record, next),
            recovered,
            known_from,
            plugins: 0,
            flaw,
        }
    }

    fn is_exception(&self, offset: Offset) -> bool {
        self.ledger.settled().exceptions().contains(offset) || self.recovered.contains(offset)
    }

    /// `Err`: the plugin is to blame.
    pub(crate) fn process(
        &mut self,
        records: &[(Offset, Slot)],
        live_from: Offset,
        plugin: &mut Plugin<'_>,
        refused: &BTreeSet<(i32, Offset)>,
    ) -> Result<Vec<Out>, ()> {
        let Some((first, _)) = records.first() else { return Ok(Vec::new()) };
        self.ledger.decide_from((*first).max(live_from));
        let (mut candidates, mut owners, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for (offset, slot) in records {
            let Slot::Record { key, time, poison, .. } = *slot else { continue };
            let is_replay = *offset < live_from;
            let passed = is_replay && self.is_exception(*offset);
            if !passed && plugin.is_broken {
                return Err(());
            }
            let fails = !passed && poison && plugin.fails(*offset, is_replay);
            let forgives = self.flaw == Some(Flaw::ReplayDecidesAnew);
            if fails && is_replay && *offset >= self.known_from && !forgives {
                return Err(());
            }
            let status = if passed || fails { KeyStatus::Invalid } else { KeyStatus::Keyed };
            if status == KeyStatus::Keyed {
                owners.push(u32::try_from(candidates.len()).expect("few"));
                keys.push(key);
            }
            let sendable = is_replay || !refused.contains(&(self.partition, *offset));
            candidates.push(Candidate { offset: *offset, time: Some(time), status, sendable });
        }
        self.decide(&candidates, &owners, &keys);
        let mut outs = Vec::new();
        let slots = records.iter().filter(|(_, slot)| matches!(slot, Slot::Record { .. }));
        for ((offset, slot), outcome) in slots.zip(&self.decisions.outcomes) {
            if *offset < live_from {
                continue;
            }
            if *outcome == Outcome::DeadLetter && self.flaw != Some(Flaw::ExceptionsNotRecorded) {
                self.ledger.note(*offset);
            }
            let is_large = matches!(slot, Slot::Record { large: true, .. });
            // A dead letter leaves without its payload.
            let large = is_large && *outcome == Outcome::Unique;
            let (partition, plugins) = (self.partition, self.plugins);
            outs.push(Out { partition, offset: *offset, outcome: *outcome, plugins, large });
        }
        Ok(outs)
    }

    fn decide(&mut self, candidates: &[Candidate], owners: &[u32], keys: &[u8]) {
        let fingerprints: Vec<Fingerprint> = keys.iter().map(|key| Fingerprint(u128::from(*key))).collect();
        let mut found = Vec::new();
        for (index, key) in (0_u32..).zip(keys) {
            let staged = self.staged.iter().filter(|write| write.fingerprint.0 == u128::from(*key));
            let staged = staged.map(|write| write.entry);
            let known = self.entries.get(key).into_iter().flatten();
            let mut entries: Vec<Entry> =
                known.map(|(offset, time)| Entry { offset: *offset, time: *time }).chain(staged).collect();
            entries.sort_by_key(|entry| entry.offset);
            entries.dedup();
            found.extend(entries.into_iter().map(|entry| Found { key: index, entry }));
        }
        let batch = Batch { candidates, owners, keys: &fingerprints, found: &found, gone: self.gone, elders: &[] };
        self.decider.decide(&batch, &mut self.clock, &mut self.decisions);
        self.staged.extend(&self.decisions.writes);
    }

    /// Skips what cannot be read.
    pub(crate) fn skip(&mut self, offset: Offset, live_from: Offset) -> Vec<Out> {
        self.ledger.decide_from(offset.max(live_from));
        if offset < live_from {
            return Vec::new();
        }
        self.ledger.note_range(offset, offset + 1);
        let outcome = Outcome::DeadLetter;
        vec![Out { partition: self.partition, offset, outcome, plugins: self.plugins, large: false }]
    }

    pub(crate) fn commit(&mut self, next: Offset) {
        self.ledger.settle();
        self.committed_clock.clone_from(&self.clock);
        for Write { fingerprint, entry } in self.staged.drain(..) {
            let key = u8::try_from(fingerprint.0).expect("a key");
            let entries = self.entries.entry(key).or_default();
            if !entries.contains(&(entry.offset, entry.time)) {
                entries.push((entry.offset, entry.time));
            }
        }
        self.applied = Some(Applied { next, clock: self.clock.clone(), gone: self.gone });
    }

    pub(crate) fn roll_back(&mut self) {
        self.clock.clone_from(&self.committed_clock);
        self.staged.clear();
        self.ledger.rollback();
    }

    pub(crate) fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// The first step of persisting: writes entries, and drops those for which there is no room.
    pub(crate) fn write_entries(&mut self, disk: &mut Disk) {
        let flat = self.entries.iter().flat_map(|(key, entries)| entries.iter().map(|(o, t)| (*o, *key, *t)));
        let mut all: Vec<(Offset, u8, Millis)> = flat.collect();
        all.sort_unstable();
        let goes = all.len().saturating_sub(self.capacity);
        for (offset, key, time) in all.drain(..goes) {
            self.gone.until = self.gone.until.max(Some(time + 1));
            self.entries.entry(key).or_default().retain(|entry| *entry != (offset, time));
        }
        disk.entries.extend(all.into_iter().map(|(offset, key, time)| (key, offset, time)));
        if let Some(applied) = &mut self.applied {
            applied.gone = self.gone;
        }
    }

    /// The last step of persisting: the applied offset.
    pub(crate) fn write_applied(&mut self, disk: &mut Disk) {
        disk.applied.clone_from(&self.applied);
        if let Some(applied) = &self.applied {
            self.ledger.persisted(applied.next);
        }
    }
}
