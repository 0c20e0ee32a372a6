//! A run over Kafka: one thread polls, workers process and commit. This is the polling side: batches, back-pressure,
//! rewinds and the orderly end.

mod snags;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine::record::{Offset, RecordBatch, TopicPartition};
use kafka_connector::{Inquiry, KafkaProducer, KafkaSource, LimitsBook, Polled};
use observe::metrics::PartitionMetrics;

use super::assignments::Assigner;
use super::dispatch::{Delivered, Flow, InFlight, Reading, Rewind, Work};
use super::ends::Ends;
use super::ground::KafkaGround;
use super::kafka_settings::{delivery, kafka_settings, prefix, topics};
use super::lineage::Lineage;
use super::observer::Observed;
use super::opening::Openings;
use super::unreadable::{Inspector, Snag};
use super::watch::{self, Topic};
use super::worker::{Worker, WorkerSetup};
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
    mut parts: Parts,
    observed: &Observed,
    stop: &Stop,
) -> Result<ExitCode, RunError> {
    let mut settings = kafka_settings(kafka);
    let topics = topics(kafka);
    let outputs: Vec<&str> = [&topics.output, &topics.duplicates, &topics.late, &topics.dead_letter]
        .into_iter()
        .filter_map(|topic| topic.as_deref())
        .collect();
    let check = kafka_connector::check_topics(&settings, &outputs)?;
    parts.topic_id.clone_from(&check.topic_id);
    parts.share_front(check.partitions);
    settings.share_fetch_queues(check.partitions);
    let limits = Arc::new(LimitsBook::ask(&settings, &topics)?);
    if let Some(bytes) = limits.get().batch_bytes() {
        settings.bound_batches(bytes);
    }
    let workers = config.limits.worker_threads.min(check.partitions).max(1);
    let memory = parts.rules.memory();
    let topic = Arc::new(Topic::at_start(&settings, &check, &parts.store, kafka.offset_reset, memory, observed)?);
    // Held until the end, so that no other host takes the same id.
    let prefix = prefix(kafka, &parts.store)?;
    let transactional_ids = prefix.as_ref().map(|prefix| prefix.text.as_str());
    tracing::info!(
        topic = settings.topic, partitions = check.partitions, workers, outputs = ?outputs, transactional_ids, "starting"
    );
    let parts = Arc::new(parts);
    let setup = |index| WorkerSetup {
        settings: settings.clone(),
        delivery: delivery(prefix.as_ref(), index),
        id_file: prefix.as_ref().and_then(|prefix| prefix.file.clone()),
        topics: topics.clone(),
        limits: Arc::clone(&limits),
        on_unreadable: kafka.on_unreadable,
        commit_interval: kafka.commit_interval,
        producer_timeout: kafka.producer.message_timeout.max(Duration::from_secs(10)),
        parts: Arc::clone(&parts),
        stop: stop.clone(),
        observed: observed.clone(),
    };
    let setups: Vec<WorkerSetup> = (0..workers).map(setup).collect();
    let producers = connect(&setups)?;

    let (inboxes, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::channel()).unzip();
    let assigner = Arc::new(Assigner::new(inboxes.clone(), stop.clone(), config.shutdown_timeout, observed.clone()));
    let inquiry = Arc::new(Inquiry::new(&settings)?);
    let ground = KafkaGround {
        inquiry: Arc::clone(&inquiry),
        settings: settings.clone(),
        known: Arc::clone(&topic),
        lineage: Lineage::default(),
        on_log_gap: kafka.on_log_gap,
        on_incomplete_progress: kafka.on_incomplete_progress,
        dead_letter_topic: topics.dead_letter.clone(),
        own_ids: own_ids(transactional_ids, workers),
        stop: stop.clone(),
        parts,
        observed: observed.clone(),
        assigner: Arc::downgrade(&assigner),
    };
    assigner.open_with(Openings::start(ground, workers).map_err(no_thread)?);
    let inspector = Inspector::start(settings.clone(), stop.clone()).map_err(no_thread)?;
    let ends = Ends::start(Arc::clone(&inquiry), Arc::downgrade(&assigner)).map_err(no_thread)?;
    let assignments = Arc::clone(&assigner) as Arc<dyn kafka_connector::Assignments>;
    let source = KafkaSource::connect(&settings, assignments, inquiry)?;
    let (reading, readings) = mpsc::channel();
    let ready = setups.into_iter().zip(producers).zip(receivers);
    let threads = ready.enumerate().map(|(index, ((setup, producer), inbox))| {
        let worker = Worker::new(setup, producer, source.group(), Arc::clone(&assigner), reading.clone());
        let thread = std::thread::Builder::new().name(format!("worker-{index}"));
        thread.spawn(move || worker.run(&inbox)).map_err(no_thread)
    });
    let threads = threads.collect::<Result<_, _>>()?;
    let mut poller = Poller {
        source,
        topic: settings.topic,
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
    watch::spawn(Arc::clone(&topic), limits, Arc::clone(&poller.assigner), stop.clone())?;
    let polled = poller.go(stop).map_err(|error| topic.explain(error));
    poller.end(threads, config.shutdown_timeout, polled)
}

/// The transactional ids of so many workers, in words.
fn own_ids(prefix: Option<&str>, workers: usize) -> String {
    match (prefix, workers) {
        (None, _) => String::new(),
        (Some(prefix), ..=1) => format!("{prefix}-0"),
        (Some(prefix), 2..) => format!("{prefix}-0 to {prefix}-{}", workers - 1),
    }
}

/// Every producer fences its predecessor before the group's offsets are read.
fn connect(setups: &[WorkerSetup]) -> Result<Vec<KafkaProducer>, RunError> {
    let connect = |setup: &WorkerSetup| {
        KafkaProducer::connect(&setup.settings, &setup.delivery, setup.producer_timeout).map_err(RunError::from)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = setups.iter().map(|setup| scope.spawn(|| connect(setup))).collect();
        let panicked = |_| Err(RunError::Other("a thread panicked".to_owned()));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
    })
}

/// A partition as the polling thread knows it.
struct Feed {
    flow: Arc<Flow>,
    epoch: u64,
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
            Reading::Begin { partition, flow, offset } => self.begin(*partition, flow, *offset),
            Reading::Again(rewind) => Ok(self.rewind(*rewind)),
        }
    }

    fn begin(&mut self, partition: i32, flow: &Arc<Flow>, offset: Offset) -> Result<bool, RunError> {
        if !self.assigner.is_current(partition, flow) {
            return Ok(true);
        }
        if !self.source.begin(partition, offset)? {
            return Ok(false);
        }
        let source = TopicPartition { topic: self.topic.clone(), partition };
        let feed = Feed {
            epoch: flow.epoch(),
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
        if rewind.epoch != feed.flow.epoch() {
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
