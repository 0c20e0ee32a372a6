//! A checkpoint becomes a directory of files again: what is at hand is taken, the rest is fetched, and every byte is checked.
//! Not which checkpoint.
//!
//! While it is fetched a copy of its manifest lies among the leases, and what that names is not pruned.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use private_files::{make, parent_of, sync_directory};
use tokio::time::sleep;

use crate::control::{Control, Meter};
use crate::error::DepotError;
use crate::local::{self, MARK, blocking};
use crate::manifest::{Body, Manifest, Member};
use crate::place::Place;
use crate::read;
use crate::store::Store;
use crate::transfer::Content;

/// The end of names of files that are not whole yet.
const PART: &str = ".fetching";

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fetched {
    /// Files of the snapshot.
    pub files: usize,
    /// Bytes of them together.
    pub bytes: u64,
    /// Files that came from the depot; the others were at hand.
    pub fetched_files: usize,
    /// Bytes of them together.
    pub fetched_bytes: u64,
}

/// Where the leases of a place are.
pub(crate) fn leases(place: &Place) -> String {
    format!("{}/leases", place.prefix())
}

/// Fetches a checkpoint, and holds it meanwhile.
pub(crate) async fn fetch(
    store: &Store,
    manifest: &Manifest,
    into: &Path,
    have: &[PathBuf],
    control: &Control,
) -> Result<Fetched, DepotError> {
    let lease = format!("{}/{}", leases(manifest.place()), local::random()?);
    let bytes = manifest.body.encode().map_err(|error| DepotError::Config(error.to_string()))?;
    hold(store, &lease, &bytes).await;
    let renew = async {
        loop {
            sleep(store.limits.grace / 4).await;
            hold(store, &lease, &bytes).await;
        }
    };
    let fetched = tokio::select! {
        fetched = fetch_held(store, &manifest.body, into, have, control) => fetched,
        () = renew => Err(DepotError::Cancelled),
    };
    // One that stays is removed when it is old.
    let _ = store.delete(&lease).await;
    fetched
}

/// A reader that may not write goes without: then it is the number of checkpoints kept that gives it time.
async fn hold(store: &Store, lease: &str, bytes: &[u8]) {
    if let Err(error) = store.put(lease, bytes).await {
        tracing::debug!(%error, "a checkpoint is fetched without a lease");
    }
}

async fn fetch_held(
    store: &Store,
    body: &Body,
    into: &Path,
    have: &[PathBuf],
    control: &Control,
) -> Result<Fetched, DepotError> {
    // After the lease: what is there now is not pruned.
    store.head(&format!("{}/{}", read::manifests(&body.place), body.name)).await?;
    let names: Vec<_> = body.files.iter().map(|file| file.name.clone()).collect();
    let dir = into.to_owned();
    blocking(move || prepare(&dir, &names)).await??;
    let meter = Meter::new(control, body.files.len(), body.bytes());
    let one = |file| one_file(store, body, file, into, have, &meter);
    let mut files = stream::iter(body.files.iter().map(one)).buffer_unordered(store.limits.parallel);
    let mut fetched = Fetched { files: body.files.len(), bytes: body.bytes(), ..Fetched::default() };
    while let Some(bytes) = files.try_next().await? {
        fetched.fetched_files += usize::from(bytes.is_some());
        fetched.fetched_bytes += bytes.unwrap_or_default();
    }
    drop(files);
    let (dir, names) = (into.to_owned(), body.files.iter().map(|file| file.name.clone()).collect::<Vec<_>>());
    blocking(move || settle(&dir, &names)).await??;
    Ok(fetched)
}

/// Makes the directories, and removes what an earlier fetch has left. Where there was none, nothing is removed.
fn prepare(into: &Path, names: &[String]) -> Result<(), DepotError> {
    let failed = |cause| DepotError::local(into, cause);
    make(into).map_err(failed)?;
    let (mark, found) = (into.join(MARK), local::scan(into)?);
    let is_ours = fs::symlink_metadata(&mark).is_ok_and(|mark| mark.is_file());
    for file in found.iter().filter(|file| !names.contains(&file.name)) {
        if !is_ours {
            let cause = "it is no file of the checkpoint that is fetched into its directory: give an empty one";
            return Err(DepotError::local(&file.path, std::io::Error::other(cause)));
        }
        fs::remove_file(&file.path).map_err(failed)?;
    }
    if !is_ours {
        local::create(&mark).map_err(failed)?;
    }
    for name in names {
        make(parent_of(&into.join(name))).map_err(failed)?;
    }
    Ok(())
}

/// Has the names on the disk.
fn settle(into: &Path, names: &[String]) -> Result<(), DepotError> {
    let mut directories: Vec<_> = names.iter().map(|name| parent_of(&into.join(name)).to_owned()).collect();
    directories.push(into.to_owned());
    directories.sort_unstable();
    directories.dedup();
    directories.iter().try_for_each(|dir| sync_directory(dir).map_err(|cause| DepotError::local(dir, cause)))
}

/// `Some`: so many bytes came from the depot.
async fn one_file(
    store: &Store,
    body: &Body,
    file: &Member,
    into: &Path,
    have: &[PathBuf],
    meter: &Meter,
) -> Result<Option<u64>, DepotError> {
    let target = into.join(&file.name);
    let part = PathBuf::from(format!("{}{PART}", target.display()));
    let (at_hand, to, wanted) = (at_hand(file, have), (target.clone(), part.clone()), file.clone());
    if blocking(move || take(&wanted, &at_hand, &to.0, &to.1)).await?? {
        meter.bytes(file.bytes);
        meter.file();
        return Ok(None);
    }
    let failed = |cause| DepotError::local(&target, cause);
    let path = part.clone();
    let new = Arc::new(blocking(move || local::create(&path)).await?.map_err(failed)?);
    let object = format!("{}/{}", body.place.prefix(), body.object(file));
    let content = Content { bytes: file.bytes, sha256: &file.sha256 };
    if let Err(error) = store.read(&object, content, Some((&new, &part)), meter).await {
        // The first error is the one to tell.
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    let to = target.clone();
    blocking(move || new.sync_all().and_then(|()| fs::rename(&part, &to))).await?.map_err(failed)?;
    meter.file();
    Ok(Some(file.bytes))
}

fn at_hand(file: &Member, have: &[PathBuf]) -> Vec<PathBuf> {
    have.iter().map(|dir| dir.join(&file.name)).collect()
}

/// Whether the file is there, or could be copied from one that is at hand.
fn take(file: &Member, at_hand: &[PathBuf], target: &Path, part: &Path) -> Result<bool, DepotError> {
    let failed = |cause| DepotError::local(target, cause);
    if local::is_it(target, file.bytes, &file.sha256) {
        return Ok(true);
    }
    match fs::remove_file(target) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    for path in at_hand {
        if !fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == file.bytes) {
            continue;
        }
        let new = local::create(part).map_err(failed)?;
        if local::copy_if(path, &new, file.bytes, &file.sha256).is_ok_and(|is_it| is_it) {
            new.sync_all().and_then(|()| fs::rename(part, target)).map_err(failed)?;
            return Ok(true);
        }
        fs::remove_file(part).map_err(failed)?;
    }
    Ok(false)
}
