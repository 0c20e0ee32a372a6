//! How to reach a cluster, as the host and the operator want it: properties of librdkafka. Not the settings of the
//! program, which come to these.

use std::fmt;

use plain_text::secrets::hidden;
use rdkafka::ClientConfig;

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

/// Memory of records that were fetched and not polled yet, over all partitions; librdkafka bounds each by itself.
const FETCHED_KIB_TOTAL: usize = 256 << 10;

impl KafkaSettings {
    /// Divides the memory for fetched records among partitions, unless the operator has set it.
    pub fn share_fetch_queues(&mut self, partitions: usize) {
        let share = (FETCHED_KIB_TOTAL / partitions.max(1)).clamp(2 << 10, 64 << 10);
        self.consumer.insert(0, ("queued.max.messages.kbytes".to_owned(), share.to_string()));
    }

    /// Memory of records of a partition that were fetched and not polled yet, in bytes.
    #[must_use]
    pub fn fetched_bytes(&self) -> u64 {
        let kib = self.consumer_config().get("queued.max.messages.kbytes").and_then(|kib| kib.parse::<u64>().ok());
        kib.unwrap_or(0) << 10
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

    pub(crate) fn client(&self) -> ClientConfig {
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
            // Members hear of a rebalance with their next heartbeat, and a partition that moves waits for two of them: with
            // the default of 3 s events waited for up to 3.6 s when a host joined, with this for 1.3 to 2.3 s.
            .set("heartbeat.interval.ms", "500")
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
    use crate::failure::KafkaFailure;

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
