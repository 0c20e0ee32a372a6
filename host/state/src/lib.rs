//! What is remembered of keys, partition by partition, on RocksDB. It decides nothing: which entry is live, and what
//! that means for an event, is the engine's business.
//!
//! One [`PartitionStore`] is one RocksDB directory, used by one thread at a time. Recent entries are in a hash map (the
//! front); when it is large they become one sorted table a bucket of time. A bucket is a column family and goes as a
//! whole. There is no write-ahead log: a crash only moves the applied offset back, and the topic is replayed from there.
//! A filter over the keys of each bucket is resident; it is stored before its tables, so that opening reads no keys.
//!
//! Beside the keys, and off the path of their look-ups, a store keeps by the offset of a first-seen event
//! - the event's bytes, its original: collected in memory, written as sorted tables by one thread of the process, and
//!   never rewritten, as offsets only grow;
//! - its history, the count of its duplicates: changed in memory with undo, written as one sorted table when the keys are.
//!
//! Both are there to explain duplicates, never to find them: they may be switched off, and originals go before any key
//! when the disk's share is used up.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod chunk;
mod error;
mod filter;
mod frame;
mod front;
mod histories;
mod identity;
mod options;
mod rocks;
mod store;
mod table;
mod writer;

pub use error::{OpenError, StateError};
pub use frame::FORMAT_VERSION;
pub use identity::{Difference, StoreIdentity};
pub use options::{BlockCache, OriginalsOptions, StoreBounds, StoreOptions, bucket_ms_for};
pub use store::{Applied, FilterCounts, Inspected, Opened, PartitionStore, Snapshot, StoreSizes, inspect};
pub use writer::OriginalsWriter;
