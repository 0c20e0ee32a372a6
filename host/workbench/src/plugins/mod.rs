//! `dedup-host plugin`: what authors of plugins need before they use a topic. Each subcommand has a module; this one
//! starts it.

mod answers;
mod bench;
mod componentize;
mod config;
mod conformance;
mod ending;
mod events;
mod inspect;
mod names;
mod new;
mod output;
mod replay;
mod sandbox;
mod screen;
mod steps;
mod trial;
mod trial_text;
mod tried;

use plugin::Work;

pub use config::{
    BenchConfig, ComponentizeConfig, ConformanceConfig, Events, InspectConfig, Language, NewConfig, NewRole,
    PluginCommand, ReplayConfig, ReportFormat, RuleLevel, SandboxConfig, TestConfig, World,
};
pub use ending::{Cause, CommandError, Ended};

/// What the log of a command is to say: what the host warns of, such as a cache that others can write to. What plugins say
/// is part of the answers.
pub const LOG_LEVEL: &str = "warn,plugin::log=off";

/// Work that runs in separate processes, because its tools may panic on malformed files.
pub const WORKS: [Work; 2] = [componentize::WORK, names::WORK];

/// Does what was asked for. Answers go to standard output.
///
/// # Errors
/// It cannot be done; the caller reports why.
pub fn run(command: &PluginCommand) -> Result<Ended, CommandError> {
    match command {
        PluginCommand::New(config) => new::run(config),
        PluginCommand::Componentize(config) => componentize::run(config),
        PluginCommand::Inspect(config) => inspect::run(config),
        PluginCommand::Test(config) => trial::run(config),
        PluginCommand::Conformance(config) => conformance::run(config),
        PluginCommand::Bench(config) => bench::run(config),
        PluginCommand::Replay(config) => replay::run(config),
    }
}
