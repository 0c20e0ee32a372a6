//! What is remembered of keys, partition by partition, on RocksDB. It decides nothing: which entry is live, and what
//! that means for an event, is the engine's business.
//!
//! One [`PartitionStore`] is one RocksDB directory, used by one thread at a time. Recent entries are in a hash map (the
//! front); when it is large they become one sorted table a bucket of time. A bucket is a column family and goes as a
//! whole. There is no write-ahead log: a crash only moves the applied offset back, and the topic is replayed from there.

mod error;
mod filter;
mod front;
mod identity;
mod options;
mod rocks;
mod store;
mod table;

pub use error::{OpenError, StateError};
pub use identity::{Difference, FORMAT_VERSION, StoreIdentity};
pub use options::{BlockCache, StoreOptions, bucket_ms_for};
pub use store::{Applied, FilterCounts, PartitionStore, StoreSizes};
