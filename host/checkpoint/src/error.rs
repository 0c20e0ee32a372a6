//! What can go wrong with checkpoints, and the way out. Not the trying again: see `store`.

use std::io;
use std::path::{Path, PathBuf};

/// Why something could not be done with checkpoints.
#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    /// The depot did not answer, or answered with errors, as often as it was asked.
    #[error(
        "cannot use {object}: {cause}; it is tried again at the next checkpoint: check the network, the endpoint, and \
         what the store says about itself"
    )]
    Unreachable {
        /// What was asked for.
        object: String,
        /// The last answer.
        cause: String,
    },
    /// The depot knows us not, or lets us not.
    #[error(
        "not allowed to use {object}: {cause}; check the credentials, and that they may list, read, write and delete there"
    )]
    Denied {
        /// What was asked for.
        object: String,
        /// The answer.
        cause: String,
    },
    /// It is not what was written.
    #[error(
        "{object} is damaged: {cause}; the checkpoint before it is taken instead, and `checkpoint verify` says which are whole"
    )]
    Damaged {
        /// What was read.
        object: String,
        /// What is wrong with it.
        cause: String,
    },
    /// It is not there, or no longer.
    #[error("{object} is not there; it may have been pruned meanwhile: take another checkpoint (`checkpoint list`)")]
    Missing {
        /// What was looked for.
        object: String,
    },
    /// A later version wrote it, and said that it must be understood.
    #[error("{object} needs {what}, which this version does not know; use the version that wrote it, or a later one")]
    Unknown {
        /// What was read.
        object: String,
        /// What is not known.
        what: String,
    },
    /// Somebody else has claimed the partition since.
    #[error(
        "{place} belongs to epoch {theirs} by now, and this is epoch {ours}: another host has taken the partition over; \
         nothing is to be done where that is so, and the partition is claimed anew where it is not"
    )]
    Fenced {
        /// Which partition.
        place: String,
        /// The epoch of the caller.
        ours: u64,
        /// The epoch that the depot knows.
        theirs: u64,
    },
    /// The newest checkpoint of this epoch reaches further.
    #[error(
        "the newest checkpoint of {place} reaches offset {theirs}, and this one only {ours}; nothing is lost: the newer \
         one stays"
    )]
    Behind {
        /// Which partition.
        place: String,
        /// How far the caller's reaches.
        ours: u64,
        /// How far the newest reaches.
        theirs: u64,
    },
    /// The store takes writes that it must refuse.
    #[error(
        "{depot} does not honour conditional writes ({cause}): two hosts could overwrite each other's checkpoints; use a \
         store that does (AWS S3, MinIO, Cloudflare R2, SeaweedFS 4.20 or later), or a directory"
    )]
    NotConditional {
        /// Which store.
        depot: String,
        /// What it did.
        cause: String,
    },
    /// What is to be published is no snapshot.
    #[error("{} cannot be published: {cause}; capture it again", path.display())]
    Snapshot {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The disk of this machine.
    #[error("cannot use {}: {cause}; check that it is writable, and the disk under it", path.display())]
    Local {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's words.
        cause: io::Error,
    },
    /// What the caller said of the depot cannot be.
    #[error("{0}")]
    Config(String),
    /// The caller cancelled it.
    #[error("cancelled; what was done so far is used by the next attempt")]
    Cancelled,
}

impl DepotError {
    /// Whether the same call may go well later, with nothing changed by anybody.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Local { .. } | Self::Cancelled => true,
            Self::Denied { .. }
            | Self::Damaged { .. }
            | Self::Missing { .. }
            | Self::Unknown { .. }
            | Self::Fenced { .. }
            | Self::Behind { .. }
            | Self::NotConditional { .. }
            | Self::Snapshot { .. }
            | Self::Config(_) => false,
        }
    }

    pub(crate) fn local(path: &Path, cause: io::Error) -> Self {
        Self::Local { path: path.to_owned(), cause }
    }

    pub(crate) fn snapshot(path: &Path, cause: impl Into<String>) -> Self {
        Self::Snapshot { path: path.to_owned(), cause: cause.into() }
    }

    pub(crate) fn damaged(object: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::Damaged { object: object.into(), cause: cause.into() }
    }
}
