//! What connectors have in common: what brings records (`source`), what takes them (`sink`) by which lanes, what else is
//! asked of either side (`inquiry`), and what a failure means. Bytes in, bytes out: what a record means, and which lane it
//! takes, is decided elsewhere. No client library: each system is a crate of its own beside this one.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod failure;
pub mod headers;
mod inquiry;
mod lane;
pub mod memory;
mod outgoing;
mod refusal;
mod refused;
mod seen;
mod sink;
mod source;
mod unreadable;

pub use failure::{Remedy, SinkFailure};
pub use inquiry::{Bounds, Committed, Inquiry, LettersFound, NoAnswer, SCAN_RECORDS, Word};
pub use lane::{ByLane, Lane};
pub use outgoing::{KEY_BYTES_MAX, Origin, Outgoing};
pub use refusal::{Refusal, Unsendable};
pub use refused::RefusedRecord;
pub use seen::SeenRecord;
pub use sink::{CommittingSink, Sink};
pub use source::{Assignments, Polled, Source, SourceFailure};
pub use unreadable::{ReadComplaint, Sight, Unreadable, UnreadableReason};
