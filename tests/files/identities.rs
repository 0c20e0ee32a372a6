//! What makes two events one, beside their key: ids of every kind and spelling, originals beside the first, times in keys.

use std::collections::BTreeSet;

use dedup_host_tests::Test;
use dedup_host_tests::explained::{Event, Explained, RULES, Rules, check_records, explain};
use dedup_host_tests::program::report;
use serde_json::Value;

use super::desk::{Desk, counts, end};
use super::explained::{FILES, RUN, TRIPLES, events, evil_scorer, generated, poisoned, records, scored, scored_by};

pub(crate) const TESTS: &[Test] = &[
    ("any_scalar_is_an_id", any_scalar_is_an_id),
    ("spellings_of_a_uuid_are_one_uuid", spellings_of_a_uuid_are_one_uuid),
    ("many_uuids_in_many_spellings_are_counted_once", many_uuids_in_many_spellings_are_counted_once),
    ("copies_of_a_distinct_event_are_its_duplicates", copies_of_a_distinct_event_are_its_duplicates),
    ("generated_duplicates_pass_once_and_their_copies_never", generated_duplicates_pass_once_and_their_copies_never),
    ("a_run_that_is_resumed_remembers_distinct_events", a_run_that_is_resumed_remembers_distinct_events),
    ("a_distinct_event_is_remembered_for_its_own_window", a_distinct_event_is_remembered_for_its_own_window),
    ("a_key_holds_sixteen_distinct_events", a_key_holds_sixteen_distinct_events),
    ("a_failing_scorer_makes_nothing_distinct", a_failing_scorer_makes_nothing_distinct),
    ("times_in_keys_are_instants_where_declared", times_in_keys_are_instants_where_declared),
];

const UUID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Runs over events that share a key, and holds every record to the model. Outcome and distinct uuids of each.
fn outcomes(ids: &[&str], words: &str) -> Vec<(&'static str, usize)> {
    let desk = Desk::new();
    let lines: Vec<String> = ids.iter().map(|id| format!("{{\"k\":1,\"id\":{id}}}")).collect();
    desk.write("in", lines.join("\n"));
    let _ok = end(scored(&desk, &format!("{RUN} --plugin-config /k --uuid-field /id {words}"))).ok();
    // The model shows a number as the text of its value.
    let rules = Rules { key: &["/k"], uuid: "/id", ..RULES };
    let events = events(&lines, None);
    let mut explained = explain(&events, &rules);
    explained.iter_mut().for_each(|duplicate| duplicate.key = "\\n1".to_owned());
    check_records(&explained, &events, &records(&desk), FILES);
    explained.iter().map(|duplicate| (duplicate.outcome, duplicate.distinct_uuids)).collect()
}

fn any_scalar_is_an_id() {
    const ANOTHER: &str = "only_uuid_different";
    let check = |ids: &[&str], expected: &[(&str, usize)]| {
        for words in ["", "--numbers canonical"] {
            assert_eq!(outcomes(ids, words), expected, "{ids:?} {words}");
        }
    };
    check(&["102", "103", "102"], &[(ANOTHER, 2), ("same_event", 2)]);
    check(&["1", "1.0", "1e0", "10e-1", "2"], &[("same_event", 1), ("same_event", 1), ("same_event", 1), (ANOTHER, 2)]);
    check(&["1.0", "1"], &[("same_event", 1)]);
    check(&["1", "\"1\"", "\"1.0\""], &[("same_event", 1), (ANOTHER, 2)]);
    check(&["true", "false", "true"], &[(ANOTHER, 2), ("same_event", 2)]);
    check(&["0", "-0", "-0.0"], &[("same_event", 1), ("same_event", 1)]);
    check(&["\"a\"", "\"A\"", "\"a\""], &[(ANOTHER, 2), ("same_event", 2)]);
    // What is no id is none: two events without one count as equal there, though what stands there differs.
    check(&["null", "null"], &[("same_event", 0)]);
    check(&["\"\"", "\"\""], &[("same_event", 0)]);
    check(&["[1]", "[1]"], &[("same_event", 0)]);
    check(&["null", "7"], &[(ANOTHER, 1)]);
}

fn spellings_of_a_uuid_are_one_uuid() {
    let simple = UUID.replace('-', "");
    let spellings = [
        UUID.to_owned(),
        UUID.to_uppercase(),
        simple.clone(),
        simple.to_uppercase(),
        format!("{{{UUID}}}"),
        format!("{{{}}}", simple.to_uppercase()),
        format!("urn:uuid:{UUID}"),
        format!("URN:UUID:{}", UUID.to_uppercase()),
    ];
    for first in 0..spellings.len() {
        let mut ids: Vec<String> = spellings.iter().map(|spelling| format!("\"{spelling}\"")).collect();
        ids.rotate_left(first);
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        assert!(outcomes(&ids, "").iter().all(|said| *said == ("same_event", 1)), "from {first}");
    }
    let other = UUID.replace("8057", "8058");
    let quoted = [UUID, &other.to_uppercase(), &UUID.to_uppercase()].map(|uuid| format!("\"{uuid}\""));
    let ids: Vec<&str> = quoted.iter().map(String::as_str).collect();
    assert_eq!(outcomes(&ids, ""), [("only_uuid_different", 2), ("same_event", 2)]);
}

/// More than are counted exactly: the sketch takes all spellings for one as well.
fn many_uuids_in_many_spellings_are_counted_once() {
    let uuids: Vec<String> =
        (0..200_u128).map(|n| format!("{:032x}", (n + 1).wrapping_mul(u128::MAX / 7919))).collect();
    let upper: Vec<String> = uuids.iter().map(|uuid| uuid.to_uppercase()).collect();
    let urn: Vec<String> = uuids.iter().map(|uuid| format!("urn:uuid:{uuid}")).collect();
    let quoted: Vec<String> = [uuids, upper, urn].concat().iter().map(|uuid| format!("\"{uuid}\"")).collect();
    let ids: Vec<&str> = quoted.iter().map(String::as_str).collect();
    assert_eq!(outcomes(&ids, "").last().map(|(_, distinct)| *distinct), Some(200));
}

/// What is told of events of `lines` by the model.
fn told(lines: &[&str], forward_below: f64) -> (Vec<Event>, Vec<Explained>) {
    let events = events(lines, None);
    let explained = explain(&events, &Rules { key: &["/id"], forward_below: Some(forward_below), ..RULES });
    (events, explained)
}

/// Checks what was written: events that are first or distinct, and a record for each of the others.
fn check(desk: &Desk, events: &[Event], explained: &[Explained]) {
    let held_back: Vec<Explained> = explained.iter().filter(|is| !is.forwarded).cloned().collect();
    check_records(&held_back, events, &records(desk), FILES);
    let is_held_back = |event: &&Event| held_back.iter().any(|is| is.place.1 == event.offset);
    let passed: Vec<&Event> = events.iter().filter(|event| !is_held_back(event)).collect();
    let expected: Vec<u8> = passed.iter().flat_map(|event| [&event.payload[..], b"\n"].concat()).collect();
    assert!(desk.read("out") == expected, "the output is not the first and the distinct events");
    let said = report(&desk.path("report"));
    let distinct = explained.len() - held_back.len();
    assert_eq!((&said["dissimilar"], &said["duplicate"]), (&distinct.into(), &held_back.len().into()), "{said}");
}

fn copies_of_a_distinct_event_are_its_duplicates() {
    let desk = Desk::new();
    let a = r#"{"id":"k","uuid":"1","a":1,"properties":{"p":1}}"#;
    let b = r#"{"id":"k","uuid":"2","a":2,"properties":{"p":2}}"#;
    let c = r#"{"id":"k","uuid":"3","a":3,"properties":{"p":3}}"#;
    let near_b = r#"{"id":"k","uuid":"4","a":2,"properties":{"p":2}}"#;
    let lines = [a, b, b, c, a, b, near_b, c, b];
    desk.write("in", lines.join("\n") + "\n");
    let words = format!("{RUN} --plugin-config /id --forward-below-similarity 0.6");
    let _ok = end(scored(&desk, &words)).ok();
    let (events, explained) = told(&lines, 0.6);
    let originals: Vec<_> = explained.iter().map(|is| (is.forwarded, is.original, is.count)).collect();
    assert_eq!(originals[..3], [(true, 0, 0), (false, 1, 1), (true, 0, 0)]);
    assert_eq!(originals[3..], [(false, 0, 1), (false, 1, 2), (false, 1, 3), (false, 3, 1), (false, 1, 4)]);
    check(&desk, &events, &explained);
}

fn generated_duplicates_pass_once_and_their_copies_never() {
    let desk = Desk::new();
    let words = "--events 4000 --duplicates 0.7 --distance-max 2000 --altered 0.6 --same-uuid 0.3 --seed 5";
    let (events, first) = generated(&desk, words);
    let mut similarities: Vec<f64> = first.iter().map(|is| is.similarity).collect();
    similarities.sort_unstable_by(f64::total_cmp);
    let bound = similarities[similarities.len() / 3] + 1e-7;
    let explained = explain(&events, &Rules { forward_below: Some(bound), ..RULES });
    let forwarded = explained.iter().filter(|is| is.forwarded).count();
    assert!(forwarded > 100 && forwarded < first.len() / 2, "{forwarded} of {}", first.len());
    let words = format!("{RUN} --event-time /timestamp --forward-below-similarity {bound}");
    let _ok = end(scored(&desk, &words)).ok();
    check(&desk, &events, &explained);
}

fn a_run_that_is_resumed_remembers_distinct_events() {
    let desk = Desk::new();
    let event = |n: u32| format!(r#"{{"id":"k","uuid":"{n}","a":{n},"properties":{{"p":{n}}}}}"#);
    let words = "--plugin-config /id --forward-below-similarity 0.6";
    let run = |numbers: &[u32]| {
        desk.write("in", numbers.iter().map(|n| event(*n) + "\n").collect::<String>());
        let _ok = end(scored(&desk, &format!("{RUN} {words}"))).ok();
        let passed: Vec<String> = desk.text("out").lines().map(str::to_owned).collect();
        passed
    };
    assert_eq!(run(&[0, 1, 2]), [0, 1, 2].map(event));
    assert_eq!(run(&[2, 1, 0, 3, 3]), [event(3)]);
    let originals: Vec<Value> = records(&desk).iter().map(|record| record["original"]["offset"].clone()).collect();
    assert_eq!(originals, [2, 1, 0, 6].map(Value::from));
}

fn a_distinct_event_is_remembered_for_its_own_window() {
    let desk = Desk::new();
    let at = |seconds: i64, n: u32| {
        let time = 1_767_225_600_000_i64 + seconds * 1_000;
        format!(r#"{{"id":"k","uuid":"{n}","at":{time},"a":{n},"properties":{{"p":{n}}}}}"#)
    };
    let start: String =
        (0..64).map(|n| format!("{{\"id\":\"start-{n}\",\"at\":{}}}\n", 1_767_225_600_000_i64)).collect();
    // 0 is first at 1 s and forgotten after 11 s; 1 is distinct at 9 s and remembered until 19 s.
    let events = [at(1, 0), at(9, 1), at(10, 1), at(12, 1), at(13, 0), at(14, 0), at(20, 1), at(21, 1)];
    desk.write("in", start + &events.join("\n") + "\n");
    let words = "--plugin-config /id --event-time /at --window 10s --allowed-lateness 5s --max-out-of-orderness 0s";
    let ignore = r#"{"ignore":["/at"]}"#;
    let mut command = scored(&desk, &format!("{RUN} {words} --forward-below-similarity 0.6"));
    command.args(["--scorer-config", ignore]);
    let _ok = end(command).ok();
    let said: Vec<(i64, i64)> = records(&desk)
        .iter()
        .map(|record| ["duplicate", "original"].map(|side| record[side]["offset"].as_i64().expect("an offset")))
        .map(|[duplicate, original]| (duplicate - 64, original - 64))
        .collect();
    assert_eq!(said, [(2, 1), (3, 1), (5, 4), (7, 6)]);
}

fn a_key_holds_sixteen_distinct_events() {
    let desk = Desk::new();
    let event =
        |n: usize| format!("{{\"id\":\"k\",\"uuid\":\"{n}\",\"a\":{n},\"b\":{n},\"properties\":{{\"p\":{n}}}}}\n");
    let events: String = (0..18).chain(0..18).map(event).collect();
    desk.write("in", events);
    let _ok = end(scored(&desk, &format!("{RUN} --plugin-config /id --forward-below-similarity 0.6"))).ok();
    let said = report(&desk.path("report"));
    assert_eq!(
        (&said["unique"], &said["dissimilar"], &said["duplicate"]),
        (&1.into(), &19.into(), &16.into()),
        "{said}"
    );
    let originals: Vec<Value> = records(&desk).iter().map(|record| record["original"]["offset"].clone()).collect();
    assert_eq!(originals, (0..16).map(Value::from).collect::<Vec<_>>());
}

/// It gives every pair less than 1, and traps on some.
fn a_failing_scorer_makes_nothing_distinct() {
    let desk = Desk::new();
    let (lines, poison) = poisoned('T');
    desk.write("in", lines.concat());
    let words = format!("{RUN} --plugin-config /id --forward-below-similarity 1");
    let _ok = end(scored_by(&desk, evil_scorer(&desk), &words)).ok();
    let records = records(&desk);
    let offsets: BTreeSet<usize> = records
        .iter()
        .map(|record| usize::try_from(record["duplicate"]["offset"].as_u64().expect("an offset")).expect("small"))
        .collect();
    assert_eq!(offsets, poison);
    assert!(records.iter().all(|record| record["outcome"] == "unscored"));
    let said = report(&desk.path("report"));
    assert_eq!((&said["dissimilar"], &said["duplicate"]), (&(2 * TRIPLES - 4).into(), &4.into()), "{said}");
    let _ = std::fs::remove_dir_all(desk.path("store"));
    let stopped = end(scored_by(&desk, evil_scorer(&desk), &format!("{words} --on-plugin-failure stop")));
    let first = poison.first().copied().unwrap_or_default();
    stopped.refused(7, &[&format!("offset {first}"), "--on-plugin-failure"]);
}

fn times_in_keys_are_instants_where_declared() {
    let desk = Desk::new();
    let spellings = [
        "\"2026-01-01T12:00:00Z\"",
        "\"2026-01-01T12:00:00.000Z\"",
        "\"2026-01-01T12:00:00+00:00\"",
        "\"2026-01-01T13:00:00+01:00\"",
        "\"2026-01-01 12:00:00+00\"",
        "1767268800000",
        "1767268800",
    ];
    let others =
        ["\"2026-01-01T12:00:00.001Z\"", "\"2026-01-01T12:00:01Z\"", "\"soon\"", "\"\\\\t1767268800000\"", "true"];
    let lines: String =
        spellings.iter().chain(&others).map(|at| format!("{{\"timestamp\":{at},\"id\":\"a\"}}\n")).collect();
    desk.write("in", lines);
    let run = |config: &str| {
        let mut command = desk.dedup("--input in --output out --report report --overwrite");
        command.args(["--plugin-config", config]);
        let _ = std::fs::remove_dir_all(desk.path("store"));
        let _ok = end(command).ok();
        desk.report()
    };
    assert_eq!(run("/timestamp,/id"), counts(12, 0));
    assert_eq!(run(r#"{"fields":[{"pointer":"/timestamp","as":"instant"},"/id"]}"#), counts(6, 6));
}
