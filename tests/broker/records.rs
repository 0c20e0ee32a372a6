//! Single records that an input topic takes and an output topic does not: what becomes of them, of those behind them, and of
//! copies that are taken. Not what cannot be read: that is in `unreadable`.

use std::time::{SystemTime, UNIX_EPOCH};

use dedup_host_tests::Test;
use dedup_host_tests::broker::{Seen, record, send_record};
use dedup_host_tests::scene::{LANES, Metrics, PATIENCE, Scene};
use rdkafka::producer::Producer;
use serde_json::Value;

pub(crate) const TESTS: &[Test] = &[
    ("what_no_output_takes_whole_leaves_without_its_payload", what_no_output_takes_whole_leaves_without_its_payload),
    ("an_event_is_taken_to_the_last_byte", an_event_is_taken_to_the_last_byte),
    ("a_refused_first_event_leaves_no_key_whatever_is_lost", a_refused_first_event_leaves_no_key_whatever_is_lost),
    ("without_a_dead_letter_topic_the_policy_decides", without_a_dead_letter_topic_the_policy_decides),
    ("a_record_of_another_time_is_a_dead_letter", a_record_of_another_time_is_a_dead_letter),
    ("records_without_a_key_do_not_stop_at_a_compacted_output", records_without_a_key_at_a_compacted_output),
    ("a_limit_that_is_lowered_meanwhile_sets_aside_what_it_refuses", a_limit_that_is_lowered_meanwhile),
    ("small_records_fill_no_batch_that_a_small_topic_refuses", small_records_at_a_small_topic),
    ("two_keys_too_long_for_a_duplicates_record_are_digests_there", two_keys_too_long_for_a_duplicates_record),
];

const OUTPUT: i32 = 6;

/// Bytes of a batch that a topic takes by default.
const LIMIT: usize = 1_048_588;

const DEFAULT: &[(&str, &str)] = &[("max.message.bytes", "1048588")];

const BY_ID: &[&str] = &["--plugin-config", "/id"];

/// Text that snappy does not make smaller; of `bits` bits a character.
fn noise(seed: u64, bytes: usize, bits: u32) -> String {
    const LETTERS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        LETTERS[usize::try_from(state >> (64 - bits)).expect("few")] as char
    };
    (0..bytes).map(|_| next()).collect()
}

/// An event of so many bytes with an id.
fn event(id: &str, bytes: usize) -> String {
    let head = format!(r#"{{"id":"{id}","x":""#);
    format!("{head}{}\"}}", noise(id.len() as u64 + bytes as u64, bytes - head.len() - 2, 6))
}

/// The most that a record without a key and headers may have as its payload: 61 bytes are the batch's, 3 the record's length,
/// and 8 all else of it.
const PAYLOAD_MAX: usize = LIMIT - 61 - 3 - 8;

fn count(metrics: &Metrics, reason: &str) -> u64 {
    metrics.count("dedup_host_unsendable_total", &[&format!("reason=\"{reason}\"")])
}

fn aborted(metrics: &Metrics) -> u64 {
    metrics.count("dedup_host_transactions_total", &["result=\"aborted\""])
}

/// A letter that stands in for a record.
fn check_stub(letter: &Seen, stage: &str, reason: &str, offset: usize, payload_bytes: usize) {
    assert_eq!(letter.payload, None, "{letter:?}");
    let header = |name: &str| letter.header(&format!("dedup-host-{name}")).unwrap_or_default();
    assert_eq!((header("stage").as_str(), header("unsendable").as_str()), (stage, reason), "{letter:?}");
    assert_eq!(header("offset"), offset.to_string(), "{letter:?}");
    assert_eq!(header("payload-bytes"), payload_bytes.to_string(), "{letter:?}");
    assert_eq!(header("payload-sha256").len(), 64, "{letter:?}");
    assert!(header("reason").contains("it cannot be sent to its lane"), "{letter:?}");
    assert!(letter.key.as_ref().is_none_or(|key| key.len() <= 256));
}

fn what_no_output_takes_whole_leaves_without_its_payload() {
    let scene = Scene::with_topics("large", 1, DEFAULT, DEFAULT);
    let long_uuid = format!(r#"{{"id":"uuid","uuid":"{}"}}"#, noise(1, 700_000, 6));
    let pushed_over = event("pushed", PAYLOAD_MAX).replace(r#""x":""#, r#""uuid":"0190-a","x":""#);
    let pushed_over = pushed_over[..PAYLOAD_MAX - 2].to_owned() + "\"}";
    let records = [
        record(long_uuid.clone()),
        record(pushed_over),
        record(noise(2, PAYLOAD_MAX, 6)),
        record(event("twice", 900 << 10)),
        record(event("twice", PAYLOAD_MAX)),
        record(event("behind", 100)),
    ];
    scene.broker.produce_records(&scene.input, &records);
    // Four bits a character: zstd needs half of it, snappy more than the topic takes.
    let zstd = scene.broker.producer(&[("compression.codec", "zstd")]);
    let shrunk = format!(r#"{{"id":"shrunk","x":"{}"}}"#, noise(3, 1_750_000, 4));
    let easy = format!(r#"{{"id":"easy","x":"{}"}}"#, "click ".repeat(300_000));
    for payload in [&shrunk, &easy, &event("last", 100)] {
        send_record(&zstd, &scene.input, &record(payload.as_bytes()));
        zstd.flush(PATIENCE).expect("the input takes it");
    }

    let (metrics, log) = scene.run(LANES, BY_ID);

    metrics.check([5, 1, 0, 0, 3]);
    assert_eq!((count(&metrics, "too_large"), aborted(&metrics)), (3, 0), "no transaction had to fail first\n{log}");
    let output = scene.read("output");
    let ids = ["uuid", "twice", "behind", "easy", "last"];
    let starts: Vec<String> = output.iter().map(|seen| seen.text().chars().take(30).collect()).collect();
    assert!(starts.iter().zip(ids).all(|(start, id)| start.starts_with(&format!(r#"{{"id":"{id}""#))), "{starts:?}");
    assert_eq!((output.len(), output[0].text() == long_uuid, output[3].text() == easy), (5, true, true));
    let key = String::from_utf8(output[0].key.clone().expect("a key")).expect("text");
    assert!(key.starts_with("sha256:") && key.len() == 71, "{key}");
    let letters = scene.read("dead-letter");
    assert_eq!(letters.len(), 3);
    check_stub(&letters[0], "output", "too_large", 1, PAYLOAD_MAX);
    check_stub(&letters[1], "decode", "too_large", 2, PAYLOAD_MAX);
    check_stub(&letters[2], "output", "too_large", 6, shrunk.len());
    let duplicates = scene.read("duplicates");
    let told: Value = serde_json::from_str(&duplicates[0].text()).expect("JSON");
    assert_eq!((told["original"]["offset"].as_u64(), told["duplicate"]["offset"].as_u64()), (Some(3), Some(4)));
    assert_eq!((&told["cut"][0], &told["cut"][1]), (&"original".into(), &"duplicate".into()), "{told}");
    assert!(told["duplicate"].get("event").is_none() && duplicates[0].text().len() < LIMIT);
}

fn an_event_is_taken_to_the_last_byte() {
    let scene = Scene::with_topics("last-byte", 1, DEFAULT, DEFAULT);
    scene.broker.produce_records(&scene.input, &[record(event("exact", PAYLOAD_MAX)), record(event("next", 50))]);
    let (metrics, log) = scene.run(LANES, BY_ID);
    metrics.check([2, 0, 0, 0, 0]);
    assert_eq!((count(&metrics, "too_large"), aborted(&metrics)), (0, 0), "{log}");
    assert_eq!(scene.read("output").len(), 2, "what the input takes the output takes");
}

/// The first event is one that the output does not take.
fn a_refused_first_event_leaves_no_key_whatever_is_lost() {
    let scene = Scene::with_topics("no-key", 1, DEFAULT, &[("max.message.bytes", "100000")]);
    let mut host = scene.start(BY_ID);
    scene.broker.produce(&scene.input, [event("a", 200_000), event("b", 100)]);
    scene.drain(&mut [&mut host]);
    drop(host.running.kill());
    std::fs::remove_dir_all(scene.store()).expect("wiped");
    // By now the output would take it: a replay does as the first pass did all the same.
    scene.broker.set(&scene.lane("output"), "max.message.bytes", "1048588");
    let mut host = scene.start(BY_ID);
    host.ready();
    scene.broker.produce(&scene.input, [event("a", 100), event("b", 101), event("a", 200_000)]);
    scene.drain(&mut [&mut host]);
    let log = host.stop().stderr;
    let output: Vec<String> = scene.read("output").iter().map(Seen::text).collect();
    assert_eq!(output, [event("b", 100), event("a", 100)], "{log}");
    let duplicates: Vec<Value> =
        scene.read("duplicates").iter().map(|seen| serde_json::from_str(&seen.text()).expect("JSON")).collect();
    let offsets: Vec<_> = duplicates.iter().map(|told| told["duplicate"]["offset"].as_u64().expect("told")).collect();
    assert_eq!(offsets, [3, 4], "the large one is a duplicate where one of its key has gone on");
    let letters = scene.read("dead-letter");
    assert_eq!(letters.len(), 1);
    check_stub(&letters[0], "output", "too_large", 0, 200_000);
}

fn without_a_dead_letter_topic_the_policy_decides() {
    let scene = Scene::with_topics("policy", 1, DEFAULT, &[("max.message.bytes", "100000")]);
    scene.broker.produce(&scene.input, [event("a", 200_000), event("a", 100), event("b", 100)]);
    let lanes = &["output", "duplicates"];
    let (input, output) = (format!("{}[0] offset 0", scene.input), scene.lane("output"));
    let ended = scene.refused(lanes, BY_ID);
    ended.refused(OUTPUT, &[&input, &output, "100000", "200000", "--dead-letter-topic", "--on-unsendable skip"]);
    let committed = scene.broker.committed(&scene.group, &scene.input, 1);
    assert!(committed[0].is_none_or(|committed| committed == 0), "nothing was committed: {committed:?}");
    let (metrics, _) = scene.run(lanes, &[BY_ID, &["--on-unsendable", "skip"]].concat());
    metrics.check([2, 0, 0, 0, 1]);
    assert_eq!(count(&metrics, "too_large"), 1);
    assert_eq!(metrics.count("dedup_host_forwarded_total", &["destination=\"dropped\""]), 1);
    assert_eq!(scene.read("output").len(), 2);
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("some")
}

fn a_record_of_another_time_is_a_dead_letter() {
    const ANY: &[(&str, &str)] = &[("message.timestamp.after.max.ms", "9223372036854775807")];
    const BOUND: &[(&str, &str)] =
        &[("message.timestamp.after.max.ms", "3600000"), ("message.timestamp.before.max.ms", "86400000")];
    let scene = Scene::with_topics("times", 1, ANY, BOUND);
    let (hour, now) = (3_600_000, now());
    let at = |id: &str, millis: i64| Seen { timestamp: Some(millis), ..record(event(id, 100)) };
    let records = [
        at("now", now),
        at("ahead", now + 24 * hour),
        at("old", now - 48 * hour),
        at("now", now + 24 * hour),
        Seen { timestamp: Some(now + 24 * hour), ..record("no JSON") },
        at("behind", now),
    ];
    scene.broker.produce_records(&scene.input, &records);
    let (metrics, log) = scene.run(LANES, BY_ID);
    metrics.check([2, 1, 0, 0, 3]);
    assert_eq!((count(&metrics, "timestamp"), aborted(&metrics)), (2, 0), "{log}");
    let letters = scene.read("dead-letter");
    assert_eq!(letters.len(), 3);
    check_stub(&letters[0], "output", "timestamp", 1, 100);
    check_stub(&letters[1], "output", "timestamp", 2, 100);
    assert_eq!(letters[2].text(), "no JSON", "a letter with another time of its own keeps its payload");
    assert_eq!((scene.read("output").len(), scene.read("duplicates").len()), (2, 1));
}

fn records_without_a_key_at_a_compacted_output() {
    let scene = Scene::with_topics("compacted-out", 1, &[], &[("cleanup.policy", "compact")]);
    let keyed = Seen { key: Some(b"k".to_vec()), ..record(event("a", 100)) };
    scene.broker.produce_records(&scene.input, &[record(event("b", 100)), keyed, record("no JSON")]);
    let (metrics, log) = scene.run(LANES, BY_ID);
    metrics.check([1, 0, 0, 0, 2]);
    assert_eq!((count(&metrics, "no_key"), aborted(&metrics)), (1, 0), "{log}");
    let letters = scene.read("dead-letter");
    assert_eq!(letters.len(), 2);
    check_stub(&letters[0], "output", "no_key", 0, 100);
    assert_eq!(letters[0].key, Some(format!("{}/0/0", scene.input).into_bytes()));
    assert_eq!((letters[1].text().as_str(), letters[1].key.is_some()), ("no JSON", true), "there it gets a key");
}

/// The host does not know better than that the topic takes it, and the broker refuses.
fn a_limit_that_is_lowered_meanwhile() {
    let scene = Scene::with_topics("lowered", 1, DEFAULT, DEFAULT);
    let mut host = scene.start(BY_ID);
    host.ready();
    scene.broker.set(&scene.lane("output"), "max.message.bytes", "100000");
    let events: Vec<String> =
        (0..200).map(|n| event(&format!("e{n}"), if n % 50 == 7 { 200_000 } else { 300 })).collect();
    scene.broker.produce(&scene.input, &events);
    scene.drain(&mut [&mut host]);
    let metrics = host.settled();
    assert_eq!((metrics.decided("unique"), metrics.decided("dead_letter")), (196, 4), "{}", metrics.text);
    assert_eq!(count(&metrics, "too_large") + count(&metrics, "broker"), 4, "{}", metrics.text);
    assert!(aborted(&metrics) > 0, "it was refused once, or this shows nothing");
    scene.broker.produce(&scene.input, [event("later", 300_000), event("behind", 100)]);
    scene.drain(&mut [&mut host]);
    let log = host.stop().stderr;
    assert_eq!((scene.read("output").len(), scene.read("dead-letter").len()), (197, 5), "{log}");
}

fn small_records_at_a_small_topic() {
    let scene = Scene::with_topics("small-topic", 1, DEFAULT, &[("max.message.bytes", "20000")]);
    let events: Vec<String> = (0..2_000).map(|n| event(&format!("e{n}"), 1_000)).collect();
    scene.broker.produce(&scene.input, &events);
    let (metrics, log) = scene.run(LANES, &[BY_ID, &["--kafka-compression-codec", "none"]].concat());
    metrics.check([2_000, 0, 0, 0, 0]);
    assert_eq!(aborted(&metrics), 0, "{log}");
    assert_eq!(scene.read("output").len(), 2_000);
}

fn two_keys_too_long_for_a_duplicates_record() {
    let scene = Scene::with_topics("long-keys", 1, DEFAULT, DEFAULT);
    // In a key a colon is escaped, and in JSON that escape is.
    let (id, uuid) = (":".repeat(360_000), noise(6, 400_000, 6));
    let long = |more: &str| format!(r#"{{"id":"{id}","uuid":"{uuid}{more}"}}"#);
    scene.broker.produce(&scene.input, [long(""), long("b"), event("behind", 100)]);
    let (metrics, log) = scene.run(LANES, &[BY_ID, &["--kafka-compression-codec", "none"]].concat());
    metrics.check([2, 1, 0, 0, 0]);
    assert_eq!((count(&metrics, "too_large"), aborted(&metrics)), (0, 0), "{log}");
    let duplicates = scene.read("duplicates");
    let told: Value = serde_json::from_str(&duplicates[0].text()).expect("JSON");
    let cut: Vec<&str> = told["cut"].as_array().expect("said").iter().filter_map(Value::as_str).collect();
    assert!(cut.contains(&"key") && told["key"].as_str().is_some_and(|key| key.starts_with("sha256:")), "{cut:?}");
    assert!(duplicates[0].key.as_ref().is_some_and(|key| key.len() <= 256));
}
