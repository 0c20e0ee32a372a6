//! Settings of what bounds memory and work. Not the bounds of a plugin or of the state: these are with their parts.

use setting::{Group, Runs, Setting, SettingsError, Typed, one, rows, units};

/// What bounds memory and work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Most records read and not committed.
    pub in_flight_records: usize,
    /// The same of one partition.
    pub in_flight_records_per_partition: usize,
    /// Most bytes of the records in flight.
    pub in_flight_bytes: u64,
    /// Threads that decide.
    pub worker_threads: usize,
}

/// What bounds queues is for topics only: a run over files has none.
const GROUP: Group = Group { title: "Limits", runs: Runs::Kafka, also: &[] };

rows!(pub(super),
    static MAX_IN_FLIGHT_MESSAGES: Setting<usize> = one(
        GROUP,
        "max-in-flight-messages",
        "N",
        units::count,
        "Maximum number of records read and not yet committed, over all partitions\n\nLarge, because a batch is \
         decided and committed as one: a hundred records in flight would make every transaction a hundred records \
         long. --max-memory-bytes limits the memory.",
    )
    .or("1000000");
    static MAX_IN_FLIGHT_MESSAGES_PER_PARTITION: Setting<usize> = one(
        GROUP,
        "max-in-flight-messages-per-partition",
        "N",
        units::count,
        "Maximum number of records of one partition read and not yet committed\n\nLarge for the same reason as \
         --max-in-flight-messages; a partition at its limit is paused, and the others continue.",
    )
    .or("200000");
    static MAX_MEMORY_BYTES: Setting<u64> = one(
        GROUP,
        "max-memory-bytes",
        "BYTES",
        units::bytes,
        "Maximum memory for the records in flight, in bytes or with a unit\n\nLarge enough that this limit, not the \
         count, holds back big events. The memory of the state is not included.",
    )
    .or("512MiB");
    static WORKER_THREADS: Setting<usize> = one(
        GROUP,
        "worker-threads",
        "N",
        units::count,
        "Threads that decide batches; each partition belongs to one of them\n\nLimited to the number of processors, \
         because each worker has its own transactions.",
    )
    .or("4");
);

/// A default bound of a partition gives way to a smaller one of all partitions.
pub(super) fn derive(typed: &mut Typed) -> Result<(), SettingsError> {
    let all = typed.need(&MAX_IN_FLIGHT_MESSAGES)?;
    typed.keep_within(&MAX_IN_FLIGHT_MESSAGES_PER_PARTITION, &MAX_IN_FLIGHT_MESSAGES, &all)
}

/// More workers than processors decide no faster, and each has transactions of its own, which all cost the broker work.
pub(super) fn derive_workers(typed: &mut Typed) -> Result<(), SettingsError> {
    let processors = std::thread::available_parallelism().map_or(usize::MAX, usize::from);
    if !typed.given(&WORKER_THREADS) && typed.need(&WORKER_THREADS)? > processors {
        typed.derive(&WORKER_THREADS, processors.to_string(), "there are no more processors");
    }
    Ok(())
}

/// What the user said of bounds.
pub(super) fn config(typed: &Typed) -> Result<LimitsConfig, SettingsError> {
    Ok(LimitsConfig {
        in_flight_records: typed.need(&MAX_IN_FLIGHT_MESSAGES)?,
        in_flight_records_per_partition: typed.need(&MAX_IN_FLIGHT_MESSAGES_PER_PARTITION)?,
        in_flight_bytes: typed.need(&MAX_MEMORY_BYTES)?,
        worker_threads: typed.need(&WORKER_THREADS)?,
    })
}
