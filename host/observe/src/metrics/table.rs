//! Every metric of the host, one row each. A row is all there is to a metric: it is registered, exported, documented and
//! checked against the dashboard by what it says. Neither how a metric is written to the registry nor when it is set.
//!
//! To add a gauge of a partition, add a row to the section of [`PartitionMetrics`]:
//!
//! ```text
//! pub store_files: IntGauge = "dedup_host_store_files", [], "files of the state";
//! ```
//!
//! that is: the handle's name and type, the exported name, the labels beside those of the section, and what it is. Then
//! `partition.store_files.set(7)` is shown by `/metrics`. A label of a closed set comes with the type and is named in the
//! brackets: `By<Outcome, IntCounter>`, `["outcome"]`. What the host exports is a contract: see `contract.txt`.

use engine::time::Unusable;
use prometheus::proto::Metric;
use prometheus::{Counter, Gauge, Histogram, IntCounter, IntGauge, Registry};

use super::handles::{By, Handle, Open};
use super::labels::{
    CheckpointPlace, Destination, HttpCutOff, LogGap, OpeningReason, Outcome, Rebalance, RestoreOrigin, Stage,
    SwapResult, TransactionResult, UnreadableReason, UnsendableReason,
};
use super::row::{Exponential, Kind, Row};
use super::section::{Section, registered, row_of, section};
use super::series::{at_most, count, histogram, outcomes, properties};
use crate::insights::Scrape;

section! {
    /// Of the process as a whole.
    ProcessMetrics of ProcessFamilies, by [];

    // Records.
    pub forwarded: By<Destination, IntCounter> = "dedup_host_forwarded_total", ["destination"],
        "records by where they went";
    pub unsendable: By<UnsendableReason, IntCounter> = "dedup_host_unsendable_total", ["reason"],
        "records that their lane did not take: they left as dead letters without payload, or were dropped";
    pub headers_renamed: IntCounter = "dedup_host_input_headers_renamed_total", [],
        "headers of the input that looked like the host's own (dedup-host-...) and got another name";
    pub duplicates_not_remembered: IntCounter = "dedup_host_duplicates_not_remembered_total", [],
        "duplicates forwarded by --forward-below-similarity whose key has 16 originals already: their copies pass too";

    // Batches.
    pub batch_records: Histogram = "dedup_host_batch_records", [],
        "records a batch", Exponential { first: 1.0, factor: 4.0, count: 10 };
    pub batch_bytes: Histogram = "dedup_host_batch_bytes", [],
        "bytes a batch", Exponential { first: 1024.0, factor: 4.0, count: 10 };
    /// Exported once there is a partition.
    pub stage_seconds: Open<By<Stage, Histogram>, 0> = "dedup_host_stage_seconds", ["stage"],
        "time of a batch in one stage of the line", Exponential { first: 0.000_1, factor: 3.0, count: 12 };
    pub end_to_end_seconds: Histogram = "dedup_host_end_to_end_seconds", [],
        "time from the oldest record of a batch to its commit", Exponential { first: 0.005, factor: 2.0, count: 16 };
    pub transactions: By<TransactionResult, IntCounter> = "dedup_host_transactions_total", ["result"],
        "transactions by how they ended";
    pub store_filter_checked: IntCounter = "dedup_host_store_filter_checked_total", [],
        "look-ups that asked a filter";
    pub store_filter_useful: IntCounter = "dedup_host_store_filter_useful_total", [],
        "look-ups that a filter answered alone";

    // Plugins.
    pub(super) plugin_info: Open<IntGauge, 4> = "dedup_host_plugin_info", ["role", "name", "version", "sha256"],
        "1 for each plugin in force";
    pub(super) plugin_generation: IntGauge = "dedup_host_plugin_generation", [],
        "number of the plugins in force";
    pub plugin_swaps: By<SwapResult, IntCounter> = "dedup_host_plugin_swaps_total", ["result"],
        "attempts to put other plugins in the place of those in force";

    // The group and the topic.
    pub rebalances: By<Rebalance, IntCounter> = "dedup_host_rebalances_total", ["kind"],
        "partitions given and taken by the group";
    pub opening_partitions: By<OpeningReason, IntGauge> = "dedup_host_opening_partitions", ["reason"],
        "partitions that are assigned and not read yet, by what they wait for";
    pub opening_seconds: Gauge = "dedup_host_opening_seconds", [],
        "how long the oldest of them waits; 0 without any";
    pub(super) input_partitions: Open<IntGauge, 2> = "dedup_host_input_partitions", ["topic", "when"],
        "partitions of the input topic, when the group first started and now";
    pub log_gap_offsets: By<LogGap, IntCounter> = "dedup_host_log_gap_offsets_total", ["kind"],
        "offsets that the log no longer had when a partition started, and that were done without";
    pub group_offset_went_back: IntCounter = "dedup_host_group_offset_went_back_total", [],
        "times the group had less than it had before";
    pub fenced: IntCounter = "dedup_host_fenced_total", [],
        "times that another producer took a transactional id of this host";
    pub clients_renewed: IntCounter = "dedup_host_clients_renewed_total", [],
        "times that the consumer stopped fetching without a word and was replaced by a new one";

    // Checkpoints.
    pub checkpoints: By<CheckpointPlace, IntCounter> = "dedup_host_checkpoints_total", ["place"],
        "checkpoints published";
    pub checkpoint_failures: By<CheckpointPlace, IntCounter> = "dedup_host_checkpoint_failures_total", ["place"],
        "times that a checkpoint could not be made, published or read";
    pub checkpoint_sent_objects: By<CheckpointPlace, IntCounter> = "dedup_host_checkpoint_sent_objects_total", ["place"],
        "objects sent for checkpoints: those that were there already are not";
    pub checkpoint_sent_bytes: By<CheckpointPlace, IntCounter> = "dedup_host_checkpoint_sent_bytes_total", ["place"],
        "bytes of them";
    pub checkpoint_capture_seconds: Histogram = "dedup_host_checkpoint_capture_seconds", [],
        "time that a line stands still for a checkpoint", Exponential { first: 0.000_5, factor: 2.0, count: 14 };
    pub checkpoint_publish_seconds: By<CheckpointPlace, Histogram> = "dedup_host_checkpoint_publish_seconds", ["place"],
        "time to publish a checkpoint, beside the line", Exponential { first: 0.01, factor: 3.0, count: 10 };
    pub states_opened: By<RestoreOrigin, IntCounter> = "dedup_host_states_opened_total", ["origin"],
        "states of partitions opened, by where they came from";
    pub restore_seconds: Histogram = "dedup_host_restore_seconds", [],
        "time to open a state that was restored from a checkpoint", Exponential { first: 0.05, factor: 2.0, count: 14 };
    pub checkpoints_damaged: IntCounter = "dedup_host_checkpoints_damaged_total", [],
        "checkpoints passed over because they are damaged, gone or of a later version";

    // The program.
    pub(super) http_requests: Open<IntCounter, 2> = "dedup_host_http_requests_total", ["path", "code"],
        "HTTP requests answered";
    pub http_cut_off: By<HttpCutOff, IntCounter> = "dedup_host_http_cut_off_total", ["reason"],
        "HTTP connections cut off before they were answered, by reason";
    pub(super) build_info: Open<IntGauge, 1> = "dedup_host_build_info", ["version"],
        "1, with the version of the host as a label";
}

section! {
    /// Of one partition.
    PartitionMetrics of PartitionFamilies, by ["topic", "partition"];

    // Records: written by the methods, which keep the balance.
    pub(super) consumed: IntCounter = "dedup_host_consumed_total", [],
        "records read";
    pub(super) consumed_bytes: IntCounter = "dedup_host_consumed_bytes_total", [],
        "bytes of keys, payloads and headers read";
    pub(super) decisions: By<Outcome, IntCounter> = "dedup_host_decisions_total", ["outcome"],
        "records decided";
    pub(super) undecided: IntGauge = "dedup_host_undecided_records", [],
        "records read and not decided: 0 at rest";
    pub replayed: IntCounter = "dedup_host_replayed_total", [],
        "records re-read into the state";
    pub event_times_unusable: By<Unusable, IntCounter> = "dedup_host_event_times_unusable_total", ["reason"],
        "events whose own time was of no use";
    pub decided_without_memory: IntCounter = "dedup_host_decided_without_memory_total", [],
        "events called unique although their window reaches into what is forgotten";
    pub moved_duplicates: IntCounter = "dedup_host_moved_duplicates_total", [],
        "duplicates of events that were in another partition before the topic grew";
    pub stale_records: IntCounter = "dedup_host_stale_layout_records_total", [],
        "records sent to the partition of their key before the topic grew";
    pub clock_went_back: IntCounter = "dedup_host_clock_went_back_total", [],
        "times that the clock of event time went back";

    // Where it is.
    pub lag: IntGauge = "dedup_host_consumer_lag_records", [],
        "records between our position and the end of the log";
    pub committed_offset: IntGauge = "dedup_host_committed_offset", [],
        "offset of the group";
    pub applied_offset: IntGauge = "dedup_host_applied_offset", [],
        "offset up to which the state is on disk";
    pub applied_age_seconds: Gauge = "dedup_host_applied_age_seconds", [],
        "time since the state was persisted";

    // The state.
    pub store_keys: IntGauge = "dedup_host_store_keys", [],
        "keys remembered";
    pub store_bytes: IntGauge = "dedup_host_store_bytes", [],
        "bytes of keys on disk";
    pub store_originals_bytes: IntGauge = "dedup_host_store_originals_bytes", [],
        "bytes of originals on disk";
    pub store_originals_dropped_bytes: IntGauge = "dedup_host_store_originals_dropped_bytes", [],
        "bytes of originals that went before their keys since the state was made, for want of room";
    pub store_buckets: IntGauge = "dedup_host_store_buckets", [],
        "time buckets of the state";
    pub store_front_keys: IntGauge = "dedup_host_store_front_keys", [],
        "keys in memory, not yet on disk";
    /// Infinite if it has no bound.
    pub effective_window_seconds: Gauge = "dedup_host_effective_window_seconds", [],
        "window really in force";
    /// Infinite if nothing was dropped early.
    pub effective_window_offsets: Gauge = "dedup_host_effective_window_offsets", [],
        "latest offsets that are remembered whatever their time";

    // Its checkpoints.
    pub checkpoint_offset: By<CheckpointPlace, IntGauge> = "dedup_host_checkpoint_offset", ["place"],
        "offset up to which the newest checkpoint of this host reaches";
    pub checkpoint_bytes: By<CheckpointPlace, IntGauge> = "dedup_host_checkpoint_bytes", ["place"],
        "bytes of the newest checkpoint of this host";
    pub checkpoint_age_seconds: By<CheckpointPlace, IntGauge> = "dedup_host_checkpoint_age_seconds", ["place"],
        "time since the newest checkpoint contained all of the state, or since the partition came; 0 without such a place";

    // What holds it.
    pub pauses: IntCounter = "dedup_host_backpressure_pauses_total", [],
        "times a bound was reached and the partition paused";
    pub breaker_open: IntGauge = "dedup_host_plugin_breaker_open", [],
        "1 while the partition is held because the plugin is broken";
    pub unreadable: By<UnreadableReason, IntGauge> = "dedup_host_unreadable", ["reason"],
        "1 while the partition does not get past something that the client cannot take in";
    pub unreadable_skipped: IntCounter = "dedup_host_unreadable_skipped_offsets_total", [],
        "offsets passed over that the client could not take in";
}

section! {
    /// Of one plugin.
    PluginMetrics of PluginFamilies, by ["plugin"];

    pub calls: IntCounter = "dedup_host_plugin_calls_total", [],
        "calls of a plugin";
    pub seconds: Counter = "dedup_host_plugin_seconds_total", [],
        "time in a plugin";
    /// `kind` comes from a closed set, such as `trap` or `time_limit`.
    pub failures: Open<IntCounter, 1> = "dedup_host_plugin_failures_total", ["kind"],
        "failures of a plugin";
}

/// A row about duplicates, and how its series are made at the moment of a scrape.
pub(super) struct Collected {
    pub(super) row: Row,
    pub(super) series: fn(&Scrape) -> Vec<Metric>,
}

/// Of duplicates.
pub(super) const OF_DUPLICATES: &[Collected] = &[
    Collected {
        row: Row::collected(
            Kind::Counter,
            "dedup_host_duplicates_total",
            &["outcome"],
            "duplicates by how they relate to their original",
        ),
        series: |now| outcomes(now.shape.outcomes),
    },
    Collected {
        row: Row::collected(
            Kind::Counter,
            "dedup_host_duplicates_forwarded_total",
            &[],
            "duplicates forwarded because they are less similar than --forward-below-similarity",
        ),
        series: |now| count(now.shape.forwarded),
    },
    Collected {
        row: Row::collected(
            Kind::Histogram,
            "dedup_host_duplicate_similarity",
            &[],
            "similarity of duplicates and originals, by the scorer",
        ),
        series: |now| histogram(&now.shape.similarity),
    },
    Collected {
        row: Row::collected(
            Kind::Histogram,
            "dedup_host_duplicate_property_similarity",
            &[],
            "the same over their properties alone",
        ),
        series: |now| histogram(&now.shape.property_similarity),
    },
    Collected {
        row: Row::collected(
            Kind::Histogram,
            "dedup_host_duplicate_uuid_similarity",
            &[],
            "share of equal characters of their uuids",
        ),
        series: |now| histogram(&now.shape.uuid_similarity),
    },
    Collected {
        row: Row::collected(
            Kind::Histogram,
            "dedup_host_duplicate_gap_seconds",
            &[],
            "time between original and duplicate, either first",
        ),
        series: |now| histogram(&now.shape.gap_seconds),
    },
    Collected {
        row: Row::collected(
            Kind::Gauge,
            "dedup_host_keys_by_duplicates",
            &["le"],
            "keys that got duplicates on this host while it has their partition, by at most how many \
             they have; a gauge, as keys grow out of their bucket, made for histogram_quantile without rate; a key with \
             duplicates from before is counted from the first bound it passes here",
        ),
        series: |now| at_most(&now.spreads.duplicates),
    },
    Collected {
        row: Row::collected(
            Kind::Gauge,
            "dedup_host_keys_by_distinct_uuids",
            &["le"],
            "keys that got duplicates on this host while it has their partition, by at most how many \
             distinct uuids they have, the original's included; a gauge, like dedup_host_keys_by_duplicates",
        ),
        series: |now| at_most(&now.spreads.distinct_uuids),
    },
    Collected {
        row: Row::collected(
            Kind::Counter,
            "dedup_host_property_comparisons_total",
            &["path", "result"],
            "comparisons of a property of a duplicate with its original's; properties that change \
             most have a series of their own, which counts from the moment it is there, all others are other",
        ),
        series: properties,
    },
];

/// Every metric that the host can export.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    let written = [ProcessFamilies::ROWS, PartitionFamilies::ROWS, PluginFamilies::ROWS];
    written.into_iter().flatten().copied().chain(OF_DUPLICATES.iter().map(|is| &is.row))
}
