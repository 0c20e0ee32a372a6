//! What a run says of itself. Whoever listens implements these; each does nothing by default.

use std::time::{Duration, Instant};

use connectors::{Bounds, ByLane, Unreadable};
use engine::findings::Findings;
use engine::protocol::start::Gap;
use engine::protocol::{Stage, Transaction};
use engine::record::{Offset, RecordBatch, TopicPartition};
use line::{LineError, PluginCost, Plugins, StageTimes, Tally};

use crate::setup::OnUnreadable;

/// What a run says of itself as a whole, from several threads. `S` is the state of a partition.
pub trait Report<S>: Send + Sync + 'static {
    /// What a partition's worker says.
    type Partition: PartitionReport<S>;
    /// What the polling thread says of a partition.
    type Feed: FeedReport;

    /// A worker has a partition: its line has these plugins, and somebody listens on these lanes. Dropped when the worker
    /// lets go of it.
    fn partition(&self, source: &TopicPartition, plugins: (u64, &Plugins), listened: ByLane<bool>) -> Self::Partition;

    /// A partition is read. Dropped when it is not any more.
    fn feed(&self, source: &TopicPartition) -> Self::Feed;

    /// The polling thread is alive.
    fn beat(&self) {}

    /// So many partitions come or go.
    fn rebalanced(&self, _change: Change, _partitions: usize) {}

    /// The partitions that come are known: to own nothing is to be ready.
    fn assigned(&self) {}

    /// Which partitions of the input wait to be read; called a few times a second while something does, and when nothing does any more.
    fn waiting(&self, _topic: &str, _waiting: &[WaitingFor]) {}

    /// A partition starts although the log does not have all that it needs any more.
    fn gap(&self, _gap: Gap) {}

    /// What became of a worker's transaction.
    fn ended(&self, _transaction: Transaction) {}

    /// Another has taken a worker's place.
    fn fenced(&self) {}

    /// The texts beside offsets were too long by so many characters, and have so many at most from now on.
    fn shortened(&self, _chars: usize, _from_now_on: usize) {}

    /// The source begins with new connections, as one that it had has stopped reading.
    fn renewed(&self) {}

    /// The run is about to end.
    fn stopping(&self) {}
}

/// What a worker says of a partition, on its thread.
pub trait PartitionReport<S> {
    /// The plugins of the line from now on.
    fn decided_with(&mut self, _generation: u64, _plugins: &Plugins) {}

    /// The line goes on with the plugins that it has, because it cannot take up others.
    fn kept_plugins(&mut self, _generation: u64, _why: &LineError) {}

    /// Where the partition is in its life, and why, in words.
    fn stage(&mut self, _stage: Stage, _why: &str) {}

    /// It waits for a plugin that works.
    fn held(&mut self, _why: &str) {}

    /// It waits for something that is on its way: for what, as far as is known now.
    fn awaits(&mut self, _what: &str) {}

    /// It does not wait any more.
    fn released(&mut self) {}

    /// C is lower than it was.
    fn went_back(&mut self, _from: Offset, _to: Offset) {}

    /// A batch was decided and sent.
    fn batch(&mut self, _batch: &RecordBatch) {}

    /// What the line's work has cost since the last call.
    fn costs(&mut self, _times: &StageTimes, _costs: &[PluginCost; 2]) {}

    /// What something else has cost.
    fn took(&mut self, _what: Took, _time: Duration) {}

    /// What was processed since the last commit is read again.
    fn rolled_back(&mut self) {}

    /// The next call of the sink is the commit of this much.
    fn committing(&mut self, _tally: &Tally) {}

    /// It is committed, and `next` is C.
    fn committed(&mut self, _tally: &Tally, _findings: Findings, _next: Offset) {}

    /// The state on disk contains what is before this.
    fn persisted(&mut self, _applied: Offset) {}

    /// Now and then: how large the state is.
    fn sizes(&mut self, _state: &mut S) {}
}

impl<S> PartitionReport<S> for () {}

/// What the polling thread says of a partition.
pub trait FeedReport {
    /// It is not read for now: its queue is full, or it is held.
    fn paused(&mut self) {}

    /// How many offsets are still to be read, and where the log begins and ends.
    fn lag(&mut self, _lag: Offset, _bounds: &Bounds) {}

    /// What comes next cannot be read, and what becomes of that. `is_new`: it was not said before.
    fn unreadable(&mut self, _what: &Unreadable, _then: OnUnreadable, _is_new: bool) {}

    /// It is read again.
    fn readable(&mut self) {}
}

impl FeedReport for () {}

/// How partitions change hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// They come.
    Assigned,
    /// They go, and are waited for.
    Revoked,
    /// They may be another's already.
    Lost,
}

/// What takes time beside the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Took {
    /// All that was sent arrives, and is committed.
    Commit,
    /// What is committed becomes part of the state.
    Apply,
    /// The state is written.
    Persist,
}

/// A partition that waits, and for what.
#[derive(Debug, Clone)]
pub struct WaitingFor {
    /// Partition number.
    pub partition: i32,
    /// Since when it is assigned.
    pub since: Instant,
    /// In one word.
    pub reason: OpeningReason,
    /// In words.
    pub words: String,
}

/// What a partition waits for before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpeningReason {
    /// How far it is done is asked.
    Offsets,
    /// A transaction may still move that.
    Pending,
    /// Nobody answers.
    NoAnswer,
    /// Its state is being opened.
    State,
    /// Its state is being restored from a checkpoint.
    Checkpoint,
    /// Its state is open elsewhere.
    StateInUse,
    /// Its worker is busy.
    Worker,
}

impl OpeningReason {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Offsets, Self::Pending, Self::NoAnswer, Self::State, Self::Checkpoint, Self::StateInUse, Self::Worker];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offsets => "group_offset",
            Self::Pending => "pending_transaction",
            Self::NoAnswer => "no_answer",
            Self::State => "state",
            Self::Checkpoint => "checkpoint",
            Self::StateInUse => "state_in_use",
            Self::Worker => "worker",
        }
    }
}
