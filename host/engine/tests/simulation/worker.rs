//! A worker like the host's, in a simulated world: it performs the effects of the machine, one per step, so that anything
//! may happen between two of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use cases::Rng;
use engine::protocol::{
    Answer, Effect, End, Epoch, Event, Failure, Handover, Machine, Obstacle, Opened, Rules, Standing,
};
use engine::record::Offset;

use crate::broker::{Broker, Ended, Membership};
use crate::flaws::Flaw;
use crate::host::{Delivered, Reading, Shell, Work};
use crate::line::{Line, Plugin};

pub(crate) struct Worker {
    pub(crate) name: String,
    id: u32,
    epoch: u32,
    pub(crate) machine: Machine,
    pub(crate) inbox: VecDeque<Work>,
    pub(crate) lines: BTreeMap<i32, Owned>,
    at_hand: Option<Delivered>,
    obstacle: Option<Obstacle>,
    steps: VecDeque<Step>,
    membership: Option<Membership>,
    refused: BTreeSet<(i32, Offset)>,
    is_alone: bool,
    is_turn_due: bool,
    pub(crate) is_over: bool,
    pub(crate) flaw: Option<Flaw>,
    /// The group's last known offsets: for flaws.
    remembered: BTreeMap<i32, Offset>,
    /// Its thread is frozen until then; the host is not.
    pub(crate) stalled_until: u64,
    is_committing: bool,
    epochs: BTreeMap<i32, Epoch>,
}

pub(crate) struct Owned {
    pub(crate) line: Line,
    pub(crate) assignment: u64,
    kept: Option<Delivered>,
}

enum Step {
    Do(Effect),
    /// The last step of persisting.
    WriteApplied(i32),
    /// The second half of a commit.
    EndTransaction,
}

/// What a worker needs for a step.
pub(crate) struct Around<'a> {
    pub(crate) shell: &'a mut Shell,
    pub(crate) broker: &'a mut Broker,
    pub(crate) rng: &'a mut Rng,
    pub(crate) story: &'a mut Option<Vec<String>>,
}

impl Around<'_> {
    pub(crate) fn tell(&mut self, words: impl FnOnce() -> String) {
        if let Some(story) = self.story {
            story.push(format!("{:>5} {}", self.broker.now, words()));
        }
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.broker.now * 50)
    }
}

impl Worker {
    pub(crate) fn new(
        name: String,
        id: u32,
        epoch: u32,
        commit_interval: Duration,
        shell: &Shell,
        flaw: Option<Flaw>,
    ) -> Self {
        let rules = Rules {
            commit_interval,
            transaction_records_max: 60,
            commit_failures_max: 10,
            text_chars_max: shell.text_chars_max,
            text_chars_min: engine::progress::TEXT_CHARS_MIN,
        };
        Self {
            name,
            id,
            epoch,
            machine: Machine::new(rules, shell.plugins),
            inbox: VecDeque::new(),
            lines: BTreeMap::new(),
            at_hand: None,
            obstacle: None,
            steps: VecDeque::new(),
            membership: None,
            refused: BTreeSet::new(),
            is_alone: false,
            is_turn_due: false,
            is_over: false,
            flaw,
            remembered: BTreeMap::new(),
            stalled_until: 0,
            is_committing: false,
            epochs: BTreeMap::new(),
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    pub(crate) fn step(&mut self, around: &mut Around<'_>) {
        if self.is_over || around.broker.now < self.stalled_until {
            return;
        }
        let is_commit = matches!(self.steps.front(), Some(Step::Do(Effect::Commit { .. }) | Step::EndTransaction));
        if is_commit && !around.broker.is_calm && around.rng.chance(60) {
            // Where it does the most harm.
            self.stalled_until = around.broker.now + 30 + around.rng.below(400) as u64;
            return;
        }
        if let Some(step) = self.steps.pop_front() {
            let answer = match step {
                Step::Do(effect) => self.perform(effect, around),
                Step::WriteApplied(partition) => self.write_applied(partition, around),
                Step::EndTransaction => Some(self.end_transaction(around)),
            };
            if let Some(answer) = answer {
                self.on(answer, around);
            }
            return;
        }
        let seen = self.look(around);
        self.on(Event::Looked(seen), around);
        if std::mem::take(&mut self.is_turn_due) {
            let plugins = self.plugins_in_force(around.shell.plugins);
            return self.on(Event::Turn { plugins }, around);
        }
        self.is_turn_due = true;
        match self.inbox.pop_front() {
            Some(work) => self.take(work, around),
            None => self.on(Event::Idle, around),
        }
    }

    fn on(&mut self, event: Event, around: &mut Around<'_>) {
        let event = self.distort(event);
        self.is_committing = false;
        let is_quiet = matches!(&event, Event::Idle | Event::Turn { .. } | Event::Reached { .. });
        if !is_quiet && !matches!(&event, Event::Looked(seen) if seen.is_empty()) {
            around.tell(|| format!("{} hears {event:?}", self.name));
        }
        let effects = self.machine.on(around.now(), event);
        let questions = effects.iter().filter(|effect| effect.is_question()).count();
        if questions > 1 || questions == 1 && !effects.last().is_some_and(Effect::is_question) {
            around.broker.violate(format!("a question is not the last of {effects:?}"));
        }
        self.steps.extend(effects.into_iter().map(Step::Do));
    }

    fn take(&mut self, work: Work, around: &mut Around<'_>) {
        match work {
            Work::Opened { assignment, partition, mut line, start, group } => {
                line.plugins = around.shell.plugins;
                let Some(standing) = around.shell.flows.get_mut(&assignment) else { return };
                let Some(next) = standing.after(Handover::Adopt) else {
                    around.shell.locked.remove(&partition);
                    return;
                };
                *standing = next;
                self.lines.insert(partition, Owned { line: *line, assignment, kept: None });
                // Now and then a commit is due although there is nothing new.
                let owes_record = assignment.is_multiple_of(3);
                self.on(Event::Opened(Opened { partition, assignment, start, group, owes_record }), around);
            }
            Work::Batch(delivered) => {
                let batch = delivered.batch;
                self.at_hand = Some(delivered);
                self.on(Event::Batch(batch), around);
            }
            Work::Reached { partition, epoch } => self.on(Event::Reached { partition, epoch }, around),
            Work::Obstacle(obstacle) => {
                self.obstacle = Some(obstacle);
                self.on(Event::Obstacle(obstacle), around);
            }
        }
    }

    fn look(&mut self, around: &mut Around<'_>) -> Vec<(i32, Standing)> {
        let mut seen = Vec::new();
        for (partition, owned) in &self.lines {
            let Some(standing) = around.shell.flows.get_mut(&owned.assignment) else { continue };
            if self.flaw == Some(Flaw::ReleaseBeforeCommit) && *standing == Standing::Leaving {
                *standing = Standing::Released;
                seen.push((*partition, Standing::Leaving));
            } else if self.flaw == Some(Flaw::LostIsCommitted) && *standing == Standing::Lost {
                seen.push((*partition, Standing::Leaving));
            } else if standing.is_going() {
                seen.push((*partition, *standing));
            }
        }
        seen
    }

    fn perform(&mut self, effect: Effect, around: &mut Around<'_>) -> Option<Event> {
        if !matches!(effect, Effect::Persist { must: false, .. } | Effect::Tell(_) | Effect::Look) {
            around.tell(|| format!("{} does {effect:?}", self.name));
        }
        match effect {
            Effect::Read { partition, epoch, from, is_first } => {
                around.shell.stopped.remove(&partition);
                self.epochs.insert(partition, epoch);
                around.shell.readings.push_back(Reading { partition, epoch, from, is_first });
                None
            }
            Effect::StopReading { partition, .. } => {
                around.shell.stopped.insert(partition);
                None
            }
            Effect::Process { partition, live_from, is_kept } => {
                Some(self.process(partition, live_from, is_kept, around))
            }
            Effect::Skip { partition, live_from } => Some(self.skip(partition, live_from, around)),
            Effect::Keep { partition } => {
                let delivered = self.at_hand.take();
                if let Some(owned) = self.lines.get_mut(&partition) {
                    owned.kept = delivered;
                }
                None
            }
            Effect::Swap { plugins } => {
                self.lines.values_mut().for_each(|owned| owned.line.plugins = plugins);
                None
            }
            Effect::Flush => {
                Some(answer(around.broker.flush(around.rng, self.id, self.epoch, self.is_alone), Event::Flushed))
            }
            Effect::TakeMembership => {
                self.membership = around.shell.membership;
                Some(Event::Membership(self.membership.is_some()))
            }
            Effect::Look => Some(Event::Looked(self.look(around))),
            Effect::Commit { offsets } => {
                self.is_committing = true;
                self.commit(offsets, around)
            }
            Effect::Apply { partition, next } => {
                self.refused.retain(|(of, offset)| *of != partition || *offset >= next);
                self.remembered.insert(partition, next);
                if let Some(owned) = self.lines.get_mut(&partition) {
                    owned.line.commit(next);
                }
                None
            }
            Effect::RollBack { partition } => {
                self.roll_back(partition);
                None
            }
            Effect::Persist { partition, must, .. } => {
                if must || around.rng.chance(150) {
                    self.write_entries(partition, around);
                }
                None
            }
            Effect::Release { partition, .. } => {
                if let Some(owned) = self.lines.remove(&partition)
                    && let Some(standing) = around.shell.flows.get_mut(&owned.assignment)
                {
                    *standing = standing.after(Handover::Release).unwrap_or(*standing);
                    around.shell.locked.remove(&partition);
                }
                None
            }
            Effect::Connect { one_by_one } => Some(self.connect(one_by_one, around)),
            Effect::Ask { partitions } => Some(self.ask(&partitions, around)),
            Effect::Pause => Some(Event::Waited),
            Effect::SetAside(records) => {
                self.refused.extend(records.iter().map(|record| (record.partition, record.offset)));
                None
            }
            Effect::AskLimits | Effect::Tell(_) => None,
            Effect::Shorten { chars_max, .. } => {
                around.broker.meet("a progress record that was too long");
                debug_assert_eq!(chars_max, self.machine.text_chars_max());
                None
            }
            Effect::End(end) => {
                self.end(&end, around);
                None
            }
        }
    }

    fn process(&mut self, partition: i32, live_from: Offset, is_kept: bool, around: &mut Around<'_>) -> Event {
        let chars_max = self.machine.text_chars_max();
        let Some(owned) = self.lines.get_mut(&partition) else { return Event::Stuck { soon: false } };
        if is_kept {
            self.at_hand = owned.kept.take();
        }
        let Some(delivered) = self.at_hand.take() else {
            around.broker.violate(format!("there is no batch of partition {partition}"));
            return Event::Stuck { soon: false };
        };
        let live_from = match self.flaw {
            Some(Flaw::ReplayIsSent) => delivered.batch.from.min(live_from),
            Some(_) | None => live_from,
        };
        if delivered.batch.from < live_from {
            around.broker.meet("a replay");
        }
        let reading = around.broker.partitions.get(partition as usize).map(|of| &of.reading);
        let Some(reading) = reading else { return Event::Stuck { soon: false } };
        let mut plugin = Plugin {
            rng: around.rng,
            is_broken: around.shell.is_broken,
            first_time: &reading.dead,
            replay_fails: if around.broker.is_calm { 0 } else { 100 },
            repeats_below: reading.seen,
        };
        match owned.line.process(&delivered.records, live_from, &mut plugin, &self.refused) {
            Ok(outs) => {
                let is_crowded = owned.line.ledger.is_commit_due(chars_max);
                let sent = around.broker.send(around.rng, self.id, self.epoch, outs);
                answer(sent, Event::Decided { is_crowded })
            }
            Err(()) if self.flaw == Some(Flaw::StuckIsSkipped) => Event::Decided { is_crowded: false },
            Err(()) => {
                around.broker.meet("a batch held");
                self.at_hand = Some(delivered);
                Event::Stuck { soon: partition % 2 == 0 }
            }
        }
    }

    fn skip(&mut self, partition: i32, live_from: Offset, around: &mut Around<'_>) -> Event {
        let (Some(owned), Some(obstacle)) = (self.lines.get_mut(&partition), self.obstacle.take()) else {
            return Event::NotSkipped;
        };
        let outs = owned.line.skip(obstacle.next - 1, live_from);
        around.broker.meet("a record that cannot be read");
        let is_crowded = owned.line.ledger.is_commit_due(self.machine.text_chars_max());
        answer(around.broker.send(around.rng, self.id, self.epoch, outs), Event::Decided { is_crowded })
    }

    fn commit(&mut self, offsets: Vec<(i32, Offset)>, around: &mut Around<'_>) -> Option<Event> {
        let mut texts = BTreeMap::new();
        let chars_max = self.machine.text_chars_max();
        for (partition, next) in offsets {
            let Some(owned) = self.lines.get_mut(&partition) else { continue };
            let start = around.broker.partitions.get(partition as usize).map_or(0, |of| of.start);
            match owned.line.ledger.offer(next, start, chars_max) {
                Ok(text) => drop(texts.insert(partition, (next, text))),
                Err(error) => around.broker.violate(format!("partition {partition}: {error}")),
            }
            if self.flaw == Some(Flaw::ApplyBeforeCommit) {
                owned.line.commit(next);
            }
        }
        if self.has(Flaw::OffsetLeftOut) && texts.len() > 1 {
            texts.pop_first();
        }
        if self.has(Flaw::MembershipOfTheMoment) {
            self.membership = around.shell.membership;
        }
        let Some(membership) = self.membership.take() else {
            return Some(Event::Failed(Failure::Other));
        };
        match around.broker.add_offsets(around.rng, (self.id, self.epoch), membership, texts) {
            Ok(()) => {
                self.steps.push_front(Step::EndTransaction);
                None
            }
            Err(failure) => Some(Event::Failed(failure)),
        }
    }

    fn end_transaction(&mut self, around: &mut Around<'_>) -> Event {
        match around.broker.end(around.rng, self.id, self.epoch) {
            Ok(Ended::Acknowledged) => Event::Committed,
            Ok(Ended::Unknown) => Event::Failed(Failure::Other),
            Err(failure) => Event::Failed(failure),
        }
    }

    fn connect(&mut self, one_by_one: bool, around: &mut Around<'_>) -> Event {
        self.is_alone = one_by_one;
        if self.has(Flaw::ProducerUsedOn) {
            return Event::Connected;
        }
        match around.broker.connect(around.rng, self.id) {
            Some(epoch) => {
                self.epoch = epoch;
                Event::Connected
            }
            None => Event::NotYet { is_stopping: false },
        }
    }

    fn ask(&mut self, partitions: &[i32], around: &mut Around<'_>) -> Event {
        if around.rng.chance(50) && !around.broker.is_calm {
            return Event::NotYet { is_stopping: false };
        }
        Event::Answered(partitions.iter().map(|partition| (*partition, around.broker.committed(*partition))).collect())
    }

    fn roll_back(&mut self, partition: i32) {
        let is_first = self.lines.keys().next() == Some(&partition);
        let Some(owned) = self.lines.get_mut(&partition) else { return };
        owned.kept = None;
        match self.flaw {
            Some(Flaw::RollbackOfOne) if !is_first => {}
            // The partitions that stay are committed with the next transaction.
            Some(Flaw::RollbackForgotten) => {}
            Some(_) | None => owned.line.roll_back(),
        }
    }

    fn write_entries(&mut self, partition: i32, around: &mut Around<'_>) {
        let Some(owned) = self.lines.get_mut(&partition) else { return };
        let disk = around.shell.disks.entry(partition).or_default();
        if owned.line.has_staged() {
            // As the real state does.
            return around.broker.violate(format!("what is not committed of {partition} is written to disk"));
        }
        match self.flaw {
            Some(Flaw::AppliedBeforeEntries) => owned.line.write_applied(disk),
            Some(_) | None => owned.line.write_entries(disk),
        }
        self.steps.push_front(Step::WriteApplied(partition));
    }

    fn write_applied(&mut self, partition: i32, around: &mut Around<'_>) -> Option<Event> {
        if let Some(owned) = self.lines.get_mut(&partition) {
            let disk = around.shell.disks.entry(partition).or_default();
            match self.flaw {
                Some(Flaw::AppliedBeforeEntries) => owned.line.write_entries(disk),
                Some(_) | None => owned.line.write_applied(disk),
            }
        }
        None
    }

    fn end(&mut self, end: &End, around: &mut Around<'_>) {
        self.is_over = true;
        match end {
            // A restart goes on from there.
            End::GaveUp | End::Stopped | End::Fenced { .. } => around.broker.meet("a run that gave up"),
            End::Hopeless | End::TextTooLong { .. } | End::NoCommitted { .. } | End::Bug(_) => {
                around.broker.violate(format!("{} ends: {end:?}", self.name));
            }
        }
    }

    fn plugins_in_force(&mut self, plugins: u64) -> u64 {
        if !self.has(Flaw::SwapMidTransaction) {
            return plugins;
        }
        self.lines.values_mut().for_each(|owned| owned.line.plugins = plugins);
        0
    }

    /// What the flaw makes of an event before the machine sees it.
    fn distort(&mut self, event: Event) -> Event {
        match (self.flaw, event) {
            (Some(Flaw::StaleEpochAccepted), Event::Batch(mut batch)) => {
                let now = self.epochs.get(&batch.partition).copied().zip(self.machine.position(batch.partition));
                (batch.epoch, batch.from) = now.unwrap_or((batch.epoch, batch.from));
                Event::Batch(batch)
            }
            (Some(Flaw::UnknownIsCommitted), Event::Failed(_)) if self.is_committing => Event::Committed,
            (Some(Flaw::FencedIgnored), Event::Failed(Failure::Fenced)) if self.is_committing => Event::Committed,
            (Some(Flaw::RefusedIsDropped), Event::Failed(Failure::Records(_))) => Event::Flushed,
            (Some(Flaw::PendingIsNone), Event::Answered(answers)) => {
                let none = |answer| if answer == Answer::Pending { Answer::Nothing } else { answer };
                Event::Answered(answers.into_iter().map(|(partition, answer)| (partition, none(answer))).collect())
            }
            (Some(Flaw::MemoryOverGroup), Event::Answered(answers)) => {
                Event::Answered(answers.into_iter().map(|(p, answer)| (p, self.at_least(p, answer))).collect())
            }
            (Some(Flaw::UnknownIsAborted), Event::Answered(answers)) => {
                Event::Answered(answers.into_iter().map(|(p, answer)| (p, self.as_remembered(p, answer))).collect())
            }
            (_, event) => event,
        }
    }

    fn at_least(&self, partition: i32, answer: Answer) -> Answer {
        match (answer, self.remembered.get(&partition)) {
            (Answer::At(now), Some(before)) => Answer::At(now.max(*before)),
            (answer, _) => answer,
        }
    }

    fn as_remembered(&self, partition: i32, answer: Answer) -> Answer {
        match (answer, self.remembered.get(&partition)) {
            (Answer::At(_), Some(before)) => Answer::At(*before),
            (answer, _) => answer,
        }
    }
}

fn answer(done: Result<(), Failure>, event: Event) -> Event {
    match done {
        Ok(()) => event,
        Err(failure) => Event::Failed(failure),
    }
}
