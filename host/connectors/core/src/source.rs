//! What brings records: a replayable input, cut into partitions that come and go. Not where a partition starts, nor what
//! becomes of its records: its owner decides that.

use std::error::Error;
use std::time::Duration;

use engine::record::{Offset, RecordBatch};

use crate::unreadable::ReadComplaint;

/// A replayable input, read by one thread. It counts offsets itself: what a partition delivers has ascending offsets, and
/// the same records at the same offsets however often it is read.
///
/// Partitions come and go inside [`Source::poll`], [`Source::renew`] and [`Source::leave`], which tell the
/// [`Assignments`] that the source was made with. A partition that comes is not read before [`Source::begin`], however
/// long that takes: heart-beats, if the system has any, go on while `poll` is called.
pub trait Source {
    /// Waits for what comes next, `wait` at most. `pick` is given partition and offset of the next record, and says which
    /// batch it is appended to, with others of the same partition that are at hand; `None` refuses it.
    ///
    /// # Errors
    /// Failures that waiting does not cure. Lost connections are not.
    fn poll<'a>(
        &mut self,
        wait: Duration,
        pick: impl FnOnce(i32, Offset) -> Option<&'a mut RecordBatch>,
    ) -> Result<Polled, SourceFailure>;

    /// Begins to read a partition that has come. `false`: not now; to be tried again unless the partition goes.
    ///
    /// # Errors
    /// The source refuses.
    fn begin(&mut self, partition: i32, at: Offset) -> Result<bool, SourceFailure>;

    /// Begins a partition anew that has begun, as it seems to be stuck without a word. `false`: not now.
    ///
    /// # Errors
    /// The source refuses.
    fn begin_anew(&mut self, partition: i32, at: Offset) -> Result<bool, SourceFailure>;

    /// Reads a partition that has begun from another offset on. `false`: not now; to be tried again, and what comes
    /// meanwhile is of the old place.
    fn seek(&mut self, partition: i32, at: Offset) -> bool;

    /// Stops reading a partition. It goes on where it stopped.
    fn pause(&mut self, partition: i32);

    /// Undoes [`Source::pause`].
    fn resume(&mut self, partition: i32);

    /// Lets go of all partitions, within `timeout`, and begins with new connections, as a restart would.
    ///
    /// # Errors
    /// It cannot.
    fn renew(&mut self, timeout: Duration) -> Result<(), SourceFailure>;

    /// Lets go of all partitions, within `timeout`: they are revoked, and nothing is read any more.
    fn leave(&mut self, timeout: Duration);
}

/// Told of partitions that come and go, on the thread that polls. Polling waits while these run.
pub trait Assignments: Send + Sync {
    /// Partitions come. Nothing of them is read before [`Source::begin`].
    fn assigned(&self, partitions: &[i32]);

    /// Partitions go. When this returns, nothing more may be committed for them. `lost`: another host may own them
    /// already, so nothing may be committed even now.
    fn revoked(&self, partitions: &[i32], lost: bool);
}

/// What a poll brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// Records, appended to the batch that was picked for their partition.
    Records {
        /// Their partition.
        partition: i32,
        /// The offset after the last of them.
        next: Offset,
    },
    /// All that can be read of a partition for now has been.
    End {
        /// The partition.
        partition: i32,
    },
    /// The source could not take in something that it read.
    Complaint(ReadComplaint),
    /// Nothing within the time given, or something that needs no action.
    Nothing,
    /// The input is over: no partition will ever have more. Said again whenever it is polled again.
    Over,
}

/// Why a source cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceFailure(Box<dyn Error + Send + Sync>);

impl SourceFailure {
    /// A failure of a connector, whose own error names the thing, the cause and the way out.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }

    /// The cause, where it is an error of the connector that is asked for; else the failure as it was.
    ///
    /// # Errors
    /// It comes from another connector.
    pub fn into_cause<E: Error + 'static>(self) -> Result<E, Self> {
        self.0.downcast().map(|cause| *cause).map_err(Self)
    }
}
