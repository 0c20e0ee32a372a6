//! The names of what the host says beside a record, as headers where a system has headers. Not what it says.

/// Why a record is a dead letter, in words.
pub const REASON_HEADER: &str = "dedup-host-reason";
/// Headers of a dead letter that say where the record came from.
pub const TOPIC_HEADER: &str = "dedup-host-topic";
/// As [`TOPIC_HEADER`].
pub const PARTITION_HEADER: &str = "dedup-host-partition";
/// As [`TOPIC_HEADER`].
pub const OFFSET_HEADER: &str = "dedup-host-offset";
/// The offset after the last, in a letter that stands for several offsets.
pub const NEXT_HEADER: &str = "dedup-host-next-offset";
/// What made a dead letter of the record.
pub const STAGE_HEADER: &str = "dedup-host-stage";
