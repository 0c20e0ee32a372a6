//! The producers: outputs and input offsets in one transaction, or at least once. One producer per worker. After any
//! failure a producer is discarded: librdkafka speaks the transaction protocol from before KIP-890, in which a late end
//! of one transaction could meet the next. The group's offset says what became of the transaction.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use connectors::{Committed, Lane, Outgoing, Refusal, RefusedRecord, Unsendable};

use crate::failure::KafkaFailure;
use crate::group::{GroupHandle, metadata_too_large};
use crate::membership::Membership;
use crate::refused::Tag;
use crate::settings::KafkaSettings;
use crate::size;

/// Sends between two looks at the producer's own events.
const SENDS_PER_POLL: u32 = 1_000;

/// How outputs and offsets are tied together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// In one transaction, under this stable `transactional.id`.
    ExactlyOnce {
        /// The id; the same after a restart, so that a predecessor is fenced at once.
        transactional_id: String,
    },
    /// Outputs first, then offsets.
    AtLeastOnce,
}

/// Time for the reports of what was refused, when the transaction is known to have failed.
const REPORT_WAIT: Duration = Duration::from_millis(200);

/// Refused records that are remembered, at most: all that are set aside at a time.
const REFUSED_MAX: usize = 1_000;

/// What was not delivered since the last flush.
#[derive(Default)]
struct Failures {
    count: u64,
    /// The first of them: its topic, and why.
    first: Option<(String, KafkaError)>,
    /// Those that were refused for what they are.
    refused: Vec<RefusedRecord>,
}

#[derive(Clone, Default)]
struct Reports {
    failures: Arc<Mutex<Failures>>,
}

impl ClientContext for Reports {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = false;

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "kafka producer");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        let (Err((error, message)), Ok(mut failures)) = (result, self.failures.lock()) else { return };
        failures.count += 1;
        failures.first.get_or_insert_with(|| (message.topic().to_owned(), error.clone()));
        if let Some(reason) = refusal_of(error).filter(|_| failures.refused.len() < REFUSED_MAX) {
            let (partition, offset, lane) = Tag::unpack(tag);
            let cause = format!("topic {} refused it: {error}", message.topic());
            let bytes = size::BATCH_OVERHEAD + message.key_len() + message.payload_len();
            let why = Unsendable { reason, cause };
            failures.refused.push(RefusedRecord { partition, offset, lane, why, bytes, is_alone: false });
        }
    }
}

/// Why a record is refused where that is for what it is; `None` for all else that can go wrong.
fn refusal_of(error: &KafkaError) -> Option<Refusal> {
    let code = error.rdkafka_error_code()?;
    let too_large = matches!(
        code,
        RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::MessageBatchTooLarge
            | RDKafkaErrorCode::InvalidMessageSize
    );
    let refused = matches!(code, RDKafkaErrorCode::InvalidRecord | RDKafkaErrorCode::InvalidTimestamp);
    match (too_large, refused) {
        (true, _) => Some(Refusal::TooLarge),
        (false, true) if code == RDKafkaErrorCode::InvalidTimestamp => Some(Refusal::Timestamp),
        (false, true) => Some(Refusal::Broker),
        (false, false) => None,
    }
}

/// A producer's transactional identity, and the broker's patience with a transaction.
#[derive(Debug, Clone)]
struct Transactional {
    id: String,
    timeout: Duration,
}

/// A producer and the transaction it may have open.
pub struct KafkaProducer {
    producer: BaseProducer<Reports>,
    failures: Arc<Mutex<Failures>>,
    transactional: Option<Transactional>,
    open: bool,
    /// When the open transaction began.
    opened: Instant,
    sends: u32,
    timeout: Duration,
}

impl KafkaProducer {
    /// Connects. With exactly-once this fences every earlier producer of the same id and ends its transaction.
    ///
    /// # Errors
    /// Settings that librdkafka refuses, or no answer within `timeout`.
    pub fn connect(settings: &KafkaSettings, delivery: &Delivery, timeout: Duration) -> Result<Self, KafkaFailure> {
        let mut config = settings.producer_config();
        let transactional = match delivery {
            Delivery::ExactlyOnce { transactional_id } => {
                config.set("transactional.id", transactional_id);
                config.set("transaction.timeout.ms", settings.transaction_timeout_ms.to_string());
                let timeout = Duration::from_millis(settings.transaction_timeout_ms);
                Some(Transactional { id: transactional_id.clone(), timeout })
            }
            Delivery::AtLeastOnce => None,
        };
        let reports = Reports::default();
        let failures = Arc::clone(&reports.failures);
        let producer: BaseProducer<Reports> = config.create_with_context(reports).map_err(KafkaFailure::of_settings)?;
        if let Some(Transactional { id, .. }) = &transactional {
            producer.init_transactions(timeout).map_err(|error| match is_fenced(&producer, &error) {
                true => KafkaFailure::Fenced { transactional_id: id.clone(), step: "init transactions" },
                false => KafkaFailure::Unreachable { hosts: settings.hosts.clone(), cause: error.to_string() },
            })?;
        }
        Ok(Self { producer, failures, transactional, open: false, opened: Instant::now(), sends: 0, timeout })
    }

    fn open(&mut self) -> Result<(), KafkaFailure> {
        if self.transactional.is_some() && !self.open {
            self.producer.begin_transaction().map_err(|error| self.failure("begin transaction", &error))?;
            self.opened = Instant::now();
        }
        self.open = true;
        Ok(())
    }

    /// What a failed call means. A producer that was fenced has that as its fatal error, whatever the call itself says.
    fn failure(&self, step: &'static str, error: &KafkaError) -> KafkaFailure {
        match &self.transactional {
            Some(transactional) if is_fenced(&self.producer, error) => {
                transactional.fenced(step, self.opened.elapsed())
            }
            _ => KafkaFailure::Write { step, cause: error.to_string() },
        }
    }

    /// Queues one record. A full queue waits: that is the back-pressure.
    ///
    /// # Errors
    /// The record is refused, or the queue does not drain within the time-out.
    pub fn send(&mut self, topic: &str, lane: Lane, record: &Outgoing<'_>) -> Result<(), KafkaFailure> {
        self.send_to(topic, None, lane, record)
    }

    /// [`KafkaProducer::send`] to a partition of the caller's choice; `None` lets the key choose.
    ///
    /// # Errors
    /// As [`KafkaProducer::send`].
    pub fn send_to(
        &mut self,
        topic: &str,
        partition: Option<i32>,
        lane: Lane,
        record: &Outgoing<'_>,
    ) -> Result<(), KafkaFailure> {
        self.open()?;
        let mut message = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, Tag::pack(record.origin, lane));
        message.partition = partition;
        message.key = record.key;
        message.payload = record.payload;
        message.timestamp = record.timestamp;
        message.headers = headers(record);
        // The clock is asked only when the queue is full: at a million records a second it would be felt.
        let mut deadline = None;
        while let Err((error, back)) = self.producer.send(message) {
            let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if let Some(reason) = refusal_of(&error) {
                return Err(refused_here(topic, lane, record, reason, &error));
            }
            if !full || Instant::now() > *deadline.get_or_insert_with(|| Instant::now() + self.timeout) {
                return Err(self.refused().unwrap_or_else(|| self.failure("produce", &error)));
            }
            self.producer.poll(Duration::from_millis(5));
            message = back;
        }
        self.sends += 1;
        if self.sends >= SENDS_PER_POLL {
            self.sends = 0;
            self.producer.poll(Duration::ZERO);
        }
        Ok(())
    }

    /// The records that were refused, where that is why the transaction takes no more. They are reported a moment after.
    fn refused(&self) -> Option<KafkaFailure> {
        let deadline = Instant::now() + REPORT_WAIT;
        let are_none = || self.failures.lock().is_ok_and(|failures| failures.refused.is_empty());
        while are_none() && Instant::now() < deadline {
            self.producer.poll(Duration::from_millis(10));
        }
        let mut failures = self.failures.lock().ok().filter(|failures| !failures.refused.is_empty())?;
        let cause = failures.first.as_ref().map(|(topic, error)| format!("the first to topic {topic}: {error}"));
        Some(KafkaFailure::Records { refused: std::mem::take(&mut failures.refused), cause: cause.unwrap_or_default() })
    }

    /// Whether the transaction has failed by records that were refused.
    fn is_refused(&self) -> bool {
        self.transactional.is_some() && self.failures.lock().is_ok_and(|failures| !failures.refused.is_empty())
    }

    /// Makes all that was sent visible, together with the group's new offsets. `membership` is of a time when all of their
    /// partitions were owned, see [`GroupHandle::membership`]; at least once, the consumer's own is used instead, and what
    /// a former owner may still move back by that is read again.
    ///
    /// # Errors
    /// Anything: the producer must then be dropped, and the group's offsets asked.
    pub(crate) fn commit(
        &mut self,
        group: &GroupHandle,
        membership: &Membership,
        offsets: &[(i32, Committed)],
    ) -> Result<(), KafkaFailure> {
        self.open()?;
        self.flush()?;
        if self.transactional.is_some() {
            self.producer
                .send_offsets_to_transaction(&group.list(offsets)?, membership.metadata(), self.timeout)
                .map_err(|error| {
                    metadata_too_large(&error, offsets)
                        .unwrap_or_else(|| self.failure("send offsets to transaction", &error))
                })?;
            self.producer
                .commit_transaction(self.timeout)
                .map_err(|error| self.failure("commit transaction", &error))?;
        } else {
            group.commit(offsets)?;
        }
        self.open = false;
        Ok(())
    }

    /// Waits until every record sent has left the queue, and fails if one was not delivered.
    ///
    /// # Errors
    /// A record was not delivered, or the time is up.
    pub fn flush(&self) -> Result<(), KafkaFailure> {
        let (deadline, mut refused) = (Instant::now() + self.timeout, None);
        while self.producer.in_flight_count() > 0 {
            native::flush(&self.producer, Duration::from_millis(20));
            self.producer.poll(Duration::ZERO);
            // A transaction that has failed sends nothing more: what is still queued would be waited for in vain.
            if self.is_refused() && refused.get_or_insert_with(Instant::now).elapsed() > REPORT_WAIT {
                break;
            }
            if Instant::now() > deadline {
                return Err(KafkaFailure::Write { step: "flush", cause: "time-out".to_owned() });
            }
        }
        let failures = self.failures.lock().map(|mut failures| std::mem::take(&mut *failures)).unwrap_or_default();
        let Some((topic, error)) = failures.first else { return Ok(()) };
        if let fenced @ KafkaFailure::Fenced { .. } = self.failure("produce", &error) {
            return Err(fenced);
        }
        let cause = format!("{} records, the first to topic {topic}: {error}", failures.count);
        if !failures.refused.is_empty() {
            return Err(KafkaFailure::Records { refused: failures.refused, cause });
        }
        // Not that the topic is unknown: a broker that has just come back may not know its topics yet.
        let hopeless = matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::UnsupportedCompressionType | RDKafkaErrorCode::TopicAuthorizationFailed)
        );
        Err(if hopeless { KafkaFailure::Refused { cause } } else { KafkaFailure::Write { step: "produce", cause } })
    }
}

impl Transactional {
    /// The broker refuses this producer's epoch: another producer has taken the id, unless the broker itself ended a
    /// transaction that was open for too long, which raises the epoch as well.
    fn fenced(&self, step: &'static str, open_for: Duration) -> KafkaFailure {
        if open_for < self.timeout {
            return KafkaFailure::Fenced { transactional_id: self.id.clone(), step };
        }
        let cause = format!(
            "the broker ended the transaction, which was open for {open_for:.1?}; --kafka-transaction-timeout-ms allows \
             {:?}",
            self.timeout
        );
        KafkaFailure::Write { step, cause }
    }
}

/// The client itself refuses a record, whose transaction is no worse for it.
fn refused_here(topic: &str, lane: Lane, record: &Outgoing<'_>, reason: Refusal, error: &KafkaError) -> KafkaFailure {
    let cause = format!("the client does not accept the record for topic {topic}: {error}");
    let (partition, offset, lane) = Tag::unpack(Tag::pack(record.origin, lane));
    let why = Unsendable { reason, cause: cause.clone() };
    let refused = vec![RefusedRecord { partition, offset, lane, why, bytes: size::of_batch(record), is_alone: true }];
    KafkaFailure::Records { refused, cause }
}

fn is_fenced(producer: &BaseProducer<Reports>, error: &KafkaError) -> bool {
    let fatal = producer.client().fatal_error().map(|(code, _)| code);
    [error.rdkafka_error_code(), fatal].into_iter().flatten().any(|code| {
        matches!(
            code,
            RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch
        )
    })
}

fn headers(record: &Outgoing<'_>) -> Option<OwnedHeaders> {
    let own = record.headers_of.map(|source| source.headers());
    let count = own.as_ref().map_or(0, ExactSizeIterator::len) + record.extra_headers.len();
    if count == 0 {
        return None;
    }
    let mut headers = OwnedHeaders::new_with_capacity(count);
    for (key, value) in own.into_iter().flatten() {
        headers = headers.insert(Header { key, value });
    }
    for (key, value) in record.extra_headers {
        headers = headers.insert(Header { key, value: Some(value.as_bytes()) });
    }
    Some(headers)
}

/// The one call that the safe interface lacks.
mod native {
    use std::time::Duration;

    use rdkafka::bindings::rd_kafka_flush;
    use rdkafka::producer::{BaseProducer, Producer};

    /// Sends what is queued without waiting for `linger.ms`, for at most `timeout`. The safe `flush` gives librdkafka
    /// no time at all and then sleeps until a delivery report, of which there are none here.
    #[expect(unsafe_code, reason = "rd_kafka_flush with a time is not in the safe interface")]
    pub(super) fn flush(producer: &BaseProducer<super::Reports>, timeout: Duration) {
        let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the pointer is the live client's, and rd_kafka_flush may be called from any thread.
        let _timed_out = unsafe { rd_kafka_flush(producer.client().native_ptr(), millis) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_ran_out_of_time_is_not_taken_for_another_host() {
        let transactional = Transactional { id: "group-a-0".to_owned(), timeout: Duration::from_secs(15) };
        let quick = transactional.fenced("produce", Duration::from_millis(14_999));
        assert!(matches!(&quick, KafkaFailure::Fenced { transactional_id, .. } if transactional_id == "group-a-0"));
        assert!(quick.to_string().contains("group-a-0"), "{quick}");
        let slow = transactional.fenced("produce", Duration::from_secs(15)).to_string();
        assert!(slow.contains("--kafka-transaction-timeout-ms") && !slow.contains("fenced"), "{slow}");
    }
}
