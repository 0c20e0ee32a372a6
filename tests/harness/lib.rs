//! What the suites share: the program as a user runs it, a real broker, and a way to say that a test was not run.
//! Nothing here looks inside the host: these tests know what its users know.

#![expect(
    clippy::missing_panics_doc,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set its scene fails loudly"
)]

pub mod broker;
pub mod explained;
pub mod generated;
pub mod program;
pub mod scene;

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

/// A test of a suite.
pub type Test = (&'static str, fn());

/// Runs a suite that needs no broker; some of its tests, `needing`, need what may be `missing`.
pub fn run_needing(tests: &[Test], needing: &[Test], missing: Option<&'static str>) -> Conclusion {
    let groups = [Group { tests: tests.to_vec(), missing: None }, Group { tests: needing.to_vec(), missing }];
    libtest_mimic::run(&Arguments::from_args(), trials_of(&groups, None))
}

/// Runs a suite whose groups say each what they lack.
pub fn run_groups(groups: &[Group]) -> Conclusion {
    libtest_mimic::run(&Arguments::from_args(), trials_of(groups, None))
}

/// Tests that need the same of their surroundings, beside the broker.
pub struct Group {
    /// The tests.
    pub tests: Vec<Test>,
    /// What is not there, in words; the tests are ignored then.
    pub missing: Option<&'static str>,
}

/// Runs a suite that needs a broker, `threads` tests at a time unless the command line says otherwise. Tests that lack
/// something are counted as ignored, and a line says so.
pub fn run_with_broker(groups: &[Group], threads: usize) -> Conclusion {
    let no_broker = broker::hosts().is_none().then_some("KAFKA_HOSTS is not set");
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(threads);
    libtest_mimic::run(&arguments, trials_of(groups, no_broker))
}

/// What is `missing` for all is missing for every group.
fn trials_of(groups: &[Group], missing: Option<&'static str>) -> Vec<Trial> {
    let of_group = |group: &Group| {
        let missing = missing.or(group.missing);
        if let Some(missing) = missing {
            println!("\nNOT RUN: {} tests, because {missing}\n", group.tests.len());
        }
        trials(&group.tests, missing.is_some())
    };
    groups.iter().flat_map(of_group).collect()
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
