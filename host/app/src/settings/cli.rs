//! The command line: the commands, and which settings each takes. Not how a setting becomes a flag: that is `flags`.

use std::fmt::Write as _;

use clap::{Arg, Args as _, Command};
use setting::Taker;

use super::custody;
use super::flags::{arg, config_arg};
use super::generate::GenerateArgs;
use super::plugin;
use super::table::settings;
use super::verify::VerifyArgs;
use crate::exit::ExitCode;

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

const VERIFY_END: &str = "\
Exit codes of this command:
    0  right: every record that was judged is where it has to be, as it has to be
   11  violated: the answer names records, and what was expected
   12  could not check: nothing wrong was found, and not everything could be read or judged

Examples:
  dedup-host verify --config run.toml
  dedup-host verify --plugin composite_key.wasm --input events.ndjson --output unique.ndjson \\
             --duplicates duplicates.ndjson --json
";

/// The whole command line.
pub(super) fn command() -> Command {
    let run = Command::new("run").about("De-duplicate (the default: `run` may be omitted)").args(run_args());
    let config = Command::new("config").about("Print the resolved configuration, and where each value comes from");
    let verify = VerifyArgs::augment_args(Command::new("verify").args(run_args()))
        .about("Check what a run has written against what it has read; takes the settings of the run")
        .after_long_help(VERIFY_END);
    let generate = GenerateArgs::augment_args(Command::new("generate").arg(config_arg()))
        .about("Write synthetic events whose duplicates are known");
    let kafka = settings().filter(|setting| setting.is_for(Taker::Generate)).map(arg);
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
        .subcommands(custody::commands())
        .subcommand(verify)
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
    std::iter::once(config_arg()).chain(settings().map(arg))
}
