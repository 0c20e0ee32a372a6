//! Looks at the topic from time to time, on a separate thread: are there more partitions, is it still the same topic?
//! It also does so once before anything is read. `partitions` decides what follows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use connectors::SourceFailure;
use drive::{Failure, Failures, Input};
use engine::record::{Millis, Offset};
use kafka_connector::{KafkaFailure, KafkaSettings, LimitsBook, TopicCheck, TopicLook, TopicWatch};
use state::OpenError;
use state::private::PrivateDir;

use super::partitions::{self, Found, Partitions};
use crate::run::error::RunError;
use crate::run::observer::Observed;
use crate::settings::kafka::OffsetReset;

/// Time between two looks. New partitions are read once the group's leader has seen them, within half a minute.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// A topic that the brokers have not known for so long is gone. One that has just come back may not know it yet, or not
/// all of its partitions.
const GONE_AFTER: Duration = Duration::from_secs(30);

/// Time between two questions for what the output topics take: an operator may change that.
const LIMITS_INTERVAL: Duration = Duration::from_secs(60);

/// How soon a stop is noticed.
const STOP_LOOK: Duration = Duration::from_millis(200);

/// What is known of the topic, for those who open partitions.
pub(super) struct Topic {
    watch: TopicWatch,
    name: String,
    directory: PrivateDir,
    known: Mutex<Partitions>,
    /// How long keys are remembered; `None`: for ever.
    memory: Option<Millis>,
    observed: Observed,
}

impl Topic {
    /// Looks at the topic and the group before anything is read, and leaves a record beside the store.
    ///
    /// # Errors
    /// The broker does not answer, or the record cannot be written.
    pub(super) fn at_start(
        settings: &KafkaSettings,
        check: &TopicCheck,
        store: &PrivateDir,
        reset: OffsetReset,
        memory: Option<Millis>,
        observed: &Observed,
    ) -> Result<Self, RunError> {
        let watch = TopicWatch::connect(settings)?;
        let directory = store.below(&settings.topic).map_err(OpenError::from)?;
        let known = partitions::read(&directory);
        let count = i32::try_from(check.partitions).unwrap_or(i32::MAX);
        let committed = watch.committed(count)?;
        let found = Found {
            group: &settings.group,
            topic_id: check.topic_id.as_deref(),
            partitions: count,
            committed: &committed,
            now: now(),
        };
        let ends = match Partitions::wants_ends(known.as_ref(), &found, reset) {
            true => Some(watch.stable_ends(count)?.into_iter().collect()),
            false => None,
        };
        let (known, added) = Partitions::at_start(known, &found, ends);
        let name = settings.topic.clone();
        let topic =
            Self { watch, name, directory, known: Mutex::new(known.clone()), memory, observed: observed.clone() };
        topic.write(&known).map_err(|error| {
            let path = topic.directory.path().display();
            RunError::Kept(format!("cannot write to {path}: {error}; make --store-path writable"))
        })?;
        topic.tell_growth(&known, added);
        topic.show(&known);
        Ok(topic)
    }

    fn write(&self, known: &Partitions) -> std::io::Result<()> {
        partitions::write(&self.directory, known)
    }

    /// Looks until the run ends.
    fn watch(&self, limits: &LimitsBook, failures: &Failures) {
        let (mut looked, mut asked) = (Instant::now(), Instant::now());
        let mut missed_since = None;
        while !failures.stop().is_requested() {
            std::thread::sleep(STOP_LOOK);
            if asked.elapsed() >= LIMITS_INTERVAL {
                limits.ask_again();
                asked = Instant::now();
            }
            if looked.elapsed() < LOOK_INTERVAL {
                continue;
            }
            match self.watch.look() {
                Ok(look) => {
                    if let Err(error) = self.compare(&look, &mut missed_since) {
                        failures.fail(Failure::Source(SourceFailure::new(error)));
                        return;
                    }
                }
                // The broker is away, which the reading side says as well; or it does not let us ask.
                Err(failure) => tracing::debug!(%failure, "cannot look at the topic"),
            }
            looked = Instant::now();
        }
    }

    /// Reading has failed: where that is because the topic was replaced, this is what is said.
    pub(super) fn explain(&self, error: RunError) -> RunError {
        if !matches!(error, RunError::Kafka(KafkaFailure::Read { .. })) {
            return error;
        }
        let Ok(look) = self.watch.look() else { return error };
        let change = self.known.lock().unwrap_or_else(PoisonError::into_inner).is_replaced_by(&look);
        change.map_or(error, |change| RunError::TopicReplaced { topic: self.name.clone(), change })
    }

    /// `missed_since`: since when the brokers have known less of the topic than there was.
    fn compare(&self, look: &TopicLook, missed_since: &mut Option<Instant>) -> Result<(), RunError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(change) = known.is_replaced_by(look) {
            if missed_since.is_none() {
                tracing::warn!(topic = self.name, change, "the brokers do not know the topic as it was");
            }
            let missed_for = missed_since.get_or_insert_with(Instant::now).elapsed();
            if known.has_another_id(look) || missed_for >= GONE_AFTER {
                return Err(RunError::TopicReplaced { topic: self.name.clone(), change });
            }
            return Ok(());
        }
        *missed_since = None;
        let Some(partitions) = look.partitions else { return Ok(()) };
        let added = known.grows_to(partitions, now());
        let begins = !known.has_begun() && self.watch.committed(known.now).is_ok_and(|committed| !committed.is_empty());
        if added > 0 || begins && known.begins() {
            self.tell_growth(&known, added);
            if let Err(error) = self.write(&known) {
                tracing::warn!(path = %self.directory.path().display(), %error, "cannot write what is known of the partitions");
            }
        }
        self.show(&known);
        Ok(())
    }

    fn tell_growth(&self, known: &Partitions, added: i32) {
        if added > 0 {
            tracing::warn!(
                topic = self.name,
                added,
                partitions = known.now,
                at_first_start = known.first,
                "the topic has more partitions than before: keys move, so that duplicates of events from before may pass \
                 as unique until the window is over. The new partitions are read from their start"
            );
        }
    }

    /// The metric and the note of the status.
    fn show(&self, known: &Partitions) {
        self.observed.metrics.input_partitions(&self.name, known.first, known.now);
        self.observed.status.set_notes(known.note(&self.name, self.memory, now()).into_iter().collect());
    }
}

impl Input for Topic {
    fn partitions(&self) -> i32 {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    fn latest_from(&self, partition: i32) -> Option<Offset> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).latest_from(partition)
    }
}

/// Starts the thread; it ends with the run.
///
/// # Errors
/// There is no thread to be had.
pub(super) fn spawn(topic: Arc<Topic>, limits: Arc<LimitsBook>, failures: Failures) -> Result<(), Failure> {
    let thread = std::thread::Builder::new().name("topic".to_owned());
    thread.spawn(move || topic.watch(&limits, &failures)).map(drop).map_err(Failure::Thread)
}

fn now() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
