//! Where a partition starts: the group's committed offset C and the offset A that the state contains decide it.
//! A pure function, so that every case is a test.

use connectors::kafka::Assignment;
use engine::record::Offset;

use crate::settings::kafka::OffsetReset;

/// Where to read from, and from where on outputs are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// First offset to read.
    pub(super) read_from: Offset,
    /// Records before this are replayed into the state only: their outputs are committed.
    pub(super) live_from: Offset,
}

/// State and topic do not agree, and going on could lose events or let duplicates through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// A is beyond the end of the log.
    #[error(
        "partition {partition}: the state contains offsets up to {applied}, but the log ends at {log_end}; the topic was \
         recreated or cut. ways out: delete the partition's directory under --store-path to start with the new log, or \
         read the right topic"
    )]
    BeyondLog {
        /// Partition number.
        partition: i32,
        /// A.
        applied: Offset,
        /// End of the log.
        log_end: Offset,
    },
    /// C is beyond the end of the log.
    #[error(
        "partition {partition}: the group committed offset {committed}, but the log ends at {log_end}; the topic was \
         recreated or cut. way out: reset the group's offsets, and delete the partition's directory under --store-path"
    )]
    CommittedBeyondLog {
        /// Partition number.
        partition: i32,
        /// C.
        committed: Offset,
        /// End of the log.
        log_end: Offset,
    },
    /// The records between A and C are gone.
    #[error(
        "partition {partition}: the state contains offsets up to {applied}, the group committed {committed}, and the log \
         starts at {log_start}: the records between are gone, so their keys cannot be remembered. ways out: restore a \
         newer copy of the state, or delete the partition's directory under --store-path, which rebuilds from what the \
         log still has"
    )]
    GapGone {
        /// Partition number.
        partition: i32,
        /// A.
        applied: Offset,
        /// C.
        committed: Offset,
        /// Start of the log.
        log_start: Offset,
    },
    /// C points before the log: records that were never decided are gone.
    #[error(
        "partition {partition}: the group committed offset {committed}, but the log starts at {log_start}: records were \
         removed before they were read. way out: set the group's offset to {log_start} to accept the loss"
    )]
    CommittedBeforeLog {
        /// Partition number.
        partition: i32,
        /// C.
        committed: Offset,
        /// Start of the log.
        log_start: Offset,
    },
    /// There is state, but the group has no offset.
    #[error(
        "partition {partition}: the state contains offsets up to {applied}, but the group has no committed offset; it was \
         deleted, has expired, or the topic was recreated. ways out: set the group's offset to {applied} to go on, or \
         delete the partition's directory under --store-path to start over"
    )]
    NoCommitted {
        /// Partition number.
        partition: i32,
        /// A.
        applied: Offset,
    },
}

/// The cases of a start; `applied` is `None` for a new store.
pub(super) fn start(assignment: &Assignment, applied: Option<Offset>, reset: OffsetReset) -> Result<Start, StartError> {
    let Assignment { partition, committed, log_start, log_end, .. } = *assignment;
    match (committed, applied) {
        (_, Some(applied)) if applied > log_end => Err(StartError::BeyondLog { partition, applied, log_end }),
        (Some(committed), _) if committed > log_end => {
            Err(StartError::CommittedBeyondLog { partition, committed, log_end })
        }
        (Some(committed), _) if committed < log_start => {
            Err(StartError::CommittedBeforeLog { partition, committed, log_start })
        }
        (None, Some(applied)) if applied > log_start => Err(StartError::NoCommitted { partition, applied }),
        (None, _) => {
            let from = match reset {
                OffsetReset::Earliest => log_start,
                OffsetReset::Latest => log_end,
            };
            Ok(Start { read_from: from, live_from: from })
        }
        // Never on an empty store past what was committed: the keys before C are read again, outputs off.
        (Some(committed), None) => Ok(Start { read_from: log_start, live_from: committed }),
        (Some(committed), Some(applied)) if applied >= committed => {
            Ok(Start { read_from: committed, live_from: committed })
        }
        (Some(committed), Some(applied)) if applied < log_start => {
            Err(StartError::GapGone { partition, applied, committed, log_start })
        }
        (Some(committed), Some(applied)) => Ok(Start { read_from: applied, live_from: committed }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(committed: Option<Offset>, applied: Option<Offset>) -> Result<Start, StartError> {
        let assignment = Assignment { partition: 3, committed, metadata: String::new(), log_start: 100, log_end: 900 };
        start(&assignment, applied, OffsetReset::Earliest)
    }

    fn from(read_from: Offset, live_from: Offset) -> Result<Start, StartError> {
        Ok(Start { read_from, live_from })
    }

    #[test]
    fn a_first_start_reads_what_the_operator_chose() {
        assert_eq!(check(None, None), from(100, 100));
        let assignment =
            Assignment { partition: 3, committed: None, metadata: String::new(), log_start: 100, log_end: 900 };
        assert_eq!(start(&assignment, None, OffsetReset::Latest), from(900, 900));
    }

    #[test]
    fn state_that_is_level_with_the_group_goes_on() {
        assert_eq!(check(Some(500), Some(500)), from(500, 500));
    }

    #[test]
    fn state_that_is_behind_is_replayed_with_outputs_off() {
        assert_eq!(check(Some(500), Some(400)), from(400, 500));
    }

    #[test]
    fn an_empty_store_is_rebuilt_from_the_start_of_the_log() {
        assert_eq!(check(Some(500), None), from(100, 500));
    }

    #[test]
    fn state_that_is_ahead_is_allowed_by_the_rule() {
        assert_eq!(check(Some(500), Some(700)), from(500, 500));
    }

    #[test]
    fn disagreements_stop_the_run() {
        assert!(matches!(check(Some(500), Some(901)), Err(StartError::BeyondLog { .. })));
        assert!(matches!(check(Some(901), Some(500)), Err(StartError::CommittedBeyondLog { .. })));
        assert!(matches!(check(Some(99), None), Err(StartError::CommittedBeforeLog { .. })));
        assert!(matches!(check(Some(500), Some(99)), Err(StartError::GapGone { .. })));
        assert!(matches!(check(None, Some(500)), Err(StartError::NoCommitted { .. })));
    }
}
