//! Synthetic analytics events with known duplicates, the same for the same seed on every machine: bytes, their truth, and
//! `dedup-host generate`, which writes them. Not a load tool.
//!
//! Event i is a pure function of the [`Spec`] and i. A duplicate is its original made again rather than remembered, so
//! memory does not grow with the number of events. Only integers decide.

mod command;
mod content;
mod draw;
mod generator;
mod spec;
#[cfg(test)]
mod tests;
mod text;
mod truth;

pub use command::{GenerateConfig, GenerateFailure, GenerateTarget, run};
pub use content::Changed;
pub use generator::{Event, Generator, Kind};
pub use spec::{DUPLICATES_MAX, Spec, SpecError};
pub use truth::{GenerateError, Truth, write_files};
