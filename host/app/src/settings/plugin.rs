//! What is typed after `dedup-host plugin`, and what it asks the workbench for. Not what the subcommands do.

mod args;
mod commands;
mod sandbox;
#[cfg(test)]
mod tests;

pub(super) use commands::{command, plugin_command};
