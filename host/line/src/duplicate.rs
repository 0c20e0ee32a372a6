//! A duplicate of the batch, as the decision finds it, and what became of it. Not what is said of it.

use engine::entry::Entry;
use engine::findings::Likeness;

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
    /// It is less alike to every original than the operator wants to hold back: it passes.
    pub(crate) forwarded: bool,
}

/// What became of a duplicate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) likeness: Likeness,
    /// Less alike than the operator wants to hold back.
    pub(crate) forwarded: bool,
}
