//! Files of this machine that checkpoints are made of and become: read without following links, written for this user alone.
//! Not the depot's.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use crate::error::DepotError;
use plain_text::hex;

/// Files of a snapshot that are believed, and how deep.
const FILES_MAX: usize = 1_000_000;
const DEPTH_MAX: usize = 8;

/// Bytes that are read or written at once.
pub(crate) const PART_BYTES: u64 = 8 << 20;

/// An empty file in directories that checkpoints are fetched into: what else is there is theirs. It belongs to no snapshot.
pub(crate) const MARK: &str = ".fetched";

/// A file that was changed this lately may change again without its time changing.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// What tells one content of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    changed_s: i64,
    changed_ns: i64,
}

/// A file of a directory.
#[derive(Debug, Clone)]
pub(crate) struct LocalFile {
    /// Its path below the directory, with slashes.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) stamp: Stamp,
    /// Whether the stamp can be relied on.
    pub(crate) is_settled: bool,
}

/// Runs what blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DepotError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| DepotError::Config(format!("a thread of the checkpoints ended: {error}")))
}

/// All files below a directory, by name. Anything that is neither a file nor a directory is refused.
pub(crate) fn scan(dir: &Path) -> Result<Vec<LocalFile>, DepotError> {
    let mut files = Vec::new();
    let mut directories = vec![(dir.to_owned(), String::new(), 0)];
    while let Some((path, prefix, depth)) = directories.pop() {
        let entries = fs::read_dir(&path).map_err(|error| DepotError::snapshot(&path, error.to_string()))?;
        for entry in entries {
            let entry = entry.map_err(|error| DepotError::snapshot(&path, error.to_string()))?;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_str().ok_or_else(|| DepotError::snapshot(&path, "its name is not UTF-8"))?;
            // Neither this nor `entry.file_type` follows a link.
            let metadata =
                fs::symlink_metadata(&path).map_err(|error| DepotError::snapshot(&path, error.to_string()))?;
            let name = format!("{prefix}{name}");
            if name == MARK {
                continue;
            }
            if metadata.is_dir() && depth < DEPTH_MAX {
                directories.push((path, format!("{name}/"), depth + 1));
            } else if metadata.is_file() && files.len() < FILES_MAX {
                files.push(LocalFile::new(name, path, &metadata));
            } else {
                return Err(DepotError::snapshot(&path, "it is no file, or one too many"));
            }
        }
    }
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

impl LocalFile {
    fn new(name: String, path: PathBuf, metadata: &fs::Metadata) -> Self {
        let stamp = Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed_s: metadata.mtime(),
            changed_ns: metadata.mtime_nsec(),
        };
        let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        Self { name, path, bytes: metadata.len(), stamp, is_settled: age.is_some_and(|age| age > SETTLED_AFTER) }
    }

    /// The digest of its bytes, all of them read.
    pub(crate) fn digest(&self) -> Result<String, DepotError> {
        let failed = |error: io::Error| DepotError::snapshot(&self.path, error.to_string());
        let file = open(&self.path).map_err(failed)?;
        digest_of(&file, self.bytes).map_err(failed)
    }
}

/// Opens a file for reading, if it is one. A pipe would keep us waiting.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a file")) }
}

/// Makes a file that was not there, for this user alone.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Bytes of a file; fewer are an error.
pub(crate) fn read_at(file: &File, offset: u64, count: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(count).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes.into())
}

fn digest_of(file: &File, bytes: u64) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut at = 0;
    while at < bytes {
        let count = (bytes - at).min(PART_BYTES / 8);
        hasher.update(read_at(file, at, count)?);
        at += count;
    }
    if file.metadata()?.len() != bytes {
        return Err(io::Error::other("it changes while it is read"));
    }
    Ok(hex(&hasher.finalize()))
}

/// Copies a file while it is compared with a digest; `false`: it is another, and what `into` holds is worth nothing.
pub(crate) fn copy_if(from: &Path, into: &File, bytes: u64, sha256: &str) -> io::Result<bool> {
    let file = open(from)?;
    let mut hasher = Sha256::new();
    let mut at = 0;
    while at < bytes {
        let part = read_at(&file, at, (bytes - at).min(PART_BYTES))?;
        hasher.update(&part);
        into.write_all_at(&part, at)?;
        at += part.len() as u64;
    }
    Ok(hex(&hasher.finalize()) == sha256)
}

/// Whether there is a file with this content.
pub(crate) fn is_it(path: &Path, bytes: u64, sha256: &str) -> bool {
    let is_long_as = |file: &File| file.metadata().is_ok_and(|metadata| metadata.len() == bytes);
    let file = open(path).ok().filter(is_long_as);
    file.and_then(|file| digest_of(&file, bytes).ok()).is_some_and(|digest| digest == sha256)
}

/// Sixteen random digits.
pub(crate) fn random() -> Result<String, DepotError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| DepotError::Config(format!("no randomness: {error}")))?;
    Ok(hex(&bytes))
}
