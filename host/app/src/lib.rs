//! The host as a library: settings, the line, runs over Kafka and files, and HTTP, which shows what `observe` knows. The
//! binary is a thin layer on top of it.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "people are told by `terminal`, which escapes")]

mod breaker;
mod descriptors;
pub mod dump;
pub mod exit;
mod explain;
pub mod generate;
pub mod generate_command;
pub mod http;
mod letters;
pub mod line;
pub mod logging;
pub mod past;
pub mod plugin_command;
pub mod plugins;
pub mod redaction;
pub mod reload;
pub mod run;
pub mod settings;
pub mod tally;
pub mod terminal;
mod times;
