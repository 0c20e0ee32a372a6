//! Runs the rules, one after the other. Not the rules themselves, and not how results are reported.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use plugin::{Candidate, Limits, LoadError, Runtime, Wasi};

use crate::beside::Beside;
use crate::context::{Context, KnownOfRoles, Setting};
use crate::deadline::Deadline;
use crate::declared::DeclaredError;
use crate::golden::Golden;
use crate::report::{Outcome, Report, Subject, rerun};
use crate::rule::{Level, Rule};
use crate::select::{UnknownRule, select};
use crate::session::Used;
use crate::verdict::{Stop, Verdict};

/// How many times the time of a run a call may take, and how many times the bytes a note may have.
const TIME_RELAXED: u32 = 4;
const NOTES_RELAXED: usize = 4;
/// What part of a whole [`Reach::Part`] is.
const REACH_PART: usize = 20;

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The rules to run where none are named.
    pub level: Level,
    /// Ids or groups; empty: all of the level.
    pub rules: Vec<String>,
    /// What events are drawn from: the same seed, the same suite.
    pub seed: u64,
    /// The operator's text for extracting keys; `None`: empty.
    pub extractor_config: Option<String>,
    /// The operator's text for scoring; `None`: empty.
    pub scorer_config: Option<String>,
    /// Answers that the plugin has to give.
    pub golden: Vec<Golden>,
    /// Events of the author's, which are tried beside made-up ones, and which others are made from.
    pub samples: Vec<Vec<u8>>,
    /// The file that declares what the plugin takes for the same; `None`: `conformance.toml` beside the component, if it
    /// is there.
    pub declarations: Option<PathBuf>,
    /// Only what needs no fuel and little time.
    pub quick: bool,
    /// What components get that were built with WASI.
    pub wasi: Wasi,
    /// What an instance may use.
    pub limits: Limits,
    /// Where compiled components are kept; `None`: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// Time for all rules together; `None`: as long as they take. Rules that are left then are blocked.
    pub time_max: Option<Duration>,
    /// Time for one rule; `None`: as long as it takes. A rule that is not done then is blocked.
    pub rule_time_max: Option<Duration>,
    /// What else has to stand on a command line that repeats a rule: `--expect`, `golden.json`.
    pub arguments: Vec<String>,
    /// How far the rules go that ask for long.
    pub reach: Reach,
}

/// How far the rules go that ask for long: D6, R1 and R8 in one run, K13, and R3 and R4 at many places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// As far as their sentences say.
    #[default]
    Whole,
    /// A twentieth of that: what shows only after it is not found. For suites that try a plugin many times over.
    Part,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: Level::Required,
            rules: Vec::new(),
            seed: 1,
            extractor_config: None,
            scorer_config: None,
            golden: Vec::new(),
            samples: Vec::new(),
            declarations: None,
            quick: false,
            wasi: Wasi::None,
            limits: Limits::default(),
            cache_dir: None,
            time_max: None,
            rule_time_max: None,
            arguments: Vec::new(),
            reach: Reach::Whole,
        }
    }
}

impl Reach {
    /// What part of so many there are.
    pub(crate) fn of(self, whole: usize) -> usize {
        match self {
            Self::Whole => whole,
            Self::Part => whole.div_ceil(REACH_PART),
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// It is not a component, or its names and types do not follow the contract: rules L1 to L3.
    #[error(transparent)]
    CannotLoad(LoadError),
    /// A rule was asked for that does not exist.
    #[error(transparent)]
    UnknownRule(#[from] UnknownRule),
    /// What the plugin is said to take for the same cannot be used.
    #[error(transparent)]
    Declared(#[from] DeclaredError),
    /// The suite itself cannot run here.
    #[error("the conformance suite cannot run: {0}")]
    Suite(String),
}

impl SuiteError {
    fn of_loading(error: LoadError) -> Self {
        if matches!(error, LoadError::Runtime { .. }) {
            Self::Suite(error.to_string())
        } else {
            Self::CannotLoad(error)
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// The component is open; of the report all is there but what became of the rules.
    Opened(&'a Report),
    /// This rule is tried next.
    Trying(&'static Rule),
    /// This became of a rule.
    Tried(&'a Outcome),
}

/// Opens a component and runs the rules that `options` choose; `progress` gets each step as it is there.
///
/// # Errors
/// There is no report: see [`SuiteError`].
pub fn run(path: &Path, options: &Options, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Report, SuiteError> {
    let rules = select(&options.rules, options.level)?;
    let beside = Beside::of(path, options.declarations.as_ref())?;
    let scratch = Scratch::new();
    let sandbox = plugin::Options {
        limits: relaxed(&options.limits),
        wasi: options.wasi,
        cache_dir: options.cache_dir.clone().or_else(|| scratch.as_ref().map(|scratch| scratch.0.clone())),
        fuel: !options.quick,
        ..plugin::Options::default()
    };
    let runtime = Runtime::with(sandbox.clone()).map_err(SuiteError::of_loading)?;
    let candidate = runtime.open(path).map_err(SuiteError::of_loading)?;
    let deadline = Deadline::after(options.time_max);
    let known = KnownOfRoles::default();
    let setting =
        Setting { candidate: &candidate, options, sandbox: Some(&sandbox), deadline, beside: &beside, known: &known };
    Ok(try_all(&setting, &rules, progress))
}

/// The limits of a run that are there to be measured, and not to be run into: time depends on the machine and what else it
/// does, and fuel says the same everywhere; and of notes that are too long rule C6 has to see that they are.
fn relaxed(limits: &Limits) -> Limits {
    Limits {
        time_per_batch: limits.time_per_batch * TIME_RELAXED,
        time_per_byte: limits.time_per_byte * TIME_RELAXED,
        note_bytes_max: limits.note_bytes_max * NOTES_RELAXED,
        ..*limits
    }
}

/// Runs the required rules that need no fuel and little time: for a plugin that is to take over from another one.
#[must_use]
pub fn check(candidate: &Candidate, options: &Options) -> Report {
    let options = Options { quick: true, level: Level::Required, rules: Vec::new(), ..options.clone() };
    let rules = select(&[], Level::Required).unwrap_or_default();
    let deadline = Deadline::after(options.time_max);
    let known = KnownOfRoles::default();
    let beside = Beside::default();
    let setting = Setting { candidate, options: &options, sandbox: None, deadline, beside: &beside, known: &known };
    try_all(&setting, &rules, &mut |_| {})
}

/// Holds a component to the required rules, with an empty configuration.
///
/// ```no_run
/// # #[test] fn conforms() {
/// conformance::assert_conforms("dist/plugins/composite_key.wasm");
/// # }
/// ```
///
/// # Panics
/// It does not conform, or cannot be loaded; the message is the report.
pub fn assert_conforms(path: impl AsRef<Path>) {
    assert_conforms_with(path, &Options::default());
}

/// Holds a component to the rules that `options` choose.
///
/// ```no_run
/// use conformance::{Golden, Level, Options};
///
/// # #[test] fn conforms() {
/// let golden = Golden::read("tests/golden.json".as_ref()).expect("golden vectors");
/// let options = Options { level: Level::Strict, golden: vec![golden], ..Options::default() };
/// conformance::assert_conforms_with("my_plugin.wasm", &options);
/// # }
/// ```
///
/// # Panics
/// As [`assert_conforms`].
pub fn assert_conforms_with(path: impl AsRef<Path>, options: &Options) {
    match run(path.as_ref(), options, &mut |_| {}) {
        Ok(report) if report.passed() => {}
        Ok(report) => panic!("{}", report.to_human(false)),
        Err(error) => panic!("{error}"),
    }
}

fn try_all(setting: &Setting<'_>, rules: &[&'static Rule], progress: &mut dyn FnMut(Progress<'_>)) -> Report {
    let Setting { candidate, options, .. } = setting;
    let started = Instant::now();
    let mut report = Report {
        subject: Subject::of(candidate),
        level: options.level,
        seed: options.seed,
        chosen: options.rules.clone(),
        declarations: setting.beside.declared.path.clone(),
        quick: options.quick,
        outcomes: Vec::with_capacity(rules.len()),
        time: started.elapsed(),
    };
    progress(Progress::Opened(&report));
    for rule in rules.iter().filter(|rule| rule.quick || !options.quick) {
        progress(Progress::Trying(rule));
        let outcome = try_one(setting, rule, &report);
        progress(Progress::Tried(&outcome));
        report.outcomes.push(outcome);
    }
    report.time = started.elapsed();
    report
}

fn try_one(setting: &Setting<'_>, rule: &'static Rule, before: &Report) -> Outcome {
    let started = Instant::now();
    let deadline = setting.deadline.of_one(setting.options.rule_time_max);
    let mut context = Context::new(&Setting { deadline: deadline.clone(), ..setting.clone() }, rule.id);
    let broken = rule.follows.iter().find(|id| before.outcome(id).is_some_and(|outcome| outcome.verdict.is_bad()));
    let verdict = match (rule.concerns.roles(setting.candidate.roles()), broken) {
        (Err(why), _) => Verdict::NotApplicable(why.to_owned()),
        (Ok(_), Some(id)) => Verdict::Blocked(format!("it is meaningless if {id} does not hold")),
        (Ok(roles), None) => verdict_of_all(roles.into_iter().map(|role| {
            context.play(role);
            (rule.run)(&mut context, role)
        })),
    };
    let (used, remarks) = context.finish();
    let verdict = deadline.was_hit().map_or(verdict, |words| Verdict::Blocked(unfinished(&words, &used)));
    let rerun = rerun(setting.candidate, setting.options, rule);
    Outcome { rule, verdict, time: started.elapsed(), calls: used.calls, fuel: used.fuel, remarks, rerun }
}

/// Why a rule did not come to its end.
fn unfinished(words: &str, used: &Used) -> String {
    let calls = used.calls;
    match &used.slowest {
        Some((time, what)) => {
            format!("{words} after {calls} calls, of which the longest took {:.1} s: {what}", time.as_secs_f64())
        }
        None => format!("{words} after {calls} calls"),
    }
}

/// The worst of the verdicts for each role; not applicable only where the rule says nothing about any of them.
fn verdict_of_all(tried: impl Iterator<Item = Result<(), Stop>>) -> Verdict {
    let rank = |verdict: &Verdict| match verdict {
        Verdict::Failed(_) => 4,
        Verdict::Blocked(_) => 3,
        Verdict::Passed => 2,
        Verdict::Untried(_) => 1,
        Verdict::NotApplicable(_) => 0,
    };
    let verdicts = tried.map(|tried| tried.map_or_else(Verdict::from, |()| Verdict::Passed));
    // Of equals the first.
    let worst = verdicts.reduce(|worst, next| if rank(&next) > rank(&worst) { next } else { worst });
    worst.unwrap_or_else(|| Verdict::NotApplicable("the plugin has no role that the rule concerns".to_owned()))
}

/// A directory of this run's own, gone when it ends.
struct Scratch(PathBuf);

impl Scratch {
    /// `None` where the system gives no such place: nothing is kept then.
    fn new() -> Option<Self> {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("dedup-host-conformance-{}-{run}", std::process::id()));
        // Only a directory that did not exist: what is read from there is executed.
        std::fs::DirBuilder::new().mode(0o700).create(&path).ok()?;
        Some(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left for the system to clean up.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
