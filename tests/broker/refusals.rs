//! What is refused, with words that name the thing, the cause and the way out, and with the exit code of its kind.

use std::time::{Duration, Instant};

use dedup_host_tests::Test;
use dedup_host_tests::program::{Running, free_port};
use dedup_host_tests::scene::{LANES, PATIENCE, Scene};

use crate::github::events;

pub(crate) const TESTS: &[Test] = &[
    ("topics_that_do_not_exist_are_refused", topics_that_do_not_exist_are_refused),
    ("an_absent_broker_is_refused_in_bounded_time", an_absent_broker_is_refused_in_bounded_time),
    ("a_compacted_input_is_refused", a_compacted_input_is_refused),
    ("an_output_that_is_the_input_is_refused", an_output_that_is_the_input_is_refused),
    ("a_store_in_use_is_refused", a_store_in_use_is_refused),
    ("the_store_of_another_configuration_is_refused", the_store_of_another_configuration_is_refused),
    ("a_recreated_topic_is_refused", a_recreated_topic_is_refused),
    ("a_taken_http_port_is_refused", a_taken_http_port_is_refused),
    ("deleted_offsets_are_refused_while_there_is_state", deleted_offsets_are_refused_while_there_is_state),
    ("offsets_beyond_the_log_are_refused", offsets_beyond_the_log_are_refused),
    ("offsets_before_the_log_are_refused", offsets_before_the_log_are_refused),
];

const USAGE: i32 = 2;
const INPUT: i32 = 4;
const STATE: i32 = 5;
const ADDRESS: i32 = 8;

fn used(name: &str) -> Scene {
    let scene = Scene::new(name, 1);
    let records: Vec<_> = events(31, 50).into_iter().map(|made| made.record).collect();
    scene.broker.produce_records(&scene.input, &records);
    let _ran = scene.run(LANES, &["--plugin-config", "/id"]);
    scene
}

fn topics_that_do_not_exist_are_refused() {
    let scene = Scene::new("missing", 1);
    let ended = scene.refused(LANES, &["--kafka-consumer-topic", "nobody-made-this"]);
    ended.refused(INPUT, &["topic nobody-made-this does not exist", &scene.broker.hosts, "create it"]);
    let ended = scene.refused(LANES, &["--output-topic", "nor-this"]);
    ended.refused(INPUT, &["topic nor-this does not exist"]);
    let begun = std::fs::read_dir(scene.store()).is_ok_and(|mut entries| entries.next().is_some());
    assert!(!begun, "nothing was begun");
}

fn an_absent_broker_is_refused_in_bounded_time() {
    let scene = Scene::new("absent", 1);
    let (hosts, asked) = (format!("localhost:{}", free_port()), Instant::now());
    let ended = scene.refused(LANES, &["--kafka-hosts", &hosts]);
    ended.refused(INPUT, &[&format!("no broker answers at {hosts}"), "KAFKA_HOSTS"]);
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
}

fn a_compacted_input_is_refused() {
    for policy in ["compact", "compact,delete"] {
        let scene = Scene::with_input("compacted", 1, &[("cleanup.policy", policy)]);
        let ended = scene.refused(LANES, &[]);
        ended.refused(INPUT, &[&scene.input, "is compacted", "cleanup.policy=delete"]);
    }
}

fn an_output_that_is_the_input_is_refused() {
    let scene = Scene::new("circle", 1);
    for flag in ["--output-topic", "--duplicates-topic", "--dead-letter-topic", "--late-topic"] {
        scene.refused(LANES, &[flag, &scene.input]).refused(USAGE, &[flag]);
    }
}

fn a_store_in_use_is_refused() {
    let scene = Scene::new("in-use", 1);
    let mut owner = scene.start(&["--plugin-config", "/id"]);
    owner.ready();
    let (group, prefix) = (scene.broker.name("other"), scene.broker.name("other"));
    let other = ["--plugin-config", "/id", "--kafka-consumer-group", &group, "--transactional-id-prefix", &prefix];
    let ended = scene.refused(LANES, &other);
    ended.refused(STATE, &["in use by another process", "--store-path"]);
    assert!(owner.running.is_running(), "the owner is not disturbed");
    owner.stop();
}

fn the_store_of_another_configuration_is_refused() {
    let scene = used("identity");
    let by_id = ["--plugin-config", "/id"];
    let and = |more: [&'static str; 2]| [by_id, more].concat();
    for other in [vec!["--plugin-config", "/type"], and(["--window", "1h"]), and(["--numbers", "canonical"])] {
        let ended = scene.refused(LANES, &other);
        ended.refused(STATE, &["belongs to something else", "--store-path"]);
    }
    let (metrics, _) = scene.run(LANES, &["--plugin-config", "/id"]);
    metrics.check([0; 5]);
}

fn a_recreated_topic_is_refused() {
    let scene = used("recreated");
    scene.broker.delete_topic(&scene.input);
    std::thread::sleep(Duration::from_secs(1));
    let _same = scene.broker.topic("input", 1, &[]);
    let ended = scene.refused(LANES, &["--plugin-config", "/id"]);
    ended.refused(STATE, &["topic_id", "delete the directory"]);
    // The way out that the message names.
    let _gone = std::fs::remove_dir_all(scene.store());
    scene.broker.produce(&scene.input, [r#"{"id":"new"}"#]);
    let (metrics, _) = scene.run(LANES, &["--plugin-config", "/id"]);
    metrics.check([1, 0, 0, 0, 0]);
}

fn a_taken_http_port_is_refused() {
    let scene = Scene::new("port", 1);
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let ended = scene.refused(LANES, &["--bind-port", &port]);
    ended.refused(ADDRESS, &[&format!("127.0.0.1:{port}"), "in use", "--bind-port"]);
}

fn deleted_offsets_are_refused_while_there_is_state() {
    let scene = used("offsets");
    scene.broker.delete_group(&scene.group);
    let ended = scene.refused(LANES, &["--plugin-config", "/id"]);
    ended.refused(STATE, &["no committed offset", "set the group's offset to 50"]);
    scene.broker.set_committed(&scene.group, &scene.input, &[(0, 50)]);
    let (metrics, _) = scene.run(LANES, &["--plugin-config", "/id"]);
    metrics.check([0; 5]);
}

fn offsets_beyond_the_log_are_refused() {
    let scene = used("beyond");
    scene.broker.set_committed(&scene.group, &scene.input, &[(0, 51)]);
    let ended = scene.refused(LANES, &["--plugin-config", "/id"]);
    ended.refused(STATE, &["committed offset 51", "the log ends at 50"]);
}

/// Retention went over records that nobody had read.
fn offsets_before_the_log_are_refused() {
    let scene = used("before");
    let records: Vec<_> = events(32, 50).into_iter().map(|made| made.record).collect();
    scene.broker.produce_records(&scene.input, &records);
    scene.broker.delete_records(&scene.input, &[(0, 70)]);
    let ended = scene.refused(LANES, &["--plugin-config", "/id"]);
    ended.refused(STATE, &["committed offset 50", "the log starts at 70", "setting the group's offset to 70"]);
    scene.broker.set_committed(&scene.group, &scene.input, &[(0, 70)]);
    let command = scene.command("", LANES, &["--plugin-config", "/id"]).0;
    // The keys of what was removed cannot be remembered: this needs a word of the operator's too.
    let ended = Running::start_command(command).wait(PATIENCE);
    ended.refused(STATE, &["the records between are gone", "--on-log-gap skip"]);
}
