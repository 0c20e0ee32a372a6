//! The progress record of a partition: what a replay below the committed offset C cannot learn from the log. It travels
//! with every commit, beside C, and is written anew each time. Not the offset itself, and not where it is stored.
//!
//! Most decisions are a function of the log, so a replay repeats them. Some are not: an event that went out undecided
//! because the plugin failed on it, or called it invalid, left no entry in the state; asked again, the plugin may well
//! give it a key. Such offsets are *exceptions*. A replay passes them by, so that a mended copy that is sent again is
//! not taken for a duplicate of something that never went out.
//!
//! The record lists exceptions as far as it has room, the latest first to stay. Those it had to drop are summed up by
//! number and digest, so that a list read back from elsewhere, the dead-letter topic, can be proven to be them.
//!
//! ```text
//! 0 .. unknown_below .. dropped .. dropped .. complete_from .. C
//!  \ not recorded    /  \ counted          /  \ listed      /
//! ```

mod ledger;
mod ranges;
mod text;

use std::cmp::Ordering;

use crate::fingerprint::Seed;
use crate::growth::Layout;
use crate::record::Offset;

pub use ledger::Ledger;
pub use ranges::Ranges;
pub use text::{LAYOUT_CHARS_MAX, ProgressError, TEXT_CHARS_MAX, TEXT_CHARS_MIN};

/// Ranges of dropped exceptions at most; with more, neighbours with the fewest become one.
const DROPPED_MAX: usize = 24;

/// Exceptions that the record had no room for: how many there are in a range of offsets, and what they add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// First offset of the range.
    pub from: Offset,
    /// The offset after the range.
    pub to: Offset,
    /// How many.
    pub count: u64,
    /// Sum of [`digest`] over them.
    pub digest: u64,
}

impl Dropped {
    /// What these offsets are to the exceptions that were dropped.
    #[must_use]
    pub fn compare(&self, found: &Ranges) -> Proof {
        let (count, digest) = found.sums(self.from, self.to);
        match count.cmp(&self.count) {
            Ordering::Equal if digest == self.digest => Proof::Exact,
            Ordering::Greater => Proof::More,
            Ordering::Equal | Ordering::Less => Proof::None,
        }
    }
}

/// What offsets that were read back are to those that were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The same.
    Exact,
    /// More: all of them, if nothing of the place they were read from has been deleted.
    More,
    /// Some are missing.
    None,
}

/// What an offset adds to a sum, so that different sets of the same size have different sums. It is the difference between
/// the marks of its two ends: a run of offsets adds that between its own, and a million of them cost what one does.
#[must_use]
pub fn digest(offset: Offset) -> u64 {
    mark(offset.wrapping_add(1)).wrapping_sub(mark(offset))
}

/// Bits that stand for the place before an offset (SplitMix64).
fn mark(offset: Offset) -> u64 {
    let mut bits = offset.cast_unsigned().wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Of offsets below this, nobody recorded which are exceptions.
    unknown_below: Offset,
    /// Ascending, each where the one before ends, up to `complete_from`.
    dropped: Vec<Dropped>,
    /// From here on every exception is listed.
    complete_from: Offset,
    exceptions: Ranges,
    /// What the keys of all partitions of the group are hashed with; `None` where no commit has said so yet.
    seed: Option<Seed>,
    /// How many partitions the input had; `None` where no commit has said so yet.
    layout: Option<Layout>,
}

/// What a replay from some offset needs and the record does not list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// Exceptions to be read back and proven.
    pub dropped: Vec<Dropped>,
    /// Nothing is recorded of what is below this; `None`: the replay starts above it.
    pub unknown_below: Option<Offset>,
}

impl Missing {
    /// Whether the record lists all that is needed.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.dropped.is_empty() && self.unknown_below.is_none()
    }

    /// The offsets, the end excluded, among which exceptions have to be read back: a sum needs all of its range.
    #[must_use]
    pub fn span(&self, read_from: Offset) -> std::ops::Range<Offset> {
        let from = self.dropped.first().map_or(read_from, |first| first.from.min(read_from));
        let dropped_to = self.dropped.last().map_or(from, |last| last.to);
        from..dropped_to.max(self.unknown_below.unwrap_or(from))
    }
}

impl Progress {
    /// A record that begins at an offset and knows nothing of what is below it.
    #[must_use]
    pub fn starting_at(offset: Offset) -> Self {
        Self { unknown_below: offset, complete_from: offset, ..Self::default() }
    }

    /// What the keys of the group are hashed with, where a commit has said so.
    #[must_use]
    pub fn seed(&self) -> Option<Seed> {
        self.seed
    }

    /// The same record, and commits from here on say what keys are hashed with.
    #[must_use]
    pub fn with_seed(self, seed: Seed) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// How many partitions the input had, where a commit has said so.
    #[must_use]
    pub fn layout(&self) -> Option<Layout> {
        self.layout
    }

    /// The same record, and commits from here on say how many partitions the input has.
    #[must_use]
    pub fn with_layout(self, layout: Option<Layout>) -> Self {
        Self { layout, ..self }
    }

    /// The exceptions that are listed.
    #[must_use]
    pub fn exceptions(&self) -> &Ranges {
        &self.exceptions
    }

    /// From here on every exception is listed.
    #[must_use]
    pub fn complete_from(&self) -> Offset {
        self.complete_from
    }

    /// What a replay from `read_from` needs beside the exceptions that are listed.
    #[must_use]
    pub fn missing(&self, read_from: Offset) -> Missing {
        Missing {
            dropped: self
                .dropped
                .iter()
                .filter(|dropped| dropped.to > read_from && dropped.count > 0)
                .copied()
                .collect(),
            unknown_below: (read_from < self.unknown_below).then_some(self.unknown_below),
        }
    }

    /// What is at and after `offset` is decided anew.
    fn forget_from(&mut self, offset: Offset) {
        self.exceptions.truncate_from(offset);
        if offset >= self.complete_from {
            return;
        }
        let is_cut = self.dropped.iter().any(|dropped| dropped.from < offset && offset < dropped.to);
        self.dropped.retain(|dropped| dropped.to <= offset);
        self.complete_from = offset;
        self.unknown_below = self.unknown_below.min(offset);
        if is_cut {
            // How many of them are below the cut is not known.
            self.unknown_below = offset;
            self.dropped.clear();
        }
    }

    /// Nothing was recorded of what lies between the record and `offset`.
    fn skip_to(&mut self, offset: Offset) {
        self.unknown_below = offset;
        self.complete_from = offset;
        self.dropped.clear();
    }

    /// The log does not go back further than this any more.
    fn prune_below(&mut self, log_start: Offset) {
        self.exceptions.drop_below(log_start);
        self.dropped.retain(|dropped| dropped.to > log_start);
    }

    /// Makes room: the older half of what is listed is summed up; where nothing is listed, sums are put together.
    /// `false`: nothing more can go.
    fn shrink(&mut self) -> bool {
        let runs = self.exceptions.runs();
        if runs == 0 {
            return self.merge_dropped();
        }
        let gone = self.exceptions.split_front(runs.div_ceil(2));
        let Some(last) = gone.last() else { return false };
        let (from, to) = (self.complete_from, last + 1);
        if to > from {
            let (count, digest) = gone.sums(from, to);
            self.dropped.push(Dropped { from, to, count, digest });
            self.complete_from = to;
        }
        while self.dropped.len() > DROPPED_MAX && self.merge_dropped() {}
        true
    }

    /// Puts the two neighbours with the fewest exceptions together.
    fn merge_dropped(&mut self) -> bool {
        let fewest = self.dropped.windows(2).enumerate().filter_map(|(index, pair)| match pair {
            [one, other] => Some((one.count + other.count, index)),
            _ => None,
        });
        let Some((_, index)) = fewest.min() else { return false };
        let other = self.dropped.remove(index + 1);
        if let Some(one) = self.dropped.get_mut(index) {
            one.to = other.to;
            one.count += other.count;
            one.digest = one.digest.wrapping_add(other.digest);
        }
        true
    }
}

#[cfg(test)]
mod tests;
