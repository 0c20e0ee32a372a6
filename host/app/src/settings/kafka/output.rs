//! Settings of what is written to topics, and how surely. Not the producer.

use std::time::Duration;

use connectors::Lane;
use line::OnUnsendable;
use setting::{Group, Runs, Setting, SettingsError, Taker, Typed, one, one_of, rows, units};

use super::topic::topic;

/// How surely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// Outputs and offsets in one transaction.
    ExactlyOnce {
        /// Start of the transactional ids; `None`: the one that is kept beside the state.
        transactional_id_prefix: Option<String>,
        /// After this the broker aborts.
        transaction_timeout: Duration,
    },
    /// Outputs first, then offsets.
    AtLeastOnce,
}

/// The producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerConfig {
    /// `linger.ms`
    pub linger: Duration,
    /// `queue.buffering.max.kbytes`, in MiB here.
    pub queue_mib: u32,
    /// `queue.buffering.max.messages`
    pub queue_messages: u32,
    /// `message.timeout.ms`
    pub message_timeout: Duration,
    /// `compression.codec`
    pub compression: String,
}

const GROUP: Group = Group { title: "Kafka output and delivery", runs: Runs::Kafka, also: &[] };

/// Commands that have a producer.
const PRODUCER: &[Taker] = &[Taker::Generate];

rows!(pub(in crate::settings),
    static OUTPUT_TOPIC: Setting<String> = one(
        GROUP,
        "output-topic",
        "TOPIC",
        topic,
        "Topic for unique events; unset: nothing is forwarded, metrics only",
    );
    static DUPLICATES_TOPIC: Setting<String> =
        one(GROUP, "duplicates-topic", "TOPIC", topic, "Topic for explained duplicates");
    static LATE_TOPIC: Setting<String> =
        one(GROUP, "late-topic", "TOPIC", topic, "Topic for late events; setting it implies --late topic");
    static DEAD_LETTER_TOPIC: Setting<String> =
        one(GROUP, "dead-letter-topic", "TOPIC", topic, "Topic for records that cannot be decoded or decided");
    static ON_UNSENDABLE: Setting<OnUnsendable> = one_of(
        GROUP,
        "on-unsendable",
        &[("stop", OnUnsendable::Stop), ("skip", OnUnsendable::Skip)],
        "What to do with a record that its topic does not accept, if there is no dead-letter topic\n\nA topic does \
         not accept a record that is larger than the topic or the producer allows (max.message.bytes, \
         message.max.bytes), or whose timestamp is out of range. With --dead-letter-topic, the record goes there \
         without its payload: its position, the size of its parts, the reason, and a digest. Without one, stop ends \
         the run and says so, and skip drops and counts the record.",
    )
    .or("stop");
    static DELIVERY: Setting<bool> = one_of(
        GROUP,
        "delivery",
        &[("exactly-once", true), ("at-least-once", false)],
        "exactly-once commits outputs and offsets in one transaction",
    )
    .or("exactly-once");
    static TRANSACTIONAL_ID_PREFIX: Setting<String> = one(
        GROUP,
        "transactional-id-prefix",
        "TEXT",
        units::text,
        "Start of the transactional ids; unset: the group and a text kept in --store-path\n\nIt must stay the same \
         across restarts, so that a new process fences its predecessor, and must differ between hosts that run at \
         the same time. The text is generated at the first start, in the file transactional-id.",
    );
    static KAFKA_TRANSACTION_TIMEOUT_MS: Setting<Duration> = one(
        GROUP,
        "kafka-transaction-timeout-ms",
        "MS",
        units::millis,
        "Time after which the broker aborts a transaction\n\nRaised to KAFKA_MESSAGE_TIMEOUT_MS if only that one is \
         set.",
    )
    .or("15000");
    static COMMIT_INTERVAL_MS: Setting<Duration> = one(
        GROUP,
        "commit-interval-ms",
        "MS",
        units::millis,
        "How long outputs are collected into one transaction\n\nWith exactly-once, this is most of the time that an \
         event spends in the host. Shorter intervals lower the latency and mean more work for the broker.",
    )
    .or("20");
    static KAFKA_PRODUCER_LINGER_MS: Setting<Duration> = one(
        GROUP,
        "kafka-producer-linger-ms",
        "MS",
        linger,
        "How long the producer waits to fill a request; 2 unless exactly-once\n\nWith exactly-once, a commit sends \
         what has been collected, so a longer wait costs nothing.",
    )
    .or("10")
    .also(PRODUCER);
    static KAFKA_PRODUCER_QUEUE_MIB: Setting<u32> =
        one(GROUP, "kafka-producer-queue-mib", "MIB", queue_mib, "Maximum memory of the producer's queue")
            .or("400")
            .also(PRODUCER);
    static KAFKA_PRODUCER_QUEUE_MESSAGES: Setting<u32> = one(
        GROUP,
        "kafka-producer-queue-messages",
        "N",
        units::small,
        "Maximum number of messages in the producer's queue",
    )
    .or("10000000")
    .also(PRODUCER);
    static KAFKA_MESSAGE_TIMEOUT_MS: Setting<Duration> = one(
        GROUP,
        "kafka-message-timeout-ms",
        "MS",
        units::millis,
        "Maximum time until a message is acknowledged\n\nWith exactly-once, it cannot exceed the transaction \
         timeout: the default is lowered to that, and the log says so.",
    )
    .or("20000")
    .also(PRODUCER);
    static KAFKA_COMPRESSION_CODEC: Setting<&'static str> = one_of(
        GROUP,
        "kafka-compression-codec",
        &[("none", "none"), ("gzip", "gzip"), ("snappy", "snappy"), ("lz4", "lz4"), ("zstd", "zstd")],
        "Compression of the output",
    )
    .or("snappy")
    .also(PRODUCER);
);

/// The setting that names the topic of a lane.
pub(in crate::settings) fn topic_of(lane: Lane) -> &'static Setting<String> {
    match lane {
        Lane::Output => &OUTPUT_TOPIC,
        Lane::Duplicates => &DUPLICATES_TOPIC,
        Lane::Late => &LATE_TOPIC,
        Lane::DeadLetter => &DEAD_LETTER_TOPIC,
    }
}

/// Whether outputs and offsets are in one transaction.
pub(super) fn exactly_once(typed: &Typed) -> Result<bool, SettingsError> {
    typed.need(&DELIVERY)
}

/// What the user said of transactions.
pub(super) fn delivery(typed: &Typed) -> Result<Delivery, SettingsError> {
    if !exactly_once(typed)? {
        return Ok(Delivery::AtLeastOnce);
    }
    Ok(Delivery::ExactlyOnce {
        transactional_id_prefix: typed.get(&TRANSACTIONAL_ID_PREFIX)?,
        transaction_timeout: typed.need(&KAFKA_TRANSACTION_TIMEOUT_MS)?,
    })
}

/// What the user said of the producer.
pub(in crate::settings) fn producer(typed: &Typed) -> Result<ProducerConfig, SettingsError> {
    Ok(ProducerConfig {
        linger: typed.need(&KAFKA_PRODUCER_LINGER_MS)?,
        queue_mib: typed.need(&KAFKA_PRODUCER_QUEUE_MIB)?,
        queue_messages: typed.need(&KAFKA_PRODUCER_QUEUE_MESSAGES)?,
        message_timeout: typed.need(&KAFKA_MESSAGE_TIMEOUT_MS)?,
        compression: typed.need(&KAFKA_COMPRESSION_CODEC)?.to_owned(),
    })
}

fn linger(text: &str) -> Result<Duration, String> {
    let millis = text.parse::<u32>().ok().filter(|&millis| millis <= 900_000);
    let millis = millis.ok_or_else(|| format!("`{text}` is not 0 to 900000"))?;
    Ok(Duration::from_millis(millis.into()))
}

fn queue_mib(text: &str) -> Result<u32, String> {
    match units::small(text)? {
        mib @ ..=2_097_151 => Ok(mib),
        _ => Err("is more than the 2097151 MiB that librdkafka accepts".to_owned()),
    }
}
