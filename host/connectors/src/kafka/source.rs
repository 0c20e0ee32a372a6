//! The consumer: one group member, one polling thread. It counts offsets itself and never trusts stored positions.
//! It does not decide where a partition starts: that is asked of [`Assignments`].

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::record::{NewRecord, Offset, RecordBatch};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset as KafkaOffset, TopicPartitionList};

use super::offsets::{self, Commit, Committed};
use super::{KafkaFailure, KafkaSettings};

/// A broker that does not answer within this time is taken for gone.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A partition that this member was given, and what the broker knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Partition number.
    pub partition: i32,
    /// The group's committed offset, if there is one. Stable: no open transaction can still move it.
    pub committed: Option<Offset>,
    /// The text beside the committed offset, which anybody may have written; empty where there is none.
    pub metadata: String,
    /// First offset that the log still has.
    pub log_start: Offset,
    /// Offset after the last record.
    pub log_end: Offset,
}

/// Told of partitions that come and go, on the polling thread. Polling waits while these run.
pub trait Assignments: Send + Sync {
    /// Partitions come. Returns for each the offset to read from, or refuses: then nothing of them is read.
    fn assigned(&self, partitions: &[Assignment]) -> Option<Vec<(i32, Offset)>>;
    /// Partitions go. When this returns, nothing more may be committed for them. `lost`: another member may own them
    /// already, so nothing may be committed even now.
    fn revoked(&self, partitions: &[i32], lost: bool);
}

struct Rebalances {
    assignments: Arc<dyn Assignments>,
    topic: String,
    group: String,
    failure: Mutex<Option<KafkaFailure>>,
}

impl ClientContext for Rebalances {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = false;

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is no error; the poll reports it too.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            tracing::warn!(%error, reason, "kafka consumer");
        }
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let done = if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.assign(consumer, list)
        } else {
            let partitions: Vec<i32> = list.elements().iter().map(|element| element.partition()).collect();
            self.assignments.revoked(&partitions, consumer.assignment_lost());
            consumer.incremental_unassign(list).map_err(|error| self.read_failure(&error))
        };
        if let Err(failure) = done {
            self.fail(failure);
        }
    }
}

impl Rebalances {
    fn assign(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> Result<(), KafkaFailure> {
        let partitions = self.describe(consumer, list)?;
        let starts = self.assignments.assigned(&partitions).unwrap_or_default();
        let mut assigned = TopicPartitionList::new();
        for (partition, offset) in starts {
            assigned
                .add_partition_offset(&self.topic, partition, KafkaOffset::Offset(offset))
                .map_err(|error| self.read_failure(&error))?;
        }
        consumer.incremental_assign(&assigned).map_err(|error| self.read_failure(&error))
    }

    fn describe(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &TopicPartitionList,
    ) -> Result<Vec<Assignment>, KafkaFailure> {
        let committed = committed(consumer, &self.group, list.clone())?;
        let mut partitions = Vec::with_capacity(committed.len());
        for Committed { partition, offset: committed, metadata } in committed {
            let (log_start, log_end) = consumer
                .fetch_watermarks(&self.topic, partition, REQUEST_TIMEOUT)
                .map_err(|error| offsets_failure(&self.group, &error))?;
            partitions.push(Assignment { partition, committed, metadata, log_start, log_end });
        }
        Ok(partitions)
    }

    fn read_failure(&self, error: &KafkaError) -> KafkaFailure {
        KafkaFailure::Read { topic: self.topic.clone(), cause: error.to_string() }
    }

    fn fail(&self, failure: KafkaFailure) {
        tracing::error!(%failure, "rebalance");
        if let Ok(mut slot) = self.failure.lock() {
            slot.get_or_insert(failure);
        }
    }
}

fn offsets_failure(group: &str, error: &KafkaError) -> KafkaFailure {
    KafkaFailure::Offsets { group: group.to_owned(), cause: error.to_string() }
}

fn committed(
    consumer: &BaseConsumer<Rebalances>,
    group: &str,
    list: TopicPartitionList,
) -> Result<Vec<Committed>, KafkaFailure> {
    let answer = consumer.committed_offsets(list, REQUEST_TIMEOUT).map_err(|error| offsets_failure(group, &error))?;
    offsets::from_list(&answer).map_err(|error| offsets_failure(group, &error))
}

/// What a poll brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// A record, appended to the batch that was picked for its partition.
    Record {
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: Offset,
    },
    /// All that can be read of this partition has been: what follows, if anything, are markers of transactions.
    End {
        /// The partition.
        partition: i32,
    },
    /// Nothing within the time given, or an event that needs no action.
    Nothing,
}

/// The consumer of the input topic.
pub struct KafkaSource {
    consumer: Arc<BaseConsumer<Rebalances>>,
    topic: String,
    group: String,
}

impl KafkaSource {
    /// Joins the group. Assignments arrive while polling.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn connect(settings: &KafkaSettings, assignments: Arc<dyn Assignments>) -> Result<Self, KafkaFailure> {
        let context = Rebalances {
            assignments,
            topic: settings.topic.clone(),
            group: settings.group.clone(),
            failure: Mutex::new(None),
        };
        let refused = |error: KafkaError| KafkaFailure::Settings(error.to_string());
        // Without it a replay could wait for a record where there is only the marker of a transaction.
        let mut config = settings.consumer_config();
        config.set("enable.partition.eof", "true");
        let consumer: BaseConsumer<Rebalances> = config.create_with_context(context).map_err(refused)?;
        consumer.subscribe(&[&settings.topic]).map_err(refused)?;
        Ok(Self { consumer: Arc::new(consumer), topic: settings.topic.clone(), group: settings.group.clone() })
    }

    /// What workers need of the group: its offsets, and the identity that fences their transactions.
    #[must_use]
    pub fn group(&self) -> GroupHandle {
        GroupHandle { consumer: Arc::clone(&self.consumer), topic: self.topic.clone(), group: self.group.clone() }
    }

    /// Waits for the next record and appends it to the batch that `pick` returns for its partition; `pick` may refuse
    /// it. Rebalances happen inside this call.
    ///
    /// # Errors
    /// Failures that waiting does not cure. Lost connections are not: librdkafka comes back by itself.
    pub fn poll<'a>(
        &self,
        timeout: Duration,
        pick: impl FnOnce(i32, Offset) -> Option<&'a mut RecordBatch>,
    ) -> Result<Polled, KafkaFailure> {
        let polled = self.consumer.poll(timeout);
        if let Some(failure) = self.consumer.context().failure.lock().ok().and_then(|mut slot| slot.take()) {
            return Err(failure);
        }
        match polled {
            None => Ok(Polled::Nothing),
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition(), message.offset());
                let Some(batch) = pick(partition, offset) else { return Ok(Polled::Nothing) };
                append(batch, &message);
                Ok(Polled::Record { partition, offset })
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Polled::End { partition }),
            Some(Err(error)) => self.consider(&error),
        }
    }

    fn consider(&self, error: &KafkaError) -> Result<Polled, KafkaFailure> {
        let code = error.rdkafka_error_code();
        let hopeless = matches!(
            code,
            Some(
                RDKafkaErrorCode::UnknownTopic
                    | RDKafkaErrorCode::UnknownTopicOrPartition
                    | RDKafkaErrorCode::UnknownPartition
                    | RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::GroupAuthorizationFailed
                    | RDKafkaErrorCode::AutoOffsetReset
                    | RDKafkaErrorCode::OffsetOutOfRange
                    | RDKafkaErrorCode::Fatal
                    | RDKafkaErrorCode::InconsistentGroupProtocol
            )
        );
        if hopeless {
            return Err(KafkaFailure::Read { topic: self.topic.clone(), cause: error.to_string() });
        }
        tracing::warn!(%error, "kafka consumer");
        Ok(Polled::Nothing)
    }

    /// Goes back, or forth, to an offset of a partition that is assigned.
    ///
    /// # Errors
    /// The partition is not assigned, or the broker does not answer.
    pub fn seek(&self, partition: i32, offset: Offset) -> Result<(), KafkaFailure> {
        self.consumer
            .seek(&self.topic, partition, KafkaOffset::Offset(offset), REQUEST_TIMEOUT)
            .map_err(|error| KafkaFailure::Read { topic: self.topic.clone(), cause: error.to_string() })
    }

    /// Stops fetching a partition. What was fetched and not polled is fetched again later.
    pub fn pause(&self, partition: i32) {
        if let Err(error) = self.consumer.pause(&self.one(partition)) {
            tracing::warn!(%error, partition, "pause");
        }
    }

    /// Undoes [`KafkaSource::pause`].
    pub fn resume(&self, partition: i32) {
        if let Err(error) = self.consumer.resume(&self.one(partition)) {
            tracing::warn!(%error, partition, "resume");
        }
    }

    fn one(&self, partition: i32) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, partition);
        list
    }

    fn assigned_partitions(&self) -> Vec<i32> {
        let list = self.consumer.assignment().unwrap_or_default();
        list.elements().iter().map(|element| element.partition()).collect()
    }

    /// First and end offset of a partition; asks the broker.
    #[must_use]
    pub fn bounds(&self, partition: i32) -> Option<(Offset, Offset)> {
        self.consumer.fetch_watermarks(&self.topic, partition, Duration::from_secs(5)).ok()
    }

    /// Leaves the group: all partitions are revoked while polling goes on for at most `timeout`.
    pub fn leave(&self, timeout: Duration) {
        let deadline = std::time::Instant::now() + timeout;
        self.consumer.unsubscribe();
        while !self.assigned_partitions().is_empty() && std::time::Instant::now() < deadline {
            // Records that still arrive belong to partitions that are going.
            drop(self.consumer.poll(Duration::from_millis(20)));
        }
    }
}

fn append(batch: &mut RecordBatch, message: &BorrowedMessage<'_>) {
    batch.push(NewRecord {
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key(),
        payload: message.payload(),
    });
    for header in message.headers().into_iter().flat_map(Headers::iter) {
        batch.push_header(header.key, header.value);
    }
}

/// The group as workers see it. May be used from any thread.
#[derive(Clone)]
pub struct GroupHandle {
    consumer: Arc<BaseConsumer<Rebalances>>,
    topic: String,
    group: String,
}

impl GroupHandle {
    /// The group's committed offset of each partition. Waits for transactions that could still move it.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn committed(&self, partitions: &[i32]) -> Result<Vec<Committed>, KafkaFailure> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, *partition);
        }
        committed(&self.consumer, &self.group, list)
    }

    /// Commits offsets outside of any transaction (delivery at least once), and waits.
    pub(super) fn commit(&self, commits: &[Commit]) -> Result<(), KafkaFailure> {
        let list = self.list(commits)?;
        self.consumer.commit(&list, CommitMode::Sync).map_err(|error| match offsets::too_large(&error, commits) {
            Some(failure) => failure,
            None => offsets_failure(&self.group, &error),
        })
    }

    /// This member's generation, for the transaction that commits its offsets (KIP-447).
    /// `None` once partitions were lost: the client may have forgotten its generation by then, and offsets without one
    /// are not fenced by the broker.
    pub(super) fn metadata(&self) -> Option<ConsumerGroupMetadata> {
        let metadata = self.consumer.group_metadata();
        metadata.filter(|_| !self.consumer.assignment_lost())
    }

    pub(super) fn list(&self, commits: &[Commit]) -> Result<TopicPartitionList, KafkaFailure> {
        offsets::to_list(&self.topic, commits).map_err(|error| offsets_failure(&self.group, &error))
    }
}
