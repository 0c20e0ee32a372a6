//! One instance of a plugin in its sandbox: started, configured, called, thrown away. It judges no answer.

use std::time::Duration;

use wasmtime::component::InstancePre;
use wasmtime::{Store, Trap};

use crate::bindings::{key_extractor, log, similarity_scorer, types};
use crate::limits::{Gauge, Limits};
use crate::ticker::Ticker;

/// Longest part of a plugin's last words that goes into a reason.
const LAST_WORDS_BYTES_MAX: usize = 512;

/// What belongs to one instance on the host's side.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) gauge: Gauge,
    name: String,
    log_bytes_left: usize,
    log_bytes_cut: usize,
    last_words: Option<String>,
}

impl log::Host for Guest {
    fn write(&mut self, level: u8, message: String) {
        let line = cut(&message, self.log_bytes_left);
        self.log_bytes_left -= line.len();
        self.log_bytes_cut += message.len() - line.len();
        if level >= 4 {
            self.last_words = Some(cut(&message, LAST_WORDS_BYTES_MAX).to_owned());
        }
        let plugin = self.name.as_str();
        match level {
            _ if line.is_empty() => {}
            0 => tracing::trace!(plugin, "{line}"),
            1 => tracing::debug!(plugin, "{line}"),
            2 => tracing::info!(plugin, "{line}"),
            3 => tracing::warn!(plugin, "{line}"),
            _ => tracing::error!(plugin, "{line}"),
        }
    }
}

impl types::Host for Guest {}

/// The first `bytes_max` bytes of a text, or a little less where that would split a character.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default()
}

/// Which of the contract's interfaces a component exports, and where.
pub(crate) struct Exports {
    pub(crate) key_extractor: Option<key_extractor::GuestIndices>,
    pub(crate) similarity_scorer: Option<similarity_scorer::GuestIndices>,
}

/// An instance. After an error of any call it is of no more use.
pub(crate) struct Instance {
    store: Store<Guest>,
    key_extractor: Option<key_extractor::Guest>,
    similarity_scorer: Option<similarity_scorer::Guest>,
    limits: Limits,
}

/// What a plugin ran into, in words.
pub(crate) type Cause = String;

impl Instance {
    /// Makes an instance that has not been configured.
    pub(crate) fn start(
        component: &InstancePre<Guest>,
        exports: &Exports,
        name: &str,
        limits: Limits,
    ) -> Result<Self, Cause> {
        let guest = Guest {
            gauge: Gauge::new(limits),
            name: name.to_owned(),
            log_bytes_left: limits.log_bytes_per_call_max,
            log_bytes_cut: 0,
            last_words: None,
        };
        let mut store = Store::new(component.engine(), guest);
        store.limiter(|guest| &mut guest.gauge);
        store.set_hostcall_fuel(limits.result_bytes_max);
        let mut instance = Self { store, key_extractor: None, similarity_scorer: None, limits };
        instance.bounded(limits.time_to_start, |instance| {
            let made = component.instantiate(&mut instance.store)?;
            let key_extractor = exports.key_extractor.as_ref();
            let similarity_scorer = exports.similarity_scorer.as_ref();
            instance.key_extractor = key_extractor.map(|at| at.load(&mut instance.store, &made)).transpose()?;
            instance.similarity_scorer = similarity_scorer.map(|at| at.load(&mut instance.store, &made)).transpose()?;
            Ok(())
        })?;
        Ok(instance)
    }

    /// Asks the plugin who it is; as a key extractor if it is one.
    pub(crate) fn describe(&mut self) -> Result<types::Info, Cause> {
        self.bounded(self.limits.time_to_start, |instance| {
            let Self { store, key_extractor, similarity_scorer, .. } = instance;
            match (key_extractor, similarity_scorer) {
                (Some(extractor), _) => extractor.call_describe(store),
                (None, Some(scorer)) => scorer.call_describe(store),
                (None, None) => wasmtime::bail!("it exports no interface of the contract"),
            }
        })
    }

    /// Gives the key extractor its text. The inner error is the plugin's refusal.
    pub(crate) fn configure_extractor(&mut self, text: &str) -> Result<Result<types::Input, types::Failure>, Cause> {
        self.bounded(self.limits.time_to_start, |instance| match &instance.key_extractor {
            Some(extractor) => extractor.call_configure(&mut instance.store, text),
            None => wasmtime::bail!("it exports no key-extractor"),
        })
    }

    /// Gives the similarity scorer its text. The inner error is the plugin's refusal.
    pub(crate) fn configure_scorer(&mut self, text: &str) -> Result<Result<types::Input, types::Failure>, Cause> {
        self.bounded(self.limits.time_to_start, |instance| match &instance.similarity_scorer {
            Some(scorer) => scorer.call_configure(&mut instance.store, text),
            None => wasmtime::bail!("it exports no similarity-scorer"),
        })
    }

    /// Has the keys of a batch extracted. The answer is what the plugin says, true or not.
    pub(crate) fn extract(&mut self, events: types::Batch<'_>) -> Result<types::Extraction, Cause> {
        let time = self.limits.time_of_call(events.values.data.len());
        let answer = self.bounded(time, |instance| match &instance.key_extractor {
            Some(extractor) => extractor.call_extract(&mut instance.store, events),
            None => wasmtime::bail!("it exports no key-extractor"),
        })?;
        answer.map_err(|failure| self.failed_in_its_own_words(&failure))
    }

    /// Has the pairs of a batch compared. The answer is what the plugin says, true or not.
    pub(crate) fn compare(&mut self, pairs: types::Pairs<'_>) -> Result<types::Comparisons, Cause> {
        let columns = [&pairs.paths, &pairs.originals, &pairs.duplicates];
        let time = self.limits.time_of_call(columns.iter().map(|column| column.data.len()).sum());
        let answer = self.bounded(time, |instance| match &instance.similarity_scorer {
            Some(scorer) => scorer.call_compare(&mut instance.store, pairs),
            None => wasmtime::bail!("it exports no similarity-scorer"),
        })?;
        answer.map_err(|failure| self.failed_in_its_own_words(&failure))
    }

    fn failed_in_its_own_words(&self, failure: &types::Failure) -> Cause {
        format!("the plugin says: {}", cut(&failure.message, self.limits.note_bytes_max))
    }

    /// Makes one call within its limits of time and log.
    fn bounded<R>(&mut self, time: Duration, call: impl FnOnce(&mut Self) -> wasmtime::Result<R>) -> Result<R, Cause> {
        self.store.set_epoch_deadline(Ticker::ticks(time));
        let guest = self.store.data_mut();
        guest.log_bytes_left = self.limits.log_bytes_per_call_max;
        guest.last_words = None;
        let result = call(self);
        let guest = self.store.data_mut();
        let bytes_cut = std::mem::take(&mut guest.log_bytes_cut);
        if bytes_cut > 0 {
            tracing::warn!(
                plugin = guest.name.as_str(),
                bytes_cut,
                "the plugin's log was cut: it wrote too much in one call"
            );
        }
        result.map_err(|error| cause_of(&error, time, guest))
    }
}

fn cause_of(error: &wasmtime::Error, time: Duration, guest: &Guest) -> Cause {
    tracing::debug!(plugin = guest.name.as_str(), "{error:?}");
    let cause = match error.downcast_ref::<Trap>() {
        Some(&Trap::Interrupt) => format!("it took longer than {} ms", time.as_millis()),
        _ => error.root_cause().to_string(),
    };
    match &guest.last_words {
        Some(words) => format!("{cause}; its last words: {}", words.replace('\n', " ")),
        None => cause,
    }
}
