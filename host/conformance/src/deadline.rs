//! When the time for all rules together is up. Not a limit of one call, which the sandbox has.

use std::time::{Duration, Instant};

use plugin::{Fault, FaultKind};

use crate::verdict::Stop;

/// The end of the time for all rules, if it has one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Deadline(Option<(Instant, Duration)>);

impl Deadline {
    /// So much time from now on.
    pub(crate) fn after(time: Option<Duration>) -> Self {
        Self(time.map(|time| (Instant::now() + time, time)))
    }

    /// Whether there is time for one more instance.
    ///
    /// # Errors
    /// The rule is blocked where there is none.
    pub(crate) fn allows_instance(self) -> Result<(), Stop> {
        self.passed().map_or(Ok(()), |words| Err(Stop::Blocked(words)))
    }

    /// Whether there is time for one more call.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn allows_call(self) -> Result<(), Fault> {
        self.passed().map_or(Ok(()), |words| Err(Fault { kind: FaultKind::TimedOut, words }))
    }

    fn passed(self) -> Option<String> {
        let (_, time) = self.0.filter(|(end, _)| Instant::now() >= *end)?;
        Some(format!("the time for all rules, {} s, is up", time.as_secs_f64()))
    }
}
