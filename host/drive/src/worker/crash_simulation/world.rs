//! The worker, the system that it works for, and what may happen to both.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connectors::headers::{OFFSET_HEADER, STAGE_HEADER};
use connectors::memory::{Call, Lanes, MemoryInquiry, MemorySink, MemorySource, MemorySystem, Sent, Trouble};
use connectors::{Assignments, ByLane, Committed, Inquiry, Lane, Source, Word};
use engine::progress::Progress;
use engine::protocol::Epoch;
use engine::protocol::start::OnLogGap;
use engine::record::{NewRecord, Offset, TopicPartition};
use line::{ExplanationConfig, Plugins, Rules};
use serde_json::Value;
use state::{OriginalsOptions, OriginalsWriter, PartitionStore, StoreIdentity, StoreOptions};

use super::reading::{Event, Said, WARM, WINDOW, warm_time};
use super::{Builds, Step};
use crate::assignment::{Assignment, record_beside};
use crate::dispatch::{Delivered, InFlight, Reading};
use crate::failures::Failures;
use crate::flow::Flow;
use crate::ground::InquiringGround;
use crate::in_force::InForce;
use crate::inboxes::{Inboxes, Opened, Work};
use crate::layouts::Layouts;
use crate::lineage::Lineage;
use crate::opening::Ground;
use crate::report::Report;
use crate::setup::{
    Commits, InFlightLimits, OnIncompleteProgress, OnPartitionsAdded, OnStuck, OnUnreadable, Partitions, Pauses,
    Policies, Setup,
};
use crate::states::{OpenFailure, States, Waits, Wanted};
use crate::stop::Stop;
use crate::worker::{Ties, Worker};

const HOST: &str = "host";
const TOPIC: &str = "simulated";

/// What a step that is not about time has to wait for.
const NEVER: Duration = Duration::from_secs(3_600);

/// Keys that the brittle build traps on.
const POISON: std::ops::Range<u8> = 0..9;

/// What large events are filled up with, and what the output takes where its limit is low.
const FILLING_BYTES: usize = 2_000;
const LOW_BYTES_MAX: usize = 1_000;

/// Listens to nothing.
struct Quiet;

impl Report<PartitionStore> for Quiet {
    type Partition = ();
    type Feed = ();

    fn partition(&self, _: &TopicPartition, _: (u64, &Plugins), _: ByLane<bool>) {}

    fn feed(&self, _: &TopicPartition) {}
}

impl Assignments for Quiet {
    fn assigned(&self, _partitions: &[i32]) {}

    fn revoked(&self, partitions: &[i32], _lost: bool) {
        panic!("nobody else takes {partitions:?}");
    }
}

/// Waits as long as it takes.
struct Patient;

impl Waits for Patient {
    fn restoring(&self, words: &str) {
        panic!("there are no checkpoints: {words}");
    }

    fn is_wanted(&self) -> bool {
        true
    }
}

/// The disk of the moment.
struct Disk {
    dir: PathBuf,
    writer: OriginalsWriter,
}

impl States for Disk {
    type State = PartitionStore;

    fn open(&self, wanted: &Wanted<'_>) -> Result<PartitionStore, OpenFailure> {
        let Wanted { partition, seed, .. } = *wanted;
        let identity = StoreIdentity {
            topic: TOPIC.to_owned(),
            partition,
            key_version: 1,
            window_ms: WINDOW.length,
            allowed_lateness_ms: WINDOW.allowed_lateness,
            seed,
            ..StoreIdentity::default()
        };
        let mut options = StoreOptions::for_window(WINDOW.length, WINDOW.allowed_lateness);
        options.originals = Some(OriginalsOptions::new(self.writer.clone()));
        PartitionStore::open(&self.dir, &identity, options).map_err(|error| OpenFailure::Other(error.into()))
    }
}

/// What is committed: the offsets of events, which stand in their payload, and what is said of duplicates.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) forwarded: Vec<i64>,
    pub(super) said: Vec<Said>,
    /// Records that were not decided, and late ones that the output did not take, which is decided all the same.
    pub(super) dead: Vec<i64>,
}

/// The worker as long as it lives, and where the partition is read.
struct Alive {
    worker: Worker<MemorySink, PartitionStore, Quiet>,
    readings: Receiver<Reading>,
    failures: Failures,
    flow: Arc<Flow>,
    epoch: Epoch,
    position: Offset,
}

impl Alive {
    /// Asks the worker for something, and then reads on from where it says.
    fn turn(&mut self, work: Option<Work<PartitionStore>>) {
        self.worker.turn(work).expect("a worker that goes on");
        assert!(!self.failures.stop().is_requested(), "{:?}", self.failures.take());
        self.take_readings();
    }

    fn take_readings(&mut self) {
        for reading in self.readings.try_iter() {
            (self.epoch, self.position) = match reading {
                Reading::Begin { epoch, offset, .. } => (epoch, offset),
                Reading::Again(rewind) => (rewind.epoch, rewind.offset),
            };
        }
    }
}

/// See the module.
pub(super) struct World<'a> {
    log: &'a [Event],
    builds: &'a Builds,
    rules: Arc<Rules>,
    is_brittle: bool,
    plugins: Arc<InForce>,
    /// Room for the progress record.
    chars_max: usize,
    system: MemorySystem,
    inquiry: Arc<MemoryInquiry>,
    /// The member of the group; it reads nothing.
    _source: MemorySource,
    dir: PathBuf,
    writer: OriginalsWriter,
    assignments: u64,
    total: Arc<InFlight>,
    alive: Option<Alive>,
}

impl<'a> World<'a> {
    pub(super) fn new(
        log: &'a [Event],
        builds: &'a Builds,
        forward_below: Option<f64>,
        dir: &Path,
        chars_max: usize,
    ) -> Self {
        let system = MemorySystem::new(1, lanes());
        write(&system, log);
        let mut source = MemorySource::join(&system, HOST, Arc::new(Quiet));
        while system.owners().is_empty() {
            source.poll(Duration::ZERO, |_, _| None).expect("a turn");
        }
        source.poll(Duration::ZERO, |_, _| None).expect("the last turn");
        let mut world = Self {
            log,
            builds,
            rules: Arc::new(rules(forward_below)),
            is_brittle: false,
            plugins: Arc::new(InForce::new(builds.honest.clone())),
            chars_max,
            inquiry: Arc::new(MemoryInquiry::new(&system, HOST)),
            system,
            _source: source,
            dir: dir.to_owned(),
            writer: OriginalsWriter::start().expect("a thread"),
            assignments: 0,
            total: Arc::default(),
            alive: None,
        };
        world.restart();
        world
    }

    fn alive(&mut self) -> &mut Alive {
        self.alive.as_mut().expect("alive")
    }

    fn end(&self) -> Offset {
        (WARM + self.log.len()) as Offset
    }

    fn committed(&self) -> Offset {
        self.system.committed(0).map_or(0, |committed| committed.offset)
    }

    /// Whether all of the log is committed.
    pub(super) fn is_done(&self) -> bool {
        self.committed() == self.end()
    }

    pub(super) fn step(&mut self, step: &Step) {
        match step {
            Step::Process(records) => self.process(*records),
            Step::Commit => self.alive().turn(Some(Work::Over)),
            Step::Abort => self.abort(),
            Step::Persist => self.persist(),
            Step::Swap => self.publish(),
            // Of what an operator's reset made unknown a broken plugin would make what it likes.
            Step::Mend(mended) if *mended || self.alive().position >= self.committed() => {
                self.is_brittle = !mended;
                self.publish();
            }
            Step::Mend(_) => {}
            Step::Limit(is_high) => self.system.set_lanes(match is_high {
                true => lanes(),
                false => lanes().up_to(Lane::Output, LOW_BYTES_MAX),
            }),
            Step::LoseRecord => self.lose_record(),
            Step::Crash => self.restart(),
            Step::CrashAfterCommit => {
                self.commit_and_die();
                self.restart();
            }
            Step::LoseDisk => {
                self.dir = self.dir.join("again");
                self.restart();
            }
        }
    }

    fn process(&mut self, records: usize) {
        let (end, inquiry, total) = (self.end(), Arc::clone(&self.inquiry), Arc::clone(&self.total));
        let alive = self.alive();
        let from = alive.position;
        let to = (from + records as Offset).max(WARM as Offset).min(end);
        if from >= to {
            return;
        }
        let batch = inquiry.peek(0, from..to, usize::MAX).expect("records");
        let delivered = Delivered::new(0, alive.epoch, from, batch, Arc::clone(&alive.flow), total);
        alive.position = to;
        alive.turn(Some(Work::Batch(Box::new(delivered))));
        if alive.flow.held_at().is_some() {
            self.held(from..to);
        }
    }

    /// What was decided before is not decided anew: the partition waits, and goes on once the plugin is mended.
    fn held(&mut self, batch: std::ops::Range<Offset>) {
        let committed = self.committed();
        let is_poison = |offset: Offset| {
            let event = usize::try_from(offset).ok().and_then(|offset| self.log.get(offset.checked_sub(WARM)?));
            offset < committed && event.is_some_and(|event| POISON.contains(&event.key))
        };
        assert!(self.is_brittle && batch.clone().any(is_poison), "{batch:?} is held without need");
        self.step(&Step::Mend(true));
        assert_eq!(self.alive().flow.held_at(), None, "the plugin is mended");
    }

    fn publish(&mut self) {
        self.choose_plugins();
        self.alive().turn(None);
    }

    fn choose_plugins(&self) {
        let build = if self.is_brittle { &self.builds.brittle } else { &self.builds.honest };
        self.plugins.publish(build.clone());
    }

    /// The transaction fails before its commit is asked for.
    fn abort(&mut self) {
        self.system.trouble_once(Call::Flush, Trouble::Fails);
        self.alive().turn(Some(Work::Over));
        self.system.no_trouble();
    }

    /// The time has come to write the state.
    fn persist(&mut self) {
        let alive = self.alive();
        alive.worker.owned.values_mut().for_each(|owned| owned.persist_interval = Duration::ZERO);
        alive.turn(None);
        alive.worker.owned.values_mut().for_each(|owned| owned.persist_interval = NEVER);
    }

    /// The system commits, and the host dies before it hears of that.
    fn commit_and_die(&mut self) {
        self.system.trouble_with(|_, call| {
            let unknown = Trouble::Unknown { is_committed: true, pending: 0 };
            [(Call::Commit, unknown), (Call::Connect, Trouble::Fails)]
                .into_iter()
                .find(|(of, _)| *of == call)
                .map(|(_, to)| to)
        });
        let alive = self.alive();
        alive.failures.stop().request();
        let _dead = alive.worker.turn(Some(Work::Over));
        self.system.no_trouble();
    }

    /// A crash, and an operator writes C anew, without the text beside it. The copy in the state would do as well, but not
    /// for what came after it.
    fn lose_record(&mut self) {
        if let Some(committed) = self.system.committed(0) {
            self.system.set_committed(0, Committed { metadata: String::new(), ..committed });
        }
        self.is_brittle = false;
        self.choose_plugins();
        self.dir = self.dir.join("again");
        self.restart();
    }

    /// As a start does, after what was alive is gone with all that it had not written.
    fn restart(&mut self) {
        drop(self.alive.take());
        let sink = MemorySink::connect(&self.system, HOST, "worker-0").expect("a sink");
        let failures = Failures::new(Stop::default());
        let (sender, readings) = mpsc::channel();
        let ties = Ties {
            report: Arc::new(Quiet),
            copies: Arc::new(()),
            failures: failures.clone(),
            readings: sender,
            taken: Arc::new(|_, _| {}),
        };
        let worker = Worker::new(Arc::new(self.setup()), ties, sink);
        let opened = self.open(&failures);
        self.mend_where_nothing_is_known(&opened);
        let flow = Arc::clone(&opened.flow);
        let epoch = Epoch::first(flow.assignment);
        let mut alive = Alive { worker, readings, failures, flow, epoch, position: opened.start.read_from };
        alive.turn(Some(Work::Opened(opened)));
        self.alive = Some(alive);
    }

    fn open(&mut self, failures: &Failures) -> Box<Opened<PartitionStore>> {
        let (inbox, opened) = mpsc::channel();
        let ground = self.ground(inbox, failures);
        let words = ground.committed(&[0]).expect("an answer");
        let [(0, Word::Stable(committed))] = &words[..] else { panic!("{words:?}") };
        let bounds = ground.bounds(&[0]).expect("an answer")[0].1;
        let flow = Arc::new(Flow::new(self.assignments, 0));
        self.assignments += 1;
        let assignment = Assignment { partition: 0, committed: committed.clone(), bounds };
        let state = ground.open(&assignment, &Patient).expect("a state");
        ground.opened(assignment, flow, state).expect("a whole log");
        let Ok(Work::Opened(opened)) = opened.try_recv() else { panic!("nothing was opened") };
        opened
    }

    /// Where nothing is known, a plugin that fails leaves no entry: a duplicate may pass, and is no news here.
    fn mend_where_nothing_is_known(&mut self, opened: &Opened<PartitionStore>) {
        let Some(committed) = &opened.assignment.committed else { return };
        let record = record_beside(committed).expect("sound");
        let record = record.unwrap_or_else(|| Progress::starting_at(committed.offset));
        if record.missing(opened.start.read_from).unknown_below.is_some() {
            self.is_brittle = false;
            self.choose_plugins();
        }
    }

    fn ground(
        &self,
        inbox: mpsc::Sender<Work<PartitionStore>>,
        failures: &Failures,
    ) -> InquiringGround<MemoryInquiry, Disk, Quiet> {
        InquiringGround {
            topic: TOPIC.to_owned(),
            inquiry: Arc::clone(&self.inquiry),
            states: Arc::new(Disk { dir: self.dir.clone(), writer: self.writer.clone() }),
            report: Arc::new(Quiet),
            input: Arc::new(Partitions(1)),
            rules: Arc::clone(&self.rules),
            lineage: Lineage::default(),
            on_log_gap: OnLogGap::Stop,
            on_incomplete_progress: OnIncompleteProgress::Stop,
            layouts: Layouts::default(),
            gatherer: None,
            grown: Mutex::default(),
            grown_wait: Duration::ZERO,
            inboxes: Arc::new(Inboxes::new(vec![inbox])),
            failures: failures.clone(),
        }
    }

    fn setup(&self) -> Setup {
        Setup {
            topic: TOPIC.to_owned(),
            input: Arc::new(Partitions(1)),
            plugins: Arc::clone(&self.plugins),
            rules: Arc::clone(&self.rules),
            workers: 1,
            poll_wait: Duration::ZERO,
            in_flight: InFlightLimits { records: usize::MAX, records_per_partition: usize::MAX, bytes: u64::MAX },
            commits: Commits {
                interval: NEVER,
                records_max: usize::MAX,
                failures_max: 10,
                text_chars_max: self.chars_max,
            },
            persist_interval: NEVER,
            release_timeout: NEVER,
            policies: Policies {
                on_stuck: OnStuck::Hold,
                on_unreadable: OnUnreadable::Stop,
                on_log_gap: OnLogGap::Stop,
                on_incomplete_progress: OnIncompleteProgress::Stop,
                on_partitions_added: OnPartitionsAdded::Pass,
            },
            pauses: Pauses { reconnect: Duration::ZERO, opening: Duration::ZERO, grown: Duration::ZERO },
        }
    }

    /// What is committed.
    pub(super) fn left(&self) -> Left {
        let mut left = Left::default();
        for sent in self.system.visible() {
            match sent.lane {
                Lane::Output => left.forwarded.push(number(&json(&sent), "/n")),
                Lane::Duplicates => left.said.push(said(&json(&sent))),
                Lane::DeadLetter => left.dead.push(sent.headers[OFFSET_HEADER].parse().expect("a number")),
                Lane::Late => panic!("nobody listens"),
            }
            assert!(sent.lane != Lane::DeadLetter || sent.headers.contains_key(STAGE_HEADER));
        }
        left
    }
}

fn lanes() -> Lanes {
    Lanes::listening(&[Lane::Output, Lane::Duplicates, Lane::DeadLetter])
}

/// The records that warm up the clock, and the log.
fn write(system: &MemorySystem, log: &[Event]) {
    let append = |timestamp, payload: &str| {
        let record =
            NewRecord { timestamp: Some(timestamp), payload: Some(payload.as_bytes()), ..NewRecord::default() };
        system.append(0, &record);
    };
    for offset in 0..WARM {
        let payload =
            format!("{{\"timestamp\":0,\"distinct_id\":\"w{offset}\",\"token\":\"\",\"event\":\"\",\"n\":{offset}}}");
        append(warm_time(offset), &payload);
    }
    for (offset, event) in (WARM..).zip(log) {
        let Event { key, time, uuid, property, large } = event;
        let kind = if POISON.contains(key) { "poison" } else { "good" };
        let filling = "x".repeat(if *large { FILLING_BYTES } else { 0 });
        let payload = format!(
            "{{\"timestamp\":0,\"distinct_id\":\"{kind}{key}\",\"token\":\"\",\"event\":\"\",\"n\":{offset},\"uuid\":\"{uuid}\",\
             \"properties\":{{\"property\":{property}}},\"filling\":\"{filling}\"}}"
        );
        append(*time, &payload);
    }
}

fn json(sent: &Sent) -> Value {
    serde_json::from_slice(sent.payload.as_deref().expect("a payload")).expect("JSON")
}

fn number(json: &Value, pointer: &str) -> i64 {
    json.pointer(pointer).and_then(Value::as_i64).unwrap_or(-1)
}

const OUTCOMES: [&str; 4] = ["same_event", "same_uuid", "only_uuid_different", "content_differs"];

fn said(json: &Value) -> Said {
    let outcome = OUTCOMES.into_iter().find(|outcome| json["outcome"] == *outcome).unwrap_or("another");
    let counted = |pointer| number(json, pointer).unsigned_abs();
    let exact = json["distinct_uuids_exact"].as_bool().expect("told");
    // Estimates are the affair of their own tests.
    let uuids = if exact { counted("/distinct_uuids") } else { u64::MAX };
    (number(json, "/duplicate/offset"), number(json, "/original/offset"), counted("/count"), uuids, outcome)
}

fn rules(forward_below: Option<f64>) -> Rules {
    let explain = ExplanationConfig { forward_below, ..ExplanationConfig::default() };
    Rules { window: WINDOW, explain, ..Rules::default() }
}
