//! What metrics and `/api` have to say of duplicates together, summed up from what is known of each; and a look at
//! what they do say. Host and model have to agree on every number.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{CLOSE, ESTIMATE_ERROR, Explained, assert_uuids};
use crate::scene::Metrics;

/// The kinds of duplicates.
pub const OUTCOMES: [&str; 5] = ["same_event", "same_uuid", "only_uuid_different", "content_differs", "unscored"];

const RESULTS: [&str; 4] = ["changed", "added", "removed", "same"];

/// Bytes of a property's label.
const LABEL_BYTES_MAX: usize = 128;

/// One original and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeavyKey {
    /// The key as text.
    pub key: String,
    /// Partition.
    pub partition: i64,
    /// Offset of the original.
    pub original: i64,
    /// Offset of its last duplicate.
    pub last: i64,
    /// Its duplicates.
    pub duplicates: u64,
    /// Distinct uuids.
    pub distinct_uuids: usize,
}

/// Sums over duplicates.
#[derive(Debug, Default)]
pub struct Sums {
    /// By kind.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Each similarity.
    pub similarity: Vec<f64>,
    /// Each similarity of properties.
    pub property_similarity: Vec<f64>,
    /// Each similarity of uuids.
    pub uuid_similarity: Vec<f64>,
    /// Each time between original and duplicate.
    pub gap_seconds: Vec<f64>,
    /// Comparisons by pointer and result.
    pub properties: BTreeMap<(String, &'static str), u64>,
    /// Originals that have duplicates, by partition and offset.
    pub keys: BTreeMap<(i64, i64), HeavyKey>,
}

impl Sums {
    /// Sums up.
    #[must_use]
    pub fn of(explained: &[Explained]) -> Self {
        let mut sums = Self::default();
        for duplicate in explained {
            *sums.outcomes.entry(duplicate.outcome).or_default() += 1;
            sums.similarity.push(duplicate.similarity);
            sums.property_similarity.push(duplicate.property_similarity);
            sums.uuid_similarity.extend(duplicate.uuid_similarity);
            sums.gap_seconds.extend(duplicate.gap_seconds());
            let changed = duplicate.changed.iter().map(|(path, change)| (path, change.kind));
            for (path, result) in changed.chain(duplicate.same.iter().map(|path| (path, "same"))) {
                *sums.properties.entry((path.clone(), result)).or_default() += 1;
            }
            if duplicate.forwarded {
                continue;
            }
            let key = HeavyKey {
                key: duplicate.key.clone(),
                partition: duplicate.place.0,
                original: duplicate.original,
                last: duplicate.place.1,
                duplicates: duplicate.count,
                distinct_uuids: duplicate.distinct_uuids,
            };
            sums.keys.insert((key.partition, key.original), key);
        }
        sums
    }

    fn histograms(&self) -> [(&'static str, &'static str, &[f64]); 4] {
        [
            ("dedup_host_duplicate_similarity", "similarity", &self.similarity),
            ("dedup_host_duplicate_property_similarity", "property_similarity", &self.property_similarity),
            ("dedup_host_duplicate_uuid_similarity", "uuid_similarity", &self.uuid_similarity),
            ("dedup_host_duplicate_gap_seconds", "gap_seconds", &self.gap_seconds),
        ]
    }

    /// Checks every metric about duplicates.
    pub fn check_metrics(&self, metrics: &Metrics) {
        let text = &metrics.text;
        for outcome in OUTCOMES {
            let said = metrics.count("dedup_host_duplicates_total", &[&format!("outcome=\"{outcome}\"")]);
            assert_eq!(said, self.outcomes.get(outcome).copied().unwrap_or(0), "{outcome}: {text}");
        }
        for (name, _, values) in self.histograms() {
            let buckets = by_bound(text, &format!("{name}_bucket"));
            assert!(buckets.len() > 3, "{name} has no buckets: {text}");
            for (bound, count) in buckets {
                check_at_most(values, bound, count, name);
            }
            assert_eq!(metrics.count(&format!("{name}_count"), &[]), values.len() as u64, "{name}");
            check_sum(values, metrics.sum(&format!("{name}_sum"), &[]), name);
        }
        for (name, counts) in self.spreads() {
            let buckets = by_bound(text, name);
            assert!(buckets.len() > 3, "{name} is not there: {text}");
            for (bound, count) in buckets {
                check_spread_at_most(&counts, bound, count, name);
            }
        }
        self.check_property_metrics(text);
    }

    /// How much each key has of what is counted of keys.
    fn spreads(&self) -> [(&'static str, Vec<u64>); 2] {
        let duplicates = self.keys.values().map(|key| key.duplicates).collect();
        let uuids = self.keys.values().map(|key| key.distinct_uuids as u64).collect();
        [("dedup_host_keys_by_duplicates", duplicates), ("dedup_host_keys_by_distinct_uuids", uuids)]
    }

    fn check_property_metrics(&self, text: &str) {
        let mut said: BTreeMap<(String, String), u64> = BTreeMap::new();
        for (labels, value) in series(text, "dedup_host_property_comparisons_total") {
            *said.entry((labels["path"].clone(), labels["result"].clone())).or_default() += value as u64;
        }
        said.retain(|_, count| *count > 0);
        let expected = self.properties.iter().map(|((path, result), count)| {
            assert!(path.len() <= LABEL_BYTES_MAX, "this check knows short pointers only");
            ((path.clone(), (*result).to_owned()), *count)
        });
        assert_eq!(said, expected.collect(), "comparisons by property and result");
    }

    /// Checks `/api/duplicates`.
    pub fn check_duplicates(&self, answer: &Value) {
        for outcome in OUTCOMES {
            let expected = self.outcomes.get(outcome).copied().unwrap_or(0);
            assert_eq!(answer["outcomes"][outcome], expected, "{outcome}: {answer}");
        }
        for (_, name, values) in self.histograms() {
            for (bound, count) in bars(&answer[name]) {
                check_at_most(values, bound, count, name);
            }
            check_sum(values, answer[name]["sum"].as_f64().expect("a sum"), name);
        }
        let names = ["duplicates_per_key", "distinct_uuids_per_key"];
        for (name, (_, counts)) in names.into_iter().zip(self.spreads()) {
            for (bound, count) in bars(&answer[name]) {
                check_spread_at_most(&counts, bound, count, name);
            }
        }
        let mut said = BTreeMap::new();
        for property in answer["properties"].as_array().expect("a list") {
            let path = property["path"].as_str().expect("text");
            for result in RESULTS {
                let count = property[result].as_u64().expect("a count");
                if count > 0 {
                    said.insert((path.to_owned(), result), count);
                }
            }
        }
        assert_eq!(said, self.properties, "comparisons by property and result");
    }

    /// Checks `/api/keys`: the heaviest of all, with what is known of each.
    pub fn check_keys(&self, answer: &Value) {
        let keys = answer["keys"].as_array().expect("a list");
        let mut weights: Vec<u64> = self.keys.values().map(|key| key.duplicates).collect();
        weights.sort_unstable_by(|one, other| other.cmp(one));
        weights.truncate(keys.len());
        let said: Vec<u64> = keys.iter().map(|key| key["duplicates"].as_u64().expect("a count")).collect();
        assert!(keys.len() == self.keys.len().min(100), "{} keys of {}", keys.len(), self.keys.len());
        assert_eq!(said, weights, "the heaviest keys, heaviest first");
        for said in keys {
            let number = |name: &str| said[name].as_i64().unwrap_or_else(|| panic!("no {name}: {said}"));
            let key = &self.keys[&(number("partition"), number("original_offset"))];
            assert_eq!(
                (number("last_offset"), number("duplicates").unsigned_abs()),
                (key.last, key.duplicates),
                "{said}"
            );
            assert_eq!(said["key"].as_str(), Some(&*key.key), "{said}");
            let exact = said["distinct_uuids_exact"] == true;
            assert_uuids(key.distinct_uuids, &said["distinct_uuids"], exact, &said.to_string());
        }
    }
}

/// Checks `/api/latest`: each of the duplicates in it is told as the model tells it.
pub fn check_latest(explained: &[Explained], answer: &Value) {
    let by_place: BTreeMap<_, _> = explained.iter().map(|duplicate| (duplicate.place, duplicate)).collect();
    let latest = answer["duplicates"].as_array().expect("a list");
    assert!(!latest.is_empty() && latest.len() <= 50, "{} duplicates", latest.len());
    for said in latest {
        let place = (said["partition"].as_i64().expect("a number"), said["offset"].as_i64().expect("a number"));
        let expected = by_place.get(&place).unwrap_or_else(|| panic!("not a duplicate: {said}"));
        assert_eq!(said["original_offset"], expected.original, "{said}");
        let count = if expected.forwarded { Value::Null } else { expected.count.into() };
        assert_eq!((&said["outcome"], &said["count"]), (&expected.outcome.into(), &count), "{said}");
        assert_eq!(said["key"].as_str(), Some(&*expected.key), "{said}");
        for (name, score) in
            [("similarity", expected.similarity), ("property_similarity", expected.property_similarity)]
        {
            assert!((said[name].as_f64().expect("a score") - score).abs() < CLOSE, "{name}: {said}");
        }
        check_latest_rows(expected, said);
    }
}

fn check_latest_rows(expected: &Explained, said: &Value) {
    let rows = said["rows"].as_array().expect("a list");
    let known = expected.changed.len() + expected.same.len();
    assert_eq!(rows.len(), known.min(64), "{said}");
    for (nth, row) in rows.iter().enumerate() {
        let path = row["path"].as_str().expect("text");
        match expected.changed.get(path) {
            Some(change) => {
                assert!(nth < expected.changed.len(), "those that differ come first: {said}");
                assert_eq!((&row["verdict"], &row["change"]), (&"changed".into(), &change.kind.into()), "{row}");
                for (side, value) in [("original", &change.original), ("duplicate", &change.duplicate)] {
                    let text =
                        value.as_ref().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                    assert_eq!(row[side].as_str().map(str::to_owned), text, "{row}");
                }
            }
            None => assert!(row["verdict"] == "same" && expected.same.contains(path), "{row}"),
        }
    }
}

/// Values that are as near to a bound as rounding errors may be count on either side.
fn check_at_most(values: &[f64], bound: f64, said: u64, name: &str) {
    let at_most = |bound: f64| values.iter().filter(|value| **value <= bound).count() as u64;
    let (least, most) = (at_most(bound - CLOSE), at_most(bound + CLOSE));
    assert!((least..=most).contains(&said), "{name}: {said} up to {bound}, and not {least} to {most}");
}

/// Numbers of uuids above 16 are estimates.
fn check_spread_at_most(counts: &[u64], bound: f64, said: u64, name: &str) {
    let is_exact = |count: u64| !name.contains("uuids") || count <= 16;
    let at_most = |share: f64| {
        let below = |count: &&u64| **count as f64 * if is_exact(**count) { 1.0 } else { share } <= bound;
        counts.iter().filter(below).count() as u64
    };
    let (least, most) = (at_most(1.0 + ESTIMATE_ERROR), at_most(1.0 - ESTIMATE_ERROR));
    assert!((least..=most).contains(&said), "{name}: {said} up to {bound}, and not {least} to {most}");
}

fn check_sum(values: &[f64], said: f64, name: &str) {
    let expected: f64 = values.iter().sum();
    assert!(
        (said - expected).abs() <= 1e-9 * (1.0 + values.len() as f64 + expected.abs()),
        "{name}: {said}, {expected}"
    );
}

/// A histogram of the `/api` as bounds and how many are not above each.
fn bars(answer: &Value) -> Vec<(f64, u64)> {
    let list = |name: &str| answer[name].as_array().unwrap_or_else(|| panic!("no {name}: {answer}"));
    let (bounds, counts) = (list("bounds"), list("counts"));
    assert_eq!(counts.len(), bounds.len() + 1, "{answer}");
    let bounds = bounds.iter().map(|bound| bound.as_f64().expect("a bound")).chain([f64::INFINITY]);
    let at_most = counts.iter().scan(0, |sum, count| {
        *sum += count.as_u64().expect("a count");
        Some(*sum)
    });
    bounds.zip(at_most).collect()
}

/// The sum of the series of each `le`.
fn by_bound(text: &str, name: &str) -> Vec<(f64, u64)> {
    let mut found: BTreeMap<String, (f64, u64)> = BTreeMap::new();
    for (labels, value) in series(text, name) {
        let bound = labels["le"].parse().expect("a bound");
        found.entry(labels["le"].clone()).or_insert((bound, 0)).1 += value as u64;
    }
    found.into_values().collect()
}

/// All series of a metric: labels and value.
#[must_use]
pub fn series(text: &str, name: &str) -> Vec<(BTreeMap<String, String>, f64)> {
    let of_line = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest),
            None => (BTreeMap::new(), rest.strip_prefix(' ')?),
        };
        Some((labels, value.trim().parse().expect("a number")))
    };
    text.lines().filter_map(of_line).collect()
}

/// `a="b",c="d"} 17`: the labels, and what follows.
fn labels(mut text: &str) -> (BTreeMap<String, String>, &str) {
    let mut found = BTreeMap::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let (mut value, mut escaped) = (String::new(), false);
        let mut end = rest.len();
        for (at, character) in rest.char_indices() {
            match (escaped, character) {
                (true, other) => value.push(if other == 'n' { '\n' } else { other }),
                (false, '\\') => {}
                (false, '"') => {
                    end = at + 1;
                    break;
                }
                (false, other) => value.push(other),
            }
            escaped = !escaped && character == '\\';
        }
        found.insert(name.trim_start_matches(',').to_owned(), value);
        text = &rest[end..];
        if let Some(rest) = text.strip_prefix('}') {
            return (found, rest);
        }
    }
    (found, text.trim_start_matches('}'))
}
