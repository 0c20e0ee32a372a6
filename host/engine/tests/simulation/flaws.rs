//! What could be wrong with a host. Each is built into the simulated worker on purpose, by one test, to see that the
//! simulation finds it. The product knows nothing of them.

/// A fault of the machine, or of what performs its effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A commit carries the membership of its own moment, not of the one before the partitions were looked at.
    MembershipOfTheMoment,
    /// A group that has less than it had is not believed.
    MemoryOverGroup,
    /// An offset that is pending is taken for one that never was.
    PendingIsNone,
    /// Records of partitions that were lost are committed.
    LostIsCommitted,
    /// What went out undecided is not in the progress record.
    ExceptionsNotRecorded,
    /// A state that is ahead of the group says where to go on.
    StateAheadTrusted,
    /// A replay makes a dead letter of what was decided before.
    ReplayDecidesAnew,
    /// Batches that were read before a rewind are processed.
    StaleEpochAccepted,
    /// The state is told before the transaction is committed.
    ApplyBeforeCommit,
    /// What is taken back stays in the state.
    RollbackForgotten,
    /// Only one partition is taken back when a transaction fails.
    RollbackOfOne,
    /// A commit that was not acknowledged is taken for one that never was.
    UnknownIsAborted,
    /// A commit that was not acknowledged is taken for one that was.
    UnknownIsCommitted,
    /// How far the state reaches is written before its entries.
    AppliedBeforeEntries,
    /// A fenced producer is not replaced, and its transaction taken for committed.
    FencedIgnored,
    /// A partition is released as soon as the group wants it back.
    ReleaseBeforeCommit,
    /// Plugins are swapped between two batches of one transaction.
    SwapMidTransaction,
    /// A producer that failed is used on, with what it has sent.
    ProducerUsedOn,
    /// What is replayed is sent again.
    ReplayIsSent,
    /// A state that is empty starts where the group is.
    EmptyStateIsLevel,
    /// Outputs are committed without the offset of one partition.
    OffsetLeftOut,
    /// A batch that the plugin failed on is dropped instead of kept.
    StuckIsSkipped,
    /// What is refused is left out.
    RefusedIsDropped,
}

impl Flaw {
    pub(crate) const ALL: [Self; 23] = [
        Self::MembershipOfTheMoment,
        Self::MemoryOverGroup,
        Self::PendingIsNone,
        Self::LostIsCommitted,
        Self::ExceptionsNotRecorded,
        Self::StateAheadTrusted,
        Self::ReplayDecidesAnew,
        Self::StaleEpochAccepted,
        Self::ApplyBeforeCommit,
        Self::RollbackForgotten,
        Self::RollbackOfOne,
        Self::UnknownIsAborted,
        Self::UnknownIsCommitted,
        Self::AppliedBeforeEntries,
        Self::FencedIgnored,
        Self::ReleaseBeforeCommit,
        Self::SwapMidTransaction,
        Self::ProducerUsedOn,
        Self::ReplayIsSent,
        Self::EmptyStateIsLevel,
        Self::OffsetLeftOut,
        Self::StuckIsSkipped,
        Self::RefusedIsDropped,
    ];
}
