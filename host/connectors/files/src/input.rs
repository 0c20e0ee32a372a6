//! A file, a pipe or standard input as a source with one partition, whose offsets count its records. Where it stands at
//! the end of each poll is noted in the book of the run. Not the reading: see `reader` and `source`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use connectors::{Assignments, Polled, Source, SourceFailure};
use engine::record::{NewRecord, Offset, RecordBatch};

use crate::book::Book;
use crate::error::FileError;
use crate::inquiry::PARTITION;
use crate::limits::SourceLimits;
use crate::paths::{is_standard_stream, shown};
use crate::progress::FileProgress;
use crate::reader::{Place, Read, ReadSoFar, Reader, Step};

/// Between two looks, while nothing is to be read.
const IDLE_WAIT_MAX: Duration = Duration::from_millis(2);

/// What an input is read with.
pub struct InputSetup {
    /// The input; `-` is standard input.
    pub path: PathBuf,
    /// What is taken of it.
    pub limits: SourceLimits,
    /// How far an earlier run came with it, and where its offsets begin.
    pub progress: FileProgress,
    /// Where positions are noted.
    pub book: Book,
}

/// See the module.
pub struct FileInput {
    setup: InputSetup,
    so_far: Arc<ReadSoFar>,
    reader: Reader,
    is_open: bool,
    /// The next offset that is delivered.
    next: Offset,
    /// Read, and not taken yet.
    held: Option<Read>,
    stage: Stage,
    is_paused: bool,
    /// All of it was delivered.
    is_over: bool,
    /// What could not be said where it was found.
    failure: Option<FileError>,
    assignments: Option<Arc<dyn Assignments>>,
}

/// How far the partition is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is nobody's.
    Free,
    /// Its owner has not begun to read it.
    Assigned,
    Reading,
}

impl FileInput {
    /// Opens the input, on a thread of its own, to be read from an offset on.
    ///
    /// # Errors
    /// The offset is below the input's first.
    pub fn open(setup: InputSetup, at: Offset) -> Result<Self, FileError> {
        let so_far = Arc::<ReadSoFar>::default();
        let reader = start(&setup, at, &so_far)?;
        Ok(Self {
            setup,
            so_far,
            reader,
            is_open: false,
            next: at,
            held: None,
            stage: Stage::Free,
            is_paused: false,
            is_over: false,
            failure: None,
            assignments: None,
        })
    }

    /// Whether it is open by now; waits this long for it. A pipe may take its time to say what it is.
    ///
    /// # Errors
    /// It cannot be opened, or not be read up to where it is to be read from.
    pub fn wait_open(&mut self, wait: Duration) -> Result<bool, FileError> {
        if self.is_open {
            return Ok(true);
        }
        match self.step(wait)? {
            Some(Step::Opened(position)) => {
                self.is_open = true;
                self.setup.book.note(position);
            }
            // Not before it is open.
            Some(Step::Records(_) | Step::End(_) | Step::Failed(_)) | None => {}
        }
        Ok(self.is_open)
    }

    /// Who is told of the partition; before the first poll.
    #[must_use]
    pub fn assigned_to(self, assignments: Arc<dyn Assignments>) -> Self {
        Self { assignments: Some(assignments), ..self }
    }

    /// How much of the file is read.
    #[must_use]
    pub fn so_far(&self) -> Arc<ReadSoFar> {
        Arc::clone(&self.so_far)
    }

    /// What the thread says next, and its failure as one.
    fn step(&self, wait: Duration) -> Result<Option<Step>, FileError> {
        match self.reader.next(wait) {
            Ok(Step::Failed(error)) => Err(error),
            Ok(step) => Ok(Some(step)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err(FileError::io("read", &self.setup.path, std::io::Error::other("the input thread died")))
            }
        }
    }

    /// Reads from another offset on, where it is another. A regular file only: what a stream has given it does not give
    /// again.
    fn go_to(&mut self, at: Offset) -> Result<(), FileError> {
        if at == self.next {
            return Ok(());
        }
        let path = &self.setup.path;
        if is_standard_stream(path) || !path.metadata().is_ok_and(|found| found.is_file()) {
            return Err(FileError::NotRereadable { path: shown(path) });
        }
        self.reader = start(&self.setup, at, &self.so_far)?;
        (self.is_open, self.is_over, self.next, self.held) = (false, false, at, None);
        Ok(())
    }

    /// Appends what was read to the batch that is picked. To an empty one nothing is copied: it takes the other's place.
    fn deliver<'a>(&mut self, mut read: Read, pick: impl FnOnce(i32, Offset) -> Option<&'a mut RecordBatch>) -> Polled {
        let Some(batch) = pick(PARTITION, read.from) else {
            self.held = Some(read);
            return Polled::Nothing;
        };
        self.next = read.from.saturating_add_unsigned(read.records.len() as u64);
        self.setup.book.note(read.position);
        if batch.is_empty() {
            std::mem::swap(batch, &mut read.records);
        } else {
            append(batch, &read.records);
        }
        self.reader.give_back(read.records);
        Polled::Records { partition: PARTITION, next: self.next }
    }
}

/// Begins to read at an offset, from the nearest place before it that is known.
fn start(setup: &InputSetup, at: Offset, so_far: &Arc<ReadSoFar>) -> Result<Reader, FileError> {
    let InputSetup { path, limits, progress, .. } = setup;
    let Some(records) = progress.records_before(at) else {
        let cause = format!("offset {at} is wanted, and the input begins at {}: this is a bug", progress.base);
        return Err(FileError::NotProgress { path: shown(path), cause });
    };
    let known = progress.nearest(records);
    let place = Place { known, records, base: progress.base, committed: progress.position };
    Ok(Reader::start(path.clone(), place, *limits, Arc::clone(so_far)))
}

/// Records of files have neither key nor time nor headers.
fn append(batch: &mut RecordBatch, records: &RecordBatch) {
    for record in records.iter() {
        match record.unread() {
            Some(why) => batch.push_unread(record.offset(), why),
            None => batch.push(NewRecord {
                offset: record.offset(),
                timestamp: record.timestamp(),
                key: record.key(),
                payload: record.payload(),
            }),
        }
    }
}

impl Source for FileInput {
    fn poll<'a>(
        &mut self,
        wait: Duration,
        pick: impl FnOnce(i32, Offset) -> Option<&'a mut RecordBatch>,
    ) -> Result<Polled, SourceFailure> {
        if let Some(failure) = self.failure.take() {
            return Err(SourceFailure::new(failure));
        }
        match self.stage {
            Stage::Free => {
                self.stage = Stage::Assigned;
                if let Some(assignments) = &self.assignments {
                    assignments.assigned(&[PARTITION]);
                }
                return Ok(Polled::Nothing);
            }
            Stage::Reading if self.is_over => return Ok(Polled::Over),
            Stage::Reading if !self.is_paused => {}
            Stage::Assigned | Stage::Reading => {
                std::thread::sleep(wait.min(IDLE_WAIT_MAX));
                return Ok(Polled::Nothing);
            }
        }
        if let Some(read) = self.held.take() {
            return Ok(self.deliver(read, pick));
        }
        if !self.wait_open(wait).map_err(SourceFailure::new)? {
            return Ok(Polled::Nothing);
        }
        match self.step(wait).map_err(SourceFailure::new)? {
            Some(Step::Records(read)) => Ok(self.deliver(read, pick)),
            Some(Step::End(position)) => {
                self.setup.book.note(position);
                self.is_over = true;
                Ok(Polled::End { partition: PARTITION })
            }
            Some(Step::Opened(_) | Step::Failed(_)) | None => Ok(Polled::Nothing),
        }
    }

    fn begin(&mut self, _partition: i32, at: Offset) -> Result<bool, SourceFailure> {
        self.go_to(at).map_err(SourceFailure::new)?;
        self.stage = Stage::Reading;
        Ok(true)
    }

    fn begin_anew(&mut self, partition: i32, at: Offset) -> Result<bool, SourceFailure> {
        self.begin(partition, at)
    }

    fn seek(&mut self, _partition: i32, at: Offset) -> bool {
        self.failure = self.go_to(at).err();
        true
    }

    fn pause(&mut self, _partition: i32) {
        self.is_paused = true;
    }

    fn resume(&mut self, _partition: i32) {
        self.is_paused = false;
    }

    fn renew(&mut self, timeout: Duration) -> Result<(), SourceFailure> {
        self.leave(timeout);
        Ok(())
    }

    fn leave(&mut self, _timeout: Duration) {
        if self.stage != Stage::Free
            && let Some(assignments) = &self.assignments
        {
            assignments.revoked(&[PARTITION], false);
        }
        (self.stage, self.is_paused) = (Stage::Free, false);
    }
}
