//! Counts the outcomes of events. Every record has exactly one outcome, which the balance verifies.

use connectors::{ByLane, Lane, Refusal};
use engine::decide::Outcome;
use engine::time::Unusable;
use serde::{Deserialize, Serialize};

use crate::duplicate::Told;

/// Counts by outcome and by way out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Records decided, replays not counted.
    pub consumed: u64,
    /// First of their key.
    pub unique: u64,
    /// Seen before.
    pub duplicate: u64,
    /// Seen before, and less alike to the original than the operator wants to hold back: forwarded.
    #[serde(default)]
    pub dissimilar: u64,
    /// Of the dissimilar those that their key has no room to remember: copies of them pass too.
    #[serde(default)]
    pub not_remembered: u64,
    /// The duplicates and the dissimilar by what was found, in the order of [`engine::findings::Likeness`].
    #[serde(default)]
    pub likeness: [u64; 5],
    /// Of the duplicates those of events in other partitions, from before the input grew.
    #[serde(default)]
    pub moved: u64,
    /// Records that were sent by the layout of before the input grew, though it was long known.
    #[serde(default)]
    pub stale: u64,
    /// Too late to be decided.
    pub late: u64,
    /// Without a key.
    pub keyless: u64,
    /// Not decodable, or not to the plugin's liking.
    pub dead_letter: u64,
    /// Records that were read again to rebuild the state; nothing of them was sent.
    #[serde(default)]
    pub replayed: u64,
    /// Records by the lane they left by.
    #[serde(default)]
    pub left_by: ByLane<u64>,
    /// Events whose own time was of no use, by reason, in the order of [`Unusable::ALL`].
    #[serde(default)]
    pub times_unusable: [u64; Unusable::ALL.len()],
    /// Events that were called unique although their window reaches into what the state has forgotten.
    #[serde(default)]
    pub decided_without_memory: u64,
    /// How often the partition's clock went back.
    #[serde(default)]
    pub clock_went_back: u64,
    /// Records that left by no lane, by policy.
    #[serde(default)]
    pub dropped: u64,
    /// Records that their lane did not take, by reason, in the order of [`Refusal::ALL`].
    #[serde(default)]
    pub unsendable: [u64; Refusal::ALL.len()],
    /// Offsets that could not be read and were passed over; they are no records consumed.
    #[serde(default)]
    pub unread: u64,
}

impl Tally {
    /// Counts one record; `told` is of a duplicate.
    #[inline]
    pub(crate) fn count(&mut self, outcome: Outcome, told: Option<Told>, exit: Option<Lane>) {
        self.consumed += 1;
        self.moved += u64::from(matches!(outcome, Outcome::Duplicate { elder: Some(_), .. }));
        *match outcome {
            Outcome::Unique => &mut self.unique,
            Outcome::Duplicate { .. } if told.is_some_and(|told| told.forwarded) => &mut self.dissimilar,
            Outcome::Duplicate { .. } => &mut self.duplicate,
            Outcome::Late => &mut self.late,
            Outcome::Keyless => &mut self.keyless,
            Outcome::DeadLetter => &mut self.dead_letter,
        } += 1;
        if let Some(count) = told.and_then(|told| self.likeness.get_mut(told.likeness as usize)) {
            *count += 1;
        }
        *match exit {
            Some(lane) => &mut self.left_by[lane],
            None => &mut self.dropped,
        } += 1;
    }

    /// Counts what was wrong with one record's time, and whether it was decided without all that was to be known.
    #[inline]
    pub(crate) fn count_time(&mut self, unusable: Option<Unusable>, without_memory: bool) {
        if let Some(count) = unusable.and_then(|unusable| self.times_unusable.get_mut(unusable as usize)) {
            *count += 1;
        }
        self.decided_without_memory += u64::from(without_memory);
    }

    /// Counts a record that its lane did not take.
    #[inline]
    pub(crate) fn count_unsendable(&mut self, refusal: Option<Refusal>) {
        if let Some(count) = refusal.and_then(|refusal| self.unsendable.get_mut(refusal as usize)) {
            *count += 1;
        }
    }

    /// Adds another tally to this one.
    pub fn add(&mut self, other: &Self) {
        self.consumed += other.consumed;
        self.unique += other.unique;
        self.duplicate += other.duplicate;
        self.dissimilar += other.dissimilar;
        self.not_remembered += other.not_remembered;
        self.moved += other.moved;
        self.stale += other.stale;
        self.late += other.late;
        self.keyless += other.keyless;
        self.dead_letter += other.dead_letter;
        self.replayed += other.replayed;
        self.dropped += other.dropped;
        self.decided_without_memory += other.decided_without_memory;
        self.clock_went_back += other.clock_went_back;
        self.unread += other.unread;
        let (mine, theirs) =
            (self.left_by.iter_mut().chain(&mut self.likeness), other.left_by.iter().chain(&other.likeness));
        let (mine, theirs) = (mine.chain(&mut self.times_unusable), theirs.chain(&other.times_unusable));
        let (mine, theirs) = (mine.chain(&mut self.unsendable), theirs.chain(&other.unsendable));
        mine.zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// Records consumed less records decided. Anything but 0 is a bug.
    #[must_use]
    pub fn imbalance(&self) -> i64 {
        let decided = self.unique + self.duplicate + self.dissimilar + self.late + self.keyless + self.dead_letter;
        self.consumed.cast_signed() - decided.cast_signed()
    }
}
