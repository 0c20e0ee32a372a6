//! The store on bad disks: a program of its own, so that where the caller does without the right to mount, `SKIP=disks`,
//! its tests are counted as ignored, never as passed. Not the tests themselves.
#![expect(clippy::unwrap_used, reason = "tests may stop")]

#[expect(dead_code, reason = "shared with the suite, which uses all of it")]
mod common;
mod disks;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let skip = std::env::var("SKIP").unwrap_or_default();
    let skipped = skip.split([' ', ',']).any(|part| part == "disks");
    if skipped {
        println!("\nNOT RUN: {} tests, because SKIP names disks\n", disks::TESTS.len());
    }
    let trial = |(name, test): &(&str, fn())| {
        let test = *test;
        // A panic is a failed test; its message is on standard error by then.
        let run = move || std::panic::catch_unwind(test).map_err(|_| "the test panicked, see above".into());
        Trial::test(*name, run).with_ignored_flag(skipped)
    };
    libtest_mimic::run(&Arguments::from_args(), disks::TESTS.iter().map(trial).collect()).exit_code()
}
