//! Whether a depot can be used, and which places it has. Not their checkpoints.

use object_store::UpdateVersion;

use crate::error::DepotError;
use crate::local::random;
use crate::place::Place;
use crate::pointer;
use crate::store::{Put, Store};

/// Bytes of the object that is written.
const PROBE_BYTES_MAX: u64 = 64;

/// Times that a store must prove unfit: a single answer may have been changed on its way, or say a conflict without a reason.
const REFUSALS: u32 = 3;

/// Writes, reads, lists and removes an object, and sees that conditional writes are honoured.
pub(crate) async fn check(store: &Store) -> Result<(), DepotError> {
    let mut refusals = 0;
    loop {
        let checked = check_once(store).await;
        let is_unfit = matches!(checked, Err(DepotError::NotConditional { .. } | DepotError::Damaged { .. }));
        refusals += 1;
        if !is_unfit || refusals >= REFUSALS {
            return checked;
        }
        store.pause(refusals).await;
    }
}

async fn check_once(store: &Store) -> Result<(), DepotError> {
    let object = format!("probe/{}", random()?);
    let checked = conditions(store, &object).await;
    let removed = store.delete(&object).await;
    checked?;
    store.list("probe").await?;
    removed
}

async fn conditions(store: &Store, object: &str) -> Result<(), DepotError> {
    let missing = |error| {
        let is_missing = matches!(error, DepotError::Missing { .. });
        let words = || DepotError::Config(format!("{} is not there: create the bucket first", store.name));
        if is_missing { words() } else { error }
    };
    store.put(object, b"one").await.map_err(missing)?;
    let first = seen(store, object, b"one").await?;
    let ignored = |what: &str| DepotError::NotConditional { depot: store.name.clone(), cause: what.to_owned() };
    match store.put_if(object, b"two", None).await {
        Put::Refused => {}
        Put::Done => return Err(ignored("an object was created over another")),
        Put::Unclear(error) => return Err(error),
    }
    match store.put_if(object, b"three", Some(&first)).await {
        Put::Done => {}
        Put::Refused => return Err(ignored("an object was not replaced that had not changed")),
        Put::Unclear(error) => return Err(error),
    }
    match store.put_if(object, b"four", Some(&first)).await {
        Put::Refused => {}
        Put::Done => return Err(ignored("an object was replaced that had changed")),
        Put::Unclear(error) => return Err(error),
    }
    seen(store, object, b"three").await.map(drop)
}

async fn seen(store: &Store, object: &str, expected: &[u8]) -> Result<UpdateVersion, DepotError> {
    match store.get(object, PROBE_BYTES_MAX).await? {
        Some((bytes, version)) if bytes == expected => Ok(version),
        Some(_) => Err(DepotError::damaged(store.full(object), "it was just written, and is something else")),
        None => Err(DepotError::Missing { object: store.full(object) }),
    }
}

/// All places of a depot.
pub(crate) async fn places(store: &Store) -> Result<Vec<Place>, DepotError> {
    let mut places = Vec::new();
    for group in store.directories("").await? {
        for topic in store.directories(&group).await? {
            for partition in store.directories(&format!("{group}/{topic}")).await? {
                let place = match Place::of_prefix(&group, &topic, &partition) {
                    Some(place) => Some(place),
                    // Its names were too long to be kept.
                    None => pointer::place_at(store, &format!("{group}/{topic}/{partition}")).await?,
                };
                places.extend(place.filter(|place| place.prefix() == format!("{group}/{topic}/{partition}")));
            }
        }
    }
    places.sort();
    Ok(places)
}
