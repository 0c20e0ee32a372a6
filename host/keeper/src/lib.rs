//! Keeps states when their disk is lost, or their partition goes to another host: makes checkpoints of them while they are
//! used, and brings them back when a partition comes. Not how a checkpoint is stored, which is `checkpoint`'s, and not what is
//! in a state.
//!
//! A checkpoint is made in three steps. The worker that has a partition links the files of its state into a directory beside
//! it, right after the state was written: milliseconds. Threads of this crate copy that directory to each shelf, one of a
//! partition at a time. And the directory goes. While a shelf is slow or away, no more than a few directories wait for it;
//! what would come after them is not even captured.
//!
//! **What a zombie can do.** A checkpoint is a true state of the log up to its offset A, whoever made it, because only what
//! is committed is ever written. So a host that does not know yet that it lost a partition can publish nothing wrong, only
//! something old; and not even that after its successor's claim, as the epoch of a claim is greater than all before it. A
//! claim that was overtaken is made anew only when the host has committed again since, which a zombie cannot.
//!
//! **An offset that is set back.** Checkpoints that reach beyond C are not used where there is one that does not. When the
//! partition has passed the place again, records may have ended differently the second time, if a plugin failed by
//! chance: each checkpoint therefore says where its owner began, and one that reaches beyond the place where a later owner
//! began is superseded, for ever.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod board;
mod captured;
mod choice;
mod keeper;
mod publisher;
mod restore;
mod shelf;
mod told;
mod words;

pub use keeper::{Keeper, KeeperError, Local, Rules};
pub use publisher::THREADS;
pub use shelf::{At, Shelf};
