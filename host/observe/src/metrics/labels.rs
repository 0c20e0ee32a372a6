//! Closed sets of values that labels have. Not the open ones: names of topics, plugins and routes are passed as text.

use engine::time::Unusable;

/// A label with a closed set of values.
pub trait Label: Copy + 'static {
    /// All of them, in the order of their numbers.
    const VALUES: &'static [Self];

    /// The value as it is exported.
    fn text(self) -> &'static str;

    /// Its place in [`Label::VALUES`].
    fn number(self) -> usize;
}

/// A closed set of label values.
macro_rules! labels {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The label's value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl Label for $name {
            const VALUES: &'static [Self] = Self::ALL;

            fn text(self) -> &'static str {
                self.as_str()
            }

            fn number(self) -> usize {
                self as usize
            }
        }
    };
}

labels! {
    /// The outcome of a record.
    Outcome {
        /// Seen first.
        Unique = "unique",
        /// Seen before.
        Duplicate = "duplicate",
        /// Seen before, and forwarded because it is too dissimilar to the original.
        Dissimilar = "dissimilar",
        /// Later than the allowed lateness.
        Late = "late",
        /// Without a key.
        Keyless = "keyless",
        /// Not decodable, or the plugin failed on it.
        DeadLetter = "dead_letter",
    }
}

labels! {
    /// Where a record went.
    Destination {
        /// The output.
        Output = "output",
        /// The duplicates.
        Duplicates = "duplicates",
        /// The late events.
        Late = "late",
        /// The dead letters.
        DeadLetter = "dead_letter",
        /// Nowhere, by policy.
        Dropped = "dropped",
        /// Nowhere, because there is no topic or file for them.
        MetricsOnly = "metrics_only",
    }
}

labels! {
    /// A stage of the line.
    Stage {
        /// Payloads to fields.
        Decode = "decode",
        /// Fields to keys.
        Extract = "extract",
        /// Keys to entries.
        Lookup = "lookup",
        /// Entries to decisions.
        Decide = "decide",
        /// Duplicates to explanations.
        Explain = "explain",
        /// Outputs to the producer.
        Produce = "produce",
        /// The commit of the transaction.
        Commit = "commit",
        /// Committed entries to the state in memory.
        Apply = "apply",
        /// State to disk.
        Persist = "persist",
    }
}

labels! {
    /// How a transaction ended.
    TransactionResult {
        /// Committed.
        Committed = "committed",
        /// Aborted.
        Aborted = "aborted",
        /// The broker did not say; the group's offset showed that it was committed.
        UnknownCommitted = "unknown_committed",
        /// The broker did not say; the group's offset showed that it was not.
        UnknownAborted = "unknown_aborted",
    }
}

labels! {
    /// What the group did to a partition.
    Rebalance {
        /// Assigned.
        Assigned = "assigned",
        /// Revoked in an orderly way.
        Revoked = "revoked",
        /// Lost without notice.
        Lost = "lost",
    }
}

labels! {
    /// What a partition waits for before it can be read.
    OpeningReason {
        /// The group is asked for its offset.
        Offsets = "group_offset",
        /// A transaction of another id may still move the group's offset.
        PendingTransaction = "pending_transaction",
        /// The broker does not answer.
        NoAnswer = "no_answer",
        /// Its state is being opened.
        State = "state",
        /// Its state is being restored from a checkpoint.
        Checkpoint = "checkpoint",
        /// Its state is open elsewhere.
        StateInUse = "state_in_use",
        /// Its worker is busy.
        Worker = "worker",
    }
}

labels! {
    /// What the log no longer had.
    LogGap {
        /// Records that were never read: they are lost.
        Unread = "unread",
        /// Records whose keys could not be learned again: their duplicates pass.
        Unlearned = "unlearned",
    }
}

labels! {
    /// What became of an attempt to swap plugins.
    SwapResult {
        /// Other plugins are in force.
        Swapped = "swapped",
        /// The files are those that are in force.
        Unchanged = "unchanged",
        /// They cannot be used, and the old ones stay.
        Refused = "refused",
        /// A partition could not take up those in force, and goes on with the ones it has.
        Kept = "kept",
    }
}

labels! {
    /// Why an HTTP connection was cut off before it was answered.
    HttpCutOff {
        /// All places were taken, and another connection came.
        Room = "room",
        /// The request did not arrive, or the answer was not read, in time.
        Slow = "slow",
        /// The system could not give the process one more connection.
        Refused = "refused",
    }
}

labels! {
    /// Why a lane did not take a record.
    UnsendableReason {
        /// It is too large.
        TooLarge = "too_large",
        /// Its timestamp is too far from now.
        Timestamp = "timestamp",
        /// It has no key although one is required.
        NoKey = "no_key",
        /// For an unforeseen reason.
        Broker = "broker",
    }
}

labels! {
    /// Why a partition does not get past something in its log.
    UnreadableReason {
        /// It cannot be decompressed.
        Compression = "compression",
        /// Its checksum or format is wrong.
        Damaged = "damaged",
        /// It is too large.
        TooLarge = "too_large",
        /// Its format is unknown.
        Unsupported = "unsupported",
    }
}

impl Label for Unusable {
    const VALUES: &'static [Self] = &Self::ALL;

    fn text(self) -> &'static str {
        self.as_str()
    }

    fn number(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_no_use_has_the_number_of_its_place() {
        assert!(Unusable::VALUES.iter().enumerate().all(|(place, reason)| reason.number() == place));
    }
}

labels! {
    /// Where checkpoints are kept.
    CheckpointPlace {
        /// In a directory.
        Local = "local",
        /// In a bucket.
        S3 = "s3",
    }
}

labels! {
    /// Where the state of a partition came from that was opened.
    RestoreOrigin {
        /// It was on this disk.
        Store = "store",
        /// A checkpoint in a directory.
        Local = "local",
        /// A checkpoint in a bucket.
        S3 = "s3",
        /// It was made new: to be filled from the log, if anything was ever committed.
        Nothing = "nothing",
    }
}
