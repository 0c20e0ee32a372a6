//! What is asked of a source, and of who owns C, beside the run: from any thread, and never for longer than said. Answers
//! change nothing and are not decided on here.

use std::ops::Range;
use std::time::Duration;

use engine::progress::Ranges;
use engine::record::{Offset, RecordBatch, TopicPartition};

use crate::source::SourceFailure;
use crate::unreadable::Sight;

/// Records of a batch that a scan hands over, at most.
pub const SCAN_RECORDS: usize = 1_024;

/// Questions to the systems at both ends of a run.
pub trait Inquiry: Send + Sync + 'static {
    /// How far each partition is done, as the owner of C says. What may be left out is asked again.
    ///
    /// # Errors
    /// No answer within `wait`, or a refusal.
    fn committed(&self, partitions: &[i32], wait: Duration) -> Result<Vec<(i32, Word)>, NoAnswer>;

    /// Why the word on a partition is pending, and what helps.
    fn why_pending(&self, partition: i32) -> String;

    /// Where partitions begin and end; those that nobody speaks for are left out.
    ///
    /// # Errors
    /// No answer within `wait`, or a refusal.
    fn bounds(&self, partitions: &[i32], wait: Duration) -> Result<Vec<(i32, Bounds)>, NoAnswer>;

    /// Looks whether what stands first in `span` can be read. Offsets before its end may hold records.
    ///
    /// # Errors
    /// No answer, or `is_cancelled`.
    fn inspect(
        &self,
        partition: i32,
        span: Range<Offset>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Sight, SourceFailure>;

    /// The first records of `span`, at most `records_max` of them; fewer where it holds no more.
    ///
    /// # Errors
    /// No answer in time.
    fn peek(&self, partition: i32, span: Range<Offset>, records_max: usize) -> Result<RecordBatch, SourceFailure>;

    /// Hands over all records of `span`, in order and in batches, until `each` wants no more.
    ///
    /// # Errors
    /// No answer in time.
    fn scan(
        &self,
        partition: i32,
        span: Range<Offset>,
        each: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<(), SourceFailure> {
        let mut from = span.start;
        while from < span.end {
            let batch = self.peek(partition, from..span.end, SCAN_RECORDS)?;
            let last = batch.iter().last().map(|last| last.offset());
            let Some(last) = last else { return Ok(()) };
            from = last + 1;
            if !each(batch) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// For which offsets in `span` there are dead letters of records that left undecided; `None` where no lane keeps
    /// them.
    ///
    /// # Errors
    /// They cannot be read, or `is_cancelled`.
    fn letters(
        &self,
        source: &TopicPartition,
        span: Range<Offset>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<LettersFound>, SourceFailure>;
}

/// How far a partition is done, and what was noted with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to read: C.
    pub offset: Offset,
    /// The text that was committed along with it, which anybody may have written; empty where there is none.
    pub metadata: String,
}

/// The word of the owner of C on one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// No open transaction can move it; `None`: nothing was ever committed.
    Stable(Option<Committed>),
    /// A transaction that commits the partition is open.
    Pending,
}

/// Where a partition begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// First offset that the input still has.
    pub log_start: Offset,
    /// Offset after the last record, whatever transactions are open; [`Offset::MAX`] where nobody knows.
    pub log_end: Offset,
    /// Offset up to which records can be read now: an open transaction holds it back.
    pub stable_end: Offset,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct NoAnswer {
    /// The client's words.
    pub cause: String,
    /// Whether asking again cannot help, as where permissions are missing.
    pub hopeless: bool,
}

/// Dead letters that were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LettersFound {
    /// Offsets of which there is a letter.
    pub offsets: Ranges,
    /// Whether the lane still has its first records: nothing was deleted from it.
    pub is_whole: bool,
}
