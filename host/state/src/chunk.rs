//! Values of events by offset in memory, copied or left in the batches that they came in. Not which chunks exist: that
//! is `recent`; nor their tables.

mod recent;

use std::ops::Range;
use std::sync::Arc;

use engine::record::{Offset, RecordBatch};

pub(crate) use recent::{Recent, Remembered};

/// What a chunk in memory costs beside what it holds, in bytes.
const CHUNK_OVERHEAD_BYTES: usize = 128;

/// Stands for the place in a batch of a value that is in none.
const COPIED: u32 = u32::MAX;

/// A value to be added to a chunk: head, body and tail, one after the other.
pub(crate) struct NewValue<'a> {
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
    pub(crate) tail: &'a [u8],
    /// Where the body is to stay, and where it starts there; without it the body is copied too.
    pub(crate) shared: Option<(&'a Arc<RecordBatch>, u32)>,
}

impl NewValue<'_> {
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.body.len() + self.tail.len()
    }

    /// Bytes of it that are copied.
    fn copied(&self) -> usize {
        let body = if self.shared.is_some() { 0 } else { self.body.len() };
        self.head.len() + body + self.tail.len()
    }
}

/// A value that is kept, in three parts that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    head: &'a [u8],
    body: &'a [u8],
    tail: &'a [u8],
}

impl<'a> Value<'a> {
    /// A value in one part.
    pub(crate) fn whole(bytes: &'a [u8]) -> Self {
        Self { head: bytes, body: &[], tail: &[] }
    }

    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.body.len() + self.tail.len()
    }

    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.head);
        out.extend_from_slice(self.body);
        out.extend_from_slice(self.tail);
    }

    /// The value as one slice, put together in `scratch` where it is in parts.
    pub(crate) fn joined<'b>(&self, scratch: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        if self.body.is_empty() && self.tail.is_empty() {
            return self.head;
        }
        scratch.clear();
        self.append_to(scratch);
        scratch
    }
}

/// Where an event's value is.
#[derive(Debug, Clone, Copy)]
struct Slot {
    offset: Offset,
    /// Start of its copied bytes; they end where the next one's start.
    start: u32,
    /// Index of its body among the shared ones, or `COPIED`.
    body: u32,
}

/// The part of a value that is in a batch.
#[derive(Debug, Clone, Copy)]
struct Body {
    /// Index of the batch.
    batch: u32,
    start: u32,
    length: u32,
    /// How many of the copied bytes come before it.
    head: u32,
}

/// Values in ascending order of offsets. What is copied is in one allocation.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    index: Vec<Slot>,
    bodies: Vec<Body>,
    batches: Vec<Arc<RecordBatch>>,
    /// Bytes of all bodies.
    shared_bytes: usize,
    /// Bytes of memory of all batches.
    held_bytes: usize,
}

impl Chunk {
    /// Bytes that a value of `length` bytes counts for.
    pub(crate) fn cost(length: usize) -> usize {
        length + size_of::<Slot>()
    }

    /// Bytes of its values, their index included.
    pub(crate) fn used_bytes(&self) -> usize {
        self.bytes.len() + self.shared_bytes + self.index.len() * size_of::<Slot>()
    }

    /// Bytes that it keeps in memory: its own and the batches'.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.own_bytes() + self.held_bytes
    }

    /// Bytes that are allocated for it alone.
    fn own_bytes(&self) -> usize {
        self.bytes.capacity()
            + self.index.capacity() * size_of::<Slot>()
            + self.bodies.capacity() * size_of::<Body>()
            + self.batches.capacity() * size_of::<Arc<RecordBatch>>()
            + CHUNK_OVERHEAD_BYTES
    }

    /// Whether a value's body is copied, or in the batch that was held last.
    fn holds_batch_of(&self, new: &NewValue<'_>) -> bool {
        new.shared.is_none_or(|(batch, _)| self.batches.last().is_some_and(|last| Arc::ptr_eq(last, batch)))
    }

    fn hold(&mut self, batch: &Arc<RecordBatch>) {
        self.held_bytes += batch.memory_bytes();
        self.batches.push(Arc::clone(batch));
    }

    /// Adds a value after all others. The caller sees to the order, that its batch is the one held last, and that 4 GiB
    /// are never reached.
    fn push(&mut self, offset: Offset, new: &NewValue<'_>) {
        let start = narrow(self.bytes.len());
        self.bytes.extend_from_slice(new.head);
        let body = match new.shared {
            None => {
                self.bytes.extend_from_slice(new.body);
                COPIED
            }
            Some((_, start)) => {
                let (batch, length) = (narrow(self.batches.len()).saturating_sub(1), narrow(new.body.len()));
                self.bodies.push(Body { batch, start, length, head: narrow(new.head.len()) });
                self.shared_bytes += new.body.len();
                narrow(self.bodies.len() - 1)
            }
        };
        self.bytes.extend_from_slice(new.tail);
        self.index.push(Slot { offset, start, body });
    }

    /// Forgets the values after an offset; returns the batches that nothing is left of.
    fn cut(&mut self, after: Offset) -> Vec<Arc<RecordBatch>> {
        let kept = self.index.partition_point(|slot| slot.offset <= after);
        let Some(Slot { start, .. }) = self.index.get(kept).copied() else { return Vec::new() };
        self.bytes.truncate(start as usize);
        self.index.truncate(kept);
        let bodies = self.index.iter().rev().find(|slot| slot.body != COPIED).map_or(0, |slot| slot.body as usize + 1);
        self.bodies.truncate(bodies);
        self.shared_bytes = self.bodies.iter().map(|body| body.length as usize).sum();
        let batches = self.bodies.last().map_or(0, |body| body.batch as usize + 1);
        let released = self.batches.split_off(batches.min(self.batches.len()));
        self.held_bytes -= released.iter().map(|batch| batch.memory_bytes()).sum::<usize>();
        released
    }

    /// Forgets its values and keeps its own memory; returns the batches.
    fn clear(&mut self) -> Vec<Arc<RecordBatch>> {
        self.bytes.clear();
        self.index.clear();
        self.bodies.clear();
        self.shared_bytes = 0;
        self.held_bytes = 0;
        std::mem::take(&mut self.batches)
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn first(&self) -> Option<Offset> {
        self.index.first().map(|slot| slot.offset)
    }

    pub(crate) fn last(&self) -> Option<Offset> {
        self.index.last().map(|slot| slot.offset)
    }

    /// The value at an offset.
    fn get(&self, offset: Offset) -> Option<Value<'_>> {
        let at = self.index.binary_search_by_key(&offset, |slot| slot.offset).ok()?;
        self.at(at)
    }

    /// All values in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Offset, Value<'_>)> {
        (0..).zip(&self.index).filter_map(|(at, slot)| Some((slot.offset, self.at(at)?)))
    }

    fn at(&self, at: usize) -> Option<Value<'_>> {
        let slot = self.index.get(at)?;
        let end = self.index.get(at + 1).map_or(self.bytes.len(), |next| next.start as usize);
        let copied = self.bytes.get(slot.start as usize..end)?;
        if slot.body == COPIED {
            return Some(Value::whole(copied));
        }
        let body = self.bodies.get(slot.body as usize)?;
        let (head, tail) = copied.split_at_checked(body.head as usize)?;
        let place = Range { start: body.start as usize, end: body.start as usize + body.length as usize };
        Some(Value { head, body: self.batches.get(body.batch as usize)?.part(place), tail })
    }

    /// The same values in as little memory as they need, without the batches.
    fn fitted(&self) -> Self {
        let mut fitted = Self::default();
        fitted.bytes.reserve_exact(self.bytes.len() + self.shared_bytes);
        fitted.index.reserve_exact(self.index.len());
        for (offset, value) in self.iter() {
            fitted.index.push(Slot { offset, start: narrow(fitted.bytes.len()), body: COPIED });
            value.append_to(&mut fitted.bytes);
        }
        fitted
    }

    /// Gives back memory that it was given and does not need.
    fn shrink(&mut self) {
        if self.bytes.capacity() / 2 > self.bytes.len() {
            self.bytes.shrink_to_fit();
        }
    }
}

/// Chunks are less than 4 GiB large, and batches that are not are not shared.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
