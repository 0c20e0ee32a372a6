//! Series about duplicates, which are made at the moment of a scrape. Not their names: those are in `table`.

use engine::findings::{Histogram, Likeness, PER_KEY, PropertyCounts, Spread};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram as Buckets, LabelPair, Metric};

use crate::insights::{OTHER, Scrape};

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

/// One counter without a label.
pub(super) fn count(count: u64) -> Vec<Metric> {
    vec![counter(&[], count)]
}

/// A counter for each outcome.
pub(super) fn outcomes(counts: [u64; Likeness::ALL.len()]) -> Vec<Metric> {
    let counts = Likeness::ALL.iter().zip(counts);
    counts.map(|(likeness, count)| counter(&[("outcome", likeness.as_str())], count)).collect()
}

/// Four counters for each property that has a series of its own, and four for all others.
pub(super) fn properties(now: &Scrape) -> Vec<Metric> {
    let named = now.properties.iter().map(|(path, counts)| (path.as_str(), counts));
    named.chain([(OTHER, &now.other)]).flat_map(|(path, counts)| property(path, counts)).collect()
}

fn property(path: &str, counts: &PropertyCounts) -> [Metric; 4] {
    let PropertyCounts { changed, added, removed, same } = *counts;
    [("changed", changed), ("added", added), ("removed", removed), ("same", same)]
        .map(|(result, count)| counter(&[("path", path), ("result", result)], count))
}

/// A histogram of observed values.
pub(super) fn histogram<const N: usize>(values: &Histogram<N>) -> Vec<Metric> {
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
    vec![metric]
}

/// A gauge for each bound: how many keys do not exceed it.
pub(super) fn at_most(spread: &Spread) -> Vec<Metric> {
    let bounds = PER_KEY.iter().map(u64::to_string).chain(["+Inf".to_owned()]);
    let gauge = |(bound, keys): (String, u64)| {
        let (mut metric, mut gauge) = (labelled(&[("le", &bound)]), Gauge::default());
        gauge.set_value(keys as f64);
        metric.set_gauge(gauge);
        metric
    };
    bounds.zip(spread.at_most()).map(gauge).collect()
}
