//! What the owner of a sink has to know of its failure: what helps. Not which client library it came from: the cause goes
//! along as it is, for messages and for who knows the connector.

use std::error::Error;

use crate::refused::RefusedRecord;

/// What helps after a sink has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// To try again, with a new connection: what was sent since the last commit is sent again.
    Retry,
    /// To ask how far the input is done, before anything else: another sink has taken this one's place.
    Fenced,
    /// To decide without these records, which are refused for what they are. The others of their commit are not in it
    /// either.
    SetAside(Vec<RefusedRecord>),
    /// To commit shorter texts beside the offsets.
    Shorten {
        /// Characters of the longest that was not taken.
        chars: usize,
    },
    /// Nothing that the host can do: it would fail again.
    None,
}

/// Why records could not leave. Nothing since the last commit may be committed then.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct SinkFailure {
    /// What helps.
    pub remedy: Remedy,
    /// The connector's own error, which names the thing, the cause and the way out.
    pub cause: Box<dyn Error + Send + Sync>,
}

impl SinkFailure {
    /// A failure of a connector.
    pub fn new(remedy: Remedy, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { remedy, cause: cause.into() }
    }

    /// The cause, where it is an error of the connector that is asked for; else the failure as it was.
    ///
    /// # Errors
    /// It comes from another connector.
    pub fn into_cause<E: Error + 'static>(self) -> Result<E, Self> {
        let Self { remedy, cause } = self;
        cause.downcast().map(|cause| *cause).map_err(|cause| Self { remedy, cause })
    }
}
