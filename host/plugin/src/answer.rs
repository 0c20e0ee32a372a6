//! Checks what a plugin says against what the contract promises. A plugin that says anything else is not believed.

#[cfg(test)]
mod strangers;

use engine::fields::{Extraction, KeyStatus};
use engine::properties::{Comparisons, Score, Verdict};

use crate::bindings::types;
use crate::limits::Limits;
use crate::words::clean;

/// A lie, in words.
type Lie = String;

/// Appends the keys of `events` events, if the answer is one, to those of the events before them. `event_bytes` says how
/// long an event is.
pub(crate) fn absorb_keys(
    answer: types::Extraction,
    events: usize,
    event_bytes: impl Fn(usize) -> usize,
    limits: &Limits,
    out: &mut Extraction,
) -> Result<(), Lie> {
    let status = checked_status(&answer.status, events)?;
    check_column(&answer.keys)?;
    let (ends, owners) = checked_owners(answer.keys.ends, answer.owners, &status)?;
    check_amount(&ends, &owners, event_bytes, limits)?;
    check_notes(&answer.notes, events)?;
    let last_byte = out.keys.data.len() + answer.keys.data.len();
    u32::try_from(last_byte).map_err(|_| format!("the keys of the batch have {last_byte} bytes, more than 4 GiB"))?;

    let first_event = u32::try_from(out.status.len()).unwrap_or(u32::MAX);
    let notes = answer.notes.into_iter();
    out.notes.extend(notes.map(|note| (first_event + note.index, clean(&note.message, limits.note_bytes_max))));
    if out.status.is_empty() {
        // The usual case, a whole batch at once: nothing is copied.
        out.keys.data = answer.keys.data;
        (out.keys.ends, out.owners, out.status) = (ends, owners, status);
        return Ok(());
    }
    let first_byte = u32::try_from(out.keys.data.len()).unwrap_or(u32::MAX);
    out.keys.data.extend_from_slice(&answer.keys.data);
    out.keys.ends.extend(ends.iter().map(|end| first_byte + end));
    out.owners.extend(owners.iter().map(|owner| first_event + owner));
    out.status.extend_from_slice(&status);
    Ok(())
}

fn checked_status(numbers: &[u8], events: usize) -> Result<Vec<KeyStatus>, Lie> {
    if numbers.len() != events {
        return Err(format!("it gave {} statuses for {events} events", numbers.len()));
    }
    if let Some(number) = numbers.iter().find(|&&number| number > KeyStatus::Invalid as u8) {
        return Err(format!("it gave the status {number}, and there are 0, 1 and 2"));
    }
    let status = |&number| match number {
        0 => KeyStatus::Keyed,
        1 => KeyStatus::NoKey,
        _ => KeyStatus::Invalid,
    };
    Ok(numbers.iter().map(status).collect())
}

fn check_column(keys: &types::ColumnResult) -> Result<(), Lie> {
    if !keys.ends.is_sorted() {
        return Err("the ends of its keys fall".to_owned());
    }
    let last = keys.ends.last().copied().unwrap_or(0) as usize;
    if last != keys.data.len() {
        return Err(format!("its keys end at {last}, and their data at {}", keys.data.len()));
    }
    Ok(())
}

/// The ends and owners of the keys, where no owners meant one key an event.
fn checked_owners(ends: Vec<u32>, owners: Vec<u32>, status: &[KeyStatus]) -> Result<(Vec<u32>, Vec<u32>), Lie> {
    if owners.is_empty() {
        return one_key_an_event(ends, status);
    }
    if owners.len() != ends.len() {
        return Err(format!("it gave {} owners for {} keys", owners.len(), ends.len()));
    }
    // Every keyed event owns the next keys, at least one, and no other event owns any.
    let mut rest = owners.as_slice();
    for (event, _) in (0_u32..).zip(status).filter(|(_, status)| **status == KeyStatus::Keyed) {
        let owned = rest.iter().take_while(|&&owner| owner == event).count();
        if owned == 0 {
            let found = rest.first().map_or("none".to_owned(), |owner| format!("event {owner}"));
            return Err(format!("event {event} is keyed, and the owner of the next key is {found}"));
        }
        rest = rest.get(owned..).unwrap_or_default();
    }
    match rest.first() {
        Some(owner) => Err(format!("a key belongs to event {owner}, which is not keyed, or out of order")),
        None => Ok((ends, owners)),
    }
}

/// No event has more keys, or longer ones, than an event may have. It depends on the event alone: where batches are cut
/// makes no difference.
fn check_amount(
    ends: &[u32],
    owners: &[u32],
    event_bytes: impl Fn(usize) -> usize,
    limits: &Limits,
) -> Result<(), Lie> {
    let (mut first, mut start) = (0, 0);
    for keys in owners.chunk_by(|one, next| one == next) {
        let (event, last) = (keys.first().map_or(0, |owner| *owner as usize), first + keys.len());
        let end = last.checked_sub(1).and_then(|last| ends.get(last)).map_or(start, |end| *end as usize);
        if keys.len() > limits.keys_per_event_max {
            let max = limits.keys_per_event_max;
            return Err(format!("it gave {} keys for one event, and the limit is {max}", keys.len()));
        }
        let bytes = end - start;
        if bytes > limits.key_bytes_max && bytes > limits.key_bytes_of(event_bytes(event)) {
            let max = limits.key_bytes_of(event_bytes(event));
            return Err(format!(
                "it gave {bytes} bytes of keys for one event, and the limit for an event of its length is {max}"
            ));
        }
        (first, start) = (last, end);
    }
    Ok(())
}

fn one_key_an_event(mut ends: Vec<u32>, status: &[KeyStatus]) -> Result<(Vec<u32>, Vec<u32>), Lie> {
    if ends.len() != status.len() {
        return Err(format!("it gave no owners and {} keys for {} events", ends.len(), status.len()));
    }
    let starts = std::iter::once(&0).chain(&ends);
    for (event, ((start, end), status)) in starts.zip(&ends).zip(status).enumerate() {
        if *status != KeyStatus::Keyed && start != end {
            return Err(format!("event {event} is not keyed, and its key is not empty"));
        }
    }
    let owners = (0_u32..).zip(status).filter(|(_, status)| **status == KeyStatus::Keyed).map(|(event, _)| event);
    let owners: Vec<u32> = owners.collect();
    let mut each = status.iter();
    ends.retain(|_| each.next() == Some(&KeyStatus::Keyed));
    Ok((ends, owners))
}

fn check_notes(notes: &[types::Note], events: usize) -> Result<(), Lie> {
    if !notes.is_sorted_by(|before, after| before.index < after.index) {
        return Err("its notes are not in the order of the events, at most one an event".to_owned());
    }
    match notes.last() {
        Some(note) if note.index as usize >= events => {
            Err(format!("it gave a note for event {} of {events}", note.index))
        }
        _ => Ok(()),
    }
}

/// Appends the scores of `pairs` pairs with `rows` rows, if the answer is one, to those of the pairs before them.
pub(crate) fn absorb_scores(
    answer: &types::Comparisons,
    pairs: usize,
    rows: usize,
    out: &mut Comparisons,
) -> Result<(), Lie> {
    for (scores, what) in [(&answer.similarity, "similarities"), (&answer.property_similarity, "property similarities")]
    {
        if scores.len() != pairs {
            return Err(format!("it gave {} {what} for {pairs} pairs", scores.len()));
        }
        // Not a number is in no range.
        if let Some(score) = scores.iter().find(|score| !(0.0..=1.0).contains(*score)) {
            return Err(format!("{score} is among its {what}, and they go from 0 to 1"));
        }
    }
    if answer.verdicts.len() != rows {
        return Err(format!("it gave {} verdicts for {rows} rows", answer.verdicts.len()));
    }
    if let Some(number) = answer.verdicts.iter().find(|&&number| number > Verdict::Ignored as u8) {
        return Err(format!("it gave the verdict {number}, and there are 0, 1 and 2"));
    }
    let scores = answer.similarity.iter().zip(&answer.property_similarity);
    // Adding 0 makes 0 of -0.
    let score =
        |(all, properties): (&f64, &f64)| Score { similarity: all + 0.0, property_similarity: properties + 0.0 };
    out.scores.extend(scores.map(|pair| Some(score(pair))));
    let verdict = |&number| match number {
        0 => Verdict::Same,
        1 => Verdict::Changed,
        _ => Verdict::Ignored,
    };
    out.verdicts.extend(answer.verdicts.iter().map(verdict));
    Ok(())
}
