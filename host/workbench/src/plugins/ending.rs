//! How a command ended. Not the exit code of the process: that is the program's.

use plugin::LoadError;

/// How a command ended that did what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// There is nothing more to say.
    Done,
    /// The plugin failed on an event, which the answer says.
    PluginFailed,
    /// The plugin breaks a rule, which the report says.
    RuleBroken,
}

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// What it is about.
    pub cause: Cause,
    /// For people: the thing, the cause and the way out.
    pub message: String,
}

/// What a failure of a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// What was asked for makes no sense.
    Usage,
    /// Something cannot be read.
    Input,
    /// Something cannot be written.
    Output,
    /// The component cannot be loaded, configured or used as asked.
    Plugin,
    /// The plugin failed.
    PluginFailure,
    /// The conformance suite itself failed.
    Suite,
}

impl CommandError {
    pub(super) fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: message.into() }
    }
}

impl From<LoadError> for CommandError {
    fn from(error: LoadError) -> Self {
        Self::new(Cause::Plugin, error.to_string())
    }
}
