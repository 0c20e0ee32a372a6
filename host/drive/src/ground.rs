//! What opening a partition needs from outside: answers of both ends, its state, the worker that gets it, and whom to tell.
//! `opening` decides in what order, and for how long.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use connectors::{Bounds, Inquiry, NoAnswer, Word};
use engine::growth::{Finding, Layout, Step};
use engine::protocol::start::{Gap, OnLogGap, Start, StartRules};
use engine::record::{Offset, TopicPartition};
use engine::state::{DurableState, PartitionState};
use line::{Past, Rules};

use crate::assignment::Assignment;
use crate::failure::Failure;
use crate::failures::Failures;
use crate::flow::Flow;
use crate::gathering::Gatherer;
use crate::inboxes::{Inboxes, LaidOut, Opened, Work};
use crate::layouts::Layouts;
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

/// Between two looks at whether a stop is asked for.
const SENDERS_LOOK: Duration = Duration::from_millis(50);

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
    /// How many partitions their owners know.
    pub(crate) layouts: Layouts,
    /// Where partitions are held until the keys from before the input grew are known to all.
    pub(crate) gatherer: Option<Arc<Gatherer<Q, T>>>,
    /// How many partitions were seen last that were more than before, and when.
    pub(crate) grown: Mutex<Option<(i32, Instant)>>,
    /// How long those who send may take to see it.
    pub(crate) grown_wait: Duration,
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

    /// What the partition makes of the number of partitions that there are now.
    fn lay_out(
        &self,
        source: &TopicPartition,
        assignment: &Assignment,
        start: Start,
        state: &T::State,
        past: &mut Past,
    ) -> Result<LaidOut, Failure> {
        let Some(gatherer) = &self.gatherer else {
            past.ledger.set_layout(None);
            return Ok(LaidOut::default());
        };
        let (partition, known) = (assignment.partition, past.ledger.settled().layout());
        let partitions = self.input.partitions();
        if known.is_some_and(|known| known.partitions < partitions) {
            self.wait_for_senders(partitions);
        }
        let finding = Finding {
            partition,
            partitions,
            committed: start.live_from,
            log_end: self.log_end(assignment),
            watermark: state.clock().and_then(|clock| clock.watermark(&self.rules.window.clock)),
            retention: self.rules.window.retention(),
        };
        let (layout, step) = Layout::next(known.as_ref(), &self.layouts.others(partition), &finding);
        say_step(source, &layout, step);
        if step == Step::Forget {
            gatherer.forget();
        }
        past.ledger.set_layout(Some(layout));
        let asking = layout.growth.map(|growth| gatherer.asking(partition, growth, state.seed())).transpose()?;
        Ok(LaidOut {
            partitions: Some(layout.partitions),
            owes_record: step != Step::Same,
            growth: layout.growth,
            elders: asking.map(|asking| Box::new(asking) as _),
        })
    }

    /// Those who send see it later than we.
    fn wait_for_senders(&self, partitions: i32) {
        let seen = {
            let mut grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner);
            match grown.filter(|(grown, _)| *grown == partitions) {
                Some((_, seen)) => seen,
                None => grown.insert((partitions, Instant::now())).1,
            }
        };
        while seen.elapsed() < self.grown_wait && !self.failures.stop().is_requested() {
            std::thread::sleep(SENDERS_LOOK.min(self.grown_wait));
        }
    }

    /// Where the log ends by now: what the growth is seen after.
    fn log_end(&self, assignment: &Assignment) -> Offset {
        let Assignment { partition, bounds, .. } = *assignment;
        let now = self.inquiry.bounds(&[partition], ANSWER_TIMEOUT).unwrap_or_default();
        now.iter().map(|(_, now)| now.log_end).chain([bounds.log_end]).max().unwrap_or(bounds.log_end)
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
        if self.gatherer.is_some() {
            let others: Vec<i32> = (0..self.input.partitions()).filter(|other| !partitions.contains(other)).collect();
            self.layouts.learn(&words);
            self.layouts.learn(&self.noted(self.inquiry.committed(&others, ANSWER_TIMEOUT))?);
        }
        Ok(words)
    }

    fn why_pending(&self, partition: i32) -> String {
        self.inquiry.why_pending(partition)
    }

    fn awaits_seed(&self, partition: i32) -> Option<String> {
        let awaited = self.lineage.awaits(partition);
        awaited.or_else(|| self.gatherer.as_ref().and_then(|_| self.layouts.awaits(partition)))
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
        let mut past = self.recall(&source, &assignment, start, &state)?;
        let laid_out = self.lay_out(&source, &assignment, start, &state, &mut past)?;
        self.inboxes
            .send(flow.worker, Work::Opened(Box::new(Opened { assignment, flow, state, start, past, laid_out })))
    }

    fn waiting(&self, waiting: &[WaitingFor]) {
        self.report.waiting(&self.topic, waiting);
    }

    fn failed(&self, failure: Failure) {
        self.failures.fail(failure);
    }
}

fn say_step(source: &TopicPartition, layout: &Layout, step: Step) {
    let (partitions, growth) = (layout.partitions, layout.growth);
    match step {
        Step::Same => {}
        Step::Begin => {
            tracing::debug!(%source, partitions, "commits say how many partitions the topic has from now on")
        }
        Step::Grow => tracing::info!(
            %source, partitions, ?growth,
            "the topic has more partitions than before: held until the keys from before are known to all of them"
        ),
        Step::Decline => tracing::warn!(
            %source, partitions, ?growth,
            "the topic has grown again before the keys from before the last time were forgotten: those keys stay known \
             where they are, and duplicates of later ones in other partitions may pass until the window is over"
        ),
        Step::Forget => tracing::info!(%source, partitions, "no key from before the topic grew is remembered any more"),
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
