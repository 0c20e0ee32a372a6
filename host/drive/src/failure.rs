//! Why a run ended before its time. Where the cause is an error of a connector or of a state, it goes along as it is, for who
//! knows it.

use std::error::Error;
use std::io;
use std::time::Duration;

use connectors::{NoAnswer, SinkFailure, SourceFailure};
use engine::protocol::start::StartError;
use engine::record::Offset;
use line::LineError;

use crate::recall::RecallError;

/// An error of a state: its own type is known to who opens states.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a run ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The source cannot go on.
    #[error(transparent)]
    Source(#[from] SourceFailure),
    /// The sink does not take what it is given, and trying again does not help; or it cannot be reached while the run is to
    /// end.
    #[error(transparent)]
    Sink(#[from] SinkFailure),
    /// A question about the source, or about how far it is done, is refused.
    #[error(transparent)]
    Refused(NoAnswer),
    /// The state of a partition cannot be opened.
    #[error("{0}")]
    Open(Cause),
    /// The state of a partition cannot be read or written.
    #[error("{0}")]
    State(Cause),
    /// The line.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The state of a partition and its log do not agree on where to go on.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A replay would have to guess.
    #[error(transparent)]
    Recall(#[from] RecallError),
    /// Another takes this sink's place again and again.
    #[error("{cause}: {times} times within {} s", within.as_secs())]
    Fenced {
        /// How often.
        times: usize,
        /// Within this time.
        within: Duration,
        /// The sink's last word.
        cause: SinkFailure,
    },
    /// Commits fail again and again.
    #[error("commit, after several attempts: {0}")]
    GaveUp(SinkFailure),
    /// The source stops reading a partition again and again in the same place, which can be read.
    #[error(
        "reading partition {partition} has stopped twice at offset {offset}, which can be read. nothing is lost: a \
         restart continues from there"
    )]
    Stalled {
        /// Partition number.
        partition: i32,
        /// Where.
        offset: Offset,
    },
    /// The run did not end in time.
    #[error("{workers} workers did not drain within {timeout:?}; what they had not committed will be read again")]
    NotDrained {
        /// Workers that have not ended.
        workers: usize,
        /// The time they had.
        timeout: Duration,
    },
    /// There is no thread to be had.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// A defect of the host.
    #[error("{0}: this is a bug")]
    Bug(String),
}

impl Failure {
    pub(crate) fn bug(words: impl Into<String>) -> Self {
        Self::Bug(words.into())
    }

    pub(crate) fn state(failure: impl Error + Send + Sync + 'static) -> Self {
        Self::State(Box::new(failure))
    }
}
