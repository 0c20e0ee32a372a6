//! Snapshots outside the machine: in a directory, or in an S3-compatible store. What they consist of, how they get there and
//! back, which are kept, and whether they are whole. Not what is in them, nor when they are made: a snapshot is a directory of
//! files with a description in the caller's words.
//!
//! Objects are named by their digests and never change; a manifest that names them is written when all are there; a pointer
//! says which manifest is the newest, and moves only by compare-and-swap, so that no host that was overtaken moves it back.
//! Whatever fails, and wherever it dies, a reader finds a whole snapshot that somebody published.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod control;
mod credentials;
mod depot;
mod directory;
mod error;
mod fetch;
mod frame;
mod local;
mod manifest;
mod place;
mod pointer;
mod probe;
mod prune;
mod publish;
mod read;
mod s3;
mod store;
mod transfer;
mod verify;

#[cfg(test)]
mod tests;

pub use control::{Cancel, Control, Progress, Transfer};
pub use credentials::Credentials;
pub use depot::Depot;
pub use error::DepotError;
pub use fetch::Fetched;
pub use manifest::{About, Manifest};
pub use place::Place;
pub use prune::Pruned;
pub use publish::{Full, Published};
pub use read::Candidates;
pub use s3::S3Options;
pub use store::Limits;
pub use verify::Checked;
