//! How many cases a property is tried with, and how a case that failed is tried again; and numbers from a seed (`rng`). For
//! tests alone. Not the properties.
//!
//! - `PROPTEST_CASES=100000` is the number for every property, in the place of the number that its test says.
//! - A property that fails prints its smallest failing input, and `FAILED_CASE='cc ...'`; with that variable the same case
//!   is tried again, before all others. No file is written, so that it works from the log of another machine.

mod rng;

use std::any::Any;

use proptest::test_runner::{Config, FailurePersistence, PersistedSeed};

pub use rng::Rng;

/// The variable that says how many cases every property has.
const CASES: &str = "PROPTEST_CASES";

/// The variable that says which case is tried first.
const FAILED: &str = "FAILED_CASE";

/// The configuration of a property that is tried with so many cases, unless `PROPTEST_CASES` says how many.
#[must_use]
pub fn cases(cases: u32) -> Config {
    // It has read the variable already, if there is one.
    let default = Config::default();
    let cases = if std::env::var_os(CASES).is_some() { default.cases } else { cases };
    let again = std::env::var(FAILED).ok().and_then(|seed| seed.trim().parse().ok());
    Config { cases, failure_persistence: Some(Box::new(Printed { again })), ..default }
}

/// Tells people how to try a case again, and tries one that they name.
#[derive(Debug, Clone, PartialEq)]
struct Printed {
    again: Option<PersistedSeed>,
}

impl FailurePersistence for Printed {
    fn load_persisted_failures2(&self, _source: Option<&'static str>) -> Vec<PersistedSeed> {
        self.again.iter().cloned().collect()
    }

    fn save_persisted_failure2(
        &mut self,
        _source: Option<&'static str>,
        seed: PersistedSeed,
        _shrunken: &dyn std::fmt::Debug,
    ) {
        eprintln!("to try this case again, before all others: {FAILED}='{seed}' and the same command");
    }

    fn box_clone(&self) -> Box<dyn FailurePersistence> {
        Box::new(self.clone())
    }

    fn eq(&self, other: &dyn FailurePersistence) -> bool {
        other.as_any().downcast_ref::<Self>() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use proptest::prelude::*;
    use proptest::test_runner::{MapFailurePersistence, TestError, TestRunner};

    use super::*;

    #[test]
    fn the_number_of_a_test_holds_unless_the_variable_says_another() {
        let said = std::env::var(CASES).ok().and_then(|cases| cases.parse().ok());
        assert_eq!(cases(7).cases, said.unwrap_or(7));
    }

    #[test]
    fn a_case_that_failed_is_tried_again_before_all_others() {
        const SOURCE: Option<&str> = Some("a test");
        let kept = Some(Box::new(MapFailurePersistence::default()) as Box<dyn FailurePersistence>);
        let mut runner = TestRunner::new(Config { failure_persistence: kept, source_file: SOURCE, ..cases(1_000) });
        let fails = |number: u64| prop_assert_is_even(number);
        let Err(TestError::Fail(_, smallest)) = runner.run(&any::<u64>(), fails) else { panic!("half of them fail") };
        assert_eq!(smallest % 2, 1);
        let kept = runner.config().failure_persistence.as_ref().unwrap().load_persisted_failures2(SOURCE);
        let [seed] = kept.as_slice() else { panic!("{kept:?}") };
        // As people copy it out of a log.
        let again = Some(seed.to_string().parse().unwrap());
        let mut first = Vec::new();
        let tried = std::cell::RefCell::new(&mut first);
        let config = Config { failure_persistence: Some(Box::new(Printed { again })), ..cases(1) };
        let run = TestRunner::new(config).run(&any::<u64>(), |number| {
            tried.borrow_mut().push(number);
            prop_assert_is_even(number)
        });
        assert!(run.is_err() && first[0] % 2 == 1, "{first:?}");
    }

    fn prop_assert_is_even(number: u64) -> Result<(), proptest::test_runner::TestCaseError> {
        prop_assert!(number.is_multiple_of(2));
        Ok(())
    }

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        // A directory may go meanwhile: builds of plugins make some and remove them.
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    /// A property that says its number in another way would not heed the variable, and would write files.
    #[test]
    fn every_property_of_the_repository_has_its_cases_from_here() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = Vec::new();
        ["host", "tests", "guest-plugins"].iter().for_each(|folder| sources(&root.join(folder), &mut files));
        let (mut properties, mut others) = (0, Vec::new());
        for file in files.iter().filter(|file| !file.ends_with("cases/src/lib.rs")) {
            let text = std::fs::read_to_string(file).unwrap();
            let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            while let Some(line) = lines.next() {
                let is_block = line.ends_with("proptest! {");
                properties += usize::from(is_block);
                let is_ours = |line: &str| line.starts_with("#![proptest_config(cases::cases(");
                let is_other = ["ProptestConfig", "Config::with_cases"].iter().any(|word| line.contains(word));
                if is_other || is_block && !lines.next().is_some_and(is_ours) {
                    others.push(format!("{}: {line}", file.display()));
                }
            }
        }
        assert!(properties > 15, "{properties} blocks of properties were found");
        assert!(others.is_empty(), "say `#![proptest_config(cases::cases(256))]` first: {others:#?}");
    }
}
