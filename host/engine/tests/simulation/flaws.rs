//! What could be wrong with a host. One test builds each of them into the simulated worker on purpose, to see whether the
//! simulation finds it. The product knows nothing about them.

/// A fault of the machine, or of the code that performs its effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A commit carries the membership at the time of the commit, not the one taken before the partitions were checked.
    MembershipOfTheMoment,
    /// A group's offset that went back is not believed.
    MemoryOverGroup,
    /// A pending offset is treated as if it had never been sent.
    PendingIsNone,
    /// Records of partitions that were lost are committed.
    LostIsCommitted,
    /// Records that went out undecided are missing from the progress record.
    ExceptionsNotRecorded,
    /// A state that is ahead of the group's offset determines where to continue.
    StateAheadTrusted,
    /// A replay turns a record that was decided before into a dead letter.
    ReplayDecidesAnew,
    /// Batches that were read before a rewind are processed.
    StaleEpochAccepted,
    /// Entries are applied to the state before the transaction is committed.
    ApplyBeforeCommit,
    /// Entries that are rolled back stay in the state.
    RollbackForgotten,
    /// Only one partition is rolled back when a transaction fails.
    RollbackOfOne,
    /// A commit that was not acknowledged is treated as if it had failed.
    UnknownIsAborted,
    /// A commit that was not acknowledged is treated as if it had succeeded.
    UnknownIsCommitted,
    /// The applied offset is written before the entries.
    AppliedBeforeEntries,
    /// A fenced producer is not replaced, and its transaction is treated as committed.
    FencedIgnored,
    /// A partition is released as soon as the group wants it back.
    ReleaseBeforeCommit,
    /// Plugins are swapped between two batches of one transaction.
    SwapMidTransaction,
    /// A producer that failed stays in use, with what it has sent.
    ProducerUsedOn,
    /// A replay sends its outputs again.
    ReplayIsSent,
    /// An empty state starts at the group's offset.
    EmptyStateIsLevel,
    /// Outputs are committed without the offset of one partition.
    OffsetLeftOut,
    /// A batch that the plugin failed on is dropped instead of kept.
    StuckIsSkipped,
    /// Refused records are left out.
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
