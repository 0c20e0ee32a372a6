//! A topic of generated events whose duplicates are known, and what must come of it. The truth is the generator's, told
//! beside the events; nothing of the host's decisions goes into it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::run;
use crate::scene::Scene;

/// What must come of the input topic.
pub struct Expected {
    /// Each unique event, to the byte, and how often it was seen in the output.
    unique: HashMap<Vec<u8>, u32>,
    /// The duplicates by partition and offset.
    duplicates: HashMap<(i64, i64), u32>,
}

/// A tenth of the events are duplicates.
const DUPLICATES: &str = "0.1";

/// The header of a record that a test, in the role of an operator, put into a lane: no host wrote it.
pub const OPERATOR: &str = "written-by-an-operator";

/// Seeds in a row that make different events.
pub const SEEDS: u64 = 1_000;

/// Adds events to the input topic of a scene. Those of seeds less than [`SEEDS`] apart have nothing in
/// common.
#[must_use]
pub fn generate(scene: &Scene, events: u64, seed: u64) -> Expected {
    let truth = scene.path(&format!("truth-{seed}"));
    let partitions = scene.partitions;
    // Days apart, so that no event of one seed can have the composite of another's.
    let start = 1_767_225_600_000 + seed % SEEDS * 86_400_000;
    let arguments = format!(
        "generate --kafka-hosts {} --topic {} --partitions {partitions} --events {events} --seed {seed} --start {start} \
         --duplicates {DUPLICATES} --truth {}",
        scene.broker.hosts,
        scene.input,
        truth.display()
    );
    let starts = scene.broker.ends(&scene.input, partitions);
    let _ended = run(arguments.split(' ')).ok();
    let truth = std::fs::read_to_string(truth).expect("the truth");
    expected(scene, &truth, &starts)
}

/// Adds events as long as they are wanted, `piece` at a time.
#[must_use]
pub fn feed(scene: &Scene, wanted: &AtomicBool, piece: u64, first_seed: u64) -> Expected {
    let mut expected = generate(scene, piece, first_seed);
    for seed in (1..SEEDS).take_while(|_| wanted.load(Ordering::Relaxed)) {
        expected.and(generate(scene, piece, first_seed + seed));
    }
    expected
}

/// The n-th event of a partition in the truth is the n-th record of it.
fn expected(scene: &Scene, truth: &str, starts: &[i64]) -> Expected {
    let mut next = starts.to_vec();
    let mut is_duplicate = HashMap::new();
    for line in truth.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let Some(partition) = line["partition"].as_u64() else { continue };
        let offset = next.get_mut(usize::try_from(partition).expect("few")).expect("one of the topic's");
        is_duplicate.insert((i64::try_from(partition).expect("few"), *offset), !line["duplicate_of"].is_null());
        *offset += 1;
    }
    let mut expected = Expected { unique: HashMap::new(), duplicates: HashMap::new() };
    scene.broker.for_each_committed_from(&scene.input, starts, |record| {
        let place = (i64::from(record.partition), record.offset);
        match is_duplicate.get(&place) {
            None => {}
            Some(true) => drop(expected.duplicates.insert(place, 0)),
            Some(false) => {
                let known = expected.unique.insert(record.payload.unwrap_or_default(), 0);
                assert!(known.is_none(), "two unique events have the same bytes: the generator is wrong");
            }
        }
    });
    assert_eq!(expected.unique.len() + expected.duplicates.len(), is_duplicate.len(), "all events are in the topic");
    expected
}

impl Expected {
    /// Adds what must come of further events.
    pub fn and(&mut self, more: Self) {
        self.unique.extend(more.unique);
        self.duplicates.extend(more.duplicates);
    }

    /// Checks that the output is exactly the unique events, each once, byte for byte, and that the duplicates' topic
    /// has exactly the duplicates.
    pub fn check(&mut self, scene: &Scene) {
        self.count(scene);
        let wrong = |counts: &mut dyn Iterator<Item = u32>| {
            let (mut lost, mut repeated) = (0, 0);
            counts.for_each(|count| if count == 0 { lost += 1 } else { repeated += u32::from(count > 1) });
            (lost, repeated)
        };
        let output = wrong(&mut self.unique.values().copied());
        let duplicates = wrong(&mut self.duplicates.values().copied());
        assert_eq!((output, duplicates), ((0, 0), (0, 0)), "unique and duplicates: (lost, more than once)");
    }

    /// Checks that nothing is lost, though some may be there more than once. Returns how many are.
    #[must_use]
    pub fn check_at_least_once(&mut self, scene: &Scene) -> usize {
        self.count(scene);
        let lost = self.unique.values().filter(|count| **count == 0).count();
        assert_eq!(lost, 0, "unique events lost of {}", self.unique.len());
        self.unique.values().filter(|count| **count > 1).count()
    }

    /// Numbers of unique events and of duplicates.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.unique.len() as u64, self.duplicates.len() as u64)
    }

    fn count(&mut self, scene: &Scene) {
        self.unique.values_mut().chain(self.duplicates.values_mut()).for_each(|count| *count = 0);
        scene.broker.for_each_committed(&scene.lane("output"), |record| {
            if record.header(OPERATOR).is_some() {
                return;
            }
            let payload = record.payload.unwrap_or_default();
            let count = self.unique.get_mut(&payload);
            *count.unwrap_or_else(|| panic!("not a unique event: {}", String::from_utf8_lossy(&payload))) += 1;
        });
        scene.broker.for_each_committed(&scene.lane("duplicates"), |record| {
            if record.header(OPERATOR).is_some() {
                return;
            }
            let value: Value = serde_json::from_str(&record.text()).expect("JSON");
            let value = &value["duplicate"];
            let place = (value["partition"].as_i64().unwrap_or(-1), value["offset"].as_i64().unwrap_or(-1));
            *self.duplicates.get_mut(&place).unwrap_or_else(|| panic!("not a duplicate: {}", record.text())) += 1;
        });
    }
}

/// Waits until the group has committed this many records more than `from`, or all of `total`. Returns where it is then.
pub fn wait_progress(scene: &Scene, from: i64, more: i64, total: i64, mut alive: impl FnMut()) -> i64 {
    let progress = scene.broker.progress(&scene.group, &scene.input, scene.partitions);
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let records = progress.records();
        if records >= (from + more).min(total) {
            return records;
        }
        alive();
        assert!(Instant::now() < deadline, "no progress: {records} of {total} records");
        std::thread::sleep(Duration::from_millis(5));
    }
}
