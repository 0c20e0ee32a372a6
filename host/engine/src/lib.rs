//! The pure core of dedup-host: what a batch of events of one partition means.
//!
//! It is given records, keys, what the state knows of those keys, and the partition's clock; it returns decisions.
//! It is not a runtime: no I/O, no clock of the operating system, no threads, no async, no wasm, no Kafka. The same
//! calls with the same arguments give the same results, on every machine.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

pub mod decide;
pub mod distinct;
pub mod entry;
pub mod fields;
pub mod findings;
pub mod fingerprint;
pub mod growth;
pub mod history;
pub mod identity;
pub mod looks;
pub mod progress;
pub mod projection;
pub mod properties;
pub mod protocol;
pub mod record;
pub mod state;
pub mod time;
pub mod varint;
