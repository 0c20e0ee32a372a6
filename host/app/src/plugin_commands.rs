//! `dedup-host plugin`: has the workbench do what was asked for, and tells the shell how it went. Not the commands.

use std::process::ExitCode as ProcessExit;

use workbench::plugins::{Cause, CommandError, Ended, LOG_LEVEL, PluginCommand, run as run_command};

use crate::exit::{ConformanceExit, ExitCode};
use crate::logging;
use crate::settings::config::{LogConfig, LogFormat};

/// Does what was asked for and says how it went. Answers go to standard output, errors to standard error.
#[must_use]
pub fn run(command: &PluginCommand) -> ProcessExit {
    // Without a log there are no warnings, and the answers are the same.
    drop(logging::start(&LogConfig { format: LogFormat::Auto, level: LOG_LEVEL.to_owned() }));
    let done = run_command(command);
    if let Err(error) = &done {
        terminal::error(error);
    }
    match command {
        PluginCommand::Conformance(_) => ConformanceExit::from(&done).into(),
        PluginCommand::Inspect(_)
        | PluginCommand::Test(_)
        | PluginCommand::Bench(_)
        | PluginCommand::Replay(_)
        | PluginCommand::Componentize(_)
        | PluginCommand::New(_) => ExitCode::from(&done).into(),
    }
}

type Done = Result<Ended, CommandError>;

impl From<&Done> for ExitCode {
    fn from(done: &Done) -> Self {
        match done {
            Ok(Ended::Done) => Self::Ok,
            Ok(Ended::PluginFailed) => Self::PluginFailure,
            // Only `conformance` knows rules, and has codes of its own.
            Ok(Ended::RuleBroken) => Self::Plugin,
            Err(error) => match error.cause {
                Cause::Usage => Self::Usage,
                Cause::Input => Self::Input,
                Cause::Output => Self::Output,
                Cause::Plugin => Self::Plugin,
                Cause::PluginFailure => Self::PluginFailure,
                Cause::Suite => Self::Internal,
            },
        }
    }
}

impl From<&Done> for ConformanceExit {
    fn from(done: &Done) -> Self {
        match done {
            Ok(Ended::Done) => Self::Passed,
            Ok(Ended::RuleBroken | Ended::PluginFailed) => Self::Failed,
            Err(error) => match error.cause {
                Cause::Usage | Cause::Plugin => Self::CannotLoad,
                Cause::Input | Cause::Output | Cause::PluginFailure | Cause::Suite => Self::Suite,
            },
        }
    }
}
