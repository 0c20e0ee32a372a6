//! The driver: reads partitions of a source, has their lines decide, commits what they send together with how far they are,
//! and recovers. One for all systems: in what they differ is behind [`connectors::Source`], [`connectors::CommittingSink`]
//! and [`connectors::Inquiry`], or a value in [`Setup`].
//!
//! It decides neither what becomes of a record, which is the line's, nor in which order partitions are read, committed and
//! let go of, which is the machine's of [`engine::protocol`]. It knows no settings, no registry of metrics, no client
//! library and no database.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod assignment;
mod assignments;
mod dispatch;
mod elders;
mod ends;
mod failure;
mod failures;
mod flow;
mod gathering;
mod ground;
mod in_force;
mod inboxes;
mod layouts;
mod lineage;
mod log_times;
mod opening;
mod owned;
mod poller;
mod recall;
mod report;
mod rewind;
mod run;
mod setup;
mod states;
mod stop;
mod unreadable;
mod worker;

pub use failure::{Cause, Failure};
pub use failures::Failures;
pub use in_force::InForce;
pub use poller::Ending;
pub use recall::RecallError;
pub use report::{Change, FeedReport, OpeningReason, PartitionReport, Report, Took, WaitingFor};
pub use run::{Around, run};
pub use setup::{
    Commits, InFlightLimits, Input, OnIncompleteProgress, OnPartitionsAdded, OnStuck, OnUnreadable, Partitions, Pauses,
    Policies, Setup,
};
pub use states::{Copies, Leave, OpenFailure, States, Waits, Wanted};
pub use stop::Stop;
