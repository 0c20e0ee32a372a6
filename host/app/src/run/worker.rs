//! A worker owns partitions, their lines and one producer. What it does, and in what order, is decided by the machine of
//! `engine::protocol`: the worker tells it what has happened, and performs what it wants done. It does not poll.

mod performing;
mod refused;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use engine::progress::{TEXT_CHARS_MAX, TEXT_CHARS_MIN};
use engine::protocol::{self, Event, Machine, Standing};
use engine::record::TopicPartition;
use kafka_connector::{
    Delivery, GroupHandle, KafkaFailure, KafkaProducer, KafkaSettings, LimitsBook, Membership, Refused, Topics,
};
use line::LineError;

use super::assignments::Assigner;
use super::dispatch::{Delivered, Opened, Reading, Work};
use super::observer::{Observed, PartitionObserver};
use super::owned::{Owned, Release};
use super::unreadable::Obstacle;
use super::{Line, Parts, RunError, Stop};
use crate::settings::kafka::OnUnreadable;

/// Time between two turns, if nothing comes: plugins and partitions are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// A transaction is committed when it has this many records, however young it is.
const TRANSACTION_RECORDS_MAX: usize = 200_000;

/// Commits that fail in a row before a worker gives up.
const COMMIT_FAILURES_MAX: u32 = 10;

/// What a worker is made with.
pub(super) struct WorkerSetup {
    pub(super) settings: KafkaSettings,
    pub(super) delivery: Delivery,
    /// Where the transactional id is kept; `None`: the operator has chosen it.
    pub(super) id_file: Option<PathBuf>,
    pub(super) topics: Topics,
    /// What the topics take of a record.
    pub(super) limits: Arc<LimitsBook>,
    pub(super) on_unreadable: OnUnreadable,
    pub(super) commit_interval: Duration,
    pub(super) producer_timeout: Duration,
    pub(super) parts: Arc<Parts>,
    pub(super) stop: Stop,
    pub(super) observed: Observed,
}

/// See the module.
pub(super) struct Worker {
    setup: WorkerSetup,
    machine: Machine,
    /// The machine's time is counted from here.
    began: Instant,
    producer: KafkaProducer,
    /// Set once the consumer exists, which is after the producers have fenced their predecessors.
    group: GroupHandle,
    /// The membership to commit with, once it is taken.
    membership: Option<Arc<Membership>>,
    owned: BTreeMap<i32, Owned>,
    assigner: Arc<Assigner>,
    readings: Sender<Reading>,
    /// The batch, or the obstacle, that the machine was told of last.
    at_hand: Option<Box<Delivered>>,
    obstacle: Option<Box<Obstacle>>,
    /// Why the producer failed last, and why the plugin is to blame, for those who are told.
    failure: Option<KafkaFailure>,
    stuck: Option<LineError>,
    /// Records that the broker has refused and that are set aside.
    refused: Refused,
    /// When the commit under way began.
    committing_since: Instant,
    /// When events were last kept to try new plugins with.
    remembered: Option<Instant>,
}

impl Worker {
    pub(super) fn new(
        setup: WorkerSetup,
        producer: KafkaProducer,
        group: GroupHandle,
        assigner: Arc<Assigner>,
        readings: Sender<Reading>,
    ) -> Self {
        let (plugins, _) = setup.parts.plugins.get();
        let rules = protocol::Rules {
            commit_interval: setup.commit_interval,
            transaction_records_max: TRANSACTION_RECORDS_MAX,
            commit_failures_max: COMMIT_FAILURES_MAX,
            text_chars_max: TEXT_CHARS_MAX,
            text_chars_min: TEXT_CHARS_MIN,
        };
        Self {
            setup,
            machine: Machine::new(rules, plugins),
            began: Instant::now(),
            producer,
            group,
            membership: None,
            owned: BTreeMap::new(),
            assigner,
            readings,
            at_hand: None,
            obstacle: None,
            failure: None,
            stuck: None,
            refused: Refused::default(),
            committing_since: Instant::now(),
            remembered: None,
        }
    }

    /// Works until the polling thread hangs up. A failure ends the run; until then nothing more is taken up.
    pub(super) fn run(mut self, inbox: &Receiver<Work>) {
        if let Err(error) = self.serve(inbox) {
            // Nothing more may be committed: partitions are dropped as they are.
            self.owned.clear();
            self.assigner.fail(error);
            while inbox.recv().is_ok() {}
        }
    }

    fn serve(&mut self, inbox: &Receiver<Work>) -> Result<(), RunError> {
        loop {
            let idle = self.machine.idle_for(self.began.elapsed());
            let came = inbox.recv_timeout(idle.map_or(LOOK_INTERVAL, |idle| idle.min(LOOK_INTERVAL)));
            self.tell(Event::Looked(self.standings()))?;
            match came {
                Ok(Work::Batch(delivered)) => self.take(delivered)?,
                Ok(Work::End { partition, epoch }) => self.tell(Event::Reached { partition, epoch })?,
                Ok(Work::Obstacle(obstacle)) => self.meet(obstacle)?,
                Ok(Work::Opened(opened)) => {
                    // What the others have decided is still committed before the run ends.
                    if let Err(error) = self.adopt(*opened) {
                        self.assigner.fail(error);
                    }
                }
                // Looked at at every turn: the queue before it may be long.
                Ok(Work::Close) => {}
                Err(RecvTimeoutError::Timeout) => self.tell(Event::Idle)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            self.tell(Event::Looked(self.standings()))?;
            let (plugins, _) = self.setup.parts.plugins.get();
            self.tell(Event::Turn { plugins })?;
        }
    }

    /// Tells the machine what has happened, and does what it wants done until it asks for nothing more.
    fn tell(&mut self, event: Event) -> Result<(), RunError> {
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
        let standing = |(partition, owned): (&i32, &Owned)| (*partition, owned.flow.standing());
        self.owned.iter().map(standing).filter(|(_, standing)| standing.is_going()).collect()
    }

    /// A partition comes whose state is open.
    fn adopt(&mut self, opened: Opened) -> Result<(), RunError> {
        let Opened { assignment, flow, store, start, past } = opened;
        flow.set_log_start(assignment.log_start);
        if !flow.adopt() {
            return Ok(());
        }
        // From here on it is released when this returns early, after the state is closed.
        let release = Release(Arc::clone(&flow));
        let partition = assignment.partition;
        let source = TopicPartition { topic: self.setup.settings.topic.clone(), partition };
        let parts = &self.setup.parts;
        let (generation, plugins) = parts.plugins.get();
        let topics = &self.setup.topics;
        let listened = [&topics.output, &topics.duplicates, &topics.late, &topics.dead_letter].map(Option::is_some);
        let observed = self.setup.observed.clone();
        let line = Line::new(source.clone(), Arc::clone(&parts.rules), &plugins, store)?;
        let observer = PartitionObserver::new(observed, source, (generation, &plugins), listened);
        let mut owned = Owned {
            observer,
            line,
            record: past.ledger.settled().text(start.live_from),
            record_chars_max: self.machine.text_chars_max(),
            has_dead_letters: topics.dead_letter.is_some(),
            flow: Arc::clone(&flow),
            kept: None,
            persisted_at: Instant::now(),
            sized_at: Instant::now(),
            _release: release,
        };
        owned.line.remember(past);
        owned.observer.sizes(&mut owned.line);
        self.owned.insert(partition, owned);
        let (assignment, group) = (flow.assignment, assignment.committed);
        self.tell(Event::Opened(protocol::Opened { partition, assignment, start, group }))?;
        self.assigner.taken(partition, &flow);
        Ok(())
    }

    /// A batch from the queue.
    fn take(&mut self, delivered: Box<Delivered>) -> Result<(), RunError> {
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
    fn meet(&mut self, obstacle: Box<Obstacle>) -> Result<(), RunError> {
        let Obstacle { partition, epoch, position, ref unreadable } = *obstacle;
        let met = protocol::Obstacle { partition, epoch, position, next: unreadable.next };
        self.obstacle = Some(obstacle);
        self.tell(Event::Obstacle(met))?;
        self.obstacle = None;
        Ok(())
    }
}

/// Why the group's offset of a partition is not known for now. `own_ids` are those of this host; empty without
/// transactions.
pub(super) fn pending(partition: i32, own_ids: &str) -> String {
    let ids = if own_ids.is_empty() { String::new() } else { format!("; this host's own ids: {own_ids}") };
    format!(
        "the offset of partition {partition} is pending: a transaction that commits it, of another transactional id \
         or of an earlier run, has not ended. if it is open, it ends by itself within its transaction timeout plus \
         10 s; if it lasts longer, look for it with kafka-transactions.sh find-hanging. a broker that was killed may \
         have lost its end (Apache Kafka 4.3.1 does): then the next commit of the same transactional id for another \
         partition of the group frees the offset{ids}"
    )
}
