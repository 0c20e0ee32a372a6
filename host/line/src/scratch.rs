//! What is found out about the records of a batch on their way down the line: buffers, kept between batches. Each stage
//! reads what the stages before it wrote; nothing is decided here.

use engine::decide::{Candidate, Decisions};
use engine::entry::Found;
use engine::fields::{Extraction, FieldBatch};
use engine::fingerprint::Fingerprint;
use engine::growth::Elder;
use engine::record::{Offset, RecordBatch};
use engine::time::Unusable;

use connectors::Unsendable;

use crate::duplicate::Duplicate;
use crate::host_fields::{self, HOST_FIELDS};
use crate::wanted::Wanted;

/// Why a record has no key: its index in the batch, the kind of the reason, and the words.
pub(crate) struct Reason {
    pub(crate) record: u32,
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

/// Buffers of a batch.
#[derive(Default)]
pub(crate) struct Scratch {
    /// One group of fields for the plugin, one for the host.
    pub(crate) fields: Vec<FieldBatch>,
    /// Record index of each event that could be decoded.
    pub(crate) decoded: Vec<u32>,
    /// What the scorer asked for, of the same.
    pub(crate) wanted: Wanted,
    pub(crate) extraction: Extraction,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) owners: Vec<u32>,
    pub(crate) keys: Vec<Fingerprint>,
    pub(crate) found: Vec<Found>,
    pub(crate) elders: Vec<Elder>,
    pub(crate) decisions: Decisions,
    pub(crate) duplicates: Vec<Duplicate>,
    /// Ascending by record.
    pub(crate) reasons: Vec<Reason>,
    /// Records whose event time is of no use, ascending.
    pub(crate) unusable: Vec<(u32, Unusable)>,
    /// Whether a record of the batch may be one that a lane does not take.
    pub(crate) is_tight: bool,
    /// Records that could not be forwarded, ascending.
    pub(crate) unsendable: Vec<(u32, Unsendable)>,
}

impl Scratch {
    /// Of the right widths for the plugins.
    pub(crate) fn of(fields: Vec<FieldBatch>, wanted: Wanted) -> Self {
        Self { fields, wanted, ..Self::default() }
    }

    /// Before a batch is decoded.
    pub(crate) fn clear(&mut self) {
        self.fields.iter_mut().for_each(FieldBatch::clear);
        self.decoded.clear();
        self.wanted.clear();
        self.reasons.clear();
        self.candidates.clear();
        self.elders.clear();
        self.unusable.clear();
        self.unsendable.clear();
    }

    /// The fields that the host itself reads, of the events that could be decoded.
    #[inline]
    pub(crate) fn host_fields(&self) -> Option<&FieldBatch> {
        self.fields.get(HOST_FIELDS)
    }

    /// The uuid of a decoded event as it stands there.
    #[inline]
    pub(crate) fn uuid(&self, event: usize) -> Option<&[u8]> {
        host_fields::uuid(self.host_fields()?, event)
    }

    /// The offset of a decoded event.
    pub(crate) fn offset_of(&self, batch: &RecordBatch, event: u32) -> Offset {
        let record = self.decoded.get(event as usize).and_then(|record| batch.get(*record as usize));
        record.map_or(-1, |record| record.offset())
    }

    /// Takes events out again after they were decoded.
    pub(crate) fn leave_out(&mut self, is_out: impl Fn(u32) -> bool) {
        let is_kept: Vec<bool> = self.decoded.iter().map(|record| !is_out(*record)).collect();
        let keep = |event: usize| is_kept.get(event).copied().unwrap_or(false);
        self.fields.iter_mut().for_each(|fields| fields.retain_events(keep));
        self.wanted.retain_events(keep);
        self.decoded.retain(|record| !is_out(*record));
    }
}
