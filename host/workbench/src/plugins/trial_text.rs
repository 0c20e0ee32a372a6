//! What `dedup-host plugin test` prints for people: one event in full, or a line per event and a summary. Not the
//! results themselves.

use std::fmt::Write as _;

use super::answers::{Compared, Extracted, Line, Spent, Status};
use super::screen::{self, Facts, Ink};
use super::tried::{Summary, Trial, Tried};

/// Characters of the longest name of a fact.
pub(super) const NAME_CHARS: usize = 13;

/// `one`: a single event, of which everything is told.
pub(super) fn write(trial: &Trial, one: bool, ink: Ink) -> String {
    let mut text =
        format!("{} {}\n", ink.title(screen::words(&trial.plugin.name)), screen::words(&trial.plugin.version));
    if one {
        for tried in &trial.events {
            in_full(tried, ink, &mut text);
        }
        return text;
    }
    if trial.summary.compared > 0 {
        text.push_str(&format!("  {}\n", ink.quiet("similarity / property similarity")));
    }
    let digits = trial.events.len().to_string().len();
    for tried in &trial.events {
        in_a_line(tried, digits, ink, &mut text);
    }
    sum(&trial.summary, ink, &mut text);
    text
}

fn in_full(tried: &Tried, ink: Ink, text: &mut String) {
    let mut facts = Facts::new(ink, NAME_CHARS);
    facts.add("event", screen::clipped(&tried.event));
    if let Some(extracted) = &tried.extraction {
        add_extraction(&mut facts, extracted, ink);
    }
    if let Some(compared) = &tried.comparison {
        add_comparison(&mut facts, compared, ink);
    }
    text.push_str(&facts.into_text());
}

/// What a key extractor was given, and what it said.
pub(super) fn add_extraction(facts: &mut Facts, extracted: &Extracted, ink: Ink) {
    let fields = extracted.values.iter().filter(|value| value.kind != "bytes");
    let fields: Vec<_> = fields.map(|value| (screen::words(&value.field), value)).collect();
    let chars = fields.iter().map(|(field, _)| field.chars().count()).max().unwrap_or(0);
    if !fields.is_empty() {
        let given = fields.iter().map(|(field, value)| {
            let shown = ink.value(screen::clipped(&value.value));
            format!("{field:<chars$}  {} {shown}", ink.quiet(format!("{:<6}", value.kind)))
        });
        facts.list("is given", given);
    }
    facts.add("status", status(extracted, ink));
    if !extracted.key_bytes.is_empty() {
        facts.list(if extracted.key_bytes.len() == 1 { "key" } else { "keys" }, keys(extracted, ink));
    }
    if let Some(reason) = &extracted.reason {
        facts.add("because", screen::words(reason));
    }
    say_rest(facts, &extracted.log, extracted.cost, ink);
}

/// What a scorer said.
pub(super) fn add_comparison(facts: &mut Facts, compared: &Compared, ink: Ink) {
    match (compared.similarity, compared.property_similarity) {
        (Some(similarity), Some(of_properties)) => {
            facts.add("similarity", ink.value(format!("{similarity:?}")));
            facts.add("of properties", ink.value(format!("{of_properties:?}")));
            facts.list("changed", compared.changed.iter().map(|path| ink.odd(path)));
            facts.list("same", &compared.same);
            if !compared.not_looked_at.is_empty() {
                facts.list("not looked at", &compared.not_looked_at);
            }
        }
        _ => facts.add("similarity", no_score(compared, ink)),
    }
    say_rest(facts, &compared.log, compared.cost, ink);
}

fn say_rest(facts: &mut Facts, log: &[Line], cost: Option<Spent>, ink: Ink) {
    if !log.is_empty() {
        facts.list("log", log.iter().map(|line| said(line, ink)));
    }
    if let Some(cost) = cost {
        let time = screen::nanos(cost.nanoseconds as f64);
        let fuel = cost.fuel.map_or_else(String::new, |fuel| format!(", {} fuel", screen::grouped(fuel)));
        facts.add("cost", format!("{time}{fuel}, {} of memory", screen::bytes(cost.memory_bytes as u64)));
    }
}

fn said(line: &Line, ink: Ink) -> String {
    let level = format!("{:<5}", line.level);
    let level = match line.level {
        "error" => ink.bad(level),
        "warn" => ink.odd(level),
        _ => ink.quiet(level),
    };
    format!("{level} {}", screen::words(&line.message))
}

fn status(extracted: &Extracted, ink: Ink) -> String {
    match extracted.status {
        Status::Keyed => ink.good("keyed"),
        Status::NoKey => ink.odd("no key"),
        Status::Invalid => ink.odd("invalid"),
        Status::Undecodable => ink.odd("not an event: a dead letter, and the plugin is not called"),
        Status::Failed => ink.bad("the plugin failed"),
    }
}

fn keys(extracted: &Extracted, ink: Ink) -> impl Iterator<Item = String> {
    extracted.key_bytes.iter().map(move |key| match key.as_slice() {
        b"" => ink.quiet("(empty)"),
        key => ink.value(screen::clipped(&screen::text_of(key))),
    })
}

fn no_score(compared: &Compared, ink: Ink) -> String {
    let reason = screen::words(compared.reason.as_deref().unwrap_or("it gave no score"));
    if compared.failed {
        ink.bad(format!("the plugin failed: {reason}"))
    } else {
        ink.odd(format!("not compared: {reason}"))
    }
}

/// `  12  keyed    a:b   duplicate of 3`.
fn in_a_line(tried: &Tried, digits: usize, ink: Ink, text: &mut String) {
    let number = ink.quiet(format!("{:>digits$}", tried.number));
    let mut said = Vec::new();
    let mut log = Vec::new();
    if let Some(extracted) = &tried.extraction {
        let word = match extracted.status {
            Status::Keyed => ink.good("keyed  "),
            Status::NoKey => ink.odd("no key "),
            Status::Invalid => ink.odd("invalid"),
            Status::Undecodable => ink.odd("no JSON"),
            Status::Failed => ink.bad("FAILED "),
        };
        said.push(word);
        said.extend(keys(extracted, ink));
        said.extend(extracted.reason.iter().map(|reason| screen::words(reason)));
        said.extend(extracted.duplicate_of.map(|first| ink.odd(format!("duplicate of {first}"))));
        log.extend(&extracted.log);
    }
    if let Some(compared) = &tried.comparison {
        said.push(match (compared.similarity, compared.property_similarity) {
            (Some(similarity), Some(of_properties)) => {
                let changed = screen::counted(compared.changed.len(), "change");
                format!("{} {}", ink.value(format!("{similarity:.3} / {of_properties:.3}")), ink.quiet(changed))
            }
            _ => no_score(compared, ink),
        });
        log.extend(&compared.log);
    }
    // Writing to a String does not fail.
    let _ = writeln!(text, "  {number}  {}", said.join("  "));
    for line in log {
        let _ = writeln!(text, "  {}  {}", " ".repeat(digits), self::said(line, ink));
    }
}

fn sum(summary: &Summary, ink: Ink, text: &mut String) {
    let mut facts = Facts::new(ink, NAME_CHARS);
    let more = if summary.more { "; the input has more, see --limit" } else { "" };
    facts.add("events", format!("{}{}", screen::grouped(summary.events as u64), ink.odd(more)));
    let counts = [
        ("keyed", summary.keyed),
        ("no key", summary.no_key),
        ("invalid", summary.invalid),
        ("no JSON", summary.undecodable),
        ("duplicates", summary.duplicates),
        ("compared", summary.compared),
    ];
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        let share = 100.0 * count as f64 / summary.events.max(1) as f64;
        facts.add(name, format!("{} {}", screen::grouped(count as u64), ink.quiet(format!("({share:.1} %)"))));
    }
    if summary.failed > 0 {
        facts.add("failed", ink.bad(screen::grouped(summary.failed as u64)));
    }
    if summary.fuel_max > 0 {
        let (time, fuel) = (screen::nanos(summary.nanoseconds_mean as f64), screen::grouped(summary.fuel_mean));
        facts.add("a call", format!("{time}, {fuel} fuel; {} fuel at most", screen::grouped(summary.fuel_max)));
        facts.add("memory", format!("{} at most", screen::bytes(summary.memory_bytes_max as u64)));
    }
    text.push('\n');
    text.push_str(&facts.into_text());
}
