//! Places inside an event where a text can be put such that the plugin still gives a key. Not how they are found: see
//! `learned`.

use super::draw::Draw;
use super::json::Json;

/// A place of an event that takes other texts, and that changes a key: a whole field, or a part of it where a plugin takes
/// nothing but texts of its own form, such as the name before the `@` of an address.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slot {
    /// An event that has a key.
    pub(crate) event: Json,
    /// Where the value stands, as a pointer.
    pub(crate) place: String,
    /// What stays of the value.
    pub(crate) before: String,
    pub(crate) after: String,
    /// Whether the value is a number: a text has to be one, too.
    pub(crate) is_number: bool,
    /// What it was seen to take.
    pub(crate) takes: Takes,
    /// Texts that got a key.
    pub(crate) seen: Vec<String>,
}

/// What texts a slot was seen to take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Takes {
    /// Letters from `a` to `z`.
    pub(crate) lower: bool,
    /// Letters from `A` to `Z`.
    pub(crate) upper: bool,
    /// Digits.
    pub(crate) digits: bool,
    /// Other characters, between two letters or digits.
    pub(crate) others: Vec<char>,
    /// Of the longest text it took.
    pub(crate) bytes_max: usize,
}

/// What is known of the events that a plugin makes sense of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The author's, as they came.
    pub(crate) own: Vec<Vec<u8>>,
    /// Events with a key; empty where none was found, or none was looked for.
    pub(crate) keyed: Vec<Json>,
    /// Where these can be changed.
    pub(crate) slots: Vec<Slot>,
}

impl Slot {
    /// The value at the slot's place with this text in it.
    pub(crate) fn value(&self, text: &str) -> Json {
        let text = format!("{}{text}{}", self.before, self.after);
        match (&self.event, self.is_number) {
            (Json::Raw(_), _) if self.place.is_empty() => Json::Raw(text),
            (_, true) => Json::Number(text),
            (_, false) => Json::String(text),
        }
    }

    /// Puts the text into an event of the same shape.
    pub(crate) fn put(&self, event: &mut Json, text: &str) {
        event.set(&self.place, self.value(text));
    }

    /// The slot's event with this text in it.
    pub(crate) fn tree(&self, text: &str) -> Json {
        let mut event = self.event.clone();
        self.put(&mut event, text);
        event
    }

    /// The text of [`Slot::tree`].
    pub(crate) fn text(&self, text: &str) -> Vec<u8> {
        self.tree(text).text()
    }

    /// Whether any text may stand at the place, and not only some of a form.
    pub(crate) fn is_free(&self) -> bool {
        self.before.is_empty() && self.after.is_empty() && !self.is_number && self.takes.lower
    }
}

impl Known {
    /// An event that has a key, as it was found or with another text in one of its slots; `None` where none is known.
    pub(crate) fn keyed(&self, draw: &mut Draw) -> Option<Json> {
        let slot = if draw.chance(50) { draw.of(&self.slots) } else { None };
        let other = slot.and_then(|slot| Some(slot.tree(draw.of(&slot.seen)?)));
        other.or_else(|| draw.of(&self.keyed).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(event: &str, place: &str, before: &str, after: &str) -> Slot {
        let event = Json::parse(event.as_bytes()).unwrap_or_else(|| Json::Raw(event.to_owned()));
        let (place, before, after) = (place.to_owned(), before.to_owned(), after.to_owned());
        Slot { event, place, before, after, is_number: false, takes: Takes::default(), seen: Vec::new() }
    }

    #[test]
    fn a_text_stands_where_the_slot_is() {
        let address = slot(r#"{"mail":"ann@a.example","n":1}"#, "/mail", "", "@a.example");
        assert_eq!(address.text("x\"y"), br#"{"mail":"x\"y@a.example","n":1}"#);
        assert_eq!(slot("id=1;at=2", "", "id=", ";at=2").text("77"), b"id=77;at=2");
        let number = Slot { is_number: true, ..slot(r#"{"n":1}"#, "/n", "", "") };
        assert_eq!(number.text("1e3"), br#"{"n":1e3}"#);
    }
}
