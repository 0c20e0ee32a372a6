//! Explains the duplicates of a batch: what their originals were, how often they came, how similar they are. It decides
//! nothing: if the decision depends on similarity, `similarities` has been asked before.
//!
//! Counts go into the state while the batch is processed, including replayed records; scores, records and findings are
//! only for live records.

mod fact;
mod pairing;
mod scoring;
mod tell;
mod view;

use engine::distinct::Pair;
use engine::findings::Findings;
use engine::fingerprint::Fingerprinter;
use engine::history::History;
use engine::identity;
use engine::properties::{Kept, Refusal};
use engine::record::{Offset, TopicPartition};
use engine::state::{Originals, PartitionState};
use plugin::Input;

use crate::costs::PluginCost;
use crate::duplicate::{Duplicate, Told};
use crate::error::LineError;
use crate::explain::fact::{DAMAGED, ELSEWHERE, Fact, NO_SCORER, NOT_JSON, NOT_KEPT, OTHER_FIELDS, SWITCHED_OFF};
use crate::explain::pairing::Pairing;
use crate::explain::scoring::Scoring;
use crate::explain::tell::{Gathered, Teller};
use crate::plugins::Plugins;
use crate::rules::Rules;

pub(crate) use crate::explain::view::Explainable;

/// Explains the duplicates of one partition.
pub(crate) struct Explainer {
    fingerprinter: Fingerprinter,
    roots: Vec<String>,
    pairing: Pairing,
    scoring: Scoring,
    teller: Teller,
    /// Why duplicates are not compared, where none is.
    idle: &'static str,
    offsets: Vec<Offset>,
    kept: Originals,
    facts: Vec<Fact>,
}

impl Explainer {
    pub(crate) fn new(
        source: &TopicPartition,
        rules: &Rules,
        plugins: &Plugins,
        fingerprinter: Fingerprinter,
    ) -> Result<Self, LineError> {
        let scorer = plugins.scorer.as_ref().filter(|_| rules.explain.keep_originals);
        let input = scorer.and_then(|scorer| scorer.scorer_input());
        let roots = match input {
            Some(Input::Fields(fields)) => fields.clone(),
            Some(Input::Payload) | None => Vec::new(),
        };
        Ok(Self {
            fingerprinter,
            scoring: Scoring::new(source, rules, scorer)?,
            pairing: Pairing::new(input, &roots, rules)?,
            teller: Teller::new(source, rules, plugins, roots.clone()),
            roots,
            idle: if plugins.scorer.is_none() { NO_SCORER } else { SWITCHED_OFF },
            offsets: Vec::new(),
            kept: Originals::default(),
            facts: Vec::new(),
        })
    }

    /// What the scorer reads of an event, as pointers.
    pub(crate) fn roots(&self) -> &[String] {
        &self.roots
    }

    /// What became of the nth duplicate of the batch.
    pub(crate) fn told(&self, nth: usize) -> Option<Told> {
        self.teller.told(nth)
    }

    /// The record of the nth duplicate of the batch.
    pub(crate) fn text(&self, nth: usize) -> Option<&[u8]> {
        self.teller.text(nth)
    }

    /// What was found out since the last call.
    pub(crate) fn take_findings(&mut self) -> Findings {
        self.teller.findings().take()
    }

    /// Forgets what was found out since it was taken.
    pub(crate) fn forget_findings(&mut self) {
        self.teller.findings().clear();
    }

    /// What the scorer's calls cost since the last call.
    pub(crate) fn take_cost(&mut self) -> PluginCost {
        self.scoring.take_cost()
    }

    /// Keeps the originals of the batch, counts its duplicates, compares those that are live with their originals, and
    /// writes about them.
    pub(crate) fn explain<S: PartitionState>(
        &mut self,
        batch: &Explainable<'_>,
        state: &mut S,
    ) -> Result<(), LineError> {
        let duplicates = batch.scratch.duplicates.as_slice();
        self.pairing.keep(batch, &batch.scratch.decisions.writes, state)?;
        self.teller.clear();
        if duplicates.is_empty() {
            return Ok(());
        }
        self.offsets.clear();
        self.offsets.extend(duplicates.iter().map(Duplicate::original_here));
        state.load_histories(&self.offsets).map_err(LineError::state)?;
        if self.pairing.is_on() {
            state.originals(&self.offsets, &mut self.kept).map_err(LineError::state)?;
        }
        let mut next = 0;
        while next < duplicates.len() {
            self.facts.clear();
            self.pairing.pairs.clear();
            while self.pairing.has_room()
                && let Some(duplicate) = duplicates.get(next)
            {
                let fact = self.gather(next, duplicate, batch, state)?;
                self.facts.push(fact);
                next += 1;
            }
            self.compare(batch)?;
            self.tell(batch);
        }
        Ok(())
    }

    /// Counts one duplicate, and lays it beside its original where it is to be scored.
    fn gather<S: PartitionState>(
        &mut self,
        nth: usize,
        duplicate: &Duplicate,
        batch: &Explainable<'_>,
        state: &mut S,
    ) -> Result<Fact, LineError> {
        let offset = batch.candidate(duplicate.record).map_or(0, |candidate| candidate.offset);
        let kept = self.kept.get(nth).and_then(Kept::decode);
        let uuid = batch.uuid(duplicate.event);
        let hash =
            |uuid: &[u8]| identity::with_spelling(uuid, |spelling| self.fingerprinter.fingerprint(spelling).0 as u64);
        let mut fact = Fact { nth, pair: Err(self.idle), count: None, uuids: None, uuids_before: None };
        let original = kept.as_ref().map(|kept| kept.uuid().map(hash));
        // What passes as distinct is no duplicate of any event; what is elsewhere has no history here.
        let history = match duplicate.forwarded || duplicate.elder.is_some() {
            true => None,
            false => {
                let history = state.history(duplicate.original.offset, || History::of(original));
                history.map_err(LineError::state)?
            }
        };
        if let Some(history) = history {
            let before = history.distinct_uuids().map(|(distinct, _)| distinct);
            // One that was counted before is read again after a rewind: how many there were then is not known any more.
            if history.count(offset, uuid.as_deref().map(hash)) {
                fact.count = Some(history.duplicates());
                fact.uuids = history.distinct_uuids();
                fact.uuids_before = before;
            }
        }
        if self.pairing.is_on() && offset >= batch.live_from {
            let place = (duplicate.event, duplicate.record);
            fact.pair = match kept {
                None if duplicate.elder.is_some() => Err(ELSEWHERE),
                None => Err(NOT_KEPT),
                Some(_) if !self.pairing.reads(batch, duplicate.event) => Err(NOT_JSON),
                Some(kept) => self.pairing.lay_out(batch, place, &kept).map_err(why_not),
            };
        }
        Ok(fact)
    }

    fn compare(&mut self, batch: &Explainable<'_>) -> Result<(), LineError> {
        let facts = &self.facts;
        let offset_of = |pair: u32| {
            let fact = facts.iter().find(|fact| fact.pair == Ok(pair as usize));
            let duplicate = fact.and_then(|fact| batch.scratch.duplicates.get(fact.nth));
            let candidate = duplicate.and_then(|duplicate| batch.candidate(duplicate.record));
            candidate.map_or(-1, |candidate| candidate.offset)
        };
        self.scoring.explain(&self.pairing.pairs, offset_of)
    }

    fn tell(&mut self, batch: &Explainable<'_>) {
        let duplicates = batch.scratch.duplicates.as_slice();
        for fact in &self.facts {
            let Some(duplicate) = duplicates.get(fact.nth) else { continue };
            let original = self.kept.get(fact.nth).and_then(Kept::decode);
            let gathered = Gathered {
                duplicate,
                fact,
                original: original.as_ref(),
                pairs: &self.pairing.pairs,
                comparisons: &self.scoring.comparisons,
                remaining: duplicates.len() - 1 - fact.nth,
            };
            self.teller.tell(batch, gathered);
        }
    }

    /// Replaces `scores` by how alike the events of each pair are, where that decides what passes; `None` where it cannot be
    /// said: the original is not kept any more, or the scorer fails on the pair. A pair that is explained later is compared
    /// again, so that the explanation depends on nothing but the decision.
    ///
    /// # Errors
    /// The scorer cannot be asked at all, or failed on a pair and the policy is to stop. Nothing is decided then.
    pub(crate) fn similarities<S: PartitionState>(
        &mut self,
        batch: &Explainable<'_>,
        pairs: &[Pair],
        state: &mut S,
        scores: &mut Vec<Option<f64>>,
    ) -> Result<(), LineError> {
        scores.clear();
        scores.resize(pairs.len(), None);
        self.offsets.clear();
        self.offsets.extend(pairs.iter().map(|pair| pair.original.offset));
        state.originals(&self.offsets, &mut self.kept).map_err(LineError::state)?;
        let mut next = 0;
        while next < pairs.len() {
            self.pairing.pairs.clear();
            let mut laid_out = Vec::new();
            while self.pairing.has_room()
                && let Some(pair) = pairs.get(next)
            {
                if self.pairing.lay_out_early(batch, pair.record, pair.original.offset, self.kept.get(next)) {
                    laid_out.push(next);
                }
                next += 1;
            }
            let offset_of = |at: u32| {
                let pair = laid_out.get(at as usize).and_then(|at| pairs.get(*at));
                let candidate = pair.and_then(|pair| batch.candidate(pair.record));
                candidate.map_or(-1, |candidate| candidate.offset)
            };
            self.scoring.decide(&self.pairing.pairs, offset_of)?;
            for (at, answer) in laid_out.iter().zip(&self.scoring.comparisons.scores) {
                if let Some(score) = scores.get_mut(*at) {
                    *score = answer.map(|answer| answer.similarity);
                }
            }
        }
        Ok(())
    }
}

/// Why an event cannot be laid beside its original.
fn why_not(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::OtherFields => OTHER_FIELDS,
        Refusal::Damaged => DAMAGED,
    }
}
