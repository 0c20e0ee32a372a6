//! A snapshot becomes a checkpoint: what is not there yet is sent, the manifest is written, the pointer moves. Not when.
//!
//! An object is relied on, and not sent, where it is one of the newest checkpoint's, or where it is so young that nobody
//! removes it before the manifest names it (`prune` has the other half of this rule).

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use crate::control::{Control, Meter};
use crate::error::DepotError;
use crate::local::{self, LocalFile, Stamp, blocking};
use crate::manifest::{About, Body, Member, Rank, generation_dir, object};
use crate::place::Place;
use crate::pointer::{self, Head, Step, Target};
use crate::read;
use crate::store::{Listed, Store};

/// Times that what was relied on may be gone, or that another checkpoint may come first.
const ROUNDS_MAX: u32 = 4;

/// When everything is sent anew, trusting no earlier object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Now.
    Always,
    /// Every n-th checkpoint; 0: only where there is none to go on from.
    Every(u32),
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The name of the checkpoint.
    pub name: String,
    /// Whether everything was sent anew.
    pub is_full: bool,
    /// Its files.
    pub files: usize,
    /// Bytes of them together.
    pub bytes: u64,
    /// Objects that were sent; the others were there.
    pub sent_objects: usize,
    /// Bytes of them together.
    pub sent_bytes: u64,
}

/// Digests of files that have not changed since they were read, of the last snapshot of each place.
#[derive(Debug, Default)]
pub(crate) struct Digests(Mutex<HashMap<Place, HashMap<Stamp, String>>>);

impl Digests {
    fn of(&self, place: &Place) -> HashMap<Stamp, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(place).cloned().unwrap_or_default()
    }

    fn keep(&self, place: &Place, files: &[(LocalFile, String)]) {
        let settled = files.iter().filter(|(file, _)| file.is_settled);
        let known = settled.map(|(file, digest)| (file.stamp, digest.clone())).collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone(), known);
    }
}

/// Everything that one publication is given.
pub(crate) struct Job<'a> {
    pub(crate) store: &'a Store,
    pub(crate) digests: &'a Digests,
    pub(crate) place: &'a Place,
    pub(crate) snapshot: &'a Path,
    pub(crate) about: &'a About,
    pub(crate) full: Full,
    pub(crate) control: &'a Control,
}

/// What the new checkpoint goes on from.
struct Base {
    parent: Option<Body>,
    generation: u64,
    since_full: u32,
}

/// A file, its digest, and where its bytes belong.
struct Wanted<'a> {
    file: &'a LocalFile,
    sha256: &'a str,
    object: String,
}

/// What was sent.
struct Sent {
    objects: HashSet<String>,
    bytes: u64,
    since: Instant,
}

impl Job<'_> {
    pub(crate) async fn run(&self) -> Result<Published, DepotError> {
        let dir = self.snapshot.to_owned();
        let files = blocking(move || local::scan(&dir)).await??;
        let mut hashed = None;
        for _ in 0..ROUNDS_MAX {
            let head = pointer::read(self.store, self.place).await?;
            head.admits(self.place, self.about)?;
            let base = self.base(&head).await?;
            let files = match hashed.take() {
                Some(hashed) => hashed,
                None => self.hash(files.clone(), base.parent.is_none()).await?,
            };
            if let Some(published) = self.publish(&head, base, &files).await? {
                self.digests.keep(self.place, &files);
                return Ok(published);
            }
            hashed = Some(files);
        }
        let object = self.store.full(&self.place.prefix());
        Err(DepotError::Unreachable {
            object,
            cause: "other checkpoints of the partition came first again and again".into(),
        })
    }

    /// The checkpoint to go on from, unless everything is to be sent.
    async fn base(&self, head: &Head) -> Result<Base, DepotError> {
        let parent = match (&head.target, self.full) {
            (None, _) | (_, Full::Always) => None,
            (Some(target), Full::Every(every)) => {
                let parent = self.manifest(&target.manifest).await?;
                parent.filter(|parent| every == 0 || parent.since_full.saturating_add(1) < every)
            }
        };
        let generation = head.target.as_ref().map_or(0, |target| target.generation);
        Ok(match parent {
            Some(parent) => Base {
                generation: parent.generation,
                since_full: parent.since_full.saturating_add(1),
                parent: Some(parent),
            },
            None => Base { generation: generation.saturating_add(1), since_full: 0, parent: None },
        })
    }

    /// The manifest of the newest checkpoint; one that is lost or damaged is no base, and no obstacle.
    async fn manifest(&self, name: &str) -> Result<Option<Body>, DepotError> {
        match read::manifest(self.store, self.place, name).await {
            Ok(body) => Ok(Some(body)),
            Err(error @ (DepotError::Missing { .. } | DepotError::Damaged { .. } | DepotError::Unknown { .. })) => {
                tracing::warn!(%error, "everything is sent anew");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads what is not known to be unchanged; where everything is sent, everything.
    async fn hash(&self, files: Vec<LocalFile>, anew: bool) -> Result<Vec<(LocalFile, String)>, DepotError> {
        let known = if anew { HashMap::new() } else { self.digests.of(self.place) };
        let hashed = files.into_iter().map(|file| {
            let known = known.get(&file.stamp).cloned();
            async move {
                match known {
                    Some(digest) => Ok((file, digest)),
                    None => blocking(move || file.digest().map(|digest| (file, digest))).await?,
                }
            }
        });
        stream::iter(hashed).buffered(self.store.limits.parallel).try_collect().await
    }

    /// `None`: another checkpoint came first, and what this one relied on may go.
    async fn publish(
        &self,
        head: &Head,
        base: Base,
        files: &[(LocalFile, String)],
    ) -> Result<Option<Published>, DepotError> {
        let sent = self.send(&base, files).await?;
        let relies = base.parent.is_some();
        let next_offset = self.about.next_offset.unwrap_or_default();
        let rank = Rank { epoch: self.about.epoch, next_offset, generation: base.generation };
        let name = rank.name(&local::random()?);
        let member = |(file, sha256): &(LocalFile, String)| Member {
            name: file.name.clone(),
            bytes: file.bytes,
            sha256: sha256.clone(),
        };
        let body = Body {
            requires: Vec::new(),
            name: name.clone(),
            place: self.place.clone(),
            about: self.about.clone(),
            generation: base.generation,
            since_full: base.since_full,
            parent: base.parent.map(|parent| parent.name),
            files: files.iter().map(member).collect(),
        };
        let bytes = body.encode().map_err(|error| DepotError::Config(error.to_string()))?;
        let manifest = format!("{}/manifests/{name}", self.place.prefix());
        self.store.put(&manifest, &bytes).await?;
        let from = relies.then_some(head);
        if !self.point(from, &name, base.generation, &manifest).await? {
            return Ok(None);
        }
        Ok(Some(Published {
            name,
            is_full: body.since_full == 0,
            files: files.len(),
            bytes: body.bytes(),
            sent_objects: sent.objects.len(),
            sent_bytes: sent.bytes,
        }))
    }

    /// Moves the pointer from what the checkpoint goes on from; where that is gone, its manifest goes as well.
    async fn point(
        &self,
        from: Option<&Head>,
        name: &str,
        generation: u64,
        manifest: &str,
    ) -> Result<bool, DepotError> {
        let About { epoch, next_offset, .. } = *self.about;
        let target = Target { manifest: name.to_owned(), epoch, next_offset, generation };
        let moved = pointer::advance(self.store, self.place, |head| {
            if head.points_to(name) {
                return Ok(Step::Done);
            }
            head.admits(self.place, self.about)?;
            let is_as_seen = !head.is_told() || from.is_none_or(|from| from.target == head.target);
            Ok(if is_as_seen { Step::Move { epoch, target: Some(target.clone()) } } else { Step::Stop })
        });
        match moved.await {
            Ok(Some(_)) => Ok(true),
            Ok(None) => self.store.delete(manifest).await.map(|()| false),
            Err(error @ (DepotError::Fenced { .. } | DepotError::Behind { .. })) => {
                // It is the pointer's to say which counts: left behind, it would only be pruned later.
                let _ = self.store.delete(manifest).await;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends what is not there, and looks that all of it is.
    async fn send(&self, base: &Base, files: &[(LocalFile, String)]) -> Result<Sent, DepotError> {
        let relied: HashSet<&str> =
            base.parent.iter().flat_map(|parent| &parent.files).map(|file| file.sha256.as_str()).collect();
        let wanted = self.wanted(base.generation, files);
        let mut sent = Sent { objects: HashSet::new(), bytes: 0, since: Instant::now() };
        for round in 0..=ROUNDS_MAX {
            let there = self.there(base.generation, &relied, &sent).await?;
            let missing: Vec<_> =
                wanted.iter().filter(|wanted| there.get(wanted.sha256) != Some(&wanted.file.bytes)).collect();
            if missing.is_empty() {
                return Ok(sent);
            }
            if round == ROUNDS_MAX {
                break;
            }
            self.send_these(&wanted, &missing, &mut sent).await?;
        }
        let object = self.store.full(&format!("{}/{}", self.place.prefix(), generation_dir(base.generation)));
        Err(DepotError::Unreachable { object, cause: "objects that were sent are not there, again and again".into() })
    }

    /// Each content once.
    fn wanted<'a>(&self, generation: u64, files: &'a [(LocalFile, String)]) -> Vec<Wanted<'a>> {
        let mut seen = HashSet::new();
        let new = files.iter().filter(|(_, sha256)| seen.insert(sha256.as_str()));
        let prefix = self.place.prefix();
        new.map(|(file, sha256)| Wanted { file, sha256, object: format!("{prefix}/{}", object(generation, sha256)) })
            .collect()
    }

    /// What can be relied on, with its size.
    async fn there(
        &self,
        generation: u64,
        relied: &HashSet<&str>,
        sent: &Sent,
    ) -> Result<HashMap<String, u64>, DepotError> {
        let prefix = self.place.prefix();
        let listed = self.store.list(&format!("{prefix}/{}", generation_dir(generation))).await?;
        let grace = self.store.limits.grace;
        let is_new = grace.is_zero() || sent.since.elapsed() < grace / 4;
        let is_known = |name: &str| relied.contains(name) || (is_new && sent.objects.contains(name));
        if listed.iter().all(|listed| is_known(&listed.name)) {
            return Ok(listed.into_iter().map(|listed| (listed.name, listed.bytes)).collect());
        }
        let now = now_ms(self.store, self.place).await?;
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let is_young = |listed: &Listed| now.saturating_sub(listed.written_at_ms) < grace_ms / 2;
        let there = listed.into_iter().filter(|listed| is_known(&listed.name) || is_young(listed));
        Ok(there.map(|listed| (listed.name, listed.bytes)).collect())
    }

    async fn send_these(&self, all: &[Wanted<'_>], missing: &[&Wanted<'_>], sent: &mut Sent) -> Result<(), DepotError> {
        let bytes = |wanted: &Wanted<'_>| wanted.file.bytes;
        let (whole, to_send) = (all.iter().map(bytes).sum::<u64>(), missing.iter().map(|wanted| bytes(wanted)).sum());
        let (store, meter) = (self.store, &Meter::new(self.control, all.len(), whole));
        meter.skip(all.len().saturating_sub(missing.len()), whole.saturating_sub(to_send));
        let sending = missing.iter().map(|wanted| async move {
            store.put_file(&wanted.object, wanted.file, wanted.sha256, meter).await?;
            meter.file();
            Ok::<_, DepotError>((wanted.sha256.to_owned(), wanted.file.bytes))
        });
        let mut sending = stream::iter(sending).buffer_unordered(store.limits.parallel);
        while let Some((sha256, bytes)) = sending.try_next().await? {
            sent.bytes += bytes;
            sent.objects.insert(sha256);
        }
        Ok(())
    }
}

/// What time it is for the depot, by an object written now.
pub(crate) async fn now_ms(store: &Store, place: &Place) -> Result<i64, DepotError> {
    let object = format!("{}/clock", place.prefix());
    store.put(&object, b"its age says what time it is for the store\n").await?;
    Ok(store.head(&object).await?.written_at_ms)
}
