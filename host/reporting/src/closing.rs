//! The report of a run over files when it ends: a JSON object for scripts, a few lines for people.

use engine::findings::Likeness;
use engine::time::Unusable;
use line::Tally;
use serde_json::json;

/// For scripts. `events_per_second` counts the seconds of all parts of an interrupted run.
#[must_use]
pub fn json(tally: &Tally, blank_lines: u64, seconds: f64) -> String {
    let outcomes = Likeness::ALL.into_iter().zip(tally.likeness);
    let by_outcome: serde_json::Map<_, _> =
        outcomes.map(|(likeness, count)| (likeness.as_str().to_owned(), count.into())).collect();
    let report = json!({
        "consumed": tally.consumed,
        "unique": tally.unique,
        "duplicate": tally.duplicate,
        "dissimilar": tally.dissimilar,
        "late": tally.late,
        "keyless": tally.keyless,
        "dead_letter": tally.dead_letter,
        "blank_lines": blank_lines,
        "duplicates_by_outcome": by_outcome,
        "event_times_unusable": times_unusable(tally),
        "decided_without_memory": tally.decided_without_memory,
        "clock_went_back": tally.clock_went_back,
        "seconds": (seconds * 1e3).round() / 1e3,
        "events_per_second": rate(tally, seconds),
    });
    format!("{report:#}\n")
}

/// Events whose own time was of no use, by reason; reasons that did not occur are left out.
fn times_unusable(tally: &Tally) -> serde_json::Map<String, serde_json::Value> {
    let reasons = Unusable::ALL.into_iter().zip(tally.times_unusable).filter(|(_, events)| *events > 0);
    reasons.map(|(reason, events)| (reason.as_str().to_owned(), events.into())).collect()
}

/// What was wrong with times and memory, if anything.
fn remarks(tally: &Tally) -> String {
    let mut remarks = String::new();
    for (reason, events) in times_unusable(tally) {
        remarks += &format!("\n{events} unusable event times: {}", reason.replace('_', " "));
    }
    if tally.decided_without_memory > 0 {
        remarks += &format!("\n{} unique events decided without their whole window", tally.decided_without_memory);
    }
    if tally.clock_went_back > 0 {
        remarks += &format!("\nthe clock of event time went back {} times", tally.clock_went_back);
    }
    remarks
}

/// For people. One line a fact; outcomes that did not occur are left out.
#[must_use]
pub fn words(tally: &Tally, blank_lines: u64, seconds: f64) -> String {
    let outcomes = [
        ("unique", tally.unique),
        ("duplicate", tally.duplicate),
        ("dissimilar (forwarded)", tally.dissimilar),
        ("late", tally.late),
        ("keyless", tally.keyless),
        ("dead letter", tally.dead_letter),
    ];
    let counted = outcomes.into_iter().filter(|(name, count)| *count > 0 || *name == "unique" || *name == "duplicate");
    let parts: Vec<String> = counted.map(|(name, count)| format!("{count} {name}")).collect();
    format!(
        "{} events: {} ({seconds:.1} s, {} events a second){}{}",
        tally.consumed,
        parts.join(", "),
        rate(tally, seconds),
        if blank_lines > 0 { format!("\nblank lines, which are not events: {blank_lines}") } else { String::new() },
        remarks(tally)
    )
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
fn rate(tally: &Tally, seconds: f64) -> u64 {
    if seconds > 0.0 { (tally.consumed as f64 / seconds).round() as u64 } else { 0 }
}
