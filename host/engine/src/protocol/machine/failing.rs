//! What follows when a transaction fails: a new producer of the same id, the group's word on what was committed, and on
//! from there. Every failure of a producer is handled alike.

use std::collections::BTreeMap;

use crate::record::Offset;

use super::super::event::{Event, Failure, RefusedAt};
use super::super::partition::Partition;
use super::super::recovery::{Finding, Remembered, compare, is_settled, stable};
use super::super::{Effect, End, Moment, Notice, Stage, Standing, Transaction, Trouble};
use super::{Asking, Machine, Reconnecting, Step, Uncommitted};

impl Machine {
    /// The producer has failed, or its transaction must not be committed.
    pub(super) fn fail(
        &mut self,
        now: Moment,
        failure: Failure,
        trouble: Trouble,
        why: Reconnecting,
        effects: &mut Vec<Effect>,
    ) {
        if failure == Failure::Hopeless {
            return self.end(End::Hopeless, effects);
        }
        if let Failure::TextTooLong { chars } = failure {
            if self.text_chars_max <= self.rules.text_chars_min {
                return self.end(End::TextTooLong { chars }, effects);
            }
            self.text_chars_max = (self.text_chars_max / 2).max(self.rules.text_chars_min);
            effects.push(Effect::Shorten { chars, chars_max: self.text_chars_max });
        }
        if let Failure::Records(refused) = &failure {
            self.set_aside(refused, effects);
        }
        effects.push(Effect::Tell(Notice::Failing(trouble)));
        if failure == Failure::Fenced {
            effects.push(Effect::Tell(Notice::Fenced));
            // Once is a takeover; again and again is another host with the same id, and neither gets anything done.
            if let Some(times) = self.fencings.note(now) {
                return self.end(End::Fenced { times }, effects);
            }
        }
        self.commit_failures += 1;
        if self.commit_failures > self.rules.commit_failures_max {
            return self.end(End::GaveUp, effects);
        }
        self.start_over(why, effects);
    }

    fn start_over(&mut self, why: Reconnecting, effects: &mut Vec<Effect>) {
        self.ask(Asking::Reconnect { step: Step::Look, why }, Effect::Look, effects);
    }

    /// Waits as long as it takes.
    pub(super) fn reconnect(
        &mut self,
        now: Moment,
        step: Step,
        why: Reconnecting,
        event: Event,
        effects: &mut Vec<Effect>,
    ) {
        match (step, event) {
            (Step::Look, Event::Looked(seen)) => {
                self.see(&seen);
                self.drop_where(|standing| standing == Standing::Lost, effects);
                self.connect(why, effects);
            }
            (Step::Connect, Event::Connected) => {
                let partitions = self.owned.keys().copied().collect();
                self.ask(Asking::Reconnect { step: Step::Ask, why }, Effect::Ask { partitions }, effects);
            }
            (Step::Ask, Event::Answered(answers)) => match stable(&answers) {
                Some(stable) => self.resume(now, why, &stable, effects),
                None => self.not_yet(why, effects),
            },
            (Step::Connect | Step::Ask, Event::NotYet { is_stopping: true }) => self.end(End::Stopped, effects),
            (Step::Connect | Step::Ask, Event::NotYet { is_stopping: false }) => self.not_yet(why, effects),
            (Step::LookAgain, Event::Looked(seen)) => {
                self.see(&seen);
                self.drop_where(Standing::is_going, effects);
                for (partition, _) in self.owned.iter().filter(|(_, owned)| owned.hold.is_none()) {
                    effects.push(Effect::Tell(Notice::Stage { partition: *partition, stage: Stage::Restoring }));
                }
                self.ask(Asking::Reconnect { step: Step::Pause, why }, Effect::Pause, effects);
            }
            (Step::Pause, Event::Waited) => self.connect(why, effects),
            (step, event) => self.end(End::Bug(format!("{event:?} in {step:?}")), effects),
        }
    }

    fn connect(&mut self, why: Reconnecting, effects: &mut Vec<Effect>) {
        let question = Effect::Connect { one_by_one: self.one_by_one.is_some() };
        self.ask(Asking::Reconnect { step: Step::Connect, why }, question, effects);
    }

    fn not_yet(&mut self, why: Reconnecting, effects: &mut Vec<Effect>) {
        self.ask(Asking::Reconnect { step: Step::LookAgain, why }, Effect::Look, effects);
    }

    /// The group has answered. If all of the transaction is there, it was committed; else all of it is read again.
    fn resume(
        &mut self,
        now: Moment,
        why: Reconnecting,
        answers: &BTreeMap<i32, Option<Offset>>,
        effects: &mut Vec<Effect>,
    ) {
        if why == Reconnecting::Settled {
            return self.show_stages(effects);
        }
        let Some(findings) = self.compare(answers, effects) else { return };
        let settled = why == Reconnecting::Unknown && is_settled(&findings);
        effects.push(Effect::Tell(Notice::Ended(match (why, settled) {
            (Reconnecting::Unknown, true) => Transaction::UnknownCommitted,
            (Reconnecting::Unknown, false) => Transaction::UnknownAborted,
            (Reconnecting::Aborted | Reconnecting::Abandoned | Reconnecting::Settled, _) => Transaction::Aborted,
        })));
        if why == Reconnecting::Abandoned {
            self.commit_failures = 0;
        }
        if settled {
            self.show_stages(effects);
            self.apply(effects);
            // Where the offset had not moved, the answer is the same whether the commit went through or not.
            if self.owned.values().any(Partition::owes_commit) {
                self.uncommit(now, 0);
            }
        } else {
            self.rewind(now, answers, effects);
        }
    }

    /// What the group says, beside what was remembered. What it has not may have to be sent again, and an offset that is
    /// gone is no place to go on from.
    fn compare(
        &mut self,
        answers: &BTreeMap<i32, Option<Offset>>,
        effects: &mut Vec<Effect>,
    ) -> Option<Vec<(Remembered, Finding)>> {
        let mut findings = Vec::new();
        let mut gone = None;
        for (partition, owned) in &self.owned {
            let (partition, remembered) = (*partition, owned.remembered());
            let finding = compare(&remembered, answers.get(&partition).copied().flatten());
            match finding {
                Finding::Unchanged | Finding::AsWanted => {}
                Finding::WentBack { from, to } => {
                    effects.push(Effect::Tell(Notice::WentBack { partition, from, to }));
                }
                Finding::Moved { from, to } => effects.push(Effect::Tell(Notice::Moved { partition, from, to })),
                Finding::Gone => gone = gone.or(Some(End::NoCommitted { partition, applied: owned.committed })),
            }
            findings.push((remembered, finding));
        }
        match gone {
            Some(gone) => {
                self.end(gone, effects);
                None
            }
            None => Some(findings),
        }
    }

    /// Every partition, and not only those of the failure: a batch that failed half way is in none of the counts.
    fn rewind(&mut self, now: Moment, answers: &BTreeMap<i32, Option<Offset>>, effects: &mut Vec<Effect>) {
        self.uncommitted = None;
        for (partition, owned) in &mut self.owned {
            owned.rewind(answers.get(partition).copied().flatten());
            effects.extend([Effect::RollBack { partition: *partition }, owned.read(*partition, false)]);
            if owned.owes_commit() {
                self.uncommitted.get_or_insert(Uncommitted { since: now, records: 0 });
            }
        }
        self.show_stages(effects);
    }

    fn show_stages(&self, effects: &mut Vec<Effect>) {
        for (partition, owned) in self.owned.iter().filter(|(_, owned)| owned.hold.is_none()) {
            effects.push(Effect::Tell(Notice::Stage { partition: *partition, stage: owned.stage() }));
        }
    }

    /// Remembers what was refused for itself; where that is not known, sees to it that the next time it will be.
    fn set_aside(&mut self, refused: &[RefusedAt], effects: &mut Vec<Effect>) {
        let are_alone = self.one_by_one.is_some();
        let is_known =
            |record: &&RefusedAt| (are_alone || record.is_alone) && self.owned.contains_key(&record.partition);
        let known: Vec<RefusedAt> = refused.iter().filter(is_known).copied().collect();
        if !known.is_empty() {
            // That is getting on, not failing again.
            self.commit_failures = 0;
            effects.push(Effect::SetAside(known));
        } else if !are_alone {
            effects.push(Effect::AskLimits);
            let mut until: BTreeMap<i32, Offset> =
                self.owned.iter().map(|(partition, owned)| (*partition, owned.position)).collect();
            for record in refused {
                if let Some(end) = until.get_mut(&record.partition) {
                    *end = (*end).max(record.offset + 1);
                }
            }
            self.one_by_one = Some(until);
        }
    }

    /// After a commit: sends batches again where nothing is in the way any more.
    pub(super) fn batches_again(&mut self, effects: &mut Vec<Effect>) {
        let is_behind = |(partition, until): (&i32, &Offset)| {
            self.owned.get(partition).is_none_or(|owned| owned.committed >= *until)
        };
        if self.one_by_one.as_ref().is_some_and(|until| until.iter().all(is_behind)) {
            self.one_by_one = None;
            self.start_over(Reconnecting::Settled, effects);
        }
    }
}
