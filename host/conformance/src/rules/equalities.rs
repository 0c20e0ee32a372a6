//! Rules of the group `equalities`: what the plugin takes for the same on purpose, as `conformance.toml` declares it, is
//! the same, and nothing else is. Not the reading of that file: see [`crate::declared`].

use std::collections::{BTreeMap, BTreeSet};

use plugin::Role;

use super::variants::ask;
use crate::context::Context;
use crate::declared::Equality;
use crate::rule::{Concerns, Group, Level, Rule};
use crate::samples::{Events, Json, like};
use crate::session::{Answer, Session};
use crate::show::shown;
use crate::verdict::Stop;

/// Events that values are put into: such as have a key, and made-up ones.
const KEYED_BASES: usize = 6;
const OTHER_BASES: usize = 4;
/// Of these, those in which many other values are tried.
const OUTSIDE_BASES: usize = 3;
/// Values of a place that other values are made from, beside the examples.
const VALUES_MAX: usize = 12;

const fn rule(
    id: &'static str,
    follows: &'static [&'static str],
    sentence: &'static str,
    reason: &'static str,
    run: fn(&mut Context<'_>, Role) -> Result<(), Stop>,
) -> Rule {
    let (group, level, concerns) = (Group::Equalities, Level::Required, Concerns::Extractor);
    Rule { id, group, level, concerns, quick: false, follows, sentence, reason, run }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "E1",
        &["C1"],
        "The examples of a declared equality have one key, and those declared different do not have it.",
        "What is declared is what others rely on when they decide whether this is the plugin for their events.",
        examples,
    ),
    rule(
        "E2",
        &["E1"],
        "Other values that are the same by a declared equality have one key, too.",
        "A plugin that takes some spellings for the same and others not lets some duplicates pass.",
        inside,
    ),
    rule(
        "E3",
        &["E1"],
        "Values at the place of a declared equality that are not the same by it have different keys.",
        "Whatever else is lost on the way to the key makes duplicates of events that are none.",
        outside,
    ),
];

/// The equalities that the plugin declares.
fn declared<'a>(context: &Context<'a>) -> Result<&'a [Equality], Stop> {
    match context.declared().equalities.as_slice() {
        [] => Err(Stop::not_applicable("no equality is declared: there is no conformance.toml beside the component")),
        equalities => Ok(equalities),
    }
}

/// A session, and events to put values into.
struct Asked {
    session: Session,
    events: Events,
}

impl Asked {
    fn new(context: &Context<'_>, role: Role) -> Result<Self, Stop> {
        let session = context.session(role)?;
        let events = context.events(session.input());
        Ok(Self { session, events })
    }

    fn bases(&mut self, equality: &Equality) -> Vec<Json> {
        if let Some(event) = &equality.event {
            return vec![event.clone()];
        }
        let mut bases: Vec<Json> = (0..KEYED_BASES).map(|_| self.events.keyed_tree()).collect();
        bases.extend((0..OTHER_BASES).map(|_| self.events.full_tree()));
        bases.push(Json::Object(Vec::new()));
        bases
    }

    /// What the plugin says of an event with each of these values.
    fn ask(&mut self, equality: &Equality, base: &Json, values: &[Json]) -> Result<Vec<Answer>, Stop> {
        let (items, answers) = ask(&mut self.session, values.iter().map(|value| equality.with(base, value).text()))?;
        // One that the host does not hand over leaves a gap that nothing could be said about.
        Ok(if items.len() == values.len() { answers } else { Vec::new() })
    }
}

fn examples(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let equalities = declared(context)?;
    let mut asked = Asked::new(context, role)?;
    for equality in equalities {
        let (mut tried, mut without) = (0, None);
        for base in asked.bases(equality) {
            let values = [equality.examples.as_slice(), equality.different.as_slice()].concat();
            let answers = asked.ask(equality, &base, &values)?;
            let same = answers.get(..equality.examples.len()).unwrap_or_default();
            if same.is_empty() || !same.iter().all(Answer::is_keyed) {
                let at = same.iter().position(|answer| !answer.is_keyed()).unwrap_or_default();
                without = without.or_else(|| Some((at, equality.with(&base, values.get(at)?).text())));
                continue;
            }
            let different = answers.get(equality.examples.len()..).unwrap_or_default();
            let Some(wrong) = Wrong::of(equality, same, different) else {
                tried += 1;
                continue;
            };
            return Err(wrong.told(equality, &base, &values, &answers));
        }
        if tried == 0 {
            let (at, event) = without.unwrap_or_default();
            return Err(Stop::failed(
                format!("{}: example {}, {}", equality.title(), at + 1, shown(&event)),
                "no key",
                "a key; give the event that the values belong into: event = '{\"other\": \"fields\"}'",
            ));
        }
    }
    let count: usize = equalities.iter().map(|equality| equality.examples.len() + equality.different.len()).sum();
    context.remark(format!("{count} values of examples"));
    Ok(())
}

/// Two values, by their places among the examples and those that are different, about which the plugin is wrong.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    /// They have no key in common.
    Apart(usize, usize),
    /// They have one.
    Same(usize, usize),
}

impl Wrong {
    /// What is wrong about the answers for values that are the same, and for others.
    fn of(equality: &Equality, same: &[Answer], different: &[Answer]) -> Option<Self> {
        let sets = |answers: &[Answer]| -> Vec<BTreeSet<Vec<u8>>> {
            answers.iter().map(|answer| answer.keys().iter().cloned().collect()).collect()
        };
        let (same, different) = (sets(same), sets(different));
        let (first, others) = same.split_first()?;
        // Keys that have nothing to do with the place.
        let all = same.iter().chain(&different).filter(|keys| !keys.is_empty());
        let mut background = first.clone();
        all.for_each(|keys| background.retain(|key| keys.contains(key)));
        if different.iter().all(BTreeSet::is_empty) {
            background.clear();
        }
        let meets = |one: &BTreeSet<Vec<u8>>, other: &BTreeSet<Vec<u8>>| {
            one == other || one.intersection(other).any(|key| !background.contains(key))
        };
        let is_one =
            |other: &BTreeSet<Vec<u8>>| if equality.has_a_kind() { first == other } else { meets(first, other) };
        if let Some(at) = others.iter().position(|other| !is_one(other)) {
            return Some(Self::Apart(0, at + 1));
        }
        let each = different.iter().enumerate().filter(|(_, keys)| !keys.is_empty());
        let mut pairs =
            each.flat_map(|(at, keys)| same.iter().enumerate().map(move |(one, same)| (one, same, at, keys)));
        let (one, _, at, _) = pairs.find(|(_, same, _, keys)| meets(same, keys))?;
        Some(Self::Same(one, same.len() + at))
    }

    fn told(&self, equality: &Equality, base: &Json, values: &[Json], answers: &[Answer]) -> Stop {
        let (Self::Apart(one, two) | Self::Same(one, two)) = *self;
        let name = |at: usize| match at.checked_sub(equality.examples.len()) {
            None => format!("example {}", at + 1),
            Some(different) => format!("different {}", different + 1),
        };
        let event =
            |at: usize| values.get(at).map(|value| shown(&equality.with(base, value).text())).unwrap_or_default();
        let answer = |at: usize| answers.get(at).map(ToString::to_string).unwrap_or_default();
        Stop::failed(
            format!("{}: {}, {}, and {}, {}", equality.title(), name(one), event(one), name(two), event(two)),
            format!("{} and {}", answer(one), answer(two)),
            match self {
                Self::Apart(..) => "one key for both, as is declared",
                Self::Same(..) => "no key in common, as is declared",
            },
        )
    }
}

/// Values of the equality's places: its examples, and those that got a key there.
fn values(equality: &Equality, context: &Context<'_>) -> Vec<Json> {
    let known = context.known();
    let slots = known.slots.iter().filter(|slot| equality.at.contains(&slot.place));
    let seen = slots.flat_map(|slot| slot.seen.iter().take(3).map(|text| slot.value(text)));
    equality.examples.iter().cloned().chain(equality.probes()).chain(seen.take(VALUES_MAX)).collect()
}

fn inside(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let equalities = declared(context)?;
    let mut asked = Asked::new(context, role)?;
    let mut tried = 0;
    for equality in equalities.iter().filter(|equality| equality.has_a_kind()) {
        for base in asked.bases(equality) {
            for value in values(equality, context) {
                let values: Vec<Json> = std::iter::once(value.clone()).chain(equality.variants(&value)).collect();
                let answers = asked.ask(equality, &base, &values)?;
                let Some((first, others)) = answers.split_first().filter(|(first, _)| first.is_keyed()) else {
                    continue;
                };
                tried += others.iter().filter(|other| other.is_keyed()).count();
                let differs = |other: &Answer| other.is_keyed() && !other.same_decision(first);
                if let Some(at) = others.iter().position(differs) {
                    return Err(Wrong::Apart(0, at + 1).told_of_values(equality, &base, &values, &answers));
                }
            }
        }
    }
    told(context, equalities, tried, "spellings")
}

/// Says how much was tried, or that nothing could be.
fn told(context: &mut Context<'_>, equalities: &[Equality], tried: usize, what: &str) -> Result<(), Stop> {
    if !equalities.iter().any(Equality::has_a_kind) {
        return Err(Stop::not_applicable("the equalities are declared by examples alone: see E1"));
    }
    if tried == 0 {
        return Err(Stop::untried(format!("no other {what} of the examples have a key")));
    }
    context.remark(format!("{tried} other {what} of values at declared places"));
    Ok(())
}

impl Wrong {
    fn told_of_values(&self, equality: &Equality, base: &Json, values: &[Json], answers: &[Answer]) -> Stop {
        let (Self::Apart(one, two) | Self::Same(one, two)) = *self;
        let event =
            |at: usize| values.get(at).map(|value| shown(&equality.with(base, value).text())).unwrap_or_default();
        let answer = |at: usize| answers.get(at).map(ToString::to_string).unwrap_or_default();
        Stop::failed(
            format!("{}: {} and {}", equality.title(), event(one), event(two)),
            format!("{} and {}", answer(one), answer(two)),
            match self {
                Self::Apart(..) => "one key for both: they are the same by what is declared",
                Self::Same(..) => {
                    "different keys; or, if that is meant, another [[equal]] of conformance.toml that makes them the same"
                }
            },
        )
    }
}

fn outside(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let equalities = declared(context)?;
    let mut asked = Asked::new(context, role)?;
    let mut draw = context.draw("other values");
    let mut tried = 0;
    let tells_apart = |equality: &&Equality| {
        let first = equality.examples.first();
        equality.has_a_kind() && first.and_then(|example| equality.canonical(example)).is_some()
    };
    if !equalities.iter().any(|equality| tells_apart(&equality)) {
        return Err(Stop::not_applicable("no declared equality says which values are not the same"));
    }
    for equality in equalities.iter().filter(tells_apart) {
        for base in asked.bases(equality).into_iter().take(OUTSIDE_BASES) {
            for value in values(equality, context) {
                let mut values = like::neighbours(&value, &mut draw);
                values.insert(0, value);
                values.retain(|value| context.declared().understands(&equality.at, value));
                let answers = asked.ask(equality, &base, &values)?;
                tried += answers.iter().filter(|answer| answer.is_keyed()).count().saturating_sub(1);
                if let Some((one, two)) = collision(context, equality, &values, &answers) {
                    return Err(Wrong::Same(one, two).told_of_values(equality, &base, &values, &answers));
                }
            }
        }
    }
    told(context, equalities, tried, "values")
}

/// Two values with the same keys that are not declared the same.
fn collision(
    context: &Context<'_>,
    equality: &Equality,
    values: &[Json],
    answers: &[Answer],
) -> Option<(usize, usize)> {
    let mut seen: BTreeMap<Vec<Vec<u8>>, (usize, Vec<Json>)> = BTreeMap::new();
    for (at, (value, answer)) in values.iter().zip(answers).enumerate() {
        if !answer.is_keyed() {
            continue;
        }
        let each = equality.at.iter().map(|place| context.declared().canonical(place, value));
        let Some(canonical) = each.collect::<Option<Vec<Json>>>() else { continue };
        let mut keys = answer.keys().to_vec();
        keys.sort();
        match seen.get(&keys) {
            Some((before, other)) if *other != canonical => return Some((*before, at)),
            Some(_) => {}
            None => _ = seen.insert(keys, (at, canonical)),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use engine::fields::KeyStatus;

    use super::*;
    use crate::declared::Declared;

    fn equality(by: &str) -> Equality {
        let text = format!("[[equal]]\nat = \"/a\"\nby = \"{by}\"\nexamples = [\"A\", \"a\"]\ndifferent = [\"b\"]");
        Declared::parse(Path::new("conformance.toml"), &text).unwrap().equalities.remove(0)
    }

    fn answers(keys: &[&str]) -> Vec<Answer> {
        let one = |keys: &&str| {
            let keys: Vec<Vec<u8>> = keys.split_whitespace().map(|key| key.as_bytes().to_vec()).collect();
            let status = if keys.is_empty() { KeyStatus::NoKey } else { KeyStatus::Keyed };
            Answer::Keys { status, keys, note: None }
        };
        keys.iter().map(one).collect()
    }

    #[test]
    fn examples_are_the_same_and_others_are_not() {
        let wrong =
            |by: &str, same: &[&str], different: &[&str]| Wrong::of(&equality(by), &answers(same), &answers(different));
        assert_eq!(wrong("case", &["k", "k"], &["l"]), None);
        assert_eq!(wrong("case", &["k", "k"], &[""]), None, "an event without a key is no duplicate");
        assert_eq!(wrong("case", &["k", "k"], &["k"]), Some(Wrong::Same(0, 2)));
        assert_eq!(wrong("case", &["k", "l"], &["m"]), Some(Wrong::Apart(0, 1)));
        assert_eq!(wrong("case", &["k o", "k o"], &["l o"]), None, "a key of another field");
        // Nearness: some of the keys are enough.
        assert_eq!(wrong("examples", &["1 2 3", "2 4 5"], &["6 7 8"]), None);
        assert_eq!(wrong("examples", &["1 2 3", "4 5 6"], &["7 8 9"]), Some(Wrong::Apart(0, 1)));
        assert_eq!(wrong("examples", &["1 2 3", "2 4 5"], &["5 7 8"]), Some(Wrong::Same(1, 2)));
        assert_eq!(wrong("examples", &["1 o", "2 o"], &["3 o"]), Some(Wrong::Apart(0, 1)), "a key of another field");
    }
}
