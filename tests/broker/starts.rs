//! Where partitions start when topic, group and state have drifted apart: partitions that were added, records that the log
//! no longer has, transactions that are open, a topic that was replaced, an id that two hosts share.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dedup_host_tests::Test;
use dedup_host_tests::broker::{Seen, record, send_record};
use dedup_host_tests::generated::{feed, wait_progress};
use dedup_host_tests::program::{Running, command, free_port, get, plugin};
use dedup_host_tests::scene::{Host, LANES, Metrics, PATIENCE, Scene};
use rdkafka::producer::Producer;

pub(crate) const TESTS: &[Test] = &[
    ("partitions_added_while_it_runs_are_read_from_their_start", partitions_added_while_it_runs),
    ("partitions_added_while_nobody_runs_are_read_from_their_start", partitions_added_while_nobody_runs),
    (
        "an_empty_store_and_one_behind_the_log_are_refused_alike",
        an_empty_store_and_one_behind_the_log_are_refused_alike,
    ),
    ("a_group_that_has_read_nothing_yet_is_no_lost_store", a_group_that_has_read_nothing_yet_is_no_lost_store),
    ("records_removed_unread_stop_the_run_or_are_skipped", records_removed_unread_stop_the_run_or_are_skipped),
    ("an_offset_behind_an_open_transaction_is_no_recreated_topic", an_offset_behind_an_open_transaction),
    ("the_end_of_a_topic_is_before_an_open_transaction", the_end_of_a_topic_is_before_an_open_transaction),
    ("a_topic_replaced_while_it_is_read_ends_the_run", a_topic_replaced_while_it_is_read_ends_the_run),
    (
        "a_topic_deleted_while_it_is_read_ends_the_run_after_a_while",
        a_topic_deleted_while_it_is_read_ends_the_run_after_a_while,
    ),
    ("two_hosts_with_one_transactional_id_are_told_so", two_hosts_with_one_transactional_id_are_told_so),
    ("the_transactional_id_nobody_chose_stays_with_the_store", the_transactional_id_nobody_chose_stays_with_the_store),
];

const STATE: i32 = 5;
const FENCED: i32 = 10;

const BY_ID: &[&str] = &["--plugin-config", "/id"];
const LATEST: &[&str] = &["--plugin-config", "/id", "--kafka-consumer-offset-reset", "latest"];

/// The group sees new partitions after a second.
const QUICK_METADATA: &[&str] = &["--kafka-property", "consumer.topic.metadata.refresh.interval.ms=1000"];

const HOUR: i64 = 3_600_000;
const START: i64 = 1_767_225_600_000;

/// Events with ids of their own, to one partition, evenly over some hours from the start.
fn spread(partition: i32, ids: std::ops::Range<i64>, from_hour: i64, hours: i64) -> Vec<Seen> {
    let count = ids.end - ids.start;
    let time = |index: i64| START + from_hour * HOUR + hours * HOUR * index / count;
    let made = ids.clone().map(|id| {
        let event = record(format!(r#"{{"id":"{partition}-{id}"}}"#));
        Seen { partition, timestamp: Some(time(id - ids.start)), ..event }
    });
    made.collect()
}

fn produce(scene: &Scene, partition: i32, ids: std::ops::Range<i64>) {
    scene.broker.produce_records(&scene.input, &spread(partition, ids, 0, 1));
}

fn ids_in_output(scene: &Scene) -> Vec<String> {
    let id = |seen: &Seen| {
        let value: serde_json::Value = serde_json::from_str(&seen.text()).expect("JSON");
        value["id"].as_str().expect("an id").to_owned()
    };
    let mut ids: Vec<String> = scene.read("output").iter().map(id).collect();
    ids.sort_unstable();
    ids
}

fn ids(partitions: &[i32], range: std::ops::Range<i64>) -> Vec<String> {
    let of = |partition: &i32| range.clone().map(move |id| format!("{partition}-{id}")).collect::<Vec<_>>();
    let mut ids: Vec<String> = partitions.iter().flat_map(of).collect();
    ids.sort_unstable();
    ids
}

fn partitions_of(metrics: &Metrics) -> [u64; 2] {
    ["first_start", "now"].map(|when| metrics.count("dedup_host_input_partitions", &[&format!("when=\"{when}\"")]))
}

fn wait_for_note(host: &Host, words: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, body) = get(host.port, "/_readiness").expect("it answers");
        let value: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        if value["notes"][0].as_str().is_some_and(|note| note.contains(words)) {
            return;
        }
        assert!(Instant::now() < deadline, "no note says {words:?}: {body}\n{}", host.running.stderr());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn partitions_added_while_it_runs() {
    let scene = Scene::new("added", 2);
    (0..2).for_each(|partition| produce(&scene, partition, 0..5));
    let mut host = scene.start(&[LATEST, QUICK_METADATA].concat());
    host.ready();
    (0..2).for_each(|partition| produce(&scene, partition, 5..10));
    scene.drain(&mut [&mut host]);
    scene.broker.add_partitions(&scene.input, 4);
    // Before the group has seen them.
    (0..4).for_each(|partition| produce(&scene, partition, 10..20));
    scene.drain_to(&scene.broker.ends(&scene.input, 4), &mut [&mut host]);
    wait_for_note(&host, "has 4 partitions, and had 2");
    assert_eq!(partitions_of(&host.metrics()), [2, 4]);
    let log = host.stop().stderr;
    assert!(log.contains("the topic has more partitions than before"), "{log}");
    let expected = [ids(&[0, 1], 5..20), ids(&[2, 3], 10..20)].concat();
    assert_eq!(ids_in_output(&scene), expected, "nothing of before the first start, and all of the new partitions");
}

fn partitions_added_while_nobody_runs() {
    for has_record in [true, false] {
        let scene = Scene::new(if has_record { "grown" } else { "grown-unrecorded" }, 2);
        (0..2).for_each(|partition| produce(&scene, partition, 0..5));
        let mut host = scene.start(LATEST);
        host.ready();
        (0..2).for_each(|partition| produce(&scene, partition, 5..10));
        scene.drain(&mut [&mut host]);
        host.stop();
        if !has_record {
            std::fs::remove_file(scene.store().join(&scene.input).join("partitions.json")).expect("there is one");
        }
        scene.broker.add_partitions(&scene.input, 3);
        produce(&scene, 2, 5..10);
        let mut host = scene.start(LATEST);
        scene.drain_to(&scene.broker.ends(&scene.input, 3), &mut [&mut host]);
        assert_eq!(partitions_of(&host.metrics()), [2, 3]);
        wait_for_note(&host, "has 3 partitions, and had 2");
        let log = host.stop().stderr;
        assert!(log.contains("the topic has more partitions than before"), "{log}");
        assert_eq!(ids_in_output(&scene), ids(&[0, 1, 2], 5..10));
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp -a");
}

fn gap_offsets(metrics: &Metrics) -> [u64; 2] {
    ["unread", "unlearned"]
        .map(|kind| metrics.count("dedup_host_log_gap_offsets_total", &[&format!("kind=\"{kind}\"")]))
}

fn an_empty_store_and_one_behind_the_log_are_refused_alike() {
    for (window, reaches) in [("1h", true), ("24h", false), ("none", false)] {
        for behind in [false, true] {
            let scene = Scene::new("gap", 1);
            let settings = |more: &[&'static str]| [BY_ID, &["--window", window], more].concat();
            scene.broker.produce_records(&scene.input, &spread(0, 0..30, 0, 1));
            let _first = scene.run(LANES, &settings(&[]));
            copy(&scene.store(), &scene.path("behind"));
            scene.broker.produce_records(&scene.input, &spread(0, 30..150, 1, 20));
            let _second = scene.run(LANES, &settings(&[]));
            scene.broker.delete_records(&scene.input, &[(0, 50)]);
            std::fs::remove_dir_all(scene.store()).expect("deleted");
            if behind {
                std::fs::rename(scene.path("behind"), scene.store()).expect("an older state");
            }
            scene.broker.produce_records(&scene.input, &spread(0, 149..151, 21, 1));
            if !reaches {
                let known = if behind { "the state ends at offset 30" } else { "the state is empty" };
                let needs = if window == "none" { "every key is needed" } else { "the log reaches back" };
                let ended = scene.refused(LANES, &settings(&[]));
                ended.refused(STATE, &[known, "the log starts at 50", needs, "--on-log-gap skip"]);
            }
            let (metrics, log) = scene.run(LANES, &settings(if reaches { &[] } else { &["--on-log-gap", "skip"] }));
            let lost = if behind { 20 } else { 50 };
            assert_eq!(gap_offsets(&metrics), [0, if reaches { 0 } else { lost }], "{window} {behind}\n{log}");
            assert_eq!(log.contains("the log no longer has these offsets"), !reaches, "{log}");
            assert_eq!(metrics.count("dedup_host_replayed_total", &[]), 100, "{log}");
            // 149 is known from the log, 150 is new.
            assert_eq!(scene.read("output").len(), 151, "{window} {behind}");
        }
    }
}

/// The first commit of a group that has found nothing to read must not look like the commit of a state that was lost.
fn a_group_that_has_read_nothing_yet_is_no_lost_store() {
    for (settings, deleted) in [(BY_ID, 50), (LATEST, 20)] {
        let scene = Scene::new("idle", 1);
        produce(&scene, 0, 0..50);
        scene.broker.delete_records(&scene.input, &[(0, deleted)]);
        for killed in [true, false] {
            let mut host = scene.start(settings);
            host.ready();
            scene.drain_to(&[50], &mut [&mut host]);
            std::thread::sleep(Duration::from_millis(500));
            if killed { drop(host.running.kill()) } else { drop(host.stop()) }
        }
        produce(&scene, 0, 50..60);
        let (metrics, log) = scene.run(LANES, settings);
        assert_eq!((gap_offsets(&metrics), metrics.decided("unique")), ([0, 0], 10), "{log}");
    }
}

fn records_removed_unread_stop_the_run_or_are_skipped() {
    let scene = Scene::new("unread", 1);
    scene.broker.produce_records(&scene.input, &spread(0, 0..50, 0, 1));
    let _first = scene.run(LANES, BY_ID);
    scene.broker.produce_records(&scene.input, &spread(0, 50..100, 1, 1));
    scene.broker.delete_records(&scene.input, &[(0, 70)]);
    let ended = scene.refused(LANES, BY_ID);
    ended.refused(
        STATE,
        &["committed offset 50", "the log starts at 70", "20 records were removed", "--on-log-gap skip"],
    );
    let (metrics, log) = scene.run(LANES, &[BY_ID, &["--on-log-gap", "skip"]].concat());
    assert_eq!(gap_offsets(&metrics), [20, 0], "{log}");
    assert!(log.contains("the log no longer has these offsets"), "{log}");
    assert_eq!(ids_in_output(&scene), {
        let mut expected = [ids(&[0], 0..50), ids(&[0], 70..100)].concat();
        expected.sort_unstable();
        expected
    });
    let (metrics, _) = scene.run(LANES, BY_ID);
    assert_eq!(gap_offsets(&metrics), [0, 0], "said once, and over");
}

/// An upstream producer whose transaction of these records is sent and open.
fn open_transaction(scene: &Scene, ids: std::ops::Range<i64>) -> rdkafka::producer::BaseProducer {
    let producer = scene.broker.producer(&[("transactional.id", &scene.broker.name("upstream"))]);
    producer.init_transactions(PATIENCE).expect("a producer");
    producer.begin_transaction().expect("begun");
    let end = scene.broker.ends(&scene.input, 1)[0] + ids.end - ids.start;
    spread(0, ids, 0, 1).iter().for_each(|event| send_record(&producer, &scene.input, event));
    let deadline = Instant::now() + PATIENCE;
    while scene.broker.ends(&scene.input, 1)[0] < end {
        producer.poll(Duration::from_millis(50));
        assert!(Instant::now() < deadline, "the records are not in the log");
    }
    producer
}

fn an_offset_behind_an_open_transaction() {
    let scene = Scene::new("behind", 1);
    produce(&scene, 0, 0..10);
    let upstream = open_transaction(&scene, 10..15);
    // What an operator sets who wants to start at the end.
    scene.broker.set_committed(&scene.group, &scene.input, &[(0, 15)]);
    let mut host = scene.start(BY_ID);
    host.ready();
    upstream.commit_transaction(PATIENCE).expect("committed");
    produce(&scene, 0, 20..25);
    scene.drain(&mut [&mut host]);
    host.stop();
    assert_eq!(ids_in_output(&scene), ids(&[0], 20..25));
}

fn the_end_of_a_topic_is_before_an_open_transaction() {
    let scene = Scene::new("before-open", 1);
    produce(&scene, 0, 0..10);
    let upstream = open_transaction(&scene, 10..15);
    let mut host = scene.start(LATEST);
    host.ready();
    upstream.commit_transaction(PATIENCE).expect("committed");
    produce(&scene, 0, 20..25);
    scene.drain(&mut [&mut host]);
    host.stop();
    let expected = [ids(&[0], 10..15), ids(&[0], 20..25)].concat();
    assert_eq!(ids_in_output(&scene), expected, "what was committed after the start is read");
}

/// A host that has read all of its topic.
fn at_the_end(name: &str) -> (Scene, Host) {
    let scene = Scene::new(name, 1);
    produce(&scene, 0, 0..10);
    let mut host = scene.start(BY_ID);
    host.ready();
    scene.drain(&mut [&mut host]);
    (scene, host)
}

fn a_topic_replaced_while_it_is_read_ends_the_run() {
    let (scene, host) = at_the_end("replaced");
    scene.broker.delete_topic(&scene.input);
    std::thread::sleep(Duration::from_millis(500));
    let _same = scene.broker.topic("input", 1, &[]);
    produce(&scene, 0, 0..50);
    let ended = host.running.wait(PATIENCE);
    ended.refused(STATE, &[&scene.input, "was replaced while it was read", "delete the topic's directory"]);
    // What was read of the other topic until it was noticed is no promise; to go on with it is refused.
    let ended = scene.refused(LANES, BY_ID);
    ended.refused(STATE, &[&scene.input]);
}

fn a_topic_deleted_while_it_is_read_ends_the_run_after_a_while() {
    let (scene, host) = at_the_end("deleted");
    scene.broker.delete_topic(&scene.input);
    std::thread::sleep(Duration::from_secs(15));
    let (code, body) = get(host.port, "/_liveness").expect("it answers");
    assert_eq!(code, 200, "a broker that has just come back knows no topic either: {body}");
    let ended = host.running.wait(PATIENCE);
    ended.refused(STATE, &[&scene.input, "it was deleted"]);
}

fn two_hosts_with_one_transactional_id_are_told_so() {
    let scene = Scene::new("one-id", 2);
    let feeding = AtomicBool::new(true);
    let id = scene.broker.name("shared");
    let settings = ["--transactional-id-prefix", &id, "--worker-threads", "1", "--commit-interval-ms", "50"];
    let (mut expected, mut left) = std::thread::scope(|scope| {
        let feeder = scope.spawn(|| feed(&scene, &feeding, 3_000, 500));
        let mut first = scene.start_member("first", LANES, &settings);
        wait_progress(&scene, 0, 1, i64::MAX, || assert!(first.running.is_running()));
        let mut second = scene.start_member("second", LANES, &settings);
        let deadline = Instant::now() + PATIENCE;
        while first.running.is_running() && second.running.is_running() {
            assert!(Instant::now() < deadline, "both go on:\n{}\n{}", first.running.stderr(), second.running.stderr());
            std::thread::sleep(Duration::from_millis(50));
        }
        let (ended, left) = if first.running.is_running() { (second, first) } else { (first, second) };
        let ended = ended.running.wait(PATIENCE);
        let words = format!("fenced by another host with the transactional id {id}-0");
        ended.refused(FENCED, &[&words, "stop the other host", "--transactional-id-prefix"]);
        feeding.store(false, Ordering::Relaxed);
        (feeder.join().expect("fed"), left)
    });
    scene.drain(&mut [&mut left]);
    assert!(left.metrics().count("dedup_host_fenced_total", &[]) > 0);
    left.stop();
    expected.check(&scene);
}

fn the_transactional_id_nobody_chose_stays_with_the_store() {
    let scene = Scene::new("default-id", 1);
    let id_of = |store: &str| {
        let (store, port) = (scene.path(store).display().to_string(), free_port().to_string());
        let component = plugin("composite_key").display().to_string();
        let (hosts, group) = (&scene.broker.hosts, &scene.group);
        let mut running = Running::start_command(command([
            "--plugin",
            &component,
            "--kafka-hosts",
            hosts,
            "--kafka-consumer-topic",
            &scene.input,
            "--kafka-consumer-group",
            group,
            "--store-path",
            &store,
            "--checkpoint-interval-secs",
            "0",
            "--bind-host",
            "127.0.0.1",
            "--bind-port",
            &port,
        ]));
        running.wait_for("partition starts", PATIENCE);
        let log = running.stop(PATIENCE).ok().stderr;
        let kept = std::fs::read_to_string(Path::new(&store).join("transactional-id")).expect("a file");
        let id = format!("{group}-{}", kept.trim());
        assert!(log.contains(&id), "{id} is not in\n{log}");
        id
    };
    let (first, again, other) = (id_of("one"), id_of("one"), id_of("other"));
    assert_eq!(first, again);
    assert_ne!(first, other);
}
