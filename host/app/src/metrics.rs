//! What the host counts and measures, in the text format of Prometheus. A closed set: every name is here, every label
//! has a bounded set of values. Not logs, and not the status page.
//!
//! The hot path holds a [`PartitionMetrics`] and touches only atomics, once a batch.

use std::sync::Arc;
use std::time::Duration;

use connectors::Refusal;
use connectors::kafka::UnreadableReason;
use engine::record::TopicPartition;
use engine::time::Unusable;
use prometheus::{
    CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector, exponential_buckets,
};

use crate::insights::{Insights, InsightsCollector};

/// Names of all metrics. They are a contract with dashboards and alerts.
pub mod names {
    /// Records read, by partition.
    pub const CONSUMED: &str = "dedup_host_consumed_total";
    /// Bytes of keys, payloads and headers read, by partition.
    pub const CONSUMED_BYTES: &str = "dedup_host_consumed_bytes_total";
    /// Decisions, by partition and outcome.
    pub const DECISIONS: &str = "dedup_host_decisions_total";
    /// Records read and not decided; above 0 at rest means records were lost.
    pub const UNDECIDED: &str = "dedup_host_undecided_records";
    /// Records by where they went.
    pub const FORWARDED: &str = "dedup_host_forwarded_total";
    /// Records a batch.
    pub const BATCH_RECORDS: &str = "dedup_host_batch_records";
    /// Bytes a batch.
    pub const BATCH_BYTES: &str = "dedup_host_batch_bytes";
    /// Time of a batch in one stage.
    pub const STAGE_SECONDS: &str = "dedup_host_stage_seconds";
    /// Record time to commit.
    pub const END_TO_END_SECONDS: &str = "dedup_host_end_to_end_seconds";
    /// Records between our position and the end of the log.
    pub const LAG: &str = "dedup_host_consumer_lag_records";
    /// The group's offset.
    pub const COMMITTED_OFFSET: &str = "dedup_host_committed_offset";
    /// The offset up to which the state on disk holds everything.
    pub const APPLIED_OFFSET: &str = "dedup_host_applied_offset";
    /// Time since the state was last persisted.
    pub const APPLIED_AGE_SECONDS: &str = "dedup_host_applied_age_seconds";
    /// Keys remembered.
    pub const STORE_KEYS: &str = "dedup_host_store_keys";
    /// Bytes of the state on disk.
    pub const STORE_BYTES: &str = "dedup_host_store_bytes";
    /// Bytes of originals on disk.
    pub const STORE_ORIGINALS_BYTES: &str = "dedup_host_store_originals_bytes";
    /// Bytes of originals that went before their keys, for want of room.
    pub const STORE_ORIGINALS_DROPPED_BYTES: &str = "dedup_host_store_originals_dropped_bytes";
    /// Time buckets of the state.
    pub const STORE_BUCKETS: &str = "dedup_host_store_buckets";
    /// Keys in memory that are not on disk yet.
    pub const STORE_FRONT_KEYS: &str = "dedup_host_store_front_keys";
    /// The window that is really in force.
    pub const EFFECTIVE_WINDOW_SECONDS: &str = "dedup_host_effective_window_seconds";
    /// The latest offsets that are remembered whatever their time.
    pub const EFFECTIVE_WINDOW_OFFSETS: &str = "dedup_host_effective_window_offsets";
    /// Events whose own time was of no use, by reason.
    pub const EVENT_TIMES_UNUSABLE: &str = "dedup_host_event_times_unusable_total";
    /// Events decided as unique although their window reaches into what is forgotten.
    pub const DECIDED_WITHOUT_MEMORY: &str = "dedup_host_decided_without_memory_total";
    /// Times that a partition's clock went back.
    pub const CLOCK_WENT_BACK: &str = "dedup_host_clock_went_back_total";
    /// Look-ups that asked a filter.
    pub const STORE_FILTER_CHECKED: &str = "dedup_host_store_filter_checked_total";
    /// Look-ups that a filter answered alone.
    pub const STORE_FILTER_USEFUL: &str = "dedup_host_store_filter_useful_total";
    /// Calls of a plugin.
    pub const PLUGIN_CALLS: &str = "dedup_host_plugin_calls_total";
    /// Time in a plugin.
    pub const PLUGIN_SECONDS: &str = "dedup_host_plugin_seconds_total";
    /// Failures of a plugin.
    pub const PLUGIN_FAILURES: &str = "dedup_host_plugin_failures_total";
    /// 1 for each plugin in force, with what it is as labels.
    pub const PLUGIN_INFO: &str = "dedup_host_plugin_info";
    /// The number of the plugins in force; each swap makes it one more.
    pub const PLUGIN_GENERATION: &str = "dedup_host_plugin_generation";
    /// Attempts to put other plugins in the place of those in force.
    pub const PLUGIN_SWAPS: &str = "dedup_host_plugin_swaps_total";
    /// 1 while a partition is held because the plugin is broken.
    pub const PLUGIN_BREAKER_OPEN: &str = "dedup_host_plugin_breaker_open";
    /// Transactions by how they ended.
    pub const TRANSACTIONS: &str = "dedup_host_transactions_total";
    /// Rebalances.
    pub const REBALANCES: &str = "dedup_host_rebalances_total";
    /// Partitions that are assigned and not read yet, by what they wait for.
    pub const OPENING_PARTITIONS: &str = "dedup_host_opening_partitions";
    /// How long the oldest of them waits.
    pub const OPENING_SECONDS: &str = "dedup_host_opening_seconds";
    /// Times the group had less than it had before.
    pub const GROUP_OFFSET_WENT_BACK: &str = "dedup_host_group_offset_went_back_total";
    /// Records re-read into the state after an assignment.
    pub const REPLAYED: &str = "dedup_host_replayed_total";
    /// Times a partition was paused because a bound was reached.
    pub const PAUSES: &str = "dedup_host_backpressure_pauses_total";
    /// Partitions of the input topic, when the group first started and now.
    pub const INPUT_PARTITIONS: &str = "dedup_host_input_partitions";
    /// Offsets that the log no longer had when they were needed, and that `--on-log-gap skip` did without.
    pub const LOG_GAP_OFFSETS: &str = "dedup_host_log_gap_offsets_total";
    /// Records that their lane did not take, by reason.
    pub const UNSENDABLE: &str = "dedup_host_unsendable_total";
    /// 1 while a partition does not get past something that the client cannot take in, by reason.
    pub const UNREADABLE: &str = "dedup_host_unreadable";
    /// Offsets that `--on-unreadable skip` passed over.
    pub const UNREADABLE_SKIPPED: &str = "dedup_host_unreadable_skipped_offsets_total";
    /// Headers of the input that looked like the host's own and got another name.
    pub const HEADERS_RENAMED: &str = "dedup_host_input_headers_renamed_total";
    /// Times that another producer took a worker's transactional id.
    pub const FENCED: &str = "dedup_host_fenced_total";
    /// New clients for the input, as one had stopped fetching.
    pub const CLIENTS_RENEWED: &str = "dedup_host_clients_renewed_total";
    /// HTTP requests.
    pub const HTTP_REQUESTS: &str = "dedup_host_http_requests_total";
    /// HTTP connections cut off, by reason.
    pub const HTTP_CUT_OFF: &str = "dedup_host_http_cut_off_total";
    /// Duplicates by how they stand to their original.
    pub const DUPLICATES: &str = "dedup_host_duplicates_total";
    /// Duplicates that were forwarded as too unlike their original.
    pub const DUPLICATES_FORWARDED: &str = "dedup_host_duplicates_forwarded_total";
    /// Of those, how many their key had no room to remember.
    pub const DUPLICATES_NOT_REMEMBERED: &str = "dedup_host_duplicates_not_remembered_total";
    /// How alike duplicates and originals are.
    pub const DUPLICATE_SIMILARITY: &str = "dedup_host_duplicate_similarity";
    /// The same over their properties alone.
    pub const DUPLICATE_PROPERTY_SIMILARITY: &str = "dedup_host_duplicate_property_similarity";
    /// The same of their uuids.
    pub const DUPLICATE_UUID_SIMILARITY: &str = "dedup_host_duplicate_uuid_similarity";
    /// Time between original and duplicate.
    pub const DUPLICATE_GAP_SECONDS: &str = "dedup_host_duplicate_gap_seconds";
    /// Keys by at most how many duplicates they have.
    pub const KEYS_BY_DUPLICATES: &str = "dedup_host_keys_by_duplicates";
    /// Keys by at most how many distinct uuids they have.
    pub const KEYS_BY_DISTINCT_UUIDS: &str = "dedup_host_keys_by_distinct_uuids";
    /// Comparisons of properties, by property and what came out.
    pub const PROPERTY_COMPARISONS: &str = "dedup_host_property_comparisons_total";
    /// 1, with the version as a label.
    pub const BUILD_INFO: &str = "dedup_host_build_info";
}

/// A closed set of label values.
macro_rules! labels {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The label's value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

labels! {
    /// What was decided of a record.
    Outcome {
        /// Seen first.
        Unique = "unique",
        /// Seen before.
        Duplicate = "duplicate",
        /// Seen before, and forwarded as too unlike the first.
        Dissimilar = "dissimilar",
        /// Later than the allowed lateness.
        Late = "late",
        /// Without a key.
        Keyless = "keyless",
        /// Not decodable, or failed on.
        DeadLetter = "dead_letter",
    }
}

labels! {
    /// Where a record went.
    Destination {
        /// The output.
        Output = "output",
        /// The duplicates.
        Duplicates = "duplicates",
        /// The late events.
        Late = "late",
        /// The dead letters.
        DeadLetter = "dead_letter",
        /// Nowhere, as a policy says.
        Dropped = "dropped",
        /// Nowhere, because there is no topic or file for them.
        MetricsOnly = "metrics_only",
    }
}

labels! {
    /// A stage of the line.
    Stage {
        /// Payloads to fields.
        Decode = "decode",
        /// Fields to keys.
        Extract = "extract",
        /// Keys to entries.
        Lookup = "lookup",
        /// Entries to decisions.
        Decide = "decide",
        /// Duplicates to what is known of them.
        Explain = "explain",
        /// Outputs to the producer.
        Produce = "produce",
        /// Transaction.
        Commit = "commit",
        /// Committed entries to the state in memory.
        Apply = "apply",
        /// State to disk.
        Persist = "persist",
    }
}

labels! {
    /// How a transaction ended.
    TransactionResult {
        /// Committed.
        Committed = "committed",
        /// Aborted.
        Aborted = "aborted",
        /// The broker did not say; the group's offset showed that it was committed.
        UnknownCommitted = "unknown_committed",
        /// The broker did not say; the group's offset showed that it was not.
        UnknownAborted = "unknown_aborted",
    }
}

labels! {
    /// What the group did to a partition.
    Rebalance {
        /// Given.
        Assigned = "assigned",
        /// Taken in order.
        Revoked = "revoked",
        /// Taken without being asked.
        Lost = "lost",
    }
}

labels! {
    /// What a partition waits for before it can be read.
    OpeningReason {
        /// The group is asked for its offset.
        Offsets = "group_offset",
        /// A transaction of another id may still move the group's offset.
        PendingTransaction = "pending_transaction",
        /// The broker does not answer.
        NoAnswer = "no_answer",
        /// Its state is being opened.
        State = "state",
        /// Its state is open elsewhere.
        StateInUse = "state_in_use",
        /// Its worker is busy.
        Worker = "worker",
    }
}

labels! {
    /// What the log no longer had.
    LogGap {
        /// Records that were never read: they are lost.
        Unread = "unread",
        /// Records whose keys could not be learned again: their duplicates pass.
        Unlearned = "unlearned",
    }
}

labels! {
    /// What became of an attempt to swap plugins.
    SwapResult {
        /// Others are in force.
        Swapped = "swapped",
        /// The files are those that are in force.
        Unchanged = "unchanged",
        /// They cannot be used, and the old ones stay.
        Refused = "refused",
        /// A partition could not take up those in force, and goes on with the ones it has.
        Kept = "kept",
    }
}

labels! {
    /// Why an HTTP connection was cut off before it was answered.
    HttpCutOff {
        /// All places were taken, and another connection came.
        Room = "room",
        /// The request did not come, or the answer was not taken, in time.
        Slow = "slow",
        /// The system could not give the process one more connection.
        Refused = "refused",
    }
}

/// All metrics of the process. Clones are the same metrics.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    partitions: Partitions,
    forwarded: IntCounterVec,
    stage_seconds: HistogramVec,
    plugin_calls: IntCounterVec,
    plugin_seconds: CounterVec,
    plugin_failures: IntCounterVec,
    plugin_info: IntGaugeVec,
    plugin_swaps: IntCounterVec,
    transactions: IntCounterVec,
    rebalances: IntCounterVec,
    http_requests: IntCounterVec,
    http_cut_off: IntCounterVec,
    opening_partitions: IntGaugeVec,
    /// Seconds for which the oldest of the partitions that are assigned and not read yet waits; 0 where none does.
    pub opening_seconds: Gauge,
    /// Times the group had less than it had before.
    pub group_offset_went_back: IntCounter,
    input_partitions: IntGaugeVec,
    log_gap_offsets: IntCounterVec,
    unsendable: IntCounterVec,
    /// Headers of the input that looked like the host's own and got another name.
    pub headers_renamed: IntCounter,
    /// Times that another producer took a worker's transactional id.
    pub fenced: IntCounter,
    /// Times that the consumer was replaced as it had stopped fetching.
    pub clients_renewed: IntCounter,
    /// The number of the plugins in force.
    pub plugin_generation: IntGauge,
    /// Records a batch.
    pub batch_records: Histogram,
    /// Bytes a batch.
    pub batch_bytes: Histogram,
    /// Seconds from a record's time to its commit; observe the oldest record of a batch.
    pub end_to_end_seconds: Histogram,
    /// Look-ups that asked a filter.
    pub store_filter_checked: IntCounter,
    /// Look-ups that a filter answered alone.
    pub store_filter_useful: IntCounter,
    /// Forwarded as too unlike their originals, and not remembered.
    pub duplicates_not_remembered: IntCounter,
}

#[derive(Debug, Clone)]
struct Partitions {
    consumed: IntCounterVec,
    consumed_bytes: IntCounterVec,
    decisions: IntCounterVec,
    undecided: IntGaugeVec,
    replayed: IntCounterVec,
    pauses: IntCounterVec,
    lag: IntGaugeVec,
    committed_offset: IntGaugeVec,
    applied_offset: IntGaugeVec,
    applied_age_seconds: GaugeVec,
    store_keys: IntGaugeVec,
    store_bytes: IntGaugeVec,
    store_originals_bytes: IntGaugeVec,
    store_originals_dropped_bytes: IntGaugeVec,
    store_buckets: IntGaugeVec,
    store_front_keys: IntGaugeVec,
    effective_window_seconds: GaugeVec,
    effective_window_offsets: GaugeVec,
    event_times_unusable: IntCounterVec,
    decided_without_memory: IntCounterVec,
    clock_went_back: IntCounterVec,
    breaker_open: IntGaugeVec,
    unreadable: IntGaugeVec,
    unreadable_skipped: IntCounterVec,
}

/// The metrics of one partition, resolved once: using them is an atomic operation each.
#[derive(Debug, Clone)]
pub struct PartitionMetrics {
    consumed: IntCounter,
    consumed_bytes: IntCounter,
    decisions: [IntCounter; Outcome::ALL.len()],
    undecided: IntGauge,
    /// Records re-read into the state.
    pub replayed: IntCounter,
    /// Times the partition was paused because a bound was reached.
    pub pauses: IntCounter,
    /// Records between our position and the end of the log.
    pub lag: IntGauge,
    /// The group's offset.
    pub committed_offset: IntGauge,
    /// The offset up to which the state on disk holds everything.
    pub applied_offset: IntGauge,
    /// Seconds since the state was persisted.
    pub applied_age_seconds: Gauge,
    /// Keys remembered.
    pub store_keys: IntGauge,
    /// Bytes on disk.
    pub store_bytes: IntGauge,
    /// Bytes of originals on disk.
    pub store_originals_bytes: IntGauge,
    /// Bytes of originals that went early.
    pub store_originals_dropped_bytes: IntGauge,
    /// Time buckets.
    pub store_buckets: IntGauge,
    /// Keys not on disk yet.
    pub store_front_keys: IntGauge,
    /// Seconds of the window that is really in force; infinite where it has no bound.
    pub effective_window_seconds: Gauge,
    /// The latest so many offsets are remembered whatever their time; infinite where nothing went early.
    pub effective_window_offsets: Gauge,
    /// Events called unique although their window reaches into what is forgotten.
    pub decided_without_memory: IntCounter,
    /// Times that the clock went back.
    pub clock_went_back: IntCounter,
    event_times_unusable: [IntCounter; Unusable::ALL.len()],
    /// 1 while the partition is held because the plugin is broken.
    pub breaker_open: IntGauge,
    unreadable: [IntGauge; UnreadableReason::ALL.len()],
    /// Offsets passed over that could not be read.
    pub unreadable_skipped: IntCounter,
}

impl PartitionMetrics {
    /// Records were read; each of them must be decided or given back.
    pub fn consumed(&self, records: u64, bytes: u64) {
        self.consumed.inc_by(records);
        self.consumed_bytes.inc_by(bytes);
        self.undecided.add(signed(records));
    }

    /// Records were decided.
    pub fn decided(&self, outcome: Outcome, records: u64) {
        if let Some(counter) = self.decisions.get(outcome as usize) {
            counter.inc_by(records);
        }
        self.undecided.sub(signed(records));
    }

    /// Events had times of no use, by reason in the order of [`Unusable::ALL`].
    pub fn times_unusable(&self, events: &[u64; Unusable::ALL.len()]) {
        self.event_times_unusable.iter().zip(events).for_each(|(counter, events)| counter.inc_by(*events));
    }

    /// The partition does not get past something that cannot be read; `None`: it does.
    pub fn unreadable(&self, reason: Option<UnreadableReason>) {
        for (of, gauge) in UnreadableReason::ALL.into_iter().zip(&self.unreadable) {
            gauge.set(i64::from(reason == Some(of)));
        }
    }

    /// Records were read and will be read again: a batch was dropped before it was decided.
    pub fn given_back(&self, records: u64) {
        self.undecided.sub(signed(records));
    }

    /// Records read, less records decided or given back: 0 at rest, or records were lost.
    #[must_use]
    pub fn undecided(&self) -> i64 {
        self.undecided.get()
    }
}

/// The metrics of one plugin.
#[derive(Debug, Clone)]
pub struct PluginMetrics {
    name: String,
    calls: IntCounter,
    seconds: prometheus::Counter,
    failures: IntCounterVec,
}

impl PluginMetrics {
    /// Calls returned or failed, and took `time` together.
    pub fn called(&self, calls: u64, time: Duration) {
        self.calls.inc_by(calls);
        self.seconds.inc_by(time.as_secs_f64());
    }

    /// Calls failed; `kind` comes from a closed set, such as `trap` or `time_limit`.
    pub fn failed(&self, kind: &'static str, calls: u64) {
        self.failures.with_label_values(&[self.name.as_str(), kind]).inc_by(calls);
    }
}

impl Metrics {
    /// A set of its own: two of them in one process do not meet.
    ///
    /// # Errors
    /// Only if two metrics of this file had the same name.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let new = New { registry: &registry };
        let build_info =
            new.int_gauges(names::BUILD_INFO, "1, with the version of the host as a label", &["version"])?;
        build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let metrics = Self {
            partitions: Partitions::new(&new)?,
            forwarded: new.counters(names::FORWARDED, "records by where they went", &["destination"])?,
            stage_seconds: new.stages()?,
            plugin_calls: new.counters(names::PLUGIN_CALLS, "calls of a plugin", &["plugin"])?,
            plugin_seconds: new.seconds(names::PLUGIN_SECONDS, "time in a plugin", &["plugin"])?,
            plugin_failures: new.counters(names::PLUGIN_FAILURES, "failures of a plugin", &["plugin", "kind"])?,
            plugin_info: new.int_gauges(
                names::PLUGIN_INFO,
                "1 for each plugin in force",
                &["role", "name", "version", "sha256"],
            )?,
            plugin_swaps: new.counters(
                names::PLUGIN_SWAPS,
                "attempts to put other plugins in the place of those in force",
                &["result"],
            )?,
            plugin_generation: new.int_gauge(names::PLUGIN_GENERATION, "number of the plugins in force")?,
            transactions: new.counters(names::TRANSACTIONS, "transactions by how they ended", &["result"])?,
            rebalances: new.counters(names::REBALANCES, "partitions given and taken by the group", &["kind"])?,
            opening_partitions: new.int_gauges(
                names::OPENING_PARTITIONS,
                "partitions that are assigned and not read yet, by what they wait for",
                &["reason"],
            )?,
            opening_seconds: new.gauge(names::OPENING_SECONDS, "how long the oldest of them waits; 0 without any")?,
            group_offset_went_back: new
                .counter(names::GROUP_OFFSET_WENT_BACK, "times the group had less than it had before")?,
            input_partitions: new.int_gauges(
                names::INPUT_PARTITIONS,
                "partitions of the input topic, when the group first started and now",
                &["topic", "when"],
            )?,
            log_gap_offsets: new.counters(
                names::LOG_GAP_OFFSETS,
                "offsets that the log no longer had when a partition started, and that were done without",
                &["kind"],
            )?,
            unsendable: new.counters(
                names::UNSENDABLE,
                "records that their lane did not take: they left as dead letters without payload, or were dropped",
                &["reason"],
            )?,
            headers_renamed: new.counter(
                names::HEADERS_RENAMED,
                "headers of the input that looked like the host's own (dedup-host-...) and got another name",
            )?,
            clients_renewed: new.counter(
                names::CLIENTS_RENEWED,
                "times that the consumer stopped fetching without a word and was replaced by a new one",
            )?,
            fenced: new.counter(names::FENCED, "times that another producer took a transactional id of this host")?,
            http_requests: new.counters(names::HTTP_REQUESTS, "HTTP requests answered", &["path", "code"])?,
            http_cut_off: new.counters(
                names::HTTP_CUT_OFF,
                "HTTP connections cut off before they were answered, by reason",
                &["reason"],
            )?,
            batch_records: new.histogram(
                names::BATCH_RECORDS,
                "records a batch",
                exponential_buckets(1.0, 4.0, 10)?,
            )?,
            batch_bytes: new.histogram(names::BATCH_BYTES, "bytes a batch", exponential_buckets(1024.0, 4.0, 10)?)?,
            end_to_end_seconds: new.histogram(
                names::END_TO_END_SECONDS,
                "time from the oldest record of a batch to its commit",
                exponential_buckets(0.005, 2.0, 16)?,
            )?,
            store_filter_checked: new.counter(names::STORE_FILTER_CHECKED, "look-ups that asked a filter")?,
            store_filter_useful: new.counter(names::STORE_FILTER_USEFUL, "look-ups that a filter answered alone")?,
            duplicates_not_remembered: new.counter(
                names::DUPLICATES_NOT_REMEMBERED,
                "duplicates forwarded by --forward-below-similarity whose key has 16 originals already: their copies pass too",
            )?,
            registry,
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    /// Shows what is known of duplicates beside the other metrics; once a set.
    ///
    /// # Errors
    /// They are shown already.
    pub fn show(&self, insights: &Arc<Insights>) -> prometheus::Result<()> {
        self.registry.register(Box::new(InsightsCollector::new(Arc::clone(insights))?))
    }

    /// Series of closed sets exist from the start, so that a rate over their first increment is right.
    fn start_at_zero(&self) {
        for destination in Destination::ALL {
            self.forwarded(*destination, 0);
        }
        for result in TransactionResult::ALL {
            self.transactions.with_label_values(&[result.as_str()]).inc_by(0);
        }
        for result in SwapResult::ALL {
            self.plugin_swaps.with_label_values(&[result.as_str()]).inc_by(0);
        }
        for gap in LogGap::ALL {
            self.log_gap(*gap, 0);
        }
        self.unsendable(&[0; Refusal::ALL.len()]);
        for reason in HttpCutOff::ALL {
            self.http_cut_off.with_label_values(&[reason.as_str()]).inc_by(0);
        }
        for kind in Rebalance::ALL {
            self.rebalances.with_label_values(&[kind.as_str()]).inc_by(0);
        }
        for reason in OpeningReason::ALL {
            self.opening(*reason, 0);
        }
    }

    /// The metrics of a partition; they are shown from now until [`Metrics::forget`].
    #[must_use]
    pub fn partition(&self, partition: &TopicPartition) -> PartitionMetrics {
        self.partitions.of(&partition.topic, &partition.partition.to_string())
    }

    /// Takes the series of a partition away, as another host will show them.
    pub fn forget(&self, partition: &TopicPartition) {
        self.partitions.forget(&partition.topic, &partition.partition.to_string());
    }

    /// The metrics of a plugin.
    #[must_use]
    pub fn plugin(&self, name: &str) -> PluginMetrics {
        PluginMetrics {
            name: name.to_owned(),
            calls: self.plugin_calls.with_label_values(&[name]),
            seconds: self.plugin_seconds.with_label_values(&[name]),
            failures: self.plugin_failures.clone(),
        }
    }

    /// These are the plugins in force, each with its roles.
    pub fn set_plugins<'a>(&self, plugins: impl IntoIterator<Item = &'a plugin::Plugin>, generation: u64) {
        self.plugin_info.reset();
        for plugin in plugins {
            for role in plugin.roles().names() {
                let labels = [role, plugin.name(), plugin.version(), plugin.sha256()];
                self.plugin_info.with_label_values(&labels).set(1);
            }
        }
        self.plugin_generation.set(signed(generation));
    }

    /// It was tried to swap plugins.
    pub fn plugins_swapped(&self, result: SwapResult) {
        self.plugin_swaps.with_label_values(&[result.as_str()]).inc();
    }

    /// The time of one stage, to be resolved once and kept.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> Histogram {
        self.stage_seconds.with_label_values(&[stage.as_str()])
    }

    /// Records went somewhere.
    pub fn forwarded(&self, destination: Destination, records: u64) {
        self.forwarded.with_label_values(&[destination.as_str()]).inc_by(records);
    }

    /// A transaction ended.
    pub fn transaction(&self, result: TransactionResult) {
        self.transactions.with_label_values(&[result.as_str()]).inc();
    }

    /// The group gave or took this many partitions.
    pub fn rebalanced(&self, kind: Rebalance, partitions: u64) {
        self.rebalances.with_label_values(&[kind.as_str()]).inc_by(partitions);
    }

    /// So many partitions are assigned and not read yet for this reason.
    pub fn opening(&self, reason: OpeningReason, partitions: usize) {
        self.opening_partitions.with_label_values(&[reason.as_str()]).set(signed(partitions as u64));
    }

    /// The topic has this many partitions, and had `first` when the group first started.
    pub fn input_partitions(&self, topic: &str, first: i32, now: i32) {
        for (when, partitions) in [("first_start", first), ("now", now)] {
            self.input_partitions.with_label_values(&[topic, when]).set(partitions.into());
        }
    }

    /// Offsets were missing from the log at a start.
    pub fn log_gap(&self, gap: LogGap, offsets: u64) {
        self.log_gap_offsets.with_label_values(&[gap.as_str()]).inc_by(offsets);
    }

    /// Records were not taken by their lane, by reason in the order of [`Refusal::ALL`].
    pub fn unsendable(&self, records: &[u64; Refusal::ALL.len()]) {
        for (reason, records) in Refusal::ALL.into_iter().zip(records) {
            self.unsendable.with_label_values(&[reason.as_str()]).inc_by(*records);
        }
    }

    /// A request was answered; `path` comes from the closed set of routes.
    pub fn http_request(&self, path: &'static str, code: u16) {
        self.http_requests.with_label_values(&[path, code.to_string().as_str()]).inc();
    }

    /// An HTTP connection was cut off.
    pub fn http_cut_off(&self, reason: HttpCutOff) {
        self.http_cut_off.with_label_values(&[reason.as_str()]).inc();
    }

    /// All metrics in the text format of Prometheus, version 0.0.4.
    ///
    /// # Errors
    /// Only if a metric had no value, which the text format cannot express.
    pub fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl Partitions {
    fn new(new: &New<'_>) -> prometheus::Result<Self> {
        const BY: &[&str] = &["topic", "partition"];
        Ok(Self {
            consumed: new.counters(names::CONSUMED, "records read", BY)?,
            consumed_bytes: new.counters(names::CONSUMED_BYTES, "bytes of keys, payloads and headers read", BY)?,
            decisions: new.counters(names::DECISIONS, "records decided", &["topic", "partition", "outcome"])?,
            undecided: new.int_gauges(names::UNDECIDED, "records read and not decided: 0 at rest", BY)?,
            replayed: new.counters(names::REPLAYED, "records re-read into the state", BY)?,
            pauses: new.counters(names::PAUSES, "times a bound was reached and the partition paused", BY)?,
            lag: new.int_gauges(names::LAG, "records between our position and the end of the log", BY)?,
            committed_offset: new.int_gauges(names::COMMITTED_OFFSET, "offset of the group", BY)?,
            applied_offset: new.int_gauges(names::APPLIED_OFFSET, "offset up to which the state is on disk", BY)?,
            applied_age_seconds: new.gauges(names::APPLIED_AGE_SECONDS, "time since the state was persisted", BY)?,
            store_keys: new.int_gauges(names::STORE_KEYS, "keys remembered", BY)?,
            store_bytes: new.int_gauges(names::STORE_BYTES, "bytes of keys on disk", BY)?,
            store_originals_bytes: new.int_gauges(names::STORE_ORIGINALS_BYTES, "bytes of originals on disk", BY)?,
            store_originals_dropped_bytes: new.int_gauges(
                names::STORE_ORIGINALS_DROPPED_BYTES,
                "bytes of originals that went before their keys since the state was made, for want of room",
                BY,
            )?,
            store_buckets: new.int_gauges(names::STORE_BUCKETS, "time buckets of the state", BY)?,
            store_front_keys: new.int_gauges(names::STORE_FRONT_KEYS, "keys in memory, not yet on disk", BY)?,
            effective_window_seconds: new.gauges(names::EFFECTIVE_WINDOW_SECONDS, "window really in force", BY)?,
            effective_window_offsets: new.gauges(
                names::EFFECTIVE_WINDOW_OFFSETS,
                "latest offsets that are remembered whatever their time",
                BY,
            )?,
            event_times_unusable: new.counters(
                names::EVENT_TIMES_UNUSABLE,
                "events whose own time was of no use",
                &["topic", "partition", "reason"],
            )?,
            decided_without_memory: new.counters(
                names::DECIDED_WITHOUT_MEMORY,
                "events called unique although their window reaches into what is forgotten",
                BY,
            )?,
            clock_went_back: new.counters(
                names::CLOCK_WENT_BACK,
                "times that the clock of event time went back",
                BY,
            )?,
            breaker_open: new.int_gauges(
                names::PLUGIN_BREAKER_OPEN,
                "1 while the partition is held because the plugin is broken",
                BY,
            )?,
            unreadable: new.int_gauges(
                names::UNREADABLE,
                "1 while the partition does not get past something that the client cannot take in",
                &["topic", "partition", "reason"],
            )?,
            unreadable_skipped: new.counters(
                names::UNREADABLE_SKIPPED,
                "offsets passed over that the client could not take in",
                BY,
            )?,
        })
    }

    fn of(&self, topic: &str, partition: &str) -> PartitionMetrics {
        let by = &[topic, partition];
        PartitionMetrics {
            consumed: self.consumed.with_label_values(by),
            consumed_bytes: self.consumed_bytes.with_label_values(by),
            decisions: std::array::from_fn(|at| {
                let outcome = Outcome::ALL.get(at).map_or("", |outcome| outcome.as_str());
                self.decisions.with_label_values(&[topic, partition, outcome])
            }),
            undecided: self.undecided.with_label_values(by),
            replayed: self.replayed.with_label_values(by),
            pauses: self.pauses.with_label_values(by),
            lag: self.lag.with_label_values(by),
            committed_offset: self.committed_offset.with_label_values(by),
            applied_offset: self.applied_offset.with_label_values(by),
            applied_age_seconds: self.applied_age_seconds.with_label_values(by),
            store_keys: self.store_keys.with_label_values(by),
            store_bytes: self.store_bytes.with_label_values(by),
            store_originals_bytes: self.store_originals_bytes.with_label_values(by),
            store_originals_dropped_bytes: self.store_originals_dropped_bytes.with_label_values(by),
            store_buckets: self.store_buckets.with_label_values(by),
            store_front_keys: self.store_front_keys.with_label_values(by),
            effective_window_seconds: self.effective_window_seconds.with_label_values(by),
            effective_window_offsets: self.effective_window_offsets.with_label_values(by),
            decided_without_memory: self.decided_without_memory.with_label_values(by),
            clock_went_back: self.clock_went_back.with_label_values(by),
            event_times_unusable: std::array::from_fn(|at| {
                let reason = Unusable::ALL.get(at).map_or("", |reason| reason.as_str());
                self.event_times_unusable.with_label_values(&[topic, partition, reason])
            }),
            breaker_open: self.breaker_open.with_label_values(by),
            unreadable: UnreadableReason::ALL
                .map(|reason| self.unreadable.with_label_values(&[topic, partition, reason.as_str()])),
            unreadable_skipped: self.unreadable_skipped.with_label_values(by),
        }
    }

    fn forget(&self, topic: &str, partition: &str) {
        let by = &[topic, partition];
        // An error means that the series is not there, which is what is wanted.
        let counters = [
            &self.consumed,
            &self.consumed_bytes,
            &self.replayed,
            &self.pauses,
            &self.decided_without_memory,
            &self.clock_went_back,
            &self.unreadable_skipped,
        ];
        for counters in counters {
            let _ = counters.remove_label_values(by);
        }
        for reason in Unusable::ALL {
            let _ = self.event_times_unusable.remove_label_values(&[topic, partition, reason.as_str()]);
        }
        for reason in UnreadableReason::ALL {
            let _ = self.unreadable.remove_label_values(&[topic, partition, reason.as_str()]);
        }
        for outcome in Outcome::ALL {
            let _ = self.decisions.remove_label_values(&[topic, partition, outcome.as_str()]);
        }
        let gauges = [
            &self.undecided,
            &self.lag,
            &self.committed_offset,
            &self.applied_offset,
            &self.store_keys,
            &self.store_bytes,
            &self.store_originals_bytes,
            &self.store_originals_dropped_bytes,
            &self.store_buckets,
            &self.store_front_keys,
            &self.breaker_open,
        ];
        for gauges in gauges {
            let _ = gauges.remove_label_values(by);
        }
        let _ = self.applied_age_seconds.remove_label_values(by);
        let _ = self.effective_window_seconds.remove_label_values(by);
        let _ = self.effective_window_offsets.remove_label_values(by);
    }
}

/// Makes metrics and registers each.
struct New<'a> {
    registry: &'a Registry,
}

impl New<'_> {
    fn register<M: Collector + Clone + 'static>(&self, metric: M) -> prometheus::Result<M> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.register(IntCounter::new(name, help)?)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.register(Gauge::new(name, help)?)
    }

    fn int_gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.register(IntGauge::new(name, help)?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.register(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn seconds(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<CounterVec> {
        self.register(CounterVec::new(Opts::new(name, help), labels)?)
    }

    fn int_gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        self.register(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: Vec<f64>) -> prometheus::Result<Histogram> {
        self.register(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?)
    }

    fn stages(&self) -> prometheus::Result<HistogramVec> {
        let opts = HistogramOpts::new(names::STAGE_SECONDS, "time of a batch in one stage of the line");
        self.register(HistogramVec::new(opts.buckets(exponential_buckets(0.000_1, 3.0, 12)?), &["stage"])?)
    }
}

fn signed(records: u64) -> i64 {
    i64::try_from(records).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod contract;

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition { topic: "events".into(), partition: number }
    }

    #[test]
    fn a_decided_batch_is_counted_and_leaves_nothing_undecided() {
        let metrics = Metrics::new().unwrap();
        let events = metrics.partition(&partition(3));
        events.consumed(10, 1000);
        assert_eq!(events.undecided(), 10);
        events.decided(Outcome::Unique, 6);
        events.decided(Outcome::Duplicate, 3);
        events.given_back(1);
        let text = metrics.render().unwrap();
        for line in [
            "dedup_host_consumed_total{partition=\"3\",topic=\"events\"} 10",
            "dedup_host_consumed_bytes_total{partition=\"3\",topic=\"events\"} 1000",
            "dedup_host_decisions_total{outcome=\"unique\",partition=\"3\",topic=\"events\"} 6",
            "dedup_host_decisions_total{outcome=\"duplicate\",partition=\"3\",topic=\"events\"} 3",
            "dedup_host_decisions_total{outcome=\"late\",partition=\"3\",topic=\"events\"} 0",
            "dedup_host_undecided_records{partition=\"3\",topic=\"events\"} 0",
        ] {
            assert!(text.lines().any(|is| is == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_revoked_partition_takes_its_series_along_and_no_others() {
        let metrics = Metrics::new().unwrap();
        let _kept = metrics.partition(&partition(0));
        let with_one = metrics.render().unwrap();
        let held = metrics.partition(&partition(1));
        assert!(metrics.render().unwrap().contains("partition=\"1\""));
        metrics.forget(&partition(1));
        held.consumed(1, 1);
        assert_eq!(metrics.render().unwrap(), with_one);
        metrics.forget(&partition(1));
    }

    #[test]
    fn every_name_has_the_prefix_and_is_shown_once_it_was_used() {
        let metrics = Metrics::new().unwrap();
        let _ = metrics.partition(&partition(0));
        metrics.show(&Arc::new(Insights::new(false))).unwrap();
        let plugin = metrics.plugin("composite_key");
        plugin.called(3, Duration::from_millis(5));
        plugin.failed("trap", 1);
        metrics.plugin_info.with_label_values(&["key-extractor", "composite_key", "1.0.0", "ab"]).set(1);
        metrics.plugins_swapped(SwapResult::Refused);
        metrics.stage(Stage::Decode).observe(0.1);
        metrics.http_request("/metrics", 200);
        metrics.input_partitions("events", 2, 3);
        metrics.transaction(TransactionResult::Committed);
        let text = metrics.render().unwrap();
        let shown = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect::<Vec<_>>();
        // The names as the source writes them, so that a name nobody registers is found.
        let written = include_str!("metrics.rs").lines().filter_map(|line| line.trim().strip_prefix("pub const "));
        let mut wanted = written.filter_map(|line| line.split('"').nth(1)).collect::<Vec<_>>();
        wanted.sort_unstable();
        assert_eq!(shown, wanted);
        assert!(wanted.iter().all(|name| name.starts_with("dedup_host_")) && wanted.len() == 61, "{}", wanted.len());
        assert!(text.contains("dedup_host_plugin_failures_total{kind=\"trap\",plugin=\"composite_key\"} 1"));
        assert!(text.contains("dedup_host_plugin_swaps_total{result=\"refused\"} 1"));
        assert!(text.contains("dedup_host_transactions_total{result=\"aborted\"} 0"));
        assert!(text.contains(concat!("dedup_host_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1")));
    }
}
