//! How similar events are to originals, if that decides what passes. Not the explanation: a pair that is explained is
//! compared again, so that the explanation depends on nothing but the decision.

use engine::distinct::Pair;
use engine::properties::Kept;
use engine::record::Offset;
use plugin::PluginFailure;
use state::PartitionStore;

use super::{Batch, COMPARE_BYTES_MAX, Explainer, bytes, lay_out};
use crate::line::LineError;
use crate::settings::config::OnPluginFailure;

impl Explainer {
    /// Replaces `scores` by how alike the events of each pair are; `None` where that cannot be said: the original is not
    /// kept any more, or the scorer fails on the pair.
    ///
    /// # Errors
    /// The scorer cannot be asked at all, or failed on a pair and the policy is to stop. Nothing is decided then.
    pub(crate) fn similarities(
        &mut self,
        batch: &Batch<'_>,
        pairs: &[Pair],
        store: &mut PartitionStore,
        scores: &mut Vec<Option<f64>>,
    ) -> Result<(), LineError> {
        scores.clear();
        scores.resize(pairs.len(), None);
        self.offsets.clear();
        self.offsets.extend(pairs.iter().map(|pair| pair.original.offset));
        store.originals(&self.offsets, &mut self.kept)?;
        let mut next = 0;
        while next < pairs.len() {
            self.pairs.clear();
            let mut laid_out = Vec::new();
            while bytes(&self.pairs) < COMPARE_BYTES_MAX
                && let Some(pair) = pairs.get(next)
            {
                if self.is_laid_out(batch, pair, next) {
                    laid_out.push(next);
                }
                next += 1;
            }
            self.ask_scorer(batch, pairs, &laid_out)?;
            for (at, answer) in laid_out.into_iter().zip(&self.comparisons.scores) {
                if let Some(score) = scores.get_mut(at) {
                    *score = answer.map(|answer| answer.similarity);
                }
            }
        }
        Ok(())
    }

    /// Lays the events of a pair side by side; false where one of them cannot be had.
    fn is_laid_out(&mut self, batch: &Batch<'_>, pair: &Pair, nth: usize) -> bool {
        let Some(event) = event_of(batch, pair.record).filter(|event| self.reads(batch, *event)) else { return false };
        // Originals of this batch are put into the state only when it is decided which they are.
        let kept = if self.keep_aside(batch, pair.original.offset) {
            Some(self.original.as_slice())
        } else {
            self.kept.get(nth)
        };
        let (Some(kept), Some(pairer)) = (kept.and_then(Kept::decode), &mut self.pairer) else { return false };
        let (payload, spans) = (batch.payload(pair.record), batch.wanted.of(event));
        let uuid = batch.uuid(event);
        lay_out(pairer, &kept, payload, spans, uuid.as_deref(), &self.uuid_field, &mut self.pairs).is_ok()
    }

    fn reads(&self, batch: &Batch<'_>, event: u32) -> bool {
        self.reads_payload || batch.wanted.is_json(event)
    }

    /// Encodes the event at `offset` as it would be kept; false where it is not of this batch.
    fn keep_aside(&mut self, batch: &Batch<'_>, offset: Offset) -> bool {
        let record = batch.candidates.binary_search_by_key(&offset, |candidate| candidate.offset).ok();
        let record = record.and_then(|record| u32::try_from(record).ok());
        let Some((record, event)) = record.and_then(|record| Some((record, event_of(batch, record)?))) else {
            return false;
        };
        if !self.reads(batch, event) {
            return false;
        }
        let Some(pairer) = &mut self.pairer else { return false };
        self.original.clear();
        let uuid = batch.uuid(event);
        pairer.keep(uuid.as_deref(), batch.payload(record), batch.wanted.of(event), &mut self.original);
        true
    }

    /// Has the pairs scored; `laid_out` are their places among all pairs.
    fn ask_scorer(&mut self, batch: &Batch<'_>, pairs: &[Pair], laid_out: &[usize]) -> Result<(), LineError> {
        self.comparisons.scores.clear();
        let Some(scorer) = self.scorer.as_mut().filter(|_| self.pairs.pairs() > 0) else { return Ok(()) };
        let offset_of = |at: Option<&usize>| {
            let pair = at.and_then(|at| pairs.get(*at));
            let candidate = pair.and_then(|pair| batch.candidates.get(pair.record as usize));
            candidate.map_or(-1, |candidate| candidate.offset)
        };
        let calls = match scorer.compare(&self.pairs, &mut self.comparisons) {
            Ok(calls) => calls,
            // The score decides: without any, nothing is decided, and the partition waits as for a broken extractor.
            Err(failure @ (PluginFailure::Restart { .. } | PluginFailure::TooSlow { .. }))
                if self.on_failure != OnPluginFailure::Stop =>
            {
                self.cost.failures += 1;
                let reason = format!("--forward-below-similarity needs the scorer, which failed: {failure}");
                let partition = self.source.clone();
                return Err(LineError::Breaker { partition, offset: offset_of(laid_out.first()), reason });
            }
            Err(failure) => return Err(failure.into()),
        };
        self.cost.add(&calls, self.pairs.pairs());
        let Some((pair, reason)) = calls.failed.first() else { return Ok(()) };
        if self.on_failure != OnPluginFailure::Stop {
            return Ok(());
        }
        let offset = offset_of(laid_out.get(*pair as usize));
        Err(LineError::PoisonRecord { partition: self.source.clone(), offset, reason: reason.clone() })
    }
}

/// The place of a record among those that could be decoded.
fn event_of(batch: &Batch<'_>, record: u32) -> Option<u32> {
    batch.decoded.binary_search(&record).ok().and_then(|event| u32::try_from(event).ok())
}
