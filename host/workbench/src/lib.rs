//! What stands beside a run: the commands for authors of plugins, and synthetic events. It knows no settings and no exit
//! codes: the program reads the command line and maps results to exit codes. Nothing here decides about records.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "people are told by `terminal`, which escapes")]

pub mod checkpoints;
pub mod generate;
pub mod plugins;
