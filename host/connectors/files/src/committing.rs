//! The outputs of a run over files, and how far its input is done, committed in this order: lines that are not covered by
//! the second are cut off when the run is resumed. Not how a line is written: see `lanes`.

use std::time::Duration;

use connectors::{Committed, CommittingSink, Lane, Outgoing, Remedy, Sink, SinkFailure, Word};

use crate::book::Book;
use crate::error::FileError;
use crate::inquiry::PARTITION;
use crate::lanes::FileLanes;
use crate::progress::ProgressFile;

/// See the module.
pub struct CommittingLanes {
    lanes: FileLanes,
    progress: ProgressFile,
    book: Book,
    /// A commit failed: nobody knows what is on the disk.
    has_failed: bool,
}

impl CommittingLanes {
    /// Lanes that stand where the progress says.
    #[must_use]
    pub fn new(lanes: FileLanes, progress: ProgressFile, book: Book) -> Self {
        Self { lanes, progress, book, has_failed: false }
    }

    fn refuse_after_failure(&self) -> Result<(), FileError> {
        if self.has_failed {
            return Err(FileError::Failed { path: self.progress.shown() });
        }
        Ok(())
    }
}

impl Sink for CommittingLanes {
    fn has(&self, lane: Lane) -> bool {
        self.lanes.has(lane)
    }

    fn send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkFailure> {
        self.lanes.send(lane, record)
    }
}

impl CommittingSink for CommittingLanes {
    /// All of it is done by a commit: lines that have arrived without one are cut off.
    fn flush(&mut self) -> Result<(), SinkFailure> {
        Ok(())
    }

    fn commit(&mut self, frontier: &[(i32, Committed)]) -> Result<(), SinkFailure> {
        self.refuse_after_failure()?;
        let Some((_, committed)) = frontier.iter().find(|(partition, _)| *partition == PARTITION) else {
            return Ok(());
        };
        let lengths = self.lanes.commit()?;
        let kept = self.progress.commit(&self.book, committed, lengths);
        self.has_failed = kept.is_err();
        Ok(kept?)
    }

    fn reconnect(&mut self, _one_by_one: bool) -> Result<(), SinkFailure> {
        self.refuse_after_failure()?;
        Ok(self.lanes.cut_back(self.progress.get().lengths())?)
    }

    fn committed(&mut self, _partitions: &[i32], _wait: Duration) -> Result<Vec<(i32, Word)>, SinkFailure> {
        Ok(vec![(PARTITION, self.progress.word())])
    }

    fn pending(&self, partition: i32) -> SinkFailure {
        SinkFailure::new(
            Remedy::None,
            format!("partition {partition} of a run over files is never pending: this is a bug"),
        )
    }
}
