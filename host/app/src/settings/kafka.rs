//! Settings of a run over topics. Not the client: the connector turns them into properties.

pub(super) mod connection;
pub(super) mod input;
pub(super) mod output;
mod topic;

use std::time::Duration;

use connectors::{ByLane, Lane};
use setting::{Row, SettingsError, Typed};

use super::explanation::FORWARD_BELOW_SIMILARITY;
use super::limits;
use super::store::STORE_PATH;
use super::window::{LATE, Late};
use input::{
    KAFKA_CONSUMER_AUTO_COMMIT, KAFKA_CONSUMER_GROUP, KAFKA_CONSUMER_OFFSET_RESET, KAFKA_CONSUMER_TOPIC,
    ON_INCOMPLETE_PROGRESS, ON_LOG_GAP, ON_PARTITIONS_ADDED, ON_UNREADABLE, PARTITIONS_ADDED_WAIT_SECS,
    POLL_TIMEOUT_SECS,
};
use output::{
    COMMIT_INTERVAL_MS, KAFKA_MESSAGE_TIMEOUT_MS, KAFKA_PRODUCER_LINGER_MS, KAFKA_TRANSACTION_TIMEOUT_MS, LATE_TOPIC,
    TRANSACTIONAL_ID_PREFIX, exactly_once,
};

pub use connection::{KafkaConnection, KafkaProperty, PropertyClient, Sasl, SecurityProtocol};
pub(super) use connection::{connection, derive_protocol, refuse_user_of_hosts};
pub use input::{OffsetReset, OnIncompleteProgress, OnLogGap, OnPartitionsAdded, OnUnreadable, POLL_WAIT_MAX};
pub(super) use output::producer;
pub use output::{Delivery, ProducerConfig};
pub(super) use topic::topic;

/// A run over topics.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// How the broker is reached.
    pub connection: KafkaConnection,
    /// Consumer group.
    pub group: String,
    /// Where to start without an offset.
    pub offset_reset: OffsetReset,
    /// What becomes of records that the log no longer has.
    pub on_log_gap: OnLogGap,
    /// What becomes of a place in the log that cannot be read.
    pub on_unreadable: OnUnreadable,
    /// What to do where a replay would have to guess.
    pub on_incomplete_progress: OnIncompleteProgress,
    /// What becomes of keys that move because the topic has more partitions than before.
    pub on_partitions_added: OnPartitionsAdded,
    /// How long producers may take to see that it has.
    pub partitions_added_wait: Duration,
    /// Longest wait of one poll.
    pub poll_timeout: Duration,
    /// What is read and written.
    pub topics: Topics,
    /// How surely.
    pub delivery: Delivery,
    /// How long outputs are gathered.
    pub commit_interval: Duration,
    /// The producer.
    pub producer: ProducerConfig,
}

/// What is read and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Source.
    pub input: String,
    /// Where each lane goes; without an output there are metrics only.
    pub outputs: ByLane<Option<String>>,
}

/// The default at least once, where an event is seen as soon as it is sent. With exactly-once it is seen when its
/// transaction is committed, which sends what has been gathered, so that a longer wait only saves requests.
const LINGER_AT_LEAST_ONCE_MS: &str = "2";

/// Fills in what follows from other settings, and says so.
pub(super) fn derive(typed: &mut Typed, notes: &mut Vec<String>) -> Result<(), SettingsError> {
    if typed.text(&LATE_TOPIC).is_some() && !typed.given(&LATE) {
        typed.derive(&LATE, "topic", "late-topic is set");
    }
    derive_protocol(typed)?;
    limits::derive_workers(typed)?;
    if exactly_once(typed)? {
        derive_timeouts(typed, notes)?;
        explain_prefix(typed);
    } else {
        derive_at_least_once(typed, notes);
    }
    if typed.given(&POLL_TIMEOUT_SECS) && typed.need(&POLL_TIMEOUT_SECS)? > POLL_WAIT_MAX {
        notes.push("poll-timeout-secs is longer than 0.1 s, the longest that a poll ever waits".into());
    }
    Ok(())
}

fn derive_at_least_once(typed: &mut Typed, notes: &mut Vec<String>) {
    let of_transactions: [&Row; 2] = [&TRANSACTIONAL_ID_PREFIX, &KAFKA_TRANSACTION_TIMEOUT_MS];
    for row in of_transactions.into_iter().filter(|row| typed.given(row)) {
        let flag = row.flag;
        notes.push(format!("{flag} has no effect with --delivery at-least-once, which has no transactions"));
    }
    if !typed.given(&KAFKA_PRODUCER_LINGER_MS) {
        let reason = "at least once, nothing waits for a commit";
        typed.derive(&KAFKA_PRODUCER_LINGER_MS, LINGER_AT_LEAST_ONCE_MS, reason);
    }
}

/// librdkafka refuses a message timeout longer than the transaction's: whichever of the two is a default gives way.
fn derive_timeouts(typed: &mut Typed, notes: &mut Vec<String>) -> Result<(), SettingsError> {
    let message = typed.need(&KAFKA_MESSAGE_TIMEOUT_MS)?;
    let transaction = typed.need(&KAFKA_TRANSACTION_TIMEOUT_MS)?;
    if message <= transaction {
        return Ok(());
    }
    let (setting, other, to, change) =
        match (typed.given(&KAFKA_MESSAGE_TIMEOUT_MS), typed.given(&KAFKA_TRANSACTION_TIMEOUT_MS)) {
            (true, true) => return Err(message_too_patient(typed, transaction)),
            (true, false) => (&KAFKA_TRANSACTION_TIMEOUT_MS, &KAFKA_MESSAGE_TIMEOUT_MS, message, "raised"),
            (false, _) => (&KAFKA_MESSAGE_TIMEOUT_MS, &KAFKA_TRANSACTION_TIMEOUT_MS, transaction, "lowered"),
        };
    let (flag, other, to) = (setting.flag, other.flag, to.as_millis());
    let reason = format!("{change} to {other}: with exactly-once a message cannot wait longer than its transaction");
    notes.push(format!("{flag} is {to} ms, {reason}"));
    typed.derive(setting, to.to_string(), reason);
    Ok(())
}

fn message_too_patient(typed: &Typed, transaction: Duration) -> SettingsError {
    let (limit, other) = (transaction.as_millis(), &KAFKA_TRANSACTION_TIMEOUT_MS);
    let (flag, origin) = (other.flag, typed.origin(other));
    let reason = format!("is longer than --{flag}, {limit} ms ({origin}): with exactly-once it cannot be");
    typed.wrong(&KAFKA_MESSAGE_TIMEOUT_MS, reason)
}

/// The prefix is kept beside the state, where nothing is looked up before a run: this is what is said of it until then.
fn explain_prefix(typed: &mut Typed) {
    if typed.text(&TRANSACTIONAL_ID_PREFIX).is_none() {
        let store = typed.text(&STORE_PATH).unwrap_or_default();
        let reason = format!("the group and the text in {store}/transactional-id, which the first start generates");
        typed.explain(&TRANSACTIONAL_ID_PREFIX, reason);
    }
}

/// The name of this machine, if the system tells it.
pub(crate) fn host_name() -> Option<String> {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let named = files.iter().find_map(|path| std::fs::read_to_string(path).ok());
    let asked = || String::from_utf8(std::process::Command::new("hostname").output().ok()?.stdout).ok();
    named.or_else(asked).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// What the user said of topics.
pub(super) fn config(typed: &Typed) -> Result<KafkaConfig, SettingsError> {
    refuse_auto_commit(typed)?;
    Ok(KafkaConfig {
        connection: connection(typed)?,
        group: typed.need(&KAFKA_CONSUMER_GROUP)?,
        offset_reset: typed.need(&KAFKA_CONSUMER_OFFSET_RESET)?,
        on_log_gap: typed.need(&ON_LOG_GAP)?,
        on_unreadable: typed.need(&ON_UNREADABLE)?,
        on_incomplete_progress: typed.need(&ON_INCOMPLETE_PROGRESS)?,
        on_partitions_added: on_partitions_added(typed)?,
        partitions_added_wait: typed.need(&PARTITIONS_ADDED_WAIT_SECS)?,
        poll_timeout: typed.need(&POLL_TIMEOUT_SECS)?,
        topics: topics(typed)?,
        delivery: output::delivery(typed)?,
        commit_interval: typed.need(&COMMIT_INTERVAL_MS)?,
        producer: producer(typed)?,
    })
}

/// What is alike is compared within a partition only.
fn on_partitions_added(typed: &Typed) -> Result<OnPartitionsAdded, SettingsError> {
    let on_partitions_added = typed.need(&ON_PARTITIONS_ADDED)?;
    if on_partitions_added == OnPartitionsAdded::Hold && typed.get(&FORWARD_BELOW_SIMILARITY)?.is_some() {
        let reason =
            "is hold, and --forward-below-similarity compares events within a partition only: leave one of them out";
        return Err(typed.wrong(&ON_PARTITIONS_ADDED, reason));
    }
    Ok(on_partitions_added)
}

/// Known to users of other consumers, and so accepted; but only one thing is true of this one.
fn refuse_auto_commit(typed: &Typed) -> Result<(), SettingsError> {
    if !typed.need(&KAFKA_CONSUMER_AUTO_COMMIT)? {
        return Ok(());
    }
    let reason = match exactly_once(typed)? {
        true => {
            "is true, and with exactly-once the offsets are part of the transaction that writes the outputs: a \
             separate commit would lose or repeat events; leave it false"
        }
        false => {
            "is true, and the host commits offsets itself, once the outputs before them are acknowledged: a client that \
             commits on its own could lose events; leave it false (--commit-interval-ms says how often)"
        }
    };
    Err(typed.wrong(&KAFKA_CONSUMER_AUTO_COMMIT, reason))
}

fn topics(typed: &Typed) -> Result<Topics, SettingsError> {
    let mut topics = Topics { input: typed.need(&KAFKA_CONSUMER_TOPIC)?, outputs: ByLane::default() };
    let mut seen = vec![(&KAFKA_CONSUMER_TOPIC, topics.input.clone())];
    for lane in Lane::ALL {
        let setting = output::topic_of(lane);
        let Some(name) = typed.get(setting)? else { continue };
        if let Some((other, _)) = seen.iter().find(|(_, before)| *before == name) {
            let reason = format!("is {name}, the same as --{}: give each its own topic", other.flag);
            return Err(typed.wrong(setting, reason));
        }
        seen.push((setting, name.clone()));
        topics.outputs[lane] = Some(name);
    }
    match (typed.need(&LATE)?, &topics.outputs[Lane::Late]) {
        (Late::Topic, None) => Err(typed.wrong(&LATE, "is topic, but there is none: give --late-topic TOPIC")),
        (Late::Pass | Late::Drop, Some(_)) => {
            Err(typed.wrong(&LATE_TOPIC, "is set, but --late sends nothing there: leave one of them out"))
        }
        _ => Ok(topics),
    }
}
