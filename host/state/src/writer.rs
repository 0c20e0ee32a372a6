//! The thread that writes originals into tables, for all partitions of a process. It hands no table to RocksDB.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rocksdb::{Options, SstFileWriter};

use crate::chunk::Chunk;
use crate::table;

/// Chunks that wait for the thread. Beyond that the lines wait: a slow disk holds them back in place of filling memory.
const WAITING_MAX: usize = 4;

/// Writes originals in a thread of its own. One is enough for a process: give clones of it to all stores.
///
/// The thread ends when the last clone is gone.
#[derive(Clone)]
pub struct OriginalsWriter {
    jobs: SyncSender<Job>,
}

/// A table that was written, or why it was not.
pub(crate) type Written = Result<(), rocksdb::Error>;

struct Job {
    chunk: Arc<Chunk>,
    path: PathBuf,
    options: Arc<Options>,
    cancelled: Arc<AtomicBool>,
    done: SyncSender<Written>,
}

impl OriginalsWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(WAITING_MAX);
        std::thread::Builder::new().name("originals".into()).spawn(move || work(&queue))?;
        Ok(Self { jobs })
    }

    /// Has a chunk written to `path`, waiting while the queue is full. The answer never comes if the thread is gone:
    /// receiving it then fails. A job that is cancelled before its turn is answered without being done.
    pub(crate) fn write(
        &self,
        chunk: Arc<Chunk>,
        path: PathBuf,
        options: Arc<Options>,
        cancelled: Arc<AtomicBool>,
    ) -> Receiver<Written> {
        let (done, written) = sync_channel(1);
        // Without a thread the job is dropped, and with it the sender of the answer.
        let _ = self.jobs.send(Job { chunk, path, options, cancelled, done });
        written
    }
}

impl std::fmt::Debug for OriginalsWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OriginalsWriter").finish_non_exhaustive()
    }
}

fn work(queue: &Receiver<Job>) {
    while let Ok(Job { chunk, path, options, cancelled, done }) = queue.recv() {
        let written = if cancelled.load(Ordering::Relaxed) { Ok(()) } else { write(&chunk, &path, &options) };
        // The store uses the memory again as soon as it hears of the table.
        drop(chunk);
        let _ = done.send(written);
    }
}

fn write(chunk: &Chunk, path: &Path, options: &Options) -> Written {
    let mut writer = SstFileWriter::create(options);
    writer.open(path)?;
    let mut joined = Vec::new();
    for (offset, value) in chunk.iter() {
        writer.put(table::offset_key(offset), value.joined(&mut joined))?;
    }
    writer.finish()
}
