//! What the documents promise, held against the repository: that links lead somewhere, that alerts and exit codes are
//! explained, that tests which are named exist, and that third-party code is the code that was read about. Nothing here
//! runs the program.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot set its scene fails loudly"
)]

#[path = "documents/bill.rs"]
mod bill;
#[path = "documents/links.rs"]
mod links;
#[path = "documents/operations.rs"]
mod operations;
#[path = "documents/promises.rs"]
mod promises;
#[path = "documents/third_party.rs"]
mod third_party;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use dedup_host_tests::{Group, Need, run_groups};

fn main() -> ExitCode {
    let groups = [
        Group {
            tests: [links::TESTS, operations::TESTS, promises::TESTS, third_party::TESTS].concat(),
            needs: Vec::new(),
        },
        Group { tests: bill::TESTS.to_vec(), needs: vec![Need::of("python")] },
    ];
    run_groups(&groups).exit_code()
}

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// A file of the repository.
fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Standard output of a command that must succeed, in the repository.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output().expect("the command starts");
    assert!(output.status.success(), "{program} {arguments:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}
