//! A batch as far as explaining needs it. Borrows everything, and finds out nothing.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use connectors::Sink;
use engine::decide::Candidate;
use engine::record::{Offset, RecordBatch};

use crate::host_fields;
use crate::scratch::Scratch;

/// A batch, its decoded events, and who is told of its duplicates.
#[derive(Clone, Copy)]
pub(crate) struct Explainable<'a> {
    pub(crate) records: &'a Arc<RecordBatch>,
    pub(crate) scratch: &'a Scratch,
    /// Records before this are replayed.
    pub(crate) live_from: Offset,
    /// Who takes the records of duplicates, if somebody reads them.
    pub(crate) explained_to: Option<&'a dyn Sink>,
}

impl<'a> Explainable<'a> {
    /// What the spans of an event stand in.
    pub(crate) fn text(&self, event: u32, record: u32) -> &'a [u8] {
        self.scratch.wanted.text(event).unwrap_or_else(|| self.payload(record))
    }

    fn payload(&self, record: u32) -> &'a [u8] {
        self.records.get(record as usize).and_then(|record| record.payload()).unwrap_or_default()
    }

    /// Where the fields stand that the scorer asks for.
    pub(crate) fn spans(&self, event: u32) -> &'a [Range<u32>] {
        self.scratch.wanted.of(event)
    }

    pub(crate) fn is_json(&self, event: u32) -> bool {
        self.scratch.wanted.is_json(event)
    }

    /// The uuid as it is compared.
    pub(crate) fn uuid(&self, event: u32) -> Option<Cow<'a, [u8]>> {
        host_fields::compared_uuid(self.scratch.host_fields()?, event as usize)
    }

    /// Offset and time of a record.
    pub(crate) fn candidate(&self, record: u32) -> Option<&'a Candidate> {
        self.scratch.candidates.get(record as usize)
    }

    /// The key at that index.
    pub(crate) fn key(&self, key: u32) -> &'a [u8] {
        self.scratch.extraction.keys.get(key as usize).unwrap_or_default()
    }

    /// The place of a record among those that could be decoded.
    pub(crate) fn event_of(&self, record: u32) -> Option<u32> {
        self.scratch.decoded.binary_search(&record).ok().and_then(|event| u32::try_from(event).ok())
    }
}
