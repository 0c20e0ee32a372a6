//! Where records come from and go to: Kafka topics, and newline-delimited files. Bytes in, bytes out: what a record
//! means, and which lane it takes, is decided elsewhere.

pub mod files;
pub mod kafka;
mod lanes;

pub use lanes::FileLanes;

use engine::record::{Millis, Record};

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

/// A record on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
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

    /// Hands over one record; the order within a lane is kept.
    ///
    /// # Errors
    /// The record cannot be written; then nothing since the last commit may be committed.
    fn send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkError>;
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
