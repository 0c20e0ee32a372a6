//! The host as a library: settings, runs over Kafka and files, and HTTP, which shows what `observe` knows. The
//! binary is a thin layer on top of it.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "people are told by `terminal`, which escapes")]

mod descriptors;
pub mod exit;
pub mod generate;
pub mod generate_command;
pub mod http;
pub mod logging;
pub mod plugin_command;
mod plugins;
mod redaction;
pub mod reload;
pub mod run;
pub mod settings;
pub mod terminal;
