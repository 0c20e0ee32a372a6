//! The plugin `string_distance`: two events are as alike as their strings, by the edits that lead from one to the other.
//! A title with a typo is nearly the same title, where `property_similarity` sees a property that differs. It has no
//! opinion on numbers, booleans and arrays. Formula, configuration and examples are in README.md beside this crate.

mod distance;

use std::collections::BTreeMap;

use dedup_plugin::{
    Info, Input, Kind, Pair, Pointers, Property, Score, SimilarityScorer, Value, Verdict, Verdicts, check_pointer,
    export_similarity_scorer, pointer_covers,
};
use serde::Deserialize;

pub use distance::likeness;

/// Most pointers in `weights`.
const WEIGHTS_MAX: usize = 64;
/// Highest weight: above, all that weighs 1 would be lost beside it.
const WEIGHT_MAX: f64 = 1000.0;

/// The scorer, configured.
#[derive(Debug)]
pub struct StringDistance {
    properties: String,
    ignore: Pointers,
    /// Longest pointers first: the first that covers a property is the nearest to it.
    weights: Vec<(String, f64)>,
}

export_similarity_scorer!(StringDistance);

impl SimilarityScorer for StringDistance {
    const INFO: Info = Info { name: "string_distance", version: env!("CARGO_PKG_VERSION"), key_version: 1 };

    fn configure(config: &str) -> Result<(Self, Input), String> {
        let config = if config.trim().is_empty() { "{}" } else { config };
        let config: Config = serde_json::from_str(config).map_err(|error| error.to_string())?;
        if config.fields.is_empty() {
            return Err("fields is empty: name at least one, or leave it out for the whole event".to_owned());
        }
        config.fields.iter().chain([&config.properties]).try_for_each(|pointer| check_pointer(pointer))?;
        let ignore = Pointers::new(&config.ignore).map_err(|error| format!("ignore: {error}"))?;
        let scorer = Self { properties: config.properties, ignore, weights: checked(config.weights)? };
        Ok((scorer, Input::Fields(config.fields)))
    }

    fn compare(&self, pair: &Pair<'_>, verdicts: &mut Verdicts) -> Score {
        let (mut all, mut properties) = (Mean::default(), Mean::default());
        for property in pair.properties() {
            let strings = is_string(property.original) || is_string(property.duplicate);
            if !strings || self.ignore.covers(property.path) {
                verdicts.push(Verdict::Ignored);
                continue;
            }
            let same = property.is_same();
            let likeness = if same { 1.0 } else { likeness_of(&property) };
            let weight = self.weight(property.path);
            all.add(likeness, weight);
            if pointer_covers(self.properties.as_bytes(), property.path) {
                properties.add(likeness, weight);
            }
            verdicts.push(if same { Verdict::Same } else { Verdict::Changed });
        }
        Score { similarity: all.mean(), property_similarity: properties.mean() }
    }
}

impl StringDistance {
    #[inline]
    fn weight(&self, path: &[u8]) -> f64 {
        let nearest = self.weights.iter().find(|(pointer, _)| pointer_covers(pointer.as_bytes(), path));
        nearest.map_or(1.0, |(_, weight)| *weight)
    }
}

/// A string is not at all like a number, or like nothing.
#[cold]
fn likeness_of(property: &Property<'_>) -> f64 {
    match (string(property.original), string(property.duplicate)) {
        (Some(original), Some(duplicate)) => likeness(original, duplicate),
        _ => 0.0,
    }
}

fn string(value: Value<'_>) -> Option<&str> {
    is_string(value).then(|| value.text()).flatten()
}

/// A string that holds half a surrogate pair comes as JSON, in quotes.
fn is_string(value: Value<'_>) -> bool {
    value.kind == Kind::String || value.kind == Kind::Json && value.bytes.starts_with(b"\"")
}

#[derive(Debug, Default)]
struct Mean {
    sum: f64,
    weights: f64,
}

impl Mean {
    fn add(&mut self, likeness: f64, weight: f64) {
        self.sum += likeness * weight;
        self.weights += weight;
    }

    /// Of nothing, 1: nothing differs.
    fn mean(&self) -> f64 {
        if self.weights > 0.0 { self.sum / self.weights } else { 1.0 }
    }
}

fn checked(weights: BTreeMap<String, f64>) -> Result<Vec<(String, f64)>, String> {
    if weights.len() > WEIGHTS_MAX {
        return Err(format!("weights has {} pointers, and it may have {WEIGHTS_MAX}", weights.len()));
    }
    for (pointer, weight) in &weights {
        check_pointer(pointer).map_err(|error| format!("weights: {error}"))?;
        if !(*weight > 0.0 && *weight <= WEIGHT_MAX) {
            return Err(format!("the weight of {pointer} is {weight}: it is above 0, to {WEIGHT_MAX}; else ignore it"));
        }
    }
    let mut weights: Vec<_> = weights.into_iter().collect();
    weights.sort_by_key(|(pointer, _)| std::cmp::Reverse(pointer.len()));
    Ok(weights)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    fields: Vec<String>,
    properties: String,
    ignore: Vec<String>,
    weights: BTreeMap<String, f64>,
}

impl Default for Config {
    fn default() -> Self {
        let properties = "/properties".to_owned();
        Self { fields: vec![String::new()], properties, ignore: Vec::new(), weights: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dedup_plugin::testing::Harness;

    fn refusal(config: &str) -> String {
        Harness::<StringDistance>::new_scorer(config).err().unwrap()
    }

    #[test]
    fn strings_that_utf_8_cannot_hold_are_strings() {
        let scorer = Harness::<StringDistance>::new_scorer("").unwrap();
        let [one, other] = [r#""ab\ud83d""#, r#""ab\ud83e""#].map(|text| Value::new(Kind::Json, text));
        let said =
            scorer.compare_rows(&[("/a", one, other), ("/b", one, one), ("/c", one, Value::new(Kind::String, "x"))]);
        assert_eq!((said.changed, said.same), (vec!["/a".to_owned(), "/c".to_owned()], vec!["/b".to_owned()]));
        let list = Value::new(Kind::Json, "[1]");
        assert_eq!(scorer.compare_rows(&[("/a", list, Value::new(Kind::Json, "[2]"))]).ignored, ["/a"]);
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        assert!(refusal(r#"{"wieghts": {}}"#).contains("unknown field `wieghts`"));
        assert!(refusal(r#"{"weights": {"/a": 0}}"#).contains("the weight of /a is 0"));
        assert!(refusal(r#"{"weights": {"/a": 1e9}}"#).contains("the weight of /a is 1000000000"));
        assert!(refusal(r#"{"weights": {"a": 1}}"#).contains("weights: \"a\" is no JSON pointer"));
        assert!(refusal(r#"{"ignore": ["a"]}"#).contains("ignore: \"a\" is no JSON pointer"));
        assert!(refusal(r#"{"fields": []}"#).contains("fields is empty"));
    }
}
