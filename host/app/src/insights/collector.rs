//! Insights as metrics of Prometheus. Read at the moment of the scrape: the line knows nothing of them.

use std::collections::HashMap;
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram as Buckets, LabelPair, Metric, MetricFamily, MetricType};

use super::histogram::{Histogram, PER_KEY, Spread};
use super::likeness::Likeness;
use super::properties::PropertyCounts;
use super::sums::Insights;
use super::text::OTHER;
use crate::metrics::names;

const PROPERTIES_HELP: &str = "comparisons of a property of a duplicate with its original's; properties that change \
    most have a series of their own, which counts from the moment it is there, all others are other";
const DUPLICATES_HELP: &str = "keys that got duplicates on this host while it has their partition, by at most how many \
    they have; a gauge, as keys grow out of their bucket, made for histogram_quantile without rate; a key with \
    duplicates from before is counted from the first bound it passes here";
const UUIDS_HELP: &str = "keys that got duplicates on this host while it has their partition, by at most how many \
    distinct uuids they have, the original's included; a gauge, like dedup_host_keys_by_duplicates";

/// Name, help and labels of each family.
const FAMILIES: [(&str, &str, &[&str]); 9] = [
    (names::DUPLICATES, "duplicates by how they relate to their original", &["outcome"]),
    (
        names::DUPLICATES_FORWARDED,
        "duplicates forwarded because they are less similar than \
     --forward-below-similarity",
        &[],
    ),
    (names::DUPLICATE_SIMILARITY, "similarity of duplicates and originals, by the scorer", &[]),
    (names::DUPLICATE_PROPERTY_SIMILARITY, "the same over their properties alone", &[]),
    (names::DUPLICATE_UUID_SIMILARITY, "share of equal characters of their uuids", &[]),
    (names::DUPLICATE_GAP_SECONDS, "time between original and duplicate, either first", &[]),
    (names::KEYS_BY_DUPLICATES, DUPLICATES_HELP, &["le"]),
    (names::KEYS_BY_DISTINCT_UUIDS, UUIDS_HELP, &["le"]),
    (names::PROPERTY_COMPARISONS, PROPERTIES_HELP, &["path", "result"]),
];

/// Shows [`Insights`] in a registry.
#[derive(Debug)]
pub struct InsightsCollector {
    insights: Arc<Insights>,
    descriptions: Vec<Desc>,
}

impl InsightsCollector {
    /// A collector to be registered once.
    ///
    /// # Errors
    /// Only if a name of ours were not one to Prometheus.
    pub fn new(insights: Arc<Insights>) -> prometheus::Result<Self> {
        let description = |(name, help, labels): (&str, &str, &[&str])| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())
        };
        let descriptions = FAMILIES.into_iter().map(description).collect::<prometheus::Result<_>>()?;
        Ok(Self { insights, descriptions })
    }
}

impl Collector for InsightsCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let now = self.insights.scrape();
        let outcomes = Likeness::ALL.iter().zip(now.shape.outcomes);
        let outcomes = outcomes.map(|(likeness, count)| counter(&[("outcome", likeness.as_str())], count)).collect();
        let named = now.properties.iter().map(|(path, counts)| (path.as_str(), counts));
        let properties = named.chain([(OTHER, &now.other)]).flat_map(|(path, counts)| property(path, counts)).collect();
        let series = [
            (MetricType::COUNTER, outcomes),
            (MetricType::COUNTER, vec![counter(&[], now.shape.forwarded)]),
            (MetricType::HISTOGRAM, vec![histogram(&now.shape.similarity)]),
            (MetricType::HISTOGRAM, vec![histogram(&now.shape.property_similarity)]),
            (MetricType::HISTOGRAM, vec![histogram(&now.shape.uuid_similarity)]),
            (MetricType::HISTOGRAM, vec![histogram(&now.shape.gap_seconds)]),
            (MetricType::GAUGE, at_most(&now.spreads.duplicates)),
            (MetricType::GAUGE, at_most(&now.spreads.distinct_uuids)),
            (MetricType::COUNTER, properties),
        ];
        let families = FAMILIES.into_iter().zip(series);
        families.map(|((name, help, _), (kind, metrics))| family(name, help, kind, metrics)).collect()
    }
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn labelled(labels: &[(&str, &str)]) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Metric::from_label(labels.iter().map(pair).collect())
}

fn counter(labels: &[(&str, &str)], count: u64) -> Metric {
    let (mut metric, mut counter) = (labelled(labels), Counter::default());
    counter.set_value(count as f64);
    metric.set_counter(counter);
    metric
}

fn property(path: &str, counts: &PropertyCounts) -> [Metric; 4] {
    let PropertyCounts { changed, added, removed, same } = *counts;
    [("changed", changed), ("added", added), ("removed", removed), ("same", same)]
        .map(|(result, count)| counter(&[("path", path), ("result", result)], count))
}

fn histogram<const N: usize>(values: &Histogram<N>) -> Metric {
    let (mut metric, mut buckets) = (labelled(&[]), Buckets::default());
    let mut total = 0;
    let mut at_most = Vec::with_capacity(N);
    for (place, count) in values.counts().enumerate() {
        total += count;
        if let Some(bound) = values.bounds.get(place) {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(total);
            at_most.push(bucket);
        }
    }
    buckets.set_bucket(at_most);
    buckets.set_sample_count(total);
    buckets.set_sample_sum(values.sum);
    metric.set_histogram(buckets);
    metric
}

fn at_most(spread: &Spread) -> Vec<Metric> {
    let bounds = PER_KEY.iter().map(u64::to_string).chain(["+Inf".to_owned()]);
    let gauge = |(bound, keys): (String, u64)| {
        let (mut metric, mut gauge) = (labelled(&[("le", &bound)]), Gauge::default());
        gauge.set_value(keys as f64);
        metric.set_gauge(gauge);
        metric
    };
    bounds.zip(spread.at_most()).map(gauge).collect()
}
