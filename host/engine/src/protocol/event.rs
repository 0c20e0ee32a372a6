//! What the machine is told. Not what follows from it.

use std::collections::BTreeMap;

use crate::record::Offset;

use super::recovery::Answer;
use super::start::Start;
use super::{Epoch, Standing};

/// A partition comes, its state open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Partition number.
    pub partition: i32,
    /// The number of the assignment.
    pub assignment: u64,
    /// Where to read from.
    pub start: Start,
    /// The group's offset.
    pub group: Option<Offset>,
    /// Whether a commit is due although nothing has moved: other partitions wait to hear what the record beside the offset
    /// says, such as what keys are hashed with.
    pub owes_record: bool,
}

/// Records of a partition, in the order of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Partition number.
    pub partition: i32,
    /// The epoch that they were read under.
    pub epoch: Epoch,
    /// Where the batch before this one ended: the position, or a batch was lost on the way.
    pub from: Offset,
    /// The offset after the last record.
    pub next: Offset,
    /// How many records.
    pub records: usize,
}

/// Something that cannot be read comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obstacle {
    /// Partition number.
    pub partition: i32,
    /// The epoch that it was met under.
    pub epoch: Epoch,
    /// Everything before this was delivered.
    pub position: Offset,
    /// The offset after it.
    pub next: Offset,
}

/// A record that the broker refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedAt {
    /// Partition of the record that it comes of.
    pub partition: i32,
    /// Its offset.
    pub offset: Offset,
    /// Whether it is refused for itself, and not for others in its batch.
    pub is_alone: bool,
}

/// Why a producer failed, as far as it matters what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Another producer has taken the id: a successor, or another host with the same id.
    Fenced,
    /// The broker does not take a text of so many characters beside an offset.
    TextTooLong {
        /// Characters.
        chars: usize,
    },
    /// Some records are refused for what they are.
    Records(Vec<RefusedAt>),
    /// The broker will not take any record, however often it is sent.
    Hopeless,
    /// Anything else.
    Other,
}

/// What has happened. Some events are answers: see the effect that asks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A partition comes.
    Opened(Opened),
    /// Records come.
    Batch(Batch),
    /// All of a partition that can be read was delivered.
    Reached {
        /// Partition number.
        partition: i32,
        /// The epoch that it was read under.
        epoch: Epoch,
    },
    /// Something comes that cannot be read.
    Obstacle(Obstacle),
    /// Nothing has come for a while.
    Idle,
    /// The input is over: nothing may come any more, and what is decided is committed, however little it is.
    Over,
    /// One of the above is dealt with; it is time for what is due.
    Turn {
        /// The plugins in force, as a number that grows.
        plugins: u64,
    },
    /// Where the partitions stand: of those whose standing has changed. Also the answer to `Look`.
    Looked(Vec<(i32, Standing)>),
    /// To `Process`, `Skip`: it is decided and sent.
    Decided {
        /// Whether what another batch adds to the progress record might not have room any more.
        is_crowded: bool,
    },
    /// To `Process`: the plugin is to blame, or something is not there yet. Nothing of the batch is sent or staged.
    Stuck {
        /// Whether it is expected to be tried with success soon.
        soon: bool,
    },
    /// To `Skip`: the operator wants to stop here.
    NotSkipped,
    /// To `Flush`.
    Flushed,
    /// To `TakeMembership`: whether there is one.
    Membership(bool),
    /// To `Commit`.
    Committed,
    /// To `Process`, `Skip`, `Flush`, `Commit`: the producer has failed.
    Failed(Failure),
    /// To `Connect`.
    Connected,
    /// To `Ask`.
    Answered(BTreeMap<i32, Answer>),
    /// To `Connect`, `Ask`: not now.
    NotYet {
        /// Whether the run is to end, so that nothing is waited for.
        is_stopping: bool,
    },
    /// To `Pause`.
    Waited,
}
