//! Runs plugins: wasm components that say what makes two events the same, or how alike two events are. The only crate
//! that names wasmtime.
//!
//! A [`Runtime`] opens a component as a [`Candidate`]; with a configuration that it accepts, a candidate is a [`Plugin`];
//! a plugin gives an [`Extractor`] or a [`Scorer`], as its roles are, to each partition; each answers one batch a call.
//! What a plugin does wrong costs the events or pairs that made it do so, and nothing else: it has no imports but a log,
//! bounded memory, bounded time and bounded answers, and no answer is believed unchecked. Suites and tools take a
//! [`Probe`] instead, which shows every fault and its cost.
//!
//! Compiling is bounded, too: a program that calls [`serve`] first in its `main` has it done by a process of its own, with
//! limits on memory and time; in another it is done in place.
//!
//! It is not a policy: what becomes of an event on which the plugin failed is for others to say. It reads no JSON.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod allowance;
mod answer;
mod bindings;
mod bounds;
mod cache;
mod candidate;
mod compile;
mod confined;
mod error;
mod extractor;
mod fault;
mod file;
mod guest;
mod inert;
mod info;
mod instance;
mod isolate;
mod limits;
mod load;
mod log;
mod options;
mod probe;
mod processor;
mod role;
mod runtime;
mod scorer;
mod slice;
mod ticker;
mod wasi;
mod words;

pub use candidate::{Candidate, Parts};
pub use compile::serve;
pub use confined::{Bounds, NoResult, Refusal, Run, Work, confined};
pub use error::{LoadError, PluginFailure};
pub use extractor::Extractor;
pub use fault::{Fault, FaultKind};
pub use file::{FileError, read_file, read_text};
pub use info::Info;
pub use instance::Cost;
pub use isolate::Calls;
pub use limits::Limits;
pub use load::Plugin;
pub use options::Options;
pub use probe::Probe;
pub use processor::thread_time;
pub use role::{Input, Role, Roles, Texts};
pub use runtime::{Image, Runtime};
pub use scorer::Scorer;
pub use wasi::Wasi;
