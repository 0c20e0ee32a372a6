//! One instance, called one call at a time, for suites and tools. Nothing is isolated, restarted or retried: not for a
//! line of events.

use engine::fields::{Extraction, FieldBatch};
use engine::properties::{Comparisons, PairBatch};

use crate::bindings::types;
use crate::candidate::{Candidate, Parts, checked_input};
use crate::extractor::{self, extract_slice};
use crate::fault::Fault;
use crate::instance::{Cost, Instance};
use crate::role::{Input, Role};
use crate::scorer::{self, SliceEnds, compare_slice};

/// One instance of a component. After a [`Fault`] that is no [`crate::FaultKind::Failure`] make another: this one fails
/// in every further call, or what it answers is worth nothing.
pub struct Probe {
    instance: Instance,
    candidate: Candidate,
}

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its name.
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// Keys of different key versions cannot be compared.
    pub key_version: u32,
}

/// Bytes of a name or a version.
const NAME_BYTES_MAX: usize = 64;

impl Info {
    pub(crate) fn of(info: types::Info) -> Self {
        Self { name: info.name, version: info.version, key_version: info.key_version }
    }

    /// Whether its words can stand in logs, labels of metrics and names of files.
    ///
    /// # Errors
    /// Says what it is called and what would be right.
    pub fn check(&self) -> Result<(), String> {
        for (what, said, more, characters) in [
            ("name", &self.name, "_-.", "ASCII letters, digits, `_`, `-` and `.`"),
            ("version", &self.version, "_-.+", "ASCII letters, digits, `_`, `-`, `.` and `+`"),
        ] {
            let is_plain = said.chars().all(|char| char.is_ascii_alphanumeric() || more.contains(char));
            if said.is_empty() || said.len() > NAME_BYTES_MAX || !is_plain {
                return Err(format!("its {what} is \"{said}\", and must be 1 to {NAME_BYTES_MAX} of {characters}"));
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").field("candidate", &self.candidate).finish_non_exhaustive()
    }
}

impl Probe {
    pub(crate) fn new(instance: Instance, candidate: Candidate) -> Self {
        Self { instance, candidate }
    }

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
