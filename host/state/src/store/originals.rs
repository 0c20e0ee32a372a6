//! Originals of a partition as the caller stores and reads them. Not where they are: that is `kept`; nor when they are
//! dropped: that is `expiry`.

use std::sync::Arc;

use engine::record::{Offset, RecordBatch};
use engine::state::Originals;

use super::PartitionStore;
use super::kept::ORIGINALS;
use crate::chunk::{NewValue, Remembered, Value};
use crate::error::StateError;
use crate::table;

/// Bytes that one batch of originals may have. What is beyond is not found.
const BATCH_BYTES_MAX: usize = 256 << 20;

impl PartitionStore {
    /// Keeps the bytes of the first-seen event at `offset`. An offset that is not after the one kept last is being read
    /// again and is skipped: what an offset holds never changes. `rollback` takes it back, and so does a crash before
    /// what is committed is persisted. An event too long for a chunk is not kept, but counted. Waits while the disk is
    /// slower than the caller.
    ///
    /// # Errors
    /// When the writer cannot write, or RocksDB not take over; then, as after every failed write, the store refuses
    /// further work.
    pub fn keep(&mut self, offset: Offset, bytes: &[u8]) -> Result<(), StateError> {
        self.keep_value(offset, &NewValue { head: bytes, body: &[], tail: &[], shared: None })
    }

    /// Keeps `head`, `body` and `tail`, one after the other, as [`PartitionStore::keep`] does, but leaves the body in the
    /// batch that it is a part of, and holds that: until a table has it, and for as long as near reads are to find it in
    /// memory. So the whole batch takes memory for originals; it is worth it where a good part of the batch is kept, and
    /// where head and tail are short. A chunk ends when its values are `chunk_bytes` or its batches take twice as much.
    ///
    /// The body is copied if it is no part of the batch, or the batch alone takes more memory than twice `chunk_bytes`.
    ///
    /// # Errors
    /// Those of [`PartitionStore::keep`].
    pub fn keep_shared(
        &mut self,
        offset: Offset,
        head: &[u8],
        batch: &Arc<RecordBatch>,
        body: &[u8],
        tail: &[u8],
    ) -> Result<(), StateError> {
        let can_hold = self.kept.as_ref().is_some_and(|kept| kept.can_hold(batch));
        let place = if can_hold && !body.is_empty() { batch.locate(body) } else { None };
        let shared = place.and_then(|place| Some((batch, u32::try_from(place.start).ok()?)));
        self.keep_value(offset, &NewValue { head, body, tail, shared })
    }

    /// A batch that `keep_shared` held and that nobody holds any more, emptied, to be filled again: fresh memory costs
    /// more. To be asked after each batch until there is none; those that nobody takes go when memory is needed.
    pub fn take_released_batch(&mut self) -> Option<RecordBatch> {
        self.kept.as_mut()?.take_released()
    }

    fn keep_value(&mut self, offset: Offset, new: &NewValue<'_>) -> Result<(), StateError> {
        self.refuse_after_failure()?;
        let Some(kept) = &mut self.kept else { return Ok(()) };
        match kept.keep(&self.db, &self.dir, offset, new) {
            Ok(()) => Ok(()),
            failed => self.fail_with(failed),
        }
    }

    /// Replaces `out` by the originals at `offsets`, in their order; offsets may come in any order and more than once.
    /// At most 256 MiB are found at once; what is beyond is as if it were not kept.
    ///
    /// # Errors
    /// When tables cannot be read or are damaged, or after a durable write has failed.
    pub fn originals(&mut self, offsets: &[Offset], out: &mut Originals) -> Result<(), StateError> {
        self.refuse_after_failure()?;
        out.clear();
        let Some(kept) = &self.kept else {
            out.places.resize(offsets.len(), None);
            return Ok(());
        };
        let from = self.progress.originals_from;
        let mut asked: Vec<Offset> = offsets.iter().copied().filter(|offset| *offset >= from).collect();
        asked.sort_unstable();
        asked.dedup();
        let mut places = Vec::with_capacity(asked.len());
        // Memory has the latest offsets: what is left to the tables comes first.
        let earlier = asked.partition_point(|offset| matches!(kept.recent(*offset), Remembered::Earlier));
        let (in_tables, in_memory) = asked.split_at(earlier);
        for value in self.read(ORIGINALS, in_tables) {
            let value = value.map_err(|error| StateError::rocks(&self.dir, &error))?;
            places.push(value.and_then(|value| push(out, Value::whole(&value))));
        }
        for offset in in_memory {
            places.push(match kept.recent(*offset) {
                Remembered::Here(value) => push(out, value),
                Remembered::Absent | Remembered::Earlier => None,
            });
        }
        let place = |offset| asked.binary_search(offset).ok().and_then(|at| places.get(at).copied().flatten());
        out.places.extend(offsets.iter().map(place));
        Ok(())
    }

    /// Values by offset, which must ascend.
    pub(super) fn read(
        &self,
        family: &str,
        offsets: &[Offset],
    ) -> Vec<Result<Option<rocksdb::DBPinnableSlice<'_>>, rocksdb::Error>> {
        if offsets.is_empty() {
            return Vec::new();
        }
        let Some(family) = self.db.cf_handle(family) else { return offsets.iter().map(|_| Ok(None)).collect() };
        let keys: Vec<[u8; 8]> = offsets.iter().map(|offset| table::offset_key(*offset)).collect();
        self.db.batched_multi_get_cf(family, &keys, true)
    }
}

/// The index of a value that is appended; `None` where there is no room.
fn push(out: &mut Originals, value: Value<'_>) -> Option<u32> {
    if out.values.data.len() + value.len() > BATCH_BYTES_MAX {
        return None;
    }
    value.append_to(&mut out.values.data);
    out.values.end_value();
    u32::try_from(out.values.len() - 1).ok()
}
