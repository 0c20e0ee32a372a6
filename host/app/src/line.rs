//! The line of one partition: decode, extract, look up, decide, explain, send. One batch at a time, on one thread.
//! It does not read or commit: a driver brings batches, and says when what was sent is committed.

mod distinct;
mod unsendable;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use connectors::{Lane, Origin, Outgoing, Sink, SinkFailure, Unsendable};
use engine::decide::{Batch, Candidate, Decider, Decisions, Outcome, Window};
use engine::distinct::Distinct;
use engine::entry::Found;
use engine::fields::{Extraction, FieldBatch, KeyStatus, Kind};
use engine::fingerprint::{Fingerprint, Fingerprinter};
use engine::projection::{JsonIn, Numbers, PointerError, Projection};
use engine::properties::TooManyRoots;
use engine::record::{Millis, Offset, Record, RecordBatch, TopicPartition};
use engine::time::{Clock, Unusable, event_time, record_time};
use plugin::{Calls, Extractor, Input, PluginFailure, Role};
use state::{Applied, PartitionStore, StateError};

use crate::breaker::{Breaker, Verdict};
use crate::dump::{Dumper, Dumps};
use crate::explain::{self, Batch as Explainable, Duplicate, Explainer, Told, Wanted};
use crate::past::Past;
use crate::plugins::Plugins;
use crate::redaction::Redaction;
use crate::settings::config::{ExplanationConfig, LatePolicy, OnMissingKey, OnPluginFailure, OnUnsendable};
use crate::tally::Tally;
use crate::times::Warnings;

use observe::insights::Findings;
use unsendable::Leaving;
pub use unsendable::Unread;

/// What the operator chose about events; the same for every partition.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long keys are remembered.
    pub window: Window,
    /// Pointer to the event's uuid, which becomes the key of the outgoing record.
    pub uuid_field: String,
    /// Pointer to the event's time; `None` is the record's own timestamp.
    pub event_time: Option<String>,
    /// Whether numbers reach the plugin by value or as written.
    pub numbers: Numbers,
    /// Members whose strings are JSON text.
    pub json_in: JsonIn,
    /// What becomes of events without a key.
    pub on_missing_key: OnMissingKey,
    /// What becomes of late events.
    pub late: LatePolicy,
    /// What becomes of a record that the plugin fails on.
    pub on_plugin_failure: OnPluginFailure,
    /// What becomes of a record that can leave neither by its lane nor as a dead letter.
    pub on_unsendable: OnUnsendable,
    /// Share of the latest events, 0 to 1, on which the extractor may fail; `None`: all.
    pub breaker: Option<f64>,
    /// Where records are written down that a plugin fails on.
    pub dumps: Option<Arc<Dumps>>,
    /// How duplicates are explained.
    pub explain: ExplanationConfig,
    /// What keys are shown as where values of events are hidden; `None`: they are not hidden.
    pub redaction: Option<Redaction>,
}

impl Rules {
    /// How long before an event the keys may be that its decision needs; `None`: every key there ever was.
    #[must_use]
    pub fn memory(&self) -> Option<Millis> {
        let Window { length, allowed_lateness, clock } = &self.window;
        length.map(|length| length.saturating_add(*allowed_lateness).saturating_add(clock.out_of_orderness_max))
    }
}

/// Why a line cannot go on. Bad records are never the reason, unless the operator wants to stop at them.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// A pointer that is none.
    #[error("{0}")]
    Pointer(#[from] PointerError),
    /// The scorer asks for more than there can be.
    #[error("the scorer: {0}")]
    Roots(#[from] TooManyRoots),
    /// The plugin cannot be instantiated.
    #[error(transparent)]
    Load(#[from] plugin::LoadError),
    /// The plugin cannot be used at all any more.
    #[error(transparent)]
    Plugin(#[from] PluginFailure),
    /// The plugin failed on a record, and the policy is to stop.
    #[error(
        "the plugin failed on {partition} offset {offset}: {reason}; fix the plugin, or set --on-plugin-failure to \
         dead-letter or pass"
    )]
    PoisonRecord {
        /// Where the record is.
        partition: TopicPartition,
        /// Its offset.
        offset: Offset,
        /// What the plugin did.
        reason: String,
    },
    /// The plugin fails on so many events that it is to blame and not they. Nothing of the batch was sent or staged: what
    /// was processed before may be committed, and the batch may be tried again.
    #[error(
        "{partition} from offset {offset}: {reason}; fix the plugin and continue with --resume, or raise \
         --plugin-breaker, or set it to off"
    )]
    Breaker {
        /// Where the batch is.
        partition: TopicPartition,
        /// The offset of its first record.
        offset: Offset,
        /// What the plugin did.
        reason: String,
    },
    /// A record that was decided before cannot be decided as it was. Nothing of the batch was staged: it may be tried
    /// again.
    #[error(
        "{partition} offset {offset}, which was decided before the last commit, cannot be decided in the same way: \
         {reason}. to fix this: repair the plugin, or put back the one that decided it; or start with \
         --on-incomplete-progress accept, which replays the record as undecided, so that a later duplicate of it may \
         pass"
    )]
    Replay {
        /// Where the record is.
        partition: TopicPartition,
        /// Its offset.
        offset: Offset,
        /// What the plugin did.
        reason: String,
    },
    /// A record can leave neither by its lane nor as a dead letter, and the policy is to stop.
    #[error(
        "{partition} offset {offset} cannot be sent to its lane, {}: {cause}. nothing of it was sent or committed. \
         to fix this: raise the limits of the topic or the producer (max.message.bytes, \
         message.timestamp.after.max.ms and the like; --kafka-property producer.message.max.bytes); set a \
         --dead-letter-topic, where it goes without its payload; or set --on-unsendable skip, which drops and counts \
         such records",
        lane.name()
    )]
    Unsendable {
        /// Where the record is.
        partition: TopicPartition,
        /// Its offset.
        offset: Offset,
        /// The lane.
        lane: Lane,
        /// What does not take it, and why.
        cause: String,
    },
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// An output cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkFailure),
}

/// Time spent in each stage since it was last taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct StageTimes {
    /// Projection of fields.
    pub decode: Duration,
    /// The plugin's call.
    pub extract: Duration,
    /// Hashing keys and asking the state.
    pub lookup: Duration,
    /// The rule.
    pub decide: Duration,
    /// Keeping originals, comparing duplicates with theirs.
    pub explain: Duration,
    /// Handing records to the sink.
    pub produce: Duration,
}

/// What the plugin's calls cost since it was last taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct PluginCost {
    /// Calls into the component.
    pub calls: u64,
    /// Calls that trapped, ran out of time or lied.
    pub failures: u64,
    /// Time in calls.
    pub time: Duration,
    /// Events in calls; pairs of events where it scores.
    pub events: u64,
}

impl PluginCost {
    pub(crate) fn add(&mut self, calls: &Calls, events: usize) {
        self.events += events as u64;
        self.calls += u64::from(calls.calls);
        self.failures += u64::from(calls.traps);
        self.time += calls.time;
    }
}

/// Why a record has no key: its index in the batch, the kind of the reason, and the words.
struct Reason {
    record: u32,
    kind: &'static str,
    text: String,
}

/// Buffers of a batch, kept between batches.
#[derive(Default)]
struct Scratch {
    /// One group of fields for the plugin, one for the host.
    fields: Vec<FieldBatch>,
    /// Record index of each event that could be decoded.
    decoded: Vec<u32>,
    /// What the scorer asked for, of the same.
    wanted: Wanted,
    extraction: Extraction,
    candidates: Vec<Candidate>,
    owners: Vec<u32>,
    keys: Vec<Fingerprint>,
    found: Vec<Found>,
    decisions: Decisions,
    /// How alike pairs of events are, where that decides.
    scores: Vec<Option<f64>>,
    duplicates: Vec<Duplicate>,
    /// Ascending by record.
    reasons: Vec<Reason>,
    /// Records whose event time is of no use, ascending.
    unusable: Vec<(u32, Unusable)>,
    /// Whether a record of the batch may be one that a lane does not take.
    is_tight: bool,
    /// Records that could not be forwarded, ascending.
    unsendable: Vec<(u32, Unsendable)>,
}

impl Scratch {
    /// Takes events out again after they were decoded.
    fn leave_out(&mut self, is_out: impl Fn(u32) -> bool) {
        let is_kept: Vec<bool> = self.decoded.iter().map(|record| !is_out(*record)).collect();
        let keep = |event: usize| is_kept.get(event).copied().unwrap_or(false);
        self.fields.iter_mut().for_each(|fields| fields.retain_events(keep));
        self.wanted.retain_events(keep);
        self.decoded.retain(|record| !is_out(*record));
    }
}

/// The line of one partition.
pub struct Line {
    source: TopicPartition,
    rules: Arc<Rules>,
    projection: Projection,
    wants_payload: bool,
    extractor: Extractor,
    dumper: Option<Dumper>,
    fingerprinter: Fingerprinter,
    decider: Decider,
    /// In the decider's place where events too unlike their originals pass.
    distinct: Option<Box<Distinct>>,
    breaker: Breaker,
    clock: Clock,
    committed_clock: Clock,
    store: PartitionStore,
    /// Where there are committed offsets, and so replays.
    past: Option<Past>,
    explainer: Explainer,
    scratch: Scratch,
    tally: Tally,
    warnings: Warnings,
    times: StageTimes,
    plugin_cost: PluginCost,
}

/// Index of the host's group of fields; the plugin's is 0.
const HOST_FIELDS: usize = 1;

impl Line {
    /// Joins a partition's state with a fresh instance of the plugin.
    ///
    /// # Errors
    /// A pointer is none, or the plugin cannot be instantiated.
    pub fn new(
        source: TopicPartition,
        rules: Arc<Rules>,
        plugins: &Plugins,
        store: PartitionStore,
    ) -> Result<Self, LineError> {
        let Fitted { projection, wants_payload, extractor, dumper, explainer, fields, wanted } =
            Fitted::new(&source, &rules, plugins)?;
        let clock = store.applied().and_then(|applied| Clock::decode(&applied.clock)).unwrap_or_default();
        Ok(Self {
            warnings: Warnings::new(source.clone(), &rules),
            source,
            projection,
            wants_payload,
            extractor,
            dumper,
            fingerprinter: Fingerprinter::new(store.seed()),
            decider: Decider::new(rules.window),
            distinct: rules.explain.forward_below.map(|bound| Box::new(Distinct::new(rules.window, bound))),
            breaker: Breaker::new(rules.breaker),
            rules,
            committed_clock: clock.clone(),
            clock,
            store,
            past: None,
            explainer,
            scratch: Scratch { fields, wanted, ..Scratch::default() },
            tally: Tally::default(),
            times: StageTimes::default(),
            plugin_cost: PluginCost::default(),
        })
    }

    /// Puts other plugins in the place of those that it was made with: after a commit or a rollback, so that nothing
    /// that the old ones found out is under way.
    ///
    /// # Errors
    /// As [`Line::new`]; the line goes on with the plugins that it has.
    pub fn swap(&mut self, plugins: &Plugins) -> Result<(), LineError> {
        let Fitted { projection, wants_payload, extractor, dumper, explainer, fields, wanted } =
            Fitted::new(&self.source, &self.rules, plugins)?;
        self.projection = projection;
        self.wants_payload = wants_payload;
        self.extractor = extractor;
        self.dumper = dumper;
        self.explainer = explainer;
        self.scratch = Scratch { fields, wanted, ..Scratch::default() };
        self.breaker.forget();
        Ok(())
    }

    /// Whether a line could be made with these plugins.
    ///
    /// # Errors
    /// As [`Line::new`].
    pub fn try_plugins(rules: &Rules, plugins: &Plugins) -> Result<(), LineError> {
        let nowhere = TopicPartition { topic: String::new(), partition: 0 };
        Fitted::new(&nowhere, rules, plugins).map(drop)
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

    /// Decides a batch and sends what has to go out. The state may hold the batch on for the originals in it, see
    /// [`PartitionStore::take_released_batch`]. Records before `live_from` are replayed into the state only:
    /// their outputs were committed by an earlier run.
    ///
    /// # Errors
    /// Nothing sent or staged since the last commit may be committed then; call [`Line::rollback`]. Not so after
    /// [`LineError::Breaker`] and [`LineError::Replay`].
    pub fn process(
        &mut self,
        batch: &Arc<RecordBatch>,
        live_from: Offset,
        sink: &mut dyn Sink,
    ) -> Result<(), LineError> {
        let start = Instant::now();
        self.decode(batch);
        self.pass_exceptions_by(batch, live_from);
        self.find_unsendable(batch, live_from, sink);
        let decoded = Instant::now();
        self.extract(batch, live_from)?;
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

    fn decode(&mut self, batch: &RecordBatch) {
        let scratch = &mut self.scratch;
        scratch.fields.iter_mut().for_each(FieldBatch::clear);
        scratch.decoded.clear();
        scratch.wanted.clear();
        scratch.reasons.clear();
        scratch.candidates.clear();
        for (index, record) in (0..).zip(batch.iter()) {
            let time = record_time(record.timestamp());
            let (offset, status) = (record.offset(), KeyStatus::Invalid);
            scratch.candidates.push(Candidate { offset, time, status, sendable: true });
            let decoded = match record.payload() {
                None => Err(record.unread().unwrap_or("the payload is null (a tombstone)").to_owned()),
                Some(payload) => match self.projection.project(payload, &mut scratch.fields) {
                    Ok(()) => {
                        scratch.wanted.push(self.projection.spans().iter().cloned(), self.projection.spans_text());
                        Ok(())
                    }
                    // Fields of the host's own are a service where there is JSON; the payload need not be.
                    Err(_) if self.wants_payload => {
                        if let Some(host) = scratch.fields.get_mut(HOST_FIELDS) {
                            (0..host.width).for_each(|_| host.push(Kind::Absent, b""));
                        }
                        scratch.wanted.push_opaque();
                        Ok(())
                    }
                    Err(error) => Err(error.reason(payload)),
                },
            };
            match decoded {
                Ok(()) => scratch.decoded.push(index),
                Err(text) => scratch.reasons.push(Reason { record: index, kind: "decode", text }),
            }
        }
        self.read_event_times(batch);
    }

    fn read_event_times(&mut self, batch: &RecordBatch) {
        let scratch = &mut self.scratch;
        scratch.unusable.clear();
        let Some(host) = scratch.fields.get(HOST_FIELDS).filter(|_| self.rules.event_time.is_some()) else { return };
        for (event, index) in scratch.decoded.iter().enumerate() {
            let field = event * 2 + 1;
            let kind = host.kinds.get(field).map_or(Kind::Absent, |kind| kind_of(*kind));
            let value = host.values.get(field).unwrap_or_default();
            let Some(candidate) = scratch.candidates.get_mut(*index as usize) else { continue };
            let timestamp = batch.get(*index as usize).and_then(|record| record.timestamp());
            let said = event_time(kind, value, timestamp, &self.rules.window.clock);
            candidate.time = said.time;
            if let Some(unusable) = said.unusable {
                scratch.unusable.push((*index, unusable));
                self.warnings.unusable_time(candidate.offset, unusable, value, said.time);
            }
        }
    }

    /// Replayed records that went out undecided are not put to the plugin again, and so leave no entry.
    fn pass_exceptions_by(&mut self, batch: &RecordBatch, live_from: Offset) {
        let ends = batch.get(0).zip(batch.len().checked_sub(1).and_then(|last| batch.get(last)));
        let (Some(past), Some((first, last))) = (&mut self.past, ends) else { return };
        past.ledger.decide_from(first.offset().max(live_from));
        if !past.has_exceptions(first.offset(), live_from.min(last.offset() + 1)) {
            return;
        }
        self.scratch.leave_out(|record| {
            let offset = batch.get(record as usize).map_or(live_from, |record| record.offset());
            offset < live_from && past.is_exception(offset)
        });
    }

    /// What was decided before must be decided as it was: neither anew nor not at all.
    fn refuse_new_decisions(&self, batch: &RecordBatch, live_from: Offset) -> Result<(), LineError> {
        let Some(past) = self.past.as_ref().filter(|_| batch.get(0).is_some_and(|first| first.offset() < live_from))
        else {
            return Ok(());
        };
        for (record, status) in self.scratch.decoded.iter().zip(&self.scratch.extraction.status) {
            let offset = batch.get(*record as usize).map_or(live_from, |record| record.offset());
            if *status == KeyStatus::Invalid && offset < live_from && past.was_decided(offset) {
                let reason = self.scratch.reasons.iter().find(|reason| reason.record == *record);
                let reason = reason.map_or("the plugin calls it invalid", |reason| reason.text.as_str()).to_owned();
                return Err(LineError::Replay { partition: self.source.clone(), offset, reason });
            }
        }
        Ok(())
    }

    fn extract(&mut self, batch: &RecordBatch, live_from: Offset) -> Result<(), LineError> {
        let payloads = self.wants_payload.then(|| payloads(batch, &self.scratch.decoded));
        let scratch = &mut self.scratch;
        let Some(events) = payloads.as_ref().or_else(|| scratch.fields.first()) else { return Ok(()) };
        let offset = batch.get(0).map_or(0, |record| record.offset());
        // To stop at the first failure is stricter than any share.
        let may_hold = self.rules.on_plugin_failure != OnPluginFailure::Stop;
        let hold = |reason| LineError::Breaker { partition: self.source.clone(), offset, reason };
        let calls = match self.extractor.extract(events, &mut scratch.extraction) {
            Ok(calls) => calls,
            Err(failure @ PluginFailure::Malformed { .. }) => return Err(failure.into()),
            Err(failure) => {
                self.plugin_cost.failures += 1;
                if offset < live_from && self.past.as_ref().is_some_and(|past| past.was_decided(offset)) {
                    let (partition, reason) = (self.source.clone(), failure.to_string());
                    return Err(LineError::Replay { partition, offset, reason });
                }
                let held = may_hold && self.breaker.gave_up() == Verdict::Hold;
                return Err(if held { hold(failure.to_string()) } else { failure.into() });
            }
        };
        self.plugin_cost.add(&calls, events.events());
        if let Some(dumper) = &self.dumper {
            dumper.events(&calls.failed, events, |event| offset_of(batch, &scratch.decoded, event));
        }
        if may_hold && self.breaker.answered(events.events(), calls.failed.len()) == Verdict::Hold {
            return Err(hold(too_many(&calls, &self.breaker)));
        }
        for (event, text) in calls.failed {
            let Some(record) = scratch.decoded.get(event as usize).copied() else { continue };
            if self.rules.on_plugin_failure == OnPluginFailure::Stop {
                let offset = batch.get(record as usize).map_or(-1, |record| record.offset());
                return Err(LineError::PoisonRecord { partition: self.source.clone(), offset, reason: text });
            }
            scratch.reasons.push(Reason { record, kind: "plugin", text });
        }
        for (event, text) in scratch.extraction.notes.drain(..) {
            if let Some(record) = scratch.decoded.get(event as usize).copied() {
                scratch.reasons.push(Reason { record, kind: "key", text });
            }
        }
        // Stable: where a record has two reasons, the first is the nearer cause.
        scratch.reasons.sort_by_key(|reason| reason.record);
        for (index, status) in scratch.decoded.iter().zip(&scratch.extraction.status) {
            if let Some(candidate) = scratch.candidates.get_mut(*index as usize) {
                candidate.status = *status;
            }
        }
        self.refuse_new_decisions(batch, live_from)
    }

    fn look_up(&mut self, batch: &RecordBatch) -> Result<(), LineError> {
        let scratch = &mut self.scratch;
        scratch.owners.clear();
        scratch.keys.clear();
        for (key, owner) in scratch.extraction.owners.iter().enumerate() {
            let record = scratch.decoded.get(*owner as usize).copied();
            if let (Some(bytes), Some(record)) = (scratch.extraction.keys.get(key), record) {
                scratch.owners.push(record);
                scratch.keys.push(self.fingerprinter.fingerprint(bytes));
            }
        }
        if self.distinct.is_some() {
            return Ok(());
        }
        let first_offset = batch.get(0).map_or(0, |record| record.offset());
        Ok(self.store.lookup(&scratch.keys, first_offset, &mut scratch.found)?)
    }

    fn decide(&mut self, records: &Arc<RecordBatch>) -> Result<(), LineError> {
        if self.distinct.is_some() {
            return self.decide_by_likeness(records);
        }
        let scratch = &mut self.scratch;
        let batch = Batch {
            candidates: &scratch.candidates,
            owners: &scratch.owners,
            keys: &scratch.keys,
            found: &scratch.found,
            gone: self.store.gone(),
        };
        self.decider.decide(&batch, &mut self.clock, &mut scratch.decisions);
        self.store.stage(&scratch.decisions.writes);
        Ok(())
    }

    /// Keeps originals, and finds out about duplicates.
    fn explain(&mut self, batch: &Arc<RecordBatch>, live_from: Offset, sink: &dyn Sink) -> Result<(), LineError> {
        let scratch = &mut self.scratch;
        let Some(host_fields) = scratch.fields.get(HOST_FIELDS) else { return Ok(()) };
        let batch = Explainable {
            records: batch,
            keys: &scratch.extraction.keys,
            candidates: &scratch.candidates,
            decoded: &scratch.decoded,
            host_fields,
            wanted: &scratch.wanted,
            fingerprinter: &self.fingerprinter,
            live_from,
            letters_to: sink.has(Lane::Duplicates).then_some(sink),
        };
        self.explainer.keep(&batch, &scratch.decisions.writes, &mut self.store)?;
        scratch.duplicates.clear();
        let mut event = 0;
        for (record, outcome) in (0_u32..).zip(&scratch.decisions.outcomes) {
            if let Outcome::Duplicate { key, original } = *outcome {
                let forwarded = self.distinct.as_ref().is_some_and(|distinct| distinct.is_forwarded(record));
                scratch.duplicates.push(Duplicate { record, event, key, original, forwarded });
            }
            event += u32::from(scratch.decoded.get(event as usize) == Some(&record));
        }
        self.explainer.explain(&batch, &scratch.duplicates, &mut self.store)
    }

    fn send(&mut self, batch: &RecordBatch, live_from: Offset, sink: &mut dyn Sink) -> Result<(), LineError> {
        self.count_not_remembered(batch, live_from);
        let scratch = &self.scratch;
        let mut reasons = scratch.reasons.iter().peekable();
        let mut unusable = scratch.unusable.iter().peekable();
        let mut without_memory = scratch.decisions.without_memory.iter().peekable();
        let mut unsendable = scratch.unsendable.iter().peekable();
        let (mut event, mut duplicate) = (0, 0);
        for (index, (record, outcome)) in (0_u32..).zip(batch.iter().zip(&scratch.decisions.outcomes)) {
            let reason = reasons.next_if(|reason| reason.record == index);
            while reasons.next_if(|reason| reason.record == index).is_some() {}
            let unusable = unusable.next_if(|(record, _)| *record == index).map(|(_, unusable)| *unusable);
            let without_memory = without_memory.next_if_eq(&&index).is_some();
            let unsendable = unsendable.next_if(|(record, _)| *record == index).map(|(_, why)| why);
            let decoded = scratch.decoded.get(event) == Some(&index);
            let uuid =
                scratch.fields.get(HOST_FIELDS).filter(|_| decoded).and_then(|fields| explain::uuid(fields, event));
            event += usize::from(decoded);
            let nth = duplicate;
            duplicate += usize::from(matches!(outcome, Outcome::Duplicate { .. }));
            if record.offset() < live_from {
                self.tally.replayed += 1;
                continue;
            }
            let told = self.explainer.told(nth).filter(|_| matches!(outcome, Outcome::Duplicate { .. }));
            let lane = self.exit(*outcome, told, reason, sink);
            let way = Way { source: &self.source, record, uuid, reason };
            let letter = self.explainer.letter(nth);
            let met =
                scratch.duplicates.get(nth).and_then(|duplicate| scratch.extraction.keys.get(duplicate.key as usize));
            let left = self.leave(&Leaving { way, index, outcome: *outcome, lane, letter, met, unsendable }, sink)?;
            let exit = left.by;
            self.tally.count(*outcome, told, exit);
            self.tally.count_unsendable(left.refusal);
            self.tally.count_time(unusable, without_memory);
            if let Some(past) = self.past.as_mut().filter(|_| is_undecided(*outcome, decoded, exit)) {
                past.ledger.note(record.offset());
            }
        }
        Ok(())
    }

    /// The way out of an event; `None` is none at all, by policy.
    fn exit(&self, outcome: Outcome, told: Option<Told>, reason: Option<&Reason>, sink: &dyn Sink) -> Option<Lane> {
        let buried = if sink.has(Lane::DeadLetter) { Lane::DeadLetter } else { Lane::Output };
        match outcome {
            Outcome::Unique => Some(Lane::Output),
            Outcome::Duplicate { .. } if told.is_some_and(|told| told.forwarded) => Some(Lane::Output),
            Outcome::Duplicate { .. } => Some(Lane::Duplicates),
            Outcome::Late => match self.rules.late {
                LatePolicy::Pass => Some(Lane::Output),
                LatePolicy::Drop => None,
                LatePolicy::Divert => Some(Lane::Late),
            },
            Outcome::Keyless => match self.rules.on_missing_key {
                OnMissingKey::Pass => Some(Lane::Output),
                OnMissingKey::DeadLetter => Some(buried),
                OnMissingKey::Drop => None,
            },
            Outcome::DeadLetter => {
                let failed = reason.is_some_and(|reason| reason.kind == "plugin");
                let pass = failed && self.rules.on_plugin_failure == OnPluginFailure::Pass;
                Some(if pass { Lane::Output } else { buried })
            }
        }
    }

    /// What was sent since the last commit is committed, up to `next_offset`. `extra` is kept with the state.
    /// Returns the counts of what was committed, and what was found out about its duplicates.
    pub fn commit(&mut self, next_offset: Offset, extra: Vec<u8>) -> (Tally, Findings) {
        self.past.iter_mut().for_each(|past| past.ledger.settle());
        let went_back = self.clock.went_back().saturating_sub(self.committed_clock.went_back());
        if went_back > 0 {
            self.tally.clock_went_back += went_back;
            self.warnings.clock_went_back(&self.committed_clock, &self.clock);
        }
        self.committed_clock.clone_from(&self.clock);
        self.store.commit(Applied {
            next_offset,
            clock: self.clock.encode(),
            watermark: self.clock.watermark(&self.rules.window.clock),
            clock_records: self.clock.records(),
            clock_is_ahead: self.clock.has_seen(next_offset),
            extra,
        });
        (std::mem::take(&mut self.tally), self.explainer.take_findings())
    }

    /// What was sent since the last commit is not committed: the line is as it was then.
    pub fn rollback(&mut self) {
        self.clock.clone_from(&self.committed_clock);
        self.store.rollback();
        self.past.iter_mut().for_each(|past| past.ledger.rollback());
        self.explainer.forget_findings();
        self.tally = Tally::default();
    }

    /// Counts of what was processed and is not committed yet.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The partition's state.
    pub fn store(&mut self) -> &mut PartitionStore {
        &mut self.store
    }

    /// Times, and what the extractor and the scorer cost, since the last call.
    pub fn take_costs(&mut self) -> (StageTimes, [PluginCost; 2]) {
        let costs = [std::mem::take(&mut self.plugin_cost), self.explainer.take_cost()];
        (std::mem::take(&mut self.times), costs)
    }
}

/// Whether a replay would not surely do the same: another answer of the plugin would decide the event after all. What
/// cannot be decoded stays so. An event that passes without a key has gone out, and one that is dropped was not wanted:
/// the plugin's key version promises that neither gets a key later.
fn is_undecided(outcome: Outcome, decoded: bool, exit: Option<Lane>) -> bool {
    match outcome {
        Outcome::Unique | Outcome::Duplicate { .. } | Outcome::Late => false,
        Outcome::Keyless => exit == Some(Lane::DeadLetter),
        Outcome::DeadLetter => decoded,
    }
}

/// Why the extractor is to blame.
fn too_many(calls: &Calls, breaker: &Breaker) -> String {
    let last = calls.failed.last().map_or("", |(_, reason)| reason.as_str());
    let percent = breaker.share() * 100.0;
    format!(
        "the plugin fails on {percent:.0} % of the latest events, more than --plugin-breaker allows; the last: {last}"
    )
}

/// What the plugins of a run come to in one line.
struct Fitted {
    projection: Projection,
    wants_payload: bool,
    extractor: Extractor,
    dumper: Option<Dumper>,
    explainer: Explainer,
    /// Buffers of the right widths.
    fields: Vec<FieldBatch>,
    wanted: Wanted,
}

impl Fitted {
    fn new(source: &TopicPartition, rules: &Rules, plugins: &Plugins) -> Result<Self, LineError> {
        let (wants_payload, plugin_fields) = match plugins.extractor.input() {
            Input::Payload => (true, Vec::new()),
            Input::Fields(fields) => (false, fields.clone()),
        };
        let host_fields: Vec<String> =
            [Some(rules.uuid_field.clone()), rules.event_time.clone()].into_iter().flatten().collect();
        let explainer = Explainer::new(source, rules, plugins)?;
        let spans = explainer.roots();
        let groups: [&[String]; 2] = [&plugin_fields, &host_fields];
        let projection = Projection::compile_inside(&groups, spans, &rules.json_in, rules.numbers)?
            .with_numbers_as_written(HOST_FIELDS);
        Ok(Self {
            wanted: Wanted { width: spans.len(), ..Wanted::default() },
            fields: projection.widths().into_iter().map(FieldBatch::new).collect(),
            projection,
            wants_payload,
            extractor: plugins.extractor.extractor()?,
            dumper: Dumper::new(rules.dumps.as_ref(), &plugins.extractor, Role::KeyExtractor, source),
            explainer,
        })
    }
}

/// The offset of a decoded event.
fn offset_of(batch: &RecordBatch, decoded: &[u32], event: u32) -> Offset {
    let record = decoded.get(event as usize).and_then(|record| batch.get(*record as usize));
    record.map_or(-1, |record| record.offset())
}

pub(crate) fn kind_of(number: u8) -> Kind {
    let kinds = [Kind::Null, Kind::Bool, Kind::Number, Kind::String, Kind::Json, Kind::Bytes];
    kinds.into_iter().find(|kind| *kind as u8 == number).unwrap_or(Kind::Absent)
}

fn payloads(batch: &RecordBatch, decoded: &[u32]) -> FieldBatch {
    let mut whole = FieldBatch::new(1);
    for index in decoded {
        let payload = batch.get(*index as usize).and_then(|record| record.payload());
        whole.push(Kind::Bytes, payload.unwrap_or_default());
    }
    whole
}

/// A record at the end of the line.
#[derive(Clone, Copy)]
struct Way<'a> {
    source: &'a TopicPartition,
    record: Record<'a>,
    uuid: Option<&'a [u8]>,
    reason: Option<&'a Reason>,
}

impl<'a> Way<'a> {
    fn origin(&self) -> Origin {
        Origin { partition: self.source.partition, offset: self.record.offset() }
    }

    /// Where the record stands, in a text.
    fn place(&self) -> String {
        format!("{}/{}/{}", self.source.topic, self.source.partition, self.record.offset())
    }

    /// The key of what goes out: the event's uuid where there is one, of a length that a key may have.
    fn key(&self) -> Option<Cow<'a, [u8]>> {
        self.uuid.map(unsendable::bounded).or(self.record.key().map(Cow::Borrowed))
    }

    /// Byte for byte; the key is the event's uuid where there is one.
    fn passed<'b>(&self, key: Option<&'b [u8]>) -> Outgoing<'b>
    where
        'a: 'b,
    {
        Outgoing {
            origin: self.origin(),
            key,
            payload: self.record.payload(),
            timestamp: self.record.timestamp(),
            headers_of: Some(self.record),
            extra_headers: &[],
        }
    }

    fn explained<'b>(&self, key: Option<&'b [u8]>, letter: &'b [u8]) -> Outgoing<'b> {
        Outgoing {
            origin: self.origin(),
            key,
            payload: Some(letter),
            timestamp: self.record.timestamp(),
            headers_of: None,
            extra_headers: &[],
        }
    }

    fn buried<'b>(&self, headers: &'b [(&'static str, &'b str)]) -> Outgoing<'b>
    where
        'a: 'b,
    {
        Outgoing {
            origin: self.origin(),
            key: self.record.key(),
            payload: self.record.payload(),
            timestamp: self.record.timestamp(),
            headers_of: Some(self.record),
            extra_headers: headers,
        }
    }

    /// The stage that made a dead letter of it, and why.
    fn stage(&self) -> (&'static str, &'a str) {
        self.reason.map_or(("key", "the plugin calls the event invalid"), |r| (r.kind, r.text.as_str()))
    }
}
