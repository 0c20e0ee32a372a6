//! Rules of the group `resources`: memory and work. Work is counted in fuel, about one instruction each, which is the
//! same on every machine, memory in bytes, and what compiling takes in processor time; the clock only bounds how long is
//! tried.

use std::rc::Rc;
use std::time::Duration;

use plugin::{Cost, Role, thread_time};

use super::endurance::long_run;
use super::work::{self, fuel, within};
use crate::context::Context;
use crate::long_run::LongRun;
use crate::rule::{Concerns, Group, Level, Rule};
use crate::session::Answer;
use crate::verdict::Stop;

/// Events or pairs of a batch in a run, at most about.
const BATCH: usize = 1000;
/// Growth that is put down to the allocator: so many bytes, or this part of the memory.
const GROWTH_BYTES_MAX: usize = 64 << 10;
const GROWTH_PART_MAX: usize = 64;
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
        "In 100,000 calls, memory grows by less than half of the limit for an instance; that of an interpreted plugin, by no \
         more than that and the bytes of these calls.",
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
        "Twice as many events or pairs, members, elements or bytes of a string cost at most about 2.5 times as much, also \
         where they are the same character again and again.",
        "Quadratic code passes every test with small events, and stops the line at the first large one.",
        work::doubling,
    ),
    Rule {
        follows: &["C1", "R3"],
        ..rule(
            "R4",
            Level::Required,
            "The worst events cost at most half of their time limit: deep or long ones, ones with many members, ones \
             with long common prefixes, ones with 40 to 300,000 times one character.",
            "Anyone who can send events can send these.",
            work::worst_cases,
        )
    },
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
            "Size, processor time to load and memory fit its kind: 4 MiB, 5 s and 64 MiB compiled, 32 MiB, 60 s and 128 MiB \
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
            "Memory does not grow between call 50,000 and call 100,000; that of an interpreted plugin, by no more than the \
             bytes of these calls.",
            "An instance may live for months, and is never replaced if it leaks nothing. Compilers of interpreted \
             languages do not give back all that crosses: the host replaces such an instance before it meets its limit.",
            flat_memory,
        )
    },
];

/// What came out of asking one instance for long, which has to have got to its end.
fn to_its_end(context: &mut Context<'_>, role: Role) -> Result<(Rc<LongRun>, String), Stop> {
    let run = long_run(context, role)?;
    if let Some(ended) = &run.ended {
        return Err(Stop::Failed(Box::new(ended.clone())));
    }
    if run.is_short {
        context.remark(format!("{}: {} calls only, as they cost so much", role.name(), run.calls));
    }
    let input = format!("{} calls with {} ordinary items in total, as {}", run.calls, run.items, role.name());
    Ok((run, input))
}

fn enough_memory(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let (run, input) = to_its_end(context, role)?;
    let [first, .., last] = run.memory_bytes;
    context.remark(format!("{}: {} KiB after {} calls", role.name(), last >> 10, run.calls));
    let enough = context.options().limits.memory_bytes_max / 2 + lost_by_compilers(context, run.crossed_bytes);
    if last.saturating_sub(first) > enough {
        let got = format!("{} KiB at the start, {} KiB at the end", first >> 10, last >> 10);
        return Err(Stop::failed(input, got, format!("at most {} KiB more", enough >> 10)));
    }
    Ok(())
}

fn flat_memory(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let (run, input) = to_its_end(context, role)?;
    let [_, _, half, most, whole] = run.memory_bytes;
    let crossed = lost_by_compilers(context, run.crossed_bytes / 2);
    // A heap that is collected may find its size late; a leak goes on to the end.
    let slack = GROWTH_BYTES_MAX.max(half / GROWTH_PART_MAX);
    if whole - half > slack + crossed && whole - most > (slack + crossed) / 2 {
        let [_, quarter, half, most, whole] = run.memory_bytes.map(|bytes| bytes >> 10);
        let got = format!("{quarter}, {half}, {most} and {whole} KiB after each quarter of the calls");
        let wanted = match crossed >> 10 {
            0 => "no growth in the second half beyond one page or 1/64: the plugin keeps something of each call"
                .to_owned(),
            crossed => format!(
                "at most {crossed} KiB more in the second half, which is what crossed in its calls and what the compiler \
                 of an interpreted language may lose: the plugin keeps something else of each call"
            ),
        };
        return Err(Stop::failed(input, got, wanted));
    }
    if whole - half > slack {
        let each = (whole - half) / (run.items / 2).max(1);
        context.remark(format!("{}: an interpreted plugin that loses {each} bytes of each event or pair", role.name()));
    }
    Ok(())
}

/// How many bytes of those that crossed the compiler of the plugin's language may lose.
fn lost_by_compilers(context: &Context<'_>, crossed_bytes: usize) -> usize {
    if is_small(context) { 0 } else { crossed_bytes }
}

/// Whether it is held to the limits of compiled languages.
fn is_small(context: &Context<'_>) -> bool {
    context.candidate().bytes() <= SMALL_COMPONENT_BYTES_MAX
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
    let bytes: usize = answers.iter().map(Answer::bytes).sum();
    let max = ANSWER_BYTES_PER_BYTE_MAX * items.bytes() + ANSWER_BYTES_PER_ITEM_MAX * items.len();
    context.remark(format!("{bytes} bytes for {} events with {} bytes in total", items.len(), items.bytes()));
    if bytes > max {
        let input = format!("a batch of {} ordinary events, {} bytes", items.len(), items.bytes());
        return Err(Stop::failed(input, format!("{bytes} bytes of keys and notes"), format!("at most {max}")));
    }
    Ok(())
}

fn class_limits(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let (size, compile_work) = (context.candidate().bytes(), context.candidate().compile_work());
    let small = is_small(context);
    // Neither of the two grows with what else the machine does.
    let before = thread_time();
    let mut session = context.session(role)?;
    let load_time = compile_work + thread_time().saturating_sub(before);
    let items = context.ordinary(&mut session, BATCH);
    let memory = session.call(&items).map_err(|fault| Stop::no_answer(&fault))?.memory_bytes;
    let kind = if small { "compiled" } else { "interpreted" };
    let told = format!(
        "{} KiB, loaded in {} ms of processor time, {} KiB of memory",
        size >> 10,
        load_time.as_millis(),
        memory >> 10
    );
    let (memory_max, time_max) = if small {
        (SMALL_MEMORY_BYTES_MAX, SMALL_LOAD_TIME_MAX)
    } else {
        (LARGE_MEMORY_BYTES_MAX, LARGE_LOAD_TIME_MAX)
    };
    context.remark(format!("{told}; held to the limits of {kind} plugins"));
    if size > LARGE_COMPONENT_BYTES_MAX || memory > memory_max || load_time > time_max {
        let (size_max, memory_max) = (LARGE_COMPONENT_BYTES_MAX >> 10, memory_max >> 10);
        let wanted = format!("{size_max} KiB, {} ms of processor time, {memory_max} KiB at most", time_max.as_millis());
        return Err(Stop::failed("the component and a batch of 1,000 ordinary items", told, wanted));
    }
    Ok(())
}
