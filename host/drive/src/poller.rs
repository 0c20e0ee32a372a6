//! The polling side of a run, on one thread: batches, back-pressure, rewinds, and when it is over. The workers process and
//! commit.

mod snags;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use connectors::{Polled, Source};
use engine::protocol::Epoch;
use engine::record::{Offset, RecordBatch, TopicPartition};

use crate::assignments::Revoked;
use crate::dispatch::{Delivered, InFlight, Reading, Rewind};
use crate::ends::Ends;
use crate::failure::Failure;
use crate::flow::{Flow, Flows};
use crate::inboxes::Work;
use crate::report::{FeedReport, Report};
use crate::setup::{OnPartitionsAdded, Setup};
use crate::stop::Stop;
use crate::unreadable::{Inspector, Snag};

/// A batch goes to its worker when it has this many records: the cost of a call into the plugin is spread by then.
const BATCH_RECORDS: usize = 1_024;

/// Or this many bytes.
const BATCH_BYTES: usize = 1 << 20;

/// Or when it is this old.
const BATCH_AGE_MAX: Duration = Duration::from_millis(5);

/// Records polled between two looks at the age of batches.
const POLLS_PER_LOOK: u32 = 256;

/// How long polling waits for a full queue before it pauses the partition. Pausing makes librdkafka throw away what it
/// has fetched, so it is for queues that do not move.
const FULL_WAIT_MAX: Duration = Duration::from_secs(1);

/// Time between two looks at the lag.
const LAG_INTERVAL: Duration = Duration::from_secs(1);

/// Between two looks at whether workers have got to the end.
const END_LOOK: Duration = Duration::from_millis(1);

/// Workers that are not at the end after this are asked once more.
const END_ASK_PAUSE: Duration = Duration::from_millis(20);

/// How a run ended that could go on to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A stop was asked for.
    Stopped,
    /// The input is over, and all of it is decided and committed.
    Over,
}

/// A partition as the polling thread knows it.
struct Feed<F> {
    flow: Arc<Flow>,
    epoch: Epoch,
    /// Records below this were polled before, whatever the client delivers.
    next_offset: Offset,
    /// Where the batch under way starts: what the worker must have as its position.
    batch_from: Offset,
    batch: RecordBatch,
    batch_since: Instant,
    paused: bool,
    /// It is to be read from another offset, and until then nothing that is polled counts.
    seeking: bool,
    snag: Snag,
    /// A record was not taken, as something before it may have been passed over.
    jumped: bool,
    /// Where the partition was begun anew last, and how often there.
    anew: (Offset, u32),
    report: F,
}

impl<F> Feed<F> {
    /// Records before this were taken. Whether the batch is full.
    fn took_up_to(&mut self, next: Offset) -> bool {
        self.next_offset = next;
        self.batch.len() >= BATCH_RECORDS || self.batch.bytes() >= BATCH_BYTES
    }
}

/// See the module.
pub(crate) struct Poller<C, S, R: Report<S>> {
    source: C,
    setup: Arc<Setup>,
    feeds: BTreeMap<i32, Feed<R::Feed>>,
    inboxes: Vec<Sender<Work<S>>>,
    readings: Receiver<Reading>,
    /// What workers asked for and the source would not do yet, in their order.
    waiting: VecDeque<Reading>,
    flows: Arc<Flows>,
    revoked: Arc<Revoked>,
    ends: Ends,
    inspector: Inspector,
    /// Where a partition stood when the source was last renewed for its sake.
    renewed_for: BTreeMap<i32, Offset>,
    total: Arc<InFlight>,
    report: Arc<R>,
    /// When the workers were last asked to get to the end.
    end_asked: Option<Instant>,
    /// How many the input had when partitions were last dealt out.
    partitions: i32,
}

/// What a poll leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    LookAround,
    /// The source says that the input is over.
    Over,
}

/// What the polling thread has to do with others.
pub(crate) struct Ties<S, R> {
    pub(crate) inboxes: Vec<Sender<Work<S>>>,
    pub(crate) readings: Receiver<Reading>,
    pub(crate) flows: Arc<Flows>,
    pub(crate) revoked: Arc<Revoked>,
    pub(crate) ends: Ends,
    pub(crate) inspector: Inspector,
    pub(crate) report: Arc<R>,
}

impl<C: Source, S, R: Report<S>> Poller<C, S, R> {
    pub(crate) fn new(source: C, setup: Arc<Setup>, ties: Ties<S, R>) -> Self {
        let Ties { inboxes, readings, flows, revoked, ends, inspector, report } = ties;
        Self {
            source,
            partitions: setup.input.partitions(),
            setup,
            feeds: BTreeMap::new(),
            inboxes,
            readings,
            waiting: VecDeque::new(),
            flows,
            revoked,
            ends,
            inspector,
            renewed_for: BTreeMap::new(),
            total: Arc::default(),
            report,
            end_asked: None,
        }
    }

    /// Polls until the input is over, a stop is asked for, or the source cannot go on.
    pub(crate) fn go(&mut self, stop: &Stop) -> Result<Ending, Failure> {
        let polled = self.poll_on(stop);
        if polled.is_err() {
            self.wait_processed(stop);
        }
        polled
    }

    fn poll_on(&mut self, stop: &Stop) -> Result<Ending, Failure> {
        let mut asked_lag = Instant::now();
        while !stop.is_requested() {
            self.report.beat();
            self.join_anew_where_grown()?;
            self.read_as_asked()?;
            self.relieve();
            if asked_lag.elapsed() >= LAG_INTERVAL {
                self.show_lag();
                self.look_at_snags();
                asked_lag = Instant::now();
            }
            self.take_answers()?;
            if self.poll_some()? == Next::Over && self.is_at_the_end() {
                return Ok(Ending::Over);
            }
            self.flush_old();
        }
        Ok(Ending::Stopped)
    }

    /// Where the input has more partitions, all are let go of and dealt out again: what was decided and is not committed is
    /// decided anew, by what is known of keys that have moved.
    fn join_anew_where_grown(&mut self) -> Result<(), Failure> {
        let partitions = self.setup.input.partitions();
        if self.setup.policies.on_partitions_added == OnPartitionsAdded::Pass || partitions <= self.partitions {
            return Ok(());
        }
        tracing::info!(partitions, before = self.partitions, "the topic has more partitions: joining the group anew");
        self.partitions = partitions;
        self.source.renew(self.setup.release_timeout)?;
        self.take_revoked();
        Ok(())
    }

    /// Lets go of all partitions, so that they are drained, committed and persisted. The workers are asked for nothing more.
    pub(crate) fn leave(mut self) -> C {
        tracing::info!("draining");
        self.report.stopping();
        self.source.leave(self.setup.release_timeout);
        self.source
    }

    /// Whether all that was read is decided and committed; the workers are asked for it. What could not be committed is
    /// read again.
    fn is_at_the_end(&mut self) -> bool {
        self.flush_all();
        if self.end_asked.is_none_or(|at| at.elapsed() >= END_ASK_PAUSE) {
            for inbox in &self.inboxes {
                let _gone = inbox.send(Work::Over);
            }
            self.end_asked = Some(Instant::now());
        }
        std::thread::sleep(END_LOOK);
        self.waiting.extend(self.readings.try_iter());
        let is_done = |feed: &Feed<R::Feed>| !feed.seeking && feed.flow.is_settled_at(feed.next_offset);
        self.waiting.is_empty() && self.flows.are(self.feeds.keys()) && self.feeds.values().all(is_done)
    }

    /// The source cannot go on, but what was read of it is as good as ever: waits until it is decided.
    fn wait_processed(&mut self, stop: &Stop) {
        self.flush_all();
        let deadline = Instant::now() + self.setup.release_timeout;
        let is_busy = |feed: &Feed<R::Feed>| feed.flow.records() > 0 && feed.flow.held_at().is_none();
        while self.feeds.values().any(is_busy) && !stop.is_requested() && Instant::now() < deadline {
            self.report.beat();
            self.total.wait(END_LOOK);
        }
    }

    /// Polls until nothing is there, a batch is full, or it is time to look around.
    fn poll_some(&mut self) -> Result<Next, Failure> {
        let waiting = self.feeds.values().any(|feed| !feed.batch.is_empty());
        let mut timeout = if waiting { BATCH_AGE_MAX } else { self.setup.poll_wait };
        for _ in 0..POLLS_PER_LOOK {
            let feeds = &mut self.feeds;
            let polled = self.source.poll(timeout, |partition, offset| {
                let feed = feeds.get_mut(&partition)?;
                if feed.seeking || offset < feed.next_offset || feed.jumped {
                    return None;
                }
                feed.jumped = !feed.snag.may_take(feed.next_offset, offset);
                (!feed.jumped).then(|| {
                    feed.next_offset = offset + 1;
                    if feed.batch.is_empty() {
                        feed.batch_since = Instant::now();
                    }
                    &mut feed.batch
                })
            })?;
            let (partition, next) = match polled {
                Polled::Records { partition, next } => (partition, next),
                Polled::End { partition } => {
                    self.tell_end(partition);
                    break;
                }
                Polled::Complaint(complaint) => {
                    self.hear(&complaint);
                    break;
                }
                Polled::Nothing => break,
                Polled::Over => {
                    self.take_revoked();
                    return Ok(Next::Over);
                }
            };
            timeout = Duration::ZERO;
            if self.feeds.get_mut(&partition).is_some_and(|feed| feed.took_up_to(next)) {
                self.flush(partition);
                return Ok(Next::LookAround);
            }
        }
        self.take_revoked();
        Ok(Next::LookAround)
    }

    /// Nothing more can be read for now: whatever was to be replayed has been.
    fn tell_end(&mut self, partition: i32) {
        self.flush(partition);
        let end = self.ends.of(partition).map(|bounds| bounds.stable_end);
        let Some(feed) = self.feeds.get_mut(&partition) else { return };
        feed.snag.reached(end);
        // Who gets to the end fetches, though there may be only markers of transactions.
        feed.anew.1 = 0;
        if let Some(inbox) = self.inboxes.get(feed.flow.worker) {
            let _gone = inbox.send(Work::End { partition, epoch: feed.epoch });
        }
    }

    /// Takes up what a rebalance inside the last poll has taken away.
    fn take_revoked(&mut self) {
        for partition in self.revoked.take() {
            self.feeds.remove(&partition);
        }
    }

    fn flush_old(&mut self) {
        let old = |feed: &Feed<R::Feed>| !feed.batch.is_empty() && feed.batch_since.elapsed() >= BATCH_AGE_MAX;
        let partitions: Vec<i32> = self.feeds.iter().filter(|(_, feed)| old(feed)).map(|(p, _)| *p).collect();
        for partition in partitions {
            self.flush(partition);
        }
    }

    fn flush_all(&mut self) {
        let partitions: Vec<i32> = self.feeds.keys().copied().collect();
        partitions.into_iter().for_each(|partition| self.flush(partition));
    }

    fn flush(&mut self, partition: i32) {
        let Some(feed) = self.feeds.get_mut(&partition).filter(|feed| !feed.batch.is_empty()) else { return };
        let batch = std::mem::replace(&mut feed.batch, self.total.spare_batch());
        let from = std::mem::replace(&mut feed.batch_from, feed.next_offset);
        let delivered =
            Delivered::new(partition, feed.epoch, from, batch, Arc::clone(&feed.flow), Arc::clone(&self.total));
        if let Some(inbox) = self.inboxes.get(feed.flow.worker) {
            // A worker that is gone has reported its failure; the loop sees it next.
            let _gone = inbox.send(Work::Batch(Box::new(delivered)));
        }
    }

    /// Reads partitions from where their workers ask. What the source would not do now is tried again at the next turn,
    /// and nothing that was asked later for the same partition comes before it.
    fn read_as_asked(&mut self) -> Result<(), Failure> {
        self.waiting.extend(self.readings.try_iter());
        let mut held_up = BTreeSet::new();
        for reading in std::mem::take(&mut self.waiting) {
            let partition = reading.partition();
            if held_up.contains(&partition) || !self.read(&reading)? {
                held_up.insert(partition);
                self.waiting.push_back(reading);
            }
        }
        Ok(())
    }

    fn read(&mut self, reading: &Reading) -> Result<bool, Failure> {
        match reading {
            Reading::Begin { partition, flow, epoch, offset } => self.begin(*partition, flow, *epoch, *offset),
            Reading::Again(rewind) => Ok(self.rewind(*rewind)),
        }
    }

    fn begin(&mut self, partition: i32, flow: &Arc<Flow>, epoch: Epoch, offset: Offset) -> Result<bool, Failure> {
        if !self.flows.is_current(partition, flow) {
            return Ok(true);
        }
        if !self.source.begin(partition, offset)? {
            return Ok(false);
        }
        let source = TopicPartition { topic: self.setup.topic.clone(), partition };
        let feed = Feed {
            epoch,
            flow: Arc::clone(flow),
            next_offset: offset,
            batch_from: offset,
            batch: self.total.spare_batch(),
            batch_since: Instant::now(),
            paused: false,
            seeking: false,
            snag: Snag::new(offset),
            jumped: false,
            anew: (offset, 0),
            report: self.report.feed(&source),
        };
        self.feeds.insert(partition, feed);
        Ok(true)
    }

    /// `false`: not yet.
    fn rewind(&mut self, rewind: Rewind) -> bool {
        let Some(feed) = self.feeds.get_mut(&rewind.partition) else { return true };
        // Asked under an earlier assignment, or before the worker wanted another place.
        if rewind.epoch.assignment != feed.epoch.assignment || rewind.epoch < feed.epoch {
            return true;
        }
        // Paused, a partition goes on from where it was paused, whatever was sought meanwhile.
        if std::mem::take(&mut feed.paused) {
            self.source.resume(rewind.partition);
        }
        feed.batch.clear();
        feed.flow.settle(None);
        feed.seeking = !self.source.seek(rewind.partition, rewind.offset);
        feed.epoch = rewind.epoch;
        feed.next_offset = rewind.offset;
        feed.batch_from = rewind.offset;
        let sought = !feed.seeking;
        self.unblock(rewind.partition);
        sought
    }

    /// Back-pressure: waits while queues are full, and pauses the partitions whose queues do not move, and those that are
    /// held.
    fn relieve(&mut self) {
        let limits = self.setup.in_flight;
        let per_partition = limits.records_per_partition;
        let since = Instant::now();
        let full = |this: &Self| {
            this.total.exceeds(limits.records, limits.bytes)
                || this.feeds.values().any(|feed| !feed.paused && feed.flow.records() >= per_partition)
        };
        while full(self) && since.elapsed() < FULL_WAIT_MAX {
            self.total.wait(Duration::from_millis(2));
        }
        let all = self.total.exceeds(limits.records, limits.bytes);
        for (partition, feed) in &mut self.feeds {
            let records = feed.flow.records();
            let held = feed.flow.held_at().is_some() || feed.snag.is_blocked();
            if !feed.paused && (held || all || records >= per_partition) {
                self.source.pause(*partition);
                feed.report.paused();
                feed.paused = true;
            } else if feed.paused && !held && !all && records <= per_partition / 2 {
                self.source.resume(*partition);
                feed.paused = false;
            }
        }
    }

    /// To the end of the log, not only to the end of what is committed: a transaction upstream that stays open is lag.
    fn show_lag(&mut self) {
        for (partition, feed) in &mut self.feeds {
            let Some(bounds) = self.ends.of(*partition) else { continue };
            feed.flow.set_log_start(bounds.log_start);
            let lag = (bounds.log_end - feed.flow.held_at().unwrap_or(feed.next_offset)).max(0);
            feed.report.lag(lag, &bounds);
        }
    }
}
