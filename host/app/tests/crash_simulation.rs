//! One partition with its real state and plugin against a simulated broker that aborts, crashes and forgets, from a
//! seed. Whatever happens, the committed output is what a plain reading of the log gives. Not threads, not the network.

#![expect(clippy::expect_used, reason = "a test that cannot set its scene fails loudly")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectors::{Lane, Outgoing, Sink, SinkError};
use dedup_host::line::{Line, Rules};
use dedup_host::settings::config::{LatePolicy, OnMissingKey, OnPluginFailure};
use engine::decide::Window;
use engine::projection::Numbers;
use engine::record::{NewRecord, RecordBatch, TopicPartition};
use engine::time::{Clock, ClockRules};
use plugin::{Limits, Plugin, Runtime};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use state::{PartitionStore, StoreIdentity, StoreOptions};

/// An event of the log: its key and its time.
type Event = (u8, i64);

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
    /// The process dies.
    Crash,
    /// The process dies after the broker has committed and before the state is told.
    CrashAfterCommit,
    /// The disk is lost with the process.
    LoseDisk,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (1_usize..40).prop_map(Step::Process),
        5 => Just(Step::Commit),
        1 => Just(Step::Abort),
        2 => Just(Step::Persist),
        1 => Just(Step::Crash),
        1 => Just(Step::CrashAfterCommit),
        1 => Just(Step::LoseDisk),
    ];
    prop::collection::vec(step, 1..60)
}

fn log() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((0_u8..30, -8_000_i64..100), 1..500).prop_map(|raw| {
        let drift = |(index, (key, jitter)): (usize, (u8, i64))| (key, 1_000_000 + index as i64 * 300 + jitter);
        raw.into_iter().enumerate().map(drift).collect()
    })
}

/// Offsets that a plain reading forwards: first events of their window, and late ones, which pass undecided.
fn expected(log: &[Event]) -> Vec<i64> {
    let (mut seen, mut clock, mut forwarded) = (Vec::<(u8, i64)>::new(), Clock::default(), Vec::new());
    for (offset, (key, time)) in log.iter().enumerate() {
        let late = clock.watermark(&WINDOW.clock).is_some_and(|watermark| *time < watermark - WINDOW.allowed_lateness);
        clock.observe(offset as i64, Some(*time), &WINDOW.clock);
        let live = |(known, first): &(u8, i64)| known == key && *first >= time - 20_000;
        if late {
            forwarded.push(offset as i64);
        } else if !seen.iter().any(live) {
            seen.push((*key, *time));
            forwarded.push(offset as i64);
        }
    }
    forwarded
}

/// Outputs of a transaction, by the offset that stands in their timestamp's place.
#[derive(Default)]
struct Transaction(Vec<i64>);

impl Sink for Transaction {
    fn has(&self, lane: Lane) -> bool {
        lane == Lane::Output
    }

    fn send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkError> {
        assert_eq!(lane, Lane::Output);
        let key = record.key.and_then(|key| std::str::from_utf8(key).ok()).and_then(|key| key.parse().ok());
        self.0.push(key.expect("the key is the offset"));
        Ok(())
    }
}

struct World<'a> {
    log: &'a [Event],
    plugin: &'a Plugin,
    dir: PathBuf,
    line: Line,
    position: usize,
    /// The line's last commit, and the group's offset.
    applied: usize,
    committed: usize,
    live_from: usize,
    transaction: Transaction,
    visible: Vec<i64>,
}

impl<'a> World<'a> {
    fn new(log: &'a [Event], plugin: &'a Plugin, dir: &Path) -> Self {
        let line = line(plugin, dir);
        let (dir, transaction) = (dir.to_owned(), Transaction::default());
        Self {
            log,
            plugin,
            dir,
            line,
            position: 0,
            applied: 0,
            committed: 0,
            live_from: 0,
            transaction,
            visible: vec![],
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Process(records) => self.process(*records),
            Step::Commit => {
                self.broker_commits();
                self.applied = self.position;
                self.line.commit(self.position as i64, Vec::new());
            }
            Step::Abort => {
                self.transaction.0.clear();
                self.line.rollback();
                self.position = self.applied;
            }
            Step::Persist if self.position == self.applied => self.line.store().persist().expect("persisted"),
            Step::Persist => {}
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
        let to = (self.position + records).min(self.log.len());
        let mut batch = RecordBatch::new();
        for (offset, (key, time)) in self.log.iter().enumerate().take(to).skip(self.position) {
            let (payload, name) = (format!("{{\"id\":\"{key}\"}}"), offset.to_string());
            let (key, payload) = (Some(name.as_bytes()), Some(payload.as_bytes()));
            batch.push(NewRecord { offset: offset as i64, timestamp: Some(*time), key, payload });
        }
        self.line.process(&batch, self.live_from as i64, &mut self.transaction).expect("processed");
        self.position = to;
    }

    fn broker_commits(&mut self) {
        self.committed = self.committed.max(self.position);
        self.visible.append(&mut self.transaction.0);
    }

    /// As a start does: from what the state contains, outputs off up to what the group has committed.
    fn restart(&mut self) {
        self.transaction.0.clear();
        let parked = tempfile::tempdir().expect("a directory");
        self.line = line(self.plugin, parked.path());
        self.line = line(self.plugin, &self.dir);
        let contained = self.line.store().applied().map_or(0, |applied| applied.next_offset as usize);
        self.position = contained.min(self.committed);
        self.applied = self.position;
        self.live_from = self.committed;
    }
}

fn line(plugin: &Plugin, dir: &Path) -> Line {
    let identity = StoreIdentity {
        topic: "simulated".to_owned(),
        topic_id: None,
        partition: 0,
        extractor: String::new(),
        key_version: 1,
        window_ms: WINDOW.length,
        allowed_lateness_ms: WINDOW.allowed_lateness,
    };
    let options = StoreOptions::for_window(WINDOW.length, WINDOW.allowed_lateness);
    let store = PartitionStore::open(dir, &identity, options).expect("a store");
    let rules = Rules {
        window: WINDOW,
        uuid_field: "/uuid".to_owned(),
        event_time: None,
        numbers: Numbers::AsWritten,
        on_missing_key: OnMissingKey::Pass,
        late: LatePolicy::Pass,
        on_plugin_failure: OnPluginFailure::DeadLetter,
    };
    let source = TopicPartition { topic: "simulated".to_owned(), partition: 0 };
    Line::new(source, Arc::new(rules), plugin, store).expect("a line")
}

#[test]
fn whatever_fails_the_committed_output_is_that_of_a_plain_reading() {
    let dist = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dist/plugins");
    let plugins = std::env::var_os("DEDUP_PLUGINS_DIR").map_or(dist, PathBuf::from);
    let runtime = Runtime::new(Limits::default()).expect("a runtime");
    let file = plugins.join("composite_key.wasm");
    let plugin = runtime.load(&file, Some("/id")).expect("run `make build` first: it leaves dist/plugins");
    let mut runner = TestRunner::new(ProptestConfig { cases: 150, ..ProptestConfig::default() });
    let simulated = runner.run(&(log(), steps()), |(log, steps)| {
        let dir = tempfile::tempdir().expect("a directory");
        let mut world = World::new(&log, &plugin, &dir.path().join("store"));
        for step in &steps {
            world.step(step);
        }
        world.step(&Step::Abort);
        while world.position < log.len() {
            world.step(&Step::Process(33));
            world.step(&Step::Commit);
        }
        prop_assert_eq!(&world.visible, &expected(&log));
        Ok(())
    });
    simulated.unwrap_or_else(|failure| panic!("{failure}"));
}
