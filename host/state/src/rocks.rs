//! RocksDB's settings, with the reason for each. Not what is stored.

use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, CompactOptions, DBCompressionType, IngestExternalFileOptions,
    Options, UniversalCompactOptions, statistics::StatsLevel,
};

use crate::options::StoreOptions;

/// Memory of a column family for writes that do not go through tables. Only the description and the progress do.
const WRITE_BUFFER_BYTES: usize = 1 << 20;

/// Tables of a bucket that are merged into one when there are so many.
const TABLES_MERGED_AT: i32 = 8;

/// Bytes of RocksDB's own log before it starts another, and how many it keeps.
const LOG_FILE_BYTES_MAX: usize = 1 << 20;
const LOG_FILES_MAX: usize = 2;

/// Bytes of a block of originals before compression, and LZ4's acceleration, which RocksDB takes as a negative level.
/// Measured on JSON of 660 bytes an event: 32 KiB at 4 make 259 bytes of table an event at 680 ns of the writer, and a
/// read from disk takes 60 us; 16 KiB at 1 make 262 bytes at 760 ns, and a read takes 54 us.
const ORIGINALS_BLOCK_BYTES: usize = 32 << 10;
const ORIGINALS_LEVEL: i32 = -4;

/// RocksDB's default for a setting that LZ4 does not have.
const WINDOW_BITS_DEFAULT: i32 = -14;

/// Settings of the whole database. The statistics are counted in the returned value: keep it.
pub(crate) fn database() -> Options {
    let mut options = plain();
    options.create_if_missing(true);
    // Open tables keep their filters and indexes in memory; closing one would mean reading them again.
    options.set_max_open_files(-1);
    options.set_max_background_jobs(2);
    options.set_max_log_file_size(LOG_FILE_BYTES_MAX);
    options.set_keep_log_file_num(LOG_FILES_MAX);
    options.set_stats_dump_period_sec(0);
    options.enable_statistics();
    // Histograms and timers cost time on each look-up, and nobody reads them here.
    options.set_statistics_level(StatsLevel::ExceptHistogramOrTimers);
    options
}

/// Settings of the column family with the description and the progress.
pub(crate) fn plain() -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_compression_type(DBCompressionType::None);
    options
}

/// Settings of a bucket's column family, and of the tables written for it.
pub(crate) fn bucket(store: &StoreOptions) -> Options {
    let mut blocks = BlockBasedOptions::default();
    // Without a filter each key that passes the one in memory would read a block of every table of its bucket.
    blocks.set_bloom_filter(store.filter_bits_per_key, false);
    blocks.set_cache_index_and_filter_blocks(false);
    blocks.set_block_cache(&store.block_cache.0);
    blocks.set_format_version(6);
    let mut options = plain();
    options.set_block_based_table_factory(&blocks);
    // That option leaves the last level without filters: meant for few misses, and here nearly all look-ups miss.
    options.set_optimize_filters_for_hits(false);
    // Universal: a table is merged seldom, and the filters make looking into several cheap.
    options.set_compaction_style(rocksdb::DBCompactionStyle::Universal);
    let mut universal = UniversalCompactOptions::default();
    universal.set_min_merge_width(TABLES_MERGED_AT / 2);
    options.set_universal_compaction_options(&universal);
    options.set_level_zero_file_num_compaction_trigger(TABLES_MERGED_AT);
    options
}

/// Settings of the column family of originals, and of the tables written for it.
pub(crate) fn originals(store: &StoreOptions) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_size(ORIGINALS_BLOCK_BYTES);
    // No filter: ranges of offsets do not overlap, and nobody asks for an offset that was not kept.
    blocks.set_block_cache(&store.block_cache.0);
    blocks.set_format_version(6);
    let mut options = plain();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_compression_options(WINDOW_BITS_DEFAULT, ORIGINALS_LEVEL, 0, 0);
    // Tables are never rewritten on their own account: they are disjoint, and each goes as a whole. Level compaction is
    // what lets them be ingested into the last level, where they can be deleted by range.
    options.set_disable_auto_compactions(true);
    options
}

/// Settings of the column family of histories, and of the tables written for it.
pub(crate) fn histories(store: &StoreOptions) -> Options {
    let mut blocks = BlockBasedOptions::default();
    // Nearly all first duplicates of an event find no history.
    blocks.set_bloom_filter(store.filter_bits_per_key, false);
    blocks.set_block_cache(&store.block_cache.0);
    blocks.set_format_version(6);
    let mut options = plain();
    options.set_block_based_table_factory(&blocks);
    // Level compaction: its tables are disjoint, so that expired ones can be deleted whole.
    options
}

/// Settings for writing many small tables of originals as a few large ones.
pub(crate) fn merging() -> CompactOptions {
    let mut options = CompactOptions::default();
    // They lie in the last level already, where RocksDB does nothing unless it is told to.
    options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    options.set_exclusive_manual_compaction(false);
    options
}

/// Settings for taking a finished table over.
pub(crate) fn ingestion() -> IngestExternalFileOptions {
    let mut options = IngestExternalFileOptions::default();
    options.set_move_files(true);
    options
}
