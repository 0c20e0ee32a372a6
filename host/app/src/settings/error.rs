//! Why settings are refused. Not how a process ends in general: that is `exit`.

use super::origin::Origin;
use crate::exit::ExitCode;

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The command line cannot be read, or asks for help or the version.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    /// What was typed is no text.
    #[error("{what} is not UTF-8 text, as every setting must be: encode it as UTF-8, or leave it out")]
    NotText {
        /// The variable or the argument, without its value.
        what: String,
    },
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
            terminal::error(self);
            return ExitCode::Usage;
        };
        let text = error.render();
        let shown = |coloured: bool| if coloured { text.ansi().to_string() } else { text.to_string() };
        if error.use_stderr() {
            terminal::complaint(&shown(terminal::errors_have_colour()));
            return ExitCode::Usage;
        }
        // Where nobody reads it, nobody has to be told.
        drop(terminal::answer(&shown(terminal::answers_have_colour())));
        ExitCode::Ok
    }
}
