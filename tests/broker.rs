//! The host against a real Kafka, as its users meet it: what comes out, how runs start and end, what is refused, and
//! what operators see. Not faults at random moments: those are in `chaos`.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot set its scene fails loudly")]

#[path = "broker/explained.rs"]
mod explained;
#[path = "broker/github.rs"]
mod github;
#[path = "shared/made.rs"]
mod made;
#[path = "broker/operation.rs"]
mod operation;
#[path = "broker/output.rs"]
mod output;
#[path = "broker/plugins.rs"]
mod plugins;
#[path = "broker/refusals.rs"]
mod refusals;
#[path = "broker/runs.rs"]
mod runs;
#[path = "broker/undecided.rs"]
mod undecided;

use std::process::ExitCode;

use dedup_host_tests::{Group, run_with_broker};

fn main() -> ExitCode {
    let tests = [
        output::TESTS,
        explained::TESTS,
        runs::TESTS,
        refusals::TESTS,
        operation::TESTS,
        plugins::TESTS,
        undecided::TESTS,
    ]
    .concat();
    let plain = Group { tests, missing: None };
    let no_tls = operation::sasl().is_none().then_some("KAFKA_SASL_ENV is not set");
    let encrypted = Group { tests: operation::TLS_TESTS.to_vec(), missing: no_tls };
    run_with_broker(&[plain, encrypted], 2).exit_code()
}
