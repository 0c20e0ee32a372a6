//! What opening a partition needs from outside: answers of both ends, its state, the worker that gets it, and whom to tell.
//! `opening` decides in what order, and for how long.

use std::sync::Arc;
use std::time::Duration;

use connectors::{Bounds, Inquiry, NoAnswer, Word};
use engine::protocol::start::{Gap, OnLogGap, Start, StartRules};
use engine::record::{Offset, TopicPartition};
use engine::state::{DurableState, PartitionState};
use line::{Past, Rules};

use crate::assignment::Assignment;
use crate::failure::Failure;
use crate::failures::Failures;
use crate::flow::Flow;
use crate::inboxes::{Inboxes, Opened, Work};
use crate::lineage::Lineage;
use crate::log_times::log_times;
use crate::opening::Ground;
use crate::recall::Opening;
use crate::report::{Report, WaitingFor};
use crate::rewind::start_with;
use crate::setup::{Input, OnIncompleteProgress};
use crate::states::{OpenFailure, States, Waits, Wanted};

/// A question that is not answered within this time is asked anew.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct InquiringGround<Q, T: States, R> {
    pub(crate) topic: String,
    pub(crate) inquiry: Arc<Q>,
    pub(crate) states: Arc<T>,
    pub(crate) report: Arc<R>,
    pub(crate) input: Arc<dyn Input>,
    pub(crate) rules: Arc<Rules>,
    /// What the keys of the group are hashed with.
    pub(crate) lineage: Lineage,
    pub(crate) on_log_gap: OnLogGap,
    pub(crate) on_incomplete_progress: OnIncompleteProgress,
    pub(crate) inboxes: Arc<Inboxes<T::State>>,
    pub(crate) failures: Failures,
}

impl<Q: Inquiry, T: States, R: Report<T::State>> InquiringGround<Q, T, R> {
    fn source(&self, partition: i32) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition }
    }

    /// Where the partition starts.
    fn start(&self, source: &TopicPartition, assignment: &Assignment, state: &mut T::State) -> Result<Start, Failure> {
        let applied = state.applied().map(|(applied, _)| applied);
        let rules = StartRules {
            latest_from: self.input.latest_from(assignment.partition),
            on_log_gap: self.on_log_gap,
            memory: self.rules.memory(),
        };
        let times = || Ok(log_times(&*self.inquiry, assignment, &self.rules)?);
        let start = start_with(source, state, assignment, &rules, times)?;
        say_start(source, assignment, applied, start);
        self.report.gap(start.gap);
        Ok(start)
    }

    /// What is known of the records below the committed offset.
    fn recall(
        &self,
        source: &TopicPartition,
        assignment: &Assignment,
        start: Start,
        state: &T::State,
    ) -> Result<Past, Failure> {
        let (on_incomplete, seed) = (self.on_incomplete_progress, state.seed());
        let opening = Opening { assignment, start, applied: state.applied(), on_incomplete, seed };
        opening.past(|missing| {
            let (span, is_stopping) = (missing.span(start.read_from), || self.failures.stop().is_requested());
            Ok(self.inquiry.letters(source, span, &is_stopping)?)
        })
    }

    /// A refusal ends the run; no answer does not.
    fn noted<A>(&self, answer: Result<A, NoAnswer>) -> Result<A, NoAnswer> {
        if let Err(no_answer) = &answer
            && no_answer.hopeless
        {
            self.failed(Failure::Refused(no_answer.clone()));
        }
        answer
    }
}

impl<Q: Inquiry, T: States, R: Report<T::State>> Ground for InquiringGround<Q, T, R> {
    type State = T::State;

    fn committed(&self, partitions: &[i32]) -> Result<Vec<(i32, Word)>, NoAnswer> {
        let words = self.noted(self.inquiry.committed(partitions, ANSWER_TIMEOUT))?;
        self.lineage.learn(&words);
        let others = self.lineage.wants_to_hear_of(partitions, self.input.partitions());
        self.lineage.learn(&self.noted(self.inquiry.committed(&others, ANSWER_TIMEOUT))?);
        Ok(words)
    }

    fn why_pending(&self, partition: i32) -> String {
        self.inquiry.why_pending(partition)
    }

    fn awaits_seed(&self, partition: i32) -> Option<String> {
        self.lineage.awaits(partition)
    }

    fn bounds(&self, partitions: &[i32]) -> Result<Vec<(i32, Bounds)>, NoAnswer> {
        self.noted(self.inquiry.bounds(partitions, ANSWER_TIMEOUT))
    }

    fn open(&self, assignment: &Assignment, waits: &dyn Waits) -> Result<T::State, OpenFailure> {
        let Assignment { partition, bounds, .. } = *assignment;
        let (seed, committed) = (self.lineage.seed(partition), assignment.committed());
        self.states.open(&Wanted { partition, seed, committed, bounds, waits })
    }

    fn opened(&self, assignment: Assignment, flow: Arc<Flow>, mut state: T::State) -> Result<(), Failure> {
        let source = self.source(assignment.partition);
        let start = self.start(&source, &assignment, &mut state)?;
        let past = self.recall(&source, &assignment, start, &state)?;
        self.inboxes.send(flow.worker, Work::Opened(Box::new(Opened { assignment, flow, state, start, past })))
    }

    fn waiting(&self, waiting: &[WaitingFor]) {
        self.report.waiting(&self.topic, waiting);
    }

    fn failed(&self, failure: Failure) {
        self.failures.fail(failure);
    }
}

fn say_start(source: &TopicPartition, assignment: &Assignment, applied: Option<Offset>, start: Start) {
    let (replay, committed) = (start.live_from - start.read_from, assignment.committed());
    let Bounds { log_start, log_end, stable_end } = assignment.bounds;
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
