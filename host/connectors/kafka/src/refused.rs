//! Records that the broker, or the client itself, refuses for what they are: how they are reported, and those that are
//! set aside until what they come of is committed. Not what is known before: that is `limits`.

use std::collections::BTreeMap;

use connectors::{Lane, Origin, Outgoing, Refusal, RefusedRecord, Unsendable};
use engine::record::Offset;

/// What comes back with the report of a record that was not delivered: what it comes of and its lane, in the bits of a
/// pointer, as nothing may be allocated for a record that is delivered.
pub(crate) struct Tag;

impl Tag {
    const OFFSET_BITS: u32 = RefusedRecord::OFFSET_BITS;
    const LANE_BITS: u32 = Lane::BITS;

    pub(crate) fn pack(origin: Origin, lane: Lane) -> usize {
        let offset = origin.offset.cast_unsigned() & ((1 << Self::OFFSET_BITS) - 1);
        let partition = u64::from(origin.partition.cast_unsigned()) << (Self::OFFSET_BITS + Self::LANE_BITS);
        usize::try_from(partition | ((lane as u64) << Self::OFFSET_BITS) | offset).unwrap_or_default()
    }

    /// Partition, the last bits of the offset, and the lane.
    pub(crate) fn unpack(tag: usize) -> (i32, u64, Lane) {
        let tag = tag as u64;
        let lane = (tag >> Self::OFFSET_BITS) & ((1 << Self::LANE_BITS) - 1);
        let lane = Lane::ALL.into_iter().find(|candidate| *candidate as u64 == lane).unwrap_or(Lane::Output);
        let partition = i32::try_from(tag >> (Self::OFFSET_BITS + Self::LANE_BITS)).unwrap_or_default();
        (partition, tag & ((1 << Self::OFFSET_BITS) - 1), lane)
    }
}

/// Records that the broker refused although nothing said that it would, until what they come of is committed.
#[derive(Debug, Default)]
pub(crate) struct Refused(BTreeMap<(Origin, Lane), (u32, Unsendable)>);

impl Refused {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Remembers one.
    pub(crate) fn note(&mut self, origin: Origin, lane: Lane, why: Unsendable) {
        self.0.entry((origin, lane)).or_insert((0, why)).0 += 1;
    }

    /// Forgets those that come of a partition's records below an offset.
    pub(crate) fn settle(&mut self, partition: i32, below: Offset) {
        self.0.retain(|(origin, _), _| origin.partition != partition || origin.offset >= below);
    }

    /// A dead letter that is refused is tried once more, without its payload and with nothing else that may be refused.
    pub(crate) fn refusal(&self, lane: Lane, record: &Outgoing<'_>) -> Option<Unsendable> {
        let (times, why) = self.0.get(&(record.origin, lane))?;
        if lane != Lane::DeadLetter || record.payload.is_some() || *times >= 2 {
            return Some(why.clone());
        }
        let reason = match (record.timestamp, record.key) {
            (Some(_), _) => Refusal::Timestamp,
            (None, None) => Refusal::NoKey,
            (None, Some(_)) => return None,
        };
        Some(Unsendable { reason, ..why.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_a_record_comes_of() {
        for partition in [0, 7, 200_000] {
            for offset in [0, 1, (1 << 44) - 1, 1 << 44, (1 << 50) + 12_345] {
                for lane in Lane::ALL {
                    let (partition_back, low, lane_back) = Tag::unpack(Tag::pack(Origin { partition, offset }, lane));
                    assert_eq!((partition_back, lane_back), (partition, lane));
                    let why = Unsendable { reason: Refusal::Broker, cause: String::new() };
                    let record = RefusedRecord { partition, offset: low, lane, why, bytes: 0, is_alone: true };
                    for ahead in [-1_000_000, -1, 0, 1, 1_000_000] {
                        assert_eq!(record.offset_near(offset + ahead), offset);
                    }
                }
            }
        }
    }
}
