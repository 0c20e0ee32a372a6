//! The latest duplicates of the process, as text for people.

use std::sync::Arc;

use engine::fields::Kind;
use engine::findings::{Change, KEY_BYTES_MAX, KeptDuplicate, KeptRow, Likeness, Side, TEXT_CHARS_MAX};
use engine::properties::Verdict;
use engine::record::{Millis, TopicPartition};

use super::answers::{LatestDuplicate, LatestRow};
use super::text::shown;

/// Duplicates that are shown.
pub(super) const LATEST_MAX: usize = 50;

/// A duplicate, with its place and time.
#[derive(Debug)]
pub(super) struct SeenDuplicate {
    pub(super) source: Arc<TopicPartition>,
    pub(super) scorer: Option<Arc<str>>,
    pub(super) at_ms: Millis,
    pub(super) duplicate: KeptDuplicate,
}

impl SeenDuplicate {
    pub(super) fn answer(&self) -> LatestDuplicate {
        let is = &self.duplicate;
        LatestDuplicate {
            at_ms: self.at_ms,
            key: shown(is.key(), KEY_BYTES_MAX),
            topic: self.source.topic.clone(),
            partition: self.source.partition,
            offset: is.offset,
            original_offset: is.original_offset,
            outcome: is.likeness.unwrap_or(Likeness::Unscored).as_str(),
            count: is.count,
            distinct_uuids: is.distinct_uuids.map(|(distinct, _)| distinct),
            similarity: is.score.map(|score| score.similarity),
            property_similarity: is.score.map(|score| score.property_similarity),
            rows: is.rows.iter().map(|kept| row(is, kept)).collect(),
            scorer: self.scorer.as_deref().filter(|_| is.score.is_some()).map(str::to_owned),
        }
    }
}

/// A row as text.
fn row(is: &KeptDuplicate, row: &KeptRow) -> LatestRow {
    let (original, duplicate) = match &row.sides {
        Some([original, duplicate]) => (side(is, original, duplicate), side(is, duplicate, original)),
        None => (None, None),
    };
    LatestRow {
        path: shown(is.path(row), TEXT_CHARS_MAX),
        verdict: match row.verdict {
            Verdict::Changed => "changed",
            Verdict::Same => "same",
            Verdict::Ignored => "ignored",
        },
        change: row.change.map(Change::as_str),
        original,
        duplicate,
    }
}

/// Strings are shown without quotes, unless the other event has something else than a string there: "1" is not 1.
fn side(is: &KeptDuplicate, side: &Side, other: &Side) -> Option<String> {
    const ABSENT: u8 = Kind::Absent as u8;
    const NULL: u8 = Kind::Null as u8;
    const STRING: u8 = Kind::String as u8;
    let text = || shown(is.value(side), TEXT_CHARS_MAX);
    match (side.kind, other.kind) {
        (ABSENT, _) => None,
        (NULL, _) => Some("null".to_owned()),
        (STRING, STRING | ABSENT) => Some(text()),
        (STRING, _) => Some(format!("\"{}\"", text())),
        _ => Some(text()),
    }
}
