//! A worker owns partitions, their lines and one sink. What it does, and in what order, is decided by the machine of
//! `engine::protocol`: the worker tells it what has happened, and performs what it wants done. It does not poll.

mod performing;
mod refused;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use connectors::{ByLane, CommittingSink, Lane, SinkFailure};
use engine::progress::{LAYOUT_CHARS_MAX, TEXT_CHARS_MIN};
use engine::protocol::{self, Event, Machine, Standing};
use engine::record::TopicPartition;
use engine::state::DurableState;
use line::{Line, LineError};

use crate::dispatch::{Delivered, Reading};
use crate::failure::Failure;
use crate::failures::Failures;
use crate::flow::Flow;
use crate::inboxes::{Opened, Work};
use crate::lineage;
use crate::owned::{Owned, Release};
use crate::report::{PartitionReport, Report};
use crate::setup::{OnPartitionsAdded, Setup};
use crate::states::Copies;
use crate::unreadable::Obstacle;

/// Time between two turns, if nothing comes: plugins and partitions are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// What a worker has to do with others.
pub(crate) struct Ties<S, R> {
    pub(crate) report: Arc<R>,
    pub(crate) copies: Arc<dyn Copies<S>>,
    pub(crate) failures: Failures,
    /// What is asked of the polling thread.
    pub(crate) readings: Sender<Reading>,
    pub(crate) taken: Taken,
}

/// Told when a partition that was opened is taken.
pub(crate) type Taken = Arc<dyn Fn(i32, &Arc<Flow>) + Send + Sync>;

/// See the module.
pub(crate) struct Worker<K, S, R: Report<S>> {
    setup: Arc<Setup>,
    ties: Ties<S, R>,
    machine: Machine,
    /// The machine's time is counted from here.
    began: Instant,
    sink: K,
    owned: BTreeMap<i32, Owned<S, R::Partition>>,
    /// The batch, or the obstacle, that the machine was told of last.
    at_hand: Option<Box<Delivered>>,
    obstacle: Option<Box<Obstacle>>,
    /// Why the sink failed last, and why the plugin is to blame, for those who are told.
    failure: Option<SinkFailure>,
    stuck: Option<LineError>,
    /// When the commit under way began.
    committing_since: Instant,
    /// When events were last kept to try new plugins with.
    remembered: Option<Instant>,
}

impl<K: CommittingSink, S: DurableState, R: Report<S>> Worker<K, S, R> {
    pub(crate) fn new(setup: Arc<Setup>, ties: Ties<S, R>, sink: K) -> Self {
        let (plugins, _) = setup.plugins.get();
        let layout_chars = match setup.policies.on_partitions_added {
            OnPartitionsAdded::Pass => 0,
            OnPartitionsAdded::Hold => LAYOUT_CHARS_MAX,
        };
        let rules = protocol::Rules {
            commit_interval: setup.commits.interval,
            transaction_records_max: setup.commits.records_max,
            commit_failures_max: setup.commits.failures_max,
            text_chars_max: setup.commits.text_chars_max,
            text_chars_min: TEXT_CHARS_MIN + layout_chars,
        };
        Self {
            setup,
            ties,
            machine: Machine::new(rules, plugins),
            began: Instant::now(),
            sink,
            owned: BTreeMap::new(),
            at_hand: None,
            obstacle: None,
            failure: None,
            stuck: None,
            committing_since: Instant::now(),
            remembered: None,
        }
    }

    /// Works until the polling thread hangs up. A failure ends the run; until then nothing more is taken up.
    pub(crate) fn run(mut self, inbox: &Receiver<Work<S>>) {
        if let Err(error) = self.serve(inbox) {
            // Nothing more may be committed: partitions are dropped as they are.
            self.owned.clear();
            self.ties.failures.fail(error);
            while inbox.recv().is_ok() {}
        }
    }

    fn serve(&mut self, inbox: &Receiver<Work<S>>) -> Result<(), Failure> {
        loop {
            let idle = self.machine.idle_for(self.began.elapsed());
            match inbox.recv_timeout(idle.map_or(LOOK_INTERVAL, |idle| idle.min(LOOK_INTERVAL))) {
                Ok(work) => self.turn(Some(work))?,
                Err(RecvTimeoutError::Timeout) => self.turn(None)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Does what it was asked, if anything, and then what is due.
    fn turn(&mut self, work: Option<Work<S>>) -> Result<(), Failure> {
        self.tell(Event::Looked(self.standings()))?;
        match work {
            Some(Work::Batch(delivered)) => self.take(delivered)?,
            Some(Work::End { partition, epoch }) => self.tell(Event::Reached { partition, epoch })?,
            Some(Work::Obstacle(obstacle)) => self.meet(obstacle)?,
            Some(Work::Opened(opened)) => {
                // What the others have decided is still committed before the run ends.
                if let Err(error) = self.adopt(*opened) {
                    self.ties.failures.fail(error);
                }
            }
            Some(Work::Over) => self.settle()?,
            // Looked at at every turn: the queue before it may be long.
            Some(Work::Close) => {}
            None => self.tell(Event::Idle)?,
        }
        self.tell(Event::Looked(self.standings()))?;
        let (plugins, _) = self.setup.plugins.get();
        self.tell(Event::Turn { plugins })
    }

    /// Tells the machine what has happened, and does what it wants done until it asks for nothing more.
    fn tell(&mut self, event: Event) -> Result<(), Failure> {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            for effect in self.machine.on(self.began.elapsed(), event) {
                next = self.perform(effect)?;
            }
        }
        Ok(())
    }

    /// Of the partitions that have to go.
    fn standings(&self) -> Vec<(i32, Standing)> {
        let standing = |(partition, owned): (&i32, &Owned<S, R::Partition>)| (*partition, owned.flow.standing());
        self.owned.iter().map(standing).filter(|(_, standing)| standing.is_going()).collect()
    }

    /// The input is over: what is decided is committed, and the polling thread sees what is.
    fn settle(&mut self) -> Result<(), Failure> {
        self.tell(Event::Over)?;
        for (partition, owned) in &self.owned {
            owned.flow.settle(self.machine.settled(*partition));
        }
        Ok(())
    }

    /// A partition comes whose state is open.
    fn adopt(&mut self, opened: Opened<S>) -> Result<(), Failure> {
        let Opened { assignment, flow, state, start, past, laid_out } = opened;
        flow.set_log_start(assignment.bounds.log_start);
        if !flow.adopt() {
            return Ok(());
        }
        // From here on it is released when this returns early, after the state is closed.
        let release = Arc::new(Release(Arc::clone(&flow)));
        let partition = assignment.partition;
        let source = TopicPartition { topic: self.setup.topic.clone(), partition };
        let (generation, plugins) = self.setup.plugins.get();
        let listened = ByLane::new(|lane| self.sink.has(lane));
        let line = Line::new(source.clone(), Arc::clone(&self.setup.rules), &plugins, state)?;
        let report = self.ties.report.partition(&source, (generation, &plugins), listened);
        let mut owned = Owned {
            report,
            line,
            record: past.ledger.settled().text(start.live_from),
            record_chars_max: self.machine.text_chars_max(),
            has_dead_letters: self.sink.has(Lane::DeadLetter),
            flow: Arc::clone(&flow),
            kept: None,
            persist_interval: self.setup.persist_interval,
            persisted_at: Instant::now(),
            sized_at: Instant::now(),
            release,
            partitions: laid_out.partitions,
            cut_at: laid_out.growth.map(|growth| growth.to),
        };
        owned.line.remember(past);
        if let (Some(growth), Some(elders)) = (laid_out.growth, laid_out.elders) {
            owned.line.ask_elders(growth, elders);
        }
        owned.report.sizes(owned.line.store());
        self.owned.insert(partition, owned);
        let (owes_seed, group) = (lineage::owes_seed(&assignment), assignment.committed());
        let owes_record = owes_seed || laid_out.owes_record;
        let assignment = flow.assignment;
        self.tell(Event::Opened(protocol::Opened { partition, assignment, start, group, owes_record }))?;
        (self.ties.taken)(partition, &flow);
        Ok(())
    }

    /// A batch from the queue. Where it goes beyond the line that others wait for the partition to reach, it is cut in two.
    fn take(&mut self, delivered: Box<Delivered>) -> Result<(), Failure> {
        let cut_at = self.owned.get(&delivered.partition).and_then(|owned| owned.cut_at);
        let Some(at) = cut_at else { return self.take_whole(delivered) };
        match delivered.cut(at) {
            Ok((first, second)) => {
                self.take_whole(Box::new(first))?;
                self.take_whole(Box::new(second))
            }
            Err(whole) => self.take_whole(Box::new(whole)),
        }
    }

    fn take_whole(&mut self, delivered: Box<Delivered>) -> Result<(), Failure> {
        let Delivered { partition, epoch, from, ref batch, .. } = *delivered;
        let Some(last) = batch.iter().last().map(|last| last.offset()) else { return Ok(()) };
        let batch = protocol::Batch { partition, epoch, from, next: last + 1, records: batch.len() };
        self.at_hand = Some(delivered);
        self.tell(Event::Batch(batch))?;
        // What the machine has not asked for is stale.
        self.at_hand = None;
        Ok(())
    }

    /// Something that cannot be read comes next.
    fn meet(&mut self, obstacle: Box<Obstacle>) -> Result<(), Failure> {
        let Obstacle { partition, epoch, position, ref unreadable } = *obstacle;
        let met = protocol::Obstacle { partition, epoch, position, next: unreadable.next };
        self.obstacle = Some(obstacle);
        self.tell(Event::Obstacle(met))?;
        self.obstacle = None;
        Ok(())
    }
}

#[cfg(test)]
mod crash_simulation;
