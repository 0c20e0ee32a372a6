//! What connectors say, as labels of metrics: those know no connector.

use connectors::Refusal;
use kafka_connector::UnreadableReason as Unreadable;
use observe::metrics::{UnreadableReason, UnsendableReason};

/// Why a record was not taken.
pub(super) const fn unsendable_reason(refusal: Refusal) -> UnsendableReason {
    match refusal {
        Refusal::TooLarge => UnsendableReason::TooLarge,
        Refusal::Timestamp => UnsendableReason::Timestamp,
        Refusal::NoKey => UnsendableReason::NoKey,
        Refusal::Broker => UnsendableReason::Broker,
    }
}

/// Why a partition does not get on.
pub(super) const fn unreadable_reason(reason: Unreadable) -> UnreadableReason {
    match reason {
        Unreadable::Compression => UnreadableReason::Compression,
        Unreadable::Damaged => UnreadableReason::Damaged,
        Unreadable::TooLarge => UnreadableReason::TooLarge,
        Unreadable::Unsupported => UnreadableReason::Unsupported,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_the_words_of_dead_letters() {
        assert!(Refusal::ALL.into_iter().all(|refusal| unsendable_reason(refusal).as_str() == refusal.as_str()));
        assert!(Unreadable::ALL.into_iter().all(|reason| unreadable_reason(reason).as_str() == reason.as_str()));
        assert_eq!(
            (Refusal::ALL.len(), Unreadable::ALL.len()),
            (UnsendableReason::ALL.len(), UnreadableReason::ALL.len())
        );
    }
}
