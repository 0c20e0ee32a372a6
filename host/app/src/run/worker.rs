//! A worker owns partitions, their lines and one producer. It processes batches, commits outputs and offsets together,
//! and only then lets the state have them. It does not poll.
//!
//! After any failure of the producer the same thing happens: the producer is destroyed, a new one of the same id fences
//! it, and the group's committed offset says whether the transaction was committed. If so, the state gets it; if not,
//! the lines are rolled back and the records are read again.
//!
//! A partition whose plugin is broken is held: the batch that shows it is kept and tried again, what comes after it is
//! read again later. The other partitions go on, and what was decided before is committed as ever.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use connectors::SinkError;
use connectors::kafka::{
    Assignment, Commit, Committed, Delivery, GroupHandle, KafkaFailure, KafkaProducer, KafkaSettings, KafkaSink,
    Topics, read_dead_letters,
};
use engine::progress::{TEXT_CHARS_MAX, TEXT_CHARS_MIN};
use engine::record::{Offset, TopicPartition};
use state::Applied;

use super::assignments::Assigner;
use super::dispatch::{Delivered, Flow, Rewind, Work};
use super::observe::{Observed, PartitionObserver};
use super::owned::{Owned, RETRY_PAUSE_MIN, SIZES_INTERVAL};
use super::recall::Opening;
use super::start::{Start, start};
use super::{Parts, REMEMBER_INTERVAL, RunError, Stop};
use crate::line::{Line, LineError};
use crate::metrics::{Stage, TransactionResult};
use crate::past::Past;
use crate::settings::kafka::{OffsetReset, OnIncompleteProgress};
use crate::status::Phase;

/// Time between two looks for new plugins, if nothing else is to be done.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// A transaction is committed when it has this many records, however young it is: they are all read again if it fails.
const TRANSACTION_RECORDS_MAX: usize = 200_000;

/// Commits that fail in a row before a worker gives up. Between two of them everything is set up anew.
const COMMIT_FAILURES_MAX: u32 = 10;

/// Time between two attempts to reach the broker again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// What a worker is made with.
pub(super) struct WorkerSetup {
    pub(super) settings: KafkaSettings,
    pub(super) delivery: Delivery,
    pub(super) topics: Topics,
    pub(super) offset_reset: OffsetReset,
    pub(super) on_incomplete_progress: OnIncompleteProgress,
    pub(super) commit_interval: Duration,
    pub(super) producer_timeout: Duration,
    pub(super) store_path: PathBuf,
    pub(super) parts: Arc<Parts>,
    pub(super) stop: Stop,
    pub(super) observed: Observed,
}

/// See the module.
pub(super) struct Worker {
    setup: WorkerSetup,
    producer: KafkaProducer,
    /// Set once the consumer exists, which is after the producers have fenced their predecessors.
    group: GroupHandle,
    owned: BTreeMap<i32, Owned>,
    assigner: Arc<Assigner>,
    rewinds: Sender<Rewind>,
    /// When the oldest uncommitted batch was processed.
    uncommitted_since: Option<Instant>,
    uncommitted_records: usize,
    commit_failures: u32,
    /// Characters that a progress record may have: fewer than usual once a broker has refused as many.
    record_chars_max: usize,
    /// Of the plugins that the lines have, or could not take up.
    generation: u64,
    /// When events were last kept to try new plugins with.
    remembered: Option<Instant>,
}

impl Worker {
    pub(super) fn new(
        setup: WorkerSetup,
        producer: KafkaProducer,
        group: GroupHandle,
        assigner: Arc<Assigner>,
        rewinds: Sender<Rewind>,
    ) -> Self {
        let (generation, _) = setup.parts.plugins.get();
        Self {
            generation,
            remembered: None,
            setup,
            producer,
            group,
            owned: BTreeMap::new(),
            assigner,
            rewinds,
            uncommitted_since: None,
            uncommitted_records: 0,
            commit_failures: 0,
            record_chars_max: TEXT_CHARS_MAX,
        }
    }

    /// Works until the polling thread hangs up. A failure ends the run, but requests are answered until then.
    pub(super) fn run(mut self, inbox: &Receiver<Work>) {
        if let Err(error) = self.serve(inbox) {
            // Nothing more may be committed: partitions are dropped as they are.
            self.owned.clear();
            self.assigner.fail(error);
            while let Ok(work) = inbox.recv() {
                if let Work::Open { reply, .. } = work {
                    let _gone = reply.send(Err(RunError::Other("the worker has failed".to_owned())));
                }
            }
        }
    }

    fn serve(&mut self, inbox: &Receiver<Work>) -> Result<(), RunError> {
        loop {
            match inbox.recv_timeout(self.until_next()) {
                Ok(Work::Batch(delivered)) => self.take(delivered)?,
                Ok(Work::End { partition, epoch }) => self.reach_end(partition, epoch),
                Ok(Work::Open { assignment, flow, reply }) => {
                    let _gone = reply.send(self.open(&assignment, flow));
                }
                Ok(Work::Close { partitions, lost: false, reply }) => {
                    self.close(&partitions)?;
                    let _gone = reply.send(());
                }
                Ok(Work::Close { partitions, lost: true, reply }) => {
                    self.forget(&partitions)?;
                    // The group waits for this, and the broker may be away for long: a new producer comes after it.
                    let _gone = reply.send(());
                    self.abandon()?;
                }
                // Only what is committed may go to disk: a commit that is due comes first, and persists by itself.
                Err(RecvTimeoutError::Timeout) if self.uncommitted_since.is_some() => {}
                Err(RecvTimeoutError::Timeout) => self.owned.values_mut().try_for_each(Owned::persist_if_due)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if self.until_commit().is_zero() {
                self.commit()?;
            }
            self.take_up_plugins()?;
            self.try_held()?;
        }
    }

    fn until_next(&self) -> Duration {
        let retries = self.owned.values().filter_map(|owned| owned.hold.as_ref().filter(|hold| hold.batch.is_some()));
        let until_retry = retries.map(|hold| hold.retry_at.saturating_duration_since(Instant::now())).min();
        self.until_commit().min(LOOK_INTERVAL).min(until_retry.unwrap_or(LOOK_INTERVAL))
    }

    fn until_commit(&self) -> Duration {
        let Some(since) = self.uncommitted_since else { return SIZES_INTERVAL };
        if self.uncommitted_records >= TRANSACTION_RECORDS_MAX || self.owned.values().any(Owned::is_commit_due) {
            return Duration::ZERO;
        }
        self.setup.commit_interval.saturating_sub(since.elapsed())
    }

    fn open(&mut self, assignment: &Assignment, flow: Arc<Flow>) -> Result<Start, RunError> {
        let source = TopicPartition { topic: self.setup.settings.topic.clone(), partition: assignment.partition };
        let store = self.setup.parts.open_store(&self.setup.store_path, &source)?;
        let applied = store.applied().map(|applied| applied.next_offset);
        let start = start(assignment, applied, self.setup.offset_reset)?;
        flow.set_log_start(assignment.log_start);
        let past = self.recall(&source, assignment, start, store.applied())?;
        log_start(&source, assignment, applied, start);
        let parts = &self.setup.parts;
        let (generation, plugins) = parts.plugins.get();
        let topics = &self.setup.topics;
        let listened = [&topics.output, &topics.duplicates, &topics.late, &topics.dead_letter].map(Option::is_some);
        let observed = self.setup.observed.clone();
        let observer = PartitionObserver::new(observed, source.clone(), (generation, &plugins), listened);
        observer.starts(&start);
        let mut owned = Owned {
            line: Line::new(source, Arc::clone(&parts.rules), &plugins, store)?,
            record: past.ledger.settled().text(start.live_from),
            record_chars_max: self.record_chars_max,
            has_dead_letters: topics.dead_letter.is_some(),
            observer,
            epoch: flow.epoch(),
            flow,
            live_from: start.live_from,
            position: start.read_from,
            committed: start.read_from,
            has_committed: assignment.committed.is_some(),
            hold: None,
            persisted_at: Instant::now(),
            sized_at: Instant::now(),
        };
        owned.line.remember(past);
        owned.observer.sizes(&mut owned.line);
        if !owned.has_committed {
            self.uncommitted_since.get_or_insert_with(Instant::now);
        }
        self.owned.insert(assignment.partition, owned);
        Ok(start)
    }

    /// What is known of the records below the committed offset.
    fn recall(
        &self,
        source: &TopicPartition,
        assignment: &Assignment,
        start: Start,
        applied: Option<&Applied>,
    ) -> Result<Past, RunError> {
        let setup = &self.setup;
        let applied = applied.map(|applied| (applied.next_offset, applied.extra.as_slice()));
        let opening = Opening { assignment, start, applied, on_incomplete: setup.on_incomplete_progress };
        opening.past(|missing| {
            let Some(topic) = &setup.topics.dead_letter else { return Ok(None) };
            tracing::info!(%source, topic, "reading back from the dead-letter topic which records went out undecided");
            let (span, is_stopping) = (missing.span(start.read_from), || setup.stop.is_requested());
            Ok(Some(read_dead_letters(&setup.settings, topic, source, span, is_stopping)?))
        })
    }

    /// A batch from the queue: processed, or held.
    fn take(&mut self, delivered: Box<Delivered>) -> Result<(), RunError> {
        let Some(owned) = self.owned.get_mut(&delivered.partition) else { return Ok(()) };
        let stale = delivered.epoch != owned.epoch
            || owned.flow.epoch() != owned.epoch
            || !Arc::ptr_eq(&delivered.flow, &owned.flow);
        if stale || delivered.batch.is_empty() {
            return Ok(());
        }
        if delivered.from != owned.position {
            let (partition, from, position) = (delivered.partition, delivered.from, owned.position);
            return Err(RunError::Other(format!(
                "partition {partition}: a batch starts at {from}, and the position is {position}: this is a bug"
            )));
        }
        // Read again after a rewind: it is tried when its time has come.
        if owned.hold.is_some() {
            owned.keep(delivered);
            return Ok(());
        }
        self.process(delivered)
    }

    /// A batch that follows what was processed before.
    fn process(&mut self, delivered: Box<Delivered>) -> Result<(), RunError> {
        let Some(owned) = self.owned.get_mut(&delivered.partition) else { return Ok(()) };
        let Some(last) = delivered.batch.iter().last() else { return Ok(()) };
        let mut sink = KafkaSink { producer: &mut self.producer, topics: &self.setup.topics };
        match owned.line.process(&delivered.batch, owned.live_from, &mut sink) {
            Ok(()) => {}
            Err(LineError::Sink(SinkError::Kafka(failure))) => return self.recover(&failure, Outcome::Aborted),
            Err(error @ (LineError::Breaker { .. } | LineError::Replay { .. })) => {
                owned.observer.costs(&mut owned.line);
                if owned.hold.is_some() {
                    tracing::debug!(partition = delivered.partition, %error, "the held batch failed again");
                    owned.wait_longer();
                } else {
                    owned.observer.held(&why_held(&error));
                }
                owned.keep(delivered);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        while let Some(released) = owned.line.store().take_released_batch() {
            delivered.total.give_back(released);
        }
        owned.position = last.offset() + 1;
        owned.observer.batch(&delivered.batch, &mut owned.line);
        if owned.hold.take().is_some() {
            owned.release(delivered.partition, &self.rewinds);
        }
        if owned.position >= owned.live_from {
            owned.observer.phase(Phase::Live, "");
        }
        self.uncommitted_since.get_or_insert_with(Instant::now);
        self.uncommitted_records += delivered.batch.len();
        if self.remembered.is_none_or(|at| at.elapsed() >= REMEMBER_INTERVAL) {
            self.setup.parts.plugins.remember(&delivered.batch);
            self.remembered = Some(Instant::now());
        }
        Ok(())
    }

    /// Between two batches, with all that was decided committed: the plugins in force, if they are others.
    fn take_up_plugins(&mut self) -> Result<(), RunError> {
        let Some((generation, plugins)) = self.setup.parts.plugins.newer_than(self.generation) else { return Ok(()) };
        self.commit()?;
        self.generation = generation;
        for owned in self.owned.values_mut() {
            match owned.line.swap(&plugins) {
                Ok(()) => owned.observer.decided_with(generation, &plugins),
                Err(error) => owned.observer.kept_plugins(generation, &error),
            }
            if let Some(hold) = &mut owned.hold {
                (hold.pause, hold.retry_at) = (RETRY_PAUSE_MIN, Instant::now());
            }
        }
        Ok(())
    }

    /// Held batches whose time has come. A plugin may take long to fail, longer than a transaction may stay open: what
    /// is open is committed before, and so is what comes of it.
    fn try_held(&mut self) -> Result<(), RunError> {
        let due: Vec<i32> =
            self.owned.iter().filter(|(_, owned)| owned.retry_is_due()).map(|(partition, _)| *partition).collect();
        for partition in due {
            self.commit()?;
            let hold = self.owned.get_mut(&partition).and_then(|owned| owned.hold.as_mut());
            // A commit that failed has rewound, and the batch comes again.
            if let Some(batch) = hold.and_then(|hold| hold.batch.take()) {
                self.process(batch)?;
                self.commit()?;
            }
        }
        Ok(())
    }

    /// A replay is over at the end of the log, even if the group's offset lies behind the last record there is: the
    /// offsets between are markers of transactions, or of records that are gone.
    fn reach_end(&mut self, partition: i32, epoch: u64) {
        if let Some(owned) = self.owned.get(&partition).filter(|owned| owned.epoch == epoch) {
            owned.observer.phase(Phase::Live, "");
        }
    }

    /// Outputs and offsets first, then the state.
    fn commit(&mut self) -> Result<(), RunError> {
        let offsets = self.offsets();
        if !offsets.is_empty() {
            let start = Instant::now();
            let commits = self.with_records(offsets)?;
            if let Err(failure) = self.producer.commit(&self.group, &commits) {
                return self.recover(&failure, Outcome::Unknown);
            }
            self.commit_failures = 0;
            self.setup.observed.metrics.stage(Stage::Commit).observe(start.elapsed().as_secs_f64());
            self.setup.observed.metrics.transaction(TransactionResult::Committed);
        }
        self.apply()
    }

    /// The next offset of each partition that has got past what was committed before, or for which nothing ever was: a
    /// start at the log's end must not be chosen anew after a crash.
    fn offsets(&self) -> Vec<(i32, Offset)> {
        let moved = |owned: &Owned| owned.position > owned.committed && owned.position > owned.live_from;
        let owned = self.owned.iter().filter(|(_, owned)| moved(owned) || !owned.has_committed);
        owned.map(|(partition, owned)| (*partition, owned.position)).collect()
    }

    /// The offsets with the progress record of each.
    fn with_records(&mut self, offsets: Vec<(i32, Offset)>) -> Result<Vec<Commit>, RunError> {
        let mut commits = Vec::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            let Some(owned) = self.owned.get_mut(&partition) else { continue };
            commits.push(Commit { partition, offset, metadata: owned.write_record(offset)?.to_owned() });
        }
        Ok(commits)
    }

    /// What was committed becomes part of the state.
    fn apply(&mut self) -> Result<(), RunError> {
        self.uncommitted_since = None;
        self.uncommitted_records = 0;
        for owned in self.owned.values_mut() {
            owned.has_committed = true;
            if owned.position > owned.committed {
                let start = Instant::now();
                owned.committed = owned.position;
                let (tally, findings) = owned.line.commit(owned.position, owned.record.clone().into_bytes());
                owned.observer.stage(Stage::Apply, start.elapsed());
                owned.observer.committed(&tally, findings, owned.committed);
            }
            owned.persist_if_due()?;
        }
        Ok(())
    }

    /// A new producer of the same id, the group's word on what was committed, and on from there.
    fn recover(&mut self, failure: &KafkaFailure, outcome: Outcome) -> Result<(), RunError> {
        if let KafkaFailure::Refused { cause } = failure {
            return Err(RunError::Kafka(KafkaFailure::Refused { cause: cause.clone() }));
        }
        if let KafkaFailure::MetadataTooLarge { chars } = failure {
            self.shorten_records(*chars)?;
        }
        tracing::warn!(%failure, "the transaction did not end well; asking the group what was committed");
        self.commit_failures += 1;
        if self.commit_failures > COMMIT_FAILURES_MAX {
            return Err(RunError::Kafka(KafkaFailure::Write {
                step: "commit, many times over",
                cause: failure.to_string(),
            }));
        }
        let committed = self.reconnect()?;
        let settled = outcome == Outcome::Unknown
            && self
                .offsets()
                .iter()
                .all(|target| committed.iter().any(|have| have.0 == target.0 && have.1 >= target.1));
        let metrics = &self.setup.observed.metrics;
        metrics.transaction(match (outcome, settled) {
            (Outcome::Aborted, _) => TransactionResult::Aborted,
            (Outcome::Unknown, true) => TransactionResult::UnknownCommitted,
            (Outcome::Unknown, false) => TransactionResult::UnknownAborted,
        });
        if settled {
            tracing::info!("the transaction was committed");
            return self.apply();
        }
        tracing::info!("the transaction was not committed; its records are read again");
        self.rewind();
        Ok(())
    }

    /// The broker takes no text as long as the one that it was given.
    fn shorten_records(&mut self, chars: usize) -> Result<(), RunError> {
        if self.record_chars_max <= TEXT_CHARS_MIN {
            return Err(RunError::Kafka(KafkaFailure::MetadataTooLarge { chars }));
        }
        self.record_chars_max = (self.record_chars_max / 2).max(TEXT_CHARS_MIN);
        self.owned.values_mut().for_each(|owned| owned.record_chars_max = self.record_chars_max);
        tracing::warn!(
            chars,
            from_now_on = self.record_chars_max,
            "offset.metadata.max.bytes of the brokers is low: progress records list fewer records that went out undecided, \
             others have to be read back from the dead-letter topic when a state is lost"
        );
        Ok(())
    }

    /// The new producer fences the old one, which may still try to deliver, before anything is asked.
    fn reconnect(&mut self) -> Result<Vec<(i32, Offset)>, RunError> {
        loop {
            match self.try_reconnect() {
                Ok(committed) => return Ok(committed),
                Err(failure) if self.setup.stop.is_requested() => return Err(failure.into()),
                Err(failure) => tracing::warn!(%failure, "not yet"),
            }
            std::thread::sleep(RECONNECT_PAUSE);
        }
    }

    fn try_reconnect(&mut self) -> Result<Vec<(i32, Offset)>, KafkaFailure> {
        let setup = &self.setup;
        self.producer = KafkaProducer::connect(&setup.settings, &setup.delivery, setup.producer_timeout)?;
        let partitions: Vec<i32> = self.owned.keys().copied().collect();
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let committed = self.group.committed(&partitions)?;
        Ok(committed.into_iter().filter_map(|Committed { partition, offset, .. }| Some((partition, offset?))).collect())
    }

    /// Back to the last commit; the records since are read again, for every partition: a batch that failed half way is
    /// in none of the counts.
    fn rewind(&mut self) {
        self.uncommitted_since = None;
        self.uncommitted_records = 0;
        for (partition, owned) in &mut self.owned {
            owned.observer.rolled_back();
            owned.line.rollback();
            owned.position = owned.committed;
            // The batch is read again with the others, and waits for its time again.
            if let Some(hold) = &mut owned.hold {
                hold.batch = None;
                owned.flow.hold(None);
            }
            owned.epoch = owned.flow.next_epoch();
            let rewind = Rewind { partition: *partition, epoch: owned.epoch, offset: owned.committed };
            let _gone = self.rewinds.send(rewind);
        }
    }

    /// Partitions are given up in good order.
    fn close(&mut self, partitions: &[i32]) -> Result<(), RunError> {
        self.commit()?;
        for partition in partitions {
            if let Some(mut owned) = self.owned.remove(partition) {
                owned.observer.phase(Phase::Draining, "released");
                owned.persist()?;
            }
        }
        Ok(())
    }

    /// Partitions are another's already: nothing of them that is not committed counts any more.
    fn forget(&mut self, partitions: &[i32]) -> Result<(), RunError> {
        for partition in partitions {
            if let Some(mut owned) = self.owned.remove(partition) {
                owned.observer.phase(Phase::Draining, "lost");
                owned.observer.rolled_back();
                owned.line.rollback();
                owned.persist()?;
            }
        }
        Ok(())
    }

    /// The open transaction has records of partitions that were lost, and must never be committed.
    fn abandon(&mut self) -> Result<(), RunError> {
        if self.uncommitted_since.is_none() {
            return Ok(());
        }
        let failure = KafkaFailure::Write { step: "commit", cause: "partitions were lost".to_owned() };
        self.recover(&failure, Outcome::Aborted)?;
        self.commit_failures = 0;
        Ok(())
    }
}

/// What is known of a transaction when its producer has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It cannot have been committed: nobody asked for it.
    Aborted,
    /// The commit was asked for.
    Unknown,
}

/// Why a partition is held. The ways out of a breaker are said beside it.
fn why_held(error: &LineError) -> String {
    match error {
        LineError::Breaker { offset, reason, .. } => format!("from offset {offset}: {reason}"),
        error => error.to_string(),
    }
}

fn log_start(source: &TopicPartition, assignment: &Assignment, applied: Option<Offset>, start: Start) {
    let replay = start.live_from - start.read_from;
    let Assignment { committed, log_start, log_end, .. } = *assignment;
    if applied.is_none() && replay > 0 {
        tracing::warn!(%source, ?committed, log_start, replay, "no state here: rebuilding it from the log, outputs off");
    } else {
        tracing::info!(%source, ?applied, ?committed, log_start, log_end, replay, "partition starts");
    }
}
