//! What a store belongs to, compared whenever it is opened. Not a version history: a store that differs is refused.

use std::collections::BTreeMap;

use engine::fingerprint::Seed;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything that decides which keys a store remembers. Two stores whose identities differ answer different questions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreIdentity {
    /// Topic name.
    pub topic: String,
    /// The broker's id of the topic: another one means that it was created anew and offsets start over.
    /// `None` where the broker gives none; then it is not compared.
    pub topic_id: Option<String>,
    /// Partition number, from 0.
    pub partition: i32,
    /// What decides keys beside their version, in words: the extractor's name, its configuration, how numbers reach it.
    pub extractor: String,
    /// Raised by the extractor's author when new keys are not comparable with old ones.
    pub key_version: u32,
    /// How long a key is remembered, in milliseconds; `None` is for ever.
    pub window_ms: Option<i64>,
    /// How late an event may be and still be judged, in milliseconds.
    pub allowed_lateness_ms: i64,
    /// Whatever else decides what an entry means, by the name of the setting (`--event-time`), with its value in words. A
    /// setting that one side lacks differs, as if its value were `unset`.
    pub settings: BTreeMap<String, String>,
    /// What decides only what is kept beside the entries, in the same form. It is compared where both sides have it: what
    /// is switched off keeps nothing.
    pub explanation: BTreeMap<String, String>,
    /// What keys are hashed with, where that is known from elsewhere; `None` is whatever the store has, and chance where
    /// it is new.
    #[serde(skip)]
    pub seed: Option<Seed>,
}

/// One field in which a stored identity is not the wanted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Name of the field.
    pub field: String,
    /// What the store on disk says.
    pub stored: String,
    /// What was asked for.
    pub wanted: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.field == "extractor" {
            let (stored, wanted) = (self.stored.trim_matches('"'), self.wanted.trim_matches('"'));
            return write!(f, "another plugin, --plugin-config or --numbers: stored {stored}; wanted {wanted}");
        }
        if self.field == "key_version" {
            let Self { stored, wanted, .. } = self;
            return write!(f, "the plugin's keys have version {wanted}, and those stored have version {stored}");
        }
        let name = match self.field.as_str() {
            "window_ms" => "--window in ms",
            "allowed_lateness_ms" => "--allowed-lateness in ms",
            "bucket_ms" => "the span of a bucket, from --window and --allowed-lateness, in ms",
            name => name,
        };
        write!(f, "{name}: stored {}, wanted {}", self.stored, self.wanted)
    }
}

/// What a store is, beside what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    /// Without its seed.
    pub(crate) identity: StoreIdentity,
    /// `None` is one bucket for ever.
    pub(crate) bucket_ms: Option<i64>,
    pub(crate) seed: Seed,
    /// Kinds of entries that tables may have beside own ones, as [`crate::table::refusal`] takes them.
    pub(crate) entry_kinds: Vec<u64>,
}

impl Description {
    /// Fields in which this stored description is not the wanted one. Seeds are compared by themselves: they are chance,
    /// and no setting.
    pub(crate) fn differences(&self, wanted: &StoreIdentity, bucket_ms: Option<i64>) -> Vec<Difference> {
        let mut differences = self.fixed_differences(wanted, bucket_ms);
        let settings = (&self.identity.settings, &wanted.settings);
        differences.extend(settings_that_differ(settings.0, settings.1, true));
        let explanation = (&self.identity.explanation, &wanted.explanation);
        differences.extend(settings_that_differ(explanation.0, explanation.1, false));
        differences
    }

    fn fixed_differences(&self, wanted: &StoreIdentity, bucket_ms: Option<i64>) -> Vec<Difference> {
        let (stored, wanted) = (comparable(&self.identity, self.bucket_ms), comparable(wanted, bucket_ms));
        let pairs = stored.into_iter().zip(wanted);
        pairs
            .filter(|((field, stored), (_, wanted))| {
                let unknown = field == "topic_id" && (stored.is_null() || wanted.is_null());
                stored != wanted && !unknown
            })
            .map(|((field, stored), (_, wanted))| Difference {
                field,
                stored: stored.to_string(),
                wanted: wanted.to_string(),
            })
            .collect()
    }
}

fn comparable(identity: &StoreIdentity, bucket_ms: Option<i64>) -> Vec<(String, Value)> {
    let mut fields = vec![("bucket_ms".into(), bucket_ms.into())];
    if let Ok(Value::Object(identity)) = serde_json::to_value(identity) {
        fields.extend(identity.into_iter().filter(|(_, value)| !value.is_object()));
    }
    fields
}

/// Settings whose values differ; with `strict` also those that one side lacks.
fn settings_that_differ(
    stored: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
    strict: bool,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    let lacking = wanted.keys().filter(|name| !stored.contains_key(*name));
    for name in stored.keys().chain(lacking) {
        let (stored, wanted) = (stored.get(name), wanted.get(name));
        if stored == wanted || !strict && (stored.is_none() || wanted.is_none()) {
            continue;
        }
        let value = |value: Option<&String>| value.map_or("unset", |value| value.as_str()).to_owned();
        differences.push(Difference { field: name.clone(), stored: value(stored), wanted: value(wanted) });
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Description {
        let identity = StoreIdentity {
            topic: "events".into(),
            topic_id: Some("a".into()),
            partition: 3,
            extractor: "00".into(),
            key_version: 1,
            window_ms: Some(1000),
            allowed_lateness_ms: 0,
            settings: BTreeMap::new(),
            explanation: BTreeMap::new(),
            seed: None,
        };
        Description { identity, bucket_ms: Some(125), seed: Seed([0; 16]), entry_kinds: Vec::new() }
    }

    fn differences(stored: &Description, wanted: &Description) -> Vec<Difference> {
        stored.differences(&wanted.identity, wanted.bucket_ms)
    }

    #[test]
    fn every_differing_field_is_named_with_both_values() {
        let stored = description();
        let mut wanted = description();
        wanted.identity.seed = Some(Seed([1; 16]));
        wanted.identity.key_version = 2;
        wanted.identity.window_ms = None;
        let lines: Vec<String> = differences(&stored, &wanted).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "the plugin's keys have version 2, and those stored have version 1",
                "--window in ms: stored 1000, wanted null"
            ]
        );
    }

    #[test]
    fn settings_are_named_with_both_values_and_what_one_side_lacks_is_unset() {
        let mut stored = description();
        let mut wanted = description();
        let set = |settings: &mut BTreeMap<String, String>, name: &str, value: &str| {
            settings.insert(name.into(), value.into());
        };
        set(&mut stored.identity.settings, "--event-time", "/at");
        set(&mut wanted.identity.settings, "--event-time", "/time");
        set(&mut wanted.identity.settings, "--json-in", "/data");
        set(&mut stored.identity.settings, "--max-time-jump", "1h");
        set(&mut wanted.identity.settings, "--max-time-jump", "1h");
        set(&mut stored.identity.explanation, "--uuid-field", "/uuid");
        let lines: Vec<String> = differences(&stored, &wanted).iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["--event-time: stored /at, wanted /time", "--json-in: stored unset, wanted /data"]);
        set(&mut wanted.identity.explanation, "--uuid-field", "/id");
        assert_eq!(differences(&stored, &wanted)[2].to_string(), "--uuid-field: stored /uuid, wanted /id");
    }

    #[test]
    fn a_topic_id_that_one_side_does_not_know_is_no_difference() {
        let stored = description();
        let mut wanted = description();
        wanted.identity.topic_id = None;
        assert_eq!(differences(&stored, &wanted), []);
        wanted.identity.topic_id = Some("b".into());
        assert_eq!(differences(&stored, &wanted).len(), 1);
    }
}
