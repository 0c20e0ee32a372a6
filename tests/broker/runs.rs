//! How runs start, end and follow each other: what is committed, what the state knows, who owns what.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dedup_host_tests::Test;
use dedup_host_tests::broker::{Seen, record};
use dedup_host_tests::generated::{feed, generate, wait_progress};
use dedup_host_tests::scene::{Host, LANES, PATIENCE, Scene};
use serde_json::Value;

use crate::github::{Made, events, first_ones};

pub(crate) const TESTS: &[Test] = &[
    ("at_least_once_loses_nothing_over_a_kill", at_least_once_loses_nothing_over_a_kill),
    ("a_stop_under_load_commits_and_the_next_run_goes_on", a_stop_under_load_commits_and_the_next_run_goes_on),
    ("duplicates_of_an_earlier_run_are_known", duplicates_of_an_earlier_run_are_known),
    ("hosts_share_partitions_as_one_joins_and_one_leaves", hosts_share_partitions_as_one_joins_and_one_leaves),
    ("a_lost_store_is_rebuilt_with_outputs_off", a_lost_store_is_rebuilt_with_outputs_off),
    ("an_older_copy_of_the_store_catches_up", an_older_copy_of_the_store_catches_up),
    ("rewound_offsets_give_the_same_output_again", rewound_offsets_give_the_same_output_again),
    ("a_fresh_group_starts_at_the_end_if_told_so", a_fresh_group_starts_at_the_end_if_told_so),
    ("a_replay_that_ends_at_a_marker_becomes_live", a_replay_that_ends_at_a_marker_becomes_live),
];

/// A host that was killed is noticed by the group after this.
pub(crate) const QUICK_SESSION: &[&str] =
    &["--kafka-property", "consumer.session.timeout.ms=1500", "--kafka-property", "consumer.heartbeat.interval.ms=300"];

const BY_ID: &[&str] = &["--plugin-config", "/id"];

fn produce(scene: &Scene, made: &[Made]) {
    scene.broker.produce_records(&scene.input, &made.iter().map(|made| made.record.clone()).collect::<Vec<_>>());
}

fn texts(records: &[Seen]) -> Vec<String> {
    records.iter().map(Seen::text).collect()
}

/// Records of duplicates without how many there were.
fn without_counts(records: &[Seen]) -> Vec<Value> {
    let strip = |record: &Seen| {
        let mut value: Value = serde_json::from_str(&record.text()).expect("JSON");
        for member in ["count", "distinct_uuids", "distinct_uuids_exact"] {
            value.as_object_mut().expect("an object").remove(member);
        }
        value
    };
    records.iter().map(strip).collect()
}

fn unique_texts(made: &[Made]) -> Vec<String> {
    let (unique, _) = first_ones(made.iter().map(|made| &made.id));
    unique.into_iter().map(|index| made[index].record.text()).collect()
}

fn at_least_once_loses_nothing_over_a_kill() {
    let scene = Scene::new("at-least", 2);
    let mut expected = generate(&scene, 60_000, 1);
    let settings = [QUICK_SESSION, &["--delivery", "at-least-once"]].concat();
    let mut host = scene.start(&settings);
    let at = wait_progress(&scene, 0, 1, 60_000, || assert!(host.running.is_running()));
    let log = host.running.kill();
    let mut host = scene.start(&settings);
    scene.drain(&mut [&mut host]);
    host.stop();
    let repeated = expected.check_at_least_once(&scene);
    println!("killed at {at} of 60000 committed records; {repeated} events came out more than once\n{log}");
}

fn a_stop_under_load_commits_and_the_next_run_goes_on() {
    const EVENTS: i64 = 300_000;
    let scene = Scene::new("stop", 1);
    let mut expected = generate(&scene, EVENTS.unsigned_abs(), 2);
    let mut host = scene.start(&["--shutdown-timeout-secs", "10"]);
    wait_progress(&scene, 0, 1, EVENTS, || assert!(host.running.is_running()));
    let asked = Instant::now();
    let ended = host.running.stop(PATIENCE).ok();
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert!(ended.stderr.contains("drained, committed and closed"), "{}", ended.stderr);
    let committed = scene.broker.committed(&scene.group, &scene.input, 1)[0].expect("something");
    let out = scene.read("output").len() + scene.read("duplicates").len();
    assert_eq!(i64::try_from(out).expect("few"), committed, "what is committed is what came out");
    assert!(committed < EVENTS, "the stop came too late to show anything");

    let (metrics, log) = scene.run(LANES, &[]);
    assert_eq!(metrics.count("dedup_host_replayed_total", &[]), 0, "{log}");
    assert_eq!(metrics.count("dedup_host_consumed_total", &[]), (EVENTS - committed).unsigned_abs());
    expected.check(&scene);
}

fn duplicates_of_an_earlier_run_are_known() {
    let (scene, made) = (Scene::new("again", 1), events(21, 900));
    for part in made.chunks(300) {
        produce(&scene, part);
        let (metrics, log) = scene.run(LANES, BY_ID);
        assert_eq!(metrics.count("dedup_host_replayed_total", &[]), 0, "{log}");
    }
    assert_eq!(texts(&scene.read("output")), unique_texts(&made));
}

fn hosts_share_partitions_as_one_joins_and_one_leaves() {
    let scene = Scene::new("share", 4);
    let feeding = AtomicBool::new(true);
    let (mut expected, mut second) = std::thread::scope(|scope| {
        let feeder = scope.spawn(|| feed(&scene, &feeding, 5_000, 300));
        // Small transactions, so that the rebalances meet many of them.
        let settings = &["--commit-interval-ms", "20"];
        let mut first = scene.start_member("first", LANES, settings);
        let at = wait_progress(&scene, 0, 1, i64::MAX, || assert!(first.running.is_running()));
        let mut second = scene.start_member("second", LANES, settings);
        owns(&mut second, 2);
        owns(&mut first, 2);
        let at = wait_progress(&scene, at, 10_000, i64::MAX, || assert!(second.running.is_running()));
        first.stop();
        owns(&mut second, 4);
        wait_progress(&scene, at, 10_000, i64::MAX, || assert!(second.running.is_running()));
        feeding.store(false, Ordering::Relaxed);
        (feeder.join().expect("fed"), second)
    });
    scene.drain(&mut [&mut second]);
    second.stop();
    expected.check(&scene);
}

fn owns(host: &mut Host, partitions: usize) {
    host.ready();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let metrics = host.metrics();
        let owned = metrics.text.lines().filter(|line| line.starts_with("dedup_host_undecided_records{")).count();
        if owned == partitions {
            return;
        }
        assert!(Instant::now() < deadline, "owns {owned} partitions, not {partitions}:\n{}", host.running.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn a_lost_store_is_rebuilt_with_outputs_off() {
    let (scene, made) = (Scene::new("lost", 1), events(22, 900));
    produce(&scene, &made[..600]);
    let _first = scene.run(LANES, BY_ID);
    std::fs::remove_dir_all(scene.store()).expect("deleted");
    produce(&scene, &made[600..]);
    let mut host = scene.start(BY_ID);
    host.ready();
    assert_eq!(host.settled().count("dedup_host_replayed_total", &[]), 600, "ready means that the replay is over");
    scene.drain(&mut [&mut host]);
    let log = host.stop().stderr;
    assert!(log.contains("no state here: rebuilding it from the log, outputs off"), "{log}");
    assert_eq!(texts(&scene.read("output")), unique_texts(&made));
    assert_eq!(scene.read("duplicates").len(), 900 - unique_texts(&made).len());
}

fn an_older_copy_of_the_store_catches_up() {
    let (scene, made) = (Scene::new("older", 1), events(23, 900));
    produce(&scene, &made[..300]);
    let _first = scene.run(LANES, BY_ID);
    copy(&scene.store(), &scene.path("copy"));
    produce(&scene, &made[300..600]);
    let _second = scene.run(LANES, BY_ID);
    std::fs::remove_dir_all(scene.store()).expect("deleted");
    std::fs::rename(scene.path("copy"), scene.store()).expect("restored");
    produce(&scene, &made[600..]);
    let (metrics, log) = scene.run(LANES, BY_ID);
    assert_eq!(metrics.count("dedup_host_replayed_total", &[]), 300, "{log}");
    assert_eq!(texts(&scene.read("output")), unique_texts(&made));
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp -a");
}

fn rewound_offsets_give_the_same_output_again() {
    let (scene, made) = (Scene::new("rewound", 1), events(24, 600));
    produce(&scene, &made);
    let _first = scene.run(LANES, BY_ID);
    let (output, duplicates) = (scene.read("output"), scene.read("duplicates"));
    for (pass, from) in [(2, 0), (3, 0)] {
        scene.broker.set_committed(&scene.group, &scene.input, &[(0, from)]);
        let (metrics, _) = scene.run(LANES, BY_ID);
        metrics.check([output.len() as u64, duplicates.len() as u64, 0, 0, 0]);
        assert_eq!(texts(&scene.read("output")), vec![texts(&output); pass].concat());
        // How many there were at the time is not known any more.
        let again = scene.read("duplicates");
        assert_eq!(without_counts(&again), vec![without_counts(&duplicates); pass].concat());
        let rewound = again.get(duplicates.len()..).expect("those of the passes before");
        assert!(rewound.iter().all(|record| record.text().contains("\"count\":null")), "a count of another day");
    }
    let half = made.len() / 2;
    scene.broker.set_committed(&scene.group, &scene.input, &[(0, half as i64)]);
    let _third = scene.run(LANES, BY_ID);
    let (unique, _) = first_ones(made.iter().map(|made| &made.id));
    let later = unique.iter().filter(|index| **index >= half).count();
    assert_eq!(scene.read("output").len(), output.len() * 3 + later);
}

fn a_fresh_group_starts_at_the_end_if_told_so() {
    let (scene, made) = (Scene::new("latest", 1), events(25, 200));
    produce(&scene, &made[..100]);
    let mut host = scene.start(&[BY_ID, &["--kafka-consumer-offset-reset", "latest"]].concat());
    host.ready();
    produce(&scene, &made[100..]);
    scene.drain(&mut [&mut host]);
    host.stop();
    assert_eq!(texts(&scene.read("output")), unique_texts(&made[100..]));
}

/// The group's offset may lie behind the last record that can be read: after the marker of a transaction.
fn a_replay_that_ends_at_a_marker_becomes_live() {
    use rdkafka::producer::Producer;
    let scene = Scene::new("marker", 1);
    let producer = scene.broker.producer(&[("transactional.id", &scene.broker.name("upstream"))]);
    producer.init_transactions(PATIENCE).expect("a producer");
    producer.begin_transaction().expect("begun");
    for id in 0..10 {
        dedup_host_tests::broker::send_record(&producer, &scene.input, &record(format!(r#"{{"id":{id}}}"#)));
    }
    producer.commit_transaction(PATIENCE).expect("committed");
    let end = scene.broker.ends(&scene.input, 1)[0];
    assert_eq!(end, 11, "ten records and a marker");
    scene.broker.set_committed(&scene.group, &scene.input, &[(0, end)]);
    let mut host = scene.start(BY_ID);
    host.ready();
    produce(&scene, &events(26, 1));
    scene.drain(&mut [&mut host]);
    assert_eq!(host.settled().count("dedup_host_replayed_total", &[]), 10);
    host.stop();
    assert_eq!(scene.read("output").len(), 1);
}
