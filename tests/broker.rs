//! The host against a real Kafka, as its users meet it: what comes out, how runs start and end, what is refused, and
//! what operators see. Not faults at random moments: those are in `chaos`.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot set its scene fails loudly")]

#[path = "broker/checkpoints.rs"]
mod checkpoints;
#[path = "broker/explained.rs"]
mod explained;
#[path = "broker/github.rs"]
mod github;
#[path = "broker/growth.rs"]
mod growth;
#[path = "shared/made.rs"]
mod made;
#[path = "broker/operation.rs"]
mod operation;
#[path = "broker/output.rs"]
mod output;
#[path = "broker/ownership.rs"]
mod ownership;
#[path = "broker/plugins.rs"]
mod plugins;
#[path = "broker/records.rs"]
mod records;
#[path = "broker/refusals.rs"]
mod refusals;
#[path = "broker/runs.rs"]
mod runs;
#[path = "broker/seeds.rs"]
mod seeds;
#[path = "broker/starts.rs"]
mod starts;
#[path = "broker/undecided.rs"]
mod undecided;
#[path = "broker/unreadable.rs"]
mod unreadable;
#[path = "broker/verified.rs"]
mod verified;

use std::process::ExitCode;

use dedup_host_tests::disk::Disk;
use dedup_host_tests::{Group, Need, run_with_broker};

fn main() -> ExitCode {
    let tests = [
        output::TESTS,
        explained::TESTS,
        runs::TESTS,
        refusals::TESTS,
        operation::TESTS,
        plugins::TESTS,
        ownership::TESTS,
        starts::TESTS,
        growth::TESTS,
        seeds::TESTS,
        undecided::TESTS,
        records::TESTS,
        unreadable::TESTS,
        checkpoints::TESTS,
        verified::TESTS,
    ]
    .concat();
    let plain = Group { tests, needs: Vec::new() };
    let missing = operation::sasl().is_none().then_some("KAFKA_SASL_ENV is not set");
    let encrypted = Group { tests: operation::TLS_TESTS.to_vec(), needs: vec![Need { part: "sasl", missing }] };
    let missing = Disk::missing();
    let small =
        Group { tests: checkpoints::TESTS_OF_SMALL_DISKS.to_vec(), needs: vec![Need { part: "disks", missing }] };
    run_with_broker(&[plain, encrypted, small], 2).exit_code()
}
