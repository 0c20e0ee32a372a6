//! What the definition promises, over random events: 0 to 1, 1 for an event and itself, no side preferred, and never more
//! alike for one more property that differs.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use dedup_plugin::testing::Harness;
use property_similarity::PropertySimilarity;
use serde_json::{Map, Value, json};

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % end
    }
}

const NAMES: [&str; 8] = ["uuid", "event", "timestamp", "$set", "a/b", "é", "", "properties"];
const CONFIGS: [&str; 5] = [
    "",
    r#"{"ignore": ["/uuid", "/properties/$set"], "unordered": [""]}"#,
    r#"{"times": [""], "field_weight": 0}"#,
    r#"{"field_weight": 1, "properties": ""}"#,
    r#"{"field_weight": 0.1, "properties": "/$set", "fields": ["/$set", "/event", "/properties"]}"#,
];

fn value(numbers: &mut Numbers, depth: usize) -> Value {
    let number = numbers.below(3);
    match numbers.below(if depth == 0 { 7 } else { 9 }) {
        0 => Value::Null,
        1 => json!(number == 0),
        2 => json!(number),
        3 => json!(["", "x", "1704110400"][number]),
        4 => json!(["2024-01-01T12:00:00Z", "2024-01-01T13:00:00.0+01:00", "2024-01-01"][number]),
        5 => json!([[1, 2], [2, 1], [2, 2]][number]),
        6 => [json!({}), json!([]), json!([{"x": "]"}])][number].clone(),
        _ => Value::Object(object(numbers, depth - 1)),
    }
}

fn object(numbers: &mut Numbers, depth: usize) -> Map<String, Value> {
    (0..numbers.below(9)).map(|_| (NAMES[numbers.below(NAMES.len())].to_owned(), value(numbers, depth))).collect()
}

fn event(numbers: &mut Numbers) -> Value {
    let mut event = object(numbers, 2);
    if numbers.below(3) > 0 {
        event.insert("properties".to_owned(), Value::Object(object(numbers, 2)));
    }
    Value::Object(event)
}

#[test]
fn scores_go_from_0_to_1_and_prefer_no_side() {
    let mut numbers = Numbers(11);
    for config in CONFIGS {
        let scorer = Harness::<PropertySimilarity>::new_scorer(config).unwrap();
        let (mut between, mut changed) = (0, 0);
        for _ in 0..2000 {
            let (original, duplicate) = (event(&mut numbers).to_string(), event(&mut numbers).to_string());
            let said = scorer.compare_events(&original, &duplicate).unwrap();
            for score in [said.score.similarity, said.score.property_similarity] {
                assert!((0.0..=1.0).contains(&score), "{score} for {original} and {duplicate}");
            }
            assert_eq!(scorer.compare_events(&duplicate, &original).unwrap(), said, "{original} and {duplicate}");
            between += usize::from(said.score.similarity > 0.0 && said.score.similarity < 1.0);
            changed += usize::from(!said.changed.is_empty());
        }
        assert!(between > 30 && changed > 1000, "{between} and {changed} of 2000: the events prove little");
    }
}

#[test]
fn an_event_and_itself_are_the_same() {
    let mut numbers = Numbers(12);
    for config in CONFIGS {
        let scorer = Harness::<PropertySimilarity>::new_scorer(config).unwrap();
        for _ in 0..2000 {
            let event = event(&mut numbers).to_string();
            let said = scorer.compare_events(&event, &event).unwrap();
            assert_eq!((said.score.similarity, said.score.property_similarity), (1.0, 1.0), "{event}");
            assert!(said.changed.is_empty(), "{event}");
        }
    }
}

/// Changes one property of an event to a value that stands nowhere else, removes it, or adds one. It never takes back
/// what an earlier edit did: an added property is not removed, nor is one removed in whose place an empty object remains.
fn edit(event: &mut Value, numbers: &mut Numbers, fresh: u32) {
    let mut at = event;
    loop {
        let members = at.as_object_mut().unwrap();
        let names: Vec<String> = members.keys().cloned().collect();
        let Some(name) = (!names.is_empty()).then(|| names[numbers.below(names.len())].clone()) else { return };
        if members[&name].as_object().is_some_and(|inner| !inner.is_empty()) {
            at = members.get_mut(&name).unwrap();
            continue;
        }
        let may_go = members.len() > 1 && !name.starts_with("fresh");
        match numbers.below(3) {
            0 => members.insert(format!("fresh {fresh}"), json!(fresh)),
            1 if may_go => members.remove(&name),
            _ => members.insert(name, json!(format!("fresh {fresh}"))),
        };
        return;
    }
}

#[test]
fn more_edits_never_make_events_more_alike() {
    let mut numbers = Numbers(13);
    for config in CONFIGS {
        let scorer = Harness::<PropertySimilarity>::new_scorer(config).unwrap();
        let mut falls = 0;
        for _ in 0..300 {
            let original = event(&mut numbers);
            let (mut edited, mut before) = (original.clone(), 1.0);
            for fresh in 0..10 {
                edit(&mut edited, &mut numbers, fresh);
                let said = scorer.compare_events(&original.to_string(), &edited.to_string()).unwrap();
                assert!(
                    said.score.similarity <= before,
                    "{} after {before}: {original} and {edited}",
                    said.score.similarity
                );
                falls += usize::from(said.score.similarity < before);
                before = said.score.similarity;
            }
        }
        assert!(falls > 200, "only {falls} edits were seen: the events prove little");
    }
}
