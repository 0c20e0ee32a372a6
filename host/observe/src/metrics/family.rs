//! Families whose series are told apart by the value of each label. The crate prometheus finds a series by a hash of its
//! concatenated values, to which partition 0 of `events1` and partition 10 of `events` are the same. Not what the series
//! are.

use prometheus::core::{Collector, Desc};
use prometheus::proto::{LabelPair, MetricFamily};

/// A family whose label values were made by [`apart`]; they are exported as they were before.
#[derive(Debug, Clone)]
pub struct Family<V>(pub(super) V);

/// Values that stay distinct when they are concatenated: each follows its length.
pub(super) fn apart(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| format!("{}:{value}", value.len())).collect()
}

/// The label with its original value.
fn plain(label: &LabelPair) -> LabelPair {
    let mut label = label.clone();
    if let Some((_, value)) = label.value().split_once(':') {
        let value = value.to_owned();
        label.set_value(value);
    }
    label
}

impl<V: Collector> Collector for Family<V> {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.0.collect();
        for metric in families.iter_mut().flat_map(|family| family.mut_metric()) {
            let labels = metric.get_label().iter().map(plain).collect();
            metric.set_label(labels);
        }
        families
    }
}
