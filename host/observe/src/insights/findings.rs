//! What one line found out about duplicates since its last commit. No locks, no clock: the line's thread fills it for
//! every duplicate, so it must be cheap.

use std::sync::Arc;

use engine::record::TopicPartition;

use super::explained::Explained;
use super::histogram::{GAP_SECONDS, Histogram, SIMILARITY, Spread};
use super::keys::LineKeys;
use super::latest::LineLatest;
use super::likeness::Likeness;
use super::properties::Properties;

/// Sums over all duplicates that do not depend on a name or a key.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// By [`Likeness`].
    pub(crate) outcomes: [u64; Likeness::ALL.len()],
    pub(crate) forwarded: u64,
    pub(crate) similarity: Histogram<{ SIMILARITY.len() }>,
    pub(crate) property_similarity: Histogram<{ SIMILARITY.len() }>,
    pub(crate) uuid_similarity: Histogram<{ SIMILARITY.len() }>,
    pub(crate) gap_seconds: Histogram<{ GAP_SECONDS.len() }>,
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

    pub(super) fn add(&mut self, other: &Self) {
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
pub(crate) struct KeySpreads {
    pub(crate) duplicates: Spread,
    pub(crate) distinct_uuids: Spread,
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

    pub(super) fn add(&mut self, other: &Self) {
        self.duplicates.add(&other.duplicates);
        self.distinct_uuids.add(&other.distinct_uuids);
    }

    pub(super) fn settled(&self) -> Self {
        Self { duplicates: self.duplicates.settled(), distinct_uuids: self.distinct_uuids.settled() }
    }
}

/// What is gathered between two commits.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) duplicates: u64,
    pub(super) shape: Shape,
    pub(super) spreads: KeySpreads,
    pub(super) properties: Properties,
    pub(super) keys: LineKeys,
    pub(super) latest: LineLatest,
}

/// What a line found out since its last commit.
pub struct Findings {
    pub(super) source: Arc<TopicPartition>,
    pub(super) scorer: Option<Arc<str>>,
    redact: bool,
    pub(super) gathered: Gathered,
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

    /// What was found since the last commit, for [`super::Insights::merge`]; nothing is left here.
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
