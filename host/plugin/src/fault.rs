//! What a plugin ran into in one call, and what kind of trouble that is. Not what becomes of it.

use std::time::Duration;

use wasmtime::Trap;
use wasmtime_wasi::{I32Exit, ResourceTableError};

use crate::limits::Exceeded;
use crate::wasi::NothingThere;

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

    /// What a call that had `time` ended with.
    pub(crate) fn of_call(error: &wasmtime::Error, time: Duration, answer_bytes_max: usize) -> Self {
        let (kind, words) = match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => (FaultKind::TimedOut, format!("it took longer than {} ms", time.as_millis())),
            Some(trap @ Trap::StackOverflow) => (FaultKind::Resources, trap.to_string()),
            Some(trap) => (FaultKind::Trap, trap.to_string()),
            None => Self::without_a_trap(error, answer_bytes_max),
        };
        Self { kind, words }
    }

    /// wasmtime has no types for these, only words.
    fn without_a_trap(error: &wasmtime::Error, answer_bytes_max: usize) -> (FaultKind, String) {
        let words = error.root_cause().to_string();
        if words.contains("fuel allocated for hostcalls") {
            let words = format!("it gave the host more than {answer_bytes_max} bytes at once, which is the limit");
            return (FaultKind::Resources, words);
        }
        if let Some(I32Exit(status)) = error.downcast_ref() {
            return (FaultKind::Trap, format!("it exited, with status {status}"));
        }
        if let Some(call) = error.downcast_ref::<NothingThere>() {
            return (FaultKind::Trap, call.to_string());
        }
        let limited = error.downcast_ref::<Exceeded>().is_some()
            || matches!(error.downcast_ref(), Some(ResourceTableError::Full))
            || words.starts_with("resource limit exceeded")
            || words.contains("store handle limit exceeded");
        // What is left is an answer that cannot be read: an address outside of its memory, a text that is no UTF-8.
        (if limited { FaultKind::Resources } else { FaultKind::Lie }, words)
    }
}
