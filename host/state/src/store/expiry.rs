//! What goes, and when: buckets by event time, originals and histories by offset, and both early where the disk's share
//! is used up. Only how it is decided and done; the order of the steps is `persist`'s.

use engine::record::{Millis, Offset};
use rocksdb::WriteOptions;
use serde::{Deserialize, Serialize};

use super::histories::HISTORIES;
use super::kept::{ORIGINALS, Table};
use super::{BUCKETS_AHEAD_MAX, Bucket, FAR_FIRST, FAR_PLACES, PartitionStore};
use crate::error::StateError;
use crate::table;

/// Marks at most. There is one a bucket span, so a retention has about ten; with more, the oldest is left out, and what
/// it stood for goes with the next.
const MARKS_MAX: usize = 64;

/// Tables of originals at most: each keeps a file open.
const TABLES_MAX: usize = 4_096;

/// Offsets below this one came while the watermark was in this bucket of time, or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    bucket: i64,
    next_offset: Offset,
}

impl PartitionStore {
    /// The bucket of a time. Only when it is written is it kept from being gone already or too far ahead: then the
    /// watermark is known that goes with it.
    pub(super) fn bucket_of(&self, time: Millis) -> i64 {
        self.options.retention_ms.map_or(0, |_| time.div_euclid(self.options.bucket_ms.max(1)))
    }

    pub(super) fn watermark(&self) -> Option<Millis> {
        self.applied().and_then(|applied| applied.watermark)
    }

    /// The last bucket of time. Before there is a watermark nothing tells times from wrong ones.
    pub(super) fn ceiling(&self) -> i64 {
        if self.options.retention_ms.is_none() {
            return i64::MAX;
        }
        self.watermark().map_or(i64::MIN, |watermark| self.bucket_of(watermark).saturating_add(BUCKETS_AHEAD_MAX))
    }

    /// The first bucket that is neither gone nor expired: one whose end and the retention are after the watermark.
    pub(super) fn floor(&self) -> i64 {
        let gone = self.progress.floor.unwrap_or(i64::MIN);
        let (Some(watermark), Some(retention)) = (self.watermark(), self.options.retention_ms) else { return gone };
        gone.max(self.bucket_of(watermark.saturating_sub(retention)))
    }

    /// Entries too far ahead for a bucket of time are kept for one to two retentions of event time after they came, as
    /// nobody knows whether the clock jumped or was wrong: three places take turns, the next but one being emptied.
    pub(super) fn turn_far(&mut self) {
        let (Some(watermark), Some(retention)) = (self.watermark(), self.options.retention_ms) else { return };
        let since = *self.progress.far_since.get_or_insert(watermark);
        if watermark.saturating_sub(since) >= retention {
            self.progress.far_since = Some(watermark);
            self.progress.far_turns += 1;
        }
    }

    /// The place for entries far ahead, so many turns from now.
    pub(super) fn far(&self, turns: u64) -> i64 {
        let turn = (self.progress.far_turns + turns) % FAR_PLACES.unsigned_abs();
        FAR_FIRST.saturating_add(turn.cast_signed())
    }

    /// Decides what is gone from now on. Nothing is deleted before that is durable.
    pub(super) fn raise_floors(&mut self) {
        self.mark();
        let floor = self.floor();
        self.expire_offsets(floor);
        let floor = self.floor_within_capacity(floor);
        self.expire_offsets(floor);
        self.progress.floor = (floor > i64::MIN).then_some(floor);
    }

    /// Notes which offsets came by now.
    fn mark(&mut self) {
        if self.kept.is_none() || self.options.retention_ms.is_none() {
            return;
        }
        let (Some(watermark), Some(applied)) = (self.watermark(), self.applied()) else { return };
        let mark = Mark { bucket: self.bucket_of(watermark), next_offset: applied.next_offset };
        let marks = &mut self.progress.marks;
        match marks.last_mut() {
            Some(last) if last.bucket >= mark.bucket => last.next_offset = last.next_offset.max(mark.next_offset),
            Some(_) | None => marks.push(mark),
        }
        if marks.len() > MARKS_MAX {
            marks.remove(0);
        }
    }

    /// Originals and histories go when all buckets are gone in which entries of their offsets can be: those up to a
    /// bucket after the mark's, as events run ahead of the watermark. What is further ahead loses its explanation early.
    fn expire_offsets(&mut self, floor: i64) {
        let progress = &mut self.progress;
        let due = progress.marks.partition_point(|mark| mark.bucket.saturating_add(1) < floor);
        for mark in progress.marks.drain(..due) {
            progress.originals_from = progress.originals_from.max(mark.next_offset);
            progress.histories_from = progress.histories_from.max(mark.next_offset);
        }
    }

    /// The floor, raised bucket by bucket until the rest fits the capacity, all originals having gone before. The newest
    /// bucket always stays.
    fn floor_within_capacity(&mut self, mut floor: i64) -> i64 {
        let capacity = self.options.capacity_bytes_max.unwrap_or(u64::MAX);
        let sizes: Vec<(i64, u64)> =
            self.buckets.range(floor..FAR_FIRST).map(|(index, bucket)| (*index, self.bucket_bytes(bucket))).collect();
        let keys: u64 = sizes.iter().map(|(_, bytes)| bytes).sum();
        let keys_and_histories = keys.saturating_add(self.histories_bytes());
        let mut total = self.drop_originals_beyond(capacity, keys_and_histories);
        for pair in sizes.windows(2) {
            let [(_, bytes), (next, _)] = pair else { break };
            if total <= capacity {
                break;
            }
            total = total.saturating_sub(*bytes);
            floor = *next;
            self.progress.buckets_dropped_early += 1;
        }
        floor
    }

    /// Decides which originals go early, oldest first, and returns the bytes of all that stays.
    fn drop_originals_beyond(&mut self, capacity: u64, others: u64) -> u64 {
        let Some(kept) = &self.kept else { return others };
        let progress = &mut self.progress;
        let live: Vec<&Table> = kept.tables.iter().filter(|table| table.last >= progress.originals_from).collect();
        let mut total = live.iter().map(|table| table.bytes).fold(others, u64::saturating_add);
        let mut tables = live.len();
        for table in live {
            if total <= capacity && tables <= TABLES_MAX {
                break;
            }
            total = total.saturating_sub(table.bytes);
            tables -= 1;
            progress.originals_from = table.last.saturating_add(1);
            progress.originals_dropped_early += table.events;
            progress.originals_dropped_early_bytes += table.bytes;
        }
        total
    }

    /// Deletes what is below the floors, and what a crash kept from being deleted.
    pub(super) fn delete_below_floors(&mut self) -> Result<(), StateError> {
        let kept = self.buckets.split_off(&self.progress.floor.unwrap_or(i64::MIN));
        for bucket in std::mem::replace(&mut self.buckets, kept).into_values() {
            self.drop_family(&bucket)?;
        }
        if let Some(stale) = self.buckets.remove(&self.far(1)) {
            self.drop_family(&stale)?;
        }
        self.delete_originals()?;
        self.delete_histories()
    }

    fn drop_family(&mut self, bucket: &Bucket) -> Result<(), StateError> {
        self.db.drop_cf(&bucket.name).map_err(|error| StateError::rocks(&self.dir, &error))
    }

    /// Whole tables only: what else is below the floor stays until its table's end is.
    fn delete_originals(&mut self) -> Result<(), StateError> {
        let below = self.progress.originals_from;
        let Some(kept) = &mut self.kept else { return Ok(()) };
        let gone = kept.tables.partition_point(|table| table.last < below);
        if gone == 0 {
            return Ok(());
        }
        kept.tables.drain(..gone);
        self.delete_tables(ORIGINALS, below)
    }

    /// Whole tables at once; the rest by a mark that compaction carries out.
    fn delete_histories(&mut self) -> Result<(), StateError> {
        let below = self.progress.histories_from;
        let Some(kept) = &mut self.kept else { return Ok(()) };
        if kept.histories_deleted_below >= below {
            return Ok(());
        }
        kept.histories_deleted_below = below;
        self.delete_tables(HISTORIES, below)?;
        let Some(family) = self.db.cf_handle(HISTORIES) else { return Ok(()) };
        let mut unlogged = WriteOptions::default();
        unlogged.disable_wal(true);
        let (from, to) = (table::offset_key(0), table::offset_key(below));
        let deleted = self.db.delete_range_cf_opt(family, from, to, &unlogged);
        deleted.map_err(|error| StateError::rocks(&self.dir, &error))
    }

    fn delete_tables(&self, family: &str, below: Offset) -> Result<(), StateError> {
        let Some(family) = self.db.cf_handle(family) else { return Ok(()) };
        let (first, last) = (table::offset_key(0), table::offset_key(below.saturating_sub(1)));
        let deleted = self.db.delete_file_in_range_cf(family, first, last);
        deleted.map_err(|error| StateError::rocks(&self.dir, &error))
    }
}
