//! The states of a topic's partitions, with their checkpoints, as the driver sees them.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use drive::{Copies, Leave, OpenFailure, States, Wanted};
use engine::fingerprint::Seed;
use engine::record::Offset;
use observe::metrics::{CheckpointPlace, Metrics, RestoreOrigin};
use observe::status::Status;
use sha2::{Digest, Sha256};
use state::{OpenError, PartitionStore, StoreIdentity};

use crate::captured::{self, Captured};
use crate::publisher::{Common, Labels, Publisher};
use crate::restore::{NEAR, Restore, Watch};
use crate::shelf::Shelf;
use crate::told::Told;

/// The states on the disk of this machine.
pub trait Local: Send + Sync + 'static {
    /// What the state of a partition belongs to.
    fn identity(&self, partition: i32, seed: Option<Seed>) -> StoreIdentity;

    /// Where it is, or would be; the directories above are there.
    ///
    /// # Errors
    /// They cannot be made, or must not be trusted.
    fn dir(&self, partition: i32) -> Result<PathBuf, OpenError>;

    /// Opens it, or makes an empty one.
    ///
    /// # Errors
    /// See [`OpenError`].
    fn open(&self, partition: i32, seed: Option<Seed>) -> Result<PartitionStore, OpenError>;

    /// Opens the state for the keys that a partition had before the topic grew, see [`States::open_elder`].
    ///
    /// # Errors
    /// See [`OpenError`].
    fn open_elder(&self, partition: i32, seed: Seed, growth: (i32, i32)) -> Result<PartitionStore, OpenError>;

    /// See [`States::forget_elders`].
    fn forget_elders(&self, but: Option<(i32, i32)>);
}

/// When checkpoints are made, and of what.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Consumer group.
    pub group: String,
    /// Input topic.
    pub topic: String,
    /// Its id, where the broker gives one.
    pub topic_id: Option<String>,
    /// Time between two checkpoints of a partition.
    pub interval: Duration,
    /// Every so many a checkpoint is whole.
    pub full_every: u32,
}

/// Why no checkpoints can be made.
#[derive(Debug)]
pub struct KeeperError(io::Error);

impl fmt::Display for KeeperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start the threads that make checkpoints: {}", self.0)
    }
}

impl std::error::Error for KeeperError {}

/// See the module.
pub struct Keeper<L> {
    local: L,
    publisher: Arc<Publisher>,
    captures: AtomicU64,
}

impl<L: Local> Keeper<L> {
    /// Without shelves there are no checkpoints, and none are looked for.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(
        local: L,
        shelves: Vec<Shelf>,
        rules: Rules,
        metrics: Metrics,
        status: Arc<Status>,
    ) -> Result<Self, KeeperError> {
        let Rules { group, topic, topic_id, interval, full_every } = rules;
        let common = Common { group, topic, topic_id, full_every };
        let publisher = Arc::new(Publisher::new(shelves, common, Told { metrics, status }, interval));
        if !publisher.shelves.is_empty() {
            publisher.start().map_err(KeeperError)?;
        }
        Ok(Self { local, publisher, captures: AtomicU64::new(0) })
    }

    fn has_shelves(&self) -> bool {
        !self.publisher.shelves.is_empty()
    }

    /// The state of this disk, and what it contains; `None`: there is none, or nothing was ever written to it.
    fn on_disk(
        &self,
        wanted: &Wanted<'_>,
        dir: &std::path::Path,
    ) -> Result<Option<(PartitionStore, Offset)>, OpenError> {
        if !dir.join("CURRENT").exists() {
            return Ok(None);
        }
        let store = self.local.open(wanted.partition, wanted.seed)?;
        let applied = store.applied().map(|applied| applied.next_offset);
        Ok(applied.map(|applied| (store, applied)))
    }

    /// The state as it is here, or from a shelf where that saves reading much of the log again.
    fn open_best(&self, wanted: &Wanted<'_>) -> Result<(PartitionStore, RestoreOrigin), OpenFailure> {
        let dir = self.local.dir(wanted.partition).map_err(failure)?;
        captured::put_back(&dir);
        let committed = wanted.committed.filter(|committed| *committed > 0 && self.has_shelves());
        let (here, damage) = match self.on_disk(wanted, &dir) {
            Ok(here) => (here, None),
            Err(error @ OpenError::Corrupt { .. }) if committed.is_some() => {
                tracing::warn!(partition = wanted.partition, %error, "looking for a checkpoint to take its place");
                (None, Some(error))
            }
            Err(error) => return Err(failure(error)),
        };
        let is_enough = |(_, applied): &(PartitionStore, Offset)| {
            let Some(committed) = committed else { return true };
            *applied >= wanted.bounds.log_start && committed - applied <= NEAR
        };
        let here = match here {
            Some(here) if is_enough(&here) => return Ok((here.0, RestoreOrigin::Store)),
            // Closed: what takes its place is put there.
            here => here.map(|(_, applied)| applied),
        };
        let brought = match committed {
            Some(committed) => self.bring(wanted, committed, here, &dir)?,
            None => None,
        };
        if let (None, Some(damage)) = (brought, damage) {
            return Err(failure(damage));
        }
        let store = self.local.open(wanted.partition, wanted.seed).map_err(failure)?;
        Ok((store, origin(here, brought, committed, wanted.partition)))
    }

    fn bring(
        &self,
        wanted: &Wanted<'_>,
        committed: Offset,
        here: Option<Offset>,
        dir: &std::path::Path,
    ) -> Result<Option<CheckpointPlace>, OpenFailure> {
        let publisher = &self.publisher;
        let (identity, seed) = (self.local.identity(wanted.partition, wanted.seed), wanted.seed.map(digest));
        let patience = publisher.shelves.iter().map(Shelf::patience).max().unwrap_or_default();
        Watch::over(wanted, patience, |watch| {
            let restore = Restore {
                shelves: &publisher.shelves,
                place: publisher.common.place(wanted.partition),
                wanted,
                committed,
                into: dir,
                identity: &identity,
                seed: seed.as_deref(),
                told: &publisher.told,
                watch,
            };
            restore.bring(here)
        })
    }

    fn labels(&self, partition: i32, store: &PartitionStore) -> Labels {
        let identity = self.local.identity(partition, None);
        let identity = serde_json::to_string(&identity).unwrap_or_default();
        Labels { identity, seed: digest(store.seed()) }
    }

    /// Links the files of a state that was just written.
    fn capture(&self, partition: i32, state: &PartitionStore, shelves: &[usize]) -> Option<Arc<Captured>> {
        let (start, number) = (Instant::now(), self.captures.fetch_add(1, Ordering::Relaxed));
        let dir = self.local.dir(partition).map_err(|error| error.to_string());
        let captured = dir.and_then(|dir| Captured::take(state, &dir, number).map_err(|error| error.to_string()));
        self.publisher.told.captured(start.elapsed());
        match captured {
            Ok(captured) => captured.map(Arc::new),
            Err(error) => {
                for shelf in shelves.iter().filter_map(|shelf| self.publisher.shelves.get(*shelf)) {
                    self.publisher.told.failed(shelf.place());
                }
                tracing::warn!(
                    partition,
                    error,
                    "checkpoint failed: the state cannot be captured; the next one is tried"
                );
                None
            }
        }
    }
}

impl<L: Local> States for Keeper<L> {
    type State = PartitionStore;

    fn open(&self, wanted: &Wanted<'_>) -> Result<PartitionStore, OpenFailure> {
        let start = Instant::now();
        let (store, origin) = self.open_best(wanted)?;
        captured::tidy(&self.local.dir(wanted.partition).map_err(failure)?);
        self.publisher.told.opened(origin, start.elapsed());
        if self.has_shelves() {
            let (partition, from) = (wanted.partition, wanted.committed.unwrap_or(0));
            self.publisher.know(partition, self.labels(partition, &store));
            self.publisher.change(|board| board.come(partition, from, Instant::now()));
        }
        Ok(store)
    }

    fn open_elder(&self, partition: i32, seed: Seed, growth: (i32, i32)) -> Result<PartitionStore, OpenFailure> {
        self.local.open_elder(partition, seed, growth).map_err(failure)
    }

    fn forget_elders(&self, but: Option<(i32, i32)>) {
        self.local.forget_elders(but);
    }
}

impl<L: Local> Copies<PartitionStore> for Keeper<L> {
    fn written(&self, partition: i32, state: &mut PartitionStore) {
        let Some(offset) = state.applied().map(|applied| applied.next_offset) else { return };
        let shelves = self.publisher.change(|board| board.wants(partition, offset, Instant::now()));
        if !shelves.is_empty() {
            let captured = self.capture(partition, state, &shelves);
            self.publisher.change(|board| board.put(partition, captured.as_ref(), &shelves, Instant::now()));
        }
        self.publisher.show(partition);
    }

    fn leaves(&self, partition: i32, state: &mut PartitionStore, leave: Leave) {
        self.publisher.mute(partition);
        let offset = state.applied().map(|applied| applied.next_offset);
        let last = |offset| self.publisher.change(|board| board.last(partition, offset, Instant::now()));
        let shelves = offset.map(last).unwrap_or_default();
        let captured = if shelves.is_empty() { None } else { self.capture(partition, state, &shelves) };
        self.publisher.change(|board| match &captured {
            Some(captured) => board.put_last(partition, captured, &shelves, leave),
            None => board.lose(partition),
        });
    }

    fn lost(&self, partition: i32) {
        self.publisher.mute(partition);
        self.publisher.change(|board| board.lose(partition));
    }
}

impl<L> Drop for Keeper<L> {
    fn drop(&mut self) {
        self.publisher.end();
    }
}

fn origin(
    here: Option<Offset>,
    brought: Option<CheckpointPlace>,
    committed: Option<Offset>,
    partition: i32,
) -> RestoreOrigin {
    match (brought, here, committed) {
        (Some(CheckpointPlace::Local), ..) => RestoreOrigin::Local,
        (Some(CheckpointPlace::S3), ..) => RestoreOrigin::S3,
        (None, Some(_), _) => RestoreOrigin::Store,
        (None, None, Some(committed)) => {
            tracing::warn!(
                partition,
                committed,
                "no state here, and no checkpoint to be had: the state is rebuilt from the log, as far as that reaches back"
            );
            RestoreOrigin::Nothing
        }
        (None, None, None) => RestoreOrigin::Nothing,
    }
}

/// What says in a checkpoint which seed its keys are hashed with, and not what the seed is.
fn digest(seed: Seed) -> String {
    plain_text::hex(&Sha256::digest(seed.0))
}

fn failure(error: OpenError) -> OpenFailure {
    let OpenError::InUse { is_here, .. } = error else { return OpenFailure::Other(error.into()) };
    if is_here { OpenFailure::InUseHere(error.into()) } else { OpenFailure::InUseElsewhere(error.into()) }
}
