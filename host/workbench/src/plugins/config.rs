//! What `dedup-host plugin ...` was asked for: one type per subcommand. Not what they do, and not how it is typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use engine::projection::JsonIn;
use file_connector::{Existing, Stream};
use plugin::Wasi;

/// One subcommand of `plugin`.
#[derive(Debug, Clone)]
pub enum PluginCommand {
    /// Say what a component is.
    Inspect(InspectConfig),
    /// Say what a component does with events.
    Test(Box<TestConfig>),
    /// Say whether a component keeps the rules.
    Conformance(Box<ConformanceConfig>),
    /// Say how fast components are.
    Bench(BenchConfig),
    /// Repeat a call on which a plugin failed.
    Replay(ReplayConfig),
    /// Make a component of a core module.
    Componentize(ComponentizeConfig),
    /// Make a project.
    New(NewConfig),
}

/// What a component gets and may use; the same settings as of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct SandboxConfig {
    /// Handed to the key extractor as it is; an `@file` is read already.
    pub extractor_configuration: Option<String>,
    /// Handed to the similarity scorer as it is; an `@file` is read already.
    pub scorer_configuration: Option<String>,
    /// What components get that were built with WASI.
    pub wasi: Wasi,
    /// Most memory of an instance.
    pub memory_bytes: u64,
    /// Longest call for 1 MiB.
    pub time_limit: Duration,
    /// Where compiled components are kept; `None`: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// Most memory that compiling takes.
    pub compile_memory_bytes: u64,
    /// Longest time that compiling takes.
    pub compile_time: Duration,
    /// Whether numbers reach a plugin by value.
    pub canonical_numbers: bool,
    /// Members whose strings are JSON text.
    pub json_in: JsonIn,
}

/// `plugin inspect`.
#[derive(Debug, Clone)]
pub struct InspectConfig {
    /// The component.
    pub component: PathBuf,
    /// Whether the answer is JSON.
    pub json: bool,
    /// What it gets.
    pub sandbox: SandboxConfig,
}

/// Where the events of a command come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Events {
    /// One, given on the command line.
    One(Vec<u8>),
    /// One a line.
    Lines(Stream),
}

/// `plugin test`.
#[derive(Debug, Clone)]
pub struct TestConfig {
    /// The component.
    pub component: PathBuf,
    /// The events.
    pub events: Events,
    /// Most events read.
    pub limit: usize,
    /// What each event is compared with.
    pub original: Option<Vec<u8>>,
    /// Whether the answer is JSON.
    pub json: bool,
    /// What the component gets.
    pub sandbox: SandboxConfig,
}

/// How the suite's report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Lines for people
    Human,
    /// Test Anything Protocol 14
    Tap,
    /// JUnit's XML
    Junit,
    /// One JSON object
    Json,
}

/// Which rules are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RuleLevel {
    /// What the host relies on
    Required,
    /// Also what a good plugin does
    Strict,
}

/// `plugin conformance`.
#[derive(Debug, Clone)]
pub struct ConformanceConfig {
    /// The component; `None` only where the rules are listed.
    pub component: Option<PathBuf>,
    /// Ids of rules or groups; empty: all.
    pub rules: Vec<String>,
    /// Whether to list the rules and run none.
    pub list: bool,
    /// Which rules are tried where none are named.
    pub level: RuleLevel,
    /// How the report is written.
    pub format: ReportFormat,
    /// What made-up events are drawn from.
    pub seed: u64,
    /// Files of golden cases.
    pub expect: Vec<PathBuf>,
    /// Events of the author's own.
    pub input: Option<Stream>,
    /// What the plugin takes for the same; `None`: `conformance.toml` beside the component, if it is there.
    pub declarations: Option<PathBuf>,
    /// For all rules together.
    pub time_budget: Duration,
    /// What the component gets.
    pub sandbox: SandboxConfig,
}

/// `plugin bench`.
#[derive(Debug, Clone)]
pub struct BenchConfig {
    /// The components; the others are compared with the first.
    pub components: Vec<PathBuf>,
    /// Events to measure with.
    pub events: usize,
    /// Where these come from; `None`: they are made up.
    pub input: Option<Stream>,
    /// For each component in each role.
    pub time_budget: Duration,
    /// Whether the answer is JSON.
    pub json: bool,
    /// What the components get.
    pub sandbox: SandboxConfig,
}

/// `plugin replay`.
#[derive(Debug, Clone)]
pub struct ReplayConfig {
    /// What the host wrote down.
    pub dump: PathBuf,
    /// The component; `None`: the file named in the dump.
    pub component: Option<PathBuf>,
    /// Whether the answer is JSON.
    pub json: bool,
    /// Most memory of an instance; `None`: as then.
    pub memory_bytes: Option<u64>,
    /// Longest call for 1 MiB; `None`: as then.
    pub time_limit: Option<Duration>,
    /// What else the component gets. Its configuration is that of the dump unless one is given here.
    pub sandbox: SandboxConfig,
}

/// `plugin componentize`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentizeConfig {
    /// The core module.
    pub module: PathBuf,
    /// Where the component goes.
    pub output: PathBuf,
    /// What becomes of a file that is there already.
    pub existing: Existing,
    /// The world of a module that does not declare it.
    pub world: Option<World>,
}

/// The worlds of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum World {
    /// It extracts keys
    KeyPlugin,
    /// It scores
    SimilarityPlugin,
    /// It does both
    DedupPlugin,
}

/// The languages that projects can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust, with the SDK of this repository.
    Rust,
    /// Python, by componentize-py.
    Python,
    /// JavaScript, by componentize-js.
    #[value(alias = "js", alias = "typescript")]
    Javascript,
    /// C, by clang or zig.
    C,
}

/// What a new plugin is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NewRole {
    /// Say what makes two events the same
    Key,
    /// Say how alike two events are
    Scorer,
}

/// `plugin new`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConfig {
    /// In which language.
    pub language: Language,
    /// What it is to do.
    pub role: NewRole,
    /// The plugin's name, and that of the directory made in the current one: lower-case letters, digits and `_`.
    pub name: String,
}

impl World {
    /// Its name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyPlugin => "key-plugin",
            Self::SimilarityPlugin => "similarity-plugin",
            Self::DedupPlugin => "dedup-plugin",
        }
    }
}
