//! What an instance remembers, which it should not, and the faults that come of it.

use std::cell::{Cell, RefCell};

use crate::collide::hash;
use crate::config::Fault;

/// Different keys before they are too many, and bits of the table in which they are told apart.
const POOL: u32 = 100_000;
const POOL_BITS: usize = 1 << 22;
/// What a memo goes by, and what a buffer holds.
const MEMO_BYTES: usize = 64;
const BUFFER_BYTES: usize = 256;
/// Events before the tenant is kept for good.
const TENANT_EVENTS: u32 = 50_000;

/// Bytes of values before they are too many.
const ARENA_BYTES: usize = 16 << 20;

/// The contract's number.
const STRING: u8 = 4;
/// The field that is the tenant's.
const NAME: usize = 1;

/// What an instance remembers.
#[derive(Debug, Default)]
pub struct Memory {
    /// Calls so far.
    pub calls: Cell<u32>,
    /// Whether an event was refused.
    pub refused: Cell<bool>,
    /// Bytes of the values so far.
    pub bytes: Cell<usize>,
    count: Cell<u32>,
    rounds: Cell<u16>,
    seen: RefCell<Vec<u64>>,
    before: RefCell<Vec<u8>>,
}

impl Memory {
    /// Whether the key is new, and the pool is full.
    pub fn is_late(&self, key: &[u8]) -> bool {
        let mut seen = self.seen.borrow_mut();
        seen.resize(POOL_BITS / 64, 0);
        let bit = hash(key) as usize % POOL_BITS;
        let Some(word) = seen.get_mut(bit / 64).filter(|word| **word >> (bit % 64) & 1 == 0) else { return false };
        if self.count.get() == POOL {
            return true;
        }
        *word |= 1 << (bit % 64);
        self.count.set(self.count.get() + 1);
        false
    }

    /// Whether so many bytes have been read that there is no room for more.
    pub fn is_full(&self) -> bool {
        self.bytes.get() > ARENA_BYTES
    }

    /// Counts one, and says whether the count is at 0 again.
    pub fn comes_round(&self) -> bool {
        self.rounds.set(self.rounds.get().wrapping_add(1));
        self.rounds.get() == 0
    }

    /// A value as a plugin with this fault takes it; `None`: as it is.
    pub fn value(&self, fault: Fault, field: usize, kind: u8, value: &[u8]) -> Option<Vec<u8>> {
        if kind != STRING {
            return None;
        }
        let mut before = self.before.borrow_mut();
        if fault == Fault::Memo && value.len() > MEMO_BYTES {
            if before.get(..MEMO_BYTES) != value.get(..MEMO_BYTES) {
                *before = value.to_vec();
            }
            return Some(before.clone());
        }
        if fault == Fault::Stale && field == 0 {
            if value.len() <= BUFFER_BYTES {
                *before = value.to_vec();
            }
            return Some(before.clone());
        }
        if fault == Fault::Tenant && field == NAME {
            self.count.set(self.count.get() + 1);
            if self.count.get() <= TENANT_EVENTS {
                *before = value.to_vec();
            }
            return Some(before.clone());
        }
        None
    }
}
