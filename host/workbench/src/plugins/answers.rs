//! What a component answers for one event or one pair, and what the call cost: for people and as JSON. Does not call
//! it.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use engine::fields::{Extraction, FieldBatch, KeyStatus};
use engine::properties::{Comparisons, PairBatch, Score, Verdict};
use plugin::Cost;
use serde::Serialize;

use super::screen;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Keyed,
    NoKey,
    Invalid,
    /// It is not JSON, and the plugin reads fields: it was not asked.
    Undecodable,
    /// The plugin failed on it.
    Failed,
}

#[derive(Debug, Serialize)]
pub(super) struct Extracted {
    pub(super) status: Status,
    /// Absent if a key is not UTF-8.
    pub(super) keys: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keys_base64: Option<Vec<String>>,
    /// The plugin's note, or why there is no answer.
    pub(super) reason: Option<String>,
    /// The number of the first event with which it has a key in common.
    pub(super) duplicate_of: Option<usize>,
    /// What the plugin was given.
    pub(super) values: Vec<Value>,
    pub(super) log: Vec<Line>,
    pub(super) cost: Option<Spent>,
    #[serde(skip)]
    pub(super) key_bytes: Vec<Vec<u8>>,
}

/// A value handed to the plugin.
#[derive(Debug, Serialize)]
pub(super) struct Value {
    /// Empty for the whole payload.
    pub(super) field: String,
    pub(super) kind: &'static str,
    pub(super) value: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Compared {
    pub(super) similarity: Option<f64>,
    pub(super) property_similarity: Option<f64>,
    /// Pointers of the rows that differ, to the scorer.
    pub(super) changed: Vec<String>,
    pub(super) same: Vec<String>,
    pub(super) not_looked_at: Vec<String>,
    /// Why there is no answer.
    pub(super) reason: Option<String>,
    /// Whether the reason is that the plugin failed.
    pub(super) failed: bool,
    pub(super) log: Vec<Line>,
    pub(super) cost: Option<Spent>,
}

/// A line that the plugin wrote to the log.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) level: &'static str,
    pub(super) message: String,
}

/// What a call took.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Spent {
    pub(super) nanoseconds: u64,
    /// Absent where work is not counted.
    pub(super) fuel: Option<u64>,
    /// Of the instance after the call; memories never shrink.
    pub(super) memory_bytes: usize,
}

pub(super) fn values(fields: &[String], batch: &FieldBatch) -> Vec<Value> {
    let value = |(index, kind): (usize, &u8)| Value {
        field: fields.get(index).cloned().unwrap_or_default(),
        kind: kind_name(*kind),
        value: screen::text_of(batch.values.get(index).unwrap_or_default()),
    };
    batch.kinds.iter().enumerate().map(value).collect()
}

/// As the contract names kinds.
fn kind_name(kind: u8) -> &'static str {
    ["absent", "null", "bool", "number", "string", "json", "bytes"].get(usize::from(kind)).copied().unwrap_or("unknown")
}

impl From<(u8, String)> for Line {
    /// Levels as the contract names them.
    fn from((level, message): (u8, String)) -> Self {
        let level = ["trace", "debug", "info", "warn"].get(usize::from(level)).copied().unwrap_or("error");
        Self { level, message }
    }
}

impl Extracted {
    pub(super) fn unanswered(status: Status, reason: String) -> Self {
        Self {
            status,
            keys: Some(Vec::new()),
            keys_base64: None,
            reason: Some(reason),
            duplicate_of: None,
            values: Vec::new(),
            log: Vec::new(),
            cost: None,
            key_bytes: Vec::new(),
        }
    }

    /// Of a batch of one event.
    pub(super) fn of(extraction: &Extraction) -> Self {
        let keys: Vec<&[u8]> =
            (0..extraction.keys.len()).map(|key| extraction.keys.get(key).unwrap_or_default()).collect();
        let texts: Option<Vec<String>> =
            keys.iter().map(|key| std::str::from_utf8(key).ok().map(str::to_owned)).collect();
        let base64 = texts.is_none().then(|| keys.iter().map(|key| BASE64_STANDARD.encode(key)).collect());
        let status = match extraction.status.first() {
            Some(KeyStatus::Keyed) => Status::Keyed,
            Some(KeyStatus::NoKey) | None => Status::NoKey,
            Some(KeyStatus::Invalid) => Status::Invalid,
        };
        Self {
            status,
            keys: texts,
            keys_base64: base64,
            reason: extraction.notes.first().map(|(_, note)| note.clone()),
            duplicate_of: None,
            values: Vec::new(),
            log: Vec::new(),
            cost: None,
            key_bytes: keys.iter().map(|key| key.to_vec()).collect(),
        }
    }
}

impl Compared {
    pub(super) fn unanswered(reason: String, failed: bool) -> Self {
        Self {
            similarity: None,
            property_similarity: None,
            changed: Vec::new(),
            same: Vec::new(),
            not_looked_at: Vec::new(),
            reason: Some(reason),
            failed,
            log: Vec::new(),
            cost: None,
        }
    }

    /// Of a batch of one pair.
    pub(super) fn of(score: Score, pairs: &PairBatch, comparisons: &Comparisons) -> Self {
        let rows = |wanted: Verdict| {
            let verdicts = comparisons.verdicts.iter().enumerate().filter(move |(_, verdict)| **verdict == wanted);
            verdicts.map(|(row, _)| screen::text_of(pairs.paths.get(row).unwrap_or_default())).collect()
        };
        Self {
            similarity: Some(score.similarity),
            property_similarity: Some(score.property_similarity),
            changed: rows(Verdict::Changed),
            same: rows(Verdict::Same),
            not_looked_at: rows(Verdict::Ignored),
            reason: None,
            failed: false,
            log: Vec::new(),
            cost: None,
        }
    }
}

impl Spent {
    pub(super) fn of(cost: Cost) -> Self {
        Self {
            nanoseconds: u64::try_from(cost.time.as_nanos()).unwrap_or(u64::MAX),
            fuel: cost.fuel,
            memory_bytes: cost.memory_bytes,
        }
    }
}
