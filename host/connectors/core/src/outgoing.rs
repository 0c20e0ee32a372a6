//! A record on its way out, and what it comes of. Not how a system is given it: each sink writes it its own way.

use engine::record::{Millis, Offset, Record};

/// An outgoing key that is not the record's own has at most so many bytes.
pub const KEY_BYTES_MAX: usize = 256;

/// The record of the input that a record on its way out comes of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: Offset,
}

/// A record on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// What it comes of.
    pub origin: Origin,
    /// Key of the outgoing record.
    pub key: Option<&'a [u8]>,
    /// Payload; `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    /// Time of the outgoing record, in milliseconds.
    pub timestamp: Option<Millis>,
    /// The record whose headers go along as they came.
    pub headers_of: Option<Record<'a>>,
    /// Headers that the host adds.
    pub extra_headers: &'a [(&'static str, &'a str)],
}
