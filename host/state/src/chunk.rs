//! Bytes of events side by side in memory, by offset, and the recent ones of a partition. Not their tables.

use std::collections::VecDeque;
use std::sync::Arc;

use engine::record::Offset;

/// What a chunk in memory costs beside what it holds, in bytes.
const CHUNK_OVERHEAD_BYTES: usize = 128;

/// Events in ascending order of offsets, in one allocation.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    /// Each event's offset and where its bytes start.
    index: Vec<(Offset, u32)>,
}

impl Chunk {
    /// Bytes that an event of `length` bytes takes.
    pub(crate) fn cost(length: usize) -> usize {
        length + size_of::<(Offset, u32)>()
    }

    /// Bytes that its events take, their index included.
    pub(crate) fn used_bytes(&self) -> usize {
        self.bytes.len() + self.index.len() * size_of::<(Offset, u32)>()
    }

    /// Bytes that are allocated for it.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.index.capacity() * size_of::<(Offset, u32)>() + CHUNK_OVERHEAD_BYTES
    }

    /// Adds an event after all others. The caller sees to the order, and that 4 GiB are never reached.
    pub(crate) fn push(&mut self, offset: Offset, bytes: &[u8]) {
        self.index.push((offset, u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)));
        self.bytes.extend_from_slice(bytes);
    }

    /// Makes room for `bytes` at once, where growing step by step would copy.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve_exact(bytes.saturating_sub(self.bytes.len()));
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.index.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn first(&self) -> Option<Offset> {
        self.index.first().map(|(offset, _)| *offset)
    }

    pub(crate) fn last(&self) -> Option<Offset> {
        self.index.last().map(|(offset, _)| *offset)
    }

    /// The event at an offset.
    pub(crate) fn get(&self, offset: Offset) -> Option<&[u8]> {
        let at = self.index.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
        self.at(at)
    }

    /// All events in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Offset, &[u8])> {
        (0..).zip(&self.index).filter_map(|(at, (offset, _))| Some((*offset, self.at(at)?)))
    }

    fn at(&self, at: usize) -> Option<&[u8]> {
        let (_, start) = *self.index.get(at)?;
        let end = self.index.get(at + 1).map_or(self.bytes.len(), |(_, end)| *end as usize);
        self.bytes.get(start as usize..end)
    }

    /// The same events in as little memory as they need.
    fn fitted(&self) -> Self {
        Self { bytes: self.bytes.as_slice().into(), index: self.index.as_slice().into() }
    }
}

/// What memory knows of an offset.
pub(crate) enum Remembered<'a> {
    Here(&'a [u8]),
    /// Nothing was kept there.
    Absent,
    /// It lies before all that is in memory.
    Earlier,
}

/// The chunks of a partition that are in memory: an unbroken run up to the event kept last.
#[derive(Debug)]
pub(crate) struct Recent {
    chunk_bytes: usize,
    open: Chunk,
    /// Full ones, oldest first; the first `settled` of them are in tables too.
    sealed: VecDeque<Arc<Chunk>>,
    settled: usize,
    sealed_bytes: usize,
    /// Forgotten chunks, whose memory is used again: fresh memory costs more than writing to it.
    spare: Option<Chunk>,
}

impl Recent {
    pub(crate) fn new(chunk_bytes: usize) -> Self {
        let open = Chunk::default();
        Self { chunk_bytes, open, sealed: VecDeque::new(), settled: 0, sealed_bytes: 0, spare: None }
    }

    /// Whether an event of `length` bytes fits the open chunk.
    pub(crate) fn fits(&self, length: usize) -> bool {
        self.open.used_bytes() + Chunk::cost(length) <= self.chunk_bytes
    }

    /// Adds an event that fits.
    pub(crate) fn push(&mut self, offset: Offset, bytes: &[u8]) {
        if self.open.len() == 0 {
            self.open.reserve(self.chunk_bytes);
        }
        self.open.push(offset, bytes);
    }

    /// Closes the open chunk, if it has anything, and opens another.
    pub(crate) fn seal(&mut self) -> Option<Arc<Chunk>> {
        self.open.first()?;
        let sealed = if self.open.used_bytes() < self.chunk_bytes / 2 {
            let fitted = self.open.fitted();
            self.open.clear();
            fitted
        } else {
            std::mem::replace(&mut self.open, self.spare.take().unwrap_or_default())
        };
        self.sealed_bytes += sealed.memory_bytes();
        let sealed = Arc::new(sealed);
        self.sealed.push_back(Arc::clone(&sealed));
        Some(sealed)
    }

    /// The oldest `chunks` that are only in memory are now in tables too.
    pub(crate) fn settle(&mut self, chunks: usize) {
        self.settled += chunks;
    }

    /// Whether a chunk more would take memory beyond `bytes_max`.
    pub(crate) fn is_full(&self, bytes_max: usize) -> bool {
        self.sealed_bytes + 2 * self.chunk_bytes > bytes_max && !self.sealed.is_empty()
    }

    /// Forgets the oldest chunk, if it is in a table.
    pub(crate) fn forget_oldest(&mut self) -> bool {
        if self.settled == 0 {
            return false;
        }
        let Some(oldest) = self.sealed.pop_front() else { return false };
        self.settled -= 1;
        self.sealed_bytes -= oldest.memory_bytes();
        if let Some(mut chunk) = Arc::into_inner(oldest)
            && chunk.memory_bytes() >= self.chunk_bytes
        {
            chunk.clear();
            self.spare = Some(chunk);
        }
        true
    }

    /// What memory knows of an offset.
    pub(crate) fn get(&self, offset: Offset) -> Remembered<'_> {
        let chunk = match self.open.first() {
            Some(first) if offset >= first => &self.open,
            Some(_) | None => {
                let after = self.sealed.partition_point(|chunk| chunk.first() <= Some(offset));
                match after.checked_sub(1).and_then(|at| self.sealed.get(at)) {
                    Some(chunk) => chunk.as_ref(),
                    None => return Remembered::Earlier,
                }
            }
        };
        chunk.get(offset).map_or(Remembered::Absent, Remembered::Here)
    }

    /// The first event in memory.
    pub(crate) fn first(&self) -> Option<Offset> {
        self.sealed.front().map_or_else(|| self.open.first(), |chunk| chunk.first())
    }

    /// Bytes allocated for all chunks.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.sealed_bytes + self.open.memory_bytes() + self.spare.as_ref().map_or(0, Chunk::memory_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_in_every_chunk_and_gaps_are_known_to_be_gaps() {
        let mut recent = Recent::new(100);
        assert!(matches!(recent.get(3), Remembered::Earlier));
        for offset in (10..30).step_by(2) {
            if !recent.fits(20) {
                recent.seal().unwrap();
            }
            recent.push(offset, &[offset as u8; 20]);
        }
        assert_eq!((recent.sealed.len(), recent.first()), (4, Some(10)));
        for offset in 10..40 {
            match recent.get(offset) {
                Remembered::Here(bytes) => assert!(offset % 2 == 0 && bytes == [offset as u8; 20]),
                Remembered::Absent => assert!(offset % 2 == 1 || offset >= 30),
                Remembered::Earlier => panic!("{offset} is not earlier than 10"),
            }
        }
        assert!(!recent.forget_oldest(), "no table has it");
        recent.settle(1);
        assert!(recent.forget_oldest() && !recent.forget_oldest());
        assert!(matches!(recent.get(12), Remembered::Earlier));
    }

    #[test]
    fn a_chunk_that_is_mostly_empty_takes_little_memory_and_a_forgotten_one_is_used_again() {
        let mut recent = Recent::new(1 << 20);
        recent.push(0, &[1; 10]);
        assert!(recent.seal().unwrap().memory_bytes() < 1_000);
        for offset in 1..3 {
            recent.push(offset, &[1; 900_000]);
            drop(recent.seal().unwrap());
            recent.settle(1);
        }
        let before = recent.memory_bytes();
        recent.settle(1);
        assert!(recent.forget_oldest() && recent.forget_oldest());
        assert!(recent.memory_bytes() <= before && recent.spare.is_some());
        recent.push(9, &[1; 900_000]);
        recent.seal().unwrap();
        assert!(recent.spare.is_none());
    }
}
