//! One instance of a plugin in its sandbox: started, configured, called, thrown away. It judges no answer.

use std::time::{Duration, Instant as Clock};

use wasmtime::component::InstancePre;
use wasmtime::{Store, Trap};

use crate::bindings::{key_extractor, similarity_scorer, types};
use crate::fault::{Fault, FaultKind};
use crate::guest::Guest;
use crate::limits::Limits;
use crate::log::Log;
use crate::role::Role;
use crate::ticker::Ticker;
use crate::words::{NAME_BYTES_MAX, WORDS_BYTES_MAX, clean};

/// Handles of resources that an instance holds. The contract has no resources; WASI has a few.
const HANDLES_MAX: usize = 10_000;

/// What an instance may give back when it describes itself and takes its configuration: names, pointers, a refusal.
const START_RESULT_BYTES_MAX: usize = 1 << 20;

/// Which of the contract's interfaces a component exports, and where.
#[derive(Clone)]
pub(crate) struct Exports {
    pub(crate) key_extractor: Option<key_extractor::GuestIndices>,
    pub(crate) similarity_scorer: Option<similarity_scorer::GuestIndices>,
}

/// An instance. After an error of any call but a [`FaultKind::Failure`] it is of no more use.
pub(crate) struct Instance {
    store: Store<Guest>,
    key_extractor: Option<key_extractor::Guest>,
    similarity_scorer: Option<similarity_scorer::Guest>,
    limits: Limits,
    /// Whether what it executes is counted.
    fuel: bool,
    /// What a call may use of it.
    fuel_max: u64,
    last_call: Cost,
}

/// What a call took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// By the wall clock, with the crossing of the boundary, without the check of the answer.
    pub time: Duration,
    /// What was executed, in wasmtime's units, about one an instruction: the same for the same call. `None` unless
    /// [`crate::Options::fuel`] is on.
    pub fuel: Option<u64>,
    /// All memories of the instance after the call. They never shrink.
    pub memory_bytes: usize,
    /// Written to the log, what was cut included.
    pub log_bytes: usize,
}

/// What a plugin ran into, in words.
pub(crate) type Cause = String;

impl Instance {
    /// Makes an instance that has not been configured.
    pub(crate) fn start(
        component: &InstancePre<Guest>,
        exports: &Exports,
        log: Log,
        limits: Limits,
        fuel: bool,
    ) -> Result<Self, Fault> {
        let mut store = Store::new(component.engine(), Guest::new(log, limits));
        store.limiter(|guest| &mut guest.gauge);
        store.set_max_component_handles(HANDLES_MAX);
        let (fuel_max, last_call) = (u64::MAX, Cost::default());
        let mut instance =
            Self { store, key_extractor: None, similarity_scorer: None, limits, fuel, fuel_max, last_call };
        instance.bounded(limits.time_to_start, START_RESULT_BYTES_MAX, |instance| {
            let made = component.instantiate(&mut instance.store)?;
            let key_extractor = exports.key_extractor.as_ref();
            let similarity_scorer = exports.similarity_scorer.as_ref();
            instance.key_extractor = key_extractor.map(|at| at.load(&mut instance.store, &made)).transpose()?;
            instance.similarity_scorer = similarity_scorer.map(|at| at.load(&mut instance.store, &made)).transpose()?;
            Ok(())
        })?;
        Ok(instance)
    }

    /// What the last call took; the first is the start.
    pub(crate) fn last_call(&self) -> Cost {
        self.last_call
    }

    /// Where fuel is counted, a call that uses more than this is stopped from here on.
    pub(crate) fn set_fuel_max(&mut self, max: u64) {
        self.fuel_max = max;
    }

    pub(crate) fn log(&mut self) -> &mut Log {
        &mut self.store.data_mut().log
    }

    /// Asks the plugin who it is. Its words are bounded and clean.
    pub(crate) fn describe(&mut self, role: Role) -> Result<types::Info, Fault> {
        let info = self.bounded(self.limits.time_to_start, START_RESULT_BYTES_MAX, |instance| {
            let Self { store, key_extractor, similarity_scorer, .. } = instance;
            match (role, key_extractor, similarity_scorer) {
                (Role::KeyExtractor, Some(extractor), _) => extractor.call_describe(store),
                (Role::SimilarityScorer, _, Some(scorer)) => scorer.call_describe(store),
                (role, ..) => wasmtime::bail!("it exports no {}", role.name()),
            }
        })?;
        let (name, version) = (clean(&info.name, NAME_BYTES_MAX), clean(&info.version, NAME_BYTES_MAX));
        Ok(types::Info { name, version, ..info })
    }

    /// Gives the plugin its text. The inner error is its refusal, bounded and clean.
    pub(crate) fn configure(&mut self, role: Role, text: &str) -> Result<Result<types::Input, String>, Fault> {
        let answer = self.bounded(self.limits.time_to_start, START_RESULT_BYTES_MAX, |instance| {
            let Self { store, key_extractor, similarity_scorer, .. } = instance;
            match (role, key_extractor, similarity_scorer) {
                (Role::KeyExtractor, Some(extractor), _) => extractor.call_configure(store, text),
                (Role::SimilarityScorer, _, Some(scorer)) => scorer.call_configure(store, text),
                (role, ..) => wasmtime::bail!("it exports no {}", role.name()),
            }
        })?;
        Ok(answer.map_err(|failure| clean(&failure.message, WORDS_BYTES_MAX)))
    }

    /// Has the keys of a batch extracted. The answer is what the plugin says, true or not.
    pub(crate) fn extract(&mut self, events: types::Batch<'_>) -> Result<types::Extraction, Fault> {
        let time = self.limits.time_of_call(events.values.data.len());
        let answer = self.bounded(time, self.limits.result_bytes_max, |instance| match &instance.key_extractor {
            Some(extractor) => extractor.call_extract(&mut instance.store, events),
            None => wasmtime::bail!("it exports no key-extractor"),
        })?;
        answer.map_err(|failure| self.failed_in_its_own_words(&failure))
    }

    /// Has the pairs of a batch compared. The answer is what the plugin says, true or not.
    pub(crate) fn compare(&mut self, pairs: types::Pairs<'_>) -> Result<types::Comparisons, Fault> {
        let columns = [&pairs.paths, &pairs.originals, &pairs.duplicates];
        let time = self.limits.time_of_call(columns.iter().map(|column| column.data.len()).sum());
        let answer =
            self.bounded(time, self.limits.result_bytes_max, |instance| match &instance.similarity_scorer {
                Some(scorer) => scorer.call_compare(&mut instance.store, pairs),
                None => wasmtime::bail!("it exports no similarity-scorer"),
            })?;
        answer.map_err(|failure| self.failed_in_its_own_words(&failure))
    }

    fn failed_in_its_own_words(&self, failure: &types::Failure) -> Fault {
        let words = format!("the plugin says: {}", clean(&failure.message, self.limits.note_bytes_max));
        Fault { kind: FaultKind::Failure, words }
    }

    /// Makes one call within its limits of time, log and what it may give back.
    fn bounded<R>(
        &mut self,
        time: Duration,
        result_bytes_max: usize,
        call: impl FnOnce(&mut Self) -> wasmtime::Result<R>,
    ) -> Result<R, Fault> {
        self.store.set_hostcall_fuel(result_bytes_max);
        self.store.set_epoch_deadline(Ticker::ticks(time));
        if self.fuel {
            // Mostly so much that it never ends: time is what bounds a call, fuel only counts.
            self.store.set_fuel(self.fuel_max).map_err(|error| self.fault(&error, time, result_bytes_max))?;
        }
        self.store.data_mut().log.begin_call();
        let started = Clock::now();
        let result = call(self);
        let took = started.elapsed();
        let fuel = if self.fuel { self.store.get_fuel().ok().map(|left| self.fuel_max - left) } else { None };
        let guest = self.store.data_mut();
        guest.end_call();
        let memory_bytes = guest.gauge.memory_bytes();
        self.last_call = Cost { time: took, fuel, memory_bytes, log_bytes: guest.log.bytes() };
        result.map_err(|error| self.fault(&error, time, result_bytes_max))
    }

    fn fault(&self, error: &wasmtime::Error, time: Duration, result_bytes_max: usize) -> Fault {
        let log = &self.store.data().log;
        // Names of functions are the plugin's words, too.
        tracing::debug!(plugin = log.plugin(), "{}", clean(&format!("{error:?}"), WORDS_BYTES_MAX));
        let mut fault = Fault::of_call(error, time, result_bytes_max, &self.limits);
        if matches!(error.downcast_ref(), Some(Trap::OutOfFuel)) {
            fault = Fault { kind: FaultKind::TimedOut, words: format!("it used more than {} fuel", self.fuel_max) };
        }
        if let Some(words) = log.last_words() {
            fault.words = format!("{}; its last words: {words}", fault.words);
        }
        fault
    }
}
