//! What is found of checkpoints, place by place. Not how it is laid out.

use checkpoint::{About, Candidates, Checked, Control, Depot, DepotError, Manifest, Place};
use serde_json::{Value, json};

use super::{Scope, places};

/// The checkpoints of a partition in a depot.
pub(super) struct Found {
    pub(super) depot: String,
    pub(super) place: Place,
    pub(super) checkpoints: Vec<Shown>,
}

/// A checkpoint as it is shown.
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) about: Option<About>,
    pub(super) files: Option<usize>,
    pub(super) bytes: Option<u64>,
    pub(super) is_newest: bool,
    pub(super) is_full: Option<bool>,
    /// What is wrong with it.
    pub(super) damage: Option<String>,
}

impl Shown {
    pub(super) fn of(manifest: &Manifest, damage: Option<String>) -> Self {
        Self {
            name: manifest.name().to_owned(),
            about: Some(manifest.about().clone()),
            files: Some(manifest.files()),
            bytes: Some(manifest.bytes()),
            is_newest: manifest.is_newest(),
            is_full: Some(manifest.is_full()),
            damage,
        }
    }

    fn unreadable(name: String, error: &DepotError) -> Self {
        let damage = Some(error.to_string());
        Self { name, about: None, files: None, bytes: None, is_newest: false, is_full: None, damage }
    }

    pub(super) fn json(&self) -> Value {
        let about = self.about.as_ref();
        json!({
            "name": self.name,
            "offset": about.and_then(|about| about.next_offset),
            "taken_at_ms": about.map(|about| about.taken_at_ms),
            "epoch": about.map(|about| about.epoch),
            "files": self.files,
            "bytes": self.bytes,
            "is_newest": self.is_newest,
            "is_full": self.is_full,
            "damage": self.damage,
        })
    }
}

/// All of them, by what their manifests say.
pub(super) fn list(depots: &[Depot], scope: &Scope) -> Result<Vec<Found>, DepotError> {
    each(depots, scope, |depot, place| {
        let Candidates { manifests, damaged, .. } = depot.candidates(place, &Control::default())?;
        let mut shown: Vec<Shown> = manifests.iter().map(|manifest| Shown::of(manifest, None)).collect();
        shown.extend(damaged.into_iter().map(|(name, error)| Shown::unreadable(name, &error)));
        Ok(shown)
    })
}

/// All of them, each read to the last byte.
pub(super) fn verify(depots: &[Depot], scope: &Scope) -> Result<Vec<Found>, DepotError> {
    each(depots, scope, |depot, place| {
        let sizes = depot.candidates(place, &Control::default())?.manifests;
        let checked = depot.verify(place, &Control::default())?;
        let shown = |checked: Checked| {
            let damage = checked.result.err().map(|error| error.to_string());
            match sizes.iter().find(|manifest| manifest.name() == checked.name) {
                Some(manifest) => Shown::of(manifest, damage),
                None => Shown {
                    name: checked.name,
                    about: checked.about,
                    files: None,
                    bytes: None,
                    is_newest: checked.is_newest,
                    is_full: None,
                    damage,
                },
            }
        };
        Ok(checked.into_iter().map(shown).collect())
    })
}

fn each(
    depots: &[Depot],
    scope: &Scope,
    look: impl Fn(&Depot, &Place) -> Result<Vec<Shown>, DepotError>,
) -> Result<Vec<Found>, DepotError> {
    let mut found = Vec::new();
    for depot in depots {
        for place in places(depot, scope)? {
            let checkpoints = look(depot, &place)?;
            found.push(Found { depot: depot.describe().to_owned(), place, checkpoints });
        }
    }
    Ok(found)
}

pub(super) fn json(found: &[Found]) -> Value {
    let row = |found: &Found| {
        json!({
            "depot": found.depot,
            "group": found.place.group,
            "topic": found.place.topic,
            "topic_id": found.place.topic_id,
            "partition": found.place.partition,
            "checkpoints": found.checkpoints.iter().map(Shown::json).collect::<Vec<_>>(),
        })
    };
    json!({ "partitions": found.iter().map(row).collect::<Vec<_>>() })
}
