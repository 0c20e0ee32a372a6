//! What can go wrong with Kafka, by what helps. Not librdkafka's own list.

use connectors::{RefusedRecord, Remedy, SinkFailure, SourceFailure};
use plain_text::secrets::{HIDDEN, hidden, is_secret};
use rdkafka::error::KafkaError;

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
    /// The topic is not the one that was read before.
    #[error(
        "topic {topic} was replaced while it was read ({change}): the new topic is another log, and the group's \
         offsets and the state do not belong to it. to fix this: read the right topic, or reset the group's offsets \
         and delete the topic's directory under --store-path"
    )]
    Replaced {
        /// The topic.
        topic: String,
        /// What is different.
        change: String,
    },
    /// What has to be kept beside the state cannot be.
    #[error("{0}")]
    Kept(String),
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
    fn remedy(&self) -> Remedy {
        match self {
            Self::Fenced { .. } => Remedy::Fenced,
            Self::Records { refused, .. } => Remedy::SetAside(refused.clone()),
            Self::MetadataTooLarge { chars } => Remedy::Shorten { chars: *chars },
            Self::Refused { .. } => Remedy::None,
            Self::Settings(_)
            | Self::Unreachable { .. }
            | Self::NoTopic { .. }
            | Self::Compacted { .. }
            | Self::Read { .. }
            | Self::Replaced { .. }
            | Self::Kept(_)
            | Self::Offsets { .. }
            | Self::Write { .. } => Remedy::Retry,
        }
    }
}

impl From<KafkaFailure> for SinkFailure {
    fn from(failure: KafkaFailure) -> Self {
        Self::new(failure.remedy(), failure)
    }
}

impl From<KafkaFailure> for SourceFailure {
    fn from(failure: KafkaFailure) -> Self {
        Self::new(failure)
    }
}

#[cfg(test)]
mod tests {
    use connectors::{Lane, Refusal, Unsendable};

    use super::*;

    fn all() -> Vec<(KafkaFailure, Remedy)> {
        let text = |text: &str| text.to_owned();
        let why = Unsendable { reason: Refusal::TooLarge, cause: text("large") };
        let refused = vec![RefusedRecord { partition: 3, offset: 7, lane: Lane::Late, why, bytes: 9, is_alone: true }];
        let (hosts, topic, group, cause) = (text("kafka:9092"), text("events"), text("hosts"), text("no"));
        let records = KafkaFailure::Records { refused: refused.clone(), cause: cause.clone() };
        let fenced = KafkaFailure::Fenced { transactional_id: text("a-0"), step: "produce" };
        let unreachable = KafkaFailure::Unreachable { hosts: hosts.clone(), cause: cause.clone() };
        let compacted = KafkaFailure::Compacted { topic: topic.clone(), policy: text("compact") };
        vec![
            (KafkaFailure::Refused { cause: cause.clone() }, Remedy::None),
            (records, Remedy::SetAside(refused)),
            (fenced, Remedy::Fenced),
            (KafkaFailure::MetadataTooLarge { chars: 4_097 }, Remedy::Shorten { chars: 4_097 }),
            (KafkaFailure::Settings(cause.clone()), Remedy::Retry),
            (unreachable, Remedy::Retry),
            (KafkaFailure::NoTopic { topic: topic.clone(), hosts }, Remedy::Retry),
            (compacted, Remedy::Retry),
            (KafkaFailure::Read { topic: topic.clone(), cause: cause.clone() }, Remedy::Retry),
            (KafkaFailure::Replaced { topic, change: cause.clone() }, Remedy::Retry),
            (KafkaFailure::Kept(cause.clone()), Remedy::Retry),
            (KafkaFailure::Offsets { group, cause: cause.clone() }, Remedy::Retry),
            (KafkaFailure::Write { step: "flush", cause }, Remedy::Retry),
        ]
    }

    #[test]
    fn what_helps_is_said_of_every_failure_of_a_sink_and_its_words_stay() {
        for (failure, remedy) in all() {
            let (words, kind) = (failure.to_string(), std::mem::discriminant(&failure));
            let told = SinkFailure::from(failure);
            assert_eq!((told.to_string(), &told.remedy), (words, &remedy));
            let cause = told.into_cause::<KafkaFailure>().unwrap();
            assert_eq!(std::mem::discriminant(&cause), kind, "{cause}");
        }
    }

    #[test]
    fn a_failure_of_a_source_keeps_its_words_and_its_cause() {
        for (failure, _) in all() {
            let (words, kind) = (failure.to_string(), std::mem::discriminant(&failure));
            let told = SourceFailure::from(failure);
            assert_eq!(told.to_string(), words);
            let cause = told.into_cause::<KafkaFailure>().unwrap();
            assert_eq!(std::mem::discriminant(&cause), kind, "{cause}");
        }
    }
}
