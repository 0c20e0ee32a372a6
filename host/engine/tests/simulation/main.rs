//! The protocol as a whole, run from a seed: the machine of `engine::protocol`, the rule, the clock and the progress record,
//! with hosts, a group and a broker that do all that real ones do. Whatever happens, every commit contains exactly what a
//! plain reading of the log says, and in the end the whole log is committed. No threads, no network, no wasm, no RocksDB.
//!
//! `make sim SEEDS=100000 FROM=0` runs more seeds; a seed that fails is replayed, and its story printed.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot set its scene fails loudly")]

mod broker;
mod flaws;
mod group;
mod host;
mod line;
mod reading;
mod worker;
mod world;

use std::collections::BTreeMap;

use engine::decide::Window;
use engine::record::Offset;
use engine::time::{CLOCK_RECORDS, ClockRules};

use crate::flaws::Flaw;
use crate::world::run;

/// How long keys are remembered.
pub(crate) const WINDOW: Window = Window {
    length: Some(20_000),
    allowed_lateness: 5_000,
    clock: ClockRules { out_of_orderness_max: 500, jump_max: 1_000_000 },
};

/// Records that set the clock, before those that the test is about.
pub(crate) const WARM: Offset = CLOCK_RECORDS as Offset;

/// Seeds in a normal run of the tests.
const SEEDS: u64 = 1_500;

/// Seeds within which each flaw must be found.
const FLAW_SEEDS: u64 = 5_000;

/// The troubles that a run of the tests must have met.
const TROUBLES: [&str; 17] = [
    "a batch held",
    "a commit that is late",
    "a commit that never arrived",
    "a commit that the broker lost",
    "a commit that was not acknowledged",
    "a late commit arrived",
    "a log whose start moved",
    "a member thrown out",
    "a partition added",
    "a partition that was not released in time",
    "a pending offset",
    "a record that cannot be read",
    "a replay",
    "a transaction timed out",
    "an old generation refused",
    "fenced",
    "refused",
];

/// Lines of a story that are printed.
const STORY_LINES: u64 = 150;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn tell(seed: u64, violation: &str) -> ! {
    let again = run(seed, None, true);
    for line in again.story.iter().skip(again.story.len().saturating_sub(number("SIM_LINES", STORY_LINES) as usize)) {
        println!("{line}");
    }
    panic!("seed {seed}: {violation}\nto see it again: make sim SEEDS=1 FROM={seed}");
}

#[test]
fn whatever_happens_every_commit_is_what_a_plain_reading_says() {
    let (from, seeds) = (number("SIM_FROM", 0), number("SIM_SEEDS", SEEDS));
    let (mut met, mut records) = (BTreeMap::<&str, u64>::new(), 0);
    for seed in from..from.saturating_add(seeds) {
        let done = run(seed, None, false);
        if let Some(violation) = done.violation {
            tell(seed, &violation);
        }
        records += done.records;
        done.met.into_iter().for_each(|(what, times)| *met.entry(what).or_default() += times);
    }
    println!("{seeds} seeds from {from}, {records} records");
    met.iter().for_each(|(what, times)| println!("{times:>9} {what}"));
    // A simulation in which nothing goes wrong proves nothing.
    let rare: Vec<_> = TROUBLES.iter().filter(|trouble| met.get(**trouble).is_none_or(|times| *times < 3)).collect();
    assert!(seeds < SEEDS || rare.is_empty(), "hardly ever met: {rare:?}");
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    for seed in 0..20 {
        let (one, other) = (run(seed, None, true), run(seed, None, true));
        assert!(one.story == other.story && one.met == other.met, "seed {seed}");
    }
}

#[test]
fn every_flaw_is_found() {
    let found = |flaw| (0..FLAW_SEEDS).find_map(|seed| Some((seed, run(seed, Some(flaw), false).violation?)));
    let mut missed = Vec::new();
    for flaw in Flaw::ALL {
        match found(flaw) {
            Some((seed, words)) => println!("{flaw:?}: seed {seed}: {words}"),
            None => missed.push(flaw),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
