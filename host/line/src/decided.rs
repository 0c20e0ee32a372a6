//! The decided records of a batch, one after the other, each with all that the stages found out about it. Decides nothing.

use connectors::Unsendable;
use engine::decide::Outcome;
use engine::record::{Record, RecordBatch};
use engine::time::Unusable;

use crate::scratch::{Reason, Scratch};

/// A record that is decided.
pub(crate) struct Decided<'a> {
    /// Its index in the batch.
    pub(crate) index: u32,
    pub(crate) record: Record<'a>,
    pub(crate) outcome: Outcome,
    /// Whether it is an event.
    pub(crate) decoded: bool,
    /// The event's uuid as it stands there.
    pub(crate) uuid: Option<&'a [u8]>,
    /// Why it has no key.
    pub(crate) reason: Option<&'a Reason>,
    /// Why its own time is of no use.
    pub(crate) unusable: Option<Unusable>,
    /// Whether it was decided without all that was to be known.
    pub(crate) without_memory: bool,
    /// Why it could not be forwarded.
    pub(crate) unsendable: Option<&'a Unsendable>,
    /// Its index among the duplicates, if it is one.
    pub(crate) duplicate: Option<usize>,
}

/// Walks over them: all lists ascend by record. Most are empty, and what is left of each is all that is looked at.
pub(crate) struct Walk<'a> {
    scratch: &'a Scratch,
    reasons: &'a [Reason],
    unusable: &'a [(u32, Unusable)],
    without_memory: &'a [u32],
    unsendable: &'a [(u32, Unsendable)],
    /// Events and duplicates passed so far.
    events: usize,
    duplicates: usize,
}

/// All of them, in order.
pub(crate) fn decided<'a>(batch: &'a RecordBatch, scratch: &'a Scratch) -> impl Iterator<Item = Decided<'a>> {
    let mut walk = Walk {
        scratch,
        reasons: &scratch.reasons,
        unusable: &scratch.unusable,
        without_memory: &scratch.decisions.without_memory,
        unsendable: &scratch.unsendable,
        events: 0,
        duplicates: 0,
    };
    let records = (0_u32..).zip(batch.iter().zip(&scratch.decisions.outcomes));
    records.map(move |(index, (record, outcome))| walk.next(index, record, *outcome))
}

/// Takes the first of what is left of a list, if it is of the record that is walked over.
#[inline]
fn next_if<'a, T>(left: &mut &'a [T], is_of: impl FnOnce(&T) -> bool) -> Option<&'a T> {
    let (first, rest) = left.split_first().filter(|(first, _)| is_of(first))?;
    *left = rest;
    Some(first)
}

impl<'a> Walk<'a> {
    #[inline]
    fn next(&mut self, index: u32, record: Record<'a>, outcome: Outcome) -> Decided<'a> {
        let reason = next_if(&mut self.reasons, |reason| reason.record == index);
        while next_if(&mut self.reasons, |reason| reason.record == index).is_some() {}
        let unusable = next_if(&mut self.unusable, |(record, _)| *record == index).map(|(_, unusable)| *unusable);
        let without_memory = next_if(&mut self.without_memory, |record| *record == index).is_some();
        let unsendable = next_if(&mut self.unsendable, |(record, _)| *record == index).map(|(_, why)| why);
        let decoded = self.scratch.decoded.get(self.events) == Some(&index);
        let uuid = if decoded { self.scratch.uuid(self.events) } else { None };
        self.events += usize::from(decoded);
        let is_duplicate = matches!(outcome, Outcome::Duplicate { .. });
        let duplicate = is_duplicate.then_some(self.duplicates);
        self.duplicates += usize::from(is_duplicate);
        Decided { index, record, outcome, decoded, uuid, reason, unusable, without_memory, unsendable, duplicate }
    }
}
