//! What events are wanted. Not how they are made.

use std::ops::RangeInclusive;

/// The largest share of duplicates: above it originals are too rare to be found quickly.
pub const DUPLICATES_MAX: f64 = 0.99;

/// 9999-12-31T23:59:59.999Z: later years do not fit the text of a timestamp.
const TIMESTAMP_MS_MAX: u64 = 253_402_300_799_999;

/// What [`Generator`](super::Generator) makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// All events, duplicates included.
    pub events: u64,
    /// Share of events that are duplicates, 0 to [`DUPLICATES_MAX`]. A little less is made where the distances leave
    /// no unique event to repeat.
    pub duplicates: f64,
    /// Another seed gives other events.
    pub seed: u64,
    /// Share of duplicates that keep the uuid of their original, 0 to 1.
    pub same_uuid: f64,
    /// Share of duplicates whose properties differ from those of their original, 0 to 1.
    pub altered: f64,
    /// Partitions that events are spread over.
    pub partitions: u32,
    /// How many events back an original lies: mostly near the start of the range, with a tail to its end.
    pub distance: RangeInclusive<u64>,
    /// Timestamp of the first event, in milliseconds since the epoch.
    pub start_ms: u64,
    /// Events a second of event time, duplicates included.
    pub events_per_second: u64,
    /// How many distinct ids there are at most.
    pub users: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            events: 1_000_000,
            duplicates: 0.2,
            seed: 0,
            same_uuid: 0.5,
            altered: 0.3,
            partitions: 1,
            distance: 1..=100_000,
            // 2026-01-01T00:00:00Z
            start_ms: 1_767_225_600_000,
            events_per_second: 1_000,
            users: 100_000,
        }
    }
}

/// Why a [`Spec`] cannot be met.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// A number that has to be positive is 0.
    #[error("{name} is 0; give at least 1")]
    Zero {
        /// The setting.
        name: &'static str,
    },
    /// A share is outside its range, or no number.
    #[error("{name} is {share}; give a share from 0 to {share_max}")]
    Share {
        /// The setting.
        name: &'static str,
        /// What was given.
        share: f64,
        /// The largest share allowed.
        share_max: f64,
    },
    /// No distance is possible.
    #[error(
        "distance is {start} to {end} events back; give a range that starts at 1 or more and does not end before it"
    )]
    Distance {
        /// Nearest distance given.
        start: u64,
        /// Farthest distance given.
        end: u64,
    },
    /// Events of one millisecond need users of their own to differ.
    #[error(
        "{events_per_second} events a second need at least {users_min} users for those of one millisecond to differ, \
         and there are {users}; give more users or a lower rate"
    )]
    TooFewUsers {
        /// The rate given.
        events_per_second: u64,
        /// Users given.
        users: u64,
        /// Users needed.
        users_min: u64,
    },
    /// The last timestamp would lie after the year 9999.
    #[error(
        "the last of {events} events would be after the year 9999; give an earlier start, fewer events or a higher rate"
    )]
    TooLate {
        /// Events given.
        events: u64,
    },
}

impl Spec {
    /// Timestamp of event `index` where it is unique, in milliseconds since the epoch.
    pub(super) fn timestamp_ms(&self, index: u64) -> u64 {
        // The product stays in 64 bits for any number of events that can be written; the branch keeps it right.
        let since = match index.checked_mul(1_000) {
            Some(product) => product / self.events_per_second,
            None => (u128::from(index) * 1_000 / u128::from(self.events_per_second)) as u64,
        };
        self.start_ms.saturating_add(since)
    }

    /// How many events one millisecond has at most, as a power of two.
    pub(super) fn slots(&self) -> u64 {
        self.events_per_second.div_ceil(1_000).checked_next_power_of_two().unwrap_or(u64::MAX)
    }

    pub(super) fn check(&self) -> Result<(), SpecError> {
        let zero = [
            ("events", self.events == 0),
            ("partitions", self.partitions == 0),
            ("events per second", self.events_per_second == 0),
            ("users", self.users == 0),
        ];
        if let Some((name, _)) = zero.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(SpecError::Zero { name });
        }
        let shares = [
            ("duplicates", self.duplicates, DUPLICATES_MAX),
            ("same_uuid", self.same_uuid, 1.0),
            ("altered", self.altered, 1.0),
        ];
        for (name, share, share_max) in shares {
            if !(0.0..=share_max).contains(&share) {
                return Err(SpecError::Share { name, share, share_max });
            }
        }
        let (start, end) = (*self.distance.start(), *self.distance.end());
        if start == 0 || end < start {
            return Err(SpecError::Distance { start, end });
        }
        if self.users < self.slots() {
            let (events_per_second, users) = (self.events_per_second, self.users);
            return Err(SpecError::TooFewUsers { events_per_second, users, users_min: self.slots() });
        }
        if self.timestamp_ms(self.events - 1) > TIMESTAMP_MS_MAX {
            return Err(SpecError::TooLate { events: self.events });
        }
        Ok(())
    }
}
