//! One instance asked for long, its answers held all along against those of fresh ones, its memory watched. Not a rule:
//! D6, R1 and R8 look at what comes out, and it is done once for all of them.
//!
//! Two things are asked in turn. Small batches of a few varied events whose answers are known, so that every single answer
//! is checked: for counters that come round, and for what one event leaves behind for the next. And large batches of
//! events that were never seen before, some of which a fresh instance is asked about, too: for tables that fill.

use std::rc::Rc;

use plugin::{Fault, Role};

use super::agree::{In, agree};
use super::distinct::chosen_slots;
use crate::context::Context;
use crate::feed::{Items, Text};
use crate::long_run::LongRun;
use crate::samples::{Draw, Events, Json, Slot, fill::random_text};
use crate::session::{Answer, Session};
use crate::verdict::{Failure, Stop};

/// Small batches, and the items of each: more than 2^16 calls and 2^17 items.
const CALLS: usize = 100_000;
const CALL_ITEMS: usize = 6;
/// Different small batches, and the items they are drawn from.
const SMALL: usize = 512;
const KNOWN: usize = 144;
/// Large batches, the items of each, and those of them that a fresh instance is asked about: more than 2^17 in all.
const LARGE: usize = 128;
const LARGE_ITEMS: usize = 1200;
const COMPARED: usize = 64;
/// Fuel for the small batches, and for the large ones. Where it does not suffice, there are fewer.
const SMALL_FUEL: u64 = 10_000_000_000;
const LARGE_FUEL: u64 = 26_000_000_000;
/// One of so many new values is so long: 19 MB together.
const LONG_EVERY: usize = 32;
const NEW_LONG_BYTES: usize = 4000;
/// Places at which new values are put where no slot is known, and events of which new pairs are made.
const PLACES_MAX: usize = 4;
const BASES: usize = 16;
/// Bytes that texts have in common at their beginning, and those of the longest.
const COMMON_BYTES: [usize; 3] = [20, 80, 300];
const LONG_BYTES: usize = 5000;

/// What came out for a role; asked for the first time, it is done.
pub(super) fn long_run(context: &Context<'_>, role: Role) -> Result<Rc<LongRun>, Stop> {
    if let Some(run) = context.long_runs().of(role) {
        return Ok(run);
    }
    let run = Runner::new(context, role)?.run()?;
    if run.ended.is_some() {
        // It may have been the time of the rule that was up: no rule after it is to take that for the plugin's fault.
        context.session(role)?;
    }
    Ok(context.long_runs().keep(role, run))
}

struct Runner<'a, 'c> {
    context: &'a Context<'c>,
    role: Role,
    session: Session,
    draw: Draw,
    events: Events,
    slots: Vec<Slot>,
    /// What new pairs are made of.
    bases: Vec<Json>,
    /// Small batches with the answers of fresh instances.
    small: Vec<Rc<(Items, Vec<Answer>)>>,
    /// Memory after the calls after which there was more than before.
    grown: Vec<(usize, usize)>,
    run: LongRun,
    small_fuel: u64,
    large_fuel: u64,
}

impl<'a, 'c> Runner<'a, 'c> {
    fn new(context: &'a Context<'c>, role: Role) -> Result<Self, Stop> {
        let session = context.session(role)?;
        let mut events = context.events_named(session.input(), "long run");
        let bases = (0..BASES).map(|_| events.full_tree()).collect();
        let slots = chosen_slots(&context.known());
        let run = LongRun {
            calls: 0,
            items: 0,
            new_items: 0,
            crossed_bytes: 0,
            memory_bytes: [0; 5],
            is_short: false,
            wrong: None,
            ended: None,
        };
        let draw = context.draw_named("long run");
        let (small, grown) = (Vec::new(), vec![(0, 0)]);
        let (small_fuel, large_fuel) = (0, 0);
        Ok(Self { context, role, session, draw, events, slots, bases, small, grown, run, small_fuel, large_fuel })
    }

    fn run(mut self) -> Result<LongRun, Stop> {
        self.learn_small()?;
        let reach = self.context.options().reach;
        let (calls, large) = (reach.of(CALLS), reach.of(LARGE));
        let mut small = 0;
        for step in 1..=large {
            self.large_batch()?;
            while small < calls * step / large && self.small_fuel <= SMALL_FUEL / LARGE as u64 * step as u64 {
                self.small_batch();
                small += 1;
            }
            if self.run.ended.is_some() {
                break;
            }
        }
        self.run.is_short = small < calls || self.run.new_items < large * LARGE_ITEMS;
        let made = self.run.calls;
        let at =
            |call: usize| self.grown.iter().rev().find(|(since, _)| *since <= call).map_or(0, |(_, memory)| *memory);
        self.run.memory_bytes = [1, made / 4, made / 2, made * 3 / 4, made].map(at);
        Ok(self.run)
    }

    /// Asks a fresh instance about each of a few items, and makes batches of them.
    fn learn_small(&mut self) -> Result<(), Stop> {
        let mut texts: Vec<Text> = (0..KNOWN / 3).map(|_| self.ordinary()).collect();
        texts.extend(self.varied());
        let mut known: Vec<(Text, Answer)> = Vec::new();
        for text in texts {
            let mut fresh = self.context.session(self.role)?;
            let items = fresh.items([text.clone()]);
            // Whether it is answered at all is the business of other rules.
            let answer =
                if items.len() == 1 { fresh.ask(&items).ok().and_then(|mut answers| answers.pop()) } else { None };
            known.extend(answer.map(|answer| (text, answer)));
        }
        for number in 0..SMALL {
            let count = if number % 8 == 0 { 1 } else { CALL_ITEMS };
            let chosen: Vec<&(Text, Answer)> = (0..count).filter_map(|_| self.draw.of(&known)).collect();
            let items = self.session.items(chosen.iter().map(|(text, _)| text.clone()));
            let answers = chosen.into_iter().map(|(_, answer)| answer.clone()).collect();
            self.small.push(Rc::new((items, answers)));
        }
        Ok(())
    }

    /// Items with texts that are long, alike in their beginnings, or beyond ASCII, and with values missing.
    fn varied(&mut self) -> Vec<Text> {
        let mut events: Vec<Json> = Vec::new();
        for slot in self.slots.clone() {
            for common in COMMON_BYTES.into_iter().chain([LONG_BYTES]).filter(|bytes| *bytes < slot.takes.bytes_max) {
                let beginning = random_text(&slot, common, &mut self.draw);
                let ends = (0..4).map(|_| random_text(&slot, 8, &mut self.draw));
                events.extend(ends.map(|end| slot.tree(&format!("{beginning}{end}"))));
            }
            events.extend(slot.seen.iter().take(3).map(|text| slot.tree(text)));
            if slot.is_free() {
                events.extend(["Zürich", "東京 😀", ""].map(|text| slot.tree(text)));
            }
            let mut without = slot.event.clone();
            without.remove(&slot.place);
            events.extend([without, slot.event.clone()]);
        }
        // Whatever is cut off, some of each slot stay.
        self.draw.shuffle(&mut events);
        let other = self.events.text();
        events.truncate(KNOWN - KNOWN / 3);
        events.iter().map(|event| self.text_of(event.text(), other.clone())).collect()
    }

    fn ordinary(&mut self) -> Text {
        let event = self.events.text();
        let other = if self.draw.chance(25) { event.clone() } else { self.events.text() };
        self.text_of(event, other)
    }

    fn text_of(&self, event: Vec<u8>, other: Vec<u8>) -> Text {
        match self.role {
            Role::KeyExtractor => Text::Event(event),
            Role::SimilarityScorer => Text::Pair(other, event),
        }
    }

    /// One item that has not been seen before.
    fn new_item(&mut self, number: usize) -> Text {
        let at = self.draw.below(self.slots.len());
        if let Some(slot) = self.slots.get(at) {
            let wanted = if number.is_multiple_of(LONG_EVERY) { NEW_LONG_BYTES } else { 12 + number % 13 };
            let length = slot.takes.bytes_max.clamp(1, wanted);
            return Text::Event(slot.text(&random_text(slot, length, &mut self.draw)));
        }
        match self.role {
            Role::KeyExtractor => Text::Event(self.unlike_any(Json::Object(Vec::new()))),
            // They have something in common, as ordinary pairs have: what others get is for the group `scores` to judge.
            Role::SimilarityScorer => {
                let event = self.draw.of(&self.bases).cloned().unwrap_or(Json::Null);
                Text::Pair(self.unlike_any(event.clone()), self.unlike_any(event))
            }
        }
    }

    /// The event with a value of its own at one of the places that the plugin reads.
    fn unlike_any(&mut self, mut event: Json) -> Vec<u8> {
        let value = Json::string(format!("value {:x}", self.draw.below(1 << 50)));
        let places = self.events.places(PLACES_MAX);
        let place = self.draw.of(&places).cloned().unwrap_or_else(|| "/a".to_owned());
        event.set(&place, value);
        event.text()
    }

    fn large_batch(&mut self) -> Result<(), Stop> {
        if self.run.ended.is_some() || self.large_fuel > LARGE_FUEL {
            return Ok(());
        }
        let texts: Vec<Text> = (0..LARGE_ITEMS).map(|number| self.new_item(number)).collect();
        let items = self.session.items(texts);
        let Some((answers, fuel)) = self.asked(&items) else { return Ok(()) };
        self.large_fuel += fuel;
        self.run.new_items += items.len();
        if self.run.wrong.is_some() {
            return Ok(());
        }
        let start = self.draw.below(items.len().saturating_sub(COMPARED) + 1);
        let places = start..items.len().min(start + COMPARED);
        let mut fresh = self.context.session(self.role)?;
        let some = fresh.choose(&items, places.clone());
        let Ok(wanted) = fresh.ask(&some) else { return Ok(()) };
        self.hold(&some, answers.get(places).unwrap_or_default(), &wanted);
        Ok(())
    }

    fn small_batch(&mut self) {
        let Some(batch) = self.draw.of(&self.small).map(Rc::clone) else { return };
        let (items, wanted) = &*batch;
        let Some((answers, fuel)) = self.asked(items) else { return };
        self.small_fuel += fuel;
        if self.run.wrong.is_none() {
            self.hold(items, &answers, wanted);
        }
    }

    fn hold(&mut self, items: &Items, got: &[Answer], wanted: &[Answer]) {
        let how =
            format!("in call {} of one instance, after {} other {}s", self.run.calls, self.run.items, items.kind());
        if let Err(Stop::Failed(failure)) = agree(items, &how, got, wanted, In::All) {
            self.run.wrong =
                Some(Failure { wanted: format!("{}, as a fresh instance says", failure.wanted), ..*failure });
        }
    }

    /// Answers, and their fuel; `None` where there are none, which ends it.
    fn asked(&mut self, items: &Items) -> Option<(Vec<Answer>, u64)> {
        if self.run.ended.is_some() {
            return None;
        }
        let asked = self.session.ask(items);
        let cost = self.session.probe().cost();
        match asked {
            Ok(answers) => {
                self.run.calls += 1;
                self.run.items += items.len();
                self.run.crossed_bytes += items.bytes() + answers.iter().map(Answer::bytes).sum::<usize>();
                if self.grown.last().is_some_and(|(_, before)| *before < cost.memory_bytes) {
                    self.grown.push((self.run.calls, cost.memory_bytes));
                }
                // Where fuel is not counted, about what it would be.
                let fuel = cost.fuel.unwrap_or_else(|| cost.time.as_micros() as u64 * 2000);
                Some((answers, fuel))
            }
            Err(fault) => {
                self.run.ended = Some(in_call(self.run.calls, items, &fault));
                None
            }
        }
    }
}

fn in_call(calls: usize, items: &Items, fault: &Fault) -> Failure {
    let input = format!("call {} of one instance: {}, ..", calls + 1, items.shown(0));
    Failure { input, got: fault.to_string(), wanted: "an answer".to_owned() }
}
