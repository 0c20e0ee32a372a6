//! A record as the client delivers it, into a batch.

use engine::record::{NewRecord, RecordBatch};
use rdkafka::message::{BorrowedMessage, Headers, Message};

/// Appends it, with its headers.
pub(crate) fn append(batch: &mut RecordBatch, message: &BorrowedMessage<'_>) {
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
