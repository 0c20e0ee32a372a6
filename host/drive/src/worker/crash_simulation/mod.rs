//! One partition with its real worker, state and plugins, step by step and without threads, over the system in memory, from
//! a seed: it aborts, crashes and forgets. Whatever happens, the committed output is what a plain reading of the log gives,
//! and so is what is said of each duplicate; and an event that went out as a dead letter, because the plugin of that moment
//! failed on it, is as if it had not been there, whichever plugin reads it again; so is one that the output did not take,
//! whatever it takes by then. Not the polling thread, and no other host: they are in `tests/driver`.

mod reading;
mod world;

use std::collections::BTreeSet;
use std::path::PathBuf;

use engine::progress::TEXT_CHARS_MAX;
use line::Plugins;
use plugin::{Limits, Runtime, Texts};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use self::reading::{Event, WARM, expected};
use self::world::World;

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Reads and processes so many records.
    Process(usize),
    /// The transaction commits, and the state is told.
    Commit,
    /// The transaction is aborted: back to the last commit.
    Abort,
    /// State in memory goes to disk.
    Persist,
    /// Plugins are swapped, which a commit precedes.
    Swap,
    /// The process dies.
    Crash,
    /// The process dies after the broker has committed and before the state is told.
    CrashAfterCommit,
    /// The disk is lost with the process.
    LoseDisk,
    /// Another plugin takes over, which a commit precedes: one that fails on some events, or one that does not.
    Mend(bool),
    /// The limit of the output is high from now on, or low.
    Limit(bool),
    /// A crash, and an operator writes the group's offset anew, without the text beside it.
    LoseRecord,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (1_usize..40).prop_map(Step::Process),
        5 => Just(Step::Commit),
        1 => Just(Step::Abort),
        2 => Just(Step::Persist),
        1 => Just(Step::Swap),
        1 => Just(Step::Crash),
        1 => Just(Step::CrashAfterCommit),
        1 => Just(Step::LoseDisk),
        2 => any::<bool>().prop_map(Step::Mend),
        2 => any::<bool>().prop_map(Step::Limit),
        1 => Just(Step::LoseRecord),
    ];
    prop::collection::vec(step, 1..60)
}

fn log() -> impl Strategy<Value = Vec<Event>> {
    let event = (0_u8..30, -8_000_i64..100, 0_u8..5, 0_u8..2, prop::bool::weighted(0.2));
    prop::collection::vec(event, 1..500).prop_map(|raw| {
        let drift = |(index, (key, jitter, uuid, property, large)): (usize, (u8, i64, u8, u8, bool))| Event {
            key,
            time: 1_000_000 + index as i64 * 300 + jitter,
            uuid,
            property,
            large,
        };
        raw.into_iter().enumerate().map(drift).collect()
    })
}

/// The same keys by two builds, of which one traps on some of them.
pub(super) struct Builds {
    pub(super) honest: Plugins,
    pub(super) brittle: Plugins,
}

#[test]
fn whatever_fails_the_committed_output_is_that_of_a_plain_reading() {
    simulate(None);
}

#[test]
fn whatever_fails_what_passes_as_distinct_is_remembered_as_a_plain_reading_does() {
    // Events with another uuid and another property are distinct.
    simulate(Some(0.5));
}

#[test]
fn whatever_fails_many_originals_of_one_key_are_told_apart() {
    // Events with another uuid are distinct.
    simulate(Some(0.68));
}

#[test]
fn what_a_rollback_leaves_out_is_an_original_when_it_is_read_again() {
    let event = |key, time| Event { key, time, uuid: 0, property: 0, large: false };
    let log = [event(4, 1_000_300), event(4, 1_000_600), event(9, 1_000_900)];
    // The broken plugin makes dead letters of the first key, which were the originals of the mended one.
    let steps = [Step::Mend(false), Step::Process(WARM), Step::Process(3), Step::Abort, Step::Mend(true)];
    for forward_below in [None, Some(0.5)] {
        check(&builds(), forward_below, &log, &steps, TEXT_CHARS_MAX).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

#[test]
fn a_first_event_that_the_output_does_not_take_leaves_no_key_whatever_is_lost() {
    let event = |time, large| Event { key: 20, time, uuid: 0, property: 0, large };
    // Too large and first; the copy that fits is the first; then one that is too large and a duplicate.
    let log = [event(1_000_300, true), event(1_000_600, false), event(1_000_900, true)];
    let start = [Step::Limit(false), Step::Process(WARM), Step::Process(1), Step::Commit];
    for lost in [Step::Crash, Step::LoseDisk, Step::Persist] {
        for forward_below in [None, Some(0.5)] {
            let steps = [&start[..], &[lost.clone(), Step::Limit(true), Step::Process(1), Step::Limit(false)]].concat();
            check(&builds(), forward_below, &log, &steps, TEXT_CHARS_MAX).unwrap_or_else(|failure| panic!("{failure}"));
        }
    }
}

fn builds() -> Builds {
    let dist = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dist/plugins");
    let dir = std::env::var_os("DEDUP_PLUGINS_DIR").map_or(dist, PathBuf::from);
    let runtime = Runtime::new(Limits::default()).expect("a runtime");
    // What is the same in all events of a key but the key would blur how unlike they are.
    let texts =
        Texts { extractor: None, scorer: Some(r#"{"ignore":["/n","/timestamp","/token","/event","/filling"]}"#) };
    let load =
        |name: &str| runtime.load_with(&dir.join(name), texts).expect("run `make build` first: it leaves dist/plugins");
    let with = |name| Plugins { extractor: load(name), scorer: Some(load("property_similarity.wasm")) };
    Builds { honest: with("composite_key.wasm"), brittle: with("for-tests/brittle_key.wasm") }
}

fn simulate(forward_below: Option<f64>) {
    let builds = builds();
    let mut runner = TestRunner::new(cases::cases(60));
    let chars_max = prop_oneof![Just(TEXT_CHARS_MAX), 150_usize..400];
    let simulated = runner.run(&(log(), steps(), chars_max), |(log, steps, chars_max)| {
        check(&builds, forward_below, &log, &steps, chars_max)
    });
    simulated.unwrap_or_else(|failure| panic!("{failure}"));
}

fn check(
    builds: &Builds,
    forward_below: Option<f64>,
    log: &[Event],
    steps: &[Step],
    chars_max: usize,
) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = World::new(log, builds, forward_below, &dir.path().join("store"), chars_max);
    for step in steps {
        world.step(step);
    }
    world.step(&Step::Abort);
    while !world.is_done() {
        world.step(&Step::Process(33));
        world.step(&Step::Commit);
    }
    let left = world.left();
    let dead: BTreeSet<i64> = left.dead.iter().copied().collect();
    prop_assert_eq!(dead.len(), left.dead.len(), "a dead letter twice");
    let (forwarded, said) = expected(log, forward_below.unwrap_or(0.0), &dead);
    // Those before the log, which all pass, would only hide the others where these differ.
    let [told, wanted] = [&left.forwarded, &forwarded].map(|all| all.split_at(WARM.min(all.len())));
    prop_assert!(told.0 == wanted.0, "the records that the clock is warmed up with");
    prop_assert_eq!(told.1, wanted.1);
    prop_assert_eq!(&left.said, &said);
    Ok(())
}
