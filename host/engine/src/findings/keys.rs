//! The events with the most duplicates. Exact, because each duplicate carries the count of its original so far: nothing
//! is estimated, and nothing is stored for an event that is not among the heaviest.

use std::collections::HashMap;

use crate::findings::explained::Explained;
use crate::findings::text::head;
use crate::record::Offset;

/// Originals that are shown.
pub const KEYS_MAX: usize = 100;
/// Bytes of a key that are kept.
pub const KEY_BYTES_MAX: usize = 256;
/// Originals that are held before the lightest are let go, all at once: cheaper than one by one.
const HELD_MAX: usize = 2 * KEYS_MAX;

/// An original and what is known of its duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeavyKey {
    /// The key, or its beginning.
    pub key: Box<[u8]>,
    /// Where the original is.
    pub original_offset: Offset,
    /// Its duplicates so far.
    pub duplicates: u64,
    /// Uuids of all of them, and whether that is exact.
    pub distinct_uuids: Option<(u64, bool)>,
    /// Where the latest duplicate is.
    pub last_offset: Offset,
}

/// The heaviest originals of one line since its last commit, by offset.
#[derive(Debug, Default)]
pub struct LineKeys {
    held: HashMap<Offset, HeavyKey>,
    /// As many as are shown have at least so many duplicates: who has not more is not among them.
    floor: u64,
}

impl LineKeys {
    /// Takes in one duplicate.
    pub fn record(&mut self, is: &Explained<'_>) {
        let Some(duplicates) = is.count.filter(|count| *count > self.floor) else { return };
        let known = self.held.entry(is.original_offset).or_insert_with(|| HeavyKey {
            key: Box::from(head(is.key, KEY_BYTES_MAX)),
            original_offset: is.original_offset,
            duplicates,
            distinct_uuids: None,
            last_offset: is.offset,
        });
        known.duplicates = duplicates;
        known.distinct_uuids = is.distinct_uuids;
        known.last_offset = is.offset;
        if self.held.len() > HELD_MAX {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        let mut weights: Vec<_> = self.held.values().map(|key| (key.duplicates, -key.original_offset)).collect();
        let (_, least, _) = weights.select_nth_unstable_by(KEYS_MAX - 1, |a, b| b.cmp(a));
        let least = *least;
        self.held.retain(|_, key| (key.duplicates, -key.original_offset) >= least);
        self.floor = least.0;
    }

    /// Those that are held, in no order.
    pub fn take(self) -> impl Iterator<Item = HeavyKey> {
        self.held.into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Likeness;

    fn duplicate(original_offset: Offset, count: u64) -> Explained<'static> {
        Explained {
            key: b"key",
            offset: 10_000,
            original_offset,
            time_ms: None,
            original_time_ms: Some(0),
            count: Some(count),
            distinct_uuids: None,
            previous_distinct_uuids: None,
            uuid_similarity: None,
            likeness: Likeness::Unscored,
            forwarded: false,
            score: None,
            rows: None,
            remaining: 0,
        }
    }

    #[test]
    fn keys_that_overtake_each_other_within_a_commit_are_all_weighed() {
        let mut keys = LineKeys::default();
        // All grow side by side, the later ones for longer: each is at times among the lightest.
        for count in 1..=50 {
            (0..1000)
                .filter(|key| key / 20 >= count - 1)
                .for_each(|key| keys.record(&duplicate(key, count.unsigned_abs())));
            assert!(keys.held.len() <= HELD_MAX);
        }
        let mut counts: Vec<_> = keys.take().map(|key| key.duplicates).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let wanted: Vec<_> = (46..=50).rev().flat_map(|count| [count; 20]).collect();
        assert_eq!(counts.get(..KEYS_MAX), Some(wanted.as_slice()));
    }

    #[test]
    fn a_key_that_has_one_more_than_the_lightest_is_weighed() {
        let mut keys = LineKeys::default();
        (0..300).for_each(|key| keys.record(&duplicate(key, 1)));
        (1000..1100).for_each(|key| keys.record(&duplicate(key, 2)));
        assert_eq!(keys.take().filter(|key| key.duplicates == 2).count(), KEYS_MAX);
    }
}
