//! Duplicates explained, on a real Kafka: what records, metrics and answers say of each, against a model that works it
//! out anew from the events.

use std::collections::{BTreeMap, BTreeSet};

use dedup_host_tests::Test;
use dedup_host_tests::broker::{Seen, record};
use dedup_host_tests::explained::answers::{Sums, check_latest};
use dedup_host_tests::explained::stream::{Outcome, Stream, plugins};
use dedup_host_tests::explained::{Explained, RULES, Rules, Scorer, by_duplicate, check_records, explain};
use dedup_host_tests::scene::{LANES, Scene};
use serde_json::Value;

pub(crate) const TESTS: &[Test] = &[
    ("every_duplicate_is_explained_as_the_model_explains_it", every_duplicate_is_explained_as_the_model_explains_it),
    ("another_scorer_changes_scores_and_nothing_else", another_scorer_changes_scores_and_nothing_else),
    ("duplicates_unlike_their_original_are_forwarded", duplicates_unlike_their_original_are_forwarded),
    ("redacted_records_and_answers_hold_no_value", redacted_records_and_answers_hold_no_value),
    ("the_key_of_a_redacted_record_is_the_one_it_tells_of", the_key_of_a_redacted_record_is_the_one_it_tells_of),
    ("without_originals_nothing_is_counted_or_scored", without_originals_nothing_is_counted_or_scored),
    ("without_a_scorer_duplicates_are_counted", without_a_scorer_duplicates_are_counted),
];

const SCORED: &[&str] = &["composite_key", "property_similarity"];

/// Many duplicates of few originals, two in three with another uuid, half of them with other properties.
const MANY: &str = "--events 20000 --duplicates 0.9 --distance-max 3000 --same-uuid 0.3 --altered 0.5 --users 2000";
const FEWER: &str = "--events 10000 --duplicates 0.7 --distance-max 3000 --same-uuid 0.3 --altered 0.5 --users 2000";

fn stream(name: &str, seed: u64, words: &str) -> Stream {
    Stream::generate(Scene::new(name, 4), &format!("--seed {seed} {words}"))
}

fn scored(more: &[&str]) -> Vec<String> {
    plugins(SCORED).into_iter().chain(more.iter().map(|word| (*word).to_owned())).collect()
}

/// Unique and duplicate and dissimilar events, and that they are all.
fn check_decisions(stream: &Stream, outcome: &Outcome, forwarded: usize) {
    let (events, duplicates) = (stream.events.len(), stream.explained.len());
    let decided = ["unique", "duplicate", "dissimilar", "late", "keyless", "dead_letter"];
    let said = decided.map(|name| outcome.metrics.decided(name));
    let expected = [events - duplicates, duplicates - forwarded, forwarded, 0, 0, 0].map(|count| count as u64);
    assert_eq!(said, expected, "{decided:?}\n{}", outcome.metrics.text);
    assert_eq!(outcome.metrics.count("dedup_host_undecided_records", &[]), 0);
    assert_eq!(outcome.metrics.count("dedup_host_duplicates_forwarded_total", &[]), forwarded as u64);
    let totals = &outcome.duplicates["totals"];
    assert_eq!(decided.map(|name| totals[name].as_u64()), expected.map(Some), "{totals}");
}

fn every_duplicate_is_explained_as_the_model_explains_it() {
    let stream = stream("explained", 41, MANY);
    let heaviest = stream.explained.iter().map(|duplicate| (duplicate.count, duplicate.distinct_uuids)).max();
    let (most, uuids) = heaviest.expect("there are duplicates");
    assert!(most > 20 && uuids > 16, "{most} duplicates and {uuids} uuids of one key show too little");

    let outcome = stream.run("all", &scored(&[]));

    check_decisions(&stream, &outcome, 0);
    check_records(&stream.explained, &stream.events, &outcome.records, &stream.scene.input);
    check_keys_of_letters(&outcome);
    let sums = Sums::of(&stream.explained);
    assert_eq!(sums.outcomes.len(), 4, "all kinds of duplicates are there: {:?}", sums.outcomes);
    sums.check_metrics(&outcome.metrics);
    sums.check_duplicates(&outcome.duplicates);
    sums.check_keys(&outcome.keys);
    check_latest(&stream.explained, &outcome.latest);
    for record in &outcome.records {
        let name = |role: &str| record[role]["name"].as_str().map(str::to_owned);
        assert_eq!([name("extractor"), name("scorer")].map(Option::unwrap_or_default), *SCORED, "{record}");
    }
}

/// The record of a duplicate has the key that the duplicate itself would have.
fn check_keys_of_letters(outcome: &Outcome) {
    for (letter, record) in outcome.letters.iter().zip(&outcome.records) {
        let uuid = record["duplicate"]["uuid"].as_str().expect("generated events have one");
        assert_eq!(letter.key.as_deref(), Some(uuid.as_bytes()));
    }
}

/// What a scorer may have its say in.
const OF_SCORERS: [&str; 6] = ["similarity", "property_similarity", "changed", "same", "scorer", "outcome"];

/// Estimates of uuids are left out too: each store hashes in its own way.
fn without_scores(records: &[Value]) -> BTreeMap<(i64, i64), Value> {
    let rest = |record: &Value| {
        let mut rest = record.clone();
        let estimated = record["distinct_uuids_exact"] == false;
        let is_left_out = |name: &str| OF_SCORERS.contains(&name) || estimated && name == "distinct_uuids";
        rest.as_object_mut().expect("an object").retain(|name, _| !is_left_out(name));
        rest
    };
    by_duplicate(records).into_iter().map(|(place, record)| (place, rest(record))).collect()
}

fn another_scorer_changes_scores_and_nothing_else() {
    let stream = stream("scorers", 42, FEWER);
    let first = stream.run("first", &scored(&[]));
    check_records(&stream.explained, &stream.events, &first.records, &stream.scene.input);
    let strings = plugins(&["composite_key", "string_distance"]);
    let variants = [
        ("strings", strings, Rules { scorer: Scorer::Strings, ..RULES }),
        ("ignoring", scored(&["--scorer-config", r#"{"ignore":["/uuid"]}"#]), Rules { ignore: &["/uuid"], ..RULES }),
    ];
    for (name, arguments, rules) in variants {
        let explained = explain(&stream.events, &rules);
        let differ = |(one, other): (&Explained, &Explained)| one.similarity != other.similarity;
        assert!(stream.explained.iter().zip(&explained).filter(|pair| differ(*pair)).count() > 1_000, "{name}");

        let outcome = stream.run(name, &arguments);

        check_decisions(&stream, &outcome, 0);
        check_records(&explained, &stream.events, &outcome.records, &stream.scene.input);
        Sums::of(&explained).check_metrics(&outcome.metrics);
        assert!(without_scores(&outcome.records) == without_scores(&first.records), "{name}: more than scores differ");
        assert!(contents(&outcome.output) == contents(&first.output), "{name}: decisions differ");
    }
}

/// Payload, key and time of a record.
type Content = (Vec<u8>, Option<Vec<u8>>, Option<i64>);

/// What is in a topic, whatever the order between partitions.
fn contents(output: &[Seen]) -> BTreeSet<Content> {
    let found: BTreeSet<_> =
        output.iter().map(|out| (out.payload.clone().unwrap_or_default(), out.key.clone(), out.timestamp)).collect();
    assert_eq!(found.len(), output.len(), "an event is in the output twice");
    found
}

fn duplicates_unlike_their_original_are_forwarded() {
    // All have their own uuid, so that each can be told in the output.
    let stream = stream("dissimilar", 43, &FEWER.replace("--same-uuid 0.3", "--same-uuid 0"));
    let bound = stream.bound(0.33);
    let explained = explain(&stream.events, &Rules { forward_below: Some(bound), ..RULES });
    let (below, above): (Vec<_>, Vec<_>) = explained.iter().cloned().partition(|duplicate| duplicate.forwarded);
    assert!(below.len() > 500 && above.len() > 500, "{} below {bound}, {} above", below.len(), above.len());

    let outcome = stream.run("bound", &scored(&["--forward-below-similarity", &bound.to_string()]));

    check_decisions(&stream, &outcome, below.len());
    check_records(&above, &stream.events, &outcome.records, &stream.scene.input);
    // What passes is looked at as duplicates are, and counted for no key.
    Sums::of(&explained).check_metrics(&outcome.metrics);
    Sums::of(&explained).check_keys(&outcome.keys);
    let held_back: BTreeSet<_> = above.iter().map(|duplicate| duplicate.place).collect();
    let passed = stream.events.iter().filter(|event| !held_back.contains(&(event.partition, event.offset)));
    let expected: BTreeSet<_> = passed
        .map(|event| {
            let uuid = event.json()["uuid"].as_str().map(|uuid| uuid.as_bytes().to_vec());
            (event.payload.clone(), uuid, event.time)
        })
        .collect();
    assert!(contents(&outcome.output) == expected, "the output is not the unique and the dissimilar events");
}

/// Strings of events that stand nowhere but in events, and lists as they are written. Uuids are coordinates: they stay.
fn values(stream: &Stream) -> BTreeSet<String> {
    const CHARS_MIN: usize = 8;
    let mut found = BTreeSet::new();
    for event in &stream.events {
        for (path, value) in dedup_host_tests::explained::properties(&event.json()) {
            let text = value.as_str().filter(|text| path != "/uuid" && text.len() >= CHARS_MIN);
            let list = value.as_array().filter(|items| !items.is_empty());
            found.extend(text.map(str::to_owned));
            found.extend(list.map(|_| value.to_string()));
        }
    }
    assert!(found.len() > 1_000, "{} values show too little", found.len());
    found
}

fn redacted_records_and_answers_hold_no_value() {
    let stream = stream("redacted", 44, "--events 3000 --duplicates 0.7 --distance-max 3000 --altered 0.5");
    let config = stream.scene.path("redact.toml");
    std::fs::write(&config, "redact_values = true\n").expect("a file");
    let outcome = stream.run("hidden", &scored(&["--config", &config.display().to_string()]));
    check_decisions(&stream, &outcome, 0);
    let letters: String = outcome.letters.iter().map(Seen::text).collect();
    let answers = [&outcome.duplicates, &outcome.keys, &outcome.latest].map(Value::to_string).concat();
    for value in values(&stream) {
        for (name, text) in [("records", &letters), ("answers", &answers)] {
            assert!(!text.contains(&value), "{name} hold {value:?}");
        }
    }
    let records = by_duplicate(&outcome.records);
    assert_eq!(records.len(), stream.explained.len());
    for duplicate in &stream.explained {
        let record = records[&duplicate.place];
        assert!(
            record["key"].as_str().is_some_and(|key| key.len() == 76 && key.starts_with("hmac-sha256:")),
            "{record}"
        );
        for side in ["original", "duplicate"] {
            assert!(record[side].get("event").or(record[side].get("fields")).is_none(), "{record}");
        }
        duplicate.check_counts(record);
        assert_eq!(record["outcome"], duplicate.outcome, "{record}");
        for change in record["changed"].as_array().expect("a list") {
            assert!(change.get("original").or(change.get("duplicate")).is_none(), "{record}");
        }
    }
    Sums::of(&stream.explained).check_metrics(&outcome.metrics);
    assert_eq!((&outcome.duplicates["redacted"], &outcome.latest["redacted"]), (&true.into(), &true.into()));
}

/// Of events without a uuid, whose records have keys of their own that nobody may read.
fn the_key_of_a_redacted_record_is_the_one_it_tells_of() {
    let scene = Scene::new("redacted-keys", 1);
    let event = |id: u8, key: &str| Seen { key: Some(key.into()), ..record(format!(r#"{{"id":{id}}}"#)) };
    let made = [event(1, "alice"), event(1, "alice"), event(2, "bob"), event(1, "carol"), event(2, "bob")];
    scene.broker.produce_records(&scene.input, &made);
    let config = scene.path("redact.toml");
    std::fs::write(&config, "redact_values = true\n").expect("a file");
    let (metrics, _) = scene.run(LANES, &["--plugin-config", "/id", "--config", &config.display().to_string()]);
    metrics.check([2, 3, 0, 0, 0]);
    let told = scene.read("duplicates").into_iter().map(|seen| {
        let body: Value = serde_json::from_str(&seen.text()).expect("JSON");
        let key = String::from_utf8(seen.key.expect("a key")).expect("text");
        assert_eq!(body["key"], key.as_str(), "{body}");
        assert!(key.starts_with("hmac-sha256:"), "{key}");
        key
    });
    let told: Vec<String> = told.collect();
    assert!(told.len() == 3 && told[0] == told[1] && told[0] != told[2], "the same key, the same text: {told:?}");
    let output: Vec<_> = scene.read("output").into_iter().map(|seen| seen.key).collect();
    assert_eq!(output, [Some(b"alice".to_vec()), Some(b"bob".to_vec())], "events pass as they came");
}

fn without_originals_nothing_is_counted_or_scored() {
    let stream = stream("no-originals", 45, "--events 5000 --duplicates 0.7 --distance-max 3000");
    let outcome = stream.run("off", &scored(&["--keep-originals", "off"]));
    check_decisions(&stream, &outcome, 0);
    let records = by_duplicate(&outcome.records);
    assert_eq!(records.len(), stream.explained.len());
    for duplicate in &stream.explained {
        let record = records[&duplicate.place];
        assert_eq!(record["outcome"], "unscored", "{record}");
        assert!(record["count"].is_null() && record["distinct_uuids"].is_null(), "{record}");
        assert!(record["unscored"].as_str().is_some_and(|reason| !reason.is_empty()), "{record}");
        assert_eq!(record["original"]["offset"], duplicate.original, "{record}");
        assert!(record.get("similarity").or(record.get("changed")).is_none(), "{record}");
    }
    check_all_unscored(&stream, &outcome);
    assert_eq!(outcome.keys["keys"].as_array().map(Vec::len), Some(0), "{}", outcome.keys);
}

fn without_a_scorer_duplicates_are_counted() {
    let stream = stream("no-scorer", 46, "--events 5000 --duplicates 0.7 --distance-max 3000");
    let outcome = stream.run("alone", &plugins(&["composite_key"]));
    check_decisions(&stream, &outcome, 0);
    let records = by_duplicate(&outcome.records);
    assert_eq!(records.len(), stream.explained.len());
    for duplicate in &stream.explained {
        let record = records[&duplicate.place];
        assert_eq!(record["outcome"], "unscored", "{record}");
        assert!(record["unscored"].as_str().is_some_and(|reason| reason.contains("scor")), "{record}");
        assert!(record["scorer"].is_null(), "{record}");
        assert_eq!(
            (&record["count"], &record["original"]["offset"]),
            (&duplicate.count.into(), &duplicate.original.into())
        );
        assert_eq!(record["key"].as_str(), Some(&*duplicate.key));
    }
    check_all_unscored(&stream, &outcome);
    let counts =
        |answer: &Value| answer["keys"].as_array().expect("a list").iter().map(|key| key["duplicates"].as_u64()).max();
    let most = stream.explained.iter().map(|duplicate| duplicate.count).max();
    assert_eq!(counts(&outcome.keys), Some(most), "{}", outcome.keys);
}

fn check_all_unscored(stream: &Stream, outcome: &Outcome) {
    let said = outcome.metrics.count("dedup_host_duplicates_total", &["outcome=\"unscored\""]);
    assert_eq!(said, stream.explained.len() as u64, "{}", outcome.metrics.text);
    assert_eq!(outcome.metrics.count("dedup_host_duplicates_total", &[]), said);
    assert_eq!(outcome.metrics.count("dedup_host_duplicate_similarity_count", &[]), 0);
}
