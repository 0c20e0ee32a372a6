//! The examples do what their READMEs say.

use std::path::Path;
use std::process::Command;

use dedup_host_tests::Test;
use dedup_host_tests::program;

pub(crate) const TESTS: &[Test] = &[
    ("example_seed_events", example_seed_events),
    ("example_backfill", example_backfill),
    ("example_github_events", example_github_events),
    ("example_posthog", example_posthog),
];

/// Runs an example and checks what it prints against the block in its README that shows it.
fn check(name: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
    let output = Command::new(dir.join("run.sh"))
        .env("DEDUP_HOST_BIN", program::binary().canonicalize().expect("the program: run `make build` first"))
        .env("DEDUP_PLUGINS_DIR", program::plugin("composite_key").canonicalize().unwrap().parent().unwrap())
        .output()
        .expect("the script starts");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}\n{stdout}", String::from_utf8_lossy(&output.stderr));
    let readme = std::fs::read_to_string(dir.join("README.md")).unwrap();
    let shown = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of text");
    assert_eq!(stdout, shown, "examples/{name}/README.md shows something else");
}

fn example_seed_events() {
    check("seed-events");
}

fn example_backfill() {
    check("backfill");
}

fn example_posthog() {
    check("posthog");
}

fn example_github_events() {
    check("github-events");
}
