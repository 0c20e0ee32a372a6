//! What a run says of itself in metrics and in the status: as a whole, of each partition, after each batch, each commit,
//! each persist. It decides nothing.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use connectors::{Bounds, ByLane, Lane, Refusal, Unreadable};
use drive::{Change, FeedReport, OnUnreadable, PartitionReport, Report, Took, WaitingFor};
use engine::findings::Findings;
use engine::protocol::start::Gap;
use engine::protocol::{self, Transaction};
use engine::record::{Millis, Offset, RecordBatch, TopicPartition};
use engine::time::Unusable;
use line::{LineError, PluginCost, Plugins, StageTimes, Tally};
use observe::insights::{Insights, Totals};
use observe::metrics::{
    By, Destination, Histogram, LogGap, Metrics, OpeningReason, Outcome, PartitionMetrics, PluginMetrics, Rebalance,
    Stage, SwapResult,
};
use observe::status::{OpeningStatus, PartitionStatus, Phase, PluginUse, StateSize, Status};
use plugin::Plugin;
use state::{FilterCounts, PartitionStore};

use crate::reasons::{destination, opening_reason, transaction_result, unreadable_reason, unsendable_reason};
use crate::replay::Replay;

/// Metrics and status of the process.
#[derive(Clone)]
pub struct Observed {
    /// Numbers.
    pub metrics: Metrics,
    /// Where the run is.
    pub status: Arc<Status>,
    /// What its duplicates are like.
    pub insights: Arc<Insights>,
    /// Who else hears of it.
    also: Option<Arc<dyn Tallied>>,
}

/// Who hears how much is decided and committed, as a run over files adds it up.
pub trait Tallied: Send + Sync {
    /// A batch was decided.
    fn batch(&self);

    /// The next call of the sink is the commit of this much.
    fn committing(&self, tally: &Tally);

    /// It is committed.
    fn committed(&self, tally: &Tally);
}

impl Observed {
    /// Nothing is said yet.
    #[must_use]
    pub fn new(metrics: Metrics, insights: Arc<Insights>) -> Self {
        Self { metrics, status: Arc::new(Status::new()), insights, also: None }
    }

    /// The same, heard by somebody else as well.
    #[must_use]
    pub fn heard_by(&self, also: Arc<dyn Tallied>) -> Self {
        Self { also: Some(also), ..self.clone() }
    }
}

impl Report<PartitionStore> for Observed {
    type Partition = PartitionObserver;
    type Feed = FeedObserver;

    fn partition(
        &self,
        source: &TopicPartition,
        plugins: (u64, &Plugins),
        listened: ByLane<bool>,
    ) -> PartitionObserver {
        PartitionObserver::new(self.clone(), source.clone(), plugins, listened)
    }

    fn feed(&self, source: &TopicPartition) -> FeedObserver {
        let partition = self.metrics.partition(source);
        FeedObserver { status: Arc::clone(&self.status), source: source.clone(), partition }
    }

    fn beat(&self) {
        self.status.beat();
    }

    fn rebalanced(&self, change: Change, partitions: usize) {
        let kind = match change {
            Change::Assigned => Rebalance::Assigned,
            Change::Revoked => Rebalance::Revoked,
            Change::Lost => Rebalance::Lost,
        };
        self.metrics.process.rebalances.inc_by(kind, partitions as u64);
    }

    fn assigned(&self) {
        self.status.assigned();
    }

    fn waiting(&self, topic: &str, waiting: &[WaitingFor]) {
        let status = waiting.iter().map(|waits| {
            let source = TopicPartition { topic: topic.to_owned(), partition: waits.partition };
            (source, OpeningStatus { reason: waits.words.clone(), since: waits.since })
        });
        self.status.set_opening(status.collect());
        let metrics = &self.metrics.process;
        for reason in OpeningReason::ALL {
            let counted = waiting.iter().filter(|waits| opening_reason(waits.reason) == *reason).count();
            metrics.opening_partitions.set(*reason, i64::try_from(counted).unwrap_or(i64::MAX));
        }
        let longest = waiting.iter().map(|waits| waits.since.elapsed()).max().unwrap_or_default();
        metrics.opening_seconds.set(longest.as_secs_f64());
    }

    fn gap(&self, gap: Gap) {
        for (kind, offsets) in [(LogGap::Unread, gap.unread), (LogGap::Unlearned, gap.unlearned)] {
            self.metrics.process.log_gap_offsets.inc_by(kind, offsets.unsigned_abs());
        }
    }

    fn ended(&self, transaction: Transaction) {
        self.metrics.process.transactions.inc(transaction_result(transaction));
    }

    fn fenced(&self) {
        self.metrics.process.fenced.inc();
    }

    fn shortened(&self, chars: usize, from_now_on: usize) {
        tracing::warn!(
            chars,
            from_now_on,
            "offset.metadata.max.bytes of the brokers is low: progress records list fewer of the records that went \
             out undecided, and the rest must be read back from the dead-letter topic when a state is lost"
        );
    }

    fn renewed(&self) {
        self.metrics.process.clients_renewed.inc();
    }

    fn stopping(&self) {
        self.status.stopping();
    }
}

/// The observer of one partition on the thread that polls.
pub struct FeedObserver {
    status: Arc<Status>,
    source: TopicPartition,
    partition: PartitionMetrics,
}

impl FeedReport for FeedObserver {
    fn paused(&mut self) {
        self.partition.pauses.inc();
    }

    fn lag(&mut self, lag: Offset, bounds: &Bounds) {
        self.partition.lag.set(lag);
        self.status.update_partition(&self.source, |status| {
            status.lag = Some(lag);
            status.log_end = Some(bounds.log_end);
            status.stable_end = Some(bounds.stable_end);
        });
    }

    fn unreadable(&mut self, what: &Unreadable, then: OnUnreadable, is_new: bool) {
        self.partition.unreadable.set_only(Some(unreadable_reason(what.reason)));
        let Unreadable { from, next, reason, cause } = what;
        let words = format!("offsets {from} to {} cannot be read ({}): {cause}", next - 1, reason.as_str());
        let source = &self.source;
        match then {
            _ if !is_new => {}
            OnUnreadable::Stop => tracing::error!(
                %source, words,
                "partition stopped: the client cannot read what is next in its log. to fix this: raise the client's \
                 limit (--kafka-property consumer.receive.message.max.bytes), delete these records from the topic, \
                 or skip them with --on-unreadable skip"
            ),
            OnUnreadable::Skip => tracing::error!(%source, words, "passing over what the client cannot read"),
        }
        self.status.update_partition(source, |status| status.unreadable = Some(words));
    }

    fn readable(&mut self) {
        self.partition.unreadable.set_only(None);
        self.status.update_partition(&self.source, |status| status.unreadable = None);
    }
}

/// The observer of one partition. Its series and its status go with it.
pub struct PartitionObserver {
    observed: Observed,
    source: TopicPartition,
    partition: PartitionMetrics,
    /// Of the extractor and the scorer, with their digests.
    plugins: Vec<(PluginMetrics, String)>,
    stages: By<Stage, Histogram>,
    /// Whether somebody listens.
    listened: ByLane<bool>,
    filters: FilterCounts,
    /// Records since the last commit.
    uncommitted: u64,
    uncommitted_bytes: u64,
    /// Oldest record time of each batch since the last commit.
    oldest: Vec<Millis>,
    applied_at: Instant,
    /// While its log is read again.
    replay: Option<Replay>,
    /// It waits for something that is on its way.
    awaits: bool,
}

impl PartitionObserver {
    fn new(
        observed: Observed,
        source: TopicPartition,
        (generation, plugins): (u64, &Plugins),
        listened: ByLane<bool>,
    ) -> Self {
        let partition = observed.metrics.partition(&source);
        let stages = observed.metrics.process.stage_seconds.with([]);
        observed.status.set_partition(source.clone(), PartitionStatus::new(Phase::Restoring));
        let filters = FilterCounts { useful: 0, full_positive: 0, full_true_positive: 0, data_blocks: 0 };
        let applied_at = Instant::now();
        let mut observer = Self {
            observed,
            source,
            partition,
            plugins: Vec::new(),
            stages,
            listened,
            filters,
            uncommitted: 0,
            uncommitted_bytes: 0,
            oldest: Vec::new(),
            applied_at,
            replay: None,
            awaits: false,
        };
        observer.decided_with(generation, plugins);
        observer
    }

    fn phase(&self, phase: Phase, reason: &str) {
        self.observed.status.update_partition(&self.source, |status| {
            status.phase = phase;
            reason.clone_into(&mut status.reason);
        });
    }

    fn times(&self, tally: &Tally) {
        for (reason, events) in Unusable::ALL.into_iter().zip(tally.times_unusable) {
            self.partition.event_times_unusable.inc_by(reason, events);
        }
        self.partition.decided_without_memory.inc_by(tally.decided_without_memory);
        self.partition.moved_duplicates.inc_by(tally.moved);
        self.stale(tally.stale);
        self.partition.clock_went_back.inc_by(tally.clock_went_back);
        self.observed.status.update_partition(&self.source, |status| {
            status.times.add(&tally.times_unusable, tally.decided_without_memory, tally.clock_went_back);
        });
    }

    /// Records that were sent by the layout of before the topic grew.
    fn stale(&self, records: u64) {
        let (before, after) = (self.partition.stale_records.get(), self.partition.stale_records.get() + records);
        self.partition.stale_records.inc_by(records);
        // At the first, and whenever there are twice as many.
        if before.checked_ilog2() != after.checked_ilog2() {
            tracing::warn!(
                source = %self.source, records = after,
                "a producer sends keys to the partition where they were before the topic grew: new keys that it sends are \
                 not known where others send them, and duplicates of these pass; restart it, or let it refresh its \
                 metadata"
            );
        }
    }

    fn unsendable(&self, tally: &Tally) {
        for (refusal, records) in Refusal::ALL.into_iter().zip(tally.unsendable) {
            self.observed.metrics.process.unsendable.inc_by(unsendable_reason(refusal), records);
        }
    }

    fn forwarded(&self, tally: &Tally) {
        let forwarded = &self.observed.metrics.process.forwarded;
        for lane in Lane::ALL {
            let destination = if self.listened[lane] { destination(lane) } else { Destination::MetricsOnly };
            forwarded.inc_by(destination, tally.left_by[lane]);
        }
        forwarded.inc_by(Destination::Dropped, tally.dropped);
    }
}

impl PartitionReport<PartitionStore> for PartitionObserver {
    fn decided_with(&mut self, generation: u64, plugins: &Plugins) {
        let metrics = &self.observed.metrics;
        let shown = |plugin: &Plugin| (metrics.plugin(plugin.name()), plugin.sha256().to_owned());
        self.plugins = plugins.iter().map(shown).collect();
        self.observed.status.update_partition(&self.source, |status| status.plugin_generation = generation);
    }

    fn kept_plugins(&mut self, generation: u64, why: &LineError) {
        self.observed.metrics.process.plugin_swaps.inc(SwapResult::Kept);
        tracing::error!(
            source = %self.source, generation, %why, "plugins not swapped here; the old ones stay in force"
        );
    }

    fn went_back(&mut self, from: Offset, to: Offset) {
        self.observed.metrics.process.group_offset_went_back.inc();
        tracing::error!(
            source = %self.source, from, to,
            "the group's offset went back: the broker lost a commit, or somebody reset it. records from {to} on are \
             decided and sent again, because the group says that they were not"
        );
    }

    fn held(&mut self, why: &str) {
        self.partition.breaker_open.set(1);
        self.phase(Phase::Held, why);
        tracing::error!(
            source = %self.source,
            why,
            "partition held: no record is lost or skipped; it continues when the plugin works again or another one \
             replaces it"
        );
    }

    fn awaits(&mut self, what: &str) {
        if !std::mem::replace(&mut self.awaits, true) {
            tracing::info!(source = %self.source, what, "partition held: nothing is lost or skipped");
        }
        self.phase(Phase::Held, what);
    }

    fn released(&mut self) {
        if std::mem::take(&mut self.awaits) {
            return tracing::info!(source = %self.source, "partition continues: what it waited for is there");
        }
        self.partition.breaker_open.set(0);
        tracing::info!(source = %self.source, "partition continues: the plugin works again");
    }

    fn stage(&mut self, stage: protocol::Stage, why: &str) {
        let phase = match stage {
            protocol::Stage::Restoring => Phase::Restoring,
            protocol::Stage::Replaying(_) => Phase::Replaying,
            protocol::Stage::Live => Phase::Live,
            protocol::Stage::Draining { .. } => Phase::Draining,
        };
        self.replay = match stage {
            protocol::Stage::Replaying(offsets) => Some(Replay::new(offsets)),
            protocol::Stage::Restoring | protocol::Stage::Live | protocol::Stage::Draining { .. } => None,
        };
        self.phase(phase, why);
    }

    fn batch(&mut self, batch: &RecordBatch) {
        self.uncommitted += batch.len() as u64;
        self.uncommitted_bytes += batch.bytes() as u64;
        self.partition.consumed(batch.len() as u64, batch.bytes() as u64);
        let metrics = &self.observed.metrics.process;
        metrics.headers_renamed.inc_by(batch.headers_renamed());
        metrics.batch_records.observe(batch.len() as f64);
        metrics.batch_bytes.observe(batch.bytes() as f64);
        let first = batch.get(0);
        self.oldest.extend(first.as_ref().and_then(|record| record.timestamp()));
        if let (Some(replay), Some(record)) = (&mut self.replay, &first)
            && let Some(told) = replay.reads(record.offset(), Instant::now())
        {
            if told.is_said {
                tracing::info!(source = %self.source, "replaying: {}", told.words);
            }
            self.phase(Phase::Replaying, &told.words);
        }
        self.observed.also.iter().for_each(|also| also.batch());
    }

    fn costs(&mut self, times: &StageTimes, costs: &[PluginCost; 2]) {
        for (stage, time) in [
            (Stage::Decode, times.decode),
            (Stage::Extract, times.extract),
            (Stage::Lookup, times.lookup),
            (Stage::Decide, times.decide),
            (Stage::Explain, times.explain),
            (Stage::Produce, times.produce),
        ] {
            self.stages.observe(stage, time.as_secs_f64());
        }
        for ((plugin, digest), cost) in self.plugins.iter().zip(costs) {
            let PluginCost { calls, failures, time, events } = *cost;
            let seconds = time.as_secs_f64();
            plugin.calls.inc_by(calls);
            plugin.seconds.inc_by(seconds);
            plugin.failures.with(["call"]).inc_by(failures);
            self.observed.status.plugin_used(digest, PluginUse { calls, failures, seconds, events });
        }
    }

    fn took(&mut self, what: Took, time: Duration) {
        let stage = match what {
            Took::Commit => Stage::Commit,
            Took::Apply => Stage::Apply,
            Took::Persist => Stage::Persist,
        };
        self.stages.observe(stage, time.as_secs_f64());
    }

    fn rolled_back(&mut self) {
        self.partition.given_back(std::mem::take(&mut self.uncommitted));
        self.uncommitted_bytes = 0;
        self.oldest.clear();
    }

    fn committing(&mut self, tally: &Tally) {
        self.observed.also.iter().for_each(|also| also.committing(tally));
    }

    fn committed(&mut self, tally: &Tally, findings: Findings, next_offset: Offset) {
        let outcomes = [
            (Outcome::Unique, tally.unique),
            (Outcome::Duplicate, tally.duplicate),
            (Outcome::Dissimilar, tally.dissimilar),
            (Outcome::Late, tally.late),
            (Outcome::Keyless, tally.keyless),
            (Outcome::DeadLetter, tally.dead_letter),
        ];
        self.uncommitted = 0;
        self.observed.also.iter().for_each(|also| also.committed(tally));
        for (outcome, records) in outcomes {
            self.partition.decided(outcome, records);
        }
        self.observed.metrics.process.duplicates_not_remembered.inc_by(tally.not_remembered);
        self.partition.unreadable_skipped.inc_by(tally.unread);
        self.partition.replayed.inc_by(tally.replayed);
        self.partition.given_back(tally.replayed);
        self.forwarded(tally);
        self.unsendable(tally);
        self.times(tally);
        self.observed.insights.merge(findings, now());
        self.observed.insights.add_totals(&Totals {
            consumed: tally.consumed,
            unique: tally.unique,
            duplicate: tally.duplicate,
            dissimilar: tally.dissimilar,
            late: tally.late,
            keyless: tally.keyless,
            dead_letter: tally.dead_letter,
            bytes: std::mem::take(&mut self.uncommitted_bytes),
        });
        self.partition.committed_offset.set(next_offset);
        let now = now();
        for oldest in self.oldest.drain(..) {
            self.observed.metrics.process.end_to_end_seconds.observe((now - oldest).max(0) as f64 / 1e3);
        }
        self.observed.status.update_partition(&self.source, |status| {
            status.position = Some(next_offset);
            status.committed = Some(next_offset);
        });
    }

    fn persisted(&mut self, applied: Offset) {
        self.applied_at = Instant::now();
        self.partition.applied_offset.set(applied);
        self.observed.status.update_partition(&self.source, |status| status.applied = Some(applied));
    }

    fn sizes(&mut self, store: &mut PartitionStore) {
        let (sizes, filters) = (store.sizes(), store.filter_counts());
        self.partition.store_keys.set(sizes.keys_estimate.cast_signed());
        self.partition.store_bytes.set(sizes.bytes_on_disk.cast_signed());
        self.partition.store_originals_bytes.set(sizes.originals_bytes.cast_signed());
        self.partition.store_originals_dropped_bytes.set(sizes.originals_dropped_early_bytes.cast_signed());
        self.partition.store_buckets.set(sizes.buckets.try_into().unwrap_or(i64::MAX));
        self.partition.store_front_keys.set(sizes.front_entries.try_into().unwrap_or(i64::MAX));
        let window = sizes.effective_window_ms.map_or(f64::INFINITY, |millis| millis as f64 / 1e3);
        self.partition.effective_window_seconds.set(window);
        let offsets = sizes.effective_window_offsets.map_or(f64::INFINITY, |offsets| offsets as f64);
        self.partition.effective_window_offsets.set(offsets);
        self.partition.applied_age_seconds.set(self.applied_at.elapsed().as_secs_f64());
        self.observed.status.update_partition(&self.source, |status| {
            status.size = Some(StateSize {
                keys: sizes.keys_estimate,
                state_bytes: sizes.bytes_on_disk,
                originals_bytes: sizes.originals_bytes,
                window_seconds: sizes.effective_window_ms.map(|millis| millis.unsigned_abs() / 1_000),
                window_offsets: sizes.effective_window_offsets.map(i64::unsigned_abs),
            });
        });
        let checked = |counts: &FilterCounts| counts.useful + counts.full_positive;
        let metrics = &self.observed.metrics.process;
        metrics.store_filter_checked.inc_by(checked(&filters).saturating_sub(checked(&self.filters)));
        metrics.store_filter_useful.inc_by(filters.useful.saturating_sub(self.filters.useful));
        self.filters = filters;
    }
}

impl Drop for PartitionObserver {
    fn drop(&mut self) {
        self.observed.metrics.forget(&self.source);
        self.observed.insights.forget(&self.source);
        self.observed.status.remove_partition(&self.source);
    }
}

fn now() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
