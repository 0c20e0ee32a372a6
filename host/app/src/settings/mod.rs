//! Command line, environment and configuration file: from what the user typed to a validated whole.
//! Nothing is started here, and nothing else in the host reads a flag or a variable.

mod cli;
pub mod config;
pub mod files;
pub mod generate;
pub mod kafka;
mod places;
pub mod plugin;
mod show;
pub(crate) mod store;
pub mod table;
#[cfg(test)]
mod tests;
pub mod typed;
pub mod units;

use std::ffi::OsString;
use std::path::Path;

use clap::ArgMatches;

use crate::exit::ExitCode;
use config::Config;
use generate::GenerateConfig;
use plugin::PluginCommand;
use typed::{ConfigFile, Environment, Origin, Typed};

/// What stands in the place of a secret.
pub const HIDDEN: &str = "***";

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
}

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The command line cannot be read, or asks for help or the version.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    /// The configuration file cannot be used.
    #[error("configuration file {path}: {reason}")]
    File {
        /// Its path.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// One setting does not hold.
    #[error("--{flag} ({origin}) {reason}")]
    Setting {
        /// Its flag, without dashes.
        flag: &'static str,
        /// Where its text comes from.
        origin: Origin,
        /// What is wrong and the way out.
        reason: String,
    },
    /// The settings do not make a run.
    #[error("{0}")]
    Conflict(String),
}

impl SettingsError {
    /// Prints it where it belongs, and says how the process ends: help and version are no errors.
    pub fn report(&self) -> ExitCode {
        let Self::CommandLine(error) = self else {
            eprintln!("error: {self}");
            return ExitCode::Usage;
        };
        // A closed pipe (`--help | head`) leaves nobody to tell.
        drop(error.print());
        if error.use_stderr() { ExitCode::Usage } else { ExitCode::Ok }
    }
}

/// Reads the whole of what the user typed; `arguments` starts with the name of the program.
///
/// # Errors
/// The first thing that does not hold; [`SettingsError::report`] prints it.
pub fn read(
    arguments: impl IntoIterator<Item = OsString>,
    environment: Environment<'_>,
) -> Result<Invocation, SettingsError> {
    let matches = cli::command().try_get_matches_from(arguments)?;
    match matches.subcommand() {
        Some(("generate", matches)) => {
            let mut typed = resolve(generate::takes, matches, environment)?;
            Ok(Invocation::Generate(Box::new(GenerateConfig::of(matches, &mut typed)?)))
        }
        Some(("plugin", matches)) => {
            let command = PluginCommand::of(matches, |takes, matches| resolve(takes, matches, environment))?;
            Ok(Invocation::Plugin(Box::new(command)))
        }
        Some(("config", matches)) => {
            let mut typed = resolve(|_| true, matches, environment)?;
            Config::of(&mut typed)?;
            Ok(Invocation::Show(show::show(&typed)))
        }
        Some((_, run)) => read_run(run, environment),
        None => read_run(&matches, environment),
    }
}

/// [`read`] of this process.
///
/// # Errors
/// As [`read`].
pub fn from_process() -> Result<Invocation, SettingsError> {
    read(std::env::args_os(), &|name| std::env::var_os(name).map(|text| text.to_string_lossy().into_owned()))
}

fn read_run(matches: &ArgMatches, environment: Environment<'_>) -> Result<Invocation, SettingsError> {
    let config = Config::of(&mut resolve(|_| true, matches, environment)?)?;
    config.require_plugin()?;
    Ok(Invocation::Run(Box::new(config)))
}

fn resolve(
    takes: impl Fn(&table::Setting) -> bool,
    matches: &ArgMatches,
    environment: Environment<'_>,
) -> Result<Typed, SettingsError> {
    let named = matches.get_one::<String>("config").cloned();
    let path = named.or_else(|| environment(cli::CONFIG_VARIABLE).filter(|text| !text.is_empty()));
    let file = path.map(|path| ConfigFile::read(Path::new(&path))).transpose()?;
    Ok(Typed::resolve(takes, matches, environment, file.as_ref()))
}
