//! The machine: what follows from each event. See the parent for the rules.

mod failing;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::record::Offset;

use super::event::{Batch, Event, Obstacle, Opened};
use super::fencing::Fencings;
use super::partition::Partition;
use super::{Effect, End, Epoch, Moment, Notice, Standing, Transaction, Trouble};

/// What the operator and the sink say.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Time between two commits.
    pub commit_interval: Duration,
    /// A transaction is committed when it has this many records, however young it is: they are all read again if it fails.
    pub transaction_records_max: usize,
    /// Commits that fail in a row before the run ends. Between two of them everything is set up anew.
    pub commit_failures_max: u32,
    /// Characters that a progress record may have, until a broker refuses as many, and the least that it can do with.
    pub text_chars_max: usize,
    /// See above.
    pub text_chars_min: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Machine {
    rules: Rules,
    owned: BTreeMap<i32, Partition>,
    /// What is still to be done before the next event from outside.
    agenda: VecDeque<Task>,
    /// The question that is not answered yet.
    asking: Asking,
    /// What is decided and not committed.
    uncommitted: Option<Uncommitted>,
    commit_failures: u32,
    fencings: Fencings,
    /// Until these offsets are committed records are sent one by one, so that it is seen which are refused.
    one_by_one: Option<BTreeMap<i32, Offset>>,
    text_chars_max: usize,
    /// Of the plugins that the lines have, or could not take up.
    plugins: u64,
}

/// Something to be done between two events from outside. Whether there is a need is found when its turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Commit,
    /// Lets go of partitions: what was decided is committed before, unless one of them was lost.
    LetGo,
    Drop,
    CommitIfDue,
    /// Between two batches, with all that was decided committed: the plugins in force, if they are others.
    TakeUp(u64),
    Swap(u64),
    TryHeld,
    Retry(i32),
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asking {
    Nothing,
    Process {
        batch: Batch,
    },
    Skip {
        obstacle: Obstacle,
    },
    Flush,
    Membership,
    /// With this membership: whether there is one.
    LookBeforeCommit {
        is_member: bool,
    },
    Commit,
    Reconnect {
        step: Step,
        why: Reconnecting,
    },
    /// Nothing more: the run is over.
    Over,
}

/// How far a new connection is. The new producer fences the old one, which may still try to deliver, before anything is
/// asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// What goes is let go of: nothing of it is in a transaction any more.
    Look,
    Connect,
    Ask,
    LookAgain,
    Pause,
}

/// Why a new producer is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reconnecting {
    /// A transaction has failed. Nobody had asked for its commit.
    Aborted,
    /// The same, and it is nobody's fault.
    Abandoned,
    /// The commit was asked for.
    Unknown,
    /// Batches are to be sent again.
    Settled,
}

#[derive(Debug, Clone, Copy)]
struct Uncommitted {
    since: Moment,
    records: usize,
}

impl Machine {
    /// A worker that owns nothing. `plugins`: those that its lines will be made with.
    #[must_use]
    pub fn new(rules: Rules, plugins: u64) -> Self {
        Self {
            rules,
            owned: BTreeMap::new(),
            agenda: VecDeque::new(),
            asking: Asking::Nothing,
            uncommitted: None,
            commit_failures: 0,
            fencings: Fencings::default(),
            one_by_one: None,
            text_chars_max: rules.text_chars_max,
            plugins,
        }
    }

    /// How long nothing is due, if nothing comes; `None`: for ever.
    #[must_use]
    pub fn idle_for(&self, now: Moment) -> Option<Duration> {
        let held = self.owned.values().filter_map(|owned| owned.hold.as_ref()?.retry_at());
        let retry = held.map(|at| at.saturating_sub(now)).min();
        self.until_commit(now).into_iter().chain(retry).min()
    }

    /// Characters that a progress record may have.
    #[must_use]
    pub fn text_chars_max(&self) -> usize {
        self.text_chars_max
    }

    /// The next offset of a partition to be processed, if it is owned.
    #[must_use]
    pub fn position(&self, partition: i32) -> Option<Offset> {
        self.owned.get(&partition).map(|owned| owned.position)
    }

    /// Where a partition stands, if it is owned and nothing of it is undecided or uncommitted.
    #[must_use]
    pub fn settled(&self, partition: i32) -> Option<Offset> {
        let is_settled = |owned: &&Partition| owned.position == owned.committed && owned.hold.is_none();
        let owned = self.owned.get(&partition).filter(|_| self.uncommitted.is_none()).filter(is_settled);
        owned.map(|owned| owned.position)
    }

    /// Takes in an event, and says what is to be done now.
    pub fn on(&mut self, now: Moment, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match (std::mem::replace(&mut self.asking, Asking::Nothing), event) {
            (Asking::Over, _) => self.asking = Asking::Over,
            (Asking::Nothing, Event::Opened(opened)) => self.adopt(now, &opened, &mut effects),
            (Asking::Nothing, Event::Batch(batch)) => self.take(now, batch, &mut effects),
            (Asking::Nothing, Event::Reached { partition, epoch }) => self.reach(partition, epoch, &mut effects),
            (Asking::Nothing, Event::Obstacle(obstacle)) => self.meet(obstacle, &mut effects),
            (Asking::Nothing, Event::Idle) => self.persist_if_due(&mut effects),
            (Asking::Nothing, Event::Turn { plugins }) => self.turn(plugins),
            (Asking::Nothing, Event::Over) => self.agenda.push_back(Task::Commit),
            (Asking::Nothing, Event::Looked(seen)) => self.see(&seen),
            (Asking::Process { batch }, Event::Decided { is_crowded }) => {
                self.uncommit(now, batch.records);
                self.pass(batch.partition, batch.next, is_crowded, &mut effects);
            }
            (Asking::Process { batch }, Event::Stuck { soon }) => self.hold(now, batch, soon, &mut effects),
            (Asking::Skip { obstacle }, Event::Decided { is_crowded }) => {
                self.uncommit(now, 0);
                self.pass(obstacle.partition, obstacle.next, is_crowded, &mut effects);
                effects.extend(self.owned.get(&obstacle.partition).map(|owned| owned.read(obstacle.partition, false)));
            }
            (Asking::Skip { .. }, Event::NotSkipped) => {}
            (Asking::Flush, Event::Flushed) => self.ask(Asking::Membership, Effect::TakeMembership, &mut effects),
            (Asking::Membership, Event::Membership(is_member)) => {
                self.ask(Asking::LookBeforeCommit { is_member }, Effect::Look, &mut effects);
            }
            (Asking::LookBeforeCommit { is_member }, Event::Looked(seen)) => {
                self.see(&seen);
                self.commit_what_is_owned(now, is_member, &mut effects);
            }
            (Asking::Commit, Event::Committed) => {
                self.commit_failures = 0;
                effects.push(Effect::Tell(Notice::Ended(Transaction::Committed)));
                self.owned.values_mut().for_each(|owned| owned.owes_record = false);
                self.apply(&mut effects);
            }
            (Asking::Commit, Event::Failed(failure)) => {
                self.fail(now, failure, Trouble::Reported, Reconnecting::Unknown, &mut effects);
            }
            (Asking::Process { .. } | Asking::Skip { .. } | Asking::Flush, Event::Failed(failure)) => {
                self.fail(now, failure, Trouble::Reported, Reconnecting::Aborted, &mut effects);
            }
            (Asking::Reconnect { step, why }, event) => self.reconnect(now, step, why, event, &mut effects),
            (asking, event) => self.end(End::Bug(format!("{event:?} while {asking:?}")), &mut effects),
        }
        self.advance(now, &mut effects);
        effects
    }

    /// A partition comes whose state is open.
    fn adopt(&mut self, now: Moment, opened: &Opened, effects: &mut Vec<Effect>) {
        let (partition, owned) = (opened.partition, Partition::new(opened));
        effects.push(Effect::Tell(Notice::Stage { partition, stage: owned.stage() }));
        effects.push(owned.read(partition, true));
        if owned.owes_commit() {
            self.uncommit(now, 0);
        }
        self.owned.insert(partition, owned);
    }

    /// Records from the queue: processed, kept, or stale.
    fn take(&mut self, now: Moment, batch: Batch, effects: &mut Vec<Effect>) {
        let Batch { partition, epoch, from, records, .. } = batch;
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        if epoch != owned.epoch || owned.standing.is_going() || records == 0 {
            return;
        }
        if from != owned.position {
            let position = owned.position;
            let words = format!("partition {partition}: a batch starts at {from}, and the position is {position}");
            return self.end(End::Bug(words), effects);
        }
        if owned.hold.is_some() {
            // Read again after a rewind: it is tried when its time has come.
            owned.keep(batch, now);
            effects.extend([Effect::Keep { partition }, Effect::StopReading { partition, at: from }]);
            return;
        }
        let live_from = owned.live_from;
        self.ask(Asking::Process { batch }, Effect::Process { partition, live_from, is_kept: false }, effects);
    }

    /// A replay is over at the end of the log, even if the group's offset lies behind the last record there is: the
    /// offsets between are markers of transactions, or of records that are gone.
    fn reach(&self, partition: i32, epoch: Epoch, effects: &mut Vec<Effect>) {
        if self.owned.get(&partition).is_some_and(|owned| owned.epoch == epoch) {
            effects.push(Effect::Tell(Notice::Stage { partition, stage: super::Stage::Live }));
        }
    }

    fn meet(&mut self, obstacle: Obstacle, effects: &mut Vec<Effect>) {
        let Obstacle { partition, epoch, position, .. } = obstacle;
        let is_next = |owned: &&Partition| {
            owned.epoch == epoch && owned.position == position && owned.hold.is_none() && !owned.standing.is_going()
        };
        let Some(owned) = self.owned.get(&partition).filter(is_next) else { return };
        let live_from = owned.live_from;
        self.ask(Asking::Skip { obstacle }, Effect::Skip { partition, live_from }, effects);
    }

    fn turn(&mut self, plugins: u64) {
        self.agenda.extend([Task::LetGo, Task::CommitIfDue, Task::TakeUp(plugins), Task::TryHeld]);
    }

    fn see(&mut self, seen: &[(i32, Standing)]) {
        for (partition, standing) in seen {
            if let Some(owned) = self.owned.get_mut(partition) {
                owned.standing = *standing;
            }
        }
    }

    fn uncommit(&mut self, now: Moment, records: usize) {
        self.uncommitted.get_or_insert(Uncommitted { since: now, records: 0 }).records += records;
    }

    /// A partition is decided up to an offset. One that was held is so no more.
    fn pass(&mut self, partition: i32, next: Offset, is_crowded: bool, effects: &mut Vec<Effect>) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        owned.position = next;
        owned.is_crowded = is_crowded;
        let was_held = owned.hold.take().is_some();
        if was_held {
            effects.push(Effect::Tell(Notice::Released { partition }));
        }
        if was_held || owned.position >= owned.live_from {
            effects.push(Effect::Tell(Notice::Stage { partition, stage: owned.stage() }));
        }
        if was_held {
            effects.push(owned.read(partition, false));
        }
    }

    /// The plugin is to blame, or something is not there yet: the batch that shows it is kept and tried again.
    fn hold(&mut self, now: Moment, batch: Batch, soon: bool, effects: &mut Vec<Effect>) {
        let partition = batch.partition;
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        let again = owned.hold.is_some();
        if let Some(hold) = &mut owned.hold {
            hold.wait_longer(now);
        }
        owned.keep(batch, now);
        owned.hold.iter_mut().filter(|_| soon).for_each(|hold| hold.retry_soon(now));
        let at = owned.position;
        effects.push(Effect::Tell(Notice::Held { partition, again }));
        effects.extend([Effect::Keep { partition }, Effect::StopReading { partition, at }]);
    }

    /// Does what is on the agenda, up to the next question.
    fn advance(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        while self.asking == Asking::Nothing
            && let Some(task) = self.agenda.pop_front()
        {
            match task {
                Task::Commit => self.commit(effects),
                Task::CommitIfDue if self.until_commit(now).is_some_and(|left| left.is_zero()) => self.commit(effects),
                Task::CommitIfDue => {}
                Task::LetGo if self.owned.values().any(|owned| owned.standing.is_going()) => {
                    self.first([Task::Commit, Task::Drop]);
                }
                Task::LetGo => {}
                Task::Drop => self.drop_where(Standing::is_going, effects),
                Task::TakeUp(plugins) if plugins > self.plugins => self.first([Task::Commit, Task::Swap(plugins)]),
                Task::TakeUp(_) => {}
                Task::Swap(plugins) => self.swap(now, plugins, effects),
                Task::TryHeld => self.try_held(now),
                Task::Retry(partition) => self.retry(partition, effects),
            }
        }
    }

    fn first<const N: usize>(&mut self, tasks: [Task; N]) {
        tasks.into_iter().rev().for_each(|task| self.agenda.push_front(task));
    }

    fn until_commit(&self, now: Moment) -> Option<Duration> {
        let Uncommitted { since, records } = self.uncommitted?;
        if records >= self.rules.transaction_records_max || self.owned.values().any(|owned| owned.is_crowded) {
            return Some(Duration::ZERO);
        }
        Some(self.rules.commit_interval.saturating_sub(now.saturating_sub(since)))
    }

    fn swap(&mut self, now: Moment, plugins: u64, effects: &mut Vec<Effect>) {
        self.plugins = plugins;
        self.owned.values_mut().filter_map(|owned| owned.hold.as_mut()).for_each(|hold| hold.retry_now(now));
        effects.push(Effect::Swap { plugins });
    }

    /// Held batches whose time has come. A plugin may take long to fail, longer than a transaction may stay open: what is
    /// open is committed before, and so is what comes of it.
    fn try_held(&mut self, now: Moment) {
        let retry_at = |owned: &Partition| owned.hold.as_ref().and_then(|hold| hold.retry_at());
        let is_due = |owned: &Partition| retry_at(owned).is_some_and(|at| at <= now);
        let due: Vec<i32> =
            self.owned.iter().filter(|(_, owned)| is_due(owned)).map(|(partition, _)| *partition).collect();
        for partition in due.into_iter().rev() {
            self.first([Task::Commit, Task::Retry(partition), Task::Commit]);
        }
    }

    fn retry(&mut self, partition: i32, effects: &mut Vec<Effect>) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        // A commit that failed has rewound, and the batch comes again.
        let Some(batch) = owned.hold.as_mut().and_then(|hold| hold.batch.take()) else { return };
        let live_from = owned.live_from;
        self.ask(Asking::Process { batch }, Effect::Process { partition, live_from, is_kept: true }, effects);
    }

    /// Outputs and offsets first, then the state. To wait takes long where much was sent: what is lost meanwhile is seen
    /// afterwards.
    fn commit(&mut self, effects: &mut Vec<Effect>) {
        match self.uncommitted {
            Some(_) => self.ask(Asking::Flush, Effect::Flush, effects),
            None => self.ask(Asking::Membership, Effect::TakeMembership, effects),
        }
    }

    /// The membership was taken before the partitions were looked at: with nothing lost by now, it is of a time when all of
    /// them were owned, and from the next generation on the broker refuses it (KIP-447 checks the generation, not the
    /// partitions).
    fn commit_what_is_owned(&mut self, now: Moment, is_member: bool, effects: &mut Vec<Effect>) {
        if self.owned.values().any(|owned| owned.standing == Standing::Lost && owned.is_in_transaction()) {
            // It cannot be divided: none of it is committed.
            return self.fail(now, super::Failure::Other, Trouble::PartitionsLost, Reconnecting::Abandoned, effects);
        }
        let target = |(partition, owned): (&i32, &Partition)| Some((*partition, owned.target()?));
        let offsets: Vec<(i32, Offset)> = self.owned.iter().filter_map(target).collect();
        match (offsets.is_empty(), is_member) {
            (true, _) => self.apply(effects),
            (false, true) => self.ask(Asking::Commit, Effect::Commit { offsets }, effects),
            (false, false) => {
                self.fail(now, super::Failure::Other, Trouble::OutOfGroup, Reconnecting::Aborted, effects);
            }
        }
    }

    /// What was committed becomes part of the state. A state that is empty because nothing has come yet is told from one
    /// that was lost: it says so on disk.
    fn apply(&mut self, effects: &mut Vec<Effect>) {
        self.uncommitted = None;
        for (partition, owned) in &mut self.owned {
            let (partition, (is_first, is_news)) = (*partition, owned.apply());
            if is_news {
                effects.push(Effect::Apply { partition, next: owned.committed });
            }
            effects.push(owned.persist(partition, is_first));
        }
        self.batches_again(effects);
    }

    /// Only what is committed may go to disk: a commit that is due comes first, and persists by itself.
    fn persist_if_due(&self, effects: &mut Vec<Effect>) {
        if self.uncommitted.is_none() {
            effects.extend(self.owned.iter().map(|(partition, owned)| owned.persist(*partition, false)));
        }
    }

    /// Lets go of partitions. What of them is not committed does not count any more.
    fn drop_where(&mut self, goes: fn(Standing) -> bool, effects: &mut Vec<Effect>) {
        for (partition, mut owned) in self.owned.extract_if(.., |_, owned| goes(owned.standing)) {
            owned.roll_back();
            let is_lost = owned.standing == Standing::Lost;
            let stage = super::Stage::Draining { is_lost };
            effects.push(Effect::Tell(Notice::Stage { partition, stage }));
            effects.extend([Effect::RollBack { partition }, owned.persist(partition, true)]);
            effects.push(Effect::Release { partition, is_lost });
        }
    }

    fn ask(&mut self, asking: Asking, question: Effect, effects: &mut Vec<Effect>) {
        self.asking = asking;
        effects.push(question);
    }

    fn end(&mut self, end: End, effects: &mut Vec<Effect>) {
        self.asking = Asking::Over;
        self.agenda.clear();
        effects.push(Effect::End(end));
    }
}

#[cfg(test)]
mod tests;
