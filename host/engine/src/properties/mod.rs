//! The properties of events, laid out flat and side by side, for a scorer to say how alike two events are. Not the
//! score, and not the finding of duplicates.
//!
//! A property is a place in an event that holds one value, named by its JSON pointer (RFC 6901). A scorer asks for
//! roots, pointers too, and gets the properties at and below these; or for the whole payload, as one property of kind
//! bytes with an empty pointer.
//!
//! How an event is taken apart
//! - Every scalar, every array and every empty object is a property. Other objects are taken apart, down to
//!   [`DEPTH_MAX`] levels below a root. What lies deeper is one property of kind JSON. So is an object with a member whose
//!   pointer would have [`PATH_BYTES_MAX`] bytes or more.
//! - Of members with one name only the last counts, at every level. Names and strings are compared after their escapes
//!   are resolved; in pointers `~` is `~0` and `/` is `~1`. Half a surrogate pair in a name, which no pointer can spell, is
//!   `~ud83d`, and a string value that holds one has kind JSON: see [`crate::projection`].
//! - Numbers come by value ([`crate::projection::Numbers::Canonical`]), also inside arrays and objects, whose text is
//!   canonical. `null` has kind null and no bytes. Values hence do not depend on how an event is spelled.
//! - A value of more than [`VALUE_BYTES_MAX`] bytes is cut: its first [`VALUE_HEAD_BYTES`] bytes, or a few less for a
//!   character to stay whole, and ` (cut: 70000 bytes, digest ...)` after an ellipsis; the digest is SipHash-1-3 of the
//!   whole value with 128 bits and a fixed key. Equal values stay equal and different ones different, but for who
//!   spells the cut text of another value out.
//! - An event may have [`PROPERTIES_MAX`] properties, and [`NAMES_MAX`] names may be looked at to find them, repeated
//!   ones included; properties of roots that overlap count for each. Where an event has more, both events of the pair
//!   are taken apart to half the depth, down to 0, where the value of each root is one property. So the rows of a pair
//!   depend on both events, but always treat both alike.
//! - Roots may overlap: each pointer is one row.
//! - A string that is JSON text, because its member is named ([`crate::projection::JsonIn`]), is taken apart as what it
//!   spells; pointers go on inside.
//!
//! What is kept of an original has at most [`KEPT_BYTES_MAX`] bytes: the values of the roots as they were written, or,
//! where these are too long, the properties, taken apart as deep as fits; the values of one that does not fit even at
//! depth 0 are cut once more, at 256 bytes. Its duplicates are then taken apart to the same depth at most. A duplicate
//! that does not fit there goes deeper down alone: it differs from the original anyway, which did fit.
//! A payload of more than [`PAYLOAD_BYTES_MAX`] bytes is cut, in the duplicate too.
//!
//! How: `flatten` walks over the tokens that `projection` finds, `atlas` knows pointers met before and their order,
//! `join` lays two events side by side, `values` copies, `kept` is the encoding, and `pairer` puts these together.

mod atlas;
mod cut;
mod flatten;
#[cfg(test)]
mod inside_tests;
mod join;
mod kept;
mod pairer;
#[cfg(test)]
mod tests;
mod values;

pub use kept::{Form, Kept, fields_text};
pub use pairer::{Pairer, Refusal, TooManyRoots};

use crate::fields::Column;
use cut::Bound;

/// Levels of objects below a root that are taken apart.
pub const DEPTH_MAX: usize = 16;
/// The pointer of a property has fewer bytes than this, unless it is a root.
pub const PATH_BYTES_MAX: usize = 512;
/// Bytes of the longest value that is not cut.
pub const VALUE_BYTES_MAX: usize = 4096;
/// Bytes that stay of a value that is cut, before the mark.
pub const VALUE_HEAD_BYTES: usize = 256;
/// Properties of one event.
pub const PROPERTIES_MAX: usize = 1024;
/// Member names looked at in one event.
pub const NAMES_MAX: usize = 4096;
/// Pointers that a scorer may ask for, for what is kept to fit.
pub const ROOTS_MAX: usize = 128;
/// Bytes kept of an original.
pub const KEPT_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the longest payload that is not cut, where the payload is read.
pub const PAYLOAD_BYTES_MAX: usize = KEPT_BYTES_MAX - HEAD_BYTES_MAX;

/// What an encoding has besides values and their lengths.
const HEAD_BYTES_MAX: usize = 512;
const PAYLOAD: Bound = Bound { value_bytes_max: PAYLOAD_BYTES_MAX, head_bytes: VALUE_HEAD_BYTES };

/// How far an event is taken apart.
#[derive(Debug, Clone, Copy)]
struct Level {
    depth: usize,
    values: Bound,
}

impl Level {
    const fn new(depth: usize) -> Self {
        Self { depth, values: Bound { value_bytes_max: VALUE_BYTES_MAX, head_bytes: VALUE_HEAD_BYTES } }
    }
}

/// From fine to coarse; a kept original names its level by its place here. [`ROOTS_MAX`] values of the last always fit.
const LEVELS: [Level; 7] = [
    Level::new(DEPTH_MAX),
    Level::new(8),
    Level::new(4),
    Level::new(2),
    Level::new(1),
    Level::new(0),
    Level { depth: 0, values: Bound { value_bytes_max: 256, head_bytes: 64 } },
];

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

    /// Gives the duplicate of the last pair what the original has at `path`, where both have something there: it is the
    /// same in another spelling.
    pub fn respell(&mut self, path: &[u8]) {
        let rows = self.rows(self.pairs().saturating_sub(1));
        let Some(row) = rows.into_iter().find(|row| self.paths.get(*row) == Some(path)) else { return };
        let absent = |kind: Option<&u8>| kind.is_none_or(|kind| *kind == crate::fields::Kind::Absent as u8);
        if absent(self.original_kinds.get(row)) || absent(self.duplicate_kinds.get(row)) {
            return;
        }
        if let (Some(kind), Some(original)) = (self.original_kinds.get(row), self.originals.get(row)) {
            if let Some(of_duplicate) = self.duplicate_kinds.get_mut(row) {
                *of_duplicate = *kind;
            }
            self.duplicates.replace(row, original);
        }
    }

    /// Closes a pair whose rows were appended.
    fn end_pair(&mut self) {
        self.ends.push(u32::try_from(self.original_kinds.len()).unwrap_or(u32::MAX));
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
