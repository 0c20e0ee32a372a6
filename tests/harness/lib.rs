//! What the suites share: the program as a user runs it, a real broker, and a way to say that a test was not run.
//! Nothing here looks inside the host: these tests know what its users know.

#![expect(clippy::missing_panics_doc, clippy::expect_used, reason = "a test that cannot set its scene fails loudly")]

pub mod broker;
pub mod program;

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

/// A test of a suite.
pub type Test = (&'static str, fn());

/// Runs a suite that needs nothing but the machine.
pub fn run(tests: &[Test]) -> Conclusion {
    libtest_mimic::run(&Arguments::from_args(), trials(tests, false))
}

/// Runs a suite that needs a broker. Without one every test is counted as ignored, and a line says so.
pub fn run_with_broker(tests: &[Test]) -> Conclusion {
    let absent = broker::hosts().is_none();
    if absent {
        println!("\nNOT RUN: {} tests need a broker and KAFKA_HOSTS is not set\n", tests.len());
    }
    let mut arguments = Arguments::from_args();
    // Tests share one broker and two cores; chaos by a neighbour would blur what each of them shows.
    arguments.test_threads.get_or_insert(2);
    libtest_mimic::run(&arguments, trials(tests, absent))
}

fn trials(tests: &[Test], ignored: bool) -> Vec<Trial> {
    let trial = |(name, test): &Test| {
        let test = *test;
        Trial::test(*name, move || std::panic::catch_unwind(test).map_err(|panic| Failed::from(message(&*panic))))
            .with_ignored_flag(ignored)
    };
    tests.iter().map(trial).collect()
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("the test panicked").to_owned()
}
