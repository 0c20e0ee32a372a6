//! A duplicate of the batch, as the decision finds it, and what became of it. Not what is said of it.

use engine::entry::Entry;
use engine::findings::Likeness;
use engine::record::Offset;

/// A duplicate of the batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Duplicate {
    /// Index of its record.
    pub(crate) record: u32,
    /// Its index among the records that were decoded.
    pub(crate) event: u32,
    /// Index of the key that met.
    pub(crate) key: u32,
    /// The event that was first, or the one that it is most alike to.
    pub(crate) original: Entry,
    /// The partition that it was in, if that is another one: nothing is kept of it here.
    pub(crate) elder: Option<i32>,
    /// It is less alike to every original than the operator wants to hold back: it passes.
    pub(crate) forwarded: bool,
}

impl Duplicate {
    /// Where its original is in the partition's own log; no record is at -1.
    pub(crate) fn original_here(&self) -> Offset {
        if self.elder.is_some() { -1 } else { self.original.offset }
    }
}

/// What became of a duplicate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) likeness: Likeness,
    /// Less alike than the operator wants to hold back.
    pub(crate) forwarded: bool,
}
