//! A way out: a producer, the topics of the lanes, and what is known of what they take. It commits to the group that reads
//! the input, with the records where they leave in transactions. It does not decide what is sent again.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use connectors::{
    Committed, CommittingSink, Inquiry, Lane, Origin, Outgoing, RefusedRecord, Sink, SinkFailure, Unsendable, Word,
};
use engine::record::{Offset, Outline};

use crate::failure::KafkaFailure;
use crate::group::GroupHandle;
use crate::inquiry::KafkaInquiry;
use crate::limits::{Limits, LimitsBook};
use crate::membership::Membership;
use crate::producer::{Delivery, KafkaProducer};
use crate::refused::Refused;
use crate::settings::KafkaSettings;
use crate::topics::Topics;

/// What a sink is made with.
pub struct SinkSetup {
    /// The cluster, and properties of the producer.
    pub settings: KafkaSettings,
    /// Whether records and offsets are committed as one.
    pub delivery: Delivery,
    /// Topic by lane.
    pub topics: Topics,
    /// What the topics take of a record; shared with other sinks.
    pub limits: Arc<LimitsBook>,
    /// How long any single call may wait for the broker.
    pub timeout: Duration,
}

impl SinkSetup {
    fn producer(&self, one_by_one: bool) -> Result<KafkaProducer, KafkaFailure> {
        let settings = match one_by_one {
            true => Cow::Owned(self.settings.one_by_one()),
            false => Cow::Borrowed(&self.settings),
        };
        KafkaProducer::connect(&settings, &self.delivery, self.timeout)
    }
}

/// A sink whose predecessors can commit nothing more, before this host has joined the group: only then does the group's
/// offset say for good what they have committed.
pub struct Unjoined {
    setup: SinkSetup,
    producer: KafkaProducer,
}

impl Unjoined {
    /// The sink, once there is a consumer.
    #[must_use]
    pub fn join(self, group: GroupHandle, inquiry: Arc<KafkaInquiry>) -> KafkaSink {
        let Self { setup, producer } = self;
        let limits = RefCell::new(setup.limits.get());
        let refused = Refused::default();
        KafkaSink { setup, producer, group, inquiry, membership: None, limits, refused, has_failed: false }
    }
}

/// See the module.
pub struct KafkaSink {
    setup: SinkSetup,
    producer: KafkaProducer,
    group: GroupHandle,
    inquiry: Arc<KafkaInquiry>,
    /// The membership to commit with, once it is taken.
    membership: Option<Arc<Membership>>,
    /// What the topics take, as last heard when a batch was looked at: its records are all judged alike, and no lock is
    /// taken for any of them.
    limits: RefCell<Arc<Limits>>,
    /// What they refused all the same.
    refused: Refused,
    /// Something that was sent since the last commit may be missing, or this producer is of no use any more.
    has_failed: bool,
}

impl KafkaSink {
    /// Connects the producer. With exactly-once this fences every earlier producer of the same id and ends its
    /// transaction.
    ///
    /// # Errors
    /// Settings that librdkafka refuses, or no answer in time.
    pub fn connect(setup: SinkSetup) -> Result<Unjoined, KafkaFailure> {
        let producer = setup.producer(false)?;
        Ok(Unjoined { setup, producer })
    }

    /// Notes a failure: nothing is committed then before there is a new producer.
    fn noted<T>(&mut self, result: Result<T, KafkaFailure>) -> Result<T, SinkFailure> {
        self.has_failed |= result.is_err();
        Ok(result?)
    }

    fn try_commit(&mut self, frontier: &[(i32, Committed)]) -> Result<(), KafkaFailure> {
        let failed = |cause: &str| KafkaFailure::Write { step: "commit", cause: cause.to_owned() };
        if self.has_failed {
            return Err(failed("the producer has failed before"));
        }
        let Some(membership) = self.membership.take() else { return Err(failed("this host is out of the group")) };
        self.producer.commit(&self.group, &membership, frontier)
    }
}

impl Sink for KafkaSink {
    fn has(&self, lane: Lane) -> bool {
        self.setup.topics[lane].is_some()
    }

    fn takes_all(&self, records: &Outline) -> bool {
        let limits = self.setup.limits.get();
        let takes_all = self.refused.is_empty() && limits.takes_all(records);
        self.limits.replace(limits);
        takes_all
    }

    fn refusal(&self, lane: Lane, record: &Outgoing<'_>) -> Option<Unsendable> {
        let _topic = self.setup.topics[lane].as_ref()?;
        self.refused.refusal(lane, record).or_else(|| self.limits.borrow().refusal(lane, record))
    }

    fn send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkFailure> {
        let Some(topic) = self.setup.topics[lane].as_deref() else { return Ok(()) };
        let sent = self.producer.send(topic, lane, record);
        self.noted(sent)
    }
}

impl CommittingSink for KafkaSink {
    fn flush(&mut self) -> Result<(), SinkFailure> {
        let flushed = self.producer.flush();
        self.noted(flushed)
    }

    fn take_membership(&mut self) -> bool {
        self.membership = self.group.membership();
        self.membership.is_some()
    }

    /// At least once, the offsets follow the records, and the consumer's own membership is used.
    fn commit(&mut self, frontier: &[(i32, Committed)]) -> Result<(), SinkFailure> {
        let committed = self.try_commit(frontier);
        self.noted(committed)
    }

    fn reconnect(&mut self, one_by_one: bool) -> Result<(), SinkFailure> {
        self.membership = None;
        self.has_failed = true;
        self.producer = self.setup.producer(one_by_one)?;
        self.has_failed = false;
        Ok(())
    }

    fn committed(&mut self, partitions: &[i32], wait: Duration) -> Result<Vec<(i32, Word)>, SinkFailure> {
        Ok(self.inquiry.ask_committed(partitions, wait)?)
    }

    fn pending(&self, partition: i32) -> SinkFailure {
        self.inquiry.offsets_failure(self.inquiry.why_pending(partition)).into()
    }

    fn set_aside(&mut self, origin: Origin, record: &RefusedRecord) {
        self.refused.note(origin, record.lane, record.why.clone());
        self.setup.limits.learn(record);
    }

    fn settle(&mut self, partition: i32, below: Offset) {
        if !self.refused.is_empty() {
            self.refused.settle(partition, below);
        }
    }

    fn ask_limits(&mut self) {
        self.setup.limits.ask_again();
    }
}
