//! A record as it stands in a topic or a file, for who only looks: every header under its own name. Not the record that a
//! line decides, in which names that look like the host's are changed.

use engine::record::{Millis, Offset};

/// A record that was read beside any run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenRecord<'a> {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: Offset,
    /// Its time, where it has one.
    pub timestamp: Option<Millis>,
    /// Whether the broker gave it that time when it was appended.
    pub has_append_time: bool,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its payload; `None` is a tombstone, or was not read.
    pub payload: Option<&'a [u8]>,
    /// Names and values in their order.
    pub headers: Vec<(&'a str, Option<&'a [u8]>)>,
}
