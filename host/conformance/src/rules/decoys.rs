//! Rule K14: a plugin that picks members of JSON finds the ones that it looks for where they stand, and not what looks like
//! them elsewhere: in another object, in an array, in a text, under a longer name, before the member or after it, and also
//! where there is no such member.

use plugin::{Input, Role};

use super::agree::{In, agree};
use super::distinct::SLOTS_MAX;
use super::variants::ask;
use crate::context::Context;
use crate::samples::{Json, Slot};
use crate::session::{Answer, Session};
use crate::verdict::Stop;

/// Names of members that nobody looks for: one that is first in the order of names, too, and one that is last.
const FIRST: &str = "!qxq";
const LAST: &str = "zqxq";

/// Tries it.
pub(super) fn found_where_they_stand(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    // What the plugin asks for by a pointer the host finds.
    let fields = match session.input() {
        Input::Payload => Vec::new(),
        Input::Fields(fields) => fields.clone(),
    };
    let is_picked = |slot: &&Slot| !fields.contains(&slot.place);
    let known = context.known();
    let (mut tried, mut places) = (0, Vec::new());
    for slot in known.slots.iter().filter(is_picked) {
        let Some(Place { above, name }) = place(slot) else { continue };
        if places.len() == SLOTS_MAX || places.contains(&&slot.place) {
            continue;
        }
        places.push(&slot.place);
        let other = slot.seen.iter().find(|text| slot.tree(text) != slot.event);
        let decoys = Decoys { name: &name, value: slot.value(other.map_or("decoy", String::as_str)) };
        let mut without = slot.event.clone();
        without.remove(&slot.place);
        for above in [above, ""] {
            let there = Scene { event: &slot.event, above, words: format!("\"{name}\" stands at {}", slot.place) };
            tried += there.check(&mut session, &decoys)?;
            let missing = Scene { event: &without, above, words: format!("there is no \"{name}\" at {}", slot.place) };
            tried += missing.check(&mut session, &decoys)?;
        }
    }
    if tried == 0 {
        return Err(Stop::not_applicable(
            "it picks no members of JSON itself, as far as is known: pass events with --input",
        ));
    }
    context.remark(format!("{tried} events with decoys"));
    Ok(())
}

/// An event, and the place of the object in it that gets decoys.
struct Scene<'s> {
    event: &'s Json,
    above: &'s str,
    words: String,
}

impl Scene<'_> {
    /// Holds the event with each decoy to what it gets without; says how many were tried.
    fn check(&self, session: &mut Session, decoys: &Decoys) -> Result<usize, Stop> {
        let Some(wanted) = self.indifferent(session)? else { return Ok(0) };
        let mut tried = 0;
        for (end, at_end) in [("before", false), ("after", true)] {
            for (what, member) in decoys.all(at_end) {
                tried += 1;
                let decoyed = beside(self.event, self.above, &member, at_end);
                let (items, answers) = ask(session, [decoyed.text()])?;
                let how = format!("{what}, {end} all else, while {}", self.words);
                agree(&items, &how, &answers, std::slice::from_ref(&wanted), In::Decisions)?;
            }
        }
        Ok(tried)
    }

    /// What the event gets, if any other member makes no difference to it: else its key is made of the whole object.
    fn indifferent(&self, session: &mut Session) -> Result<Option<Answer>, Stop> {
        let plain = |at_end| beside(self.event, self.above, &(other(at_end), Json::number(1)), at_end).text();
        let (_, answers) = ask(session, [self.event.text(), plain(false), plain(true)])?;
        let [alone, before, after] = answers.as_slice() else { return Ok(None) };
        Ok((alone.same_decision(before) && alone.same_decision(after)).then(|| alone.clone()))
    }
}

struct Place<'s> {
    above: &'s str,
    name: String,
}

/// Where the slot's value is a member of an object.
fn place(slot: &Slot) -> Option<Place<'_>> {
    let (above, name) = slot.place.rsplit_once('/')?;
    let is_member = matches!(slot.event.at(above), Some(Json::Object(_)));
    is_member.then(|| Place { above, name: name.replace("~1", "/").replace("~0", "~") })
}

/// The event with a member more in an object, before all others or after them.
fn beside(event: &Json, above: &str, member: &(String, Json), at_end: bool) -> Json {
    let mut event = event.clone();
    if let Some(Json::Object(mut members)) = event.at(above).cloned() {
        let at = if at_end { members.len() } else { 0 };
        members.insert(at, member.clone());
        event.set(above, Json::Object(members));
    }
    event
}

fn other(at_end: bool) -> String {
    (if at_end { LAST } else { FIRST }).to_owned()
}

/// Members that have the looks of one with this name.
struct Decoys<'s> {
    name: &'s str,
    value: Json,
}

impl Decoys<'_> {
    /// What each is, and the member, to stand at the end or at the beginning.
    fn all(&self, at_end: bool) -> Vec<(&'static str, (String, Json))> {
        let Self { name, value } = self;
        let inner = || Json::Object(vec![((*name).to_owned(), value.clone())]);
        let text = String::from_utf8(inner().text()).unwrap_or_default();
        let shorter = text.trim_matches(['{', '}']).to_owned();
        let in_other = |value: Json| (other(at_end), value);
        vec![
            ("the name in an object", in_other(inner())),
            ("the name deep inside", in_other(Json::object([("a", Json::Array(vec![inner()]))]))),
            ("the name in an array", in_other(Json::Array(vec![Json::number(1), inner()]))),
            ("its text in a string", in_other(Json::string(text))),
            ("its text without braces in a string", in_other(Json::string(shorter))),
            ("a name that ends with it", (format!("x{name}"), value.clone())),
            ("a name that begins with it", (format!("{name}x"), value.clone())),
            ("a name that ends with it after a quote", (format!("x\"{name}"), value.clone())),
            ("the name as a value", in_other(Json::string(*name))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoys_stand_first_or_last_and_leave_the_member_as_it_is() {
        let event = Json::parse(br#"{"a":{"id":"x"},"b":1}"#).unwrap();
        let decoys = Decoys { name: "id", value: Json::string("y") };
        for at_end in [false, true] {
            for (what, member) in decoys.all(at_end) {
                for above in ["", "/a"] {
                    let other = beside(&event, above, &member, at_end);
                    assert_eq!(other.at("/a/id"), event.at("/a/id"), "{what}");
                    let text = String::from_utf8(other.text()).unwrap();
                    let name = String::from_utf8(Json::string(member.0.as_str()).text()).unwrap();
                    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{what}: {part} is not in {text}"));
                    assert_eq!(at(&format!("{name}:")) > at("\"id\":\"x\""), at_end, "{what}: {text}");
                }
            }
        }
    }
}
