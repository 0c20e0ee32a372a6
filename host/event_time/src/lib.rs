//! Instants as databases, loggers and languages write them. The source is the plugins' SDK's: a plugin cannot ask the host
//! what a time is, and both must mean the same.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

#[path = "../../../guest-plugins/sdk/src/written/mod.rs"]
mod written;

pub use written::{Instant, NoInstant, parse};

#[cfg(test)]
mod tests;
