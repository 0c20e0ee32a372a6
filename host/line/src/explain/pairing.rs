//! Lays events beside their originals, as scorers get them, and keeps originals for that. Does not score.

use std::ops::Range;

use engine::entry::Write;
use engine::identity;
use engine::properties::{Kept, PairBatch, Pairer, Refusal};
use engine::record::Offset;
use engine::state::PartitionState;
use plugin::Input;

use crate::error::LineError;
use crate::explain::view::Explainable;
use crate::rules::Rules;

/// Bytes of a call to the scorer, about; a batch of large events is compared in several.
const COMPARE_BYTES_MAX: usize = 4 << 20;

/// A batch is held for its originals where these are at least this part of its memory.
const SHARED_PART: usize = 4;

/// Pairs of events that are compared next.
pub(crate) struct Pairing {
    /// None where nothing scores.
    pairer: Option<Pairer>,
    /// The scorer reads payloads, and not fields.
    reads_payload: bool,
    uuid_field: String,
    pub(crate) pairs: PairBatch,
    /// One original on its way into the state.
    original: Vec<u8>,
}

/// An event to be laid beside its original.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a> {
    text: &'a [u8],
    spans: &'a [Range<u32>],
    uuid: Option<&'a [u8]>,
}

impl Pairing {
    /// `input` is what the scorer reads, `roots` the fields of it.
    pub(crate) fn new(input: Option<&Input>, roots: &[String], rules: &Rules) -> Result<Self, LineError> {
        let reads_payload = input == Some(&Input::Payload);
        let pairer = |_| Pairer::new_inside((!reads_payload).then_some(roots), &rules.json_in);
        Ok(Self {
            pairer: input.map(pairer).transpose()?,
            reads_payload,
            uuid_field: rules.uuid_field.clone(),
            pairs: PairBatch::default(),
            original: Vec::new(),
        })
    }

    /// Whether something scores.
    pub(crate) fn is_on(&self) -> bool {
        self.pairer.is_some()
    }

    /// Whether one more pair may go into the same call.
    pub(crate) fn has_room(&self) -> bool {
        let pairs = &self.pairs;
        // But for what is of the same size for each row.
        pairs.paths.data.len() + pairs.originals.data.len() + pairs.duplicates.data.len() < COMPARE_BYTES_MAX
    }

    /// Whether the scorer can read an event.
    pub(crate) fn reads(&self, batch: &Explainable<'_>, event: u32) -> bool {
        self.reads_payload || batch.is_json(event)
    }

    /// Keeps what the scorer will want of the events that are first: those for which something is written.
    pub(crate) fn keep<S: PartitionState>(
        &mut self,
        batch: &Explainable<'_>,
        writes: &[Write],
        state: &mut S,
    ) -> Result<(), LineError> {
        if !self.is_on() {
            return Ok(());
        }
        // Copying what is kept costs more than all else about it, unless so little is kept that the batch would be held
        // for other bytes' sake.
        let records = batch.records.len().max(1);
        let shared = batch.records.bytes() / records * writes.len() >= batch.records.memory_bytes() / SHARED_PART;
        let mut writes = writes.iter().peekable();
        for (event, record) in (0..).zip(&batch.scratch.decoded) {
            let Some(candidate) = batch.candidate(*record) else { continue };
            let mut is_first = false;
            while writes.next_if(|write| write.entry.offset == candidate.offset).is_some() {
                is_first = true;
            }
            if is_first && self.reads(batch, event) {
                self.keep_one(batch, event, *record, shared, state).map_err(LineError::state)?;
            }
        }
        Ok(())
    }

    fn keep_one<S: PartitionState>(
        &mut self,
        batch: &Explainable<'_>,
        event: u32,
        record: u32,
        shared: bool,
        state: &mut S,
    ) -> Result<(), S::Failure> {
        let (Some(pairer), Some(candidate)) = (&mut self.pairer, batch.candidate(record)) else { return Ok(()) };
        let (offset, payload, spans) = (candidate.offset, batch.text(event, record), batch.spans(event));
        let (uuid, text) = (batch.uuid(event), &mut self.original);
        text.clear();
        match shared.then(|| pairer.keep_around(uuid.as_deref(), payload, spans, text)).flatten() {
            Some((body, tail)) => state.keep_shared(offset, text, batch.records, body, tail),
            None => {
                pairer.keep(uuid.as_deref(), payload, spans, text);
                state.keep(offset, text)
            }
        }
    }

    /// Appends an event and its original, which is kept, to the pairs. Returns the index of the pair.
    pub(crate) fn lay_out(
        &mut self,
        batch: &Explainable<'_>,
        (event, record): (u32, u32),
        kept: &Kept<'_>,
    ) -> Result<usize, Refusal> {
        let uuid = batch.uuid(event);
        let text = batch.text(event, record);
        let event = Event { text, spans: batch.spans(event), uuid: uuid.as_deref() };
        let Some(pairer) = &mut self.pairer else { return Err(Refusal::OtherFields) };
        lay_out(pairer, kept, event, &self.uuid_field, &mut self.pairs)?;
        Ok(self.pairs.pairs() - 1)
    }

    /// As [`Pairing::lay_out`], of an original that may be one of the batch itself: those are put into the state only when it
    /// is decided which they are. `kept` is what the state has. False where one of the two cannot be had.
    pub(crate) fn lay_out_early(
        &mut self,
        batch: &Explainable<'_>,
        record: u32,
        original: Offset,
        kept: Option<&[u8]>,
    ) -> bool {
        let Some(event) = batch.event_of(record).filter(|event| self.reads(batch, *event)) else { return false };
        let is_aside = self.keep_aside(batch, original);
        let text = std::mem::take(&mut self.original);
        let kept = if is_aside { Some(text.as_slice()) } else { kept };
        let is_laid_out =
            kept.and_then(Kept::decode).is_some_and(|kept| self.lay_out(batch, (event, record), &kept).is_ok());
        self.original = text;
        is_laid_out
    }

    /// Encodes the event at `offset` as it would be kept; false where it is not of this batch.
    fn keep_aside(&mut self, batch: &Explainable<'_>, offset: Offset) -> bool {
        let candidates = &batch.scratch.candidates;
        let record = candidates.binary_search_by_key(&offset, |candidate| candidate.offset).ok();
        let record = record.and_then(|record| u32::try_from(record).ok());
        let Some((record, event)) = record.and_then(|record| Some((record, batch.event_of(record)?))) else {
            return false;
        };
        if !self.reads(batch, event) {
            return false;
        }
        let Some(pairer) = &mut self.pairer else { return false };
        self.original.clear();
        let uuid = batch.uuid(event);
        pairer.keep(uuid.as_deref(), batch.text(event, record), batch.spans(event), &mut self.original);
        true
    }
}

/// Appends a pair to `pairs`. Where both events have one uuid in two spellings, or as a number and as a string, scorers see
/// what the original has.
fn lay_out(
    pairer: &mut Pairer,
    kept: &Kept<'_>,
    event: Event<'_>,
    uuid_field: &str,
    pairs: &mut PairBatch,
) -> Result<(), Refusal> {
    let Event { text, spans, uuid } = event;
    pairer.pair(kept, text, spans, pairs)?;
    if uuid.is_some_and(|uuid| kept.uuid() != Some(uuid) || identity::is_bare(uuid)) && kept.has_uuid(uuid) {
        pairs.respell(uuid_field.as_bytes());
    }
    Ok(())
}
