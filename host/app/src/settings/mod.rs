//! Command line, environment and configuration file: from what the user typed to a validated whole.
//! Nothing is started here, and nothing else in the host reads a flag or a variable.

mod checkpoints;
mod cli;
mod components;
pub mod config;
pub mod custody;
#[cfg(test)]
mod document;
mod error;
mod explanation;
pub mod files;
mod flags;
pub mod generate;
mod http;
pub mod kafka;
mod limits;
mod plugin;
mod process;
mod records;
pub(crate) mod store;
#[cfg(test)]
mod strangers;
mod stream;
mod table;
#[cfg(test)]
mod tests;
pub mod verify;
mod window;

use std::ffi::OsString;
use std::path::Path;

use clap::ArgMatches;
use plain_text::secrets;
use setting::{ConfigFile, Environment, Layers, Row, SettingsError, Taker, Typed, variable_text};
use workbench::plugins::PluginCommand;

use config::Config;
use custody::{CheckpointRequest, StoreRequest};
use generate::GenerateConfig;
use table::{TABLE, settings};
use verify::VerifyConfig;

pub use error::UsageError;
pub use plain_text::secrets::HIDDEN;

/// What the process was asked to do.
#[derive(Debug, Clone)]
pub enum Invocation {
    /// De-duplicate.
    Run(Box<Config>),
    /// Print this text, the resolved configuration, on standard output.
    Show(String),
    /// Write synthetic events.
    Generate(Box<GenerateConfig>),
    /// Help to write a plugin.
    Plugin(Box<PluginCommand>),
    /// Look after checkpoints.
    Checkpoint(Box<CheckpointRequest>),
    /// Look at a state.
    Store(StoreRequest),
    /// Verify what a run has left.
    Verify(Box<VerifyConfig>),
}

/// Reads the whole of what the user typed; `arguments` starts with the name of the program.
///
/// # Errors
/// The first thing that does not hold; [`UsageError::report`] prints it.
pub fn read(
    arguments: impl IntoIterator<Item = OsString>,
    environment: Environment<'_>,
) -> Result<Invocation, UsageError> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let matches = cli::command().try_get_matches_from(&arguments).map_err(|error| refused(&arguments, error))?;
    match matches.subcommand() {
        Some(("generate", matches)) => {
            let mut typed = resolve(|row| row.is_for(Taker::Generate), matches, environment)?;
            Ok(Invocation::Generate(Box::new(GenerateConfig::of(matches, &mut typed)?)))
        }
        Some(("plugin", matches)) => {
            let command = plugin::plugin_command(matches, |takes, matches| resolve(takes, matches, environment))?;
            Ok(Invocation::Plugin(Box::new(command)))
        }
        Some(("checkpoint", matches)) => {
            let resolve = |matches: &ArgMatches| resolve(|row| row.is_for(Taker::Checkpoint), matches, environment);
            Ok(Invocation::Checkpoint(Box::new(custody::checkpoint(matches, resolve)?)))
        }
        Some(("store", matches)) => Ok(Invocation::Store(custody::store(matches)?)),
        Some(("verify", matches)) => {
            let run = Config::of(&mut resolve(|_| true, matches, environment)?)?;
            Ok(Invocation::Verify(Box::new(VerifyConfig::of(matches, run)?)))
        }
        Some(("config", matches)) => {
            let mut typed = resolve(|_| true, matches, environment)?;
            Config::of(&mut typed)?;
            Ok(Invocation::Show(setting::show(TABLE, &typed)))
        }
        Some((_, run)) => read_run(run, environment),
        None => read_run(&matches, environment),
    }
}

/// [`read`] of this process.
///
/// # Errors
/// As [`read`].
pub fn from_process() -> Result<Invocation, UsageError> {
    read(std::env::args_os(), &|name| std::env::var_os(name))
}

/// The refusal of a command line. clap repeats what was typed, which may be a name that somebody else gave a file, or an
/// address with a password in it: what it says is that of the same command line without these.
fn refused(arguments: &[OsString], error: clap::Error) -> UsageError {
    if error.kind() == clap::error::ErrorKind::InvalidUtf8 {
        return SettingsError::NotText { what: not_text(arguments) }.into();
    }
    let shown = arguments.iter().map(|argument| {
        let argument = argument.to_string_lossy();
        plain_text::line(&secrets::hidden(&argument)).into_owned()
    });
    cli::command().try_get_matches_from(shown).err().unwrap_or(error).into()
}

/// Which argument is no text, by its number and the flag that it belongs to.
fn not_text(arguments: &[OsString]) -> String {
    let Some(number) = arguments.iter().position(|argument| argument.to_str().is_none()) else {
        return "an argument".to_owned();
    };
    let flag = |argument: Option<&OsString>| {
        let text = argument?.to_string_lossy();
        let name = text.split_once('=').map_or(&*text, |(name, _)| name);
        name.starts_with("--").then(|| plain_text::line(name).into_owned())
    };
    let before = number.checked_sub(1).and_then(|before| arguments.get(before));
    match flag(arguments.get(number)).or_else(|| flag(before)) {
        Some(flag) => format!("argument {number} of the command line, the value of {flag},"),
        None => format!("argument {number} of the command line"),
    }
}

fn read_run(matches: &ArgMatches, environment: Environment<'_>) -> Result<Invocation, UsageError> {
    let mut typed = resolve(|_| true, matches, environment)?;
    let config = Config::of(&mut typed)?;
    config.require_plugin()?;
    if matches!(config.mode, config::Mode::Kafka(_)) {
        kafka::refuse_user_of_hosts(&typed)?;
    }
    Ok(Invocation::Run(Box::new(config)))
}

fn resolve(
    takes: impl Fn(&Row) -> bool,
    matches: &ArgMatches,
    environment: Environment<'_>,
) -> Result<Typed, SettingsError> {
    let named = matches.get_one::<String>("config").cloned();
    let path = named.map_or_else(|| variable_text(environment, flags::CONFIG_VARIABLE), |path| Ok(Some(path)))?;
    let file = path.map(config_file).transpose()?;
    let flags = |flag: &str| matches.get_many::<String>(flag).map(|values| values.cloned().collect());
    let layers = Layers { flags: &flags, environment, file: file.as_ref() };
    layers.resolve(settings().filter(|setting| takes(setting)))
}

/// Bytes of a configuration file.
const FILE_BYTES_MAX: u64 = 16 << 20;

fn config_file(path: String) -> Result<ConfigFile, SettingsError> {
    match ::plugin::read_text(Path::new(&path), FILE_BYTES_MAX) {
        Ok(text) => ConfigFile::parse(path, &text, TABLE),
        Err(error) => Err(SettingsError::File { path, reason: error.to_string() }),
    }
}
