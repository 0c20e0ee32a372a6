//! Kafka: the only place that uses rdkafka. It reads, writes and commits; what records mean is decided elsewhere.

mod check;
mod dead_letters;
mod inquiry;
mod inspect;
mod limits;
mod membership;
mod peek;
mod producer;
mod size;
mod source;
mod topic_id;
mod watch;

pub use check::{TopicCheck, check_topics};
pub use dead_letters::{
    LettersFound, NEXT_HEADER, OFFSET_HEADER, PARTITION_HEADER, STAGE_HEADER, TOPIC_HEADER, read_dead_letters,
};
pub use inquiry::{Bounds, GroupAnswer, GroupOffset, Inquiry, NoAnswer};
pub use inspect::{ReadComplaint, Sight, Unreadable, UnreadableReason, inspect};
pub use limits::{KEY_BYTES_MAX, Limits, LimitsBook, Refused};
pub use membership::Membership;
pub use peek::peek;
pub use producer::{Delivery, KafkaProducer, KafkaSink, RefusedRecord, Topics};
pub use source::{Assignment, Assignments, GroupHandle, KafkaSource, Polled};
pub use watch::{TopicLook, TopicWatch};

use std::fmt;

use plain_text::secrets::{HIDDEN, hidden, is_secret};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

/// How to reach a cluster, and the librdkafka properties that the operator chose.
#[derive(Clone, Default)]
pub struct KafkaSettings {
    /// Bootstrap servers, `host:port` by commas.
    pub hosts: String,
    /// Consumer group.
    pub group: String,
    /// The topic that is read.
    pub topic: String,
    /// TLS and SASL, as librdkafka properties; for both sides.
    pub security: Vec<(String, String)>,
    /// Further properties of the consumer; they win over our own.
    pub consumer: Vec<(String, String)>,
    /// Further properties of the producers; they win over our own.
    pub producer: Vec<(String, String)>,
    /// Milliseconds after which the broker aborts a transaction nobody ends.
    pub transaction_timeout_ms: u64,
}

/// Without properties: passwords are among them.
impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hosts, group, topic, .. } = self;
        f.debug_struct("KafkaSettings")
            .field("hosts", &hidden(hosts))
            .field("group", group)
            .field("topic", topic)
            .finish_non_exhaustive()
    }
}

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
    fn of_settings(error: KafkaError) -> Self {
        if let KafkaError::ClientConfig(_, words, name, value) = &error
            && is_secret(name)
            && !value.is_empty()
        {
            return Self::Settings(format!("{} ({name})", words.replace(value, HIDDEN)));
        }
        Self::Settings(hidden(&error.to_string()).into_owned())
    }
}

/// Memory of records that were fetched and not polled yet, over all partitions; librdkafka bounds each by itself.
const FETCHED_KIB_TOTAL: usize = 256 << 10;

impl KafkaSettings {
    /// Divides the memory for fetched records among partitions, unless the operator has set it.
    pub fn share_fetch_queues(&mut self, partitions: usize) {
        let share = (FETCHED_KIB_TOTAL / partitions.max(1)).clamp(2 << 10, 64 << 10);
        self.consumer.insert(0, ("queued.max.messages.kbytes".to_owned(), share.to_string()));
    }

    /// Keeps batches of records below what every output topic takes of a batch: a topic refuses those that are larger,
    /// however small the records in them are.
    pub fn bound_batches(&mut self, bytes: usize) {
        let config = self.producer_config();
        let chosen = config.get("batch.size").and_then(|size| size.parse::<usize>().ok());
        if chosen.is_none_or(|chosen| chosen > bytes) {
            self.producer.push(("batch.size".to_owned(), bytes.to_string()));
        }
    }

    /// The same settings with every record in a batch of its own, so that what is refused is refused for itself.
    #[must_use]
    pub fn one_by_one(&self) -> Self {
        let mut settings = self.clone();
        settings.producer.push(("batch.num.messages".to_owned(), "1".to_owned()));
        settings
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.hosts).set("client.id", "dedup-host");
        // On by default, it lets a broker end the process by an answer that librdkafka 2.12.1 does not check.
        config.set("enable.metrics.push", "false");
        for (name, value) in &self.security {
            config.set(name, value);
        }
        config
    }

    /// All properties of the consumer. Public for the benchmark, whose bare copy has to have the same.
    #[must_use]
    pub fn consumer_config(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", &self.group)
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Every partition is assigned at an offset we chose; an offset out of range must be seen, not healed.
            .set("auto.offset.reset", "error")
            .set("partition.assignment.strategy", "cooperative-sticky")
            // A host that was killed is missed after this: the default of 45 s is how long its restart would wait.
            .set("session.timeout.ms", "10000")
            // The default of one second stalls a partition for as long whenever its small queue was full.
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.wait.max.ms", "50")
            // A batch that was damaged on the way or on a disk must be seen, not decided.
            .set("check.crcs", "true")
            .set("fetch.message.max.bytes", "4194304")
            .set("queued.min.messages", "100000")
            .set("queued.max.messages.kbytes", "65536")
            // How soon partitions that were added are read: the default is five minutes.
            .set("topic.metadata.refresh.interval.ms", "30000");
        for (name, value) in &self.consumer {
            config.set(name, value);
        }
        config
    }

    /// All properties of a producer but the transaction's. Public for the benchmark, as the consumer's.
    #[must_use]
    pub fn producer_config(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            // A transaction that commits proves delivery; reports of single messages would cost more than sending them.
            .set("delivery.report.only.error", "true")
            .set("batch.num.messages", "100000")
            .set("batch.size", "1000000")
            .set("message.max.bytes", "100000000");
        for (name, value) in &self.producer {
            config.set(name, value);
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str, value: &str) -> String {
        let settings = KafkaSettings { security: vec![(name.into(), value.into())], ..KafkaSettings::default() };
        let made = settings.client().create::<rdkafka::consumer::BaseConsumer>();
        made.map(drop).map_err(KafkaFailure::of_settings).unwrap_err().to_string()
    }

    #[test]
    fn no_client_asks_the_broker_what_it_wants_to_measure() {
        let settings = KafkaSettings::default();
        for config in [settings.client(), settings.consumer_config(), settings.producer_config()] {
            assert_eq!(config.get("enable.metrics.push"), Some("false"));
        }
    }

    #[test]
    fn a_property_that_is_refused_is_named_and_a_secret_is_not_repeated() {
        let text = refusal("compression.codec", "middle-out");
        assert!(text.contains("compression.codec") && text.contains("middle-out"), "{text}");
        for name in ["sasl.jaas.config", "sasl.passwort.password", "no.such.token"] {
            let text = refusal(name, "hunter2");
            assert!(text.contains(name) && !text.contains("hunter2"), "{text}");
        }
        let settings =
            KafkaSettings { security: vec![("sasl.password".into(), "hunter2".into())], ..KafkaSettings::default() };
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
