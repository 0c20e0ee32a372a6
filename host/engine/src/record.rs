//! Records as they come from a source: a batch of one partition in one arena. Not the wire, not the meaning.

use std::ops::Range;

/// A partition of a topic. File input is the one partition 0 of a topic named after the stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: String,
    /// Partition number, from 0.
    pub partition: i32,
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// Names of headers that the host gives to records that leave it start with this, in small letters.
pub const OWN_HEADERS: &str = "dedup-host-";

/// What is put before the name of a header that came with a record and looks like one of the host's own, whatever the case
/// of its letters: nobody who can write to the input can pass off words as the host's.
pub const FOREIGN_HEADERS: &str = "input-";

/// Position of a record in its partition, from 0; offsets grow, and gaps are legal.
pub type Offset = i64;

/// Milliseconds since the Unix epoch.
pub type Millis = i64;

/// What [`RecordBatch::push`] copies into the batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewRecord<'a> {
    /// Position in the partition.
    pub offset: Offset,
    /// The record's own time; `None` where the source has none.
    pub timestamp: Option<Millis>,
    /// The record's key, if it has one.
    pub key: Option<&'a [u8]>,
    /// `None` is a tombstone, which is not the same as an empty payload.
    pub payload: Option<&'a [u8]>,
}

#[derive(Debug, Clone)]
struct Slot {
    offset: Offset,
    timestamp: Option<Millis>,
    key: Option<Range<usize>>,
    payload: Option<Range<usize>>,
    /// Why there is no payload although the record has one.
    unread: Option<Range<usize>>,
    headers: Range<usize>,
    /// Of key, payload and headers.
    bytes: usize,
}

#[derive(Debug, Clone)]
struct HeaderSlot {
    name: Range<usize>,
    value: Option<Range<usize>>,
}

/// Records of one partition in offset order, their bytes side by side in one allocation that is reused.
#[derive(Debug, Clone, Default)]
pub struct RecordBatch {
    arena: Vec<u8>,
    slots: Vec<Slot>,
    headers: Vec<HeaderSlot>,
    headers_renamed: u64,
}

/// What no record of a batch goes beyond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outline {
    /// Bytes of key, payload and headers.
    pub bytes: usize,
    /// Number of headers.
    pub headers: usize,
    /// The earliest and the latest of the records' own times, where any has one.
    pub times: Option<(Millis, Millis)>,
    /// Whether a record has no key.
    pub keyless: bool,
}

/// One record of a [`RecordBatch`].
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    batch: &'a RecordBatch,
    slot: &'a Slot,
}

impl RecordBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all records and keeps the memory.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.slots.clear();
        self.headers.clear();
        self.headers_renamed = 0;
    }

    /// Appends a record; its headers follow by [`RecordBatch::push_header`].
    pub fn push(&mut self, record: NewRecord<'_>) {
        let key = record.key.map(|bytes| self.store(bytes));
        let payload = record.payload.map(|bytes| self.store(bytes));
        let headers = self.headers.len()..self.headers.len();
        let bytes = [&key, &payload].into_iter().flatten().map(Range::len).sum();
        let (offset, timestamp, unread) = (record.offset, record.timestamp, None);
        self.slots.push(Slot { offset, timestamp, key, payload, unread, headers, bytes });
    }

    /// Appends a record of another batch.
    pub fn push_copy(&mut self, record: &Record<'_>) {
        if let Some(why) = record.unread() {
            return self.push_unread(record.offset(), why);
        }
        let (key, payload) = (record.key(), record.payload());
        self.push(NewRecord { offset: record.offset(), timestamp: record.timestamp(), key, payload });
        record.headers().for_each(|(name, value)| self.push_header(name, value));
    }

    /// Appends a record that is there and was not read, and why.
    pub fn push_unread(&mut self, offset: Offset, why: &str) {
        self.push(NewRecord { offset, ..NewRecord::default() });
        let why = self.store(why.as_bytes());
        if let Some(slot) = self.slots.last_mut() {
            slot.unread = Some(why);
        }
    }

    /// Appends a header to the record pushed last; without a record it does nothing. One that looks like one of the host's
    /// own gets another name, see [`FOREIGN_HEADERS`].
    pub fn push_header(&mut self, name: &str, value: Option<&[u8]>) {
        if self.slots.is_empty() {
            return;
        }
        let start = self.arena.len();
        if name.get(..OWN_HEADERS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_HEADERS)) {
            self.headers_renamed += 1;
            self.store(FOREIGN_HEADERS.as_bytes());
        }
        self.store(name.as_bytes());
        let name = start..self.arena.len();
        let value = value.map(|bytes| self.store(bytes));
        let bytes = name.len() + value.as_ref().map_or(0, Range::len);
        self.headers.push(HeaderSlot { name, value });
        let end = self.headers.len();
        if let Some(slot) = self.slots.last_mut() {
            slot.headers.end = end;
            slot.bytes += bytes;
        }
    }

    fn store(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        start..self.arena.len()
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes of keys, payloads and headers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// How many headers got another name.
    #[must_use]
    pub fn headers_renamed(&self) -> u64 {
        self.headers_renamed
    }

    /// Bytes of memory that it takes, used or not.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.arena.capacity()
            + self.slots.capacity() * size_of::<Slot>()
            + self.headers.capacity() * size_of::<HeaderSlot>()
    }

    /// Where `part` lies among the bytes of the batch, for [`RecordBatch::part`]; `None` for bytes that only look the
    /// same and are elsewhere. It holds until the batch is changed.
    #[must_use]
    pub fn locate(&self, part: &[u8]) -> Option<Range<usize>> {
        let start = part.as_ptr().addr().checked_sub(self.arena.as_ptr().addr())?;
        let end = start.checked_add(part.len())?;
        (end <= self.arena.len()).then_some(start..end)
    }

    /// The bytes at a place that [`RecordBatch::locate`] gave; none if the batch has no such place.
    #[must_use]
    pub fn part(&self, place: Range<usize>) -> &[u8] {
        self.arena.get(place).unwrap_or_default()
    }

    /// The record at `index`, counted from 0.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<Record<'_>> {
        self.slots.get(index).map(|slot| Record { batch: self, slot })
    }

    /// All records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.slots.iter().map(|slot| Record { batch: self, slot })
    }

    /// The extremes of its records.
    #[must_use]
    pub fn outline(&self) -> Outline {
        let mut outline = Outline::default();
        for slot in &self.slots {
            outline.bytes = outline.bytes.max(slot.bytes);
            outline.headers = outline.headers.max(slot.headers.len());
            outline.keyless |= slot.key.is_none();
            let Some(time) = slot.timestamp else { continue };
            outline.times = Some(outline.times.map_or((time, time), |(from, to)| (from.min(time), to.max(time))));
        }
        outline
    }

    #[inline]
    fn bytes_at(&self, range: &Range<usize>) -> &[u8] {
        self.arena.get(range.clone()).unwrap_or_default()
    }
}

impl<'a> Record<'a> {
    /// Position in the partition.
    #[must_use]
    #[inline]
    pub fn offset(&self) -> Offset {
        self.slot.offset
    }

    /// The record's own time, in milliseconds since the epoch.
    #[must_use]
    #[inline]
    pub fn timestamp(&self) -> Option<Millis> {
        self.slot.timestamp
    }

    /// The record's key.
    #[must_use]
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.slot.key.as_ref().map(|range| self.batch.bytes_at(range))
    }

    /// The payload as it came; `None` is a tombstone.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> Option<&'a [u8]> {
        self.slot.payload.as_ref().map(|range| self.batch.bytes_at(range))
    }

    /// Bytes of key, payload and headers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slot.bytes
    }

    /// Why the record was not read, where it was not.
    #[must_use]
    pub fn unread(&self) -> Option<&'a str> {
        let why = self.slot.unread.as_ref().map(|range| self.batch.bytes_at(range))?;
        std::str::from_utf8(why).ok()
    }

    /// The headers in order, as name and value.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        let batch = self.batch;
        let slots = batch.headers.get(self.slot.headers.clone()).unwrap_or_default();
        slots.iter().map(|header| {
            let name = std::str::from_utf8(batch.bytes_at(&header.name)).unwrap_or_default();
            (name, header.value.as_ref().map(|range| batch.bytes_at(range)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was_pushed() {
        let mut batch = RecordBatch::new();
        batch.push(NewRecord { offset: 7, timestamp: Some(5), key: Some(b"k"), payload: Some(b"{}") });
        batch.push_header("a", Some(b"1"));
        batch.push_header("a", None);
        batch.push(NewRecord { offset: 9, timestamp: None, key: None, payload: None });
        let first = batch.get(0).unwrap();
        assert_eq!((first.offset(), first.timestamp(), first.key()), (7, Some(5), Some(&b"k"[..])));
        assert_eq!(first.payload(), Some(&b"{}"[..]));
        assert_eq!(first.headers().collect::<Vec<_>>(), [("a", Some(&b"1"[..])), ("a", None)]);
        let second = batch.get(1).unwrap();
        assert_eq!((second.payload(), second.headers().len(), batch.len()), (None, 0, 2));
    }

    #[test]
    fn the_outline_is_of_the_extremes() {
        let mut batch = RecordBatch::new();
        assert_eq!(batch.outline(), Outline::default());
        batch.push(NewRecord { offset: 7, timestamp: Some(5), key: Some(b"k"), payload: Some(b"{}") });
        batch.push_header("ab", Some(b"1"));
        batch.push_header("ab", None);
        batch.push(NewRecord { offset: 9, timestamp: Some(-3), key: Some(b""), payload: Some(b"123") });
        assert_eq!((batch.get(0).unwrap().bytes(), batch.get(1).unwrap().bytes()), (8, 3));
        assert_eq!(batch.outline(), Outline { bytes: 8, headers: 2, times: Some((-3, 5)), keyless: false });
        batch.push(NewRecord { offset: 10, ..NewRecord::default() });
        assert!(batch.outline().keyless);
    }

    #[test]
    fn no_header_that_came_in_looks_like_one_of_ours() {
        let mut batch = RecordBatch::new();
        batch.push(NewRecord::default());
        let foreign = ["dedup-host-reason", "Dedup-Host-Stage", "DEDUP-HOST-", "dedup-host-reason"];
        let kept = [
            "dedup-host",
            "dedup_host-reason",
            "x-dedup-host-reason",
            "input-dedup-host-reason",
            "d",
            "",
            "d\u{e9}dup-host-x",
        ];
        foreign.iter().chain(&kept).for_each(|name| batch.push_header(name, Some(b"v")));
        let names: Vec<&str> = batch.get(0).unwrap().headers().map(|(name, _)| name).collect();
        let renamed = foreign.map(|name| format!("input-{name}"));
        assert_eq!(names, renamed.iter().map(String::as_str).chain(kept).collect::<Vec<_>>());
        assert!(batch.get(0).unwrap().headers().all(|(_, value)| value == Some(b"v")));
        assert_eq!(batch.headers_renamed(), foreign.len() as u64);
        batch.clear();
        assert_eq!(batch.headers_renamed(), 0);
    }

    #[test]
    fn a_record_that_was_not_read_says_why_and_is_no_tombstone_by_word() {
        let mut batch = RecordBatch::new();
        batch.push_unread(3, "too long");
        batch.push(NewRecord { offset: 4, ..NewRecord::default() });
        let [unread, tombstone] = [0, 1].map(|index| batch.get(index).unwrap());
        assert_eq!((unread.offset(), unread.payload(), unread.unread()), (3, None, Some("too long")));
        assert_eq!((tombstone.payload(), tombstone.unread()), (None, None));
    }

    #[test]
    fn a_part_of_a_payload_is_found_in_the_batch_and_equal_bytes_elsewhere_are_not() {
        let mut batch = RecordBatch::new();
        batch.push(NewRecord { offset: 0, key: Some(b"key"), payload: Some(b"abcdef"), ..NewRecord::default() });
        batch.push(NewRecord { offset: 1, payload: Some(b"abcdef"), ..NewRecord::default() });
        let payload = batch.get(1).unwrap().payload().unwrap();
        let place = batch.locate(&payload[2..]).unwrap();
        assert_eq!((place.clone(), batch.part(place)), (11..15, &b"cdef"[..]));
        let elsewhere = batch.clone();
        assert_eq!(elsewhere.locate(&payload[2..]), None);
        assert_eq!(batch.locate(elsewhere.get(0).unwrap().payload().unwrap()), None);
        assert_eq!(batch.part(14..16), b"");
    }

    #[test]
    fn memory_counts_what_is_allocated_and_stays_when_the_batch_is_cleared() {
        let mut batch = RecordBatch::new();
        assert_eq!(batch.memory_bytes(), 0);
        batch.push(NewRecord { payload: Some(&[1; 1_000]), ..NewRecord::default() });
        batch.push_header("a", Some(&[1; 1_000]));
        let before = batch.memory_bytes();
        assert!(before > 2_001, "{before}");
        batch.clear();
        assert_eq!(batch.memory_bytes(), before);
    }
}
