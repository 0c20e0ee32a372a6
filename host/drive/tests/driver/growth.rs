//! An input that gets more partitions while it is read: no event is lost, none goes out twice, whoever dies, and what producers
//! send by the layout of before is counted. The rule itself is the engine's, and tested there with a made-up world.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use cases::Rng;
use connectors::Lane;
use connectors::headers::OFFSET_HEADER;
use drive::OnPartitionsAdded;
use engine::growth::Partitioner;
use engine::record::{NewRecord, Offset};

use crate::host::{Habits, Host, dir_of};
use crate::scene::{Scene, until};

const BEFORE: i32 = 4;
const AFTER: i32 = 6;

/// How producers find partitions.
const BY: Partitioner = Partitioner::Crc32;

/// A topic whose producers know one layout or the other.
struct Growing {
    scene: Scene,
    partitions: Arc<AtomicI32>,
    ends: Vec<Offset>,
    /// How often each key was sent.
    sent: BTreeMap<String, usize>,
}

impl Growing {
    fn new() -> Self {
        let ends = vec![0; AFTER as usize];
        let partitions = Arc::new(AtomicI32::new(BEFORE));
        Self { scene: Scene::new(BEFORE as usize), partitions, ends, sent: BTreeMap::new() }
    }

    fn habits(&self, workers: usize) -> Habits {
        let added = Some((OnPartitionsAdded::Hold, Arc::clone(&self.partitions)));
        Habits { workers, added, commit_interval: Duration::from_millis(3), ..Habits::default() }
    }

    fn start(&self, name: &'static str) -> Host {
        Host::start_with(&self.scene, name, self.habits(2))
    }

    fn send(&mut self, key: &str, layout: i32) {
        let partition = BY.partition(key.as_bytes(), layout);
        let payload = format!(r#"{{"timestamp":0,"distinct_id":"{key}","token":"","event":""}}"#);
        let (key_bytes, payload) = (Some(key.as_bytes()), Some(payload.as_bytes()));
        self.scene.system.append(partition, &NewRecord { offset: 0, timestamp: Some(1_000), key: key_bytes, payload });
        self.ends[partition as usize] += 1;
        *self.sent.entry(key.to_owned()).or_default() += 1;
    }

    fn send_all(&mut self, keys: std::ops::Range<usize>, layout: i32) {
        keys.for_each(|key| self.send(&format!("key-{key}"), layout));
    }

    fn grow(&self) {
        self.partitions.store(AFTER, Ordering::SeqCst);
        self.scene.system.add_partitions((AFTER - BEFORE) as usize);
    }

    fn until_done(&self, hosts: &[&Host]) {
        let is_done = || {
            let mut ends = (0..).zip(&self.ends);
            ends.all(|(partition, end)| *end == 0 || self.scene.committed(partition) >= *end)
        };
        let said = || hosts.iter().map(|host| (host.is_running(), host.diary.said())).collect::<Vec<_>>();
        let committed = || (0..AFTER).map(|partition| self.scene.committed(partition)).collect::<Vec<_>>();
        assert!(until(is_done), "{:?} of {:?}: {:#?}", committed(), self.ends, said());
    }

    /// How often each key went out; every record is accounted for.
    fn went_out(&self) -> BTreeMap<String, usize> {
        self.scene.system.settle();
        let (mut out, mut all) = (BTreeMap::new(), 0);
        for sent in self.scene.system.visible() {
            all += 1;
            assert_ne!(sent.lane, Lane::DeadLetter, "{:?}", sent.headers.get(OFFSET_HEADER));
            if sent.lane == Lane::Output {
                let json: serde_json::Value = serde_json::from_slice(&sent.payload.expect("one")).expect("JSON");
                *out.entry(json["distinct_id"].as_str().expect("a key").to_owned()).or_default() += 1;
            }
        }
        assert_eq!(all, self.sent.values().sum::<usize>(), "one record left for each that came");
        out
    }

    fn assert_each_went_out_once(&self) {
        let out = self.went_out();
        let lost: Vec<_> = self.sent.keys().filter(|key| !out.contains_key(*key)).collect();
        let twice: Vec<_> = out.iter().filter(|(_, times)| **times > 1).collect();
        assert!(lost.is_empty() && twice.is_empty(), "lost: {lost:?}, twice: {twice:?}");
    }
}

#[test]
fn keys_that_move_to_another_partition_are_known_there() {
    let mut topic = Growing::new();
    topic.send_all(0..200, BEFORE);
    let host = topic.start("a");
    topic.until_done(&[&host]);
    topic.grow();
    topic.send_all(100..300, AFTER);
    topic.until_done(&[&host]);
    topic.assert_each_went_out_once();
    assert!(host.diary.moved() > 20, "{}", host.diary.moved());
    assert_eq!(host.diary.stale(), 0);
    host.stop_well();
    // Another run goes on from what is there.
    topic.send_all(0..350, AFTER);
    let host = topic.start("a");
    topic.until_done(&[&host]);
    topic.assert_each_went_out_once();
    host.stop_well();
}

#[test]
fn what_was_on_its_way_when_the_topic_grew_is_known_too_and_to_hosts_that_lose_their_disks() {
    for seed in 0..4 {
        let mut rng = Rng::new(seed);
        let mut topic = Growing::new();
        let (mut a, b) = (topic.start("a"), topic.start("b"));
        topic.send_all(0..10, BEFORE);
        topic.until_done(&[&a, &b]);
        for _ in 0..40 {
            let from = rng.below(200);
            topic.send_all(from..from + rng.below(20), BEFORE);
            std::thread::sleep(Duration::from_millis(rng.below(4) as u64));
        }
        topic.grow();
        for round in 0..40 {
            let from = rng.below(300);
            topic.send_all(from..from + rng.below(20), AFTER);
            std::thread::sleep(Duration::from_millis(rng.below(6) as u64));
            if round == seed as usize * 6 {
                a.crash();
                std::fs::remove_dir_all(dir_of(&topic.scene, "a")).expect("deleted");
                a = topic.start("a");
            }
        }
        topic.until_done(&[&a, &b]);
        topic.assert_each_went_out_once();
        a.stop_well();
        b.stop_well();
    }
}

#[test]
fn what_a_producer_sends_by_the_layout_of_before_is_counted_and_nothing_is_lost() {
    let mut topic = Growing::new();
    topic.send_all(0..200, BEFORE);
    let host = topic.start("a");
    topic.until_done(&[&host]);
    topic.grow();
    topic.send_all(0..200, AFTER);
    topic.until_done(&[&host]);
    assert_eq!(host.diary.stale(), 0);
    // One that stays behind, and one that does not, send what is new.
    topic.send_all(500..600, BEFORE);
    topic.send_all(500..600, AFTER);
    topic.until_done(&[&host]);
    let stale = (500..600)
        .map(|key| format!("key-{key}"))
        .filter(|key| BY.partition(key.as_bytes(), BEFORE) != BY.partition(key.as_bytes(), AFTER));
    let (stale, out) = (stale.count() as u64, topic.went_out());
    assert_eq!(host.diary.stale(), stale);
    assert_eq!(out.values().filter(|times| **times > 1).count() as u64, stale);
    assert!(topic.sent.keys().all(|key| out.contains_key(key)), "nothing is lost");
    host.stop_well();
}

#[test]
fn a_topic_that_grows_while_nobody_reads_it_loses_no_key() {
    let mut topic = Growing::new();
    topic.send_all(0..200, BEFORE);
    let host = topic.start("a");
    topic.until_done(&[&host]);
    host.stop_well();
    // Some of it nobody has read when the topic grows.
    topic.send_all(150..250, BEFORE);
    topic.grow();
    topic.send_all(0..300, AFTER);
    let host = topic.start("a");
    topic.until_done(&[&host]);
    topic.assert_each_went_out_once();
    host.stop_well();
}
