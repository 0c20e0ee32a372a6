//! Holds the keys of events that differ in one slot against each other. Not a rule, and not the texts: those of `values`
//! and `crowd` ask.

use std::collections::HashMap;

use plugin::Role;

use super::variants::ask;
use crate::context::Context;
use crate::feed::Text;
use crate::samples::{Json, Known, Slot};
use crate::session::{Answer, Session};
use crate::show::shown;
use crate::verdict::Stop;

/// Slots of which each is tried.
pub(super) const SLOTS_MAX: usize = 4;
/// Events of one call, and about how many bytes.
const CALL_ITEMS: usize = 200;
const CALL_BYTES: usize = 1 << 20;

/// A few of the slots that are known, at as many places as there are.
pub(super) fn chosen_slots(known: &Known) -> Vec<Slot> {
    let mut before: HashMap<(&str, bool), usize> = HashMap::new();
    let mut slots: Vec<(usize, &Slot)> = Vec::new();
    for slot in &known.slots {
        let count = before.entry((&slot.place, slot.is_number)).or_default();
        slots.push((*count, slot));
        *count += 1;
    }
    slots.sort_by_key(|(count, _)| *count);
    slots.into_iter().take(SLOTS_MAX).map(|(_, slot)| slot.clone()).collect()
}

/// A text for a slot, and what is particular about it, in words.
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) text: String,
}

impl Variant {
    pub(super) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// Texts whose name is what they are.
    pub(super) fn plain(texts: impl IntoIterator<Item = String>) -> Vec<Self> {
        texts.into_iter().map(|text| Self::new("", text)).collect()
    }
}

/// One slot of the events of a plugin.
pub(super) struct Distinct<'a, 'c> {
    context: &'a Context<'c>,
    role: Role,
    pub(super) session: Session,
    pub(super) slot: Slot,
    /// Keys that the slot does not change.
    constant: Vec<Vec<u8>>,
}

impl<'a, 'c> Distinct<'a, 'c> {
    /// A few slots in which texts can be tried.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn all(context: &'a Context<'c>, role: Role) -> Result<Vec<Self>, Stop> {
        let mut all = Vec::new();
        for slot in chosen_slots(&context.known()) {
            let mut session = context.session(role)?;
            let (_, answers) = ask(&mut session, slot.seen.iter().take(6).map(|text| slot.text(text)))?;
            let first = answers.first().map(Answer::keys).unwrap_or_default();
            let in_all = |key: &&Vec<u8>| answers.iter().all(|answer| answer.keys().contains(key));
            let constant: Vec<Vec<u8>> = first.iter().filter(in_all).cloned().collect();
            all.push(Self { context, role, session, slot, constant });
        }
        if all.is_empty() {
            return Err(Stop::untried(
                "no place of an event is known that takes other texts: pass events with --input",
            ));
        }
        Ok(all)
    }

    /// What the plugin says of the event with each of the texts; `None` where it has no answer, which is for other rules
    /// to judge, or no key.
    pub(super) fn answers(&mut self, texts: &[&str]) -> Result<Vec<Option<Answer>>, Stop> {
        let mut all = Vec::with_capacity(texts.len());
        let mut rest = texts;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |text: &&&str| {
                bytes += text.len();
                bytes <= CALL_BYTES
            };
            let count = rest.iter().take(CALL_ITEMS).take_while(fits).count().max(1);
            let (some, others) = rest.split_at(count.min(rest.len()));
            let items = self.session.items(some.iter().map(|text| Text::Event(self.slot.text(text))));
            match self.session.ask(&items) {
                Ok(answers) if answers.len() == count => {
                    all.extend(answers.into_iter().map(|answer| Some(answer).filter(Answer::is_keyed)));
                }
                Ok(_) => all.extend((0..count).map(|_| None)),
                Err(_) => {
                    self.session = self.context.session(self.role)?;
                    all.extend((0..count).map(|_| None));
                }
            }
            rest = others;
        }
        Ok(all)
    }

    /// The keys of an answer that the slot changes.
    pub(super) fn own<'k>(&'k self, answer: &'k Answer) -> impl Iterator<Item = &'k Vec<u8>> {
        answer.keys().iter().filter(|key| !self.constant.contains(key))
    }

    /// Holds these texts to different keys; says how many had a key.
    ///
    /// # Errors
    /// The rule is broken.
    pub(super) fn hold(&mut self, what: &str, variants: &[Variant]) -> Result<usize, Stop> {
        let texts: Vec<&str> = variants.iter().map(|variant| variant.text.as_str()).collect();
        let answers = self.answers(&texts)?;
        let mut owners: HashMap<&[u8], usize> = HashMap::new();
        let mut met = None;
        for (at, answer) in answers.iter().enumerate() {
            for key in answer.iter().flat_map(|answer| self.own(answer)) {
                let before = *owners.entry(key).or_insert(at);
                let pair = variants.get(before).zip(variants.get(at)).filter(|(one, other)| one.text != other.text);
                let pair = pair.filter(|(one, other)| !self.may_meet(&one.text, &other.text));
                met = met.or(pair.map(|(one, other)| (one, other, key.clone())));
            }
        }
        if let Some((one, other, key)) = met {
            self.confirm(what, one, other, &key)?;
        }
        Ok(answers.iter().flatten().count())
    }

    /// Whether the two may be the same by what the author declares. Of texts that this makes no sense of, such as a count
    /// of seconds among instants, nobody knows.
    pub(super) fn may_meet(&self, one: &str, other: &str) -> bool {
        let declared = self.context.declared();
        let places = std::slice::from_ref(&self.slot.place);
        let values = [one, other].map(|text| self.slot.value(text));
        if !values.iter().all(|value| declared.understands(places, value)) {
            return true;
        }
        let [one, other] = values.map(|value| declared.canonical(&self.slot.place, &value));
        one.zip(other).is_none_or(|(one, other)| one == other)
    }

    /// Fails, if the two events share a key also where nothing was asked before.
    pub(super) fn confirm(&self, what: &str, one: &Variant, other: &Variant, key: &[u8]) -> Result<(), Stop> {
        let mut shares = true;
        for variant in [one, other] {
            let mut fresh = self.context.session(self.role)?;
            let (_, answers) = ask(&mut fresh, [self.slot.text(&variant.text)])?;
            shares &= answers.iter().any(|answer| answer.keys().iter().any(|other| other == key));
        }
        if !shares {
            return Err(Stop::blocked("D6", "fresh instances give other keys than one that was asked before"));
        }
        let value = |variant: &Variant| {
            let value = self.slot.value(&variant.text);
            if let Json::String(text) = &value { shown(text.as_bytes()) } else { shown(&value.text()) }
        };
        let named = |variant: &Variant| match variant.name.as_str() {
            "" => value(variant),
            name => format!("{} ({name})", value(variant)),
        };
        Err(Stop::failed(
            format!("{what} at {}: {} and {}", self.place(), named(one), named(other)),
            format!("both have the key {}", shown(key)),
            "different keys; or, if the two are meant to be the same, an equality in conformance.toml that says so",
        ))
    }

    /// The place of the slot, for people.
    pub(super) fn place(&self) -> &str {
        if self.slot.place.is_empty() { "the payload" } else { &self.slot.place }
    }
}
