//! What a plugin ran into in one call, and what kind of trouble that is. Not what becomes of it.

use std::time::Duration;

use wasmtime::Trap;
use wasmtime_wasi::{I32Exit, ResourceTableError};

use crate::limits::{Exceeded, Limits};
use crate::wasi::NothingThere;
use crate::words::{WORDS_BYTES_MAX, clean};

/// What a plugin ran into in one call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Fault {
    /// What kind of trouble it is.
    pub kind: FaultKind,
    /// The same in words, for people.
    pub words: String,
}

/// What kind of trouble a plugin ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Its code stopped itself, or did what wasm does not allow.
    Trap,
    /// It took longer than it may.
    TimedOut,
    /// It wanted more memory, elements of a table, stack or bytes of an answer than it may have.
    Resources,
    /// Its answer breaks the contract. Of a probe also: the batch it was handed does.
    Lie,
    /// It says itself that it cannot go on.
    Failure,
}

impl Fault {
    pub(crate) fn lie(words: String) -> Self {
        Self { kind: FaultKind::Lie, words }
    }

    /// What a call that had `time` and might give back so many bytes ended with.
    pub(crate) fn of_call(error: &wasmtime::Error, time: Duration, result_bytes_max: usize, limits: &Limits) -> Self {
        let (kind, words) = match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => (FaultKind::TimedOut, format!("it took longer than {} ms", time.as_millis())),
            Some(trap @ Trap::StackOverflow) => (FaultKind::Resources, trap.to_string()),
            Some(trap) => (FaultKind::Trap, trap.to_string()),
            None => Self::without_a_trap(error, result_bytes_max, limits),
        };
        Self { kind, words }
    }

    /// wasmtime has no types for these, only words.
    fn without_a_trap(error: &wasmtime::Error, result_bytes_max: usize, limits: &Limits) -> (FaultKind, String) {
        let words = clean(&error.root_cause().to_string(), WORDS_BYTES_MAX);
        if words.contains("fuel allocated for hostcalls") {
            let words = format!("it gave the host more than {result_bytes_max} bytes at once, which is the limit");
            return (FaultKind::Resources, words);
        }
        if words.starts_with("resource limit exceeded") {
            let max = limits.parts_max;
            let words = format!("it is made of more than {max} core instances, memories or tables, which is the limit");
            return (FaultKind::Resources, words);
        }
        if let Some(I32Exit(status)) = error.downcast_ref() {
            return (FaultKind::Trap, format!("it exited, with status {status}"));
        }
        if let Some(call) = error.downcast_ref::<NothingThere>() {
            return (FaultKind::Trap, clean(&call.to_string(), WORDS_BYTES_MAX));
        }
        let limited = error.downcast_ref::<Exceeded>().is_some()
            || matches!(error.downcast_ref(), Some(ResourceTableError::Full))
            || words.contains("store handle limit exceeded");
        // What is left is an answer that cannot be read: an address outside of its memory, a text that is no UTF-8.
        (if limited { FaultKind::Resources } else { FaultKind::Lie }, words)
    }
}
