//! How far a run over files has come, and the file in which that is kept beside the state. Its writer is given: whose
//! file it is, and who may read it, is decided elsewhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connectors::{ByLane, Committed, Lane, Word};
use engine::record::Offset;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::book::Book;
use crate::error::FileError;
use crate::limits::FilePosition;
use crate::paths::shown;

/// What the file is, and in which form.
const FORMAT: u32 = 1;

/// Places of earlier commits that are kept. The state is written every half a minute at least, and commits are a second
/// apart: the place where it stands is among them, or lines are counted from the start.
const MARKS_MAX: usize = 64;

/// How far a run over files has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FileProgress {
    pub(crate) format: u32,
    /// The input, by name.
    pub input: String,
    /// The offset of its first record: those below are of inputs before.
    pub base: Offset,
    /// How far it is done.
    pub position: FilePosition,
    /// Where it stood at earlier commits, ascending.
    pub(crate) marks: Vec<FilePosition>,
    /// The text that was committed along with it.
    pub metadata: String,
    /// The file of each lane, and how long it was at the commit.
    pub outputs: ByLane<Option<(String, u64)>>,
    /// What the owner of the run adds up: opaque here.
    pub totals: Value,
    /// Whether the input is over, and all of it is in the state.
    pub finished: bool,
}

impl FileProgress {
    /// A run at the start of an input, behind others that ended at `base`.
    #[must_use]
    pub fn starting(input: String, base: Offset) -> Self {
        Self { format: FORMAT, input, base, ..Self::default() }
    }

    /// A run at the start of an input, behind this one: what was committed along with it stays.
    #[must_use]
    pub fn followed_by(&self, input: String) -> Self {
        Self { metadata: self.metadata.clone(), ..Self::starting(input, self.next_offset()) }
    }

    /// The next offset: C.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.offset_of(self.position)
    }

    /// The offset of the record at a position.
    pub(crate) fn offset_of(&self, position: FilePosition) -> Offset {
        self.base.saturating_add_unsigned(position.records)
    }

    /// How many records of the input come before an offset; `None`: it is not in this input.
    pub(crate) fn records_before(&self, offset: Offset) -> Option<u64> {
        u64::try_from(offset.checked_sub(self.base)?).ok()
    }

    /// The latest place that is known and has at most so many records before it.
    pub(crate) fn nearest(&self, records: u64) -> FilePosition {
        let places = self.marks.iter().rev().copied();
        let mut places = std::iter::once(self.position).chain(places);
        places.find(|place| place.records <= records).unwrap_or_default()
    }

    /// How long the outputs were at the commit.
    pub(crate) fn lengths(&self) -> ByLane<Option<u64>> {
        self.outputs.map(|output| output.as_ref().map(|(_, bytes)| *bytes))
    }

    /// Whether its places follow each other, and have offsets.
    fn is_possible(&self) -> bool {
        let places: Vec<FilePosition> = self.marks.iter().copied().chain([self.position]).collect();
        let follows = |pair: &[FilePosition]| match pair {
            [one, next] => one.records < next.records && one.bytes < next.bytes,
            _ => true,
        };
        let has_offset = self.base >= 0 && self.base.checked_add_unsigned(self.position.records).is_some();
        has_offset && self.marks.len() <= MARKS_MAX && places.windows(2).all(follows)
    }

    fn advance(&mut self, position: FilePosition, metadata: &str, lengths: ByLane<Option<u64>>) {
        if position.records > self.position.records {
            self.marks.push(self.position);
            let excess = self.marks.len().saturating_sub(MARKS_MAX);
            self.marks.drain(..excess);
        }
        self.position = position;
        metadata.clone_into(&mut self.metadata);
        for lane in Lane::ALL {
            if let (Some((_, bytes)), Some(length)) = (&mut self.outputs[lane], lengths[lane]) {
                *bytes = length;
            }
        }
    }
}

/// Replaces a file, whole or not at all, so that it lasts.
type Replace = Box<dyn Fn(&[u8]) -> io::Result<()> + Send + Sync>;

/// How far the run has come, in memory and on the disk: C. Clones are the same.
#[derive(Clone)]
pub struct ProgressFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    replace: Replace,
    progress: Mutex<FileProgress>,
}

impl ProgressFile {
    /// What such a file says.
    ///
    /// # Errors
    /// It is damaged, or of a version that is not known.
    pub fn read(path: &Path, bytes: &[u8]) -> Result<FileProgress, FileError> {
        let refused = |cause| FileError::NotProgress { path: shown(path), cause };
        let progress: FileProgress = serde_json::from_slice(bytes).map_err(|error| refused(error.to_string()))?;
        if progress.format != FORMAT {
            return Err(refused(format!("its format is {}, and this host reads format {FORMAT}", progress.format)));
        }
        if !progress.is_possible() {
            return Err(refused("no run can have written its places".to_owned()));
        }
        Ok(progress)
    }

    /// Begins with a progress, which is written by `replace` at once: from here on a later run knows which outputs were
    /// begun.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(
        path: PathBuf,
        progress: FileProgress,
        replace: impl Fn(&[u8]) -> io::Result<()> + Send + Sync + 'static,
    ) -> Result<Self, FileError> {
        let file = Self(Arc::new(Inner { path, replace: Box::new(replace), progress: Mutex::default() }));
        file.put(progress)?;
        Ok(file)
    }

    /// How far it is.
    #[must_use]
    pub fn get(&self) -> FileProgress {
        self.lock().clone()
    }

    /// C, as a word of its owner.
    pub(crate) fn word(&self) -> Word {
        let progress = self.lock();
        Word::Stable(Some(Committed { offset: progress.next_offset(), metadata: progress.metadata.clone() }))
    }

    /// Where it is.
    pub(crate) fn shown(&self) -> String {
        shown(&self.0.path)
    }

    /// What is added up is this from the next commit on.
    pub fn set_totals(&self, totals: Value) {
        self.lock().totals = totals;
    }

    /// The input is over, and all of it is in the state.
    ///
    /// # Errors
    /// That cannot be written.
    pub fn finish(&self, book: &Book) -> Result<FileProgress, FileError> {
        let mut progress = self.get();
        // Blank lines at the end were read after the last record.
        progress.position = book.at(progress.position.records).unwrap_or(progress.position);
        progress.finished = true;
        self.put(progress.clone())?;
        Ok(progress)
    }

    /// Commits an offset, where its position is known, with the lengths of the outputs.
    pub(crate) fn commit(
        &self,
        book: &Book,
        committed: &Committed,
        lengths: ByLane<Option<u64>>,
    ) -> Result<(), FileError> {
        let mut progress = self.get();
        let records = progress.records_before(committed.offset);
        let is_here = |place: &FilePosition| records == Some(place.records);
        let position = records.and_then(|records| book.at(records)).or(Some(progress.position).filter(is_here));
        let Some(position) = position else {
            let cause = format!("offset {} is to be committed, where no poll ended: this is a bug", committed.offset);
            return Err(FileError::NotProgress { path: self.shown(), cause });
        };
        progress.advance(position, &committed.metadata, lengths);
        self.put(progress)?;
        book.forget_below(position.records);
        Ok(())
    }

    fn put(&self, progress: FileProgress) -> Result<(), FileError> {
        let path = self.shown();
        let kept = |source| FileError::NotKept { path: path.clone(), source };
        let bytes = serde_json::to_vec(&progress).map_err(|error| kept(io::Error::other(error)))?;
        (self.0.replace)(&bytes).map_err(kept)?;
        *self.lock() = progress;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, FileProgress> {
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
