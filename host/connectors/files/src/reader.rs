//! Reads an input on a thread of its own: a pipe may be silent for a long time, and nobody may wait for it. Batches stay
//! in order, and at most a few are read ahead. Not where to read from: that is said.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use engine::record::{Offset, RecordBatch};

use crate::error::FileError;
use crate::limits::{BatchLimits, FilePosition, SourceLimits};
use crate::source::FileSource;

/// Enough to spread the cost of a call into the plugin, few enough to stay in the second-level cache.
const BATCH: BatchLimits = BatchLimits { records_max: 1_024, bytes_max: 1 << 20 };

/// Batches read and not yet taken. One is enough to keep both threads busy, the second evens out.
const BATCHES_AHEAD_MAX: usize = 2;

/// Where a reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// A place that is known, at or before the first record.
    pub(crate) known: FilePosition,
    /// Records of the input before the first.
    pub(crate) records: u64,
    /// The offset of the input's first record.
    pub(crate) base: Offset,
    /// Where an earlier run stood; behind the first record, or not.
    pub(crate) committed: FilePosition,
}

/// Records, and how far the input has been read with them.
pub(crate) struct Read {
    pub(crate) records: RecordBatch,
    /// The offset of the first of them.
    pub(crate) from: Offset,
    pub(crate) position: FilePosition,
}

/// What comes next of an input.
pub(crate) enum Step {
    /// It is open. The first step of any.
    Opened(FilePosition),
    /// At least one record.
    Records(Read),
    /// Nothing more. How far the input was read, with blank lines at its end.
    End(FilePosition),
    /// It cannot be read further.
    Failed(FileError),
}

/// Bytes of a file that were read, and its length, for whoever shows them.
#[derive(Debug, Default)]
pub struct ReadSoFar {
    read: AtomicU64,
    total: AtomicU64,
}

impl ReadSoFar {
    /// Bytes read and the length, where there is one.
    #[must_use]
    pub fn get(&self) -> Option<(u64, u64)> {
        let total = self.total.load(Ordering::Relaxed);
        (total > 0).then(|| (self.read.load(Ordering::Relaxed), total))
    }

    fn set(&self, progress: Option<(u64, u64)>) {
        if let Some((read, total)) = progress {
            self.read.store(read, Ordering::Relaxed);
            self.total.store(total, Ordering::Relaxed);
        }
    }
}

/// An input that is being read.
pub(crate) struct Reader {
    steps: Receiver<Step>,
    /// Batches to be used again.
    used: Sender<RecordBatch>,
}

impl Reader {
    /// Opens the input and begins to read.
    pub(crate) fn start(path: PathBuf, place: Place, limits: SourceLimits, so_far: Arc<ReadSoFar>) -> Self {
        let (step, steps) = sync_channel(BATCHES_AHEAD_MAX);
        let (used, unused) = channel();
        std::thread::spawn(move || {
            let mut source = match open(&path, place, limits) {
                Ok(source) => source,
                // Nobody listens any more where this fails, here and below.
                Err(error) => return drop(step.send(Step::Failed(error))),
            };
            if step.send(Step::Opened(source.position())).is_ok() {
                read(&mut source, place.base, &step, &unused, &so_far);
            }
        });
        Self { steps, used }
    }

    /// What comes next, if it comes within this time.
    pub(crate) fn next(&self, wait: Duration) -> Result<Step, RecvTimeoutError> {
        self.steps.recv_timeout(wait)
    }

    /// A batch that is done with.
    pub(crate) fn give_back(&self, batch: RecordBatch) {
        // The thread may have read its last; then nobody wants it.
        drop(self.used.send(batch));
    }
}

fn open(path: &Path, place: Place, limits: SourceLimits) -> Result<FileSource, FileError> {
    let mut source = FileSource::open(path, place.known, limits)?.expecting(place.committed)?;
    source.pass(place.records)?;
    Ok(source)
}

/// Until the input ends, fails, or nobody listens any more.
fn read(
    source: &mut FileSource,
    base: Offset,
    steps: &SyncSender<Step>,
    unused: &Receiver<RecordBatch>,
    so_far: &ReadSoFar,
) {
    loop {
        let mut records = unused.try_recv().unwrap_or_default();
        records.clear();
        let from = base.saturating_add_unsigned(source.position().records);
        let result = source.read_batch(from, &mut records, BATCH);
        so_far.set(source.progress());
        // What was read before a failure is as good as ever.
        if !records.is_empty() {
            let read = Read { records, from, position: source.position() };
            if steps.send(Step::Records(read)).is_err() {
                return;
            }
        }
        let last = match result {
            Ok(0) => Step::End(source.position()),
            Ok(_) => continue,
            Err(error) => Step::Failed(error),
        };
        return drop(steps.send(last));
    }
}
