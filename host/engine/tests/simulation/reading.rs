//! A plain reading of one partition's log, with which every commit is compared. It knows nothing about workers.

use std::collections::{BTreeMap, BTreeSet};

use engine::decide::Outcome;
use engine::progress::{Progress, Proof, Ranges};
use engine::record::{Millis, Offset};
use engine::time::Clock;

use crate::WINDOW;
use crate::line::{Out, Slot};
use crate::world::Kind;

#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Where the next commit must begin; and where it may, until the worker has learned that the group lost a commit.
    pub(crate) next: Offset,
    pub(crate) unheard: Option<Offset>,
    /// First events, and their times.
    firsts: BTreeMap<u8, Vec<(Offset, Millis)>>,
    clock: Clock,
    /// What was committed of each record, the last time.
    pub(crate) outcomes: BTreeMap<Offset, Outcome>,
    /// Records that went out undecided.
    pub(crate) dead: BTreeSet<Offset>,
    /// Everything that was ever committed is below this.
    pub(crate) seen: Offset,
    /// Offsets that the log no longer has need no answer.
    pub(crate) log_start: Offset,
}

impl Reading {
    /// Compares a commit of `outs` up to `next` with the log.
    pub(crate) fn commit(
        &mut self,
        log: &[Slot],
        outs: &[Out],
        next: Offset,
        text: &str,
        kind: Kind,
    ) -> Result<(), String> {
        let begins = outs.first().map_or(self.next, |out| out.offset);
        let from = match self.unheard {
            Some(unheard) if begins >= unheard || next >= unheard && outs.is_empty() => unheard,
            Some(_) | None => self.next,
        };
        if next < from {
            return Err(format!("C falls from {from} to {next}"));
        }
        let at = |offset: &Offset| log.get(usize::try_from(*offset).expect("an offset")).copied();
        let is_record = |offset: &Offset| at(offset).is_some_and(|slot| slot != Slot::Gap);
        let wanted: Vec<Offset> = (from..next).filter(is_record).collect();
        let sent: Vec<Offset> = outs.iter().map(|out| out.offset).collect();
        if self.unheard == Some(from) {
            // Whoever continues from here knows what the group lost.
            self.know(from, log);
        }
        if wanted != sent {
            return Err(format!("a commit of {from}..{next} has outputs of {sent:?}, not of {wanted:?}"));
        }
        for out in outs {
            let Some(slot) = at(&out.offset) else { return Err(format!("no record {}", out.offset)) };
            self.decide(out, slot, kind)?;
        }
        (self.next, self.unheard, self.seen) = (next, None, self.seen.max(next));
        self.prove(next, text)
    }

    fn decide(&mut self, out: &Out, slot: Slot, kind: Kind) -> Result<(), String> {
        let Slot::Record { key, time, poison, large } = slot else {
            self.note(out);
            return if out.outcome == Outcome::DeadLetter { Ok(()) } else { Err(format!("{out:?} was never read")) };
        };
        let oldest = self.clock.watermark(&WINDOW.clock).map(|watermark| watermark - WINDOW.allowed_lateness);
        let is_late = oldest.is_some_and(|oldest| time < oldest) && !self.clock.has_seen(out.offset);
        self.clock.observe(out.offset, Some(time), &WINDOW.clock);
        let firsts = self.firsts.entry(key).or_default();
        let is_live = |first: &&(Offset, Millis)| first.0 < out.offset && first.1 >= time - WINDOW.length.unwrap_or(0);
        let original = firsts.iter().filter(is_live).max_by_key(|first| first.0).map(|first| first.0);
        let is_right = match (out.outcome, original) {
            (Outcome::DeadLetter, None) => poison || large,
            (Outcome::DeadLetter, Some(_)) => poison,
            (Outcome::Late, _) => is_late,
            (Outcome::Keyless, _) => false,
            (_, _) if is_late => false,
            (Outcome::Unique, None) => true,
            // Events whose keys were dropped for want of room are decided without memory.
            (Outcome::Unique, Some(_)) => kind == Kind::Crowded,
            (Outcome::Duplicate { original: said, .. }, Some(original)) => {
                said.offset == original || kind == Kind::Crowded && said.offset < out.offset
            }
            (Outcome::Duplicate { original: said, .. }, None) => kind == Kind::Crowded && said.offset < out.offset,
        };
        if !is_right {
            return Err(format!("{out:?} of {slot:?}, late: {is_late}, original: {original:?}"));
        }
        if out.outcome == Outcome::Unique {
            firsts.push((out.offset, time));
        }
        self.note(out);
        Ok(())
    }

    fn note(&mut self, out: &Out) {
        self.outcomes.insert(out.offset, out.outcome);
        match out.outcome {
            Outcome::DeadLetter => self.dead.insert(out.offset),
            Outcome::Unique | Outcome::Duplicate { .. } | Outcome::Late | Outcome::Keyless => {
                self.dead.remove(&out.offset)
            }
        };
    }

    /// Every record that went out undecided is an exception in the progress record, or part of one of its digests.
    fn prove(&self, next: Offset, text: &str) -> Result<(), String> {
        let record = Progress::read(text, next).map_err(|error| error.to_string())?.ok_or("no progress record")?;
        let dead: BTreeSet<Offset> = self.dead.range(..next).copied().collect();
        for offset in record.complete_from().max(self.log_start)..next {
            if record.exceptions().contains(offset) != dead.contains(&offset) {
                return Err(format!("offset {offset}: dead is {}, and {record:?}", dead.contains(&offset)));
            }
        }
        let letters: Ranges = dead.iter().copied().collect();
        let missing = record.missing(self.log_start);
        match missing.dropped.iter().find(|dropped| dropped.compare(&letters) != Proof::Exact) {
            Some(dropped) => Err(format!("{dropped:?} is not proven by {dead:?}")),
            None => Ok(()),
        }
    }

    /// The group's offset is set back: what follows is read again, and must end as it did.
    pub(crate) fn set_back(&mut self, to: Offset, log: &[Slot]) {
        self.unheard = Some(self.unheard.unwrap_or(self.next));
        self.next = to;
        self.know(to, log);
    }

    /// The firsts below an offset, as they were committed.
    fn know(&mut self, to: Offset, log: &[Slot]) {
        self.firsts.clear();
        for (offset, _) in self.outcomes.range(..to).filter(|(_, outcome)| **outcome == Outcome::Unique) {
            let slot = log.get(usize::try_from(*offset).expect("an offset"));
            if let Some(Slot::Record { key, time, .. }) = slot {
                self.firsts.entry(*key).or_default().push((*offset, *time));
            }
        }
    }

    /// A worker has learned the group's offset.
    pub(crate) fn heard(&mut self) {
        self.unheard = None;
    }
}
