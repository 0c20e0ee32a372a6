//! Runs a plugin natively, so that its author can unit-test it: values in, keys out, or events in,
//! scores out. Not the sandbox: limits and traps are the host's.

mod golden;
mod rows;

pub use crate::bindings::types::{Batch, Column, Comparisons, Extraction, Pairs};
use crate::{Input, KeyExtractor, SimilarityScorer, Value, export};
pub use golden::{Case, cases, check_all};
pub use rows::{Comparison, no_pairs, push_events, push_rows};

/// What a plugin said of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has these keys.
    Keyed(Vec<Vec<u8>>),
    /// It has no identity, for this reason.
    NoKey(String),
    /// The plugin cannot make sense of it, for this reason.
    Invalid(String),
}

/// A configured plugin.
#[derive(Debug)]
pub struct Harness<T> {
    plugin: T,
    input: Input,
}

impl<T: KeyExtractor> Harness<T> {
    /// Configures a key extractor; an empty text is no configuration.
    ///
    /// # Errors
    /// What `configure` said.
    pub fn new(config: &str) -> Result<Self, String> {
        T::configure(config).map(|(plugin, input)| Self { plugin, input })
    }

    /// The keys of one event, its values in the order of the fields asked for.
    pub fn key(&self, values: &[Value<'_>]) -> Outcome {
        let extraction = self.extract(&batch(values.len(), &[values]));
        let note = || extraction.notes.first().map(|note| note.message.clone()).unwrap_or_default();
        match extraction.status.first() {
            Some(0) => Outcome::Keyed(values_of(&extraction.keys)),
            Some(1) => Outcome::NoKey(note()),
            _ => Outcome::Invalid(note()),
        }
    }

    /// The key of one event as text; for events that have exactly one.
    ///
    /// # Errors
    /// What was said instead.
    pub fn key_text(&self, values: &[Value<'_>]) -> Result<String, Outcome> {
        match self.key(values) {
            Outcome::Keyed(mut keys) if keys.len() == 1 => {
                Ok(keys.pop().map(|key| String::from_utf8_lossy(&key).into_owned()).unwrap_or_default())
            }
            other @ (Outcome::Keyed(_) | Outcome::NoKey(_) | Outcome::Invalid(_)) => Err(other),
        }
    }

    /// The answer for a whole batch, as it would cross to the host.
    #[must_use]
    pub fn extract(&self, events: &Batch) -> Extraction {
        export::extract(&self.plugin, events)
    }
}

impl<T: SimilarityScorer> Harness<T> {
    /// Configures a similarity scorer; an empty text is no configuration.
    ///
    /// # Errors
    /// What `configure` said.
    pub fn new_scorer(config: &str) -> Result<Self, String> {
        T::configure(config).map(|(plugin, input)| Self { plugin, input })
    }

    /// Compares two events given as JSON texts, taken apart as the host does it.
    ///
    /// # Errors
    /// One of them is no JSON.
    pub fn compare_events(&self, original: &str, duplicate: &str) -> Result<Comparison, String> {
        let mut pairs = no_pairs();
        push_events(&mut pairs, original, duplicate, self.fields())?;
        Ok(self.compared(&pairs))
    }

    /// Compares two events given as rows: pointer, what the original has there, what the duplicate has.
    #[must_use]
    pub fn compare_rows(&self, rows: &[(&str, Value<'_>, Value<'_>)]) -> Comparison {
        let mut pairs = no_pairs();
        push_rows(&mut pairs, rows.iter().copied());
        self.compared(&pairs)
    }

    /// The answer for a whole batch, as it would cross to the host.
    #[must_use]
    pub fn compare(&self, pairs: &Pairs) -> Comparisons {
        export::compare(&self.plugin, pairs)
    }

    fn compared(&self, pairs: &Pairs) -> Comparison {
        let answer = self.compare(pairs);
        Comparison::of(pairs, &answer).pop().unwrap_or_default()
    }
}

impl<T> Harness<T> {
    /// The fields that the plugin asked for; none where it reads the payload.
    #[must_use]
    pub fn fields(&self) -> &[String] {
        match &self.input {
            Input::Fields(fields) => fields,
            Input::Payload => &[],
        }
    }
}

/// A batch of events with `width` values each.
#[must_use]
pub fn batch(width: usize, events: &[&[Value<'_>]]) -> Batch {
    let mut batch =
        Batch { width: width as u32, values: Column { data: Vec::new(), ends: Vec::new() }, kinds: Vec::new() };
    for value in events.iter().copied().flatten() {
        batch.values.data.extend_from_slice(value.bytes);
        batch.values.ends.push(batch.values.data.len() as u32);
        batch.kinds.push(value.kind as u8);
    }
    batch
}

fn values_of(column: &Column) -> Vec<Vec<u8>> {
    let starts = std::iter::once(0).chain(column.ends.iter().copied());
    let ranges = starts.zip(&column.ends).map(|(start, end)| start as usize..*end as usize);
    ranges.map(|range| column.data.get(range).unwrap_or_default().to_vec()).collect()
}
