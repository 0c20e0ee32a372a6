//! Events as rows: the test harness's way of doing what the host does with a pair of events. It is written to be read,
//! not to be fast, and knows no depth or length that the host would cut at.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Number, Value as Json};

use crate::bindings::types::{Column, Comparisons, Pairs};
use crate::pointers::{check, covers};
use crate::{Kind, Pair, Score, Value, Verdict};

/// What a scorer said of one pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// How alike the events are.
    pub score: Score,
    /// JSON pointers of the properties that differ.
    pub changed: Vec<String>,
    /// Of those that agree.
    pub same: Vec<String>,
    /// Of those that were not looked at.
    pub ignored: Vec<String>,
}

impl Default for Comparison {
    /// Two events without any property.
    fn default() -> Self {
        let score = Score { similarity: 1.0, property_similarity: 1.0 };
        Self { score, changed: Vec::new(), same: Vec::new(), ignored: Vec::new() }
    }
}

impl Comparison {
    /// What an answer says of each pair of a batch.
    #[must_use]
    pub fn of(pairs: &Pairs, answer: &Comparisons) -> Vec<Self> {
        let mut verdicts = answer.verdicts.iter();
        let scores = answer.similarity.iter().zip(&answer.property_similarity);
        let each = Pair::all(pairs).zip(scores).map(|(pair, (similarity, property_similarity))| {
            let score = Score { similarity: *similarity, property_similarity: *property_similarity };
            let mut comparison = Self { score, ..Self::default() };
            for (property, verdict) in pair.properties().zip(&mut verdicts) {
                comparison.list_of(*verdict).push(property.pointer().to_owned());
            }
            comparison
        });
        each.collect()
    }

    fn list_of(&mut self, verdict: u8) -> &mut Vec<String> {
        match verdict {
            number if number == Verdict::Same as u8 => &mut self.same,
            number if number == Verdict::Changed as u8 => &mut self.changed,
            _ => &mut self.ignored,
        }
    }
}

/// A batch without pairs.
#[must_use]
pub fn no_pairs() -> Pairs {
    let column = || Column { data: Vec::new(), ends: Vec::new() };
    let (original_kinds, duplicate_kinds) = (Vec::new(), Vec::new());
    let (paths, originals, duplicates) = (column(), column(), column());
    Pairs { ends: Vec::new(), paths, original_kinds, originals, duplicate_kinds, duplicates }
}

/// Appends a pair given as rows, ascending by pointer: pointer, what the original has there, what the duplicate has.
pub fn push_rows<'a>(pairs: &mut Pairs, rows: impl IntoIterator<Item = (&'a str, Value<'a>, Value<'a>)>) {
    for (path, original, duplicate) in rows {
        push(&mut pairs.paths, path.as_bytes());
        push(&mut pairs.originals, original.bytes);
        pairs.original_kinds.push(original.kind as u8);
        push(&mut pairs.duplicates, duplicate.bytes);
        pairs.duplicate_kinds.push(duplicate.kind as u8);
    }
    pairs.ends.push(pairs.paths.ends.len() as u32);
}

fn push(column: &mut Column, value: &[u8]) {
    column.data.extend_from_slice(value);
    column.ends.push(column.data.len() as u32);
}

/// Appends a pair given as two JSON texts: their properties at and below the pointers `roots`, side by side.
///
/// # Errors
/// A text is no JSON, or a root no pointer.
pub fn push_events(pairs: &mut Pairs, original: &str, duplicate: &str, roots: &[String]) -> Result<(), String> {
    roots.iter().try_for_each(|root| check(root))?;
    let (originals, duplicates) = (properties(original)?, properties(duplicate)?);
    let paths: BTreeSet<&String> = originals.keys().chain(duplicates.keys()).collect();
    let paths = paths.into_iter().filter(|path| roots.iter().any(|root| covers(root.as_bytes(), path.as_bytes())));
    push_rows(pairs, paths.map(|path| (path.as_str(), value_at(&originals, path), value_at(&duplicates, path))));
    Ok(())
}

type Properties = BTreeMap<String, (Kind, String)>;

fn value_at<'a>(properties: &'a Properties, path: &str) -> Value<'a> {
    properties.get(path).map_or(Value::ABSENT, |(kind, text)| Value::new(*kind, text))
}

fn properties(event: &str) -> Result<Properties, String> {
    let event: Json = serde_json::from_str(event).map_err(|error| error.to_string())?;
    let mut properties = Properties::new();
    flatten(&event, String::new(), &mut properties);
    Ok(properties)
}

fn flatten(value: &Json, path: String, properties: &mut Properties) {
    let (kind, text) = match value {
        Json::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                flatten(value, format!("{path}/{name}"), properties);
            }
            return;
        }
        Json::Null => (Kind::Null, String::new()),
        Json::Bool(value) => (Kind::Bool, value.to_string()),
        Json::Number(number) => (Kind::Number, by_value(number).to_string()),
        Json::String(text) => (Kind::String, text.clone()),
        Json::Array(_) | Json::Object(_) => (Kind::Json, canonical(value).to_string()),
    };
    properties.insert(path, (kind, text));
}

/// The same number, in the one spelling that all its spellings share.
fn by_value(number: &Number) -> Number {
    // Up to 2^53 every whole number has a float of its own.
    let whole = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0);
    whole.map_or_else(|| number.clone(), |value| Number::from(value as i64))
}

/// The same value with all numbers by value, and members in the order of their names.
fn canonical(value: &Json) -> Json {
    match value {
        Json::Number(number) => Json::Number(by_value(number)),
        Json::Array(values) => values.iter().map(canonical).collect(),
        Json::Object(members) => {
            let sorted: BTreeMap<&String, Json> =
                members.iter().map(|(name, value)| (name, canonical(value))).collect();
            sorted.into_iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Json::Null | Json::Bool(_) | Json::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Property;

    fn laid_out(original: &str, duplicate: &str, roots: &[&str]) -> String {
        let mut pairs = no_pairs();
        let roots: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
        push_events(&mut pairs, original, duplicate, &roots).unwrap();
        let pair = Pair::all(&pairs).next().unwrap();
        let text = |value: Value<'_>| format!("{:?} {}", value.kind, value.text().unwrap());
        let row = |property: Property<'_>| {
            format!("{}: {} | {}\n", property.pointer(), text(property.original), text(property.duplicate))
        };
        pair.properties().map(row).collect()
    }

    #[test]
    fn two_events_side_by_side() {
        let original = r#"{"b": {"x/y": 1.0, "~": null, "e": {}}, "a": [1.0, {"z": 2, "y": 1e0}], "t": true}"#;
        let duplicate = r#"{"a": "é", "b": 1, "c": -0.0, "d": 1.5}"#;
        let expected = [
            "/a: Json [1,{\"y\":1,\"z\":2}] | String é\n",
            "/b: Absent  | Number 1\n",
            "/b/e: Json {} | Absent \n",
            "/b/x~1y: Number 1 | Absent \n",
            "/b/~0: Null  | Absent \n",
            "/c: Absent  | Number 0\n",
            "/d: Absent  | Number 1.5\n",
            "/t: Bool true | Absent \n",
        ];
        assert_eq!(laid_out(original, duplicate, &[""]), expected.concat());
        assert_eq!(laid_out(original, duplicate, &["/b", "/d"]), [&expected[1..5], &expected[6..7]].concat().concat());
        assert_eq!(laid_out("1", "1", &[""]), ": Number 1 | Number 1\n");
    }

    #[test]
    fn texts_that_are_no_json() {
        assert!(push_events(&mut no_pairs(), "{", "{}", &[String::new()]).is_err());
    }
}
