//! A directory that one store at a time has open, of this process or another. Not RocksDB's own lock: that is taken only
//! after RocksDB has put the log of whoever has the store aside, and after both may have deleted the same old one.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::OpenError;

/// In the store's directory; always empty.
const FILE: &str = "in-use";

/// A process that was started just now has the files of its parent until it becomes its program: who has a lock only for that
/// long does not count.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// The locks of this process, by device and inode.
static OURS: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());

/// The lock of a store, held until it is dropped.
pub(super) struct Lock {
    file: Option<File>,
    inode: (u64, u64),
}

impl Lock {
    /// Takes the lock of the store in `dir`, or says who has it.
    pub(super) fn take(dir: &Path) -> Result<Self, OpenError> {
        for _ in 1..ATTEMPTS {
            match Self::attempt(dir) {
                Err(OpenError::InUse { is_here: false, .. }) => std::thread::sleep(PAUSE),
                taken => return taken,
            }
        }
        Self::attempt(dir)
    }

    fn attempt(dir: &Path) -> Result<Self, OpenError> {
        let failed = |error: std::io::Error| OpenError::io(dir, error);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(dir.join(FILE)).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let inode = (metadata.dev(), metadata.ino());
        let mut ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
        if ours.contains(&inode) {
            return Err(OpenError::InUse { dir: dir.to_owned(), is_here: true });
        }
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { dir: dir.to_owned(), is_here: false }),
            // Some network file systems have no locks of this kind; RocksDB takes one of another.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        ours.insert(inode);
        Ok(Self { file: Some(file), inode })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // First the file: who asks meanwhile is told that it is in use here.
        drop(self.file.take());
        OURS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.inode);
    }
}
