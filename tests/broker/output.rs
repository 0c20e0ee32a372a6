//! What comes out of a topic: unique events untouched, duplicates explained, bad records accounted for.

use std::hash::Hash;

use dedup_host_tests::Test;
use dedup_host_tests::broker::{Seen, record, send_record};
use dedup_host_tests::program::plugin;
use dedup_host_tests::scene::{LANES, PATIENCE, Scene};
use rdkafka::producer::Producer;
use serde_json::Value;

use crate::github::{Made, events, first_ones};

pub(crate) const TESTS: &[Test] = &[
    ("events_sent_twice_come_out_once_by_id", events_sent_twice_come_out_once_by_id),
    ("events_sent_twice_come_out_once_by_nested_fields", events_sent_twice_come_out_once_by_nested_fields),
    ("the_seed_events_are_one_unique_and_one_duplicate", the_seed_events_are_one_unique_and_one_duplicate),
    ("bad_records_are_counted_and_buried_with_reasons", bad_records_are_counted_and_buried_with_reasons),
    ("headers_that_pose_as_the_hosts_get_another_name", headers_that_pose_as_the_hosts_get_another_name),
    ("bad_records_pass_unchanged_without_a_dead_letter_topic", bad_records_pass_unchanged_without_a_dead_letter_topic),
    ("late_events_go_to_their_topic", late_events_go_to_their_topic),
    ("a_key_is_admitted_again_after_its_window", a_key_is_admitted_again_after_its_window),
    ("without_an_output_topic_events_are_only_counted", without_an_output_topic_events_are_only_counted),
    ("an_aborted_transaction_of_the_input_does_not_count", an_aborted_transaction_of_the_input_does_not_count),
    ("several_keys_an_event", several_keys_an_event),
];

fn events_sent_twice_come_out_once_by_id() {
    let keys = events_come_out_once("twice-id", "/id", |made| made.id.clone());
    assert!(keys.iter().any(|key| key.starts_with("1000")), "keys are the ids: {keys:?}");
}

fn events_sent_twice_come_out_once_by_nested_fields() {
    let fields = "/actor/login,/type,/created_at";
    let keys = events_come_out_once("twice-fields", fields, |made| made.composite.clone());
    let written = ["octo\\:cat", "josé-☕", "李雷🦀", "a\"b\\\\c/d"];
    for login in written {
        assert!(keys.iter().any(|key| key.starts_with(&format!("{login}:"))), "{login} is not in {keys:?}");
    }
}

/// Returns the keys of the duplicates.
fn events_come_out_once<K: Eq + Hash>(name: &str, fields: &str, key: impl Fn(&Made) -> K) -> Vec<String> {
    let (scene, made) = (Scene::new(name, 1), events(17, 600));
    scene.broker.produce_records(&scene.input, &made.iter().map(|made| made.record.clone()).collect::<Vec<_>>());
    let (unique, duplicates) = first_ones(made.iter().map(key));
    assert!(unique.len() > 100 && duplicates.len() > 100, "the scene shows something");

    let (metrics, _) = scene.run(LANES, &["--plugin-config", fields]);

    metrics.check([unique.len() as u64, duplicates.len() as u64, 0, 0, 0]);
    let output = scene.read("output");
    assert_eq!(output.len(), unique.len());
    for (out, index) in output.iter().zip(unique) {
        assert_eq!(out.content(), made[index].record.content(), "event {index}");
        assert_eq!(out.key, made[index].output_key(), "event {index}");
    }
    let explained = scene.read("duplicates");
    assert_eq!(explained.len(), duplicates.len());
    let mut keys = Vec::new();
    for (out, (index, original)) in explained.iter().zip(duplicates) {
        assert_eq!(out.key, made[index].output_key(), "event {index}");
        let value: Value = serde_json::from_str(&out.text()).expect("JSON");
        assert_eq!(
            (value["duplicate"]["offset"].as_u64(), value["duplicate"]["partition"].as_u64()),
            (Some(index as u64), Some(0))
        );
        assert_eq!(value["original"]["offset"].as_u64(), Some(original as u64), "event {index}");
        assert_eq!(value["duplicate"]["topic"].as_str(), Some(&*scene.input));
        let event = made[index].record.text().trim().replace(['\r', '\n'], " ");
        assert!(out.text().contains(&event), "the event is in it, to the byte but for line breaks between its tokens");
        keys.push(value["key"].as_str().expect("text").to_owned());
    }
    assert!(scene.read("dead-letter").is_empty());
    keys
}

fn the_seed_events_are_one_unique_and_one_duplicate() {
    let scene = Scene::new("seed", 1);
    let event = |uuid: &str| {
        format!(
            r#"{{"uuid":"{uuid}","timestamp":"2024-01-01T12:00:00Z","distinct_id":"user-1","token":"phc_x","event":"$pageview","properties":{{"$browser":"Firefox"}}}}"#
        )
    };
    scene.broker.produce(&scene.input, [event("0190-a"), event("0190-b")]);
    let (metrics, _) = scene.run(LANES, &[]);
    metrics.check([1, 1, 0, 0, 0]);
    let output = scene.read("output");
    assert_eq!(output.iter().map(Seen::text).collect::<Vec<_>>(), [event("0190-a")]);
    assert_eq!(output[0].key.as_deref(), Some(&b"0190-a"[..]));
    let duplicates = scene.read("duplicates");
    assert_eq!(duplicates.len(), 1);
    assert_eq!(duplicates[0].key.as_deref(), Some(&b"0190-b"[..]));
    let value: Value = serde_json::from_str(&duplicates[0].text()).expect("JSON");
    assert_eq!(value["key"], r"2024-01-01T12\:00\:00Z:user-1:phc_x:$pageview");
    assert_eq!((value["original"]["offset"].as_i64(), value["duplicate"]["offset"].as_i64()), (Some(0), Some(1)));
    assert_eq!(value["duplicate"]["event"]["uuid"], "0190-b");
}

/// What a record must come to, and the stage and a word of the reason if it is buried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Unique,
    Duplicate,
    Keyless,
    Dead(&'static str),
}

const DEPTH: usize = 100_000;
const LARGE_BYTES: usize = 10 << 20;

fn bad_records() -> Vec<(Seen, Fate)> {
    use Fate::{Dead, Duplicate, Keyless, Unique};
    let (open, close) = ("[".repeat(DEPTH), "]".repeat(DEPTH));
    let large = format!(r#"{{"id":"large","blob":"{}"}}"#, "x".repeat(LARGE_BYTES));
    let tombstone = Seen { payload: None, ..record("") };
    let mut records = vec![
        (record(""), Dead("")),
        (tombstone, Dead("tombstone")),
        (record("   "), Dead("")),
        (record("hello"), Dead("")),
        (record(&b"{\"id\":\"\xff\xfe\"}"[..]), Dead("")),
        (record(&b"\x00\x00\x00\x01\x05avro"[..]), Dead("")),
        (record(r#"{"id":"cut"#), Dead("")),
        (record(format!(r#"{{"x":{open}"#)), Dead("")),
        (record(format!("{open}{close}")), Keyless),
        (record(format!(r#"{{"x":{open}{close},"id":"deep"}}"#)), Unique),
        (record(large), Unique),
        (record("17"), Keyless),
        (record(r#"{"type":"no id"}"#), Keyless),
        (record(r#"{"id":null}"#), Keyless),
        (record(r#"{"id":"good"}"#), Unique),
    ];
    // Once more: what is bad stays bad, and is never taken for a duplicate.
    let again = records.clone().into_iter();
    records.extend(again.map(|(record, fate)| (record, if fate == Unique { Duplicate } else { fate })));
    for (index, (record, _)) in records.iter_mut().enumerate() {
        record.key = Some(format!("k{index}").into_bytes());
        record.timestamp = Some(1_767_225_600_000 + index as i64);
        record.headers = vec![("mine".to_owned(), Some(vec![index as u8]))];
    }
    records
}

fn bad_records_are_counted_and_buried_with_reasons() {
    let (scene, records) = (Scene::new("bad", 1), bad_records());
    scene.broker.produce_records(&scene.input, &records.iter().map(|(record, _)| record.clone()).collect::<Vec<_>>());

    let (metrics, _) = scene.run(LANES, &["--plugin-config", "/id"]);

    metrics.check([3, 3, 0, 8, 16]);
    let of = |keep: fn(Fate) -> bool| records.iter().enumerate().filter(move |(_, (_, fate))| keep(*fate));
    let output = scene.read("output");
    let passed = of(|fate| matches!(fate, Fate::Unique | Fate::Keyless));
    assert_eq!(output.len(), 11);
    for (out, (index, (record, _))) in output.iter().zip(passed) {
        assert!(out.content() == record.content() && out.key == record.key, "record {index} is not what it was");
    }
    let buried = scene.read("dead-letter");
    assert_eq!(buried.len(), 16);
    for (out, (index, (record, fate))) in buried.iter().zip(of(|fate| matches!(fate, Fate::Dead(_)))) {
        assert!(out.payload == record.payload && out.key == record.key, "record {index} is not what it was");
        assert_eq!(out.timestamp, record.timestamp);
        assert_eq!(out.headers[0], record.headers[0], "the record's own headers come first");
        assert_eq!(out.header("dedup-host-topic").as_deref(), Some(&*scene.input));
        assert_eq!(out.header("dedup-host-partition").as_deref(), Some("0"));
        assert_eq!(out.header("dedup-host-offset"), Some(index.to_string()));
        assert_eq!(out.header("dedup-host-stage").as_deref(), Some("decode"));
        let reason = out.header("dedup-host-reason").expect("a reason");
        let Fate::Dead(word) = fate else { unreachable!("chosen so") };
        assert!(!reason.is_empty() && reason.contains(word), "{reason}");
    }
    assert_eq!(scene.read("duplicates").len(), 3);
}

fn headers_that_pose_as_the_hosts_get_another_name() {
    let scene = Scene::new("posing", 1);
    let posing =
        ["dedup-host-reason", "Dedup-Host-Offset", "dedup-host-topic", "dedup-host-partition", "dedup-host-new"];
    let mut records = vec![record(r#"{"id":"good"}"#), record("nope")];
    for record in &mut records {
        record.headers = vec![("mine".to_owned(), Some(b"1".to_vec()))];
        record.headers.extend(posing.map(|name| (name.to_owned(), Some(b"forged".to_vec()))));
    }
    scene.broker.produce_records(&scene.input, &records);

    let (metrics, _) = scene.run(LANES, &["--plugin-config", "/id"]);

    let renamed = posing.map(|name| format!("input-{name}"));
    let wanted: Vec<&str> = ["mine"].into_iter().chain(renamed.iter().map(String::as_str)).collect();
    let names = |seen: &Seen| seen.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&scene.read("output")[0]), wanted);
    let buried = &scene.read("dead-letter")[0];
    assert_eq!(names(buried)[..wanted.len()], wanted);
    for name in &renamed {
        assert_eq!(buried.header(name).as_deref(), Some("forged"));
    }
    for (name, value) in
        [("dedup-host-topic", scene.input.as_str()), ("dedup-host-partition", "0"), ("dedup-host-offset", "1")]
    {
        let found: Vec<_> = buried.headers.iter().filter(|(is, _)| is == name).collect();
        assert_eq!((found.len(), buried.header(name).as_deref()), (1, Some(value)), "{name}");
    }
    assert_eq!(metrics.count("dedup_host_input_headers_renamed_total", &[]), 10);
}

fn bad_records_pass_unchanged_without_a_dead_letter_topic() {
    let (scene, records) = (Scene::new("bad-pass", 1), bad_records());
    scene.broker.produce_records(&scene.input, &records.iter().map(|(record, _)| record.clone()).collect::<Vec<_>>());
    let (metrics, _) = scene.run(&["output"], &["--plugin-config", "/id"]);
    metrics.check([3, 3, 0, 8, 16]);
    let output = scene.read("output");
    let passed: Vec<_> = records.iter().filter(|(_, fate)| *fate != Fate::Duplicate).collect();
    assert_eq!(output.len(), passed.len());
    for (out, (record, fate)) in output.iter().zip(passed) {
        assert!(out.content() == record.content() && out.key == record.key, "a {fate:?} record is not what it was");
    }
}

/// As many records as the clock of a partition must have seen before it says anything.
const STARTED: usize = 4_096;

/// An event at this many milliseconds.
fn at(millis: i64, id: &str) -> Seen {
    record(format!(r#"{{"id":"{id}","at":{}}}"#, 1_767_225_600_000 + millis))
}

const CLOCK: &[&str] = &["--plugin-config", "/id", "--event-time", "/at", "--max-out-of-orderness", "0s"];

fn late_events_go_to_their_topic() {
    let scene = Scene::new("late", 1);
    let mut records: Vec<Seen> = (0..STARTED).map(|index| at(60_000, &format!("start-{index}"))).collect();
    records.extend([at(60_000, "now"), at(55_000, "in time"), at(54_999, "too late"), at(60_000, "now")]);
    records.push(at(54_999, "too late"));
    scene.broker.produce_records(&scene.input, &records);
    let lanes = [LANES, &["late"]].concat();
    let (metrics, _) = scene.run(&lanes, &[CLOCK, &["--window", "20s", "--allowed-lateness", "5s"]].concat());
    metrics.check([STARTED as u64 + 2, 1, 2, 0, 0]);
    let late: Vec<String> = scene.read("late").iter().map(Seen::text).collect();
    assert_eq!(
        late,
        [records[STARTED + 2].text(), records[STARTED + 4].text()],
        "late events come out, and are not de-duplicated"
    );
    assert_eq!(scene.read("output").len(), STARTED + 2);
}

fn a_key_is_admitted_again_after_its_window() {
    let scene = Scene::new("window", 1);
    let mut records: Vec<Seen> = (0..STARTED).map(|index| at(0, &format!("start-{index}"))).collect();
    records.extend([at(60_000, "a"), at(70_000, "a"), at(70_001, "a"), at(80_001, "a"), at(80_002, "a")]);
    scene.broker.produce_records(&scene.input, &records);
    let (metrics, _) = scene.run(LANES, &[CLOCK, &["--window", "10s", "--allowed-lateness", "5s"]].concat());
    metrics.check([STARTED as u64 + 3, 2, 0, 0, 0]);
    let output: Vec<String> = scene.read("output").iter().skip(STARTED).map(Seen::text).collect();
    assert_eq!(output, [records[STARTED].text(), records[STARTED + 2].text(), records[STARTED + 4].text()]);
}

fn without_an_output_topic_events_are_only_counted() {
    let (scene, made) = (Scene::new("count", 1), events(18, 300));
    scene.broker.produce_records(&scene.input, &made.iter().map(|made| made.record.clone()).collect::<Vec<_>>());
    let (unique, duplicates) = first_ones(made.iter().map(|made| made.id.clone()));
    let (metrics, _) = scene.run(&[], &["--plugin-config", "/id"]);
    metrics.check([unique.len() as u64, duplicates.len() as u64, 0, 0, 0]);
    let counted = metrics.count("dedup_host_forwarded_total", &["destination=\"metrics_only\""]);
    assert_eq!(counted, 300, "nobody listens to uniques or duplicates: {}", metrics.text);
    assert_eq!(scene.broker.committed(&scene.group, &scene.input, 1), [Some(300)]);
    assert!(scene.read("output").is_empty() && scene.read("duplicates").is_empty());
}

fn an_aborted_transaction_of_the_input_does_not_count() {
    let scene = Scene::new("upstream", 1);
    let producer = scene.broker.producer(&[("transactional.id", &scene.broker.name("upstream"))]);
    producer.init_transactions(PATIENCE).expect("a producer");
    let mut sent = Vec::new();
    for (commits, ids) in [(true, 0..10), (false, 10..20), (true, 5..20), (false, 20..25), (true, 20..22)] {
        producer.begin_transaction().expect("begun");
        for id in ids {
            let event = record(format!(r#"{{"id":{id},"committed":{commits}}}"#));
            send_record(&producer, &scene.input, &event);
            sent.extend(commits.then_some((id, event)));
        }
        producer.flush(PATIENCE).expect("delivered");
        if commits {
            producer.commit_transaction(PATIENCE).expect("committed");
        } else {
            producer.abort_transaction(PATIENCE).expect("aborted");
        }
    }
    let (unique, duplicates) = first_ones(sent.iter().map(|(id, _)| id));
    let mut host = scene.start(&["--plugin-config", "/id"]);
    // Five transactions, each with a marker at its end; the last marker is no record, so it is not waited for.
    scene.drain_to(&[10 + 10 + 15 + 5 + 2 + 4], &mut [&mut host]);
    host.settled().check([unique.len() as u64, duplicates.len() as u64, 0, 0, 0]);
    host.stop();
    let output: Vec<String> = scene.read("output").iter().map(Seen::text).collect();
    assert_eq!(output, unique.iter().map(|index| sent[*index].1.text()).collect::<Vec<_>>());
}

fn several_keys_an_event() {
    let scene = Scene::new("multi", 1);
    let event = |uuid: &str, distinct_id: &str| {
        format!(r#"{{"uuid":"{uuid}","timestamp":1,"distinct_id":"{distinct_id}","token":"t","event":"e"}}"#)
    };
    let sent = [event("1", "a"), event("1", "b"), event("2", "a"), event("2", "c"), event("3", "d")];
    scene.broker.produce(&scene.input, &sent);
    let plugin = plugin("multi_key").display().to_string();
    let (metrics, _) = scene.run(LANES, &["--plugin", &plugin]);
    let output: Vec<String> = scene.read("output").iter().map(Seen::text).collect();
    // The fourth has the uuid of the third, which is remembered although the third was a duplicate itself.
    assert_eq!(output, [sent[0].clone(), sent[4].clone()], "{}", metrics.text);
    metrics.check([2, 3, 0, 0, 0]);
}
