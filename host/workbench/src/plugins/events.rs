//! Events on their way to a plugin: read, and laid out as in a run. Not what the plugin makes of them.

use std::ops::Range;

use engine::fields::{FieldBatch, Kind};
use engine::projection::{Numbers, Projection};
use engine::properties::{Kept, PairBatch, Pairer};
use engine::record::RecordBatch;
use file_connector::{BatchLimits, FileError, FilePosition, FileSource, SourceLimits, Stream};
use plugin::Input;

use super::config::{Events, SandboxConfig};
use super::ending::{Cause, CommandError};

/// Bytes of events that are read at most: they are held in memory.
const INPUT_BYTES_MAX: usize = 1 << 30;

/// The events asked for, and whether there are more than `limit`.
pub(super) fn read(events: &Events, limit: usize) -> Result<(Vec<Vec<u8>>, bool), CommandError> {
    match events {
        Events::One(event) => Ok((vec![event.clone()], false)),
        Events::Lines(stream) => lines(stream, limit),
    }
}

/// At most `limit` lines, and whether there are more.
pub(super) fn lines(stream: &Stream, limit: usize) -> Result<(Vec<Vec<u8>>, bool), CommandError> {
    let path = stream.path();
    let failed = |error: FileError| CommandError::new(Cause::Input, error.to_string());
    let mut source = FileSource::open(path, FilePosition::default(), SourceLimits::default()).map_err(failed)?;
    let (mut events, mut bytes, mut batch) = (Vec::new(), 0, RecordBatch::default());
    while events.len() <= limit {
        batch.clear();
        let limits = BatchLimits { records_max: limit + 1 - events.len(), bytes_max: 1 << 20 };
        if source.read_batch(0, &mut batch, limits).map_err(failed)? == 0 {
            break;
        }
        for record in batch.iter() {
            let payload = record.payload().unwrap_or_default();
            bytes += payload.len();
            events.push(payload.to_vec());
        }
        if bytes > INPUT_BYTES_MAX {
            let message = format!(
                "the first {} events of {} have more than {INPUT_BYTES_MAX} bytes, and they are held in memory: give fewer",
                events.len(),
                path.display()
            );
            return Err(CommandError::new(Cause::Input, message));
        }
    }
    let more = events.len() > limit;
    events.truncate(limit);
    Ok((events, more))
}

/// What each role of a component reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Inputs {
    pub(super) extractor: Option<Input>,
    pub(super) scorer: Option<Input>,
}

/// Lays events out for a component.
pub(super) struct Layout {
    projection: Projection,
    /// Of the projection: what the key extractor gets where it asked for fields.
    fields: [FieldBatch; 1],
    extractor_reads_payload: bool,
    scorer_reads_payload: bool,
    pairer: Option<Pairer>,
    kept: Vec<u8>,
}

impl Layout {
    pub(super) fn new(inputs: &Inputs, config: &SandboxConfig) -> Result<Self, CommandError> {
        let wrong = |error: String| CommandError::new(Cause::Plugin, format!("the plugin asks for too much: {error}"));
        let fields = fields(inputs.extractor.as_ref()).unwrap_or_default();
        let roots = fields_of_scorer(inputs);
        let spans = roots.unwrap_or_default();
        let projection = Projection::compile_inside(&[fields], spans, &config.json_in, numbers(config))
            .map_err(|error| wrong(error.to_string()))?;
        let pairer = inputs.scorer.as_ref().map(|_| Pairer::new_inside(roots, &config.json_in));
        Ok(Self {
            projection,
            fields: [FieldBatch::new(fields.len().try_into().unwrap_or(u32::MAX))],
            extractor_reads_payload: inputs.extractor == Some(Input::Payload),
            scorer_reads_payload: inputs.scorer == Some(Input::Payload),
            pairer: pairer.transpose().map_err(|error| wrong(error.to_string()))?,
            kept: Vec::new(),
        })
    }

    /// An empty batch for the key extractor.
    pub(super) fn batch(&self) -> FieldBatch {
        let [fields] = &self.fields;
        FieldBatch::new(if self.extractor_reads_payload { 1 } else { fields.width })
    }

    /// Appends what the key extractor gets of an event. The error says why a run would make it a dead letter.
    pub(super) fn push_fields(&mut self, event: &[u8], out: &mut FieldBatch) -> Result<(), String> {
        if self.extractor_reads_payload {
            out.push(Kind::Bytes, event);
            return Ok(());
        }
        self.fields.iter_mut().for_each(FieldBatch::clear);
        self.projection.project(event, &mut self.fields).map_err(|error| error.reason(event))?;
        let [fields] = &self.fields;
        for (value, kind) in fields.kinds.iter().enumerate() {
            out.values.push(fields.values.get(value).unwrap_or_default());
            out.kinds.push(*kind);
        }
        Ok(())
    }

    /// Appends what the scorer gets of a duplicate and its original, through the form in which a run keeps originals.
    /// The error says why a run would not compare them.
    pub(super) fn push_pair(&mut self, original: &[u8], duplicate: &[u8], out: &mut PairBatch) -> Result<(), String> {
        let (of_original, text) = self.spans(original).map_err(|error| format!("the original: {error}"))?;
        let original = text.as_deref().unwrap_or(original);
        let (of_duplicate, text) = self.spans(duplicate).map_err(|error| format!("the duplicate: {error}"))?;
        let duplicate = text.as_deref().unwrap_or(duplicate);
        let Some(pairer) = &mut self.pairer else { return Err("the plugin scores nothing".to_owned()) };
        self.kept.clear();
        pairer.keep(None, original, &of_original, &mut self.kept);
        let Some(kept) = Kept::decode(&self.kept) else { return Err("the original cannot be kept".to_owned()) };
        pairer.pair(&kept, duplicate, &of_duplicate, out).map_err(|error| error.to_string())
    }

    /// Where the scorer's fields stand, and in what, where that is not the event.
    fn spans(&mut self, event: &[u8]) -> Result<Spans, String> {
        if self.scorer_reads_payload {
            return Ok((Vec::new(), None));
        }
        self.fields.iter_mut().for_each(FieldBatch::clear);
        self.projection.project(event, &mut self.fields).map_err(|error| error.reason(event))?;
        Ok((self.projection.spans().to_vec(), self.projection.spans_text().map(<[u8]>::to_vec)))
    }
}

/// Ranges of fields, and the text that they stand in where that is not the event.
type Spans = (Vec<Range<u32>>, Option<Vec<u8>>);

fn fields(input: Option<&Input>) -> Option<&[String]> {
    match input {
        Some(Input::Fields(fields)) => Some(fields),
        Some(Input::Payload) | None => None,
    }
}

fn fields_of_scorer(inputs: &Inputs) -> Option<&[String]> {
    fields(inputs.scorer.as_ref())
}

/// What numbers reach a plugin as.
fn numbers(config: &SandboxConfig) -> Numbers {
    if config.canonical_numbers { Numbers::Canonical } else { Numbers::AsWritten }
}
