//! The properties of events, laid out flat and side by side, for a scorer to say how alike two events are. Not the
//! score, and not the finding of duplicates.
//!
//! A property is a place in an event that holds one value: a scalar, an array, or an object that is empty or lies too
//! deep to be taken apart. It is named by its JSON pointer (RFC 6901).

use crate::fields::Column;

/// The properties of one event, ascending by the bytes of their pointers, no pointer twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    /// JSON pointers.
    pub paths: Column,
    /// Values, canonical; numbers by value.
    pub values: Column,
    /// A [`crate::fields::Kind`] for each value.
    pub kinds: Vec<u8>,
}

/// Pairs of events, each as the union of their properties: a row is a pointer and what stands there in either event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PairBatch {
    /// For each pair the row after its last: never falls.
    pub ends: Vec<u32>,
    /// The pointer of each row; ascending by bytes inside a pair.
    pub paths: Column,
    /// What the original has there, by [`crate::fields::Kind`]; absent where it has nothing.
    pub original_kinds: Vec<u8>,
    /// The original's values.
    pub originals: Column,
    /// What the duplicate has there.
    pub duplicate_kinds: Vec<u8>,
    /// The duplicate's values.
    pub duplicates: Column,
}

/// How alike two events are; each from 0 to 1, 1 for an event and itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Over the whole of what the scorer reads.
    pub similarity: f64,
    /// Over the properties alone.
    pub property_similarity: f64,
}

/// What a scorer says of one row. The numbers are those of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// Both events have the same there.
    Same = 0,
    /// They differ there.
    Changed = 1,
    /// The scorer does not look there.
    Ignored = 2,
}

/// What a scorer says of a [`PairBatch`], checked: as many scores as pairs, as many verdicts as rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparisons {
    /// A score for each pair; `None` where the scorer failed on it.
    pub scores: Vec<Option<Score>>,
    /// A verdict for each row.
    pub verdicts: Vec<Verdict>,
}

impl PairBatch {
    /// Number of pairs.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.ends.len()
    }

    /// The rows of pair `pair`; empty where there is no such pair.
    #[must_use]
    pub fn rows(&self, pair: usize) -> std::ops::Range<usize> {
        let end = self.ends.get(pair).map_or(0, |end| *end as usize);
        let start = pair.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        start.min(end)..end
    }

    /// Forgets all pairs and keeps the memory.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.paths.clear();
        self.original_kinds.clear();
        self.originals.clear();
        self.duplicate_kinds.clear();
        self.duplicates.clear();
    }
}
