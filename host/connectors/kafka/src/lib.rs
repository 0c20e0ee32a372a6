//! Kafka: the only place that uses rdkafka. It reads, writes and commits; what records mean is decided elsewhere.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod check;
mod dead_letters;
mod failure;
mod group;
mod input;
mod inquiry;
mod inspect;
mod limits;
mod membership;
mod partitions;
mod peek;
mod producer;
mod questions;
mod rebalance;
mod record;
mod refused;
mod scan;
mod settings;
mod sink;
mod size;
mod source;
mod topic_id;
mod topics;
mod transactional_id;
mod watch;

pub use check::{TopicCheck, check_topics};
pub use failure::KafkaFailure;
pub use group::GroupHandle;
pub use input::{InputStatus, InputTopic};
pub use inquiry::KafkaInquiry;
pub use limits::{Limits, LimitsBook};
pub use partitions::OffsetReset;
pub use producer::{Delivery, KafkaProducer};
pub use scan::{Spans, TopicScan};
pub use settings::KafkaSettings;
pub use sink::{KafkaSink, SinkSetup, Unjoined};
pub use source::KafkaSource;
pub use topics::Topics;
pub use transactional_id::Prefix;
