//! The input topic as it is known while it is read: how many partitions it has and had, where those start that have no
//! offset, and whether it is still the same topic. `partitions` decides what follows from a look. When to look, and who is
//! told, is decided elsewhere.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::record::{Millis, Offset};
use private_files::PrivateDir;

use crate::check::TopicCheck;
use crate::failure::KafkaFailure;
use crate::partitions::{self, Found, OffsetReset, Partitions};
use crate::settings::KafkaSettings;
use crate::watch::{TopicLook, TopicWatch};

/// A topic that the brokers have not known for so long is gone. One that has just come back may not know it yet, or not
/// all of its partitions.
const GONE_AFTER: Duration = Duration::from_secs(30);

/// What is known of the topic, for those who open partitions.
pub struct InputTopic {
    watch: TopicWatch,
    name: String,
    directory: PrivateDir,
    known: Mutex<Known>,
    /// How long keys are remembered; `None`: for ever.
    memory: Option<Millis>,
    /// Whether keys that move are known where they come to.
    is_bridged: bool,
}

struct Known {
    partitions: Partitions,
    /// Since when the brokers have known less of the topic than there was.
    missed_since: Option<Instant>,
}

/// What operators are shown of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputStatus {
    /// The topic.
    pub topic: String,
    /// Partitions when the group first started.
    pub partitions_at_first: i32,
    /// Partitions now.
    pub partitions: i32,
    /// What has to be said while keys that have moved may still have duplicates of events from before.
    pub note: Option<String>,
}

impl InputTopic {
    /// Looks at the topic and the group before anything is read, and leaves a record in the topic's directory. `memory` is
    /// how long keys are remembered, `None` for ever; `is_bridged`: keys that move are known where they come to.
    ///
    /// # Errors
    /// The broker does not answer, or the record cannot be written.
    pub fn at_start(
        settings: &KafkaSettings,
        check: &TopicCheck,
        directory: PrivateDir,
        reset: OffsetReset,
        memory: Option<Millis>,
        is_bridged: bool,
    ) -> Result<Self, KafkaFailure> {
        let watch = TopicWatch::connect(settings)?;
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
        let (partitions, added) = Partitions::at_start(known, &found, ends);
        partitions::write(&directory, &partitions).map_err(|error| {
            let path = directory.path().display();
            KafkaFailure::Kept(format!("cannot write to {path}: {error}; make --store-path writable"))
        })?;
        tell_growth(&settings.topic, &partitions, added, is_bridged);
        let known = Mutex::new(Known { partitions, missed_since: None });
        Ok(Self { watch, name: settings.topic.clone(), directory, known, memory, is_bridged })
    }

    /// Looks at the topic as it is now. Where nobody answers, nothing has changed.
    ///
    /// # Errors
    /// It was replaced, or is gone.
    pub fn look(&self) -> Result<(), KafkaFailure> {
        match self.watch.look() {
            Ok(look) => self.compare(&look),
            // The broker is away, which the reading side says as well; or it does not let us ask.
            Err(failure) => {
                tracing::debug!(%failure, "cannot look at the topic");
                Ok(())
            }
        }
    }

    /// How many partitions it has at this moment: what was read by now was sent by those who knew of no more.
    ///
    /// # Errors
    /// No answer in time; it was replaced, or is gone.
    pub fn partitions_now(&self) -> Result<i32, KafkaFailure> {
        let partitions = self.watch.partitions()?;
        self.compare(&TopicLook { partitions, topic_id: None })?;
        Ok(self.partitions())
    }

    /// Where reading has failed because the topic was replaced, this is what is said.
    #[must_use]
    pub fn explain(&self, failure: KafkaFailure) -> KafkaFailure {
        if !matches!(failure, KafkaFailure::Read { .. }) {
            return failure;
        }
        let Ok(look) = self.watch.look() else { return failure };
        let change = self.known().partitions.is_replaced_by(&look);
        change.map_or(failure, |change| self.replaced(change))
    }

    /// How many partitions it has, as far as is known.
    #[must_use]
    pub fn partitions(&self) -> i32 {
        self.known().partitions.now
    }

    /// Where a partition without an offset starts, if not at the start of its log.
    #[must_use]
    pub fn latest_from(&self, partition: i32) -> Option<Offset> {
        self.known().partitions.latest_from(partition)
    }

    /// What operators are shown.
    #[must_use]
    pub fn status(&self) -> InputStatus {
        let partitions = &self.known().partitions;
        InputStatus {
            topic: self.name.clone(),
            partitions_at_first: partitions.first,
            partitions: partitions.now,
            note: partitions.note(&self.name, self.memory, now()).filter(|_| !self.is_bridged),
        }
    }

    fn compare(&self, look: &TopicLook) -> Result<(), KafkaFailure> {
        let mut known = self.known();
        let Known { partitions: known, missed_since } = &mut *known;
        if let Some(change) = known.is_replaced_by(look) {
            if missed_since.is_none() {
                tracing::warn!(topic = self.name, change, "the brokers do not know the topic as it was");
            }
            let missed_for = missed_since.get_or_insert_with(Instant::now).elapsed();
            if known.has_another_id(look) || missed_for >= GONE_AFTER {
                return Err(self.replaced(change));
            }
            return Ok(());
        }
        *missed_since = None;
        let Some(partitions) = look.partitions else { return Ok(()) };
        let added = known.grows_to(partitions, now());
        let begins = !known.has_begun() && self.watch.committed(known.now).is_ok_and(|committed| !committed.is_empty());
        if added > 0 || begins && known.begins() {
            tell_growth(&self.name, known, added, self.is_bridged);
            if let Err(error) = partitions::write(&self.directory, known) {
                tracing::warn!(path = %self.directory.path().display(), %error, "cannot write what is known of the partitions");
            }
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replaced(&self, change: String) -> KafkaFailure {
        KafkaFailure::Replaced { topic: self.name.clone(), change }
    }
}

fn tell_growth(topic: &str, known: &Partitions, added: i32, is_bridged: bool) {
    if added > 0 && is_bridged {
        tracing::warn!(
            topic,
            added,
            partitions = known.now,
            at_first_start = known.first,
            "the topic has more partitions than before: all partitions are held until the keys from before are known to \
             all of them, as --on-partitions-added hold says"
        );
    } else if added > 0 {
        tracing::warn!(
            topic,
            added,
            partitions = known.now,
            at_first_start = known.first,
            "the topic has more partitions than before: keys move, so that duplicates of events from before may pass \
             as unique until the window is over. The new partitions are read from their start"
        );
    }
}

fn now() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
