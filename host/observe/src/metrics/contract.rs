//! What is exported is a contract with other people's dashboards and alerts: nothing of it changes, and additions are free.

use std::sync::Arc;

use engine::record::TopicPartition;

use super::*;
use crate::insights::Insights;
use crate::status::PluginUse;

/// A family as a scraper sees it. Values of open labels are those that [`touched`] makes up; the bounds of histograms are
/// values of `le`.
#[derive(Default)]
struct Family<'a> {
    name: &'a str,
    kind: &'a str,
    labels: Vec<(&'a str, Vec<&'a str>)>,
    help: &'a str,
}

impl<'a> Family<'a> {
    fn add(&mut self, label: &'a str, value: &'a str) {
        match self.labels.iter_mut().find(|(known, _)| *known == label) {
            None => self.labels.push((label, vec![value])),
            Some((_, values)) if values.contains(&value) => {}
            Some((_, values)) => values.push(value),
        }
    }

    fn line(&self) -> String {
        let labels = self.labels.iter().map(|(label, values)| format!("{label}={}", values.join("|")));
        format!("{} {} {{{}}} {}", self.name, self.kind, labels.collect::<Vec<_>>().join(" "), self.help)
    }
}

fn families(text: &str) -> Vec<String> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) {
            families.push(Family { name, help, ..Family::default() });
            continue;
        }
        let family = families.last_mut().unwrap();
        if let Some((_, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) {
            family.kind = kind;
        } else if let Some((labels, _)) = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')) {
            let pairs = labels.split("\",").filter_map(|pair| pair.trim_end_matches('"').split_once("=\""));
            pairs.for_each(|(label, value)| family.add(label, value));
        }
    }
    families.iter().map(Family::line).collect()
}

/// A set in which every family was used.
fn touched() -> String {
    let metrics = Metrics::new().unwrap();
    metrics.show(&Arc::new(Insights::new(false))).unwrap();
    let _ = metrics.partition(&TopicPartition { topic: "events".into(), partition: 0 });
    touch(&metrics);
    metrics.render().unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

/// Uses the series that do not exist from the start.
fn touch(metrics: &Metrics) {
    metrics.process.stage_seconds.with([]).observe(Stage::Decode, 0.1);
    let plugin = metrics.plugin("composite_key");
    plugin.failures.with(["trap"]).inc();
    let (name, version, digest) = ("composite_key".into(), "1.0.0".into(), "ab".into());
    let (roles, used) = (vec!["key-extractor"], PluginUse::default());
    metrics.set_plugins(&[PluginStatus { name, version, digest, roles, since: 0, used }], 1);
    metrics.http_request("/metrics", 200);
    metrics.input_partitions("events", 2, 3);
}

#[test]
fn what_was_exported_stays() {
    let now = families(&touched());
    let contract: Vec<_> = include_str!("contract.txt").lines().collect();
    assert!(contract.len() >= 61, "{}", contract.len());
    let gone: Vec<_> = contract.iter().filter(|line| !now.iter().any(|is| is == *line)).collect();
    assert!(gone.is_empty(), "{gone:#?}\nis not among\n{now:#?}");
}
