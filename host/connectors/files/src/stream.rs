//! A file as it is named on a command line. Not opened here.

use std::path::{Path, PathBuf};

use crate::paths::STANDARD_STREAM;

/// A file, or a standard stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stream {
    /// `-`: standard input or standard output.
    Standard,
    /// A file.
    File(PathBuf),
}

impl Stream {
    /// The path by which sources and sinks know it.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Standard => Path::new(STANDARD_STREAM),
            Self::File(path) => path,
        }
    }
}
