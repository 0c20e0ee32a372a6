//! What the export macros call: the generic code between the generated bindings and an author's type. Not for authors.

use std::cell::RefCell;

use crate::bindings::types::{self, Batch, Comparisons, Extraction, Failure, Input, Pairs};
use crate::{Event, Info, KeyExtractor, Keys, Pair, Score, SimilarityScorer, Verdicts};

/// Where a component keeps its configured extractor or scorer.
#[derive(Debug)]
pub struct Slot<T>(RefCell<Option<T>>);

impl<T> Slot<T> {
    /// Nothing is configured yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "made in constants only")]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Keeps what `configure` made.
    ///
    /// # Errors
    /// What `configure` said.
    pub fn put(&self, made: Result<(T, Input), String>) -> Result<Input, Failure> {
        tell_panics();
        let (configured, input) = made.map_err(|message| Failure { message })?;
        self.0.replace(Some(configured));
        Ok(input)
    }

    /// Lends what is configured.
    ///
    /// # Errors
    /// Nothing is configured.
    pub fn with<R>(&self, act: impl FnOnce(&T) -> R) -> Result<R, Failure> {
        match &*self.0.borrow() {
            Some(configured) => Ok(act(configured)),
            None => Err(Failure { message: "configure was not called before the first batch".to_owned() }),
        }
    }
}

/// There is no standard error in a component: without this a panic is a trap with no words.
fn tell_panics() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| crate::log(crate::Level::Error, &panic.to_string())));
}

/// The contract's form of what a plugin says of itself.
#[must_use]
pub fn describe(info: Info) -> types::Info {
    types::Info { name: info.name.to_owned(), version: info.version.to_owned(), key_version: info.key_version }
}

/// The keys of a batch.
pub fn extract<T: KeyExtractor>(extractor: &T, events: &Batch) -> Extraction {
    let mut keys = Keys::for_batch(events);
    for event in Event::all(events) {
        extractor.key(&event, &mut keys);
        keys.end_event();
    }
    keys.into_extraction()
}

/// The scores of a batch of pairs, and the verdicts on their rows.
pub fn compare<T: SimilarityScorer>(scorer: &T, pairs: &Pairs) -> Comparisons {
    let mut verdicts = Verdicts::for_batch(pairs);
    let mut scores: Vec<Score> = Vec::with_capacity(pairs.ends.len());
    for pair in Pair::all(pairs) {
        scores.push(scorer.compare(&pair, &mut verdicts));
        verdicts.end_pair(pair.len());
    }
    verdicts.into_comparisons(&scores)
}
