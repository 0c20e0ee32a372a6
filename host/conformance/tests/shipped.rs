//! That every plugin which is shipped, and the example, keeps to every rule, strict ones too. They have to be built
//! before. Golden vectors are the business of the suites that know them.
#![expect(clippy::expect_used, reason = "tests")]

mod common;

use std::path::Path;

use common::{for_tests, run, shipped, strict};
use conformance::{Counts, Options};

fn keeps_to_every_rule(plugin: &Path, configs: &[&str]) {
    configs.iter().for_each(|config| keeps_to_every_rule_with(plugin, config, None));
}

/// `declared` is what the plugin takes for the same when it is configured so.
fn keeps_to_every_rule_with(plugin: &Path, config: &str, declared: Option<&str>) {
    let cache = tempfile::tempdir().expect("a directory");
    let file = cache.path().join("conformance.toml");
    declared.into_iter().for_each(|text| std::fs::write(&file, text).expect("a file"));
    let (config, declarations) = (Some(config.to_owned()), declared.map(|_| file));
    let options =
        Options { extractor_config: config.clone(), scorer_config: config, declarations, ..strict(cache.path()) };
    let report = run(plugin, &options);
    let Counts { failed, blocked, .. } = report.counts();
    assert_eq!((failed, blocked), (0, 0), "{}", report.to_human(false));
}

#[test]
fn composite_key() {
    let all = r#"{"fields": ["/a/b", ["/a", "/x~1y"], "/items/0/id"], "on_missing": "empty", "kinds": "ignored"}"#;
    let instants = r#"{"fields": [{"pointer": ["/timestamp", "/at"], "as": "instant"}, "/id", "/b"]}"#;
    let in_all = r#"{"fields": ["/a", {"pointer": "/b", "as": "instant", "resolution": "ns"}], "on_missing": "empty"}"#;
    let configs = ["", "/actor/login,/type", all, r#"{"fields": [""]}"#];
    keeps_to_every_rule(&shipped("composite_key"), &configs);
    // What is finer than the resolution is the same instant.
    let declared = |at: &str, resolution: &str| {
        format!(
            r#"
            [[equal]]
            at = {at}
            by = "instant"
            resolution = "{resolution}"
            examples = ["2024-01-01T12:00:00Z", "2024-01-01T13:00:00.0000000001+01:00"]
            different = ["2024-01-01T12:00:00.001Z"]
            "#
        )
    };
    for (config, at, resolution) in [(instants, r#"["/timestamp", "/at"]"#, "ms"), (in_all, r#""/b""#, "ns")] {
        keeps_to_every_rule_with(&shipped("composite_key"), config, Some(&declared(at, resolution)));
    }
}

#[test]
fn multi_key() {
    keeps_to_every_rule(&shipped("multi_key"), &["", r#"[["/a"], ["/b", ["/c", "/d/0"]], ["/c"]]"#]);
}

#[test]
fn property_similarity() {
    let all = r#"{"ignore": ["/uuid"], "times": [""], "unordered": [""], "field_weight": 0.3}"#;
    keeps_to_every_rule(&shipped("property_similarity"), &["", all, r#"{"fields": ["/properties", "/event"]}"#]);
}

#[test]
fn string_distance() {
    let all = r#"{"ignore": ["/uuid"], "weights": {"/properties": 3, "/event": 0.1}}"#;
    keeps_to_every_rule(&shipped("string_distance"), &["", all]);
}

#[test]
fn same_share() {
    keeps_to_every_rule(&for_tests("same_share"), &[""]);
}
