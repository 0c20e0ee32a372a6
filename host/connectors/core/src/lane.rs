//! The ways out of the line, by name, and a table with one value for each of them. Not where they lead to: a sink knows
//! that.

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// The ways out of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Events that go on.
    Output,
    /// Duplicates, each explained.
    Duplicates,
    /// Events too late to be decided.
    Late,
    /// Records that could not be processed.
    DeadLetter,
}

impl Lane {
    /// All lanes.
    pub const ALL: [Self; 4] = [Self::Output, Self::Duplicates, Self::Late, Self::DeadLetter];

    /// Bits that tell one lane from another.
    pub const BITS: u32 = usize::BITS - (Self::ALL.len() - 1).leading_zeros();

    /// The lane's name in metrics and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Duplicates => "duplicates",
            Self::Late => "late",
            Self::DeadLetter => "dead_letter",
        }
    }
}

/// One value for each lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByLane<T>([T; Lane::ALL.len()]);

impl<T> ByLane<T> {
    /// The value that `of` gives for each lane.
    #[must_use]
    pub fn new(of: impl FnMut(Lane) -> T) -> Self {
        Self(Lane::ALL.map(of))
    }

    /// What `of` makes of each value.
    #[must_use]
    pub fn map<U>(&self, of: impl FnMut(&T) -> U) -> ByLane<U> {
        ByLane(self.0.each_ref().map(of))
    }

    /// The values, in the order of [`Lane::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    /// The values, in the order of [`Lane::ALL`].
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut()
    }
}

impl<T> Index<Lane> for ByLane<T> {
    type Output = T;

    fn index(&self, lane: Lane) -> &T {
        let [output, duplicates, late, dead_letter] = &self.0;
        match lane {
            Lane::Output => output,
            Lane::Duplicates => duplicates,
            Lane::Late => late,
            Lane::DeadLetter => dead_letter,
        }
    }
}

impl<T> IndexMut<Lane> for ByLane<T> {
    fn index_mut(&mut self, lane: Lane) -> &mut T {
        let [output, duplicates, late, dead_letter] = &mut self.0;
        match lane {
            Lane::Output => output,
            Lane::Duplicates => duplicates,
            Lane::Late => late,
            Lane::DeadLetter => dead_letter,
        }
    }
}

/// Lanes that are not named have the default.
impl<T: Default> FromIterator<(Lane, T)> for ByLane<T> {
    fn from_iter<I: IntoIterator<Item = (Lane, T)>>(values: I) -> Self {
        let mut table = Self(std::array::from_fn(|_| T::default()));
        for (lane, value) in values {
            table[lane] = value;
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lane_has_a_value_of_its_own() {
        let names = ByLane::new(Lane::name);
        assert!(Lane::ALL.into_iter().all(|lane| names[lane] == lane.name()));
        assert!(names.iter().copied().eq(Lane::ALL.map(Lane::name)));
        assert_eq!(names.map(|name| name.len())[Lane::Late], 4);
        let mut numbers: ByLane<usize> = Lane::ALL.into_iter().map(|lane| (lane, lane as usize)).collect();
        assert!(numbers.iter().copied().eq(0..Lane::ALL.len()));
        Lane::ALL.into_iter().for_each(|lane| numbers[lane] += 1);
        assert!(numbers.iter().copied().eq(1..=Lane::ALL.len()));
        assert_eq!(ByLane::from_iter([(Lane::Late, 7)]).iter().sum::<i32>(), 7);
    }

    #[test]
    fn the_bits_of_a_lane_have_room_for_all() {
        assert!(Lane::ALL.len() <= 1 << Lane::BITS && Lane::ALL.len() > 1 << (Lane::BITS - 1));
    }
}
