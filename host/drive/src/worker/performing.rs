//! How a worker performs what the machine wants done: with its sink, its lines and their states. It decides nothing, not
//! even an order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use connectors::{Committed, CommittingSink, Remedy, SinkFailure, Word};
use engine::protocol::fencing::FENCED_PERIOD;
use engine::protocol::start::StartError;
use engine::protocol::{Answer, Effect, End, Epoch, Event, Failure as Failed, Notice, Stage, Transaction, Trouble};
use engine::record::Offset;
use engine::state::DurableState;
use line::LineError;

use super::Worker;
use crate::dispatch::{Delivered, Reading, Rewind};
use crate::failure::Failure;
use crate::owned::Owned;
use crate::report::{PartitionReport, Report, Took};
use crate::setup::OnStuck;
use crate::states::Leave;

/// Time to say what is committed, before the question is asked anew.
const OFFSETS_TIMEOUT: Duration = Duration::from_secs(5);

/// Time after which the events that new plugins are tried with are replaced by others.
const REMEMBER_INTERVAL: Duration = Duration::from_secs(5);

/// Of the time that the group waits for a partition, the share after which nobody copies its state any more.
const COPY_SHARE: f64 = 0.8;

impl<K: CommittingSink, S: DurableState, R: Report<S>> Worker<K, S, R> {
    /// Does one thing. The answer, where the effect is a question.
    pub(super) fn perform(&mut self, effect: Effect) -> Result<Option<Event>, Failure> {
        match effect {
            Effect::Process { partition, live_from, is_kept } => {
                return self.process(partition, live_from, is_kept).map(Some);
            }
            Effect::Skip { partition, live_from } => return self.skip(partition, live_from).map(Some),
            Effect::Flush => return Ok(Some(self.flush())),
            Effect::TakeMembership => return Ok(Some(Event::Membership(self.sink.take_membership()))),
            Effect::Look => return Ok(Some(Event::Looked(self.standings()))),
            Effect::Commit { offsets } => return self.commit(&offsets).map(Some),
            Effect::Connect { one_by_one } => return Ok(Some(self.connect(one_by_one))),
            Effect::Ask { partitions } => return Ok(Some(self.ask(&partitions))),
            Effect::Pause => {
                std::thread::sleep(self.setup.pauses.reconnect);
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
            Effect::Release { partition, is_lost } => self.release(partition, is_lost),
            Effect::SetAside(records) => self.set_aside(&records),
            Effect::AskLimits => self.sink.ask_limits(),
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
        let _gone = self.ties.readings.send(reading);
    }

    fn process(&mut self, partition: i32, live_from: Offset, is_kept: bool) -> Result<Event, Failure> {
        let Some(owned) = self.owned.get_mut(&partition) else { return Err(Failure::bug("no such partition")) };
        let delivered = if is_kept { owned.kept.take() } else { self.at_hand.take() };
        let Some(delivered) = delivered else { return Err(Failure::bug("no batch to process")) };
        match owned.line.process(&delivered.batch, live_from, &mut self.sink) {
            Ok(()) => {}
            Err(LineError::Sink(failure)) => return Ok(self.failed(failure)),
            Err(error @ (LineError::Breaker { .. } | LineError::Replay { .. } | LineError::Elders { .. })) => {
                owned.tell_costs();
                return Ok(self.is_stuck(error, delivered));
            }
            Err(error) => return Err(error.into()),
        }
        while let Some(released) = owned.line.store().take_released_batch() {
            delivered.total.give_back(released);
        }
        owned.report.batch(&delivered.batch);
        owned.tell_costs();
        if self.remembered.is_none_or(|at| at.elapsed() >= REMEMBER_INTERVAL) {
            self.setup.plugins.remember(&delivered.batch);
            self.remembered = Some(Instant::now());
        }
        Ok(Event::Decided { is_crowded: owned.is_commit_due() })
    }

    /// The plugin is to blame, or something is not there yet. Where the run is to end for that, it does so as after a stop: what was decided before is
    /// committed.
    fn is_stuck(&mut self, error: LineError, delivered: Box<Delivered>) -> Event {
        self.at_hand = Some(delivered);
        let soon = matches!(error, LineError::Elders { .. });
        match self.setup.policies.on_stuck {
            OnStuck::Hold => self.stuck = Some(error),
            OnStuck::End => self.ties.failures.fail(error.into()),
        }
        Event::Stuck { soon }
    }

    /// The sink has failed: why, as far as the machine has to know.
    pub(super) fn failed(&mut self, failure: SinkFailure) -> Event {
        let for_machine = match &failure.remedy {
            Remedy::Retry => Failed::Other,
            Remedy::Fenced => Failed::Fenced,
            Remedy::SetAside(refused) => Failed::Records(self.places(refused)),
            Remedy::Shorten { chars } => Failed::TextTooLong { chars: *chars },
            Remedy::None => Failed::Hopeless,
        };
        self.failure = Some(failure);
        Event::Failed(for_machine)
    }

    fn flush(&mut self) -> Event {
        self.committing_since = Instant::now();
        match self.sink.flush() {
            Ok(()) => Event::Flushed,
            Err(failure) => self.failed(failure),
        }
    }

    fn commit(&mut self, offsets: &[(i32, Offset)]) -> Result<Event, Failure> {
        let mut frontier = Vec::new();
        for (partition, offset) in offsets {
            let Some(owned) = self.owned.get_mut(partition) else { return Err(Failure::bug("no such partition")) };
            let metadata = owned.write_record(*offset)?.to_owned();
            owned.report.committing(owned.line.tally());
            frontier.push((*partition, Committed { offset: *offset, metadata }));
        }
        if let Some(failure) = self.outgrown(offsets) {
            return Ok(self.failed(failure));
        }
        if let Err(failure) = self.sink.commit(&frontier) {
            return Ok(self.failed(failure));
        }
        // One transaction of all partitions, whose reports say it of the same thing.
        if let Some(owned) = self.owned.values_mut().next() {
            owned.report.took(Took::Commit, self.committing_since.elapsed());
        }
        Ok(Event::Committed)
    }

    /// Why nothing may be committed: what was read may have been sent by those who know of more partitions than there were
    /// when it was decided. The partitions are to be opened anew.
    fn outgrown(&self, offsets: &[(i32, Offset)]) -> Option<SinkFailure> {
        let known = offsets.iter().filter_map(|(partition, _)| self.owned.get(partition)?.partitions).min()?;
        let retry = |cause: String| Some(SinkFailure::new(Remedy::Retry, cause));
        match self.setup.input.partitions_now() {
            Ok(now) if now > known => retry(format!("commit: the topic has {now} partitions, and had {known}")),
            Ok(_) => None,
            Err(cause) => retry(format!("commit: how many partitions the topic has is not known: {cause}")),
        }
    }

    fn connect(&mut self, one_by_one: bool) -> Event {
        match self.sink.reconnect(one_by_one) {
            Ok(()) => Event::Connected,
            Err(failure) => self.not_yet(failure),
        }
    }

    fn ask(&mut self, partitions: &[i32]) -> Event {
        let words = match self.sink.committed(partitions, OFFSETS_TIMEOUT) {
            Ok(words) => words,
            Err(failure) => return self.not_yet(failure),
        };
        if let Some((partition, _)) = words.iter().find(|(_, word)| *word == Word::Pending) {
            return self.not_yet(self.sink.pending(*partition));
        }
        let answer = |word: Word| match word {
            Word::Stable(Some(committed)) => Answer::At(committed.offset),
            Word::Stable(None) => Answer::Nothing,
            Word::Pending => Answer::Pending,
        };
        let answers = words.into_iter().map(|(partition, word)| (partition, answer(word)));
        Event::Answered(answers.collect::<BTreeMap<_, _>>())
    }

    fn not_yet(&mut self, failure: SinkFailure) -> Event {
        let is_stopping = self.ties.failures.stop().is_requested();
        if !is_stopping {
            tracing::warn!(%failure, "not yet");
        }
        self.failure = Some(failure);
        Event::NotYet { is_stopping }
    }

    fn swap(&mut self) {
        let (generation, plugins) = self.setup.plugins.get();
        for owned in self.owned.values_mut() {
            match owned.line.swap(&plugins) {
                Ok(()) => owned.report.decided_with(generation, &plugins),
                Err(error) => owned.report.kept_plugins(generation, &error),
            }
        }
    }

    fn apply(&mut self, partition: i32, next: Offset) {
        self.sink.settle(partition, next);
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        let start = Instant::now();
        let (tally, findings) = owned.line.commit(next, owned.record.clone().into_bytes());
        owned.report.took(Took::Apply, start.elapsed());
        owned.report.committed(&tally, findings, next);
    }

    fn persist(&mut self, partition: i32, applied: Offset, is_live: bool, must: bool) -> Result<(), Failure> {
        let Some(owned) = self.owned.get_mut(&partition) else { return Ok(()) };
        if must {
            owned.persist(applied)?;
        }
        let is_written = owned.persist_if_due(applied, is_live)?;
        if must || is_written {
            self.ties.copies.written(partition, owned.line.store());
        }
        Ok(())
    }

    /// A partition that goes as planned is released when those who copy its state have let go of it as well.
    fn release(&mut self, partition: i32, is_lost: bool) {
        let Some(mut owned) = self.owned.remove(&partition) else { return };
        if is_lost {
            return self.ties.copies.lost(partition);
        }
        let time = self.setup.release_timeout.mul_f64(COPY_SHARE);
        let leave = Leave { until: owned.flow.leaving_since() + time, hold: Box::new(Arc::clone(&owned.release)) };
        self.ties.copies.leaves(partition, owned.line.store(), leave);
    }

    /// A text as long as the one that it was given is not taken.
    fn shorten(&mut self, chars: usize, chars_max: usize) {
        self.owned.values_mut().for_each(|owned| owned.record_chars_max = chars_max);
        self.ties.report.shortened(chars, chars_max);
    }

    fn show(&mut self, notice: Notice) {
        match notice {
            Notice::Stage { partition, stage } => self.show_stage(partition, stage),
            Notice::Held { partition, again } => self.show_held(partition, again),
            Notice::Released { partition } => {
                self.owned.get_mut(&partition).into_iter().for_each(|owned| owned.report.released());
            }
            Notice::Failing(trouble) => self.show_trouble(trouble),
            Notice::Fenced => self.ties.report.fenced(),
            Notice::Ended(transaction) => self.show_ended(transaction),
            Notice::WentBack { partition, from, to } => {
                self.owned.get_mut(&partition).into_iter().for_each(|owned| owned.report.went_back(from, to));
            }
            Notice::Moved { partition, from, to } => tracing::warn!(
                partition,
                ?from,
                to,
                "another program has committed offsets of this group; what these offsets cover is not sent again"
            ),
        }
    }

    fn show_stage(&mut self, partition: i32, stage: Stage) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        match stage {
            Stage::Restoring => {
                let failure = self.failure.as_ref().map(ToString::to_string).unwrap_or_default();
                owned.report.stage(stage, &format!("after a failed transaction: {failure}"));
            }
            Stage::Replaying(behind) => {
                owned.report.stage(stage, &format!("{behind} offsets into the state, outputs off"));
            }
            Stage::Live => owned.report.stage(stage, ""),
            Stage::Draining { is_lost: true } => owned.report.stage(stage, "lost"),
            Stage::Draining { is_lost: false } => owned.report.stage(stage, "released"),
        }
    }

    fn show_held(&mut self, partition: i32, again: bool) {
        let Some((owned, error)) = self.owned.get_mut(&partition).zip(self.stuck.take()) else { return };
        if let LineError::Elders { .. } = &error {
            owned.report.awaits(&error.to_string());
        } else if again {
            tracing::debug!(partition, %error, "the held batch failed again");
        } else {
            owned.report.held(&why_held(&error));
        }
    }

    fn show_trouble(&mut self, trouble: Trouble) {
        let cause = match trouble {
            Trouble::Reported => None,
            Trouble::PartitionsLost => Some("commit: partitions were lost while the transaction was open"),
            Trouble::OutOfGroup => Some("commit: this host is out of the group"),
        };
        if let Some(cause) = cause {
            self.failure = Some(SinkFailure::new(Remedy::Retry, cause));
        }
        if let Some(failure) = &self.failure {
            tracing::warn!(%failure, "the transaction failed; asking the group what was committed");
        }
    }

    fn show_ended(&self, transaction: Transaction) {
        self.ties.report.ended(transaction);
        match transaction {
            Transaction::Committed => {}
            Transaction::UnknownCommitted => tracing::info!("the transaction was committed"),
            Transaction::Aborted | Transaction::UnknownAborted => {
                tracing::info!("the transaction was not committed; its records are read again");
            }
        }
    }

    fn end(&mut self, end: End) -> Failure {
        match (end, self.failure.take()) {
            (End::Hopeless | End::Stopped | End::TextTooLong { .. }, Some(failure)) => failure.into(),
            (End::Fenced { times }, Some(cause)) => Failure::Fenced { times, within: FENCED_PERIOD, cause },
            (End::GaveUp, Some(failure)) => Failure::GaveUp(failure),
            (End::NoCommitted { partition, applied }, _) => StartError::NoCommitted { partition, applied }.into(),
            (End::Bug(words), _) => Failure::Bug(words),
            (end, None) => Failure::bug(format!("{end:?}")),
        }
    }
}

/// Why a partition is held. The ways out of a breaker are said beside it.
fn why_held(error: &LineError) -> String {
    if let LineError::Breaker { offset, reason, .. } = error {
        return format!("from offset {offset}: {reason}");
    }
    error.to_string()
}
