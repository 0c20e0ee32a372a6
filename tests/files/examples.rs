//! The examples do what their READMEs say, and so do the commands of the first look in README.md.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use dedup_host_tests::Test;
use dedup_host_tests::program;

pub(crate) const TESTS: &[Test] = &[
    ("example_seed_events", example_seed_events),
    ("example_backfill", example_backfill),
    ("example_github_events", example_github_events),
    ("example_posthog", example_posthog),
    ("the_first_look_of_the_readme", the_first_look_of_the_readme),
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

/// Its commands are run as they are written, where `dist/` is as `make build` leaves it.
fn the_first_look_of_the_readme() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let section = readme.split("\n## First look").nth(1).expect("the section");
    let commands = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("its commands");
    let dir = tempfile::tempdir().unwrap();
    let plugins = program::plugin("composite_key").canonicalize().unwrap().parent().unwrap().to_owned();
    std::fs::create_dir(dir.path().join("dist")).unwrap();
    symlink(program::binary().canonicalize().unwrap(), dir.path().join("dist/dedup-host")).unwrap();
    symlink(plugins, dir.path().join("dist/plugins")).unwrap();
    let output = Command::new("bash").args(["-euc", commands]).current_dir(dir.path()).output().expect("bash starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("unique.ndjson"), read("seed.ndjson").split_inclusive('\n').next().unwrap());
    let duplicates = read("duplicates.ndjson");
    assert!(
        duplicates.lines().count() == 1 && duplicates.contains(r#""outcome":"only_uuid_different""#),
        "{duplicates}"
    );
}
