//! Where the input stood at the end of each poll. The source notes it, and the sink looks up what it commits: positions
//! are a matter of files, and not of who commits. Not kept beyond the process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::FilePosition;

/// Positions by the number of records before them, from the last commit on. Clones are the same book.
#[derive(Debug, Clone, Default)]
pub struct Book(Arc<Mutex<VecDeque<FilePosition>>>);

impl Book {
    fn lock(&self) -> MutexGuard<'_, VecDeque<FilePosition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The input stands here. What was noted of places at or behind it is of an earlier reading, or has fewer blank lines.
    pub(crate) fn note(&self, position: FilePosition) {
        let mut noted = self.lock();
        while noted.back().is_some_and(|last| last.records >= position.records) {
            noted.pop_back();
        }
        noted.push_back(position);
    }

    /// The place with so many records before it, where a poll ended there.
    pub(crate) fn at(&self, records: u64) -> Option<FilePosition> {
        let noted = self.lock();
        let found = noted.binary_search_by_key(&records, |position| position.records);
        found.ok().and_then(|index| noted.get(index)).copied()
    }

    /// Nobody asks for places before this any more.
    pub(crate) fn forget_below(&self, records: u64) {
        let mut noted = self.lock();
        while noted.front().is_some_and(|first| first.records < records) {
            noted.pop_front();
        }
    }
}
