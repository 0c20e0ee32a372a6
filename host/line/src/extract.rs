//! The stage that asks the plugin for keys, with one call a batch. On which events the plugin fails is chance, so a breaker
//! tells a broken plugin from bad events, and a replay is held rather than decided anew.

use engine::fields::{FieldBatch, Kind};
use engine::record::{Offset, RecordBatch, TopicPartition};
use plugin::{Calls, Extractor, Input, PluginFailure, Role};

use crate::breaker::{Breaker, Verdict};
use crate::costs::PluginCost;
use crate::dump::Dumper;
use crate::error::LineError;
use crate::past::Past;
use crate::plugins::Plugins;
use crate::rules::{OnPluginFailure, Rules};
use crate::scratch::{Reason, Scratch};

/// Asks the extractor of one partition.
pub(crate) struct KeyStage {
    source: TopicPartition,
    extractor: Extractor,
    wants_payload: bool,
    dumper: Option<Dumper>,
    on_failure: OnPluginFailure,
    breaker: Breaker,
    cost: PluginCost,
}

/// Where in the log a batch is, and what is known of the records before `live_from`.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Records before this are replayed.
    pub(crate) live_from: Offset,
    pub(crate) past: Option<&'a Past>,
}

impl KeyStage {
    pub(crate) fn new(source: &TopicPartition, rules: &Rules, plugins: &Plugins) -> Result<Self, LineError> {
        let extractor = &plugins.extractor;
        Ok(Self {
            source: source.clone(),
            extractor: extractor.extractor()?,
            wants_payload: extractor.input() == &Input::Payload,
            dumper: Dumper::new(rules.dumps.as_ref(), extractor, Role::KeyExtractor, source),
            on_failure: rules.on_plugin_failure,
            breaker: Breaker::new(rules.breaker),
            cost: PluginCost::default(),
        })
    }

    /// Another plugin takes over. What the one before did is not its fault; what that cost is still to be told.
    pub(crate) fn give_way_to(&mut self, other: Self) {
        let mut breaker = self.breaker.clone();
        breaker.forget();
        *self = Self { breaker, cost: self.cost, ..other };
    }

    /// What the calls cost since the last call.
    pub(crate) fn take_cost(&mut self) -> PluginCost {
        std::mem::take(&mut self.cost)
    }

    /// Has the keys of the events that could be decoded extracted.
    pub(crate) fn extract(
        &mut self,
        batch: &RecordBatch,
        place: Place<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), LineError> {
        let payloads = self.wants_payload.then(|| payloads(batch, &scratch.decoded));
        let Some(events) = payloads.as_ref().or_else(|| scratch.fields.first()) else { return Ok(()) };
        let calls = match self.extractor.extract(events, &mut scratch.extraction) {
            Ok(calls) => calls,
            Err(failure) => return Err(self.gave_up(failure, batch, place)),
        };
        self.cost.add(&calls, events.events());
        if let Some(dumper) = &self.dumper {
            dumper.events(&calls.failed, events, |event| scratch.offset_of(batch, event));
        }
        if self.may_hold() && self.breaker.answered(events.events(), calls.failed.len()) == Verdict::Hold {
            return Err(self.hold(batch, too_many(&calls, &self.breaker)));
        }
        self.note_failures(calls, batch, scratch)?;
        note_keyless(scratch);
        let new = place.past.and_then(|past| past.new_decision(batch, place.live_from, scratch));
        new.map_or(Ok(()), |(offset, reason)| Err(self.replay(offset, reason)))
    }

    /// To stop at the first failure is stricter than any share.
    fn may_hold(&self) -> bool {
        self.on_failure != OnPluginFailure::Stop
    }

    fn hold(&self, batch: &RecordBatch, reason: String) -> LineError {
        LineError::Breaker { partition: self.source.clone(), offset: first_offset(batch), reason }
    }

    fn replay(&self, offset: Offset, reason: String) -> LineError {
        LineError::Replay { partition: self.source.clone(), offset, reason }
    }

    /// The plugin gave no answer to the batch as a whole.
    fn gave_up(&mut self, failure: PluginFailure, batch: &RecordBatch, place: Place<'_>) -> LineError {
        if matches!(failure, PluginFailure::Malformed { .. }) {
            return failure.into();
        }
        self.cost.failures += 1;
        let offset = first_offset(batch);
        if offset < place.live_from && place.past.is_some_and(|past| past.was_decided(offset)) {
            return self.replay(offset, failure.to_string());
        }
        let held = self.may_hold() && self.breaker.gave_up() == Verdict::Hold;
        if held { self.hold(batch, failure.to_string()) } else { failure.into() }
    }

    /// Events that the plugin failed on, and what it notes of others.
    fn note_failures(&self, calls: Calls, batch: &RecordBatch, scratch: &mut Scratch) -> Result<(), LineError> {
        for (event, text) in calls.failed {
            let Some(record) = scratch.decoded.get(event as usize).copied() else { continue };
            if self.on_failure == OnPluginFailure::Stop {
                let offset = batch.get(record as usize).map_or(-1, |record| record.offset());
                return Err(LineError::PoisonRecord { partition: self.source.clone(), offset, reason: text });
            }
            scratch.reasons.push(Reason { record, kind: "plugin", text });
        }
        Ok(())
    }
}

/// What the plugin says of events without a key, and how each event stands.
fn note_keyless(scratch: &mut Scratch) {
    for (event, text) in scratch.extraction.notes.drain(..) {
        if let Some(record) = scratch.decoded.get(event as usize).copied() {
            scratch.reasons.push(Reason { record, kind: "key", text });
        }
    }
    // Stable: where a record has two reasons, the first is the nearer cause.
    scratch.reasons.sort_by_key(|reason| reason.record);
    for (index, status) in scratch.decoded.iter().zip(&scratch.extraction.status) {
        if let Some(candidate) = scratch.candidates.get_mut(*index as usize) {
            candidate.status = *status;
        }
    }
}

/// Why the extractor is to blame.
fn too_many(calls: &Calls, breaker: &Breaker) -> String {
    let last = calls.failed.last().map_or("", |(_, reason)| reason.as_str());
    let percent = breaker.share() * 100.0;
    format!(
        "the plugin fails on {percent:.0} % of the latest events, more than --plugin-breaker allows; the last: {last}"
    )
}

fn first_offset(batch: &RecordBatch) -> Offset {
    batch.get(0).map_or(0, |record| record.offset())
}

fn payloads(batch: &RecordBatch, decoded: &[u32]) -> FieldBatch {
    let mut whole = FieldBatch::new(1);
    for index in decoded {
        let payload = batch.get(*index as usize).and_then(|record| record.payload());
        whole.push(Kind::Bytes, payload.unwrap_or_default());
    }
    whole
}
