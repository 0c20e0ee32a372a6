//! A place where checkpoints are kept, and how many.

use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use checkpoint::{Control, Depot, DepotError, Limits, S3Options};
use observe::metrics::CheckpointPlace;
use private_files::Trust;

/// A store that does not answer a start's first question within this time is asked again later.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// How much lower the priority of threads is that make checkpoints.
const NICENESS: i32 = 10;

/// Where a shelf is.
#[derive(Debug, Clone)]
pub enum At {
    /// In a directory.
    Directory(PathBuf, Trust),
    /// In a bucket.
    S3(S3Options),
}

/// See the module.
#[derive(Debug)]
pub struct Shelf {
    at: At,
    limits: Limits,
    keep: usize,
    /// Made when it can be: a directory may not be writable at first.
    depot: OnceLock<Depot>,
}

impl Shelf {
    /// `keep`: checkpoints of each partition.
    #[must_use]
    pub fn new(at: At, limits: Limits, keep: usize) -> Self {
        Self { at, limits, keep, depot: OnceLock::new() }
    }

    /// Whether checkpoints can be kept there: writes, reads and deletes something.
    ///
    /// # Errors
    /// They cannot, for now or at all.
    pub fn check(&self) -> Result<(), DepotError> {
        let limits = Limits { timeout: self.limits.timeout.min(CHECK_TIMEOUT), attempts: 1, ..self.limits.clone() };
        self.make(limits)?.check(&Control::default())
    }

    /// Whether a directory is none of those that states are in, and none that holds them.
    ///
    /// # Errors
    /// It is, with the way out.
    pub fn check_apart(&self, store: &Path, topic: &str) -> Result<(), String> {
        let At::Directory(path, _) = &self.at else { return Ok(()) };
        let (path, store) = (resolved(path), resolved(store));
        let is_beside = store != path && !store.starts_with(&path) && !path.starts_with(store.join(topic));
        if is_beside {
            return Ok(());
        }
        Err(format!(
            "{} and the states in {} are in each other's way: give a directory beside --store-path, or one in it that no topic \
             is called after",
            path.display(),
            store.display()
        ))
    }

    /// Where it is, in words.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.at {
            At::Directory(path, _) => path.display().to_string(),
            At::S3(options) => format!("s3://{}/{}", options.bucket, options.prefix),
        }
    }

    pub(crate) fn place(&self) -> CheckpointPlace {
        match self.at {
            At::Directory(..) => CheckpointPlace::Local,
            At::S3(_) => CheckpointPlace::S3,
        }
    }

    pub(crate) fn keep(&self) -> usize {
        self.keep
    }

    /// How long one that cannot be reached is tried.
    pub(crate) fn patience(&self) -> Duration {
        self.limits.timeout
    }

    pub(crate) fn depot(&self) -> Result<&Depot, DepotError> {
        if let Some(depot) = self.depot.get() {
            return Ok(depot);
        }
        let made = self.make(self.limits.clone())?;
        Ok(self.depot.get_or_init(|| made))
    }

    /// Its threads have the priority of the one that makes it.
    fn make(&self, limits: Limits) -> Result<Depot, DepotError> {
        let make = || {
            lower_priority();
            match &self.at {
                At::Directory(path, trust) => Depot::directory(path, *trust, limits),
                At::S3(options) => Depot::s3(options, limits),
            }
        };
        let bug =
            |_| Err(DepotError::Config("a thread that was to use checkpoints panicked: this is a bug".to_owned()));
        std::thread::scope(|scope| scope.spawn(make).join().unwrap_or_else(bug))
    }
}

/// What this thread and those that it starts do can wait. Elsewhere than on Linux it would concern the process.
pub(crate) fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "checkpoints are made with the priority of everything else");
    }
}

/// A path without links and dots, as far as there is something.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut resolved = PathBuf::new();
    for component in absolute.components() {
        if component == Component::ParentDir {
            resolved.pop();
        } else {
            resolved.push(component);
        }
        if let Ok(real) = resolved.canonicalize() {
            resolved = real;
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_kept_apart_from_states() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("store/events")).unwrap();
        std::os::unix::fs::symlink(root.join("store"), root.join("link")).unwrap();
        let check = |path: &str| {
            let shelf = Shelf::new(At::Directory(root.join(path), Trust::Anyone), Limits::default(), 1);
            shelf.check_apart(&root.join("store"), "events")
        };
        for apart in ["checkpoints", "store/checkpoints", "store-of-old", "store/../checkpoints", "store/events-old"] {
            assert_eq!(check(apart), Ok(()), "{apart}");
        }
        for within in ["store", ".", "store/events", "store/events/0", "link", "link/events/x", "x/../store"] {
            let error = check(within).unwrap_err();
            assert!(error.contains("--store-path"), "{within}: {error}");
        }
    }
}
