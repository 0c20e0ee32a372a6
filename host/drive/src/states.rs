//! Where the states of partitions come from. Not what is in them.

use engine::fingerprint::Seed;
use engine::state::DurableState;

use crate::failure::Cause;

/// Opens the states of partitions, from several threads.
pub trait States: Send + Sync + 'static {
    /// The state of a partition.
    type State: DurableState + Send + 'static;

    /// Opens the state of a partition, or makes one, which may take minutes. `seed`: what its keys are to be hashed with;
    /// `None`: the state says, or chooses.
    ///
    /// # Errors
    /// It cannot be opened, now or at all.
    fn open(&self, partition: i32, seed: Option<Seed>) -> Result<Self::State, OpenFailure>;
}

/// Why a state cannot be opened.
#[derive(Debug)]
pub enum OpenFailure {
    /// This process still has it open: a worker that is about to close it.
    InUseHere(Cause),
    /// Another process has it open.
    InUseElsewhere(Cause),
    /// Waiting does not help.
    Other(Cause),
}

impl OpenFailure {
    /// The state's own error.
    #[must_use]
    pub fn into_cause(self) -> Cause {
        match self {
            Self::InUseHere(cause) | Self::InUseElsewhere(cause) | Self::Other(cause) => cause,
        }
    }
}
