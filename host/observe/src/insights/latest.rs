//! The latest duplicates, side by side with their originals. Copies of bytes: they become text only when somebody looks.

use std::ops::Range;
use std::sync::Arc;

use engine::fields::{Column, Kind};
use engine::properties::{Score, Verdict};
use engine::record::{Millis, Offset, TopicPartition};

use super::answers::{LatestDuplicate, LatestRow};
use super::explained::Explained;
use super::keys::KEY_BYTES_MAX;
use super::likeness::Likeness;
use super::properties::{Change, Rows};
use super::text::{head, shown};

/// Duplicates that are shown.
pub(super) const LATEST_MAX: usize = 50;
/// Duplicates that a line keeps between two commits.
pub(super) const LATEST_PER_COMMIT_MAX: usize = 5;
/// Rows of a duplicate that are kept, those that differ first.
const ROWS_MAX: usize = 64;
/// Characters of a path or a value that are shown.
const TEXT_CHARS_MAX: usize = 256;
/// Bytes of it that are kept: more than so many characters can have, so that a longer one is known to be longer.
const TEXT_BYTES_MAX: usize = 4 * TEXT_CHARS_MAX + 4;

/// What one event has at a place: a [`Kind`], and where its bytes are.
#[derive(Debug, Clone)]
struct Side {
    kind: u8,
    value: Range<usize>,
}

#[derive(Debug, Clone)]
struct KeptRow {
    path: Range<usize>,
    verdict: Verdict,
    /// Original and duplicate; `None` where values are hidden.
    sides: Option<[Side; 2]>,
    change: Option<Change>,
}

/// One duplicate; its memory is used again for the next.
#[derive(Debug, Default)]
pub(super) struct KeptDuplicate {
    bytes: Vec<u8>,
    rows: Vec<KeptRow>,
    key: Range<usize>,
    offset: Offset,
    original_offset: Offset,
    likeness: Option<Likeness>,
    count: Option<u64>,
    distinct_uuids: Option<(u64, bool)>,
    score: Option<Score>,
}

impl KeptDuplicate {
    fn fill(&mut self, is: &Explained<'_>, redact: bool) {
        self.bytes.clear();
        self.rows.clear();
        self.key = self.copy(head(is.key, KEY_BYTES_MAX));
        (self.offset, self.original_offset) = (is.offset, is.original_offset);
        (self.likeness, self.count, self.distinct_uuids) = (Some(is.likeness), is.count, is.distinct_uuids);
        self.score = is.score;
        if let Some(rows) = &is.rows {
            for changed in [true, false] {
                for row in rows.range.clone() {
                    let verdict = rows.verdicts.get(row).copied().unwrap_or(Verdict::Ignored);
                    if (verdict == Verdict::Changed) == changed && self.rows.len() < ROWS_MAX {
                        self.copy_row(rows, row, verdict, redact);
                    }
                }
            }
        }
    }

    fn copy_row(&mut self, rows: &Rows<'_>, row: usize, verdict: Verdict, redact: bool) {
        let path = self.copy(rows.pairs.paths.get(row).unwrap_or_default());
        let kind = |kinds: &[u8]| kinds.get(row).copied().unwrap_or(Kind::Absent as u8);
        let kinds = (kind(&rows.pairs.original_kinds), kind(&rows.pairs.duplicate_kinds));
        let sides = (!redact).then(|| {
            let mut side = |kind, values: &Column| Side { kind, value: self.copy(values.get(row).unwrap_or_default()) };
            [side(kinds.0, &rows.pairs.originals), side(kinds.1, &rows.pairs.duplicates)]
        });
        let change = (verdict == Verdict::Changed).then(|| Change::of(kinds.0, kinds.1));
        self.rows.push(KeptRow { path, verdict, sides, change });
    }

    fn copy(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(head(bytes, TEXT_BYTES_MAX));
        start..self.bytes.len()
    }

    fn at(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    fn row(&self, row: &KeptRow) -> LatestRow {
        let (original, duplicate) = match &row.sides {
            Some([original, duplicate]) => (self.side(original, duplicate), self.side(duplicate, original)),
            None => (None, None),
        };
        LatestRow {
            path: shown(self.at(&row.path), TEXT_CHARS_MAX),
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

    /// Strings stand as they are, except where the other event has no string: "1" is not 1.
    fn side(&self, side: &Side, other: &Side) -> Option<String> {
        const ABSENT: u8 = Kind::Absent as u8;
        const NULL: u8 = Kind::Null as u8;
        const STRING: u8 = Kind::String as u8;
        let text = || shown(self.at(&side.value), TEXT_CHARS_MAX);
        match (side.kind, other.kind) {
            (ABSENT, _) => None,
            (NULL, _) => Some("null".to_owned()),
            (STRING, STRING | ABSENT) => Some(text()),
            (STRING, _) => Some(format!("\"{}\"", text())),
            _ => Some(text()),
        }
    }
}

/// The latest duplicates of one line since its last commit.
#[derive(Debug, Default)]
pub(super) struct LineLatest {
    kept: Vec<KeptDuplicate>,
    /// The place that is used next: the oldest.
    next: usize,
}

impl LineLatest {
    pub(super) fn record(&mut self, is: &Explained<'_>, redact: bool) {
        if is.remaining >= LATEST_PER_COMMIT_MAX {
            return;
        }
        if self.kept.len() < LATEST_PER_COMMIT_MAX {
            self.kept.push(KeptDuplicate::default());
            self.next = self.kept.len() - 1;
        }
        if let Some(oldest) = self.kept.get_mut(self.next) {
            oldest.fill(is, redact);
        }
        self.next = (self.next + 1) % LATEST_PER_COMMIT_MAX;
    }

    /// Oldest first.
    pub(super) fn take(mut self) -> impl Iterator<Item = KeptDuplicate> {
        let oldest = if self.kept.len() < LATEST_PER_COMMIT_MAX { 0 } else { self.next };
        self.kept.rotate_left(oldest);
        self.kept.into_iter()
    }
}

/// A duplicate, where and when.
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
            key: shown(is.at(&is.key), KEY_BYTES_MAX),
            topic: self.source.topic.clone(),
            partition: self.source.partition,
            offset: is.offset,
            original_offset: is.original_offset,
            outcome: is.likeness.unwrap_or(Likeness::Unscored).as_str(),
            count: is.count,
            distinct_uuids: is.distinct_uuids.map(|(distinct, _)| distinct),
            similarity: is.score.map(|score| score.similarity),
            property_similarity: is.score.map(|score| score.property_similarity),
            rows: is.rows.iter().map(|row| is.row(row)).collect(),
            scorer: self.scorer.as_deref().filter(|_| is.score.is_some()).map(str::to_owned),
        }
    }
}
