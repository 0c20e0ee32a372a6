//! Snapshots of a store: captured into a directory between two batches, while the store goes on, and adopted from one in
//! place of a new store. Not when that is done, nor how a snapshot travels.
//!
//! A snapshot is what was persisted last: RocksDB's checkpoint, which shares the tables with the store by hard links, and
//! copies of the filters. A list of all files, with their sizes and, tables excepted, their checksums, is written last:
//! without it there is no snapshot. RocksDB checks the blocks of tables whenever it reads them. Captured entries are those
//! of the store, so what a snapshot lacks is read again from the log, as after a crash.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use engine::record::Offset;
use private_files::{parent_of, sync_directory};
use rocksdb::checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};

use super::filters::{self, write_new};
use super::{PartitionStore, manifest, opening};
use crate::error::{OpenError, StateError};
use crate::frame::{self, FrameError, What, Writer};
use crate::identity::{Description, StoreIdentity};

/// The list of a snapshot's files, in its directory.
const LIST: &str = "SNAPSHOT";

/// Bytes of a list that is believed: a file takes some 60.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// Files beside the tables are the manifest of RocksDB, its options and filters.
const FILE_BYTES_MAX: u64 = 16 << 30;

/// Sections of the list, beside those that say what the store is.
const REACH: u64 = 5;
const FILES: u64 = 10;

/// Added to the name of the directory that a snapshot is adopted into, until it is whole.
const ADOPTING: &str = ".adopting";

/// What was captured, or adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The offset after the last one that it contains; `None`: nothing was ever persisted.
    pub next_offset: Option<Offset>,
    /// Its files.
    pub files: usize,
    /// Bytes of them together.
    pub bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Reach {
    next_offset: Option<Offset>,
}

/// A file of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
struct Member {
    name: PathBuf,
    bytes: u64,
    /// CRC-32; tables have their own.
    checksum: Option<u32>,
}

/// What a snapshot says about itself.
struct List {
    description: Description,
    next_offset: Option<Offset>,
    members: Vec<Member>,
}

impl PartitionStore {
    /// Captures what was persisted last into `dir`, which must not be there. What is committed and not persisted is not in
    /// it, and neither commits nor look-ups wait for it longer than it takes to link the tables and copy the filters.
    ///
    /// # Errors
    /// `dir` is there or cannot be written: then what is in it is no snapshot, and the store goes on. Or a durable write
    /// has failed before.
    pub fn capture(&self, dir: &Path) -> Result<Snapshot, StateError> {
        self.refuse_after_failure()?;
        let failed = |error: io::Error| StateError::io(dir, error);
        private_files::make(parent_of(dir)).map_err(failed)?;
        let bytes = self.db.get(manifest::KEY).map_err(|error| StateError::rocks(&self.dir, &error))?;
        let stored = manifest::decode(&bytes.unwrap_or_default());
        let (description, progress) =
            stored.map_err(|_| StateError::corrupt(&self.dir, "its manifest cannot be read"))?;
        let checkpoint = Checkpoint::new(&self.db).and_then(|checkpoint| checkpoint.create_checkpoint(dir));
        checkpoint.map_err(|error| StateError::rocks(dir, &error))?;
        let into = dir.join(filters::DIR);
        private_files::make(&into).map_err(failed)?;
        for (place, files) in &progress.filters {
            self.filters.copy(*place, files, &into).map_err(failed)?;
        }
        sync_directory(&into).map_err(failed)?;
        let next_offset = progress.applied.map(|applied| applied.next_offset);
        let list = List { description, next_offset, members: members(dir).map_err(failed)? };
        write_new(&dir.join(LIST), &list.encode().map_err(|error| StateError::io(dir, error))?).map_err(failed)?;
        sync_directory(dir).map_err(failed)?;
        Ok(list.summary())
    }

    /// Makes the snapshot in `from` the store in `into`, to be opened afterwards; `from` stays as it is. It is checked
    /// before anything is made of it: that it is whole, that sizes and checksums are those that were captured, and that it
    /// belongs to what is wanted. Tables are shared by hard links where the file system allows it. Killed at any point,
    /// there is the whole store in `into` or none.
    ///
    /// # Errors
    /// See [`OpenError`]: it is no whole snapshot, it belongs to something else, there is something in `into`, or `into`
    /// cannot be written.
    pub fn adopt(from: &Path, into: &Path, identity: &StoreIdentity) -> Result<Snapshot, OpenError> {
        let list = List::read(from)?;
        let List { description, .. } = &list;
        opening::compared(from, description.clone(), identity, description.bucket_ms)?;
        if identity.seed.is_some_and(|wanted| wanted != description.seed) {
            return Err(OpenError::Seed { dir: from.to_owned() });
        }
        if fs::read_dir(into).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(OpenError::snapshot(from, format!("there is something in {} already", into.display())));
        }
        let failed = |error: io::Error| OpenError::io(into, error);
        let mut name = into.file_name().map(OsString::from).ok_or_else(|| failed(ErrorKind::InvalidInput.into()))?;
        name.push(ADOPTING);
        let staging = into.with_file_name(name);
        match fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        private_files::make(&staging.join(filters::DIR)).map_err(failed)?;
        for member in &list.members {
            member.take(from, &staging, into)?;
        }
        sync_directory(&staging.join(filters::DIR)).map_err(failed)?;
        sync_directory(&staging).map_err(failed)?;
        fs::rename(&staging, into).map_err(failed)?;
        sync_directory(parent_of(into)).map_err(failed)?;
        Ok(list.summary())
    }
}

impl List {
    fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut frame = Writer::new(What::Snapshot);
        manifest::describe(&self.description, &mut frame)?;
        frame.section(REACH, &serde_json::to_vec(&Reach { next_offset: self.next_offset })?);
        frame.section(FILES, &serde_json::to_vec(&self.members)?);
        Ok(frame.end())
    }

    fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let [identity, seed, layout, kinds] = manifest::DESCRIPTION;
        let numbers = [identity, seed, layout, kinds, REACH, FILES];
        let [identity, seed, layout, kinds, reach, files] = frame::read(What::Snapshot, bytes, numbers)?;
        let Reach { next_offset } = manifest::json("reach", reach)?;
        let members = manifest::json("files", files)?;
        Ok(Self { description: manifest::described([identity, seed, layout, kinds])?, next_offset, members })
    }

    fn read(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(LIST);
        let bytes = read_file(&path, LIST_BYTES_MAX)
            .map_err(|error| OpenError::snapshot(dir, format!("its list of files, {LIST}, cannot be read: {error}")))?;
        Self::decode(&bytes).map_err(|error| match error {
            FrameError::Damaged(cause) => OpenError::snapshot(dir, cause),
            other @ (FrameError::Format(_) | FrameError::Unknown(_)) => OpenError::frame(dir, other),
        })
    }

    fn summary(&self) -> Snapshot {
        let bytes = self.members.iter().map(|member| member.bytes).sum();
        Snapshot { next_offset: self.next_offset, files: self.members.len(), bytes }
    }
}

impl Member {
    fn is_table(&self) -> bool {
        self.name.extension().is_some_and(|extension| extension == "sst")
    }

    /// Brings the file into `staging`, if it is the one that was captured.
    fn take(&self, from: &Path, staging: &Path, into: &Path) -> Result<(), OpenError> {
        let refuse = |cause: &str| OpenError::snapshot(from, format!("its file {} {cause}", self.name.display()));
        if !is_plain(&self.name) {
            return Err(refuse("has a name that none of its files has"));
        }
        let (source, target) = (from.join(&self.name), staging.join(&self.name));
        match fs::symlink_metadata(&source) {
            Ok(found) if !found.is_file() => return Err(refuse("is not a file")),
            Ok(found) if found.len() != self.bytes => {
                return Err(refuse(&format!("has {} bytes, and had {} when it was captured", found.len(), self.bytes)));
            }
            Ok(_) => {}
            Err(error) => return Err(refuse(&format!("cannot be read: {error}"))),
        }
        let failed = |error: io::Error| OpenError::io(into, error);
        if self.is_table() {
            return link(&source, &target).map_err(failed);
        }
        let bytes = read_file(&source, FILE_BYTES_MAX).map_err(|error| refuse(&format!("cannot be read: {error}")))?;
        if self.checksum != Some(crc32fast::hash(&bytes)) || bytes.len() as u64 != self.bytes {
            return Err(refuse("is not what was captured: its checksum is another"));
        }
        write_new(&target, &bytes).map_err(failed)
    }
}

/// The files of a snapshot, those of its filters included.
fn members(dir: &Path) -> io::Result<Vec<Member>> {
    let mut members = Vec::new();
    for within in ["", filters::DIR] {
        for entry in fs::read_dir(dir.join(within))? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if !metadata.is_file() {
                continue;
            }
            let mut member =
                Member { name: Path::new(within).join(entry.file_name()), bytes: metadata.len(), checksum: None };
            if !member.is_table() {
                member.checksum = Some(crc32fast::hash(&read_file(&entry.path(), FILE_BYTES_MAX)?));
            }
            members.push(member);
        }
    }
    members.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(members)
}

/// A name in the snapshot's directory or in that of its filters, and in no other.
fn is_plain(name: &Path) -> bool {
    let in_store = name.strip_prefix(filters::DIR).unwrap_or(name);
    let is_name = in_store.file_name().is_some_and(|file| file == in_store.as_os_str());
    is_name && in_store.as_os_str() != LIST
}

/// The same file under another name, or a copy on the disk where that cannot be.
fn link(source: &Path, target: &Path) -> io::Result<()> {
    if fs::hard_link(source, target).is_ok() {
        return Ok(());
    }
    fs::copy(source, target)?;
    File::open(target)?.sync_all()
}

fn read_file(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_a_snapshot() {
        for name in ["CURRENT", "000012.sst", "filters/1.0.3.filter"] {
            assert!(is_plain(Path::new(name)), "{name}");
        }
        for name in
            ["", ".", "..", "/etc/passwd", "../CURRENT", "filters", "filters/../CURRENT", "a/b", "filters/a/b", LIST]
        {
            assert!(!is_plain(Path::new(name)), "{name}");
        }
    }
}
