//! `plugin` and its subcommands as clap sees them: names, help texts, and the settings of a run that each takes too.

use std::fmt::Write as _;

use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};

use super::args::{BenchArgs, ComponentizeArgs, ConformanceArgs, InspectArgs, NewArgs, ReplayArgs, TestArgs};
use super::{
    BenchConfig, ComponentizeConfig, ConformanceConfig, InspectConfig, NewConfig, PluginCommand, ReplayConfig,
    SandboxConfig, TestConfig,
};
use crate::exit::ConformanceExit;
use crate::settings::table::{SETTINGS, Setting};
use crate::settings::typed::Typed;
use crate::settings::{SettingsError, cli};

/// A subcommand, the words it is explained with, and the settings of a run that it takes too.
struct Subcommand {
    name: &'static str,
    about: &'static str,
    args: fn(Command) -> Command,
    /// What follows the options in the help text.
    end: fn() -> String,
    settings: &'static [&'static str],
}

const SANDBOX: &[&str] = &[
    "plugin-config",
    "scorer-config",
    "plugin-wasi",
    "plugin-memory-mib",
    "plugin-time-limit-ms",
    "plugin-cache-dir",
    "plugin-compile-memory-mib",
    "plugin-compile-timeout-secs",
];
const SANDBOX_AND_JSON_IN: &[&str] = &[
    "plugin-config",
    "scorer-config",
    "plugin-wasi",
    "plugin-memory-mib",
    "plugin-time-limit-ms",
    "plugin-cache-dir",
    "plugin-compile-memory-mib",
    "plugin-compile-timeout-secs",
    "json-in",
];
const SANDBOX_AND_EVENTS: &[&str] = &[
    "plugin-config",
    "scorer-config",
    "plugin-wasi",
    "plugin-memory-mib",
    "plugin-time-limit-ms",
    "plugin-cache-dir",
    "plugin-compile-memory-mib",
    "plugin-compile-timeout-secs",
    "numbers",
    "json-in",
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
        end: || COMPONENTIZE_END.to_owned(),
        settings: &[],
    },
    Subcommand {
        name: "inspect",
        about: "Say what a component is: name, roles, fields it asks for, imports, size, what it needs",
        args: InspectArgs::augment_args,
        end: || INSPECT_END.to_owned(),
        settings: SANDBOX,
    },
    Subcommand {
        name: "test",
        about: "Say what a component does with events: keys, scores, words, cost",
        args: TestArgs::augment_args,
        end: || TEST_END.to_owned(),
        settings: SANDBOX_AND_EVENTS,
    },
    Subcommand {
        name: "conformance",
        about: "Say whether a component keeps the rules for plugins",
        args: ConformanceArgs::augment_args,
        end: conformance_end,
        settings: SANDBOX_AND_JSON_IN,
    },
    Subcommand {
        name: "bench",
        about: "Measure components side by side: time an event, time to load, memory",
        args: BenchArgs::augment_args,
        end: || BENCH_END.to_owned(),
        settings: SANDBOX_AND_EVENTS,
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
Events go to the component one a call, through the same search for fields as in a run. A scorer needs --original, and \
compares it with each event. --json-in opens strings of events as in a run. Work is counted in fuel, about one a wasm instruction, the same on every machine; counting \
makes calls a little slower than they are in a run.

The exit code is 7 where the plugin failed on an event.

Examples:
  dedup-host plugin test order_id.wasm --event '{\"order\": {\"id\": 7}}'
  dedup-host plugin test multi_key.wasm --plugin-config '[[\"/uuid\"]]' --input events.ndjson
  dedup-host plugin test property_similarity.wasm --original @first.json --event @second.json
";

const BENCH_END: &str = "\
Events are laid out beforehand; what is measured is the call, by batches of 1,000, in the sandbox of a run. A scorer gets \
pairs: of made-up events duplicates with their originals, of --input each event with the one before it.

Example:
  dedup-host plugin bench mine.wasm composite_key.wasm --events 50000
";

const REPLAY_END: &str = "\
A run writes dumps with --plugin-dump-dir DIR, and the values of events into them with --plugin-dump-values. The limits \
and the configuration are those of that run, unless others are given here. Fields are repeated as they were found then, \
those inside strings that --json-in names included.

The exit code is 0 where the plugin does not fail any more, and 7 where it does.

Example:
  dedup-host plugin replay dumps/events-0-4711-key-extractor-7f9a3f0e.json --plugin mended.wasm
";

const COMPONENTIZE_END: &str = "\
Examples:
  dedup-host plugin componentize target/wasm32-unknown-unknown/release/order_id.wasm \\
             -o order_id.wasm
  dedup-host plugin componentize core.wasm -o order_id.wasm --world key-plugin
";

const INSPECT_END: &str = "\
Of a component that cannot be loaded it says what can be said, and the way out; the exit code is then 3.

Example:
  dedup-host plugin inspect composite_key.wasm --plugin-config /actor/login,/type
";

fn conformance_end() -> String {
    let mut text = String::from("Exit codes of this command:\n");
    for code in ConformanceExit::ALL {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {:>3}  {}", code.code(), code.meaning());
    }
    text.push_str(
        "\nExamples:\n  dedup-host plugin conformance mine.wasm\n  dedup-host plugin conformance mine.wasm totality \
         --level strict --format junit > report.xml\n  dedup-host plugin conformance --list\n",
    );
    text
}

/// `plugin`, with all its subcommands.
pub(in crate::settings) fn command() -> Command {
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
    pub(in crate::settings) fn of(
        matches: &ArgMatches,
        resolve: impl Fn(&dyn Fn(&Setting) -> bool, &ArgMatches) -> Result<Typed, SettingsError>,
    ) -> Result<Self, SettingsError> {
        let Some((name, matches)) = matches.subcommand() else {
            return Err(SettingsError::Conflict("`plugin` needs a command; see `dedup-host plugin --help`".into()));
        };
        let typed = || resolve(&|setting| takes(name, setting), matches);
        let sandbox = || SandboxConfig::of(&typed()?);
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
            _ => Self::Replay(ReplayConfig::of(ReplayArgs::from_arg_matches(matches)?, &typed()?)?),
        })
    }
}
