//! What is typed after `dedup-host checkpoint` and `dedup-host store`. Not what these commands do.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use setting::{SettingsError, Taker, Typed, units};
use workbench::checkpoints::{Action, Scope};

use super::checkpoints::{self, CheckpointConfig};
use super::flags::{arg, config_arg};
use super::table::settings;

/// A command about checkpoints, and where they are.
#[derive(Debug, Clone)]
pub struct CheckpointRequest {
    /// Where.
    pub config: CheckpointConfig,
    /// Of which partitions.
    pub scope: Scope,
    /// What is asked.
    pub action: Action,
    /// Whether the answer is JSON.
    pub json: bool,
}

/// A look at a state.
#[derive(Debug, Clone)]
pub struct StoreRequest {
    /// Its directory.
    pub dir: PathBuf,
    /// Whether the answer is JSON.
    pub json: bool,
}

const END: &str = "\
Looks in --local-checkpoint-dir and, with --s3-bucket, in the bucket.

Exit codes:
    0  done; all that was looked at is whole
    2  command line or configuration not usable
    4  no checkpoint of what was asked for, or a place that cannot be reached: nothing is known
    5  damaged checkpoints
    6  output cannot be written
";

const STORE_END: &str = "\
Exit codes:
    0  done
    5  no state, or one that cannot be read
    6  output cannot be written
";

/// The commands as clap sees them.
pub(super) fn commands() -> [Command; 2] {
    let of_partitions = |name: &'static str, about: &'static str| {
        let shared = settings().filter(|setting| setting.is_for(Taker::Checkpoint)).map(arg);
        let text = |name: &'static str, help: &'static str| Arg::new(name).long(name).value_name("NAME").help(help);
        Command::new(name)
            .about(about)
            .arg(config_arg())
            .args(shared)
            .arg(text("group", "Only of this consumer group"))
            .arg(text("topic", "Only of this topic"))
            .arg(
                Arg::new("partition")
                    .long("partition")
                    .value_name("N")
                    .value_parser(value_parser!(u32))
                    .help("Only of this partition"),
            )
            .arg(json())
            .after_long_help(END)
    };
    let keep = Arg::new("keep").long("keep").value_name("N").value_parser(units::count).required(true);
    let name =
        Arg::new("name").long("name").value_name("NAME").help("Its name; the one that reaches furthest unless given");
    let into = Arg::new("into").long("into").value_name("DIR").value_parser(value_parser!(PathBuf)).required(true);
    let checkpoint = Command::new("checkpoint")
        .about("List, verify, fetch or remove checkpoints of states")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(of_partitions("list", "Say which checkpoints there are"))
        .subcommand(of_partitions("verify", "Read all checkpoints to the last byte, and say which are whole"))
        .subcommand(
            of_partitions("restore", "Fetch one checkpoint into a directory, to be looked at")
                .arg(name)
                .arg(into.help("Directory that is empty or not there")),
        )
        .subcommand(
            of_partitions("prune", "Remove all checkpoints of each partition but the newest")
                .arg(keep.help("Number of checkpoints of each partition to keep")),
        );
    let dir = Arg::new("dir").value_name("DIR").value_parser(value_parser!(PathBuf)).required(true);
    let inspect = Command::new("inspect")
        .about("Show what a state on disk is, and how far it reaches; it may be in use")
        .arg(dir.help("Its directory: STORE_PATH/TOPIC/PARTITION, or a checkpoint that was fetched"))
        .arg(json())
        .after_long_help(STORE_END);
    let store = Command::new("store")
        .about("Look at a state on disk")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(inspect);
    [checkpoint, store]
}

fn json() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object")
}

/// What was typed after `dedup-host checkpoint`; `resolve` finds the settings.
pub(super) fn checkpoint(
    matches: &ArgMatches,
    resolve: impl FnOnce(&ArgMatches) -> Result<Typed, SettingsError>,
) -> Result<CheckpointRequest, SettingsError> {
    let Some((name, matches)) = matches.subcommand() else {
        return Err(SettingsError::Conflict(
            "checkpoint needs a subcommand: list, verify, restore or prune".to_owned(),
        ));
    };
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let action = match name {
        "verify" => Action::Verify,
        "prune" => Action::Prune { keep: matches.get_one("keep").copied().unwrap_or(1) },
        "restore" => Action::Restore { name: text("name"), into: matches.get_one("into").cloned().unwrap_or_default() },
        _ => Action::List,
    };
    Ok(CheckpointRequest {
        config: checkpoints::config(&resolve(matches)?)?,
        scope: Scope { group: text("group"), topic: text("topic"), partition: matches.get_one("partition").copied() },
        action,
        json: matches.get_flag("json"),
    })
}

/// What was typed after `dedup-host store`.
pub(super) fn store(matches: &ArgMatches) -> Result<StoreRequest, SettingsError> {
    let Some((_, matches)) = matches.subcommand() else {
        return Err(SettingsError::Conflict("store needs a subcommand: inspect".to_owned()));
    };
    Ok(StoreRequest { dir: matches.get_one("dir").cloned().unwrap_or_default(), json: matches.get_flag("json") })
}
