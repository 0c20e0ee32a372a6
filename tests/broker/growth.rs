//! A topic that gets more partitions under load: keys that move to another partition are known there, and what a producer
//! sends by the layout of before is counted.

use std::collections::BTreeMap;
use std::time::Duration;

use dedup_host_tests::Test;
use dedup_host_tests::broker::send;
use dedup_host_tests::scene::{Host, PATIENCE, Scene};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

pub(crate) const TESTS: &[Test] = &[
    ("keys_that_move_when_partitions_are_added_under_load_are_known_where_they_come_to", keys_that_move_are_known),
    ("a_producer_that_lags_behind_a_change_of_partitions_is_counted", a_producer_that_lags_is_counted),
];

const BEFORE: usize = 4;
const AFTER: usize = 6;

const HOLD: &[&str] = &["--plugin-config", "/id", "--on-partitions-added", "hold", "--partitions-added-wait-secs", "3"];

/// The partition where librdkafka and its like send a key.
fn partition_of(key: &str, partitions: usize) -> i32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    let crc = !key.bytes().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(byte), bit));
    (crc as usize % partitions) as i32
}

/// Sends events, and how often each.
struct Sender<'a> {
    scene: &'a Scene,
    sent: BTreeMap<usize, usize>,
}

impl Sender<'_> {
    /// By the producer's own choice of partitions.
    fn send(&mut self, producer: &BaseProducer, ids: impl IntoIterator<Item = usize>) {
        for id in ids {
            let (key, payload) = (format!("key-{id}"), format!(r#"{{"id":{id}}}"#));
            send(producer, BaseRecord::to(&self.scene.input).key(key.as_bytes()).payload(payload.as_bytes()));
            *self.sent.entry(id).or_default() += 1;
        }
        producer.flush(PATIENCE).expect("all delivered");
    }

    /// As a producer does that knows of so many partitions.
    fn send_by(&mut self, producer: &BaseProducer, partitions: usize, ids: impl IntoIterator<Item = usize>) {
        for id in ids {
            let (key, payload) = (format!("key-{id}"), format!(r#"{{"id":{id}}}"#));
            let record = BaseRecord::to(&self.scene.input).key(key.as_bytes()).payload(payload.as_bytes());
            send(producer, record.partition(partition_of(&key, partitions)));
            *self.sent.entry(id).or_default() += 1;
        }
        producer.flush(PATIENCE).expect("all delivered");
    }

    fn drain(&self, hosts: &mut [&mut Host]) {
        self.scene.drain_to(&self.scene.broker.ends(&self.scene.input, AFTER as i32), hosts);
    }

    /// How often each event is in the output.
    fn output(&self) -> BTreeMap<usize, usize> {
        let mut out = BTreeMap::new();
        for seen in self.scene.read("output") {
            let value: serde_json::Value = serde_json::from_str(&seen.text()).expect("JSON");
            *out.entry(value["id"].as_u64().expect("an id") as usize).or_default() += 1;
        }
        out
    }
}

fn count(host: &Host, name: &str) -> u64 {
    host.metrics().count(name, &[])
}

fn keys_that_move_are_known() {
    let scene = Scene::new("moved", BEFORE as i32);
    let mut sender = Sender { scene: &scene, sent: BTreeMap::new() };
    let settings = [HOLD, &["--commit-interval-ms", "50"]].concat();
    let producer = scene.broker.producer(&[("topic.metadata.refresh.interval.ms", "200")]);
    sender.send(&producer, 0..1_000);
    let mut host = scene.start(&settings);
    host.ready();
    // Under load: some of it is on its way when the topic grows, and the producer sees that when it likes.
    for round in 0..60 {
        if round == 20 {
            scene.broker.add_partitions(&scene.input, AFTER);
        }
        let from = round * 20;
        sender.send(&producer, from..from + 200);
        std::thread::sleep(Duration::from_millis(50));
    }
    sender.send(&producer, 0..2_000);
    sender.drain(&mut [&mut host]);
    let out = sender.output();
    let twice: Vec<_> = out.iter().filter(|(_, times)| **times > 1).collect();
    let moved = count(&host, "dedup_host_moved_duplicates_total");
    let stale = count(&host, "dedup_host_stale_layout_records_total");
    let log = host.stop().stderr;
    assert!(twice.is_empty(), "{} twice: {twice:?}\n{log}", twice.len());
    assert!(sender.sent.keys().all(|id| out.contains_key(id)), "nothing is lost\n{log}");
    assert!(moved > 300, "{moved}\n{log}");
    assert_eq!(stale, 0, "{log}");

    // A host with an empty disk decides as if it had been there.
    std::fs::remove_dir_all(scene.store()).expect("deleted");
    let mut host = scene.start(&settings);
    sender.send(&producer, 0..2_100);
    sender.drain(&mut [&mut host]);
    let log = host.stop().stderr;
    let out = sender.output();
    assert!(out.len() == 2_100 && out.values().all(|times| *times == 1), "{} events\n{log}", out.len());
}

fn a_producer_that_lags_is_counted() {
    let scene = Scene::new("lagging", BEFORE as i32);
    let mut sender = Sender { scene: &scene, sent: BTreeMap::new() };
    let producer = scene.broker.producer(&[]);
    sender.send_by(&producer, BEFORE, 0..500);
    let mut host = scene.start(HOLD);
    host.ready();
    scene.broker.add_partitions(&scene.input, AFTER);
    let fresh = scene.broker.producer(&[]);
    sender.send_by(&fresh, AFTER, 0..500);
    sender.drain(&mut [&mut host]);
    let old = count(&host, "dedup_host_stale_layout_records_total");
    // New keys, by one that lags and by one that does not.
    sender.send_by(&fresh, BEFORE, 1_000..1_200);
    sender.send_by(&fresh, AFTER, 1_000..1_200);
    sender.drain(&mut [&mut host]);
    let stale = count(&host, "dedup_host_stale_layout_records_total");
    let log = host.stop().stderr;
    let moved = |id: &usize| {
        let key = format!("key-{id}");
        partition_of(&key, BEFORE) != partition_of(&key, AFTER)
    };
    let expected = (1_000..1_200).filter(moved).count();
    let out = sender.output();
    let twice: Vec<usize> = out.iter().filter(|(_, times)| **times > 1).map(|(id, _)| *id).collect();
    assert_eq!((old, stale as usize), (0, expected), "{log}");
    assert_eq!(twice.len(), expected, "what it sent is out twice, and nothing else: {twice:?}\n{log}");
    assert!(twice.iter().all(|id| *id >= 1_000), "{twice:?}");
    assert!(sender.sent.keys().all(|id| out.contains_key(id)), "nothing is lost");
    assert!(log.contains("where they were before the topic grew"), "{log}");
}
