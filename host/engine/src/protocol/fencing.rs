//! Tells a takeover from a conflict: being fenced once is what a successor does, being fenced again and again means
//! another host with the same transactional id. Time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use super::Moment;

/// Times that a worker may be fenced within the period; one more is a quarrel.
const FENCED_MAX: usize = 2;

/// See [`FENCED_MAX`]. Two hosts with work to do fence each other within a second; restarts take longer.
pub const FENCED_PERIOD: Duration = Duration::from_secs(60);

/// When a worker was fenced, of late.
#[derive(Debug, Default)]
pub struct Fencings(VecDeque<Moment>);

impl Fencings {
    /// The worker was fenced. Returns how often of late, if that is too often.
    pub fn note(&mut self, now: Moment) -> Option<usize> {
        self.0.push_back(now);
        while self.0.front().is_some_and(|first| now.saturating_sub(*first) > FENCED_PERIOD) {
            self.0.pop_front();
        }
        Some(self.0.len()).filter(|times| *times > FENCED_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_takeover_is_borne_and_a_quarrel_is_not() {
        let mut fencings = Fencings::default();
        let at = |seconds| Moment::from_secs(seconds);
        assert_eq!([0, 40, 80, 120, 160, 200].map(|seconds| fencings.note(at(seconds))), [None; 6], "restarts");
        assert_eq!([300, 301, 302].map(|seconds| fencings.note(at(seconds))), [None, None, Some(3)]);
    }
}
