//! Settings of what is read from a topic, and from where. Not the consumer.

use setting::{Group, Runs, Setting, one, one_of, rows, switch, units};
use std::time::Duration;

pub use drive::{OnIncompleteProgress, OnPartitionsAdded, OnUnreadable};
pub use engine::protocol::start::OnLogGap;
pub use kafka_connector::OffsetReset;

use super::topic::topic;

/// A poll never waits longer, whatever the setting: workers ask for rewinds and operators for a stop meanwhile.
pub const POLL_WAIT_MAX: Duration = Duration::from_millis(100);

const GROUP: Group = Group { title: "Kafka input", runs: Runs::Kafka, also: &[] };

rows!(pub(in crate::settings),
    static KAFKA_CONSUMER_TOPIC: Setting<String> = one(GROUP, "kafka-consumer-topic", "TOPIC", topic, "Topic to read")
        .alias("input-topic")
        .env(&["KAFKA_CONSUMER_TOPIC", "INPUT_TOPIC"])
        .or("events");
    static KAFKA_CONSUMER_GROUP: Setting<String> =
        one(GROUP, "kafka-consumer-group", "GROUP", units::text, "Consumer group").or("kafka-deduplicator");
    static KAFKA_CONSUMER_OFFSET_RESET: Setting<OffsetReset> = one_of(
        GROUP,
        "kafka-consumer-offset-reset",
        &[("earliest", OffsetReset::Earliest), ("latest", OffsetReset::Latest)],
        "Where to start when the group has no offset\n\nlatest is where the topic ended when the group first \
         started. Partitions that are added later are always read from their start.",
    )
    .or("earliest");
    static ON_INCOMPLETE_PROGRESS: Setting<OnIncompleteProgress> = one_of(
        GROUP,
        "on-incomplete-progress",
        &[("stop", OnIncompleteProgress::Stop), ("accept", OnIncompleteProgress::Accept)],
        "What to do if a replay would have to guess which records below the committed offset went out \
         undecided\n\nstop refuses to start if such records are known to exist and cannot be found, and holds a \
         partition if the plugin fails on a record that was decided before. accept decides them by what the plugin \
         says now: a corrected copy of such a record may then be dropped as its duplicate, or a duplicate may pass.",
    )
    .or("stop");
    static KAFKA_CONSUMER_AUTO_COMMIT: Setting<bool> = switch(
        GROUP,
        "kafka-consumer-auto-commit",
        "Only false is accepted: the host itself commits offsets, together with the outputs or after them",
    );
    static ON_LOG_GAP: Setting<OnLogGap> = one_of(
        GROUP,
        "on-log-gap",
        &[("stop", OnLogGap::Stop), ("skip", OnLogGap::Skip)],
        "What to do at a start if the log has lost records that are still needed\n\nThis happens when the group's \
         offset lies before the start of the log, so that records were removed unread, or when the state is lost or \
         behind and the log no longer reaches back as far as keys are remembered. skip continues with what is left, \
         and counts the gap: unread records are lost, and duplicates of records that cannot be learned again pass.",
    )
    .or("stop");
    static ON_PARTITIONS_ADDED: Setting<OnPartitionsAdded> = one_of(
        GROUP,
        "on-partitions-added",
        &[("pass", OnPartitionsAdded::Pass), ("hold", OnPartitionsAdded::Hold)],
        "What to do with keys that move to another partition because the topic has more partitions than \
         before\n\npass decides by the keys of each partition alone: duplicates of events from before the change pass \
         until the window is over. hold stops all partitions until each of them knows the keys that the others had, \
         which are read from their logs again; it must be set on all hosts of the group, and before partitions are \
         added. It does not go with --forward-below-similarity. Operations says what it costs and what it cannot see.",
    )
    .or("pass");
    static PARTITIONS_ADDED_WAIT_SECS: Setting<Duration> = one(
        GROUP,
        "partitions-added-wait-secs",
        "SECS",
        units::seconds_or_less,
        "With --on-partitions-added hold: how long producers may take to see that there are more partitions\n\nNothing \
         is decided meanwhile. What a producer still sends by the old layout after that is counted in \
         dedup_host_stale_layout_records_total, and a key that is new by then is not known where others send it. \
         Producers look every 5 minutes by default (metadata.max.age.ms, topic.metadata.refresh.interval.ms), and at once \
         when they are restarted.",
    )
    .or("30");
    static ON_UNREADABLE: Setting<OnUnreadable> = one_of(
        GROUP,
        "on-unreadable",
        &[("stop", OnUnreadable::Stop), ("skip", OnUnreadable::Skip)],
        "What to do with records that the client cannot read: damaged, not decompressible, or larger than its \
         limits\n\nstop stops their partition there, which is then not ready and says why; the other partitions \
         continue, and the host retries from time to time. skip passes over the records, counts them, and writes \
         their offsets to a dead letter if there is a topic for it. The limit is --kafka-property \
         consumer.receive.message.max.bytes, which also applies to the decompressed size of a batch.",
    )
    .or("stop");
    static POLL_TIMEOUT_SECS: Setting<Duration> = one(
        GROUP,
        "poll-timeout-secs",
        "SECS",
        units::seconds_or_less,
        "Maximum wait of one poll; may have a fraction, such as 0.05\n\nNo poll waits longer than 0.1 s whatever \
         this says, because the host must react to workers and to a stop meanwhile.",
    )
    .or("1");
);
