//! How an output is opened: what happens to a file that already holds something, and who may read a new one. Not what
//! is written to it.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::FileError;
use crate::paths::{is_standard_stream, shown};

/// Links that are followed to a file that is not there.
const LINKS_MAX: usize = 40;

/// What becomes of a regular file that is there already and is not empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// It is left alone, and the output is an error.
    #[default]
    Refused,
    /// It is emptied.
    Replaced,
    /// New lines come behind those that it holds.
    Kept,
}

/// How an output is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutputOptions {
    /// What becomes of what is there.
    pub existing: Existing,
    /// The mode of a new file; `None`: as the process makes its files.
    pub mode: Option<u32>,
}

/// Whether an output could be opened, as far as that can be told without touching it.
///
/// # Errors
/// [`FileError::OutputExists`].
pub fn check_output(path: &Path, existing: Existing) -> Result<(), FileError> {
    match fs::metadata(path) {
        Ok(found)
            if found.is_file() && found.len() > 0 && existing == Existing::Refused && !is_standard_stream(path) =>
        {
            Err(FileError::OutputExists { path: shown(path), bytes: found.len() })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Opens an output at its end, and makes it if it is not there. Pipes and devices are opened as they are. A regular file
/// is locked as long as it is open, so that no two runs write it.
///
/// # Errors
/// See [`FileError`].
pub fn open_output(path: &Path, options: OutputOptions) -> Result<File, FileError> {
    let create = |error| FileError::io("create", path, error);
    match fs::metadata(path) {
        Ok(found) if found.is_file() => open_existing(path, options.existing),
        // Opened for reading too, a pipe would never tell that its reader has gone.
        Ok(_) => OpenOptions::new().write(true).open(path).map_err(create),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let file = create_new(path, options.mode).map_err(create)?;
            lock(&file, path)?;
            Ok(file)
        }
        Err(error) => Err(create(error)),
    }
}

fn open_existing(path: &Path, existing: Existing) -> Result<File, FileError> {
    let open = |error| FileError::io("open", path, error);
    check_output(path, existing)?;
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(open)?;
    lock(&file, path)?;
    let bytes = file.metadata().map_err(open)?.len();
    match existing {
        // It was empty when it was looked at.
        Existing::Refused if bytes > 0 => return Err(FileError::OutputExists { path: shown(path), bytes }),
        Existing::Refused | Existing::Replaced => file.set_len(0).map_err(open)?,
        Existing::Kept => drop(file.seek(SeekFrom::End(0)).map_err(open)?),
    }
    Ok(file)
}

/// A file that is not there, through links that lead to it; never one that has come meanwhile.
fn create_new(path: &Path, mode: Option<u32>) -> io::Result<File> {
    let mut target = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(next) = fs::read_link(&target) else { break };
        target = target.parent().map(Path::to_owned).unwrap_or_default().join(next);
    }
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&target)?;
    if let Some(mode) = mode {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(file)
}

/// Keeps other runs from writing a file.
pub(crate) fn lock(file: &File, path: &Path) -> Result<(), FileError> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(FileError::OutputInUse { path: shown(path) }),
        // Some network file systems have no locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Whether a line ends before this byte.
pub(crate) fn line_ends_at(file: &mut File, bytes: u64) -> io::Result<bool> {
    let Some(last) = bytes.checked_sub(1) else { return Ok(true) };
    let mut byte = [0];
    file.seek(SeekFrom::Start(last))?;
    file.read_exact(&mut byte)?;
    Ok(byte == *b"\n")
}
