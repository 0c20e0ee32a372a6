//! Rule K16: arrays and objects are told apart by what is in them, where a plugin makes keys of them: by the text of each
//! element, by where one ends and the next begins, and by the numbers inside.

use std::collections::{BTreeSet, HashMap};

use plugin::Role;

use super::variants::{NO_KEY, ask, own, with};
use crate::context::Context;
use crate::samples::{Json, Known};
use crate::session::{Answer, Session};
use crate::show::shown;
use crate::verdict::Stop;

/// Places that are tried.
const PLACES_MAX: usize = 6;
/// What people join elements with, escaped as in JSON.
const SEPARATORS: [&str; 15] =
    [",", ", ", " ", "|", ":", ";", "-", "/", "_", "\\n", "\\u0000", "\\u001f", "\\\",\\\"", "', '", "\\\\"];
/// Arrays of two texts that run together without a separator, or by an escape.
const TEXTS: &[&str] = &[
    r#"["a","b"]"#,
    r#"["ab","c"]"#,
    r#"["a","bc"]"#,
    r#"["","ab"]"#,
    r#"["ab",""]"#,
    r#"["a\\","b"]"#,
    r#"["a","\\b"]"#,
    r#"["1:a","b"]"#,
    r#"["a","1:b"]"#,
];
/// Of two numbers, neighbours beyond a double among them.
const NUMBERS: &[&str] = &[
    "[1,12]",
    "[11,2]",
    "[1,2]",
    "[1,3]",
    "[1,9007199254740992]",
    "[1,9007199254740993]",
    "[1,1e400]",
    "[1,1e401]",
    "[1,0.1]",
    "[1,0.10000000000000001]",
    "[1,2.5]",
    "[1,-2]",
];
/// With arrays and objects in them.
const NESTED: &[&str] =
    &[r#"["a",["b"]]"#, r#"["a",["c"]]"#, r#"[["a"],"b"]"#, r#"[["a"],["b"]]"#, r#"["a",{"b":1}]"#, r#"["a",{"b":2}]"#];
/// Of any length.
const LENGTHS: &[&str] = &[
    "[]",
    r#"[""]"#,
    r#"["a"]"#,
    r#"["a","b"]"#,
    r#"["ab"]"#,
    r#"["a,b"]"#,
    r#"["a","b","c"]"#,
    r#"["a","b,c"]"#,
    r#"["a,b,c"]"#,
];
const ORDER: &[&str] = &[r#"["b","a"]"#, r#"["a","b"]"#, OTHER];
/// An array that shares nothing with the others of two texts.
const OTHER: &str = r#"["qx","zw"]"#;
/// Objects that differ in all that there is of them.
const OBJECTS: &[&str] = &[
    r#"{"a":"b"}"#,
    r#"{"a":"c"}"#,
    r#"{"b":"a"}"#,
    r#"{"a":"b","c":"d"}"#,
    r#"{"a":"b\",\"c\":\"d"}"#,
    r#"{"a":{"b":"c"}}"#,
    r#"{"a":["b"]}"#,
    r#"{"a":9007199254740992}"#,
    r#"{"a":9007199254740993}"#,
];

/// Tries it.
pub(super) fn told_apart(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let mut events = context.events(session.input());
    let known = context.known();
    let mut told = Vec::new();
    for place in places(&known, events.places(PLACES_MAX)) {
        let base = known.keyed.iter().find(|event| event.at(&place).is_some()).cloned();
        let base = base.unwrap_or_else(|| events.keyed_tree());
        let mut nest = Nest { context, session: &mut session, place, base };
        let tried = nest.arrays()? + nest.objects()?;
        if tried > 0 {
            told.push(format!("{tried} at {}", nest.place));
        }
    }
    if told.is_empty() && known.keyed.is_empty() {
        return Err(Stop::untried(NO_KEY));
    }
    if told.is_empty() {
        return Err(Stop::not_applicable("it makes no key of whole arrays or objects, as far as was seen"));
    }
    context.remark(format!("arrays and objects: {}", told.join(", ")));
    Ok(())
}

/// What the plugin asks for, and the arrays of which an element changes a key.
fn places(known: &Known, mut asked: Vec<String>) -> Vec<String> {
    for slot in &known.slots {
        let above = slot.place.rsplit_once('/').map_or("", |(above, _)| above);
        if matches!(slot.event.at(above), Some(Json::Array(_))) && !asked.iter().any(|place| place == above) {
            asked.push(above.to_owned());
        }
    }
    asked.retain(|place| !place.is_empty());
    asked
}

/// A place of an event that arrays and objects are put to.
struct Nest<'n, 'c> {
    context: &'n Context<'c>,
    session: &'n mut Session,
    place: String,
    base: Json,
}

impl Nest<'_, '_> {
    /// What the plugin says of the event with each of these values; nothing where it has no answer.
    fn answers(&mut self, values: &[Json]) -> Result<Vec<Answer>, Stop> {
        let texts = values.iter().map(|value| with(&self.base, &self.place, Some(value)));
        let (items, answers) = ask(self.session, texts)?;
        Ok(if items.len() == values.len() { answers } else { Vec::new() })
    }

    /// Whether each of these has a key of its own, and no two have one in common but for those that all have: where each
    /// element is a key, arrays meet on purpose.
    fn differ(&mut self, values: &[&str]) -> Result<bool, Stop> {
        let answers = self.answers(&spelled(values))?;
        let background = background(&answers);
        let own = |answer: &Answer| answer.keys().iter().filter(|key| !background.contains(*key)).cloned().collect();
        let keys: Vec<BTreeSet<Vec<u8>>> = answers.iter().map(own).collect();
        let apart = |at: usize, one: &BTreeSet<Vec<u8>>| keys.iter().skip(at + 1).all(|other| one.is_disjoint(other));
        let has_own = keys.iter().all(|keys| !keys.is_empty());
        Ok(keys.len() == values.len() && has_own && keys.iter().enumerate().all(|(at, one)| apart(at, one)))
    }

    fn arrays(&mut self) -> Result<usize, Stop> {
        let mut tried = 0;
        // Of an array that is looked at up to an element, what follows does not count.
        if self.differ(&[r#"["a","b"]"#, r#"["a","c"]"#, r#"["d","b"]"#])? {
            tried += self.joined()? + self.hold(TEXTS)? + self.hold(NESTED)?;
            if self.differ(&[r#"["a","b"]"#, r#"["a","b","c"]"#, r#"["a","b","d"]"#])? {
                tried += self.hold(LENGTHS)?;
            }
            tried += self.hold(ORDER)?;
        }
        if self.differ(&["[1,2]", "[1,3]", "[4,2]"])? {
            tried += self.hold(NUMBERS)?;
        }
        Ok(tried)
    }

    /// What separates elements stands in one, on either side.
    fn joined(&mut self) -> Result<usize, Stop> {
        let mut tried = 0;
        for separator in SEPARATORS {
            let [one, two] = [format!(r#"["a{separator}b","c"]"#), format!(r#"["a","b{separator}c"]"#)];
            tried += self.hold(&[&one, &two, OTHER])?;
        }
        Ok(tried)
    }

    /// Where objects count by all of their members. If they have keys that no missing value has, and all of them the same,
    /// what is in them was lost.
    fn objects(&mut self) -> Result<usize, Stop> {
        let [one, two, three] = [r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"b":"a"}"#];
        if self.differ(&[one, two, three])? {
            return self.hold(OBJECTS);
        }
        let values = [spelled(&[one, two, three]), vec![Json::Null, Json::string("a"), Json::string("b")]].concat();
        let answers = self.answers(&values)?;
        let [first, second, third, null, text, other] = answers.as_slice() else { return Ok(0) };
        let is_one = first.is_keyed() && first.same_decision(second) && first.same_decision(third);
        let is_missing = first.same_decision(null) || first.keys().iter().all(|key| null.keys().contains(key));
        let texts_count = !own(text, other).is_empty() && !own(text, first).is_empty();
        if is_one && !is_missing && texts_count && !self.may_meet(&values, 0, 1) {
            return Err(Stop::failed(
                format!("objects at {}: {one}, {two} and {three}", self.place),
                format!("all have {first}"),
                "different keys, or none: the plugin lost what is in them on the way",
            ));
        }
        Ok(0)
    }

    /// Holds these to different keys; says how many had one.
    fn hold(&mut self, texts: &[&str]) -> Result<usize, Stop> {
        let values = spelled(texts);
        let answers = self.answers(&values)?;
        let mut owners: HashMap<&[u8], usize> = HashMap::new();
        let background = background(&answers);
        for (at, answer) in answers.iter().enumerate() {
            for key in answer.keys().iter().filter(|key| !background.contains(*key)) {
                let before = *owners.entry(key).or_insert(at);
                if before == at || self.may_meet(&values, before, at) {
                    continue;
                }
                let text = |at: usize| texts.get(at).copied().unwrap_or_default();
                return Err(Stop::failed(
                    format!("arrays and objects at {}: {} and {}", self.place, text(before), text(at)),
                    format!("both have the key {}", shown(key)),
                    "different keys; or, if the two are meant to be the same, an equality in conformance.toml that says so",
                ));
            }
        }
        Ok(answers.iter().filter(|answer| answer.is_keyed()).count())
    }

    /// Whether two of the values may be the same by what the author declares.
    fn may_meet(&self, values: &[Json], one: usize, other: usize) -> bool {
        let read = |at: usize| Json::parse(&values.get(at)?.text());
        let [Some(one), Some(other)] = [one, other].map(read) else { return false };
        // Of digits that reading does not keep nothing is declared.
        if one == other {
            return false;
        }
        let [one, other] = [one, other].map(|value| self.context.declared().canonical(&self.place, &value));
        one.zip(other).is_none_or(|(one, other)| one == other)
    }
}

/// Keys that all of them have.
fn background(answers: &[Answer]) -> BTreeSet<Vec<u8>> {
    let mut keyed = answers.iter().filter(|answer| answer.is_keyed());
    let first = keyed.next().map(|answer| answer.keys().iter().cloned().collect()).unwrap_or_default();
    keyed.fold(first, |mut all: BTreeSet<Vec<u8>>, answer| {
        all.retain(|key| answer.keys().contains(key));
        all
    })
}

/// The values, as they are spelled: what reads JSON may not keep every digit.
fn spelled(texts: &[&str]) -> Vec<Json> {
    texts.iter().map(|text| Json::Raw((*text).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them_are_json_and_no_two_of_a_family_are_one() {
        for family in [TEXTS, NUMBERS, NESTED, LENGTHS, ORDER, OBJECTS] {
            let values = spelled(family);
            assert_eq!(values.len(), family.len());
            let texts: BTreeSet<Vec<u8>> = values.iter().map(Json::text).collect();
            assert_eq!(texts.len(), family.len(), "{family:?}");
            let beyond = |text: &&str| text.contains("1e40");
            assert!(family.iter().all(|text| beyond(text) || Json::parse(text.as_bytes()).is_some()), "{family:?}");
        }
        for separator in SEPARATORS {
            assert!(Json::parse(format!(r#"["a{separator}b","c"]"#).as_bytes()).is_some(), "{separator}");
        }
        assert_eq!(spelled(&["[1,9007199254740993,1e400]"])[0].text(), b"[1,9007199254740993,1e400]");
    }
}
