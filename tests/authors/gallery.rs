//! The gallery in every language: each plugin keeps to every rule, holds what it declares to be the same, and gives the keys
//! of its golden cases. And beside them plugins with the faults that a language invites to, each caught by the rule that it
//! is named after.

use std::path::{Path, PathBuf};
use std::process::Output;

use dedup_host_tests::Test;
use dedup_host_tests::program::command;
use serde_json::Value;

use crate::authors::languages::{PATIENCE, example, tools_cache};

pub(crate) const TESTS_OF_RUST: &[Test] =
    &[("every_plugin_of_the_gallery_is_tried", every_folder), ("the_gallery_in_rust", || gallery("rust"))];

/// By the part that builds them.
pub(crate) const TESTS: &[(&str, &[Test])] = &[
    ("c", &[("the_gallery_in_c", || gallery("c")), ("faults_of_c_are_told", || faults("c", FAULTS_OF_C))]),
    (
        "python",
        &[
            ("the_gallery_in_python", || gallery("python")),
            ("faults_of_python_are_told", || faults("python", FAULTS_OF_PYTHON)),
        ],
    ),
    (
        "javascript",
        &[
            ("the_gallery_in_javascript", || gallery("javascript")),
            ("faults_of_javascript_are_told", || faults("javascript", FAULTS_OF_JAVASCRIPT)),
        ],
    ),
];

const RECIPES: [&str; 6] = ["email", "url", "time", "money", "geo", "tags"];

/// Faults begin with the rule that tells them.
const FAULTS_OF_C: &[&str] =
    &["K11-nul", "K9-buffer", "C2-static-buffer", "K10-double", "K10-int", "K11-char", "K13-digest"];
const FAULTS_OF_PYTHON: &[&str] =
    &["K13-hash", "K10-float", "K10-json", "K11-strip", "D2-default-argument", "D6-cache"];
const FAULTS_OF_JAVASCRIPT: &[&str] =
    &["K10-number", "K10-json", "K11-units", "K11-halves", "C4-last-index", "D6-cache", "D1-random", "K4-array"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-plugins/gallery")
}

fn every_folder() {
    let entries = std::fs::read_dir(folder()).expect("the gallery").map(|entry| entry.expect("an entry").path());
    let mut names: Vec<String> = entries
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut tried = RECIPES.map(str::to_owned);
    tried.sort();
    assert_eq!(names, tried);
}

/// The component of a plugin, and its configuration: in languages whose components hold an interpreter one is all of them.
fn component(recipe: &str, language: &str) -> (PathBuf, Option<String>) {
    match language {
        "rust" => (example(&format!("gallery_{recipe}")), None),
        "c" => (example(&format!("gallery_{recipe}-c")), None),
        _ => (example(&format!("gallery-{language}")), Some(recipe.to_owned())),
    }
}

fn conformance(component: &Path, config: Option<&str>, arguments: &[&str]) -> (Output, Value) {
    let mut command = command(["plugin", "conformance"]);
    command.arg(component).args(arguments).args(PATIENCE).args(["--format", "json"]);
    if let Some(config) = config {
        command.args(["--plugin-config", config]);
    }
    let output = command.env("XDG_CACHE_HOME", tools_cache()).output().expect("the program starts");
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output, report)
}

fn rules<'r>(report: &'r Value, verdict: &str) -> Vec<&'r Value> {
    let rules = report["rules"].as_array().expect("rules");
    rules.iter().filter(|rule| rule["verdict"] == verdict).collect()
}

fn gallery(language: &str) {
    for recipe in RECIPES {
        let (component, config) = component(recipe, language);
        let path = |name: &str| folder().join(recipe).join(name).display().to_string();
        let (golden, declared) = (path("golden.json"), path("conformance.toml"));
        let arguments = ["--level", "strict", "--expect", golden.as_str(), "--declarations", declared.as_str()];
        let (output, report) = conformance(&component, config.as_deref(), &arguments);
        let broken = [rules(&report, "failed"), rules(&report, "blocked")].concat();
        assert!(broken.is_empty() && output.status.success(), "{recipe} in {language} breaks {broken:#?}");
        let passed: Vec<&str> = rules(&report, "passed").into_iter().filter_map(|rule| rule["id"].as_str()).collect();
        for needed in ["G1", "E1", "K1", "K8", "R4", "R8"] {
            assert!(passed.contains(&needed), "{needed} was not tried on {recipe} in {language}: {passed:?}");
        }
    }
}

/// Each fault breaks the rule that it is named after; without a fault the plugin keeps to all rules.
fn faults(language: &str, faults: &[&str]) {
    let component = example(&format!("faults-{language}"));
    let (output, report) = conformance(&component, None, &["--level", "strict"]);
    let broken = [rules(&report, "failed"), rules(&report, "blocked")].concat();
    assert!(broken.is_empty() && output.status.success(), "without a fault it breaks {broken:#?}");
    for fault in faults {
        let rule = fault.split('-').next().expect("a rule");
        let (_, report) = conformance(&component, Some(fault), &[rule]);
        assert_eq!(rules(&report, "failed").len(), 1, "{fault} in {language}: {report:#}");
    }
}
