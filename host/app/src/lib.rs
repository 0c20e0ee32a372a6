//! The host as a library: settings, runs over Kafka and files. The binary is a thin layer on top of it.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "people are told by `terminal`, which escapes")]

pub mod custody;
mod descriptors;
pub mod exit;
pub mod generate;
pub mod logging;
pub mod plugin_commands;
pub mod run;
pub mod settings;
pub mod verify;
