//! Sets of offsets as runs of consecutive ones. Not what the offsets mean.

use crate::record::Offset;

use super::mark;

/// Consecutive offsets, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: Offset,
    pub(super) last: Offset,
}

/// A set of offsets that grows at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    /// Ascending; between two runs at least one offset is missing.
    runs: Vec<Run>,
}

impl Ranges {
    /// Adds an offset. One that is not after all others is found its place, which takes longer.
    pub fn insert(&mut self, offset: Offset) {
        match self.runs.last_mut() {
            Some(last) if last.last.checked_add(1) == Some(offset) => last.last = offset,
            Some(last) if last.last >= offset => self.insert_within(offset),
            Some(_) | None => self.runs.push(Run { first: offset, last: offset }),
        }
    }

    /// Adds the offsets of `from..to`, however many: what it joins becomes one run.
    pub fn insert_range(&mut self, from: Offset, to: Offset) {
        let Some(last) = to.checked_sub(1).filter(|last| *last >= from) else { return };
        let touched = self.runs.partition_point(|run| run.last < from.saturating_sub(1))
            ..self.runs.partition_point(|run| run.first <= to);
        let of = |at: Option<usize>| at.and_then(|at| self.runs.get(at)).filter(|_| !touched.is_empty());
        let first = of(Some(touched.start)).map_or(from, |run| run.first.min(from));
        let last = of(touched.end.checked_sub(1)).map_or(last, |run| run.last.max(last));
        self.runs.splice(touched, [Run { first, last }]);
    }

    fn insert_within(&mut self, offset: Offset) {
        let after = self.runs.partition_point(|run| run.last < offset);
        if self.runs.get(after).is_some_and(|run| run.first <= offset) {
            return;
        }
        let joins_next = self.runs.get(after).is_some_and(|run| run.first == offset + 1);
        let before = after.checked_sub(1).and_then(|before| self.runs.get_mut(before));
        match before.filter(|run| run.last + 1 == offset) {
            Some(before) => {
                before.last = offset;
                if joins_next {
                    let next = self.runs.remove(after);
                    if let Some(run) = self.runs.get_mut(after - 1) {
                        run.last = next.last;
                    }
                }
            }
            None if joins_next => {
                if let Some(run) = self.runs.get_mut(after) {
                    run.first = offset;
                }
            }
            None => self.runs.insert(after, Run { first: offset, last: offset }),
        }
    }

    /// Adds a run that comes after all others and does not touch them; `false` for any other.
    pub(super) fn push_run(&mut self, run: Run) -> bool {
        let follows = self.runs.last().is_none_or(|last| last.last.checked_add(1).is_some_and(|next| next < run.first));
        let is_sound = follows && run.first <= run.last;
        if is_sound {
            self.runs.push(run);
        }
        is_sound
    }

    /// Adds offsets that all come after those that are here.
    pub(super) fn append(&mut self, other: &Self) {
        for run in &other.runs {
            match self.runs.last_mut() {
                Some(last) if last.last.checked_add(1) == Some(run.first) => last.last = run.last,
                Some(_) | None => self.runs.push(*run),
            }
        }
    }

    /// Whether an offset is one of them.
    #[must_use]
    pub fn contains(&self, offset: Offset) -> bool {
        let at = self.runs.partition_point(|run| run.last < offset);
        self.runs.get(at).is_some_and(|run| run.first <= offset)
    }

    /// Whether one of them lies in `from..to`.
    #[must_use]
    pub fn meets(&self, from: Offset, to: Offset) -> bool {
        let at = self.runs.partition_point(|run| run.last < from);
        self.runs.get(at).is_some_and(|run| run.first < to)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many offsets there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|run| run.last.abs_diff(run.first) + 1).sum()
    }

    /// The greatest.
    #[must_use]
    pub fn last(&self) -> Option<Offset> {
        self.runs.last().map(|run| run.last)
    }

    /// Number of runs, which is what they cost.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Number of runs that reach `offset` or beyond.
    pub(super) fn runs_from(&self, offset: Offset) -> usize {
        self.runs.len() - self.runs.partition_point(|run| run.last < offset)
    }

    pub(super) fn iter_runs(&self) -> impl Iterator<Item = Run> {
        self.runs.iter().copied()
    }

    /// How many lie in `from..to`, and the sum of their digests. What a run adds to it is told by its ends.
    pub(super) fn sums(&self, from: Offset, to: Offset) -> (u64, u64) {
        let clipped = self.runs.iter().map(|run| (run.first.max(from), run.last.min(to.saturating_sub(1))));
        clipped.filter(|(first, last)| first <= last).fold((0, 0), |(count, sum), (first, last)| {
            let of_run = mark(last.wrapping_add(1)).wrapping_sub(mark(first));
            (count + last.abs_diff(first) + 1, sum.wrapping_add(of_run))
        })
    }

    /// How many lie in `from..to`.
    #[must_use]
    pub fn count_in(&self, from: Offset, to: Offset) -> u64 {
        self.sums(from, to).0
    }

    pub(super) fn truncate_from(&mut self, offset: Offset) {
        self.runs.truncate(self.runs.partition_point(|run| run.first < offset));
        if let Some(last) = self.runs.last_mut() {
            last.last = last.last.min(offset.saturating_sub(1));
        }
    }

    /// Whole runs only: the one that reaches `offset` stays as it is.
    pub(super) fn drop_below(&mut self, offset: Offset) {
        let gone = self.runs.partition_point(|run| run.last < offset);
        self.runs.drain(..gone);
    }

    /// Takes the first runs out.
    pub(super) fn split_front(&mut self, runs: usize) -> Self {
        let rest = self.runs.split_off(runs.min(self.runs.len()));
        Self { runs: std::mem::replace(&mut self.runs, rest) }
    }
}

impl FromIterator<Offset> for Ranges {
    fn from_iter<I: IntoIterator<Item = Offset>>(offsets: I) -> Self {
        let mut ranges = Self::default();
        offsets.into_iter().for_each(|offset| ranges.insert(offset));
        ranges
    }
}
