//! The command line as clap sees it, built from the table of settings. It checks names, not values: a wrong value is
//! reported together with its origin, and clap knows only the command line.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Args as _, Command};

use super::generate::{self, GenerateArgs};
use super::plugin;
use super::table::{Kind, SETTINGS, Setting};
use crate::exit::ExitCode;

/// Variable of `--config`.
pub(super) const CONFIG_VARIABLE: &str = "CONFIG_FILE";

/// Columns that the help text fills at most.
const HELP_COLUMNS_MAX: usize = 100;

const ABOUT: &str = "De-duplicates a Kafka topic, or a file, by keys that a WebAssembly plugin extracts";

const FILES_EXAMPLE: &str = "\
Without Kafka:
  The same code processes newline-delimited JSON. --input selects it; the state stays in --store-path.

  dedup-host --plugin composite_key.wasm --input events.ndjson --output unique.ndjson \\
             --duplicates duplicates.ndjson --report report.json
  zcat backfill.gz | dedup-host --plugin composite_key.wasm --input - --output - > unique.ndjson

Settings:
  A flag overrides its variable, the variable overrides --config FILE.toml, the file overrides the default.
  In the file, a setting is its flag with _ instead of -, such as kafka_hosts = \"localhost:9092\".
  `dedup-host config` prints all of them, and where each comes from.
";

/// The whole command line.
pub(super) fn command() -> Command {
    let run = Command::new("run").about("De-duplicate (the default: `run` may be omitted)").args(run_args());
    let config = Command::new("config").about("Print the resolved configuration, and where each value comes from");
    let generate = GenerateArgs::augment_args(Command::new("generate").arg(config_arg()))
        .about("Write synthetic events whose duplicates are known");
    let kafka = SETTINGS.iter().filter(|setting| generate::takes(setting)).map(arg);
    let end = after_help();
    Command::new("dedup-host")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .max_term_width(HELP_COLUMNS_MAX)
        .args_conflicts_with_subcommands(true)
        .args(run_args())
        .after_long_help(end.clone())
        .after_help("`--help` says more about each setting, and shows how to run without Kafka.")
        .subcommand(run.after_long_help(end))
        .subcommand(config.args(run_args()))
        .subcommand(generate.args(kafka))
        .subcommand(plugin::command())
}

fn after_help() -> String {
    let mut text = String::from(FILES_EXAMPLE);
    text.push_str("\nExit codes:\n");
    for code in ExitCode::ALL {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {:>3}  {}", code.code(), code.meaning());
    }
    text.push_str("  `plugin conformance` has its own codes, see its help.\n");
    text
}

fn run_args() -> impl Iterator<Item = Arg> {
    std::iter::once(config_arg()).chain(SETTINGS.iter().map(arg))
}

pub(super) fn config_arg() -> Arg {
    Arg::new("config").long("config").value_name("FILE").help(format!("Settings as TOML [env: {CONFIG_VARIABLE}]"))
}

pub(super) fn arg(setting: &'static Setting) -> Arg {
    let arg = Arg::new(setting.flag).long(setting.flag).value_name(setting.value).help_heading(setting.group.title());
    let arg = match setting.alias {
        Some(alias) => arg.visible_alias(alias),
        None => arg,
    };
    let arg = match setting.kind {
        Kind::One | Kind::Secret => arg,
        Kind::Many(_) => arg.action(ArgAction::Append),
        Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
    };
    let (first, more) = setting.help.split_once("\n\n").unwrap_or((setting.help, ""));
    let said = format!("{}{}", default(setting), environment(setting));
    match more {
        "" => arg.help(format!("{first}{said}")),
        more => arg.help(format!("{first}{said}")).long_help(format!("{first}{said}\n\n{more}")),
    }
}

fn default(setting: &Setting) -> String {
    setting.default.map(|text| format!(" [default: {text}]")).unwrap_or_default()
}

fn environment(setting: &Setting) -> String {
    format!(" [env: {}]", setting.variables().join(", "))
}
