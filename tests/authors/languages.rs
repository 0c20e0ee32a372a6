//! The example plugins of every language: they keep to every rule, and give the same answers to the last byte.

use std::path::{Path, PathBuf};

use dedup_host_tests::Test;
use dedup_host_tests::program::{command, plugin};
use serde_json::Value;

pub(crate) const TESTS_OF_RUST: &[Test] = &[
    ("shipped_extractors_keep_to_every_rule", shipped_extractors),
    ("shipped_scorers_keep_to_every_rule", shipped_scorers),
    ("same_share_in_rust", || conforms("same_share", "same_share")),
];

/// By the part that builds them.
pub(crate) const TESTS: &[(&str, &[Test])] = &[("c", IN_C), ("python", IN_PYTHON), ("javascript", IN_JAVASCRIPT)];

const IN_C: &[Test] = &[
    ("composite_key_in_c", || conforms("composite_key-c", "composite_key")),
    ("same_share_in_c", || conforms("same_share-c", "same_share")),
    ("the_sdk_for_c_has_tests_of_its_own", || own_tests("c", &["./test.sh"])),
];

const IN_PYTHON: &[Test] = &[
    ("composite_key_in_python", || conforms("composite_key-python", "composite_key")),
    ("same_share_in_python", || conforms("same_share-python", "same_share")),
    ("the_sdk_for_python_has_tests_of_its_own", || own_tests("python", &["python3", "-m", "unittest", "-v"])),
];

const IN_JAVASCRIPT: &[Test] = &[
    ("composite_key_in_javascript", || conforms("composite_key-javascript", "composite_key")),
    ("same_share_in_javascript", || conforms("same_share-javascript", "same_share")),
    ("the_sdk_for_javascript_has_tests_of_its_own", || own_tests("javascript", &["node", "--test"])),
];

/// Limits that no busy machine exceeds: what is too much work is told by fuel.
pub(crate) const PATIENCE: [&str; 4] = ["--plugin-time-limit-ms", "60000", "--time-budget-secs", "6000"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// An example plugin: in `DEDUP_TEST_PLUGINS_DIR`, else in `dist/test-plugins`.
pub(crate) fn example(name: &str) -> PathBuf {
    let dir =
        std::env::var_os("DEDUP_TEST_PLUGINS_DIR").map_or_else(|| root().join("dist/test-plugins"), PathBuf::from);
    let path = dir.join(format!("{name}.wasm"));
    assert!(path.exists(), "{} is not there: run `make test-plugins` first", path.display());
    path
}

/// Where tools of other languages are kept between runs, so that they are fetched once.
pub(crate) fn tools_cache() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").map(|home| home.join(".cache"));
    set("XDG_CACHE_HOME").or_else(home).expect("a home directory")
}

/// Holds an example against every rule, and against the golden vectors that all languages share.
fn conforms(name: &str, golden: &str) {
    let golden = root().join("guest-plugins/golden").join(format!("{golden}.json"));
    check(&example(name), &golden, "strict");
}

/// Runs the whole suite at a level.
pub(crate) fn check(component: &Path, golden: &Path, level: &str) {
    let mut command = command(["plugin", "conformance"]);
    command.arg(component).args(["--level", level, "--format", "json", "--expect"]).arg(golden).args(PATIENCE);
    let output = command.env("XDG_CACHE_HOME", tools_cache()).output().expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    let rules = report["rules"].as_array().expect("rules");
    let with = |verdict: &str| -> Vec<&Value> { rules.iter().filter(|rule| rule["verdict"] == verdict).collect() };
    let broken = [with("failed"), with("blocked")].concat();
    let name = component.file_name().unwrap_or_default().display();
    assert!(broken.is_empty(), "{name} breaks {broken:#?}\n{stderr}");
    assert!(output.status.success(), "{name}: {stderr}");
    let passed = with("passed").len();
    assert!(passed > 20, "only {passed} rules were tried on {name}");
    assert!(with("passed").iter().any(|rule| rule["group"] == "golden"), "no golden vector was tried on {name}");
}

/// Runs what stands beside an SDK, as its authors do.
fn own_tests(language: &str, words: &[&str]) {
    let dir = root().join("guest-plugins").join(language);
    let mut own = std::process::Command::new(words[0]);
    own.args(&words[1..]).current_dir(dir).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = own.output().expect("it starts");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success(), "{said}");
    println!("{language}: {}", said.lines().last().unwrap_or_default());
}

fn shipped_extractors() {
    let golden = root().join("guest-plugins/golden");
    check(&plugin("composite_key"), &golden.join("composite_key.json"), "strict");
    check(&plugin("composite_key"), &golden.join("composite_key_json_config.json"), "strict");
    check(&plugin("composite_key"), &golden.join("composite_key_instant.json"), "strict");
    let mut multi = command(["plugin", "conformance", "--level", "strict"]);
    assert!(multi.arg(plugin("multi_key")).output().expect("the program starts").status.success());
}

fn shipped_scorers() {
    for name in ["property_similarity", "string_distance"] {
        let golden = root().join("guest-plugins").join(name).join("golden.json");
        check(&plugin(name), &golden, "strict");
    }
}
