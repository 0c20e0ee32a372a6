//! Entries as they lie in sorted tables: order and encoding. Not the files.
//!
//! Key: the fingerprint, 16 bytes, big end first, so that bytes sort as numbers do. Originals and histories have the
//! offset of the original as their key. Value of an entry, in variable-length integers (LEB128):
//!
//! ```text
//! 2 * offset, zigzag time                                           an entry of this partition's own
//! 2 * (2 * kind + 1 where a reader must know it) + 1, ...           an entry of a kind
//! kind 1 (required): partition, epoch, offset, zigzag time          adopted from another partition: reserved
//! ```
//!
//! Times are relative to the bucket's start, so that an own entry takes 6 to 10 bytes where 16 would be fixed. Kinds are
//! never renumbered. An adopted entry has the offset that it had in its partition, under the epoch of the partitioning
//! that it was made in: this version writes none, keeps those that are there, and never takes one for an own entry.

use std::cmp::Reverse;

use engine::entry::Entry;
use engine::fingerprint::Fingerprint;
use engine::record::Offset;
use engine::varint;

/// Longest value: two 64-bit integers of 7 bits a byte.
const VALUE_BYTES_MAX: usize = 20;

/// The bucket of entries whose events have no time.
pub(crate) const UNTIMED_BUCKET: i64 = i64::MIN;

/// The kind of entries that were adopted from another partition.
const ADOPTED: u64 = 1;

/// Where an entry comes from that is not of the partition's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Partition in whose log the offset is.
    pub(crate) partition: u64,
    /// How often the topic had been partitioned anew when the entry was made.
    pub(crate) epoch: u64,
}

/// What a value holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// An entry of the partition's own log.
    Own(Entry),
    /// An entry of another partition's log: its offset says nothing about this one's.
    Adopted(Origin, Entry),
    /// Of a kind that this version does not know and may pass over.
    PassedOver,
}

/// Why a value cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueError {
    /// It is no value.
    None,
    /// Of a kind that this version does not know and may not pass over.
    Kind(u64),
}

/// What this version does not decide by, in words; `None` where it may be passed over. `tag` is a kind, doubled, and one
/// more where a reader must know it.
pub(crate) fn refusal(tag: u64) -> Option<String> {
    match (tag >> 1, tag & 1) {
        (ADOPTED, _) => Some(format!("entries of kind {ADOPTED}, adopted from another partition")),
        (kind, 1) => Some(format!("entries of kind {kind}")),
        (_, _) => None,
    }
}

/// An entry on its way to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) bucket: i64,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) entry: Entry,
}

/// Brings rows into the order of tables, with buckets below `floor` folded into it and those above `ceiling` into `far`,
/// and one row a bucket and key: the smallest offset of a bucket; where folding makes buckets meet, that of the later one.
pub(crate) fn arrange(rows: &mut Vec<Row>, floor: i64, ceiling: i64, far: i64) {
    let folded = |row: &Row| match row.bucket {
        UNTIMED_BUCKET => UNTIMED_BUCKET,
        bucket if bucket > ceiling => far,
        bucket => bucket.max(floor),
    };
    rows.sort_unstable_by_key(|row| (folded(row), row.fingerprint.0, Reverse(row.bucket), row.entry.offset));
    rows.dedup_by_key(|row| (folded(row), row.fingerprint));
    rows.iter_mut().for_each(|row| row.bucket = folded(row));
}

/// The key of a fingerprint.
pub(crate) fn key(fingerprint: Fingerprint) -> [u8; 16] {
    fingerprint.0.to_be_bytes()
}

/// The fingerprint of a key; `None` for a key that is not 16 bytes long.
pub(crate) fn fingerprint(key: &[u8]) -> Option<Fingerprint> {
    key.try_into().ok().map(|bytes| Fingerprint(u128::from_be_bytes(bytes)))
}

/// The key of an offset, in tables of originals and of histories.
pub(crate) fn offset_key(offset: Offset) -> [u8; 8] {
    offset.cast_unsigned().to_be_bytes()
}

/// The offset of a key; `None` for a key that is not 8 bytes long.
pub(crate) fn offset(key: &[u8]) -> Option<Offset> {
    key.try_into().ok().map(|bytes| u64::from_be_bytes(bytes).cast_signed())
}

/// A value under construction.
#[derive(Default)]
pub(crate) struct Value {
    bytes: [u8; VALUE_BYTES_MAX],
    length: usize,
}

impl Value {
    /// The value of an own entry in a bucket that starts at `start_ms`. Offsets are not negative.
    pub(crate) fn of(entry: Entry, start_ms: i64) -> Self {
        let mut value = Self::default();
        value.push(entry.offset.cast_unsigned() << 1);
        let relative = entry.time.wrapping_sub(start_ms);
        value.push((relative.wrapping_shl(1) ^ (relative >> 63)).cast_unsigned());
        value
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn push(&mut self, mut number: u64) {
        while let Some(byte) = self.bytes.get_mut(self.length) {
            self.length += 1;
            *byte = (number & 0x7f) as u8;
            number >>= 7;
            if number == 0 {
                return;
            }
            *byte |= 0x80;
        }
    }
}

/// What a value holds, in a bucket that starts at `start_ms`.
pub(crate) fn stored(mut bytes: &[u8], start_ms: i64) -> Result<Stored, ValueError> {
    let first = varint::take(&mut bytes).ok_or(ValueError::None)?;
    if first & 1 == 0 {
        let offset = (first >> 1).cast_signed();
        let time = last_time(bytes, start_ms).ok_or(ValueError::None)?;
        return Ok(Stored::Own(Entry { offset, time }));
    }
    let (kind, is_required) = (first >> 2, first & 2 != 0);
    match kind {
        ADOPTED => adopted(bytes, start_ms).ok_or(ValueError::None),
        _ if is_required => Err(ValueError::Kind(kind)),
        _ => Ok(Stored::PassedOver),
    }
}

fn adopted(mut bytes: &[u8], start_ms: i64) -> Option<Stored> {
    let mut number = || varint::take(&mut bytes);
    let origin = Origin { partition: number()?, epoch: number()? };
    let offset = i64::try_from(number()?).ok()?;
    Some(Stored::Adopted(origin, Entry { offset, time: last_time(bytes, start_ms)? }))
}

fn last_time(mut bytes: &[u8], start_ms: i64) -> Option<i64> {
    let relative = varint::take_signed(&mut bytes)?;
    bytes.is_empty().then(|| start_ms.wrapping_add(relative))
}

/// The value of an adopted entry, for tests: no product code writes one yet.
#[cfg(test)]
pub(crate) fn adopted_value(origin: Origin, entry: Entry, start_ms: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [(ADOPTED << 1 | 1) << 1 | 1, origin.partition, origin.epoch, entry.offset.cast_unsigned()] {
        varint::push(number, &mut bytes);
    }
    varint::push_signed(entry.time.wrapping_sub(start_ms), &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether bytes are refused, passed over, or the one encoding of what they are said to hold.
    fn is_one_encoding(bytes: &[u8], start: i64) -> bool {
        match stored(bytes, start) {
            Ok(Stored::Own(entry)) => Value::of(entry, start).bytes() == bytes,
            // Whether it is marked as required makes no difference where it is known.
            Ok(Stored::Adopted(origin, entry)) => {
                adopted_value(origin, entry, start).get(1..) == bytes.get(1..) && [5, 7].contains(&bytes[0])
            }
            Ok(Stored::PassedOver) | Err(_) => true,
        }
    }

    #[test]
    fn unknown_kinds_are_refused_by_number_where_required_and_passed_over_where_not() {
        let of_kind = |kind: u64, is_required: bool| {
            let mut bytes = Vec::new();
            varint::push((kind << 1 | u64::from(is_required)) << 1 | 1, &mut bytes);
            bytes.extend_from_slice(b"whatever");
            stored(&bytes, 0)
        };
        assert_eq!((of_kind(9, true), of_kind(9, false)), (Err(ValueError::Kind(9)), Ok(Stored::PassedOver)));
        assert_eq!(of_kind(0, true), Err(ValueError::Kind(0)));
        assert_eq!((refusal(9 << 1), refusal(9 << 1 | 1)), (None, Some("entries of kind 9".into())));
    }

    proptest! {
        #![proptest_config(cases::cases(256))]

        #[test]
        fn any_entry_survives_encoding(offset in 0..=i64::MAX, time: i64, start: i64, partition: u64, epoch: u64) {
            let entry = Entry { offset, time };
            prop_assert_eq!(stored(Value::of(entry, start).bytes(), start), Ok(Stored::Own(entry)));
            let origin = Origin { partition, epoch };
            let value = adopted_value(origin, entry, start);
            prop_assert_eq!(stored(&value, start), Ok(Stored::Adopted(origin, entry)));
        }

        /// Each entry has one encoding, so that what is damaged is refused or another entry, whole.
        #[test]
        fn any_bytes_of_strangers_are_the_one_encoding_of_an_entry_or_none(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x80), Just(0xff), Just(0)], 0..24), start: i64,
        ) {
            prop_assert!(is_one_encoding(&bytes, start));
        }

        #[test]
        fn damaged_entries_of_strangers_are_refused_or_whole(
            offset in 0..=i64::MAX, time: i64, start: i64, at: prop::sample::Index, byte: u8, cut: prop::sample::Index,
        ) {
            let mut bytes = Value::of(Entry { offset, time }, start).bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            prop_assert!(is_one_encoding(&bytes, start));
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(is_one_encoding(&bytes, start));
        }

        #[test]
        fn any_key_of_strangers_is_a_fingerprint_or_an_offset_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            prop_assert!(fingerprint(&bytes).map_or(bytes.len() != 16, |found| key(found) == bytes[..]));
            prop_assert!(offset(&bytes).map_or(bytes.len() != 8, |found| offset_key(found) == bytes[..]));
        }

        #[test]
        fn keys_sort_as_fingerprints_do(a: u128, b: u128) {
            prop_assert_eq!(key(Fingerprint(a)).cmp(&key(Fingerprint(b))), a.cmp(&b));
        }
    }

    #[test]
    fn a_billionth_event_of_an_hour_takes_nine_bytes() {
        let entry = Entry { offset: 1_000_000_000, time: 1_700_003_600_000 };
        assert_eq!(Value::of(entry, 1_700_000_000_000).bytes().len(), 9);
    }

    #[test]
    fn the_smallest_offset_of_a_key_in_a_bucket_stays() {
        let row = |bucket, key, offset| Row { bucket, fingerprint: Fingerprint(key), entry: Entry { offset, time: 0 } };
        let mut rows = vec![row(1, 5, 9), row(0, 9, 1), row(1, 5, 3), row(1, 2, 7)];
        arrange(&mut rows, 0, 9, 99);
        assert_eq!(rows, [row(0, 9, 1), row(1, 2, 7), row(1, 5, 3)]);
    }

    #[test]
    fn folded_buckets_keep_what_was_first_in_the_later_one() {
        let row = |bucket, key, offset| Row { bucket, fingerprint: Fingerprint(key), entry: Entry { offset, time: 0 } };
        let mut rows = vec![row(1, 5, 3), row(2, 5, 8), row(2, 5, 9), row(70, 5, 20), row(60, 5, 10)];
        arrange(&mut rows, 4, 50, 99);
        assert_eq!(rows, [row(4, 5, 8), row(99, 5, 20)]);
    }
}
