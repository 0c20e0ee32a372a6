//! A depot in a directory of this machine, or of a shared file system: objects are files of this user alone, each written
//! whole and lastingly before it has its name, and conditional writes are made under a lock. Not what the objects mean.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use private_files::{PrivateDir, PrivateError, Trust, make, parent_of, sync_directory};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::local::{create, open, random, read_at};
use plain_text::hex;

const STORE: &str = "directory";

/// Files that are written under conditions are no larger; only their versions are told.
const CONDITIONAL_BYTES_MAX: u64 = 64 << 10;

/// The end of names of files that are being written.
const PART: &str = ".part";

/// Who writes under a condition has locked it, in the object's directory. Names that begin with a dot are no objects.
const LOCK: &str = ".lock";

/// A directory of objects.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    root: PathBuf,
}

impl fmt::Display for Directory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.root.display())
    }
}

impl Directory {
    pub(crate) fn open(root: &FilePath, trust: Trust) -> std::result::Result<Self, PrivateError> {
        Ok(Self { root: PrivateDir::open(root, trust)?.path().to_owned() })
    }

    /// Where an object is. No directory on the way there is a link: one that leads elsewhere could be anybody's.
    fn file(&self, location: &Path) -> Result<PathBuf> {
        let mut path = self.root.clone();
        for part in location.parts() {
            if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_dir()) {
                return Err(failed(location, io::Error::other(format!("{} is not a directory", path.display()))));
            }
            path.push(part.as_ref());
        }
        Ok(path)
    }

    /// Gives a file a second name as an object, so that no byte is copied. Where the file system cannot, it says so.
    pub(crate) fn link(&self, from: &FilePath, location: &Path) -> Result<()> {
        let linked = |path: &FilePath| {
            File::open(from)?.sync_all()?;
            let part = part_of(path)?;
            fs::hard_link(from, &part)?;
            put_in_place(&part, path)
        };
        let path = self.file(location)?;
        make(parent_of(&path)).and_then(|()| linked(&path)).map_err(|error| failed(location, error))
    }

    /// Removes what writers that died have left, if it is so old. It has no name that is listed.
    pub(crate) fn sweep(&self, dir: &Path, older_than: Duration) -> Result<()> {
        let mut directories = vec![self.file(dir)?];
        let swept = |path: &FilePath, found: &mut Vec<PathBuf>| -> io::Result<()> {
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                let (metadata, name) = (entry.metadata()?, entry.file_name());
                let is_left = name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(PART));
                let age = SystemTime::now().duration_since(changed_at(&metadata)).unwrap_or_default();
                if metadata.is_dir() {
                    found.push(entry.path());
                } else if is_left && age > older_than {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        };
        while let Some(path) = directories.pop() {
            match swept(&path, &mut directories) {
                // Another one sweeps, or a writer is done.
                Err(error) if !is_absent(&error) => return Err(failed(dir, error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn put(&self, location: &Path, payload: &PutPayload, mode: &PutMode) -> Result<PutResult> {
        let path = self.file(location)?;
        let failed = |error| failed(location, error);
        let (part, mut file) = new_part(&path).map_err(failed)?;
        let written = payload.iter().try_for_each(|bytes| file.write_all(bytes)).and_then(|()| file.sync_all());
        let placed = written.map_err(failed).and_then(|()| match mode {
            PutMode::Overwrite => put_in_place(&part, &path).map_err(failed),
            PutMode::Create => fs::hard_link(&part, &path)
                .and_then(|()| fs::remove_file(&part))
                .and_then(|()| sync_directory(parent_of(&path)))
                .map_err(failed),
            PutMode::Update(expected) => {
                let _lock = lock(parent_of(&path)).map_err(failed)?;
                if expected.e_tag.is_none() || version(&path).map_err(failed)? != expected.e_tag {
                    let source = "it is not the version that was seen".into();
                    return Err(Error::Precondition { path: location.to_string(), source });
                }
                put_in_place(&part, &path).map_err(failed)
            }
        });
        if placed.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&part);
        }
        placed?;
        let mut hasher = Sha256::new();
        payload.iter().for_each(|bytes| hasher.update(bytes));
        let is_small = payload.content_length() as u64 <= CONDITIONAL_BYTES_MAX;
        let e_tag = is_small.then(|| hex(&hasher.finalize()));
        Ok(PutResult { e_tag, version: None, extensions: Default::default() })
    }

    fn get(&self, location: &Path, options: &GetOptions) -> Result<GetResult> {
        let path = self.file(location)?;
        let failed = |error| failed(location, error);
        let file = open(&path).map_err(failed)?;
        let meta = meta(location.clone(), &file.metadata().map_err(failed)?, version_of(&file).map_err(failed)?);
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            None => 0..meta.size,
            Some(range) => range.as_range(meta.size).map_err(|error| failed(io::Error::other(error.to_string())))?,
        };
        let read = |Range { start, end }| read_at(&file, start, end - start);
        let bytes = if options.head { Bytes::new() } else { read(range.clone()).map_err(failed)? };
        let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes: Default::default(), extensions: Default::default() })
    }

    fn remove(&self, location: &Path) -> Result<()> {
        fs::remove_file(self.file(location)?).map_err(|error| failed(location, error))
    }

    /// Objects in a directory, and the directories in it.
    fn entries(&self, dir: &Path) -> Result<ListResult> {
        let (mut common_prefixes, mut objects) = (Vec::new(), Vec::new());
        let entries = match fs::read_dir(self.file(dir)?) {
            Err(error) if is_absent(&error) => None,
            entries => Some(entries.map_err(|error| failed(dir, error))?),
        };
        for entry in entries.into_iter().flatten() {
            let entry = entry.map_err(|error| failed(dir, error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let location = dir.clone().join(name);
            // Links are not followed. What is gone meanwhile is not there.
            let metadata = match entry.metadata() {
                Err(error) if is_absent(&error) => continue,
                metadata => metadata.map_err(|error| failed(dir, error))?,
            };
            if metadata.is_dir() {
                common_prefixes.push(location);
            } else if metadata.is_file() {
                objects.push(meta(location, &metadata, None));
            }
        }
        Ok(ListResult { common_prefixes, objects, extensions: Default::default() })
    }

    fn walk(&self, dir: &Path) -> Result<Vec<ObjectMeta>> {
        let (mut found, mut directories) = (Vec::new(), vec![dir.clone()]);
        while let Some(dir) = directories.pop() {
            let ListResult { common_prefixes, objects, .. } = self.entries(&dir)?;
            directories.extend(common_prefixes);
            found.extend(objects);
        }
        Ok(found)
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> Result<T> + Send + 'static) -> Result<T> {
        let directory = self.clone();
        spawn_blocking(move || work(&directory)).await?
    }
}

#[async_trait]
impl ObjectStore for Directory {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let location = location.clone();
        self.blocking(move |directory| directory.put(&location, &payload, &options.mode)).await
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let location = location.clone();
        let begin = |directory: &Self| {
            let path = directory.file(&location)?;
            let (part, file) = new_part(&path).map_err(|error| failed(&location, error))?;
            Ok(Parts { location, path, part, file: Arc::new(file), end: Arc::default() })
        };
        let parts = self.blocking(begin).await?;
        Ok(Box::new(parts))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let location = location.clone();
        self.blocking(move |directory| directory.get(&location, &options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let directory = self.clone();
        let remove = move |location: Result<Path>| {
            let directory = directory.clone();
            async move {
                let location = location?;
                directory.blocking(move |directory| directory.remove(&location).map(|()| location)).await
            }
        };
        locations.then(remove).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (directory, prefix) = (self.clone(), prefix.cloned().unwrap_or_default());
        let listed = async move {
            match directory.blocking(move |directory| directory.walk(&prefix)).await {
                Ok(found) => found.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            }
        };
        stream::once(listed).flat_map(stream::iter).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned().unwrap_or_default();
        self.blocking(move |directory| directory.entries(&prefix)).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(Error::NotImplemented { operation: "copy".to_owned(), implementer: STORE.to_owned() })
    }
}

/// A file that is written part by part.
#[derive(Debug)]
struct Parts {
    location: Path,
    path: PathBuf,
    part: PathBuf,
    file: Arc<File>,
    /// Where the next part begins.
    end: Arc<Mutex<u64>>,
}

#[async_trait]
impl MultipartUpload for Parts {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (file, location) = (Arc::clone(&self.file), self.location.clone());
        let start = {
            let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
            let start = *end;
            *end += data.content_length() as u64;
            start
        };
        let write = move || {
            let mut at = start;
            for bytes in data.iter() {
                file.write_all_at(bytes, at)?;
                at += bytes.len() as u64;
            }
            Ok(())
        };
        Box::pin(async move { spawn_blocking(write).await?.map_err(|error| failed(&location, error)) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (file, part, path) = (Arc::clone(&self.file), self.part.clone(), self.path.clone());
        let done = spawn_blocking(move || file.sync_all().and_then(|()| put_in_place(&part, &path))).await?;
        done.map_err(|error| failed(&self.location, error))?;
        Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
    }

    async fn abort(&mut self) -> Result<()> {
        fs::remove_file(&self.part).map_err(|error| failed(&self.location, error))
    }
}

/// A name next to the one that it will have, which no other writer uses.
fn part_of(path: &FilePath) -> io::Result<PathBuf> {
    let random = random().map_err(io::Error::other)?;
    Ok(path.with_file_name(format!(".{random}{PART}")))
}

fn new_part(path: &FilePath) -> io::Result<(PathBuf, File)> {
    make(parent_of(path))?;
    let part = part_of(path)?;
    let file = create(&part)?;
    Ok((part, file))
}

fn put_in_place(part: &FilePath, path: &FilePath) -> io::Result<()> {
    fs::rename(part, path)?;
    // Where both are names of one file, it keeps both.
    match fs::remove_file(part) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    sync_directory(parent_of(path))
}

/// Held until it is dropped. Whoever dies with it has let it go.
fn lock(dir: &FilePath) -> io::Result<File> {
    let path = dir.join(LOCK);
    let file = match create(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => open(&path)?,
        made => made?,
    };
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

/// What tells a small file from one that was there before or comes after: two that hold the same are the same.
fn version(path: &FilePath) -> io::Result<Option<String>> {
    match open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        file => version_of(&file?),
    }
}

fn version_of(file: &File) -> io::Result<Option<String>> {
    let bytes = file.metadata()?.len();
    if bytes > CONDITIONAL_BYTES_MAX {
        return Ok(None);
    }
    Ok(Some(hex(&Sha256::digest(read_at(file, 0, bytes)?))))
}

fn meta(location: Path, metadata: &Metadata, e_tag: Option<String>) -> ObjectMeta {
    let last_modified = changed_at(metadata).into();
    ObjectMeta { location, last_modified, size: metadata.len(), e_tag, version: None }
}

/// An object's age is that of its name: a table that is linked may be older than the checkpoint.
fn changed_at(metadata: &Metadata) -> SystemTime {
    let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap_or_default();
    UNIX_EPOCH + Duration::new(u64::try_from(metadata.ctime()).unwrap_or_default(), nanoseconds)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "whatever else may fail, it is tried again")]
fn failed(location: &Path, error: io::Error) -> Error {
    let path = location.to_string();
    match error.kind() {
        ErrorKind::NotFound => Error::NotFound { path, source: error.into() },
        ErrorKind::AlreadyExists => Error::AlreadyExists { path, source: error.into() },
        ErrorKind::PermissionDenied => Error::PermissionDenied { path, source: error.into() },
        _ => Error::Generic { store: STORE, source: error.into() },
    }
}
