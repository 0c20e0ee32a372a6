//! What all instances of a plugin may write to the host's log over time. Not the bound of one call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What may be written at once, after a silence.
const BURST_BYTES: usize = 1 << 20;

/// What may be written for ever; 1.4 GB a day.
const BYTES_PER_SECOND: u128 = 16 << 10;

/// How often it is said that something was cut.
const SAY_INTERVAL: Duration = Duration::from_secs(10);

/// The allowance of one plugin. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Allowance(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    bytes_left: usize,
    filled: Instant,
    /// Cut since it was last said.
    bytes_cut: usize,
    said: Option<Instant>,
}

impl Allowance {
    pub(crate) fn new(now: Instant) -> Self {
        let state = State { bytes_left: BURST_BYTES, filled: now, bytes_cut: 0, said: None };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Whether so many bytes may be written now, which takes them.
    pub(crate) fn take(&self, bytes: usize, now: Instant) -> bool {
        let mut state = self.state();
        let earned = now.saturating_duration_since(state.filled).as_millis() * BYTES_PER_SECOND / 1_000;
        if earned > 0 {
            let earned = usize::try_from(earned).unwrap_or(usize::MAX);
            state.bytes_left = state.bytes_left.saturating_add(earned).min(BURST_BYTES);
            state.filled = now;
        }
        let left = state.bytes_left.checked_sub(bytes);
        state.bytes_left = left.unwrap_or(state.bytes_left);
        left.is_some()
    }

    /// Takes down that so many bytes were cut. Returns how many were since it was last said, if it is to be said now.
    pub(crate) fn cut(&self, bytes: usize, now: Instant) -> Option<usize> {
        let mut state = self.state();
        state.bytes_cut = state.bytes_cut.saturating_add(bytes);
        if state.said.is_some_and(|said| now.saturating_duration_since(said) < SAY_INTERVAL) {
            return None;
        }
        state.said = Some(now);
        Some(std::mem::take(&mut state.bytes_cut))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each step leaves it whole, so whoever panicked did no harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_and_then_so_much_a_second() {
        let start = Instant::now();
        let allowance = Allowance::new(start);
        assert!(allowance.take(BURST_BYTES, start));
        assert!(!allowance.take(1, start));
        assert!(allowance.take(16 << 10, start + SECOND));
        assert!(!allowance.take(1, start + SECOND));
        assert!(allowance.clone().take(8 << 10, start + SECOND * 3 / 2), "instances share it");
        assert!(!allowance.take(1, start + SECOND * 3 / 2));
    }

    #[test]
    fn silence_earns_no_more_than_a_burst() {
        let start = Instant::now();
        let allowance = Allowance::new(start);
        assert!(!allowance.take(BURST_BYTES + 1, start + SECOND * 100_000));
        assert!(allowance.take(BURST_BYTES, start + SECOND * 100_000));
    }

    #[test]
    fn little_by_little_nothing_is_lost() {
        let (start, mut written) = (Instant::now(), 0);
        let allowance = Allowance::new(start);
        for tick in 0..100_000 {
            while allowance.take(10, start + Duration::from_micros(100) * tick) {
                written += 10;
            }
        }
        let (most, least) = (BURST_BYTES + (160 << 10), BURST_BYTES + (155 << 10));
        assert!((least..=most).contains(&written), "{written} in ten seconds");
    }

    #[test]
    fn cuts_are_said_now_and_then_and_none_is_forgotten() {
        let start = Instant::now();
        let allowance = Allowance::new(start);
        assert_eq!(allowance.cut(5, start), Some(5));
        assert_eq!(allowance.cut(6, start), None);
        assert_eq!(allowance.cut(7, start + SECOND * 9), None);
        assert_eq!(allowance.cut(8, start + SECOND * 10), Some(21));
    }
}
