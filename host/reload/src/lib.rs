//! The plugins of a run: loaded, checked, published, watched, and replaced without a pause when a file changes, on SIGHUP,
//! or when an operator asks for it over HTTP.
//!
//! It ends with publishing: lines switch to what is published between two of their batches. It knows no settings and does
//! not touch the state; a change that would make keys incomparable is refused.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod hang_ups;
mod reloader;
mod roles;
mod same_keys;
mod watch;

pub use hang_ups::HangUps;
pub use reloader::Reloader;
pub use roles::{PluginsError, ReloadConfig};
