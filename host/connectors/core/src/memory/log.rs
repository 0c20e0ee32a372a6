//! The log of one partition: records, gaps, parts that cannot be read; a start that moves, and an end up to which it can be
//! read. Not who reads it.

use std::ops::Range;

use engine::record::{Millis, NewRecord, Offset, RecordBatch};

use crate::inquiry::Bounds;
use crate::unreadable::{Sight, Unreadable, UnreadableReason};

/// What stands at an offset.
#[derive(Debug, Clone)]
enum Slot {
    Record {
        timestamp: Option<Millis>,
        key: Option<Vec<u8>>,
        payload: Option<Vec<u8>>,
    },
    /// The marker of a transaction, or what compaction left.
    Gap,
    Unreadable,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    slots: Vec<Slot>,
    start: Offset,
    /// Where an open transaction holds the readers back.
    held_at: Option<Offset>,
}

/// What a reader meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    Record(Offset),
    Unreadable(Offset),
    End,
    /// The log does not go back so far any more.
    Gone,
}

impl Log {
    pub(super) fn append(&mut self, record: &NewRecord<'_>) -> Offset {
        let [key, payload] = [record.key, record.payload].map(|bytes| bytes.map(<[u8]>::to_vec));
        self.push(Slot::Record { timestamp: record.timestamp, key, payload })
    }

    pub(super) fn append_gap(&mut self) -> Offset {
        self.push(Slot::Gap)
    }

    pub(super) fn append_unreadable(&mut self) -> Offset {
        self.push(Slot::Unreadable)
    }

    fn push(&mut self, slot: Slot) -> Offset {
        self.slots.push(slot);
        self.end() - 1
    }

    fn end(&self) -> Offset {
        Offset::try_from(self.slots.len()).unwrap_or(Offset::MAX)
    }

    pub(super) fn hold_back(&mut self, at: Option<Offset>) {
        self.held_at = at;
    }

    pub(super) fn expire(&mut self, start: Offset) {
        self.start = self.start.max(start.min(self.end()));
    }

    pub(super) fn bounds(&self) -> Bounds {
        let (log_start, log_end) = (self.start, self.end());
        Bounds { log_start, log_end, stable_end: self.held_at.map_or(log_end, |at| at.min(log_end)) }
    }

    fn slot(&self, at: Offset) -> Option<&Slot> {
        self.slots.get(usize::try_from(at).ok()?)
    }

    /// What comes next from an offset on, gaps passed over.
    pub(super) fn next(&self, at: Offset) -> Met {
        if at < self.start {
            return Met::Gone;
        }
        let met = (at..self.bounds().stable_end).find_map(|at| match self.slot(at)? {
            Slot::Record { .. } => Some(Met::Record(at)),
            Slot::Unreadable => Some(Met::Unreadable(at)),
            Slot::Gap => None,
        });
        met.unwrap_or(Met::End)
    }

    /// Appends the records from `span.start` on, up to what is no record, `span.end`, or so many. Returns the offset after
    /// the last.
    pub(super) fn read(&self, span: Range<Offset>, records_max: usize, into: &mut RecordBatch) -> Offset {
        let mut next = span.start;
        let stable = span.start..span.end.min(self.bounds().stable_end);
        for at in stable.take(records_max) {
            let Some(Slot::Record { timestamp, key, payload }) = self.slot(at) else { break };
            let (key, payload) = (key.as_deref(), payload.as_deref());
            into.push(NewRecord { offset: at, timestamp: *timestamp, key, payload });
            next = at + 1;
        }
        next
    }

    /// What stands first in a span.
    pub(super) fn inspect(&self, span: Range<Offset>) -> Sight {
        let Met::Unreadable(from) = self.next(span.start.max(self.start)) else { return Sight::Readable };
        if from >= span.end {
            return Sight::Readable;
        }
        let is_readable = |at: &Offset| !matches!(self.slot(*at), Some(Slot::Unreadable));
        let next = (from..self.end()).find(is_readable).unwrap_or(self.end());
        Sight::Unreadable(Unreadable {
            from,
            next,
            reason: UnreadableReason::Damaged,
            cause: "it is damaged".to_owned(),
        })
    }

    /// The first records of a span, gaps and what cannot be read passed over.
    pub(super) fn peek(&self, span: Range<Offset>, records_max: usize) -> RecordBatch {
        let mut batch = RecordBatch::new();
        let mut at = span.start.max(self.start);
        while at < span.end.min(self.end()) && batch.len() < records_max {
            at = self.read(at..span.end, records_max - batch.len(), &mut batch).max(at + 1);
        }
        batch
    }
}
