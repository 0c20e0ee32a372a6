//! Gathers the keys that partitions had before the input grew, on a thread beside the run, by reading what is left of their
//! logs again: once for each growth and process, whatever partitions ask. What is read is put through a line as in any
//! replay, so that the keys are those that the partition itself has; nothing is sent.
//!
//! First all that was committed when the growth was seen, of all partitions; then what lies between the two lines of each, in
//! the order of their numbers, when its owner has decided that.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use connectors::{Committed, Inquiry, Lane, Outgoing, Sink, SinkFailure, Word};
use engine::fingerprint::Seed;
use engine::growth::{Growth, Partitioner, Suspects};
use engine::protocol::start::{Gap, Start};
use engine::record::{Offset, RecordBatch, TopicPartition};
use engine::state::{DurableState, PartitionState};
use line::{ExplanationConfig, Line, LineError, Rules};

use crate::assignment::Assignment;
use crate::elders::{Asking, Gathered, Lent, Member};
use crate::failure::Failure;
use crate::failures::Failures;
use crate::in_force::InForce;
use crate::layouts::layout;
use crate::recall::Opening;
use crate::setup::OnIncompleteProgress;
use crate::states::{OpenFailure, States};

/// A question that is not answered within this time is asked anew.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two looks at whether threads have ended.
const END_LOOK: Duration = Duration::from_millis(2);

/// Records of each partition that are looked at to find out how producers find partitions, and among how many offsets.
const SAMPLE_RECORDS: usize = 256;
const SAMPLE_OFFSETS: Offset = 1_024;

/// What gathering needs of the world around it.
pub(crate) struct Gatherer<Q, T: States> {
    pub(crate) topic: String,
    pub(crate) inquiry: Arc<Q>,
    pub(crate) states: Arc<T>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) plugins: Arc<InForce>,
    pub(crate) on_incomplete_progress: OnIncompleteProgress,
    /// Between two looks at what others have done.
    pub(crate) pause: Duration,
    pub(crate) failures: Failures,
    pub(crate) latest: Mutex<Option<Arc<Gathered<T::State>>>>,
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Why gathering ends early.
enum Halt {
    Stopped,
    Failed(Failure),
}

impl<F: Into<Failure>> From<F> for Halt {
    fn from(failure: F) -> Self {
        Self::Failed(failure.into())
    }
}

impl<Q: Inquiry, T: States> Gatherer<Q, T> {
    /// What is gathered of a growth, for a partition that asks; gathering begins when the first one does.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn asking(
        self: &Arc<Self>,
        partition: i32,
        growth: Growth,
        seed: Seed,
    ) -> Result<Asking<T::State>, Failure> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |known: &&Arc<Gathered<T::State>>| (known.before, known.after) == (growth.before, growth.after);
        let gathered = match latest.as_ref().filter(is_it) {
            Some(gathered) => Arc::clone(gathered),
            None => {
                let gathered = Arc::new(Gathered::new(&growth, self.rules.window.length));
                self.start(&gathered, seed)?;
                *latest = Some(Arc::clone(&gathered));
                gathered
            }
        };
        Ok(Asking { partition, growth, gathered })
    }

    /// Nobody asks any more.
    pub(crate) fn forget(&self) {
        if self.latest.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            self.states.forget_elders(None);
        }
    }

    fn start(self: &Arc<Self>, gathered: &Arc<Gathered<T::State>>, seed: Seed) -> Result<(), Failure> {
        let (gatherer, gathered) = (Arc::clone(self), Arc::clone(gathered));
        let thread = std::thread::Builder::new().name("elders".to_owned());
        let gather = move || match gatherer.gather(&gathered, seed) {
            Ok(()) => tracing::info!(
                before = gathered.before,
                after = gathered.after,
                "the keys from before the topic grew are known to all partitions"
            ),
            Err(Halt::Stopped) => {}
            Err(Halt::Failed(failure)) => gatherer.failures.fail(failure),
        };
        let thread = thread.spawn(gather).map_err(Failure::Thread)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// Waits until nothing is gathered any more, but only until then.
    pub(crate) fn end(&self, deadline: Instant) {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(END_LOOK);
        }
    }

    fn gather(&self, gathered: &Arc<Gathered<T::State>>, seed: Seed) -> Result<(), Halt> {
        self.states.forget_elders(Some((gathered.before, gathered.after)));
        let lines = self.lines(gathered)?;
        let partitioner = self.partitioner(&lines);
        tracing::info!(?lines, ?partitioner, "the topic has grown: gathering the keys from before");
        let mut members = Vec::new();
        for (partition, lines) in &lines {
            let state = self.open(*partition, lines, seed)?;
            let member = Arc::new(Member::new(*partition, *lines, state));
            self.read(gathered, &member, lines.from)?;
            members.push(member);
        }
        let end = lines.iter().filter_map(|(_, lines)| lines.ends_at(self.rules.window.retention())).max();
        gathered.begin(members.clone(), end, partitioner);
        for turn in 0..gathered.before {
            if let Some(member) = members.iter().find(|member| member.partition == turn) {
                self.wait_decided(gathered, member)?;
                self.read(gathered, member, member.lines.to)?;
            }
            gathered.take_turn(turn + 1);
        }
        Ok(())
    }

    /// The lines of all partitions that there were before, when all owners have drawn them.
    fn lines(&self, gathered: &Gathered<T::State>) -> Result<Vec<(i32, Growth)>, Halt> {
        let partitions: Vec<i32> = (0..gathered.before).collect();
        loop {
            match self.inquiry.committed(&partitions, ANSWER_TIMEOUT) {
                Ok(answers) => match lines_of(&answers, gathered) {
                    Ok(lines) => return Ok(lines),
                    Err(partition) => gathered.waits(format!(
                        "waiting for the owner of partition {partition} to see it; all hosts of the group need \
                         --on-partitions-added hold"
                    )),
                },
                Err(no_answer) => gathered.waits(format!("the broker does not answer: {no_answer}")),
            }
            self.pause()?;
        }
    }

    /// How producers found partitions, if the last records of before show it.
    fn partitioner(&self, lines: &[(i32, Growth)]) -> Option<Partitioner> {
        let mut suspects = Suspects::new();
        for (partition, Growth { before, from, .. }) in lines {
            let span = from.saturating_sub(SAMPLE_OFFSETS).max(0)..*from;
            let sample = if span.is_empty() {
                Ok(RecordBatch::new())
            } else {
                self.inquiry.peek(*partition, span, SAMPLE_RECORDS)
            };
            let sample =
                sample.inspect_err(|error| tracing::warn!(%error, partition, "cannot look at the last records"));
            for record in sample.ok()?.iter() {
                record.key().into_iter().for_each(|key| suspects.see(key, *partition, *before));
            }
        }
        suspects.found()
    }

    fn open(&self, partition: i32, lines: &Growth, seed: Seed) -> Result<T::State, Halt> {
        loop {
            match self.states.open_elder(partition, seed, (lines.before, lines.after)) {
                Ok(state) => return Ok(state),
                // That of a run in this process that has not quite ended.
                Err(OpenFailure::InUseHere(_)) => self.pause()?,
                Err(failure) => return Err(Failure::Open(failure.into_cause()).into()),
            }
        }
    }

    /// Until all that lies between the lines is decided by the partition's owner: then it is known what went out undecided.
    fn wait_decided(&self, gathered: &Gathered<T::State>, member: &Member<T::State>) -> Result<(), Halt> {
        let Member { partition, lines, .. } = member;
        gathered.waits(format!(
            "waiting until partition {partition} is decided up to offset {}, where its log ended then",
            lines.to
        ));
        let is_decided = |committed: &Committed| {
            committed.offset >= lines.to || self.has_no_more(*partition, committed.offset..lines.to)
        };
        while !self.committed(*partition).as_ref().is_some_and(is_decided) {
            self.pause()?;
        }
        Ok(())
    }

    fn committed(&self, partition: i32) -> Option<Committed> {
        let answers = self.inquiry.committed(&[partition], ANSWER_TIMEOUT).ok()?;
        answers.into_iter().find_map(|(_, word)| match word {
            Word::Stable(committed) => committed,
            Word::Pending => None,
        })
    }

    /// Whether there is no record, and will be none: what is left are marks of transactions.
    fn has_no_more(&self, partition: i32, span: Range<Offset>) -> bool {
        let bounds = self.inquiry.bounds(&[partition], ANSWER_TIMEOUT).unwrap_or_default();
        let is_stable = bounds.iter().any(|(_, bounds)| bounds.stable_end >= span.end);
        is_stable && self.inquiry.peek(partition, span, 1).is_ok_and(|batch| batch.is_empty())
    }

    /// Puts the keys of a partition into its state, up to an offset.
    fn read(&self, gathered: &Arc<Gathered<T::State>>, member: &Member<T::State>, upto: Offset) -> Result<(), Halt> {
        let mut reading = self.reading(gathered, member, upto)?;
        while reading.at < upto {
            let mut halted = Ok(());
            let scanned = self.inquiry.scan(member.partition, reading.at..upto, &mut |batch| {
                halted = self.take(gathered, member, &mut reading, batch);
                halted.is_ok()
            });
            halted?;
            match scanned {
                Ok(()) => break,
                Err(failure) => {
                    gathered.waits(format!("cannot read partition {} again: {failure}", member.partition));
                    self.pause()?;
                }
            }
        }
        reading.line.commit(upto.max(reading.at), Vec::new());
        drop(reading);
        member.state().persist().map_err(Failure::state)?;
        Ok(())
    }

    fn reading(
        &self,
        gathered: &Arc<Gathered<T::State>>,
        member: &Member<T::State>,
        upto: Offset,
    ) -> Result<Reading<T::State>, Halt> {
        let partition = member.partition;
        let source = TopicPartition { topic: self.topic.clone(), partition };
        let (committed, bounds) = loop {
            let bounds = self.inquiry.bounds(&[partition], ANSWER_TIMEOUT).unwrap_or_default().into_iter().next();
            match self.committed(partition).zip(bounds) {
                Some((committed, (_, bounds))) => break (committed, bounds),
                None => self.pause()?,
            }
        };
        let applied = member.state().applied().map(|(applied, _)| applied);
        let read_from = applied.unwrap_or(0).max(bounds.log_start);
        if read_from > applied.unwrap_or(0) {
            tracing::warn!(
                %source, ?applied, log_start = bounds.log_start,
                "the log no longer has all keys from before the topic grew: duplicates of these pass in other partitions"
            );
        }
        let seed = member.state().seed();
        let assignment = Assignment { partition, committed: Some(committed), bounds };
        let start = Start { read_from: read_from.min(upto), live_from: upto, gap: Gap::default() };
        let applied = applied.map(|applied| (applied, &[][..]));
        let opening =
            Opening { assignment: &assignment, start, applied, on_incomplete: self.on_incomplete_progress, seed };
        let past = opening.past(|missing| {
            let is_stopping = || self.failures.stop().is_requested();
            self.inquiry.letters(&source, missing.span(start.read_from), &is_stopping).map_err(Failure::from)
        })?;
        let explain = ExplanationConfig { keep_originals: false, ..self.rules.explain };
        let rules = Arc::new(Rules { explain, ..(*self.rules).clone() });
        let (_, plugins) = self.plugins.get();
        let mut line = Line::new(source, rules, &plugins, member.lend())?;
        line.remember(past);
        let gathered = Arc::clone(gathered);
        line.ask_elders(member.lines, Box::new(Asking { partition, growth: member.lines, gathered }));
        Ok(Reading { line, at: start.read_from, upto })
    }

    /// Puts the keys of a batch in. A plugin that is to blame is tried again, as by the partition's owner.
    fn take(
        &self,
        gathered: &Gathered<T::State>,
        member: &Member<T::State>,
        reading: &mut Reading<T::State>,
        batch: RecordBatch,
    ) -> Result<(), Halt> {
        let Some(last) = batch.len().checked_sub(1).and_then(|last| batch.get(last)).map(|last| last.offset()) else {
            return Ok(());
        };
        let batch = Arc::new(batch);
        loop {
            match reading.line.process(&batch, reading.upto, &mut Nowhere) {
                Ok(()) => break,
                Err(error @ (LineError::Breaker { .. } | LineError::Replay { .. })) => {
                    gathered.waits(error.to_string())
                }
                Err(error) => return Err(error.into()),
            }
            self.pause()?;
        }
        reading.at = last + 1;
        reading.line.commit(reading.at, Vec::new());
        let _costs = reading.line.take_costs();
        let mut state = member.state();
        while state.take_released_batch().is_some() {}
        if state.should_persist() {
            state.persist().map_err(Failure::state)?;
        }
        drop(state);
        let (partition, upto) = (member.partition, reading.upto);
        gathered.waits(format!(
            "reading the keys of partition {partition} from before again: offset {} of {upto}",
            reading.at
        ));
        if self.failures.stop().is_requested() { Err(Halt::Stopped) } else { Ok(()) }
    }

    fn pause(&self) -> Result<(), Halt> {
        std::thread::sleep(self.pause);
        if self.failures.stop().is_requested() { Err(Halt::Stopped) } else { Ok(()) }
    }
}

/// A log that is read again.
struct Reading<S> {
    line: Line<Lent<S>>,
    at: Offset,
    upto: Offset,
}

/// The lines of those that have drawn them, and none of those that declined; or the first that has not said yet.
fn lines_of<S>(answers: &[(i32, Word)], gathered: &Gathered<S>) -> Result<Vec<(i32, Growth)>, i32> {
    let mut lines = Vec::new();
    for partition in 0..gathered.before {
        let answer = answers.iter().find(|(of, _)| *of == partition);
        let said = answer.and_then(|(_, word)| layout(word)).and_then(|layout| layout.lines(gathered.after));
        lines.extend(said.ok_or(partition)?.map(|said| (partition, said)));
    }
    Ok(lines)
}

/// Where a replay sends to.
struct Nowhere;

impl Sink for Nowhere {
    fn has(&self, _lane: Lane) -> bool {
        false
    }

    fn send(&mut self, _lane: Lane, _record: &Outgoing<'_>) -> Result<(), SinkFailure> {
        Ok(())
    }
}
