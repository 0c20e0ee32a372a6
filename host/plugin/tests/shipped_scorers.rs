//! The shipped scorers in the sandbox: that they give the golden answers, and that they say what the same code says
//! natively. They have to be built before.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;

use common::shipped;
use dedup_plugin::testing::{self, Case, Comparison, Harness, Pairs, no_pairs};
use dedup_plugin::{Kind as GuestKind, SimilarityScorer, Value};
use engine::fields::{Column, Kind};
use engine::properties::{Comparisons, PairBatch};
use engine::time::parse_event_time;
use plugin::{Input, Limits, LoadError, Plugin, Roles, Runtime, Scorer};
use property_similarity::PropertySimilarity;
use string_distance::StringDistance;

const PROPERTY_SIMILARITY: &str = include_str!("../../../guest-plugins/property_similarity/golden.json");
const STRING_DISTANCE: &str = include_str!("../../../guest-plugins/string_distance/golden.json");

fn batch(pairs: &Pairs) -> PairBatch {
    let column = |column: &testing::Column| Column { data: column.data.clone(), ends: column.ends.clone() };
    PairBatch {
        ends: pairs.ends.clone(),
        paths: column(&pairs.paths),
        original_kinds: pairs.original_kinds.clone(),
        originals: column(&pairs.originals),
        duplicate_kinds: pairs.duplicate_kinds.clone(),
        duplicates: column(&pairs.duplicates),
    }
}

/// What the component says, in the words of the contract.
fn answer_of(scorer: &mut Scorer, pairs: &Pairs) -> testing::Comparisons {
    let mut out = Comparisons::default();
    let calls = scorer.compare(&batch(pairs), &mut out).unwrap();
    assert_eq!((calls.traps, calls.failed), (0, vec![]));
    let scores: Vec<_> = out.scores.iter().map(|score| score.unwrap()).collect();
    testing::Comparisons {
        similarity: scores.iter().map(|score| score.similarity).collect(),
        property_similarity: scores.iter().map(|score| score.property_similarity).collect(),
        verdicts: out.verdicts.iter().map(|verdict| *verdict as u8).collect(),
    }
}

fn gives_the_golden_answers(runtime: &Runtime, name: &str, golden: &str) {
    let cases = testing::cases(golden).unwrap();
    assert!(cases.len() >= 10, "only {} cases", cases.len());
    // Compiling a plugin is what takes time here.
    let mut plugins: BTreeMap<&str, Plugin> = BTreeMap::new();
    for case in &cases {
        let Case { config, original, duplicate, .. } = case;
        let load = || runtime.load(&shipped(name), Some(config.as_str())).unwrap();
        let plugin = plugins.entry(config).or_insert_with(load);
        let Some(Input::Fields(roots)) = plugin.scorer_input() else { panic!("{name} reads fields") };
        let mut pairs = no_pairs();
        testing::push_events(&mut pairs, original, duplicate, roots).unwrap();
        testing::push_events(&mut pairs, duplicate, original, roots).unwrap();
        let answer = answer_of(&mut plugin.scorer().unwrap(), &pairs);
        for said in Comparison::of(&pairs, &answer) {
            case.check(&said).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        }
    }
}

/// Runs every event of the golden cases against every other, all in one batch, through both.
fn agrees_with_native<T: SimilarityScorer>(runtime: &Runtime, name: &str, golden: &str, config: &str) {
    let cases = testing::cases(golden).unwrap();
    let events: Vec<&String> = cases.iter().flat_map(|case| [&case.original, &case.duplicate]).collect();
    let plugin = runtime.load(&shipped(name), Some(config)).unwrap();
    let native = Harness::<T>::new_scorer(config).unwrap();
    assert_eq!(plugin.scorer_input(), Some(&Input::Fields(native.fields().to_vec())));
    let mut pairs = no_pairs();
    for original in &events {
        for duplicate in &events {
            testing::push_events(&mut pairs, original, duplicate, native.fields()).unwrap();
        }
    }
    let (expected, said) = (native.compare(&pairs), answer_of(&mut plugin.scorer().unwrap(), &pairs));
    assert_eq!(said.similarity.len(), events.len() * events.len());
    assert!(said == expected, "{name} with {config}: wasm and native differ");
}

#[test]
fn golden_answers() {
    let runtime = Runtime::new(Limits::default()).unwrap();
    gives_the_golden_answers(&runtime, "property_similarity", PROPERTY_SIMILARITY);
    gives_the_golden_answers(&runtime, "string_distance", STRING_DISTANCE);
}

#[test]
fn scorers_say_what_they_say_natively() {
    let runtime = Runtime::new(Limits::default()).unwrap();
    let (property_similarity, string_distance) = ("property_similarity", "string_distance");
    for config in ["", r#"{"ignore": ["/uuid"], "times": [""], "unordered": [""], "field_weight": 0.3}"#] {
        agrees_with_native::<PropertySimilarity>(&runtime, property_similarity, PROPERTY_SIMILARITY, config);
    }
    for config in ["", r#"{"ignore": ["/uuid"], "weights": {"/properties": 3, "/event": 0.1}}"#] {
        agrees_with_native::<StringDistance>(&runtime, string_distance, STRING_DISTANCE, config);
    }
}

#[test]
fn scorers_say_who_they_are() {
    let runtime = Runtime::new(Limits::default()).unwrap();
    for name in ["property_similarity", "string_distance"] {
        let plugin = runtime.load(&shipped(name), None).unwrap();
        assert_eq!((plugin.name(), plugin.key_version()), (name, 1));
        assert_eq!(plugin.roles(), Roles { extracts_keys: false, scores: true });
        assert_eq!(plugin.scorer_input(), Some(&Input::Fields(vec![String::new()])));
        let error = runtime.load(&shipped(name), Some(r#"{"feilds": []}"#)).unwrap_err();
        assert!(matches!(error, LoadError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("refuses its configuration: unknown field `feilds`"), "{error}");
    }
}

/// The plugin reads times by itself, as it can ask nobody.
#[test]
fn times_are_those_of_the_host() {
    let native = Harness::<PropertySimilarity>::new_scorer("").unwrap();
    let texts = [
        "2024-01-01T12:00:00Z",
        "2024-01-01t12:00:00.25+02:00",
        "2024-02-29 23:59:60,5-0330",
        "2024-01-01T12:00:00",
        "2024-02-31T12:00:00Z",
        "2024-13-01T12:00:00Z",
        "2024-01-32T12:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01",
        "2024-01-01T12:00Z",
        "2024-01-01T12:00:00+2",
        "2024-01-01T12:00:00Zulu",
        "2024-01-01T12:00:00.Z",
        "2024-01-01 12:00:00+00",
        "2024-01-01 12:00:00.5 UTC",
        "2024-01-01 12:00:00 +0000 UTC m=+0.01",
        "2024-01-01T12:00:00+99:00",
        "2024-01-01T12:30:60Z",
        "20240101T120000Z",
        "2024-01-01T13:00+01:00[Europe/Paris]",
        "Mon, 01 Jan 2024 12:00:00 GMT",
        "Mon Jan 01 2024 12:00:00 GMT+0000 (Coordinated Universal Time)",
        "Mon Jan  1 12:00:00 UTC 2024",
        "01/02/2024",
        "",
        "inf",
        "nan",
        "1704110400",
        "1704110400123",
        "1704110400123000",
        "1704110400123000000",
        "1.7041104e9",
        "+1704110400.5",
        "1e999",
        "99999999999",
        "100000000000",
        "99999999999999",
        "100000000000000",
        "1e22",
        "1_000_000_000",
        " 1704110400",
        "0x65",
    ];
    let mut times = 0;
    for text in texts {
        for (kind, guest_kind) in [(Kind::String, GuestKind::String), (Kind::Number, GuestKind::Number)] {
            // Only numbers are of the kind number.
            if kind == Kind::Number && text.parse::<f64>().is_err() {
                continue;
            }
            let millis = parse_event_time(kind, text.as_bytes()).ok();
            let nanos = format!("{}000000", millis.unwrap_or(1_704_110_400_000));
            let row = ("/timestamp", Value::new(guest_kind, text), Value::new(GuestKind::String, &nanos));
            let said = native.compare_rows(&[row]);
            assert_eq!(said.changed.is_empty(), millis.is_some(), "\"{text}\" as {kind:?} is {millis:?} to the host");
            times += usize::from(millis.is_some());
        }
    }
    assert!(times > 20, "only {times} were times");
}

#[test]
fn longest_strings_stay_far_inside_the_time_of_a_call() {
    let runtime = Runtime::new(Limits::default()).unwrap();
    let mut scorer = runtime.load(&shipped("string_distance"), None).unwrap().scorer().unwrap();
    let (left, right) = ("ab".repeat(512), "ba".repeat(512));
    let string = |text| Value::new(GuestKind::String, text);
    let mut pairs = no_pairs();
    for _ in 0..1000 {
        testing::push_rows(&mut pairs, [("/a", string(&left), string(&right))]);
    }
    // One edit at either end of what is compared, and all that comes after.
    let expected = 1.0 - (2.0 + 512.0) / 1024.0;
    assert!(answer_of(&mut scorer, &pairs).similarity.iter().all(|similarity| (similarity - expected).abs() < 1e-12));
}
