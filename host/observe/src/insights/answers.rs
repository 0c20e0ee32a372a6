//! What the HTTP server answers about duplicates, as JSON. A contract with the live page and with scripts; no logic.

use engine::findings::PropertyCounts;
use engine::record::{Millis, Offset};
use serde::Serialize;

use super::totals::Totals;

/// `/api/duplicates`: what duplicates are like, since the process began.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DuplicatesAnswer {
    /// When this was so, in milliseconds since the epoch.
    pub at_ms: Millis,
    /// Records by what was decided of them.
    pub totals: Totals,
    /// Duplicates by what they are.
    pub outcomes: Outcomes,
    /// Similarities of duplicates and originals, as the scorer gives them.
    pub similarity: Bars,
    /// The same over properties alone.
    pub property_similarity: Bars,
    /// The same of the uuids, as texts.
    pub uuid_similarity: Bars,
    /// Keys by how many duplicates they have, of keys that got one here.
    pub duplicates_per_key: Bars,
    /// Keys by how many distinct uuids they have, the original's among them.
    pub distinct_uuids_per_key: Bars,
    /// Seconds between original and duplicate.
    pub gap_seconds: Bars,
    /// Properties by changes, most first.
    pub properties: Vec<PropertyAnswer>,
    /// The comparisons of all other properties.
    #[serde(with = "PropertyCountsAnswer")]
    pub other_properties: PropertyCounts,
    /// Whether values are hidden.
    pub redacted: bool,
}

/// Duplicates by what they are; see [`engine::findings::Likeness`].
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
    /// How many are in each bucket alone; one more than bounds, the last is above all of them.
    pub counts: Vec<u64>,
    /// All values together.
    pub sum: f64,
}

/// Comparisons of one property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PropertyAnswer {
    /// The label of the property: its pointer where that is short.
    pub path: String,
    /// By what came out.
    #[serde(flatten, with = "PropertyCountsAnswer")]
    pub counts: PropertyCounts,
}

/// [`PropertyCounts`], as they are written.
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
    /// The key as text, as the line was told to show it, cut to 256 bytes.
    pub key: String,
    /// Topic of original and duplicates.
    pub topic: String,
    /// Their partition.
    pub partition: i32,
    /// Where the original is.
    pub original_offset: Offset,
    /// How many duplicates it has.
    pub duplicates: u64,
    /// How many uuids they have, the original's among them; `None` where that is not known.
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
    /// What it is; a word of [`engine::findings::Likeness`].
    pub outcome: &'static str,
    /// Duplicates of the original so far, this one included; `None` where they are not counted.
    pub count: Option<u64>,
    /// Distinct uuids so far.
    pub distinct_uuids: Option<u64>,
    /// How alike they are, 0 to 1.
    pub similarity: Option<f64>,
    /// How alike their properties are, 0 to 1.
    pub property_similarity: Option<f64>,
    /// At most 64 properties, those that differ first.
    pub rows: Vec<LatestRow>,
    /// Name and version of what scored it.
    pub scorer: Option<String>,
}

/// One property of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LatestRow {
    /// Its pointer, at most 256 characters.
    pub path: String,
    /// `changed`, `same` or `ignored`.
    pub verdict: &'static str,
    /// `changed`, `added` or `removed`, of what differs.
    pub change: Option<&'static str>,
    /// What the original has there, at most 256 characters; `None` where it has nothing, or values are hidden.
    pub original: Option<String>,
    /// What the duplicate has there.
    pub duplicate: Option<String>,
}
