//! Events inside a string: `--json-in`. The plain form of the same events is the model.

use dedup_host_tests::Test;
use dedup_host_tests::explained::stream::plugins;
use serde_json::{Value, json};

use super::desk::{Counts, Desk, counts, end};
use super::explained::{EVIL_SCORER, RUN, component, records};
use super::oddities::{EVIL, of_payloads};

pub(crate) const TESTS: &[Test] = &[
    ("events_in_a_string_are_told_as_their_plain_form", events_in_a_string_are_told_as_their_plain_form),
    ("a_property_that_differs_inside_the_string", a_property_that_differs_inside_the_string),
    ("only_what_is_inside_is_kept", only_what_is_inside_is_kept),
    ("a_string_that_is_not_json_is_a_dead_letter", a_string_that_is_not_json_is_a_dead_letter),
    ("another_json_in_needs_another_store", another_json_in_needs_another_store),
    ("members_that_cannot_be_named", members_that_cannot_be_named),
    ("plugins_that_read_payloads_get_them_as_they_came", plugins_that_read_payloads_get_them_as_they_came),
];

const KEY: &str = "/data/timestamp,/distinct_id,/token,/data/event";
const INSIDE: &str = "--json-in /data --uuid-field /data/uuid --event-time /data/timestamp";
const SCORER: &str = r#"{"properties":"/data/properties","times":["/data/timestamp"]}"#;

/// Runs over the lines in a store of its own; what the report says, and the records of duplicates.
fn told(desk: &Desk, name: &str, lines: &[String], words: &str, scorer: &str) -> (Counts, Vec<Value>) {
    desk.write("in", lines.join("\n"));
    let mut command = desk.command(&format!("--store-path {name} {RUN} {words} --plugin-config {KEY} --scorer-config"));
    command.arg(scorer).args(plugins(&["composite_key", "property_similarity"]));
    let _ok = end(command).ok();
    (desk.report(), records(desk))
}

/// An event of PostHog's inside the envelope that its capture service makes; `data` is given as JSON text.
fn envelope(event: &Value, data: &Value) -> String {
    let mut envelope = json!({"ip": "10.0.0.1", "now": "2026-01-01T00:00:00Z", "data": data});
    for name in ["distinct_id", "token"] {
        envelope[name] = event[name].clone();
    }
    envelope.to_string()
}

/// A record without what is the same by another spelling: the events as they came, and the plugins.
fn without_events(mut record: Value) -> Value {
    for side in ["original", "duplicate"] {
        record[side]["event"].take();
    }
    record
}

fn events_in_a_string_are_told_as_their_plain_form() {
    let desk = Desk::new();
    let words =
        "generate --events 5000 --seed 91 --duplicates 0.5 --altered 0.5 --same-uuid 0.3 --output made --truth truth";
    let _ok = end(desk.command(words)).ok();
    let made = desk.json_lines("made");
    let plain: Vec<String> = made.iter().map(|event| envelope(event, event)).collect();
    let text = |event: &Value| Value::from(serde_json::to_string_pretty(event).unwrap());
    let inside: Vec<String> = made.iter().map(|event| envelope(event, &text(event))).collect();
    let every_other =
        |(at, (plain, inside)): (usize, (&String, &String))| if at % 2 == 0 { plain } else { inside }.clone();
    let mixed: Vec<String> = plain.iter().zip(&inside).enumerate().map(every_other).collect();
    let (expected, of_plain) = told(&desk, "plain", &plain, INSIDE, SCORER);
    assert!(expected.duplicate > 1_000, "{expected:?}");
    let changed = |record: &Value| {
        record["changed"]
            .as_array()
            .unwrap()
            .iter()
            .any(|change| change["path"].as_str().unwrap().starts_with("/data/properties/"))
    };
    assert!(of_plain.iter().filter(|record| changed(record)).count() > 500);
    for (name, lines) in [("inside", inside), ("mixed", mixed)] {
        let (counted, of_strings) = told(&desk, name, &lines, INSIDE, SCORER);
        assert_eq!(counted, expected, "{name}");
        assert_eq!(of_strings.len(), of_plain.len());
        for (record, plain) in of_strings.into_iter().zip(&of_plain) {
            let line = |side: &str| record[side]["offset"].as_u64().unwrap() as usize;
            for side in ["original", "duplicate"] {
                let event: Value = serde_json::from_str(&lines[line(side)]).unwrap();
                assert_eq!(record[side]["event"], event, "the event as it came");
            }
            assert_eq!(without_events(record), without_events(plain.clone()), "{name}");
        }
        let output = desk.text("out");
        let forwarded: Vec<&str> = output.lines().collect();
        assert!(forwarded.iter().all(|line| lines.iter().any(|event| event == line)), "forwarded as they came");
    }
}

fn a_property_that_differs_inside_the_string() {
    let desk = Desk::new();
    let line = |uuid: &str, plan: &str| {
        let data = json!({"uuid": uuid, "event": "click", "timestamp": "2026-01-01T12:00:00Z", "properties": {"$ip": "::1", "plan": plan}});
        envelope(&json!({"distinct_id": "ada", "token": "t"}), &Value::from(data.to_string()))
    };
    let lines = [line("u1", "free"), line("u1", "free"), line("u1", "paid"), line("u2", "free")];
    let (counted, records) = told(&desk, "store", &lines, INSIDE, SCORER);
    assert_eq!(counted, counts(1, 3));
    let said = |record: &Value| {
        let changed = record["changed"].as_array().unwrap().iter().map(|change| change["path"].clone());
        (record["outcome"].clone(), record["property_similarity"].clone(), changed.collect::<Vec<_>>())
    };
    let expected = [
        (json!("same_event"), json!(1.0), vec![]),
        (json!("same_uuid"), json!(0.5), vec![json!("/data/properties/plan")]),
        (json!("only_uuid_different"), json!(1.0), vec![json!("/data/uuid")]),
    ];
    assert_eq!(records.iter().map(said).collect::<Vec<_>>(), expected);
    assert_eq!(records[1]["changed"][0]["original"], "free");
    assert_eq!(records[1]["changed"][0]["duplicate"], "paid");
    assert_eq!(records[0]["duplicate"]["uuid"], "u1");
}

/// Fields of the scorer that stand in the string alone, in more than one run, and one that is too long to be kept whole.
fn only_what_is_inside_is_kept() {
    let desk = Desk::new();
    let scorer = r#"{"fields":["/data/properties","/token"],"properties":"/data/properties"}"#;
    let line = |user: &str, long: usize, plan: &str| {
        let properties = json!({"long": "x".repeat(long), "plan": plan, "l": [1, {"a": "b"}]});
        let data =
            json!({"uuid": "u", "event": "click", "timestamp": "2026-01-01T12:00:00Z", "properties": properties});
        let text = serde_json::to_string_pretty(&data).unwrap();
        envelope(&json!({"distinct_id": user, "token": "t"}), &Value::from(text))
    };
    let first = [line("ada", 1, "free"), line("bob", 100_000, "free")];
    let (counted, _) = told(&desk, "store", &first, INSIDE, scorer);
    assert_eq!(counted, counts(2, 0));
    let again = [line("ada", 1, "paid"), line("bob", 100_000, "paid"), line("bob", 100_000, "free")];
    let (counted, records) = told(&desk, "store", &again, INSIDE, scorer);
    assert_eq!(counted, counts(0, 3));
    let changed: Vec<_> = records.iter().map(|record| (record["changed"].clone(), record["same"].clone())).collect();
    let plan = json!([{"path": "/data/properties/plan", "change": "changed", "original": "free", "duplicate": "paid"}]);
    let same = json!(["/data/properties/l", "/data/properties/long", "/token"]);
    assert_eq!(changed[..2], [(plan.clone(), same.clone()), (plan, same)]);
    assert_eq!(changed[2].0, json!([]));
    let kept = json!({"/data/properties": {"long": "x", "plan": "free", "l": [1, {"a": "b"}]}, "/token": "t"});
    assert_eq!(records[0]["original"]["fields"], kept);
}

fn a_string_that_is_not_json_is_a_dead_letter() {
    let desk = Desk::new();
    let lines = [
        r#"{"data":"{\"id\":1}"}"#,
        r#"{"data":"{\"id\":1"}"#,
        r#"{"data":"hello"}"#,
        r#"{"data":""}"#,
        r#"{"data":{"id":1}}"#,
        r#"{"data":null}"#,
        r#"{"id":1}"#,
        r#"{"data":"17"}"#,
    ];
    desk.write("in", lines.join("\n"));
    let expected = Counts { consumed: 8, unique: 1, duplicate: 1, keyless: 3, dead_letter: 3, ..Counts::default() };
    let words = "--json-in /data --plugin-config /data/id";
    assert_eq!(desk.counts(&format!("{words} --dead-letter dead")), expected);
    let dead: Vec<_> = desk
        .json_lines("dead")
        .into_iter()
        .map(|letter| (letter["reason"].clone(), letter["payload"].clone()))
        .collect();
    let reasons = [
        "json-in /data: the string is not JSON at byte 7: expected ',' or '}'",
        "json-in /data: the string is not JSON at byte 0: expected a value",
        "json-in /data: the string is not JSON: it is empty",
    ];
    assert_eq!(
        dead,
        reasons.iter().zip(&lines[1..4]).map(|(reason, line)| (json!(reason), json!(line))).collect::<Vec<_>>()
    );
    // Without a place for dead letters they pass, as others do.
    let desk = Desk::new();
    desk.write("in", lines.join("\n"));
    assert_eq!(desk.counts(words), expected);
    assert_eq!(desk.text("out").lines().filter(|line| lines[1..4].contains(line)).count(), 3);
}

fn another_json_in_needs_another_store() {
    let desk = Desk::new();
    desk.write("in", r#"{"data":"{\"id\":1}"}"#);
    assert_eq!(desk.counts("--json-in /data --json-in /x --plugin-config /data/id"), counts(1, 0));
    let run = "--input in --output out --plugin-config /data/id";
    desk.run(run).refused(5, &["--json-in", "/data"]);
    desk.run(&format!("{run} --json-in /data")).refused(5, &["--json-in", "/x"]);
    // In any order they are the same.
    assert_eq!(desk.counts("--json-in /x --json-in /data --plugin-config /data/id"), counts(0, 1));
    let mut command = desk.dedup(&format!("{run} --report report --overwrite"));
    command.env("JSON_IN", "/data, /x");
    let _ok = end(command).ok();
    assert_eq!(desk.report(), counts(0, 1));
    desk.write("settings.toml", "json_in = [\"/data\", \"/x\"]\n");
    assert_eq!(desk.counts("--config settings.toml --plugin-config /data/id"), counts(0, 1));
}

fn members_that_cannot_be_named() {
    let desk = Desk::new();
    desk.run("--input in --json-in data").refused(2, &["--json-in", "does not begin with '/'"]);
    desk.run("--input in --json-in /a~2").refused(2, &["--json-in", "~0"]);
    let many: String = (0..17).map(|at| format!(" --json-in /{at}")).collect();
    desk.run(&format!("--input in{many}")).refused(2, &["--json-in", "16 is the most"]);
}

/// Two spellings of one event are two payloads.
fn plugins_that_read_payloads_get_them_as_they_came() {
    let desk = Desk::new();
    let lines =
        [r#"{"data":"{\"id\":1}"}"#, r#"{"data":{"id":1}}"#, r#"{"data":"{\"id\":1}"}"#, r#"{"data":"no JSON"}"#];
    desk.write("in", lines.join("\n"));
    let extractor = component(&desk, "keys.wasm", &of_payloads(EVIL), "key-plugin");
    let scorer = component(&desk, "scores.wasm", &of_payloads(EVIL_SCORER), "similarity-plugin");
    let mut command = desk.command(&format!("--store-path store {RUN} --json-in /data --uuid-field /data/id"));
    command.arg("--plugin").arg(extractor).arg("--plugin").arg(scorer);
    let _ok = end(command).ok();
    assert_eq!(desk.report(), counts(3, 1));
    let records = records(&desk);
    assert_eq!(records[0]["original"]["event"], lines[0]);
    assert_eq!(records[0]["duplicate"]["event"], lines[2]);
}
