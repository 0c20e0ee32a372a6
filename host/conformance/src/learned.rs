//! Learns which events a plugin makes sense of: from the author's events, from made-up ones, and from those changed in one
//! place for as long as they still get a key. It judges nothing: rules put texts where it says.

use plugin::Input;

use crate::feed::Text;
use crate::samples::{Draw, Events, Json, Known, Slot, Takes, like};
use crate::session::Session;

/// Events with a key that are kept: the author's, and made-up ones.
const OWN_KEYED_MAX: usize = 12;
const MADE_UP_KEYED_MAX: usize = 4;
/// Ordinary events that are tried, and ones with values of common forms where no ordinary one has a key.
const MADE_UP: usize = 32;
const GUESSED: usize = 3000;
/// Places of an event that are looked at, those of them that are tried, parts of the value at a place, and slots of one
/// kind that are kept.
const LOOKED_AT_MAX: usize = 500;
const PLACES_MAX: usize = 12;
const PARTS_MAX: usize = 10;
const SLOTS_EACH_MAX: usize = 2;
/// Elements of an array that are looked at.
const ELEMENTS_MAX: usize = 3;
/// Characters with which values are joined, escaped and cut.
const OTHERS: [char; 24] = [
    '-', '_', '.', ' ', '+', ':', '|', ',', ';', '/', '\\', '#', '=', '&', '"', '\'', '%', '@', '~', '\t', '\n', '\0',
    '\u{1f}', 'é',
];
/// Numbers that are tried.
const NUMBERS: [&str; 7] = ["3", "4", "17", "1700000123", "7.5", "1e2", "-1"];
/// Lengths of the texts tried in a slot, in bytes.
const LENGTHS: [usize; 6] = [1, 8, 64, 200, 1000, 70_000];
/// Events on which the plugin may fail before it is asked no further.
const FAILURES_MAX: usize = 8;
const ASKED_AT_ONCE: usize = 256;

/// Asks the plugin which events have a key. It starts a new session where one is lost.
struct Asker<'a> {
    start: &'a mut dyn FnMut() -> Option<Session>,
    session: Session,
    failures_left: usize,
}

/// Learns from the author's events `own`, and from those that `events` makes up. `start` gives fresh sessions of a key
/// extractor; it is over where there is none to be had.
pub(crate) fn learn(start: &mut dyn FnMut() -> Option<Session>, own: &[Vec<u8>], events: &mut Events) -> Known {
    let mut known = Known { own: own.to_vec(), ..Known::default() };
    let Some(session) = start() else { return known };
    let mut asker = Asker { start, session, failures_left: FAILURES_MAX };
    let read = |text: &Vec<u8>| Json::parse(text).or_else(|| Some(Json::Raw(String::from_utf8(text.clone()).ok()?)));
    let mut keyed = asker.keyed(own.iter().filter_map(read), OWN_KEYED_MAX);
    let made_up: Vec<Json> = (0..MADE_UP).map(|_| events.full_tree()).collect();
    let made_up = asker.keyed(made_up, MADE_UP_KEYED_MAX);
    if keyed.is_empty() && made_up.is_empty() {
        let guessed: Vec<Json> = (0..GUESSED).map(|_| events.guessed()).collect();
        keyed = asker.keyed(guessed, OWN_KEYED_MAX);
    }
    // Where the author's have keys, rules are tried on those.
    let from = if keyed.is_empty() { &made_up } else { &keyed };
    for event in from {
        for place in asker.places(event) {
            asker.slots_at(event, &place, events.draw(), &mut known.slots);
        }
    }
    known.keyed = keyed.into_iter().chain(made_up).collect();
    known
}

impl Asker<'_> {
    /// At most so many of these events that have a key.
    fn keyed(&mut self, events: impl IntoIterator<Item = Json>, max: usize) -> Vec<Json> {
        let events: Vec<Json> = events.into_iter().collect();
        let answers = self.ask(events.iter().map(Json::text).collect());
        let each = events.into_iter().zip(answers);
        each.filter_map(|(event, keys)| keys.map(|_| event)).take(max).collect()
    }

    /// The keys of each event; `None` for one that has none, that the host does not hand over, or on which the plugin fails.
    fn ask(&mut self, texts: Vec<Vec<u8>>) -> Vec<Option<Vec<Vec<u8>>>> {
        let mut all = Vec::with_capacity(texts.len());
        for texts in texts.chunks(ASKED_AT_ONCE) {
            match self.ask_at_once(texts) {
                Some(answers) => all.extend(answers),
                None => all.extend(texts.iter().map(|text| {
                    let answer = self.ask_at_once(std::slice::from_ref(text)).unwrap_or_default();
                    answer.into_iter().next().flatten()
                })),
            }
        }
        all
    }

    /// `None` where the plugin fails on one of them.
    fn ask_at_once(&mut self, texts: &[Vec<u8>]) -> Option<Vec<Option<Vec<Vec<u8>>>>> {
        if self.failures_left == 0 {
            return None;
        }
        let items = self.session.items(texts.iter().cloned().map(Text::Event));
        let Ok(answers) = self.session.ask(&items) else {
            self.failures_left -= 1;
            match (self.start)() {
                Some(session) => self.session = session,
                None => self.failures_left = 0,
            }
            return None;
        };
        // The host does not hand over all of them: those that it does are there in order.
        let mut handed = items.texts.iter().zip(&answers).peekable();
        let keys = texts.iter().map(|text| {
            let (_, answer) = handed.next_if(|(item, _)| matches!(item, Text::Event(item) if item == text))?;
            answer.is_keyed().then(|| answer.keys().to_vec())
        });
        Some(keys.collect())
    }

    /// The places of an event whose values matter: with another one it has another key, or none.
    fn places(&mut self, event: &Json) -> Vec<String> {
        let mut places = scalars(event);
        if let Input::Fields(fields) = self.session.input() {
            places.retain(|place| fields.iter().any(|field| is_at_or_below(place, field)));
        }
        places.truncate(LOOKED_AT_MAX);
        let other = |value: Option<&Json>| match value {
            Some(Json::Number(_)) => Json::number(20_406),
            Some(Json::Raw(_)) => Json::Raw("Qxq1".to_owned()),
            _ => Json::string("Qxq1"),
        };
        let changed = places.iter().map(|place| {
            let mut changed = event.clone();
            changed.set(place, other(event.at(place)));
            changed.text()
        });
        let mut answers = self.ask(std::iter::once(event.text()).chain(changed).collect()).into_iter();
        let before = answers.next().flatten();
        let each = places.into_iter().zip(answers);
        each.filter(|(_, keys)| *keys != before).map(|(place, _)| place).take(PLACES_MAX).collect()
    }

    /// Adds the slots at a place of an event.
    fn slots_at(&mut self, event: &Json, place: &str, draw: &mut Draw, slots: &mut Vec<Slot>) {
        let Some(value) = event.at(place) else { return };
        let slot = |before: &str, after: &str, is_number| Slot {
            event: event.clone(),
            place: place.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            is_number,
            takes: Takes::default(),
            seen: Vec::new(),
        };
        let candidates = match value {
            Json::Number(_) => vec![(slot("", "", true), "17")],
            Json::String(text) | Json::Raw(text) => {
                let whole = slot("", "", false);
                if slots.iter().filter(|slot| slot.place == place && slot.is_free()).count() >= SLOTS_EACH_MAX {
                    return;
                }
                if let Some(whole) = self.tried(whole, "Qxq", draw) {
                    let is_free = whole.is_free();
                    slots.push(whole);
                    if is_free {
                        return;
                    }
                }
                let parts = like::parts(text).into_iter().take(PARTS_MAX);
                parts.map(|(before, part, after)| (slot(before, after, false), part)).collect()
            }
            Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => Vec::new(),
        };
        for (candidate, part) in candidates {
            if count_like(slots, &candidate) < SLOTS_EACH_MAX {
                slots.extend(self.tried(candidate, part, draw));
            }
        }
    }

    /// What a slot takes; `None` where it takes nothing else, or where it does not change a key.
    fn tried(&mut self, mut slot: Slot, like: &str, draw: &mut Draw) -> Option<Slot> {
        let texts = if slot.is_number { NUMBERS.map(str::to_owned).into() } else { like::texts(like, draw) };
        let answers = self.ask(texts.iter().map(|text| slot.text(text)).collect());
        let keyed: Vec<(&String, Vec<Vec<u8>>)> =
            texts.iter().zip(answers).filter_map(|(text, keys)| Some((text, keys?))).collect();
        let (_, first) = keyed.first()?;
        if keyed.iter().all(|(_, keys)| keys == first) {
            return None;
        }
        slot.seen = keyed.iter().map(|(text, _)| (*text).clone()).collect();
        let takes = |is: fn(char) -> bool| keyed.iter().any(|(text, _)| text.chars().all(is));
        slot.takes.lower = takes(|char| char.is_ascii_lowercase());
        slot.takes.upper = takes(|char| char.is_ascii_uppercase());
        slot.takes.digits = takes(|char| char.is_ascii_digit());
        // An event that takes none but a few values, such as names of countries, is no place for other texts.
        let free = slot.takes.lower || slot.takes.upper || slot.takes.digits;
        if !free {
            return None;
        }
        self.learn_more(&mut slot);
        Some(slot)
    }

    fn learn_more(&mut self, slot: &mut Slot) {
        let letter = if slot.takes.lower {
            "k"
        } else if slot.takes.upper {
            "K"
        } else {
            "7"
        };
        let longer = LENGTHS.map(|length| slot.text(&letter.repeat(length)));
        let answers = self.ask(longer.to_vec());
        let lengths = LENGTHS.iter().zip(answers).filter_map(|(length, keys)| keys.map(|_| *length));
        let seen = slot.seen.iter().map(String::len).max().unwrap_or_default();
        slot.takes.bytes_max = lengths.max().unwrap_or_default().max(seen);
        let answers = self.ask(OTHERS.map(|other| slot.text(&format!("{letter}{other}{letter}"))).to_vec());
        slot.takes.others = OTHERS.into_iter().zip(answers).filter_map(|(other, keys)| keys.map(|_| other)).collect();
    }
}

fn is_at_or_below(place: &str, root: &str) -> bool {
    place.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Slots that are known already of the same part of the same place.
fn count_like(slots: &[Slot], slot: &Slot) -> usize {
    let marks = |text: &str| text.chars().filter(|char| !char.is_alphanumeric()).collect::<String>();
    let same = |other: &&Slot| {
        other.place == slot.place
            && other.is_number == slot.is_number
            && (other.is_free()
                || marks(&other.before) == marks(&slot.before) && marks(&other.after) == marks(&slot.after))
    };
    slots.iter().filter(same).count()
}

/// The pointers of an event's strings and numbers, those in arrays too.
fn scalars(event: &Json) -> Vec<String> {
    fn below(value: &Json, path: &mut String, out: &mut Vec<String>) {
        let mut one = |name: &str, value: &Json| {
            let length = path.len();
            path.push('/');
            path.push_str(&name.replace('~', "~0").replace('/', "~1"));
            below(value, path, out);
            path.truncate(length);
        };
        match value {
            Json::Object(members) => members.iter().for_each(|(name, value)| one(name, value)),
            Json::Array(values) => {
                values.iter().take(ELEMENTS_MAX).enumerate().for_each(|(at, value)| one(&at.to_string(), value));
            }
            Json::String(_) | Json::Number(_) | Json::Raw(_) => out.push(path.clone()),
            Json::Null | Json::Bool(_) => {}
        }
    }
    let mut places = Vec::new();
    below(event, &mut String::new(), &mut places);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_numbers_are_found_wherever_they_stand() {
        let event = Json::parse(br#"{"a":"x","b":{"c/d":1,"e":null},"f":["y",{"g":2}],"h":true}"#).unwrap();
        assert_eq!(scalars(&event), ["/a", "/b/c~1d", "/f/0", "/f/1/g"]);
        assert_eq!(scalars(&Json::Raw("id=1".to_owned())), [""]);
    }
}
