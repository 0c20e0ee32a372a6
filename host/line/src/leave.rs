//! The end of the line: each record leaves by its lane or, if the lane does not accept it, as a dead letter without its
//! payload; if there is no dead-letter lane, the policy decides. The sink knows what a lane accepts.
//!
//! Whether an event can be forwarded is determined before it is decided, because it must leave no key if it cannot.
//! Everything else, such as a record about a duplicate that is too large however it is cut, does not change the
//! decision.

use std::borrow::Cow;

use connectors::{Lane, Refusal, Sink, SinkFailure, Unsendable};
use engine::decide::Outcome;

use crate::dead_letter::Refused;
use crate::departure::{Departure, bounded};
use crate::error::LineError;
use crate::rules::{OnUnsendable, Rules};

/// A record that is decided, and what goes out of it.
pub(crate) struct Leaving<'a> {
    pub(crate) departure: Departure<'a>,
    pub(crate) outcome: Outcome,
    /// The lane that it is to leave by; none at all, by policy.
    pub(crate) lane: Option<Lane>,
    /// What is said of it, if it is a duplicate.
    pub(crate) explanation: Option<&'a [u8]>,
    /// The key that it shares with its original, if it is a duplicate.
    pub(crate) met: Option<&'a [u8]>,
    /// Why it could not be forwarded.
    pub(crate) unsendable: Option<&'a Unsendable>,
    /// Whether a record of the batch may be one that a lane does not take.
    pub(crate) is_tight: bool,
}

/// How a record left.
pub(crate) struct Left {
    /// The lane; none at all, by policy.
    pub(crate) by: Option<Lane>,
    /// Why it was not the one that it was to leave by.
    pub(crate) refusal: Option<Refusal>,
}

impl Leaving<'_> {
    /// Sends the record by its lane, or else as a letter without its payload.
    #[inline]
    pub(crate) fn leave(&self, rules: &Rules, sink: &mut dyn Sink) -> Result<Left, LineError> {
        let Some(lane) = self.lane else { return Ok(Left { by: None, refusal: None }) };
        let known = self.unsendable.filter(|_| lane == Lane::Output);
        let why = match known {
            Some(why) => why.clone(),
            None => match self.try_lane(lane, rules, sink)? {
                None => return Ok(Left { by: Some(lane), refusal: None }),
                Some(why) => why,
            },
        };
        self.send_without_payload(lane, why, rules, sink)
    }

    /// Answers why the lane does not take the record; `None`: it was sent.
    #[inline]
    fn try_lane(&self, lane: Lane, rules: &Rules, sink: &mut dyn Sink) -> Result<Option<Unsendable>, SinkFailure> {
        let departure = &self.departure;
        match lane {
            Lane::Output | Lane::Late => {
                let key = departure.key();
                let record = departure.passed(key.as_deref());
                match if self.is_tight { sink.refusal(lane, &record) } else { None } {
                    None => sink.send(lane, &record).map(|()| None),
                    why => Ok(why),
                }
            }
            Lane::Duplicates => {
                let Some(explanation) = self.explanation else { return Ok(None) };
                let key = self.key_of_explanation(rules);
                departure.send_own(lane, &departure.explained(key.as_deref(), explanation), sink)
            }
            Lane::DeadLetter => departure.send_dead(sink),
        }
    }

    /// The key of a record about a duplicate. Where values are hidden it is what the record itself calls the key, unless the
    /// event has a uuid: the key that the input's record had is a value as any other.
    fn key_of_explanation(&self, rules: &Rules) -> Option<Cow<'_, [u8]>> {
        match (&rules.redaction, self.departure.uuid, self.met) {
            (Some(redaction), None, Some(met)) => Some(Cow::Owned(redaction.of(met).into_bytes())),
            (Some(_), None, None) => None,
            (Some(_), Some(_), _) | (None, _, _) => self.departure.key().map(bounded),
        }
    }

    fn send_without_payload(
        &self,
        lane: Lane,
        why: Unsendable,
        rules: &Rules,
        sink: &mut dyn Sink,
    ) -> Result<Left, LineError> {
        let refusal = Some(why.reason);
        let refused = Refused { departure: &self.departure, outcome: self.outcome, lane, why: &why };
        let cause = match sink.has(Lane::DeadLetter) {
            false => why.cause,
            true => match refused.send_stub(rules.redaction.as_ref(), sink)? {
                None => return Ok(Left { by: Some(Lane::DeadLetter), refusal }),
                Some(last) => format!("{}; nor can it be sent as a dead letter without its payload: {last}", why.cause),
            },
        };
        let (partition, offset) = (self.departure.source.clone(), self.departure.record.offset());
        match rules.on_unsendable {
            OnUnsendable::Stop => Err(LineError::Unsendable { partition, offset, lane, cause }),
            OnUnsendable::Skip => Ok(Left { by: None, refusal }),
        }
    }
}
