//! Limits how often something that may happen thousands of times a second is logged.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// When it was last logged, and how often it has happened since.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// It has happened. If it is to be logged: how often since the last time it was.
    pub(crate) fn happened(&self) -> Option<u64> {
        self.happened_at(Instant::now())
    }

    fn happened_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 += 1;
        if state.0.is_some_and(|said| now < said + INTERVAL) {
            return None;
        }
        let times = state.1;
        *state = (Some(now), 0);
        Some(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_and_the_others_are_summed_up() {
        let (seldom, now) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.happened_at(now), Some(1));
        for _ in 0..3 {
            assert_eq!(seldom.happened_at(now + Duration::from_secs(9)), None);
        }
        assert_eq!(seldom.happened_at(now + INTERVAL), Some(4));
        assert_eq!(seldom.happened_at(now + INTERVAL), None);
    }
}
