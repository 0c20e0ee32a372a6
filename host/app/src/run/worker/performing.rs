//! How a worker performs what the machine wants done: with its producer, the group, its lines and their states. It decides
//! nothing, not even an order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::protocol::fencing::FENCED_PERIOD;
use engine::protocol::start::StartError;
use engine::protocol::{Answer, Effect, End, Epoch, Event, Failure, Notice, Stage, Transaction, Trouble};
use engine::record::Offset;
use kafka_connector::{Delivery, GroupAnswer, GroupOffset, KafkaFailure, KafkaProducer, KafkaSink};
use line::LineError;
use observe::metrics::{Stage as Timed, TransactionResult};
use observe::status::Phase;

use super::{Worker, pending};
use crate::run::dispatch::{Reading, Rewind};
use crate::run::owned::Owned;
use crate::run::{REMEMBER_INTERVAL, RunError};

/// Time between two attempts to reach the broker again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// Time for the broker to say what the group has committed, before the question is asked anew.
const OFFSETS_TIMEOUT: Duration = Duration::from_secs(5);

impl Worker {
    /// Does one thing. The answer, where the effect is a question.
    pub(super) fn perform(&mut self, effect: Effect) -> Result<Option<Event>, RunError> {
        match effect {
            Effect::Process { partition, live_from, is_kept } => {
                return self.process(partition, live_from, is_kept).map(Some);
            }
            Effect::Skip { partition, live_from } => return self.skip(partition, live_from).map(Some),
            Effect::Flush => return Ok(Some(self.flush())),
            Effect::TakeMembership => return Ok(Some(self.take_membership())),
            Effect::Look => return Ok(Some(Event::Looked(self.standings()))),
            Effect::Commit { offsets } => return self.commit(&offsets).map(Some),
            Effect::Connect { one_by_one } => return Ok(Some(self.connect(one_by_one))),
            Effect::Ask { partitions } => return Ok(Some(self.ask(&partitions))),
            Effect::Pause => {
                std::thread::sleep(RECONNECT_PAUSE);
                return Ok(Some(Event::Waited));
            }
            Effect::Read { partition, epoch, from, is_first } => self.read(partition, epoch, from, is_first),
            Effect::StopReading { partition, at } => {
                self.owned.get(&partition).into_iter().for_each(|owned| owned.flow.hold(Some(at)));
            }
            Effect::Keep { partition } => {
                if let Some(owned) = self.owned.get_mut(&partition) {
                    owned.kept = self.at_hand.take();
                }
            }
            Effect::Swap { .. } => self.swap(),
            Effect::Apply { partition, next } => self.apply(partition, next),
            Effect::RollBack { partition } => self.owned.get_mut(&partition).into_iter().for_each(Owned::roll_back),
            Effect::Persist { partition, applied, is_live, must } => self.persist(partition, applied, is_live, must)?,
            Effect::Release { partition, .. } => drop(self.owned.remove(&partition)),
            Effect::SetAside(records) => self.set_aside(&records),
            Effect::AskLimits => self.setup.limits.ask_again(),
            Effect::Shorten { chars, chars_max } => self.shorten(chars, chars_max),
            Effect::Tell(notice) => self.show(notice),
            Effect::End(end) => return Err(self.end(end)),
        }
        Ok(None)
    }

    fn read(&self, partition: i32, epoch: Epoch, offset: Offset, is_first: bool) {
        let Some(owned) = self.owned.get(&partition) else { return };
        owned.flow.hold(None);
        let reading = if is_first {
            Reading::Begin { partition, flow: Arc::clone(&owned.flow), epoch, offset }
        } else {
            Reading::Again(Rewind { partition, epoch, offset })
        };
        let _gone = self.readings.send(reading);
    }

    fn process(&mut self, partition: i32, live_from: Offset, is_kept: bool) -> Result<Event, RunError> {
        let Some(owned) = self.owned.get_mut(&partition) else { return Err(bug("no such partition")) };
        let delivered = if is_kept { owned.kept.take() } else { self.at_hand.take() };
        let Some(delivered) = delivered else { return Err(bug("no batch to process")) };
        let limits = self.setup.limits.get();
        let (topics, refused) = (&self.setup.topics, &self.refused);
        let mut sink = KafkaSink { producer: &mut self.producer, topics, limits: &limits, refused };
        match owned.line.process(&delivered.batch, live_from, &mut sink) {
            Ok(()) => {}
            Err(LineError::Sink(failure)) => return Ok(self.failed(failure.into())),
            Err(error @ (LineError::Breaker { .. } | LineError::Replay { .. })) => {
                owned.observer.costs(&mut owned.line);
                (self.stuck, self.at_hand) = (Some(error), Some(delivered));
                return Ok(Event::Stuck);
            }
            Err(error) => return Err(error.into()),
        }
        while let Some(released) = owned.line.store().take_released_batch() {
            delivered.total.give_back(released);
        }
        owned.observer.batch(&delivered.batch, &mut owned.line);
        if self.remembered.is_none_or(|at| at.elapsed() >= REMEMBER_INTERVAL) {
            self.setup.parts.plugins.remember(&delivered.batch);
            self.remembered = Some(Instant::now());
        }
        Ok(Event::Decided { is_crowded: owned.is_commit_due() })
    }

    /// The producer has failed: why, as far as the machine has to know.
    pub(super) fn failed(&mut self, failure: KafkaFailure) -> Event {
        let for_machine = match &failure {
            KafkaFailure::Refused { .. } => Failure::Hopeless,
            KafkaFailure::MetadataTooLarge { chars } => Failure::TextTooLong { chars: *chars },
            KafkaFailure::Fenced { .. } => Failure::Fenced,
            KafkaFailure::Records { refused, .. } => Failure::Records(self.places(refused)),
            KafkaFailure::Settings(_)
            | KafkaFailure::Unreachable { .. }
            | KafkaFailure::NoTopic { .. }
            | KafkaFailure::Compacted { .. }
            | KafkaFailure::Read { .. }
            | KafkaFailure::Offsets { .. }
            | KafkaFailure::Write { .. } => Failure::Other,
        };
        self.failure = Some(failure);
        Event::Failed(for_machine)
    }

    fn flush(&mut self) -> Event {
        self.committing_since = Instant::now();
        match self.producer.flush() {
            Ok(()) => Event::Flushed,
            Err(failure) => self.failed(failure),
        }
    }

    fn take_membership(&mut self) -> Event {
        self.membership = self.group.membership();
        Event::Membership(self.membership.is_some())
    }

    fn commit(&mut self, offsets: &[(i32, Offset)]) -> Result<Event, RunError> {
        let Some(membership) = self.membership.take() else { return Err(bug("a commit without a membership")) };
        let mut with_records = Vec::new();
        for (partition, offset) in offsets {
            let Some(owned) = self.owned.get_mut(partition) else { return Err(bug("no such partition")) };
            let metadata = owned.write_record(*offset)?.to_owned();
            with_records.push((*partition, GroupOffset { offset: *offset, metadata }));
        }
        if let Err(failure) = self.producer.commit(&self.group, &membership, &with_records) {
            return Ok(self.failed(failure));
        }
        // One transaction of all partitions, whose observers write to the same histogram.
        if let Some(owned) = self.owned.values().next() {
            owned.observer.stage(Timed::Commit, self.committing_since.elapsed());
        }
        Ok(Event::Committed)
    }

    fn connect(&mut self, one_by_one: bool) -> Event {
        let setup = &self.setup;
        let settings = match one_by_one {
            true => Cow::Owned(setup.settings.one_by_one()),
            false => Cow::Borrowed(&setup.settings),
        };
        match KafkaProducer::connect(&settings, &setup.delivery, setup.producer_timeout) {
            Ok(producer) => {
                self.producer = producer;
                Event::Connected
            }
            Err(failure) => self.not_yet(failure),
        }
    }

    fn ask(&mut self, partitions: &[i32]) -> Event {
        let group = &self.setup.settings.group;
        let own_ids = match &self.setup.delivery {
            Delivery::ExactlyOnce { transactional_id } => transactional_id,
            Delivery::AtLeastOnce => "",
        };
        let answers = match self.group.committed(partitions, OFFSETS_TIMEOUT) {
            Ok(answers) => answers,
            Err(failure) => {
                let failure = failure.into_failure(group);
                return self.not_yet(failure);
            }
        };
        let is_pending = |(_, answer): &&(i32, GroupAnswer)| *answer == GroupAnswer::Pending;
        if let Some((partition, _)) = answers.iter().find(is_pending) {
            let failure = KafkaFailure::Offsets { group: group.clone(), cause: pending(*partition, own_ids) };
            return self.not_yet(failure);
        }
        let answer = |answer: GroupAnswer| match answer {
            GroupAnswer::Stable(Some(has)) => Answer::At(has.offset),
            GroupAnswer::Stable(None) => Answer::Nothing,
            GroupAnswer::Pending => Answer::Pending,
        };
        let answers = answers.into_iter().map(|(partition, said)| (partition, answer(said)));
        Event::Answered(answers.collect::<BTreeMap<_, _>>())
    }

    fn not_yet(&mut self, failure: KafkaFailure) -> Event {
        let is_stopping = self.setup.stop.is_requested();
        if !is_stopping {
            tracing::warn!(%failure, "not yet");
        }
        self.failure = Some(failure);
        Event::NotYet { is_stopping }
    }

    fn swap(&mut self) {
        let (generation, plugins) = self.setup.parts.plugins.get();
        for owned in self.owned.values_mut() {
            match owned.line.swap(&plugins) {
                Ok(()) => owned.observer.decided_with(generation, &plugins),
                Err(error) => owned.observer.kept_plugins(generation, &error),
            }
        }
    }

    fn apply(&mut self, partition: i32, next: Offset) {
        if !self.refused.is_empty() {
            self.refused.settle(partition, next);
        }
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        let start = Instant::now();
        let (tally, findings) = owned.line.commit(next, owned.record.clone().into_bytes());
        owned.observer.stage(Timed::Apply, start.elapsed());
        owned.observer.committed(&tally, findings, next);
    }

    fn persist(&mut self, partition: i32, applied: Offset, is_live: bool, must: bool) -> Result<(), RunError> {
        let Some(owned) = self.owned.get_mut(&partition) else { return Ok(()) };
        if must {
            owned.persist(applied)?;
        }
        owned.persist_if_due(applied, is_live)
    }

    /// The broker takes no text as long as the one that it was given.
    fn shorten(&mut self, chars: usize, chars_max: usize) {
        self.owned.values_mut().for_each(|owned| owned.record_chars_max = chars_max);
        tracing::warn!(
            chars,
            from_now_on = chars_max,
            "offset.metadata.max.bytes of the brokers is low: progress records list fewer of the records that went \
             out undecided, and the rest must be read back from the dead-letter topic when a state is lost"
        );
    }

    fn show(&mut self, notice: Notice) {
        match notice {
            Notice::Stage { partition, stage } => self.show_stage(partition, stage),
            Notice::Held { partition, again } => self.show_held(partition, again),
            Notice::Released { partition } => {
                self.owned.get(&partition).into_iter().for_each(|owned| owned.observer.released());
            }
            Notice::Failing(trouble) => self.show_trouble(trouble),
            Notice::Fenced => self.setup.observed.metrics.process.fenced.inc(),
            Notice::Ended(transaction) => self.show_ended(transaction),
            Notice::WentBack { partition, from, to } => {
                self.owned.get(&partition).into_iter().for_each(|owned| owned.observer.group_went_back(from, to));
            }
            Notice::Moved { partition, from, to } => tracing::warn!(
                partition,
                ?from,
                to,
                "another program has committed offsets of this group; what these offsets cover is not sent again"
            ),
        }
    }

    fn show_stage(&self, partition: i32, stage: Stage) {
        let Some(owned) = self.owned.get(&partition) else { return };
        match stage {
            Stage::Restoring => {
                let failure = self.failure.as_ref().map(ToString::to_string).unwrap_or_default();
                owned.observer.phase(Phase::Restoring, &format!("after a failed transaction: {failure}"));
            }
            Stage::Replaying(behind) => {
                owned.observer.phase(Phase::Replaying, &format!("{behind} offsets into the state, outputs off"));
            }
            Stage::Live => owned.observer.phase(Phase::Live, ""),
            Stage::Draining { is_lost: true } => owned.observer.phase(Phase::Draining, "lost"),
            Stage::Draining { is_lost: false } => owned.observer.phase(Phase::Draining, "released"),
        }
    }

    fn show_held(&mut self, partition: i32, again: bool) {
        let Some((owned, error)) = self.owned.get(&partition).zip(self.stuck.take()) else { return };
        if again {
            tracing::debug!(partition, %error, "the held batch failed again");
        } else {
            owned.observer.held(&why_held(&error));
        }
    }

    fn show_trouble(&mut self, trouble: Trouble) {
        let cause = match trouble {
            Trouble::Reported => None,
            Trouble::PartitionsLost => Some("partitions were lost while the transaction was open"),
            Trouble::OutOfGroup => Some("this host is out of the group"),
        };
        if let Some(cause) = cause {
            self.failure = Some(KafkaFailure::Write { step: "commit", cause: cause.to_owned() });
        }
        if let Some(failure) = &self.failure {
            tracing::warn!(%failure, "the transaction failed; asking the group what was committed");
        }
    }

    fn show_ended(&self, transaction: Transaction) {
        let result = match transaction {
            Transaction::Committed => TransactionResult::Committed,
            Transaction::Aborted => TransactionResult::Aborted,
            Transaction::UnknownCommitted => TransactionResult::UnknownCommitted,
            Transaction::UnknownAborted => TransactionResult::UnknownAborted,
        };
        self.setup.observed.metrics.process.transactions.inc(result);
        match transaction {
            Transaction::Committed => {}
            Transaction::UnknownCommitted => tracing::info!("the transaction was committed"),
            Transaction::Aborted | Transaction::UnknownAborted => {
                tracing::info!("the transaction was not committed; its records are read again");
            }
        }
    }

    fn end(&mut self, end: End) -> RunError {
        let failure = self.failure.take();
        match (end, failure) {
            (End::Hopeless | End::Stopped, Some(failure)) => failure.into(),
            (End::TextTooLong { chars }, _) => RunError::Kafka(KafkaFailure::MetadataTooLarge { chars }),
            (End::Fenced { times }, Some(KafkaFailure::Fenced { transactional_id, .. })) => {
                let way_out = match &self.setup.id_file {
                    Some(file) => format!("its --store-path was copied: delete {} in one of them", file.display()),
                    None => "--transactional-id-prefix".to_owned(),
                };
                RunError::Fenced { transactional_id, times, within: FENCED_PERIOD, way_out }
            }
            (End::GaveUp, Some(failure)) => RunError::Kafka(KafkaFailure::Write {
                step: "commit, after several attempts",
                cause: failure.to_string(),
            }),
            (End::NoCommitted { partition, applied }, _) => StartError::NoCommitted { partition, applied }.into(),
            (End::Bug(words), _) => bug(&words),
            (end @ (End::Hopeless | End::Stopped | End::Fenced { .. } | End::GaveUp), _) => bug(&format!("{end:?}")),
        }
    }
}

fn bug(words: &str) -> RunError {
    RunError::Other(format!("{words}: this is a bug"))
}

/// Why a partition is held. The ways out of a breaker are said beside it.
fn why_held(error: &LineError) -> String {
    if let LineError::Breaker { offset, reason, .. } = error {
        return format!("from offset {offset}: {reason}");
    }
    error.to_string()
}
