//! How often each property changed and stayed the same, on one line since its last commit. Does not decide which names
//! an operator sees.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::fields::Kind;
use crate::findings::text::path_key;
use crate::properties::{PairBatch, Verdict};

/// Different names a line tells apart between two commits; the comparisons of others are counted together.
pub const NAMES_MAX: usize = 4096;

/// Comparisons of a property, by what came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PropertyCounts {
    /// Both events have it, and they differ.
    pub changed: u64,
    /// Only the duplicate has it.
    pub added: u64,
    /// Only the original has it.
    pub removed: u64,
    /// The scorer calls it the same.
    pub same: u64,
}

impl PropertyCounts {
    /// Adds other comparisons to these.
    pub fn add(&mut self, other: &Self) {
        self.changed += other.changed;
        self.added += other.added;
        self.removed += other.removed;
        self.same += other.same;
    }

    /// Comparisons that came out as a difference.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changed + self.added + self.removed
    }
}

/// The rows of one pair, and what the scorer says of them.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    /// The pairs that were compared together.
    pub pairs: &'a PairBatch,
    /// The rows of this pair.
    pub range: Range<usize>,
    /// A verdict for each row of `pairs`: all of them, not only this pair's.
    pub verdicts: &'a [Verdict],
}

/// How a row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Both events have it.
    Changed,
    /// Only the duplicate has it.
    Added,
    /// Only the original has it.
    Removed,
}

impl Change {
    /// By the kinds of what both have there.
    #[must_use]
    pub fn of(original_kind: u8, duplicate_kind: u8) -> Self {
        const ABSENT: u8 = Kind::Absent as u8;
        match (original_kind, duplicate_kind) {
            (ABSENT, _) => Self::Added,
            (_, ABSENT) => Self::Removed,
            _ => Self::Changed,
        }
    }

    /// The word for it in records and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

struct Name {
    path: Arc<[u8]>,
    counts: PropertyCounts,
    /// The names that followed this one lately. Events of one kind have the same properties in the same order, so that
    /// the next name is mostly known before it is read, and comparing it is all there is to do.
    followers: [usize; 2],
}

/// Counts by name, as many names as [`NAMES_MAX`]. The hash is keyed, so that nobody can craft names that meet.
#[derive(Default)]
pub struct Properties {
    names: Vec<Name>,
    by_path: HashMap<Arc<[u8]>, usize>,
    other: PropertyCounts,
    /// The name of the row before.
    last: usize,
}

impl Properties {
    /// Counts all rows of a pair but those that the scorer did not look at.
    pub fn record(&mut self, rows: &Rows<'_>) {
        let (pairs, range) = (rows.pairs, &rows.range);
        let (Some(ends), Some(verdicts)) = (pairs.paths.ends.get(range.clone()), rows.verdicts.get(range.clone()))
        else {
            return;
        };
        let kinds = pairs.original_kinds.iter().zip(&pairs.duplicate_kinds).skip(range.start);
        let before = range.start.checked_sub(1).and_then(|row| pairs.paths.ends.get(row));
        let mut start = before.map_or(0, |end| *end as usize);
        for ((end, verdict), (original, duplicate)) in ends.iter().zip(verdicts).zip(kinds) {
            let path = pairs.paths.data.get(start..*end as usize).unwrap_or_default();
            start = *end as usize;
            if *verdict == Verdict::Ignored {
                continue;
            }
            let counts = self.counts(path_key(path));
            *match (verdict, Change::of(*original, *duplicate)) {
                (Verdict::Same | Verdict::Ignored, _) => &mut counts.same,
                (Verdict::Changed, Change::Changed) => &mut counts.changed,
                (Verdict::Changed, Change::Added) => &mut counts.added,
                (Verdict::Changed, Change::Removed) => &mut counts.removed,
            } += 1;
        }
    }

    fn counts(&mut self, path: &[u8]) -> &mut PropertyCounts {
        let at = self.follower(path).or_else(|| self.look_up(path));
        self.last = at.unwrap_or(self.last);
        match at.and_then(|at| self.names.get_mut(at)) {
            Some(name) => &mut name.counts,
            None => &mut self.other,
        }
    }

    fn follower(&self, path: &[u8]) -> Option<usize> {
        let followers = self.names.get(self.last)?.followers;
        followers.into_iter().find(|at| self.names.get(*at).is_some_and(|name| *name.path == *path))
    }

    /// The name's place, made if there is room, noted as the follower of the name before.
    fn look_up(&mut self, path: &[u8]) -> Option<usize> {
        let at = match self.by_path.get(path) {
            Some(at) => *at,
            None if self.names.len() < NAMES_MAX => {
                let path: Arc<[u8]> = Arc::from(path);
                self.by_path.insert(Arc::clone(&path), self.names.len());
                self.names.push(Name { path, counts: PropertyCounts::default(), followers: [usize::MAX; 2] });
                self.names.len() - 1
            }
            None => return None,
        };
        if let Some(before) = self.names.get_mut(self.last) {
            let [latest, _] = before.followers;
            before.followers = [at, latest];
        }
        Some(at)
    }

    /// The counts by path, in the order in which the paths came first.
    pub fn by_path(&self) -> impl Iterator<Item = (&[u8], PropertyCounts)> {
        self.names.iter().map(|name| (&*name.path, name.counts))
    }

    /// The counts of all other paths.
    #[must_use]
    pub fn other(&self) -> PropertyCounts {
        self.other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(pairs: &mut PairBatch, verdicts: &mut Vec<Verdict>, rows: &[(&str, u8, u8, Verdict)]) -> Range<usize> {
        let start = verdicts.len();
        for (path, original, duplicate, verdict) in rows {
            pairs.paths.push(path.as_bytes());
            pairs.original_kinds.push(*original);
            pairs.duplicate_kinds.push(*duplicate);
            pairs.originals.push(b"");
            pairs.duplicates.push(b"");
            verdicts.push(*verdict);
        }
        pairs.ends.push(u32::try_from(verdicts.len()).unwrap());
        start..verdicts.len()
    }

    #[test]
    fn each_row_counts_once_by_its_verdict_and_by_who_has_it() {
        let (mut pairs, mut verdicts) = (PairBatch::default(), Vec::new());
        let (text, absent) = (Kind::String as u8, Kind::Absent as u8);
        let first = pair(
            &mut pairs,
            &mut verdicts,
            &[
                ("/a", text, text, Verdict::Changed),
                ("/b", absent, text, Verdict::Changed),
                ("/c", text, absent, Verdict::Changed),
                ("/d", text, text, Verdict::Ignored),
            ],
        );
        let second =
            pair(&mut pairs, &mut verdicts, &[("/a", text, text, Verdict::Same), ("/c", text, text, Verdict::Changed)]);
        let mut properties = Properties::default();
        for range in [first, second.clone(), second] {
            properties.record(&Rows { pairs: &pairs, range, verdicts: &verdicts });
        }
        let counts = |changed, added, removed, same| PropertyCounts { changed, added, removed, same };
        let wanted: [(&[u8], _); 3] =
            [(b"/a", counts(1, 0, 0, 2)), (b"/b", counts(0, 1, 0, 0)), (b"/c", counts(2, 0, 1, 0))];
        assert!(properties.by_path().eq(wanted));
    }

    #[test]
    fn names_beyond_the_limit_are_counted_together() {
        let mut properties = Properties::default();
        for number in 0..NAMES_MAX * 2 {
            let (mut pairs, mut verdicts) = (PairBatch::default(), Vec::new());
            let range = pair(
                &mut pairs,
                &mut verdicts,
                &[("/a", 4, 4, Verdict::Same), (&format!("/{number}"), 4, 4, Verdict::Changed)],
            );
            properties.record(&Rows { pairs: &pairs, range, verdicts: &verdicts });
        }
        let (names, other): (Vec<_>, _) = (properties.by_path().collect(), properties.other());
        let sum: u64 = names.iter().map(|(_, counts)| counts.changes() + counts.same).sum();
        assert_eq!((names.len(), sum + other.changes()), (NAMES_MAX, NAMES_MAX as u64 * 4));
        assert_eq!(names.first().unwrap().1.same, NAMES_MAX as u64 * 2);
    }
}
