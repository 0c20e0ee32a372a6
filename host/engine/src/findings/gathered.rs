//! What one line found out about duplicates since its last commit. No locks, no clock: the line's thread fills it for
//! every duplicate, so it must be cheap.

use std::sync::Arc;

use crate::record::TopicPartition;

use crate::findings::explained::Explained;
use crate::findings::histogram::{GAP_SECONDS, Histogram, SIMILARITY, Spread};
use crate::findings::keys::LineKeys;
use crate::findings::latest::LineLatest;
use crate::findings::likeness::Likeness;
use crate::findings::properties::Properties;

/// Sums over all duplicates that do not depend on a name or a key.
#[derive(Debug, Clone)]
pub struct Shape {
    /// By [`Likeness`].
    pub outcomes: [u64; Likeness::ALL.len()],
    /// Those that passed, as too unlike the original.
    pub forwarded: u64,
    /// What the scorer says of each pair.
    pub similarity: Histogram<{ SIMILARITY.len() }>,
    /// The same without the fields that make the key.
    pub property_similarity: Histogram<{ SIMILARITY.len() }>,
    /// How similar the uuids are as text.
    pub uuid_similarity: Histogram<{ SIMILARITY.len() }>,
    /// Time between the event and its original.
    pub gap_seconds: Histogram<{ GAP_SECONDS.len() }>,
}

impl Default for Shape {
    fn default() -> Self {
        let similarity = Histogram::new(&SIMILARITY);
        Self {
            outcomes: [0; Likeness::ALL.len()],
            forwarded: 0,
            similarity: similarity.clone(),
            property_similarity: similarity.clone(),
            uuid_similarity: similarity,
            gap_seconds: Histogram::new(&GAP_SECONDS),
        }
    }
}

impl Shape {
    fn record(&mut self, is: &Explained<'_>) {
        if let Some(count) = self.outcomes.get_mut(is.likeness as usize) {
            *count += 1;
        }
        self.forwarded += u64::from(is.forwarded);
        if let Some(score) = is.score {
            self.similarity.observe(score.similarity);
            self.property_similarity.observe(score.property_similarity);
        }
        if let Some(similarity) = is.uuid_similarity {
            self.uuid_similarity.observe(similarity);
        }
        if let Some((time, original)) = is.time_ms.zip(is.original_time_ms) {
            // Events come out of order: the original is first in the log, not always in time.
            self.gap_seconds.observe(time.abs_diff(original) as f64 / 1e3);
        }
    }

    /// Adds other sums to these.
    pub fn add(&mut self, other: &Self) {
        self.outcomes.iter_mut().zip(&other.outcomes).for_each(|(mine, theirs)| *mine += theirs);
        self.forwarded += other.forwarded;
        self.similarity.add(&other.similarity);
        self.property_similarity.add(&other.property_similarity);
        self.uuid_similarity.add(&other.uuid_similarity);
        self.gap_seconds.add(&other.gap_seconds);
    }
}

/// Keys by what is counted of each.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeySpreads {
    /// By their duplicates.
    pub duplicates: Spread,
    /// By the uuids of original and duplicates.
    pub distinct_uuids: Spread,
}

impl KeySpreads {
    fn record(&mut self, is: &Explained<'_>) {
        let Some(count) = is.count else { return };
        let known = count > 1;
        self.duplicates.grow(known.then(|| count - 1), count);
        if let Some((distinct, _)) = is.distinct_uuids {
            self.distinct_uuids.grow(is.previous_distinct_uuids.filter(|_| known), distinct);
        }
    }

    /// Adds other keys to these.
    pub fn add(&mut self, other: &Self) {
        self.duplicates.add(&other.duplicates);
        self.distinct_uuids.add(&other.distinct_uuids);
    }

    /// See [`Spread::settled`].
    #[must_use]
    pub fn settled(&self) -> Self {
        Self { duplicates: self.duplicates.settled(), distinct_uuids: self.distinct_uuids.settled() }
    }
}

/// What is gathered between two commits.
#[derive(Default)]
pub struct Gathered {
    /// How many there were.
    pub duplicates: u64,
    /// What they are like.
    pub shape: Shape,
    /// How many there are of each key.
    pub spreads: KeySpreads,
    /// How often each property changed.
    pub properties: Properties,
    /// The originals with the most of them.
    pub keys: LineKeys,
    /// The latest of them.
    pub latest: LineLatest,
}

/// What a line found out since its last commit.
pub struct Findings {
    /// Where the line reads.
    pub source: Arc<TopicPartition>,
    /// Name and version of what scores.
    pub scorer: Option<Arc<str>>,
    redact: bool,
    /// What was found.
    pub gathered: Gathered,
}

impl std::fmt::Debug for Findings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Findings({}, {} duplicates)", self.source, self.gathered.duplicates)
    }
}

impl Findings {
    /// Nothing yet. `scorer` is the name and version of what scores; with `redact` no value of an event is kept.
    #[must_use]
    pub fn new(source: TopicPartition, scorer: Option<String>, redact: bool) -> Self {
        Self { source: Arc::new(source), scorer: scorer.map(Arc::from), redact, gathered: Gathered::default() }
    }

    /// Takes in one duplicate.
    pub fn record(&mut self, is: &Explained<'_>) {
        let gathered = &mut self.gathered;
        gathered.duplicates += 1;
        gathered.shape.record(is);
        gathered.spreads.record(is);
        gathered.keys.record(is);
        gathered.latest.record(is, self.redact);
        if let Some(rows) = &is.rows {
            gathered.properties.record(rows);
        }
    }

    /// What was found since the last commit, for whoever sums up; nothing is left here.
    #[must_use]
    pub fn take(&mut self) -> Self {
        Self {
            source: Arc::clone(&self.source),
            scorer: self.scorer.clone(),
            redact: self.redact,
            gathered: std::mem::take(&mut self.gathered),
        }
    }

    /// Forgets what was found since the last commit: it was undone, and will be found again.
    pub fn clear(&mut self) {
        self.gathered = Gathered::default();
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gathered.duplicates == 0
    }
}
