//! What has to be known and made before anything is read: the topics and what they take, the transactional ids, the
//! workers and their producers. Not the polling.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use kafka_connector::{
    Inquiry, KafkaProducer, KafkaSettings, KafkaSource, LimitsBook, TopicCheck, Topics, check_topics,
};

use crate::run::assignments::Assigner;
use crate::run::dispatch::{Reading, Work};
use crate::run::ground::KafkaGround;
use crate::run::kafka_settings::{delivery, kafka_settings, prefix, topics};
use crate::run::observer::Observed;
use crate::run::transactional_id::Prefix;
use crate::run::watch::Topic;
use crate::run::worker::{Worker, WorkerSetup};
use crate::run::{Parts, RunError, Stop, no_thread};
use crate::settings::config::Config;
use crate::settings::kafka::KafkaConfig;

/// See the module.
pub(super) struct Ready<'a> {
    kafka: &'a KafkaConfig,
    observed: &'a Observed,
    stop: &'a Stop,
    parts: Arc<Parts>,
    pub(super) settings: KafkaSettings,
    topics: Topics,
    /// What the topics take.
    pub(super) limits: Arc<LimitsBook>,
    /// What the input was like when the group first started.
    pub(super) topic: Arc<Topic>,
    /// Held until the end, so that no other host takes the same id.
    prefix: Option<Prefix>,
    /// How many.
    pub(super) workers: usize,
}

impl<'a> Ready<'a> {
    /// Asks the broker for what a run has to know.
    ///
    /// # Errors
    /// It does not answer, or the topics are not fit.
    pub(super) fn new(
        config: &Config,
        kafka: &'a KafkaConfig,
        mut parts: Parts,
        observed: &'a Observed,
        stop: &'a Stop,
    ) -> Result<Self, RunError> {
        let mut settings = kafka_settings(kafka);
        let topics = topics(kafka);
        let check = check_topics(&settings, &outputs(&topics))?;
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
        let prefix = prefix(kafka, &parts.store)?;
        let ready =
            Self { kafka, observed, stop, parts: Arc::new(parts), settings, topics, limits, topic, prefix, workers };
        ready.say(&check);
        Ok(ready)
    }

    fn say(&self, check: &TopicCheck) {
        tracing::info!(
            topic = self.settings.topic,
            partitions = check.partitions,
            workers = self.workers,
            outputs = ?outputs(&self.topics),
            transactional_ids = self.transactional_ids(),
            "starting"
        );
    }

    fn transactional_ids(&self) -> Option<&str> {
        self.prefix.as_ref().map(|prefix| prefix.text.as_str())
    }

    fn setup(&self, index: usize) -> WorkerSetup {
        WorkerSetup {
            settings: self.settings.clone(),
            delivery: delivery(self.prefix.as_ref(), index),
            id_file: self.prefix.as_ref().and_then(|prefix| prefix.file.clone()),
            topics: self.topics.clone(),
            limits: Arc::clone(&self.limits),
            on_unreadable: self.kafka.on_unreadable,
            commit_interval: self.kafka.commit_interval,
            producer_timeout: self.kafka.producer.message_timeout.max(Duration::from_secs(10)),
            parts: Arc::clone(&self.parts),
            stop: self.stop.clone(),
            observed: self.observed.clone(),
        }
    }

    /// The workers' setups and producers. Every producer fences its predecessor before the group's offsets are read.
    ///
    /// # Errors
    /// A producer cannot be made.
    pub(super) fn connect(&self) -> Result<Vec<(WorkerSetup, KafkaProducer)>, RunError> {
        let setups: Vec<WorkerSetup> = (0..self.workers).map(|index| self.setup(index)).collect();
        let connect = |setup: &WorkerSetup| {
            KafkaProducer::connect(&setup.settings, &setup.delivery, setup.producer_timeout).map_err(RunError::from)
        };
        let producers: Result<Vec<KafkaProducer>, RunError> = std::thread::scope(|scope| {
            let threads: Vec<_> = setups.iter().map(|setup| scope.spawn(|| connect(setup))).collect();
            let panicked = |_| Err(RunError::Other("a thread panicked".to_owned()));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
        });
        Ok(setups.into_iter().zip(producers?).collect())
    }

    pub(super) fn ground(&self, inquiry: &Arc<Inquiry>, assigner: &Arc<Assigner>) -> KafkaGround {
        KafkaGround {
            inquiry: Arc::clone(inquiry),
            settings: self.settings.clone(),
            known: Arc::clone(&self.topic),
            on_log_gap: self.kafka.on_log_gap,
            on_incomplete_progress: self.kafka.on_incomplete_progress,
            dead_letter_topic: self.topics.dead_letter.clone(),
            own_ids: own_ids(self.transactional_ids(), self.workers),
            stop: self.stop.clone(),
            parts: Arc::clone(&self.parts),
            observed: self.observed.clone(),
            assigner: Arc::downgrade(assigner),
        }
    }
}

/// A thread for each worker.
pub(super) fn start_workers(
    workers: Vec<(WorkerSetup, KafkaProducer)>,
    inboxes: Vec<Receiver<Work>>,
    source: &KafkaSource,
    assigner: &Arc<Assigner>,
    reading: &Sender<Reading>,
) -> Result<Vec<JoinHandle<()>>, RunError> {
    let start = |(index, ((setup, producer), inbox)): (usize, ((WorkerSetup, KafkaProducer), Receiver<Work>))| {
        let worker = Worker::new(setup, producer, source.group(), Arc::clone(assigner), reading.clone());
        let thread = std::thread::Builder::new().name(format!("worker-{index}"));
        thread.spawn(move || worker.run(&inbox)).map_err(no_thread)
    };
    workers.into_iter().zip(inboxes).enumerate().map(start).collect()
}

/// The topics of the lanes, in the order of the lanes.
fn outputs(topics: &Topics) -> Vec<&str> {
    let lanes = [&topics.output, &topics.duplicates, &topics.late, &topics.dead_letter];
    lanes.into_iter().filter_map(|topic| topic.as_deref()).collect()
}

/// The transactional ids of so many workers, in words.
fn own_ids(prefix: Option<&str>, workers: usize) -> String {
    match (prefix, workers) {
        (None, _) => String::new(),
        (Some(prefix), ..=1) => format!("{prefix}-0"),
        (Some(prefix), 2..) => format!("{prefix}-0 to {prefix}-{}", workers - 1),
    }
}
