//! What a line asks of the state of its partition, and what it tells it. A seam: the keys may be on a disk or in memory;
//! not how they are stored, and not when they are written.

use std::error::Error;
use std::sync::Arc;

use crate::decide::Gone;
use crate::entry::{Found, Write};
use crate::fields::Column;
use crate::fingerprint::{Fingerprint, Seed};
use crate::history::History;
use crate::record::{Millis, Offset, RecordBatch};
use crate::time::Clock;

/// How far a line is when what it sent is committed.
#[derive(Debug)]
pub struct Frontier<'a> {
    /// The offset after the last that is decided.
    pub next_offset: Offset,
    /// The partition's clock.
    pub clock: &'a Clock,
    /// Its watermark; `None` before the clock says anything.
    pub watermark: Option<Millis>,
    /// Whatever else the driver needs to go on; opaque to the state.
    pub extra: Vec<u8>,
}

/// Originals, in the order in which they were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Originals {
    /// Each original once.
    pub values: Column,
    /// For each offset that was asked for, the index of its value; `None` if it is not kept, or not kept any more.
    pub places: Vec<Option<u32>>,
}

impl Originals {
    /// The original at the index of the question; `None` if it is not kept, or not kept any more.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let place = (*self.places.get(index)?)?;
        self.values.get(usize::try_from(place).ok()?)
    }

    /// Number of offsets asked for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Forgets question and answers, and keeps the memory.
    pub fn clear(&mut self) {
        self.values.clear();
        self.places.clear();
    }
}

/// The state of one partition, as its line sees it. What is staged, kept or counted is visible at once; it is part of the
/// truth after [`PartitionState::commit`], and [`PartitionState::rollback`] takes it back. Used by one thread.
pub trait PartitionState {
    /// Why it could not do what was asked. Nothing since the last commit may be committed then.
    type Failure: Error + Send + Sync + 'static;

    /// The seed of its fingerprints.
    fn seed(&self) -> Seed;

    /// The partition's clock as of the last commit; `None` where nothing was committed.
    fn clock(&self) -> Option<Clock>;

    /// What may have been forgotten.
    fn gone(&self) -> Gone;

    /// Replaces `found` by what is known of the keys, ascending by key index, then by offset. `before_offset` is the first
    /// offset that asks: entries that are of no use to it or to any later one may be left out.
    ///
    /// # Errors
    /// The state cannot be read.
    fn lookup(
        &mut self,
        keys: &[Fingerprint],
        before_offset: Offset,
        found: &mut Vec<Found>,
    ) -> Result<(), Self::Failure>;

    /// Adds entries.
    fn stage(&mut self, writes: &[Write]);

    /// Keeps the bytes of the first-seen event at `offset`, its original. What an offset holds never changes: one that is
    /// kept already is skipped.
    ///
    /// # Errors
    /// The state cannot be written.
    fn keep(&mut self, offset: Offset, bytes: &[u8]) -> Result<(), Self::Failure>;

    /// As [`PartitionState::keep`], of `head`, `body` and `tail`, one after the other. The body may be left in the batch
    /// that it is a part of.
    ///
    /// # Errors
    /// As [`PartitionState::keep`].
    fn keep_shared(
        &mut self,
        offset: Offset,
        head: &[u8],
        batch: &Arc<RecordBatch>,
        body: &[u8],
        tail: &[u8],
    ) -> Result<(), Self::Failure>;

    /// Replaces `out` by the originals at `offsets`, in their order; offsets may come in any order and more than once.
    ///
    /// # Errors
    /// The state cannot be read.
    fn originals(&mut self, offsets: &[Offset], out: &mut Originals) -> Result<(), Self::Failure>;

    /// Loads the histories of originals in one go, so that [`PartitionState::history`] need not ask one by one.
    ///
    /// # Errors
    /// The state cannot be read.
    fn load_histories(&mut self, originals: &[Offset]) -> Result<(), Self::Failure>;

    /// The history of an original, to be changed; made by `make` if there is none. `None` where histories are not kept.
    ///
    /// # Errors
    /// The state cannot be read.
    fn history(
        &mut self,
        original: Offset,
        make: impl FnOnce() -> History,
    ) -> Result<Option<&mut History>, Self::Failure>;

    /// Makes what is staged, kept and counted part of the truth.
    fn commit(&mut self, frontier: Frontier<'_>);

    /// Takes back what came since the last commit.
    fn rollback(&mut self);
}

/// The state of one partition, as who drives the line sees it: it is written from time to time, and taken back where the
/// input's owner is. What is in it is the line's. Used by one thread.
pub trait DurableState: PartitionState {
    /// How far it is, written or not, and what was noted with it; `None` where nothing was committed to it.
    fn applied(&self) -> Option<(Offset, &[u8])>;

    /// Whether memory holds enough to be written.
    fn should_persist(&self) -> bool;

    /// Writes what is committed, so that it outlives the process.
    ///
    /// # Errors
    /// It cannot be written, or something is staged. The state refuses further work then.
    fn persist(&mut self) -> Result<(), Self::Failure>;

    /// Goes back to the latest clock that was saved at or before `offset` and not before `log_start`, and says where that
    /// was; `None`: none is saved, and nothing has changed.
    ///
    /// # Errors
    /// The state cannot be read or written.
    fn rewind_to(&mut self, offset: Offset, log_start: Offset) -> Result<Option<Offset>, Self::Failure>;

    /// A batch that [`PartitionState::keep_shared`] held and that nobody holds any more, emptied. To be asked after each
    /// batch until there is none.
    fn take_released_batch(&mut self) -> Option<RecordBatch>;
}
