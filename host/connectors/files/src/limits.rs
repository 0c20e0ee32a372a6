//! How far a file is read, and how much of it at a time.

use serde::{Deserialize, Serialize};

/// Longest line a source takes unless told otherwise, in bytes without the newline.
pub const LINE_BYTES_MAX: usize = 256 << 20;

/// Bytes that compressed input may become whatever its ratio.
pub const EXPANSION_FREE_BYTES: u64 = 8 << 20;

/// Bytes read or written at a time: they stay in the second-level cache while lines are copied.
#[cfg(not(test))]
pub(crate) const BUFFER_BYTES: usize = 256 << 10;
/// In tests every line meets the edge of a buffer.
#[cfg(test)]
pub(crate) const BUFFER_BYTES: usize = 64;

/// How far a source has been read. Reading on from here gives exactly the records that were not read before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FilePosition {
    /// Bytes of the decompressed stream up to the end of the last record and its newline.
    pub bytes: u64,
    /// Records in those bytes.
    pub records: u64,
    /// Lines in them without anything but white space, which are no records.
    pub blank_lines: u64,
}

/// How much one call of `FileSource::read_batch` appends at most. One record is always taken, however long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most records of a call; 0 counts as 1.
    pub records_max: usize,
    /// Most payload bytes of a call.
    pub bytes_max: usize,
}

/// What a source takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceLimits {
    /// Longest line, in bytes without the newline.
    pub line_bytes_max: usize,
    /// Whether a longer one becomes a record that says so, without its bytes; else it is an error.
    pub notes_long_lines: bool,
    /// Most bytes that compressed input may become for each of its own, beyond [`EXPANSION_FREE_BYTES`]; `None`: any number.
    pub expansion_max: Option<u64>,
}
