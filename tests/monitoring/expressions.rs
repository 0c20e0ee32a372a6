//! Metrics and selectors in PromQL, found by their prefix. It is no parser: Prometheus itself says what is valid.

use std::collections::BTreeSet;

const PREFIX: &str = "dedup_host_";

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Each `dedup_host_...` of a text with what follows it.
fn mentions(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.match_indices(PREFIX).map(move |(at, _)| {
        let name = text[at..].split(|character| !is_name(character)).next().unwrap_or_default();
        (name, &text[at + name.len()..])
    })
}

/// The metrics that the host has, by its own table.
pub(crate) fn known() -> BTreeSet<String> {
    observe::metrics::rows().map(|row| row.name.to_owned()).collect()
}

/// The metrics that a text names; `known` are those that the host has, in whose series a histogram has three names.
pub(crate) fn metrics(text: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let base = |name: &str| {
        let series_of = |suffix: &&str| name.strip_suffix(*suffix).filter(|base| known.contains(*base));
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(series_of);
        histogram.filter(|_| !known.contains(name)).unwrap_or(name).to_owned()
    };
    mentions(text).map(|(name, _)| base(name)).collect()
}

/// The selectors of an expression: a name, and the matchers after it.
pub(crate) fn selectors(expression: &str) -> BTreeSet<String> {
    let selector = |(name, rest): (&str, &str)| {
        let matchers = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(inside, _)| inside);
        format!("{name}{{{}}}", matchers.unwrap_or_default())
    };
    mentions(expression).map(selector).collect()
}

/// The names of the metrics in what the host shows.
pub(crate) fn shown(metrics: &str) -> BTreeSet<String> {
    let name = |line: &str| line.strip_prefix("# TYPE ")?.split(' ').next().map(str::to_owned);
    metrics.lines().filter_map(name).collect()
}
