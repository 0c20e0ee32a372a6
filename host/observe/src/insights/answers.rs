//! What the HTTP server answers about duplicates, as JSON. A contract with the live page and with scripts; no logic.

use engine::findings::PropertyCounts;
use engine::record::{Millis, Offset};
use serde::Serialize;

use super::totals::Totals;

/// `/api/duplicates`: what duplicates are like, since the process began.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DuplicatesAnswer {
    /// The time of this answer, in milliseconds since the epoch.
    pub at_ms: Millis,
    /// Records by outcome.
    pub totals: Totals,
    /// Duplicates by what sets them apart from their originals.
    pub outcomes: Outcomes,
    /// Similarities of duplicates and originals, as the scorer gives them.
    pub similarity: Bars,
    /// The same over properties alone.
    pub property_similarity: Bars,
    /// The same for the uuids, compared as text.
    pub uuid_similarity: Bars,
    /// Keys by number of duplicates, among those that had one here.
    pub duplicates_per_key: Bars,
    /// Keys by number of distinct uuids, the original's included.
    pub distinct_uuids_per_key: Bars,
    /// Seconds between original and duplicate.
    pub gap_seconds: Bars,
    /// Properties by number of changes, most changed first.
    pub properties: Vec<PropertyAnswer>,
    /// Comparisons of all other properties.
    #[serde(with = "PropertyCountsAnswer")]
    pub other_properties: PropertyCounts,
    /// Whether values are hidden.
    pub redacted: bool,
}

/// Duplicates by what sets them apart from their originals; see [`engine::findings::Likeness`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// Same uuid, same content.
    pub same_event: u64,
    /// Same uuid, other content.
    pub same_uuid: u64,
    /// Other uuid, same content.
    pub only_uuid_different: u64,
    /// Other uuid, other content.
    pub content_differs: u64,
    /// Not compared.
    pub unscored: u64,
}

/// A histogram.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bars {
    /// Upper bounds, inclusive, ascending.
    pub bounds: Vec<f64>,
    /// The number in each bucket, not cumulative; one more than bounds: the last is above all of them.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: f64,
}

/// Comparisons of one property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PropertyAnswer {
    /// The label of the property: its pointer where that is short.
    pub path: String,
    /// By result.
    #[serde(flatten, with = "PropertyCountsAnswer")]
    pub counts: PropertyCounts,
}

/// [`PropertyCounts`] as they are serialised.
#[derive(Serialize)]
#[serde(remote = "PropertyCounts")]
struct PropertyCountsAnswer {
    changed: u64,
    added: u64,
    removed: u64,
    same: u64,
}

/// `/api/keys`: the originals with the most duplicates, most first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeysAnswer {
    /// At most 100.
    pub keys: Vec<KeyAnswer>,
}

/// One original.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyAnswer {
    /// The key as text or as a digest, depending on whether values are hidden, cut to 256 bytes.
    pub key: String,
    /// Topic of original and duplicates.
    pub topic: String,
    /// Their partition.
    pub partition: i32,
    /// Where the original is.
    pub original_offset: Offset,
    /// How many duplicates it has.
    pub duplicates: u64,
    /// How many uuids they have, the original's included; `None` if that is not known.
    pub distinct_uuids: Option<u64>,
    /// Whether that number is exact.
    pub distinct_uuids_exact: bool,
    /// Where its latest duplicate is.
    pub last_offset: Offset,
    /// When that was committed, in milliseconds since the epoch.
    pub last_seen_ms: Millis,
}

/// `/api/latest`: the latest duplicates, newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatestAnswer {
    /// At most 50; a few of each commit.
    pub duplicates: Vec<LatestDuplicate>,
    /// Whether values are hidden.
    pub redacted: bool,
}

/// One duplicate beside its original.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatestDuplicate {
    /// When it was committed, in milliseconds since the epoch.
    pub at_ms: Millis,
    /// The key they share, as in [`KeyAnswer`].
    pub key: String,
    /// Topic of both.
    pub topic: String,
    /// Partition of both.
    pub partition: i32,
    /// Where the duplicate is.
    pub offset: Offset,
    /// Where the original is.
    pub original_offset: Offset,
    /// What sets it apart from the original: a word of [`engine::findings::Likeness`].
    pub outcome: &'static str,
    /// Duplicates of the original so far, this one included; `None` if they are not counted.
    pub count: Option<u64>,
    /// Distinct uuids so far.
    pub distinct_uuids: Option<u64>,
    /// How alike they are, 0 to 1.
    pub similarity: Option<f64>,
    /// How alike their properties are, 0 to 1.
    pub property_similarity: Option<f64>,
    /// At most 64 properties, those that differ first.
    pub rows: Vec<LatestRow>,
    /// Name and version of the plugin that scored it.
    pub scorer: Option<String>,
}

/// One property of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LatestRow {
    /// Its pointer, at most 256 characters.
    pub path: String,
    /// `changed`, `same` or `ignored`.
    pub verdict: &'static str,
    /// `changed`, `added` or `removed`, if it differs.
    pub change: Option<&'static str>,
    /// The original's value, at most 256 characters; `None` if it has none or values are hidden.
    pub original: Option<String>,
    /// The duplicate's value.
    pub duplicate: Option<String>,
}
