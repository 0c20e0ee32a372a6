//! What can go wrong with Kafka, by what helps. Not librdkafka's own list.

use connectors::{Remedy, SinkFailure};
use plain_text::secrets::{HIDDEN, hidden, is_secret};
use rdkafka::error::KafkaError;

use crate::refused::RefusedRecord;

/// What can go wrong with Kafka.
#[derive(Debug, thiserror::Error)]
pub enum KafkaFailure {
    /// A setting that librdkafka refuses.
    #[error("kafka settings: {0}; check --kafka-property and the security settings")]
    Settings(String),
    /// Nobody answers.
    #[error("no broker answers at {hosts}: {cause}; check KAFKA_HOSTS, that Kafka runs, and TLS and SASL settings")]
    Unreachable {
        /// The bootstrap servers.
        hosts: String,
        /// librdkafka's words.
        cause: String,
    },
    /// A topic that is not there.
    #[error("topic {topic} does not exist at {hosts}; create it first, or name another")]
    NoTopic {
        /// The topic.
        topic: String,
        /// The bootstrap servers.
        hosts: String,
    },
    /// A compacted input cannot be replayed.
    #[error(
        "topic {topic} is compacted (cleanup.policy={policy}): records that a replay needs may be gone, \
         so exactly-once cannot be kept; read a topic with cleanup.policy=delete"
    )]
    Compacted {
        /// The topic.
        topic: String,
        /// Its policy.
        policy: String,
    },
    /// Reading failed in a way that waiting does not cure.
    #[error("cannot read topic {topic}: {cause}")]
    Read {
        /// The topic.
        topic: String,
        /// librdkafka's words.
        cause: String,
    },
    /// Group offsets or partition bounds could not be read.
    #[error("cannot read the offsets of group {group}: {cause}")]
    Offsets {
        /// The group.
        group: String,
        /// librdkafka's words.
        cause: String,
    },
    /// The broker will not take any record, however often it is sent.
    #[error(
        "the broker refuses outputs ({cause}); nothing was lost or committed: fix the topic (permissions, accepted \
         codecs) and start again"
    )]
    Refused {
        /// How many, where, and why.
        cause: String,
    },
    /// Some records are refused for what they are. The others of their transaction are not in it either.
    #[error("records are refused: {cause}")]
    Records {
        /// Which, as far as is known.
        refused: Vec<RefusedRecord>,
        /// How many, where, and why.
        cause: String,
    },
    /// Another producer has taken the transactional id. Whether outputs were committed is decided by the group's offset.
    #[error(
        "{step}: fenced by another producer with the transactional id {transactional_id}: a successor of this host, or \
         another host with the same id"
    )]
    Fenced {
        /// The id.
        transactional_id: String,
        /// What was being done.
        step: &'static str,
    },
    /// The broker takes no text beside an offset that is as long as ours.
    #[error(
        "the broker accepts no metadata of {chars} characters with a committed offset: raise \
         offset.metadata.max.bytes on the brokers, whose default is 4096"
    )]
    MetadataTooLarge {
        /// Characters of the longest that was sent.
        chars: usize,
    },
    /// Outputs could not be written or committed. Whether they were is decided by the group's offset.
    #[error("{step}: {cause}")]
    Write {
        /// What was being done.
        step: &'static str,
        /// librdkafka's words.
        cause: String,
    },
}

impl KafkaFailure {
    /// librdkafka makes no client of these properties. It repeats the value that it refuses, which may be a secret.
    pub(crate) fn of_settings(error: KafkaError) -> Self {
        if let KafkaError::ClientConfig(_, words, name, value) = &error
            && is_secret(name)
            && !value.is_empty()
        {
            return Self::Settings(format!("{} ({name})", words.replace(value, HIDDEN)));
        }
        Self::Settings(hidden(&error.to_string()).into_owned())
    }
}

impl KafkaFailure {
    /// What helps a sink that has failed so.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Fenced { .. } => Remedy::Fenced,
            Self::Settings(_) | Self::NoTopic { .. } | Self::Compacted { .. } | Self::Refused { .. } => Remedy::None,
            Self::Unreachable { .. }
            | Self::Read { .. }
            | Self::Offsets { .. }
            | Self::Records { .. }
            | Self::MetadataTooLarge { .. }
            | Self::Write { .. } => Remedy::Retry,
        }
    }
}

impl From<KafkaFailure> for SinkFailure {
    fn from(failure: KafkaFailure) -> Self {
        Self::new(failure.remedy(), failure)
    }
}

/// Back again; of another connector's failure only the words are left.
impl From<SinkFailure> for KafkaFailure {
    fn from(failure: SinkFailure) -> Self {
        let other = |failure: SinkFailure| Self::Write { step: "send", cause: failure.to_string() };
        failure.into_cause().unwrap_or_else(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_comes_back_from_a_sink_as_it_was() {
        let fenced = || KafkaFailure::Fenced { transactional_id: "a-0".to_owned(), step: "produce" };
        let told = SinkFailure::from(fenced());
        assert_eq!((told.remedy, told.to_string()), (Remedy::Fenced, fenced().to_string()));
        assert!(
            matches!(KafkaFailure::from(told), KafkaFailure::Fenced { transactional_id, .. } if transactional_id == "a-0")
        );
        let other = SinkFailure::new(Remedy::None, "disk full");
        assert_eq!(KafkaFailure::from(other).to_string(), "send: disk full");
    }
}
