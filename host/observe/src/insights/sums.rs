//! What all lines of the process have found since it started. One lock, taken once per commit and once per request; slow
//! work is done outside it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::findings::{Findings, Histogram, KeySpreads, PER_KEY, Properties, PropertyCounts, Shape, Spread};
use engine::record::{Millis, TopicPartition};

use super::answers::{Bars, DuplicatesAnswer, KeyAnswer, KeysAnswer, LatestAnswer, Outcomes, PropertyAnswer};
use super::keys::{Heaviest, SeenKey};
use super::latest::{LATEST_MAX, SeenDuplicate};
use super::names::Names;
use super::text::label;
use super::totals::Totals;

#[derive(Default)]
struct Sums {
    totals: Totals,
    shape: Shape,
    /// Of the partitions that this process owns now.
    spreads: BTreeMap<Arc<TopicPartition>, KeySpreads>,
    names: Names,
    keys: Heaviest,
    /// Newest first.
    latest: VecDeque<Arc<SeenDuplicate>>,
}

/// The part of the sums that metrics show.
pub(crate) struct Scrape {
    pub(crate) shape: Shape,
    pub(crate) spreads: KeySpreads,
    pub(crate) properties: Vec<(String, PropertyCounts)>,
    pub(crate) other: PropertyCounts,
}

/// What the process knows about its duplicates; shared by reference.
pub struct Insights {
    redacted: bool,
    sums: Mutex<Sums>,
}

impl std::fmt::Debug for Insights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Insights").field("redacted", &self.redacted).finish_non_exhaustive()
    }
}

impl Insights {
    /// Empty; `redacted` is part of the answers, and has to be what [`Findings`] were given.
    #[must_use]
    pub fn new(redacted: bool) -> Self {
        Self { redacted, sums: Mutex::default() }
    }

    /// Whether values are hidden.
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.redacted
    }

    /// Adds what a line found, now that it is committed; `at_ms` is the time of the commit, since the epoch.
    pub fn merge(&self, findings: Findings, at_ms: Millis) {
        if findings.is_empty() {
            return;
        }
        let Findings { source, scorer, gathered, .. } = findings;
        let (names, other) = labelled(&gathered.properties);
        let keys = gathered.keys.take().map(|key| SeenKey { source: Arc::clone(&source), key, last_seen_ms: at_ms });
        let seen = |duplicate| {
            Arc::new(SeenDuplicate { source: Arc::clone(&source), scorer: scorer.clone(), at_ms, duplicate })
        };
        let latest: Vec<_> = gathered.latest.take().map(seen).collect();
        let mut sums = self.lock();
        sums.shape.add(&gathered.shape);
        sums.spreads.entry(Arc::clone(&source)).or_default().add(&gathered.spreads);
        sums.names.merge(names, &other);
        sums.keys.merge(keys);
        latest.into_iter().for_each(|duplicate| sums.latest.push_front(duplicate));
        sums.latest.truncate(LATEST_MAX);
    }

    /// Adds the counts of a commit.
    pub fn add_totals(&self, totals: &Totals) {
        self.lock().totals.add(totals);
    }

    /// Removes the keys of a partition, which another host will show. Sums over events stay: the events were committed here,
    /// and no other host counts them.
    pub fn forget(&self, source: &TopicPartition) {
        let mut sums = self.lock();
        sums.spreads.remove(source);
        sums.keys.forget(source);
    }

    /// The answer to `/api/duplicates` at a time, in milliseconds since the epoch.
    #[must_use]
    pub fn duplicates(&self, at_ms: Millis) -> DuplicatesAnswer {
        let (totals, scrape) = {
            let sums = self.lock();
            (sums.totals, sums.scrape())
        };
        let Shape { outcomes, similarity, property_similarity, uuid_similarity, gap_seconds, .. } = scrape.shape;
        let [same_event, same_uuid, only_uuid_different, content_differs, unscored] = outcomes;
        DuplicatesAnswer {
            at_ms,
            totals,
            outcomes: Outcomes { same_event, same_uuid, only_uuid_different, content_differs, unscored },
            similarity: values(&similarity),
            property_similarity: values(&property_similarity),
            uuid_similarity: values(&uuid_similarity),
            duplicates_per_key: keys(&scrape.spreads.duplicates),
            distinct_uuids_per_key: keys(&scrape.spreads.distinct_uuids),
            gap_seconds: values(&gap_seconds),
            properties: scrape.properties.into_iter().map(|(path, counts)| PropertyAnswer { path, counts }).collect(),
            other_properties: scrape.other,
            redacted: self.redacted,
        }
    }

    /// The answer to `/api/keys`.
    #[must_use]
    pub fn keys(&self) -> KeysAnswer {
        let keys = self.lock().keys.keys().to_vec();
        let answer = |seen: SeenKey| KeyAnswer {
            key: String::from_utf8_lossy(&seen.key.key).into_owned(),
            topic: seen.source.topic.clone(),
            partition: seen.source.partition,
            original_offset: seen.key.original_offset,
            duplicates: seen.key.duplicates,
            distinct_uuids: seen.key.distinct_uuids.map(|(distinct, _)| distinct),
            distinct_uuids_exact: seen.key.distinct_uuids.is_some_and(|(_, exact)| exact),
            last_offset: seen.key.last_offset,
            last_seen_ms: seen.last_seen_ms,
        };
        KeysAnswer { keys: keys.into_iter().map(answer).collect() }
    }

    /// The answer to `/api/latest`.
    #[must_use]
    pub fn latest(&self) -> LatestAnswer {
        let latest: Vec<_> = self.lock().latest.iter().cloned().collect();
        let duplicates = latest.iter().map(|seen| seen.answer()).collect();
        LatestAnswer { duplicates, redacted: self.redacted }
    }

    pub(crate) fn scrape(&self) -> Scrape {
        self.lock().scrape()
    }

    /// A thread that panicked while it held the lock may have lost a count; the others are still right.
    fn lock(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sums {
    fn scrape(&self) -> Scrape {
        let mut spreads = KeySpreads::default();
        self.spreads.values().for_each(|partition| spreads.add(&partition.settled()));
        let properties = self.names.shown().into_iter().map(|(label, counts)| (label.to_owned(), counts)).collect();
        Scrape { shape: self.shape.clone(), spreads, properties, other: self.names.other() }
    }
}

/// The counts by label, in order of first appearance, and the counts of all others.
fn labelled(properties: &Properties) -> (Vec<(String, PropertyCounts)>, PropertyCounts) {
    (properties.by_path().map(|(path, counts)| (label(path), counts)).collect(), properties.other())
}

fn values<const N: usize>(histogram: &Histogram<N>) -> Bars {
    Bars { bounds: histogram.bounds.to_vec(), counts: histogram.counts().collect(), sum: histogram.sum }
}

fn keys(spread: &Spread) -> Bars {
    let bounds = PER_KEY.iter().map(|bound| *bound as f64).collect();
    Bars { bounds, counts: spread.counts().collect(), sum: spread.sum as f64 }
}
