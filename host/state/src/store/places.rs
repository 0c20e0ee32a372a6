//! Where entries are: buckets of event time, and slices of them; what is known of each without reading it. Not when
//! they are dropped: that is `expiry`.

use engine::entry::UNTIMED;
use engine::record::{Millis, Offset};
use serde::{Deserialize, Serialize};

use super::PartitionStore;
use crate::filter::KeyFilter;
use crate::table::{Row, UNTIMED_BUCKET};

/// Column families of buckets are named by this, their index, and their slice if it is not the first.
pub(super) const BUCKET_PREFIX: &str = "bucket ";

/// Places for entries too far ahead for a bucket of time, in the order of buckets after all of them.
pub(super) const FAR_PLACES: i64 = 3;
pub(super) const FAR_FIRST: i64 = i64::MAX - FAR_PLACES + 1;

/// A bucket of time, or one of the places for entries that have none; and which slice of it. A bucket is cut into slices,
/// one after the other in the log, where it alone would take too much of the capacity to go as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) index: i64,
    pub(super) slice: u32,
}

/// The file of a segment of a filter, as far as it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SegmentFile {
    /// Its number: no two files of a store have the same.
    pub(super) number: u64,
    /// Bytes that count.
    pub(super) bytes: u64,
    /// Bytes when it was written; what comes after them are keys that were added.
    pub(super) base: u64,
}

/// What decides the order in which places go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    /// By time.
    Timed,
    /// By offset: of events without a time.
    Untimed,
    /// By offset: of times that are too far ahead to be believed.
    Far,
}

impl Place {
    pub(super) fn name(self) -> String {
        let Self { index, slice } = self;
        if slice == 0 { format!("{BUCKET_PREFIX}{index}") } else { format!("{BUCKET_PREFIX}{index} {slice}") }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        let rest = name.strip_prefix(BUCKET_PREFIX)?;
        let (index, slice) = rest.split_once(' ').unwrap_or((rest, "0"));
        let place = Self { index: index.parse().ok()?, slice: slice.parse().ok()? };
        // A number has other spellings, and two names for one place would hide one of them.
        (place.name() == name).then_some(place)
    }

    pub(super) fn sort(self) -> Sort {
        match self.index {
            UNTIMED_BUCKET => Sort::Untimed,
            index if index >= FAR_FIRST => Sort::Far,
            _ => Sort::Timed,
        }
    }

    /// What times in it are relative to.
    pub(super) fn start_ms(self, bucket_ms: i64) -> Millis {
        self.index.saturating_mul(bucket_ms)
    }
}

/// What is known of the entries in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Least and greatest offset.
    pub(super) oldest: Offset,
    pub(super) newest: Offset,
    /// Events that are in it happened before this. Where the place is a bucket of time that is exact. Else single times may
    /// be wrong by years, and the median time of all that came with them tells; it says nothing where all in here are
    /// later. `None` where nothing is said.
    pub(super) until: Option<Millis>,
    /// Whether some have no time.
    pub(super) has_untimed: bool,
}

impl Default for Facts {
    fn default() -> Self {
        Self { oldest: Offset::MAX, newest: -1, until: None, has_untimed: false }
    }
}

impl Facts {
    /// Takes in a table; `median` is the median time of all that came with it, `None` where the place is a bucket of time.
    pub(super) fn learn(&mut self, rows: &[Row], median: Option<Millis>) {
        let times = || rows.iter().map(|row| row.entry.time).filter(|time| *time != UNTIMED);
        self.has_untimed |= times().count() < rows.len();
        let last = match median {
            Some(median) => times().any(|time| time <= median).then_some(median),
            None => times().max(),
        };
        self.until = self.until.max(last.map(|last| last.saturating_add(1)));
        for row in rows {
            self.oldest = self.oldest.min(row.entry.offset);
            self.newest = self.newest.max(row.entry.offset);
        }
    }
}

/// The median time of events that have one; `UNTIMED` where none has.
pub(super) fn median_time(rows: &[Row]) -> Millis {
    let mut times: Vec<Millis> = rows.iter().map(|row| row.entry.time).filter(|time| *time != UNTIMED).collect();
    if times.is_empty() {
        return UNTIMED;
    }
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    *median
}

/// A place that has tables.
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) filter: KeyFilter,
    /// A file for each of the filter's segments that is on disk.
    pub(super) stored: Vec<SegmentFile>,
    pub(super) facts: Facts,
}

impl Bucket {
    pub(super) fn new(place: Place) -> Self {
        Self { name: place.name(), filter: KeyFilter::default(), stored: Vec::new(), facts: Facts::default() }
    }
}

/// What went, and what may be missing since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Forgotten {
    /// Places that went early since the store was made.
    pub(super) early: u64,
    /// Events before this time may have entries that went, early or not; the second, early only.
    pub(super) until: Option<Millis>,
    pub(super) early_until: Option<Millis>,
    /// Events without a time may have entries that went.
    pub(super) untimed: bool,
    /// Entries below this offset may have gone early.
    pub(super) early_below: Offset,
}

impl PartitionStore {
    /// The slice of a bucket that the next table goes into.
    pub(super) fn place_for(&self, index: i64) -> Place {
        let slices = Place { index, slice: 0 }..=Place { index, slice: u32::MAX };
        let Some((last, bucket)) = self.buckets.range(slices).next_back() else { return Place { index, slice: 0 } };
        let is_full = self.bucket_bytes(bucket) >= self.options.slice_bytes_max();
        Place { index, slice: last.slice + u32::from(is_full) }
    }

    /// Least offset of any entry in a table that does not go; `None` where there is none.
    pub(super) fn oldest_entry(&self, gone: &std::collections::BTreeSet<Place>) -> Option<Offset> {
        let stays = self.buckets.iter().filter(|(place, _)| !gone.contains(place));
        stays.map(|(_, bucket)| bucket.facts.oldest).min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(cases::cases(500))]

        #[test]
        fn any_place_of_strangers_has_one_name(
            index in prop_oneof![any::<i64>(), -3..3_i64], slice in prop_oneof![any::<u32>(), 0..3_u32],
            text in "bucket [-+ 0-9]{0,6}",
        ) {
            let place = Place { index, slice };
            prop_assert_eq!(Place::of_name(&place.name()), Some(place));
            prop_assert!(Place::of_name(&text).is_none_or(|place| place.name() == text));
        }
    }
}
