//! The guide to a first plugin, followed word by word from an empty directory, in each language, over a file and on Kafka.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dedup_host_tests::Test;
use dedup_host_tests::broker::Broker;
use dedup_host_tests::program::{binary, free_port};

use crate::authors::languages::tools_cache;
use crate::authors::text::{Step, not_printed, section};

pub(crate) const TESTS_OF_RUST: &[Test] = &[("the_guide_in_rust", || follow("Rust"))];

/// By the part that they are built with.
pub(crate) const TESTS: &[(&str, Test)] = &[
    ("python", ("the_guide_in_python", || follow("Python"))),
    ("javascript", ("the_guide_in_javascript", || follow("JavaScript"))),
    ("c", ("the_guide_in_c", || follow("C"))),
];

/// Stands between the outputs of two steps.
const MARK: &str = "@@ end of step";

fn guide() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/first-plugin.md");
    std::fs::read_to_string(path).expect("the guide")
}

/// Does what the guide says, in one shell, as a reader would who copies each block.
fn follow(language: &str) {
    let (dir, guide) = (tempfile::tempdir().expect("a directory"), guide());
    let broker = Broker::connect(&format!("guide-{}", language.to_lowercase()));
    let (orders, unique) = (broker.topic("orders", 2, &[]), broker.topic("orders-unique", 2, &[]));
    let port = free_port().to_string();
    // Names that several readers on one broker cannot share.
    let own = |commands: &str| {
        let commands = commands.replace("TOPIC=orders-unique", &format!("TOPIC={unique}"));
        let commands = commands.replace("TOPIC=orders ", &format!("TOPIC={orders} "));
        let commands = commands.replace("--topic orders\n", &format!("--topic {orders}\n"));
        commands.replace("localhost:8080", &format!("localhost:{port}"))
    };
    let steps: Vec<Step> =
        [language, "Over a file", "Declare what is the same", "Check it strictly, with your own events", "On Kafka"]
            .into_iter()
            .flat_map(|title| section(&guide, title))
            .collect();
    let mut script = String::from("set -euo pipefail\n");
    for step in &steps {
        script.push_str(&own(&step.commands));
        script.push_str(&format!("echo '{MARK}'\n"));
    }
    let state = dir.path().join("state");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(dir.path())
        .env("PATH", path_with(&binary()))
        .env("BIND_PORT", &port)
        .env("STORE_PATH", &state)
        .env("KAFKA_HOSTS", dedup_host_tests::broker::hosts().expect("a broker"))
        .env("KAFKA_CONSUMER_GROUP", broker.name("group"))
        .env("XDG_CACHE_HOME", tools_cache())
        .stdin(Stdio::null())
        .output()
        .expect("bash");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let printed: Vec<&str> = stdout.split(MARK).collect();
    for (step, printed) in steps.iter().zip(&printed) {
        if let Some(line) = not_printed(&step.prints, printed) {
            panic!("after\n{}\nthe guide shows\n{line}\nand this came:\n{printed}\nstderr:\n{stderr}", step.commands);
        }
    }
    assert!(output.status.success(), "step {} failed: {stdout}\nstderr:\n{stderr}", printed.len());
    assert_eq!(printed.len(), steps.len() + 1, "not every step was reached");
}

/// The program's directory first: the guide calls it by its name.
fn path_with(program: &Path) -> std::ffi::OsString {
    let program = program.canonicalize().expect("the program: run `make build` first");
    let mut paths: Vec<PathBuf> = vec![program.parent().expect("a directory").to_owned()];
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    std::env::join_paths(paths).expect("no colon in it")
}
