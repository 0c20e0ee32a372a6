//! After a failed transaction: compares the group's offset with what a worker remembers. The group is believed,
//! downwards too. Pure functions; the machine does what follows.

use std::collections::BTreeMap;

use crate::record::Offset;

/// The group's word on one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// No open transaction can move it.
    At(Offset),
    /// It has none.
    Nothing,
    /// A transaction with an offset for it is open: what the group has is not known.
    Pending,
}

/// What the group has of each partition; `None` as long as one of them is pending.
#[must_use]
pub fn stable(answers: &BTreeMap<i32, Answer>) -> Option<BTreeMap<i32, Option<Offset>>> {
    let stable = |(partition, answer): (&i32, &Answer)| match answer {
        Answer::At(offset) => Some((*partition, Some(*offset))),
        Answer::Nothing => Some((*partition, None)),
        Answer::Pending => None,
    };
    answers.iter().map(stable).collect()
}

/// What a worker knows of one of its partitions when a transaction has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    /// The group's offset before the transaction, if it had one.
    pub group: Option<Offset>,
    /// The offset that the transaction was to commit, if it has records of the partition.
    pub target: Option<Offset>,
    /// Where the worker's last commit left off: what is decided before it is part of the state.
    pub committed: Offset,
    /// Records before this are replayed with outputs off.
    pub live_from: Offset,
}

/// What the group's answer says of the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// As before the transaction.
    Unchanged,
    /// As the transaction wanted it.
    AsWanted,
    /// Less than before: the broker has lost a commit, or somebody has set the offset back.
    WentBack {
        /// What the group had.
        from: Offset,
        /// What it has now.
        to: Offset,
    },
    /// More than before, and not what the transaction wanted: somebody else has committed.
    Moved {
        /// What the group had.
        from: Option<Offset>,
        /// What it has now.
        to: Offset,
    },
    /// The group had an offset and has none any more.
    Gone,
}

/// What an answer says of a partition.
#[must_use]
pub fn compare(remembered: &Remembered, answer: Option<Offset>) -> Finding {
    match (remembered.group, answer) {
        (None, None) => Finding::Unchanged,
        (Some(_), None) => Finding::Gone,
        (_, Some(now)) if Some(now) == remembered.target => Finding::AsWanted,
        (Some(before), Some(now)) if now == before => Finding::Unchanged,
        (Some(from), Some(to)) if to < from => Finding::WentBack { from, to },
        (from, Some(to)) => Finding::Moved { from, to },
    }
}

/// Where to read on from, and from where on outputs are sent, if the transaction does not count. What the group has is
/// done, and must only be known to the state; everything after it is decided and sent, whatever was sent before.
#[must_use]
pub fn resume(remembered: &Remembered, answer: Option<Offset>) -> (Offset, Offset) {
    match answer {
        Some(now) => (remembered.committed.min(now), now),
        None => (remembered.committed, remembered.live_from),
    }
}

/// Whether the transaction was committed: all that it was to commit is there, and nothing else has moved.
#[must_use]
pub fn is_settled(findings: &[(Remembered, Finding)]) -> bool {
    let as_it_should = |(remembered, finding): &(Remembered, Finding)| match remembered.target {
        Some(_) => *finding == Finding::AsWanted,
        None => *finding == Finding::Unchanged,
    };
    findings.iter().all(as_it_should)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIVE: Remembered = Remembered { group: Some(500), target: Some(800), committed: 500, live_from: 300 };
    const REPLAYING: Remembered = Remembered { group: Some(500), target: None, committed: 200, live_from: 500 };
    const FRESH: Remembered = Remembered { group: None, target: Some(150), committed: 100, live_from: 100 };

    #[test]
    fn an_answer_as_before_reads_the_transaction_again() {
        assert_eq!(compare(&LIVE, Some(500)), Finding::Unchanged);
        assert_eq!(resume(&LIVE, Some(500)), (500, 500));
        assert_eq!(compare(&REPLAYING, Some(500)), Finding::Unchanged);
        assert_eq!(resume(&REPLAYING, Some(500)), (200, 500));
        assert_eq!(compare(&FRESH, None), Finding::Unchanged);
        assert_eq!(resume(&FRESH, None), (100, 100));
    }

    #[test]
    fn a_smaller_answer_is_believed_and_what_follows_it_is_sent_again() {
        assert_eq!(compare(&LIVE, Some(400)), Finding::WentBack { from: 500, to: 400 });
        assert_eq!(resume(&LIVE, Some(400)), (400, 400), "live from 400 on, though the state knows what is there");
        assert_eq!(compare(&REPLAYING, Some(350)), Finding::WentBack { from: 500, to: 350 });
        assert_eq!(resume(&REPLAYING, Some(350)), (200, 350));
        assert_eq!(resume(&REPLAYING, Some(150)), (150, 150));
    }

    #[test]
    fn what_somebody_else_has_committed_is_replayed_with_outputs_off() {
        assert_eq!(compare(&LIVE, Some(700)), Finding::Moved { from: Some(500), to: 700 });
        assert_eq!(resume(&LIVE, Some(700)), (500, 700));
        assert_eq!(compare(&LIVE, Some(900)), Finding::Moved { from: Some(500), to: 900 });
        assert_eq!(resume(&LIVE, Some(900)), (500, 900));
        assert_eq!(compare(&FRESH, Some(120)), Finding::Moved { from: None, to: 120 });
    }

    #[test]
    fn an_offset_that_is_gone_is_not_an_offset_that_never_was() {
        assert_eq!(compare(&LIVE, None), Finding::Gone);
        assert_eq!(compare(&FRESH, None), Finding::Unchanged);
    }

    #[test]
    fn settled_means_that_all_of_it_is_there_and_nothing_else_has_moved() {
        let found = |remembered: Remembered, answer| (remembered, compare(&remembered, answer));
        assert!(is_settled(&[found(LIVE, Some(800)), found(REPLAYING, Some(500)), found(FRESH, Some(150))]));
        assert!(!is_settled(&[found(LIVE, Some(800)), found(FRESH, None)]));
        assert!(!is_settled(&[found(LIVE, Some(800)), found(REPLAYING, Some(400))]));
        assert!(!is_settled(&[found(LIVE, Some(900))]));
    }

    proptest! {
        #![proptest_config(cases::cases(256))]

        /// Whatever the group answers: no offset that it does not have is skipped, none that it has is sent again.
        #[test]
        fn what_the_group_has_not_is_sent_and_what_it_has_is_not(
            group in 0..1_000i64, behind in 0..100i64, ahead in 0..100i64, answer in 0..1_200i64,
        ) {
            let committed = (group - behind).max(0);
            let remembered =
                Remembered { group: Some(group), target: (ahead > 0).then_some(group + ahead), committed, live_from: group };
            let (read_from, live_from) = resume(&remembered, Some(answer));
            prop_assert_eq!(live_from, answer);
            prop_assert!(read_from <= answer);
            prop_assert!(read_from <= committed, "what lies between the state and the answer must be learnt");
        }
    }
}
