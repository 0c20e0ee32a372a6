//! Which plugins are in force while files change, and some events to try others with. Does not load them, call them, or watch
//! files.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::record::RecordBatch;
use line::Plugins;

/// Events that are remembered to try new plugins with, and the most bytes of them.
const RECENT_EVENTS_MAX: usize = 256;
const RECENT_BYTES_MAX: usize = 1 << 20;

/// The plugins in force. Published by the one who loads them; each line takes them up between two of its batches.
#[derive(Debug)]
pub struct InForce {
    now: Mutex<(u64, Arc<Plugins>)>,
    /// Payloads of a recent batch.
    recent: Mutex<Vec<Vec<u8>>>,
}

impl InForce {
    /// The first generation is 1.
    #[must_use]
    pub fn new(plugins: Plugins) -> Self {
        Self { now: Mutex::new((1, Arc::new(plugins))), recent: Mutex::default() }
    }

    /// The number of the generation in force, which only grows, and its plugins.
    #[must_use]
    pub fn get(&self) -> (u64, Arc<Plugins>) {
        lock(&self.now).clone()
    }

    /// Puts others in their place. Returns the number of the new generation.
    pub fn publish(&self, plugins: Plugins) -> u64 {
        let mut now = lock(&self.now);
        *now = (now.0 + 1, Arc::new(plugins));
        now.0
    }

    /// Keeps some events of a batch in the place of those kept before.
    pub fn remember(&self, batch: &RecordBatch) {
        let mut bytes = 0;
        let payloads = batch.iter().filter_map(|record| record.payload()).take(RECENT_EVENTS_MAX);
        let few = payloads.take_while(|payload| {
            bytes += payload.len();
            bytes <= RECENT_BYTES_MAX
        });
        let few: Vec<Vec<u8>> = few.map(<[u8]>::to_vec).collect();
        if !few.is_empty() {
            *lock(&self.recent) = few;
        }
    }

    /// The events kept last.
    #[must_use]
    pub fn recent(&self) -> Vec<Vec<u8>> {
        lock(&self.recent).clone()
    }
}

/// A thread that panicked while it held the lock left a whole value: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
