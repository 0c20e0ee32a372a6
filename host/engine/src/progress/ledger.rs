//! A partition's progress while it runs: what is committed, and what is decided on top and may be taken back. It bounds
//! nothing by itself: it says when a commit or a persisted state is due so that the record keeps its room.

use crate::growth::Layout;
use crate::record::Offset;

use super::{Progress, ProgressError, Ranges};

/// Characters that a run of exceptions takes in the record, about: three bytes, and a third for base64.
const RUN_CHARS: usize = 4;

/// See the module.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// As of the last commit.
    settled: Progress,
    /// Exceptions since then.
    staged: Ranges,
    /// What the next commit would make of them.
    offered: Option<Progress>,
    /// A state on disk contains what is below.
    durable: Offset,
}

impl Ledger {
    /// Goes on from a record; a state on disk contains what is below `durable`.
    #[must_use]
    pub fn new(settled: Progress, durable: Offset) -> Self {
        Self { settled, staged: Ranges::default(), offered: None, durable }
    }

    /// As of the last commit.
    #[must_use]
    pub fn settled(&self) -> &Progress {
        &self.settled
    }

    /// From now on commits say how many partitions the input has.
    pub fn set_layout(&mut self, layout: Option<Layout>) {
        self.settled.layout = layout;
    }

    /// Decides from `offset` on: whatever was noted of it and what follows is of another life.
    pub fn decide_from(&mut self, offset: Offset) {
        if self.settled.exceptions.last().is_some_and(|last| last >= offset) || self.settled.complete_from > offset {
            self.settled.forget_from(offset);
        }
    }

    /// An event went out undecided. Offsets ascend.
    pub fn note(&mut self, offset: Offset) {
        self.staged.insert(offset);
    }

    /// The offsets of `from..to` were passed over unread.
    pub fn note_range(&mut self, from: Offset, to: Offset) {
        self.staged.insert_range(from, to);
    }

    /// The record for a commit up to `next`, in at most `chars_max` characters: what does not fit is dropped, the oldest
    /// first. `log_start` is where the log began when it was last asked.
    ///
    /// # Errors
    /// `chars_max` is too small for any record.
    pub fn offer(&mut self, next: Offset, log_start: Offset, chars_max: usize) -> Result<String, ProgressError> {
        let mut offered = self.settled.clone();
        offered.exceptions.append(&self.staged);
        offered.prune_below(log_start);
        loop {
            let text = offered.text(next);
            if text.len() <= chars_max {
                self.offered = Some(offered);
                return Ok(text);
            }
            if !offered.shrink() {
                return Err(ProgressError::NoRoom { chars: text.len(), chars_max });
            }
        }
    }

    /// What was offered is committed.
    pub fn settle(&mut self) {
        match self.offered.take() {
            Some(offered) => self.settled = offered,
            // Nothing was offered where nothing but replayed records came.
            None => self.settled.exceptions.append(&self.staged),
        }
        self.staged = Ranges::default();
    }

    /// What was noted since the last commit is taken back.
    pub fn rollback(&mut self) {
        self.staged = Ranges::default();
        self.offered = None;
    }

    /// A state on disk contains what is below `offset`.
    pub fn persisted(&mut self, offset: Offset) {
        self.durable = self.durable.max(offset);
    }

    /// Whether a commit is due: what comes of another batch might not have room any more.
    #[must_use]
    pub fn is_commit_due(&self, chars_max: usize) -> bool {
        self.staged.runs() > 0 && self.loose_chars() > chars_max / 3
    }

    /// Whether the state should be written to disk, so that older exceptions may be dropped.
    #[must_use]
    pub fn is_persist_due(&self, chars_max: usize) -> bool {
        self.loose_chars() > chars_max / 4
    }

    /// Characters, about, of the exceptions that no state on disk covers.
    fn loose_chars(&self) -> usize {
        (self.settled.exceptions.runs_from(self.durable) + self.staged.runs()) * RUN_CHARS
    }
}
