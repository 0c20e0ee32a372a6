//! A directory of a test's own, the program started in it, and what is left there afterwards.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use dedup_host_tests::program::{self, Ended};
use serde_json::Value;

/// The directory. Paths of commands are relative to it.
pub(crate) struct Desk {
    dir: tempfile::TempDir,
}

/// What `--report` says became of the events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) consumed: u64,
    pub(crate) unique: u64,
    pub(crate) duplicate: u64,
    pub(crate) late: u64,
    pub(crate) keyless: u64,
    pub(crate) dead_letter: u64,
}

impl Counts {
    /// Every event has exactly one outcome.
    fn check(self) -> Self {
        let decided = self.unique + self.duplicate + self.late + self.keyless + self.dead_letter;
        assert_eq!(decided, self.consumed, "{self:?}");
        self
    }
}

/// `unique` and `duplicate` events, and nothing else.
pub(crate) fn counts(unique: u64, duplicate: u64) -> Counts {
    Counts { consumed: unique + duplicate, unique, duplicate, ..Counts::default() }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("a file");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("UTF-8")
    }

    pub(crate) fn size(&self, name: &str) -> u64 {
        fs::metadata(self.path(name)).map_or(0, |metadata| metadata.len())
    }

    /// Each line as JSON.
    pub(crate) fn json_lines(&self, name: &str) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.text(name).lines().map(parse).collect()
    }

    /// The program with these words as arguments.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = program::command(words.split_whitespace());
        command.current_dir(self.dir.path());
        command
    }

    /// `--plugin composite_key.wasm --store-path store` and these words.
    pub(crate) fn dedup(&self, words: &str) -> Command {
        self.dedup_in("store", words)
    }

    /// The same with another store.
    pub(crate) fn dedup_in(&self, store: &str, words: &str) -> Command {
        let mut command = self.command(&format!("--store-path {store} --plugin"));
        command.arg(program::plugin("composite_key")).args(words.split_whitespace());
        command
    }

    /// Runs [`Desk::dedup`] to its end.
    pub(crate) fn run(&self, words: &str) -> Ended {
        end(self.dedup(words))
    }

    /// Runs with the whole `in` as input and `out` as output, in the place of those of a run before, and returns what the
    /// report says.
    pub(crate) fn counts(&self, words: &str) -> Counts {
        let again = if words.contains("--resume") { "" } else { "--overwrite" };
        let _ok = self.run(&format!("--input in --output out --report report {again} {words}")).ok();
        self.report()
    }

    /// The file `report`.
    pub(crate) fn whole_report(&self) -> Value {
        program::report(&self.path("report"))
    }

    /// The counts in it.
    pub(crate) fn report(&self) -> Counts {
        let report = self.whole_report();
        let count = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}"));
        Counts {
            consumed: count("consumed"),
            unique: count("unique"),
            duplicate: count("duplicate"),
            late: count("late"),
            keyless: count("keyless"),
            dead_letter: count("dead_letter"),
        }
        .check()
    }

    /// Generates `in` and its `truth`.
    pub(crate) fn generate(&self, events: u64, seed: u64) -> Counts {
        let words = format!("generate --events {events} --seed {seed} --duplicates 0.2 --output in --truth truth");
        let _ok = end(self.command(&words)).ok();
        let truth = self.text("truth");
        let summary: Value = serde_json::from_str(truth.lines().last().expect("a summary")).expect("JSON");
        let count = |name: &str| summary["summary"][name].as_u64().expect("a count");
        counts(count("unique"), count("duplicates"))
    }

    /// Checks, line by line, that `output` is exactly the events of `in` that are the first of their composite.
    pub(crate) fn check_unique(&self, output: impl BufRead) {
        let mut output = output.split(b'\n').map(|line| line.expect("the output can be read"));
        let input = open(&self.path("in")).split(b'\n');
        let truth = open(&self.path("truth")).lines();
        for (number, (event, truth)) in input.zip(truth).enumerate() {
            if truth.expect("a line").contains("\"duplicate_of\":null") {
                let got = output.next().unwrap_or_else(|| panic!("the output ends before event {number}"));
                let same = got == event.expect("a line");
                assert!(same, "instead of event {number}: {}", String::from_utf8_lossy(&got));
            }
        }
        assert_eq!(output.count(), 0, "lines after the last event");
    }
}

fn open(path: &Path) -> BufReader<File> {
    BufReader::with_capacity(1 << 20, File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The bytes of a file, in large pieces.
pub(crate) fn reader(desk: &Desk, name: &str) -> BufReader<File> {
    open(&desk.path(name))
}

/// Runs a command to its end.
pub(crate) fn end(mut command: Command) -> Ended {
    let output = command.output().expect("the program starts");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `CHAOS_SEED`, or the seed given: the first of those that a test uses.
pub(crate) fn first_seed(otherwise: u64) -> u64 {
    let chosen = std::env::var("CHAOS_SEED").ok();
    chosen.map_or(otherwise, |text| text.parse().expect("CHAOS_SEED is a number"))
}

/// Random numbers of a seed: SplitMix64 (Steele, Lea and Flood, 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
