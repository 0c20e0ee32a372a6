//! Whether the checkpoints of a place are whole: everything is read. Not whether a state opens from them.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::control::{Control, Meter};
use crate::error::DepotError;
use crate::manifest::{About, Body, Member};
use crate::place::Place;
use crate::read;
use crate::store::Store;
use crate::transfer::Content;

/// A checkpoint that was read from end to end.
#[derive(Debug)]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// What it says about itself, where that can be read.
    pub about: Option<About>,
    /// Whether it is the one that was published last.
    pub is_newest: bool,
    /// Whether it is whole, or the first thing that is wrong with it.
    pub result: Result<(), DepotError>,
}

/// Reads every object of every checkpoint, each once.
pub(crate) async fn verify(store: &Store, place: &Place, control: &Control) -> Result<Vec<Checked>, DepotError> {
    let candidates = read::candidates(store, place).await?;
    let bodies: Vec<&Body> = candidates.manifests.iter().map(|manifest| &manifest.body).collect();
    let objects: HashMap<String, &Member> =
        bodies.iter().flat_map(|body| body.files.iter().map(|file| (body.object(file), file))).collect();
    let bytes = objects.values().fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
    let meter = &Meter::new(control, objects.len(), bytes);
    let reads = objects.iter().map(|(object, file)| async move {
        let content = Content { bytes: file.bytes, sha256: &file.sha256 };
        let read = store.read(&format!("{}/{object}", place.prefix()), content, None, meter).await;
        meter.file();
        match read {
            Ok(()) => Ok(None),
            Err(error @ (DepotError::Damaged { .. } | DepotError::Missing { .. })) => Ok(Some((object.clone(), error))),
            Err(error) => Err(error),
        }
    });
    let wrong = stream::iter(reads).buffer_unordered(store.limits.parallel);
    let wrong: HashMap<String, DepotError> = wrong.try_filter_map(|wrong| async { Ok(wrong) }).try_collect().await?;
    let checked = candidates.manifests.iter().map(|manifest| {
        let body = &manifest.body;
        let first = body.files.iter().find_map(|file| Some(again(wrong.get(&body.object(file))?, file)));
        Checked {
            name: body.name.clone(),
            about: Some(body.about.clone()),
            is_newest: manifest.is_newest,
            result: first.map_or(Ok(()), Err),
        }
    });
    let mut all: Vec<_> = checked.collect();
    let unread = candidates.damaged.into_iter();
    all.extend(unread.map(|(name, error)| Checked { name, about: None, is_newest: false, result: Err(error) }));
    Ok(all)
}

/// The same words for another checkpoint that has the object, with the name of its file there.
fn again(error: &DepotError, file: &Member) -> DepotError {
    let named = |object: &str| format!("{object} (the file {})", file.name);
    if let DepotError::Damaged { object, cause } = error {
        DepotError::damaged(named(object), cause.clone())
    } else if let DepotError::Missing { object } = error {
        DepotError::Missing { object: named(object) }
    } else {
        DepotError::damaged(named(""), error.to_string())
    }
}
