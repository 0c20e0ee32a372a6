//! Rule K4: different values of two fields never run into one key. Not whether a field matters, nor what a plugin takes
//! for the same value: that is its own to say.
//!
//! Texts that are hard to tell apart once they are joined are tried at two places, each with each. A plugin may take some
//! values of a place for the same (it lowers letters, it cuts) and leave places out; but then the events that have one key
//! are all combinations of some values here and some there. So two events break the rule that share a key and differ at
//! both places, where neither event of one's first and the other's second value has that key.

use std::collections::{BTreeSet, HashMap};

use plugin::{Input, Role};

use super::variants::{NO_KEY, ask, own};
use crate::context::Context;
use crate::samples::{Events, Json, Known, Slot};
use crate::session::{Answer, Session};
use crate::show::shown;
use crate::verdict::Stop;

/// Places of which each two are tried.
const PLACES_MAX: usize = 6;
/// Parts of values of which each two are tried.
const PARTS_MAX: usize = 8;
/// Pairs that are tried.
const PAIRS_MAX: usize = 15;
/// Texts with which people join.
const SEPARATORS: [&str; 24] = [
    ":", "|", ",", ";", "/", "\\", " ", "\t", "\n", "\0", "\u{1}", "\u{1e}", "\u{1f}", "-", "_", ".", "#", "=", "&",
    "\"", "'", "%", "::", "||",
];
/// Bytes of a separator that is found in a key.
const FOUND_BYTES_MAX: usize = 16;
/// Texts that show where one value ends and the next begins.
const MARKS: [&str; 2] = ["Qxq1Q", "Wyw2W"];

/// Lengths before a value: how many bytes, and the number 1 in them.
const LENGTHS: [(usize, &str); 3] = [(1, "\u{1}"), (2, "\u{1}\0"), (2, "\0\u{1}")];

/// Digits that are the same once they are joined: ("1", "12") and ("11", "2").
const SHORT_DIGITS: [&str; 13] = ["1", "2", "11", "12", "21", "22", "111", "112", "121", "211", "212", "1112", "2111"];
/// The same where the second is filled up with zeros to 2, 3, .. 12 digits: ("1", "123") and ("11", "23").
const LONG_DIGITS: [&str; 18] = [
    "23",
    "123",
    "234",
    "1234",
    "2345",
    "12345",
    "23456",
    "123456",
    "234567",
    "1234567",
    "23456789",
    "123456789",
    "234567891",
    "1234567891",
    "2345678912",
    "12345678912",
    "234567891234",
    "1234567891234",
];

/// Tries it.
pub(super) fn injective(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let mut events = context.events(session.input());
    let known = context.known();
    let places = context.events(session.input()).places(PLACES_MAX);
    let (mut tried, mut of_digits) = (0, 0);
    for (first, second) in pairs(&mut events, &known) {
        if context.declared().is_about_both(first.place(), second.place()) {
            continue;
        }
        let event = match &first {
            At::Slot(slot) => slot.event.clone(),
            At::Place(_) => events.keyed_tree(),
        };
        let mut grid = Grid { event, first: &first, second: &second, session: &mut session };
        of_digits += usize::from(grid.check_digits(&places)?);
        let (here, there) = (first.samples(), second.samples());
        if !grid.matter_together(&here, &there)? {
            continue;
        }
        grid.check(&shifted(&here, &there))?;
        tried += 1;
        if tried > PAIRS_MAX {
            break;
        }
        let found = grid.separators()?;
        for separator in SEPARATORS.into_iter().map(str::to_owned).chain(found) {
            grid.check(&texts_around(&separator))?;
        }
        grid.check(&digits())?;
        for (width, marks) in LENGTHS {
            grid.check(&lengths_that_wrap(width, marks))?;
        }
    }
    if tried + of_digits == 0 {
        return Err(nothing_joined(session.input(), &known));
    }
    context.remark(format!("{tried} pairs of fields with {} separators", SEPARATORS.len()));
    Ok(())
}

/// Where a text is put.
enum At<'a> {
    /// In the place of a value.
    Place(String),
    /// Into a value.
    Slot(&'a Slot),
}

impl At<'_> {
    fn place(&self) -> &str {
        match self {
            Self::Place(place) => place,
            Self::Slot(slot) => &slot.place,
        }
    }

    /// Puts a text there, or another value; none can be a part of a value, and what stands there stays then.
    fn put(&self, event: &mut Json, value: Option<&Json>) {
        match (self, value) {
            (Self::Place(place), Some(value)) => event.set(place, value.clone()),
            (Self::Place(place), None) => _ = event.remove(place),
            (Self::Slot(slot), Some(Json::String(text))) => slot.put(event, text),
            (Self::Slot(_), _) => {}
        }
    }

    /// Two texts that may stand there.
    fn samples(&self) -> [Json; 2] {
        let [one, two] = match self {
            Self::Place(_) => ["a", "b"],
            Self::Slot(slot) => {
                let first = slot.seen.first().map_or("a", String::as_str);
                [first, slot.seen.iter().map(String::as_str).find(|text| *text != first).unwrap_or("b")]
            }
        };
        [Json::string(one), Json::string(two)]
    }
}

/// Each two places, and each two parts of values at two places.
fn pairs<'a>(events: &mut Events, known: &'a Known) -> Vec<(At<'a>, At<'a>)> {
    let places: Vec<String> = events.places(PLACES_MAX).into_iter().filter(|place| !place.is_empty()).collect();
    let parts = known.slots.iter().filter(|slot| !slot.is_free() && !slot.is_number).take(PARTS_MAX);
    let parts: Vec<&Slot> = parts.collect();
    let is_below = |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
    let apart = |one: &At<'_>, other: &At<'_>| {
        let (one, other) = (one.place(), other.place());
        one != other && !is_below(one, other) && !is_below(other, one)
    };
    let mut pairs = Vec::new();
    for (at, first) in places.iter().enumerate() {
        pairs.extend(places.iter().skip(at + 1).map(|second| (At::Place(first.clone()), At::Place(second.clone()))));
    }
    for (at, first) in parts.iter().enumerate() {
        // A part beside a whole value, whose event has a part that stays.
        pairs.extend(places.iter().map(|second| (At::Slot(first), At::Place(second.clone()))));
        pairs.extend(parts.iter().skip(at + 1).map(|second| (At::Slot(first), At::Slot(second))));
    }
    pairs.retain(|(first, second)| apart(first, second));
    pairs
}

/// Why no two fields were tried together.
fn nothing_joined(input: &Input, known: &Known) -> Stop {
    let places: BTreeSet<&str> = known.slots.iter().map(|slot| slot.place.as_str()).collect();
    match input {
        _ if known.keyed.is_empty() => Stop::untried(NO_KEY),
        Input::Fields(fields) if fields.len() < 2 => Stop::not_applicable("it reads one field"),
        Input::Fields(fields) if places.len() < 2 => Stop::untried(format!(
            "of the {} fields it reads {} was seen to change a key: pass more events with --input",
            fields.len(),
            places.first().map_or("none", |place| *place)
        )),
        Input::Fields(_) | Input::Payload => Stop::not_applicable("no key of the events tried is made of two fields"),
    }
}

/// Texts that a separator, or an escape before it, makes hard to tell apart.
fn texts_around(separator: &str) -> Vec<Option<Json>> {
    let s = separator;
    let texts = [
        String::new(),
        "a".to_owned(),
        "b".to_owned(),
        s.to_owned(),
        format!("a{s}"),
        format!("{s}b"),
        format!("a{s}b"),
        format!("{s}{s}"),
        "\\".to_owned(),
        "a\\".to_owned(),
        format!("a\\{s}"),
        format!("\\{s}b"),
        format!("a{s}\\"),
    ];
    let mut values: Vec<Option<Json>> = texts.into_iter().map(|text| Some(Json::string(text))).collect();
    values.extend([None, Some(Json::Null)]);
    values
}

/// Texts of both places, and ones in which the beginning of one stands at the end of the other.
fn shifted(here: &[Json; 2], there: &[Json; 2]) -> Vec<Option<Json>> {
    let texts = |values: &[Json; 2]| -> Vec<String> {
        let text = |value: &Json| if let Json::String(text) = value { Some(text.clone()) } else { None };
        values.iter().filter_map(text).collect()
    };
    let mut all = BTreeSet::new();
    for (one, two) in texts(here).iter().flat_map(|one| texts(there).into_iter().map(move |two| (one.clone(), two))) {
        for (at, _) in two.char_indices().chain([(two.len(), ' ')]).take(4) {
            let (head, tail) = two.split_at(at);
            all.extend([format!("{one}{head}"), tail.to_owned()]);
        }
        all.extend([one, two]);
    }
    all.into_iter().map(|text| Some(Json::String(text))).collect()
}

/// For keys in which each value follows its length.
fn digits() -> Vec<Option<Json>> {
    ["", "1", "11", "111", "2", "1a", "a1", "2a", "1:", "1:a", ":1", "0"].map(|text| Some(Json::string(text))).into()
}

/// For keys in which the length of each value stands before it in so many bytes: beyond what they hold it is 1 again. Then
/// ("a", X 1 "z") and ("a" 1 X, "z") are one.
fn lengths_that_wrap(width: usize, one: &str) -> Vec<Option<Json>> {
    let between = "x".repeat((1 << (8 * width)) - width);
    ["a".to_owned(), format!("a{one}{between}"), "z".to_owned(), format!("{between}{one}z")]
        .map(|text| Some(Json::String(text)))
        .into()
}

/// One event, and two of its places.
struct Grid<'a> {
    event: Json,
    first: &'a At<'a>,
    second: &'a At<'a>,
    session: &'a mut Session,
}

impl Grid<'_> {
    fn text(&self, first: Option<&Json>, second: Option<&Json>) -> Vec<u8> {
        let mut event = self.event.clone();
        self.first.put(&mut event, first);
        self.second.put(&mut event, second);
        event.text()
    }

    /// Whether the event has a key that both places change.
    fn matter_together(&mut self, [a, b]: &[Json; 2], [c, d]: &[Json; 2]) -> Result<bool, Stop> {
        let texts = [(a, c), (b, c), (a, d)].map(|(first, second)| self.text(Some(first), Some(second)));
        let (_, answers) = ask(self.session, texts)?;
        let [both, first, second] = answers.as_slice() else { return Ok(false) };
        let by_second = own(both, second);
        Ok(own(both, first).iter().any(|key| by_second.contains(key)))
    }

    /// For plugins that take nothing but digits: strings of them, and numbers, here alone or at all places. Says whether
    /// the two matter together then.
    fn check_digits(&mut self, places: &[String]) -> Result<bool, Stop> {
        let (At::Place(_), At::Place(_)) = (self.first, self.second) else { return Ok(false) };
        for make in [Json::string as fn(&'static str) -> Json, |digits| Json::number(digits)] {
            for others in [&[], places] {
                let mut event = self.event.clone();
                others.iter().for_each(|place| event.set(place, make("7")));
                let mut grid = Grid { event, first: self.first, second: self.second, session: &mut *self.session };
                let [one, two] = [make("1"), make("2")];
                if grid.matter_together(&[one.clone(), two.clone()], &[one, two])? {
                    let values = SHORT_DIGITS.iter().chain(&LONG_DIGITS).map(|digits| Some(make(digits)));
                    grid.check(&values.collect::<Vec<_>>())?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What stands between the two values in a key, if it is a short text.
    fn separators(&mut self) -> Result<Option<String>, Stop> {
        let [first, second] = MARKS.map(Json::string);
        let text = self.text(Some(&first), Some(&second));
        let (_, answers) = ask(self.session, [text])?;
        let between = |key: &[u8]| {
            let key = std::str::from_utf8(key).ok()?;
            let [one, two] = MARKS;
            let ends = [(one, two), (two, one)];
            ends.iter().find_map(|(one, two)| Some(key.split_once(one)?.1.split_once(two)?.0.to_owned()))
        };
        let found = answers.iter().flat_map(Answer::keys).find_map(|key| between(key));
        Ok(found.filter(|text| !text.is_empty() && text.len() <= FOUND_BYTES_MAX))
    }

    /// Holds all combinations of the values against each other.
    fn check(&mut self, values: &[Option<Json>]) -> Result<(), Stop> {
        let cells: Vec<(usize, usize)> =
            (0..values.len()).flat_map(|one| (0..values.len()).map(move |two| (one, two))).collect();
        let value = |at: usize| values.get(at).and_then(Option::as_ref);
        let texts: Vec<Vec<u8>> = cells.iter().map(|(one, two)| self.text(value(*one), value(*two))).collect();
        let (items, answers) = ask(self.session, texts)?;
        let Some((key, one, two)) = collision(&cells, &answers) else { return Ok(()) };
        let place = |cell: (usize, usize)| cells.iter().position(|other| *other == cell).unwrap_or_default();
        Err(Stop::failed(
            format!(
                "{} and {}: {} and {}",
                self.first.place(),
                self.second.place(),
                items.shown(place(one)),
                items.shown(place(two))
            ),
            format!("both have the key {}", shown(&key)),
            "different keys: the plugin distinguishes the values at each of the two places",
        ))
    }
}

type Cell = (usize, usize);

/// A key that two cells share which the rule keeps apart.
fn collision(cells: &[Cell], answers: &[Answer]) -> Option<(Vec<u8>, Cell, Cell)> {
    let mut owners: HashMap<&[u8], BTreeSet<Cell>> = HashMap::new();
    for (cell, answer) in cells.iter().zip(answers) {
        answer.keys().iter().for_each(|key| _ = owners.entry(key).or_default().insert(*cell));
    }
    let mut found: Vec<(Cell, Cell, &[u8])> = Vec::new();
    for (key, cells) in owners {
        for &(a, b) in &cells {
            let apart = |&&(c, d): &&Cell| {
                // One's values in the other's places are an event that a plugin may take for the same.
                let swapped = (a, b) == (d, c);
                a < c && b != d && !swapped && !cells.contains(&(a, d)) && !cells.contains(&(c, b))
            };
            found.extend(cells.iter().find(apart).map(|other| ((a, b), *other, key)));
        }
    }
    // The order of a hash map must not be seen.
    found.into_iter().min().map(|(one, two, key)| (key.to_vec(), one, two))
}

#[cfg(test)]
mod tests {
    use engine::fields::KeyStatus;

    use super::*;

    const VALUES: [&str; 11] = ["", "a", "b", ":", "a:", ":b", "a:b", "\\", "a\\", "a\\:", "a:\\"];

    fn collides(key: impl Fn(&str, &str) -> Vec<String>) -> bool {
        let cells: Vec<Cell> = (0..VALUES.len()).flat_map(|a| (0..VALUES.len()).map(move |b| (a, b))).collect();
        let answer = |&(a, b): &Cell| {
            let keys = key(VALUES[a], VALUES[b]).into_iter().map(String::into_bytes).collect();
            Answer::Keys { status: KeyStatus::Keyed, keys, note: None }
        };
        collision(&cells, &cells.iter().map(answer).collect::<Vec<_>>()).is_some()
    }

    #[test]
    fn joined_values_that_run_together() {
        assert!(collides(|a, b| vec![format!("{a}:{b}")]));
        assert!(collides(|a, b| vec![format!("{a}{b}")]));
        // The separator is escaped, and the escape is not.
        assert!(collides(|a, b| vec![format!("{}:{}", a.replace(':', "\\:"), b.replace(':', "\\:"))]));
        // One of several keys is enough.
        assert!(collides(|a, b| vec![format!("1{a}"), format!("2{a}:{b}")]));
    }

    #[test]
    fn lengths_that_come_round_run_together() {
        let values = lengths_that_wrap(1, "\u{1}");
        let text = |at: usize| match &values[at] {
            Some(Json::String(text)) => text.clone(),
            other => panic!("{other:?}"),
        };
        let key =
            |one: &str, two: &str| format!("{}{one}{}{two}", (one.len() as u8) as char, (two.len() as u8) as char);
        assert_eq!(key(&text(0), &text(3)), key(&text(1), &text(2)));
    }

    #[test]
    fn what_a_plugin_may_take_for_the_same() {
        let escape = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
        assert!(!collides(|a, b| vec![format!("{}:{}", escape(a), escape(b))]));
        assert!(!collides(|a, b| vec![format!("{}:{a}{b}", a.len())]));
        assert!(!collides(|a, _| vec![a.to_owned()]), "a field that does not count");
        assert!(!collides(|a, b| vec![format!("{:?}", (a.trim_matches(':'), b.len()))]), "values taken for the same");
        assert!(
            !collides(|a, b| vec![format!("{:?}", if a < b { (a, b) } else { (b, a) })]),
            "places that may be swapped"
        );
        assert!(!collides(|a, b| vec![if a.is_empty() { b } else { a }.to_owned()]), "one in place of the other");
        assert!(!collides(|a, b| vec![format!("0{a}"), format!("1{b}")]), "a key for each");
        assert!(!collides(|_, _| vec!["constant".to_owned()]));
    }
}
