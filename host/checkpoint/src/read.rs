//! Which checkpoints a place has, newest first, and which of them cannot be read. Not their files.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::error::DepotError;
use crate::manifest::{Body, MANIFEST_BYTES_MAX, Manifest, Rank};
use crate::place::Place;
use crate::pointer;
use crate::store::Store;

/// Manifests that are read, the newest ones: more are not worth waiting for.
const MANIFESTS_MAX: usize = 256;

/// The checkpoints of a place.
#[derive(Debug, Default)]
pub struct Candidates {
    /// Those that can be read, the one that reaches furthest first.
    pub manifests: Vec<Manifest>,
    /// Names of those that cannot, and why.
    pub damaged: Vec<(String, DepotError)>,
    /// Why nothing says which one was published last, where that is so. It is no obstacle.
    pub pointer_damage: Option<String>,
}

/// Reads all manifests of a place.
pub(crate) async fn candidates(store: &Store, place: &Place) -> Result<Candidates, DepotError> {
    let (head, pointer_damage) = match pointer::read(store, place).await {
        Ok(head) => (head.clone(), head.damage),
        // A pointer of a later version; its checkpoints say themselves whether they can be read.
        Err(error @ DepotError::Unknown { .. }) => (pointer::Head::default(), Some(error.to_string())),
        Err(error) => return Err(error),
    };
    let newest = head.target.map(|target| target.manifest);
    let listed = store.list(&manifests(place)).await?;
    let names: BTreeSet<_> = listed.into_iter().map(|listed| listed.name).chain(newest.clone()).collect();
    // Names begin with the offset.
    let reads = names.into_iter().rev().filter(|name| Rank::of_name(name).is_some()).take(MANIFESTS_MAX);
    let reads = reads.map(|name| async move {
        match manifest(store, place, &name).await {
            Err(error @ (DepotError::Unreachable { .. } | DepotError::Denied { .. } | DepotError::Config(_))) => {
                Err(error)
            }
            read => Ok((name, read)),
        }
    });
    let read: Vec<_> = stream::iter(reads).buffered(store.limits.parallel).try_collect().await?;
    let mut candidates = Candidates { pointer_damage, ..Candidates::default() };
    for (name, read) in read {
        let is_newest = newest.as_ref() == Some(&name);
        match read {
            Ok(body) => candidates.manifests.push(Manifest { body, is_newest }),
            // Pruned since it was listed.
            Err(DepotError::Missing { .. }) if !is_newest => {}
            Err(error) => candidates.damaged.push((name, error)),
        }
    }
    candidates.manifests.sort_by_key(|manifest| {
        let about = manifest.about();
        std::cmp::Reverse((about.next_offset, about.epoch, manifest.is_newest, about.taken_at_ms))
    });
    Ok(candidates)
}

/// Where the manifests of a place are.
pub(crate) fn manifests(place: &Place) -> String {
    format!("{}/manifests", place.prefix())
}

/// One manifest.
pub(crate) async fn manifest(store: &Store, place: &Place, name: &str) -> Result<Body, DepotError> {
    let object = format!("{}/{name}", manifests(place));
    let full = store.full(&object);
    let Some((bytes, _)) = store.get(&object, MANIFEST_BYTES_MAX).await? else {
        return Err(DepotError::Missing { object: full });
    };
    Body::decode(&bytes, place, name, &full)
}
