//! What the machine wants done. Not how.

use crate::record::Offset;

use super::Epoch;
use super::event::RefusedAt;

/// What is to be done, in this order. An effect that is a question stands last, and its answer is the next event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read a partition from an offset on. What was read of it and not processed is stale.
    Read {
        /// Partition number.
        partition: i32,
        /// The epoch of what is read.
        epoch: Epoch,
        /// First offset.
        from: Offset,
        /// Whether it was not read before under this assignment.
        is_first: bool,
    },
    /// No use to read a partition for now.
    StopReading {
        /// Partition number.
        partition: i32,
        /// Where it stands.
        at: Offset,
    },
    /// Question (`Decided`, `Stuck`, `Failed`): pass a batch through the line and send what has to go out.
    Process {
        /// Partition number.
        partition: i32,
        /// Records before this are put into the state only: their outputs are committed.
        live_from: Offset,
        /// Whether it is the batch that was kept; else the one that has just come.
        is_kept: bool,
    },
    /// Question (`Decided`, `NotSkipped`, `Failed`): pass over what cannot be read, if the operator wants it or a first
    /// pass did.
    Skip {
        /// Partition number.
        partition: i32,
        /// As in `Process`.
        live_from: Offset,
    },
    /// Keep the batch that has just come, or that was kept, to be tried again.
    Keep {
        /// Partition number.
        partition: i32,
    },
    /// Take up the plugins in force.
    Swap {
        /// Their number.
        plugins: u64,
    },
    /// Question (`Flushed`, `Failed`): wait until all that was sent has arrived.
    Flush,
    /// Question (`Membership`): take the membership of the last rebalance, to commit with.
    TakeMembership,
    /// Question (`Looked`): say whose the partitions are now.
    Look,
    /// Question (`Committed`, `Failed`): commit what was sent and these offsets, with the membership that was taken last.
    Commit {
        /// Partition and next offset.
        offsets: Vec<(i32, Offset)>,
    },
    /// What was decided of a partition since the last commit becomes part of its state.
    Apply {
        /// Partition number.
        partition: i32,
        /// The offset after the last that is contained.
        next: Offset,
    },
    /// What was decided of a partition since the last commit is taken back, and a batch that was kept is dropped.
    RollBack {
        /// Partition number.
        partition: i32,
    },
    /// Write the state to disk: nothing in it is uncommitted.
    Persist {
        /// Partition number.
        partition: i32,
        /// What it contains.
        applied: Offset,
        /// Whether the partition is past its replay.
        is_live: bool,
        /// Now, and not only if it is large or old enough.
        must: bool,
    },
    /// Close the state of a partition, and say that nobody has it.
    Release {
        /// Partition number.
        partition: i32,
        /// Whether it was taken away before it could be drained.
        is_lost: bool,
    },
    /// Question (`Connected`, `NotYet`): destroy the producer, and make one with the same id, which fences it.
    Connect {
        /// Whether each record is to go in a batch of its own.
        one_by_one: bool,
    },
    /// Question (`Answered`, `NotYet`): ask what the group has committed.
    Ask {
        /// Of these partitions.
        partitions: Vec<i32>,
    },
    /// Question (`Waited`): wait a little.
    Pause,
    /// These records are refused for themselves: they leave as dead letters when they are decided the next time.
    SetAside(Vec<RefusedAt>),
    /// Ask anew what the topics take: something was refused that should not have been.
    AskLimits,
    /// Progress records must be shorter than this from now on.
    Shorten {
        /// What was too long.
        chars: usize,
        /// What they may have.
        chars_max: usize,
    },
    /// Tell those who observe.
    Tell(Notice),
    /// The run cannot go on. Nothing more may be committed.
    End(End),
}

impl Effect {
    /// Whether an answer is due.
    #[must_use]
    pub fn is_question(&self) -> bool {
        match self {
            Self::Process { .. }
            | Self::Skip { .. }
            | Self::Flush
            | Self::TakeMembership
            | Self::Look
            | Self::Commit { .. }
            | Self::Connect { .. }
            | Self::Ask { .. }
            | Self::Pause => true,
            Self::Read { .. }
            | Self::StopReading { .. }
            | Self::Keep { .. }
            | Self::Swap { .. }
            | Self::Apply { .. }
            | Self::RollBack { .. }
            | Self::Persist { .. }
            | Self::Release { .. }
            | Self::SetAside(_)
            | Self::AskLimits
            | Self::Shorten { .. }
            | Self::Tell(_)
            | Self::End(_) => false,
        }
    }
}

/// What those who observe are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A partition is in another stage.
    Stage {
        /// Partition number.
        partition: i32,
        /// Which.
        stage: Stage,
    },
    /// A partition waits for a plugin that works.
    Held {
        /// Partition number.
        partition: i32,
        /// Whether it waited already.
        again: bool,
    },
    /// It does not wait any more.
    Released {
        /// Partition number.
        partition: i32,
    },
    /// The transaction has failed, and the group is asked what was committed.
    Failing(Trouble),
    /// Another producer has taken the id.
    Fenced,
    /// What became of a transaction.
    Ended(Transaction),
    /// The group has less than it had.
    WentBack {
        /// Partition number.
        partition: i32,
        /// What it had.
        from: Offset,
        /// What it has.
        to: Offset,
    },
    /// Somebody else has committed.
    Moved {
        /// Partition number.
        partition: i32,
        /// What the group had.
        from: Option<Offset>,
        /// What it has.
        to: Offset,
    },
}

/// Where a partition is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing of it can be processed: what the group has of it is not known.
    Restoring,
    /// So many offsets are to be put into the state, outputs off.
    Replaying(Offset),
    /// What comes is decided and sent.
    Live,
    /// It is let go of.
    Draining {
        /// Whether it was taken away before it could be drained.
        is_lost: bool,
    },
}

/// Why a transaction is not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// What the last answer says.
    Reported,
    /// Partitions that have records in it were lost.
    PartitionsLost,
    /// This host is not in the group.
    OutOfGroup,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// Its commit was acknowledged.
    Committed,
    /// Nobody asked for its commit.
    Aborted,
    /// Its commit failed, and it was committed all the same.
    UnknownCommitted,
    /// Its commit failed, and it was not committed.
    UnknownAborted,
}

/// Why a run ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// What the last answer says, and nothing cures it.
    Hopeless,
    /// Not even the shortest text beside an offset is taken.
    TextTooLong {
        /// Its characters.
        chars: usize,
    },
    /// Two producers with one id take it from each other.
    Fenced {
        /// How often of late.
        times: usize,
    },
    /// Commits fail again and again.
    GaveUp,
    /// The group has lost an offset that it had.
    NoCommitted {
        /// Partition number.
        partition: i32,
        /// What its state contains.
        applied: Offset,
    },
    /// The run is to end, and the broker cannot be reached.
    Stopped,
    /// The machine was told something that cannot be.
    Bug(String),
}
