//! The example plugins of every language: they keep to every rule, and give the same answers to the last byte.

use std::path::{Path, PathBuf};

use dedup_host_tests::Test;
use dedup_host_tests::program::{command, plugin};

pub(crate) const TESTS_OF_RUST: &[Test] = &[
    ("shipped_extractors_keep_to_every_rule", shipped_extractors),
    ("shipped_scorers_keep_to_every_rule", shipped_scorers),
    ("same_share_in_rust", || conforms(&example("same_share"), "same_share")),
];

pub(crate) const TESTS: &[Test] = &[
    ("composite_key_in_c", || conforms(&example("composite_key-c"), "composite_key")),
    ("composite_key_in_python", || conforms(&example("composite_key-python"), "composite_key")),
    ("composite_key_in_javascript", || conforms(&example("composite_key-javascript"), "composite_key")),
    ("same_share_in_c", || conforms(&example("same_share-c"), "same_share")),
    ("same_share_in_python", || conforms(&example("same_share-python"), "same_share")),
    ("same_share_in_javascript", || conforms(&example("same_share-javascript"), "same_share")),
];

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

/// What keeps plugins of other languages from being built here; set by the script that tried.
pub(crate) fn missing() -> Option<&'static str> {
    std::env::var_os("DEDUP_TEST_PLUGINS")
        .is_some_and(|state| state == "absent")
        .then_some("plugins in Python, JavaScript and C could not be built here (see above what is missing)")
}

/// Where tools of other languages are kept between runs, so that they are fetched once.
pub(crate) fn tools_cache() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").map(|home| home.join(".cache"));
    set("XDG_CACHE_HOME").or_else(home).expect("a home directory")
}

/// Holds an example against every rule, and against the golden vectors that all languages share.
fn conforms(component: &Path, golden: &str) {
    let golden = root().join("guest-plugins/golden").join(format!("{golden}.json"));
    strict(component, &golden);
}

/// Runs the whole suite, strictly.
pub(crate) fn strict(component: &Path, golden: &Path) {
    let mut command = command(["plugin", "conformance"]);
    command.arg(component).args(["--level", "strict", "--format", "tap", "--expect"]).arg(golden);
    let output = command.env("XDG_CACHE_HOME", tools_cache()).output().expect("the program starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {:?}\n{stdout}\n{stderr}", component.display(), output.status);
    let passed = stdout.lines().filter(|line| line.starts_with("ok ") && !line.contains("# SKIP")).count();
    assert!(passed > 20, "only {passed} rules were tried:\n{stdout}");
}

fn shipped_extractors() {
    let golden = root().join("guest-plugins/golden");
    strict(&plugin("composite_key"), &golden.join("composite_key.json"));
    strict(&plugin("composite_key"), &golden.join("composite_key_json_config.json"));
    let mut multi = command(["plugin", "conformance", "--level", "strict"]);
    assert!(multi.arg(plugin("multi_key")).output().expect("the program starts").status.success());
}

fn shipped_scorers() {
    for name in ["property_similarity", "string_distance"] {
        strict(&plugin(name), &root().join("guest-plugins").join(name).join("golden.json"));
    }
}
