//! The first stage: which records are events, the fields that somebody asks for, and the time of each. A record that is no
//! event is a decision, not an error.

use engine::decide::Candidate;
use engine::fields::{FieldBatch, KeyStatus, Kind};
use engine::projection::Projection;
use engine::record::{Record, RecordBatch};
use engine::time::{ClockRules, event_time, record_time};
use plugin::Input;

use crate::error::LineError;
use crate::host_fields::{HOST_FIELDS, kind_of};
use crate::plugins::Plugins;
use crate::rules::Rules;
use crate::scratch::{Reason, Scratch};
use crate::wanted::Wanted;
use crate::warnings::Warnings;

/// Decodes records for the plugins of a line.
pub(crate) struct Decoder {
    projection: Projection,
    /// The extractor reads payloads, which need not be JSON.
    wants_payload: bool,
    /// Whether the time of an event stands in its payload, and what of such a time is believed.
    clock_rules: Option<ClockRules>,
    /// Fields that the scorer asks for.
    spans: usize,
}

impl Decoder {
    /// `spans` are the pointers of what the scorer reads.
    pub(crate) fn new(rules: &Rules, plugins: &Plugins, spans: &[String]) -> Result<Self, LineError> {
        let (wants_payload, plugin_fields) = match plugins.extractor.input() {
            Input::Payload => (true, Vec::new()),
            Input::Fields(fields) => (false, fields.clone()),
        };
        let host_fields: Vec<String> =
            [Some(rules.uuid_field.clone()), rules.event_time.clone()].into_iter().flatten().collect();
        let groups: [&[String]; 2] = [&plugin_fields, &host_fields];
        let projection = Projection::compile_inside(&groups, spans, &rules.json_in, rules.numbers)?
            .with_numbers_as_written(HOST_FIELDS);
        let clock_rules = rules.event_time.is_some().then_some(rules.window.clock);
        Ok(Self { projection, wants_payload, clock_rules, spans: spans.len() })
    }

    /// Buffers of the widths that are asked for.
    pub(crate) fn scratch(&self) -> Scratch {
        let fields = self.projection.widths().into_iter().map(FieldBatch::new).collect();
        Scratch::of(fields, Wanted::of_width(self.spans))
    }

    /// Decodes every record of the batch.
    pub(crate) fn decode(&mut self, batch: &RecordBatch, scratch: &mut Scratch, warnings: &Warnings) {
        scratch.clear();
        for (index, record) in (0..).zip(batch.iter()) {
            let time = record_time(record.timestamp());
            let (offset, status) = (record.offset(), KeyStatus::Invalid);
            scratch.candidates.push(Candidate { offset, time, status, sendable: true });
            match self.event(&record, scratch) {
                Ok(()) => scratch.decoded.push(index),
                Err(text) => scratch.reasons.push(Reason { record: index, kind: "decode", text }),
            }
        }
        self.read_event_times(batch, scratch, warnings);
    }

    /// Appends the fields of one event; or says why it is none.
    fn event(&mut self, record: &Record<'_>, scratch: &mut Scratch) -> Result<(), String> {
        let Some(payload) = record.payload() else {
            return Err(record.unread().unwrap_or("the payload is null (a tombstone)").to_owned());
        };
        match self.projection.project(payload, &mut scratch.fields) {
            Ok(()) => {
                scratch.wanted.push(self.projection.spans().iter().cloned(), self.projection.spans_text());
                Ok(())
            }
            // Fields of the host's own are a service where there is JSON; the payload need not be.
            Err(_) if self.wants_payload => {
                if let Some(host) = scratch.fields.get_mut(HOST_FIELDS) {
                    (0..host.width).for_each(|_| host.push(Kind::Absent, b""));
                }
                scratch.wanted.push_opaque();
                Ok(())
            }
            Err(error) => Err(error.reason(payload)),
        }
    }

    fn read_event_times(&self, batch: &RecordBatch, scratch: &mut Scratch, warnings: &Warnings) {
        let Some(clock_rules) = &self.clock_rules else { return };
        let Some(host) = scratch.fields.get(HOST_FIELDS) else { return };
        for (event, index) in scratch.decoded.iter().enumerate() {
            let field = event * 2 + 1;
            let kind = host.kinds.get(field).map_or(Kind::Absent, |kind| kind_of(*kind));
            let value = host.values.get(field).unwrap_or_default();
            let Some(candidate) = scratch.candidates.get_mut(*index as usize) else { continue };
            let timestamp = batch.get(*index as usize).and_then(|record| record.timestamp());
            let said = event_time(kind, value, timestamp, clock_rules);
            candidate.time = said.time;
            if let Some(unusable) = said.unusable {
                scratch.unusable.push((*index, unusable));
                warnings.unusable_time(candidate.offset, unusable, value, said.time);
            }
        }
    }
}
