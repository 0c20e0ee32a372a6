//! How a store is laid out and bounded. Not what it belongs to: that is its identity.

use rocksdb::Cache;

use crate::front::Front;
use crate::writer::OriginalsWriter;

/// Buckets that a retention is cut into: fewer keep dead keys longer, more cost a probe each for every key.
const BUCKETS_PER_RETENTION: i64 = 8;

/// Slices that a capacity is cut into at least: dropping one is how room is made, so that one is the least that goes.
const SLICES_PER_CAPACITY: u64 = 8;

/// Bytes that an entry takes in a table, with its share of index and filter; measured at 41 in large tables.
const ENTRY_BYTES: u64 = 48;

/// Bytes that an entry takes in a table at the very least, and bits of filters and indexes that a key takes at most: 20 in the
/// resident filter, whose segments double, and in its tables those of their own filters, with 4 for their indexes.
const ENTRY_BYTES_MIN: u64 = 36;
const RESIDENT_BITS: u64 = 20;
const INDEX_BITS: u64 = 4;

/// What RocksDB writes for itself: its log, its manifest.
const ROCKS_BYTES: u64 = 2 << 20;

/// Fewest entries of a slice: tables of less are not worth their files.
const SLICE_ENTRIES_MIN: usize = 1_024;

/// Shortest bucket worth a column family, in milliseconds.
const BUCKET_MS_MIN: i64 = 1000;

/// Memory for data blocks that were read, shared by the stores of a process.
#[derive(Clone)]
pub struct BlockCache(pub(crate) Cache);

impl BlockCache {
    /// Bytes of the one that options have unless they are given another.
    pub const BYTES: usize = 32 << 20;

    /// A cache of so many bytes.
    #[must_use]
    pub fn new(capacity_bytes: usize) -> Self {
        Self(Cache::new_lru_cache(capacity_bytes))
    }
}

impl std::fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockCache").finish_non_exhaustive()
    }
}

/// How a store is laid out and bounded.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Span of event time in one bucket, in milliseconds. It is part of the store: opening with another is refused.
    pub bucket_ms: i64,
    /// How long after its end a bucket is kept, in milliseconds of event time; `None` keeps all keys in one bucket.
    pub retention_ms: Option<i64>,
    /// Entries in memory at which [`crate::PartitionStore::should_persist`] says so.
    pub front_entries_max: usize,
    /// Bits of filter a key in the tables' own filters. They see only what the filter in memory lets through: 15 bits in
    /// place of 10 read 1 in 100 fewer blocks and took a fifth more memory.
    pub filter_bits_per_key: f64,
    /// Bytes on disk, of keys, originals and histories together, above which the oldest originals go early, and when
    /// none is left the oldest keys: by time, or by offset where there is no time. While a persist runs there may be an
    /// eighth more; filters come on top, with some 10 to 15 bits a key, and what RocksDB writes for itself, up to 2 MiB.
    /// `None` is no bound.
    pub capacity_bytes_max: Option<u64>,
    /// Memory for data blocks, to be shared between stores.
    pub block_cache: BlockCache,
    /// How first-seen events and the counts of their duplicates are kept. `None` keeps neither, and deletes those that
    /// an earlier run kept: without all of a window they would explain and count wrongly when switched on again.
    pub originals: Option<OriginalsOptions>,
}

/// How originals and histories are kept.
#[derive(Debug, Clone)]
pub struct OriginalsOptions {
    /// The thread that writes tables, to be shared between stores.
    pub writer: OriginalsWriter,
    /// Bytes of events that become one table together. An event that does not fit is not kept.
    pub chunk_bytes: usize,
    /// Memory of originals, in bytes: those not yet in tables and, as far as it reaches, the latest that are. A batch
    /// that is held for its originals counts whole. The chunk being filled is there however little this is.
    pub originals_memory_bytes_max: usize,
    /// Memory of histories, in bytes, at which [`crate::PartitionStore::should_persist`] says so.
    pub histories_memory_bytes_max: usize,
}

impl OriginalsOptions {
    /// Chunks of 16 MiB; 64 MiB of memory for originals and as much for histories.
    #[must_use]
    pub fn new(writer: OriginalsWriter) -> Self {
        Self {
            writer,
            chunk_bytes: 16 << 20,
            originals_memory_bytes_max: 64 << 20,
            histories_memory_bytes_max: 64 << 20,
        }
    }
}

/// What a store takes at most, part by part, in bytes. The cache of blocks is not in it: stores share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreBounds {
    /// Memory of entries that are in no table yet.
    pub front: u64,
    /// Memory of filters and indexes when the disk's share is used up by keys; `None`: there is no bound.
    pub filters: Option<u64>,
    /// Memory of originals, with the chunk that is being filled.
    pub originals: u64,
    /// Memory of histories.
    pub histories: u64,
    /// Disk, while tables are written; `None`: there is no bound.
    pub disk: Option<u64>,
}

impl StoreOptions {
    /// What a store with these options takes at most.
    #[must_use]
    pub fn bounds(&self) -> StoreBounds {
        let table_bits = self.filter_bits_per_key.ceil() as u64;
        let keys = self.capacity_bytes_max.map(|capacity| capacity / ENTRY_BYTES_MIN);
        let of_keys = |bits: u64| keys.map(|keys| keys.saturating_mul(bits) / 8);
        let disk = self.capacity_bytes_max.zip(of_keys(RESIDENT_BITS));
        let originals = self.originals.as_ref();
        StoreBounds {
            front: Front::bytes_of(self.front_entries_max) as u64,
            filters: of_keys(RESIDENT_BITS + table_bits + INDEX_BITS),
            originals: originals
                .map_or(0, |kept| kept.originals_memory_bytes_max.saturating_add(kept.chunk_bytes) as u64),
            histories: originals.map_or(0, |kept| kept.histories_memory_bytes_max as u64),
            disk: disk.map(|(capacity, filters)| capacity + capacity / SLICES_PER_CAPACITY + filters + ROCKS_BYTES),
        }
    }

    /// Bytes of tables at which a bucket goes on in another slice.
    pub(crate) fn slice_bytes_max(&self) -> u64 {
        self.capacity_bytes_max.map_or(u64::MAX, |capacity| capacity / SLICES_PER_CAPACITY)
    }

    /// Entries that make one table: no more than a slice is meant to have.
    pub(crate) fn slice_entries_max(&self) -> usize {
        usize::try_from(self.slice_bytes_max() / ENTRY_BYTES).unwrap_or(usize::MAX).max(SLICE_ENTRIES_MIN)
    }

    /// The layout for a window: keys are kept for the window and the allowed lateness, in milliseconds.
    #[must_use]
    pub fn for_window(window_ms: Option<i64>, allowed_lateness_ms: i64) -> Self {
        let retention_ms = window_ms.map(|window| window.saturating_add(allowed_lateness_ms).max(0));
        Self {
            bucket_ms: retention_ms.map_or(BUCKET_MS_MIN, bucket_ms_for),
            retention_ms,
            front_entries_max: 1_000_000,
            filter_bits_per_key: 10.0,
            capacity_bytes_max: None,
            block_cache: BlockCache::new(BlockCache::BYTES),
            originals: None,
        }
    }
}

/// Span of a bucket for a retention, both in milliseconds.
#[must_use]
pub fn bucket_ms_for(retention_ms: i64) -> i64 {
    retention_ms.div_euclid(BUCKETS_PER_RETENTION).max(BUCKET_MS_MIN)
}
