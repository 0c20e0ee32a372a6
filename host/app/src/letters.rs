//! Records that the host writes itself: the explanation of a duplicate. Not the events, which are never rewritten.

use std::fmt::Write;

use engine::entry::Entry;
use engine::record::{Record, TopicPartition};

/// One JSON object: the key, where the duplicate and the original are, and the duplicate itself. `opaque`: the payload
/// need not be JSON, and is given as a string, or in hexadecimal where it is not UTF-8.
#[must_use]
pub(crate) fn duplicate(
    source: &TopicPartition,
    record: Record<'_>,
    key: &[u8],
    original: Entry,
    opaque: bool,
) -> String {
    let payload = record.payload().unwrap_or_default();
    let mut text = String::with_capacity(payload.len() + 192);
    text.push_str("{\"key\":");
    push_string(&mut text, &String::from_utf8_lossy(key));
    text.push_str(",\"topic\":");
    push_string(&mut text, &source.topic);
    let _infallible = write!(
        text,
        ",\"partition\":{},\"offset\":{},\"original_offset\":{},\"original_time\":{},\"event\":",
        source.partition,
        record.offset(),
        original.offset,
        original.time
    );
    match std::str::from_utf8(payload) {
        Ok(json) if !opaque => text.push_str(json),
        Ok(other) => push_string(&mut text, other),
        Err(_) => {
            text.push_str("{\"hex\":\"");
            for byte in payload {
                let _infallible = write!(text, "{byte:02x}");
            }
            text.push_str("\"}");
        }
    }
    text.push('}');
    text
}

fn push_string(text: &mut String, value: &str) {
    text.push_str(&serde_json::Value::from(value).to_string());
}
