//! The stages in their order, and what lasts from one batch to the next. One batch at a time, on one thread.

use std::sync::Arc;
use std::time::Instant;

use connectors::{Lane, Sink};
use engine::decide::Decider;
use engine::findings::Findings;
use engine::fingerprint::{Fingerprinter, Seed};
use engine::growth::Growth;
use engine::record::{Offset, RecordBatch, TopicPartition};
use engine::state::{Frontier, PartitionState};

use crate::costs::{PluginCost, StageTimes};
use crate::dead_letter::{Unread, send_coordinates};
use crate::decide::{self, LineClock};
use crate::decode::Decoder;
use crate::elders::{Elders, Kin};
use crate::error::LineError;
use crate::explain::{Explainable, Explainer};
use crate::extract::{KeyStage, Place};
use crate::look_up;
use crate::past::Past;
use crate::plugins::Plugins;
use crate::rules::Rules;
use crate::scratch::Scratch;
use crate::send::Sending;
use crate::similarity::BySimilarity;
use crate::tally::Tally;
use crate::unsendable::find_unsendable;
use crate::warnings::Warnings;

/// The line of one partition, over the state of it.
pub struct Line<S> {
    source: TopicPartition,
    rules: Arc<Rules>,
    stages: Stages,
    fingerprinter: Fingerprinter,
    decider: Decider,
    /// In the decider's place where events too unlike their originals pass.
    by_similarity: Option<Box<BySimilarity>>,
    clock: LineClock,
    state: S,
    /// Where there are committed offsets, and so replays.
    past: Option<Past>,
    /// Where the input has grown.
    kin: Option<Kin>,
    scratch: Scratch,
    tally: Tally,
    warnings: Warnings,
    times: StageTimes,
}

/// What the plugins of a run come to in one line.
struct Stages {
    decoder: Decoder,
    keys: KeyStage,
    explainer: Explainer,
}

impl Stages {
    fn new(
        source: &TopicPartition,
        rules: &Rules,
        plugins: &Plugins,
        fingerprinter: Fingerprinter,
    ) -> Result<Self, LineError> {
        let explainer = Explainer::new(source, rules, plugins, fingerprinter)?;
        let decoder = Decoder::new(rules, plugins, explainer.roots())?;
        Ok(Self { decoder, keys: KeyStage::new(source, rules, plugins)?, explainer })
    }
}

impl<S: PartitionState> Line<S> {
    /// Joins a partition's state with a fresh instance of the plugin.
    ///
    /// # Errors
    /// A pointer is none, or the plugin cannot be instantiated.
    pub fn new(source: TopicPartition, rules: Arc<Rules>, plugins: &Plugins, state: S) -> Result<Self, LineError> {
        let fingerprinter = Fingerprinter::new(state.seed());
        let stages = Stages::new(&source, &rules, plugins, fingerprinter.clone())?;
        Ok(Self {
            warnings: Warnings::new(source.clone(), &rules),
            source,
            scratch: stages.decoder.scratch(),
            stages,
            fingerprinter,
            decider: Decider::new(rules.window),
            by_similarity: BySimilarity::new(&rules),
            clock: LineClock::new(state.clock().unwrap_or_default(), &rules),
            rules,
            state,
            past: None,
            kin: None,
            tally: Tally::default(),
            times: StageTimes::default(),
        })
    }

    /// Puts other plugins in the place of those that it was made with: after a commit or a rollback, so that nothing
    /// that the old ones found out is under way.
    ///
    /// # Errors
    /// As [`Line::new`]; the line goes on with the plugins that it has.
    pub fn swap(&mut self, plugins: &Plugins) -> Result<(), LineError> {
        let Stages { decoder, keys, explainer } =
            Stages::new(&self.source, &self.rules, plugins, self.fingerprinter.clone())?;
        self.scratch = decoder.scratch();
        self.stages.decoder = decoder;
        self.stages.keys.give_way_to(keys);
        self.stages.explainer = explainer;
        Ok(())
    }

    /// Says what is known of the records below the committed offset; without, every record is decided anew whenever it
    /// comes.
    pub fn remember(&mut self, past: Past) {
        self.past = Some(past);
    }

    /// What [`Line::remember`] was told, and what came of it since.
    #[must_use]
    pub fn past(&self) -> Option<&Past> {
        self.past.as_ref()
    }

    /// As [`Line::past`], to be changed.
    pub fn past_mut(&mut self) -> Option<&mut Past> {
        self.past.as_mut()
    }

    /// Asks the keys that other partitions had before the input grew, too.
    pub fn ask_elders(&mut self, growth: Growth, elders: Box<dyn Elders>) {
        self.kin = Some(Kin::new(self.source.partition, growth, elders));
    }

    /// Decides a batch and sends what has to go out. The state may hold the batch on for the originals in it, see
    /// [`PartitionState::keep_shared`]. Records before `live_from` are replayed into the state only: their outputs were
    /// committed by an earlier run.
    ///
    /// # Errors
    /// Nothing sent or staged since the last commit may be committed then; call [`Line::rollback`]. Not so after
    /// [`LineError::Breaker`], [`LineError::Replay`] and [`LineError::Elders`].
    pub fn process(
        &mut self,
        batch: &Arc<RecordBatch>,
        live_from: Offset,
        sink: &mut dyn Sink,
    ) -> Result<(), LineError> {
        self.kin.as_ref().map_or(Ok(()), |kin| kin.wait_for(batch))?;
        let start = Instant::now();
        self.decode(batch, live_from, sink);
        let decoded = Instant::now();
        let place = Place { live_from, past: self.past.as_ref() };
        self.stages.keys.extract(batch, place, &mut self.scratch)?;
        let extracted = Instant::now();
        self.look_up(batch)?;
        let looked_up = Instant::now();
        self.decide(batch)?;
        let decided = Instant::now();
        self.explain(batch, live_from, sink)?;
        let explained = Instant::now();
        self.send(batch, live_from, sink)?;
        self.times.decode += decoded - start;
        self.times.extract += extracted - decoded;
        self.times.lookup += looked_up - extracted;
        self.times.decide += decided - looked_up;
        self.times.explain += explained - decided;
        self.times.produce += explained.elapsed();
        Ok(())
    }

    /// What the records are, before anybody is asked about them.
    fn decode(&mut self, batch: &RecordBatch, live_from: Offset, sink: &dyn Sink) {
        self.stages.decoder.decode(batch, &mut self.scratch, &self.warnings);
        if let Some(past) = &mut self.past {
            past.pass_exceptions_by(batch, live_from, &mut self.scratch);
        }
        find_unsendable(&self.source, batch, live_from, &mut self.scratch, sink);
    }

    fn look_up(&mut self, batch: &RecordBatch) -> Result<(), LineError> {
        look_up::hash_keys(&mut self.scratch, &self.fingerprinter);
        // By similarity, what has to be asked shows only while it is decided.
        if self.by_similarity.is_some() {
            return Ok(());
        }
        let Scratch { candidates, keys, elders, .. } = &mut self.scratch;
        self.kin.as_ref().map_or(Ok(()), |kin| kin.look_up(candidates, keys, elders))?;
        look_up::look_up(batch, &mut self.scratch, &mut self.state)
    }

    fn decide(&mut self, batch: &Arc<RecordBatch>) -> Result<(), LineError> {
        let Self { stages, scratch, clock, state, .. } = self;
        match &mut self.by_similarity {
            None => decide::decide(&mut self.decider, clock, scratch, state),
            Some(by_similarity) => by_similarity.decide(batch, scratch, &mut stages.explainer, clock, state)?,
        }
        let by_similarity = self.by_similarity.as_ref();
        decide::list_duplicates(scratch, |record| by_similarity.is_some_and(|by| by.is_forwarded(record)));
        Ok(())
    }

    /// Keeps originals, and finds out about duplicates.
    fn explain(&mut self, batch: &Arc<RecordBatch>, live_from: Offset, sink: &dyn Sink) -> Result<(), LineError> {
        let explained_to = sink.has(Lane::Duplicates).then_some(sink);
        let batch = Explainable { records: batch, scratch: &self.scratch, live_from, explained_to };
        self.stages.explainer.explain(&batch, &mut self.state)
    }

    fn send(&mut self, batch: &RecordBatch, live_from: Offset, sink: &mut dyn Sink) -> Result<(), LineError> {
        if let Some(by_similarity) = &self.by_similarity {
            self.tally.not_remembered += by_similarity.not_remembered(batch, live_from);
        }
        self.tally.stale += self.kin.as_ref().map_or(0, |kin| kin.stale(batch, live_from));
        let (source, rules, scratch, explainer) = (&self.source, &self.rules, &self.scratch, &self.stages.explainer);
        let sending = Sending { source, rules, batch, live_from, scratch, explainer };
        sending.send(&mut self.tally, self.past.as_mut(), sink)
    }

    /// Offsets that cannot be read are done with: a letter says which, and a replay passes them by, whatever can be read of
    /// them by then. `is_live`: they were not below the committed offset, where all that is to be said was said.
    ///
    /// # Errors
    /// The letter cannot be sent.
    pub fn skip(&mut self, unread: &Unread, is_live: bool, sink: &mut dyn Sink) -> Result<(), LineError> {
        if !is_live {
            return Ok(());
        }
        if let Some(past) = &mut self.past {
            past.ledger.decide_from(unread.from);
            past.ledger.note_range(unread.from, unread.next);
        }
        self.tally.unread += unread.next.abs_diff(unread.from);
        if sink.has(Lane::DeadLetter) {
            send_coordinates(&self.source, unread, sink)?;
        }
        Ok(())
    }

    /// What was sent since the last commit is committed, up to `next_offset`. `extra` is kept with the state.
    /// Returns the counts of what was committed, and what was found out about its duplicates.
    pub fn commit(&mut self, next_offset: Offset, extra: Vec<u8>) -> (Tally, Findings) {
        self.past.iter_mut().for_each(|past| past.ledger.settle());
        self.tally.clock_went_back += self.clock.commit(&self.warnings);
        let watermark = self.clock.watermark();
        self.state.commit(Frontier { next_offset, clock: &self.clock.now, watermark, extra });
        (std::mem::take(&mut self.tally), self.stages.explainer.take_findings())
    }

    /// What was sent since the last commit is not committed: the line is as it was then.
    pub fn rollback(&mut self) {
        self.clock.rollback();
        self.state.rollback();
        self.past.iter_mut().for_each(|past| past.ledger.rollback());
        self.stages.explainer.forget_findings();
        self.tally = Tally::default();
    }

    /// Counts of what was processed and is not committed yet.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The partition's state.
    pub fn store(&mut self) -> &mut S {
        &mut self.state
    }

    /// The partition's state, which the line is done with.
    pub fn into_store(self) -> S {
        self.state
    }

    /// Times, and what the extractor and the scorer cost, since the last call.
    pub fn take_costs(&mut self) -> (StageTimes, [PluginCost; 2]) {
        let costs = [self.stages.keys.take_cost(), self.stages.explainer.take_cost()];
        (std::mem::take(&mut self.times), costs)
    }
}

/// Whether a line could be made with these plugins.
///
/// # Errors
/// As [`Line::new`].
pub fn try_plugins(rules: &Rules, plugins: &Plugins) -> Result<(), LineError> {
    let nowhere = TopicPartition { topic: String::new(), partition: 0 };
    Stages::new(&nowhere, rules, plugins, Fingerprinter::new(Seed([0; 16]))).map(drop)
}
