//! The plugin `property_similarity`: two events are as alike as the share of their properties that agree, those below
//! `/properties` weighing 0.3 and all others 0.7. Not a measure of how far values are apart: a property agrees or it
//! does not. Formula, configuration and examples are in README.md beside this crate.

mod multiset;

use dedup_plugin::instant::instant;
use dedup_plugin::{
    Info, Input, Pair, Pointers, Property, Score, SimilarityScorer, Value, Verdict, Verdicts, check_pointer,
    export_similarity_scorer, pointer_covers,
};
use serde::Deserialize;

/// The scorer, configured.
#[derive(Debug)]
pub struct PropertySimilarity {
    properties: String,
    field_weight: f64,
    ignore: Pointers,
    times: Pointers,
    unordered: Pointers,
}

export_similarity_scorer!(PropertySimilarity);

impl SimilarityScorer for PropertySimilarity {
    const INFO: Info = Info { name: "property_similarity", version: env!("CARGO_PKG_VERSION"), key_version: 1 };

    fn configure(config: &str) -> Result<(Self, Input), String> {
        let config = if config.trim().is_empty() { "{}" } else { config };
        let config: Config = serde_json::from_str(config).map_err(|error| error.to_string())?;
        if config.fields.is_empty() {
            return Err("fields is empty: name at least one, or leave it out for the whole event".to_owned());
        }
        config.fields.iter().chain([&config.properties]).try_for_each(|pointer| check_pointer(pointer))?;
        if !(0.0..=1.0).contains(&config.field_weight) {
            return Err(format!("field_weight is {}, and it may be 0 to 1", config.field_weight));
        }
        let list =
            |name: &str, pointers: &[String]| Pointers::new(pointers).map_err(|error| format!("{name}: {error}"));
        let scorer = Self {
            ignore: list("ignore", &config.ignore)?,
            times: list("times", &config.times)?,
            unordered: list("unordered", &config.unordered)?,
            properties: config.properties,
            field_weight: config.field_weight,
        };
        Ok((scorer, Input::Fields(config.fields)))
    }

    #[inline]
    fn compare(&self, pair: &Pair<'_>, verdicts: &mut Verdicts) -> Score {
        let (mut fields, mut properties) = (Part::default(), Part::default());
        for property in pair.properties() {
            if self.ignore.covers(property.path) {
                verdicts.push(Verdict::Ignored);
                continue;
            }
            let same = property.is_same() || self.mean_the_same(&property);
            let inside = pointer_covers(self.properties.as_bytes(), property.path);
            let part = if inside { &mut properties } else { &mut fields };
            part.rows += 1;
            part.same += u32::from(same);
            verdicts.push(if same { Verdict::Same } else { Verdict::Changed });
        }
        let similarity = match (fields.share(), properties.share()) {
            (Some(fields), Some(properties)) => self.field_weight * fields + (1.0 - self.field_weight) * properties,
            (Some(share), None) | (None, Some(share)) => share,
            (None, None) => 1.0,
        };
        Score { similarity, property_similarity: properties.share().unwrap_or(1.0) }
    }
}

impl PropertySimilarity {
    /// Whether values that are not written alike mean the same where they stand.
    #[cold]
    fn mean_the_same(&self, property: &Property<'_>) -> bool {
        let Property { path, original, duplicate } = *property;
        self.times.covers(path) && same_instant(original, duplicate)
            || self.unordered.covers(path) && multiset::same_elements(original, duplicate)
    }
}

/// Whether both are times, and the same one.
fn same_instant(left: Value<'_>, right: Value<'_>) -> bool {
    matches!((instant(left), instant(right)), (Some(left), Some(right)) if left == right)
}

/// Rows of one part of the events.
#[derive(Debug, Default)]
struct Part {
    rows: u32,
    same: u32,
}

impl Part {
    /// Rows that agree, of those there are; `None` where there are none.
    fn share(&self) -> Option<f64> {
        (self.rows > 0).then(|| f64::from(self.same) / f64::from(self.rows))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    fields: Vec<String>,
    properties: String,
    field_weight: f64,
    ignore: Vec<String>,
    times: Vec<String>,
    unordered: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            fields: vec![String::new()],
            properties: "/properties".to_owned(),
            field_weight: 0.7,
            ignore: Vec::new(),
            times: vec!["/timestamp".to_owned()],
            unordered: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dedup_plugin::testing::Harness;

    fn refusal(config: &str) -> String {
        Harness::<PropertySimilarity>::new_scorer(config).err().unwrap()
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        assert!(refusal(r#"{"ingore": ["/uuid"]}"#).contains("unknown field `ingore`"));
        assert!(refusal(r#"{"field_weight": 1.5}"#).contains("field_weight is 1.5, and it may be 0 to 1"));
        assert!(refusal(r#"{"fields": []}"#).contains("fields is empty"));
        assert!(refusal(r#"{"properties": "props"}"#).contains("write \"/props\""));
        assert!(refusal(r#"{"ignore": ["uuid"]}"#).contains("ignore: \"uuid\" is no JSON pointer"));
        assert!(refusal("/uuid").contains("expected value"));
    }

    #[test]
    fn an_empty_text_and_an_empty_object_are_the_defaults() {
        for config in ["", "  ", "{}"] {
            assert_eq!(Harness::<PropertySimilarity>::new_scorer(config).unwrap().fields(), [""]);
        }
    }

    #[test]
    fn only_the_fields_named_are_read() {
        let scorer = Harness::<PropertySimilarity>::new_scorer(r#"{"fields": ["/properties", "/event"]}"#).unwrap();
        let said = scorer.compare_events(r#"{"uuid": 1, "event": "a"}"#, r#"{"uuid": 2, "event": "a"}"#).unwrap();
        assert_eq!((said.score.similarity, said.changed, said.same), (1.0, vec![], vec!["/event".to_owned()]));
    }
}
