//! A run over Kafka: one thread polls, workers process and commit. This is the polling side: batches, back-pressure,
//! rewinds and the orderly end.

mod ready;
mod snags;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine::protocol::Epoch;
use engine::record::{Offset, RecordBatch, TopicPartition};
use kafka_connector::{Inquiry, KafkaSource, Polled};
use observe::metrics::PartitionMetrics;

use self::ready::{Ready, start_workers};
use super::assignments::Assigner;
use super::dispatch::{Delivered, Flow, InFlight, Reading, Rewind, Work};
use super::ends::Ends;
use super::observer::Observed;
use super::opening::Openings;
use super::unreadable::{Inspector, Snag};
use super::watch;
use super::{Parts, RunError, Stop, no_thread};
use crate::exit::ExitCode;
use crate::settings::config::{Config, LimitsConfig};
use crate::settings::kafka::{KafkaConfig, OnUnreadable, POLL_WAIT_MAX};

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

pub(super) fn run(
    config: &Config,
    kafka: &KafkaConfig,
    parts: Parts,
    observed: &Observed,
    stop: &Stop,
) -> Result<ExitCode, RunError> {
    let ready = Ready::new(config, kafka, parts, observed, stop)?;
    let workers = ready.connect()?;
    let (inboxes, receivers): (Vec<_>, Vec<_>) = (0..ready.workers).map(|_| mpsc::channel()).unzip();
    let assigner = Arc::new(Assigner::new(inboxes.clone(), stop.clone(), config.shutdown_timeout, observed.clone()));
    let inquiry = Arc::new(Inquiry::new(&ready.settings)?);
    assigner.open_with(Openings::start(ready.ground(&inquiry, &assigner), ready.workers).map_err(no_thread)?);
    let inspector = Inspector::start(ready.settings.clone(), stop.clone()).map_err(no_thread)?;
    let ends = Ends::start(Arc::clone(&inquiry), Arc::downgrade(&assigner)).map_err(no_thread)?;
    let assignments = Arc::clone(&assigner) as Arc<dyn kafka_connector::Assignments>;
    let source = KafkaSource::connect(&ready.settings, assignments, inquiry)?;
    let (reading, readings) = mpsc::channel();
    let threads = start_workers(workers, receivers, &source, &assigner, &reading)?;
    let mut poller = Poller {
        source,
        topic: ready.settings.topic.clone(),
        feeds: BTreeMap::new(),
        inboxes,
        readings,
        waiting: VecDeque::new(),
        assigner,
        ends,
        inspector,
        renewed_for: BTreeMap::new(),
        release_timeout: config.shutdown_timeout,
        on_unreadable: kafka.on_unreadable,
        total: Arc::default(),
        limits: config.limits,
        observed: observed.clone(),
        poll_timeout: kafka.poll_timeout.min(POLL_WAIT_MAX),
    };
    watch::spawn(Arc::clone(&ready.topic), Arc::clone(&ready.limits), Arc::clone(&poller.assigner), stop.clone())?;
    let polled = poller.go(stop).map_err(|error| ready.topic.explain(error));
    poller.end(threads, config.shutdown_timeout, polled)
}

/// A partition as the polling thread knows it.
struct Feed {
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
    metrics: PartitionMetrics,
}

struct Poller {
    source: KafkaSource,
    topic: String,
    feeds: BTreeMap<i32, Feed>,
    inboxes: Vec<Sender<Work>>,
    readings: Receiver<Reading>,
    /// What workers asked for and the client would not do yet, in their order.
    waiting: VecDeque<Reading>,
    assigner: Arc<Assigner>,
    ends: Ends,
    inspector: Inspector,
    /// Where a partition stood when the client was last renewed for its sake.
    renewed_for: BTreeMap<i32, Offset>,
    /// How long workers may take to let go of partitions.
    release_timeout: Duration,
    on_unreadable: OnUnreadable,
    total: Arc<InFlight>,
    limits: LimitsConfig,
    observed: Observed,
    poll_timeout: Duration,
}

impl Poller {
    fn go(&mut self, stop: &Stop) -> Result<(), RunError> {
        let mut asked_lag = Instant::now();
        while !stop.is_requested() {
            self.observed.status.beat();
            self.read_as_asked()?;
            self.relieve();
            if asked_lag.elapsed() >= LAG_INTERVAL {
                self.show_lag();
                self.look_at_snags();
                asked_lag = Instant::now();
            }
            self.take_answers()?;
            self.poll_some()?;
            self.flush_old();
        }
        Ok(())
    }

    /// Polls until nothing is there, a batch is full, or it is time to look around.
    fn poll_some(&mut self) -> Result<(), RunError> {
        let waiting = self.feeds.values().any(|feed| !feed.batch.is_empty());
        let mut timeout = if waiting { BATCH_AGE_MAX } else { self.poll_timeout };
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
            let partition = match polled {
                Polled::Record { partition, .. } => partition,
                Polled::End { partition } => {
                    self.tell_end(partition);
                    return self.take_revoked();
                }
                Polled::Complaint(complaint) => {
                    self.hear(&complaint);
                    return self.take_revoked();
                }
                Polled::Nothing => return self.take_revoked(),
            };
            timeout = Duration::ZERO;
            let full = |feed: &&Feed| feed.batch.len() >= BATCH_RECORDS || feed.batch.bytes() >= BATCH_BYTES;
            if self.feeds.get(&partition).filter(full).is_some() {
                self.flush(partition);
                return Ok(());
            }
        }
        Ok(())
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
    fn take_revoked(&mut self) -> Result<(), RunError> {
        for partition in self.assigner.take_revoked() {
            self.feeds.remove(&partition);
        }
        self.assigner.take_failure().map_or(Ok(()), Err)
    }

    fn flush_old(&mut self) {
        let old = |feed: &Feed| !feed.batch.is_empty() && feed.batch_since.elapsed() >= BATCH_AGE_MAX;
        let partitions: Vec<i32> = self.feeds.iter().filter(|(_, feed)| old(feed)).map(|(p, _)| *p).collect();
        for partition in partitions {
            self.flush(partition);
        }
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

    /// Reads partitions from where their workers ask. What the client would not do now is tried again at the next turn,
    /// and nothing that was asked later for the same partition comes before it.
    fn read_as_asked(&mut self) -> Result<(), RunError> {
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

    fn read(&mut self, reading: &Reading) -> Result<bool, RunError> {
        match reading {
            Reading::Begin { partition, flow, epoch, offset } => self.begin(*partition, flow, *epoch, *offset),
            Reading::Again(rewind) => Ok(self.rewind(*rewind)),
        }
    }

    fn begin(&mut self, partition: i32, flow: &Arc<Flow>, epoch: Epoch, offset: Offset) -> Result<bool, RunError> {
        if !self.assigner.is_current(partition, flow) {
            return Ok(true);
        }
        if !self.source.begin(partition, offset)? {
            return Ok(false);
        }
        let source = TopicPartition { topic: self.topic.clone(), partition };
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
            metrics: self.observed.metrics.partition(&source),
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
        let limits = self.limits;
        let per_partition = limits.in_flight_records_per_partition;
        let since = Instant::now();
        let full = |this: &Self| {
            this.total.exceeds(limits.in_flight_records, limits.in_flight_bytes)
                || this.feeds.values().any(|feed| !feed.paused && feed.flow.records() >= per_partition)
        };
        while full(self) && since.elapsed() < FULL_WAIT_MAX {
            self.total.wait(Duration::from_millis(2));
        }
        let all = self.total.exceeds(limits.in_flight_records, limits.in_flight_bytes);
        for (partition, feed) in &mut self.feeds {
            let records = feed.flow.records();
            let held = feed.flow.held_at().is_some() || feed.snag.is_blocked();
            if !feed.paused && (held || all || records >= per_partition) {
                self.source.pause(*partition);
                feed.metrics.pauses.inc();
                feed.paused = true;
            } else if feed.paused && !held && !all && records <= per_partition / 2 {
                self.source.resume(*partition);
                feed.paused = false;
            }
        }
    }

    /// To the end of the log, not only to the end of what is committed: a transaction upstream that stays open is lag.
    fn show_lag(&self) {
        for (partition, feed) in &self.feeds {
            let Some(bounds) = self.ends.of(*partition) else { continue };
            feed.flow.set_log_start(bounds.log_start);
            let lag = (bounds.log_end - feed.flow.held_at().unwrap_or(feed.next_offset)).max(0);
            feed.metrics.lag.set(lag);
            let source = TopicPartition { topic: self.topic.clone(), partition: *partition };
            self.observed.status.update_partition(&source, |status| {
                status.lag = Some(lag);
                status.log_end = Some(bounds.log_end);
                status.stable_end = Some(bounds.stable_end);
            });
        }
    }

    /// Leaves the group, so that partitions are drained, committed and persisted, then lets the workers end.
    fn end(
        self,
        threads: Vec<JoinHandle<()>>,
        timeout: Duration,
        polled: Result<(), RunError>,
    ) -> Result<ExitCode, RunError> {
        tracing::info!("draining");
        self.observed.status.stopping();
        let deadline = Instant::now() + timeout;
        self.source.leave(timeout);
        let Self { source, inboxes, assigner, .. } = self;
        drop(inboxes);
        assigner.hang_up(deadline);
        while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let left = threads.iter().filter(|thread| !thread.is_finished()).count();
        if let Some(error) = assigner.take_failure().map_or(polled.err(), Some) {
            return Err(error);
        }
        if left > 0 {
            return Err(RunError::Other(format!(
                "{left} workers did not drain within {timeout:?}; what they had not committed will be read again"
            )));
        }
        drop(source);
        tracing::info!("drained, committed and closed");
        Ok(ExitCode::Ok)
    }
}
