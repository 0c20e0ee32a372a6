//! What opening a partition needs from outside: the broker, the disk, the worker that gets it, and whom to tell.
//! `opening` decides in what order, and for how long.

use std::sync::{Arc, Weak};
use std::time::Duration;

use engine::protocol::start::{Gap, OnLogGap, Start, StartRules};
use engine::record::{Offset, TopicPartition};
use kafka_connector::{Assignment, Bounds, GroupAnswer, Inquiry, KafkaSettings, NoAnswer, read_dead_letters};
use line::Past;
use observe::metrics::{LogGap, OpeningReason};
use observe::status::OpeningStatus;
use state::{Applied, OpenError, PartitionStore};

use super::assignments::Assigner;
use super::dispatch::{Flow, Opened, Work};
use super::log_times::log_times;
use super::observer::Observed;
use super::opening::{Ground, WaitingFor};
use super::recall::Opening;
use super::rewind::start_with;
use super::watch::Topic;
use super::{Parts, RunError, Stop};
use crate::settings::kafka::OnIncompleteProgress;

/// A broker that does not answer a question within this time is asked anew.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct KafkaGround {
    pub(super) inquiry: Arc<Inquiry>,
    pub(super) settings: KafkaSettings,
    /// What the topic was like when the group first started.
    pub(super) known: Arc<Topic>,
    pub(super) on_log_gap: OnLogGap,
    pub(super) on_incomplete_progress: OnIncompleteProgress,
    pub(super) dead_letter_topic: Option<String>,
    /// In words.
    pub(super) own_ids: String,
    pub(super) stop: Stop,
    pub(super) parts: Arc<Parts>,
    pub(super) observed: Observed,
    /// It owns the openings, and so this.
    pub(super) assigner: Weak<Assigner>,
}

impl KafkaGround {
    fn source(&self, partition: i32) -> TopicPartition {
        TopicPartition { topic: self.settings.topic.clone(), partition }
    }

    /// What is known of the records below the committed offset.
    fn recall(
        &self,
        source: &TopicPartition,
        assignment: &Assignment,
        start: Start,
        applied: Option<&Applied>,
    ) -> Result<Past, RunError> {
        let applied = applied.map(|applied| (applied.next_offset, applied.extra.as_slice()));
        let opening = Opening { assignment, start, applied, on_incomplete: self.on_incomplete_progress };
        opening.past(|missing| {
            let Some(topic) = &self.dead_letter_topic else { return Ok(None) };
            tracing::info!(%source, topic, "reading back from the dead-letter topic which records went out undecided");
            let (span, is_stopping) = (missing.span(start.read_from), || self.stop.is_requested());
            Ok(Some(read_dead_letters(&self.settings, topic, source, span, is_stopping)?))
        })
    }

    /// A refusal ends the run; no answer does not.
    fn noted<T>(&self, answer: Result<T, NoAnswer>) -> Result<T, NoAnswer> {
        if let Err(failure) = &answer
            && failure.hopeless
        {
            self.failed(failure.clone().into_failure(&self.settings.group).into());
        }
        answer
    }
}

impl Ground for KafkaGround {
    type State = PartitionStore;

    fn committed(&self, partitions: &[i32]) -> Result<Vec<(i32, GroupAnswer)>, NoAnswer> {
        self.noted(self.inquiry.committed(partitions, ANSWER_TIMEOUT))
    }

    fn bounds(&self, partitions: &[i32]) -> Result<Vec<(i32, Bounds)>, NoAnswer> {
        self.noted(self.inquiry.bounds(partitions, ANSWER_TIMEOUT))
    }

    fn own_ids(&self) -> &str {
        &self.own_ids
    }

    fn open(&self, partition: i32) -> Result<PartitionStore, OpenError> {
        self.parts.open_store(&self.source(partition))
    }

    fn opened(&self, assignment: Assignment, flow: Arc<Flow>, mut store: PartitionStore) -> Result<(), RunError> {
        let applied = store.applied().map(|applied| applied.next_offset);
        let source = self.source(assignment.partition);
        let rules = StartRules {
            latest_from: self.known.latest_from(assignment.partition),
            on_log_gap: self.on_log_gap,
            memory: self.parts.rules.memory(),
        };
        let times = || log_times(&self.settings, &assignment, &self.parts.rules);
        let start = start_with(&source, &mut store, &assignment, &rules, times)?;
        log_start(&source, &assignment, applied, start);
        for (kind, offsets) in [(LogGap::Unread, start.gap.unread), (LogGap::Unlearned, start.gap.unlearned)] {
            self.observed.metrics.process.log_gap_offsets.inc_by(kind, offsets.unsigned_abs());
        }
        let past = self.recall(&source, &assignment, start, store.applied())?;
        let Some(assigner) = self.assigner.upgrade() else { return Ok(()) };
        assigner.send(flow.worker, Work::Opened(Box::new(Opened { assignment, flow, store, start, past })))
    }

    fn waiting(&self, waiting: &[WaitingFor]) {
        let status = waiting.iter().map(|waits| {
            let opening = OpeningStatus { reason: waits.words.clone(), since: waits.since };
            (self.source(waits.partition), opening)
        });
        self.observed.status.set_opening(status.collect());
        let metrics = &self.observed.metrics.process;
        for reason in OpeningReason::ALL {
            let counted = waiting.iter().filter(|waits| waits.reason == *reason).count();
            metrics.opening_partitions.set(*reason, i64::try_from(counted).unwrap_or(i64::MAX));
        }
        let longest = waiting.iter().map(|waits| waits.since.elapsed()).max().unwrap_or_default();
        metrics.opening_seconds.set(longest.as_secs_f64());
    }

    fn failed(&self, error: RunError) {
        if let Some(assigner) = self.assigner.upgrade() {
            assigner.fail(error);
        }
    }
}

fn log_start(source: &TopicPartition, assignment: &Assignment, applied: Option<Offset>, start: Start) {
    let replay = start.live_from - start.read_from;
    let Assignment { committed, log_start, log_end, stable_end, .. } = *assignment;
    let Gap { unread, unlearned } = start.gap;
    if unread > 0 || unlearned > 0 {
        tracing::warn!(
            %source, ?applied, ?committed, log_start, unread, unlearned,
            "the log no longer has these offsets, and --on-log-gap is skip: unread ones are lost, duplicates of unlearned \
             ones pass as unique"
        );
    }
    if applied.is_none() && replay > 0 {
        tracing::warn!(%source, ?committed, log_start, replay, "no state here: rebuilding it from the log, outputs off");
    } else {
        tracing::info!(%source, ?applied, ?committed, log_start, log_end, stable_end, replay, "partition starts");
    }
}
