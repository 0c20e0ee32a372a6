//! One partition with its real state and plugins against a simulated broker that aborts, crashes and forgets, from a
//! seed. Whatever happens, the committed output is what a plain reading of the log gives, and so is what is said of each
//! duplicate; and an event that went out as a dead letter, because the plugin of that moment failed on it, is as if it had
//! not been there, whichever plugin reads it again; so is one that the output did not take, whatever it takes by then. Not
//! threads, not the network.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot set its scene fails loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectors::headers::{OFFSET_HEADER, STAGE_HEADER};
use connectors::{Lane, Outgoing, Refusal, Sink, SinkFailure, Unsendable};
use engine::decide::Window;
use engine::progress::{Progress, Proof, Ranges, TEXT_CHARS_MAX};
use engine::projection::{JsonIn, Numbers};
use engine::protocol::start::{Assigned, LogTimes, OnLogGap, Start, StartError, StartRules, start};
use engine::record::{NewRecord, Outline, RecordBatch, TopicPartition};
use engine::time::{CLOCK_RECORDS, Clock, ClockRules};
use line::{
    ExplanationConfig, LatePolicy, Line, LineError, OnMissingKey, OnPluginFailure, OnUnsendable, Past, Plugins, Rules,
};
use plugin::{Limits, Runtime, Texts};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use state::{OriginalsOptions, OriginalsWriter, PartitionStore, StoreIdentity, StoreOptions};

/// An event of the log.
#[derive(Debug, Clone)]
struct Event {
    key: u8,
    time: i64,
    uuid: u8,
    property: u8,
    /// The output takes it only where its limit is high.
    large: bool,
}

/// What is said of a duplicate: its offset, its original's, how many there were, how many uuids, and the outcome.
type Said = (i64, i64, u64, u64, &'static str);

const WINDOW: Window = Window {
    length: Some(20_000),
    allowed_lateness: 5_000,
    clock: ClockRules { out_of_orderness_max: 500, jump_max: 1_000_000 },
};

#[derive(Debug, Clone)]
enum Step {
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

/// Originals of one key at once.
const ORIGINALS_MAX: usize = 16;

/// Records before the log's, so that the clock runs when it begins, and goes on with it: of the times that it has seen,
/// half lie before, and half come to be looked at in turn.
const WARM: usize = CLOCK_RECORDS;

fn warm_time(offset: usize) -> i64 {
    1_000_000 + offset.saturating_sub(WARM / 2) as i64 * 300
}

/// How alike two events of a key are, as `property_similarity` has it: the key and the uuid weigh 0.7, the property 0.3.
fn similarity(one: &Event, other: &Event) -> f64 {
    let fields = if one.uuid == other.uuid { 1.0 } else { 0.5 };
    let properties = if one.property == other.property { 1.0 } else { 0.0 };
    0.7 * fields + 0.3 * properties
}

/// What a plain reading forwards, first events of their window, those that are less alike to all originals than `bound`,
/// and late ones, which pass undecided; and what it says of the others. Dead letters move the clock, and are nothing else.
fn expected(log: &[Event], bound: f64, dead: &BTreeSet<i64>) -> (Vec<i64>, Vec<Said>) {
    // For each key the places of its originals, each with those that were there.
    let (mut keys, mut clock) = (BTreeMap::<u8, Vec<Vec<usize>>>::new(), Clock::default());
    let (mut forwarded, mut said) = ((0..WARM as i64).collect::<Vec<_>>(), Vec::new());
    (0..WARM).for_each(|offset| clock.observe(offset as i64, Some(warm_time(offset)), &WINDOW.clock));
    let mut repeats = BTreeMap::<usize, (u64, BTreeSet<u8>)>::new();
    for (offset, event) in (WARM..).zip(log) {
        let oldest = clock.watermark(&WINDOW.clock).map(|watermark| watermark - WINDOW.allowed_lateness);
        let late = oldest.is_some_and(|oldest| event.time < oldest);
        clock.observe(offset as i64, Some(event.time), &WINDOW.clock);
        if dead.contains(&(offset as i64)) {
            continue;
        }
        if late {
            forwarded.push(offset as i64);
            continue;
        }
        let live = |original: &&usize| log[**original - WARM].time >= event.time - 20_000;
        let places = keys.entry(event.key).or_default();
        let latest = places.iter().filter_map(|place| place.iter().rev().find(live));
        let latest: BTreeMap<usize, f64> = latest.map(|at| (*at, similarity(&log[*at - WARM], event))).collect();
        let closest = latest.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best });
        if let Some((at, _)) = closest.filter(|(_, similarity)| *similarity >= bound) {
            let original = &log[at - WARM];
            let (count, uuids) = repeats.entry(at).or_default();
            *count += 1;
            uuids.extend([original.uuid, event.uuid]);
            let outcome = match (event.uuid == original.uuid, event.property == original.property) {
                (true, true) => "same_event",
                (true, false) => "same_uuid",
                (false, true) => "only_uuid_different",
                (false, false) => "content_differs",
            };
            said.push((offset as i64, at as i64, *count, uuids.len() as u64, outcome));
            continue;
        }
        forwarded.push(offset as i64);
        match places.iter().position(|place| !place.iter().any(|original| live(&original))) {
            Some(free) => places[free].push(offset),
            None if places.len() < ORIGINALS_MAX => places.push(vec![offset]),
            None => {}
        }
    }
    (forwarded, said)
}

/// Outputs of a transaction: the offsets of events, which stand in their payload, and what was said of duplicates.
#[derive(Default)]
struct Transaction {
    forwarded: Vec<i64>,
    said: Vec<Said>,
    /// Records that were not decided.
    dead: Vec<i64>,
    /// Late ones that the output did not take, which is decided all the same.
    refused: Vec<i64>,
    /// Offsets of records that the output does not take.
    too_large: BTreeSet<i64>,
}

impl Transaction {
    fn clear(&mut self) {
        *self = Self { too_large: std::mem::take(&mut self.too_large), ..Self::default() };
    }
}

impl Sink for Transaction {
    fn has(&self, lane: Lane) -> bool {
        matches!(lane, Lane::Output | Lane::Duplicates | Lane::DeadLetter)
    }

    fn takes_all(&self, _records: &Outline) -> bool {
        self.too_large.is_empty()
    }

    fn refusal(&self, lane: Lane, record: &Outgoing<'_>) -> Option<Unsendable> {
        let is_refused = lane == Lane::Output && self.too_large.contains(&record.origin.offset);
        is_refused.then(|| Unsendable { reason: Refusal::TooLarge, cause: "too large".to_owned() })
    }

    fn send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkFailure> {
        if lane == Lane::DeadLetter {
            let header = |name| record.extra_headers.iter().find(|(header, _)| *header == name).expect("there").1;
            let of_stage = if header(STAGE_HEADER) == "late" { &mut self.refused } else { &mut self.dead };
            of_stage.push(header(OFFSET_HEADER).parse().expect("a number"));
            return Ok(());
        }
        assert!(self.refusal(lane, record).is_none(), "sent although it is refused");
        let json: Value = serde_json::from_slice(record.payload.expect("a payload")).expect("JSON");
        let number = |pointer: &str| json.pointer(pointer).and_then(Value::as_i64).unwrap_or(-1);
        match lane {
            Lane::Output => self.forwarded.push(number("/n")),
            Lane::Duplicates => {
                let outcome = OUTCOMES.into_iter().find(|outcome| json["outcome"] == *outcome).unwrap_or("another");
                let counted = |pointer| number(pointer).unsigned_abs();
                let (count, uuids) = (counted("/count"), counted("/distinct_uuids"));
                let exact = json["distinct_uuids_exact"].as_bool().expect("told");
                // Estimates are the affair of their own tests.
                let uuids = if exact { uuids } else { u64::MAX };
                self.said.push((number("/duplicate/offset"), number("/original/offset"), count, uuids, outcome));
            }
            Lane::DeadLetter | Lane::Late => panic!("nobody listens to {lane:?}"),
        }
        Ok(())
    }
}

const OUTCOMES: [&str; 4] = ["same_event", "same_uuid", "only_uuid_different", "content_differs"];

/// The same keys by two builds, of which one traps on some of them.
struct Builds {
    honest: Plugins,
    brittle: Plugins,
}

/// Keys that the brittle build traps on.
const POISON: std::ops::Range<u8> = 0..9;

struct World<'a> {
    log: &'a [Event],
    builds: &'a Builds,
    forward_below: Option<f64>,
    is_brittle: bool,
    /// Room for the progress record.
    chars_max: usize,
    /// What the group keeps beside its offset.
    metadata: String,
    /// What the next commit puts there.
    record: String,
    dir: PathBuf,
    line: Line<PartitionStore>,
    position: usize,
    /// The line's last commit, and the group's offset.
    applied: usize,
    committed: usize,
    live_from: usize,
    transaction: Transaction,
    visible: Transaction,
}

impl<'a> World<'a> {
    fn new(log: &'a [Event], builds: &'a Builds, forward_below: Option<f64>, dir: &Path, chars_max: usize) -> Self {
        let mut line = line(&builds.honest, forward_below, dir);
        line.remember(Past::new(Progress::starting_at(0), Ranges::default(), 0, 0));
        let (dir, transaction) = (dir.to_owned(), Transaction::default());
        Self {
            log,
            builds,
            forward_below,
            is_brittle: false,
            chars_max,
            metadata: String::new(),
            record: String::new(),
            dir,
            line,
            position: 0,
            applied: 0,
            committed: 0,
            live_from: 0,
            transaction,
            visible: Transaction::default(),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Process(records) => self.process(*records),
            Step::Commit => {
                self.broker_commits();
                self.applied = self.position;
                self.line.commit(self.position as i64, self.record.clone().into_bytes());
            }
            Step::Abort => {
                self.transaction.clear();
                self.line.rollback();
                self.position = self.applied;
            }
            Step::Persist if self.position == self.applied => {
                self.line.store().persist().expect("persisted");
                self.line.past_mut().expect("told").ledger.persisted(self.applied as i64);
            }
            Step::Persist => {}
            Step::Swap => {
                self.step(&Step::Commit);
                self.line.swap(self.plugins()).expect("swapped");
            }
            // Of what an operator's reset made unknown a broken plugin would make what it likes.
            Step::Mend(mended) if *mended || self.position >= self.live_from => {
                self.is_brittle = !mended;
                self.step(&Step::Swap);
            }
            Step::Mend(_) => {}
            Step::Limit(is_high) => {
                let large = (WARM as i64..).zip(self.log).filter(|(_, event)| event.large && !is_high);
                self.transaction.too_large = large.map(|(offset, _)| offset).collect();
            }
            Step::LoseRecord => {
                self.metadata.clear();
                self.is_brittle = false;
                // The copy in the state would do as well, but not for what came after it.
                self.dir = self.dir.join("again");
                self.restart();
            }
            Step::Crash => self.restart(),
            Step::CrashAfterCommit => {
                self.broker_commits();
                self.restart();
            }
            Step::LoseDisk => {
                let elsewhere = self.dir.join("again");
                self.dir = elsewhere;
                self.restart();
            }
        }
    }

    fn process(&mut self, records: usize) {
        let to = (self.position + records).max(WARM).min(self.end());
        let mut batch = RecordBatch::new();
        for offset in self.position..to.min(WARM) {
            let payload = format!(
                "{{\"timestamp\":0,\"distinct_id\":\"w{offset}\",\"token\":\"\",\"event\":\"\",\"n\":{offset}}}"
            );
            let (timestamp, payload) = (Some(warm_time(offset)), Some(payload.as_bytes()));
            batch.push(NewRecord { offset: offset as i64, timestamp, key: None, payload });
        }
        for (offset, event) in (WARM..to).zip(self.log).skip(self.position.saturating_sub(WARM)) {
            let Event { key, time, uuid, property, .. } = event;
            let payload = format!(
                "{{\"timestamp\":0,\"distinct_id\":\"{}{key}\",\"token\":\"\",\"event\":\"\",\"n\":{offset},\"uuid\":\"{uuid}\",\
                 \"properties\":{{\"property\":{property}}}}}",
                if POISON.contains(key) { "poison" } else { "good" }
            );
            let (offset, payload) = (offset as i64, Some(payload.as_bytes()));
            batch.push(NewRecord { offset, timestamp: Some(*time), key: None, payload });
        }
        match self.line.process(&Arc::new(batch), self.live_from as i64, &mut self.transaction) {
            Ok(()) => self.position = to,
            Err(LineError::Replay { offset, .. }) => self.held(offset as usize),
            Err(error) => panic!("{error}"),
        }
    }

    /// What was decided before is not decided anew: the partition waits, and goes on once the plugin is mended.
    fn held(&mut self, offset: usize) {
        assert!(self.is_brittle && POISON.contains(&self.log[offset - WARM].key) && offset < self.live_from);
        assert!(!self.visible.dead.contains(&(offset as i64)), "an exception is not put to the plugin");
        self.step(&Step::Mend(true));
    }

    fn plugins(&self) -> &'a Plugins {
        if self.is_brittle { &self.builds.brittle } else { &self.builds.honest }
    }

    fn end(&self) -> usize {
        WARM + self.log.len()
    }

    fn broker_commits(&mut self) {
        if self.position >= self.committed {
            let past = self.line.past_mut().expect("told");
            self.record = past.ledger.offer(self.position as i64, 0, self.chars_max).expect("room");
            self.metadata.clone_from(&self.record);
        }
        self.committed = self.committed.max(self.position);
        self.visible.dead.append(&mut self.transaction.dead);
        self.visible.refused.append(&mut self.transaction.refused);
        self.visible.forwarded.append(&mut self.transaction.forwarded);
        self.visible.said.append(&mut self.transaction.said);
    }

    /// As a start does: from what the state contains, outputs off up to what the group has committed.
    fn restart(&mut self) {
        self.transaction.clear();
        let parked = tempfile::tempdir().expect("a directory");
        self.line = line(self.plugins(), self.forward_below, parked.path());
        self.line = line(self.plugins(), self.forward_below, &self.dir);
        let started = self.start();
        self.position = started.read_from as usize;
        self.applied = self.position;
        self.live_from = started.live_from as usize;
        let past = self.recall();
        self.line.remember(past);
    }

    fn start(&mut self) -> Start {
        let applied = self.line.store().applied().map(|applied| applied.next_offset);
        let (committed, end) = (Some(self.committed as i64), self.end() as i64);
        let assigned = Assigned { partition: 0, committed, log_start: 0, log_end: end, stable_end: end };
        let rules = StartRules { latest_from: None, on_log_gap: OnLogGap::Stop, memory: WINDOW.length };
        start(&assigned, applied, &rules, || Ok::<_, StartError>(LogTimes::default())).expect("a whole log")
    }

    /// From the record, and where that had no room from the dead letters, which are proven to be all.
    fn recall(&mut self) -> Past {
        let (committed, read_from) = (self.committed as i64, self.position as i64);
        let record = Progress::read(&self.metadata, committed).expect("sound");
        let record = record.unwrap_or_else(|| Progress::starting_at(committed));
        let missing = record.missing(read_from);
        let letters: Ranges = self.visible.dead.iter().copied().collect();
        assert!(missing.dropped.iter().all(|dropped| dropped.compare(&letters) == Proof::Exact), "{missing:?}");
        let letters = if missing.is_nothing() { Ranges::default() } else { letters };
        if missing.unknown_below.is_some() {
            // Where nothing is known, a plugin that fails leaves no entry: a duplicate may pass, and is no news here.
            self.is_brittle = false;
            self.line.swap(self.plugins()).expect("swapped");
        }
        Past::new(record, letters, missing.unknown_below.unwrap_or(read_from), read_from)
    }
}

fn line(plugins: &Plugins, forward_below: Option<f64>, dir: &Path) -> Line<PartitionStore> {
    let identity = StoreIdentity {
        topic: "simulated".to_owned(),
        topic_id: None,
        partition: 0,
        extractor: String::new(),
        key_version: 1,
        window_ms: WINDOW.length,
        allowed_lateness_ms: WINDOW.allowed_lateness,
        ..StoreIdentity::default()
    };
    let mut options = StoreOptions::for_window(WINDOW.length, WINDOW.allowed_lateness);
    options.originals = Some(OriginalsOptions::new(OriginalsWriter::start().expect("a thread")));
    let store = PartitionStore::open(dir, &identity, options).expect("a store");
    let rules = Rules {
        window: WINDOW,
        uuid_field: "/uuid".to_owned(),
        event_time: None,
        numbers: Numbers::AsWritten,
        json_in: JsonIn::default(),
        on_missing_key: OnMissingKey::Pass,
        late: LatePolicy::Pass,
        on_plugin_failure: OnPluginFailure::DeadLetter,
        on_unsendable: OnUnsendable::Stop,
        breaker: None,
        dumps: None,
        explain: ExplanationConfig { keep_originals: true, forward_below, redact: false },
        redaction: None,
    };
    let source = TopicPartition { topic: "simulated".to_owned(), partition: 0 };
    Line::new(source, Arc::new(rules), plugins, store).expect("a line")
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
    let texts = Texts { extractor: None, scorer: Some(r#"{"ignore":["/n","/timestamp","/token","/event"]}"#) };
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
    while world.position < world.end() {
        world.step(&Step::Process(33));
        world.step(&Step::Commit);
    }
    let dead: BTreeSet<i64> = world.visible.dead.iter().chain(&world.visible.refused).copied().collect();
    prop_assert_eq!(dead.len(), world.visible.dead.len() + world.visible.refused.len(), "a dead letter twice");
    let (forwarded, said) = expected(log, forward_below.unwrap_or(0.0), &dead);
    // Those before the log, which all pass, would only hide the others where these differ.
    let [told, wanted] = [&world.visible.forwarded, &forwarded].map(|all| all.split_at(WARM.min(all.len())));
    prop_assert!(told.0 == wanted.0, "the records that the clock is warmed up with");
    prop_assert_eq!(told.1, wanted.1);
    prop_assert_eq!(&world.visible.said, &said);
    Ok(())
}
