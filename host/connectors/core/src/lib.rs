//! What connectors have in common: the lanes by which records leave, the record on its way out, and the sink that takes
//! it. Bytes in, bytes out: what a record means, and which lane it takes, is decided elsewhere. No client library: each
//! system is a crate of its own beside this one.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod failure;
pub mod headers;
mod lane;
pub mod memory;
mod outgoing;
mod refusal;
mod sink;

pub use failure::{Remedy, SinkFailure};
pub use lane::Lane;
pub use outgoing::{KEY_BYTES_MAX, Origin, Outgoing};
pub use refusal::{Refusal, Unsendable};
pub use sink::Sink;
