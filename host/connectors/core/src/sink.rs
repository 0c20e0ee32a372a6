//! What takes the records that leave the line. What became of them is told by the sink's owner, which commits.

use engine::record::Outline;

use crate::failure::SinkFailure;
use crate::lane::Lane;
use crate::outgoing::Outgoing;
use crate::refusal::Unsendable;

/// Takes records that leave the line. Nothing is promised of a record until the sink's owner has committed.
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
