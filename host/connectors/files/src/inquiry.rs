//! Questions to a run over files. One partition, whose end nobody knows before it is read.

use std::ops::Range;
use std::time::Duration;

use connectors::{Bounds, Inquiry, LettersFound, NoAnswer, Sight, SourceFailure, Word};
use engine::record::{Offset, RecordBatch, TopicPartition};

use crate::progress::ProgressFile;

/// The only partition of a file.
pub(crate) const PARTITION: i32 = 0;

/// See the module.
#[derive(Clone)]
pub struct FileInquiry(ProgressFile);

impl FileInquiry {
    /// Of the run that keeps its progress there.
    #[must_use]
    pub fn new(progress: ProgressFile) -> Self {
        Self(progress)
    }
}

impl Inquiry for FileInquiry {
    fn committed(&self, _partitions: &[i32], _wait: Duration) -> Result<Vec<(i32, Word)>, NoAnswer> {
        Ok(vec![(PARTITION, self.0.word())])
    }

    fn why_pending(&self, partition: i32) -> String {
        format!("partition {partition} of a run over files is never pending")
    }

    fn bounds(&self, _partitions: &[i32], _wait: Duration) -> Result<Vec<(i32, Bounds)>, NoAnswer> {
        let log_start = self.0.get().base;
        Ok(vec![(PARTITION, Bounds { log_start, log_end: Offset::MAX, stable_end: Offset::MAX })])
    }

    fn inspect(
        &self,
        _partition: i32,
        _span: Range<Offset>,
        _is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Sight, SourceFailure> {
        Ok(Sight::Readable)
    }

    fn peek(&self, _partition: i32, _span: Range<Offset>, _records_max: usize) -> Result<RecordBatch, SourceFailure> {
        Ok(RecordBatch::new())
    }

    /// The progress has room for all that a replay has to know.
    fn letters(
        &self,
        _source: &TopicPartition,
        _span: Range<Offset>,
        _is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<LettersFound>, SourceFailure> {
        Ok(None)
    }
}
