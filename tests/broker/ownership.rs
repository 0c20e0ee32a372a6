//! Who owns a partition, and how far it is done, when the group, the broker and other transactions get in the way: workers
//! that are late, offsets that are not stable, offsets that go back, brokers that do not answer.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use dedup_host_tests::Test;
use dedup_host_tests::broker::{Seen, record, send_record};
use dedup_host_tests::program::get;
use dedup_host_tests::scene::{Host, LANES, PATIENCE, Scene};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;

use crate::made::{made_of, put};
use crate::runs::QUICK_SESSION;

pub(crate) const TESTS: &[Test] = &[
    ("a_late_worker_commits_nothing_that_it_no_longer_owns", a_late_worker_commits_nothing),
    ("a_late_worker_at_least_once_loses_nothing", a_late_worker_at_least_once_loses_nothing),
    ("a_pending_transaction_of_another_id_is_waited_for", a_pending_transaction_of_another_id_is_waited_for),
    ("an_offset_that_goes_back_while_the_host_runs_is_believed", an_offset_that_goes_back_is_believed),
    ("an_open_transaction_upstream_is_lag", an_open_transaction_upstream_is_lag),
];

const BY_ID: &[&str] = &["--plugin-config", "/id"];

/// Events of the tests with a late worker, half of them on each partition. The last share of them comes with one more, that
/// the plugin never finishes.
const LATE_EVENTS: usize = 6_000;
const LAST_EVENTS: usize = 1_000;

/// What the plugin never finishes costs the worker twice this: once in its batch, once by itself.
const TIME_LIMIT_MS: &str = "8000";

fn produce_late(scene: &Scene, numbers: std::ops::Range<usize>) {
    let event = |n: usize| Seen { partition: i32::from(n % 2 == 1), ..record(format!(r#"{{"x":"a{n}"}}"#)) };
    scene.broker.produce_records(&scene.input, &numbers.map(event).collect::<Vec<_>>());
}

/// A second host joins while the worker of the first, with a transaction open, is in a batch that takes 16 seconds; it may
/// take one to let go. Returns the events that were forwarded; the endless one is a dead letter.
fn run_late(name: &str, more: &[&str]) -> (Vec<String>, String) {
    let scene = Scene::new(name, 2);
    let component = scene.path("endless.wasm");
    put(&component, &made_of(include_str!("../../host/plugin/tests/common/evil.wat"), 1));
    let component = component.display().to_string();
    let own = ["--plugin", &component, "--worker-threads", "1", "--shutdown-timeout-secs", "1"];
    let slow = ["--plugin-time-limit-ms", TIME_LIMIT_MS, "--commit-interval-ms", "5000"];
    let settings = [&own[..], &slow, QUICK_SESSION, more].concat();
    produce_late(&scene, 0..LATE_EVENTS - LAST_EVENTS);
    let mut first = scene.start_member("first", LANES, &settings);
    first.ready();
    // Only now, so that the worker has taken both partitions before it is busy.
    scene.drain(&mut [&mut first]);
    produce_late(&scene, LATE_EVENTS - LAST_EVENTS..LATE_EVENTS);
    scene.broker.produce(&scene.input, [r#"{"x":"L"}"#]);
    std::thread::sleep(Duration::from_secs(1));
    let mut second = scene.start_member("second", LANES, &settings);
    let ends = scene.broker.ends(&scene.input, 2);
    scene.broker.wait_committed(&scene.group, &scene.input, &ends, Duration::from_secs(150), || {
        for host in [&mut first, &mut second] {
            assert!(host.running.is_running(), "a host has ended:\n{}", host.running.stderr());
        }
    });
    let log = first.running.stderr();
    assert!(log.contains("did not release its partitions in time"), "the worker was not late:\n{log}");
    let letters: BTreeSet<_> = scene.read("dead-letter").iter().map(Seen::text).collect();
    assert_eq!(letters.len(), 1, "{letters:?}\n{log}");
    (scene.read("output").iter().map(Seen::text).collect(), log)
}

fn a_late_worker_commits_nothing() {
    let (texts, log) = run_late("late", &[]);
    let distinct: BTreeSet<_> = texts.iter().collect();
    assert_eq!((texts.len(), distinct.len()), (LATE_EVENTS, LATE_EVENTS), "events out, and distinct ones\n{log}");
}

fn a_late_worker_at_least_once_loses_nothing() {
    let (texts, log) = run_late("late-once", &["--delivery", "at-least-once"]);
    let distinct: BTreeSet<_> = texts.iter().collect();
    assert_eq!(distinct.len(), LATE_EVENTS, "{log}");
}

/// A transaction with offsets of the host's group that nobody has ended yet.
fn transaction(scene: &Scene, id: &str, offsets: &[(i32, i64)], timeout: Duration) -> BaseProducer {
    let timeout = timeout.as_millis().to_string();
    let producer = scene.broker.producer(&[("transactional.id", id), ("transaction.timeout.ms", &timeout)]);
    producer.init_transactions(PATIENCE).expect("a producer");
    producer.begin_transaction().expect("begun");
    send_record(&producer, &scene.lane("late"), &record("pending"));
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &scene.broker.hosts)
        .set("group.id", &scene.group)
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(&scene.input, *partition, Offset::Offset(*offset)).expect("an offset");
    }
    // Of a consumer that never joined, so without a generation.
    let metadata = consumer.group_metadata().expect("a group");
    producer.send_offsets_to_transaction(&list, &metadata, PATIENCE).expect("sent");
    producer
}

fn wait_readiness(host: &mut Host, words: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // It may not listen yet.
        let (_, body) = get(host.port, "/_readiness").unwrap_or_default();
        if body.contains(words) {
            return body;
        }
        assert!(host.running.is_running(), "it has ended:\n{}", host.running.stderr());
        assert!(Instant::now() < deadline, "never {words:?}: {body}\n{}", host.running.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn alive(host: &Host) {
    let (code, body) = get(host.port, "/_liveness").expect("it answers");
    let age = serde_json::from_str::<Value>(&body).expect("JSON")["heartbeat_age_ms"].as_u64().expect("an age");
    assert!(code == 200 && age < 5_000, "{body}");
}

fn a_pending_transaction_of_another_id_is_waited_for() {
    let scene = Scene::new("pending", 2);
    let settings = [BY_ID, QUICK_SESSION].concat();
    // A new group would wait as a whole: each of its offsets may say what its keys are hashed with.
    let mut host = scene.start_member("earlier", LANES, &settings);
    host.ready();
    host.stop();
    assert_eq!(scene.broker.committed(&scene.group, &scene.input, 2), [Some(0), Some(0)]);
    let records: Vec<_> = (0..100).map(|id| record(format!(r#"{{"id":{id}}}"#))).collect();
    scene.broker.produce_records(&scene.input, &records);
    // Longer than the host used to wait for an answer.
    let id = scene.broker.name("another");
    let producer = transaction(&scene, &id, &[(0, 40)], Duration::from_secs(180));
    let mut host = scene.start_member("first", LANES, &settings);
    let deadline = Instant::now() + PATIENCE;
    let mut body = wait_readiness(&mut host, "another transactional id");
    // The other one is opened meanwhile.
    while body.contains("[1] is restoring") && Instant::now() < deadline {
        body = wait_readiness(&mut host, "another transactional id");
    }
    assert!(body.contains("[0] is restoring") && !body.contains("[1] is restoring"), "only one waits: {body}");
    let metrics = host.metrics();
    assert_eq!(metrics.count("dedup_host_opening_partitions", &["reason=\"pending_transaction\""]), 1);
    for _ in 0..35 {
        std::thread::sleep(Duration::from_secs(1));
        assert!(host.running.is_running(), "it has ended:\n{}", host.running.stderr());
        alive(&host);
    }
    assert!(host.metrics().sum("dedup_host_opening_seconds", &[]) > 30.0);
    assert!(host.running.stderr().contains("partitions wait to be read"), "{}", host.running.stderr());
    // Killed and started under another id: it waits just so.
    let _log = host.running.kill();
    let mut host = scene.start_member("second", LANES, &settings);
    let _body = wait_readiness(&mut host, "another transactional id");
    alive(&host);
    producer.commit_transaction(PATIENCE).expect("committed");
    host.ready();
    scene.drain(&mut [&mut host]);
    host.stop();
    assert_eq!(scene.read("output").len(), 60, "the other transaction said that 40 are done");
}

/// The group's offset is set back while the host's transaction fails: what is between must come out again.
fn an_offset_that_goes_back_is_believed() {
    let scene = Scene::new("back", 1);
    let produce = |from: u32, to: u32| {
        let records: Vec<_> = (from..to).map(|id| record(format!(r#"{{"id":{id}}}"#))).collect();
        scene.broker.produce_records(&scene.input, &records);
    };
    produce(0, 100);
    let mut host = scene.start(BY_ID);
    scene.drain(&mut [&mut host]);
    let _settled = host.settled();
    // Under the host's own id, so that its next transaction fails. Offsets without a generation are taken from anybody.
    let other = transaction(&scene, &format!("{}-0", scene.group), &[(0, 70)], Duration::from_secs(10));
    other.commit_transaction(PATIENCE).expect("committed");
    produce(100, 120);
    scene.drain(&mut [&mut host]);
    let metrics = host.settled();
    let log = host.stop().stderr;
    assert_eq!(metrics.count("dedup_host_group_offset_went_back_total", &[]), 1, "{log}");
    assert!(log.contains("the group's offset went back"), "{log}");
    let texts: Vec<_> = scene.read("output").iter().map(Seen::text).collect();
    assert_eq!(texts.len(), 150, "30 of them twice, as the group said that they were not done\n{log}");
}

fn an_open_transaction_upstream_is_lag() {
    let scene = Scene::new("upstream", 1);
    scene.broker.produce(&scene.input, [r#"{"id":1}"#]);
    let mut host = scene.start(BY_ID);
    scene.drain(&mut [&mut host]);
    let upstream = scene.broker.producer(&[("transactional.id", &scene.broker.name("upstream"))]);
    upstream.init_transactions(PATIENCE).expect("a producer");
    upstream.begin_transaction().expect("begun");
    for id in 2..12 {
        send_record(&upstream, &scene.input, &record(format!(r#"{{"id":{id}}}"#)));
    }
    upstream.flush(PATIENCE).expect("delivered");
    let deadline = Instant::now() + PATIENCE;
    while host.metrics().count("dedup_host_consumer_lag_records", &[]) != 10 {
        assert!(Instant::now() < deadline, "{}", host.metrics().text);
        std::thread::sleep(Duration::from_millis(100));
    }
    let (_, body) = get(host.port, "/api/status").expect("it answers");
    let status: Value = serde_json::from_str(&body).expect("JSON");
    let partition = &status["partitions"][0];
    assert_eq!((&partition["stable_end"], &partition["log_end"]), (&1.into(), &11.into()), "{body}");
    upstream.commit_transaction(PATIENCE).expect("committed");
    scene.drain_to(&[11], &mut [&mut host]);
    host.stop();
}
