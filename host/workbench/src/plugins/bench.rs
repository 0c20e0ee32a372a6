//! `dedup-host plugin bench`: components side by side, in the sandbox of a run and with batches as long as there. Only
//! the call is measured, not the search for fields and not the look-up. No judgement.

use std::ops::Range;
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
use super::steps::Steps;
use crate::generate::{Generator, Spec};

/// Events or pairs a call; a run has batches of up to 1,024.
const BATCH_EVENTS: usize = 1000;
/// Each component is measured for at least this long,
const MEASURED_TIME_MIN: Duration = Duration::from_secs(1);
/// and in at least this many passes over all events, where there is time for them; the median counts.
const PASSES_MIN: usize = 5;
/// The first pass begins with calls of one event, and makes them longer for as long as a call takes less than this,
const CALL_TIME_MIN: Duration = Duration::from_millis(20);
/// and shorter where one takes more than this: far less than a call may take in a run.
const CALL_TIME_MAX: Duration = Duration::from_millis(200);
/// How much longer or shorter.
const LONGER: usize = 4;

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
    /// Events, or pairs, that there was no time for.
    unmeasured: usize,
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
    caller: Caller,
    layout: Layout,
    batches: Vec<Batch>,
    /// Of each pass, nanoseconds an event or pair.
    passes: Vec<f64>,
    spent: Duration,
    budget: Duration,
}

/// A plugin in one role, and where its answers go.
enum Caller {
    Extract(Box<Extractor>, Extraction),
    Compare(Box<Scorer>, Comparisons),
}

/// What it is asked in one call.
enum Batch {
    Events(FieldBatch),
    Pairs(PairBatch),
}

impl Bench {
    fn of(config: &BenchConfig) -> Result<Self, CommandError> {
        let material = Material::of(config)?;
        let runtime = sandbox::runtime(&SandboxConfig { cache_dir: None, ..config.sandbox.clone() }, false)?;
        let cached = sandbox::runtime(&config.sandbox, false)?;
        let mut subjects = Vec::new();
        let mut candidates = Vec::new();
        for path in &config.components {
            let (candidate, of_one) = subjects_of(path, &runtime, &cached, config)?;
            candidates.extend(of_one.iter().map(|_| candidate.clone()));
            subjects.extend(of_one);
        }
        let steps = Steps::new("passes", subjects.len() * (PASSES_MIN + 1), "the first pass");
        for subject in &mut subjects {
            subject.first_pass(&material, &steps)?;
        }
        // In turn, so that what else the machine does falls on all alike.
        while subjects.iter().any(Subject::wants_more) {
            for subject in subjects.iter_mut().filter(|subject| subject.wants_more()) {
                subject.pass(&steps)?;
            }
        }
        for (subject, candidate) in subjects.iter_mut().zip(&candidates) {
            subject.measured.memory_bytes = subject.memory(candidate, &config.sandbox)?;
        }
        drop(steps);
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

/// Loads a component, from the cache and not, and starts it in each of its roles.
fn subjects_of(
    path: &Path,
    runtime: &Runtime,
    cached: &Runtime,
    config: &BenchConfig,
) -> Result<(Candidate, Vec<Subject>), CommandError> {
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
    let subject = |role: Role| {
        let measured = Measured {
            path: path.display().to_string(),
            name: plugin.name().to_owned(),
            version: plugin.version().to_owned(),
            sha256: plugin.sha256().to_owned(),
            role: role.name(),
            events: 0,
            unmeasured: 0,
            left_out: 0,
            passes: 0,
            nanoseconds: 0.0,
            ratio: 1.0,
            failed: 0,
            reason: None,
            bytes: candidate.bytes(),
            compile_nanoseconds: nanos(candidate.compile_time()),
            cached_nanoseconds: from_cache.map(nanos),
            start_nanoseconds: nanos(start),
            memory_bytes: 0,
        };
        let (caller, layout) = Caller::of(&plugin, role, &config.sandbox)?;
        let (batches, passes) = (Vec::new(), Vec::new());
        Ok(Subject { measured, caller, layout, batches, passes, spent: Duration::ZERO, budget: config.time_budget })
    };
    let subjects = candidate.roles().iter().map(subject).collect::<Result<_, CommandError>>()?;
    Ok((candidate, subjects))
}

impl Caller {
    fn of(plugin: &Plugin, role: Role, config: &SandboxConfig) -> Result<(Self, Layout), CommandError> {
        Ok(match role {
            Role::KeyExtractor => {
                let layout = layout(Some(plugin.input().clone()), None, config)?;
                (Self::Extract(Box::new(plugin.extractor()?), Extraction::default()), layout)
            }
            Role::SimilarityScorer => {
                let layout = layout(None, plugin.scorer_input().cloned(), config)?;
                (Self::Compare(Box::new(plugin.scorer()?), Comparisons::default()), layout)
            }
        })
    }

    /// How many events or pairs there are for it.
    fn count(&self, material: &Material) -> usize {
        match self {
            Self::Extract(..) => material.events.len(),
            Self::Compare(..) => material.pairs.len(),
        }
    }

    /// Some of the events or pairs, and how many of them cannot be laid out.
    fn batch(&self, material: &Material, range: Range<usize>, layout: &mut Layout) -> (Batch, usize) {
        match self {
            Self::Extract(..) => {
                let mut batch = layout.batch();
                let events = material.events.get(range).unwrap_or_default();
                let left_out = events.iter().filter(|event| layout.push_fields(event, &mut batch).is_err()).count();
                (Batch::Events(batch), left_out)
            }
            Self::Compare(..) => {
                let mut batch = PairBatch::default();
                let pairs = material.pairs.get(range).unwrap_or_default();
                let left_out =
                    pairs.iter().filter(|(one, two)| layout.push_pair(one, two, &mut batch).is_err()).count();
                (Batch::Pairs(batch), left_out)
            }
        }
    }

    /// One call, as a run makes it.
    fn call(&mut self, batch: &Batch) -> Result<Calls, CommandError> {
        let called = match (self, batch) {
            (Self::Extract(extractor, out), Batch::Events(batch)) => extractor.extract(batch, out),
            (Self::Compare(scorer, out), Batch::Pairs(batch)) => scorer.compare(batch, out),
            (Self::Extract(..), Batch::Pairs(_)) | (Self::Compare(..), Batch::Events(_)) => return Ok(Calls::default()),
        };
        called.map_err(|error| unable(&error))
    }
}

impl Batch {
    fn len(&self) -> usize {
        match self {
            Self::Events(batch) => batch.events(),
            Self::Pairs(batch) => batch.pairs(),
        }
    }
}

fn layout(extractor: Option<Input>, scorer: Option<Input>, config: &SandboxConfig) -> Result<Layout, CommandError> {
    Layout::new(&Inputs { extractor, scorer }, config)
}

impl Subject {
    /// Warms up, counts failures, and finds out how many events or pairs a call can have: as in a run, or fewer where
    /// those would take too long.
    fn first_pass(&mut self, material: &Material, steps: &Steps) -> Result<(), CommandError> {
        let count = self.caller.count(material);
        let (mut next, mut size, mut is_slow) = (0, 1, false);
        let mut total = Pass::default();
        while next < count && self.spent < self.budget {
            steps.next(&format!("{}, {next} of {count} in the first pass", self.measured.label()));
            let end = count.min(next + size);
            let (batch, left_out) = self.caller.batch(material, next..end, &mut self.layout);
            (next, self.measured.left_out) = (end, self.measured.left_out + left_out);
            let taken = self.timed(&batch)?;
            total.add(taken, &batch);
            size = if taken < CALL_TIME_MIN { BATCH_EVENTS.min(size * LONGER) } else { size };
            if taken > CALL_TIME_MAX {
                (size, is_slow) = (1.max(size / LONGER), true);
            }
            self.batches.extend((batch.len() > 0).then_some(batch));
        }
        steps.done();
        self.measured.unmeasured = count - next;
        self.measured.events = self.batches.iter().map(Batch::len).sum();
        if self.measured.events == 0 {
            return Err(self.nothing());
        }
        if is_slow {
            self.passes.extend(total.nanoseconds());
        } else {
            self.lay_out_as_in_a_run(material, next);
        }
        Ok(())
    }

    fn lay_out_as_in_a_run(&mut self, material: &Material, count: usize) {
        self.batches.clear();
        for start in (0..count).step_by(BATCH_EVENTS) {
            let range = start..count.min(start + BATCH_EVENTS);
            let (batch, _) = self.caller.batch(material, range, &mut self.layout);
            self.batches.extend((batch.len() > 0).then_some(batch));
        }
    }

    fn nothing(&self) -> CommandError {
        let Measured { name, left_out, .. } = &self.measured;
        let message = format!("plugin {name}: none of {left_out} events can be laid out for it: are they JSON?");
        CommandError::new(Cause::Input, message)
    }

    /// A call of the first pass, its failures counted.
    fn timed(&mut self, batch: &Batch) -> Result<Duration, CommandError> {
        let started = Instant::now();
        let calls = self.caller.call(batch)?;
        let taken = started.elapsed();
        self.spent += taken;
        self.measured.failed += calls.failed.len();
        let reason = calls.failed.into_iter().next().map(|(_, reason)| reason);
        self.measured.reason = self.measured.reason.take().or(reason);
        Ok(taken)
    }

    /// All batches once, or as many as there is time for.
    fn pass(&mut self, steps: &Steps) -> Result<(), CommandError> {
        steps.next(&format!("{}, pass {}", self.measured.label(), self.passes.len() + 1));
        let mut total = Pass::default();
        for batch in &self.batches {
            let started = Instant::now();
            self.caller.call(batch)?;
            total.add(started.elapsed(), batch);
            if self.spent + total.time > self.budget {
                break;
            }
        }
        self.spent += total.time;
        self.passes.extend(total.nanoseconds());
        if self.passes.len() <= PASSES_MIN {
            steps.done();
        }
        Ok(())
    }

    fn wants_more(&self) -> bool {
        let is_little = self.passes.len() < PASSES_MIN || self.spent < MEASURED_TIME_MIN;
        is_little && (self.spent < self.budget || self.passes.is_empty())
    }

    /// Memory of an instance after it has seen the batches that there is time for; one that fails is asked no further.
    fn memory(&self, candidate: &Candidate, config: &SandboxConfig) -> Result<usize, CommandError> {
        let cannot = |cause: String| {
            CommandError::new(Cause::Plugin, format!("plugin {} cannot be used: {cause}", candidate.path().display()))
        };
        let role = match self.caller {
            Caller::Extract(..) => Role::KeyExtractor,
            Caller::Compare(..) => Role::SimilarityScorer,
        };
        let (mut probe, _) = sandbox::configured(candidate, role, sandbox::text(config, role)).map_err(cannot)?;
        let (mut keys, mut scores, started) = (Extraction::default(), Comparisons::default(), Instant::now());
        for batch in &self.batches {
            let answered = match batch {
                Batch::Events(batch) => probe.extract(batch, &mut keys),
                Batch::Pairs(batch) => probe.compare(batch, &mut scores),
            };
            if answered.is_err() || started.elapsed() > self.budget {
                break;
            }
        }
        Ok(probe.cost().memory_bytes)
    }

    fn finish(mut self) -> Measured {
        self.passes.sort_unstable_by(f64::total_cmp);
        let nanoseconds = self.passes.get(self.passes.len() / 2).copied().unwrap_or_default();
        Measured { passes: self.passes.len(), nanoseconds, ..self.measured }
    }
}

/// What one pass took.
#[derive(Debug, Clone, Copy, Default)]
struct Pass {
    time: Duration,
    events: usize,
}

impl Pass {
    fn add(&mut self, time: Duration, batch: &Batch) {
        self.time += time;
        self.events += batch.len();
    }

    /// Of an event or a pair; `None` where there was none.
    fn nanoseconds(self) -> Option<f64> {
        (self.events > 0).then(|| self.time.as_nanos() as f64 / self.events as f64)
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
                screen::counted(first.events + first.left_out + first.unmeasured, thing),
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
        if self.unmeasured > 0 || self.passes < PASSES_MIN {
            let count = screen::counted(self.events, thing);
            let said = format!(
                "  {}: {count} in {} of {PASSES_MIN} passes, and {} not at all: the time was up; --time-budget-secs gives \
                 more",
                self.label(),
                self.passes,
                self.unmeasured
            );
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
