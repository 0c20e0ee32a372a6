//! What `dedup-host plugin ...` was asked for: one type a subcommand. Not what they do.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Args, Command, FromArgMatches as _, ValueEnum};
use plugin::Wasi;

use super::files::{Stream, stream};
use super::table::{SETTINGS, Setting};
use super::typed::Typed;
use super::{SettingsError, cli, config, units};
use crate::exit::ConformanceExit;

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
    /// Whether numbers reach a plugin by value.
    pub canonical_numbers: bool,
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
    /// What the component gets.
    pub sandbox: SandboxConfig,
}

/// `plugin bench`.
#[derive(Debug, Clone)]
pub struct BenchConfig {
    /// The components, the first is what others are compared with.
    pub components: Vec<PathBuf>,
    /// Events to measure with.
    pub events: usize,
    /// Where these come from; `None`: they are made up.
    pub input: Option<Stream>,
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
    /// What the component gets. Its configuration is that of the dump unless one is given here.
    pub sandbox: SandboxConfig,
}

/// `plugin componentize`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentizeConfig {
    /// The core module.
    pub module: PathBuf,
    /// Where the component goes.
    pub output: PathBuf,
    /// The world that a module keeps to which does not say so itself.
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

#[derive(Debug, Args)]
struct InspectArgs {
    /// The component
    #[arg(value_name = "P.wasm")]
    component: PathBuf,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct TestArgs {
    /// The component
    #[arg(value_name = "P.wasm")]
    component: PathBuf,
    /// One event: text, or @FILE (of which a newline at the end is left out)
    #[arg(long, value_name = "JSON|@FILE", required_unless_present = "input", conflicts_with = "input", value_parser = event)]
    event: Option<Bytes>,
    /// Events, one a line, plain, .gz or .zst; `-` is standard input
    #[arg(long, value_name = "FILE|-", value_parser = stream)]
    input: Option<Stream>,
    /// Most events read of --input
    #[arg(long, value_name = "N", default_value_t = TEST_EVENTS_MAX, value_parser = count)]
    limit: usize,
    /// What a scorer compares each event with: the event that came first
    #[arg(long, value_name = "JSON|@FILE", value_parser = event)]
    original: Option<Bytes>,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

/// Each event is shown, so that more is seldom what is wanted.
const TEST_EVENTS_MAX: usize = 1000;

#[derive(Debug, Args)]
struct ConformanceArgs {
    /// The component
    #[arg(value_name = "P.wasm", required_unless_present = "list")]
    component: Option<PathBuf>,
    /// Rules or groups of rules by their ids; none: all
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// Print the rules, each with its level and a sentence, and run none
    #[arg(long)]
    list: bool,
    /// Which rules are tried where none are named
    #[arg(long, value_enum, default_value_t = RuleLevel::Required)]
    level: RuleLevel,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    format: ReportFormat,
    /// What made-up events are drawn from; the same seed makes the same events
    #[arg(long, value_name = "N", default_value_t = conformance::Options::default().seed)]
    seed: u64,
    /// Golden cases, a JSON array: events with the keys, or pairs with the scores, that are right; may be repeated
    #[arg(long, value_name = "FILE")]
    expect: Vec<PathBuf>,
    /// Events of your own, one a line, for plugins that read the whole payload; `-` is standard input
    #[arg(long, value_name = "FILE|-", value_parser = stream)]
    input: Option<Stream>,
}

#[derive(Debug, Args)]
struct BenchArgs {
    /// The components; the first is what the others are compared with
    #[arg(value_name = "P.wasm", required = true)]
    components: Vec<PathBuf>,
    /// Events to measure with, made up unless --input is given
    #[arg(long, value_name = "N", default_value_t = BENCH_EVENTS, value_parser = count)]
    events: usize,
    /// Events, one a line, plain, .gz or .zst; `-` is standard input
    #[arg(long, value_name = "FILE|-", value_parser = stream)]
    input: Option<Stream>,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

/// Some ten megabytes: more than caches hold, and read in a blink.
const BENCH_EVENTS: usize = 20_000;

#[derive(Debug, Args)]
struct ReplayArgs {
    /// A file of --plugin-dump-dir
    #[arg(value_name = "DUMP")]
    dump: PathBuf,
    /// The component; without it the file that the dump names
    #[arg(long = "plugin", value_name = "P.wasm")]
    component: Option<PathBuf>,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ComponentizeArgs {
    /// The core module, as a compiler makes it for wasm32-unknown-unknown
    #[arg(value_name = "CORE.wasm")]
    module: PathBuf,
    /// Where the component goes
    #[arg(short, long, value_name = "OUT.wasm")]
    output: PathBuf,
    /// The world that the module keeps to; only for a module that does not say so itself, such as hand-written C
    #[arg(long, value_enum)]
    world: Option<World>,
}

#[derive(Debug, Args)]
struct NewArgs {
    /// In which language
    #[arg(short, long, value_enum)]
    language: Language,
    /// What it is to do
    #[arg(long, value_enum, default_value_t = NewRole::Key)]
    role: NewRole,
    /// The plugin's name, and that of the directory made in the current one: letters, digits and `_`
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
}

/// A subcommand, the words it is explained with, and the settings of a run that it takes too.
struct Subcommand {
    name: &'static str,
    about: &'static str,
    args: fn(Command) -> Command,
    /// What follows the options in the help text.
    end: fn() -> String,
    settings: &'static [&'static str],
}

const SANDBOX: &[&str] =
    &["plugin-config", "scorer-config", "plugin-wasi", "plugin-memory-mib", "plugin-time-limit-ms", "plugin-cache-dir"];
const SANDBOX_AND_NUMBERS: &[&str] = &[
    "plugin-config",
    "scorer-config",
    "plugin-wasi",
    "plugin-memory-mib",
    "plugin-time-limit-ms",
    "plugin-cache-dir",
    "numbers",
];

const SUBCOMMANDS: [Subcommand; 7] = [
    Subcommand {
        name: "new",
        about: "Make a project for a plugin, which builds as it is",
        args: NewArgs::augment_args,
        end: || "Example:\n  dedup-host plugin new --language rust order_id\n".to_owned(),
        settings: &[],
    },
    Subcommand {
        name: "componentize",
        about: "Make a component of a core module, as compilers make them",
        args: ComponentizeArgs::augment_args,
        end: || {
            "Examples:\n  dedup-host plugin componentize target/wasm32-unknown-unknown/release/order_id.wasm -o \
             order_id.wasm\n  dedup-host plugin componentize order_id.core.wasm -o order_id.wasm --world key-plugin\n"
                .to_owned()
        },
        settings: &[],
    },
    Subcommand {
        name: "inspect",
        about: "Say what a component is: name, roles, fields it asks for, imports, size, what it needs",
        args: InspectArgs::augment_args,
        end: || {
            "A component that cannot be loaded is told as far as it can be read, with the way out; the exit code is \
             then 3.\n\nExample:\n  dedup-host plugin inspect composite_key.wasm --plugin-config /actor/login,/type\n"
                .to_owned()
        },
        settings: SANDBOX,
    },
    Subcommand {
        name: "test",
        about: "Say what a component does with events: keys, scores, words, cost",
        args: TestArgs::augment_args,
        end: || TEST_END.to_owned(),
        settings: SANDBOX_AND_NUMBERS,
    },
    Subcommand {
        name: "conformance",
        about: "Say whether a component keeps the rules for plugins",
        args: ConformanceArgs::augment_args,
        end: conformance_end,
        settings: SANDBOX,
    },
    Subcommand {
        name: "bench",
        about: "Measure components side by side: time an event, time to load, memory",
        args: BenchArgs::augment_args,
        end: || BENCH_END.to_owned(),
        settings: SANDBOX_AND_NUMBERS,
    },
    Subcommand {
        name: "replay",
        about: "Repeat a call on which a plugin failed in a run, from what the host wrote down",
        args: ReplayArgs::augment_args,
        end: || REPLAY_END.to_owned(),
        settings: SANDBOX,
    },
];

const TEST_END: &str = "\
Events go to the component one a call, through the same search for fields as in a run. A scorer needs --original, and
compares it with each event. Work is counted in fuel, about one a wasm instruction, the same on every machine; counting
makes calls a little slower than they are in a run. The exit code is 7 where the plugin failed on an event.

Examples:
  dedup-host plugin test composite_key.wasm --event '{\"timestamp\":1,\"distinct_id\":\"a\",\"token\":\"t\",\"event\":\"e\"}'
  dedup-host plugin test multi_key.wasm --plugin-config '[[\"/uuid\"]]' --input events.ndjson --limit 20
  dedup-host plugin test property_similarity.wasm --original @first.json --event @second.json
";

const BENCH_END: &str = "\
Events are laid out beforehand; what is measured is the call, by batches of 1,000, in the sandbox of a run. A scorer gets
pairs: of made-up events duplicates with their originals, of --input each event with the one before it.

Example:
  dedup-host plugin bench mine.wasm composite_key.wasm --events 50000
";

const REPLAY_END: &str = "\
A run writes dumps with --plugin-dump-dir DIR, and the values of events into them with --plugin-dump-values. The exit
code is 0 where the plugin does not fail any more, and 7 where it does.

Example:
  dedup-host plugin replay dumps/events-0-4711.json --plugin mended.wasm
";

fn conformance_end() -> String {
    let mut text = String::from("Exit codes of this command:\n");
    for code in ConformanceExit::ALL {
        text.push_str(&format!("  {:>3}  {}\n", code.code(), code.meaning()));
    }
    text.push_str(
        "\nExamples:\n  dedup-host plugin conformance mine.wasm\n  dedup-host plugin conformance mine.wasm totality \
         --level strict --format junit > report.xml\n  dedup-host plugin conformance --list\n",
    );
    text
}

/// `plugin`, with all its subcommands.
pub(super) fn command() -> Command {
    let subcommands = SUBCOMMANDS.iter().map(|subcommand| {
        let settings = SETTINGS.iter().filter(|setting| subcommand.settings.contains(&setting.flag));
        let command = (subcommand.args)(Command::new(subcommand.name)).about(subcommand.about);
        let command = command.args(settings.map(cli::arg)).after_help((subcommand.end)());
        if subcommand.settings.is_empty() { command } else { command.arg(cli::config_arg()) }
    });
    Command::new("plugin")
        .about("Write plugins: make a project, inspect, test, measure, prove that it keeps the rules")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(subcommands)
        .after_help("`dedup-host plugin COMMAND --help` says more about each, with an example.")
}

/// Whether a subcommand of `plugin` takes this setting of a run.
fn takes(subcommand: &str, setting: &Setting) -> bool {
    SUBCOMMANDS.iter().any(|other| other.name == subcommand && other.settings.contains(&setting.flag))
}

impl PluginCommand {
    /// `resolve` gives the settings that the subcommand shares with a run.
    pub(super) fn of(
        matches: &ArgMatches,
        resolve: impl Fn(&dyn Fn(&Setting) -> bool, &ArgMatches) -> Result<Typed, SettingsError>,
    ) -> Result<Self, SettingsError> {
        let Some((name, matches)) = matches.subcommand() else {
            return Err(SettingsError::Conflict("`plugin` needs a command; see `dedup-host plugin --help`".into()));
        };
        let sandbox = || SandboxConfig::of(&resolve(&|setting| takes(name, setting), matches)?);
        Ok(match name {
            "new" => Self::New(NewConfig::of(NewArgs::from_arg_matches(matches)?)),
            "componentize" => Self::Componentize(ComponentizeConfig::of(ComponentizeArgs::from_arg_matches(matches)?)),
            "inspect" => Self::Inspect(InspectConfig::of(InspectArgs::from_arg_matches(matches)?, sandbox()?)),
            "test" => Self::Test(Box::new(TestConfig::of(TestArgs::from_arg_matches(matches)?, sandbox()?)?)),
            "conformance" => {
                let args = ConformanceArgs::from_arg_matches(matches)?;
                Self::Conformance(Box::new(ConformanceConfig::of(args, sandbox()?)))
            }
            "bench" => Self::Bench(BenchConfig::of(BenchArgs::from_arg_matches(matches)?, sandbox()?)),
            _ => Self::Replay(ReplayConfig::of(ReplayArgs::from_arg_matches(matches)?, sandbox()?)),
        })
    }
}

impl SandboxConfig {
    fn of(typed: &Typed) -> Result<Self, SettingsError> {
        let numbers = typed.get("numbers", config::canonical_numbers)?;
        Ok(Self {
            extractor_configuration: typed.get("plugin-config", config::text_or_file)?,
            scorer_configuration: typed.get("scorer-config", config::text_or_file)?,
            wasi: typed.need("plugin-wasi", config::wasi)?,
            memory_bytes: typed.need("plugin-memory-mib", config::plugin_memory)?,
            time_limit: typed.need("plugin-time-limit-ms", units::millis)?,
            cache_dir: typed.need("plugin-cache-dir", config::cache_dir)?,
            canonical_numbers: numbers.unwrap_or(false),
        })
    }
}

impl InspectConfig {
    fn of(args: InspectArgs, sandbox: SandboxConfig) -> Self {
        Self { component: args.component, json: args.json, sandbox }
    }
}

impl TestConfig {
    fn of(args: TestArgs, sandbox: SandboxConfig) -> Result<Self, SettingsError> {
        let events = match (args.event, args.input) {
            (Some(event), _) => Events::One(event.0),
            (None, Some(input)) => Events::Lines(input),
            (None, None) => return Err(SettingsError::Conflict("give --event JSON or --input FILE".into())),
        };
        let original = args.original.map(|original| original.0);
        Ok(Self { component: args.component, events, limit: args.limit, original, json: args.json, sandbox })
    }
}

impl ConformanceConfig {
    fn of(args: ConformanceArgs, sandbox: SandboxConfig) -> Self {
        Self {
            component: args.component,
            rules: args.rules,
            list: args.list,
            level: args.level,
            format: args.format,
            seed: args.seed,
            expect: args.expect,
            input: args.input,
            sandbox,
        }
    }
}

impl BenchConfig {
    fn of(args: BenchArgs, sandbox: SandboxConfig) -> Self {
        Self { components: args.components, events: args.events, input: args.input, json: args.json, sandbox }
    }
}

impl ReplayConfig {
    fn of(args: ReplayArgs, sandbox: SandboxConfig) -> Self {
        Self { dump: args.dump, component: args.component, json: args.json, sandbox }
    }
}

impl ComponentizeConfig {
    fn of(args: ComponentizeArgs) -> Self {
        Self { module: args.module, output: args.output, world: args.world }
    }
}

impl NewConfig {
    fn of(args: NewArgs) -> Self {
        Self { language: args.language, role: args.role, name: args.name }
    }
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

/// An event as it came: not a list of numbers, which is what clap makes of `Vec<u8>`.
#[derive(Debug, Clone)]
struct Bytes(Vec<u8>);

fn event(text: &str) -> Result<Bytes, String> {
    let Some(path) = text.strip_prefix('@') else { return Ok(Bytes(text.as_bytes().to_vec())) };
    let mut bytes = std::fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    Ok(Bytes(bytes))
}

fn count(text: &str) -> Result<usize, String> {
    match units::count(text)? {
        0 => Err("give at least 1".to_owned()),
        count => Ok(count),
    }
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
