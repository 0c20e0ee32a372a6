//! The protocol of a worker: which partitions it owns, where each is read from, when a transaction is committed, and what
//! follows when one fails. A state machine: events in, effects out. It is not a runtime: no I/O, no threads, no clock of
//! its own. It never sees a record: batches are numbers of records between two offsets.
//!
//! The worker performs the effects with a producer, a group, lines and states; the simulation in `tests/simulation` with
//! a broker of its own. Both run this machine, so what the simulation shows is shown of the host.
//!
//! Where the rules come from:
//! - one producer a worker, and a commit that carries the group's generation: KIP-447;
//! - outputs and offsets in one transaction, and a producer that fences its predecessor by its id: KIP-98;
//! - a producer that failed is replaced, because a late answer may belong to either of two transactions: KIP-890, which
//!   librdkafka does not have; the next one has fenced it when the group is asked, so that the answer is final;
//! - partitions that go one by one while the others stay: KIP-429;
//! - a transaction that commits nothing but what is owned *now*, and a group that is believed over memory.
//!
//! ```text
//! assigned -> restoring -> replaying -> live -> draining -> gone
//!                             |  ^       |  ^
//!                             v  |       v  |
//!                             held       held          lost: from everywhere to gone, and nothing is committed
//! ```

mod effect;
mod event;
pub mod fencing;
mod machine;
mod partition;
pub mod recovery;
mod standing;
pub mod start;

use std::time::Duration;

pub use effect::{Effect, End, Notice, Stage, Transaction, Trouble};
pub use event::{Batch, Event, Failure, Obstacle, Opened, RefusedAt};
pub use machine::{Machine, Rules};
pub use recovery::Answer;
pub use standing::{Handover, Standing};

/// A point in time: how long after the worker began.
pub type Moment = Duration;

/// What makes batches stale: those of an epoch that is not the partition's are not processed.
///
/// An assignment has a number that no other of the process has; within it the machine counts how often the partition is
/// read anew. So nothing that was asked or read under an earlier assignment can be taken for something of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch {
    /// Which assignment of the partition.
    pub assignment: u64,
    /// How often its reading has been set elsewhere since.
    pub reading: u64,
}

impl Epoch {
    /// The first of an assignment.
    #[must_use]
    pub fn first(assignment: u64) -> Self {
        Self { assignment, reading: 0 }
    }

    fn next(self) -> Self {
        Self { reading: self.reading + 1, ..self }
    }
}
