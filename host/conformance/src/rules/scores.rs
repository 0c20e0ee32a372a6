//! Rules of the group `scores`: what a scorer may say of pairs, whatever it takes likeness to be.

use engine::properties::Verdict;
use plugin::{FaultKind, Input, Role};

use super::rows::{Mix, ROWS_MAX};
use crate::context::Context;
use crate::feed::{Items, Laid, Text};
use crate::rule::{Concerns, Group, Level, Rule};
use crate::samples::{Events, Json, edits::edited, nasty};
use crate::session::{Answer, Session};
use crate::verdict::Stop;

/// Pairs of ordinary events that are tried.
const PAIRS: usize = 200;
/// Events that are edited more and more, and how many edits they have.
const EDITED: usize = 100;
const EDITS: [usize; 5] = [0, 1, 2, 4, 8];
/// How much more alike events may be on average that differ in more places.
const SLACK: f64 = 0.01;
/// In a quick run, mixes of every so many properties are tried.
const QUICK_STEP: usize = 16;
/// Places at which each odd value is tried.
const PLACES_MAX: usize = 4;

const NO_RULE: Rule = Rule {
    id: "S0",
    group: Group::Scores,
    level: Level::Required,
    concerns: Concerns::Scorer,
    quick: true,
    follows: &["C1"],
    sentence: "",
    reason: "",
    run: |_, _| Ok(()),
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "S1",
        sentence: "Scores are numbers from 0 to 1, even for events that have nothing in common, are empty, or have \
         odd values, and for 0 to 128 properties in every mix of same, changed and missing.",
        reason: "The host rejects a score that is NaN or above 1: the pair has no score, and the instance is \
         replaced.",
        run: in_range,
        ..NO_RULE
    },
    Rule {
        id: "S2",
        follows: &["C1", "S1"],
        sentence: "An event compared with itself has both scores 1, exactly, however many properties it has, and whatever \
         values.",
        reason: "Most duplicates are the same event sent again; a similarity threshold would let them pass.",
        run: itself,
        ..NO_RULE
    },
    Rule {
        id: "S3",
        follows: &["C1", "S1"],
        sentence: "Scores and verdicts stay the same, to the last bit, when the two events are swapped.",
        reason: "Which of two events comes first is chance, but how similar they are is not.",
        run: symmetric,
        ..NO_RULE
    },
    Rule {
        id: "S4",
        sentence: "A pair without rows has both scores 1.",
        reason: "Neither event has anything that was asked for, so they do not differ in anything.",
        run: without_rows,
        ..NO_RULE
    },
    Rule {
        id: "S5",
        follows: &["C1", "S1"],
        sentence: "A property that has the same value in both events is never reported as changed.",
        reason: "Changes are shown to people and counted by name: a false one sends them searching.",
        run: same_is_not_changed,
        ..NO_RULE
    },
    Rule {
        id: "S6",
        level: Level::Strict,
        sentence: "Events that differ in more places are, on average, not more similar.",
        reason: "A score that rises with the number of differences means nothing, and neither does a threshold on \
         it.",
        run: more_edits,
        ..NO_RULE
    },
];

fn in_range(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let mut events = context.events(session.input());
    for text in hard_pairs(&mut events) {
        let items = session.items([text]);
        if items.len() == 0 {
            continue;
        }
        match session.ask(&items) {
            Ok(_) => {}
            Err(fault) if fault.kind == FaultKind::Lie => {
                let wanted = "two scores from 0 to 1 and a verdict for each row";
                return Err(Stop::failed(items.shown(0), fault.to_string(), wanted));
            }
            // Whether odd events are answered at all is the business of the group `totality`.
            Err(_) => session = context.session(role)?,
        }
    }
    mixes_in_range(context, role)
}

/// The mixes of properties that are tried: of 0, of 1, and so on.
fn mixes(context: &Context<'_>) -> Vec<Mix> {
    // The same for each rule: where a pair has no score, it is for S1 to say so.
    let mut draw = context.draw_named("mixes");
    let step = if context.options().quick { QUICK_STEP } else { 1 };
    (0..=ROWS_MAX).step_by(step).flat_map(|rows| Mix::of(rows, &mut draw)).collect()
}

fn mixes_in_range(context: &Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let mixes = mixes(context);
    for some in mixes.chunks(64) {
        let input = session.input().clone();
        let items = session.items(some.iter().map(|mix| mix.pair(&input)));
        if session.ask(&items).is_ok() {
            continue;
        }
        for mix in some {
            session = context.session(role)?;
            let items = session.items([mix.pair(&input)]);
            if let Err(fault) = session.ask(&items) {
                let wanted = "two scores from 0 to 1 and a verdict for each row";
                return Err(Stop::failed(format!("{}: {}", mix.words(), items.shown(0)), fault.to_string(), wanted));
            }
        }
    }
    Ok(())
}

/// Texts, numbers and other values that are odd.
fn odd_values() -> Vec<(String, Json)> {
    [nasty::strings(), nasty::folds(), nasty::numbers(), nasty::wrong_types()].concat()
}

/// Asks about one item, or a few that belong together; `None` where the plugin has no answer, which is for the group
/// `totality` to judge.
fn if_answered(
    context: &Context<'_>,
    session: &mut Session,
    texts: impl IntoIterator<Item = Text>,
) -> Result<Option<(Items, Vec<Answer>)>, Stop> {
    let items = session.items(texts);
    if items.len() == 0 {
        return Ok(None);
    }
    match session.ask(&items) {
        Ok(answers) => Ok(Some((items, answers))),
        Err(_) => {
            *session = context.session(session.role())?;
            Ok(None)
        }
    }
}

/// Pairs with nothing in common, with an event that has nothing, with odd values on one side, on the other, on both.
fn hard_pairs(events: &mut Events) -> Vec<Text> {
    let mut pairs = Vec::new();
    let mut other = events.text();
    let mut odd = events.with_each(&odd_values(), PLACES_MAX);
    odd.extend(nasty::tops());
    odd.extend(nasty::missing(events));
    odd.push(crate::samples::Event::new("an event of its own", br#"{"nothing":"in common"}"#));
    for event in odd {
        let text = event.text;
        pairs.push(Text::Pair(other.clone(), text.clone()));
        pairs.push(Text::Pair(text.clone(), other));
        pairs.push(Text::Pair(text.clone(), text.clone()));
        other = if events.draw().chance(50) { events.text() } else { text };
    }
    pairs
}

fn itself(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let mut events = context.events(session.input());
    let pairs = (0..PAIRS).map(|_| events.text()).map(|event| Text::Pair(event.clone(), event));
    let items = session.items(pairs.collect::<Vec<_>>());
    let answers = session.answers(&items)?;
    all_alike(&items, &answers)?;
    for event in events.with_each(&odd_values(), PLACES_MAX) {
        let pair = Text::Pair(event.text.clone(), event.text);
        if let Some((items, answers)) = if_answered(context, &mut session, [pair])? {
            all_alike(&items, &answers)?;
        }
    }
    let input = session.input().clone();
    for rows in 0..=ROWS_MAX {
        let mix = Mix::same(rows);
        let (items, answers) = session.answers_to([mix.pair(&input)])?;
        if let Err(Stop::Failed(failure)) = all_alike(&items, &answers) {
            return Err(Stop::failed(format!("{}: {}", mix.words(), failure.input), failure.got, failure.wanted));
        }
    }
    Ok(())
}

fn all_alike(items: &Items, answers: &[Answer]) -> Result<(), Stop> {
    let alike = |answer: &Answer| {
        matches!(answer, Answer::Score { similarity, property_similarity, .. }
            if *similarity == 1.0 && *property_similarity == 1.0)
    };
    match answers.iter().position(|answer| !alike(answer)) {
        Some(pair) => Err(Stop::failed(items.shown(pair), said(answers, pair), "both scores 1")),
        None => Ok(()),
    }
}

fn said(answers: &[Answer], pair: usize) -> String {
    answers.get(pair).map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

fn symmetric(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let pairs = varied_pairs(context, &session);
    let swapped: Vec<Text> = pairs.iter().map(swapped).collect();
    let items = session.items(pairs);
    let there = session.answers(&items)?;
    let (other_items, back) = session.answers_to(swapped)?;
    if items.len() != other_items.len() {
        return Err(Stop::blocked("S1", "some pairs cannot be formed with the events swapped"));
    }
    if let Some(pair) = there.iter().zip(&back).position(|(there, back)| !there.same_decision(back)) {
        return Err(not_symmetric(&items, pair, &said(&there, pair), &said(&back, pair)));
    }
    let mut events = context.events(session.input());
    for pair in hard_pairs(&mut events) {
        let both = [self::swapped(&pair), pair];
        let Some((items, answers)) = if_answered(context, &mut session, both)? else { continue };
        if let [back, there] = answers.as_slice()
            && !there.same_decision(back)
        {
            return Err(not_symmetric(&items, 1, &there.to_string(), &back.to_string()));
        }
    }
    Ok(())
}

fn not_symmetric(items: &Items, pair: usize, there: &str, back: &str) -> Stop {
    Stop::failed(items.shown(pair), format!("{there}; swapped {back}"), "the same in both orders")
}

fn swapped(text: &Text) -> Text {
    match text {
        Text::Pair(original, duplicate) => Text::Pair(duplicate.clone(), original.clone()),
        Text::Event(event) => Text::Event(event.clone()),
    }
}

/// Pairs of unlike events, of events that differ in a few places, and of all mixes of properties.
fn varied_pairs(context: &Context<'_>, session: &Session) -> Vec<Text> {
    let mut pairs = context.ordinary_texts(Role::SimilarityScorer, session.input(), PAIRS);
    let mut events = context.events(session.input());
    let roots = roots(session.input());
    for number in 0..PAIRS {
        let event = events.tree();
        let copies = edited(&event, &roots, &[1 + number % 4], events.draw());
        pairs.extend(copies.iter().map(|copy| Text::Pair(event.text(), copy.text())));
    }
    pairs.extend(mixes(context).into_iter().map(|mix| mix.pair(session.input())));
    pairs
}

fn roots(input: &Input) -> Vec<String> {
    match input {
        Input::Fields(roots) => roots.clone(),
        Input::Payload => Vec::new(),
    }
}

fn without_rows(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    if session.input() == &Input::Payload {
        return Err(Stop::not_applicable("it reads the payload, and gets one row per pair"));
    }
    // Between pairs that have rows, alone, and with others that have none.
    let ordinary = context.ordinary_texts(role, session.input(), 2);
    for count in [1, 3] {
        let mut items = session.items(Vec::new());
        add_without_rows(&mut items, count);
        let answers = without_rows_scored(&mut session, &items)?;
        all_alike(&items, &answers)?;
    }
    let mut items = session.items(ordinary);
    add_without_rows(&mut items, 1);
    let answers = without_rows_scored(&mut session, &items)?;
    let last = items.len().saturating_sub(1);
    all_alike(&Items { texts: items.texts.split_off(last), laid: items.laid }, answers.get(last..).unwrap_or_default())
}

fn without_rows_scored(session: &mut Session, items: &Items) -> Result<Vec<Answer>, Stop> {
    let failed = |fault: plugin::Fault| Stop::failed("a pair without rows", fault.to_string(), "both scores 1");
    session.ask(items).map_err(failed)
}

/// Adds pairs of which neither event has anything that was asked for. No JSON event is needed for it, and where the
/// whole event is asked for there is none.
fn add_without_rows(items: &mut Items, count: usize) {
    let Laid::Pairs(batch) = &mut items.laid else { return };
    for _ in 0..count {
        batch.ends.push(batch.ends.last().copied().unwrap_or(0));
        items.texts.push(Text::Pair(Vec::new(), Vec::new()));
    }
}

fn same_is_not_changed(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let pairs = varied_pairs(context, &session);
    let items = session.items(pairs);
    let answers = session.answers(&items)?;
    nothing_same_is_changed(&items, &answers)?;
    let mut events = context.events(session.input());
    let roots = roots(session.input());
    for place in events.places(PLACES_MAX) {
        for (_, value) in odd_values() {
            let event = events.full_tree();
            let others = edited(&event, &roots, &[2], events.draw());
            let with_it = |mut event: Json| {
                event.set(&place, value.clone());
                event.text()
            };
            let Some(other) = others.into_iter().next() else { continue };
            let pair = Text::Pair(with_it(event), with_it(other));
            if let Some((items, answers)) = if_answered(context, &mut session, [pair])? {
                nothing_same_is_changed(&items, &answers)?;
            }
        }
    }
    Ok(())
}

fn nothing_same_is_changed(items: &Items, answers: &[Answer]) -> Result<(), Stop> {
    let Laid::Pairs(batch) = &items.laid else { return Ok(()) };
    for (pair, answer) in answers.iter().enumerate() {
        let Answer::Score { verdicts, .. } = answer else { continue };
        for (row, verdict) in batch.rows(pair).zip(verdicts) {
            let same = batch.original_kinds.get(row) == batch.duplicate_kinds.get(row)
                && batch.originals.get(row) == batch.duplicates.get(row);
            if same && *verdict == Verdict::Changed {
                let path = String::from_utf8_lossy(batch.paths.get(row).unwrap_or_default()).into_owned();
                let got = format!("\"{path}\" as changed, although both have the same value");
                return Err(Stop::failed(items.shown(pair), got, "same, or not looked at"));
            }
        }
    }
    Ok(())
}

fn more_edits(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let (input, mut events) = (session.input().clone(), context.events(session.input()));
    let trees: Vec<_> = (0..EDITED).map(|_| events.full_tree()).collect();
    let mut sums = [[0.0; 2]; EDITS.len()];
    for tree in &trees {
        let copies = edited(tree, &roots(&input), &EDITS, events.draw());
        let pairs: Vec<Text> = copies.iter().map(|copy| Text::Pair(tree.text(), copy.text())).collect();
        let (_, answers) = session.answers_to(pairs)?;
        for (sums, answer) in sums.iter_mut().zip(&answers) {
            let Answer::Score { similarity, property_similarity, .. } = answer else { continue };
            let [all, properties] = sums;
            *all += similarity;
            *properties += property_similarity;
        }
    }
    let mean = |sum: &f64| sum / EDITED as f64;
    let told: Vec<String> =
        sums.iter().zip(EDITS).map(|([all, _], edits)| format!("{:.3} at {edits}", mean(all))).collect();
    context.remark(format!("mean similarity by edits: {}", told.join(", ")));
    for (name, which) in [("similarity", 0), ("property similarity", 1)] {
        let means: Vec<f64> = sums.iter().filter_map(|sums| sums.get(which)).map(mean).collect();
        if let Some((place, pair)) = means.windows(2).enumerate().find(|(_, pair)| rises(pair)) {
            let edits = (EDITS.get(place).unwrap_or(&0), EDITS.get(place + 1).unwrap_or(&0));
            let input = format!("{EDITED} events and copies with {} and with {} edits", edits.0, edits.1);
            return Err(Stop::failed(input, format!("mean {name} {pair:?}"), "no increase"));
        }
    }
    Ok(())
}

fn rises(pair: &[f64]) -> bool {
    matches!(pair, [fewer, more] if *more > fewer + SLACK)
}
