//! The group as those see it that commit to it: as whom, and offsets outside of transactions. Not what it has committed:
//! that is asked beside the run, see `inquiry`.

use std::sync::{Arc, Mutex, PoisonError};

use connectors::Committed;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::failure::KafkaFailure;
use crate::membership::Membership;
use crate::rebalance::Rebalances;
use crate::settings::KafkaSettings;

/// A client that is, or was, a member.
pub(crate) type Client = BaseConsumer<Rebalances>;

/// The client that is the member now, for all who ask the group.
pub(crate) type Seat = Arc<Mutex<Arc<Client>>>;

/// The group as sinks see it. May be used from any thread.
#[derive(Clone)]
pub struct GroupHandle {
    seat: Seat,
    topic: String,
    group: String,
}

impl GroupHandle {
    pub(crate) fn new(seat: Seat, settings: &KafkaSettings) -> Self {
        Self { seat, topic: settings.topic.clone(), group: settings.group.clone() }
    }

    /// Who this member was in the last rebalance. To be taken *before* looking whether the partitions of a transaction are
    /// still owned: then it is of a time when they were. `None` while the member is out of the group.
    pub(crate) fn membership(&self) -> Option<Arc<Membership>> {
        self.client().context().membership()
    }

    fn client(&self) -> Arc<Client> {
        Arc::clone(&self.seat.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Commits offsets outside of any transaction (delivery at least once), and waits.
    pub(crate) fn commit(&self, offsets: &[(i32, Committed)]) -> Result<(), KafkaFailure> {
        let list = self.list(offsets)?;
        self.client().commit(&list, CommitMode::Sync).map_err(|error| {
            metadata_too_large(&error, offsets).unwrap_or_else(|| offsets_failure(&self.group, &error))
        })
    }

    pub(crate) fn list(&self, offsets: &[(i32, Committed)]) -> Result<TopicPartitionList, KafkaFailure> {
        let mut list = TopicPartitionList::new();
        for (partition, committed) in offsets {
            let mut element = list.add_partition(&self.topic, *partition);
            element
                .set_offset(KafkaOffset::Offset(committed.offset))
                .map_err(|error| offsets_failure(&self.group, &error))?;
            if !committed.metadata.is_empty() {
                element.set_metadata(&committed.metadata);
            }
        }
        Ok(list)
    }
}

fn offsets_failure(group: &str, error: &KafkaError) -> KafkaFailure {
    KafkaFailure::Offsets { group: group.to_owned(), cause: error.to_string() }
}

/// The failure where the broker finds the text beside an offset too long.
pub(crate) fn metadata_too_large(error: &KafkaError, offsets: &[(i32, Committed)]) -> Option<KafkaFailure> {
    let chars = offsets.iter().map(|(_, offset)| offset.metadata.len()).max().unwrap_or(0);
    let is_too_large = error.rdkafka_error_code() == Some(RDKafkaErrorCode::OffsetMetadataTooLarge);
    is_too_large.then_some(KafkaFailure::MetadataTooLarge { chars })
}
