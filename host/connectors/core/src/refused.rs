//! Records that a system refuses for what they are, as a sink reports them: by the bits of their origin that a report has
//! room for.

use engine::record::Offset;

use crate::lane::Lane;
use crate::refusal::Unsendable;

/// A record that the system, or the client itself, refuses for what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRecord {
    /// Partition of the record that it comes of.
    pub partition: i32,
    /// The last [`RefusedRecord::OFFSET_BITS`] bits of that record's offset.
    pub offset: u64,
    /// The lane that it was to leave by.
    pub lane: Lane,
    /// Why.
    pub why: Unsendable,
    /// Bytes of it, alone in a batch, about.
    pub bytes: usize,
    /// Whether it is refused for itself, and not for others that were sent with it.
    pub is_alone: bool,
}

impl RefusedRecord {
    /// Bits of an offset that a report keeps: those that lane and partition leave of a pointer, with 18 for the partition.
    pub const OFFSET_BITS: u32 = 64 - 18 - Lane::BITS;

    /// The offset of the record that it comes of, which is not trillions away from `position`.
    #[must_use]
    pub fn offset_near(&self, position: Offset) -> Offset {
        let period: Offset = 1 << Self::OFFSET_BITS;
        let distance = (self.offset.cast_signed() - position).rem_euclid(period);
        position + if distance < period / 2 { distance } else { distance - period }
    }
}
