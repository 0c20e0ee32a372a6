//! How large a store is, and how well its filters work. It changes nothing.

use engine::record::{Millis, Offset};
use rocksdb::properties;
use rocksdb::statistics::Ticker;

use super::PartitionStore;
use super::histories::HISTORIES;
use super::kept::Kept;
use super::places::{Bucket, Sort};

/// How large a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSizes {
    /// Keys in the front and in tables; a key of several buckets counts several times.
    pub keys_estimate: u64,
    /// Entries in memory that are not yet in a table.
    pub front_entries: usize,
    /// Bytes of live tables of keys.
    pub bytes_on_disk: u64,
    /// Buckets that have tables.
    pub buckets: usize,
    /// Start of the oldest of them that is of a time.
    pub oldest_bucket_start: Option<Millis>,
    /// How long a key is remembered as things stand, in milliseconds of event time: the retention, or less where the
    /// capacity made buckets go early. `None` is for ever, as far as time says.
    pub effective_window_ms: Option<i64>,
    /// The latest so many offsets are remembered whatever their time; `None`: nothing went early.
    pub effective_window_offsets: Option<Offset>,
    /// Buckets that went early since the store was made.
    pub buckets_dropped_early: u64,
    /// Memory of filters and indexes, the front's own not counted.
    pub filter_bytes: u64,
    /// Bytes of live tables of originals.
    pub originals_bytes: u64,
    /// Tables of originals.
    pub originals_tables: usize,
    /// Bytes of memory that originals take: those not yet in tables, and the latest that are.
    pub originals_memory_bytes: usize,
    /// Offset of the oldest original that can be read; with none, of the next that could.
    pub oldest_original: Offset,
    /// Originals that went before their time since the store was made, as the disk's share was used up.
    pub originals_dropped_early: u64,
    /// Bytes of the tables that they were in.
    pub originals_dropped_early_bytes: u64,
    /// Events too long to be kept, since the store was opened.
    pub originals_too_long: u64,
    /// Bytes of live tables of histories.
    pub histories_bytes: u64,
    /// Histories in memory, those included that are known to be none.
    pub histories_in_memory: usize,
}

/// How well the filters of tables worked since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterCounts {
    /// Keys that a filter kept from being read.
    pub useful: u64,
    /// Keys that passed a filter.
    pub full_positive: u64,
    /// Keys that passed a filter and were there.
    pub full_true_positive: u64,
    /// Data blocks looked for, in the cache or on disk.
    pub data_blocks: u64,
}

impl PartitionStore {
    pub(super) fn bucket_bytes(&self, bucket: &Bucket) -> u64 {
        self.property(bucket, properties::LIVE_SST_FILES_SIZE)
    }

    pub(super) fn histories_bytes(&self) -> u64 {
        self.family_property(HISTORIES, properties::LIVE_SST_FILES_SIZE)
    }

    fn property(&self, bucket: &Bucket, name: &properties::PropName) -> u64 {
        self.family_property(&bucket.name, name)
    }

    fn family_property(&self, family: &str, name: &properties::PropName) -> u64 {
        let family = self.db.cf_handle(family);
        family.and_then(|family| self.db.property_int_value_cf(family, name).ok().flatten()).unwrap_or(0)
    }

    /// How large the store is now.
    #[must_use]
    pub fn sizes(&self) -> StoreSizes {
        let keys: u64 = self.buckets.values().map(|b| self.property(b, properties::ESTIMATE_NUM_KEYS)).sum();
        let readers: u64 =
            self.buckets.values().map(|b| self.property(b, properties::ESTIMATE_TABLE_READERS_MEM)).sum();
        let filters: usize = self.buckets.values().map(|bucket| bucket.filter.bytes()).sum();
        let kept = self.kept.as_ref();
        StoreSizes {
            keys_estimate: keys + self.front.len() as u64,
            front_entries: self.front.len(),
            bytes_on_disk: self.buckets.values().map(|bucket| self.bucket_bytes(bucket)).sum(),
            buckets: self.buckets.len(),
            oldest_bucket_start: self.oldest_bucket_start(),
            effective_window_ms: self.effective_window_ms(),
            effective_window_offsets: self.effective_window_offsets(),
            buckets_dropped_early: self.progress.forgotten.early,
            filter_bytes: readers + filters as u64,
            originals_bytes: kept.map_or(0, Kept::table_bytes),
            originals_tables: kept.map_or(0, |kept| kept.tables.len()),
            originals_memory_bytes: kept.map_or(0, Kept::memory_bytes),
            oldest_original: self.progress.originals_from.max(kept.and_then(Kept::first).unwrap_or(0)),
            originals_dropped_early: self.progress.originals_dropped_early,
            originals_dropped_early_bytes: self.progress.originals_dropped_early_bytes,
            originals_too_long: kept.map_or(0, Kept::too_long),
            histories_bytes: self.histories_bytes(),
            histories_in_memory: kept.map_or(0, |kept| kept.histories.len()),
        }
    }

    fn oldest_bucket_start(&self) -> Option<Millis> {
        let first = self.buckets.keys().find(|place| place.sort() == Sort::Timed)?;
        Some(first.start_ms(self.options.bucket_ms))
    }

    fn effective_window_ms(&self) -> Option<i64> {
        let remembered = self.watermark().zip(self.progress.forgotten.early_until);
        let remembered = remembered.map(|(now, until)| now.saturating_sub(until).max(0));
        match (self.options.retention_ms, remembered) {
            (Some(retention), Some(remembered)) => Some(remembered.min(retention)),
            (retention, remembered) => retention.or(remembered),
        }
    }

    fn effective_window_offsets(&self) -> Option<Offset> {
        let forgotten = self.progress.forgotten;
        let next_offset = self.applied().map_or(0, |applied| applied.next_offset);
        (forgotten.early > 0).then_some(next_offset.saturating_sub(forgotten.early_below).max(0))
    }

    /// How well the filters of tables work.
    #[must_use]
    pub fn filter_counts(&self) -> FilterCounts {
        let count = |ticker| self.database_options.get_ticker_count(ticker);
        FilterCounts {
            useful: count(Ticker::BloomFilterUseful),
            full_positive: count(Ticker::BloomFilterFullPositive),
            full_true_positive: count(Ticker::BloomFilterFullTruePositive),
            data_blocks: count(Ticker::BlockCacheDataHit) + count(Ticker::BlockCacheDataMiss),
        }
    }
}
