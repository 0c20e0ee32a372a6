//! What is known of a duplicate before it is scored, and why one is not scored. Plain values.

/// What is known of a duplicate before it is scored.
pub(crate) struct Fact {
    /// Its index among the duplicates of the batch.
    pub(crate) nth: usize,
    /// Its pair, or why there is none.
    pub(crate) pair: Result<usize, &'static str>,
    /// Duplicates of the original so far, this one included.
    pub(crate) count: Option<u64>,
    /// Distinct uuids so far, and whether that is exact.
    pub(crate) uuids: Option<(u64, bool)>,
    /// The same before this duplicate.
    pub(crate) uuids_before: Option<u64>,
}

pub(crate) const NO_SCORER: &str = "no plugin scores";
pub(crate) const SWITCHED_OFF: &str = "--keep-originals is off";
pub(crate) const NOT_KEPT: &str = "the original is not kept";
pub(crate) const ELSEWHERE: &str = "the original is in another partition, from before the topic grew";
pub(crate) const NOT_JSON: &str = "the payload is not JSON";
pub(crate) const OTHER_FIELDS: &str = "the original was kept for a scorer that reads other fields";
pub(crate) const DAMAGED: &str = "the kept original is damaged";
pub(crate) const SCORER_FAILED: &str = "the scorer failed";
