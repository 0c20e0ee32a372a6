//! What can go wrong with a store, grouped by what the operator can do about it. Not RocksDB's own list.

use std::path::{Path, PathBuf};

use private_files::PrivateError;

use crate::frame::{FORMAT_VERSION, FrameError};
use crate::identity::Difference;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store on disk was written for something else.
    #[error(
        "state in {dir} belongs to something else ({}). to fix this: use the plugin, settings and topic it was made \
         with; or give another --store-path, or delete the directory: over files, its keys are forgotten; on Kafka, \
         they are rebuilt from the topic, outputs off, before anything is forwarded",
        listed(.differences)
    )]
    Identity {
        /// The store's directory.
        dir: PathBuf,
        /// Each field that differs.
        differences: Vec<Difference>,
    },
    /// The store on disk was written by a version of the host that lays it out otherwise.
    #[error(
        "state in {dir} has format {stored}, but this version of dedup-host reads only format {FORMAT_VERSION}. to \
         fix this: delete the directory, or give another --store-path: over files, its keys are forgotten; on Kafka, \
         they are rebuilt from the topic, outputs off, before anything is forwarded; or keep using the version that \
         wrote it"
    )]
    Format {
        /// The store's directory.
        dir: PathBuf,
        /// The format it has.
        stored: u32,
    },
    /// A later version of the host wrote what this one must not pass over.
    #[error(
        "state in {dir} has {part}, which this version of dedup-host does not know and may not pass over. to fix this: \
         run the version that wrote it, or a later one; or delete the directory, or give another --store-path: over \
         files, its keys are forgotten; on Kafka, they are rebuilt from the topic, outputs off, before anything is \
         forwarded"
    )]
    Unknown {
        /// The store's directory.
        dir: PathBuf,
        /// What it has, in words.
        part: String,
    },
    /// Its keys are hashed with another seed than those of the other partitions.
    #[error(
        "the keys of the state in {dir} are hashed with another seed than the consumer group's, so they cannot be \
         compared with events or with other partitions: the state was made by another group, or before the group's \
         offsets were deleted. to fix this: delete the directory, or give another --store-path: its keys are rebuilt \
         from the topic, outputs off, before anything is forwarded"
    )]
    Seed {
        /// The store's directory.
        dir: PathBuf,
    },
    /// What is to be adopted is no whole snapshot, or cannot be put where it is wanted.
    #[error(
        "the snapshot in {dir} cannot be adopted: {cause}. to fix this: adopt another snapshot, or do without one: on \
         Kafka, the keys are rebuilt from the topic, outputs off, before anything is forwarded"
    )]
    Snapshot {
        /// The snapshot's directory.
        dir: PathBuf,
        /// What was found.
        cause: String,
    },
    /// Another store object, here or in another process, has it open.
    #[error(
        "state in {dir} is in use by {} process: stop it, or give another --store-path",
        if *.is_here { "this" } else { "another" }
    )]
    InUse {
        /// The store's directory.
        dir: PathBuf,
        /// Whether the other is in this process.
        is_here: bool,
    },
    /// Others than this user may have written what is there, or may change it.
    #[error("state: {0}")]
    Private(#[from] PrivateError),
    /// The directory cannot be read or written.
    #[error("state in {dir} cannot be opened: {cause}. check that the directory is writable and the disk not full")]
    Io {
        /// The store's directory.
        dir: PathBuf,
        /// The operating system's or RocksDB's words.
        cause: String,
    },
    /// What is on disk is not what was written.
    #[error("state in {dir} is damaged: {cause}. delete the directory to rebuild it, or restore a checkpoint")]
    Corrupt {
        /// The store's directory.
        dir: PathBuf,
        /// What was found.
        cause: String,
    },
}

/// Why an open store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// No room on the disk. Nothing that was persisted before is lost.
    #[error(
        "disk of state in {dir} is full: {cause}. free some space, or lower the capacity or the window, and restart"
    )]
    Full {
        /// The store's directory.
        dir: PathBuf,
        /// RocksDB's words.
        cause: String,
    },
    /// Reading or writing failed.
    #[error("state in {dir} cannot be read or written: {cause}")]
    Io {
        /// The store's directory.
        dir: PathBuf,
        /// RocksDB's words.
        cause: String,
    },
    /// What is on disk is not what was written.
    #[error("state in {dir} is damaged: {cause}. delete the directory to rebuild it, or restore a checkpoint")]
    Corrupt {
        /// The store's directory.
        dir: PathBuf,
        /// What was found.
        cause: String,
    },
    /// A durable write failed earlier, so that memory and disk may disagree: only opening anew helps.
    #[error("state in {dir} refuses further work because a write failed: {cause}. restart once the cause is gone")]
    Refused {
        /// The store's directory.
        dir: PathBuf,
        /// The earlier error.
        cause: String,
    },
    /// A later version of the host wrote what this one must not pass over.
    #[error(
        "state in {dir} has {part}, which this version of dedup-host does not know and may not pass over. to fix this: \
         run the version that wrote it, or a later one; or delete the directory to rebuild it from the topic"
    )]
    Unknown {
        /// The store's directory.
        dir: PathBuf,
        /// What it has, in words.
        part: String,
    },
    /// `persist` was called between `stage` and `commit`; nothing was written.
    #[error("state in {dir} has {writes} uncommitted writes: commit them or roll them back before persisting")]
    Uncommitted {
        /// The store's directory.
        dir: PathBuf,
        /// How many are staged.
        writes: usize,
    },
}

fn listed(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl OpenError {
    pub(crate) fn io(dir: &Path, cause: impl std::fmt::Display) -> Self {
        Self::Io { dir: dir.to_owned(), cause: cause.to_string() }
    }

    pub(crate) fn corrupt(dir: &Path, cause: impl std::fmt::Display) -> Self {
        Self::Corrupt { dir: dir.to_owned(), cause: cause.to_string() }
    }

    pub(crate) fn snapshot(dir: &Path, cause: impl std::fmt::Display) -> Self {
        Self::Snapshot { dir: dir.to_owned(), cause: cause.to_string() }
    }

    pub(crate) fn frame(dir: &Path, error: FrameError) -> Self {
        match error {
            FrameError::Format(stored) => Self::Format { dir: dir.to_owned(), stored },
            FrameError::Unknown(part) => Self::Unknown { dir: dir.to_owned(), part },
            FrameError::Damaged(cause) => Self::corrupt(dir, cause),
        }
    }

    pub(crate) fn rocks(dir: &Path, error: &rocksdb::Error) -> Self {
        let cause = error.to_string();
        // RocksDB has no kind of its own for a lock that is held: "lock hold by current process", or "While lock file".
        if cause.contains("lock hold by") || cause.contains("While lock file") && !is_denied(&cause) {
            return Self::InUse { dir: dir.to_owned(), is_here: cause.contains("current process") };
        }
        if is_corruption(error, &cause) { Self::corrupt(dir, cause) } else { Self::io(dir, cause) }
    }
}

impl StateError {
    pub(crate) fn io(dir: &Path, cause: impl std::fmt::Display) -> Self {
        let cause = cause.to_string();
        let dir = dir.to_owned();
        // Both spellings of ENOSPC: the C library's, as RocksDB and the standard library print it.
        if cause.contains("No space left") { Self::Full { dir, cause } } else { Self::Io { dir, cause } }
    }

    pub(crate) fn corrupt(dir: &Path, cause: impl std::fmt::Display) -> Self {
        Self::Corrupt { dir: dir.to_owned(), cause: cause.to_string() }
    }

    pub(crate) fn rocks(dir: &Path, error: &rocksdb::Error) -> Self {
        let cause = error.to_string();
        if is_corruption(error, &cause) { Self::corrupt(dir, cause) } else { Self::io(dir, cause) }
    }
}

fn is_denied(cause: &str) -> bool {
    ["Permission denied", "Read-only file system", "No space left"].iter().any(|reason| cause.contains(reason))
}

/// A file that the manifest names and the disk lacks is damage too, although RocksDB calls it an I/O error.
fn is_corruption(error: &rocksdb::Error, cause: &str) -> bool {
    error.kind() == rocksdb::ErrorKind::Corruption
        || cause.contains("No such file") && (cause.contains(".sst") || cause.contains("MANIFEST"))
}
