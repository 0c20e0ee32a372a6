//! The line of one partition: decode, extract, look up, decide, explain, send. It is given batches, a state and a sink;
//! it decides, sends, and says what it did in plain counts.
//!
//! Not a driver: it neither reads nor commits, and is told when what it sent is committed. It knows no settings, no
//! registry of metrics, no client library and no database: the state is whatever implements
//! [`engine::state::PartitionState`], the sink whatever implements [`connectors::Sink`].
//!
//! The way of a record is that of [`Line::process`]: `decode`, `past` (replays only), `unsendable`, `extract`, `look_up`,
//! `decide` (or `similarity`, where dissimilar events pass), `explain`, `send`, `leave`; where the input has grown, `elders`
//! are asked too.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod breaker;
mod costs;
mod dead_letter;
mod decide;
mod decided;
mod decode;
mod departure;
mod dump;
mod duplicate;
mod elders;
mod error;
mod explain;
mod explanation;
mod extract;
mod host_fields;
mod identity;
mod leave;
mod line;
mod look_up;
mod past;
mod plugins;
mod redaction;
mod rules;
mod scratch;
mod send;
mod similarity;
mod tally;
mod unsendable;
mod wanted;
mod warnings;

pub use costs::{PluginCost, StageTimes};
pub use dead_letter::Unread;
pub use dump::Dumps;
pub use elders::Elders;
pub use error::LineError;
pub use host_fields::kind_of;
pub use identity::Identity;
pub use line::{Line, try_plugins};
pub use past::Past;
pub use plugins::Plugins;
pub use redaction::Redaction;
pub use rules::{ExplanationConfig, LatePolicy, OnMissingKey, OnPluginFailure, OnUnsendable, Rules};
pub use tally::Tally;
