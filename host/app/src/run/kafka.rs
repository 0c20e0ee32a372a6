//! A run over Kafka: one thread polls, workers process and commit. This is the polling side: batches, back-pressure,
//! rewinds and the orderly end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use connectors::kafka::{self, KafkaProducer, KafkaSource, Polled};
use engine::record::{Offset, RecordBatch, TopicPartition};

use super::assignments::{Assigner, Change};
use super::dispatch::{Delivered, Flow, InFlight, Rewind, Work};
use super::kafka_settings::{delivery, kafka_settings, topics};
use super::observe::Observed;
use super::worker::{Worker, WorkerSetup};
use super::{Parts, RunError, Stop};
use crate::exit::ExitCode;
use crate::metrics::PartitionMetrics;
use crate::settings::config::{Config, LimitsConfig};
use crate::settings::kafka::KafkaConfig;

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

/// Time between two questions for the end of the log.
const LAG_INTERVAL: Duration = Duration::from_secs(5);

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
    let check = kafka::check_topics(&settings, &outputs)?;
    parts.topic_id.clone_from(&check.topic_id);
    parts.share_front(check.partitions);
    settings.share_fetch_queues(check.partitions);
    let workers = config.limits.worker_threads.min(check.partitions).max(1);
    tracing::info!(topic = settings.topic, partitions = check.partitions, workers, outputs = ?outputs, "starting");
    let setups: Vec<WorkerSetup> = {
        let parts = Arc::new(parts);
        let setup = |index| WorkerSetup {
            settings: settings.clone(),
            delivery: delivery(kafka, index),
            topics: topics.clone(),
            offset_reset: kafka.offset_reset,
            on_incomplete_progress: kafka.on_incomplete_progress,
            commit_interval: kafka.commit_interval,
            producer_timeout: kafka.producer.message_timeout.max(Duration::from_secs(10)),
            store_path: config.state.path.clone(),
            parts: Arc::clone(&parts),
            stop: stop.clone(),
            observed: observed.clone(),
        };
        (0..workers).map(setup).collect()
    };
    let producers = connect(&setups)?;

    let (inboxes, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::channel()).unzip();
    let assigner = Arc::new(Assigner::new(inboxes.clone(), stop.clone(), config.shutdown_timeout, observed.clone()));
    let source = KafkaSource::connect(&settings, Arc::clone(&assigner) as Arc<dyn kafka::Assignments>)?;
    let (rewind, rewinds) = mpsc::channel();
    let mut threads = Vec::new();
    for (index, ((setup, producer), inbox)) in setups.into_iter().zip(producers).zip(receivers).enumerate() {
        let worker = Worker::new(setup, producer, source.group(), Arc::clone(&assigner), rewind.clone());
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || worker.run(&inbox));
        threads.push(thread.map_err(|error| RunError::Other(format!("cannot start a thread: {error}")))?);
    }
    let mut poller = Poller {
        source,
        topic: settings.topic,
        feeds: BTreeMap::new(),
        inboxes,
        rewinds,
        assigner,
        total: Arc::default(),
        limits: config.limits,
        observed: observed.clone(),
        poll_timeout: kafka.poll_timeout.min(Duration::from_millis(100)),
    };
    let polled = poller.go(stop);
    poller.end(threads, config.shutdown_timeout, polled)
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
    metrics: PartitionMetrics,
}

struct Poller {
    source: KafkaSource,
    topic: String,
    feeds: BTreeMap<i32, Feed>,
    inboxes: Vec<Sender<Work>>,
    rewinds: Receiver<Rewind>,
    assigner: Arc<Assigner>,
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
            self.rewind()?;
            self.relieve();
            if asked_lag.elapsed() >= LAG_INTERVAL {
                self.ask_lag();
                asked_lag = Instant::now();
            }
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
                (offset >= feed.next_offset).then(|| {
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
                    return self.take_changes();
                }
                Polled::Nothing => return self.take_changes(),
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
        let Some(feed) = self.feeds.get(&partition) else { return };
        if let Some(inbox) = self.inboxes.get(feed.flow.worker) {
            let _gone = inbox.send(Work::End { partition, epoch: feed.epoch });
        }
    }

    /// Takes up what a rebalance inside the last poll has changed.
    fn take_changes(&mut self) -> Result<(), RunError> {
        for change in self.assigner.take_changes() {
            match change {
                Change::Revoked { partition } => {
                    self.feeds.remove(&partition);
                }
                Change::Assigned { partition, flow, read_from } => {
                    let source = TopicPartition { topic: self.topic.clone(), partition };
                    let feed = Feed {
                        epoch: flow.epoch(),
                        flow,
                        next_offset: read_from,
                        batch_from: read_from,
                        batch: self.total.spare_batch(),
                        batch_since: Instant::now(),
                        paused: false,
                        metrics: self.observed.metrics.partition(&source),
                    };
                    self.feeds.insert(partition, feed);
                }
            }
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

    /// Reads partitions again from where their workers ask.
    fn rewind(&mut self) -> Result<(), RunError> {
        while let Ok(rewind) = self.rewinds.try_recv() {
            let Some(feed) = self.feeds.get_mut(&rewind.partition) else { continue };
            if rewind.epoch != feed.flow.epoch() {
                continue;
            }
            // Paused, a partition goes on from where it was paused, whatever was sought meanwhile.
            if std::mem::take(&mut feed.paused) {
                self.source.resume(rewind.partition);
            }
            self.source.seek(rewind.partition, rewind.offset)?;
            feed.batch.clear();
            feed.epoch = rewind.epoch;
            feed.next_offset = rewind.offset;
            feed.batch_from = rewind.offset;
        }
        Ok(())
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
            let held = feed.flow.held_at().is_some();
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

    fn ask_lag(&self) {
        for (partition, feed) in &self.feeds {
            if let Some((start, end)) = self.source.bounds(*partition) {
                feed.flow.set_log_start(start);
                let lag = (end - feed.flow.held_at().unwrap_or(feed.next_offset)).max(0);
                feed.metrics.lag.set(lag);
                let source = TopicPartition { topic: self.topic.clone(), partition: *partition };
                self.observed.status.update_partition(&source, |status| status.lag = Some(lag));
            }
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
        assigner.hang_up();
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
