//! `dedup-host plugin`: what authors of plugins need before they use a topic. Each subcommand has a module; this one
//! starts it and tells the shell how it went.

mod answers;
mod bench;
mod componentize;
mod conformance;
mod events;
mod inspect;
mod names;
mod new;
mod replay;
mod sandbox;
mod screen;
mod trial;
mod trial_text;

use std::process::ExitCode as ProcessExit;

use plugin::{LoadError, Work};

use crate::exit::ExitCode;
use crate::logging;
use crate::settings::config::{LogConfig, LogFormat};
use crate::settings::plugin::PluginCommand;
use crate::terminal;

/// What the host warns of, such as a cache that others can write to. What plugins say is part of the answers.
const LOG_LEVEL: &str = "warn,plugin::log=off";

/// What is done by processes of their own, as it takes tools that may give up on what others made.
pub const WORKS: [Work; 2] = [componentize::WORK, names::WORK];

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// For people: the thing, the cause and the way out.
    pub(crate) message: String,
    /// What the shell is told.
    pub(crate) code: ExitCode,
}

impl CommandError {
    pub(crate) fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { message: message.into(), code }
    }
}

impl From<LoadError> for CommandError {
    fn from(error: LoadError) -> Self {
        Self::new(ExitCode::Plugin, error.to_string())
    }
}

/// Does what was asked for and says how it went. Answers go to standard output, errors to standard error.
#[must_use]
pub fn run(command: &PluginCommand) -> ProcessExit {
    // Without a log there are no warnings, and the answers are the same.
    drop(logging::start(&LogConfig { format: LogFormat::Auto, level: LOG_LEVEL.to_owned() }));
    let done = match command {
        PluginCommand::New(config) => new::run(config),
        PluginCommand::Componentize(config) => componentize::run(config),
        PluginCommand::Inspect(config) => inspect::run(config),
        PluginCommand::Test(config) => trial::run(config),
        PluginCommand::Conformance(config) => return conformance::run(config),
        PluginCommand::Bench(config) => bench::run(config),
        PluginCommand::Replay(config) => replay::run(config),
    };
    match done {
        Ok(code) => code.into(),
        Err(error) => {
            terminal::error(&error.message);
            error.code.into()
        }
    }
}

/// Writes an answer whole. A reader that has gone, as `head` does, is no error.
pub(crate) fn answer(text: &str) -> Result<(), CommandError> {
    let unwritten = |error| CommandError::new(ExitCode::Output, format!("cannot write to standard output: {error}"));
    terminal::answer(text).map_err(unwritten)
}

/// One JSON object, over several lines for people to read it too.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    // Only maps whose keys are no texts, and numbers that JSON lacks, are refused; answers have neither.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("{}\n", plain_text::json(&text))
}
