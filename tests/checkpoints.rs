//! Checkpoints in a real S3-compatible store. Not what fails there by plan: that is in the crate's own tests.

#![expect(clippy::expect_used, reason = "a test that cannot set its scene fails loudly")]

#[path = "checkpoints/bucket.rs"]
mod bucket;

use std::process::ExitCode;

use dedup_host_tests::{Group, Need, run_groups};

fn main() -> ExitCode {
    let missing = bucket::endpoint().is_none().then_some("TEST_S3_ENDPOINT is not set; scripts/s3.sh up prints it");
    let groups = [Group { tests: bucket::TESTS.to_vec(), needs: vec![Need { part: "s3", missing }] }];
    run_groups(&groups).exit_code()
}
