//! Calls the scorer, and says what its failure means: where scores only explain, duplicates go without; where they decide,
//! the partition waits. Does not lay out pairs.

use engine::properties::{Comparisons, PairBatch};
use engine::record::{Offset, TopicPartition};
use plugin::{Calls, Plugin, PluginFailure, Role, Scorer};

use crate::costs::PluginCost;
use crate::dump::Dumper;
use crate::error::LineError;
use crate::rules::{OnPluginFailure, Rules};

/// Batches for which a scorer that failed as a whole is not asked: it may have taken a minute to fail.
const RESTS: u32 = 1_000;

/// The scorer of one partition.
pub(crate) struct Scoring {
    source: TopicPartition,
    scorer: Option<Scorer>,
    dumper: Option<Dumper>,
    on_failure: OnPluginFailure,
    /// Calls that the scorer is still to be spared.
    rests: u32,
    pub(crate) comparisons: Comparisons,
    cost: PluginCost,
}

impl Scoring {
    pub(crate) fn new(source: &TopicPartition, rules: &Rules, scorer: Option<&Plugin>) -> Result<Self, LineError> {
        let dumper = |scorer| Dumper::new(rules.dumps.as_ref(), scorer, Role::SimilarityScorer, source);
        Ok(Self {
            source: source.clone(),
            scorer: scorer.map(Plugin::scorer).transpose()?,
            dumper: scorer.and_then(dumper),
            on_failure: rules.on_plugin_failure,
            rests: 0,
            comparisons: Comparisons::default(),
            cost: PluginCost::default(),
        })
    }

    /// What the calls cost since the last call.
    pub(crate) fn take_cost(&mut self) -> PluginCost {
        std::mem::take(&mut self.cost)
    }

    /// Has pairs scored that are explained. `offset_of` is the offset of the duplicate of a pair.
    pub(crate) fn explain(&mut self, pairs: &PairBatch, offset_of: impl Fn(u32) -> Offset) -> Result<(), LineError> {
        self.comparisons.scores.clear();
        let Some(scorer) = self.scorer.as_mut().filter(|_| pairs.pairs() > 0) else { return Ok(()) };
        if self.rests > 0 {
            self.rests -= 1;
            return Ok(());
        }
        let calls = match scorer.compare(pairs, &mut self.comparisons) {
            Ok(calls) => calls,
            // Duplicates without a score lose nobody an event: no reason to hold a partition, as a broken extractor is.
            Err(failure) if self.is_borne(&failure) => {
                self.cost.failures += 1;
                self.rests = RESTS;
                tracing::warn!(source = %self.source, %failure, batches = RESTS, "the scorer is paused; duplicates \
                 get no score");
                return Ok(());
            }
            Err(failure) => return Err(failure.into()),
        };
        self.cost.add(&calls, pairs.pairs());
        let Some((pair, reason)) = calls.failed.first() else { return Ok(()) };
        if let Some(dumper) = &self.dumper {
            dumper.pairs(&calls.failed, pairs, &offset_of);
        }
        let offset = offset_of(*pair);
        self.stop_at(offset, reason)?;
        tracing::warn!(source = %self.source, offset, pairs = calls.failed.len(), reason, "the scorer failed");
        Ok(())
    }

    /// Has pairs scored whose score decides: without any, nothing is decided, and the partition waits as for a broken
    /// extractor. `offset_of` is the offset of the later event of a pair.
    pub(crate) fn decide(&mut self, pairs: &PairBatch, offset_of: impl Fn(u32) -> Offset) -> Result<(), LineError> {
        self.comparisons.scores.clear();
        let Some(scorer) = self.scorer.as_mut().filter(|_| pairs.pairs() > 0) else { return Ok(()) };
        let calls: Calls = match scorer.compare(pairs, &mut self.comparisons) {
            Ok(calls) => calls,
            Err(failure) if self.is_borne(&failure) => {
                self.cost.failures += 1;
                let reason = format!("--forward-below-similarity needs the scorer, which failed: {failure}");
                let partition = self.source.clone();
                return Err(LineError::Breaker { partition, offset: offset_of(0), reason });
            }
            Err(failure) => return Err(failure.into()),
        };
        self.cost.add(&calls, pairs.pairs());
        let Some((pair, reason)) = calls.failed.first() else { return Ok(()) };
        self.stop_at(offset_of(*pair), reason)
    }

    /// Whether the run goes on although the scorer gave no answer at all.
    fn is_borne(&self, failure: &PluginFailure) -> bool {
        let is_passing = matches!(failure, PluginFailure::Restart { .. } | PluginFailure::TooSlow { .. });
        is_passing && self.on_failure != OnPluginFailure::Stop
    }

    /// An error where the operator wants to stop at the first failure.
    fn stop_at(&self, offset: Offset, reason: &str) -> Result<(), LineError> {
        if self.on_failure != OnPluginFailure::Stop {
            return Ok(());
        }
        Err(LineError::PoisonRecord { partition: self.source.clone(), offset, reason: reason.to_owned() })
    }
}
