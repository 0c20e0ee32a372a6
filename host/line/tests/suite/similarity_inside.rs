//! `--forward-below-similarity` where what the scorer reads stands in a string of JSON text: pairs are compared by what they
//! say there.

use connectors::Lane;
use connectors::memory::Outbox;
use engine::projection::JsonIn;
use line::{ExplanationConfig, Rules};

use crate::scene::{self, World};

fn event(id: &str, property: u8) -> String {
    format!(
        r#"{{"padding":"so that places in the event are others than in the string","data":"{{\"id\":\"{id}\",\"p\":{property}}}"}}"#
    )
}

#[test]
fn events_are_as_alike_as_their_strings_say() {
    let json_in = JsonIn::new(&["/data"]).expect("a pointer");
    let explain = ExplanationConfig { keep_originals: true, forward_below: Some(0.5), redact: false };
    let rules = Rules { json_in, explain, ..Rules::default() };
    let mut world = World::new(rules, &scene::plugins("/data/id", Some(r#"{"fields":["/data/p"]}"#)));
    let mut sink = Outbox::listening(&[Lane::Output, Lane::Duplicates]);
    let [one, two] = [1, 2].map(|property| event("a", property));
    // The original is in the same batch, and then in the state.
    let tally = world.process(&[&one, &two, &one, &two], &mut sink).expect("processed");
    assert_eq!((tally.unique, tally.dissimilar, tally.duplicate), (1, 1, 2));
    let tally = world.process(&[&two, &event("a", 3), &one], &mut sink).expect("processed");
    assert_eq!((tally.unique, tally.dissimilar, tally.duplicate), (0, 1, 2));
    assert_eq!((sink.of(Lane::Output).len(), sink.of(Lane::Duplicates).len()), (3, 4));
}
