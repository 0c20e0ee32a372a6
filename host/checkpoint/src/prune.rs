//! What no checkpoint that is kept needs goes: by reachability, and never what somebody reads or is about to name. Not when.
//!
//! Manifests go first. An object goes where no manifest that is kept names it, no lease does, and it is older than the grace
//! time; `publish` relies on nothing that is older than half of it. A prune that takes too long stops: the next one goes on.

use std::collections::{BTreeMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use crate::error::DepotError;
use crate::fetch::leases;
use crate::manifest::{Body, MANIFEST_BYTES_MAX, Rank, generation_dir};
use crate::place::Place;
use crate::pointer::{self, Head};
use crate::publish::now_ms;
use crate::read::{self, manifests};
use crate::store::Store;

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Checkpoints that went.
    pub checkpoints: usize,
    /// Objects that went.
    pub objects: usize,
    /// Bytes of them together.
    pub bytes: u64,
    /// Checkpoints that stay.
    pub kept: usize,
}

/// What must stay.
#[derive(Default)]
struct Held {
    /// Of these objects, those.
    objects: HashSet<String>,
    /// All objects of these generations: a manifest of theirs cannot be read.
    generations: HashSet<String>,
}

impl Held {
    fn hold(&mut self, body: &Body) {
        self.objects.extend(body.files.iter().map(|file| body.object(file)));
    }

    fn holds(&self, object: &str) -> bool {
        let generation = object.rsplit_once('/').map_or(object, |(generation, _)| generation);
        self.objects.contains(object) || self.generations.contains(generation)
    }
}

/// Removes all but the newest `keep` checkpoints, and what only the others need.
pub(crate) async fn prune(store: &Store, place: &Place, keep: usize) -> Result<Pruned, DepotError> {
    let began = Instant::now();
    let now = now_ms(store, place).await?;
    let head = pointer::read(store, place).await?;
    let (mut held, gone, kept) = plan(store, place, &head, keep.max(1)).await?;
    for name in &gone {
        store.delete(&format!("{}/{name}", manifests(place))).await?;
    }
    let mut pruned = Pruned { checkpoints: gone.len(), kept, ..Pruned::default() };
    // After the manifests: who took a lease before found its manifest still there.
    if !hold_leased(store, place, now, &mut held).await? {
        return Ok(pruned);
    }
    let grace_ms = grace_ms(store);
    let prefix = place.prefix();
    let listed = store.list(&format!("{prefix}/objects")).await?;
    let is_garbage = |name: &str, written_at_ms: i64| {
        !held.holds(&format!("objects/{name}")) && now.saturating_sub(written_at_ms) >= grace_ms
    };
    let garbage: Vec<_> = listed.into_iter().filter(|listed| is_garbage(&listed.name, listed.written_at_ms)).collect();
    let prefix = &prefix;
    let removals = garbage.iter().map(|listed| async move {
        if began.elapsed() > store.limits.grace / 4 && grace_ms > 0 {
            return Ok(None);
        }
        store.delete(&format!("{prefix}/objects/{}", listed.name)).await.map(|()| Some(listed.bytes))
    });
    let mut removals = stream::iter(removals).buffer_unordered(store.limits.parallel);
    while let Some(removed) = removals.try_next().await? {
        pruned.objects += usize::from(removed.is_some());
        pruned.bytes += removed.unwrap_or_default();
    }
    drop(removals);
    store.sweep(prefix).await?;
    Ok(pruned)
}

fn grace_ms(store: &Store) -> i64 {
    i64::try_from(store.limits.grace.as_millis()).unwrap_or(i64::MAX)
}

/// What stays, which checkpoints go, and how many stay. The newest are those of the newest epochs: after a rewind an older one
/// may reach further. One that cannot be read counts for nothing, and goes when it is older than all that are kept.
async fn plan(
    store: &Store,
    place: &Place,
    head: &Head,
    keep: usize,
) -> Result<(Held, Vec<String>, usize), DepotError> {
    let listed = store.list(&manifests(place)).await?;
    let ranked: BTreeMap<_, _> = listed
        .into_iter()
        .filter_map(|listed| Some(((Rank::of_name(&listed.name)?, listed.name.clone()), listed.name)))
        .collect();
    let (mut held, mut gone, mut kept) = (Held::default(), Vec::new(), 0);
    for ((rank, _), name) in ranked.into_iter().rev() {
        if kept >= keep && !head.points_to(&name) {
            gone.push(name);
            continue;
        }
        match read::manifest(store, place, &name).await {
            Ok(body) => {
                kept += 1;
                held.hold(&body);
            }
            Err(DepotError::Missing { .. }) => {}
            Err(DepotError::Damaged { .. } | DepotError::Unknown { .. }) => {
                held.generations.insert(generation_dir(rank.generation));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((held, gone, kept))
}

/// Holds what somebody is fetching, and removes leases that nobody renews; `false`: one cannot be read, and nothing may go.
async fn hold_leased(store: &Store, place: &Place, now: i64, held: &mut Held) -> Result<bool, DepotError> {
    let dir = leases(place);
    for lease in store.list(&dir).await? {
        let object = format!("{dir}/{}", lease.name);
        if now.saturating_sub(lease.written_at_ms) > grace_ms(store) {
            store.delete(&object).await?;
            continue;
        }
        let Some((bytes, _)) = store.get(&object, MANIFEST_BYTES_MAX).await? else { continue };
        match Body::decode_copy(&bytes, &store.full(&object)) {
            Ok(body) => held.hold(&body),
            Err(error) => {
                tracing::warn!(%error, "nothing is pruned while somebody may be reading");
                return Ok(false);
            }
        }
    }
    Ok(true)
}
