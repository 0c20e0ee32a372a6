//! The host as a library: settings, the line, runs over Kafka and files, and what is visible from outside. The binary
//! is a thin layer on top of it.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "people are told by `terminal`, which escapes")]

mod breaker;
mod descriptors;
pub mod dump;
pub mod exit;
mod explain;
pub mod generate;
pub mod generate_command;
pub mod http;
pub mod insights;
mod letters;
pub mod line;
pub mod logging;
pub mod metrics;
pub mod past;
pub mod plugin_command;
pub mod plugins;
pub mod redaction;
pub mod reload;
pub mod run;
pub mod settings;
pub mod status;
pub mod tally;
pub mod terminal;
mod times;
