//! Entries as they lie in sorted tables: order and encoding. Not the files.
//!
//! Key: the fingerprint, 16 bytes, big end first, so that bytes sort as numbers do. Value: the offset, then the time
//! relative to the bucket's start, both as variable-length integers (LEB128, the time zigzag), 6 to 10 bytes together
//! where 16 would be fixed. Originals and histories have the offset of the original as their key.

use std::cmp::Reverse;

use engine::entry::Entry;
use engine::fingerprint::Fingerprint;
use engine::record::Offset;

/// Longest value: two 64-bit integers of 7 bits a byte.
const VALUE_BYTES_MAX: usize = 20;

/// The bucket of entries whose events have no time.
pub(crate) const UNTIMED_BUCKET: i64 = i64::MIN;

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
    /// The value of an entry in a bucket that starts at `start_ms`.
    pub(crate) fn of(entry: Entry, start_ms: i64) -> Self {
        let mut value = Self::default();
        value.push(entry.offset.cast_unsigned());
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

/// The entry of a value; `None` if the bytes are not a value.
pub(crate) fn entry(mut bytes: &[u8], start_ms: i64) -> Option<Entry> {
    let offset = number(&mut bytes)?.cast_signed();
    let zigzag = number(&mut bytes)?;
    let relative = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
    bytes.is_empty().then(|| Entry { offset, time: start_ms.wrapping_add(relative) })
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            // A last byte of zero, or bits beyond the 64th, are no number's own encoding.
            let is_its_own = (*byte != 0 || shift == 0) && (shift < 63 || *byte <= 1);
            return is_its_own.then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(cases::cases(256))]

        #[test]
        fn any_entry_survives_encoding(offset: i64, time: i64, start: i64) {
            let value = Value::of(Entry { offset, time }, start);
            prop_assert_eq!(entry(value.bytes(), start), Some(Entry { offset, time }));
        }

        /// Each entry has one encoding, so that what is damaged is refused or another entry, whole.
        #[test]
        fn any_bytes_of_strangers_are_the_one_encoding_of_an_entry_or_none(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x80), Just(0xff), Just(0)], 0..24), start: i64,
        ) {
            if let Some(found) = entry(&bytes, start) {
                prop_assert!(Value::of(found, start).bytes() == bytes, "{:?}", found);
            }
        }

        #[test]
        fn damaged_entries_of_strangers_are_refused_or_whole(
            offset: i64, time: i64, start: i64, at: prop::sample::Index, byte: u8, cut: prop::sample::Index,
        ) {
            let mut bytes = Value::of(Entry { offset, time }, start).bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            prop_assert!(entry(&bytes, start).is_none_or(|found| Value::of(found, start).bytes() == bytes));
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(entry(&bytes, start).is_none_or(|found| Value::of(found, start).bytes() == bytes));
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
