//! Single objects of a depot, asked for until the answer is sound: time-outs, trying again, whole answers. Not what the
//! objects mean.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use tokio::time::{sleep, timeout};

use crate::control::Throttle;
use crate::directory::Directory;
use crate::error::DepotError;
use crate::local::blocking;

/// The longest pause between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// How much a depot may take, and how patient it is.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The longest that one request may take.
    pub timeout: Duration,
    /// Transfers at once, each with some 8 MiB in memory.
    pub parallel: usize,
    /// What publishing may send; `None`: as much as it can.
    pub bytes_per_second: Option<u64>,
    /// How often a request is made before it counts as failed.
    pub attempts: u32,
    /// The pause after the first failure; it doubles.
    pub backoff: Duration,
    /// How long an object that no checkpoint names is left alone, as somebody may be about to name it. A publication that
    /// takes longer than a quarter of it looks again at what it relies on.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            parallel: 4,
            bytes_per_second: None,
            attempts: 6,
            backoff: Duration::from_millis(200),
            grace: Duration::from_secs(3_600),
        }
    }
}

/// What is known of an object without reading it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// Its name below the directory that was listed.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// By the clock of the depot, in milliseconds since 1970.
    pub(crate) written_at_ms: i64,
}

/// What became of a conditional write.
pub(crate) enum Put {
    Done,
    /// The object was no longer what it had been.
    Refused,
    /// It may have been written or not.
    Unclear(DepotError),
}

/// What is seen of a small object.
pub(crate) type Seen = Option<(Bytes, UpdateVersion)>;

/// The objects of a depot.
pub(crate) struct Store {
    pub(crate) objects: Arc<dyn ObjectStore>,
    root: Path,
    /// What people call it.
    pub(crate) name: String,
    pub(crate) limits: Limits,
    pub(crate) throttle: Throttle,
    /// Where the depot is a directory, files are linked into it.
    pub(crate) directory: Option<Arc<Directory>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Store").field(&self.name).finish()
    }
}

impl Store {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>, root: Path, name: String, limits: Limits) -> Self {
        let limits = Limits { parallel: limits.parallel.max(1), ..limits };
        let throttle = Throttle::new(limits.bytes_per_second);
        Self { objects, root, name, limits, throttle, directory: None }
    }

    pub(crate) fn of_directory(directory: Directory, name: String, limits: Limits) -> Self {
        let directory = Arc::new(directory);
        let store = Self::new(Arc::clone(&directory) as Arc<dyn ObjectStore>, Path::default(), name, limits);
        Self { directory: Some(directory), ..store }
    }

    /// What people call an object.
    pub(crate) fn full(&self, object: &str) -> String {
        format!("{}/{object}", self.name)
    }

    pub(crate) fn path(&self, object: &str) -> Path {
        object.split('/').fold(self.root.clone(), |path, part| path.join(part))
    }

    /// A small object; `None`: there is none.
    pub(crate) async fn get(&self, object: &str, bytes_max: u64) -> Result<Seen, DepotError> {
        let path = self.path(object);
        let read = || async {
            let answer = self.objects.get(&path).await?;
            if answer.meta.size > bytes_max {
                return Ok(Err(answer.meta.size));
            }
            let version = UpdateVersion { e_tag: answer.meta.e_tag.clone(), version: answer.meta.version.clone() };
            let size = answer.meta.size;
            let bytes = answer.bytes().await?;
            whole(&bytes, size)?;
            Ok(Ok((bytes, version)))
        };
        match self.persist(object, read).await {
            Ok(Ok(seen)) => Ok(Some(seen)),
            Ok(Err(size)) => Err(DepotError::damaged(self.full(object), format!("it has {size} bytes"))),
            Err(DepotError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a small object, whatever was there.
    pub(crate) async fn put(&self, object: &str, bytes: &[u8]) -> Result<(), DepotError> {
        let (path, bytes) = (self.path(object), Bytes::copy_from_slice(bytes));
        self.persist(object, || self.objects.put(&path, PutPayload::from_bytes(bytes.clone()))).await.map(drop)
    }

    /// Writes a small object if it is still what was seen. It is not tried again here: who asks must look what it is now.
    pub(crate) async fn put_if(&self, object: &str, bytes: &[u8], seen: Option<&UpdateVersion>) -> Put {
        let mode = seen.map_or(PutMode::Create, |version| PutMode::Update(version.clone()));
        let payload = PutPayload::from_bytes(Bytes::copy_from_slice(bytes));
        let options = PutOptions { mode, ..PutOptions::default() };
        let path = self.path(object);
        match timeout(self.limits.timeout, self.objects.put_opts(&path, payload, options)).await {
            Ok(Ok(_)) => Put::Done,
            Ok(Err(Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. })) => {
                Put::Refused
            }
            Ok(Err(error)) => Put::Unclear(self.failed(object, &error)),
            Err(_elapsed) => Put::Unclear(self.timed_out(object)),
        }
    }

    pub(crate) async fn pause(&self, attempt: u32) {
        let doubled = self.limits.backoff.saturating_mul(1 << attempt.min(16)).min(BACKOFF_MAX);
        let mut random = [0];
        // Without randomness all wait as long.
        let _ = getrandom::fill(&mut random);
        let [share] = random;
        sleep(doubled / 2 + doubled / 2 * u32::from(share) / 256).await;
    }

    /// Removes an object; one that is not there is removed.
    pub(crate) async fn delete(&self, object: &str) -> Result<(), DepotError> {
        let path = self.path(object);
        match self.persist(object, || self.objects.delete(&path)).await {
            Err(DepotError::Missing { .. }) => Ok(()),
            other => other,
        }
    }

    /// Size and age of an object.
    pub(crate) async fn head(&self, object: &str) -> Result<Listed, DepotError> {
        let path = self.path(object);
        let meta = self.persist(object, || self.objects.head(&path)).await?;
        let written_at_ms = meta.last_modified.timestamp_millis();
        Ok(Listed { name: object.to_owned(), bytes: meta.size, written_at_ms })
    }

    /// All objects below a directory.
    pub(crate) async fn list(&self, dir: &str) -> Result<Vec<Listed>, DepotError> {
        let path = self.path(dir);
        let metas = self.persist(dir, || self.objects.list(Some(&path)).try_collect::<Vec<_>>()).await?;
        let listed = metas.into_iter().filter_map(|meta| {
            let name = meta.location.prefix_match(&path)?.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>();
            let written_at_ms = meta.last_modified.timestamp_millis();
            Some(Listed { name: name.join("/"), bytes: meta.size, written_at_ms })
        });
        Ok(listed.collect())
    }

    /// Removes what writers that died have left, where the store does not do that itself: a bucket has its own rules for it.
    pub(crate) async fn sweep(&self, dir: &str) -> Result<(), DepotError> {
        let Some(directory) = self.directory.clone() else { return Ok(()) };
        let (path, grace) = (self.path(dir), self.limits.grace);
        let swept = blocking(move || directory.sweep(&path, grace)).await?;
        swept.map_err(|error| self.failed(dir, &error))
    }

    /// The directories in a directory.
    pub(crate) async fn directories(&self, dir: &str) -> Result<Vec<String>, DepotError> {
        let path = if dir.is_empty() { self.root.clone() } else { self.path(dir) };
        let listed = self.persist(dir, || self.objects.list_with_delimiter(Some(&path))).await?;
        Ok(listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    /// Some bytes of an object that must have `size` of them.
    pub(crate) async fn range(&self, object: &str, range: Range<u64>, size: u64) -> Result<Bytes, DepotError> {
        let path = self.path(object);
        let read = || async {
            let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
            let answer = self.objects.get_opts(&path, options).await?;
            let found = answer.meta.size;
            let bytes = answer.bytes().await?;
            if found == size {
                whole(&bytes, range.end.saturating_sub(range.start))?;
            }
            Ok((found, bytes))
        };
        match self.persist(object, read).await {
            Ok((found, bytes)) => self.right_size(object, found, size).map(|()| bytes),
            Err(error @ DepotError::Unreachable { .. }) => {
                // Of one that is cut short the store has nothing to answer with.
                let found = self.head(object).await?.bytes;
                self.right_size(object, found, size)?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn right_size(&self, object: &str, found: u64, expected: u64) -> Result<(), DepotError> {
        if found == expected {
            return Ok(());
        }
        Err(DepotError::damaged(self.full(object), format!("it has {found} bytes, and {expected} were written")))
    }

    /// Asks until there is an answer, as often as the limits say.
    pub(crate) async fn persist<T, F, A>(&self, object: &str, attempt: A) -> Result<T, DepotError>
    where
        A: Fn() -> F,
        F: Future<Output = Result<T, Error>>,
    {
        let mut failures = 0;
        loop {
            let error = match timeout(self.limits.timeout, attempt()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) if is_final(&error) => return Err(self.failed(object, &error)),
                Ok(Err(error)) => self.failed(object, &error),
                Err(_elapsed) => self.timed_out(object),
            };
            failures += 1;
            if failures >= self.limits.attempts {
                return Err(error);
            }
            tracing::debug!(%error, failures, "a request to the checkpoints is made again");
            self.pause(failures).await;
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else a store says, it is tried again")]
    pub(crate) fn failed(&self, object: &str, error: &Error) -> DepotError {
        let object = self.full(object);
        match error {
            Error::NotFound { .. } => DepotError::Missing { object },
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                DepotError::Denied { object, cause: error.to_string() }
            }
            _ => DepotError::Unreachable { object, cause: explained(error.to_string()) },
        }
    }

    pub(crate) fn timed_out(&self, object: &str) -> DepotError {
        let cause = format!("no answer within {} s", self.limits.timeout.as_secs_f64());
        DepotError::Unreachable { object: self.full(object), cause }
    }
}

/// Whether the same request would be answered the same way.
fn is_final(error: &Error) -> bool {
    matches!(
        error,
        Error::NotFound { .. }
            | Error::InvalidPath { .. }
            | Error::NotSupported { .. }
            | Error::AlreadyExists { .. }
            | Error::Precondition { .. }
            | Error::NotModified { .. }
            | Error::NotImplemented { .. }
            | Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::UnknownConfigurationKey { .. }
    )
}

/// The address of the service that gives a machine of AWS its role. It is asked when nothing else gives credentials.
const METADATA_SERVICE: &str = "169.254.169.254";

/// Who has no credentials reads of the last place where some were looked for, and has to be told of the others.
fn explained(cause: String) -> String {
    if !cause.contains(METADATA_SERVICE) {
        return cause;
    }
    format!(
        "there are no credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, no profile in ~/.aws has keys, \
         there is no web identity and no container's role, and the metadata service that gives a machine of AWS its role \
         does not answer ({cause})"
    )
}

/// An answer that was cut short is none.
fn whole(bytes: &Bytes, expected: u64) -> Result<(), Error> {
    if bytes.len() as u64 == expected {
        return Ok(());
    }
    let source = format!("the answer has {} bytes of {expected}", bytes.len()).into();
    Err(Error::Generic { store: "checkpoint", source })
}
