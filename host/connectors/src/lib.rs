//! Where records come from and go to: Kafka topics, and newline-delimited files. Bytes in, bytes out: what a record
//! means, and which lane it takes, is decided elsewhere.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

pub mod files;
pub mod kafka;
mod lanes;

pub use lanes::FileLanes;

use engine::record::{Millis, Offset, Outline, Record};

/// The ways out of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Events that go on.
    Output,
    /// Duplicates, each explained.
    Duplicates,
    /// Events too late to be decided.
    Late,
    /// Records that could not be processed.
    DeadLetter,
}

impl Lane {
    /// All lanes.
    pub const ALL: [Self; 4] = [Self::Output, Self::Duplicates, Self::Late, Self::DeadLetter];

    /// The lane's name in metrics and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Duplicates => "duplicates",
            Self::Late => "late",
            Self::DeadLetter => "dead_letter",
        }
    }
}

/// The record of the input that a record on its way out comes of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: Offset,
}

/// A record on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// What it comes of.
    pub origin: Origin,
    /// Key of the outgoing record.
    pub key: Option<&'a [u8]>,
    /// Payload; `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    /// Time of the outgoing record, in milliseconds.
    pub timestamp: Option<Millis>,
    /// The record whose headers go along as they came.
    pub headers_of: Option<Record<'a>>,
    /// Headers that the host adds.
    pub extra_headers: &'a [(&'static str, &'a str)],
}

/// Takes records that leave the line. Nothing is promised of a record until the sink's owner has committed.
pub trait Sink {
    /// Whether somebody listens on this lane. Without, records of the lane need not be sent.
    fn has(&self, lane: Lane) -> bool;

    /// Whether every lane takes records like these, and no further question is needed. `false` may be out of caution.
    fn takes_all(&self, _records: &Outline) -> bool {
        true
    }

    /// Why this one record cannot leave by this lane, where that is known; `None`: it can, as far as is known, or nobody
    /// listens on the lane.
    fn refusal(&self, _lane: Lane, _record: &Outgoing<'_>) -> Option<Unsendable> {
        None
    }

    /// Hands over one record; the order within a lane is kept.
    ///
    /// # Errors
    /// The record cannot be written; then nothing since the last commit may be committed.
    fn send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkError>;
}

/// Why a lane does not take one record, whatever becomes of others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Unsendable {
    /// In one word.
    pub reason: Refusal,
    /// In words: what is refused, what the limit is, and whose.
    pub cause: String,
}

/// Why a lane does not take a record, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is larger than the topic or the client allows.
    TooLarge,
    /// Its timestamp is further from now than the topic allows.
    Timestamp,
    /// It has no key, and the topic is compacted.
    NoKey,
    /// The broker refused it for a reason that was not foreseen.
    Broker,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TooLarge, Self::Timestamp, Self::NoKey, Self::Broker];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Timestamp => "timestamp",
            Self::NoKey => "no_key",
            Self::Broker => "broker",
        }
    }
}

/// Why a record could not leave.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Kafka refused.
    #[error(transparent)]
    Kafka(#[from] kafka::KafkaFailure),
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] files::FileError),
}
