//! What a run over files says when it ends: a JSON object for scripts, a few lines for people.

use serde_json::json;

use crate::insights::Likeness;
use crate::tally::Tally;

/// `events_per_second` counts the seconds of all parts of an interrupted run.
#[must_use]
pub(super) fn json(tally: &Tally, seconds: f64) -> String {
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
        "duplicates_by_outcome": by_outcome,
        "seconds": (seconds * 1e3).round() / 1e3,
        "events_per_second": rate(tally, seconds),
    });
    format!("{report:#}\n")
}

/// One line a fact; outcomes that did not occur are left out.
#[must_use]
pub(super) fn words(tally: &Tally, seconds: f64) -> String {
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
        "{} events: {} ({seconds:.1} s, {} events a second)",
        tally.consumed,
        parts.join(", "),
        rate(tally, seconds)
    )
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
fn rate(tally: &Tally, seconds: f64) -> u64 {
    if seconds > 0.0 { (tally.consumed as f64 / seconds).round() as u64 } else { 0 }
}
