//! Independent readers of what runs have written. They decide nothing for a run and share none of its decisions: what they
//! find is found once more, by simple means. Not a line, and no client library of its own.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "people are told by `terminal`, which escapes")]

mod chain;
mod clock;
mod config;
mod digest;
mod error;
mod events;
mod expected;
mod facts;
mod findings;
mod join;
mod joined;
mod judge;
mod order;
mod pairs;
mod passes;
mod plan;
mod progress;
mod reading;
mod report;
mod row;
mod sorted;
mod told;
mod verify;
mod weigh;

pub use config::{At, Bound, FilePlaces, KafkaPlaces, KeylessEvents, LateEvents, Places, Rules, VerifyConfig};
pub use error::AuditError;
pub use findings::{Findings, Found, Kind, Violation};
pub use report::{Report, Verdict};
pub use sorted::TempError;
pub use verify::verify;
