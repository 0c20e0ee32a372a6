//! Reads a file on a separate thread: a pipe may be silent for a long time, and neither a stop nor a commit may wait
//! for it. Batches stay in order, and at most a few are read ahead.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use engine::record::{Offset, RecordBatch};
use file_connector::{BatchLimits, FileError, FilePosition, FileSource, SourceLimits};

use super::error::RunError;

/// Enough to spread the cost of a call into the plugin, few enough to stay in the second-level cache.
const BATCH: BatchLimits = BatchLimits { records_max: 1_024, bytes_max: 1 << 20 };

/// Batches read and not yet taken. One is enough to keep both threads busy, the second evens out.
const BATCHES_AHEAD_MAX: usize = 2;

/// Records, and how far the input has been read with them.
pub(super) struct Read {
    /// Shared with the state, which holds batches for their originals.
    pub(super) records: Arc<RecordBatch>,
    pub(super) position: FilePosition,
    /// Bytes of the file read and its length, where it has one.
    pub(super) progress: Option<(u64, u64)>,
}

/// What comes next of an input.
pub(super) enum Step {
    /// At least one record.
    Records(Read),
    /// Nothing more. How far the input was read, with blank lines at its end.
    End(FilePosition),
    /// It cannot be read further.
    Failed(FileError),
}

/// An input that is being read.
pub(super) struct ReadAhead {
    opened: Receiver<Result<(), FileError>>,
    steps: Receiver<Step>,
    /// Batches to be used again.
    used: Sender<RecordBatch>,
}

impl ReadAhead {
    /// Opens the input at a position and begins to read; its first record gets the offset given.
    pub(super) fn start(path: &Path, position: FilePosition, next_offset: Offset, limits: SourceLimits) -> Self {
        let (open, opened) = sync_channel(1);
        let (step, steps) = sync_channel(BATCHES_AHEAD_MAX);
        let (used, unused) = channel();
        let path = path.to_owned();
        std::thread::spawn(move || match FileSource::open(&path, position, limits) {
            Err(error) => drop(open.send(Err(error))),
            Ok(source) => {
                if open.send(Ok(())).is_ok() {
                    read(source, next_offset, &step, &unused);
                }
            }
        });
        Self { opened, steps, used }
    }

    /// Whether it is open by now; waits this long for it. To be asked until it says so once.
    pub(super) fn is_open(&self, wait: Duration) -> Result<bool, RunError> {
        match self.opened.recv_timeout(wait) {
            Ok(Ok(())) => Ok(true),
            Ok(Err(error)) => Err(RunError::Input(error)),
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => Err(RunError::Other("the input thread died".to_owned())),
        }
    }

    /// What comes next, if it comes within this time.
    pub(super) fn next(&self, wait: Duration) -> Result<Step, RecvTimeoutError> {
        self.steps.recv_timeout(wait)
    }

    /// A batch that is done with.
    pub(super) fn give_back(&self, batch: RecordBatch) {
        // The thread may have read its last; then nobody wants it.
        drop(self.used.send(batch));
    }
}

/// Until the input ends, fails, or nobody listens any more.
fn read(mut source: FileSource, mut next_offset: Offset, steps: &SyncSender<Step>, unused: &Receiver<RecordBatch>) {
    loop {
        let mut records = unused.try_recv().unwrap_or_default();
        records.clear();
        let result = source.read_batch(next_offset, &mut records, BATCH);
        // What was read before a failure is as good as ever.
        if !records.is_empty() {
            next_offset += i64::try_from(records.len()).unwrap_or(i64::MAX);
            let (position, progress) = (source.position(), source.progress());
            if steps.send(Step::Records(Read { records: Arc::new(records), position, progress })).is_err() {
                return;
            }
        }
        let last = match result {
            Ok(0) => Step::End(source.position()),
            Ok(_) => continue,
            Err(error) => Step::Failed(error),
        };
        // Nobody listens any more where this fails.
        return drop(steps.send(last));
    }
}
