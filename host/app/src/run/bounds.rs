//! What a run may take at most, summed up from what its parts are built with, and said when it starts. Not the bounding: each
//! part does that itself.

use plain_text::size;
use state::{BlockCache, StoreBounds};

/// Transfers of checkpoints hold a part of a file each; threads publish two at once in each place.
const TRANSFER_BYTES: u64 = 8 << 20;

/// What is known when a run starts, in bytes unless it says otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Partitions of the input: all of them may come to this host.
    pub(super) partitions: u64,
    /// Records read and not committed.
    pub(super) in_flight: u64,
    /// Records that the client has fetched, of a partition.
    pub(super) fetched: u64,
    /// Of a partition's state.
    pub(super) store: StoreBounds,
    /// Instances of plugins that a partition has, and what each may take.
    pub(super) instances: u64,
    pub(super) instance: u64,
    /// Transfers of checkpoints at once.
    pub(super) transfers: u64,
    /// Checkpoints that a partition has on this disk, and captured states that wait.
    pub(super) copies: u64,
}

impl Bounds {
    /// One line of the log.
    pub(super) fn say(&self) {
        let Self { partitions, in_flight, fetched, store, instances, instance, transfers, copies } = *self;
        let of_all = |bytes: u64| size(bytes.saturating_mul(partitions));
        let maybe = |bytes: Option<u64>| bytes.map_or_else(|| "no bound".to_owned(), of_all);
        tracing::info!(
            partitions,
            records_in_flight = %size(in_flight),
            records_fetched = %of_all(fetched),
            keys_in_memory = %of_all(store.front),
            filters = %maybe(store.filters),
            originals = %of_all(store.originals),
            histories = %of_all(store.histories),
            block_cache = %size(BlockCache::BYTES as u64),
            plugin_instances = %format!("{} of {}", instances.saturating_mul(partitions), size(instance)),
            checkpoint_transfers = %size(transfers.saturating_mul(TRANSFER_BYTES)),
            states_on_disk = %maybe(store.disk),
            checkpoints_on_disk = %maybe(store.disk.map(|disk| disk.saturating_mul(copies))),
            "takes at most, with every partition and full states"
        );
    }
}
