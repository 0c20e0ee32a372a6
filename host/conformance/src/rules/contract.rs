//! Rules of the group `contract`: answers are answers, and do not depend on how the host cuts and orders batches.

use plugin::{Fault, Role};

use super::agree::{In, agree};
use crate::context::Context;
use crate::feed::{Items, Text};
use crate::rule::{Concerns, Group, Level, Rule};
use crate::samples::{Json, nasty};
use crate::session::{Answer, Session};
use crate::verdict::Stop;

/// Items that are asked about in several ways.
const ITEMS: usize = 96;
/// The sizes of batches that have to be answered.
const SIZES: [usize; 4] = [1, 2, 7, ITEMS];
/// Ways in which a batch is cut, and orders in which it is asked about.
const WAYS: usize = 8;
/// Items of the largest batches; the host makes batches of about a thousand.
const LARGE: [usize; 2] = [1024, 5000];
/// Bytes of the values that a note may be tempted to repeat.
const NOTED_BYTES: usize = 20_000;

const fn rule(
    id: &'static str,
    follows: &'static [&'static str],
    sentence: &'static str,
    reason: &'static str,
    run: fn(&mut Context<'_>, Role) -> Result<(), Stop>,
) -> Rule {
    let (group, level, concerns) = (Group::Contract, Level::Required, Concerns::EachRole);
    Rule { id, group, level, concerns, quick: true, follows, sentence, reason, run }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "C1",
        &["L5"],
        "Every ordinary batch gets a well-formed answer: the right number of each part, ends and owners in order, and \
         only statuses, verdicts and scores that exist.",
        "An answer that breaks the contract costs the instance, and the host calls again with parts of the batch \
         until it finds the event that causes it.",
        answers,
    ),
    rule(
        "C2",
        &["C1"],
        "A batch gets the answers that its events or pairs get one by one.",
        "Where batches are cut is chance: after a restart, the same events arrive in other batches, and would be \
         decided differently.",
        one_by_one,
    ),
    rule(
        "C3",
        &["C2"],
        "Wherever a batch is cut in parts, the parts get the answers of the whole.",
        "After a failure, the host calls again with parts of the batch, and at the end of a topic, batches are \
         short.",
        in_parts,
    ),
    rule(
        "C4",
        &["C2"],
        "In another order, and repeated, the same events or pairs get the same answers.",
        "The answer for an event may depend only on that event: its neighbours are other users' events.",
        in_any_order,
    ),
    rule(
        "C5",
        &["C1", "C2"],
        "Batches of 0, 1, 1,024 and 5,000 are answered, and large ones get the answers of their parts.",
        "The contract allows an empty batch, and the host's batches are as large as its queues are full.",
        of_any_size,
    ),
    Rule {
        level: Level::Strict,
        concerns: Concerns::Extractor,
        quick: false,
        ..rule(
            "C6",
            &["C1"],
            "Notes have at most the 1,024 bytes that the host keeps, even for events with long values.",
            "The rest is cut, and a note that repeats the event copies it across the boundary once more.",
            notes_are_short,
        )
    },
];

fn answers(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let all = context.ordinary(&mut session, ITEMS);
    if all.len() == 0 {
        return Err(Stop::untried("the host passes it none of the sample events: they are not JSON"));
    }
    for size in SIZES {
        for start in (0..all.len()).step_by(size).take(8) {
            let items = session.choose(&all, start..all.len().min(start + size));
            session.ask(&items).map_err(|fault| culprit(context, role, &items, &fault))?;
        }
    }
    let answers = session.ask(&all).map_err(|fault| culprit(context, role, &all, &fault))?;
    let keyed = answers.iter().filter(|answer| answer.is_keyed()).count();
    let what = if role == Role::KeyExtractor { "have a key" } else { "have a score" };
    context.remark(format!("{keyed} of {} ordinary {}s {what}", all.len(), all.kind()));
    Ok(())
}

/// Finds out which item alone brings a batch down, if one does.
fn culprit(context: &Context<'_>, role: Role, items: &Items, fault: &Fault) -> Stop {
    let wanted = "an answer that keeps to the contract";
    let whole =
        || Stop::failed(format!("a batch of {}: {}, ..", items.len(), items.shown(0)), fault.to_string(), wanted);
    for place in 0..items.len() {
        let Ok(mut session) = context.session(role) else { return whole() };
        let one = session.choose(items, [place]);
        if let Err(fault) = session.ask(&one) {
            return Stop::failed(format!("a batch of one: {}", one.shown(0)), fault.to_string(), wanted);
        }
    }
    whole()
}

/// A session, ordinary items, and what it says of all of them at once.
fn asked(context: &Context<'_>, role: Role) -> Result<(Session, Items, Vec<Answer>), Stop> {
    let mut session = context.session(role)?;
    let items = context.ordinary(&mut session, ITEMS);
    let answers = session.answers(&items)?;
    Ok((session, items, answers))
}

fn one_by_one(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let (mut session, items, whole) = asked(context, role)?;
    let mut singles = Vec::with_capacity(whole.len());
    for place in 0..items.len() {
        let one = session.choose(&items, [place]);
        singles.extend(session.answers(&one)?);
    }
    agree(&items, "in a batch, where wanted is the answer alone", &whole, &singles, In::Decisions)
}

fn in_parts(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let (mut session, items, whole) = asked(context, role)?;
    let mut draw = context.draw("parts");
    for _ in 0..WAYS {
        let (mut parts, mut cuts, mut start) = (Vec::new(), Vec::new(), 0);
        while start < items.len() {
            let end = items.len().min(start + 1 + draw.below(items.len() / 2));
            let part = session.choose(&items, start..end);
            parts.extend(session.answers(&part)?);
            cuts.push(end.to_string());
            start = end;
        }
        agree(&items, &format!("cut at {}", cuts.join(", ")), &parts, &whole, In::Decisions)?;
    }
    Ok(())
}

fn in_any_order(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let (mut session, items, whole) = asked(context, role)?;
    let mut draw = context.draw("orders");
    let mut orders: Vec<(&str, Vec<usize>)> = vec![
        ("backwards", (0..items.len()).rev().collect()),
        ("each twice", (0..2 * items.len()).map(|place| place / 2).collect()),
        ("one many times", vec![0; items.len()]),
    ];
    for _ in 0..WAYS {
        let mut order: Vec<usize> = (0..items.len()).collect();
        draw.shuffle(&mut order);
        orders.push(("shuffled", order));
    }
    for (how, order) in orders {
        let ordered = session.choose(&items, order.iter().copied());
        let answers = session.answers(&ordered)?;
        let wanted: Vec<Answer> = order.iter().filter_map(|place| whole.get(*place).cloned()).collect();
        agree(&ordered, how, &answers, &wanted, In::Decisions)?;
    }
    Ok(())
}

fn of_any_size(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let wanted = |size: usize| format!("{size} answers");
    let none = session.items([]);
    for when in ["an empty batch, the first of an instance", "an empty batch"] {
        match session.ask(&none) {
            Ok(answers) if answers.is_empty() => {}
            Ok(answers) => return Err(Stop::failed(when, format!("{} answers", answers.len()), wanted(0))),
            Err(fault) => return Err(Stop::failed(when, fault.to_string(), wanted(0))),
        }
        let one = context.ordinary(&mut session, 1);
        session.answers(&one)?;
    }
    // Large batches are slow to make, and the second shows little that the first does not.
    for size in LARGE.into_iter().take(if context.options().quick { 1 } else { LARGE.len() }) {
        let items = context.ordinary(&mut session, size);
        let input = || format!("a batch of {} {}s, {} bytes", items.len(), items.kind(), items.bytes());
        let whole = session.ask(&items).map_err(|fault| Stop::failed(input(), fault.to_string(), wanted(size)))?;
        let mut parts = Vec::with_capacity(whole.len());
        for start in (0..items.len()).step_by(ITEMS) {
            let part = session.choose(&items, start..items.len().min(start + ITEMS));
            parts.extend(session.answers(&part)?);
        }
        agree(&items, "in a large batch, where wanted is the answer in a smaller one", &whole, &parts, In::Decisions)?;
    }
    Ok(())
}

fn notes_are_short(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let mut events = context.events(session.input());
    let values = ["x", "\u{e9}", "[", "\""]
        .map(|text| (format!("a string of {NOTED_BYTES} bytes"), Json::string(text.repeat(NOTED_BYTES / text.len()))));
    let mut tried = events.with_each(&values, 8);
    tried.extend(nasty::missing(&mut events));
    tried.extend(nasty::tops());
    let max = context.options().limits.note_bytes_max;
    let mut noted = 0;
    for event in tried {
        let items = session.items([Text::Event(event.text)]);
        if items.len() == 0 {
            continue;
        }
        // Whether odd events are answered at all is the business of the group `totality`.
        let Ok(answers) = session.ask(&items) else {
            session = context.session(role)?;
            continue;
        };
        let Some(Answer::Keys { note: Some(note), .. }) = answers.first() else { continue };
        noted += 1;
        if note.len() > max {
            return Err(Stop::failed(
                format!("{}: {}", event.name, items.shown(0)),
                format!("a note of {} bytes or more", note.len()),
                format!("at most {max} bytes"),
            ));
        }
    }
    context.remark(format!("{noted} events got a note"));
    Ok(())
}
