//! One instance, called one call at a time, for suites and tools. Nothing is isolated, restarted or retried: not for a
//! line of events.

use engine::fields::{Extraction, FieldBatch};
use engine::properties::{Comparisons, PairBatch};

use crate::candidate::{Candidate, Parts, checked_input};
use crate::extractor::{self, extract_slice};
use crate::fault::Fault;
use crate::info::Info;
use crate::instance::{Cost, Instance};
use crate::log::Log;
use crate::role::{Input, Role};
use crate::scorer::{self, SliceEnds, compare_slice};

/// One instance of a component. After a [`Fault`] that is no [`crate::FaultKind::Failure`] make another: this one fails
/// in every further call, or what it answers is worth nothing.
pub struct Probe {
    instance: Instance,
    candidate: Candidate,
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").field("candidate", &self.candidate).finish_non_exhaustive()
    }
}

impl Candidate {
    /// A fresh instance that has not been configured, to be called one call at a time. What it writes to the log is kept
    /// for [`Probe::take_log`].
    ///
    /// # Errors
    /// It fails to start.
    pub fn probe(&self) -> Result<Probe, Fault> {
        let log = Log::kept(&self.stem(), self.log_bytes_max());
        Ok(Probe { instance: self.start(log)?, candidate: self.clone() })
    }
}

impl Probe {
    /// Asks who it is. What it says is bounded and clean, and may still not be a name: see [`Info::check`].
    ///
    /// # Errors
    /// It has no such role, traps or takes too long.
    pub fn describe(&mut self, role: Role) -> Result<Info, Fault> {
        self.instance.describe(role).map(Info::of)
    }

    /// Gives it its text. The inner error is its refusal, in its words, bounded and clean.
    ///
    /// # Errors
    /// It has no such role, traps, takes too long, or asks for input that cannot be had.
    pub fn configure(&mut self, role: Role, text: &str) -> Result<Result<Input, String>, Fault> {
        match self.instance.configure(role, text)? {
            Err(refusal) => Ok(Err(refusal)),
            Ok(input) => match checked_input(input) {
                Ok(input) => Ok(Ok(input)),
                Err(cause) => Err(Fault::lie(format!("it asks for input that the host cannot provide: {cause}"))),
            },
        }
    }

    /// Extracts the keys of a batch into `out`, replacing what was there, in one call, also if the batch is empty.
    ///
    /// # Errors
    /// The plugin traps, takes too long, lies or says that it cannot; `out` is empty then. Also if `events` is no batch.
    pub fn extract(&mut self, events: &FieldBatch, out: &mut Extraction) -> Result<(), Fault> {
        extractor::clear(out);
        let (all, limits) = (0..events.events(), self.candidate.limits());
        extract_slice(&mut self.instance, events, &all, &mut Vec::new(), limits, out).unwrap_or_else(malformed)
    }

    /// Compares the pairs of a batch into `out`, replacing what was there, in one call, also if the batch is empty.
    ///
    /// # Errors
    /// As [`Probe::extract`].
    pub fn compare(&mut self, pairs: &PairBatch, out: &mut Comparisons) -> Result<(), Fault> {
        scorer::clear(out);
        if !scorer::is_whole(pairs) {
            return malformed();
        }
        let all = 0..pairs.pairs();
        compare_slice(&mut self.instance, pairs, &all, &mut SliceEnds::default(), out).unwrap_or_else(malformed)
    }

    /// A call that uses more fuel than this is stopped from here on, as one that takes too long. It changes nothing where
    /// fuel is not counted.
    pub fn set_fuel_max(&mut self, max: u64) {
        self.instance.set_fuel_max(max);
    }

    /// What the last call took, if it failed or not; before the first call, what the start took.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.instance.last_call()
    }

    /// What the instance was made of when it started.
    #[must_use]
    pub fn parts(&self) -> Parts {
        self.candidate.parts()
    }

    /// What the last call wrote to the log, with its levels, as far as it fits in
    /// [`crate::Limits::log_bytes_per_call_max`]. Taken once.
    pub fn take_log(&mut self) -> Vec<(u8, String)> {
        self.instance.log().take()
    }
}

fn malformed() -> Result<(), Fault> {
    Err(Fault::lie("the batch is malformed: its counts or ends do not agree".to_owned()))
}
