//! `dedup-host checkpoint`: what there is in the places of checkpoints, whether it is whole, one of them as a state, and what
//! may go. For people on call, and for scripts. It makes no checkpoints.

mod found;
mod text;

use std::path::{Path, PathBuf};

use checkpoint::{Control, Depot, DepotError, Manifest, Place};
use serde_json::{Value, json};

use self::found::{Found, Shown};

/// What is asked of checkpoints.
#[derive(Debug, Clone)]
pub enum Action {
    /// Say which there are.
    List,
    /// Read all of them.
    Verify,
    /// Remove all but the newest so many of each partition.
    Prune {
        /// At least one.
        keep: usize,
    },
    /// Make one the directory of a state.
    Restore {
        /// Its name; `None`: the one that reaches furthest.
        name: Option<String>,
        /// Where it is put, which must be empty or not there.
        into: PathBuf,
    },
}

/// Of which partitions.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Of this consumer group; `None`: of all.
    pub group: Option<String>,
    /// Of this topic.
    pub topic: Option<String>,
    /// Of this partition.
    pub partition: Option<u32>,
}

/// A command.
#[derive(Debug)]
pub struct CheckpointCommand {
    /// The places that are looked at.
    pub depots: Vec<Depot>,
    /// Of which partitions.
    pub scope: Scope,
    /// What is asked.
    pub action: Action,
    /// Whether the answer is JSON.
    pub json: bool,
}

/// How a command ended that could be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// What was asked for.
    Done,
    /// There is no checkpoint of what was asked for.
    Nothing,
    /// Some are damaged.
    Damaged,
}

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The depot's own words.
    #[error(transparent)]
    Depot(#[from] DepotError),
    /// The answer cannot be written.
    #[error("cannot write the answer: {0}")]
    Answer(std::io::Error),
    /// The state cannot be looked at.
    #[error(transparent)]
    Store(#[from] state::OpenError),
    /// What was typed fits several partitions, or none.
    #[error("{0}")]
    Ambiguous(String),
}

impl Scope {
    fn has(&self, place: &Place) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        is(&self.group, &place.group)
            && is(&self.topic, &place.topic)
            && self.partition.is_none_or(|wanted| wanted == place.partition)
    }
}

/// Does what was asked for. The answer goes to standard output.
///
/// # Errors
/// It cannot be done, or not be said.
pub fn run(command: &CheckpointCommand) -> Result<Ended, CheckpointError> {
    let (ended, text, json) = match &command.action {
        Action::List => shown(&found::list(&command.depots, &command.scope)?, text::LIST_NEXT),
        Action::Verify => shown(&found::verify(&command.depots, &command.scope)?, text::VERIFY_NEXT),
        Action::Prune { keep } => prune(command, *keep)?,
        Action::Restore { name, into } => restore(command, name.as_deref(), into)?,
    };
    let answer = if command.json { format!("{json:#}\n") } else { text };
    terminal::answer(&answer).map_err(CheckpointError::Answer)?;
    Ok(ended)
}

/// Says what the state in a directory is, and how far it reaches.
///
/// # Errors
/// There is none, or it cannot be read; or the answer cannot be written.
pub fn inspect_store(dir: &Path, json: bool) -> Result<(), CheckpointError> {
    let found = state::inspect(dir)?;
    let answer = if json { format!("{:#}\n", json!(found)) } else { text::of_store(dir, &found) };
    terminal::answer(&answer).map_err(CheckpointError::Answer)
}

/// The places of a depot that are asked for.
fn places(depot: &Depot, scope: &Scope) -> Result<Vec<Place>, DepotError> {
    let mut places = depot.places(&Control::default())?;
    places.retain(|place| scope.has(place));
    places.sort();
    Ok(places)
}

fn shown(found: &[Found], next: &str) -> (Ended, String, Value) {
    let is_damaged = found.iter().flat_map(|found| &found.checkpoints).any(|shown| shown.damage.is_some());
    let is_nothing = found.iter().all(|found| found.checkpoints.is_empty());
    let ended = match (is_damaged, is_nothing) {
        (true, _) => Ended::Damaged,
        (false, true) => Ended::Nothing,
        (false, false) => Ended::Done,
    };
    (ended, text::of(found, ended, next), found::json(found))
}

fn prune(command: &CheckpointCommand, keep: usize) -> Result<(Ended, String, Value), CheckpointError> {
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    for depot in &command.depots {
        for place in places(depot, &command.scope)? {
            let pruned = depot.prune(&place, keep, &Control::default())?;
            let (went, kept, objects) = (pruned.checkpoints, pruned.kept, pruned.objects);
            let size = plain_text::size(pruned.bytes);
            lines.push(format!(
                "{}: {place}: checkpoints removed: {went}, kept: {kept}; {size} freed",
                depot.describe()
            ));
            rows.push(json!({
                "depot": depot.describe(), "group": place.group, "topic": place.topic, "partition": place.partition,
                "removed": went, "kept": kept, "objects_removed": objects, "bytes_removed": pruned.bytes,
            }));
        }
    }
    let ended = if rows.is_empty() { Ended::Nothing } else { Ended::Done };
    lines.push(if rows.is_empty() { text::NOTHING } else { text::LEFT_FOR_AN_HOUR }.to_owned());
    Ok((ended, lines.join("\n") + "\n", json!({ "pruned": rows })))
}

/// The checkpoint that is meant, and where it is.
fn chosen<'a>(
    command: &'a CheckpointCommand,
    name: Option<&str>,
) -> Result<Option<(&'a Depot, Manifest)>, CheckpointError> {
    let mut best: Option<(&Depot, Manifest)> = None;
    for depot in &command.depots {
        for place in places(depot, &command.scope)? {
            let manifests = depot.candidates(&place, &Control::default())?.manifests;
            for manifest in manifests.into_iter().filter(|manifest| name.is_none_or(|name| name == manifest.name())) {
                if let Some((_, other)) = &best
                    && other.place() != manifest.place()
                {
                    let (one, other) = (other.place(), manifest.place());
                    return Err(CheckpointError::Ambiguous(format!(
                        "there are checkpoints of {one} and of {other}: say which with --group, --topic and --partition"
                    )));
                }
                let reach = |manifest: &Manifest| manifest.about().next_offset;
                if best.as_ref().is_none_or(|(_, other)| reach(other) < reach(&manifest)) {
                    best = Some((depot, manifest));
                }
            }
        }
    }
    Ok(best)
}

fn restore(
    command: &CheckpointCommand,
    name: Option<&str>,
    into: &Path,
) -> Result<(Ended, String, Value), CheckpointError> {
    let Some((depot, manifest)) = chosen(command, name)? else {
        return Ok((Ended::Nothing, format!("{}\n", text::NOTHING), json!({ "restored": null })));
    };
    let fetched = depot.fetch(&manifest, into, &[], &Control::default())?;
    let shown = Shown::of(&manifest, None);
    let text = format!(
        "{}: {}: checkpoint {} is in {}: {} files, {}, every byte checked.\nIt is a snapshot, to be looked at with `dedup-host \
         store inspect {}`. A host restores its partitions itself: give it the same places of checkpoints and an empty \
         --store-path.\n",
        depot.describe(),
        manifest.place(),
        manifest.name(),
        into.display(),
        fetched.files,
        plain_text::size(fetched.bytes),
        into.display(),
    );
    let json = json!({ "depot": depot.describe(), "into": into, "restored": shown.json(), "bytes_fetched": fetched.fetched_bytes });
    Ok((Ended::Done, text, json))
}
