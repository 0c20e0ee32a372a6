//! Explains the duplicates of a batch: what their originals were, how often they came, how similar they are. It decides
//! nothing: if the decision depends on similarity, `similarities` has been asked before.
//!
//! Counts go into the state while the batch is processed, including replayed records; scores, records and findings are
//! only for live records.

mod similarities;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use connectors::KEY_BYTES_MAX;
use connectors::{Lane, Origin, Outgoing, Sink};
use engine::decide::Candidate;
use engine::entry::{Entry, Write};
use engine::fields::{Column, FieldBatch};
use engine::fingerprint::Fingerprinter;
use engine::history::History;
use engine::identity;
use engine::properties::{Comparisons, Kept, PairBatch, Pairer, Refusal, Verdict};
use engine::record::{Offset, RecordBatch, TopicPartition};
use observe::insights::{Explained, Findings, Likeness, uuid_similarity};
use plugin::{Input, PluginFailure, Role, Scorer};
use state::{Originals, PartitionStore};

use crate::dump::Dumper;
use crate::letters::{Compared, Cut, Letter, Letters};
use crate::line::{LineError, PluginCost, Rules};
use crate::plugins::Plugins;
use crate::settings::config::OnPluginFailure;

/// Bytes of a call to the scorer, about; a batch of large events is compared in several.
const COMPARE_BYTES_MAX: usize = 4 << 20;

/// A batch is held for its originals where these are at least this part of its memory.
const SHARED_PART: usize = 4;

/// Batches for which a scorer that failed as a whole is not asked: it may have taken a minute to fail.
const RESTS: u32 = 1_000;

const NO_SCORER: &str = "no plugin scores";
const SWITCHED_OFF: &str = "--keep-originals is off";
const NOT_KEPT: &str = "the original is not kept";
const NOT_JSON: &str = "the payload is not JSON";
const OTHER_FIELDS: &str = "the original was kept for a scorer that reads other fields";
const DAMAGED: &str = "the kept original is damaged";
const SCORER_FAILED: &str = "the scorer failed";

/// A duplicate of the batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Duplicate {
    /// Index of its record.
    pub(crate) record: u32,
    /// Its index among the records that were decoded.
    pub(crate) event: u32,
    /// Index of the key that met.
    pub(crate) key: u32,
    /// The event that was first, or the one that it is most alike to.
    pub(crate) original: Entry,
    /// It is less alike to every original than the operator wants to hold back: it passes.
    pub(crate) forwarded: bool,
}

/// A batch, as far as explaining needs it.
pub(crate) struct Batch<'a> {
    pub(crate) records: &'a Arc<RecordBatch>,
    pub(crate) candidates: &'a [Candidate],
    /// Record index of each event that could be decoded.
    pub(crate) decoded: &'a [u32],
    pub(crate) keys: &'a Column,
    /// The uuid is the first field of each event.
    pub(crate) host_fields: &'a FieldBatch,
    pub(crate) wanted: &'a Wanted,
    pub(crate) fingerprinter: &'a Fingerprinter,
    /// Records before this are replayed.
    pub(crate) live_from: Offset,
    /// Who takes the records of duplicates, if somebody reads them.
    pub(crate) letters_to: Option<&'a dyn Sink>,
}

impl<'a> Batch<'a> {
    /// What the spans of an event stand in.
    fn text(&self, event: u32, record: u32) -> &'a [u8] {
        self.wanted.text(event).unwrap_or_else(|| self.payload(record))
    }

    fn payload(&self, record: u32) -> &'a [u8] {
        self.records.get(record as usize).and_then(|record| record.payload()).unwrap_or_default()
    }

    fn uuid(&self, event: u32) -> Option<Cow<'a, [u8]>> {
        let (kind, value) = uuid_field(self.host_fields, event as usize)?;
        identity::identity(kind, value)
    }
}

/// The uuid of an event as it stands there.
pub(crate) fn uuid(host_fields: &FieldBatch, event: usize) -> Option<&[u8]> {
    let (kind, value) = uuid_field(host_fields, event)?;
    identity::as_written(kind, value)
}

fn uuid_field(host_fields: &FieldBatch, event: usize) -> Option<(u8, &[u8])> {
    let field = event * host_fields.width as usize;
    Some((*host_fields.kinds.get(field)?, host_fields.values.get(field)?))
}

/// Where in the payloads the fields stand that the scorer asked for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// Fields an event.
    pub(crate) width: usize,
    /// `width` ranges an event; empty where there is no such field.
    pub(crate) spans: Vec<Range<u32>>,
    /// Whether the event is JSON.
    pub(crate) is_json: Vec<bool>,
    /// What the ranges stand in, for events of which that is not the payload, up to the last of these; else empty.
    pub(crate) texts: Column,
}

impl Wanted {
    pub(crate) fn clear(&mut self) {
        self.spans.clear();
        self.is_json.clear();
        self.texts.clear();
    }

    /// The fields of a JSON event, and what they stand in where that is not the payload.
    pub(crate) fn push(&mut self, spans: impl IntoIterator<Item = Range<u32>>, text: Option<&[u8]>) {
        if let Some(text) = text {
            while self.texts.len() < self.is_json.len() {
                self.texts.end_value();
            }
            self.texts.push(text);
        }
        self.spans.extend(spans);
        self.is_json.push(true);
    }

    /// An event that is not JSON.
    pub(crate) fn push_opaque(&mut self) {
        self.spans.resize(self.spans.len() + self.width, 0..0);
        self.is_json.push(false);
    }

    fn text(&self, event: u32) -> Option<&[u8]> {
        self.texts.get(event as usize).filter(|text| !text.is_empty())
    }

    /// Keeps some events only; `keep` is asked with each event's index.
    pub(crate) fn retain_events(&mut self, keep: impl Fn(usize) -> bool) {
        let width = self.width;
        let (mut span, mut event) = (0.., 0..);
        self.spans.retain(|_| span.next().is_some_and(|span: usize| keep(span / width.max(1))));
        let mut texts = Column::default();
        let kept = (0..self.texts.len()).filter(|event| keep(*event));
        kept.for_each(|event| texts.push(self.texts.get(event).unwrap_or_default()));
        self.texts = texts;
        self.is_json.retain(|_| event.next().is_some_and(&keep));
    }

    fn is_json(&self, event: u32) -> bool {
        self.is_json.get(event as usize).copied().unwrap_or(false)
    }

    fn of(&self, event: u32) -> &[Range<u32>] {
        let first = event as usize * self.width;
        self.spans.get(first..first + self.width).unwrap_or_default()
    }
}

/// What became of a duplicate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) likeness: Likeness,
    /// Less alike than the operator wants to hold back.
    pub(crate) forwarded: bool,
}

/// What is known of a duplicate before it is scored.
struct Fact {
    nth: usize,
    pair: Result<usize, &'static str>,
    count: Option<u64>,
    uuids: Option<(u64, bool)>,
    uuids_before: Option<u64>,
}

/// Explains the duplicates of one partition.
pub(crate) struct Explainer {
    source: TopicPartition,
    letters: Letters,
    scorer: Option<Scorer>,
    dumper: Option<Dumper>,
    /// Calls that the scorer is still to be spared.
    rests: u32,
    pairer: Option<Pairer>,
    roots: Vec<String>,
    reads_payload: bool,
    uuid_field: String,
    on_failure: OnPluginFailure,
    /// Why duplicates are not compared, where none is.
    idle: &'static str,
    /// One original on its way into the state.
    original: Vec<u8>,
    offsets: Vec<Offset>,
    kept: Originals,
    pairs: PairBatch,
    comparisons: Comparisons,
    facts: Vec<Fact>,
    told: Vec<Told>,
    /// A record for each duplicate, where somebody reads them.
    pub(crate) texts: Column,
    findings: Findings,
    cost: PluginCost,
}

impl Explainer {
    pub(crate) fn new(source: &TopicPartition, rules: &Rules, plugins: &Plugins) -> Result<Self, LineError> {
        let scorer = plugins.scorer.as_ref().filter(|_| rules.explain.keep_originals);
        let input = scorer.and_then(|scorer| scorer.scorer_input());
        let roots = match input {
            Some(Input::Fields(fields)) => fields.clone(),
            Some(Input::Payload) | None => Vec::new(),
        };
        let reads_payload = input == Some(&Input::Payload);
        let opaque = plugins.extractor.input() == &Input::Payload;
        let redaction = rules.redaction.clone();
        let redact = redaction.is_some();
        let name = scorer.map(|scorer| format!("{} {}", scorer.name(), scorer.version()));
        Ok(Self {
            letters: Letters::new(&plugins.extractor, scorer, roots.clone(), redaction, opaque),
            scorer: scorer.map(plugin::Plugin::scorer).transpose()?,
            dumper: scorer.and_then(|scorer| Dumper::new(rules.dumps.as_ref(), scorer, Role::SimilarityScorer, source)),
            rests: 0,
            pairer: input
                .map(|_| Pairer::new_inside((!reads_payload).then_some(roots.as_slice()), &rules.json_in))
                .transpose()?,
            roots,
            reads_payload,
            uuid_field: rules.uuid_field.clone(),
            on_failure: rules.on_plugin_failure,
            findings: Findings::new(source.clone(), name, redact),
            source: source.clone(),
            idle: if plugins.scorer.is_none() { NO_SCORER } else { SWITCHED_OFF },
            original: Vec::new(),
            offsets: Vec::new(),
            kept: Originals::default(),
            pairs: PairBatch::default(),
            comparisons: Comparisons::default(),
            facts: Vec::new(),
            told: Vec::new(),
            texts: Column::default(),
            cost: PluginCost::default(),
        })
    }

    /// What the scorer reads of an event, as pointers.
    pub(crate) fn roots(&self) -> &[String] {
        &self.roots
    }

    /// What became of the nth duplicate of the batch.
    pub(crate) fn told(&self, nth: usize) -> Option<Told> {
        self.told.get(nth).copied()
    }

    /// The record of the nth duplicate of the batch.
    pub(crate) fn letter(&self, nth: usize) -> Option<&[u8]> {
        self.texts.get(nth)
    }

    /// What was found out since the last call.
    pub(crate) fn take_findings(&mut self) -> Findings {
        self.findings.take()
    }

    /// Forgets what was found out since it was taken.
    pub(crate) fn forget_findings(&mut self) {
        self.findings.clear();
    }

    /// What the scorer's calls cost since the last call.
    pub(crate) fn take_cost(&mut self) -> PluginCost {
        std::mem::take(&mut self.cost)
    }

    /// Keeps what the scorer will want of the events that are first: those for which something is written.
    pub(crate) fn keep(
        &mut self,
        batch: &Batch<'_>,
        writes: &[Write],
        store: &mut PartitionStore,
    ) -> Result<(), LineError> {
        let Some(pairer) = &mut self.pairer else { return Ok(()) };
        // Copying what is kept costs more than all else about it, unless so little is kept that the batch would be held
        // for other bytes' sake.
        let records = batch.records.len().max(1);
        let shared = batch.records.bytes() / records * writes.len() >= batch.records.memory_bytes() / SHARED_PART;
        let mut writes = writes.iter().peekable();
        for (event, record) in (0..).zip(batch.decoded) {
            let Some(candidate) = batch.candidates.get(*record as usize) else { continue };
            let mut is_first = false;
            while writes.next_if(|write| write.entry.offset == candidate.offset).is_some() {
                is_first = true;
            }
            if !is_first {
                continue;
            }
            let (payload, uuid) = (batch.text(event, *record), batch.uuid(event));
            let uuid = uuid.as_deref();
            if self.reads_payload || batch.wanted.is_json(event) {
                let (offset, spans, text) = (candidate.offset, batch.wanted.of(event), &mut self.original);
                text.clear();
                match shared.then(|| pairer.keep_around(uuid, payload, spans, text)).flatten() {
                    Some((body, tail)) => store.keep_shared(offset, text, batch.records, body, tail)?,
                    None => {
                        pairer.keep(uuid, payload, spans, text);
                        store.keep(offset, text)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Counts the duplicates of a batch, compares those that are live with their originals, and writes about them.
    pub(crate) fn explain(
        &mut self,
        batch: &Batch<'_>,
        duplicates: &[Duplicate],
        store: &mut PartitionStore,
    ) -> Result<(), LineError> {
        self.told.clear();
        self.texts.clear();
        if duplicates.is_empty() {
            return Ok(());
        }
        self.offsets.clear();
        self.offsets.extend(duplicates.iter().map(|duplicate| duplicate.original.offset));
        store.load_histories(&self.offsets)?;
        if self.pairer.is_some() {
            store.originals(&self.offsets, &mut self.kept)?;
        }
        let mut next = 0;
        while next < duplicates.len() {
            self.facts.clear();
            self.pairs.clear();
            while bytes(&self.pairs) < COMPARE_BYTES_MAX
                && let Some(duplicate) = duplicates.get(next)
            {
                self.gather(next, duplicate, batch, store)?;
                next += 1;
            }
            self.compare(batch, duplicates)?;
            self.tell(batch, duplicates);
        }
        Ok(())
    }

    /// Counts one duplicate, and lays it beside its original where it is to be scored.
    fn gather(
        &mut self,
        nth: usize,
        duplicate: &Duplicate,
        batch: &Batch<'_>,
        store: &mut PartitionStore,
    ) -> Result<(), LineError> {
        let offset = batch.candidates.get(duplicate.record as usize).map_or(0, |candidate| candidate.offset);
        let kept = self.kept.get(nth).and_then(Kept::decode);
        let uuid = batch.uuid(duplicate.event);
        let hash =
            |uuid: &[u8]| identity::with_spelling(uuid, |spelling| batch.fingerprinter.fingerprint(spelling).0 as u64);
        let mut fact = Fact { nth, pair: Err(self.idle), count: None, uuids: None, uuids_before: None };
        let original = kept.as_ref().map(|kept| kept.uuid().map(hash));
        // What passes as distinct is no duplicate of any event.
        if !duplicate.forwarded
            && let Some(history) = store.history(duplicate.original.offset, || History::of(original))?
        {
            let before = history.distinct_uuids().map(|(distinct, _)| distinct);
            // One that was counted before is read again after a rewind: how many there were then is not known any more.
            if history.count(offset, uuid.as_deref().map(hash)) {
                fact.count = Some(history.duplicates());
                fact.uuids = history.distinct_uuids();
                fact.uuids_before = before;
            }
        }
        if let Some(pairer) = self.pairer.as_mut().filter(|_| offset >= batch.live_from) {
            let spans = batch.wanted.of(duplicate.event);
            fact.pair = match kept {
                None => Err(NOT_KEPT),
                Some(_) if !self.reads_payload && !batch.wanted.is_json(duplicate.event) => Err(NOT_JSON),
                Some(kept) => {
                    let payload = batch.text(duplicate.event, duplicate.record);
                    let pairs = &mut self.pairs;
                    match lay_out(pairer, &kept, payload, spans, uuid.as_deref(), &self.uuid_field, pairs) {
                        Ok(()) => Ok(pairs.pairs() - 1),
                        Err(Refusal::OtherFields) => Err(OTHER_FIELDS),
                        Err(Refusal::Damaged) => Err(DAMAGED),
                    }
                }
            };
        }
        self.facts.push(fact);
        Ok(())
    }

    /// Has the pairs scored.
    fn compare(&mut self, batch: &Batch<'_>, duplicates: &[Duplicate]) -> Result<(), LineError> {
        self.comparisons.scores.clear();
        let Some(scorer) = self.scorer.as_mut().filter(|_| self.pairs.pairs() > 0) else { return Ok(()) };
        if self.rests > 0 {
            self.rests -= 1;
            return Ok(());
        }
        let calls = match scorer.compare(&self.pairs, &mut self.comparisons) {
            Ok(calls) => calls,
            // Duplicates without a score lose nobody an event: no reason to hold a partition, as a broken extractor is.
            Err(failure @ (PluginFailure::Restart { .. } | PluginFailure::TooSlow { .. }))
                if self.on_failure != OnPluginFailure::Stop =>
            {
                self.cost.failures += 1;
                self.rests = RESTS;
                tracing::warn!(source = %self.source, %failure, batches = RESTS, "the scorer is paused; duplicates \
                 get no score");
                return Ok(());
            }
            Err(failure) => return Err(failure.into()),
        };
        self.cost.add(&calls, self.pairs.pairs());
        let Some((pair, reason)) = calls.failed.first() else { return Ok(()) };
        let offset_of = |pair: u32| {
            let fact = self.facts.iter().find(|fact| fact.pair == Ok(pair as usize));
            let duplicate = fact.and_then(|fact| duplicates.get(fact.nth));
            let candidate = duplicate.and_then(|duplicate| batch.candidates.get(duplicate.record as usize));
            candidate.map_or(-1, |candidate| candidate.offset)
        };
        if let Some(dumper) = &self.dumper {
            dumper.pairs(&calls.failed, &self.pairs, offset_of);
        }
        let offset = offset_of(*pair);
        if self.on_failure == OnPluginFailure::Stop {
            return Err(LineError::PoisonRecord { partition: self.source.clone(), offset, reason: reason.clone() });
        }
        tracing::warn!(source = %self.source, offset, pairs = calls.failed.len(), reason, "the scorer failed");
        Ok(())
    }

    /// Says of each duplicate gathered what it is, in findings and in the record of it.
    fn tell(&mut self, batch: &Batch<'_>, duplicates: &[Duplicate]) {
        let Self { facts, kept, pairs, comparisons, told, texts, .. } = self;
        for fact in facts.iter() {
            let Some(duplicate) = duplicates.get(fact.nth) else { continue };
            let Some(record) = batch.records.get(duplicate.record as usize) else { continue };
            if record.offset() < batch.live_from {
                told.push(Told { likeness: Likeness::Unscored, forwarded: false });
                texts.end_value();
                continue;
            }
            let original = kept.get(fact.nth).and_then(Kept::decode);
            let uuid = batch.uuid(duplicate.event);
            let comparison = fact.pair.and_then(|pair| compared(comparisons, pairs, pair).ok_or(SCORER_FAILED));
            let likeness = match (&comparison, &original) {
                (Ok(compared), Some(kept)) => likeness(*compared, kept.has_uuid(uuid.as_deref()), &self.uuid_field),
                _ => Likeness::Unscored,
            };
            let score = comparison.ok().map(|compared| compared.score);
            let forwarded = duplicate.forwarded;
            told.push(Told { likeness, forwarded });

            let original_uuid = original.as_ref().and_then(Kept::uuid);
            let uuid_similarity = uuid.as_deref().zip(original_uuid).map(|(a, b)| uuid_similarity(a, b));
            let key = self.letters.key(batch.keys.get(duplicate.key as usize).unwrap_or_default());
            let time = batch.candidates.get(duplicate.record as usize).and_then(|candidate| candidate.time);
            self.findings.record(&Explained {
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
                score,
                rows: comparison.ok().map(Compared::to_rows),
                remaining: duplicates.len() - 1 - fact.nth,
            });
            if let Some(sink) = batch.letters_to.filter(|_| !forwarded) {
                let letter = Letter {
                    source: &self.source,
                    record,
                    time,
                    uuid: uuid.as_deref(),
                    key: &key,
                    original_offset: duplicate.original.offset,
                    original_time: duplicate.original.event_time(),
                    original: original.as_ref(),
                    likeness,
                    count: fact.count,
                    uuids: fact.uuids,
                    uuid_similarity,
                    comparison,
                };
                write_to_fit(&self.letters, &letter, sink, &mut texts.data);
            }
            texts.end_value();
        }
    }
}

/// Appends the record of a duplicate, with no more left out than has to be for the lane to take it. What it does not take
/// however much is left out stays as short as it gets, for whoever sends it to find out.
fn write_to_fit(letters: &Letters, letter: &Letter<'_>, sink: &dyn Sink, out: &mut Vec<u8>) {
    let start = out.len();
    for cut in Cut::ALL {
        out.truncate(start);
        letters.write(letter, cut, out);
        let record = Outgoing {
            origin: Origin { partition: letter.source.partition, offset: letter.record.offset() },
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

/// Appends a pair to `pairs`. Where both events have one uuid in two spellings, or as a number and as a string, scorers see
/// what the original has.
fn lay_out(
    pairer: &mut Pairer,
    kept: &Kept<'_>,
    payload: &[u8],
    spans: &[Range<u32>],
    uuid: Option<&[u8]>,
    uuid_field: &str,
    pairs: &mut PairBatch,
) -> Result<(), Refusal> {
    pairer.pair(kept, payload, spans, pairs)?;
    if uuid.is_some_and(|uuid| kept.uuid() != Some(uuid) || identity::is_bare(uuid)) && kept.has_uuid(uuid) {
        pairs.respell(uuid_field.as_bytes());
    }
    Ok(())
}

/// Bytes of the pairs, but for what is of the same size for each row.
fn bytes(pairs: &PairBatch) -> usize {
    pairs.paths.data.len() + pairs.originals.data.len() + pairs.duplicates.data.len()
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
