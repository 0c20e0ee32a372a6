//! When the time for a rule, and for all rules together, is up, and when too many calls of a rule took too long. Not the
//! limit of one call, which the sandbox has.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use plugin::{Fault, FaultKind};

use crate::verdict::Stop;

/// Calls of one rule that may take too long before no more are made: each costs seconds, and what a plugin hangs on other
/// rules find.
const TIMED_OUT_MAX: u32 = 3;

/// The end of the time for all rules, if it has one, and of that for one of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deadline {
    all: Option<End>,
    one: Option<End>,
    /// Calls that took too long.
    timed_out: Rc<Cell<u32>>,
    /// Whether something was not done because of it.
    hit: Rc<Cell<bool>>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    at: Instant,
    time: Duration,
}

impl End {
    fn after(time: Duration) -> Self {
        Self { at: Instant::now() + time, time }
    }
}

impl Deadline {
    /// So much time from now on, for all rules.
    pub(crate) fn after(time: Option<Duration>) -> Self {
        Self { all: time.map(End::after), ..Self::default() }
    }

    /// The same end of all, and so much time from now on for one rule.
    pub(crate) fn of_one(&self, time: Option<Duration>) -> Self {
        Self { all: self.all, one: time.map(End::after), ..Self::default() }
    }

    /// Whether there is time for one more instance.
    ///
    /// # Errors
    /// The rule is blocked where there is none.
    pub(crate) fn allows_instance(&self) -> Result<(), Stop> {
        self.passed().map_or(Ok(()), |words| Err(Stop::Blocked(words)))
    }

    /// Whether there is time for one more call.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn allows_call(&self) -> Result<(), Fault> {
        self.passed().map_or(Ok(()), |words| Err(Fault { kind: FaultKind::TimedOut, words }))
    }

    /// Takes down that a call was stopped because it took too long.
    pub(crate) fn call_timed_out(&self) {
        self.timed_out.set(self.timed_out.get() + 1);
    }

    /// Why something was not done, if anything was not.
    pub(crate) fn was_hit(&self) -> Option<String> {
        self.hit.get().then(|| self.passed()).flatten()
    }

    fn passed(&self) -> Option<String> {
        let is_over = |end: &End| Instant::now() >= end.at;
        let words = match (self.all.filter(is_over), self.one.filter(is_over)) {
            (Some(End { time, .. }), _) => format!("the time for all rules, {} s, is up", time.as_secs_f64()),
            (None, Some(End { time, .. })) => format!("the time for one rule, {} s, is up", time.as_secs_f64()),
            (None, None) if self.timed_out.get() >= TIMED_OUT_MAX => {
                format!("{TIMED_OUT_MAX} calls were stopped because they took too long, so no more are made")
            }
            (None, None) => return None,
        };
        self.hit.set(true);
        Some(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_ends_with_its_time_and_the_next_has_time_again() {
        let all = Deadline::after(Some(Duration::from_secs(3600)));
        let over = all.of_one(Some(Duration::ZERO));
        assert_eq!(over.was_hit(), None, "nothing was asked for yet");
        assert!(over.allows_call().is_err() && over.allows_instance().is_err());
        assert!(over.was_hit().unwrap().contains("one rule"));
        let next = all.of_one(Some(Duration::from_secs(3600)));
        assert!(next.allows_call().is_ok() && next.was_hit().is_none());
        let over = Deadline::after(Some(Duration::ZERO)).of_one(None);
        assert!(over.allows_call().unwrap_err().words.contains("all rules"));
    }

    #[test]
    fn a_plugin_that_hangs_is_asked_a_few_times_by_each_rule() {
        let all = Deadline::default();
        let one = all.of_one(None);
        let of_its_session = one.clone();
        for _ in 0..TIMED_OUT_MAX {
            assert!(one.allows_call().is_ok());
            of_its_session.call_timed_out();
        }
        assert!(one.allows_call().unwrap_err().words.contains("3 calls were stopped"));
        assert!(one.was_hit().is_some());
        assert!(all.of_one(None).allows_call().is_ok());
    }
}
