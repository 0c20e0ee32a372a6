//! Kafka: the only place that uses rdkafka. It reads, writes and commits; what records mean is decided elsewhere.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod check;
mod dead_letters;
mod failure;
mod inquiry;
mod inspect;
mod limits;
mod membership;
mod peek;
mod producer;
mod refused;
mod settings;
mod sink;
mod size;
mod source;
mod topic_id;
mod topics;
mod watch;

pub use check::{TopicCheck, check_topics};
pub use dead_letters::{LettersFound, read_dead_letters};
pub use failure::KafkaFailure;
pub use inquiry::{Bounds, GroupAnswer, GroupOffset, Inquiry, NoAnswer};
pub use inspect::{ReadComplaint, Sight, Unreadable, UnreadableReason, inspect};
pub use limits::{Limits, LimitsBook};
pub use membership::Membership;
pub use peek::peek;
pub use producer::{Delivery, KafkaProducer};
pub use refused::{Refused, RefusedRecord};
pub use settings::KafkaSettings;
pub use sink::KafkaSink;
pub use source::{Assignment, Assignments, GroupHandle, KafkaSource, Polled};
pub use topics::Topics;
pub use watch::{TopicLook, TopicWatch};
