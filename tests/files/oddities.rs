//! Duplicates among events that nobody expects: odd spellings, values that look alike, events that are large, deep or no
//! JSON at all.

use dedup_host_tests::Test;
use dedup_host_tests::explained::{Event, RULES, Rules, check_records, explain, schema};
use serde_json::{Value, json};

use super::desk::{Desk, counts, end};
use super::explained::{EVIL_SCORER, FILES, RUN, component, events, records, scored};

pub(crate) const TESTS: &[Test] = &[
    ("events_spelled_and_shaped_oddly", events_spelled_and_shaped_oddly),
    ("values_that_differ_though_they_look_alike", values_that_differ_though_they_look_alike),
    ("events_too_large_to_be_kept_whole", events_too_large_to_be_kept_whole),
    ("payloads_that_are_not_json_are_compared_whole", payloads_that_are_not_json_are_compared_whole),
];

/// Runs over pairs of events that share their `/id`, given without it. `duplicates` has the records in the order of the
/// pairs then.
fn run_pairs(desk: &Desk, pairs: &[(String, String)]) -> Vec<Event> {
    let with_id = |number: usize, event: &str| {
        let rest = event.trim_start().strip_prefix('{').expect("an object");
        let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
        format!("{{\"id\":\"{number}\"{comma}{rest}")
    };
    let lines: Vec<String> = pairs
        .iter()
        .enumerate()
        .flat_map(|(number, (original, duplicate))| [with_id(number, original), with_id(number, duplicate)])
        .collect();
    desk.write("in", lines.join("\n"));
    let _ok = end(scored(desk, &format!("{RUN} --plugin-config /id"))).ok();
    assert_eq!(desk.report(), counts(pairs.len() as u64, pairs.len() as u64));
    events(&lines, None)
}

/// Pairs that the model understands, though no generator makes them.
const ODD: &[(&str, &str)] = &[
    ("{}", "{}"),
    (r#"{"a":1,"b":[1,2],"c":{}}"#, r#"{ "c" : { } , "b" :[ 1.0, 2e0 ],"a":1.00 }"#),
    (r#"{"a":1}"#, r#"{"a":"1"}"#),
    (r#"{"a":null}"#, r#"{}"#),
    (r#"{"a":{}}"#, r#"{"a":{"b":null}}"#),
    (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#),
    (r#"{"a":[{"x":1,"y":2}]}"#, r#"{"a":[{"y":2,"x":1.0}]}"#),
    (r#"{"a":[]}"#, r#"{"a":{}}"#),
    (r#"{"a":true}"#, r#"{"a":"true"}"#),
    (r#"{"a":0}"#, r#"{"a":-0.0}"#),
    (r#"{"caf\u00e9":"\ud83d\ude00\/"}"#, r#"{"café":"😀/"}"#),
    (r#"{"a/b":1,"m~n":2,"":3," ":4}"#, r#"{"a/b":1,"m~n":5,"":6," ":4}"#),
    (r#"{"a":{"":{"":1}},"~1":2}"#, r#"{"a":{"":{"":2}},"~1":2}"#),
    (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
    (r#"{"a":{"x":1},"a":{"y":1}}"#, r#"{"a":{"x":1}}"#),
    (r#"{"a":"x\u0000y"}"#, r#"{"a":"x\u0000z"}"#),
    (r#"{"properties":{"a":1}}"#, r#"{"properties":{"a":1,"b":2}}"#),
    (r#"{"properties":{"a":{"b":{"c":1}}}}"#, r#"{"properties":{"a":{"b":2}}}"#),
    (r#"{"properties":[1,2,3]}"#, r#"{"properties":[1,2]}"#),
    (r#"{"properties":null,"propertiesx":1}"#, r#"{"properties":"none","propertiesx":2}"#),
    (r#"{"timestamp":"2026-01-01T12:00:00Z"}"#, r#"{"timestamp":"2026-01-01T13:30:00.000+01:30"}"#),
    (r#"{"timestamp":"2026-01-01T12:00:00Z"}"#, r#"{"timestamp":"2026-01-01T12:00:00.001Z"}"#),
    (r#"{"timestamp":"2026-03-01T00:00:00+01:00"}"#, r#"{"timestamp":"2026-02-28T23:00:00Z"}"#),
    (r#"{"at":"2026-01-01T12:00:00Z"}"#, r#"{"at":"2026-01-01T13:00:00+01:00"}"#),
    (r#"{"uuid":"a-b-c"}"#, r#"{"uuid":"ABC"}"#),
    (r#"{"uuid":"abcd","x":1}"#, r#"{"uuid":"abcd","x":2}"#),
    (r#"{"uuid":"abcd"}"#, r#"{"x":1}"#),
    (r#"{"x":1}"#, r#"{"uuid":"abcd","x":1}"#),
    (r#"{"uuid":"hello"}"#, r#"{"uuid":"HELLO!"}"#),
    (r#"{"uuid":"0123456789abcdef"}"#, r#"{"uuid":"01234567"}"#),
];

fn events_spelled_and_shaped_oddly() {
    let deep = |levels: usize, leaf: &str| format!("{}{leaf}{}", r#"{"d":"#.repeat(levels), "}".repeat(levels));
    let mut pairs: Vec<(String, String)> = ODD.iter().map(|(one, other)| ((*one).into(), (*other).into())).collect();
    for levels in [14, 15, 16, 17, 40] {
        pairs.push((deep(levels, "1"), deep(levels, "2")));
        pairs.push((deep(levels, "{}"), deep(levels, r#"{"x":1}"#)));
    }
    let desk = Desk::new();
    let events = run_pairs(&desk, &pairs);
    let rules = Rules { key: &["/id"], ..RULES };
    let explained = explain(&events, &rules);
    assert_eq!(explained.len(), pairs.len());
    check_records(&explained, &events, &records(&desk), FILES);
}

fn values_that_differ_though_they_look_alike() {
    let alike = [
        ("9007199254740993", "9007199254740992", false),
        ("12345678901234567890123", "12345678901234567890124", false),
        ("12345678901234567890123", "12345678901234567890123.0", true),
        ("0.1", "0.10000000000000000001", false),
        ("1e2", "100", true),
        ("1e300", "1e301", false),
        ("0.1e1", "1", true),
        (r#"["x","1"]"#, r#"["x",1]"#, false),
        (r#"[1,[2,{"b":1,"a":2.0}]]"#, r#"[1.0,[2,{"a":2,"b":1}]]"#, true),
        (r#""a""#, r#""a ""#, false),
        (r#""é""#, "\"e\u{301}\"", false),
        (r#""\u0041""#, r#""A""#, true),
        ("\"\u{7f}\"", "\"\"", false),
    ];
    let event = |value: &str| format!("{{\"properties\":{{\"a\":{value}}}}}");
    let pairs: Vec<_> = alike.iter().map(|(one, other, _)| (event(one), event(other))).collect();
    let desk = Desk::new();
    let _events = run_pairs(&desk, &pairs);
    let records = records(&desk);
    assert_eq!(records.len(), alike.len());
    for (record, (one, other, same)) in records.iter().zip(alike) {
        assert_eq!(record["outcome"], if same { "same_event" } else { "same_uuid" }, "{one} {other}: {record}");
        assert_eq!(record["property_similarity"], f64::from(u8::from(same)), "{one} {other}: {record}");
        assert_eq!(record["changed"].as_array().map(Vec::len), Some(usize::from(!same)), "{record}");
    }
}

/// A large event by its kind and what is special about it; events of one kind differ where that does.
fn large(kind: &str, last: &str) -> String {
    match kind {
        "blob" => format!("{{\"properties\":{{\"blob\":\"{}{last}\",\"n\":1}}}}", "x".repeat(1 << 20)),
        "names" => {
            let members: String = (0..5_000).map(|number| format!("\"m{number}\":{number},")).collect();
            format!("{{\"properties\":{{{members}\"last\":\"{last}\"}}}}")
        }
        "values" => {
            let members: String = (0..40).map(|number| format!("\"m{number}\":\"{}\",", "v".repeat(3_500))).collect();
            format!("{{\"properties\":{{{members}\"last\":\"{last}\"}}}}")
        }
        "path" => format!("{{\"properties\":{{\"{}\":\"{last}\"}}}}", "p".repeat(70_000)),
        "arrays" => format!("{{\"a\":{}\"{last}\"{}}}", "[".repeat(100_000), "]".repeat(100_000)),
        "objects" => format!("{}\"{last}\"{}", "{\"o\":".repeat(50_000), "}".repeat(50_000)),
        other => panic!("no kind: {other}"),
    }
}

fn events_too_large_to_be_kept_whole() {
    let kinds = ["blob", "names", "values", "path", "arrays", "objects"];
    let cases: Vec<_> = kinds.iter().flat_map(|kind| [(*kind, true), (*kind, false)]).collect();
    let pairs: Vec<_> =
        cases.iter().map(|(kind, same)| (large(kind, "a"), large(kind, if *same { "a" } else { "b" }))).collect();
    let desk = Desk::new();
    let events = run_pairs(&desk, &pairs);
    let lines = desk.text("duplicates");
    assert_eq!(lines.lines().count(), cases.len());
    for (number, ((kind, same), line)) in cases.into_iter().zip(lines.lines()).enumerate() {
        // The duplicate itself comes last; it is nested more deeply than this parser goes.
        let (record, event) = line.rsplit_once(",\"event\":").expect("the duplicate is in it");
        let payload = std::str::from_utf8(&events[2 * number + 1].payload).expect("UTF-8");
        assert!(event.strip_suffix("}}") == Some(payload), "{kind}: the duplicate is not what it was");
        let record: Value = serde_json::from_str(&format!("{record}}}}}")).expect("JSON");
        schema::check(&record);
        let beginning: String = record.to_string().chars().take(600).collect();
        assert_eq!(record["duplicate"]["offset"], 2 * number + 1, "{kind}: {beginning}");
        assert_eq!(record["outcome"], if same { "same_event" } else { "same_uuid" }, "{kind}: {beginning}");
        assert_eq!(record["similarity"] == 1.0, same, "{kind}: {beginning}");
        assert_eq!(record["changed"].as_array().map(Vec::is_empty), Some(same), "{kind}: {beginning}");
        assert_eq!(record["count"], 1, "{kind}: {beginning}");
    }
}

pub(super) const EVIL: &str = include_str!("../../host/plugin/tests/common/evil.wat");

/// The same plugin, but it asks for the payload.
pub(super) fn of_payloads(text: &str) -> String {
    let fields = r#""\00\00\00\00\01\00\00\00\40\00\00\00\01\00\00\00""#;
    assert!(text.contains(fields), "the plugin's text has changed");
    text.replace(fields, r#""\00\00\00\00\00\00\00\00\40\00\00\00\01\00\00\00""#)
}

fn payloads_that_are_not_json_are_compared_whole() {
    let desk = Desk::new();
    let extractor = component(&desk, "keys.wasm", &of_payloads(EVIL), "key-plugin");
    let scorer = component(&desk, "scores.wasm", &of_payloads(EVIL_SCORER), "similarity-plugin");
    let lines: [&[u8]; 4] = [b"plain words", b"\xff\xfe bytes", b"{\"a\":1}", b"caf\xc3\xa9 \"quoted\""];
    desk.write("in", [lines, lines].concat().join(&b'\n'));
    let mut command = desk.command(&format!("--store-path store {RUN}"));
    let _ok = end({
        command.arg("--plugin").arg(extractor).arg("--plugin").arg(scorer);
        command
    })
    .ok();
    assert_eq!(desk.report(), counts(4, 4));
    let records = records(&desk);
    let hex: String = lines[1].iter().map(|byte| format!("{byte:02x}")).collect();
    let shown = [json!("plain words"), json!({"hex": hex}), json!("{\"a\":1}"), json!("café \"quoted\"")];
    for ((record, line), shown) in records.iter().zip(lines).zip(shown) {
        assert_eq!(record["outcome"], "same_uuid", "{record}");
        assert_eq!(record["similarity"], line.len() as f64 / 64.0, "{record}");
        assert_eq!((&record["duplicate"]["event"], &record["original"]["event"]), (&shown, &shown), "{record}");
        assert_eq!((&record["same"], record["changed"].as_array().map(Vec::len)), (&json!([""]), Some(0)), "{record}");
        assert!(record["duplicate"]["uuid"].is_null() && record["distinct_uuids"] == 0, "{record}");
    }
}
