//! Rules of the group `determinism`: the same question gets the same answer, whatever was asked before and whichever
//! instance is asked.

use std::time::{Duration, Instant};

use plugin::{Role, Runtime};

use super::agree::{In, agree};
use super::endurance::long_run;
use crate::context::Context;
use crate::feed::{Items, Text};
use crate::rule::{Concerns, Group, Level, Rule};
use crate::samples::nasty;
use crate::session::{Answer, Session};
use crate::verdict::Stop;

/// Items that are asked about again.
const ITEMS: usize = 64;
/// Calls between the two; fewer where they take longer than [`OTHER_TIME_MAX`].
const OTHER_CALLS: usize = 10_000;
const OTHER_CALLS_QUICK: usize = 500;
const OTHER_TIME_MAX: Duration = Duration::from_secs(6);
/// Items of each of these calls, and how many different batches there are.
const OTHER_ITEMS: usize = 4;
const OTHER_BATCHES: usize = 200;

const fn rule(
    id: &'static str,
    follows: &'static [&'static str],
    sentence: &'static str,
    reason: &'static str,
    run: fn(&mut Context<'_>, Role) -> Result<(), Stop>,
) -> Rule {
    let (group, level, concerns) = (Group::Determinism, Level::Required, Concerns::EachRole);
    Rule { id, group, level, concerns, quick: true, follows, sentence, reason, run }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "D1",
        &["C1"],
        "The same call gets the same answer again, and in another instance: every byte, notes included.",
        "After a crash the host reads the topic again, and must decide as it did before.",
        twice,
    ),
    rule(
        "D2",
        &["D1"],
        "An instance that has answered 10,000 other calls answers as a fresh one does.",
        "The host may discard an instance at any moment. A plugin that remembers events then loses them.",
        after_many_calls,
    ),
    rule(
        "D3",
        &["D1"],
        "An instance that has seen odd events, and refused some, answers as a fresh one does.",
        "What an event that is `invalid` leaves behind must not reach the next user's event.",
        after_odd_events,
    ),
    Rule {
        quick: false,
        ..rule(
            "D4",
            &["D1"],
            "It gives the same answers freshly compiled and from the cache of compiled components.",
            "Two hosts of a group, one of which has just been set up, share the topic.",
            compiled_and_cached,
        )
    },
    Rule {
        level: Level::Strict,
        quick: false,
        ..rule(
            "D5",
            &["D1"],
            "The same call in a fresh instance takes the same fuel.",
            "Work that differs depends on something other than the input: an address, a seed, a clock.",
            same_fuel,
        )
    },
    Rule {
        quick: false,
        ..rule(
            "D6",
            &["C2", "C3", "C4", "D1", "D2", "D3"],
            "In 100,000 calls, and among 150,000 different events or pairs, an instance always answers as a fresh one does.",
            "Tables that fill, counters that come round and buffers of the event before do no harm in a test, and harm \
             after a day.",
            in_the_long_run,
        )
    },
];

/// What a fresh instance says of ordinary items.
fn fresh(context: &Context<'_>, role: Role) -> Result<(Session, Items, Vec<Answer>), Stop> {
    let mut session = context.session(role)?;
    let items = context.ordinary(&mut session, ITEMS);
    let answers = session.answers(&items)?;
    Ok((session, items, answers))
}

fn twice(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let (mut session, items, first) = fresh(context, role)?;
    let again = session.answers(&items)?;
    agree(&items, "asked again", &again, &first, In::All)?;
    for _ in 0..3 {
        let other = context.session(role)?.answers(&items)?;
        agree(&items, "in another instance", &other, &first, In::All)?;
    }
    Ok(())
}

fn after_many_calls(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let (_, items, wanted) = fresh(context, role)?;
    let mut session = context.session(role)?;
    let texts = context.ordinary_texts(role, session.input(), OTHER_ITEMS * OTHER_BATCHES);
    let others: Vec<Items> = texts.chunks(OTHER_ITEMS).map(|texts| session.items(texts.iter().cloned())).collect();
    let calls = if context.options().quick { OTHER_CALLS_QUICK } else { OTHER_CALLS };
    let (started, mut made) = (Instant::now(), 0);
    for other in others.iter().cycle().take(calls) {
        session.call(other).map_err(|fault| {
            Stop::failed(format!("call {made} of {calls}: {}, ..", other.shown(0)), fault.to_string(), "an answer")
        })?;
        made += 1;
        if started.elapsed() > OTHER_TIME_MAX {
            break;
        }
    }
    context.remark(format!("{made} calls as {}", role.name()));
    let used = session.answers(&items)?;
    agree(&items, &format!("after {made} other calls"), &used, &wanted, In::All)
}

fn after_odd_events(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let (_, items, wanted) = fresh(context, role)?;
    let mut session = context.session(role)?;
    let mut events = context.events(session.input());
    let mut odd = nasty::broken(&events.tree().text());
    odd.extend(events.with_each(&[nasty::strings(), nasty::numbers(), nasty::wrong_types()].concat(), 4));
    odd.extend(nasty::missing(&mut events));
    odd.extend(nasty::tops());
    let mut refused = 0;
    for event in &odd {
        let text = match role {
            Role::KeyExtractor => Text::Event(event.text.clone()),
            Role::SimilarityScorer => Text::Pair(events.text(), event.text.clone()),
        };
        let one = session.items([text]);
        if one.len() == 0 {
            continue;
        }
        // Whether odd events are answered at all is the business of the group `totality`.
        match session.ask(&one) {
            Ok(answers) => refused += answers.iter().filter(|answer| !answer.is_keyed()).count(),
            Err(_) => session = context.session(role)?,
        }
    }
    if role == Role::KeyExtractor {
        context.remark(format!("{refused} of {} odd events got no key", odd.len()));
    }
    let used = session.answers(&items)?;
    agree(&items, "after odd events", &used, &wanted, In::All)
}

fn in_the_long_run(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let run = long_run(context, role)?;
    let (calls, items, new) = (run.calls, run.items, run.new_items);
    context.remark(format!("{}: {calls} calls, {items} items, {new} of them new", role.name()));
    match (&run.wrong, &run.ended) {
        (Some(wrong), _) => Err(Stop::Failed(Box::new(wrong.clone()))),
        (None, Some(ended)) => Err(Stop::blocked("R1", &ended.got)),
        (None, None) => Ok(()),
    }
}

fn compiled_and_cached(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let (_, items, wanted) = fresh(context, role)?;
    let Some(sandbox) = context.sandbox() else {
        return Err(Stop::not_applicable("the component cannot be opened again here"));
    };
    let from_cache = context.candidate().from_cache();
    let cache_dir = if from_cache { None } else { sandbox.cache_dir.clone() };
    let sandbox = plugin::Options { cache_dir, ..sandbox.clone() };
    let path = context.candidate().path();
    let other = Runtime::with(sandbox).and_then(|runtime| runtime.open(path));
    let other =
        other.map_err(|error| Stop::failed("the component, opened again", error.to_string(), "the same component"))?;
    if other.from_cache() == from_cache {
        return Err(Stop::not_applicable("there is nowhere to keep compiled components"));
    }
    let how = if from_cache { "newly compiled; wanted: from the cache" } else { "from the cache" };
    let answers = context.session_of(&other, role)?.answers(&items)?;
    agree(&items, how, &answers, &wanted, In::All)
}

fn same_fuel(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut spent: Option<u64> = None;
    for _ in 0..3 {
        let mut session = context.session(role)?;
        let items = context.ordinary(&mut session, ITEMS);
        let cost = session.call(&items).map_err(|fault| Stop::no_answer(&fault))?;
        let Some(fuel) = cost.fuel else { return Err(Stop::not_applicable("fuel is not counted here")) };
        if let Some(wanted) = spent.filter(|spent| *spent != fuel) {
            let input = format!("a batch of {} {}s: {}, ..", items.len(), items.kind(), items.shown(0));
            return Err(Stop::failed(
                input,
                format!("{fuel} of fuel in another instance"),
                format!("{wanted}, as before"),
            ));
        }
        spent = Some(fuel);
    }
    context.remark(format!("{} of fuel for {ITEMS} items as {}", spent.unwrap_or(0), role.name()));
    Ok(())
}
