//! Files on their way into a depot and out of it, in parts, checked against their digests on the way. Not which of them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::control::Meter;
use crate::error::DepotError;
use crate::local::{self, LocalFile, PART_BYTES, blocking};
use crate::store::Store;
use plain_text::hex;

/// S3 takes 10,000 parts of an object.
const PARTS_MAX: u64 = 9_000;

/// How often an object is read whose bytes are not the right ones: the way may have changed them.
const READS_MAX: u32 = 2;

/// What an object must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a> {
    pub(crate) bytes: u64,
    pub(crate) sha256: &'a str,
}

/// An upload in parts that goes away unless it is completed.
struct Pending(Option<Box<dyn MultipartUpload>>);

impl Drop for Pending {
    fn drop(&mut self) {
        let (Some(mut upload), Ok(runtime)) = (self.0.take(), Handle::try_current()) else { return };
        runtime.spawn(async move { upload.abort().await });
    }
}

impl Store {
    /// Sends a file that has this digest, and that is checked to have it while it is sent.
    pub(crate) async fn put_file(
        &self,
        object: &str,
        file: &LocalFile,
        sha256: &str,
        meter: &Meter,
    ) -> Result<(), DepotError> {
        if let Some(directory) = &self.directory {
            let (directory, path, from) = (Arc::clone(directory), self.path(object), file.path.clone());
            if blocking(move || directory.link(&from, &path)).await?.is_ok() {
                meter.bytes(file.bytes);
                return Ok(());
            }
        }
        let path = file.path.clone();
        let opened = blocking(move || local::open(&path).map(Arc::new)).await?;
        let source = opened.map_err(|error| DepotError::snapshot(&file.path, error.to_string()))?;
        if file.bytes <= PART_BYTES {
            let part = Part { source: &source, file, offset: 0, bytes: file.bytes };
            let (bytes, hasher) = part.read(Sha256::new()).await?;
            is_still(file, hasher, sha256)?;
            self.throttle.pass(file.bytes).await;
            let path = self.path(object);
            self.persist(object, || self.objects.put(&path, PutPayload::from_bytes(bytes.clone()))).await?;
            meter.bytes(file.bytes);
            return Ok(());
        }
        let mut failures = 0;
        loop {
            match self.put_parts(object, &source, file, sha256, meter).await {
                Err(DepotError::Unreachable { .. }) if failures + 1 < self.limits.attempts => failures += 1,
                done => return done,
            }
            self.pause(failures).await;
        }
    }

    async fn put_parts(
        &self,
        object: &str,
        source: &Arc<File>,
        file: &LocalFile,
        sha256: &str,
        meter: &Meter,
    ) -> Result<(), DepotError> {
        let path = self.path(object);
        let mut upload = Pending(Some(self.persist(object, || self.objects.put_multipart(&path)).await?));
        let mut hasher = Sha256::new();
        let part_bytes = PART_BYTES.max(file.bytes / PARTS_MAX);
        let mut offset = 0;
        while offset < file.bytes {
            let bytes = (file.bytes - offset).min(part_bytes);
            let (part, returned) = Part { source, file, offset, bytes }.read(hasher).await?;
            hasher = returned;
            self.throttle.pass(bytes).await;
            if let Some(upload) = &mut upload.0 {
                self.in_time(object, upload.put_part(PutPayload::from_bytes(part))).await?;
            }
            meter.bytes(bytes);
            offset += bytes;
        }
        is_still(file, hasher, sha256)?;
        if let Some(whole) = &mut upload.0 {
            self.in_time(object, whole.complete()).await?;
            upload.0 = None;
        }
        Ok(())
    }

    async fn in_time<T>(
        &self,
        object: &str,
        request: impl Future<Output = Result<T, object_store::Error>>,
    ) -> Result<T, DepotError> {
        match timeout(self.limits.timeout, request).await {
            Ok(answer) => answer.map_err(|error| self.failed(object, &error)),
            Err(_elapsed) => Err(self.timed_out(object)),
        }
    }

    /// Reads an object from end to end, and checks it; into a file where there is one.
    pub(crate) async fn read(
        &self,
        object: &str,
        content: Content<'_>,
        into: Option<(&Arc<File>, &Path)>,
        meter: &Meter,
    ) -> Result<(), DepotError> {
        let mut reads = 1;
        loop {
            match self.read_once(object, content, into, meter).await {
                Err(DepotError::Damaged { .. }) if reads < READS_MAX => reads += 1,
                done => return done,
            }
        }
    }

    async fn read_once(
        &self,
        object: &str,
        content: Content<'_>,
        into: Option<(&Arc<File>, &Path)>,
        meter: &Meter,
    ) -> Result<(), DepotError> {
        if content.bytes == 0 {
            self.right_size(object, self.head(object).await?.bytes, 0)?;
        }
        let mut hasher = Sha256::new();
        let mut offset = 0;
        while offset < content.bytes {
            let end = content.bytes.min(offset + PART_BYTES);
            let part = self.range(object, offset..end, content.bytes).await?;
            let file = into.map(|(file, _)| Arc::clone(file));
            let write = move || {
                hasher.update(&part);
                (file.map_or(Ok(()), |file| file.write_all_at(&part, offset)), hasher)
            };
            let (written, returned) = blocking(write).await?;
            if let (Err(cause), Some((_, path))) = (written, into) {
                return Err(DepotError::local(path, cause));
            }
            hasher = returned;
            meter.bytes(end - offset);
            offset = end;
        }
        match hex(&hasher.finalize()) == content.sha256 {
            true => Ok(()),
            false => Err(DepotError::damaged(self.full(object), "its bytes are not those that were written")),
        }
    }
}

/// Some bytes of a file that is sent.
struct Part<'a> {
    source: &'a Arc<File>,
    file: &'a LocalFile,
    offset: u64,
    bytes: u64,
}

impl Part<'_> {
    async fn read(&self, mut hasher: Sha256) -> Result<(Bytes, Sha256), DepotError> {
        let (source, offset, count) = (Arc::clone(self.source), self.offset, self.bytes);
        let read = move || {
            let bytes = local::read_at(&source, offset, count)?;
            hasher.update(&bytes);
            Ok((bytes, hasher))
        };
        blocking(read).await?.map_err(|error: std::io::Error| DepotError::snapshot(&self.file.path, error.to_string()))
    }
}

fn is_still(file: &LocalFile, hasher: Sha256, sha256: &str) -> Result<(), DepotError> {
    match hex(&hasher.finalize()) == sha256 {
        true => Ok(()),
        false => Err(DepotError::snapshot(&file.path, "it changed while it was sent")),
    }
}
