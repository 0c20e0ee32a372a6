//! Files that somebody names: regular ones, read once and no further than a limit. Not streams: nothing here waits for a
//! writer, and nothing is read for ever.

use std::fs::{FileType, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system says why.
    #[error(transparent)]
    Unreadable(#[from] std::io::Error),
    /// It is something else.
    #[error("it is {0}, and only a regular file is read")]
    NotRegular(&'static str),
    /// It is larger than it may be.
    #[error("it has {bytes} bytes or more, and the limit is {max}")]
    TooLarge {
        /// Bytes that it has at least.
        bytes: u64,
        /// The limit.
        max: u64,
    },
}

/// Reads a regular file of at most `max` bytes.
///
/// # Errors
/// It is none, is larger, or cannot be read.
pub fn read_file(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    // Before it is opened, as to open a device may do something.
    require_regular(std::fs::metadata(path)?.file_type())?;
    // And after, as it may be another by then; a pipe is opened without waiting for who writes to it.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    require_regular(metadata.file_type())?;
    if metadata.len() > max {
        return Err(FileError::TooLarge { bytes: metadata.len(), max });
    }
    // Its size is only what the system says: it may grow, and what is under /proc has none.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        read if read > max => Err(FileError::TooLarge { bytes: read, max }),
        _ => Ok(bytes),
    }
}

/// As [`read_file`], of text.
///
/// # Errors
/// As [`read_file`], and where it is no UTF-8.
pub fn read_text(path: &Path, max: u64) -> Result<String, FileError> {
    let not_text = |_| std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8");
    Ok(String::from_utf8(read_file(path, max)?).map_err(not_text)?)
}

fn require_regular(kind: FileType) -> Result<(), FileError> {
    let what = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "no file of a kind that is known",
    };
    Err(FileError::NotRegular(what))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn refusal(path: &Path) -> String {
        read_file(path, 1 << 20).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_regular_file_is_named_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, socket) = (dir.path().join("pipe"), dir.path().join("socket"));
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _listener = UnixListener::bind(&socket).unwrap();
        for (path, what) in [
            (dir.path(), "a directory"),
            (&pipe, "a pipe"),
            (&socket, "a socket"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            assert_eq!(refusal(path), format!("it is {what}, and only a regular file is read"));
        }
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        assert!(refusal(&link).contains("a pipe"), "a link is what it leads to");
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_not_a_byte_further() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_file(&path, 5).unwrap(), b"12345");
        assert!(matches!(read_file(&path, 4), Err(FileError::TooLarge { bytes: 5, max: 4 })));
        std::fs::write(&path, b"\xff").unwrap();
        assert!(read_text(&path, 5).unwrap_err().to_string().contains("UTF-8"));
    }

    #[test]
    fn a_file_that_hides_its_size_is_read_no_further_either() {
        // The system says that it has no bytes.
        let error = read_file(Path::new("/proc/self/status"), 10).unwrap_err();
        assert!(matches!(error, FileError::TooLarge { bytes: 11, max: 10 }), "{error}");
    }
}
