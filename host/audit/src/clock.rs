//! The clock of a partition, read once more from its definition: the median of the medians of the last 128 blocks of 32
//! records. Not the host's own, which this is to check. Where the log no longer begins where the host began, its blocks are
//! not known; then the latest time among the records that the clock can have seen is what it cannot be beyond.

use std::collections::VecDeque;

use crate::facts::{Certainty, Time};

const BLOCK: usize = 32;
const BLOCKS: usize = 128;

/// Records that the host's clock may depend on, wherever its blocks begin.
const REACH: u64 = (BLOCK * (BLOCKS + 1)) as u64;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    /// Whether this one began where the host's did.
    exact: bool,
    block: Vec<i64>,
    medians: VecDeque<i64>,
    now: Option<i64>,
    timed: u64,
    /// Times within reach that no later one exceeds, with their numbers: the first is the highest.
    highest: VecDeque<(u64, i64)>,
}

impl Clock {
    pub(crate) fn new(exact: bool) -> Self {
        Self {
            exact,
            block: Vec::with_capacity(BLOCK),
            medians: VecDeque::new(),
            now: None,
            timed: 0,
            highest: VecDeque::new(),
        }
    }

    /// Takes in a record.
    pub(crate) fn observe(&mut self, time: Option<i64>) {
        let Some(time) = time else { return };
        self.timed += 1;
        while self.highest.back().is_some_and(|(_, before)| *before <= time) {
            self.highest.pop_back();
        }
        self.highest.push_back((self.timed, time));
        while self.highest.front().is_some_and(|(number, _)| number + REACH <= self.timed) {
            self.highest.pop_front();
        }
        self.block.push(time);
        if self.block.len() == BLOCK {
            self.end_block();
        }
    }

    fn end_block(&mut self) {
        self.medians.extend(median(&mut self.block));
        self.block.clear();
        if self.medians.len() > BLOCKS {
            self.medians.pop_front();
        }
        if self.medians.len() == BLOCKS {
            self.now = median(&mut self.medians.iter().copied().collect::<Vec<_>>());
        }
    }

    /// The time by which an event is decided.
    pub(crate) fn time_of(&self, time: Option<i64>) -> Time {
        match (time, self.exact) {
            (Some(time), _) => Time::At(time),
            (None, true) => self.now.map_or(Time::Never, Time::At),
            (None, false) => Time::Unknown,
        }
    }

    /// Whether an event is older than the clock by more than `allowed`.
    pub(crate) fn is_late(&self, time: Time, allowed: i64) -> Certainty {
        let Time::At(time) = time else {
            return if time == Time::Never { Certainty::No } else { Certainty::Unsure };
        };
        if self.exact {
            let is_late = self.now.is_some_and(|now| time < now.saturating_sub(allowed));
            return if is_late { Certainty::Yes } else { Certainty::No };
        }
        let highest = self.highest.front().filter(|_| self.timed >= REACH);
        match highest {
            Some((_, highest)) if time >= highest.saturating_sub(allowed) => Certainty::No,
            _ => Certainty::Unsure,
        }
    }
}

/// The lower of the two in the middle.
fn median(times: &mut [i64]) -> Option<i64> {
    times.sort_unstable();
    times.get((times.len() / 2).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(exact: bool, times: impl Iterator<Item = i64>) -> Clock {
        let mut clock = Clock::new(exact);
        times.for_each(|time| clock.observe(Some(time)));
        clock
    }

    #[test]
    fn it_is_the_hosts_clock_record_by_record() {
        let rules = engine::time::ClockRules { out_of_orderness_max: 0, jump_max: 0 };
        let (mut hosts, mut own) = (engine::time::Clock::default(), Clock::new(true));
        for number in 0..20_000_i64 {
            let time =
                number * 10 + (number.wrapping_mul(0x9e37_79b9) % 5_000) - if number % 7 == 0 { 90_000 } else { 0 };
            let time = (number % 11 != 3).then_some(time);
            assert_eq!(own.now, hosts.now(), "before record {number}");
            hosts.observe(number, time, &rules);
            own.observe(time);
        }
    }

    #[test]
    fn without_the_beginning_only_what_is_ahead_of_all_it_may_have_seen_is_certain() {
        let clock = clock(false, 0..10_000);
        assert_eq!(clock.is_late(Time::At(9_900), 100), Certainty::No);
        assert_eq!(clock.is_late(Time::At(9_898), 100), Certainty::Unsure);
        assert_eq!(super::Clock::new(false).is_late(Time::At(9_900), 100), Certainty::Unsure);
    }
}
