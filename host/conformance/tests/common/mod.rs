//! What the suites of the suite share: where plugins are, and what came out of a run in few words.
#![expect(dead_code, clippy::expect_used, reason = "tests; each suite uses its part")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use conformance::{Level, Options, Report, Verdict};
use plugin::Limits;

/// The shipped plugin of this name.
pub(crate) fn shipped(name: &str) -> PathBuf {
    built("DEDUP_PLUGINS_DIR", "dist/plugins", name)
}

/// The plugin of this name that is only for tests.
pub(crate) fn for_tests(name: &str) -> PathBuf {
    built("DEDUP_TEST_PLUGINS_DIR", "dist/test-plugins", name)
}

fn built(variable: &str, default: &str, name: &str) -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(default);
    let path = std::env::var_os(variable).map_or(default, PathBuf::from).join(name).with_extension("wasm");
    assert!(path.exists(), "{} is not there: run `make build` first, or set {variable}", path.display());
    path
}

/// All rules, with time limits that no busy machine exceeds: what is too much work is told by fuel.
pub(crate) fn strict(cache_dir: &Path) -> Options {
    let limits =
        Limits { time_per_batch: Duration::from_secs(60), time_to_start: Duration::from_secs(60), ..Limits::default() };
    Options { level: Level::Strict, limits, cache_dir: Some(cache_dir.to_owned()), ..Options::default() }
}

/// Runs the suite on a component that can be loaded.
pub(crate) fn run(path: &Path, options: &Options) -> Report {
    conformance::run(path, options, &mut |_| {}).expect("a component that keeps to the contract by its types")
}

/// The ids of the rules that failed.
pub(crate) fn failed(report: &Report) -> Vec<&'static str> {
    let failed = report.outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Failed(_)));
    failed.map(|outcome| outcome.rule.id).collect()
}

/// The ids of the rules that could not be tried because of others.
pub(crate) fn blocked(report: &Report) -> Vec<&'static str> {
    let blocked = report.outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Blocked(_)));
    blocked.map(|outcome| outcome.rule.id).collect()
}
