//! Rules of the group `totality`: whatever an event looks like, the plugin has an answer. Not what the answer is.

use std::fmt;

use plugin::{Fault, FaultKind, Input, Role};

use crate::context::Context;
use crate::feed::Text;
use crate::rule::{Concerns, Group, Level, Rule};
use crate::samples::{Draw, Event, Events, Json, nasty};
use crate::session::{Answer, Session};
use crate::show::shown;
use crate::verdict::Stop;

/// Places of an event at which values of ordinary size are tried, and those of a megabyte.
const PLACES_MAX: usize = 8;
const LARGE_PLACES_MAX: usize = 2;
/// Events made by changing bytes of ordinary ones.
const MUTATIONS: usize = 200;
/// Members that are repeated, and how often each.
const REPEATED_PLACES_MAX: usize = 32;
const REPEATS: usize = 8;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "T1",
        group: Group::Totality,
        level: Level::Required,
        concerns: Concerns::EachRole,
        quick: true,
        follows: &["C1"],
        sentence: "Odd text is answered: empty and cut events, trailing bytes, byte order marks, invalid UTF-8, lone \
         surrogates, NUL and control characters.",
        reason: "Topics hold what clients send. A trap costs the event and an instance; `invalid` costs nothing.",
        run: odd_text,
    },
    Rule {
        id: "T2",
        group: Group::Totality,
        level: Level::Required,
        concerns: Concerns::EachRole,
        quick: true,
        follows: &["C1"],
        sentence: "Odd numbers are answered: beyond 53 and 64 bits, 1e400, 1e-400, -0, 400 digits.",
        reason: "JSON has no largest number, and parsers that assume one trap.",
        run: odd_numbers,
    },
    Rule {
        id: "T3",
        group: Group::Totality,
        level: Level::Required,
        concerns: Concerns::EachRole,
        quick: true,
        follows: &["C1"],
        sentence: "Values nested 100, 10,000 and 100,000 deep are answered.",
        reason: "Code that recurses for each level runs out of stack, and an event of a few kilobytes is enough.",
        run: deep_nesting,
    },
    Rule {
        id: "T4",
        group: Group::Totality,
        level: Level::Required,
        concerns: Concerns::EachRole,
        quick: true,
        follows: &["C1"],
        sentence: "Strings and names of 1 MiB, objects of 10,000 members and arrays of 10,000 elements are answered.",
        reason: "Kafka accepts records of a megabyte by default: one day, a buffer of fixed size is too small.",
        run: large_values,
    },
    Rule {
        id: "T5",
        group: Group::Totality,
        level: Level::Required,
        concerns: Concerns::Extractor,
        quick: true,
        follows: &["C1"],
        sentence: "If a member is repeated, the same one always counts: the first or the last; or the event is \
         refused.",
        reason: "JSON leaves this open. A key that sometimes follows the one and sometimes the other turns one event \
         into two, or two into one.",
        run: repeated_members,
    },
    Rule {
        id: "T6",
        group: Group::Totality,
        level: Level::Required,
        concerns: Concerns::EachRole,
        quick: true,
        follows: &["C1"],
        sentence: "Fields that are missing, null or of any other type are answered, and events that are scalars or \
                   arrays.",
        reason: "No schema holds for ever; an event that lacks something is `no-key` or `invalid`, never a trap.",
        run: wrong_types,
    },
];

fn odd_text(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut asked = Asked::new(context, role)?;
    let mut tried = asked.events.with_each(&[nasty::strings(), nasty::halves()].concat(), PLACES_MAX);
    tried.push(nasty::marked(&asked.events.text()));
    let mut broken = nasty::broken(&asked.events.tree().text());
    broken.extend(nasty::broken(&asked.events.text()));
    broken.extend(mutated(&mut asked.events, MUTATIONS));
    let (fields, count) = (matches!(asked.session.input(), Input::Fields(_)), broken.len());
    tried.extend(broken);
    asked.each(context, &tried)?;
    asked.tell(context);
    if fields {
        context.remark(format!(
            "as {} it reads fields: of {count} events of malformed text, the host rejects those that are not JSON \
             before the plugin sees them",
            role.name()
        ));
    }
    Ok(())
}

fn odd_numbers(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut asked = Asked::new(context, role)?;
    let tried = asked.events.with_each(&nasty::numbers(), PLACES_MAX);
    asked.each(context, &tried)?;
    asked.tell(context);
    Ok(())
}

fn deep_nesting(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut asked = Asked::new(context, role)?;
    let mut tried = asked.events.with_each(&nasty::nested(), LARGE_PLACES_MAX);
    let tops = nasty::DEPTHS.map(|depth| Event::new(format!("an event nested {depth} deep"), nasty::arrays(depth)));
    tried.extend(tops);
    asked.each(context, &tried)?;
    asked.tell(context);
    Ok(())
}

fn large_values(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut asked = Asked::new(context, role)?;
    for value in nasty::large() {
        let tried = asked.events.with_each(&[value], LARGE_PLACES_MAX);
        asked.each(context, &tried)?;
    }
    asked.tell(context);
    Ok(())
}

fn wrong_types(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut asked = Asked::new(context, role)?;
    let mut tried = asked.events.with_each(&nasty::wrong_types(), PLACES_MAX);
    tried.extend(nasty::missing(&mut asked.events));
    tried.extend(nasty::tops());
    asked.each(context, &tried)?;
    asked.tell(context);
    Ok(())
}

/// A session that is asked about one event after the other.
struct Asked {
    session: Session,
    events: Events,
    tried: usize,
}

impl Asked {
    fn new(context: &Context<'_>, role: Role) -> Result<Self, Stop> {
        let session = context.session(role)?;
        let events = context.events(session.input());
        Ok(Self { session, events, tried: 0 })
    }

    /// Asks about each event in a call of its own, so that the one it fails on is known.
    fn each(&mut self, context: &Context<'_>, tried: &[Event]) -> Result<(), Stop> {
        let role = self.session.role();
        for event in tried {
            for text in self.texts_of(event) {
                let items = self.session.items([text]);
                if items.len() == 0 {
                    continue;
                }
                self.tried += 1;
                match self.session.ask(&items) {
                    Ok(_) => {}
                    Err(fault) if is_about_scores(role, &fault) => self.session = context.session(role)?,
                    Err(fault) => {
                        let input = format!("{}: {}", event.name, items.shown(0));
                        return Err(Stop::failed(input, format!("as {}: {fault}", role.name()), wanted(role)));
                    }
                }
            }
        }
        Ok(())
    }

    /// A scorer is asked about an event beside an ordinary one, the two in either order, and beside itself.
    fn texts_of(&mut self, event: &Event) -> Vec<Text> {
        let text = || event.text.clone();
        match self.session.role() {
            Role::KeyExtractor => vec![Text::Event(text())],
            Role::SimilarityScorer => {
                let other = self.events.text();
                vec![Text::Pair(other.clone(), text()), Text::Pair(text(), other), Text::Pair(text(), text())]
            }
        }
    }

    fn tell(&self, context: &mut Context<'_>) {
        context.remark(format!("{} calls as {}", self.tried, self.session.role().name()));
    }
}

/// Whether it did answer, but not with a score: that is for rule S1.
fn is_about_scores(role: Role, fault: &Fault) -> bool {
    role == Role::SimilarityScorer && fault.kind == FaultKind::Lie
}

fn wanted(role: Role) -> &'static str {
    match role {
        Role::KeyExtractor => "an answer: keyed, no-key or invalid",
        Role::SimilarityScorer => "an answer: two scores and a verdict for each row",
    }
}

/// Ordinary events with a few bytes changed, left out or put in.
fn mutated(events: &mut Events, count: usize) -> Vec<Event> {
    let mut made = Vec::with_capacity(count);
    for number in 0..count {
        let mut text = events.text();
        for _ in 0..=events.draw().below(3) {
            mutate(&mut text, events.draw());
        }
        made.push(Event::new(format!("ordinary event {number} with changed bytes"), text));
    }
    made
}

fn mutate(text: &mut Vec<u8>, draw: &mut Draw) {
    let at = draw.below(text.len());
    let byte =
        if draw.chance(50) { *draw.of(b"\"\\{}[],:\0\x80\xff0e").unwrap_or(&b'"') } else { draw.below(256) as u8 };
    match draw.below(3) {
        0 => text.get_mut(at).into_iter().for_each(|place| *place = byte),
        1 if at < text.len() => _ = text.remove(at),
        _ => text.insert(at.min(text.len()), byte),
    }
}

/// What a plugin makes of a member that stands twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    First,
    Last,
    Refused,
    Other,
}

impl fmt::Display for Policy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::First => "the first counts",
            Self::Last => "the last counts",
            Self::Refused => "the event has no key",
            Self::Other => "the key is that of neither value",
        })
    }
}

fn repeated_members(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let Asked { mut session, mut events, .. } = Asked::new(context, role)?;
    if matches!(session.input(), Input::Fields(_)) {
        return Err(Stop::not_applicable(
            "it reads fields, and the host takes the last of repeated members before it sees them",
        ));
    }
    let mut before: Option<(Policy, String)> = None;
    for place in events.places(REPEATED_PLACES_MAX) {
        for _ in 0..REPEATS {
            let event = events.keyed_tree();
            // Either may be the longer one, and the greater one.
            let mut word = || {
                let length = events.draw().below(8);
                let word = format!("{}{}", "x".repeat(length), events.draw().below(1000));
                events.other_value(&place).unwrap_or_else(|| Json::string(word))
            };
            let (first, second) = (word(), word());
            let Some((policy, text)) = policy(&mut session, &event, &place, &first, &second)? else { continue };
            match &before {
                Some((known, other)) if *known != policy => {
                    let got = format!("here {policy}; of {other} {known}");
                    return Err(Stop::failed(shown(&text), got, "the same for every event"));
                }
                Some(_) => {}
                None => before = Some((policy, shown(&text))),
            }
        }
    }
    let Some((policy, _)) = before else {
        return Err(Stop::untried("no member of the events tried changes a key: pass your own with --input"));
    };
    context.remark(format!("of repeated members {policy}"));
    Ok(())
}

/// What the plugin makes of an event in which a place has two values; nothing where it is not the place that counts.
fn policy(
    session: &mut Session,
    event: &Json,
    place: &str,
    first: &Json,
    second: &Json,
) -> Result<Option<(Policy, Vec<u8>)>, Stop> {
    let Some(twice) = nasty::repeated(event, place, first, second) else { return Ok(None) };
    let with = |value: &Json| {
        let mut event = event.clone();
        event.set(place, value.clone());
        Text::Event(event.text())
    };
    let text = twice.text();
    let items = session.items([Text::Event(text.clone()), with(first), with(second)]);
    let answered = session.ask(&items);
    let answers = answered.map_err(|fault| Stop::failed(shown(&text), fault.to_string(), wanted(session.role())))?;
    let [both, first, second] = answers.as_slice() else { return Ok(None) };
    if !first.is_keyed() || !second.is_keyed() || first.same_decision(second) {
        return Ok(None);
    }
    Ok(Some((policy_of(both, first, second), text)))
}

fn policy_of(both: &Answer, first: &Answer, second: &Answer) -> Policy {
    match () {
        () if !both.is_keyed() => Policy::Refused,
        () if both.same_decision(first) => Policy::First,
        () if both.same_decision(second) => Policy::Last,
        () => Policy::Other,
    }
}
