//! Rules of the group `resources`: memory and work. Work is counted in fuel, about one instruction each, which is the
//! same on every machine, and memory in bytes; the clock only bounds how long is tried.

use std::time::{Duration, Instant};

use plugin::{Cost, Fault, FaultKind, Role};

use crate::context::Context;
use crate::feed::{Items, Text};
use crate::rule::{Concerns, Group, Level, Rule};
use crate::samples::{Events, Json, nasty};
use crate::session::{Answer, Session};
use crate::verdict::Stop;

/// Events or pairs of a batch in a run, at most about.
const BATCH: usize = 1000;
/// Calls in which memory is watched, the items of each, and the time after which that has to do.
const CALLS: usize = 100_000;
const CALL_ITEMS: usize = 8;
const CALLS_TIME_MAX: Duration = Duration::from_secs(30);
/// Growth that is put down to the allocator: so many bytes, or this part of the memory.
const GROWTH_BYTES_MAX: usize = 64 << 10;
const GROWTH_PART_MAX: usize = 64;
/// What the host's default limits of time (1 s a call and 1 µs a byte) buy at three thousand million instructions a
/// second. A JavaScript scorer was measured at seven thousand million, on a busy machine.
const FUEL_PER_CALL: u64 = 3_000_000_000;
const FUEL_PER_BYTE: u64 = 3_000;
/// The part of that which a plugin may use: machines are slow, busy, and shared.
const BUDGET_PART: u64 = 2;
/// What four times the input may cost: 2.5 for each doubling.
const QUADRUPLE_MAX: f64 = 6.25;
/// Places at which that is tried, and those at which the worst is.
const GROWING_PLACES_MAX: usize = 4;
const WORST_PLACES_MAX: usize = 2;
/// What an ordinary batch may write to the log.
const LOG_BYTES_MAX: usize = 1 << 10;
/// What an answer may have for each byte it was asked about, and for each event or pair.
const ANSWER_BYTES_PER_BYTE_MAX: usize = 8;
const ANSWER_BYTES_PER_ITEM_MAX: usize = 1 << 10;
/// Components up to this size are held to the limits of compiled languages, others to those of interpreters.
const SMALL_COMPONENT_BYTES_MAX: u64 = 4 << 20;
const LARGE_COMPONENT_BYTES_MAX: u64 = 32 << 20;
const SMALL_MEMORY_BYTES_MAX: usize = 64 << 20;
const LARGE_MEMORY_BYTES_MAX: usize = 128 << 20;
const SMALL_LOAD_TIME_MAX: Duration = Duration::from_secs(5);
const LARGE_LOAD_TIME_MAX: Duration = Duration::from_secs(60);

const NO_FUEL: &str = "fuel is not counted in this run";

const fn rule(
    id: &'static str,
    level: Level,
    sentence: &'static str,
    reason: &'static str,
    run: fn(&mut Context<'_>, Role) -> Result<(), Stop>,
) -> Rule {
    let (group, concerns) = (Group::Resources, Concerns::EachRole);
    Rule { id, group, level, concerns, quick: false, follows: &["C1"], sentence, reason, run }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "R1",
        Level::Required,
        "In 100,000 calls, memory grows by less than half of the limit for an instance.",
        "Wasm memory never shrinks. The host replaces an instance that has grown that far; one that does so within a \
         few calls is replaced all the time.",
        enough_memory,
    ),
    rule(
        "R2",
        Level::Required,
        "A batch of 1,000 ordinary events or pairs costs at most half of its time limit.",
        "The limit is 1 s per call and 1 µs per byte; a plugin that needs all of it fails on a busy machine.",
        ordinary_cost,
    ),
    rule(
        "R3",
        Level::Required,
        "Twice as many events or pairs, members, elements or bytes of a string cost at most about 2.5 times as much.",
        "Quadratic code passes every test with small events, and stops the line at the first large one.",
        doubling,
    ),
    rule(
        "R4",
        Level::Required,
        "The worst events cost at most half of their time limit: deep or long ones, ones with many members, ones \
         with long common prefixes.",
        "Anyone who can send events can send these.",
        worst_cases,
    ),
    rule(
        "R5",
        Level::Strict,
        "A batch of 1,000 ordinary events or pairs writes at most 1 KiB to the log.",
        "A log line per event is a flood, and the host cuts it.",
        log_bytes,
    ),
    Rule {
        concerns: Concerns::Extractor,
        ..rule(
            "R6",
            Level::Strict,
            "An answer has at most 8 bytes for each byte of input and 1 KiB for each event.",
            "Keys are stored for the length of the window; it is better to digest long ones.",
            answer_bytes,
        )
    },
    Rule {
        concerns: Concerns::Component,
        ..rule(
            "R7",
            Level::Strict,
            "Size, time to load and memory fit its kind: 4 MiB, 5 s and 64 MiB compiled, 32 MiB, 60 s and 128 MiB \
             interpreted.",
            "It is loaded at every start and swap, and there is an instance for each partition.",
            class_limits,
        )
    },
    Rule {
        follows: &["R1"],
        ..rule(
            "R8",
            Level::Strict,
            "Memory does not grow between call 50,000 and call 100,000.",
            "An instance may live for months, and is never replaced if it leaks nothing.",
            flat_memory,
        )
    },
];

fn enough_memory(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let grown = Growth::of(context, role)?;
    let [first, .., last] = grown.memory_bytes;
    context.remark(format!("{}: {} KiB after {} calls of {CALL_ITEMS}", role.name(), last >> 10, grown.calls));
    if grown.calls < CALLS {
        context.remark(format!("only {} calls: the {} s were up", grown.calls, CALLS_TIME_MAX.as_secs()));
    }
    let enough = context.options().limits.memory_bytes_max / 2;
    if last.saturating_sub(first) > enough {
        let got = format!("{} KiB at the start, {} KiB at the end", first >> 10, last >> 10);
        return Err(Stop::failed(grown.input(role), got, format!("at most {} KiB more", enough >> 10)));
    }
    Ok(())
}

fn flat_memory(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let grown = Growth::of(context, role)?;
    let [_, _, half, most, whole] = grown.memory_bytes;
    // A heap that is collected may find its size late; a leak goes on to the end.
    let slack = GROWTH_BYTES_MAX.max(half / GROWTH_PART_MAX);
    if whole - half > slack && whole - most > slack / 2 {
        let [_, quarter, half, most, whole] = grown.memory_bytes.map(|bytes| bytes >> 10);
        let got = format!("{quarter}, {half}, {most} and {whole} KiB after each quarter of the calls");
        let wanted = "no growth in the second half beyond one page or 1/64";
        return Err(Stop::failed(grown.input(role), got, wanted));
    }
    Ok(())
}

/// How the memory of one instance grew over many calls.
struct Growth {
    calls: usize,
    /// After the first call, and after each quarter of them.
    memory_bytes: [usize; 5],
}

impl Growth {
    fn of(context: &mut Context<'_>, role: Role) -> Result<Self, Stop> {
        let mut session = context.session(role)?;
        // A few batches in turn, so that whatever is remembered by content is not all that is seen.
        let batches: Vec<Items> = {
            let texts = context.ordinary_texts(role, session.input(), CALL_ITEMS * 32);
            texts.chunks(CALL_ITEMS).map(|texts| session.items(texts.to_vec())).collect()
        };
        let started = Instant::now();
        // The calls after which there was more memory than before.
        let (mut grown, mut calls) = (vec![(0, 0)], 0);
        for batch in batches.iter().cycle().take(CALLS) {
            let memory = session.call(batch).map_err(|fault| in_call(calls, &fault))?.memory_bytes;
            calls += 1;
            if grown.last().is_some_and(|(_, before)| *before < memory) {
                grown.push((calls, memory));
            }
            if calls % 256 == 0 && started.elapsed() > CALLS_TIME_MAX {
                break;
            }
        }
        let at = |call: usize| grown.iter().rev().find(|(since, _)| *since <= call).map_or(0, |(_, memory)| *memory);
        let memory_bytes = [1, calls / 4, calls / 2, calls * 3 / 4, calls].map(at);
        Ok(Self { calls, memory_bytes })
    }

    fn input(&self, role: Role) -> String {
        format!("{} calls with {CALL_ITEMS} ordinary items each, as {}", self.calls, role.name())
    }
}

fn in_call(calls: usize, fault: &Fault) -> Stop {
    Stop::failed(format!("call {} of many with ordinary events", calls + 1), fault.to_string(), "an answer")
}

/// What a batch of so many bytes may cost.
fn budget(bytes: usize) -> u64 {
    (FUEL_PER_CALL + FUEL_PER_BYTE * bytes as u64) / BUDGET_PART
}

/// The fuel of a call, which has to have an answer.
fn fuel(session: &mut Session, items: &Items, what: &str) -> Result<u64, Stop> {
    let role = session.role();
    let cost = session.call(items).map_err(|fault| no_answer(what, role, &fault))?;
    cost.fuel.ok_or_else(|| Stop::not_applicable(NO_FUEL))
}

fn no_answer(what: &str, role: Role, fault: &Fault) -> Stop {
    Stop::failed(format!("{what}, as {}", role.name()), fault.to_string(), "an answer")
}

fn ordinary_cost(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let items = context.ordinary(&mut session, BATCH);
    let what = format!("a batch of {} ordinary items", items.len());
    // The first call of an instance may make tables that later ones find.
    let _ = fuel(&mut session, &items, &what)?;
    let fuel = fuel(&mut session, &items, &what)?;
    let (each, bytes) = (items.len().max(1), items.bytes());
    context.remark(format!("{}: {} fuel for an item of {} bytes", role.name(), fuel / each as u64, bytes / each));
    within(&what, role, fuel, bytes)
}

fn within(what: &str, role: Role, fuel: u64, bytes: usize) -> Result<(), Stop> {
    let budget = budget(bytes);
    if fuel > budget {
        let input = format!("{what}, {bytes} bytes, as {}", role.name());
        return Err(Stop::failed(input, format!("{fuel} fuel"), format!("at most {budget}")));
    }
    Ok(())
}

/// Something that there can be more of.
struct Growing {
    what: &'static str,
    /// How much there is at first; then twice and four times as much.
    from: usize,
    /// Items with so much of it at a place.
    make: fn(&mut Events, Role, &str, usize) -> Vec<Text>,
}

const GROWING: [Growing; 5] = [
    Growing { what: "events or pairs", from: 256, make: many_items },
    Growing { what: "bytes of a string", from: 1024, make: long_strings },
    Growing { what: "bytes of a long string", from: 16 << 10, make: long_strings },
    Growing { what: "members of an object", from: 200, make: many_members },
    Growing { what: "elements of an array", from: 1000, make: many_elements },
];

fn doubling(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let input = context.session(role)?.input().clone();
    let mut told = Vec::new();
    for growing in &GROWING {
        let mut most: f64 = 0.0;
        for place in context.events(&input).places(GROWING_PLACES_MAX) {
            most = most.max(fourfold(context, role, growing, &place)?);
        }
        told.push(format!("{most:.1} for {}", growing.what));
    }
    context.remark(format!("{}: four times as much costs at most {} times as much", role.name(), told.join(", ")));
    Ok(())
}

/// How many times as much four times the input costs.
fn fourfold(context: &Context<'_>, role: Role, growing: &Growing, place: &str) -> Result<f64, Stop> {
    let mut session = context.session(role)?;
    let mut cost = |times: usize| {
        // The same events each time, but for what there is more of.
        let mut events = context.events(session.input());
        let items = session.items((growing.make)(&mut events, role, place, growing.from * times));
        fuel(&mut session, &items, &format!("{} {} at {place}", growing.from * times, growing.what))
    };
    // Once more for whatever is made at the first call; twice as much is there for the report.
    cost(1)?;
    let (once, twice, four) = (cost(1)?, cost(2)?, cost(4)?);
    if four as f64 <= QUADRUPLE_MAX * once as f64 {
        return Ok(four as f64 / once as f64);
    }
    let Growing { what, from, .. } = growing;
    let input = format!("{from}, {} and {} {what} at {place}, as {}", 2 * from, 4 * from, role.name());
    let max = QUADRUPLE_MAX * once as f64;
    let wanted = format!("at most {max:.0} for the last: 2.5 times as much for each doubling");
    Err(Stop::failed(input, format!("{once}, {twice} and {four} fuel"), wanted))
}

/// An event with a value at a place, for its keys; for scores, beside one that has another there.
fn text_of(events: &mut Events, role: Role, place: &str, values: [Json; 2]) -> Text {
    let event = events.full_tree();
    let [left, right] = values.map(|value| {
        let mut event = event.clone();
        event.set(place, value);
        event.text()
    });
    match role {
        Role::KeyExtractor => Text::Event(left),
        Role::SimilarityScorer => Text::Pair(left, right),
    }
}

fn many_items(events: &mut Events, role: Role, _place: &str, count: usize) -> Vec<Text> {
    let item = |events: &mut Events| match role {
        Role::KeyExtractor => Text::Event(events.text()),
        Role::SimilarityScorer => Text::Pair(events.text(), events.text()),
    };
    (0..count).map(|_| item(events)).collect()
}

fn long_strings(events: &mut Events, role: Role, place: &str, bytes: usize) -> Vec<Text> {
    let strings = ["ab", "ba"].map(|text| Json::string(text.repeat(bytes / 2)));
    vec![text_of(events, role, place, strings)]
}

fn many_members(events: &mut Events, role: Role, place: &str, count: usize) -> Vec<Text> {
    let mut others = nasty::members(count);
    if let Json::Object(members) = &mut others {
        members.iter_mut().step_by(2).for_each(|(_, value)| *value = Json::Bool(true));
    }
    vec![text_of(events, role, place, [nasty::members(count), others])]
}

fn many_elements(events: &mut Events, role: Role, place: &str, count: usize) -> Vec<Text> {
    let mut others = nasty::elements(count);
    if let Json::Array(elements) = &mut others {
        elements.reverse();
    }
    vec![text_of(events, role, place, [nasty::elements(count), others])]
}

fn worst_cases(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let mut dearest: Option<(f64, String)> = None;
    for Worst { name, texts, is_odd } in worst(&mut context.events(session.input()), role) {
        let items = session.items(texts);
        if items.len() == 0 {
            continue;
        }
        let bytes = items.bytes();
        let fuel = match session.call(&items) {
            Ok(cost) => cost.fuel.ok_or_else(|| Stop::not_applicable(NO_FUEL))?,
            // Whether odd events are answered at all is the business of the group `totality`.
            Err(fault) if is_odd && fault.kind != FaultKind::TimedOut => {
                session = context.session(role)?;
                continue;
            }
            Err(fault) => return Err(no_answer(&name, role, &fault)),
        };
        within(&name, role, fuel, bytes)?;
        let part = fuel as f64 / budget(bytes) as f64;
        if dearest.as_ref().is_none_or(|(before, _)| *before < part) {
            dearest = Some((part, name));
        }
    }
    if let Some((part, name)) = dearest {
        context.remark(format!("{}: most expensive are {name}, {:.1} % of the budget", role.name(), 100.0 * part));
    }
    Ok(())
}

/// A batch that may cost much.
struct Worst {
    name: String,
    texts: Vec<Text>,
    /// Whether it is of what the rules of totality ask about.
    is_odd: bool,
}

/// Batches that cost much in one way or the other.
fn worst(events: &mut Events, role: Role) -> Vec<Worst> {
    let mut batches: Vec<Worst> = Vec::new();
    for place in events.places(WORST_PLACES_MAX) {
        for (name, value) in nasty::nested().into_iter().chain(nasty::large()) {
            let texts = vec![text_of(events, role, &place, [value.clone(), value])];
            batches.push(Worst { name: format!("{name} at {place}"), texts, is_odd: true });
        }
        let mut add = |name: &str, texts: Vec<Text>| {
            batches.push(Worst { name: format!("200 events or pairs with {name} at {place}"), texts, is_odd: false });
        };
        let beginning = "a".repeat(4000);
        let ends = |number: usize| ["x", "y"].map(|end| Json::string(format!("{beginning}{number}{end}")));
        add("long common prefixes", (0..200).map(|number| text_of(events, role, &place, ends(number))).collect());
        let shifted = || ["ab", "ba"].map(|text| Json::string(text.repeat(2000)));
        add("long strings, alike and shifted", (0..200).map(|_| text_of(events, role, &place, shifted())).collect());
        add("200 members", (0..200).flat_map(|_| many_members(events, role, &place, 200)).collect());
    }
    batches
}

fn log_bytes(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let items = context.ordinary(&mut session, BATCH);
    let Cost { log_bytes, .. } = session.call(&items).map_err(|fault| Stop::no_answer(&fault))?;
    context.remark(format!("{}: {log_bytes} bytes", role.name()));
    if log_bytes > LOG_BYTES_MAX {
        let lines = session.probe().take_log();
        let first = lines.first().map_or_else(String::new, |(_, line)| crate::show::cut(line, 100));
        let input = format!("a batch of {} ordinary items, as {}", items.len(), role.name());
        let got = format!("{log_bytes} bytes; the first line is \"{first}\"");
        return Err(Stop::failed(input, got, format!("at most {LOG_BYTES_MAX} bytes")));
    }
    Ok(())
}

fn answer_bytes(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let items = context.ordinary(&mut session, BATCH);
    let answers = session.answers(&items)?;
    let bytes: usize = answers.iter().map(bytes_of).sum();
    let max = ANSWER_BYTES_PER_BYTE_MAX * items.bytes() + ANSWER_BYTES_PER_ITEM_MAX * items.len();
    context.remark(format!("{bytes} bytes for {} events with {} bytes in total", items.len(), items.bytes()));
    if bytes > max {
        let input = format!("a batch of {} ordinary events, {} bytes", items.len(), items.bytes());
        return Err(Stop::failed(input, format!("{bytes} bytes of keys and notes"), format!("at most {max}")));
    }
    Ok(())
}

/// Bytes of the keys and the note. A scorer's answer has no choice: so many numbers, so many verdicts.
fn bytes_of(answer: &Answer) -> usize {
    match answer {
        Answer::Keys { keys, note, .. } => {
            keys.iter().map(Vec::len).sum::<usize>() + note.as_ref().map_or(0, String::len)
        }
        Answer::Score { .. } => 0,
    }
}

fn class_limits(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let (size, compile_time) = (context.candidate().bytes(), context.candidate().compile_time());
    let small = size <= SMALL_COMPONENT_BYTES_MAX;
    let started = Instant::now();
    let mut session = context.session(role)?;
    let load_time = compile_time + started.elapsed();
    let items = context.ordinary(&mut session, BATCH);
    let memory = session.call(&items).map_err(|fault| Stop::no_answer(&fault))?.memory_bytes;
    let kind = if small { "compiled" } else { "interpreted" };
    let told = format!("{} KiB, loaded in {} ms, {} KiB of memory", size >> 10, load_time.as_millis(), memory >> 10);
    let (memory_max, time_max) = if small {
        (SMALL_MEMORY_BYTES_MAX, SMALL_LOAD_TIME_MAX)
    } else {
        (LARGE_MEMORY_BYTES_MAX, LARGE_LOAD_TIME_MAX)
    };
    context.remark(format!("{told}; held to the limits of {kind} plugins"));
    if size > LARGE_COMPONENT_BYTES_MAX || memory > memory_max || load_time > time_max {
        let (size_max, memory_max) = (LARGE_COMPONENT_BYTES_MAX >> 10, memory_max >> 10);
        let wanted = format!("{size_max} KiB, {} ms, {memory_max} KiB at most", time_max.as_millis());
        return Err(Stop::failed("the component and a batch of 1,000 ordinary items", told, wanted));
    }
    Ok(())
}
