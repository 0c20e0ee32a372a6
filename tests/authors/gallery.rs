//! The gallery in every language: each plugin keeps to every rule, holds what it declares to be the same, and gives the keys
//! of its golden cases. And beside them plugins with the faults that a language invites to, each caught by the rule that it
//! is named after.

use std::path::{Path, PathBuf};
use std::process::Output;

use dedup_host_tests::Test;
use dedup_host_tests::program::command;
use serde_json::Value;

use crate::authors::fault_table;
use crate::authors::languages::{PATIENCE, example, tools_cache};

pub(crate) const TESTS_OF_RUST: &[Test] =
    &[("every_plugin_of_the_gallery_is_tried", every_folder), ("the_gallery_in_rust", || gallery("rust"))];

/// By the part that builds them.
pub(crate) const TESTS: &[(&str, &[Test])] = &[
    ("c", &[("the_gallery_in_c", || gallery("c")), ("faults_of_c_are_told", || faults("c", "In C", FAULTS_OF_C))]),
    (
        "python",
        &[
            ("the_gallery_in_python", || gallery("python")),
            ("faults_of_python_are_told", || faults("python", "In Python", FAULTS_OF_PYTHON)),
        ],
    ),
    (
        "javascript",
        &[
            ("the_gallery_in_javascript", || gallery("javascript")),
            ("faults_of_javascript_are_told", || faults("javascript", "In JavaScript", FAULTS_OF_JAVASCRIPT)),
        ],
    ),
];

const RECIPES: [&str; 6] = ["email", "url", "time", "money", "geo", "tags"];

/// Names of faults begin with the rule that tells them; what is wrong is for docs/faults.md.
type Fault = (&'static str, &'static str);

const FAULTS_OF_C: &[Fault] = &[
    ("D6-table", "A table of what was seen is looked up by a short digest and the length alone."),
    ("D6-counter", "A `uint16_t` that counts events comes round."),
    ("K9-buffer", "A value is copied into `char buffer[64]`."),
    ("K10-double", "A number, or a string of digits, passes through a `double`."),
    ("K10-int", "A string of digits passes through 32 bits."),
    ("K11-nul", "A value ends at its first NUL: `strlen`."),
    ("K11-char", "`char` has a sign: letters beyond ASCII are less than a space."),
    ("K12-ascii", "`tolower` of A to Z, where case is meant."),
    ("K13-digest", "The key is a digest of 32 bits, as in every book."),
];

const FAULTS_OF_PYTHON: &[Fault] = &[
    ("K9-cut", "`text[:255]`."),
    ("K10-float", "`str(float(text))`: neighbours beyond 2^53 are one, and so are `nan` and `NaN`."),
    ("K11-strip", "`text.strip()` cuts all that Unicode calls white space."),
    ("K11-encode", "`text.encode(\"ascii\", \"replace\")`."),
    ("K15-lower", "`text.lower()`, which nothing declares."),
    ("K15-lstrip", "`text.lstrip(\"https://\")` strips these characters, and not the text."),
    ("K15-composed", "`unicodedata.normalize(\"NFC\", text)`, which nothing declares."),
    ("K16-joined", "`\",\".join(map(str, json.loads(array)))`."),
    ("R4-pattern", "A pattern that tries all ways to divide a row of letters: `(a+)+!`."),
];

const FAULTS_OF_JAVASCRIPT: &[Fault] = &[
    ("C4-last-index", "`test` of a global pattern goes on where it stopped in the call before."),
    ("K9-cut", "`text.substring(0, 100)`."),
    ("K10-number", "`String(Number(text))`: neighbours beyond 2^53 are one."),
    ("K10-int", "Operators for bits, such as `~~text`, have 32."),
    ("K11-units", "`charCodeAt` cut to bytes."),
    ("K11-halves", "`TextEncoder` makes one character of all halves of pairs."),
    ("K11-trim", "`text.trim()`."),
    ("K15-lower", "`text.toLowerCase()`, which nothing declares."),
    ("K16-object", "`String(object)` is `[object Object]`."),
];

/// Rules that ask for long: with a fault of another rule they are left out, and where an interpreter answers they are tried
/// on one plugin of the gallery.
const LONG: [&str; 6] = ["D6", "K13", "R1", "R3", "R4", "R8"];
const ASKED_FOR_LONG: &str = "email";
/// `DEDUP_GALLERY=whole` tries all rules on all plugins.
const WHOLE: &str = "DEDUP_GALLERY";

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

/// The rules, as the document lists them; of those that ask for long none but this one.
fn all_rules_but_long(wanted: &str) -> Vec<String> {
    let document = std::fs::read_to_string(folder().join("../../docs/conformance.md")).expect("the rules");
    let bold = document.lines().filter_map(|line| line.strip_prefix("**")?.split_once("** (")).map(|(bold, _)| bold);
    // A letter and a number; other things are in bold too.
    let ids = bold.filter(|bold| bold.get(1..).is_some_and(|number| number.parse::<u8>().is_ok()));
    let tried: Vec<String> = ids.filter(|id| *id == wanted || !LONG.contains(id)).map(str::to_owned).collect();
    assert!(tried.len() > 40, "only {tried:?}");
    tried
}

fn is_whole() -> bool {
    std::env::var_os(WHOLE).is_some_and(|value| value == "whole")
}

fn gallery(language: &str) {
    let is_interpreted = ["python", "javascript"].contains(&language);
    let tries_all = !is_interpreted || is_whole();
    for recipe in RECIPES {
        let (component, config) = component(recipe, language);
        let path = |name: &str| folder().join(recipe).join(name).display().to_string();
        let (golden, declared) = (path("golden.json"), path("conformance.toml"));
        let mut arguments = vec!["--expect", golden.as_str(), "--declarations", declared.as_str()];
        let (is_whole, some) = (tries_all || recipe == ASKED_FOR_LONG, all_rules_but_long(""));
        if is_whole {
            arguments.extend(["--level", "strict"]);
        } else {
            arguments.extend(some.iter().map(String::as_str));
        }
        let (output, report) = conformance(&component, config.as_deref(), &arguments);
        let broken = [rules(&report, "failed"), rules(&report, "blocked")].concat();
        assert!(broken.is_empty() && output.status.success(), "{recipe} in {language} breaks {broken:#?}");
        let passed: Vec<&str> = rules(&report, "passed").into_iter().filter_map(|rule| rule["id"].as_str()).collect();
        let needed = ["G1", "E1", "K1", "K8", "R4", "R8"].into_iter().filter(|id| is_whole || !LONG.contains(id));
        for needed in needed {
            assert!(passed.contains(&needed), "{needed} was not tried on {recipe} in {language}: {passed:?}");
        }
    }
}

/// What is tried on a fault: its own rule, and of the others those that do not ask for long. Where an interpreter answers,
/// of these only the ones that other faults of the table break. What scores say has nothing to do with a fault of keys.
fn tried_on(rule: &str, language: &str, faults: &[Fault]) -> Vec<String> {
    let is_named = |id: &str| faults.iter().any(|(fault, _)| fault.split('-').next() == Some(id));
    let tries_all = language == "c" || is_whole();
    let all = all_rules_but_long(rule).into_iter().filter(|id| !id.starts_with('S'));
    all.filter(|id| tries_all || id == rule || is_named(id)).collect()
}

/// Each fault breaks the rule that it is named after and no other; without a fault the plugin keeps to all rules.
fn faults(language: &str, title: &str, faults: &[Fault]) {
    let component = example(&format!("faults-{language}"));
    let without = all_rules_but_long("");
    let (output, report) = conformance(&component, None, &without.iter().map(String::as_str).collect::<Vec<_>>());
    let broken = [rules(&report, "failed"), rules(&report, "blocked")].concat();
    assert!(broken.is_empty() && output.status.success(), "without a fault it breaks {broken:#?}");
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (fault, words) in faults {
        let rule = fault.split('-').next().expect("a rule");
        let tried = tried_on(rule, language, faults);
        let (_, report) = conformance(&component, Some(fault), &tried.iter().map(String::as_str).collect::<Vec<_>>());
        match rules(&report, "failed").as_slice() {
            [failed] if failed["id"] == rule && rules(&report, "blocked").iter().all(|one| is_about(one, &report)) => {
                let text = |name: &str| failed[name].as_str().unwrap_or_default();
                rows.push(fault_table::row(fault, words, text("input"), text("got")));
            }
            _ => wrong.push(format!("{fault}: {:#?}", [rules(&report, "failed"), rules(&report, "blocked")].concat())),
        }
    }
    assert!(wrong.is_empty(), "{language}: {}", wrong.join("\n"));
    fault_table::check(title, &rows, true);
}

/// Whether a rule is blocked by one that is broken, or by one that is blocked.
fn is_about(blocked: &Value, report: &Value) -> bool {
    let bad = [rules(report, "failed"), rules(report, "blocked")].concat();
    let why = blocked["because"].as_str().unwrap_or_default();
    bad.iter().filter_map(|rule| rule["id"].as_str()).any(|id| why.split([' ', ';']).any(|word| word == id))
}
