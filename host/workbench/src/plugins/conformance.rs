//! `dedup-host plugin conformance`: the suite of the crate `conformance` on a command line: its options, progress,
//! and report. The rules belong to the suite.

use std::path::Path;

use conformance::{Golden, Human, Level, Options, Progress, Reach, SuiteError, UnknownRule, catalogue, select};
use engine::projection::{Expander, JsonIn};
use plugin::{Limits, Wasi};

use super::config::{ConformanceConfig, ReportFormat, RuleLevel};
use super::ending::{Cause, CommandError, Ended};
use super::output::answer;
use super::screen::Ink;
use super::steps::Steps;
use super::{events, sandbox};

/// Most events read of `--input`: the suite gives each to the plugin many times.
const SAMPLES_MAX: usize = 1000;
/// The part of the time for all rules that one may take.
const RULE_TIME_PART: u32 = 5;

pub(super) fn run(config: &ConformanceConfig) -> Result<Ended, CommandError> {
    match &config.component {
        Some(component) if !config.list => try_out(component, config),
        Some(_) | None => list(config),
    }
}

fn list(config: &ConformanceConfig) -> Result<Ended, CommandError> {
    // With --list the first word is a rule as well: there is nothing to load.
    let component = config.component.iter().map(|path| path.to_string_lossy().into_owned());
    let names: Vec<String> =
        component.filter(|name| !Path::new(name).exists()).chain(config.rules.iter().cloned()).collect();
    let level = if names.is_empty() { Level::Strict } else { level(config.level) };
    let rules = select(&names, level).map_err(unknown)?;
    answer(&catalogue(rules, Ink::of_standard_output().has_colour()))?;
    Ok(Ended::Done)
}

fn try_out(component: &Path, config: &ConformanceConfig) -> Result<Ended, CommandError> {
    let options = options(config)?;
    let rules = select(&options.rules, options.level).map_err(unknown)?;
    let mut told = Told::new(rules.len(), config.format);
    let report = conformance::run(component, &options, &mut |progress| told.step(progress));
    told.bar.finish();
    told.written?;
    let report = report.map_err(|error| match error {
        SuiteError::CannotLoad(_) => CommandError::new(Cause::Plugin, error.to_string()),
        SuiteError::UnknownRule(error) => unknown(error),
        SuiteError::Declared(error) => CommandError::new(Cause::Input, error.to_string()),
        SuiteError::Suite(_) => CommandError::new(Cause::Suite, error.to_string()),
    })?;
    answer(&match config.format {
        ReportFormat::Human => told.human.ending(&report),
        ReportFormat::Tap => report.to_tap(),
        ReportFormat::Junit => report.to_junit(),
        ReportFormat::Json => report.to_json(),
    })?;
    Ok(if report.passed() { Ended::Done } else { Ended::RuleBroken })
}

/// What is told while rules are tried: how far it is, and for people what became of each rule as soon as that is known.
struct Told {
    human: Human,
    format: ReportFormat,
    bar: Steps,
    /// Whether all of it could be written.
    written: Result<(), CommandError>,
}

impl Told {
    fn new(rules: usize, format: ReportFormat) -> Self {
        let human = Human::new(Ink::of_standard_output().has_colour());
        Self { human, format, bar: Steps::new("rules", rules, "compiling"), written: Ok(()) }
    }

    fn step(&mut self, progress: Progress<'_>) {
        let text = match progress {
            Progress::Opened(report) => self.human.heading(report),
            Progress::Trying(rule) => return self.bar.next(rule.id),
            Progress::Tried(outcome) => {
                self.bar.done();
                self.human.outcome(outcome)
            }
        };
        if self.format == ReportFormat::Human && self.written.is_ok() {
            self.written = self.bar.aside(|| answer(&text));
        }
    }
}

fn level(level: RuleLevel) -> Level {
    match level {
        RuleLevel::Required => Level::Required,
        RuleLevel::Strict => Level::Strict,
    }
}

fn options(config: &ConformanceConfig) -> Result<Options, CommandError> {
    let golden = config.expect.iter().map(|path| Golden::read(path)).collect::<Result<Vec<_>, _>>();
    let samples = config.input.as_ref().map(|input| events::lines(input, SAMPLES_MAX)).transpose();
    let plugin::Options { limits, wasi, cache_dir, .. } = sandbox::options(&config.sandbox, true);
    Ok(Options {
        level: level(config.level),
        rules: config.rules.clone(),
        seed: config.seed,
        extractor_config: config.sandbox.extractor_configuration.clone(),
        scorer_config: config.sandbox.scorer_configuration.clone(),
        golden: golden.map_err(|error| CommandError::new(Cause::Input, error.to_string()))?,
        samples: samples?.map_or_else(Vec::new, |(all, _)| plain(all, &config.sandbox.json_in)),
        quick: false,
        wasi,
        limits,
        cache_dir,
        time_max: Some(config.time_budget),
        rule_time_max: Some(config.time_budget / RULE_TIME_PART),
        declarations: config.declarations.clone(),
        arguments: arguments(config),
        reach: Reach::Whole,
    })
}

/// Events with strings that are JSON text replaced by what they spell: what is made of them then differs inside, too. One
/// that a run would not decode stays as it is.
fn plain(events: Vec<Vec<u8>>, json_in: &JsonIn) -> Vec<Vec<u8>> {
    let Some(mut expander) = Expander::new(json_in, "") else { return events };
    let plain = |event: Vec<u8>| {
        let mut out = Vec::new();
        if expander.expand(&event, &mut out).is_some() { out } else { event }
    };
    events.into_iter().map(plain).collect()
}

/// What has to stand on a command line that repeats one rule, beside the component, the rule, the seed and the texts.
fn arguments(config: &ConformanceConfig) -> Vec<String> {
    let (sandbox, default) = (&config.sandbox, Limits::default());
    let mut words = Vec::new();
    let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    for path in &config.expect {
        add("--expect", path.display().to_string());
    }
    if let Some(input) = &config.input {
        add("--input", input.path().display().to_string());
    }
    if let Some(path) = &config.declarations {
        add("--declarations", path.display().to_string());
    }
    for member in sandbox.json_in.iter() {
        add("--json-in", member.to_owned());
    }
    if sandbox.wasi != Wasi::None {
        add("--plugin-wasi", sandbox::wasi_name(sandbox.wasi).to_owned());
    }
    if sandbox.memory_bytes != default.memory_bytes_max as u64 {
        add("--plugin-memory-mib", (sandbox.memory_bytes >> 20).to_string());
    }
    if sandbox.time_limit != default.time_per_batch {
        add("--plugin-time-limit-ms", sandbox.time_limit.as_millis().to_string());
    }
    words
}

fn unknown(error: UnknownRule) -> CommandError {
    CommandError::new(Cause::Usage, error.to_string())
}
