//! One duplicate, as a line tells of it. Nothing is summed up here.

use crate::properties::Score;
use crate::record::{Millis, Offset};

use crate::findings::likeness::Likeness;
use crate::findings::properties::Rows;

/// A duplicate and all that is known of it.
#[derive(Debug, Clone)]
pub struct Explained<'a> {
    /// The key that it shares with its original, as it may be shown.
    pub key: &'a [u8],
    /// Where it is.
    pub offset: Offset,
    /// Where the original is.
    pub original_offset: Offset,
    /// Its time; `None` where it has none.
    pub time_ms: Option<Millis>,
    /// The original's time; `None` where it has none.
    pub original_time_ms: Option<Millis>,
    /// Duplicates of the original so far, this one included; `None` where they are not counted.
    pub count: Option<u64>,
    /// Distinct uuids of original and duplicates so far, and whether that is exact.
    pub distinct_uuids: Option<(u64, bool)>,
    /// The same number before this duplicate.
    pub previous_distinct_uuids: Option<u64>,
    /// [`super::uuid_similarity`] of the two uuids, where both have one.
    pub uuid_similarity: Option<f64>,
    /// What kind of duplicate it is.
    pub likeness: Likeness,
    /// Whether it is less alike than the operator wants to hold back, and was forwarded.
    pub forwarded: bool,
    /// What the scorer says of the pair.
    pub score: Option<Score>,
    /// What it says of each property.
    pub rows: Option<Rows<'a>>,
    /// Duplicates of the same batch that come after this one. Only the last few of a batch are kept to be looked at.
    pub remaining: usize,
}
