//! What takes the records that leave the line, and what knows how far the input is done: C.

use std::time::Duration;

use engine::record::{Offset, Outline};

use crate::failure::SinkFailure;
use crate::inquiry::{Committed, Word};
use crate::lane::Lane;
use crate::outgoing::{Origin, Outgoing};
use crate::refusal::Unsendable;
use crate::refused::RefusedRecord;

/// Takes records that leave the line. Nothing is promised of a record before a commit: see [`CommittingSink`].
pub trait Sink {
    /// Whether somebody listens on this lane. Without, records of the lane need not be sent.
    fn has(&self, lane: Lane) -> bool;

    /// Whether every lane takes records like these, and no further question is needed. `false` may be out of caution.
    fn takes_all(&self, _records: &Outline) -> bool {
        true
    }

    /// Why this one record cannot leave by this lane, where that is known; `None`: it can, as far as is known, or nobody
    /// listens on the lane.
    fn refusal(&self, _lane: Lane, _record: &Outgoing<'_>) -> Option<Unsendable> {
        None
    }

    /// Hands over one record; the order within a lane is kept.
    ///
    /// # Errors
    /// The record cannot be written; then nothing since the last commit may be committed.
    fn send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkFailure>;
}

/// A sink that owns C: how far each partition is done is committed with the records, as one, and asked of it after a
/// failure. Used by one thread. After a failure of any call but [`CommittingSink::committed`], nothing is committed before
/// [`CommittingSink::reconnect`].
pub trait CommittingSink: Sink {
    /// Waits until all that was sent has arrived. It is not committed yet.
    ///
    /// # Errors
    /// Something was not taken.
    fn flush(&mut self) -> Result<(), SinkFailure>;

    /// Takes down who this host is to those who deal out partitions; the next commit is made as that, and refused if
    /// another owns a partition by then. To be called *before* looking whether all partitions are still owned. `false`:
    /// it is nobody to them now.
    fn take_membership(&mut self) -> bool {
        true
    }

    /// Commits what was sent since the last commit, and how far the partitions are done, as one.
    ///
    /// # Errors
    /// It was not committed; or nobody knows, and [`CommittingSink::reconnect`] followed by [`CommittingSink::committed`]
    /// tells.
    fn commit(&mut self, frontier: &[(i32, Committed)]) -> Result<(), SinkFailure>;

    /// Begins again with a new connection. What was sent since the last commit is forgotten, and a predecessor with this
    /// sink's name can commit nothing more. `one_by_one`: records are sent so that one that is refused takes no others
    /// along.
    ///
    /// # Errors
    /// Not now; to be tried again.
    fn reconnect(&mut self, one_by_one: bool) -> Result<(), SinkFailure>;

    /// How far each partition is done.
    ///
    /// # Errors
    /// No answer within `wait`; to be asked again.
    fn committed(&mut self, partitions: &[i32], wait: Duration) -> Result<Vec<(i32, Word)>, SinkFailure>;

    /// Why the word on a partition is pending, as a failure to be told of.
    fn pending(&self, partition: i32) -> SinkFailure;

    /// A record that was refused is not taken again: [`Sink::refusal`] says so from now on.
    fn set_aside(&mut self, _origin: Origin, _record: &RefusedRecord) {}

    /// What was set aside of a partition's records below an offset is committed, and may be forgotten.
    fn settle(&mut self, _partition: i32, _below: Offset) {}

    /// Something was refused that should not have been: what the lanes take is to be asked anew.
    fn ask_limits(&mut self) {}
}
