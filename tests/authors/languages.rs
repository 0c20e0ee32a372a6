//! The example plugins of every language: they keep to every rule, and give the same answers to the last byte.

use std::path::{Path, PathBuf};

use dedup_host_tests::Test;
use dedup_host_tests::program::{command, plugin};
use serde_json::Value;

pub(crate) const TESTS_OF_RUST: &[Test] = &[
    ("shipped_extractors_keep_to_every_rule", shipped_extractors),
    ("shipped_scorers_keep_to_every_rule", shipped_scorers),
    ("same_share_in_rust", || conforms("same_share", "same_share", &[])),
];

/// By the part that builds them.
pub(crate) const TESTS: &[(&str, &[Test])] = &[("c", IN_C), ("python", IN_PYTHON), ("javascript", IN_JAVASCRIPT)];

const IN_C: &[Test] = &[
    ("composite_key_in_c", || conforms("composite_key-c", "composite_key", &[])),
    ("same_share_in_c", || conforms("same_share-c", "same_share", &[])),
    ("the_sdk_for_c_has_tests_of_its_own", || own_tests("c", &["./test.sh"])),
];

const IN_PYTHON: &[Test] = &[
    ("composite_key_in_python", || conforms("composite_key-python", "composite_key", LOSES_MEMORY)),
    ("same_share_in_python", || conforms("same_share-python", "same_share", LOSES_MEMORY)),
    ("the_sdk_for_python_has_tests_of_its_own", || own_tests("python", &["python3", "-m", "unittest", "-v"])),
];

const IN_JAVASCRIPT: &[Test] = &[
    ("composite_key_in_javascript", || conforms("composite_key-javascript", "composite_key", &[])),
    ("same_share_in_javascript", || conforms("same_share-javascript", "same_share", LOSES_MEMORY)),
    ("the_sdk_for_javascript_has_tests_of_its_own", || own_tests("javascript", &["node", "--test"])),
];

/// The strict rule about memory that no call may lose. The compiler of Python makes components that do not give back all of
/// an answer; a heap that is collected, as JavaScript's, may take long to find its size. The host replaces an instance that
/// has grown too far.
const LOSES_MEMORY: &[&str] = &["R8"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// An example plugin: in `DEDUP_TEST_PLUGINS_DIR`, else in `dist/test-plugins`.
fn example(name: &str) -> PathBuf {
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

/// Holds an example against every rule, but for those it is known to break, and against the golden vectors that all
/// languages share.
fn conforms(name: &str, golden: &str, known: &[&str]) {
    let golden = root().join("guest-plugins/golden").join(format!("{golden}.json"));
    check(&example(name), &golden, "strict", known);
}

/// Runs the whole suite at a level. Rules that are `known` to be broken may be, and no others.
pub(crate) fn check(component: &Path, golden: &Path, level: &str, known: &[&str]) {
    let mut command = command(["plugin", "conformance"]);
    command.arg(component).args(["--level", level, "--format", "json", "--expect"]).arg(golden);
    let output = command.env("XDG_CACHE_HOME", tools_cache()).output().expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    let rules = report["rules"].as_array().expect("rules");
    let with = |verdict: &str| -> Vec<&Value> { rules.iter().filter(|rule| rule["verdict"] == verdict).collect() };
    let is_known = |rule: &&Value| known.iter().any(|known| rule["id"] == *known);
    let (known, broken): (Vec<&Value>, Vec<&Value>) =
        [with("failed"), with("blocked")].concat().into_iter().partition(is_known);
    let name = component.file_name().unwrap_or_default().display();
    for rule in &known {
        println!("{name}: {} is broken, which is known: {}", rule["id"], rule["sentence"]);
    }
    assert!(broken.is_empty(), "{name} breaks {broken:#?}\n{stderr}");
    let wanted = if known.is_empty() { Some(0) } else { Some(1) };
    assert_eq!(output.status.code(), wanted, "{name}: {stderr}");
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
    check(&plugin("composite_key"), &golden.join("composite_key.json"), "strict", &[]);
    check(&plugin("composite_key"), &golden.join("composite_key_json_config.json"), "strict", &[]);
    check(&plugin("composite_key"), &golden.join("composite_key_instant.json"), "strict", &[]);
    let mut multi = command(["plugin", "conformance", "--level", "strict"]);
    assert!(multi.arg(plugin("multi_key")).output().expect("the program starts").status.success());
}

fn shipped_scorers() {
    for name in ["property_similarity", "string_distance"] {
        let golden = root().join("guest-plugins").join(name).join("golden.json");
        check(&plugin(name), &golden, "strict", &[]);
    }
}
