//! `dedup-host plugin bench`: components side by side, in the sandbox of a run and with batches as long as there. Only
//! the call is measured, not the search for fields and not the look-up. No judgement.

use std::path::Path;
use std::time::{Duration, Instant};

use engine::fields::{Extraction, FieldBatch};
use engine::properties::{Comparisons, PairBatch};
use plugin::{Calls, Candidate, Extractor, Input, Plugin, Role, Runtime, Scorer};
use serde::Serialize;

use super::config::{BenchConfig, SandboxConfig};
use super::ending::{Cause, CommandError, Ended};
use super::events::{self, Inputs, Layout};
use super::output::{self, answer};
use super::sandbox;
use super::screen::{self, Ink};
use crate::generate::{Generator, Spec};

/// Events or pairs a call; a run has batches of up to 1,024.
const BATCH_EVENTS: usize = 1000;
/// Each component is measured for at least this long,
const MEASURED_TIME_MIN: Duration = Duration::from_secs(1);
/// and in at least this many passes over all events; the median counts.
const PASSES_MIN: usize = 5;

pub(super) fn run(config: &BenchConfig) -> Result<Ended, CommandError> {
    let bench = Bench::of(config)?;
    let text = if config.json { output::json(&bench) } else { bench.to_text(Ink::of_standard_output()) };
    answer(&text)?;
    Ok(if bench.measured.iter().any(|measured| measured.failed > 0) { Ended::PluginFailed } else { Ended::Done })
}

#[derive(Debug, Serialize)]
struct Bench {
    /// Where the events come from.
    events: &'static str,
    event_bytes_mean: u64,
    measured: Vec<Measured>,
}

/// One component in one role.
#[derive(Debug, Serialize)]
struct Measured {
    path: String,
    name: String,
    version: String,
    sha256: String,
    role: &'static str,
    /// Events, or pairs of events, a pass.
    events: usize,
    /// Events, or pairs, that were left out because they are not JSON.
    left_out: usize,
    passes: usize,
    /// Of an event or a pair, in the median pass.
    nanoseconds: f64,
    /// To that of the first component in this role.
    ratio: f64,
    /// Events, or pairs, on which it failed in the first pass.
    failed: usize,
    /// Why, of the first one.
    reason: Option<String>,
    bytes: u64,
    /// To compile it.
    compile_nanoseconds: u64,
    /// To read it from the cache; absent where there is none.
    cached_nanoseconds: Option<u64>,
    /// To make an instance and configure it.
    start_nanoseconds: u64,
    /// Of an instance that has seen all events.
    memory_bytes: usize,
}

/// The events that components are measured with.
struct Material {
    events: Vec<Vec<u8>>,
    /// Originals and duplicates.
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    from: &'static str,
}

impl Material {
    fn of(config: &BenchConfig) -> Result<Self, CommandError> {
        let Some(input) = &config.input else { return Self::made_up(config.events) };
        let (events, _) = events::lines(input, config.events)?;
        if events.is_empty() {
            return Err(CommandError::new(Cause::Input, "--input has no events to measure with"));
        }
        let pairs = events.windows(2).filter_map(|pair| match pair {
            [first, second] => Some((first.clone(), second.clone())),
            _ => None,
        });
        Ok(Self { pairs: pairs.collect(), from: "of --input", events })
    }

    fn made_up(count: usize) -> Result<Self, CommandError> {
        // Half of four times as many are duplicates: enough for as many pairs.
        let spec = Spec { events: 4 * count as u64 + 16, duplicates: 0.5, distance: 1..=1000, ..Spec::default() };
        let mut generator = Generator::new(spec).map_err(|error| CommandError::new(Cause::Usage, error.to_string()))?;
        let (mut events, mut pairs) = (Vec::with_capacity(count), Vec::with_capacity(count));
        while events.len() < count || pairs.len() < count {
            let (mut event, mut original) = (Vec::new(), Vec::new());
            let Some(made) = generator.next(&mut event) else { break };
            if let Some(index) = made.duplicate_of.filter(|_| pairs.len() < count) {
                generator.event(index, &mut original);
                pairs.push((original, event.clone()));
            }
            if events.len() < count {
                events.push(event);
            }
        }
        Ok(Self { events, pairs, from: "made up" })
    }
}

/// A component in one role, with the batches for it.
struct Subject {
    measured: Measured,
    work: Work,
    passes: Vec<Duration>,
}

enum Work {
    Extract(Box<Extractor>, Vec<FieldBatch>, Extraction),
    Compare(Box<Scorer>, Vec<PairBatch>, Comparisons),
}

impl Bench {
    fn of(config: &BenchConfig) -> Result<Self, CommandError> {
        let material = Material::of(config)?;
        let runtime = sandbox::runtime(&SandboxConfig { cache_dir: None, ..config.sandbox.clone() }, false)?;
        let cached = sandbox::runtime(&config.sandbox, false)?;
        let mut subjects = Vec::new();
        for path in &config.components {
            subjects.extend(subjects_of(path, &runtime, &cached, &material, config)?);
        }
        for subject in &mut subjects {
            subject.first_pass()?;
        }
        // In turn, so that what else the machine does falls on all alike.
        while subjects.iter().any(Subject::wants_more) {
            for subject in subjects.iter_mut().filter(|subject| subject.wants_more()) {
                subject.pass()?;
            }
        }
        let bytes: usize = material.events.iter().map(Vec::len).sum();
        let mut measured: Vec<Measured> = subjects.into_iter().map(Subject::finish).collect();
        let firsts: Vec<(&'static str, f64)> =
            measured.iter().map(|measured| (measured.role, measured.nanoseconds)).collect();
        for measured in &mut measured {
            let first = firsts.iter().find(|(role, _)| *role == measured.role);
            measured.ratio = first.map_or(1.0, |(_, nanoseconds)| measured.nanoseconds / nanoseconds);
        }
        let event_bytes_mean = (bytes / material.events.len().max(1)) as u64;
        Ok(Self { events: material.from, event_bytes_mean, measured })
    }
}

/// Loads a component, from the cache and not, and lays out its batches.
fn subjects_of(
    path: &Path,
    runtime: &Runtime,
    cached: &Runtime,
    material: &Material,
    config: &BenchConfig,
) -> Result<Vec<Subject>, CommandError> {
    let first = sandbox::open(cached, path)?;
    let (candidate, from_cache) = if first.from_cache() {
        (sandbox::open(runtime, path)?, Some(first.compile_time()))
    } else {
        // It is in the cache now, if there is one.
        let again = config.sandbox.cache_dir.as_ref().map(|_| sandbox::open(cached, path)).transpose()?;
        (first, again.filter(Candidate::from_cache).map(|again| again.compile_time()))
    };
    let started = Instant::now();
    let plugin = candidate.configured(sandbox::texts(&config.sandbox))?;
    let start = started.elapsed();
    let roles = candidate.roles();
    roles
        .iter()
        .map(|role| {
            let (work, left_out, events) = Work::of(&plugin, role, material, &config.sandbox)?;
            let measured = Measured {
                path: path.display().to_string(),
                name: plugin.name().to_owned(),
                version: plugin.version().to_owned(),
                sha256: plugin.sha256().to_owned(),
                role: role.name(),
                events,
                left_out,
                passes: 0,
                nanoseconds: 0.0,
                ratio: 1.0,
                failed: 0,
                reason: None,
                bytes: candidate.bytes(),
                compile_nanoseconds: nanos(candidate.compile_time()),
                cached_nanoseconds: from_cache.map(nanos),
                start_nanoseconds: nanos(start),
                memory_bytes: memory(&candidate, role, &work, &config.sandbox)?,
            };
            Ok(Subject { measured, work, passes: Vec::new() })
        })
        .collect()
}

impl Work {
    /// The batches of a role, how many events or pairs could not be laid out, and how many could.
    fn of(
        plugin: &Plugin,
        role: Role,
        material: &Material,
        config: &SandboxConfig,
    ) -> Result<(Self, usize, usize), CommandError> {
        let mut left_out = 0;
        let nothing = |left_out| {
            let message =
                format!("plugin {}: none of {left_out} events can be laid out for it: are they JSON?", plugin.name());
            CommandError::new(Cause::Input, message)
        };
        match role {
            Role::KeyExtractor => {
                let mut layout = layout(Some(plugin.input().clone()), None, config)?;
                let (mut batches, mut batch) = (Vec::new(), layout.batch());
                for event in &material.events {
                    left_out += usize::from(layout.push_fields(event, &mut batch).is_err());
                    if batch.events() == BATCH_EVENTS {
                        batches.push(std::mem::replace(&mut batch, layout.batch()));
                    }
                }
                batches.extend((batch.events() > 0).then_some(batch));
                let events = batches.iter().map(FieldBatch::events).sum();
                if events == 0 {
                    return Err(nothing(left_out));
                }
                let extractor = Box::new(plugin.extractor()?);
                Ok((Self::Extract(extractor, batches, Extraction::default()), left_out, events))
            }
            Role::SimilarityScorer => {
                let mut layout = layout(None, plugin.scorer_input().cloned(), config)?;
                let (mut batches, mut batch) = (Vec::new(), PairBatch::default());
                for (original, duplicate) in &material.pairs {
                    left_out += usize::from(layout.push_pair(original, duplicate, &mut batch).is_err());
                    if batch.pairs() == BATCH_EVENTS {
                        batches.push(std::mem::take(&mut batch));
                    }
                }
                batches.extend((batch.pairs() > 0).then_some(batch));
                let pairs = batches.iter().map(PairBatch::pairs).sum();
                if pairs == 0 {
                    return Err(nothing(left_out));
                }
                let scorer = Box::new(plugin.scorer()?);
                Ok((Self::Compare(scorer, batches, Comparisons::default()), left_out, pairs))
            }
        }
    }

    /// All batches once, each call as a run makes it; `see` gets what became of each.
    fn pass(&mut self, mut see: impl FnMut(Calls)) -> Result<Duration, plugin::PluginFailure> {
        let started = Instant::now();
        match self {
            Self::Extract(extractor, batches, out) => {
                for batch in batches {
                    see(extractor.extract(batch, out)?);
                }
            }
            Self::Compare(scorer, batches, out) => {
                for batch in batches {
                    see(scorer.compare(batch, out)?);
                }
            }
        }
        Ok(started.elapsed())
    }
}

fn layout(extractor: Option<Input>, scorer: Option<Input>, config: &SandboxConfig) -> Result<Layout, CommandError> {
    Layout::new(&Inputs { extractor, scorer }, config)
}

/// Memory of an instance after it has seen all batches; one that fails is asked no further.
fn memory(candidate: &Candidate, role: Role, work: &Work, config: &SandboxConfig) -> Result<usize, CommandError> {
    let cannot = |cause: String| {
        CommandError::new(Cause::Plugin, format!("plugin {} cannot be used: {cause}", candidate.path().display()))
    };
    let (mut probe, _) = sandbox::configured(candidate, role, sandbox::text(config, role)).map_err(cannot)?;
    match work {
        Work::Extract(_, batches, _) => {
            let mut out = Extraction::default();
            batches.iter().take_while(|batch| probe.extract(batch, &mut out).is_ok()).for_each(drop);
        }
        Work::Compare(_, batches, _) => {
            let mut out = Comparisons::default();
            batches.iter().take_while(|batch| probe.compare(batch, &mut out).is_ok()).for_each(drop);
        }
    }
    Ok(probe.cost().memory_bytes)
}

impl Subject {
    /// Warms up, and counts failures.
    fn first_pass(&mut self) -> Result<(), CommandError> {
        let (mut failed, mut reason) = (0, None);
        let done = self.work.pass(|calls| {
            failed += calls.failed.len();
            reason = reason.take().or(calls.failed.into_iter().next().map(|(_, reason)| reason));
        });
        (self.measured.failed, self.measured.reason) = (failed, reason);
        done.map(drop).map_err(|error| unable(&error))
    }

    fn pass(&mut self) -> Result<(), CommandError> {
        self.passes.push(self.work.pass(drop).map_err(|error| unable(&error))?);
        Ok(())
    }

    fn wants_more(&self) -> bool {
        self.passes.len() < PASSES_MIN || self.passes.iter().sum::<Duration>() < MEASURED_TIME_MIN
    }

    fn finish(mut self) -> Measured {
        self.passes.sort_unstable();
        let median = self.passes.get(self.passes.len() / 2).copied().unwrap_or_default();
        let nanoseconds = median.as_nanos() as f64 / self.measured.events.max(1) as f64;
        Measured { passes: self.passes.len(), nanoseconds, ..self.measured }
    }
}

fn unable(error: &plugin::PluginFailure) -> CommandError {
    CommandError::new(Cause::PluginFailure, error.to_string())
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Bench {
    fn to_text(&self, ink: Ink) -> String {
        let mut text = String::new();
        for (role, thing) in [(Role::KeyExtractor, "event"), (Role::SimilarityScorer, "pair")] {
            let rows: Vec<&Measured> = self.measured.iter().filter(|measured| measured.role == role.name()).collect();
            let Some(first) = rows.first() else { continue };
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!(
                "{}: {} {}, {} bytes an event on average, {BATCH_EVENTS} a call\n",
                ink.title(role.name()),
                screen::counted(first.events + first.left_out, thing),
                self.events,
                screen::grouped(self.event_bytes_mean),
            ));
            text.push_str(&screen::table(ink, &table(&rows, thing)));
            for measured in rows {
                text.push_str(&measured.remarks(thing, ink));
            }
        }
        text
    }
}

fn table(rows: &[&Measured], thing: &str) -> Vec<Vec<String>> {
    let heading = ["plugin", thing, "ratio", "a second", "size", "compile", "from cache", "start", "memory"];
    let mut table = vec![heading.map(str::to_owned).to_vec()];
    table.extend(rows.iter().map(|measured| {
        let time = |nanoseconds: u64| screen::nanos(nanoseconds as f64);
        vec![
            screen::words(&format!("{} {}", measured.label(), measured.version)),
            screen::nanos(measured.nanoseconds),
            format!("{:.2}", measured.ratio),
            screen::grouped((1e9 / measured.nanoseconds.max(1e-3)) as u64),
            screen::bytes(measured.bytes),
            time(measured.compile_nanoseconds),
            measured.cached_nanoseconds.map_or("-".to_owned(), time),
            time(measured.start_nanoseconds),
            screen::bytes(measured.memory_bytes as u64),
        ]
    }));
    table
}

impl Measured {
    /// The file tells builds of one plugin apart.
    fn label(&self) -> std::borrow::Cow<'_, str> {
        Path::new(&self.path).file_stem().map_or_else(|| self.name.as_str().into(), std::ffi::OsStr::to_string_lossy)
    }

    fn remarks(&self, thing: &str, ink: Ink) -> String {
        let mut text = String::new();
        if self.left_out > 0 {
            let count = screen::counted(self.left_out, thing);
            let said = format!("  {}: {count} left out, which are not JSON", self.label());
            text.push_str(&format!("{}\n", ink.odd(said)));
        }
        if self.failed > 0 {
            let reason = screen::words(self.reason.as_deref().unwrap_or_default());
            let count = screen::counted(self.failed, thing);
            let said =
                format!("  {}: failed on {count} per pass, so its time is not meaningful: {reason}", self.label());
            text.push_str(&format!("{}\n", ink.bad(said)));
        }
        text
    }
}
