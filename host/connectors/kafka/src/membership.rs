//! Who this member of the group is, and of which generation: what the broker checks before it accepts a commit of
//! offsets. The safe interface passes the metadata on but does not say what it contains. Whether a partition is still
//! owned is decided elsewhere.

#![expect(unsafe_code, reason = "the safe interface does not show a member's id and generation")]

use std::ffi::CStr;

use rdkafka::bindings::{
    rd_kafka_consumer_group_metadata, rd_kafka_consumer_group_metadata_destroy,
    rd_kafka_consumer_group_metadata_generation_id, rd_kafka_consumer_group_metadata_member_id,
};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};

/// A member in one generation of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    id: String,
    generation: i32,
}

impl Member {
    /// The consumer as it stands; `None` where it is no member. The broker does not check offsets that come without an id
    /// and a generation, so they must never be committed with.
    fn of<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<Self> {
        // SAFETY: the client is live; the metadata is destroyed once, and its id is copied before.
        unsafe {
            let metadata = rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
            if metadata.is_null() {
                return None;
            }
            let id = rd_kafka_consumer_group_metadata_member_id(metadata);
            let id = if id.is_null() { String::new() } else { CStr::from_ptr(id).to_string_lossy().into_owned() };
            let generation = rd_kafka_consumer_group_metadata_generation_id(metadata);
            rd_kafka_consumer_group_metadata_destroy(metadata);
            (!id.is_empty() && generation >= 0).then_some(Self { id, generation })
        }
    }
}

/// A membership as it was inside one rebalance. Offsets that are committed with it are refused by the broker as soon as
/// the group has moved on to another generation, which is before anybody else gets a partition of this one.
pub(crate) struct Membership {
    member: Member,
    metadata: ConsumerGroupMetadata,
}

impl Membership {
    /// `None` where the consumer is no member, or stops being one right now.
    pub(crate) fn of<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<Self> {
        let before = Member::of(consumer)?;
        let metadata = consumer.group_metadata()?;
        // Generations only grow: what is the same before and after was the same between.
        let member = Member::of(consumer).filter(|after| *after == before)?;
        Some(Self { member, metadata })
    }

    /// Whether both are the same member. Whoever was thrown out of the group comes back as another one.
    pub(crate) fn same_member(&self, other: &Self) -> bool {
        self.member.id == other.member.id
    }

    pub(crate) fn metadata(&self) -> &ConsumerGroupMetadata {
        &self.metadata
    }
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.member.fmt(formatter)
    }
}
