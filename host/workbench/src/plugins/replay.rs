//! `dedup-host plugin replay`: repeats a call on which a plugin failed in a run, from the dump, and says whether it
//! ends in the same way. It decides nothing about the record.

use std::time::Duration;

use engine::fields::{Extraction, FieldBatch};
use engine::properties::{Comparisons, PairBatch};
use plugin::{Candidate, Fault, Input, Options, Probe, Role, Runtime};
use plugin_dump::{Dump, DumpBatch};
use serde::Serialize;

use super::answers::{self, Compared, Extracted, Line, Spent, Status};
use super::config::ReplayConfig;
use super::ending::{Cause, CommandError, Ended};
use super::output::{self, answer};
use super::screen::{self, Facts, Ink};
use super::{sandbox, trial_text};

pub(super) fn run(config: &ReplayConfig) -> Result<Ended, CommandError> {
    let unusable = |message: String| CommandError::new(Cause::Input, message);
    let dump = Dump::read(&config.dump).map_err(|error| unusable(error.to_string()))?;
    let batch = dump.batch().map_err(|error| {
        unusable(format!(
            "{error}; {} failed on topic {} partition {} offset {}: {}. To have the values, run again with \
             --plugin-dump-values and --plugin-dump-dir another directory; or give the event itself to \
             `dedup-host plugin test`",
            dump.plugin.name, dump.topic, dump.partition, dump.offset, dump.cause
        ))
    })?;
    let replayed = Replayed::of(&dump, &batch, config)?;
    let text = if config.json { output::json(&replayed) } else { replayed.to_text(&dump, Ink::of_standard_output()) };
    answer(&text)?;
    Ok(if replayed.now.is_some() { Ended::PluginFailed } else { Ended::Done })
}

/// What became of the call, then and now.
#[derive(Debug, Serialize)]
struct Replayed {
    path: String,
    sha256: String,
    /// Whether it is the component that failed then, to the byte.
    same_component: bool,
    role: &'static str,
    topic: String,
    partition: i32,
    offset: i64,
    /// What the plugin ran into then.
    then: String,
    /// What it runs into now; absent where it answers.
    now: Option<String>,
    /// Whether it fails now in the same words as then.
    same_failure: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    extraction: Option<Extracted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Compared>,
}

impl Replayed {
    fn of(dump: &Dump, batch: &DumpBatch, config: &ReplayConfig) -> Result<Self, CommandError> {
        let role = Role::from(dump.role);
        let candidate = open(dump, config)?;
        let mut probe = configured(&candidate, role, dump, config)?;
        let (now, extraction, comparison) = match batch {
            DumpBatch::Event(event) => {
                let (fault, extracted) = extract(&mut probe, event, dump.fields.as_deref().unwrap_or_default());
                (fault, Some(extracted), None)
            }
            DumpBatch::Pair(pair) => {
                let (fault, compared) = compare(&mut probe, pair);
                (fault, None, Some(compared))
            }
        };
        Ok(Self {
            path: candidate.path().display().to_string(),
            sha256: candidate.sha256().to_owned(),
            same_component: candidate.sha256() == dump.plugin.sha256,
            role: role.name(),
            topic: dump.topic.clone(),
            partition: dump.partition,
            offset: dump.offset,
            then: dump.cause.clone(),
            same_failure: now.as_ref().is_some_and(|fault| fault.words == dump.cause),
            now: now.map(|fault| fault.words),
            extraction,
            comparison,
        })
    }
}

/// Under the limits of then, unless others are given.
fn open(dump: &Dump, config: &ReplayConfig) -> Result<Candidate, CommandError> {
    let options = sandbox::options(&config.sandbox, false);
    let mut limits = dump.limits.to_limits(&options.limits);
    if let Some(bytes) = config.memory_bytes {
        limits.memory_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    limits.time_per_batch = config.time_limit.unwrap_or(limits.time_per_batch);
    let path = config.component.as_ref().unwrap_or(&dump.plugin.path);
    let runtime = Runtime::with(Options { limits, ..options })?;
    Ok(sandbox::open(&runtime, path)?)
}

fn configured(candidate: &Candidate, role: Role, dump: &Dump, config: &ReplayConfig) -> Result<Probe, CommandError> {
    let given = match role {
        Role::KeyExtractor => config.sandbox.extractor_configuration.as_deref(),
        Role::SimilarityScorer => config.sandbox.scorer_configuration.as_deref(),
    };
    let text = given.or(dump.config.text.as_deref()).unwrap_or_default();
    let unusable = |cause: String| {
        CommandError::new(Cause::Plugin, format!("plugin {} cannot be used: {cause}", candidate.path().display()))
    };
    if !candidate.roles().iter().any(|other| other == role) {
        return Err(unusable(format!("it has no {}, but the dump is from one", role.name())));
    }
    let (probe, input) = sandbox::configured(candidate, role, text).map_err(unusable)?;
    let fields = match input {
        Input::Payload => None,
        Input::Fields(fields) => Some(fields),
    };
    if fields != dump.fields {
        let (now, then) = (shown(fields.as_deref()), shown(dump.fields.as_deref()));
        let message = format!(
            "the plugin now reads {now}, but the dump has {then}, so the call cannot be repeated; give the \
             configuration of that run with {}, or the event itself to `dedup-host plugin test`",
            sandbox::flag(role)
        );
        return Err(CommandError::new(Cause::Plugin, message));
    }
    Ok(probe)
}

fn shown(fields: Option<&[String]>) -> String {
    fields.map_or_else(|| "the payload".to_owned(), |fields| screen::words(&fields.join(" ")))
}

fn extract(probe: &mut Probe, event: &FieldBatch, fields: &[String]) -> (Option<Fault>, Extracted) {
    let mut extraction = Extraction::default();
    let fault = probe.extract(event, &mut extraction).err();
    let extracted = match &fault {
        // The fault is reported separately, beside the one in the dump.
        Some(_) => Extracted { reason: None, ..Extracted::unanswered(Status::Failed, String::new()) },
        None => Extracted::of(&extraction),
    };
    let (values, log, cost) = (answers::values(fields, event), log(probe), Some(Spent::of(probe.cost())));
    (fault, Extracted { values, log, cost, ..extracted })
}

fn compare(probe: &mut Probe, pair: &PairBatch) -> (Option<Fault>, Compared) {
    let mut comparisons = Comparisons::default();
    let fault = probe.compare(pair, &mut comparisons).err();
    let compared = match (&fault, comparisons.scores.first().copied().flatten()) {
        (Some(fault), _) => Compared::unanswered(fault.words.clone(), true),
        (None, None) => Compared::unanswered("it gave no score".to_owned(), true),
        (None, Some(score)) => Compared::of(score, pair, &comparisons),
    };
    (fault, Compared { log: log(probe), cost: Some(Spent::of(probe.cost())), ..compared })
}

fn log(probe: &mut Probe) -> Vec<Line> {
    probe.take_log().into_iter().map(Line::from).collect()
}

impl Replayed {
    fn to_text(&self, dump: &Dump, ink: Ink) -> String {
        let place =
            format!("topic {} partition {} offset {}", screen::clipped(&self.topic), self.partition, self.offset);
        let mut facts = Facts::new(ink, trial_text::NAME_CHARS);
        let same = if self.same_component { "the same component" } else { "a different component" };
        facts.add("plugin", format!("{} {}", screen::clipped(&self.path), ink.quiet(format!("({same})"))));
        facts.add("role", self.role);
        let limits = &dump.limits;
        let time = screen::time(Duration::from_millis(limits.time_per_batch_ms));
        facts.add("limits then", format!("{}, {time} a call", screen::bytes(limits.memory_bytes_max)));
        facts.add("then", screen::words(&self.then));
        facts.add(
            "now",
            match &self.now {
                None => ink.good("it does not fail"),
                Some(_) if self.same_failure => ink.bad("it fails in the same way"),
                Some(now) => ink.bad(format!("it fails differently: {}", screen::words(now))),
            },
        );
        if let Some(extracted) = &self.extraction {
            trial_text::add_extraction(&mut facts, extracted, ink);
        }
        if let Some(compared) = &self.comparison {
            trial_text::add_comparison(&mut facts, compared, ink);
        }
        format!("{} on {place}\n{}", ink.title(screen::words(&dump.plugin.name)), facts.into_text())
    }
}
