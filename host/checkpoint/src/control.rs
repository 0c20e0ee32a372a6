//! How a caller watches and ends what it started. Not what is done.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// Ends what was started with it, from any thread.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Cancel {
    /// From now on everything that was started with it ends, within milliseconds.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    pub(crate) async fn cancelled(&self) {
        let mut told = self.0.subscribe();
        // It ends with an error only if the sender goes, which lives as long as this.
        let _ = told.wait_for(|is_cancelled| *is_cancelled).await;
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transfer {
    /// Files that are done.
    pub files_done: usize,
    /// Files in all.
    pub files: usize,
    /// Bytes that are done, those included that did not have to be moved.
    pub bytes_done: u64,
    /// Bytes in all.
    pub bytes: u64,
}

/// Told how far it has come, on a thread of the depot: it may not block.
pub type Progress = Arc<dyn Fn(Transfer) + Send + Sync>;

/// How a caller watches and ends what it started.
#[derive(Clone, Default)]
pub struct Control {
    /// Ends it.
    pub cancel: Cancel,
    /// Told after every file and every few megabytes.
    pub progress: Option<Progress>,
}

impl fmt::Debug for Control {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Control").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

/// Counts what is done, and tells.
pub(crate) struct Meter {
    progress: Option<Progress>,
    files: usize,
    bytes: u64,
    files_done: AtomicUsize,
    bytes_done: AtomicU64,
}

impl Meter {
    pub(crate) fn new(control: &Control, files: usize, bytes: u64) -> Self {
        Self {
            progress: control.progress.clone(),
            files,
            bytes,
            files_done: AtomicUsize::new(0),
            bytes_done: AtomicU64::new(0),
        }
    }

    pub(crate) fn bytes(&self, count: u64) {
        self.bytes_done.fetch_add(count, Ordering::Relaxed);
        self.tell();
    }

    /// These are done without being moved.
    pub(crate) fn skip(&self, files: usize, bytes: u64) {
        self.files_done.fetch_add(files, Ordering::Relaxed);
        self.bytes(bytes);
    }

    pub(crate) fn file(&self) {
        self.files_done.fetch_add(1, Ordering::Relaxed);
        self.tell();
    }

    fn tell(&self) {
        let Some(progress) = &self.progress else { return };
        progress(Transfer {
            files_done: self.files_done.load(Ordering::Relaxed),
            files: self.files,
            // What is read twice, after an error, counts once.
            bytes_done: self.bytes_done.load(Ordering::Relaxed).min(self.bytes),
            bytes: self.bytes,
        });
    }
}

/// Holds back what is sent to so many bytes a second, all senders together.
#[derive(Debug)]
pub(crate) struct Throttle {
    bytes_per_second: Option<u64>,
    free_at: Mutex<Instant>,
}

impl Throttle {
    pub(crate) fn new(bytes_per_second: Option<u64>) -> Self {
        Self { bytes_per_second: bytes_per_second.filter(|rate| *rate > 0), free_at: Mutex::new(Instant::now()) }
    }

    /// Returns when these bytes may be sent.
    pub(crate) async fn pass(&self, bytes: u64) {
        let Some(rate) = self.bytes_per_second else { return };
        let takes = Duration::from_micros(bytes.saturating_mul(1_000_000) / rate);
        let start = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            let start = (*free_at).max(Instant::now());
            *free_at = start + takes;
            start
        };
        sleep(start.saturating_duration_since(Instant::now())).await;
    }
}
