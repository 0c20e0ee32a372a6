//! Why there is nothing to do, and how the process ends then. Not what is wrong with a setting: `setting` says that.

use setting::SettingsError;

use crate::exit::ExitCode;

/// Why there is nothing to do.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The command line cannot be read, or asks for help or the version.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    /// The settings do not hold.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl UsageError {
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
