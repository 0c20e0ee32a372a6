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
    ("D6-cache", "A `dict` finds keys by the beginning of a value."),
    ("K4-joined", "`f\"{a}|{b}\"`."),
    ("K9-cut", "`text[:255]`."),
    ("K10-float", "`str(float(text))`: neighbours beyond 2^53 are one, and so are `nan` and `NaN`."),
    ("K10-json", "`json.dumps(json.loads(event))`: fractions are floats in between."),
    ("K11-strip", "`text.strip()` cuts all that Unicode calls white space."),
    ("K11-encode", "`text.encode(\"ascii\", \"replace\")`."),
    ("K13-hash", "`hash(text)` has 32 bits in wasm, and others in each build."),
    ("K15-lower", "`text.lower()`, which nothing declares."),
    ("K15-lstrip", "`text.lstrip(\"https://\")` strips these characters, and not the text."),
    ("K15-composed", "`unicodedata.normalize(\"NFC\", text)`, which nothing declares."),
    ("K16-joined", "`\",\".join(map(str, json.loads(array)))`."),
    ("K16-json", "`json.loads` makes 1e400 infinite, and 0.10000000000000001 is 0.1."),
    ("R4-pattern", "A pattern that tries all ways to divide a row of letters: `(a+)+!`."),
    ("R8-seen", "A `set` of all that was ever seen."),
];

const FAULTS_OF_JAVASCRIPT: &[Fault] = &[
    ("C4-last-index", "`test` of a global pattern goes on where it stopped in the call before."),
    ("D6-cache", "An object finds keys by the beginning of a value."),
    ("K4-array", "An array as text: commas in values look like those between them."),
    ("K9-cut", "`text.substring(0, 100)`."),
    ("K10-number", "`String(Number(text))`: neighbours beyond 2^53 are one."),
    ("K10-json", "`JSON.stringify(JSON.parse(event))`: numbers are doubles in between."),
    ("K10-int", "`text | 0` has 32 bits."),
    ("K11-units", "`charCodeAt` cut to bytes."),
    ("K11-halves", "`TextEncoder` makes one character of all halves of pairs."),
    ("K11-trim", "`text.trim()`."),
    ("K13-hash", "`(31 * hash + letter) | 0`: a digest of 32 bits."),
    ("K15-lower", "`text.toLowerCase()`, which nothing declares."),
    ("K15-normal", "`text.normalize(\"NFKC\")`, which nothing declares."),
    ("K16-array", "`String(array)`: commas in elements look like those between them."),
    ("K16-object", "`String(object)` is `[object Object]`."),
    ("R3-pattern", "`/\\s+$/` looks for the end again from each space."),
    ("R8-seen", "A `Set` of all that was ever seen."),
];

/// Rules that ask for long: with a fault of another rule they are left out.
const LONG: [&str; 6] = ["D6", "K13", "R1", "R3", "R4", "R8"];

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

/// Each fault breaks the rule that it is named after and no other; without a fault the plugin keeps to all rules.
fn faults(language: &str, title: &str, faults: &[Fault]) {
    let component = example(&format!("faults-{language}"));
    let (output, report) = conformance(&component, None, &["--level", "strict"]);
    let broken = [rules(&report, "failed"), rules(&report, "blocked")].concat();
    assert!(broken.is_empty() && output.status.success(), "without a fault it breaks {broken:#?}");
    let all: Vec<&str> =
        report["rules"].as_array().expect("rules").iter().filter_map(|rule| rule["id"].as_str()).collect();
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (fault, words) in faults {
        let rule = fault.split('-').next().expect("a rule");
        // What scores say has nothing to do with the fault.
        let tried = all.iter().filter(|id| **id == rule || !(LONG.contains(id) || id.starts_with('S'))).copied();
        let (_, report) = conformance(&component, Some(fault), &tried.collect::<Vec<_>>());
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
