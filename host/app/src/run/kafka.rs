//! A run over Kafka: what has to be known and made before anything is read, the topics and what they take, the transactional
//! ids, the sinks; and what is said where it fails. The driver does the rest.

mod settings;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use connectors::{Assignments, Lane, SourceFailure};
use drive::{
    Around, Commits, Failure, Failures, InFlightLimits, OnPartitionsAdded, OnStuck, Pauses, Policies, Setup, Stop,
};
use engine::progress::TEXT_CHARS_MAX;
use kafka_connector::{
    Delivery, InputTopic, KafkaFailure, KafkaInquiry, KafkaSettings, KafkaSink, KafkaSource, LimitsBook, Prefix,
    SinkSetup, TopicCheck, Topics, Unjoined, check_topics,
};
use keeper::Keeper;
use reporting::Observed;

use self::settings::prefix;
use self::watch::Watched;
use super::bounds::Bounds;
use super::checkpoints;
use super::error::RunError;
use super::parts::{Parts, Stores};
use crate::exit::ExitCode;
use crate::settings::config::Config;
use crate::settings::kafka::{KafkaConfig, POLL_WAIT_MAX};

pub(crate) use self::settings::{client_settings, kafka_settings};

/// A transaction is committed when it has this many records, however young it is.
const TRANSACTION_RECORDS_MAX: usize = 200_000;

/// Commits that fail in a row before a worker gives up.
const COMMIT_FAILURES_MAX: u32 = 10;

/// State in memory is written at least this often, so that a crash replays little.
const PERSIST_INTERVAL: Duration = Duration::from_secs(30);

/// A producer that is not there within this time is tried again.
const PRODUCER_TIMEOUT_MIN: Duration = Duration::from_secs(10);

/// Runs until a stop is asked for, or it cannot go on.
///
/// # Errors
/// Why it could not go on.
pub(super) fn run(
    config: &Config,
    kafka: &KafkaConfig,
    parts: Parts,
    observed: &Observed,
    stop: &Stop,
) -> Result<ExitCode, RunError> {
    let ready = Ready::new(config, kafka, parts, observed)?;
    let unjoined = ready.connect()?;
    let failures = Failures::new(stop.clone());
    let own_ids = ready.prefix.as_ref().map(|prefix| prefix.ids(ready.workers)).unwrap_or_default();
    let inquiry = Arc::new(KafkaInquiry::new(&ready.settings, ready.topics[Lane::DeadLetter].clone(), own_ids)?);
    let keeper = Arc::new(ready.keeper(config, observed)?);
    let around = Around {
        inquiry: Arc::clone(&inquiry),
        states: Arc::clone(&keeper),
        copies: keeper,
        report: Arc::new(observed.clone()),
    };
    let connect = |assignments: Arc<dyn Assignments>| {
        let source = KafkaSource::connect(&ready.settings, assignments).map_err(SourceFailure::from)?;
        watch::spawn(Arc::clone(&ready.input), Arc::clone(&ready.limits), failures.clone())?;
        let join = |unjoined: Unjoined| unjoined.join(source.group(), Arc::clone(&inquiry));
        let sinks: Vec<KafkaSink> = unjoined.into_iter().map(join).collect();
        Ok((source, sinks))
    };
    drive::run(ready.setup(config), around, &failures, connect).map_err(|failure| ready.explain(failure))?;
    Ok(ExitCode::Ok)
}

/// What has to be known and made before anything is read.
struct Ready<'a> {
    kafka: &'a KafkaConfig,
    parts: Arc<Parts>,
    settings: KafkaSettings,
    topics: Topics,
    /// What the topics take.
    limits: Arc<LimitsBook>,
    /// What the input was like when the group first started.
    input: Arc<Watched>,
    /// Held until the end, so that no other host takes the same id.
    prefix: Option<Prefix>,
    /// How many.
    workers: usize,
}

impl<'a> Ready<'a> {
    /// Asks the broker for what a run has to know.
    ///
    /// # Errors
    /// It does not answer, or the topics are not fit.
    fn new(config: &Config, kafka: &'a KafkaConfig, mut parts: Parts, observed: &Observed) -> Result<Self, RunError> {
        let mut settings = kafka_settings(kafka);
        let topics = kafka.topics.outputs.clone();
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
        let directory = parts.store.below(&settings.topic)?;
        let is_bridged = kafka.on_partitions_added == OnPartitionsAdded::Hold;
        let input = InputTopic::at_start(&settings, &check, directory, kafka.offset_reset, memory, is_bridged)?;
        let input = Arc::new(Watched::new(input, observed));
        let prefix = prefix(kafka, &parts.store)?;
        let ready = Self { kafka, parts: Arc::new(parts), settings, topics, limits, input, prefix, workers };
        ready.say(&check);
        ready.bounds(config, check.partitions).say();
        Ok(ready)
    }

    /// The states, with their checkpoints.
    fn keeper(&self, config: &Config, observed: &Observed) -> Result<Keeper<Stores>, RunError> {
        let (topic, parts) = (self.settings.topic.clone(), Arc::clone(&self.parts));
        let shelves = checkpoints::shelves(config, self.parts.store.path(), &topic, &observed.metrics)?;
        let rules = keeper::Rules {
            group: self.kafka.group.clone(),
            topic: topic.clone(),
            topic_id: self.parts.topic_id.clone(),
            interval: config.checkpoints.interval,
            full_every: config.checkpoints.full_upload_every,
        };
        let (metrics, status) = (observed.metrics.clone(), Arc::clone(&observed.status));
        Keeper::start(Stores { parts, topic }, shelves, rules, metrics, status)
            .map_err(|error| RunError::Other(error.to_string()))
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

    fn bounds(&self, config: &Config, partitions: usize) -> Bounds {
        Bounds {
            partitions: partitions as u64,
            in_flight: config.limits.in_flight_bytes,
            fetched: self.settings.fetched_bytes(),
            store: self.parts.store_bounds(),
            instances: self.parts.instances(),
            instance: config.plugin.memory_bytes,
            transfers: checkpoints::transfers(&config.checkpoints),
            copies: checkpoints::copies(&config.checkpoints),
        }
    }

    fn transactional_ids(&self) -> Option<&str> {
        self.prefix.as_ref().map(Prefix::as_str)
    }

    fn setup(&self, config: &Config) -> Setup {
        let (kafka, limits) = (self.kafka, config.limits);
        Setup {
            topic: self.settings.topic.clone(),
            input: Arc::clone(&self.input) as _,
            plugins: Arc::clone(&self.parts.plugins),
            rules: Arc::clone(&self.parts.rules),
            workers: self.workers,
            poll_wait: kafka.poll_timeout.min(POLL_WAIT_MAX),
            in_flight: InFlightLimits {
                records: limits.in_flight_records,
                records_per_partition: limits.in_flight_records_per_partition,
                bytes: limits.in_flight_bytes,
            },
            commits: Commits {
                interval: kafka.commit_interval,
                records_max: TRANSACTION_RECORDS_MAX,
                failures_max: COMMIT_FAILURES_MAX,
                text_chars_max: TEXT_CHARS_MAX,
            },
            persist_interval: checkpoints::persist_interval(&config.checkpoints, PERSIST_INTERVAL),
            release_timeout: config.shutdown_timeout,
            policies: Policies {
                on_stuck: OnStuck::Hold,
                on_unreadable: kafka.on_unreadable,
                on_log_gap: kafka.on_log_gap,
                on_incomplete_progress: kafka.on_incomplete_progress,
                on_partitions_added: kafka.on_partitions_added,
            },
            pauses: Pauses { grown: kafka.partitions_added_wait, ..Pauses::default() },
        }
    }

    /// The workers' sinks. Each fences its predecessor before the group's offsets are read.
    ///
    /// # Errors
    /// A producer cannot be made.
    fn connect(&self) -> Result<Vec<Unjoined>, RunError> {
        let setup = |index| SinkSetup {
            settings: self.settings.clone(),
            delivery: self.prefix.as_ref().map_or(Delivery::AtLeastOnce, |prefix| prefix.delivery(index)),
            topics: self.topics.clone(),
            limits: Arc::clone(&self.limits),
            timeout: self.kafka.producer.message_timeout.max(PRODUCER_TIMEOUT_MIN),
        };
        let connect = |setup| KafkaSink::connect(setup).map_err(RunError::from);
        std::thread::scope(|scope| {
            let start = |index| {
                let setup = setup(index);
                scope.spawn(move || connect(setup))
            };
            let threads: Vec<_> = (0..self.workers).map(start).collect();
            let panicked = |_| Err(RunError::Other("a thread panicked".to_owned()));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
        })
    }

    /// A failure in the words of Kafka. Where reading has failed because the topic was replaced, that is what is said.
    fn explain(&self, failure: Failure) -> RunError {
        let error = if let Failure::Stalled { partition, offset } = failure {
            let cause = format!(
                "two clients in turn have stopped fetching partition {partition} at offset {offset}, which a third \
                 can read; check the connections to its broker. nothing is lost: a restart continues from there"
            );
            RunError::Kafka(KafkaFailure::Read { topic: self.settings.topic.clone(), cause })
        } else if let Failure::Fenced { times, within, cause } = failure {
            match cause.into_cause::<KafkaFailure>() {
                Ok(KafkaFailure::Fenced { transactional_id, .. }) => {
                    RunError::Fenced { transactional_id, times, within, way_out: self.way_out() }
                }
                Ok(failure) => RunError::Kafka(failure),
                Err(cause) => Failure::Fenced { times, within, cause }.into(),
            }
        } else {
            failure.into()
        };
        let RunError::Kafka(failure) = error else { return error };
        RunError::Kafka(self.input.topic().explain(failure))
    }

    /// Where this host's transactional id comes from.
    fn way_out(&self) -> String {
        match self.prefix.as_ref().and_then(Prefix::file) {
            Some(file) => format!("its --store-path was copied: delete {} in one of them", file.display()),
            None => "--transactional-id-prefix".to_owned(),
        }
    }
}

/// The topics of the lanes, in the order of the lanes.
fn outputs(topics: &Topics) -> Vec<&str> {
    topics.iter().flatten().map(String::as_str).collect()
}
