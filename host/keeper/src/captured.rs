//! The files of a state as they were when it was last written, in a directory beside it that goes with this value.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use engine::record::Offset;
use state::{PartitionStore, Snapshot, StateError};

/// Added to the name of a state's directory: those of its captures, what is fetched for it, and what is replaced by that.
const CAPTURED: &str = ".captured";
const FETCHED: &str = ".fetched";
const REPLACED: &str = ".replaced";

/// See the module.
#[derive(Debug)]
pub(crate) struct Captured {
    dir: PathBuf,
    /// The state contains what is before this.
    pub(crate) offset: Offset,
    /// Bytes of its files.
    pub(crate) bytes: u64,
    /// When.
    pub(crate) at: Instant,
    /// The same in milliseconds since the epoch.
    pub(crate) at_ms: i64,
}

impl Captured {
    /// Captures a state whose directory this is; `None` where nothing was ever written.
    ///
    /// # Errors
    /// Its files cannot be linked.
    pub(crate) fn take(state: &PartitionStore, of: &Path, number: u64) -> Result<Option<Self>, StateError> {
        let dir = beside(of, CAPTURED).join(number.to_string());
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        // It goes when this returns early, too.
        let mut captured = Self { dir, offset: 0, bytes: 0, at: Instant::now(), at_ms };
        let Snapshot { next_offset, bytes, .. } = state.capture(&captured.dir)?;
        (captured.offset, captured.bytes) = (next_offset.unwrap_or(0), bytes);
        Ok(next_offset.map(|_| captured))
    }

    /// Of a state that is nowhere.
    #[cfg(test)]
    pub(crate) fn nothing(offset: Offset) -> Self {
        Self { dir: PathBuf::from("/nowhere/at/all"), offset, bytes: 0, at: Instant::now(), at_ms: 0 }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "a captured state cannot be removed; the next start tries again");
        }
    }
}

/// Where what is fetched for the state in a directory is put first.
pub(crate) fn fetched(of: &Path) -> PathBuf {
    beside(of, FETCHED)
}

/// Where the state in a directory is put while another takes its place.
pub(crate) fn replaced(of: &Path) -> PathBuf {
    beside(of, REPLACED)
}

/// What was to be replaced when a process died is put back.
pub(crate) fn put_back(of: &Path) {
    let old = replaced(of);
    let is_empty = fs::read_dir(of).map_or(true, |mut files| files.next().is_none());
    if is_empty
        && old.is_dir()
        && let Err(error) = fs::rename(&old, of)
    {
        tracing::warn!(dir = %old.display(), %error, "the state that was to be replaced cannot be put back");
    }
}

/// Removes what an earlier process left beside a state that is open now.
pub(crate) fn tidy(of: &Path) {
    for name in [CAPTURED, FETCHED, REPLACED] {
        let dir = beside(of, name);
        if let Err(error) = remove(&dir) {
            tracing::warn!(dir = %dir.display(), %error, "what an earlier run left cannot be removed");
        }
    }
}

/// Removes a directory that may not be there.
///
/// # Errors
/// It is there afterwards.
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn beside(dir: &Path, name: &str) -> PathBuf {
    let mut full = dir.file_name().map(OsString::from).unwrap_or_default();
    full.push(name);
    dir.with_file_name(full)
}
