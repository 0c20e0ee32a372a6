//! Ordinary events for a plugin: what people send, with a value at every place that the plugin asked for. Not the nasty
//! ones: see `nasty`.

use std::collections::BTreeSet;
use std::rc::Rc;

use plugin::Input;

use super::draw::Draw;
use super::formats;
use super::json::{Json, index, segments};
use super::slot::{Known, Slot};

/// Of ordinary events, those that are the author's or like them, where there are any; the others are made up.
const OWN_PERCENT: usize = 50;

/// An event, and what is particular about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// In words, for the report.
    pub(crate) name: String,
    /// The payload.
    pub(crate) text: Vec<u8>,
}

impl Event {
    /// An event with a name.
    pub(crate) fn new(name: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// Makes events for one plugin.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    /// What it asked for, the shortest first; nothing where it reads the payload or the whole event.
    pointers: Vec<String>,
    /// The author's own events, as they came and as values where they are JSON.
    own: Vec<(Vec<u8>, Option<Json>)>,
    /// What else is known of the events that the plugin makes sense of.
    known: Rc<Known>,
    draw: Draw,
}

impl Events {
    /// Events for a plugin that asked for `input`; one of fields gets those of the author's that are JSON.
    pub(crate) fn new(input: &Input, known: Rc<Known>, seed: u64, purpose: &str) -> Self {
        let mut own: Vec<_> = known.own.iter().map(|text| (text.clone(), Json::parse(text))).collect();
        let mut pointers = match input {
            Input::Fields(pointers) => pointers.clone(),
            Input::Payload => Vec::new(),
        };
        if matches!(input, Input::Fields(_)) {
            own.retain(|(_, tree)| tree.is_some());
        }
        pointers.retain(|pointer| !pointer.is_empty());
        pointers.sort_by_key(|pointer| (segments(pointer).count(), pointer.clone()));
        pointers.dedup();
        Self { pointers, own, known, draw: Draw::new(seed, purpose) }
    }

    /// What is drawn from here on.
    pub(crate) fn draw(&mut self) -> &mut Draw {
        &mut self.draw
    }

    /// The next ordinary event: one of the author's as it came, one like those, or one made up.
    pub(crate) fn text(&mut self) -> Vec<u8> {
        if !self.own.is_empty() && self.draw.chance(OWN_PERCENT / 2) {
            return self.draw.of(&self.own).map(|(text, _)| text.clone()).unwrap_or_default();
        }
        self.tree().text()
    }

    /// The next ordinary event as a value that can be changed: one of the author's that is JSON, one that the plugin is
    /// known to give a key, or one made up.
    pub(crate) fn tree(&mut self) -> Json {
        self.own_tree().unwrap_or_else(|| self.made_up())
    }

    /// Now and then an event that is not made up, where there are any.
    fn own_tree(&mut self) -> Option<Json> {
        let is_any = !self.own.is_empty() || !self.known.keyed.is_empty();
        if !is_any || !self.draw.chance(OWN_PERCENT) {
            return None;
        }
        let keyed = if self.draw.chance(50) { self.known.keyed(&mut self.draw) } else { None };
        let trees: Vec<&Json> = self.own.iter().filter_map(|(_, tree)| tree.as_ref()).collect();
        keyed.or_else(|| self.draw.of(&trees).map(|tree| (*tree).clone()))
    }

    /// An event that the plugin is known to give a key; where none is known, an ordinary one as of [`Events::full_tree`].
    pub(crate) fn keyed_tree(&mut self) -> Json {
        match self.known.keyed(&mut self.draw) {
            Some(event) => event,
            None => self.full_tree(),
        }
    }

    /// Another value that got a key at a place, where one is known.
    pub(crate) fn other_value(&mut self, place: &str) -> Option<Json> {
        let slots: Vec<&Slot> = self.known.slots.iter().filter(|slot| slot.place == place).collect();
        let slot = *self.draw.of(&slots)?;
        Some(slot.value(self.draw.of(&slot.seen)?))
    }

    /// An event with values of common forms at the places asked for, often ones that their names suggest.
    pub(crate) fn guessed(&mut self) -> Json {
        let mut event = self.base();
        for pointer in self.pointers.clone() {
            let value = formats::value(&pointer, &mut self.draw);
            self.put(&mut event, &pointer, value);
        }
        event
    }

    /// As [`Events::tree`], with a value that is no container at every place asked for, however it is drawn. What the
    /// author's events have there stays.
    pub(crate) fn full_tree(&mut self) -> Json {
        let own = self.own_tree();
        let is_own = own.is_some();
        let mut event = own.unwrap_or_else(|| self.made_up());
        let stays = |value: &Json| match value {
            Json::String(text) => is_own || !text.is_empty(),
            Json::Bool(_) | Json::Number(_) => is_own,
            Json::Null | Json::Array(_) | Json::Object(_) | Json::Raw(_) => false,
        };
        for pointer in self.pointers.clone() {
            if !event.at(&pointer).is_some_and(stays) {
                let value = self.word();
                self.put(&mut event, &pointer, value);
            }
        }
        event
    }

    /// At most so many places worth trying values at: of those asked for, or of those of an ordinary event where the
    /// payload or the whole event is read.
    pub(crate) fn places(&mut self, max: usize) -> Vec<String> {
        let mut matter: Vec<String> = self.known.slots.iter().map(|slot| slot.place.clone()).collect();
        let mut others = self.pointers.clone();
        if others.is_empty() {
            let own = self.own.iter().find_map(|(_, tree)| tree.clone());
            let event = own.unwrap_or_else(|| self.made_up());
            leaves(&event, &mut String::new(), &mut others);
        }
        let mut before = BTreeSet::from([String::new()]);
        for places in [&mut matter, &mut others] {
            places.retain(|place| before.insert(place.clone()));
        }
        // Those that are known to matter come first.
        if matter.len() > max {
            self.draw.shuffle(&mut matter);
        } else if matter.len() + others.len() > max {
            self.draw.shuffle(&mut others);
        }
        matter.extend(others);
        matter.truncate(max);
        matter
    }

    /// An ordinary event for each value at each of at most so many places.
    pub(crate) fn with_each(&mut self, values: &[(String, Json)], places_max: usize) -> Vec<Event> {
        let mut events = Vec::new();
        for place in self.places(places_max) {
            for (name, value) in values {
                let mut event = self.full_tree();
                self.put(&mut event, &place, value.clone());
                events.push(Event::new(format!("{name} at {place}"), event.text()));
            }
        }
        events
    }

    fn made_up(&mut self) -> Json {
        let mut event = self.base();
        for pointer in self.pointers.clone() {
            let above = pointer.rsplit_once('/').map_or("", |(above, _)| above);
            // A value is asked for above this one, and may be one that has nothing below it.
            let is_below = self.pointers.iter().any(|other| other == above);
            if is_below && self.draw.chance(30) {
                continue;
            }
            match self.draw.below(100) {
                0..3 => _ = event.remove(&pointer),
                3..6 => self.put(&mut event, &pointer, Json::Null),
                _ => {
                    let value = self.value();
                    self.put(&mut event, &pointer, value);
                }
            }
        }
        event
    }

    /// Puts a value at a place, sometimes into an array where the pointer could mean one.
    fn put(&mut self, event: &mut Json, pointer: &str, value: Json) {
        for (slash, _) in pointer.match_indices('/') {
            let (above, below) = pointer.split_at(slash);
            let is_index = segments(below).next().is_some_and(|segment| index(&segment).is_some());
            let is_free = !matches!(event.at(above), Some(Json::Array(_) | Json::Object(_)));
            if is_index && is_free && !above.is_empty() && self.draw.chance(50) {
                event.set(above, Json::Array(Vec::new()));
            }
        }
        event.set(pointer, value);
    }

    fn base(&mut self) -> Json {
        let draw = &mut self.draw;
        let time = format!("2024-01-{:02}T12:{:02}:{:02}Z", 1 + draw.below(2), draw.below(60), draw.below(60));
        let name = *draw.of(&["page_view", "$pageview", "click", "sign_up", "order: paid"]).unwrap_or(&"click");
        let mut properties = Json::object([
            ("$current_url", Json::string(format!("https://example.com/{}", draw.below(20)))),
            ("width", Json::number(320 + draw.below(8) * 160)),
            ("logged_in", Json::Bool(draw.chance(50))),
            ("tags", Json::Array((0..draw.below(4)).map(|tag| Json::string(format!("t{tag}"))).collect())),
            ("campaign", Json::object([("source", Json::string("mail")), ("medium", Json::Null)])),
        ]);
        if draw.chance(30) {
            properties.set("/title", Json::string("Ünïcödé — 事件 😀"));
        }
        Json::object([
            ("uuid", Json::string(format!("01936f4e-0000-7000-8000-{:012x}", draw.below(1 << 40)))),
            ("event", Json::string(name)),
            ("distinct_id", Json::string(format!("user{}", draw.below(50)))),
            ("token", Json::string(format!("project-{}", draw.below(5)))),
            ("timestamp", Json::string(time)),
            ("properties", properties),
        ])
    }

    fn word(&mut self) -> Json {
        let word = *self.draw.of(&["user", "2024-01-01T12:00:00Z", "a:b", "ÄÖ", "x"]).unwrap_or(&"x");
        Json::string(format!("{word}{}", self.draw.below(1000)))
    }

    fn value(&mut self) -> Json {
        match self.draw.below(20) {
            0 | 1 => Json::number(self.draw.below(1000)),
            2 => Json::number(format!("{}.5", self.draw.below(10))),
            3 => Json::Bool(self.draw.chance(50)),
            4 => Json::Array(vec![self.word(), Json::number(1)]),
            5 => Json::object([("a", self.word()), ("b", Json::Null)]),
            _ => self.word(),
        }
    }
}

/// The pointers of all values that are no objects.
pub(super) fn leaves(value: &Json, path: &mut String, out: &mut Vec<String>) {
    let Json::Object(members) = value else {
        out.push(path.clone());
        return;
    };
    for (name, value) in members {
        let length = path.len();
        path.push('/');
        path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        leaves(value, path, out);
        path.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pointers: &[&str]) -> Input {
        Input::Fields(pointers.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn one_seed_makes_the_same_events() {
        let texts = |seed| {
            let mut events = Events::new(&fields(&["/a", "/b/0"]), Rc::default(), seed, "test");
            (0..100).map(|_| events.text()).collect::<Vec<_>>()
        };
        assert_eq!(texts(1), texts(1));
        assert_ne!(texts(1), texts(2));
    }

    #[test]
    fn most_events_have_what_was_asked_for_in_every_shape() {
        let pointers = ["/a", "/a/b", "/items/0/id", "/x~1y/~0", "/deep/er/still"];
        let mut events = Events::new(&fields(&pointers), Rc::default(), 5, "test");
        let trees: Vec<Json> = (0..400).map(|_| events.tree()).collect();
        for pointer in pointers {
            let there = trees.iter().filter(|tree| tree.at(pointer).is_some()).count();
            assert!((200..400).contains(&there), "{pointer} is in {there} of 400");
        }
        assert!(trees.iter().any(|tree| matches!(tree.at("/items"), Some(Json::Array(_)))));
        assert!(trees.iter().any(|tree| matches!(tree.at("/items"), Some(Json::Object(_)))));
        assert!(trees.iter().any(|tree| matches!(tree.at("/a"), Some(Json::String(_)))));
        for tree in (0..100).map(|_| events.full_tree()) {
            let leaf = |pointer: &&str| matches!(tree.at(pointer), Some(Json::String(_)));
            assert!(pointers.iter().skip(1).all(leaf), "{tree:?}");
        }
    }

    fn own(texts: &[&[u8]]) -> Rc<Known> {
        Rc::new(Known { own: texts.iter().map(|text| text.to_vec()).collect(), ..Known::default() })
    }

    #[test]
    fn the_authors_events_come_as_they_are_beside_those_made_up() {
        let texts: [&[u8]; 2] = [b"not json", br#"{"id" : 1}"#];
        let mut events = Events::new(&Input::Payload, own(&texts), 1, "test");
        for text in texts {
            let count = (0..200).filter(|_| events.text() == text).count();
            assert!((10..150).contains(&count), "{count} of 200");
        }
        assert!((0..50).any(|_| events.tree().at("/uuid").is_some()), "none is made up");
        assert_eq!(events.places(8), ["/id"]);
    }

    #[test]
    fn the_authors_events_are_filled_up_where_fields_are_read() {
        let texts: [&[u8]; 2] = [b"not json", br#"{"at" : 12}"#];
        let mut events = Events::new(&fields(&["/at", "/who"]), own(&texts), 1, "test");
        assert!((0..50).all(|_| events.text() != texts[0]));
        let twelve = |event: &Json| event.at("/at") == Some(&Json::number(12));
        let event = (0..50).map(|_| events.full_tree()).find(twelve).expect("the author's event");
        assert!(matches!(event.at("/who"), Some(Json::String(_))), "{event:?}");
    }

    #[test]
    fn events_known_to_have_a_key_are_preferred_where_one_is_needed() {
        let known = Known { keyed: vec![Json::object([("mail", Json::string("a@b.example"))])], ..Known::default() };
        let mut events = Events::new(&fields(&["/mail"]), Rc::new(known), 1, "test");
        assert!((0..50).all(|_| events.keyed_tree().at("/mail") == Some(&Json::string("a@b.example"))));
    }
}
