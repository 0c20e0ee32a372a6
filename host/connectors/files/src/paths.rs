//! Paths as people give them and as they are shown.

use std::path::Path;

/// The path that means standard input or standard output.
pub const STANDARD_STREAM: &str = "-";

pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}

pub(crate) fn is_standard_stream(path: &Path) -> bool {
    path.as_os_str() == STANDARD_STREAM
}
