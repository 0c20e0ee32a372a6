//! `dedup-host plugin test`: passes events to a component, one per call, and shows what it answers for each. A close
//! look, not a measurement (see `bench`) and not a judgement (see `conformance`).

use std::collections::HashMap;

use engine::fields::Extraction;
use engine::properties::{Comparisons, PairBatch};
use plugin::{Candidate, Fault, FaultKind, Info, Input, Probe, Role};

use super::answers::{Compared, Extracted, Line, Spent, Status, values};
use super::config::{Events, SandboxConfig, TestConfig};
use super::ending::{Cause, CommandError, Ended};
use super::events::{self, Inputs, Layout};
use super::output::{self, answer};
use super::screen::{self, Ink};
use super::tried::{Summary, Trial, Tried, Who};
use super::{sandbox, trial_text};

pub(super) fn run(config: &TestConfig) -> Result<Ended, CommandError> {
    let candidate = sandbox::open(&sandbox::runtime(&config.sandbox, true)?, &config.component)?;
    let trial = try_all(&candidate, config)?;
    let one = matches!(config.events, Events::One(_));
    let text =
        if config.json { output::json(&trial) } else { trial_text::write(&trial, one, Ink::of_standard_output()) };
    answer(&text)?;
    Ok(if trial.summary.failed > 0 { Ended::PluginFailed } else { Ended::Done })
}

fn try_all(candidate: &Candidate, config: &TestConfig) -> Result<Trial, CommandError> {
    let roles = candidate.roles();
    if !roles.extracts_keys && config.original.is_none() {
        let message = format!(
            "{} compares events and extracts no keys: give --original, the event that came first, and --event or \
             --input for its duplicates",
            config.component.display()
        );
        return Err(CommandError::new(Cause::Usage, message));
    }
    if !roles.scores && config.original.is_some() {
        let message = format!("{} compares no events: leave --original out", config.component.display());
        return Err(CommandError::new(Cause::Usage, message));
    }
    let (events, more) = events::read(&config.events, config.limit)?;
    let mut tester = Tester::new(candidate, config)?;
    let events: Vec<Tried> =
        (1..).zip(&events).map(|(number, event)| tester.try_out(number, event, config.original.as_deref())).collect();
    let Info { name, version, .. } = tester.info;
    let summary = Summary::of(&events, more);
    Ok(Trial { plugin: Who { name, version, sha256: candidate.sha256().to_owned() }, events, summary })
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
            CommandError::new(Cause::Plugin, message)
        })?;
        Ok((Self { candidate, role, text, probe }, input))
    }

    /// Makes one call, and an instance for the next one where this one is lost.
    fn call(&mut self, call: impl FnOnce(&mut Probe) -> Result<(), Fault>) -> (Result<(), Fault>, Vec<Line>, Spent) {
        let done = call(&mut self.probe);
        let log = self.probe.take_log().into_iter().map(Line::from).collect();
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
                return Err(CommandError::new(Cause::Plugin, message));
            }
            None => return Err(CommandError::new(Cause::Plugin, "the plugin has no role")),
        };
        let fields = match &extractor_input {
            Some(Input::Fields(fields)) => fields.clone(),
            Some(Input::Payload) | None => Vec::new(),
        };
        let inputs = Inputs { extractor: extractor_input, scorer: scorer_input };
        let layout = Layout::new(&inputs, &config.sandbox)?;
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
