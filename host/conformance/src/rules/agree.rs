//! Compares answers that have to be the same. Not what makes them so: the rules ask.

use crate::feed::Items;
use crate::session::Answer;
use crate::verdict::Stop;

/// What has to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum In {
    /// What the host acts on: keys, scores and verdicts, and not the words of notes.
    Decisions,
    /// Every byte.
    All,
}

/// Holds answers against those that are wanted, one an item. `how` says what the items were put through.
pub(super) fn agree(items: &Items, how: &str, got: &[Answer], wanted: &[Answer], what: In) -> Result<(), Stop> {
    let same = |one: &Answer, other: &Answer| match what {
        In::Decisions => one.same_decision(other),
        In::All => one.same(other),
    };
    for (number, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        if !same(got, wanted) {
            return Err(Stop::failed(
                format!("{how}, {} {number} of {}: {}", items.kind(), items.len(), items.shown(number)),
                got.to_string(),
                wanted.to_string(),
            ));
        }
    }
    if got.len() == wanted.len() {
        return Ok(());
    }
    let count = |answers: &[Answer]| format!("{} answers", answers.len());
    Err(Stop::failed(format!("{how}: {} {}s", items.len(), items.kind()), count(got), count(wanted)))
}
