//! The client that asks the broker for a group's offsets and a topic's bounds. It is a separate one, may be asked from any
//! thread, and never waits longer than it is told. It changes nothing and reads no records.
//!
//! An offset that an open transaction may still move is answered at once as [`Word::Pending`], where the consumer's own
//! call would wait: this is how a pending transaction is told from a broker that does not answer.

#![expect(unsafe_code, reason = "ListConsumerGroupOffsets and ListOffsets are not in the safe interface")]

use std::ffi::{CStr, CString};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connectors::{Bounds, Committed, NoAnswer, Word};
use engine::record::Offset;
use rdkafka::bindings::{
    rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new, rd_kafka_AdminOptions_s,
    rd_kafka_AdminOptions_set_isolation_level, rd_kafka_AdminOptions_set_request_timeout,
    rd_kafka_AdminOptions_set_require_stable_offsets, rd_kafka_IsolationLevel_t, rd_kafka_ListConsumerGroupOffsets,
    rd_kafka_ListConsumerGroupOffsets_destroy, rd_kafka_ListConsumerGroupOffsets_new,
    rd_kafka_ListConsumerGroupOffsets_result_groups, rd_kafka_ListOffsets, rd_kafka_ListOffsets_result_infos,
    rd_kafka_ListOffsetsResultInfo_topic_partition, rd_kafka_admin_op_t, rd_kafka_error_code, rd_kafka_error_destroy,
    rd_kafka_error_t, rd_kafka_event_ListConsumerGroupOffsets_result, rd_kafka_event_ListOffsets_result,
    rd_kafka_event_destroy, rd_kafka_event_error, rd_kafka_event_error_string, rd_kafka_event_t,
    rd_kafka_group_result_error, rd_kafka_group_result_partitions, rd_kafka_queue_destroy, rd_kafka_queue_new,
    rd_kafka_queue_poll, rd_kafka_queue_t, rd_kafka_t, rd_kafka_topic_partition_s,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset as LogPlace, TopicPartitionList};

use crate::failure::KafkaFailure;
use crate::settings::KafkaSettings;
use crate::watch::client;

fn no_answer(code: RDKafkaErrorCode) -> NoAnswer {
    let hopeless = matches!(
        code,
        RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::InvalidGroupId
    );
    NoAnswer { cause: code.to_string(), hopeless }
}

fn local(cause: &str) -> NoAnswer {
    NoAnswer { cause: cause.to_owned(), hopeless: false }
}

/// A client that only asks.
pub(crate) struct Questions {
    /// A consumer that subscribes to nothing: in a client without a group, librdkafka (2.12.1) follows a null pointer where
    /// the coordinator has moved.
    client: Mutex<Arc<BaseConsumer>>,
    settings: KafkaSettings,
    topic: String,
    group: CString,
}

impl Questions {
    /// A client for questions about the group and the topic of these settings. It connects when it is asked something.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub(crate) fn new(settings: &KafkaSettings) -> Result<Self, KafkaFailure> {
        let client = Mutex::new(Arc::new(client(settings, &[])?));
        let group = CString::new(settings.group.as_str()).map_err(|error| KafkaFailure::Settings(error.to_string()))?;
        Ok(Self { client, settings: settings.clone(), topic: settings.topic.clone(), group })
    }

    fn client(&self) -> Arc<BaseConsumer> {
        let client = Arc::clone(&self.client.lock().unwrap_or_else(PoisonError::into_inner));
        // What it has to say of its connections; the consumer that reads says the same, aloud.
        while client.poll(Duration::ZERO).is_some() {}
        client
    }

    /// Gives a client up that has not answered a question to the coordinator, and the question with it: librdkafka (2.12.1)
    /// aborts the process where such a question has timed out by the time that the coordinator can be reached again.
    fn give_up(&self, unanswered: Arc<BaseConsumer>) {
        let mut current = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, &unanswered)
            && let Ok(new) = client(&self.settings, &[])
        {
            *current = Arc::new(new);
        }
        drop(current);
        // To close a client may take a while, and nobody has to wait for it.
        let closing = std::thread::Builder::new().name("inquiry-end".to_owned());
        if let Err(error) = closing.spawn(move || drop(unanswered)) {
            tracing::debug!(%error, "cannot start a thread to close a client");
        }
    }

    /// The group's offset of each partition, in one request.
    ///
    /// # Errors
    /// No answer within `timeout`, or a refusal.
    pub(crate) fn committed(&self, partitions: &[i32], timeout: Duration) -> Result<Vec<(i32, Word)>, NoAnswer> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, *partition);
        }
        let asked = self.client();
        let client = asked.client().native_ptr();
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS;
        // SAFETY: the client lives as long as `asked`; what is made here is destroyed once, after its last use; librdkafka
        // copies the list and the group's name.
        let event = unsafe {
            let options = Options::new(client, op, timeout + GIVEN_UP_WITHIN);
            ignore(rd_kafka_AdminOptions_set_require_stable_offsets(options.0, 1));
            let mut request = [rd_kafka_ListConsumerGroupOffsets_new(self.group.as_ptr(), list.ptr())];
            let event = Event::wait(client, timeout, |queue| {
                rd_kafka_ListConsumerGroupOffsets(client, request.as_mut_ptr(), 1, options.0, queue);
            });
            request.into_iter().for_each(|request| rd_kafka_ListConsumerGroupOffsets_destroy(request));
            event
        };
        let Some(event) = event else {
            self.give_up(asked);
            return Err(local("no answer in time"));
        };
        event.succeeded()?.group_offsets()?.into_iter().map(Element::into_answer).collect()
    }

    /// Where each partition begins and ends. A partition that the broker does not speak for, as while it has no leader, is
    /// left out of the answer.
    ///
    /// # Errors
    /// No answer within `timeout` for any of them, or a refusal.
    pub(crate) fn bounds(&self, partitions: &[i32], timeout: Duration) -> Result<Vec<(i32, Bounds)>, NoAnswer> {
        let answer = self.known_bounds(partitions, timeout);
        let is_whole = answer.as_ref().map_or_else(|failure| failure.hopeless, |all| all.len() == partitions.len());
        if !is_whole {
            self.look_anew(timeout);
        }
        answer
    }

    /// librdkafka takes what it last heard of the topic for final: partitions that were added since, or had no leader
    /// then, stay unknown to it for many minutes. The next question finds what this brings.
    fn look_anew(&self, timeout: Duration) {
        if let Err(error) = self.client().fetch_metadata(Some(&self.topic), timeout) {
            tracing::debug!(%error, topic = self.topic, "cannot ask for the topic's partitions");
        }
    }

    fn known_bounds(&self, partitions: &[i32], timeout: Duration) -> Result<Vec<(i32, Bounds)>, NoAnswer> {
        use rd_kafka_IsolationLevel_t::{
            RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED as COMMITTED, RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED as ALL,
        };
        let starts = self.list_offsets(partitions, LogPlace::Beginning, ALL, timeout)?;
        // The stable end first: asked later it could lie beyond the end.
        let stable = self.list_offsets(partitions, LogPlace::End, COMMITTED, timeout)?;
        let ends = self.list_offsets(partitions, LogPlace::End, ALL, timeout)?;
        let of = |answers: &[Element], partition| {
            answers.iter().find(|element| element.partition == partition).map(|element| element.offset)
        };
        let bounds = |partition: &i32| {
            let log_start = of(&starts, *partition)?;
            let (stable_end, log_end) = (of(&stable, *partition)?, of(&ends, *partition)?);
            Some((*partition, Bounds { log_start, log_end, stable_end }))
        };
        Ok(partitions.iter().filter_map(bounds).collect())
    }

    fn list_offsets(
        &self,
        partitions: &[i32],
        place: LogPlace,
        isolation: rd_kafka_IsolationLevel_t,
        timeout: Duration,
    ) -> Result<Vec<Element>, NoAnswer> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition_offset(&self.topic, *partition, place).map_err(|error| local(&error.to_string()))?;
        }
        let asked = self.client();
        let client = asked.client().native_ptr();
        // SAFETY: as in `committed`.
        let event = unsafe {
            let options = Options::new(client, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS, timeout);
            ignore(rd_kafka_AdminOptions_set_isolation_level(options.0, isolation));
            Event::wait(client, timeout + GRACE, |queue| rd_kafka_ListOffsets(client, list.ptr(), options.0, queue))
        };
        let event = event.ok_or_else(|| local("no answer in time"))?;
        let mut answers = event.succeeded()?.listed_offsets()?;
        if let Some(refused) = answers.iter().filter_map(Element::failure).find(|failure| failure.hopeless) {
            return Err(refused);
        }
        answers.retain(|element| element.failure().is_none());
        Ok(answers)
    }
}

/// One element of an answer, copied out of it.
struct Element {
    partition: i32,
    offset: Offset,
    metadata: String,
    error: RDKafkaRespErr,
}

impl Element {
    /// # Safety
    /// `element` points to a live element.
    unsafe fn copy(element: *const rd_kafka_topic_partition_s) -> Self {
        // SAFETY: the caller's promise; metadata has the length that is beside it.
        let (element, metadata) = unsafe {
            let element = &*element;
            let bytes: &[u8] = if element.metadata.is_null() {
                &[]
            } else {
                std::slice::from_raw_parts(element.metadata.cast(), element.metadata_size)
            };
            (element, String::from_utf8_lossy(bytes).into_owned())
        };
        Self { partition: element.partition, offset: element.offset, metadata, error: element.err }
    }

    fn failure(&self) -> Option<NoAnswer> {
        let failed = self.error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
        failed.then(|| no_answer(RDKafkaErrorCode::from(self.error)))
    }

    fn into_answer(self) -> Result<(i32, Word), NoAnswer> {
        if self.error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT {
            return Ok((self.partition, Word::Pending));
        }
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        // Negative is librdkafka's word for none.
        let offset = (self.offset >= 0).then_some(Committed { offset: self.offset, metadata: self.metadata });
        Ok((self.partition, Word::Stable(offset)))
    }
}

/// Options of one request, destroyed when dropped.
struct Options(*mut rd_kafka_AdminOptions_s);

impl Options {
    /// # Safety
    /// `client` is a live client.
    unsafe fn new(client: *mut rd_kafka_t, op: rd_kafka_admin_op_t, timeout: Duration) -> Self {
        // SAFETY: without room for words about an error none are written.
        unsafe {
            let options = rd_kafka_AdminOptions_new(client, op);
            rd_kafka_AdminOptions_set_request_timeout(options, millis(timeout), ptr::null_mut(), 0);
            Self(options)
        }
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and nobody else destroys it.
        unsafe { rd_kafka_AdminOptions_destroy(self.0) }
    }
}

/// The answer to a request, destroyed when dropped.
struct Event(*mut rd_kafka_event_t);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: made by `wait`, and nobody else destroys it.
        unsafe { rd_kafka_event_destroy(self.0) }
    }
}

/// Time for librdkafka to say by itself that a request has timed out.
const GRACE: Duration = Duration::from_millis(500);

/// A question to the coordinator must not time out by itself before its client is gone; see [`Questions::give_up`].
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(600);

impl Event {
    /// Sends a request and waits for its answer; `None`: there is none in time.
    ///
    /// # Safety
    /// `client` is a live client, and `send` hands the queue to one request only.
    unsafe fn wait(
        client: *mut rd_kafka_t,
        timeout: Duration,
        send: impl FnOnce(*mut rd_kafka_queue_t),
    ) -> Option<Self> {
        // SAFETY: the queue is destroyed once; an answer that comes later is dropped by librdkafka.
        let event = unsafe {
            let queue = rd_kafka_queue_new(client);
            send(queue);
            let event = rd_kafka_queue_poll(queue, millis(timeout));
            rd_kafka_queue_destroy(queue);
            event
        };
        (!event.is_null()).then_some(Self(event))
    }

    /// The failure of the whole request, if it is one.
    fn succeeded(&self) -> Result<&Self, NoAnswer> {
        // SAFETY: the event is live; its words live as long as it does.
        unsafe {
            let code = rd_kafka_event_error(self.0);
            if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Ok(self);
            }
            let words = rd_kafka_event_error_string(self.0);
            let mut failure = no_answer(RDKafkaErrorCode::from(code));
            if !words.is_null() {
                failure.cause = CStr::from_ptr(words).to_string_lossy().into_owned();
            }
            Err(failure)
        }
    }

    fn group_offsets(&self) -> Result<Vec<Element>, NoAnswer> {
        let nothing = || local("an answer without offsets");
        // SAFETY: the event is live, and so is what it gives out while `self` is borrowed; every pointer is looked at before
        // it is followed.
        unsafe {
            let result = rd_kafka_event_ListConsumerGroupOffsets_result(self.0);
            if result.is_null() {
                return Err(nothing());
            }
            let mut count = 0;
            let groups = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count);
            if groups.is_null() || count == 0 {
                return Err(nothing());
            }
            let error = rd_kafka_group_result_error(*groups);
            if !error.is_null() {
                return Err(no_answer(RDKafkaErrorCode::from(rd_kafka_error_code(error))));
            }
            let list = rd_kafka_group_result_partitions(*groups);
            if list.is_null() {
                return Err(nothing());
            }
            let count = usize::try_from((*list).cnt).unwrap_or(0);
            Ok((0..count).map(|index| Element::copy((*list).elems.add(index))).collect())
        }
    }

    fn listed_offsets(&self) -> Result<Vec<Element>, NoAnswer> {
        // SAFETY: as above.
        unsafe {
            let result = rd_kafka_event_ListOffsets_result(self.0);
            if result.is_null() {
                return Err(local("an answer without offsets"));
            }
            let mut count = 0;
            let infos = rd_kafka_ListOffsets_result_infos(result, &raw mut count);
            let info = |index| Element::copy(rd_kafka_ListOffsetsResultInfo_topic_partition(*infos.add(index)));
            Ok((0..count).map(info).collect())
        }
    }
}

/// The setters of options fail only for requests that do not have the option.
///
/// # Safety
/// `error` is null or a live error that nobody else destroys.
unsafe fn ignore(error: *mut rd_kafka_error_t) {
    if !error.is_null() {
        // SAFETY: the caller's promise.
        unsafe { rd_kafka_error_destroy(error) }
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
