//! What a line sends to: one producer, the topics of the lanes, and what is known of what they take. It does not commit.

use connectors::{Lane, Outgoing, Sink, SinkFailure, Unsendable};
use engine::record::Outline;

use crate::limits::Limits;
use crate::producer::KafkaProducer;
use crate::refused::Refused;
use crate::topics::Topics;

/// A worker's way out: its producer and the topics of the lanes.
pub struct KafkaSink<'a> {
    /// The producer, with its transaction.
    pub producer: &'a mut KafkaProducer,
    /// Topic by lane.
    pub topics: &'a Topics,
    /// What the topics take.
    pub limits: &'a Limits,
    /// What they refused all the same.
    pub refused: &'a Refused,
}

impl Sink for KafkaSink<'_> {
    fn has(&self, lane: Lane) -> bool {
        self.topics.of(lane).is_some()
    }

    fn takes_all(&self, records: &Outline) -> bool {
        self.refused.is_empty() && self.limits.takes_all(records)
    }

    fn refusal(&self, lane: Lane, record: &Outgoing<'_>) -> Option<Unsendable> {
        let _topic = self.topics.of(lane)?;
        self.refused.refusal(lane, record).or_else(|| self.limits.refusal(lane, record))
    }

    fn send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkFailure> {
        let Some(topic) = self.topics.of(lane) else { return Ok(()) };
        Ok(self.producer.send(topic, lane, record)?)
    }
}
