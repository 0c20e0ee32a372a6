//! Which checkpoint of a place is the newest, and which epoch may say so: one small object, moved only from what was seen.
//! Not the checkpoints.
//!
//! It never goes back: an epoch below the one that it knows is refused, and so is an older offset of the same epoch. An answer
//! that was lost is found out by reading: whoever wrote it knows its mark.

use serde::{Deserialize, Serialize};

use object_store::UpdateVersion;

use crate::error::DepotError;
use crate::frame::{self, What};
use crate::local::random;
use crate::manifest::{About, Rank, framed};
use crate::place::Place;
use crate::store::{Put, Store};

/// Bytes of a pointer that is believed.
const POINTER_BYTES_MAX: u64 = 64 << 10;

/// Times that it is read until it is what it was before.
const READS_MAX: u32 = 10;

/// Times that somebody else may come first.
const ROUNDS_MAX: u32 = 30;

/// The newest checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) manifest: String,
    pub(crate) epoch: u64,
    pub(crate) next_offset: Option<u64>,
    pub(crate) generation: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pointer {
    #[serde(default)]
    requires: Vec<String>,
    place: Place,
    /// The epoch that may move it.
    epoch: u64,
    target: Option<Target>,
    /// Whose write it is: a random mark.
    mark: String,
}

/// What a place is known to have reached.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    version: Option<UpdateVersion>,
    mark: Option<String>,
    pub(crate) epoch: u64,
    pub(crate) target: Option<Target>,
    /// Why there is no target, where there should be one.
    pub(crate) damage: Option<String>,
}

/// What to do about what was seen.
pub(crate) enum Step {
    /// Say this.
    Move { epoch: u64, target: Option<Target> },
    /// It says so already.
    Done,
    /// It says something that makes this pointless.
    Stop,
}

fn object(place: &Place) -> String {
    format!("{}/newest", place.prefix())
}

/// Which place has its objects there, where a pointer says it.
pub(crate) async fn place_at(store: &Store, prefix: &str) -> Result<Option<Place>, DepotError> {
    let seen = store.get(&format!("{prefix}/newest"), POINTER_BYTES_MAX).await?;
    Ok(seen.and_then(|(bytes, _)| frame::decode::<Pointer>(What::Pointer, &bytes).ok()).map(|pointer| pointer.place))
}

/// What is known of a place. Where the pointer is lost or damaged, the names of the manifests say it.
pub(crate) async fn read(store: &Store, place: &Place) -> Result<Head, DepotError> {
    let object = object(place);
    let (version, damage) = match seen(store, place, &object).await? {
        Seen::Nothing => (None, None),
        Seen::Pointer(version, Pointer { epoch, target, mark, .. }) => {
            return Ok(Head { version: Some(version), mark: Some(mark), epoch, target, damage: None });
        }
        Seen::Damage(version, cause) => (Some(version), Some(cause)),
    };
    if let Some(cause) = &damage {
        let object = store.full(&object);
        tracing::warn!(object, cause, "the pointer to the newest checkpoint is damaged: the manifests are listed");
    }
    let target = newest_by_name(store, place).await?;
    let epoch = target.as_ref().map_or(0, |target| target.epoch);
    Ok(Head { version, mark: None, epoch, target, damage })
}

enum Seen {
    Nothing,
    Pointer(UpdateVersion, Pointer),
    Damage(UpdateVersion, String),
}

/// Damage is believed when it is seen twice: a pointer that the way has changed must not be taken for one that is lost.
async fn seen(store: &Store, place: &Place, object: &str) -> Result<Seen, DepotError> {
    let mut before = None;
    for _ in 0..READS_MAX {
        let Some((bytes, version)) = store.get(object, POINTER_BYTES_MAX).await? else { return Ok(Seen::Nothing) };
        let cause = match frame::decode::<Pointer>(What::Pointer, &bytes) {
            Ok(pointer) if pointer.place == *place => return Ok(Seen::Pointer(version, pointer)),
            Ok(_) => "it is the pointer of another partition".to_owned(),
            Err(error) => {
                let error = framed(error, &store.full(object));
                let DepotError::Damaged { cause, .. } = &error else { return Err(error) };
                cause.clone()
            }
        };
        if before.as_ref() == Some(&bytes) {
            return Ok(Seen::Damage(version, cause));
        }
        before = Some(bytes);
    }
    let cause = "it reads differently each time".to_owned();
    Err(DepotError::Unreachable { object: store.full(object), cause })
}

async fn newest_by_name(store: &Store, place: &Place) -> Result<Option<Target>, DepotError> {
    let listed = store.list(&format!("{}/manifests", place.prefix())).await?;
    let named = listed.into_iter().filter_map(|listed| Some((Rank::of_name(&listed.name)?, listed.name)));
    Ok(named.max().map(|(rank, manifest)| Target {
        manifest,
        epoch: rank.epoch,
        next_offset: Some(rank.next_offset).filter(|offset| *offset > 0),
        generation: rank.generation,
    }))
}

impl Head {
    /// Whether a checkpoint may follow what is known.
    pub(crate) fn admits(&self, place: &Place, about: &About) -> Result<(), DepotError> {
        if about.epoch < self.epoch {
            return Err(DepotError::Fenced { place: place.to_string(), ours: about.epoch, theirs: self.epoch });
        }
        match &self.target {
            Some(target) if target.epoch == about.epoch && about.next_offset < target.next_offset => {
                let [ours, theirs] = [about.next_offset, target.next_offset].map(Option::unwrap_or_default);
                Err(DepotError::Behind { place: place.to_string(), ours, theirs })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a pointer says it, and not the names of manifests alone.
    pub(crate) fn is_told(&self) -> bool {
        self.mark.is_some()
    }

    pub(crate) fn points_to(&self, manifest: &str) -> bool {
        self.is_told() && self.target.as_ref().is_some_and(|target| target.manifest == manifest)
    }
}

/// Moves the pointer as `step` says, however many others do the same; `None`: it says to stop.
pub(crate) async fn advance(
    store: &Store,
    place: &Place,
    step: impl Fn(&Head) -> Result<Step, DepotError>,
) -> Result<Option<Head>, DepotError> {
    let (object, mark) = (object(place), random()?);
    let mut unclear = None;
    for round in 0..ROUNDS_MAX {
        let head = read(store, place).await?;
        if head.mark.as_ref() == Some(&mark) {
            return Ok(Some(head));
        }
        let (epoch, target) = match step(&head)? {
            Step::Move { epoch, target } => (epoch, target),
            Step::Done => return Ok(Some(head)),
            Step::Stop => return Ok(None),
        };
        let pointer = Pointer { requires: Vec::new(), place: place.clone(), epoch, target, mark: mark.clone() };
        let bytes = frame::encode(What::Pointer, &pointer).map_err(|error| DepotError::Config(error.to_string()))?;
        match store.put_if(&object, &bytes, head.version.as_ref()).await {
            Put::Done => return Ok(Some(Head { epoch, target: pointer.target, mark: Some(mark), ..head })),
            Put::Refused => {}
            Put::Unclear(error @ DepotError::Denied { .. }) => return Err(error),
            Put::Unclear(error) if round + 1 >= store.limits.attempts => unclear = Some(error),
            Put::Unclear(error) => tracing::debug!(%error, "whether the pointer has moved is looked up"),
        }
        if let Some(error) = unclear.take() {
            let head = read(store, place).await?;
            return if head.mark.as_ref() == Some(&mark) { Ok(Some(head)) } else { Err(error) };
        }
        store.pause(round.min(4)).await;
    }
    let cause = format!("others moved it {ROUNDS_MAX} times before us");
    Err(DepotError::Unreachable { object: store.full(&object), cause })
}

/// Makes the caller the owner of a place: nobody with an older epoch publishes there any more.
pub(crate) async fn claim(store: &Store, place: &Place, at_least: u64) -> Result<u64, DepotError> {
    let next = |head: &Head| {
        let epoch = head.epoch.saturating_add(1).max(at_least);
        Ok(Step::Move { epoch, target: head.target.clone() })
    };
    let claimed = advance(store, place, next).await?;
    Ok(claimed.map_or(at_least, |head| head.epoch))
}
