//! What a run says of itself: while it runs, in metrics, in the status, in findings and in the log; over files also in a
//! report at its end. It listens to the driver and writes to `observe`, which know nothing of each other.
//!
//! It decides nothing and keeps nothing but what it needs for the next difference; who sees what is kept is `http_server`.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

pub mod closing;
mod observer;
mod reasons;
mod replay;

pub use observer::{FeedObserver, Observed, PartitionObserver, Tallied};
