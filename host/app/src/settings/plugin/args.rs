//! The command line of each subcommand of `plugin`, and its conversion. Not the settings that are shared with a run,
//! and not the help texts around them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use file_connector::{Existing, Named, Stream, shared};
use setting::{SettingsError, Typed, units};
use workbench::plugins::{
    BenchConfig, ComponentizeConfig, ConformanceConfig, Events, InspectConfig, Language, NewConfig, NewRole,
    ReplayConfig, ReportFormat, RuleLevel, SandboxConfig, TestConfig, World,
};

use super::sandbox::sandbox;
use crate::settings::components::{PLUGIN_MEMORY_MIB, PLUGIN_TIME_LIMIT_MS};
use crate::settings::files::source;

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The component
    #[arg(value_name = "P.wasm")]
    component: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// The component
    #[arg(value_name = "P.wasm")]
    component: PathBuf,
    /// One event: text, or @FILE (a newline at its end is left out)
    #[arg(long, value_name = "JSON|@FILE", required_unless_present = "input", conflicts_with = "input", value_parser = event)]
    event: Option<Bytes>,
    /// Events, one per line, plain, gzip or zstd; `-` is standard input
    #[arg(long, value_name = "FILE|-", value_parser = source)]
    input: Option<Stream>,
    /// Maximum number of events to read from --input
    #[arg(long, value_name = "N", default_value_t = TEST_EVENTS_MAX, value_parser = units::count)]
    limit: usize,
    /// The event that came first, which a scorer compares each event with
    #[arg(long, value_name = "JSON|@FILE", value_parser = event)]
    original: Option<Bytes>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Each event is shown, so that more is seldom what is wanted.
const TEST_EVENTS_MAX: usize = 1000;

#[derive(Debug, Args)]
pub(super) struct ConformanceArgs {
    /// The component
    #[arg(value_name = "P.wasm", required_unless_present = "list")]
    component: Option<PathBuf>,
    /// Ids of rules or groups to run; none: all
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// List the rules, each with its level and a sentence, without running any
    #[arg(long)]
    list: bool,
    /// Which rules to run if none are named
    #[arg(long, value_enum, default_value_t = RuleLevel::Required)]
    level: RuleLevel,
    /// Format of the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    format: ReportFormat,
    /// Seed for generated events; the same seed gives the same events
    #[arg(long, value_name = "N", default_value_t = conformance::Options::default().seed)]
    seed: u64,
    /// Golden cases, a JSON array: events with the expected keys, or pairs with the expected scores; may be repeated
    #[arg(long, value_name = "FILE")]
    expect: Vec<PathBuf>,
    /// Your own events, one per line, to try in addition to generated ones; at most 1,000 are read; `-` is standard input
    #[arg(long, value_name = "FILE|-", value_parser = source)]
    input: Option<Stream>,
    /// What the plugin treats as the same on purpose; without it, conformance.toml beside the component if there is one
    #[arg(long, value_name = "FILE")]
    declarations: Option<PathBuf>,
    /// Most time for all rules together; a rule may take a fifth of it, and is blocked if it takes longer
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = units::seconds)]
    time_budget_secs: Duration,
}

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// The components; the others are compared with the first
    #[arg(value_name = "P.wasm", required = true)]
    components: Vec<PathBuf>,
    /// Number of events to measure with, generated unless --input is given
    #[arg(long, value_name = "N", default_value_t = BENCH_EVENTS, value_parser = units::count)]
    events: usize,
    /// Events, one per line, plain, gzip or zstd; `-` is standard input
    #[arg(long, value_name = "FILE|-", value_parser = source)]
    input: Option<Stream>,
    /// Most time to measure each component in each role; what was measured by then is shown
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = units::seconds)]
    time_budget_secs: Duration,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Some ten megabytes: more than caches hold, and read in a blink.
const BENCH_EVENTS: usize = 20_000;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// A file from --plugin-dump-dir
    #[arg(value_name = "DUMP")]
    dump: PathBuf,
    /// The component; without it, the file that the dump names
    #[arg(long = "plugin", value_name = "P.wasm")]
    component: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ComponentizeArgs {
    /// The core module, as a compiler produces it for wasm32-unknown-unknown
    #[arg(value_name = "CORE.wasm")]
    module: PathBuf,
    /// Where to write the component
    #[arg(short, long, value_name = "OUT.wasm")]
    output: PathBuf,
    /// Replace a file that already exists and is not empty; never the module itself
    #[arg(long)]
    overwrite: bool,
    /// The world that the module implements; only for modules that do not declare it, such as hand-written C
    #[arg(long, value_enum)]
    world: Option<World>,
}

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// Language of the project
    #[arg(short, long, value_enum)]
    language: Language,
    /// What the plugin does
    #[arg(long, value_enum, default_value_t = NewRole::Key)]
    role: NewRole,
    /// Name of the plugin and of the new directory: letters, digits and `_`
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
}

impl InspectArgs {
    pub(super) fn config(self, sandbox: SandboxConfig) -> InspectConfig {
        InspectConfig { component: self.component, json: self.json, sandbox }
    }
}

impl TestArgs {
    pub(super) fn config(self, sandbox: SandboxConfig) -> Result<TestConfig, SettingsError> {
        let events = match (self.event, self.input) {
            (Some(event), _) => Events::One(event.0),
            (None, Some(input)) => Events::Lines(input),
            (None, None) => return Err(SettingsError::Conflict("give --event JSON or --input FILE".into())),
        };
        let original = self.original.map(|original| original.0);
        Ok(TestConfig { component: self.component, events, limit: self.limit, original, json: self.json, sandbox })
    }
}

impl ConformanceArgs {
    pub(super) fn config(self, sandbox: SandboxConfig) -> ConformanceConfig {
        ConformanceConfig {
            component: self.component,
            rules: self.rules,
            list: self.list,
            level: self.level,
            format: self.format,
            seed: self.seed,
            expect: self.expect,
            input: self.input,
            declarations: self.declarations,
            time_budget: self.time_budget_secs,
            sandbox,
        }
    }
}

impl BenchArgs {
    pub(super) fn config(self, sandbox: SandboxConfig) -> BenchConfig {
        BenchConfig {
            components: self.components,
            events: self.events,
            input: self.input,
            time_budget: self.time_budget_secs,
            json: self.json,
            sandbox,
        }
    }
}

impl ReplayArgs {
    pub(super) fn config(self, typed: &Typed) -> Result<ReplayConfig, SettingsError> {
        let sandbox = sandbox(typed)?;
        Ok(ReplayConfig {
            dump: self.dump,
            component: self.component,
            json: self.json,
            memory_bytes: typed.given(&PLUGIN_MEMORY_MIB).then_some(sandbox.memory_bytes),
            time_limit: typed.given(&PLUGIN_TIME_LIMIT_MS).then_some(sandbox.time_limit),
            sandbox,
        })
    }
}

impl ComponentizeArgs {
    pub(super) fn config(self) -> Result<ComponentizeConfig, SettingsError> {
        let named = |flag, path: &Path, writes| Named { flag, stream: Stream::File(path.to_owned()), writes };
        if shared(&[named("module", &self.module, false), named("output", &self.output, true)]).is_some() {
            let same =
                format!("--output {} is the module itself: give the component another name", self.output.display());
            return Err(SettingsError::Conflict(same));
        }
        let existing = if self.overwrite { Existing::Replaced } else { Existing::Refused };
        Ok(ComponentizeConfig { module: self.module, output: self.output, existing, world: self.world })
    }
}

impl NewArgs {
    pub(super) fn config(self) -> NewConfig {
        NewConfig { language: self.language, role: self.role, name: self.name }
    }
}

/// An event as it came: not a list of numbers, which is what clap makes of `Vec<u8>`.
#[derive(Debug, Clone)]
struct Bytes(Vec<u8>);

/// Bytes of one event that stands in a file.
const EVENT_BYTES_MAX: u64 = 256 << 20;

fn event(text: &str) -> Result<Bytes, String> {
    let Some(path) = text.strip_prefix('@') else { return Ok(Bytes(text.as_bytes().to_vec())) };
    let bytes = plugin::read_file(Path::new(path), EVENT_BYTES_MAX);
    let mut bytes = bytes.map_err(|error| format!("cannot read {path}: {error}"))?;
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    Ok(Bytes(bytes))
}

/// Bytes of the longest name of a plugin, which becomes one of a directory and a crate.
const NAME_BYTES_MAX: usize = 64;

fn name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if begins && text.len() <= NAME_BYTES_MAX && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "write a lower-case letter and then lower-case letters, digits or _, at most {NAME_BYTES_MAX} in all, such as order_id"
    ))
}
