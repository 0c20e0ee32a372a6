//! The latest duplicates of a line, side by side with their originals. Copies of bytes: they become text only when
//! somebody looks.

use std::ops::Range;

use crate::fields::{Column, Kind};
use crate::findings::explained::Explained;
use crate::findings::keys::KEY_BYTES_MAX;
use crate::findings::likeness::Likeness;
use crate::findings::properties::{Change, Rows};
use crate::findings::text::head;
use crate::properties::{Score, Verdict};
use crate::record::Offset;

/// Duplicates that a line keeps between two commits.
pub const LATEST_PER_COMMIT_MAX: usize = 5;
/// Rows of a duplicate that are kept, those that differ first.
const ROWS_MAX: usize = 64;
/// Characters of a path or a value that are shown.
pub const TEXT_CHARS_MAX: usize = 256;
/// Bytes of it that are kept: more than so many characters can have, so that a longer one is known to be longer.
const TEXT_BYTES_MAX: usize = 4 * TEXT_CHARS_MAX + 4;

/// What one event has at a place: a [`Kind`], and where its bytes are.
#[derive(Debug, Clone)]
pub struct Side {
    /// What it is.
    pub kind: u8,
    value: Range<usize>,
}

/// One property of both events.
#[derive(Debug, Clone)]
pub struct KeptRow {
    path: Range<usize>,
    /// What the scorer says of it.
    pub verdict: Verdict,
    /// Original and duplicate; `None` where values are hidden.
    pub sides: Option<[Side; 2]>,
    /// How it differs, where it does.
    pub change: Option<Change>,
}

/// One duplicate; its memory is used again for the next.
#[derive(Debug, Default)]
pub struct KeptDuplicate {
    bytes: Vec<u8>,
    /// Its properties, those that differ first.
    pub rows: Vec<KeptRow>,
    key: Range<usize>,
    /// Where it is.
    pub offset: Offset,
    /// Where the original is.
    pub original_offset: Offset,
    /// What kind of duplicate it is.
    pub likeness: Option<Likeness>,
    /// Duplicates of the original so far.
    pub count: Option<u64>,
    /// Uuids of all of them, and whether that is exact.
    pub distinct_uuids: Option<(u64, bool)>,
    /// What the scorer says of it.
    pub score: Option<Score>,
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

    /// The key that it shares with its original, or its beginning.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.at(&self.key)
    }

    /// Where the property of a row is.
    #[must_use]
    pub fn path(&self, row: &KeptRow) -> &[u8] {
        self.at(&row.path)
    }

    /// What one event has there.
    #[must_use]
    pub fn value(&self, side: &Side) -> &[u8] {
        self.at(&side.value)
    }
}

/// The latest duplicates of one line since its last commit.
#[derive(Debug, Default)]
pub struct LineLatest {
    kept: Vec<KeptDuplicate>,
    /// The place that is used next: the oldest.
    next: usize,
}

impl LineLatest {
    /// Takes in one duplicate; its values only if they are not hidden.
    pub fn record(&mut self, is: &Explained<'_>, redact: bool) {
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
    pub fn take(mut self) -> impl Iterator<Item = KeptDuplicate> {
        let oldest = if self.kept.len() < LATEST_PER_COMMIT_MAX { 0 } else { self.next };
        self.kept.rotate_left(oldest);
        self.kept.into_iter()
    }
}
