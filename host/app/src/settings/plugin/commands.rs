//! `plugin` and its subcommands as clap sees them: names, and help texts. Which settings of a run each also takes is said by these.

use std::fmt::Write as _;

use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};
use setting::{Row, SettingsError, Taker, Typed};
use workbench::plugins::PluginCommand;

use super::args::{BenchArgs, ComponentizeArgs, ConformanceArgs, InspectArgs, NewArgs, ReplayArgs, TestArgs};
use super::sandbox::sandbox;
use crate::exit::ConformanceExit;
use crate::settings::error::UsageError;
use crate::settings::flags;
use crate::settings::table::settings;

/// A subcommand, and the words it is explained with.
struct Subcommand {
    name: &'static str,
    about: &'static str,
    args: fn(Command) -> Command,
    /// What follows the options in the help text.
    end: fn() -> String,
    /// As what it takes settings of a run; `None`: it takes none.
    taker: Option<Taker>,
}

impl Subcommand {
    fn takes(&self, setting: &Row) -> bool {
        self.taker.is_some_and(|taker| setting.is_for(taker))
    }
}

const SUBCOMMANDS: [Subcommand; 7] = [
    Subcommand {
        name: "new",
        about: "Create a plugin project that is ready to build",
        args: NewArgs::augment_args,
        end: || "Example:\n  dedup-host plugin new --language rust order_id\n".to_owned(),
        taker: None,
    },
    Subcommand {
        name: "componentize",
        about: "Turn a core module, as compilers produce it, into a component",
        args: ComponentizeArgs::augment_args,
        end: || COMPONENTIZE_END.to_owned(),
        taker: None,
    },
    Subcommand {
        name: "inspect",
        about: "Show what a component is: name, roles, fields it asks for, imports, size, what it needs",
        args: InspectArgs::augment_args,
        end: || INSPECT_END.to_owned(),
        taker: Some(Taker::Inspect),
    },
    Subcommand {
        name: "test",
        about: "Show what a component does with events: keys, scores, log, cost",
        args: TestArgs::augment_args,
        end: || TEST_END.to_owned(),
        taker: Some(Taker::Test),
    },
    Subcommand {
        name: "conformance",
        about: "Check whether a component follows the rules for plugins",
        args: ConformanceArgs::augment_args,
        end: conformance_end,
        taker: Some(Taker::Conformance),
    },
    Subcommand {
        name: "bench",
        about: "Measure components side by side: time per event, time to load, memory",
        args: BenchArgs::augment_args,
        end: || BENCH_END.to_owned(),
        taker: Some(Taker::Bench),
    },
    Subcommand {
        name: "replay",
        about: "Repeat a call on which a plugin failed in a run, from a dump that the host wrote",
        args: ReplayArgs::augment_args,
        end: || REPLAY_END.to_owned(),
        taker: Some(Taker::Replay),
    },
];

const TEST_END: &str = "\
Each call passes one event to the component; fields are found as in a run. A scorer needs --original, and compares it \
with each event. --json-in opens strings of events as in a run. Work is counted in fuel, about one unit per wasm \
instruction, the same on every machine; counting makes calls a little slower than in a run.

The exit code is 7 if the plugin failed on an event.

Examples:
  dedup-host plugin test order_id.wasm --event '{\"order\": {\"id\": 7}}'
  dedup-host plugin test multi_key.wasm --plugin-config '[[\"/uuid\"]]' --input events.ndjson
  dedup-host plugin test property_similarity.wasm --original @first.json --event @second.json
";

const BENCH_END: &str = "\
Events are laid out beforehand; only the call is measured, in batches of 1,000, in the sandbox of a run. A scorer gets \
pairs: generated duplicates with their originals or, with --input, each event with the one before it.

Example:
  dedup-host plugin bench mine.wasm composite_key.wasm --events 50000
";

const REPLAY_END: &str = "\
A run writes dumps with --plugin-dump-dir DIR; --plugin-dump-values includes the values of events. Limits and \
configuration are those of that run, unless others are given here. Fields are given as they were found in that run, \
including those inside strings that --json-in names.

The exit code is 0 if the plugin no longer fails, and 7 if it does.

Example:
  dedup-host plugin replay dumps/events-0-4711-key-extractor-7f9a3f0e.json --plugin fixed.wasm
";

const COMPONENTIZE_END: &str = "\
Examples:
  dedup-host plugin componentize target/wasm32-unknown-unknown/release/order_id.wasm \\
             -o order_id.wasm
  dedup-host plugin componentize core.wasm -o order_id.wasm --world key-plugin
";

const INSPECT_END: &str = "\
If the component cannot be loaded, this shows what can be known about it and how to fix it; the exit code is then 3.

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
        let settings = settings().filter(|setting| subcommand.takes(setting));
        let command = (subcommand.args)(Command::new(subcommand.name)).about(subcommand.about);
        let command = command.args(settings.map(flags::arg)).after_help((subcommand.end)());
        if subcommand.taker.is_none() { command } else { command.arg(flags::config_arg()) }
    });
    Command::new("plugin")
        .about("Write plugins: create a project, inspect, test and measure it, check it against the rules")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(subcommands)
        .after_help("`dedup-host plugin COMMAND --help` says more about each, with an example.")
}

/// Whether a subcommand of `plugin` takes this setting of a run.
fn takes(subcommand: &str, setting: &Row) -> bool {
    SUBCOMMANDS.iter().any(|other| other.name == subcommand && other.takes(setting))
}

/// What was asked for. `resolve` gives the settings that the subcommand shares with a run.
pub(in crate::settings) fn plugin_command(
    matches: &ArgMatches,
    resolve: impl Fn(&dyn Fn(&Row) -> bool, &ArgMatches) -> Result<Typed, SettingsError>,
) -> Result<PluginCommand, UsageError> {
    let Some((name, matches)) = matches.subcommand() else {
        let reason = "`plugin` needs a command; see `dedup-host plugin --help`";
        return Err(SettingsError::Conflict(reason.to_owned()).into());
    };
    let typed = || resolve(&|setting| takes(name, setting), matches);
    let sandbox = || sandbox(&typed()?);
    Ok(match name {
        "new" => PluginCommand::New(NewArgs::from_arg_matches(matches)?.config()),
        "componentize" => PluginCommand::Componentize(ComponentizeArgs::from_arg_matches(matches)?.config()?),
        "inspect" => PluginCommand::Inspect(InspectArgs::from_arg_matches(matches)?.config(sandbox()?)),
        "test" => PluginCommand::Test(Box::new(TestArgs::from_arg_matches(matches)?.config(sandbox()?)?)),
        "conformance" => {
            PluginCommand::Conformance(Box::new(ConformanceArgs::from_arg_matches(matches)?.config(sandbox()?)))
        }
        "bench" => PluginCommand::Bench(BenchArgs::from_arg_matches(matches)?.config(sandbox()?)),
        _ => PluginCommand::Replay(ReplayArgs::from_arg_matches(matches)?.config(&typed()?)?),
    })
}
