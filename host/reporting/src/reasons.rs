//! What connectors and the driver say, as labels of metrics: those know neither.

use connectors::{Lane, Refusal, UnreadableReason as Unreadable};
use drive::OpeningReason as Opening;
use engine::protocol::Transaction;
use observe::metrics::{Destination, OpeningReason, TransactionResult, UnreadableReason, UnsendableReason};

/// Where a record went.
pub(crate) const fn destination(lane: Lane) -> Destination {
    match lane {
        Lane::Output => Destination::Output,
        Lane::Duplicates => Destination::Duplicates,
        Lane::Late => Destination::Late,
        Lane::DeadLetter => Destination::DeadLetter,
    }
}

/// Why a record was not taken.
pub(crate) const fn unsendable_reason(refusal: Refusal) -> UnsendableReason {
    match refusal {
        Refusal::TooLarge => UnsendableReason::TooLarge,
        Refusal::Timestamp => UnsendableReason::Timestamp,
        Refusal::NoKey => UnsendableReason::NoKey,
        Refusal::Broker => UnsendableReason::Broker,
    }
}

/// Why a partition does not get on.
pub(crate) const fn unreadable_reason(reason: Unreadable) -> UnreadableReason {
    match reason {
        Unreadable::Compression => UnreadableReason::Compression,
        Unreadable::Damaged => UnreadableReason::Damaged,
        Unreadable::TooLarge => UnreadableReason::TooLarge,
        Unreadable::Unsupported => UnreadableReason::Unsupported,
    }
}

/// Why a partition is not read yet.
pub(crate) const fn opening_reason(reason: Opening) -> OpeningReason {
    match reason {
        Opening::Offsets => OpeningReason::Offsets,
        Opening::Pending => OpeningReason::PendingTransaction,
        Opening::NoAnswer => OpeningReason::NoAnswer,
        Opening::State => OpeningReason::State,
        Opening::Checkpoint => OpeningReason::Checkpoint,
        Opening::StateInUse => OpeningReason::StateInUse,
        Opening::Worker => OpeningReason::Worker,
    }
}

/// What became of a transaction.
pub(crate) const fn transaction_result(transaction: Transaction) -> TransactionResult {
    match transaction {
        Transaction::Committed => TransactionResult::Committed,
        Transaction::Aborted => TransactionResult::Aborted,
        Transaction::UnknownCommitted => TransactionResult::UnknownCommitted,
        Transaction::UnknownAborted => TransactionResult::UnknownAborted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_the_words_of_dead_letters_and_of_the_log() {
        assert!(Lane::ALL.into_iter().all(|lane| destination(lane).as_str() == lane.name()));
        assert!(Refusal::ALL.into_iter().all(|refusal| unsendable_reason(refusal).as_str() == refusal.as_str()));
        assert!(Unreadable::ALL.into_iter().all(|reason| unreadable_reason(reason).as_str() == reason.as_str()));
        assert!(Opening::ALL.into_iter().all(|reason| opening_reason(reason).as_str() == reason.as_str()));
        assert_eq!(Opening::ALL.len(), OpeningReason::ALL.len());
        assert_eq!(
            (Refusal::ALL.len(), Unreadable::ALL.len()),
            (UnsendableReason::ALL.len(), UnreadableReason::ALL.len())
        );
    }
}
