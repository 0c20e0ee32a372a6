//! The consumer: one group member, one polling thread. It counts offsets itself and never trusts stored positions.
//! It does not decide where a partition starts: its owner does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use connectors::{Assignments, Polled, Source, SourceFailure};
use engine::record::{Offset, RecordBatch};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::failure::KafkaFailure;
use crate::group::{Client, GroupHandle, Seat};
use crate::inspect::complaint_of;
use crate::rebalance::Rebalances;
use crate::record::append;
use crate::settings::KafkaSettings;

/// Time for librdkafka to take up a seek, which it does by itself: no broker is asked.
const SEEK_TIMEOUT: Duration = Duration::from_millis(200);

/// The consumer of the input topic.
pub struct KafkaSource {
    /// The one in the seat; polling takes no lock.
    consumer: Arc<Client>,
    seat: Seat,
    settings: KafkaSettings,
}

/// A client that joins the group.
fn join(settings: &KafkaSettings, assignments: Arc<dyn Assignments>) -> Result<Arc<Client>, KafkaFailure> {
    let context = Rebalances::new(assignments, &settings.topic);
    let refused = KafkaFailure::of_settings;
    // Without it a replay could wait for a record where there is only the marker of a transaction.
    let mut config = settings.consumer_config();
    config.set("enable.partition.eof", "true");
    let consumer: Client = config.create_with_context(context).map_err(refused)?;
    consumer.subscribe(&[&settings.topic]).map_err(refused)?;
    Ok(Arc::new(consumer))
}

impl KafkaSource {
    /// Joins the group. Assignments arrive while polling.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn connect(settings: &KafkaSettings, assignments: Arc<dyn Assignments>) -> Result<Self, KafkaFailure> {
        let consumer = join(settings, assignments)?;
        let seat = Arc::new(Mutex::new(Arc::clone(&consumer)));
        Ok(Self { consumer, seat, settings: settings.clone() })
    }

    /// What sinks need of the group: the identity that fences their transactions.
    #[must_use]
    pub fn group(&self) -> GroupHandle {
        GroupHandle::new(Arc::clone(&self.seat), &self.settings)
    }

    /// That the topic is unknown is no failure: a broker that has just come back may not know its topics yet. Who watches
    /// the topic finds out whether it is gone.
    fn consider(&self, error: &KafkaError) -> Result<Polled, KafkaFailure> {
        let code = error.rdkafka_error_code();
        let hopeless = matches!(
            code,
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::GroupAuthorizationFailed
                    | RDKafkaErrorCode::AutoOffsetReset
                    | RDKafkaErrorCode::OffsetOutOfRange
                    | RDKafkaErrorCode::Fatal
                    | RDKafkaErrorCode::InconsistentGroupProtocol
            )
        );
        if hopeless {
            return Err(KafkaFailure::Read { topic: self.settings.topic.clone(), cause: error.to_string() });
        }
        let words = self.consumer.context().take_words();
        let complaint = code.and_then(|code| complaint_of(code, &words));
        Ok(complaint.map_or(Polled::Nothing, Polled::Complaint))
    }

    fn one(&self, partition: i32) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.settings.topic, partition);
        list
    }
}

impl Source for KafkaSource {
    /// One record a call. Rebalances happen inside it.
    fn poll<'a>(
        &mut self,
        wait: Duration,
        pick: impl FnOnce(i32, Offset) -> Option<&'a mut RecordBatch>,
    ) -> Result<Polled, SourceFailure> {
        let polled = self.consumer.poll(wait);
        if let Some(failure) = self.consumer.context().take_failure() {
            return Err(failure.into());
        }
        match polled {
            None => Ok(Polled::Nothing),
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition(), message.offset());
                let Some(batch) = pick(partition, offset) else { return Ok(Polled::Nothing) };
                append(batch, &message);
                Ok(Polled::Records { partition, next: offset + 1 })
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Polled::End { partition }),
            Some(Err(error)) => Ok(self.consider(&error)?),
        }
    }

    /// `false` while the group is just taking everything away.
    fn begin(&mut self, partition: i32, at: Offset) -> Result<bool, SourceFailure> {
        // An assignment would make librdkafka forget that it has lost what it had.
        if self.consumer.assignment_lost() {
            return Ok(false);
        }
        let mut list = TopicPartitionList::new();
        let context = self.consumer.context();
        context.read(list.add_partition_offset(&self.settings.topic, partition, KafkaOffset::Offset(at)))?;
        context.read(self.consumer.incremental_assign(&list))?;
        Ok(true)
    }

    /// For when the client has stopped fetching it, as it may after a broker was away. Asks no broker. `false` while the
    /// group is just taking everything away.
    fn begin_anew(&mut self, partition: i32, at: Offset) -> Result<bool, SourceFailure> {
        if self.consumer.assignment_lost() {
            return Ok(false);
        }
        self.consumer.context().read(self.consumer.incremental_unassign(&self.one(partition)))?;
        self.begin(partition, at)
    }

    /// Asks no broker. `false` while the client is still busy with an earlier change of the partition.
    fn seek(&mut self, partition: i32, at: Offset) -> bool {
        let sought = self.consumer.seek(&self.settings.topic, partition, KafkaOffset::Offset(at), SEEK_TIMEOUT);
        if let Err(error) = &sought {
            tracing::debug!(%error, partition, offset = at, "seek; trying again");
        }
        sought.is_ok()
    }

    /// What was fetched and not polled is fetched again later.
    fn pause(&mut self, partition: i32) {
        if let Err(error) = self.consumer.pause(&self.one(partition)) {
            tracing::warn!(%error, partition, "pause");
        }
    }

    fn resume(&mut self, partition: i32) {
        if let Err(error) = self.consumer.resume(&self.one(partition)) {
            tracing::warn!(%error, partition, "resume");
        }
    }

    /// Leaves the group and joins it again with a new client: for when this one has stopped fetching. What the group gives
    /// the new client arrives while polling.
    fn renew(&mut self, timeout: Duration) -> Result<(), SourceFailure> {
        self.leave(timeout);
        let consumer = join(&self.settings, self.consumer.context().retire())?;
        let old = std::mem::replace(&mut self.consumer, Arc::clone(&consumer));
        *self.seat.lock().unwrap_or_else(PoisonError::into_inner) = consumer;
        // Closing a client may wait for a broker that does not answer, which polling must not.
        let closing = std::thread::Builder::new().name("old-client".to_owned()).spawn(move || drop(old));
        let failed = |error| KafkaFailure::Settings(format!("cannot start a thread: {error}"));
        Ok(closing.map(drop).map_err(failed)?)
    }

    /// Leaves the group; polling goes on meanwhile.
    fn leave(&mut self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        self.consumer.unsubscribe();
        while self.consumer.context().holds_any() && Instant::now() < deadline {
            // Records that still arrive belong to partitions that are going.
            drop(self.consumer.poll(Duration::from_millis(20)));
        }
    }
}
