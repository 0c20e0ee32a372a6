//! `docs/security.md`: what is promised there names the tests that hold it, and these exist.

use std::collections::BTreeSet;
use std::path::Path;

use dedup_host_tests::Test;

use crate::{root, text};

pub(crate) const TESTS: &[Test] = &[
    ("every_promise_of_the_threat_model_names_its_tests", every_promise_of_the_threat_model_names_its_tests),
    ("every_test_that_is_named_exists", every_test_that_is_named_exists),
    ("promises_are_found_and_those_without_a_test_too", promises_are_found_and_those_without_a_test_too),
];

/// Headings below which each item of a list is a promise.
const PROMISED: &str = "### Held";

/// Items of the lists below the headings, each on one line.
fn promises(document: &str) -> Vec<String> {
    let mut promises: Vec<String> = Vec::new();
    let mut within = false;
    for line in document.lines() {
        match line {
            _ if line.starts_with('#') => within = line == PROMISED,
            _ if !within => {}
            _ if line.starts_with("- ") => promises.push(line[2..].to_owned()),
            _ if line.starts_with("  ") => {
                let promise = promises.last_mut().expect("an item before its second line");
                promise.push(' ');
                promise.push_str(line.trim());
            }
            _ => assert!(line.is_empty(), "what is neither an item nor empty is no promise: {line}"),
        }
    }
    promises
}

/// The tests in brackets at the end of a promise: ``Nothing is lost. [`a_test`, `another_test`]``.
fn tests_of(promise: &str) -> Vec<&str> {
    let Some((_, named)) = promise.strip_suffix(']').and_then(|promise| promise.rsplit_once('[')) else {
        return Vec::new();
    };
    named.split(", ").filter_map(|name| name.strip_prefix('`')?.strip_suffix('`')).collect()
}

fn every_promise_of_the_threat_model_names_its_tests() {
    let promises = promises(&text("docs/security.md"));
    assert!(promises.len() > 30, "only {} promises were found", promises.len());
    let without: Vec<_> = promises.iter().filter(|promise| tests_of(promise).is_empty()).collect();
    assert!(without.is_empty(), "without a test: {without:#?}");
}

fn every_test_that_is_named_exists() {
    let exist = tests_of_the_repository();
    let promises = promises(&text("docs/security.md"));
    let missing: BTreeSet<_> =
        promises.iter().flat_map(|promise| tests_of(promise)).filter(|name| !exist.contains(*name)).collect();
    assert!(missing.is_empty(), "docs/security.md names tests that do not exist: {missing:#?}");
}

/// Names of all tests: functions behind `#[test]` or `proptest!`'s, entries of suites, and checks of scripts.
fn tests_of_the_repository() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in ["host", "tests", "guest-plugins"] {
        collect(&root().join(folder), &mut found);
    }
    let scripts = text("tests/scripts.sh");
    found.extend(scripts.lines().filter_map(|line| line.strip_prefix("check ")?.split(' ').next()).map(str::to_owned));
    found
}

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let is_built = path.ends_with("node_modules") || path.ends_with("target");
        if path.is_dir() && !is_built {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.extend(tests_in(&std::fs::read_to_string(&path).expect("UTF-8")));
        }
    }
}

fn tests_in(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut is_test, mut before) = (false, "");
    for line in source.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
            names.extend(rest.split(['(', '<']).next().map(str::to_owned));
            is_test = false;
        }
        is_test = line == "#[test]" || (is_test && line.starts_with('#'));
        let entry = line.strip_prefix("(\"").and_then(|rest| rest.split_once("\", "));
        names.extend(entry.filter(|(_, function)| function.ends_with("),")).map(|(name, _)| name.to_owned()));
        // An entry that is too long for one line.
        let name = line.strip_prefix('"').and_then(|rest| rest.strip_suffix("\",")).filter(|_| before == "(");
        names.extend(name.map(str::to_owned));
        before = line;
    }
    names
}

fn promises_are_found_and_those_without_a_test_too() {
    let document =
        "# A\n- not this\n\n### Held\n\n- One is\n  kept. [`a_b`, `c`]\n- Two. [no]\n\n### Left\n\n- nor this\n";
    let promises = promises(document);
    assert_eq!(promises, ["One is kept. [`a_b`, `c`]", "Two. [no]"]);
    assert_eq!((tests_of(&promises[0]), tests_of(&promises[1]).len()), (vec!["a_b", "c"], 0));
    let source = "#[test]\n#[cfg(unix)]\nfn one() {}\nfn two() {}\n    (\"three\", three),\n    (\"four\", 4),x\n(\n\"five\",\nf,\n),\n";
    assert_eq!(tests_in(source), ["one", "three", "five"]);
    assert!(tests_of_the_repository().contains("promises_are_found_and_those_without_a_test_too"));
}
