//! Events that differ from another in so many places, drawn. Not a measure of how far they are apart: that is what
//! scorers are asked for.

use super::draw::Draw;
use super::events::leaves;
use super::json::Json;

/// An event and copies of it in which more and more places differ: each has the edits of the one before, and more.
/// There are as many copies as `counts`, fewer edits where the event has fewer places. Places are those at and below
/// `roots`.
pub(crate) fn edited(event: &Json, roots: &[String], counts: &[usize], draw: &mut Draw) -> Vec<Json> {
    let mut places = Vec::new();
    leaves(event, &mut String::new(), &mut places);
    places.retain(|place| roots.is_empty() || roots.iter().any(|root| is_below(root, place)));
    draw.shuffle(&mut places);
    let (mut edited, mut done) = (event.clone(), 0);
    let mut copies = Vec::with_capacity(counts.len());
    for count in counts {
        for place in places.iter().take(*count).skip(done) {
            edit(&mut edited, place, draw);
        }
        done = done.max(*count);
        copies.push(edited.clone());
    }
    copies
}

fn is_below(root: &str, place: &str) -> bool {
    place.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Makes the value at a place another: of its kind, of another kind, or none.
fn edit(event: &mut Json, place: &str, draw: &mut Draw) {
    let number = draw.below(1 << 30);
    let other = match event.at(place) {
        Some(Json::String(text)) if !text.is_empty() && draw.chance(40) => Json::String(with_typo(text, draw)),
        Some(Json::String(_)) if draw.chance(80) => Json::string(format!("edited {number}")),
        Some(Json::Number(_)) if draw.chance(80) => Json::number(1_000_000 + number),
        Some(Json::Bool(value)) => Json::Bool(!value),
        _ if draw.chance(30) && !place.is_empty() => {
            event.remove(place);
            return;
        }
        _ => Json::Array(vec![Json::string("edited"), Json::number(number)]),
    };
    event.set(place, other);
}

/// One character made another that does not stand there.
fn with_typo(text: &str, draw: &mut Draw) -> String {
    let at = draw.below(text.chars().count());
    let typo = |(place, character): (usize, char)| match character {
        '#' if place == at => '%',
        _ if place == at => '#',
        other => other,
    };
    text.chars().enumerate().map(typo).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_copy_has_the_edits_of_the_one_before_and_more() {
        let event = Json::parse(br#"{"a":"x","b":{"c":1,"d":true,"e":null,"f":[1],"g":"yy"},"h":"z"}"#).unwrap();
        let places = ["/a", "/b/c", "/b/d", "/b/e", "/b/f", "/b/g", "/h"];
        for seed in 0..50 {
            let copies = edited(&event, &[], &[0, 1, 2, 4, 99], &mut Draw::new(seed, "test"));
            let changed = |copy: &Json| places.iter().filter(|place| copy.at(place) != event.at(place)).count();
            assert_eq!(copies.iter().map(changed).collect::<Vec<_>>(), [0, 1, 2, 4, 7], "seed {seed}");
        }
        let copies = edited(&event, &["/b".to_owned()], &[99], &mut Draw::new(1, "test"));
        assert_eq!((copies[0].at("/a"), copies[0].at("/h")), (event.at("/a"), event.at("/h")));
    }
}
