//! The id that the broker gave a topic when it was created: a topic of the same name with another id is another log,
//! whose offsets start over. The safe interface has no call for this. Nothing else of librdkafka's C interface is used
//! here.

#![expect(unsafe_code, reason = "DescribeTopics is not in the safe interface")]

use std::ffi::CString;
use std::ptr;
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_DescribeTopics, rd_kafka_DescribeTopics_result_topics, rd_kafka_TopicCollection_destroy,
    rd_kafka_TopicCollection_of_topic_names, rd_kafka_TopicDescription_topic_id, rd_kafka_Uuid_least_significant_bits,
    rd_kafka_Uuid_most_significant_bits, rd_kafka_event_DescribeTopics_result, rd_kafka_event_destroy,
    rd_kafka_event_t, rd_kafka_queue_destroy, rd_kafka_queue_new, rd_kafka_queue_poll,
};
use rdkafka::client::{Client, ClientContext};

/// The topic's id in hexadecimal; `None` where the broker gives none (before Kafka 2.8) or does not answer in time.
pub(crate) fn topic_id<C: ClientContext>(client: &Client<C>, topic: &str, timeout: Duration) -> Option<String> {
    let name = CString::new(topic).ok()?;
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client outlives all that is made from it here; the names are copied by the collection; the queue and
    // the collection are destroyed exactly once, after their last use.
    unsafe {
        let queue = rd_kafka_queue_new(client.native_ptr());
        let mut names = [name.as_ptr()];
        let topics = rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        rd_kafka_DescribeTopics(client.native_ptr(), topics, ptr::null(), queue);
        let event = rd_kafka_queue_poll(queue, timeout_ms);
        let id = if event.is_null() { None } else { id_of(event) };
        if !event.is_null() {
            rd_kafka_event_destroy(event);
        }
        rd_kafka_TopicCollection_destroy(topics);
        rd_kafka_queue_destroy(queue);
        id
    }
}

/// # Safety
/// `event` is a live event. What it gives out is not used after it.
unsafe fn id_of(event: *mut rd_kafka_event_t) -> Option<String> {
    // SAFETY: librdkafka returns null for events of another kind, and `count` valid pointers for this one.
    unsafe {
        let result = rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return None;
        }
        let mut count = 0;
        let descriptions = rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if descriptions.is_null() || count == 0 {
            return None;
        }
        let id = rd_kafka_TopicDescription_topic_id(*descriptions);
        if id.is_null() {
            return None;
        }
        let (high, low) = (rd_kafka_Uuid_most_significant_bits(id), rd_kafka_Uuid_least_significant_bits(id));
        ((high, low) != (0, 0)).then(|| format!("{high:016x}{low:016x}"))
    }
}
