//! What is dropped, and when: buckets by event time, originals and histories by offset, and both early if the disk's
//! share is used up. Only the decision and its execution; `persist` orders the steps.

use std::collections::BTreeSet;

use engine::decide::Gone;
use engine::entry::UNTIMED;
use engine::record::{Millis, Offset};
use engine::time::CLOCK_RECORDS;
use rocksdb::WriteOptions;
use serde::{Deserialize, Serialize};

use super::histories::HISTORIES;
use super::kept::{ORIGINALS, Table};
use super::places::{FAR_FIRST, FAR_PLACES, Place, Sort};
use super::{BUCKETS_AHEAD_MAX, PartitionStore};
use crate::error::StateError;
use crate::table::{self, UNTIMED_BUCKET};

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
        match self.options.retention_ms {
            None => 0,
            Some(_) if time == UNTIMED => UNTIMED_BUCKET,
            Some(_) => time.div_euclid(self.options.bucket_ms.max(1)),
        }
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

    /// The first bucket that has not expired: one whose end and the retention are after the watermark. It goes back with
    /// the watermark: then what is below is written again to buckets of its own, to expire in its time.
    pub(super) fn floor(&self) -> i64 {
        let (Some(watermark), Some(retention)) = (self.watermark(), self.options.retention_ms) else { return i64::MIN };
        self.bucket_of(watermark.saturating_sub(retention))
    }

    /// Entries too far ahead for a bucket of time are kept until the clock has forgotten all records that came before
    /// them, and a retention more: by then it stands past all their events, those of wrong clocks excepted. Three places
    /// take turns, the next but one being emptied; buckets of time that lie too far ahead since the clock went back go
    /// with it.
    pub(super) fn turn_far(&mut self, gone: &mut BTreeSet<Place>) {
        let (Some(watermark), Some(retention)) = (self.watermark(), self.options.retention_ms) else { return };
        let Some(applied) = &self.progress.applied else { return };
        let (offset, records) = (applied.next_offset, applied.clock_records);
        let progress = &mut self.progress;
        if records.saturating_sub(progress.far_turned_at_records) >= CLOCK_RECORDS as u64 {
            let since = progress.far_since.get_or_insert(watermark);
            *since = watermark.min(*since);
        }
        if progress.far_since.is_none_or(|since| watermark.saturating_sub(since) < retention) {
            return;
        }
        let before = std::mem::replace(&mut progress.far_turned_at, offset);
        progress.far_turned_at_records = records;
        progress.far_since = None;
        progress.far_turns += 1;
        let (stale, ceiling) = (self.far(1), self.ceiling());
        let goes = |place: &Place, newest: Offset| match place.sort() {
            Sort::Far => place.index == stale,
            Sort::Timed => place.index > ceiling && newest < before,
            Sort::Untimed => false,
        };
        gone.extend(self.buckets.iter().filter(|(place, b)| goes(place, b.facts.newest)).map(|(place, _)| *place));
    }

    /// The place for entries far ahead, so many turns from now.
    pub(super) fn far(&self, turns: u64) -> i64 {
        let turn = (self.progress.far_turns + turns) % FAR_PLACES.unsigned_abs();
        FAR_FIRST.saturating_add(turn.cast_signed())
    }

    /// Decides what is gone from now on, beside what is already. Nothing is deleted before that is durable.
    pub(super) fn decide_what_goes(&mut self, mut gone: BTreeSet<Place>) {
        self.mark();
        let floor = self.floor();
        self.expire_offsets(floor);
        let expired = |place: &&Place| place.sort() == Sort::Timed && place.index < floor;
        gone.extend(self.buckets.keys().filter(expired));
        for place in &gone {
            self.forget(*place);
        }
        self.forget_beyond_capacity(&mut gone);
        self.keep_horizon_near();
        self.progress.gone = gone;
    }

    /// Notes what may be missing when a place goes.
    fn forget(&mut self, place: Place) {
        let Some(facts) = self.buckets.get(&place).map(|bucket| bucket.facts) else { return };
        let forgotten = &mut self.progress.forgotten;
        forgotten.until = forgotten.until.max(facts.until);
        forgotten.untimed |= facts.has_untimed;
    }

    /// Events of a wrong clock may have made it seem that everything up to their time is gone. What is beyond the buckets
    /// that there may be is not.
    fn keep_horizon_near(&mut self) {
        if self.watermark().is_none() || self.options.retention_ms.is_none() {
            return;
        }
        let end = self.ceiling().saturating_add(1).saturating_mul(self.options.bucket_ms);
        let forgotten = &mut self.progress.forgotten;
        forgotten.until = forgotten.until.map(|until| until.min(end));
        forgotten.early_until = forgotten.early_until.map(|until| until.min(end));
    }

    /// What may be missing.
    #[must_use]
    pub fn gone(&self) -> Gone {
        Gone { until: self.progress.forgotten.until, untimed: self.progress.forgotten.untimed }
    }

    /// Notes which offsets came by now.
    fn mark(&mut self) {
        if self.kept.is_none() || self.options.retention_ms.is_none() {
            return;
        }
        let (Some(watermark), Some(applied)) = (self.watermark(), self.applied()) else { return };
        let mark = Mark { bucket: self.bucket_of(watermark), next_offset: applied.next_offset };
        let marks = &mut self.progress.marks;
        // Where the watermark has gone back, what came when it stood too high is taken to have come now.
        let later = marks.partition_point(|last| last.bucket < mark.bucket);
        let next_offset = marks.drain(later..).map(|later| later.next_offset).max();
        marks.push(Mark { next_offset: mark.next_offset.max(next_offset.unwrap_or(0)), ..mark });
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

    /// Until the rest fits the capacity, the oldest places go, all originals having gone before; last, all histories. The
    /// newest entries always stay.
    fn forget_beyond_capacity(&mut self, gone: &mut BTreeSet<Place>) {
        let capacity = self.options.capacity_bytes_max.unwrap_or(u64::MAX);
        let mut live: Vec<(Place, u64, Offset)> = Vec::new();
        for (place, bucket) in self.buckets.iter().filter(|(place, _)| !gone.contains(place)) {
            live.push((*place, self.bucket_bytes(bucket), bucket.facts.oldest));
        }
        let mut keys: u64 = live.iter().map(|(_, bytes, _)| bytes).sum();
        let histories = self.histories_bytes();
        let mut total = self.drop_originals_beyond(capacity, keys.saturating_add(histories));
        while total > capacity && live.len() > 1 {
            let Some((place, bytes, _)) = oldest(&live).map(|at| live.remove(at)) else { break };
            self.forget_early(place);
            gone.insert(place);
            keys = keys.saturating_sub(bytes);
            let first = live.iter().map(|(_, _, oldest)| *oldest).min();
            total = keys.saturating_add(self.histories_left(histories, first.unwrap_or(0)));
        }
        if total > capacity {
            self.progress.histories_from = self.applied().map_or(0, |applied| applied.next_offset);
        }
        if let Some(oldest) = self.oldest_entry(gone) {
            self.expire_below(oldest);
        }
    }

    fn forget_early(&mut self, place: Place) {
        let until_before = self.progress.forgotten.until;
        self.progress.forgotten.until = None;
        self.forget(place);
        let newest = self.buckets.get(&place).map_or(0, |bucket| bucket.facts.newest);
        let forgotten = &mut self.progress.forgotten;
        forgotten.early += 1;
        forgotten.early_until = forgotten.early_until.max(forgotten.until);
        forgotten.until = forgotten.until.max(until_before);
        forgotten.early_below = forgotten.early_below.max(newest.saturating_add(1));
    }

    /// Bytes of histories of offsets from the oldest entry on, as if all took the same.
    fn histories_left(&self, bytes: u64, oldest: Offset) -> u64 {
        let from = self.progress.histories_from;
        let to = self.applied().map_or(from, |applied| applied.next_offset);
        let (all, left) = (to.saturating_sub(from), to.saturating_sub(oldest.max(from)));
        if all <= 0 { bytes } else { (bytes as f64 * (left.max(0) as f64 / all as f64)) as u64 }
    }

    /// Without an entry nobody asks for an original or a history.
    fn expire_below(&mut self, oldest: Offset) {
        let progress = &mut self.progress;
        progress.originals_from = progress.originals_from.max(oldest);
        progress.histories_from = progress.histories_from.max(oldest);
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

    /// Deletes what is gone.
    pub(super) fn delete_what_is_gone(&mut self) -> Result<(), StateError> {
        for place in &self.progress.gone {
            if let Some(mut bucket) = self.buckets.remove(place) {
                self.filters.forget(*place, &mut bucket);
                self.db.drop_cf(&bucket.name).map_err(|error| StateError::rocks(&self.dir, &error))?;
            }
        }
        self.filters.remove_outdated();
        self.delete_originals()?;
        self.delete_histories()
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
        deleted.map_err(|error| StateError::rocks(&self.dir, &error))?;
        if self.progress.forgotten.early > 0 {
            // The room is needed now.
            self.db.compact_range_cf(family, None::<&[u8]>, Some(to));
        }
        Ok(())
    }

    fn delete_tables(&self, family: &str, below: Offset) -> Result<(), StateError> {
        let Some(family) = self.db.cf_handle(family) else { return Ok(()) };
        let (first, last) = (table::offset_key(0), table::offset_key(below.saturating_sub(1)));
        let deleted = self.db.delete_file_in_range_cf(family, first, last);
        deleted.map_err(|error| StateError::rocks(&self.dir, &error))
    }
}

/// Which of these places is the oldest: of each sort the first by its own order, and among these the one with the oldest
/// entry.
fn oldest(places: &[(Place, u64, Offset)]) -> Option<usize> {
    let first = |sort: Sort| {
        let of_sort = places.iter().enumerate().filter(|(_, (place, _, _))| place.sort() == sort);
        of_sort.min_by_key(|(_, (place, _, oldest))| match sort {
            Sort::Timed | Sort::Untimed => (place.index, i64::from(place.slice)),
            Sort::Far => (0, *oldest),
        })
    };
    let firsts = [Sort::Timed, Sort::Untimed, Sort::Far].into_iter().filter_map(first);
    firsts.min_by_key(|(_, (_, _, oldest))| *oldest).map(|(at, _)| at)
}
