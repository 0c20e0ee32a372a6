//! What the host counts and measures, in the text format of Prometheus. A closed set: every metric is a row of
//! `table.rs`, every label has a bounded set of values. Not logs, and not the status page.
//!
//! The hot path holds a [`PartitionMetrics`] and touches only atomics, once a batch.

mod collector;
mod family;
mod handles;
mod labels;
mod partition;
mod row;
mod section;
mod series;
mod table;

use std::sync::Arc;

use engine::record::TopicPartition;
pub use prometheus::{Counter, Gauge, Histogram, IntCounter, IntGauge};
use prometheus::{Registry, TextEncoder};

use self::collector::InsightsCollector;
pub use self::handles::{By, Handle, Open};
pub use self::labels::{
    CheckpointPlace, Destination, HttpCutOff, Label, LogGap, OpeningReason, Outcome, Rebalance, RestoreOrigin, Stage,
    SwapResult, TransactionResult, UnreadableReason, UnsendableReason,
};
pub use self::row::{Kind, Row};
use self::section::Section;
use self::table::{PartitionFamilies, PluginFamilies, ProcessFamilies};
pub use self::table::{PartitionMetrics, PluginMetrics, ProcessMetrics, rows};
use crate::insights::Insights;
use crate::status::PluginStatus;

/// All metrics of the process. Clones are the same metrics.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Those of the process as a whole.
    pub process: ProcessMetrics,
    partitions: PartitionFamilies,
    plugins: PluginFamilies,
}

impl Metrics {
    /// An independent set: two of them in one process share nothing.
    ///
    /// # Errors
    /// Only if two rows of the table had the same name.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let metrics = Self {
            process: ProcessFamilies::register(&registry)?.resolve(&[]),
            partitions: PartitionFamilies::register(&registry)?,
            plugins: PluginFamilies::register(&registry)?,
            registry,
        };
        metrics.process.build_info.with([env!("CARGO_PKG_VERSION")]).set(1);
        Ok(metrics)
    }

    /// Exports what is known about duplicates along with the other metrics; once per set.
    ///
    /// # Errors
    /// They are exported already.
    pub fn show(&self, insights: &Arc<Insights>) -> prometheus::Result<()> {
        self.registry.register(Box::new(InsightsCollector::new(Arc::clone(insights))?))
    }

    /// The metrics of a partition; they are exported until [`Metrics::forget`].
    #[must_use]
    pub fn partition(&self, partition: &TopicPartition) -> PartitionMetrics {
        self.partitions.resolve(&[&partition.topic, &partition.partition.to_string()])
    }

    /// Removes the series of a partition, which another host will export.
    pub fn forget(&self, partition: &TopicPartition) {
        const { assert!(PartitionFamilies::IS_CLOSED, "a row of a partition would leave series behind") };
        self.partitions.remove(&[&partition.topic, &partition.partition.to_string()]);
    }

    /// The metrics of a plugin.
    #[must_use]
    pub fn plugin(&self, name: &str) -> PluginMetrics {
        self.plugins.resolve(&[name])
    }

    /// Sets the plugins in force, each with its roles.
    pub fn set_plugins(&self, plugins: &[PluginStatus], generation: u64) {
        self.process.plugin_info.clear();
        for plugin in plugins {
            for role in &plugin.roles {
                self.process.plugin_info.with([role, &plugin.name, &plugin.version, &plugin.digest]).set(1);
            }
        }
        self.process.plugin_generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// Sets how many partitions the topic has, and how many it had when the group first started.
    pub fn input_partitions(&self, topic: &str, first: i32, now: i32) {
        for (when, partitions) in [("first_start", first), ("now", now)] {
            self.process.input_partitions.with([topic, when]).set(partitions.into());
        }
    }

    /// A request was answered; `path` comes from the closed set of routes.
    pub fn http_request(&self, path: &'static str, code: u16) {
        self.process.http_requests.with([path, code.to_string().as_str()]).inc();
    }

    /// All metrics in the text format of Prometheus, version 0.0.4.
    ///
    /// # Errors
    /// Only if a metric had no value, which the text format cannot express.
    pub fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;
