//! `dedup-host plugin test`: gives a component events, one a call, and tells what it says of each. A look from near, not a
//! measurement (see `bench`) and not a judgement (see `conformance`).

use std::collections::HashMap;

use engine::fields::{Extraction, FieldBatch, KeyStatus};
use engine::properties::{Comparisons, PairBatch, Score, Verdict};
use plugin::{Candidate, Cost, Fault, FaultKind, Info, Input, Probe, Role};
use serde::Serialize;

use super::events::{self, Inputs, Layout};
use super::screen::{self, Ink};
use super::{CommandError, answer, sandbox, trial_text};
use crate::exit::ExitCode;
use crate::settings::plugin::{Events, SandboxConfig, TestConfig};

pub(super) fn run(config: &TestConfig) -> Result<ExitCode, CommandError> {
    let candidate = sandbox::runtime(&config.sandbox, true)?.open(&config.component)?;
    let trial = Trial::of(&candidate, config)?;
    let one = matches!(config.events, Events::One(_));
    let text =
        if config.json { super::json(&trial) } else { trial_text::write(&trial, one, Ink::of_standard_output()) };
    answer(&text)?;
    Ok(if trial.summary.failed > 0 { ExitCode::PluginFailure } else { ExitCode::Ok })
}

/// What a component said of some events.
#[derive(Debug, Serialize)]
pub(super) struct Trial {
    pub(super) plugin: Who,
    pub(super) events: Vec<Tried>,
    pub(super) summary: Summary,
}

#[derive(Debug, Serialize)]
pub(super) struct Who {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) sha256: String,
}

/// What it said of one event.
#[derive(Debug, Serialize)]
pub(super) struct Tried {
    /// From 1, as lines are numbered.
    pub(super) number: usize,
    /// As text, what is no UTF-8 escaped.
    pub(super) event: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extraction: Option<Extracted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comparison: Option<Compared>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Keyed,
    NoKey,
    Invalid,
    /// It is not JSON, and the plugin reads fields: it was not asked.
    Undecodable,
    /// The plugin failed on it.
    Failed,
}

#[derive(Debug, Serialize)]
pub(super) struct Extracted {
    pub(super) status: Status,
    /// Absent where a key is no text.
    pub(super) keys: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keys_base64: Option<Vec<String>>,
    /// The plugin's note, or why there is no answer.
    pub(super) reason: Option<String>,
    /// The number of the first event with which it has a key in common.
    pub(super) duplicate_of: Option<usize>,
    /// What the plugin was given.
    pub(super) values: Vec<Value>,
    pub(super) log: Vec<Line>,
    pub(super) cost: Option<Spent>,
    #[serde(skip)]
    pub(super) key_bytes: Vec<Vec<u8>>,
}

/// A value handed to the plugin.
#[derive(Debug, Serialize)]
pub(super) struct Value {
    /// Empty for the whole payload.
    pub(super) field: String,
    pub(super) kind: &'static str,
    pub(super) value: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Compared {
    pub(super) similarity: Option<f64>,
    pub(super) property_similarity: Option<f64>,
    /// Pointers of the rows that differ, to the scorer.
    pub(super) changed: Vec<String>,
    pub(super) same: Vec<String>,
    pub(super) not_looked_at: Vec<String>,
    /// Why there is no answer.
    pub(super) reason: Option<String>,
    /// Whether the reason is that the plugin failed.
    pub(super) failed: bool,
    pub(super) log: Vec<Line>,
    pub(super) cost: Option<Spent>,
}

/// A line that the plugin wrote to the log.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) level: &'static str,
    pub(super) message: String,
}

/// What a call took.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Spent {
    pub(super) nanoseconds: u64,
    pub(super) fuel: u64,
    /// Of the instance after the call; memories never shrink.
    pub(super) memory_bytes: usize,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    pub(super) events: usize,
    /// Whether the input has more than was read.
    pub(super) more: bool,
    pub(super) keyed: usize,
    pub(super) no_key: usize,
    pub(super) invalid: usize,
    pub(super) undecodable: usize,
    /// Calls, of both roles, on which the plugin failed.
    pub(super) failed: usize,
    /// Events that have a key in common with an earlier one, whatever the time between.
    pub(super) duplicates: usize,
    pub(super) compared: usize,
    pub(super) nanoseconds_mean: u64,
    pub(super) fuel_mean: u64,
    pub(super) fuel_max: u64,
    pub(super) memory_bytes_max: usize,
}

impl Trial {
    fn of(candidate: &Candidate, config: &TestConfig) -> Result<Self, CommandError> {
        let roles = candidate.roles();
        if !roles.extracts_keys && config.original.is_none() {
            let message = format!(
                "{} compares events and extracts no keys: give --original, the event that came first, and --event or \
                 --input for its duplicates",
                config.component.display()
            );
            return Err(CommandError::new(ExitCode::Usage, message));
        }
        if !roles.scores && config.original.is_some() {
            let message = format!("{} compares no events: leave --original out", config.component.display());
            return Err(CommandError::new(ExitCode::Usage, message));
        }
        let (events, more) = events::read(&config.events, config.limit)?;
        let mut tester = Tester::new(candidate, config)?;
        let events: Vec<Tried> = (1..)
            .zip(&events)
            .map(|(number, event)| tester.try_out(number, event, config.original.as_deref()))
            .collect();
        let Info { name, version, .. } = tester.info;
        let summary = Summary::of(&events, more);
        Ok(Self { plugin: Who { name, version, sha256: candidate.sha256().to_owned() }, events, summary })
    }
}

/// The instances that are asked.
struct Tester<'a> {
    info: Info,
    layout: Layout,
    fields: Vec<String>,
    extractor: Option<Session<'a>>,
    scorer: Option<Session<'a>>,
    /// The first event of each key.
    seen: HashMap<Vec<u8>, usize>,
}

/// An instance in one role, which is replaced when it fails.
struct Session<'a> {
    candidate: &'a Candidate,
    role: Role,
    text: &'a str,
    probe: Probe,
}

impl<'a> Session<'a> {
    fn start(candidate: &'a Candidate, role: Role, config: &'a SandboxConfig) -> Result<(Self, Input), CommandError> {
        let text = sandbox::text(config, role);
        let (probe, input) = sandbox::configured(candidate, role, text).map_err(|cause| {
            let message = format!("plugin {} ({}) cannot be used: {cause}", candidate.path().display(), role.name());
            CommandError::new(ExitCode::Plugin, message)
        })?;
        Ok((Self { candidate, role, text, probe }, input))
    }

    /// Makes one call, and an instance for the next one where this one is lost.
    fn call(&mut self, call: impl FnOnce(&mut Probe) -> Result<(), Fault>) -> (Result<(), Fault>, Vec<Line>, Spent) {
        let done = call(&mut self.probe);
        let log = self.probe.take_log().into_iter();
        let log = log.map(|(level, message)| Line { level: level_name(level), message }).collect();
        let spent = Spent::of(self.probe.cost());
        if done.as_ref().is_err_and(|fault| fault.kind != FaultKind::Failure)
            && let Ok((probe, _)) = sandbox::configured(self.candidate, self.role, self.text)
        {
            self.probe = probe;
        }
        (done, log, spent)
    }
}

impl<'a> Tester<'a> {
    fn new(candidate: &'a Candidate, config: &'a TestConfig) -> Result<Self, CommandError> {
        let roles = candidate.roles();
        let start = |role, wanted: bool| wanted.then(|| Session::start(candidate, role, &config.sandbox)).transpose();
        let (mut extractor, extractor_input) = unzip(start(Role::KeyExtractor, roles.extracts_keys)?);
        let (mut scorer, scorer_input) = unzip(start(Role::SimilarityScorer, config.original.is_some())?);
        let session = extractor.as_mut().or(scorer.as_mut());
        let described = session.map(|session| session.probe.describe(session.role));
        let info = match described {
            Some(Ok(info)) => info,
            Some(Err(fault)) => {
                let message = format!("plugin {} failed to describe itself: {fault}", candidate.path().display());
                return Err(CommandError::new(ExitCode::Plugin, message));
            }
            None => return Err(CommandError::new(ExitCode::Plugin, "the plugin has no role")),
        };
        let fields = match &extractor_input {
            Some(Input::Fields(fields)) => fields.clone(),
            Some(Input::Payload) | None => Vec::new(),
        };
        let inputs = Inputs { extractor: extractor_input, scorer: scorer_input };
        let layout = Layout::new(&inputs, events::numbers(&config.sandbox))?;
        Ok(Self { info, layout, fields, extractor, scorer, seen: HashMap::new() })
    }

    fn try_out(&mut self, number: usize, event: &[u8], original: Option<&[u8]>) -> Tried {
        let extraction = self.extract(number, event);
        let comparison = original.and_then(|original| self.compare(original, event));
        Tried { number, event: screen::text_of(event), extraction, comparison }
    }

    fn extract(&mut self, number: usize, event: &[u8]) -> Option<Extracted> {
        let session = self.extractor.as_mut()?;
        let mut batch = self.layout.batch();
        if let Err(reason) = self.layout.push_fields(event, &mut batch) {
            return Some(Extracted::unanswered(Status::Undecodable, reason));
        }
        let mut extraction = Extraction::default();
        let (done, log, spent) = session.call(|probe| probe.extract(&batch, &mut extraction));
        let values = values(&self.fields, &batch);
        let mut extracted = match done {
            Err(fault) => Extracted::unanswered(Status::Failed, fault.words),
            Ok(()) => Extracted::of(&extraction),
        };
        extracted.duplicate_of = first_with(&mut self.seen, &extracted.key_bytes, number);
        Some(Extracted { values, log, cost: Some(spent), ..extracted })
    }

    fn compare(&mut self, original: &[u8], duplicate: &[u8]) -> Option<Compared> {
        let session = self.scorer.as_mut()?;
        let mut pairs = PairBatch::default();
        if let Err(reason) = self.layout.push_pair(original, duplicate, &mut pairs) {
            return Some(Compared::unanswered(reason, false));
        }
        let mut comparisons = Comparisons::default();
        let (done, log, spent) = session.call(|probe| probe.compare(&pairs, &mut comparisons));
        let compared = match (done, comparisons.scores.first().copied().flatten()) {
            (Err(fault), _) => Compared::unanswered(fault.words, true),
            (Ok(()), None) => Compared::unanswered("it gave no score".to_owned(), true),
            (Ok(()), Some(score)) => Compared::of(score, &pairs, &comparisons),
        };
        Some(Compared { log, cost: Some(spent), ..compared })
    }
}

fn unzip<A, B>(pair: Option<(A, B)>) -> (Option<A>, Option<B>) {
    match pair {
        Some((first, second)) => (Some(first), Some(second)),
        None => (None, None),
    }
}

/// The rule of a run without a window: the first key that is known decides, and every key not yet known is remembered.
fn first_with(seen: &mut HashMap<Vec<u8>, usize>, keys: &[Vec<u8>], number: usize) -> Option<usize> {
    let mut first = None;
    for key in keys {
        match seen.get(key) {
            Some(known) if *known != number => first = first.or(Some(*known)),
            Some(_) => {}
            None => {
                seen.insert(key.clone(), number);
            }
        }
    }
    first
}

fn values(fields: &[String], batch: &FieldBatch) -> Vec<Value> {
    let value = |(index, kind): (usize, &u8)| Value {
        field: fields.get(index).cloned().unwrap_or_default(),
        kind: kind_name(*kind),
        value: screen::text_of(batch.values.get(index).unwrap_or_default()),
    };
    batch.kinds.iter().enumerate().map(value).collect()
}

/// As the contract names kinds.
fn kind_name(kind: u8) -> &'static str {
    ["absent", "null", "bool", "number", "string", "json", "bytes"].get(usize::from(kind)).copied().unwrap_or("unknown")
}

/// As the contract names levels.
fn level_name(level: u8) -> &'static str {
    ["trace", "debug", "info", "warn"].get(usize::from(level)).copied().unwrap_or("error")
}

impl Extracted {
    fn unanswered(status: Status, reason: String) -> Self {
        Self {
            status,
            keys: Some(Vec::new()),
            keys_base64: None,
            reason: Some(reason),
            duplicate_of: None,
            values: Vec::new(),
            log: Vec::new(),
            cost: None,
            key_bytes: Vec::new(),
        }
    }

    /// Of a batch of one event.
    fn of(extraction: &Extraction) -> Self {
        let keys: Vec<&[u8]> =
            (0..extraction.keys.len()).map(|key| extraction.keys.get(key).unwrap_or_default()).collect();
        let texts: Option<Vec<String>> =
            keys.iter().map(|key| std::str::from_utf8(key).ok().map(str::to_owned)).collect();
        let base64 = texts.is_none().then(|| keys.iter().map(|key| screen::base64(key)).collect());
        let status = match extraction.status.first() {
            Some(KeyStatus::Keyed) => Status::Keyed,
            Some(KeyStatus::NoKey) | None => Status::NoKey,
            Some(KeyStatus::Invalid) => Status::Invalid,
        };
        Self {
            status,
            keys: texts,
            keys_base64: base64,
            reason: extraction.notes.first().map(|(_, note)| note.clone()),
            duplicate_of: None,
            values: Vec::new(),
            log: Vec::new(),
            cost: None,
            key_bytes: keys.iter().map(|key| key.to_vec()).collect(),
        }
    }
}

impl Compared {
    fn unanswered(reason: String, failed: bool) -> Self {
        Self {
            similarity: None,
            property_similarity: None,
            changed: Vec::new(),
            same: Vec::new(),
            not_looked_at: Vec::new(),
            reason: Some(reason),
            failed,
            log: Vec::new(),
            cost: None,
        }
    }

    /// Of a batch of one pair.
    fn of(score: Score, pairs: &PairBatch, comparisons: &Comparisons) -> Self {
        let rows = |wanted: Verdict| {
            let verdicts = comparisons.verdicts.iter().enumerate().filter(move |(_, verdict)| **verdict == wanted);
            verdicts.map(|(row, _)| screen::text_of(pairs.paths.get(row).unwrap_or_default())).collect()
        };
        Self {
            similarity: Some(score.similarity),
            property_similarity: Some(score.property_similarity),
            changed: rows(Verdict::Changed),
            same: rows(Verdict::Same),
            not_looked_at: rows(Verdict::Ignored),
            reason: None,
            failed: false,
            log: Vec::new(),
            cost: None,
        }
    }
}

impl Spent {
    fn of(cost: Cost) -> Self {
        Self {
            nanoseconds: u64::try_from(cost.time.as_nanos()).unwrap_or(u64::MAX),
            fuel: cost.fuel.unwrap_or(0),
            memory_bytes: cost.memory_bytes,
        }
    }
}

impl Summary {
    fn of(events: &[Tried], more: bool) -> Self {
        let extractions = || events.iter().filter_map(|tried| tried.extraction.as_ref());
        let comparisons = || events.iter().filter_map(|tried| tried.comparison.as_ref());
        let with = |status: Status| extractions().filter(|extracted| extracted.status == status).count();
        let costs: Vec<Spent> = (extractions().filter_map(|extracted| extracted.cost))
            .chain(comparisons().filter_map(|compared| compared.cost))
            .collect();
        let mean = |total: u64| total / (costs.len() as u64).max(1);
        Self {
            events: events.len(),
            more,
            keyed: with(Status::Keyed),
            no_key: with(Status::NoKey),
            invalid: with(Status::Invalid),
            undecodable: with(Status::Undecodable),
            failed: with(Status::Failed) + comparisons().filter(|compared| compared.failed).count(),
            duplicates: extractions().filter(|extracted| extracted.duplicate_of.is_some()).count(),
            compared: comparisons().filter(|compared| compared.similarity.is_some()).count(),
            nanoseconds_mean: mean(costs.iter().map(|cost| cost.nanoseconds).sum()),
            fuel_mean: mean(costs.iter().map(|cost| cost.fuel).sum()),
            fuel_max: costs.iter().map(|cost| cost.fuel).max().unwrap_or(0),
            memory_bytes_max: costs.iter().map(|cost| cost.memory_bytes).max().unwrap_or(0),
        }
    }
}
