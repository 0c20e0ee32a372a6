//! Rules of the group `keys`: what keys may and may not depend on. Events go from their texts through the host's reading of
//! JSON to the plugin, so a plugin that reads fields is tried together with the host.

use std::collections::BTreeSet;

use plugin::{Input, Role};

use super::agree::{In, agree};
use super::composites;
use super::variants::{NO_KEY, ask, own, with};
use crate::context::Context;
use crate::feed::Text;
use crate::rule::{Concerns, Group, Level, Rule};
use crate::samples::{Events, Json, Spelling};
use crate::session::{Answer, Session};
use crate::verdict::Stop;

/// Events that are spelled in several ways.
const EVENTS: usize = 64;
/// Places at which values are tried.
const PLACES_MAX: usize = 8;
/// Bytes of the long values.
const LONG_BYTES: usize = 64 << 10;
/// A key may have so many bytes for each byte that the plugin was given of the event, and so many more.
const KEY_BYTES_PER_BYTE: usize = 4;
const KEY_BYTES_MORE: usize = 1024;
/// A member that no plugin asks for.
const OUTSIDE: &str = "/dedup_host_conformance_outside";

/// What programs write for a value that there is not.
const DEFAULTS: [&str; 9] = ["", "null", "None", "undefined", "nil", "NaN", "0", "-", "unknown"];

/// Ordinary events of which some have to have a key.
const ORDINARY: usize = 96;

const fn rule(
    id: &'static str,
    level: Level,
    sentence: &'static str,
    reason: &'static str,
    run: fn(&mut Context<'_>, Role) -> Result<(), Stop>,
) -> Rule {
    let (group, concerns) = (Group::Keys, Concerns::Extractor);
    Rule { id, group, level, concerns, quick: false, follows: &["C1"], sentence, reason, run }
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        quick: true,
        ..rule(
            "K1",
            Level::Required,
            "For a plugin that reads fields, the order of members, white space and escapes do not change a key.",
            "Two libraries may write one event in two ways, and it is the same event.",
            fields_in_any_spelling,
        )
    },
    rule(
        "K2",
        Level::Strict,
        "The same holds for a plugin that reads the payload and picks members, but not for one whose key is made of \
         all bytes.",
        "Two libraries may write one event in two ways; a real JSON parser gives you this for free.",
        payloads_in_any_spelling,
    ),
    rule(
        "K3",
        Level::Strict,
        "The spellings of a number (1, 1.0, 1e0) all give the same key, or all give different keys, for every number at a \
         place.",
        "Otherwise a client that starts to write 1.0 would make some duplicates pass and others not.",
        numbers,
    ),
    Rule {
        // Some of the texts have a NUL.
        follows: &["C1", "T1"],
        ..rule(
            "K4",
            Level::Required,
            "Different values of two fields never give the same key: (\"a|b\", \"c\") and (\"a\", \"b|c\").",
            "The second event would be dropped as a duplicate of an unrelated one.",
            composites::injective,
        )
    },
    rule(
        "K5",
        Level::Strict,
        "A field that is missing or null does not give the key of one that is the empty string, 0, false or a word such as \
         \"null\" or \"None\".",
        "All events that lack the field would be duplicates of one another, and of those that have such a value.",
        missing_and_empty,
    ),
    Rule {
        quick: true,
        ..rule(
            "K6",
            Level::Required,
            "Fields that the plugin did not ask for never change a key.",
            "An event to which a proxy adds a header is still the same event.",
            fields_outside,
        )
    },
    rule(
        "K7",
        Level::Strict,
        "The keys of an event have at most 1,024 bytes plus four times the bytes of the event that the plugin was \
         given.",
        "Keys cross the boundary and appear in duplicates records; use a digest if values are long.",
        lengths,
    ),
    rule(
        "K8",
        Level::Strict,
        "Some of the events tried have a key: generated ones, those of --input and --expect, or those of golden.json \
         and conformance.toml beside the component.",
        "Otherwise nothing is known of the keys: the rules about them hold for a plugin that gives none.",
        some_event_has_a_key,
    ),
];

fn some_event_has_a_key(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let known = context.known();
    let items = context.ordinary(&mut session, ORDINARY);
    let keyed = session.answers(&items)?.iter().filter(|answer| answer.is_keyed()).count();
    if keyed == 0 && known.keyed.is_empty() {
        let first = known.own.first().map_or_else(|| items.shown(0), |event| crate::show::shown(event));
        return Err(Stop::failed(
            format!("{} of the author's and {} other events, such as {first}", known.own.len(), items.len()),
            "none has a key",
            "a key for some: pass events that the plugin understands with --input, golden cases with --expect, or put a \
             golden.json or a conformance.toml beside the component",
        ));
    }
    let places: BTreeSet<&str> = known.slots.iter().map(|slot| slot.place.as_str()).collect();
    let places: Vec<&str> =
        places.into_iter().map(|place| if place.is_empty() { "the payload" } else { place }).collect();
    if places.is_empty() {
        context.remark("no other text was found that changes a key");
    } else {
        context.remark(format!("other texts change a key at {}", places.join(", ")));
    }
    Ok(())
}

fn fields_in_any_spelling(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    if matches!(session.input(), Input::Payload) {
        return Err(Stop::not_applicable("it reads the payload: see K2"));
    }
    let mut events = context.events(session.input());
    let trees: Vec<Json> = (0..EVENTS).map(|_| events.tree()).collect();
    in_any_spelling(context, &mut session, &trees)
}

fn payloads_in_any_spelling(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    if matches!(session.input(), Input::Fields(_)) {
        return Err(Stop::not_applicable("it reads fields: see K1"));
    }
    let mut events = context.events(session.input());
    let trees = picking_members(&mut session, &mut events)?;
    in_any_spelling(context, &mut session, &trees)
}

/// Events with a key that one more member does not change.
fn picking_members(session: &mut Session, events: &mut Events) -> Result<Vec<Json>, Stop> {
    let trees: Vec<Json> = (0..EVENTS).map(|_| events.tree()).collect();
    let (_, plain) = ask(session, trees.iter().map(Json::text))?;
    let (_, more) = ask(session, trees.iter().map(|tree| with(tree, OUTSIDE, Some(&Json::number(1)))))?;
    let keyed = plain.iter().filter(|answer| answer.is_keyed()).count();
    let each = trees.into_iter().zip(plain.iter().zip(&more));
    let same: Vec<Json> =
        each.filter(|(_, (plain, more))| plain.is_keyed() && plain.same_decision(more)).map(|(tree, _)| tree).collect();
    match same.len() {
        _ if keyed == 0 => Err(Stop::untried(NO_KEY)),
        0 => Err(Stop::not_applicable("one more member changes its key: the key is made of the whole payload")),
        _ => Ok(same),
    }
}

fn in_any_spelling(context: &Context<'_>, session: &mut Session, trees: &[Json]) -> Result<(), Stop> {
    let (_, wanted) = ask(session, trees.iter().map(Json::text))?;
    if !wanted.iter().any(Answer::is_keyed) {
        return Err(Stop::untried(NO_KEY));
    }
    let ways = [
        ("members in another order", Spelling { shuffled: true, ..Spelling::default() }),
        ("with white space", Spelling { spaced: true, ..Spelling::default() }),
        ("with escapes", Spelling { escaped: true, ..Spelling::default() }),
        ("in another order, with white space and escapes", Spelling { shuffled: true, spaced: true, escaped: true }),
    ];
    let mut draw = context.draw("spellings");
    for (how, spelling) in ways {
        for _ in 0..3 {
            let (items, answers) = ask(session, trees.iter().map(|tree| tree.spelled(spelling, &mut draw)))?;
            agree(&items, how, &answers, &wanted, In::Decisions)?;
        }
    }
    Ok(())
}

const NUMBERS: [&[&str]; 4] = [
    &["1", "1.0", "1e0", "10e-1"],
    &["100", "100.0", "1e2", "1E+2"],
    &["0.5", "0.50", "5e-1", "50e-2"],
    &["-12.25", "-12.250", "-1225e-2"],
];

fn numbers(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let mut events = context.events(session.input());
    let (mut by_value, mut as_written) = (0, 0);
    for place in events.places(PLACES_MAX) {
        let event = events.keyed_tree();
        let texts = |numbers: &[&str]| -> Vec<Vec<u8>> {
            numbers.iter().map(|number| with(&event, &place, Some(&Json::number(number)))).collect()
        };
        let (_, different) = ask(&mut session, texts(&["3", "4", "7.5"]))?;
        let [one, two, three] = different.as_slice() else { continue };
        // Of one place alone: a time may be a number where an id is a text.
        let mut first = None;
        // Where numbers do not matter, or have no key, there is nothing to see.
        if !one.is_keyed() || own(one, two).is_empty() || own(one, three).is_empty() || own(two, three).is_empty() {
            continue;
        }
        for spellings in NUMBERS {
            let (items, answers) = ask(&mut session, texts(spellings))?;
            // A number that the plugin does not take, however it is written.
            if !answers.iter().any(Answer::is_keyed) {
                continue;
            }
            let Some(meet) = all_or_none(&answers, one) else {
                let got = answers.iter().zip(spellings).map(|(answer, number)| format!("{number}: {answer}"));
                let input = format!("{place} as {}: {}", spellings.join(", "), items.shown(0));
                return Err(Stop::failed(
                    input,
                    got.collect::<Vec<_>>().join("; "),
                    "one key for all spellings, or a different one for each",
                ));
            };
            let (known, where_) = first.get_or_insert_with(|| (meet, spellings.join(", ")));
            if *known != meet {
                let words = |meet| if meet { "give one key" } else { "give different keys" };
                let got = format!("they {}, and {where_} {}", words(meet), words(*known));
                return Err(Stop::failed(
                    format!("{place} as {}: {}", spellings.join(", "), items.shown(0)),
                    got,
                    "the same for every number",
                ));
            }
        }
        by_value += usize::from(matches!(first, Some((true, _))));
        as_written += usize::from(matches!(first, Some((false, _))));
    }
    if by_value + as_written == 0 && context.known().keyed.is_empty() {
        return Err(Stop::untried(NO_KEY));
    }
    if by_value + as_written == 0 {
        return Err(Stop::not_applicable("no number in the events tried affects the key"));
    }
    context.remark(format!("numbers are compared by value at {by_value} places, and as written at {as_written}"));
    Ok(())
}

/// Whether all of the events meet, or none: by the keys that `other` has not. `None`: some do.
fn all_or_none(answers: &[Answer], other: &Answer) -> Option<bool> {
    let owns: Vec<Vec<&[u8]>> = answers.iter().map(|answer| own(answer, other)).collect();
    let pairs = owns.iter().enumerate().flat_map(|(at, one)| owns.iter().skip(at + 1).map(move |two| (one, two)));
    let meetings: Vec<bool> = pairs.map(|(one, two)| one.iter().any(|key| two.contains(key))).collect();
    let met = meetings.iter().filter(|met| **met).count();
    (met == 0 || met == meetings.len()).then_some(met > 0)
}

fn missing_and_empty(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let mut events = context.events(session.input());
    let (mut tried, mut null_is_absent) = (0, 0);
    for place in events.places(PLACES_MAX).into_iter().filter(|place| !place.is_empty()) {
        let event = events.keyed_tree();
        let one = event.at(&place).filter(|value| !is_empty(value)).cloned().unwrap_or_else(|| Json::string("one"));
        let mut of_place = 0;
        for (ordinary, defaults) in defaults() {
            let values = [Some(one.clone()), Some(Json::Null), None, Some(ordinary)].into_iter();
            let values: Vec<Option<Json>> = values.chain(defaults.into_iter().map(Some)).collect();
            let (items, answers) = ask(&mut session, values.iter().map(|value| with(&event, &place, value.as_ref())))?;
            let [one, null, absent, ordinary, defaults @ ..] = answers.as_slice() else { continue };
            let [null_own, absent_own, ordinary_own] = [null, absent, ordinary].map(|answer| own(answer, one));
            // What is of another type may count as missing, and where nothing counts there is nothing to see.
            let is_missing = ordinary_own.iter().any(|key| null_own.contains(key) || absent_own.contains(key));
            if is_missing || defaults.iter().all(|default| own(one, default).is_empty()) {
                continue;
            }
            of_place += 1;
            null_is_absent += usize::from(of_place == 1 && null_own.iter().any(|key| absent_own.contains(key)));
            for (keys, what, at) in [(&null_own, "null", 1), (&absent_own, "missing", 2)] {
                let met = (4..).zip(defaults).find_map(|(default, answer)| {
                    Some((default, own(answer, one).into_iter().find(|key| keys.contains(key))?))
                });
                if let Some((default, key)) = met {
                    return Err(Stop::failed(
                        format!("{place} with a value, {}, and {what}, {}", items.shown(default), items.shown(at)),
                        format!("both have the key {}", crate::show::shown(key)),
                        "no key in common; or none at all for the one that lacks it",
                    ));
                }
            }
        }
        tried += usize::from(of_place > 0);
    }
    if tried == 0 && context.known().keyed.is_empty() {
        return Err(Stop::untried(NO_KEY));
    }
    if tried == 0 {
        return Err(Stop::not_applicable("no field of the events tried affects the key"));
    }
    if null_is_absent > 0 {
        context.remark(format!("null and missing give the same key at {null_is_absent} of {tried} places"));
    }
    Ok(())
}

/// An ordinary value of each type, and those that programs take for one that there is not.
fn defaults() -> [(Json, Vec<Json>); 3] {
    [
        (Json::string("qx"), DEFAULTS.map(Json::string).into()),
        (Json::number(7), vec![Json::number(0), Json::number(-1)]),
        (Json::Bool(true), vec![Json::Bool(false)]),
    ]
}

fn is_empty(value: &Json) -> bool {
    matches!(value, Json::Null | Json::Object(_) | Json::Array(_)) || *value == Json::string("")
}

fn fields_outside(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let fields = match session.input() {
        Input::Payload => return Err(Stop::not_applicable("it reads the payload: nothing is outside it")),
        Input::Fields(fields) if fields.iter().any(String::is_empty) => {
            return Err(Stop::not_applicable("it asks for the whole event: nothing is outside it"));
        }
        Input::Fields(fields) => fields.clone(),
    };
    let mut events = context.events(session.input());
    let trees: Vec<Json> = (0..EVENTS).map(|_| events.tree()).collect();
    let (_, wanted) = ask(&mut session, trees.iter().map(Json::text))?;
    if !wanted.iter().any(Answer::is_keyed) {
        return Err(Stop::untried(NO_KEY));
    }
    for outside in places_outside(&fields) {
        let draw = events.draw();
        let value = match draw.below(4) {
            0 => Json::Null,
            1 => Json::number(draw.below(1000)),
            2 => Json::object([("a", Json::string("b"))]),
            _ => Json::string("outside"),
        };
        // A place whose way is barred would change what bars it.
        let texts = trees
            .iter()
            .map(|tree| if is_free(tree, &outside) { with(tree, &outside, Some(&value)) } else { tree.text() });
        let (items, answers) = ask(&mut session, texts)?;
        agree(&items, &format!("with another value at {outside}"), &answers, &wanted, In::Decisions)?;
    }
    Ok(())
}

/// Whether a value can be put at a place without changing any other: what holds it is an object.
fn is_free(event: &Json, place: &str) -> bool {
    let above = place.rsplit_once('/').map_or("", |(above, _)| above);
    matches!(event.at(above), Some(Json::Object(_)))
}

/// Places beside those asked for, some with names much like theirs.
fn places_outside(fields: &[String]) -> Vec<String> {
    let mut places = vec![OUTSIDE.to_owned(), "/uuid2".to_owned(), "/".to_owned()];
    for field in fields.iter().take(PLACES_MAX) {
        let (above, name) = field.rsplit_once('/').unwrap_or(("", field));
        places.push(format!("{above}/{name}2"));
        places.push(format!("{above}/{}", name.to_uppercase()));
        places.push(format!("{above}/ {name}"));
        places.push(format!("/x{above}/{name}").replacen("/x/", "/x~1", 1));
    }
    let covers = |field: &String, place: &String| {
        let below = |one: &String, other: &String| {
            one.strip_prefix(other.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        below(place, field) || below(field, place)
    };
    places.retain(|place| !fields.iter().any(|field| covers(field, place)));
    places
}

fn lengths(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let mut events = context.events(session.input());
    let mut texts: Vec<Vec<u8>> = (0..EVENTS).map(|_| events.text()).collect();
    let hard = ["x", ":", "\\", "\"", "\u{0}", "\u{1f600}"];
    let long = hard.map(|text| (text.to_owned(), Json::string(text.repeat(LONG_BYTES / text.len()))));
    texts.extend(events.with_each(&long, 4).into_iter().map(|event| event.text));
    let mut longest = 0;
    for text in texts {
        let items = session.items([Text::Event(text)]);
        // Whether long values are answered at all is the business of rule T4.
        let Ok(answers) = session.ask(&items) else {
            session = context.session(role)?;
            continue;
        };
        let (given, keys) = (items.bytes(), answers.iter().flat_map(Answer::keys).map(Vec::len).sum::<usize>());
        longest = longest.max(keys);
        let max = given * KEY_BYTES_PER_BYTE + KEY_BYTES_MORE;
        if keys > max {
            let got = format!("keys of {keys} bytes for {given} bytes of the event");
            return Err(Stop::failed(items.shown(0), got, format!("at most {max}")));
        }
    }
    context.remark(format!("the longest has {longest} bytes"));
    Ok(())
}
