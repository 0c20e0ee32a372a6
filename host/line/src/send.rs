//! The last stage: each decided record leaves, and is counted. Which lane an outcome leads to is policy, and is chosen here;
//! how a record leaves by it is the business of `leave`.

use connectors::{Lane, Sink};
use engine::decide::Outcome;
use engine::fields::KeyStatus;
use engine::record::{Offset, RecordBatch, TopicPartition};

use crate::decided::{Decided, decided};
use crate::departure::Departure;
use crate::duplicate::Told;
use crate::error::LineError;
use crate::explain::Explainer;
use crate::leave::Leaving;
use crate::past::Past;
use crate::rules::{LatePolicy, OnMissingKey, OnPluginFailure, Rules};
use crate::scratch::Scratch;
use crate::tally::Tally;

/// What is to be sent, and by which rules.
pub(crate) struct Sending<'a> {
    pub(crate) source: &'a TopicPartition,
    pub(crate) rules: &'a Rules,
    pub(crate) batch: &'a RecordBatch,
    /// Records before this are replayed: nothing of them is sent.
    pub(crate) live_from: Offset,
    pub(crate) scratch: &'a Scratch,
    pub(crate) explainer: &'a Explainer,
}

impl Sending<'_> {
    /// Sends and counts every record of the batch, and notes those that a replay would decide otherwise.
    pub(crate) fn send(
        &self,
        tally: &mut Tally,
        past: Option<&mut Past>,
        sink: &mut dyn Sink,
    ) -> Result<(), LineError> {
        let mut past = past;
        let dead = if sink.has(Lane::DeadLetter) { Lane::DeadLetter } else { Lane::Output };
        for is in decided(self.batch, self.scratch) {
            if is.record.offset() < self.live_from {
                tally.replayed += 1;
                continue;
            }
            let told = is.duplicate.and_then(|nth| self.explainer.told(nth));
            let left = self.leaving(&is, self.lane(&is, told, dead)).leave(self.rules, sink)?;
            tally.count(is.outcome, told, left.by);
            tally.count_unsendable(left.refusal);
            tally.count_time(is.unusable, is.without_memory);
            if let Some(past) = past.as_mut().filter(|_| is_undecided(is.outcome, is.decoded, left.by)) {
                past.ledger.note(is.record.offset());
            }
        }
        Ok(())
    }

    #[inline]
    fn leaving<'a>(&'a self, is: &Decided<'a>, lane: Option<Lane>) -> Leaving<'a> {
        let scratch = self.scratch;
        let duplicate = is.duplicate.and_then(|nth| scratch.duplicates.get(nth));
        Leaving {
            departure: Departure { source: self.source, record: is.record, uuid: is.uuid, reason: is.reason },
            outcome: is.outcome,
            lane,
            explanation: is.duplicate.and_then(|nth| self.explainer.text(nth)),
            met: duplicate.and_then(|duplicate| scratch.extraction.keys.get(duplicate.key as usize)),
            unsendable: is.unsendable,
            is_tight: scratch.is_tight,
        }
    }

    /// The way out of an event; `None` is none at all, by policy. `dead` is that of dead letters.
    #[inline]
    fn lane(&self, is: &Decided<'_>, told: Option<Told>, dead: Lane) -> Option<Lane> {
        match is.outcome {
            Outcome::Unique => Some(Lane::Output),
            Outcome::Duplicate { .. } if told.is_some_and(|told| told.forwarded) => Some(Lane::Output),
            Outcome::Duplicate { .. } => Some(Lane::Duplicates),
            Outcome::Late => match self.rules.late {
                LatePolicy::Pass => Some(Lane::Output),
                LatePolicy::Drop => None,
                LatePolicy::Divert => Some(Lane::Late),
            },
            Outcome::Keyless => match self.rules.on_missing_key {
                OnMissingKey::Pass => Some(Lane::Output),
                OnMissingKey::DeadLetter => Some(dead),
                OnMissingKey::Drop => None,
            },
            // It would be the first of its key, and could not be forwarded.
            Outcome::DeadLetter if self.has_key(is.index) => Some(Lane::Output),
            Outcome::DeadLetter => {
                let failed = is.reason.is_some_and(|reason| reason.kind == "plugin");
                let pass = failed && self.rules.on_plugin_failure == OnPluginFailure::Pass;
                Some(if pass { Lane::Output } else { dead })
            }
        }
    }

    /// Whether the plugin gave a record a key.
    fn has_key(&self, index: u32) -> bool {
        let candidate = self.scratch.candidates.get(index as usize);
        candidate.is_some_and(|candidate| candidate.status == KeyStatus::Keyed)
    }
}

/// Whether a replay would not surely do the same: another answer of the plugin would decide the event after all. What
/// cannot be decoded stays so. An event that passes without a key has gone out, and one that is dropped was not wanted:
/// the plugin's key version promises that neither gets a key later.
fn is_undecided(outcome: Outcome, decoded: bool, left_by: Option<Lane>) -> bool {
    match outcome {
        Outcome::Unique | Outcome::Duplicate { .. } | Outcome::Late => false,
        Outcome::Keyless => left_by == Some(Lane::DeadLetter),
        Outcome::DeadLetter => decoded,
    }
}
