//! What the definition promises, over random events: 0 to 1, 1 for an event and itself, no side preferred.
#![expect(clippy::indexing_slicing, reason = "tests")]

use dedup_plugin::testing::Harness;
use serde_json::{Map, Value, json};
use string_distance::StringDistance;

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % end
    }
}

const CONFIGS: [&str; 3] =
    ["", r#"{"weights": {"/a": 0.1, "/properties": 3, "/properties/a": 7}}"#, r#"{"ignore": ["/a", "/properties/b"]}"#];

fn text(numbers: &mut Numbers) -> String {
    let longest = [3, 20, 700][numbers.below(3)];
    (0..numbers.below(longest)).map(|_| ['a', 'b', 'é', '😀'][numbers.below(4)]).collect()
}

fn members(numbers: &mut Numbers) -> Map<String, Value> {
    let value = |numbers: &mut Numbers| match numbers.below(6) {
        0 => json!(numbers.below(2)),
        1 => Value::Null,
        _ => json!(text(numbers)),
    };
    ["a", "b", "c", "d"][..numbers.below(5)].iter().map(|name| ((*name).to_owned(), value(numbers))).collect()
}

fn event(numbers: &mut Numbers) -> String {
    let mut event = members(numbers);
    event.insert("properties".to_owned(), Value::Object(members(numbers)));
    Value::Object(event).to_string()
}

#[test]
fn scores_go_from_0_to_1_and_prefer_no_side() {
    let mut numbers = Numbers(21);
    for config in CONFIGS {
        let scorer = Harness::<StringDistance>::new_scorer(config).unwrap();
        let mut between = 0;
        for _ in 0..500 {
            let (original, duplicate) = (event(&mut numbers), event(&mut numbers));
            let said = scorer.compare_events(&original, &duplicate).unwrap();
            for score in [said.score.similarity, said.score.property_similarity] {
                assert!((0.0..=1.0).contains(&score), "{score} for {original} and {duplicate}");
            }
            assert_eq!(scorer.compare_events(&duplicate, &original).unwrap(), said, "{original} and {duplicate}");
            between += usize::from(said.score.similarity > 0.0 && said.score.similarity < 1.0);
        }
        assert!(between > 150, "{between} of 500: the events prove little");
    }
}

#[test]
fn an_event_and_itself_are_the_same() {
    let mut numbers = Numbers(22);
    for config in CONFIGS {
        let scorer = Harness::<StringDistance>::new_scorer(config).unwrap();
        for _ in 0..500 {
            let event = event(&mut numbers);
            let said = scorer.compare_events(&event, &event).unwrap();
            assert_eq!((said.score.similarity, said.score.property_similarity), (1.0, 1.0), "{event}");
            assert!(said.changed.is_empty(), "{event}");
        }
    }
}
