//! The document of the rules, made from the table, so that the two cannot disagree.

use std::fmt::Write;

use crate::rule::{Concerns, Group, Rule};
use crate::select::rules;

const HEAD: &str = include_str!("document_head.md");

/// docs/conformance.md, as it has to be.
#[must_use]
pub fn document() -> String {
    let mut out = HEAD.to_owned();
    for group in Group::ALL {
        let _ = write!(out, "\n## {}\n\n{}\n", group.name(), about(group));
        for rule in rules().filter(|rule| rule.group == group) {
            entry(rule, &mut out);
        }
    }
    out
}

fn entry(rule: &Rule, out: &mut String) {
    let mut tags = vec![rule.level.name().to_owned()];
    if !matches!(rule.concerns, Concerns::Component | Concerns::EachRole) {
        tags.push(rule.concerns.name().to_owned());
    }
    if rule.quick {
        tags.push("quick".to_owned());
    }
    if !rule.follows.is_empty() {
        tags.push(format!("after {}", rule.follows.join(", ")));
    }
    let _ = write!(out, "\n**{}** ({}): {}\n{}\n", rule.id, tags.join("; "), rule.sentence, rule.reason);
}

fn about(group: Group) -> &'static str {
    match group {
        Group::Loading => "The component, its imports, who it says it is, its configuration.",
        Group::Contract => "Answers are well-formed, and do not depend on batches.",
        Group::Determinism => "The same question, the same answer.",
        Group::Totality => "Odd events are answered. A trap is slow, and tells the operator nothing.",
        Group::Keys => {
            "What keys may and may not depend on. Two spellings of an event are compared through the host's own \
             reading of JSON, from the text to the key."
        }
        Group::Equalities => {
            "What the plugin takes for the same on purpose, as `conformance.toml` beside the component declares it."
        }
        Group::Scores => "What scores may and may not say.",
        Group::Resources => "Memory and work. Work is counted in fuel, which is the same in every run.",
        Group::Golden => "Answers that were recorded before: `--expect FILE`.",
    }
}

#[cfg(test)]
mod tests {
    use super::document;

    /// `CONFORMANCE_DOCUMENT=write cargo test -p conformance document` rewrites it.
    #[test]
    fn the_document_is_that_of_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/conformance.md");
        if std::env::var_os("CONFORMANCE_DOCUMENT").is_some_and(|value| value == "write") {
            std::fs::write(path, document()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == document(),
            "docs/conformance.md is not that of the rules: run \
             `CONFORMANCE_DOCUMENT=write cargo test --release -p conformance document` and look at the difference"
        );
    }
}
