//! What a state belongs to besides its topic, partition and window: the plugins and rules that decide what its entries
//! mean. A rule that is not listed here may change from one run to the next. Not who compares.

use std::collections::BTreeMap;

use engine::projection::Numbers;
use plugin::{Plugin, Role};
use sha2::{Digest, Sha256};

use crate::plugins::Plugins;
use crate::rules::Rules;

/// In words, so that whoever finds a difference can say what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What decides keys, beside their version: the extractor by its name, its configuration, and how numbers reach it.
    /// Another build of the same plugin goes on with the same keys.
    pub extractor: String,
    /// What else decides which event is first, late or forwarded, by the names of the settings.
    pub settings: BTreeMap<String, String>,
    /// What decides what is kept of duplicates beside the keys, by the names of the settings.
    pub explanation: BTreeMap<String, String>,
}

impl Identity {
    /// Of states that these plugins and rules fill.
    #[must_use]
    pub fn of(plugins: &Plugins, rules: &Rules) -> Self {
        Self {
            extractor: extractor(&plugins.extractor, rules),
            settings: settings(rules, plugins.scorer.as_ref()),
            explanation: explanation(rules),
        }
    }
}

fn extractor(extractor: &Plugin, rules: &Rules) -> String {
    let numbers = if rules.numbers == Numbers::Canonical { "canonical" } else { "as-written" };
    let config = digest(extractor.extractor_config());
    format!("{} with the configuration {config} and numbers {numbers}", extractor.name())
}

fn settings(rules: &Rules, scorer: Option<&Plugin>) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let mut set = |name: &str, value: String| settings.insert(name.to_owned(), value);
    // The only kind so far; other kinds keep entries that mean something else.
    set("--window-kind", "sliding".to_owned());
    let event_time = rules.event_time.clone();
    set("--event-time", event_time.unwrap_or_else(|| "unset, which is the record's timestamp".to_owned()));
    if !rules.json_in.is_empty() {
        set("--json-in", rules.json_in.iter().collect::<Vec<_>>().join(","));
    }
    if rules.window.length.is_some() {
        set("--max-out-of-orderness", format!("{} ms", rules.window.clock.out_of_orderness_max));
        // It bounds what a payload says, and nothing else.
        if rules.event_time.is_some() {
            set("--max-time-jump", format!("{} ms", rules.window.clock.jump_max));
        }
    }
    if let Some(threshold) = rules.explain.forward_below {
        let scorer = scorer.map_or_else(
            || "no scorer".to_owned(),
            |scorer| {
                format!("{} with the configuration {}", scorer.name(), digest(scorer.config(Role::SimilarityScorer)))
            },
        );
        set("--forward-below-similarity", format!("{threshold} by {scorer}"));
    }
    settings
}

fn explanation(rules: &Rules) -> BTreeMap<String, String> {
    let uuid_field = ("--uuid-field".to_owned(), rules.uuid_field.clone());
    [uuid_field].into_iter().filter(|_| rules.explain.keep_originals).collect()
}

/// Enough of a digest to tell configurations apart, which may be long or secret.
fn digest(config: &str) -> String {
    Sha256::digest(config).first_chunk::<8>().map_or_else(String::new, |start| plain_text::hex(start))
}
