//! A place for checkpoints, for callers that block: each call runs to its end on the caller's thread, or until it is cancelled.
//! Not what is done.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path as ObjectPath;
use private_files::Trust;
use tokio::runtime::{Builder, Runtime};

use crate::control::Control;
use crate::directory::Directory;
use crate::error::DepotError;
use crate::fetch::{Fetched, fetch};
use crate::manifest::{About, Manifest};
use crate::place::Place;
use crate::pointer;
use crate::probe;
use crate::prune::{Pruned, prune};
use crate::publish::{Digests, Full, Job, Published};
use crate::read::{Candidates, candidates};
use crate::s3::{self, S3Options};
use crate::store::{Limits, Store};
use crate::verify::{Checked, verify};

/// Threads of a depot; what blocks runs on others, as many as it has transfers.
const THREADS: usize = 2;

/// A place for checkpoints: a directory, or a bucket of an S3-compatible store. A clone is the same depot.
///
/// Calls block, and may be made from several threads at once, but from none that runs asynchronous tasks.
#[derive(Debug, Clone)]
pub struct Depot(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    digests: Digests,
    /// `None` while it is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Depot {
    /// A directory, made if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or others may write there.
    pub fn directory(path: &Path, trust: Trust, limits: Limits) -> Result<Self, DepotError> {
        let directory = Directory::open(path, trust).map_err(|error| DepotError::Config(error.to_string()))?;
        Self::of(Store::of_directory(directory, path.display().to_string(), limits))
    }

    /// A bucket. No request is made yet: see [`Depot::check`].
    ///
    /// # Errors
    /// What is said about it cannot be.
    pub fn s3(options: &S3Options, limits: Limits) -> Result<Self, DepotError> {
        let (objects, root) = s3::open(options, &limits)?;
        Self::over(objects, root, options.describe(), limits)
    }

    pub(crate) fn over(
        objects: Arc<dyn ObjectStore>,
        root: ObjectPath,
        name: String,
        limits: Limits,
    ) -> Result<Self, DepotError> {
        Self::of(Store::new(objects, root, name, limits))
    }

    fn of(store: Store) -> Result<Self, DepotError> {
        let blocking = store.limits.parallel.max(1) * 2;
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(blocking)
            .thread_name("checkpoint")
            .enable_all()
            .build()
            .map_err(|error| DepotError::Config(format!("cannot start the threads of checkpoints: {error}")))?;
        Ok(Self(Arc::new(Inner { store, digests: Digests::default(), runtime: Some(runtime) })))
    }

    /// What people call it: its path, or `s3://bucket/prefix`.
    #[must_use]
    pub fn describe(&self) -> &str {
        &self.0.store.name
    }

    /// Writes, reads, lists and removes a small object, and sees that conditional writes are honoured.
    ///
    /// # Errors
    /// See [`DepotError`].
    pub fn check(&self, control: &Control) -> Result<(), DepotError> {
        self.run(control, probe::check(&self.0.store))
    }

    /// The partitions that have checkpoints here.
    ///
    /// # Errors
    /// See [`DepotError`].
    pub fn places(&self, control: &Control) -> Result<Vec<Place>, DepotError> {
        self.run(control, probe::places(&self.0.store))
    }

    /// Makes the caller the owner of a partition's checkpoints: whoever has an older epoch publishes none any more. Returns
    /// its epoch, one more than was ever claimed, and at least `at_least`. It is called once, when the partition is ours.
    ///
    /// # Errors
    /// See [`DepotError`].
    pub fn claim(&self, place: &Place, at_least: u64, control: &Control) -> Result<u64, DepotError> {
        self.run(control, pointer::claim(&self.0.store, place, at_least))
    }

    /// Publishes a snapshot: a directory of files that nobody changes meanwhile. What is there already is not sent again,
    /// whoever sent it: an attempt that was killed is gone on with.
    ///
    /// # Errors
    /// See [`DepotError`]. Whatever it is, the newest checkpoint is the one before, or this one.
    pub fn publish(
        &self,
        place: &Place,
        snapshot: &Path,
        about: &About,
        full: Full,
        control: &Control,
    ) -> Result<Published, DepotError> {
        let Inner { store, digests, .. } = &*self.0;
        let job = Job { store, digests, place, snapshot, about, full, control };
        self.run(control, job.run())
    }

    /// The checkpoints of a partition, the one that reaches furthest first, and those that cannot be read. Files are not
    /// looked at.
    ///
    /// # Errors
    /// See [`DepotError`]. A partition without checkpoints is none.
    pub fn candidates(&self, place: &Place, control: &Control) -> Result<Candidates, DepotError> {
        self.run(control, candidates(&self.0.store, place))
    }

    /// Fetches a checkpoint into a directory: an empty one, or one with what an earlier attempt has left. Files that are
    /// in it, or under the same names in the directories `have`, and are the right ones to the last byte, are not fetched.
    ///
    /// # Errors
    /// See [`DepotError`]. Where it is damaged, missing or unknown, the checkpoint before may be whole. The directory is a
    /// snapshot only when this has returned without an error.
    pub fn fetch(
        &self,
        manifest: &Manifest,
        into: &Path,
        have: &[PathBuf],
        control: &Control,
    ) -> Result<Fetched, DepotError> {
        self.run(control, fetch(&self.0.store, manifest, into, have, control))
    }

    /// Reads everything that a partition has here, and says of every checkpoint whether it is whole.
    ///
    /// # Errors
    /// See [`DepotError`]: it could not be found out.
    pub fn verify(&self, place: &Place, control: &Control) -> Result<Vec<Checked>, DepotError> {
        self.run(control, verify(&self.0.store, place, control))
    }

    /// Removes all checkpoints of a partition but the newest `keep` (at least one), and what no other needs. What somebody
    /// fetches stays, and so does what is younger than the grace time of the limits.
    ///
    /// # Errors
    /// See [`DepotError`]. What is kept is whole in any case.
    pub fn prune(&self, place: &Place, keep: usize, control: &Control) -> Result<Pruned, DepotError> {
        self.run(control, prune(&self.0.store, place, keep))
    }

    fn run<T>(&self, control: &Control, work: impl Future<Output = Result<T, DepotError>>) -> Result<T, DepotError> {
        let Some(runtime) = &self.0.runtime else { return Err(DepotError::Cancelled) };
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = control.cancel.cancelled() => Err(DepotError::Cancelled),
                done = work => done,
            }
        })
    }
}
