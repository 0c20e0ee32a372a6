//! How large a store is, and how well its filters work. It changes nothing.

use engine::record::Millis;
use rocksdb::properties;
use rocksdb::statistics::Ticker;

use super::{Bucket, PartitionStore};

/// How large a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSizes {
    /// Keys in the front and in tables; a key of several buckets counts several times.
    pub keys_estimate: u64,
    /// Entries in memory that are not yet in a table.
    pub front_entries: usize,
    /// Bytes of live tables.
    pub bytes_on_disk: u64,
    /// Buckets that have tables.
    pub buckets: usize,
    /// Start of the oldest of them.
    pub oldest_bucket_start: Option<Millis>,
    /// How long a key is remembered as things stand, in milliseconds of event time: the retention, or less where the
    /// capacity made buckets go early. `None` is for ever.
    pub effective_window_ms: Option<i64>,
    /// Buckets that went early since the store was made.
    pub buckets_dropped_early: u64,
    /// Memory of filters and indexes, the front's own not counted.
    pub filter_bytes: u64,
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

    fn property(&self, bucket: &Bucket, name: &properties::PropName) -> u64 {
        let family = self.db.cf_handle(&bucket.name);
        family.and_then(|family| self.db.property_int_value_cf(family, name).ok().flatten()).unwrap_or(0)
    }

    /// How large the store is now.
    #[must_use]
    pub fn sizes(&self) -> StoreSizes {
        let keys: u64 = self.buckets.values().map(|b| self.property(b, properties::ESTIMATE_NUM_KEYS)).sum();
        let readers: u64 =
            self.buckets.values().map(|b| self.property(b, properties::ESTIMATE_TABLE_READERS_MEM)).sum();
        let filters: usize = self.buckets.values().map(|bucket| bucket.filter.bytes()).sum();
        StoreSizes {
            keys_estimate: keys + self.front.len() as u64,
            front_entries: self.front.len(),
            bytes_on_disk: self.buckets.values().map(|bucket| self.bucket_bytes(bucket)).sum(),
            buckets: self.buckets.len(),
            oldest_bucket_start: self.oldest_bucket_start(),
            effective_window_ms: self.effective_window_ms(),
            buckets_dropped_early: self.progress.buckets_dropped_early,
            filter_bytes: readers + filters as u64,
        }
    }

    fn oldest_bucket_start(&self) -> Option<Millis> {
        self.buckets.range(..super::FAR_FIRST).next().map(|(index, _)| index.saturating_mul(self.options.bucket_ms))
    }

    fn effective_window_ms(&self) -> Option<i64> {
        let retention = self.options.retention_ms?;
        let remembered =
            self.watermark().zip(self.oldest_bucket_start()).map(|(now, start)| now.saturating_sub(start).max(0));
        match remembered {
            Some(remembered) if self.progress.buckets_dropped_early > 0 => Some(remembered.min(retention)),
            Some(_) | None => Some(retention),
        }
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
