//! A worker owns partitions, their lines and one producer. It processes batches, commits outputs and offsets together,
//! and only then applies them to the state. It does not poll.
//!
//! Every failure of the producer is handled alike: the producer is destroyed, a new one with the same id fences it, and
//! the group's committed offset says whether the transaction was committed. If so, the state gets it; if not, the lines
//! are rolled back and the records are read again. The group is believed even if it has less than before.
//!
//! A commit carries the membership of a time when every partition of the transaction was owned: it is taken first, and
//! after that no partition may have been lost. If one was, the whole transaction is abandoned, because it cannot be
//! divided. The broker refuses a commit from an older generation, so a worker that was too slow cannot commit what it
//! no longer owns.
//!
//! A partition whose plugin is broken is held: the batch that shows it is kept and tried again, and what comes after it
//! is read again later. The other partitions continue, and what was decided before is committed as usual.

mod refused;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use engine::progress::{TEXT_CHARS_MAX, TEXT_CHARS_MIN};
use engine::record::{Offset, TopicPartition};
use kafka_connector::{
    Delivery, GroupAnswer, GroupHandle, GroupOffset, KafkaFailure, KafkaProducer, KafkaSettings, KafkaSink, LimitsBook,
    Refused, Topics,
};
use line::LineError;
use observe::metrics::{Stage, TransactionResult};
use observe::status::Phase;

use super::assignments::Assigner;
use super::dispatch::{Delivered, Flow, Opened, Reading, Rewind, Work};
use super::fencing::{FENCED_PERIOD, Fencings};
use super::lineage;
use super::observer::{Observed, PartitionObserver};
use super::owned::{Owned, RETRY_PAUSE_MIN, Release, SIZES_INTERVAL};
use super::recovery::{self, Finding, Remembered};
use super::start::StartError;
use super::{Line, Parts, REMEMBER_INTERVAL, RunError, Stop};
use crate::settings::kafka::OnUnreadable;

/// Time between two looks for new plugins, if nothing else is to be done.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// A transaction is committed when it has this many records, however young it is: they are all read again if it fails.
const TRANSACTION_RECORDS_MAX: usize = 200_000;

/// Commits that fail in a row before a worker gives up. Between two of them everything is set up anew.
const COMMIT_FAILURES_MAX: u32 = 10;

/// Time between two attempts to reach the broker again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// Time for the broker to say what the group has committed, before the question is asked anew.
const OFFSETS_TIMEOUT: Duration = Duration::from_secs(5);

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
    producer: KafkaProducer,
    /// Set once the consumer exists, which is after the producers have fenced their predecessors.
    group: GroupHandle,
    owned: BTreeMap<i32, Owned>,
    assigner: Arc<Assigner>,
    readings: Sender<Reading>,
    /// When the oldest uncommitted batch was processed.
    uncommitted_since: Option<Instant>,
    uncommitted_records: usize,
    commit_failures: u32,
    /// Records that the broker has refused and that are set aside.
    refused: Refused,
    /// Until these offsets are committed records are sent one by one, so that it is seen which are refused.
    one_by_one: Option<BTreeMap<i32, Offset>>,
    fencings: Fencings,
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
        readings: Sender<Reading>,
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
            readings,
            uncommitted_since: None,
            uncommitted_records: 0,
            commit_failures: 0,
            refused: Refused::default(),
            one_by_one: None,
            fencings: Fencings::default(),
            record_chars_max: TEXT_CHARS_MAX,
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
            match inbox.recv_timeout(self.until_next()) {
                Ok(Work::Batch(delivered)) => self.take(delivered)?,
                Ok(Work::End { partition, epoch }) => self.reach_end(partition, epoch),
                Ok(Work::Obstacle(obstacle)) => self.pass_obstacle(&obstacle)?,
                Ok(Work::Opened(opened)) => {
                    // What the others have decided is still committed before the run ends.
                    if let Err(error) = self.adopt(*opened) {
                        self.assigner.fail(error);
                    }
                }
                // Looked at below, as at every turn: the queue before it may be long.
                Ok(Work::Close) => {}
                // Only what is committed may go to disk: a commit that is due comes first, and persists by itself.
                Err(RecvTimeoutError::Timeout) if self.uncommitted_since.is_some() => {}
                Err(RecvTimeoutError::Timeout) => self.owned.values_mut().try_for_each(Owned::persist_if_due)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if self.owned.values().any(|owned| owned.flow.is_going()) {
                self.let_go()?;
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
        let observer = PartitionObserver::new(observed, source.clone(), (generation, &plugins), listened);
        observer.starts(&start);
        self.assigner.taken(partition, &flow);
        let mut owned = Owned {
            observer,
            line,
            record: past.ledger.settled().text(start.live_from),
            record_chars_max: self.record_chars_max,
            has_dead_letters: topics.dead_letter.is_some(),
            epoch: flow.epoch(),
            flow: Arc::clone(&flow),
            live_from: start.live_from,
            position: start.read_from,
            committed: start.read_from,
            group: assignment.committed,
            owes_seed: lineage::owes_seed(&assignment),
            hold: None,
            persisted_at: Instant::now(),
            sized_at: Instant::now(),
            _release: release,
        };
        owned.line.remember(past);
        owned.observer.sizes(&mut owned.line);
        if owned.group.is_none() || owned.owes_seed {
            self.uncommitted_since.get_or_insert_with(Instant::now);
        }
        self.owned.insert(partition, owned);
        let _gone = self.readings.send(Reading::Begin { partition, flow, offset: start.read_from });
        Ok(())
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
        let limits = self.setup.limits.get();
        let (topics, refused) = (&self.setup.topics, &self.refused);
        let mut sink = KafkaSink { producer: &mut self.producer, topics, limits: &limits, refused };
        match owned.line.process(&delivered.batch, owned.live_from, &mut sink) {
            Ok(()) => {}
            Err(LineError::Sink(failure)) => return self.recover(&failure.into(), Outcome::Aborted),
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
            owned.release(delivered.partition, &self.readings);
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
        let start = Instant::now();
        // Takes long where much was sent: what is lost meanwhile must be seen below.
        if self.uncommitted_since.is_some()
            && let Err(failure) = self.producer.flush()
        {
            return self.recover(&failure, Outcome::Aborted);
        }
        // In this order: with nothing lost by now, the membership is of a time when all of it was owned.
        let membership = self.group.membership();
        if self.has_lost_records() {
            return self.abandon();
        }
        let offsets = self.offsets()?;
        if !offsets.is_empty() {
            let Some(membership) = membership else {
                let cause = "this host is out of the group".to_owned();
                return self.recover(&KafkaFailure::Write { step: "commit", cause }, Outcome::Aborted);
            };
            if let Err(failure) = self.producer.commit(&self.group, &membership, &offsets) {
                return self.recover(&failure, Outcome::Unknown);
            }
            self.commit_failures = 0;
            self.owned.values_mut().for_each(|owned| owned.owes_seed = false);
            // One transaction of all partitions, whose observers write to the same histogram.
            if let Some(owned) = self.owned.values().next() {
                owned.observer.stage(Stage::Commit, start.elapsed());
            }
            self.setup.observed.metrics.process.transactions.inc(TransactionResult::Committed);
        }
        self.apply()
    }

    /// The next offset of each partition that has got past what was committed before, or for which nothing ever was: a
    /// start at the log's end must not be chosen anew after a crash.
    /// Beside each stands its progress record.
    fn offsets(&mut self) -> Result<Vec<(i32, GroupOffset)>, RunError> {
        let mut offsets = Vec::new();
        for (partition, owned) in &mut self.owned {
            let Some(offset) = owned.target() else { continue };
            let metadata = owned.write_record(offset)?.to_owned();
            offsets.push((*partition, GroupOffset { offset, metadata }));
        }
        Ok(offsets)
    }

    /// Whether the open transaction has records of partitions that were lost, and so must never be committed.
    fn has_lost_records(&self) -> bool {
        let has_records = |owned: &Owned| owned.position != owned.committed || owned.target().is_some();
        self.owned.values().any(|owned| owned.flow.is_lost() && has_records(owned))
    }

    /// What was committed becomes part of the state.
    fn apply(&mut self) -> Result<(), RunError> {
        self.uncommitted_since = None;
        self.uncommitted_records = 0;
        for owned in self.owned.values_mut() {
            // A state that is empty because nothing has come yet is told from one that was lost: it says so on disk.
            let is_first = owned.group.is_none();
            owned.group = owned.target().or(owned.group);
            if owned.position > owned.committed || is_first {
                let start = Instant::now();
                owned.committed = owned.position;
                let (tally, findings) = owned.line.commit(owned.position, owned.record.clone().into_bytes());
                owned.observer.stage(Stage::Apply, start.elapsed());
                owned.observer.committed(&tally, findings, owned.committed);
            }
            if is_first {
                owned.persist()?;
            }
            owned.persist_if_due()?;
        }
        self.settle_refused()
    }

    /// A new producer of the same id, the group's word on what was committed, and on from there.
    fn recover(&mut self, failure: &KafkaFailure, outcome: Outcome) -> Result<(), RunError> {
        if let KafkaFailure::Refused { cause } = failure {
            return Err(RunError::Kafka(KafkaFailure::Refused { cause: cause.clone() }));
        }
        if let KafkaFailure::MetadataTooLarge { chars } = failure {
            self.shorten_records(*chars)?;
        }
        if let KafkaFailure::Records { refused, .. } = failure {
            self.set_aside(refused);
        }
        tracing::warn!(%failure, "the transaction failed; asking the group what was committed");
        if let KafkaFailure::Fenced { transactional_id, .. } = failure {
            self.bear_fencing(transactional_id)?;
        }
        self.commit_failures += 1;
        if self.commit_failures > COMMIT_FAILURES_MAX {
            return Err(RunError::Kafka(KafkaFailure::Write {
                step: "commit, after several attempts",
                cause: failure.to_string(),
            }));
        }
        let answers = self.reconnect()?;
        let findings = self.compare(&answers)?;
        let settled = outcome == Outcome::Unknown && recovery::is_settled(&findings);
        let transactions = &self.setup.observed.metrics.process.transactions;
        transactions.inc(match (outcome, settled) {
            (Outcome::Aborted, _) => TransactionResult::Aborted,
            (Outcome::Unknown, true) => TransactionResult::UnknownCommitted,
            (Outcome::Unknown, false) => TransactionResult::UnknownAborted,
        });
        if settled {
            tracing::info!("the transaction was committed");
            self.apply()?;
        } else {
            tracing::info!("the transaction was not committed; its records are read again");
            self.rewind(&answers);
        }
        self.owned.values().filter(|owned| owned.hold.is_none()).for_each(Owned::show_phase);
        Ok(())
    }

    /// What the group says, beside what was remembered. What it has not may have to be sent again, and an offset that is
    /// gone is no place to go on from.
    fn compare(&self, answers: &BTreeMap<i32, Option<Offset>>) -> Result<Vec<(Remembered, Finding)>, RunError> {
        let mut findings = Vec::new();
        for (partition, owned) in &self.owned {
            let remembered = owned.remembered();
            let finding = recovery::compare(&remembered, answers.get(partition).copied().flatten());
            match finding {
                Finding::Unchanged | Finding::AsWanted => {}
                Finding::WentBack { from, to } => owned.observer.group_went_back(from, to),
                Finding::Moved { from, to } => tracing::warn!(
                    partition,
                    ?from,
                    to,
                    "another program has committed offsets of this group; what these offsets cover is not sent again"
                ),
                Finding::Gone => {
                    return Err(StartError::NoCommitted { partition: *partition, applied: owned.committed }.into());
                }
            }
            findings.push((remembered, finding));
        }
        Ok(findings)
    }

    /// Once is a takeover; again and again is another host with the same id, and neither gets anything done.
    fn bear_fencing(&mut self, transactional_id: &str) -> Result<(), RunError> {
        self.setup.observed.metrics.process.fenced.inc();
        let Some(times) = self.fencings.note(Instant::now()) else { return Ok(()) };
        let way_out = match &self.setup.id_file {
            Some(file) => format!("its --store-path was copied: delete {} in one of them", file.display()),
            None => "--transactional-id-prefix".to_owned(),
        };
        Err(RunError::Fenced { transactional_id: transactional_id.to_owned(), times, within: FENCED_PERIOD, way_out })
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
            "offset.metadata.max.bytes of the brokers is low: progress records list fewer of the records that went \
             out undecided, and the rest must be read back from the dead-letter topic when a state is lost"
        );
        Ok(())
    }

    /// The new producer fences the old one, which may still try to deliver, before anything is asked. Waits as long as it
    /// takes. What goes meanwhile is let go of: nothing of it is in a transaction any more.
    fn reconnect(&mut self) -> Result<BTreeMap<i32, Option<Offset>>, RunError> {
        self.drop_where(Flow::is_lost)?;
        loop {
            let failure = match self.try_reconnect() {
                Ok(answers) => return Ok(answers),
                Err(failure) => failure,
            };
            if self.setup.stop.is_requested() {
                return Err(failure.into());
            }
            tracing::warn!(%failure, "not yet");
            self.drop_where(Flow::is_going)?;
            for owned in self.owned.values().filter(|owned| owned.hold.is_none()) {
                owned.observer.phase(Phase::Restoring, &format!("after a failed transaction: {failure}"));
            }
            std::thread::sleep(RECONNECT_PAUSE);
        }
    }

    fn try_reconnect(&mut self) -> Result<BTreeMap<i32, Option<Offset>>, KafkaFailure> {
        let setup = &self.setup;
        let settings = match self.one_by_one {
            Some(_) => Cow::Owned(setup.settings.one_by_one()),
            None => Cow::Borrowed(&setup.settings),
        };
        self.producer = KafkaProducer::connect(&settings, &setup.delivery, setup.producer_timeout)?;
        let partitions: Vec<i32> = self.owned.keys().copied().collect();
        let group = &setup.settings.group;
        let own_ids = match &setup.delivery {
            Delivery::ExactlyOnce { transactional_id } => transactional_id,
            Delivery::AtLeastOnce => "",
        };
        let answers =
            self.group.committed(&partitions, OFFSETS_TIMEOUT).map_err(|failure| failure.into_failure(group))?;
        let stable = |(partition, answer)| match answer {
            GroupAnswer::Stable(offset) => Ok((partition, offset.map(|offset| offset.offset))),
            GroupAnswer::Pending => {
                Err(KafkaFailure::Offsets { group: group.clone(), cause: pending(partition, own_ids) })
            }
        };
        answers.into_iter().map(stable).collect()
    }

    /// Back to where the group says; the records since are read again, for every partition: a batch that failed half way
    /// is in none of the counts.
    fn rewind(&mut self, answers: &BTreeMap<i32, Option<Offset>>) {
        self.uncommitted_since = None;
        self.uncommitted_records = 0;
        for (partition, owned) in &mut self.owned {
            let answer = answers.get(partition).copied().flatten();
            let (read_from, live_from) = recovery::resume(&owned.remembered(), answer);
            owned.group = answer;
            (owned.committed, owned.live_from) = (read_from, live_from);
            owned.roll_back();
            owned.epoch = owned.flow.next_epoch();
            let rewind = Rewind { partition: *partition, epoch: owned.epoch, offset: read_from };
            let _gone = self.readings.send(Reading::Again(rewind));
            if owned.group.is_none() || owned.owes_seed {
                self.uncommitted_since.get_or_insert_with(Instant::now);
            }
        }
    }

    /// Partitions go: what was decided is committed before, unless one of them was lost.
    fn let_go(&mut self) -> Result<(), RunError> {
        self.commit()?;
        self.drop_where(Flow::is_going)
    }

    /// Lets go of partitions. What of them is not committed does not count any more.
    fn drop_where(&mut self, goes: fn(&Flow) -> bool) -> Result<(), RunError> {
        let going = |(partition, owned): (&i32, &Owned)| goes(&owned.flow).then_some(*partition);
        let going: Vec<i32> = self.owned.iter().filter_map(going).collect();
        for partition in going {
            if let Some(mut owned) = self.owned.remove(&partition) {
                let how = if owned.flow.is_lost() { "lost" } else { "released" };
                owned.observer.phase(Phase::Draining, how);
                owned.roll_back();
                owned.persist()?;
            }
        }
        Ok(())
    }

    /// The open transaction has records of partitions that were lost, and must never be committed: none of it is.
    fn abandon(&mut self) -> Result<(), RunError> {
        let cause = "partitions were lost while the transaction was open".to_owned();
        self.recover(&KafkaFailure::Write { step: "commit", cause }, Outcome::Aborted)?;
        self.commit_failures = 0;
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
    if let LineError::Breaker { offset, reason, .. } = error {
        return format!("from offset {offset}: {reason}");
    }
    error.to_string()
}
