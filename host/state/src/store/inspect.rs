//! What a store, or a snapshot of one, says about itself, read beside whoever has it open. It changes nothing, and reads no
//! keys.

use std::fs;
use std::path::Path;

use engine::record::{Millis, Offset};
use rocksdb::{DB, Options};
use serde::Serialize;

use super::places::BUCKET_PREFIX;
use super::{Applied, manifest};
use crate::error::OpenError;
use crate::identity::StoreIdentity;
use crate::rocks;

/// What is said of a store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspected {
    /// What it belongs to.
    pub identity: StoreIdentity,
    /// It contains what is before this; `None`: nothing was ever written to it.
    pub next_offset: Option<Offset>,
    /// Watermark of event time.
    pub watermark: Option<Millis>,
    /// Buckets of keys.
    pub buckets: usize,
    /// Offset from which on its originals are kept.
    pub originals_from: Offset,
    /// Its files, and bytes of them together.
    pub files: usize,
    /// See `files`.
    pub bytes: u64,
}

/// Looks at the store in a directory.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn inspect(dir: &Path) -> Result<Inspected, OpenError> {
    if !dir.join("CURRENT").is_file() {
        let cause = "there is no file CURRENT, so this is no directory of a state".to_owned();
        return Err(OpenError::Io { dir: dir.to_owned(), cause });
    }
    let mut options = rocks::plain();
    // RocksDB begins a log even where it only reads: not beside that of whoever has the store open.
    let log = std::env::temp_dir().join(format!("dedup-host-inspect-{}", std::process::id()));
    options.set_db_log_dir(&log);
    let inspected = inspect_with(dir, &options);
    // Nobody reads it.
    let _ = fs::remove_dir_all(&log);
    inspected
}

fn inspect_with(dir: &Path, options: &Options) -> Result<Inspected, OpenError> {
    let failed = |error: rocksdb::Error| OpenError::rocks(dir, &error);
    let names = DB::list_cf(options, dir).map_err(failed)?;
    let db = DB::open_cf_for_read_only(options, dir, &names, false).map_err(failed)?;
    let Some((description, progress)) = manifest::read(dir, &db)? else {
        return Err(OpenError::corrupt(dir, "it does not say what it belongs to"));
    };
    let (files, bytes) = size(dir).map_err(|error| OpenError::io(dir, error))?;
    let applied = progress.applied.as_ref();
    Ok(Inspected {
        identity: description.identity,
        next_offset: applied.map(|Applied { next_offset, .. }| *next_offset),
        watermark: applied.and_then(|applied| applied.watermark),
        buckets: names.iter().filter(|name| name.starts_with(BUCKET_PREFIX)).count(),
        originals_from: progress.originals_from,
        files,
        bytes,
    })
}

/// Files below a directory, and their bytes.
fn size(dir: &Path) -> std::io::Result<(usize, u64)> {
    let (mut files, mut bytes, mut directories) = (0, 0, vec![dir.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                directories.push(entry.path());
            } else {
                (files, bytes) = (files + 1, bytes + metadata.len());
            }
        }
    }
    Ok((files, bytes))
}
