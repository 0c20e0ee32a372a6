//! The chunks of a partition that are in memory, and how much memory they use. Not when they become tables.

use std::collections::VecDeque;
use std::sync::Arc;

use engine::record::{Offset, RecordBatch};

use super::{Chunk, NewValue, Value};

/// Batches are held by an open chunk until they take so many times the memory of a chunk.
const HELD_CHUNKS_MAX: usize = 2;

/// What memory knows of an offset.
pub(crate) enum Remembered<'a> {
    Here(Value<'a>),
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
    /// A forgotten chunk, whose memory is used again: fresh memory costs more than writing to it.
    spare: Option<Chunk>,
    /// Batches that nobody holds any more, for whoever fills batches to use again.
    released: Vec<RecordBatch>,
    released_bytes: usize,
}

impl Recent {
    pub(crate) fn new(chunk_bytes: usize) -> Self {
        Self {
            chunk_bytes,
            open: Chunk::default(),
            sealed: VecDeque::new(),
            settled: 0,
            sealed_bytes: 0,
            spare: None,
            released: Vec::new(),
            released_bytes: 0,
        }
    }

    /// Whether a chunk can hold a batch at all.
    pub(crate) fn can_hold(&self, batch: &RecordBatch) -> bool {
        batch.memory_bytes() <= self.held_bytes_max()
    }

    fn held_bytes_max(&self) -> usize {
        self.chunk_bytes.saturating_mul(HELD_CHUNKS_MAX)
    }

    /// Whether a value can be pushed as things are.
    pub(crate) fn takes(&self, new: &NewValue<'_>) -> bool {
        let open = &self.open;
        open.used_bytes() + Chunk::cost(new.len()) <= self.chunk_bytes
            && open.bytes.capacity() - open.bytes.len() >= new.copied()
            && open.holds_batch_of(new)
    }

    /// Whether a value is for the chunk after the open one.
    pub(crate) fn is_for_next_chunk(&self, new: &NewValue<'_>) -> bool {
        self.open.used_bytes() + Chunk::cost(new.len()) > self.chunk_bytes
            || self.open.held_bytes + self.batch_bytes(new) > self.held_bytes_max()
    }

    /// Memory of a value's batch, if it is yet to be held.
    fn batch_bytes(&self, new: &NewValue<'_>) -> usize {
        let batch = new.shared.filter(|_| !self.open.holds_batch_of(new));
        batch.map_or(0, |(batch, _)| batch.memory_bytes())
    }

    /// How large the copied bytes have to be for a value more. A chunk of copies is made in full at once: growing step by
    /// step would copy.
    fn bytes_needed(&self, new: &NewValue<'_>) -> usize {
        let open = &self.open;
        let needed = open.bytes.len() + new.copied();
        if needed <= open.bytes.capacity() {
            open.bytes.capacity()
        } else if new.shared.is_none() && open.batches.is_empty() {
            needed.max(self.chunk_bytes)
        } else {
            needed.max(2 * open.bytes.capacity())
        }
    }

    /// Whether what a value needs would take memory beyond `bytes_max`.
    pub(crate) fn is_full(&self, new: &NewValue<'_>, bytes_max: usize) -> bool {
        let more = self.bytes_needed(new) - self.open.bytes.capacity() + self.batch_bytes(new);
        self.memory_bytes() + more > bytes_max
    }

    /// Whether anything but the open chunk takes memory.
    pub(crate) fn has_sealed(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// Takes what a value needs to be pushed. The caller saw to it that it is for the open chunk.
    pub(crate) fn grow(&mut self, new: &NewValue<'_>) {
        let more = self.bytes_needed(new) - self.open.bytes.len();
        self.open.bytes.reserve_exact(more);
        if let Some((batch, _)) = new.shared
            && !self.open.holds_batch_of(new)
        {
            self.open.hold(batch);
        }
    }

    /// Adds a value for which there is room.
    pub(crate) fn push(&mut self, offset: Offset, new: &NewValue<'_>) {
        self.open.push(offset, new);
    }

    /// Closes the open chunk, if it has anything, and opens another. The values of one that is mostly empty are copied,
    /// so that it holds neither much memory of its own nor batches of which little is kept.
    pub(crate) fn seal(&mut self) -> Option<Arc<Chunk>> {
        self.open.first()?;
        let sealed = if self.open.used_bytes() < self.chunk_bytes / 2 {
            let fitted = self.open.fitted();
            let batches = self.open.clear();
            self.release(batches);
            fitted
        } else {
            let mut full = std::mem::replace(&mut self.open, self.spare.take().unwrap_or_default());
            full.shrink();
            full
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

    /// Forgets the values after an offset that are in the open chunk. Whether full ones have such values too.
    pub(crate) fn cut(&mut self, after: Offset) -> bool {
        let released = self.open.cut(after);
        self.release(released);
        self.sealed.back().is_some_and(|chunk| chunk.last() > Some(after))
    }

    /// Forgets the full chunks, which are all in tables.
    pub(crate) fn forget_sealed(&mut self) {
        while self.forget_oldest() {}
    }

    /// Gives memory back: a batch that nobody took, or the oldest chunk, if it is in a table.
    pub(crate) fn shed(&mut self) -> bool {
        self.take_released().is_some() || self.forget_oldest()
    }

    fn forget_oldest(&mut self) -> bool {
        if self.settled == 0 {
            return false;
        }
        let Some(oldest) = self.sealed.pop_front() else { return false };
        self.settled -= 1;
        self.sealed_bytes -= oldest.memory_bytes();
        if let Some(chunk) = Arc::into_inner(oldest) {
            self.use_again(chunk);
        }
        true
    }

    /// Keeps the larger ones of this chunk's memory, the open chunk's, if it has nothing yet, and the spare one's.
    fn use_again(&mut self, mut chunk: Chunk) {
        let batches = chunk.clear();
        self.release(batches);
        if self.open.len() == 0 && self.open.own_bytes() < chunk.own_bytes() {
            std::mem::swap(&mut self.open, &mut chunk);
        }
        if self.spare.as_ref().map_or(self.chunk_bytes / 64, Chunk::own_bytes) < chunk.own_bytes() {
            self.spare = Some(chunk);
        }
    }

    fn release(&mut self, batches: Vec<Arc<RecordBatch>>) {
        for mut batch in batches.into_iter().filter_map(Arc::into_inner) {
            batch.clear();
            self.released_bytes += batch.memory_bytes();
            self.released.push(batch);
        }
    }

    /// A batch that was held and is not any more, empty.
    pub(crate) fn take_released(&mut self) -> Option<RecordBatch> {
        let batch = self.released.pop()?;
        self.released_bytes -= batch.memory_bytes();
        Some(batch)
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

    /// Bytes allocated for all chunks, those of batches included.
    pub(crate) fn memory_bytes(&self) -> usize {
        let spare = self.spare.as_ref().map_or(0, Chunk::memory_bytes);
        self.sealed_bytes + self.open.memory_bytes() + spare + self.released_bytes
    }
}

#[cfg(test)]
mod tests {
    use engine::record::NewRecord;

    use super::*;

    fn push(recent: &mut Recent, offset: Offset, new: &NewValue<'_>) {
        if recent.is_for_next_chunk(new) {
            recent.seal().unwrap();
        }
        recent.grow(new);
        assert!(recent.takes(new));
        recent.push(offset, new);
    }

    fn copy(bytes: &[u8]) -> NewValue<'_> {
        NewValue { head: bytes, body: &[], tail: &[], shared: None }
    }

    fn batch(bytes: &[u8]) -> Arc<RecordBatch> {
        let mut batch = RecordBatch::new();
        batch.push(NewRecord { payload: Some(bytes), ..NewRecord::default() });
        Arc::new(batch)
    }

    fn share(batch: &Arc<RecordBatch>) -> NewValue<'_> {
        let body = batch.get(0).unwrap().payload().unwrap();
        NewValue { head: b"<", body, tail: b">", shared: Some((batch, 0)) }
    }

    fn value(recent: &Recent, offset: Offset) -> Option<Vec<u8>> {
        match recent.get(offset) {
            Remembered::Here(value) => Some(value.joined(&mut Vec::new()).to_vec()),
            Remembered::Absent | Remembered::Earlier => None,
        }
    }

    #[test]
    fn events_are_found_in_every_chunk_and_gaps_are_known_to_be_gaps() {
        let mut recent = Recent::new(100);
        assert!(matches!(recent.get(3), Remembered::Earlier));
        for offset in (10..30).step_by(2) {
            push(&mut recent, offset, &copy(&[offset as u8; 20]));
        }
        assert_eq!((recent.sealed.len(), recent.first()), (4, Some(10)));
        for offset in 10..40 {
            match recent.get(offset) {
                Remembered::Here(value) => {
                    assert!(offset % 2 == 0 && value.joined(&mut Vec::new()) == [offset as u8; 20]);
                }
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
        push(&mut recent, 0, &copy(&[1; 10]));
        assert!(recent.seal().unwrap().memory_bytes() < 1_000);
        for offset in 1..4 {
            push(&mut recent, offset, &copy(&[1; 900_000]));
            drop(recent.seal().unwrap());
            recent.settle(1);
        }
        recent.settle(1);
        push(&mut recent, 4, &copy(&[1; 10]));
        let before = recent.memory_bytes();
        while recent.forget_oldest() {}
        assert!(recent.memory_bytes() < before && recent.spare.is_some());
        push(&mut recent, 5, &copy(&[1; 900_000]));
        let used_again = recent.open.bytes.as_ptr();
        recent.seal().unwrap();
        assert!(recent.spare.is_none());
        push(&mut recent, 6, &copy(&[1; 900_000]));
        assert_ne!(recent.open.bytes.as_ptr(), used_again);
    }

    #[test]
    fn a_batch_is_counted_once_a_chunk_and_given_back_when_its_last_chunk_is_forgotten() {
        let mut recent = Recent::new(1_000);
        let batch = batch(&[7; 600]);
        push(&mut recent, 0, &share(&batch));
        let (own, memory) = (recent.open.own_bytes(), recent.memory_bytes());
        assert_eq!(memory - own, batch.memory_bytes());
        push(&mut recent, 1, &copy(b"copied"));
        push(&mut recent, 2, &copy(&[2; 200]));
        push(&mut recent, 3, &share(&batch));
        push(&mut recent, 4, &NewValue { body: &[], ..share(&batch) });
        assert_eq!((recent.sealed.len(), recent.open.held_bytes), (1, batch.memory_bytes()));
        let shared = [&b"<"[..], &[7; 600], b">"].concat();
        let found: Vec<_> = (0..6).map(|offset| value(&recent, offset)).collect();
        let expected = [&shared, &b"copied"[..], &[2; 200], &shared, b"<>"].map(|value| Some(value.to_vec()));
        assert_eq!(found, [&expected[..], &[None]].concat());
        drop(batch);
        drop(recent.seal());
        recent.settle(2);
        assert!(recent.forget_oldest() && recent.take_released().is_none(), "the second chunk holds it");
        assert!(recent.forget_oldest());
        let batch = recent.take_released().unwrap();
        assert!(batch.is_empty() && batch.memory_bytes() > 600 && recent.released_bytes == 0);
    }

    #[test]
    fn batches_of_which_little_is_kept_seal_the_chunk_and_are_let_go() {
        let mut recent = Recent::new(10_000);
        for offset in 0..100 {
            let batch = batch(&[offset as u8; 3_000]);
            assert!(recent.can_hold(&batch));
            let whole = share(&batch);
            push(&mut recent, offset, &NewValue { body: &whole.body[..10], ..whole });
            assert!(recent.open.held_bytes <= 20_000);
        }
        assert!((14..20).contains(&recent.sealed.len()), "{} chunks", recent.sealed.len());
        assert!(recent.sealed.iter().all(|chunk| chunk.memory_bytes() < 1_000 && chunk.held_bytes == 0));
        assert_eq!(value(&recent, 5), Some([&b"<"[..], &[5; 10], b">"].concat()));
        while recent.take_released().is_some() {}
        assert!(recent.memory_bytes() < 50_000);
        assert!(!recent.can_hold(&batch(&[0; 20_000])));
    }
}
