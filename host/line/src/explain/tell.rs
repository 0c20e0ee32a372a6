//! Says of each live duplicate what it is: in the findings, and in the record of it where somebody reads them. Everything
//! about it is known by then.

use connectors::{KEY_BYTES_MAX, Lane, Origin, Outgoing, Sink};
use engine::fields::Column;
use engine::findings::{Explained, Findings, Likeness, uuid_similarity};
use engine::properties::{Comparisons, Kept, PairBatch, Verdict};
use engine::record::{Record, TopicPartition};

use crate::duplicate::{Duplicate, Told};
use crate::explain::fact::{Fact, SCORER_FAILED};
use crate::explain::view::Explainable;
use crate::explanation::{Compared, Cut, Explanation, Explanations};
use crate::plugins::Plugins;
use crate::rules::Rules;

/// Tells what the duplicates of one partition are.
pub(crate) struct Teller {
    source: TopicPartition,
    explanations: Explanations,
    uuid_field: String,
    findings: Findings,
    /// What became of each duplicate of the batch, and the record of it, which is empty where nobody reads it.
    told: Vec<Told>,
    texts: Column,
}

/// A duplicate, and all that was found out about it.
#[derive(Clone, Copy)]
pub(crate) struct Gathered<'a> {
    pub(crate) duplicate: &'a Duplicate,
    pub(crate) fact: &'a Fact,
    pub(crate) original: Option<&'a Kept<'a>>,
    pub(crate) pairs: &'a PairBatch,
    pub(crate) comparisons: &'a Comparisons,
    /// Duplicates of the batch that come after it.
    pub(crate) remaining: usize,
}

impl Teller {
    /// `roots` are the fields that the scorer reads.
    pub(crate) fn new(source: &TopicPartition, rules: &Rules, plugins: &Plugins, roots: Vec<String>) -> Self {
        let scorer = plugins.scorer.as_ref().filter(|_| rules.explain.keep_originals);
        let name = scorer.map(|scorer| format!("{} {}", scorer.name(), scorer.version()));
        Self {
            source: source.clone(),
            explanations: Explanations::new(plugins, scorer, roots, rules.redaction.clone()),
            uuid_field: rules.uuid_field.clone(),
            findings: Findings::new(source.clone(), name, rules.redaction.is_some()),
            told: Vec::new(),
            texts: Column::default(),
        }
    }

    /// What became of the nth duplicate of the batch.
    pub(crate) fn told(&self, nth: usize) -> Option<Told> {
        self.told.get(nth).copied()
    }

    /// The record of the nth duplicate of the batch.
    pub(crate) fn text(&self, nth: usize) -> Option<&[u8]> {
        self.texts.get(nth)
    }

    /// What was found out since it was last taken.
    pub(crate) fn findings(&mut self) -> &mut Findings {
        &mut self.findings
    }

    /// Before the duplicates of a batch.
    pub(crate) fn clear(&mut self) {
        self.told.clear();
        self.texts.clear();
    }

    /// The next duplicate of the batch.
    pub(crate) fn tell(&mut self, batch: &Explainable<'_>, is: Gathered<'_>) {
        let Some(record) = batch.records.get(is.duplicate.record as usize) else { return };
        if record.offset() < batch.live_from {
            self.told.push(Told { likeness: Likeness::Unscored, forwarded: false });
        } else {
            self.tell_live(batch, &record, is);
        }
        self.texts.end_value();
    }

    fn tell_live(&mut self, batch: &Explainable<'_>, record: &Record<'_>, is: Gathered<'_>) {
        let Gathered { duplicate, fact, original, pairs, comparisons, remaining } = is;
        let uuid = batch.uuid(duplicate.event);
        let comparison = fact.pair.and_then(|pair| compared(comparisons, pairs, pair).ok_or(SCORER_FAILED));
        let likeness = match (&comparison, original) {
            (Ok(compared), Some(kept)) => likeness(*compared, kept.has_uuid(uuid.as_deref()), &self.uuid_field),
            (Ok(_) | Err(_), _) => Likeness::Unscored,
        };
        let forwarded = duplicate.forwarded;
        self.told.push(Told { likeness, forwarded });

        let original_uuid = original.and_then(Kept::uuid);
        let uuid_similarity = uuid.as_deref().zip(original_uuid).map(|(a, b)| uuid_similarity(a, b));
        let key = self.explanations.key(batch.key(duplicate.key));
        let time = batch.candidate(duplicate.record).and_then(|candidate| candidate.time);
        let explained = Explained {
            key: key.as_bytes(),
            offset: record.offset(),
            original_offset: duplicate.original.offset,
            time_ms: time,
            original_time_ms: duplicate.original.event_time(),
            count: fact.count,
            distinct_uuids: fact.uuids,
            previous_distinct_uuids: fact.uuids_before,
            uuid_similarity,
            likeness,
            forwarded,
            score: comparison.ok().map(|compared| compared.score),
            rows: comparison.ok().map(Compared::to_rows),
            remaining,
        };
        // Findings are of originals in this partition.
        if duplicate.elder.is_none() {
            self.findings.record(&explained);
        }
        if let Some(sink) = batch.explained_to.filter(|_| !forwarded) {
            let explanation = Explanation {
                source: &self.source,
                record: *record,
                time,
                uuid: uuid.as_deref(),
                key: &key,
                original_offset: duplicate.original.offset,
                elder: duplicate.elder,
                original_time: duplicate.original.event_time(),
                original,
                likeness,
                count: fact.count,
                uuids: fact.uuids,
                uuid_similarity,
                comparison,
            };
            write_to_fit(&self.explanations, &explanation, sink, &mut self.texts.data);
        }
    }
}

/// Appends the record of a duplicate, with no more left out than has to be for the lane to take it. What it does not take
/// however much is left out stays as short as it gets, for whoever sends it to find out.
fn write_to_fit(explanations: &Explanations, about: &Explanation<'_>, sink: &dyn Sink, out: &mut Vec<u8>) {
    let start = out.len();
    for cut in Cut::ALL {
        out.truncate(start);
        explanations.write(about, cut, out);
        let record = Outgoing {
            origin: Origin { partition: about.source.partition, offset: about.record.offset() },
            key: Some(&[0; KEY_BYTES_MAX]),
            payload: out.get(start..),
            timestamp: None,
            headers_of: None,
            extra_headers: &[],
        };
        if sink.refusal(Lane::Duplicates, &record).is_none() {
            return;
        }
    }
}

/// What the scorer said of a pair; `None` where it failed.
fn compared<'a>(comparisons: &'a Comparisons, pairs: &'a PairBatch, pair: usize) -> Option<Compared<'a>> {
    let score = (*comparisons.scores.get(pair)?)?;
    Some(Compared { score, pairs, pair, verdicts: &comparisons.verdicts })
}

/// The uuid is compared by the host, all else by the scorer; a scorer may be content with a score and no verdicts.
fn likeness(compared: Compared<'_>, same_uuid: bool, uuid_field: &str) -> Likeness {
    let mut changed = compared.rows(Verdict::Changed).peekable();
    let nothing_named = changed.peek().is_none();
    let is_uuid = |row: usize| compared.pairs.paths.get(row) == Some(uuid_field.as_bytes());
    let other = changed.any(|row| !is_uuid(row)) || (nothing_named && compared.score.similarity < 1.0);
    Likeness::of(same_uuid, other)
}
