//! That every plugin which is shipped, and the example, keeps to every rule, strict ones too. They have to be built
//! before. Golden vectors are the business of the suites that know them.
#![expect(clippy::expect_used, reason = "tests")]

mod common;

use std::path::Path;

use common::{for_tests, run, shipped, strict};
use conformance::{Counts, Options};

fn keeps_to_every_rule(plugin: &Path, configs: &[&str]) {
    let cache = tempfile::tempdir().expect("a directory");
    for config in configs {
        let config = Some((*config).to_owned());
        let options = Options { extractor_config: config.clone(), scorer_config: config, ..strict(cache.path()) };
        let report = run(plugin, &options);
        let Counts { failed, blocked, .. } = report.counts();
        assert_eq!((failed, blocked), (0, 0), "{}", report.to_human(false));
    }
}

#[test]
fn composite_key() {
    let all = r#"{"fields": ["/a/b", ["/a", "/x~1y"], "/items/0/id"], "on_missing": "empty", "kinds": "ignored"}"#;
    let instants = r#"{"fields": [{"pointer": ["/timestamp", "/at"], "as": "instant"}, "/id", "/b"]}"#;
    let in_all = r#"{"fields": ["/a", {"pointer": "/b", "as": "instant", "resolution": "ns"}], "on_missing": "empty"}"#;
    let configs = ["", "/actor/login,/type", all, r#"{"fields": [""]}"#, instants, in_all];
    keeps_to_every_rule(&shipped("composite_key"), &configs);
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
