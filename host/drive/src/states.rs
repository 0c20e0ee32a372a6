//! Where the states of partitions come from, and who makes copies of them. Not what is in them, and not where copies are.

use std::fmt;
use std::time::Instant;

use connectors::Bounds;
use engine::fingerprint::Seed;
use engine::record::Offset;
use engine::state::DurableState;

use crate::failure::Cause;

/// Opens the states of partitions, from several threads.
pub trait States: Send + Sync + 'static {
    /// The state of a partition.
    type State: DurableState + Send + 'static;

    /// Opens the state of a partition, or makes one, which may take minutes.
    ///
    /// # Errors
    /// It cannot be opened, now or at all.
    fn open(&self, wanted: &Wanted<'_>) -> Result<Self::State, OpenFailure>;

    /// Opens the state for the keys that a partition had before the input grew from so many partitions to so many, or makes
    /// one. It is beside that of a run, and nothing but keys is kept in it.
    ///
    /// # Errors
    /// It cannot be opened, now or at all.
    fn open_elder(&self, _partition: i32, _seed: Seed, _growth: (i32, i32)) -> Result<Self::State, OpenFailure> {
        Err(OpenFailure::Other("keys of other partitions cannot be kept here: this is a bug".into()))
    }

    /// What [`States::open_elder`] left for other growths than this one is not needed any more.
    fn forget_elders(&self, _but: Option<(i32, i32)>) {}
}

/// A state that is wanted, and what is known of its partition by then.
pub struct Wanted<'a> {
    /// Partition number.
    pub partition: i32,
    /// What its keys are to be hashed with; `None`: the state says, or chooses.
    pub seed: Option<Seed>,
    /// C; `None`: nothing was ever committed.
    pub committed: Option<Offset>,
    /// What the log still has.
    pub bounds: Bounds,
    /// Who waits for it.
    pub waits: &'a dyn Waits,
}

/// Whoever waits for a state.
pub trait Waits: Sync {
    /// It is being brought from elsewhere: how far that is, in words.
    fn restoring(&self, words: &str);

    /// Whether the partition is still to be opened; if not, whatever takes long may be given up.
    fn is_wanted(&self) -> bool;
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

/// Makes copies of states that are kept elsewhere, so that they outlive this machine. Called on the threads of workers,
/// between two batches: what takes time is done on others. By default there are none.
pub trait Copies<S>: Send + Sync {
    /// The state was written, and nothing has been committed to it since.
    fn written(&self, _partition: i32, _state: &mut S) {}

    /// The state was written for the last time: the partition goes to another host.
    fn leaves(&self, _partition: i32, _state: &mut S, _leave: Leave) {}

    /// The partition may be another host's already.
    fn lost(&self, _partition: i32) {}
}

impl<S> Copies<S> for () {}

/// A partition that goes to another host, which does not get it while somebody holds on to it.
pub struct Leave {
    /// It is to be let go of by then.
    pub until: Instant,
    /// The partition is released when this is dropped, and its worker has let go of it.
    pub hold: Box<dyn Send>,
}

impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leave").field("until", &self.until).finish_non_exhaustive()
    }
}
