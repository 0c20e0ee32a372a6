//! What the suites share: the program as a user runs it, a real broker, and a way to say that a test was not run.
//! Nothing here looks inside the host: these tests know what its users know.

#![expect(
    clippy::missing_panics_doc,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set its scene fails loudly"
)]

pub mod abuse;
pub mod broker;
pub mod disk;
pub mod explained;
pub mod generated;
pub mod program;
pub mod scene;

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

/// A test of a suite.
pub type Test = (&'static str, fn());

/// What some tests need of their surroundings: a part that set-up installs, or the machine has. Where it is missing, the
/// tests fail; where the caller does without it, `SKIP="kafka browser"`, they are counted as ignored.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// Its name in `SKIP`; `scripts/parts.sh` lists them.
    pub part: &'static str,
    /// Why it cannot be used here, as far as that is known before a test runs.
    pub missing: Option<&'static str>,
}

impl Need {
    /// A broker.
    #[must_use]
    pub fn kafka() -> Self {
        let missing = broker::hosts().is_none().then_some("KAFKA_HOSTS is not set");
        Self { part: "kafka", missing }
    }

    /// A part of which the tests themselves find out that it is missing.
    #[must_use]
    pub fn of(part: &'static str) -> Self {
        Self { part, missing: None }
    }
}

/// Tests that need the same of their surroundings.
pub struct Group {
    /// The tests.
    pub tests: Vec<Test>,
    /// What they need, beside the program.
    pub needs: Vec<Need>,
}

/// Runs a suite whose groups say each what they need.
pub fn run_groups(groups: &[Group]) -> Conclusion {
    run_with(Arguments::from_args(), groups)
}

/// As [`run_groups`], `threads` tests at a time unless the command line says otherwise.
pub fn run_groups_on(groups: &[Group], threads: usize) -> Conclusion {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(threads);
    run_with(arguments, groups)
}

/// Runs a suite that needs a broker, `threads` tests at a time unless the command line says otherwise.
pub fn run_with_broker(groups: &[Group], threads: usize) -> Conclusion {
    let with_broker = |group: &Group| {
        let needs = std::iter::once(Need::kafka()).chain(group.needs.iter().copied()).collect();
        Group { tests: group.tests.clone(), needs }
    };
    run_groups_on(&groups.iter().map(with_broker).collect::<Vec<_>>(), threads)
}

fn run_with(arguments: Arguments, groups: &[Group]) -> Conclusion {
    let skip = std::env::var("SKIP").unwrap_or_default();
    let trials = groups.iter().flat_map(|group| trials(&group.tests, State::of(&group.needs, &skip))).collect();
    libtest_mimic::run(&arguments, trials)
}

/// What becomes of the tests of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Run,
    /// By the caller's word.
    Skipped(&'static str),
    /// The part, and why.
    Missing(&'static str, &'static str),
}

impl State {
    /// What is skipped is not missed.
    fn of(needs: &[Need], skip: &str) -> Self {
        let skipped = |part| skip.split([' ', ',']).any(|word| word == part);
        if let Some(need) = needs.iter().find(|need| skipped(need.part)) {
            return Self::Skipped(need.part);
        }
        let missing = needs.iter().find_map(|need| Some(Self::Missing(need.part, need.missing?)));
        missing.unwrap_or(Self::Run)
    }
}

fn trials(tests: &[Test], state: State) -> Vec<Trial> {
    if let State::Skipped(part) = state {
        println!("\nNOT RUN: {} tests, because SKIP names {part}\n", tests.len());
    }
    let trial = |(name, test): &Test| {
        let test = *test;
        let run = move || match state {
            State::Missing(part, why) => Err(Failed::from(format!(
                "{part} is missing: {why}; `scripts/setup.sh` and `make test` set it up, SKIP=\"{part}\" does without"
            ))),
            State::Run | State::Skipped(_) => {
                std::panic::catch_unwind(test).map_err(|panic| Failed::from(message(&*panic)))
            }
        };
        Trial::test(*name, run).with_ignored_flag(matches!(state, State::Skipped(_)))
    };
    tests.iter().map(trial).collect()
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("the test panicked").to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Need, State};

    fn check(needs: &[(&'static str, Option<&'static str>)], skip: &str, wanted: State) {
        let needs: Vec<Need> = needs.iter().map(|(part, missing)| Need { part, missing: *missing }).collect();
        assert_eq!(State::of(&needs, skip), wanted, "{needs:?} with SKIP={skip}");
    }

    #[test]
    fn what_is_missing_fails_unless_the_caller_skips_it() {
        check(&[("kafka", None)], "", State::Run);
        check(&[("kafka", Some("it is not there"))], "", State::Missing("kafka", "it is not there"));
        check(&[("kafka", Some("it is not there"))], "browser", State::Missing("kafka", "it is not there"));
        check(&[("kafka", Some("it is not there"))], "browser kafka", State::Skipped("kafka"));
    }

    #[test]
    fn what_is_skipped_is_not_run_though_it_is_there() {
        check(&[("kafka", None), ("sasl", None)], "sasl,browser", State::Skipped("sasl"));
        check(&[("own-broker", None)], "broker", State::Run);
    }

    #[test]
    fn of_two_parts_the_skipped_one_decides() {
        check(&[("kafka", Some("no")), ("sasl", Some("no"))], "sasl", State::Skipped("sasl"));
    }
}
