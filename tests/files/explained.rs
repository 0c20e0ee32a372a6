//! Duplicates explained, over files: the same model as on Kafka, scorers that fail, and what is refused. Events that
//! nobody expects are in `oddities`, what is kept from run to run in `originals`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dedup_host_tests::Test;
use dedup_host_tests::explained::stream::plugins;
use dedup_host_tests::explained::{
    ESTIMATE_ERROR, Event, Explained, RULES, Rules, by_duplicate, check_against_truth, check_records, equal, explain,
    instant, read_truth, schema,
};
use dedup_host_tests::program::{Running, free_port, get, plugin};
use serde_json::{Value, json};

use super::desk::{Desk, Random, counts, end, first_seed};

pub(crate) const TESTS: &[Test] = &[
    ("generated_duplicates_are_explained", generated_duplicates_are_explained),
    ("explained_the_same_after_kills_and_resumes", explained_the_same_after_kills_and_resumes),
    ("a_key_with_200000_duplicates", a_key_with_200000_duplicates),
    ("the_uuid_may_be_elsewhere", the_uuid_may_be_elsewhere),
    ("an_event_without_a_time_is_told_to_have_none", an_event_without_a_time_is_told_to_have_none),
    ("counts_begin_anew_with_the_next_window", counts_begin_anew_with_the_next_window),
    ("a_scorer_that_fails_on_some_pairs", a_scorer_that_fails_on_some_pairs),
    ("a_scorer_that_never_comes_back", a_scorer_that_never_comes_back),
    ("a_failing_scorer_may_stop_the_run", a_failing_scorer_may_stop_the_run),
    ("scorers_and_settings_that_do_not_fit_are_refused", scorers_and_settings_that_do_not_fit_are_refused),
    ("the_schema_refuses_what_is_no_record", the_schema_refuses_what_is_no_record),
];

const SOON: Duration = Duration::from_secs(60);
pub(super) const FILES: &str = "(files)";
pub(super) const RUN: &str = "--input in --output out --duplicates duplicates --report report --overwrite";

/// A run with `composite_key` and this scorer.
pub(super) fn scored_by(desk: &Desk, scorer: PathBuf, words: &str) -> Command {
    let mut command = desk.dedup(words);
    command.arg("--plugin").arg(scorer);
    command
}

pub(super) fn scored(desk: &Desk, words: &str) -> Command {
    scored_by(desk, plugin("property_similarity"), words)
}

/// The records of duplicates, each as the schema says.
pub(super) fn records(desk: &Desk) -> Vec<Value> {
    let records = desk.json_lines("duplicates");
    records.iter().for_each(schema::check);
    records
}

/// Lines as the host reads them; `timed` is where their time is.
pub(super) fn events(lines: &[impl AsRef<[u8]>], timed: Option<&str>) -> Vec<Event> {
    let event = |(offset, line): (i64, &[u8])| {
        let time = timed.and_then(|pointer| instant(serde_json::from_slice::<Value>(line).ok()?.pointer(pointer)?));
        Event { partition: 0, offset, time, payload: line.to_vec() }
    };
    (0..).zip(lines.iter().map(AsRef::as_ref)).map(event).collect()
}

/// Generates events into `in`; what is to be said of them, by model and generator.
pub(super) fn generated(desk: &Desk, words: &str) -> (Vec<Event>, Vec<Explained>) {
    let _ok = end(desk.command(&format!("generate --output in --truth truth {words}"))).ok();
    let text = desk.text("in");
    let events = events(&text.lines().collect::<Vec<_>>(), Some("/timestamp"));
    let explained = explain(&events, &RULES);
    check_against_truth(&explained, &read_truth(&desk.text("truth")));
    (events, explained)
}

fn generated_duplicates_are_explained() {
    let desk = Desk::new();
    let (events, explained) =
        generated(&desk, "--events 20000 --seed 61 --duplicates 0.8 --distance-max 2000 --altered 0.5");
    let _ok = end(scored(&desk, &format!("{RUN} --event-time /timestamp"))).ok();
    assert_eq!(desk.report(), counts((events.len() - explained.len()) as u64, explained.len() as u64));
    check_records(&explained, &events, &records(&desk), FILES);
}

/// Starts a run and kills it when `duplicates` has so many bytes and a commit is behind it. False: it ended before.
fn start_and_kill(desk: &Desk, words: &str, bytes: u64, random: &mut Random) -> bool {
    let mut running = Running::start_command(scored(desk, words));
    let deadline = Instant::now() + SOON;
    while desk.size("duplicates") < bytes {
        if !running.is_running() {
            assert_eq!(running.wait(SOON).code, Some(0));
            return false;
        }
        assert!(Instant::now() < deadline, "duplicates stays below {bytes} bytes:\n{}", running.stderr());
        std::thread::sleep(Duration::from_millis(2));
    }
    // Time passes for a process that is stopped too: it commits as soon as it goes on.
    running.signal("STOP");
    std::thread::sleep(Duration::from_millis(1_100));
    running.signal("CONT");
    std::thread::sleep(Duration::from_millis(random.below(150)));
    let under_way = running.is_running();
    drop(running.kill());
    under_way
}

fn explained_the_same_after_kills_and_resumes() {
    let desk = Desk::new();
    let seed = first_seed(62);
    let words = format!("--events 120000 --seed {seed} --duplicates 0.6 --altered 0.4 --same-uuid 0.3");
    let (events, explained) = generated(&desk, &words);
    let (mut random, mut kills) = (Random::new(seed), 0);
    let words = format!("{RUN} --event-time /timestamp");
    while kills < 4 {
        let resume = if kills == 0 { "" } else { " --resume" };
        let bytes = 1 + desk.size("duplicates") + random.below(30 << 20);
        if !start_and_kill(&desk, &format!("{words}{resume}"), bytes, &mut random) {
            break;
        }
        kills += 1;
    }
    println!("killed {kills} times, seed {seed} (another: CHAOS_SEED)");
    assert!(kills >= 2, "only {kills} kills: the run is too quick for this test");
    let _ok = end(scored(&desk, &format!("{words} --resume"))).ok();
    assert_eq!(desk.report(), counts((events.len() - explained.len()) as u64, explained.len() as u64));
    check_records(&explained, &events, &records(&desk), FILES);
}

fn a_key_with_200000_duplicates() {
    const DUPLICATES: u64 = 200_000;
    let desk = Desk::new();
    let uuid =
        |number: u64| format!("{:08x}-0000-7000-8000-{number:012x}", number.wrapping_mul(0x9e37_79b9) & 0xffff_ffff);
    let line = |number: u64| format!("{{\"uuid\":\"{}\",\"id\":\"hot\",\"properties\":{{\"n\":1}}}}\n", uuid(number));
    desk.write("in", (0..=DUPLICATES).map(line).collect::<String>());
    let _ok = end(scored(&desk, &format!("{RUN} --plugin-config /id"))).ok();
    assert_eq!(desk.report(), counts(1, DUPLICATES));
    let mut number = 0;
    for record in std::io::BufRead::lines(super::desk::reader(&desk, "duplicates")) {
        let record: Value = serde_json::from_str(&record.unwrap()).expect("JSON");
        number += 1;
        assert_eq!((&record["count"], &record["original"]["offset"]), (&number.into(), &0.into()), "{record}");
        assert_eq!(record["duplicate"]["uuid"], uuid(number), "{record}");
        assert_eq!(record["outcome"], "only_uuid_different", "{record}");
        let (distinct, said) = (number + 1, record["distinct_uuids"].as_u64().expect("a number"));
        assert_eq!(record["distinct_uuids_exact"], distinct <= 16, "{record}");
        let error = (said as f64 - distinct as f64).abs() / distinct as f64;
        // Of so many numbers some are farther off; the last is one.
        let most = if number == DUPLICATES { ESTIMATE_ERROR } else { 1.5 * ESTIMATE_ERROR };
        assert!(if distinct <= 16 { said == distinct } else { error < most }, "{said} for {distinct} uuids");
    }
    assert_eq!(number, DUPLICATES);
}

fn the_uuid_may_be_elsewhere() {
    let desk = Desk::new();
    let lines = [
        r#"{"id":"one","uuid":"x","meta":{"id":"aaaa"}}"#,
        r#"{"id":"one","uuid":"y","meta":{"id":"aaaa"}}"#,
        r#"{"id":"one","uuid":"x","meta":{"id":"aabb"}}"#,
        r#"{"id":"one","uuid":"y","meta":{"id":"cccc"}}"#,
    ];
    desk.write("in", lines.join("\n"));
    let _ok = end(scored(&desk, &format!("{RUN} --plugin-config /id --uuid-field /meta/id"))).ok();
    let explained = explain(&events(&lines, None), &Rules { key: &["/id"], uuid: "/meta/id", ..RULES });
    let outcomes: Vec<_> = explained.iter().map(|duplicate| (duplicate.outcome, duplicate.distinct_uuids)).collect();
    assert_eq!(outcomes, [("same_uuid", 1), ("only_uuid_different", 2), ("content_differs", 3)]);
    check_records(&explained, &events(&lines, None), &records(&desk), FILES);
}

fn an_event_without_a_time_is_told_to_have_none() {
    let desk = Desk::new();
    let timed = r#"{"id":"timed","at":1767225600000}"#;
    desk.write("in", ["{\"id\":\"a\"}", timed, "{\"id\":\"a\"}", timed].join("\n"));
    let _ok = end(scored(&desk, &format!("{RUN} --plugin-config /id --event-time /at"))).ok();
    let records = records(&desk);
    let times = |record: &Value| (record["original"]["time"].clone(), record["duplicate"]["time"].clone());
    assert_eq!(times(&records[1]), (json!(1_767_225_600_000_i64), json!(1_767_225_600_000_i64)));
    assert_eq!(times(&records[0]), (Value::Null, Value::Null), "{}", records[0]);
}

/// As many events as a clock must have seen before it says anything.
const STARTED: i64 = 4_096;

fn counts_begin_anew_with_the_next_window() {
    let desk = Desk::new();
    let at = |seconds: i64, id: &str, uuid: i64| {
        format!("{{\"id\":\"{id}\",\"uuid\":\"{uuid:04}\",\"at\":{}}}\n", 1_767_225_600_000 + seconds * 1_000)
    };
    let start: String = (0..STARTED).map(|number| at(0, &format!("start-{number}"), number)).collect();
    let times = [60, 65, 70, 71, 72, 81, 82, 93];
    let hot: String = times.iter().map(|seconds| at(*seconds, "hot", *seconds)).collect();
    desk.write("in", start + &hot);
    let words = "--plugin-config /id --event-time /at --window 10s --allowed-lateness 5s --max-out-of-orderness 0s";
    let _ok = end(scored(&desk, &format!("{RUN} {words}"))).ok();
    let told = |record: &Value| {
        let number = |value: &Value| value.as_i64().expect("a number");
        let original = &record["original"];
        (
            number(&record["duplicate"]["offset"]),
            number(&original["offset"]),
            number(&record["count"]),
            number(&record["distinct_uuids"]),
        )
    };
    let said: Vec<_> = records(&desk).iter().map(told).collect();
    // First at 60, 71, 82 and 93 seconds.
    let wanted = [(1, 0, 1, 2), (2, 0, 2, 3), (4, 3, 1, 2), (5, 3, 2, 3)];
    assert_eq!(
        said,
        wanted.map(|(duplicate, original, count, uuids)| (STARTED + duplicate, STARTED + original, count, uuids))
    );
    assert_eq!(desk.report(), counts(STARTED.unsigned_abs() + 4, 4));
}

/// A plugin of its text, for one of the worlds of the contract.
pub(super) fn component(desk: &Desk, name: &str, text: &str, world: &str) -> PathBuf {
    let mut module = wat::parse_str(text).expect("valid text");
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit")).expect("the contract");
    let world = resolve.select_world(&[package], Some(world)).expect("the world");
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8).unwrap();
    desk.write(name, wit_component::ComponentEncoder::default().module(&module).unwrap().encode().unwrap());
    desk.path(name)
}

/// It reads `/x`, and its similarity is the length of the original's in 64ths; it traps where the duplicate's begins
/// with T. See the comments in its text.
pub(super) const EVIL_SCORER: &str = include_str!("../../host/plugin/tests/common/evil_scorer.wat");

pub(super) fn evil_scorer(desk: &Desk) -> PathBuf {
    component(desk, "evil_scorer.wasm", EVIL_SCORER, "similarity-plugin")
}

pub(super) const TRIPLES: usize = 1_000;

/// A thousand events, each three times; some of the repetitions make the evil scorer fail.
pub(super) fn poisoned(letter: char) -> (Vec<String>, BTreeSet<usize>) {
    let poison = BTreeSet::from([TRIPLES, TRIPLES + 500, 2 * TRIPLES + 500, 3 * TRIPLES - 1]);
    let line = |number: usize| {
        let first = if poison.contains(&number) { letter } else { 'e' };
        format!("{{\"id\":\"{}\",\"x\":\"{first}{number}\"}}\n", number % TRIPLES)
    };
    ((0..3 * TRIPLES).map(line).collect(), poison)
}

/// Checks the records of a run over poison.
fn check_poisoned(desk: &Desk, poison: &BTreeSet<usize>, reason: &str) {
    let records = records(desk);
    assert_eq!(by_duplicate(&records).len(), 2 * TRIPLES);
    for (number, record) in (TRIPLES..3 * TRIPLES).zip(&records) {
        assert_eq!((&record["duplicate"]["offset"], &record["count"]), (&number.into(), &(number / TRIPLES).into()));
        if poison.contains(&number) {
            assert_eq!(record["outcome"], "unscored", "{record}");
            assert!(record["unscored"].as_str().is_some_and(|said| said.contains(reason)), "{reason}: {record}");
            continue;
        }
        let original = format!("e{}", number % TRIPLES);
        assert_eq!(record["similarity"], original.len() as f64 / 64.0, "{record}");
        // It names nothing that changed, and yet says that they are not the same.
        assert_eq!(record["outcome"], "same_uuid", "{record}");
    }
}

fn a_scorer_that_fails_on_some_pairs() {
    let desk = Desk::new();
    let (lines, poison) = poisoned('T');
    let port = free_port();
    let words =
        "--input - --output out --duplicates duplicates --report report --plugin-config /id --bind-host 127.0.0.1";
    let mut command = scored_by(&desk, evil_scorer(&desk), &format!("{words} --bind-port {port}"));
    let (reader, mut writer) = std::io::pipe().unwrap();
    command.stdin(Stdio::from(reader));
    let mut running = Running::start_command(command);
    std::io::Write::write_all(&mut writer, lines.concat().as_bytes()).unwrap();
    let (deadline, whole) = (Instant::now() + SOON, 2 * TRIPLES);
    let written =
        || std::fs::read(desk.path("duplicates")).map_or(0, |text| text.iter().filter(|b| **b == b'\n').count());
    while written() < whole {
        assert!(running.is_running() && Instant::now() < deadline, "{}", running.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
    let (_, metrics) = get(port, "/metrics").expect("an answer");
    let failures: Vec<_> = dedup_host_tests::explained::answers::series(&metrics, "dedup_host_plugin_failures_total");
    let of_scorer =
        |labels: &std::collections::BTreeMap<String, String>| labels.get("plugin").is_some_and(|name| name == "evil");
    let failed: f64 = failures.iter().filter(|(labels, _)| of_scorer(labels)).map(|(_, count)| count).sum();
    assert!(failed >= poison.len() as f64, "{failed} failures of {}: {metrics}", poison.len());
    drop(writer);
    assert_eq!(running.wait(SOON).code, Some(0));
    assert_eq!(desk.report(), counts(TRIPLES as u64, 2 * TRIPLES as u64));
    check_poisoned(&desk, &poison, "scorer");
}

fn a_scorer_that_never_comes_back() {
    let desk = Desk::new();
    let (lines, poison) = poisoned('L');
    desk.write("in", lines.concat());
    let words = format!("{RUN} --plugin-config /id --plugin-time-limit-ms 50");
    let _ok = end(scored_by(&desk, evil_scorer(&desk), &words)).ok();
    assert_eq!(desk.report(), counts(TRIPLES as u64, 2 * TRIPLES as u64));
    check_poisoned(&desk, &poison, "scorer");
}

fn a_failing_scorer_may_stop_the_run() {
    let desk = Desk::new();
    let (lines, poison) = poisoned('T');
    desk.write("in", lines.concat());
    let words = format!("{RUN} --plugin-config /id --on-plugin-failure");
    let first = poison.first().copied().unwrap_or_default();
    let stopped = end(scored_by(&desk, evil_scorer(&desk), &format!("{words} stop")));
    stopped.refused(7, &[&format!("offset {first}"), "unreachable", "--on-plugin-failure"]);
    assert!(!desk.path("report").exists(), "half a run has no report");
    let _ok = end(scored_by(&desk, evil_scorer(&desk), &format!("{words} pass --resume"))).ok();
    check_poisoned(&desk, &poison, "scorer");
}

fn scorers_and_settings_that_do_not_fit_are_refused() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    let refused = |names: &[&str], words: &[&str], code: i32, says: &[&str]| {
        let mut command = desk.command("--store-path store --input in --output out");
        command.args(plugins(names)).args(words);
        end(command).refused(code, says);
        assert!(!desk.path("store").exists() && !desk.path("out").exists(), "nothing was begun: {words:?}");
    };
    let (alone, scored): (&[&str], &[&str]) = (&["composite_key"], &["composite_key", "property_similarity"]);
    let both = ["composite_key", "property_similarity", "string_distance"];
    refused(&both, &[], 3, &["property_similarity.wasm", "string_distance.wasm", "give one of them"]);
    refused(&["property_similarity"], &[], 3, &["no plugin extracts keys", "composite_key.wasm"]);
    refused(alone, &["--scorer-config", "{}"], 3, &["--scorer-config", "no plugin scores", "property_similarity.wasm"]);
    refused(alone, &["--forward-below-similarity", "0.5"], 3, &["--forward-below-similarity", "scores"]);
    refused(
        scored,
        &["--scorer-config", r#"{"ingore":["/uuid"]}"#],
        3,
        &["property_similarity", "configuration", "ingore"],
    );
    refused(scored, &["--scorer-config", r#"{"field_weight":2}"#], 3, &["field_weight", "0 to 1"]);
    refused(scored, &["--forward-below-similarity", "1.5"], 2, &["--forward-below-similarity", "1.5"]);
    let off = ["--forward-below-similarity", "0.5", "--keep-originals", "off"];
    refused(scored, &off, 2, &["--forward-below-similarity", "--keep-originals"]);
}

/// Every value inside of a record, by pointer.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let members = value.as_object().filter(|_| !at.ends_with("/event")).into_iter().flatten();
    members.for_each(|(name, value)| pointers(value, &format!("{at}/{name}"), found));
    let items = value.as_array().into_iter().flatten().enumerate();
    items.for_each(|(nth, item)| pointers(item, &format!("{at}/{nth}"), found));
}

fn the_schema_refuses_what_is_no_record() {
    let desk = Desk::new();
    let (_, explained) = generated(&desk, "--events 300 --seed 63 --duplicates 0.5 --altered 1 --same-uuid 0");
    let _ok = end(scored(&desk, RUN)).ok();
    let records = records(&desk);
    assert_eq!(records.len(), explained.len());
    let refuses = |record: &Value, what: &str| {
        assert!(schema::validate(schema::of_duplicates(), record).is_err(), "{what} is accepted: {record}");
    };
    let (mut removed, mut replaced) = (0, 0);
    // Members that may be left out, and those that may hold anything.
    let optional = ["/distinct_uuids_exact", "/event", "/original", "/duplicate"];
    for record in &records {
        let mut places = Vec::new();
        pointers(record, "", &mut places);
        for place in places {
            let is_value =
                place.ends_with("/event") || place.starts_with("/changed/") && place.matches('/').count() == 3;
            let may_go = is_value && !place.ends_with("/path") && !place.ends_with("/change") || place == optional[0];
            let (parent, name) = place.rsplit_once('/').unwrap_or_default();
            let mut without = record.clone();
            let members = without.pointer_mut(parent).and_then(Value::as_object_mut).filter(|_| !place.is_empty());
            if !may_go && members.is_some_and(|members| members.remove(name).is_some()) {
                refuses(&without, &format!("without {place}"));
                removed += 1;
            }
            if is_value && !place.ends_with("/path") && !place.ends_with("/change") {
                continue;
            }
            let mut wrong = record.clone();
            let kind = wrong.pointer(&place).expect("it is there");
            let other = if kind.is_object() || kind.is_array() { json!("text") } else { json!([17]) };
            *wrong.pointer_mut(&place).expect("it is there") = other;
            refuses(&wrong, &format!("a wrong type at {place}"));
            replaced += 1;
        }
    }
    assert!(removed > 1_000 && replaced > 3_000, "{removed} {replaced}");
    refused_values(&records[0], &refuses);
}

/// Values of the right type that are wrong all the same.
fn refused_values(record: &Value, refuses: &dyn Fn(&Value, &str)) {
    let wrong = [
        ("/version", json!(2)),
        ("/outcome", json!("alike")),
        ("/outcome", json!("unscored")),
        ("/count", json!(0)),
        ("/count", json!(1.5)),
        ("/distinct_uuids", json!(-1)),
        ("/similarity", json!(1.01)),
        ("/property_similarity", json!(-0.01)),
        ("/property_similarity", json!(null)),
        ("/uuid_similarity", json!(7)),
        ("/same/0", json!("uuid")),
        ("/changed/0/change", json!("moved")),
        ("/changed/0/path", json!("properties")),
        ("/scorer/sha256", json!("abc")),
        ("/extractor/sha256", json!("G".repeat(64))),
        ("/extractor", json!(null)),
        ("/original/offset", json!(-1)),
        ("/duplicate/partition", json!("0")),
        ("/duplicate/topic", json!(null)),
    ];
    for (place, value) in wrong {
        let mut changed = record.clone();
        *changed.pointer_mut(place).unwrap_or_else(|| panic!("no {place}: {record}")) = value.clone();
        refuses(&changed, &format!("{place} = {value}"));
    }
    assert!(equal(record, record), "the record is untouched");
}
