//! Questions about the input topic that are asked again and again while it is read: how many partitions it has, and
//! whether it is still the same topic. They use a separate client, which is in no group and reads nothing, so that
//! neither polling nor the group waits for an answer.

use std::time::{Duration, Instant};

use engine::record::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::failure::KafkaFailure;
use crate::settings::KafkaSettings;
use crate::topic_id::topic_id;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a question is asked again that was refused.
const PATIENCE: Duration = Duration::from_secs(30);

/// The topic at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicLook {
    /// Number of partitions; `None`: there is no such topic.
    pub(crate) partitions: Option<i32>,
    /// The id of the topic, where the broker gives one.
    pub(crate) topic_id: Option<String>,
}

/// See the module.
pub(crate) struct TopicWatch {
    settings: KafkaSettings,
    consumer: BaseConsumer,
}

impl TopicWatch {
    /// A client that asks; it does not connect before it has to.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub(crate) fn connect(settings: &KafkaSettings) -> Result<Self, KafkaFailure> {
        // Whether a partition has an offset is known whatever transaction may still move that offset.
        let consumer = client(settings, UNCOMMITTED)?;
        Ok(Self { settings: settings.clone(), consumer })
    }

    /// Asks the broker for the topic as it is now.
    ///
    /// # Errors
    /// No answer in time.
    pub(crate) fn look(&self) -> Result<TopicLook, KafkaFailure> {
        let partitions = self.partitions()?;
        let topic_id = partitions.and_then(|_| topic_id(self.consumer.client(), &self.settings.topic, ANSWER_TIMEOUT));
        Ok(TopicLook { partitions, topic_id })
    }

    /// How many partitions it has; `None`: there is no such topic.
    ///
    /// # Errors
    /// No answer in time.
    pub(crate) fn partitions(&self) -> Result<Option<i32>, KafkaFailure> {
        self.drain();
        let topic = &self.settings.topic;
        let metadata =
            self.consumer.fetch_metadata(Some(topic), ANSWER_TIMEOUT).map_err(|error| self.unanswered(&error))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(None);
        };
        match found.error().map(RDKafkaErrorCode::from) {
            None => Ok(i32::try_from(found.partitions().len()).ok()),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
            Some(code) => Err(KafkaFailure::Read { topic: topic.clone(), cause: code.to_string() }),
        }
    }

    /// The partitions below `partitions` that the group has an offset for.
    ///
    /// # Errors
    /// No answer in time.
    pub(crate) fn committed(&self, partitions: i32) -> Result<Vec<i32>, KafkaFailure> {
        let failed =
            |error: KafkaError| KafkaFailure::Offsets { group: self.settings.group.clone(), cause: error.to_string() };
        let ask = || self.consumer.committed_offsets(self.all(partitions), ANSWER_TIMEOUT);
        let answer = patiently(ask).map_err(failed)?;
        let has_offset = |offset| matches!(offset, KafkaOffset::Offset(_));
        let elements = answer.elements();
        elements.iter().try_for_each(rdkafka::topic_partition_list::TopicPartitionListElem::error).map_err(failed)?;
        Ok(elements.iter().filter(|element| has_offset(element.offset())).map(|element| element.partition()).collect())
    }

    /// Where each partition below `partitions` ends for a reader of committed transactions: no later than the first
    /// record of any transaction that is still open.
    ///
    /// # Errors
    /// No answer in time.
    pub(crate) fn stable_ends(&self, partitions: i32) -> Result<Vec<(i32, Offset)>, KafkaFailure> {
        let consumer = client(&self.settings, &[("isolation.level", "read_committed")])?;
        let end = |partition| {
            let watermarks = patiently(|| consumer.fetch_watermarks(&self.settings.topic, partition, ANSWER_TIMEOUT));
            watermarks.map(|(_, end)| (partition, end)).map_err(|error| self.unanswered(&error))
        };
        (0..partitions).map(end).collect()
    }

    fn all(&self, partitions: i32) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition(&self.settings.topic, partition);
        }
        list
    }

    fn unanswered(&self, error: &KafkaError) -> KafkaFailure {
        KafkaFailure::Unreachable { hosts: self.settings.hosts.clone(), cause: error.to_string() }
    }

    /// Takes what librdkafka has to say of its connections; the consumer that reads says the same, aloud.
    fn drain(&self) {
        while self.consumer.poll(Duration::ZERO).is_some() {}
    }
}

/// Asks again for a while: a cluster that has just started has no coordinator for a group yet, and a leader may be on its
/// way to another broker.
fn patiently<T>(ask: impl Fn() -> Result<T, KafkaError>) -> Result<T, KafkaError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Err(error) if Instant::now() < deadline => tracing::debug!(%error, "asking again"),
            answer => return answer,
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Sees records of open transactions, and where a log really ends.
pub(crate) const UNCOMMITTED: &[(&str, &str)] = &[("isolation.level", "read_uncommitted")];

/// A consumer that subscribes to nothing, with these properties.
pub(crate) fn client(settings: &KafkaSettings, properties: &[(&str, &str)]) -> Result<BaseConsumer, KafkaFailure> {
    let mut config = settings.client();
    config.set("group.id", &settings.group).set("enable.auto.commit", "false");
    for (name, value) in properties {
        config.set(*name, *value);
    }
    config.create().map_err(KafkaFailure::of_settings)
}
