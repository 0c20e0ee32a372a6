//! What a plugin may use, and the count of what it does use. Not the policy for those that use more.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// All tables together may be as large as so many of the largest. An element takes 16 bytes of the host.
const TABLES_OF_FULL_SIZE: usize = 10;

/// What one instance of a plugin may use. An instance that wants more is stopped and thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Size of the component's file.
    pub plugin_bytes_max: u64,
    /// All linear memories of an instance together.
    pub memory_bytes_max: usize,
    /// Elements of each table; all tables of an instance together may have ten times as many.
    pub table_elements_max: usize,
    /// Core instances, memories and tables, each; interpreters of other languages are made of dozens of modules.
    pub parts_max: usize,
    /// The stack.
    pub stack_bytes_max: usize,
    /// Time of a call, whatever its size, by the wall clock.
    pub time_per_batch: Duration,
    /// Time of a call, added for each byte of its events, or of the pointers and values of its pairs.
    pub time_per_byte: Duration,
    /// Time to instantiate, describe and configure, each.
    pub time_to_start: Duration,
    /// Time in calls for one batch, after which isolating the events that fail is given up.
    pub isolation_time_max: Duration,
    /// What a call may give back, about; it is memory of the host.
    pub result_bytes_max: usize,
    /// Log lines of a call; what is longer is cut, and the cut is logged.
    pub log_bytes_per_call_max: usize,
    /// A reason given for one event; what is longer is cut.
    pub note_bytes_max: usize,
    /// Keys of one event, so that a batch of a thousand has no more than a thousand times as many.
    pub keys_per_event_max: usize,
    /// Bytes of all keys of one event, whatever its length; a longer event may have 16 for each of its own.
    pub key_bytes_max: usize,
    /// Memory of the process that compiles a component, where there is one.
    pub compile_memory_bytes_max: u64,
    /// Time to compile a component, by the wall clock, where a process of its own does it.
    pub compile_time_max: Duration,
}

/// Bytes of keys for each byte of an event, above [`Limits::key_bytes_max`]: a few keys that each hold all of it, escaped.
pub(crate) const KEY_BYTES_PER_BYTE: usize = 16;

impl Default for Limits {
    fn default() -> Self {
        Self {
            plugin_bytes_max: 256 << 20,
            memory_bytes_max: 256 << 20,
            table_elements_max: 100_000,
            parts_max: 256,
            stack_bytes_max: 512 << 10,
            time_per_batch: Duration::from_secs(1),
            time_per_byte: Duration::from_micros(1),
            time_to_start: Duration::from_secs(10),
            isolation_time_max: Duration::from_secs(60),
            result_bytes_max: 64 << 20,
            log_bytes_per_call_max: 16 << 10,
            note_bytes_max: 1 << 10,
            keys_per_event_max: 256,
            key_bytes_max: 64 << 10,
            compile_memory_bytes_max: 2 << 30,
            compile_time_max: Duration::from_secs(120),
        }
    }
}

impl Limits {
    /// Bytes of keys that an event of so many bytes may have.
    pub(crate) fn key_bytes_of(&self, event_bytes: usize) -> usize {
        self.key_bytes_max.max(event_bytes.saturating_mul(KEY_BYTES_PER_BYTE))
    }

    /// Time that a call with so many bytes to look at may take.
    pub(crate) fn time_of_call(&self, bytes: usize) -> Duration {
        self.time_per_batch + self.time_per_byte.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX))
    }
}

/// Counts the memory of one instance and stops it at the limit.
///
/// It traps at the limit rather than refusing to grow, so that the reason reads "memory" and not whatever the plugin's
/// allocator says when it gets none.
#[derive(Debug)]
pub(crate) struct Gauge {
    memory_bytes: usize,
    table_elements: usize,
    limits: Limits,
}

impl Gauge {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { memory_bytes: 0, table_elements: 0, limits }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// All memories together.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }
}

/// A limit that was hit.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Exceeded(pub(crate) String);

impl ResourceLimiter for Gauge {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        let max = self.limits.memory_bytes_max;
        if total > max {
            return Err(Exceeded(format!("its memory would grow to {total} bytes, and the limit is {max}")).into());
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let max = self.limits.table_elements_max;
        if desired > max {
            return Err(Exceeded(format!("its table would grow to {desired} elements, and the limit is {max}")).into());
        }
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        let max = max.saturating_mul(TABLES_OF_FULL_SIZE);
        if total > max {
            let words = format!("its tables would grow to {total} elements together, and the limit is {max}");
            return Err(Exceeded(words).into());
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.parts_max
    }

    fn tables(&self) -> usize {
        self.limits.parts_max
    }

    fn memories(&self) -> usize {
        self.limits.parts_max
    }
}
