//! What is kept of originals and counted of their duplicates: from run to run, by other settings, and where there is
//! little room.

use dedup_host_tests::Test;
use dedup_host_tests::explained::stream::plugins;
use dedup_host_tests::explained::{Event, Explained, by_duplicate, check_records};
use serde_json::{Value, json};

use super::desk::{Desk, end};
use super::explained::{FILES, RUN, generated, records, scored};

pub(crate) const TESTS: &[Test] = &[
    ("duplicates_across_runs_are_explained", duplicates_across_runs_are_explained),
    ("originals_give_way_to_keys", originals_give_way_to_keys),
    ("a_duplicate_may_be_an_original_itself", a_duplicate_may_be_an_original_itself),
    ("a_scorer_comes_and_goes", a_scorer_comes_and_goes),
];

const GENERATED: &str = "--duplicates 0.6 --altered 0.5 --same-uuid 0.3 --distance-max 100000";

/// Runs over the events in as many pieces as there are cuts and one, with these words; all records.
fn in_pieces(desk: &Desk, events: &[Event], cuts: &[usize], words: &str) -> Vec<Value> {
    let (mut all, mut from) = (Vec::new(), 0);
    for to in cuts.iter().copied().chain([events.len()]) {
        let lines: Vec<_> = events[from..to].iter().map(|event| event.payload.as_slice()).collect();
        desk.write("in", lines.join(&b'\n'));
        let _ok = end(scored(desk, &format!("{RUN} --event-time /timestamp {words}"))).ok();
        all.extend(records(desk));
        from = to;
    }
    all
}

fn duplicates_across_runs_are_explained() {
    let desk = Desk::new();
    let (events, explained) = generated(&desk, &format!("--events 20000 --seed 71 {GENERATED}"));
    let records = in_pieces(&desk, &events, &[1, 5_000, 5_001, 12_000], "");
    check_records(&explained, &events, &records, FILES);
}

fn originals_give_way_to_keys() {
    let desk = Desk::new();
    let (events, explained) = generated(&desk, &format!("--events 60000 --seed 72 {GENERATED}"));
    let records = in_pieces(&desk, &events, &[15_000, 30_000, 45_000], "--max-store-capacity 3MiB");
    let records = by_duplicate(&records);
    assert_eq!(records.len(), explained.len(), "every key is still known");
    let is_unscored = |is: &&Explained| records[&is.place]["outcome"] == "unscored";
    let (unscored, scored): (Vec<_>, Vec<_>) = explained.iter().partition(is_unscored);
    println!("{} of {} could not be scored", unscored.len(), explained.len());
    assert!(unscored.len() > 100 && scored.len() > 100, "{} and {}", unscored.len(), scored.len());
    for duplicate in scored {
        let record = records[&duplicate.place];
        duplicate.check_identity(record, FILES);
        assert_eq!(record["count"], duplicate.count, "{record}");
    }
    for duplicate in unscored {
        let record = records[&duplicate.place];
        assert_eq!(record["unscored"], "the original is not kept", "{record}");
        assert_eq!(
            (&record["count"], &record["original"]["uuid"]),
            (&duplicate.count.into(), &Value::Null),
            "{record}"
        );
    }
}

fn a_duplicate_may_be_an_original_itself() {
    let desk = Desk::new();
    let lines = [
        r#"{"uuid":"u1","user":"a","time":1,"n":0}"#,
        r#"{"uuid":"u1","user":"b","time":2,"n":1}"#,
        r#"{"uuid":"u2","user":"b","time":2,"n":1}"#,
        r#"{"uuid":"u3","user":"a","time":1,"n":0}"#,
        r#"{"uuid":"u1","user":"z","time":9,"n":0}"#,
        r#"{"uuid":"u2","user":"y","time":8,"n":1}"#,
    ];
    desk.write("in", lines.join("\n"));
    let mut command = desk.command(&format!("--store-path store {RUN} --plugin-config"));
    command.arg(r#"[["/uuid"],["/user","/time"]]"#).args(plugins(&["multi_key", "property_similarity"]));
    let _ok = end(command).ok();
    let told = |record: &Value| {
        let original: usize = record["original"]["offset"].to_string().parse().expect("an offset");
        let first: Value = serde_json::from_str(lines[original]).expect("JSON");
        assert_eq!(record["original"]["event"], first, "{record}");
        json!([record["duplicate"]["offset"], original, record["count"], record["distinct_uuids"], record["outcome"]])
    };
    let said: Vec<_> = records(&desk).iter().map(told).collect();
    let expected = [
        json!([1, 0, 1, 1, "same_uuid"]),
        json!([2, 1, 1, 2, "only_uuid_different"]),
        json!([3, 0, 2, 2, "only_uuid_different"]),
        json!([4, 0, 3, 2, "same_uuid"]),
        json!([5, 2, 1, 1, "same_uuid"]),
    ];
    assert_eq!(said, expected);
}

/// The counts of a key go on whatever scores; what was not kept is not made up.
fn a_scorer_comes_and_goes() {
    let desk = Desk::new();
    let runs: [(&[&str], &[&str]); 5] = [
        (&["composite_key"], &[]),
        (&["composite_key", "property_similarity"], &[]),
        (&["composite_key", "string_distance"], &[]),
        (&["composite_key", "property_similarity"], &["--scorer-config", r#"{"fields":["/v"]}"#]),
        (&["composite_key"], &[]),
    ];
    for (number, (names, words)) in (0_u64..).zip(runs) {
        let event = |key: &str, uuid: u64| format!("{{\"id\":\"{key}\",\"uuid\":\"u{uuid}\",\"v\":1}}\n");
        let own = format!("of-{number}");
        desk.write("in", event("old", number) + &event(&own, 10) + &event(&own, 11) + &event(&own, 12));
        let mut command = desk.command(&format!("--store-path store {RUN} --plugin-config /id"));
        command.args(plugins(names)).args(words);
        let _ok = end(command).ok();
        let records = records(&desk);
        let (own, old): (Vec<_>, Vec<_>) = records.iter().partition(|record| record["key"] == own.as_str());
        for record in old {
            assert_eq!((&record["outcome"], &record["count"]), (&"unscored".into(), &number.into()), "{record}");
            assert!(record["distinct_uuids"].is_null(), "nobody knows the original's: {record}");
        }
        let counts: Vec<_> =
            own.iter().map(|record| (record["count"].as_u64(), record["distinct_uuids"].as_u64())).collect();
        let known = |distinct: u64| (names.len() > 1).then_some(distinct);
        assert_eq!(counts, [(Some(1), known(2)), (Some(2), known(3))], "run {number}");
        let scored = own.iter().filter(|record| record["outcome"] != "unscored").count();
        assert_eq!(scored, if names.len() > 1 { 2 } else { 0 }, "run {number}");
    }
}
