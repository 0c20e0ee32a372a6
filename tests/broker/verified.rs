//! `dedup-host verify` on a real broker: of a run that was killed it finds nothing wrong, and of changed copies of its lanes
//! it finds and names each change.

use dedup_host_tests::Test;
use dedup_host_tests::broker::{Seen, record};
use dedup_host_tests::generated::{generate, wait_progress};
use dedup_host_tests::program::Ended;
use dedup_host_tests::scene::{LANES, Scene};
use serde_json::Value;

use crate::github::{Made, events};

pub(crate) const TESTS: &[Test] = &[
    ("a_run_that_was_killed_is_verified_as_right", a_run_that_was_killed_is_verified_as_right),
    ("changed_lanes_are_found_and_named", changed_lanes_are_found_and_named),
    ("records_beyond_the_committed_offset_are_not_judged", records_beyond_the_committed_offset_are_not_judged),
];

const FIELDS: &[&str] = &["--plugin-config", "/actor/login,/type,/created_at"];

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ended.stdout, ended.stderr))
}

fn a_run_that_was_killed_is_verified_as_right() {
    let scene = Scene::new("verified", 4);
    let events = 100_000;
    let mut expected = generate(&scene, events, 7);
    for share in 1..4 {
        let mut host = scene.start(&[]);
        let _at = wait_progress(&scene, 0, share * 20_000, 90_000, || assert!(host.running.is_running()));
        host.running.kill();
    }
    let mut host = scene.start(&[]);
    scene.drain(&mut [&mut host]);
    host.stop();
    expected.check(&scene);
    let report = report(&scene.verify(LANES, &["--json", "true"]).ok());
    assert_eq!((report["verdict"].as_str(), report["judged"].as_u64()), (Some("right"), Some(events)));
    let (unique, duplicates) = expected.counts();
    let outcomes = &report["outcomes"];
    assert_eq!((outcomes["unique"].as_u64(), outcomes["duplicate"].as_u64()), (Some(unique), Some(duplicates)));
}

/// A change of a lane's records, and the kinds of violations that it comes to.
type Change = (&'static str, &'static str, fn(&mut Vec<Seen>), &'static [&'static str]);

const CHANGES: &[Change] = &[
    ("dropped", "output", |records| drop(records.remove(7)), &["lost"]),
    ("many-dropped", "output", |records| drop(records.drain(5..25)), &["lost"]),
    (
        "repeated",
        "output",
        |records| {
            let again = records[7].clone();
            records.insert(30, again);
        },
        &["twice"],
    ),
    ("swapped", "output", |records| records.swap(7, 8), &["order"]),
    ("payload", "output", |records| records[7].payload.as_mut().expect("one").push(b' '), &["changed_payload"]),
    ("header", "output", |records| records[7].headers.push(("more".to_owned(), None)), &["changed_headers"]),
    ("key", "output", |records| records[7].key = Some(b"another".to_vec()), &["changed_key"]),
    (
        "timestamp",
        "output",
        |records| records[7].timestamp = records[7].timestamp.map(|time| time + 1),
        &["changed_timestamp"],
    ),
    ("added", "output", |records| records.push(record("{\"id\":\"nobody\"}")), &["foreign"]),
    ("duplicate-dropped", "duplicates", |records| drop(records.remove(7)), &["lost"]),
    ("duplicate-key", "duplicates", |records| records[7].key = Some(b"another".to_vec()), &["changed_key"]),
    ("letter-dropped", "dead-letter", |records| drop(records.remove(0)), &["lost"]),
    (
        "letter-header",
        "dead-letter",
        |records| records[0].headers.insert(0, ("more".to_owned(), None)),
        &["changed_headers"],
    ),
    ("letter-key", "dead-letter", |records| records[0].key = None, &["changed_key"]),
    (
        "letter-reason",
        "dead-letter",
        |records| records[0].headers.retain(|(name, _)| name != "dedup-host-reason"),
        &["lost", "malformed"],
    ),
    (
        "letter-stage",
        "dead-letter",
        |records| {
            let stage = records[0].headers.iter_mut().find(|(name, _)| name == "dedup-host-stage");
            stage.expect("a stage").1 = Some(b"key".to_vec());
        },
        &["wrong_reason"],
    ),
];

fn changed_lanes_are_found_and_named() {
    let scene = Scene::new("changed", 1);
    let mut records: Vec<Seen> = events(21, 400).iter().map(|made: &Made| made.record.clone()).collect();
    for index in 0..5 {
        let mut bad = record(format!("no event {index}"));
        bad.key = Some(format!("bad-{index}").into_bytes());
        bad.timestamp = records[index].timestamp;
        bad.headers = vec![("Dedup-Host-Reason".to_owned(), Some(b"forged".to_vec())), ("mine".to_owned(), None)];
        records.insert(index * 40, bad);
    }
    scene.broker.produce_records(&scene.input, &records);
    let (_metrics, _log) = scene.run(LANES, FIELDS);
    let _right = scene.verify(LANES, FIELDS).ok();
    for (name, lane, change, kinds) in CHANGES {
        let mut records = scene.read(lane);
        change(&mut records);
        let topic = scene.broker.topic(name, 1, &[]);
        scene.broker.produce_records(&topic, &records);
        let flag = format!("--{lane}-topic");
        let ended = scene.verify(LANES, &[FIELDS, &[&flag, &topic, "--json", "true"]].concat());
        assert_eq!(ended.code, Some(11), "{name}: {}{}", ended.stdout, ended.stderr);
        let report = report(&ended);
        let found: Vec<&String> = report["violations"].as_object().expect("an object").keys().collect();
        assert_eq!(found, *kinds, "{name}: {report:#}");
        for kind in *kinds {
            let shown = &report["violations"][*kind]["shown"][0];
            assert!(shown["input"]["offset"].is_i64() || shown["lane"]["offset"].is_i64(), "{name}: {report:#}");
        }
    }
}

fn records_beyond_the_committed_offset_are_not_judged() {
    let scene = Scene::new("beyond", 1);
    scene.broker.produce(&scene.input, (0..10).map(|id| format!("{{\"id\":{id}}}")));
    let nothing = scene.verify(LANES, &["--plugin-config", "/id"]);
    assert_eq!(nothing.code, Some(12), "nothing is committed: {}{}", nothing.stdout, nothing.stderr);
    let (_metrics, _log) = scene.run(LANES, &["--plugin-config", "/id"]);
    scene.broker.produce(&scene.input, (5..15).map(|id| format!("{{\"id\":{id}}}")));
    let verify = |words: &[&str]| {
        let words = [&["--plugin-config", "/id", "--json", "true"], words].concat();
        report(&scene.verify(LANES, &words).ok())["judged"].as_u64()
    };
    assert_eq!(verify(&[]), Some(10));
    assert_eq!(verify(&["--from", "0:4", "--to", "8"]), Some(4));
}
