//! Brings the state of a partition from the shelves: the checkpoint that reaches furthest and is whole. Not whether one is
//! needed.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use checkpoint::{Cancel, Candidates, Control, DepotError, Manifest, Place, Transfer};
use drive::{OpenFailure, Wanted};
use engine::record::Offset;
use observe::metrics::CheckpointPlace;
use state::{OpenError, PartitionStore, StoreIdentity};

use crate::captured::{self, fetched, replaced};
use crate::choice::{self, Says};
use crate::publisher;
use crate::shelf::Shelf;
use crate::told::Told;
use crate::words;

/// To read so many offsets again takes about as long as to fetch a checkpoint.
pub(crate) const NEAR: Offset = 1_000_000;

/// Between two looks at whether the state is still wanted, and how far it is.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Between two attempts to reach a shelf, and two words about that in the log.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const SAY_PAUSE: Duration = Duration::from_secs(30);

/// What is wanted, and from where.
pub(crate) struct Restore<'a> {
    pub(crate) shelves: &'a [Shelf],
    pub(crate) place: Place,
    pub(crate) wanted: &'a Wanted<'a>,
    pub(crate) committed: Offset,
    /// Where the state is to be.
    pub(crate) into: &'a Path,
    pub(crate) identity: &'a StoreIdentity,
    /// The digest of the group's seed, where that is known.
    pub(crate) seed: Option<&'a str>,
    pub(crate) told: &'a Told,
    pub(crate) watch: &'a Watch,
}

/// What a shelf is asked for now, and whether to go on.
pub(crate) struct Watch {
    /// A shelf that says nothing for so long does not answer.
    patience: Duration,
    asking: Mutex<Option<Asking>>,
    is_given_up: AtomicBool,
    is_over: AtomicBool,
}

/// A question to a shelf.
struct Asking {
    cancel: Cancel,
    /// What is fetched, in words.
    what: Option<String>,
    since: Instant,
    transfer: Arc<Mutex<Transfer>>,
    /// What had come when it was last looked at, and since when there is no more.
    moved: (u64, Instant),
}

impl Watch {
    /// Does something that may take long, and looks meanwhile whether anybody still waits for it.
    pub(crate) fn over<A>(wanted: &Wanted<'_>, patience: Duration, work: impl FnOnce(&Self) -> A) -> A {
        let (is_given_up, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
        let watch = Self { patience, asking: Mutex::default(), is_given_up, is_over };
        std::thread::scope(|scope| {
            let watching = scope.spawn(|| watch.look_on(wanted));
            let done = work(&watch);
            watch.is_over.store(true, Ordering::SeqCst);
            watching.thread().unpark();
            done
        })
    }

    fn look_on(&self, wanted: &Wanted<'_>) {
        while !self.is_over.load(Ordering::SeqCst) {
            if !wanted.waits.is_wanted() {
                self.is_given_up.store(true, Ordering::SeqCst);
            }
            if let Some(words) = self.look() {
                wanted.waits.restoring(&words);
            }
            std::thread::park_timeout(LOOK_INTERVAL);
        }
    }

    /// Ends a question that nobody wants an answer to, or that gets none; how far it is, in words.
    fn look(&self) -> Option<String> {
        let mut asking = self.asking();
        let asking = asking.as_mut()?;
        let Transfer { bytes_done, bytes, .. } = *asking.transfer.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes_done != asking.moved.0 {
            asking.moved = (bytes_done, Instant::now());
        }
        if self.is_given_up() || asking.moved.1.elapsed() > self.patience {
            asking.cancel.cancel();
        }
        let what = asking.what.as_ref()?;
        Some(format!("{what}: {}", words::progress(bytes_done, bytes, asking.since.elapsed())))
    }

    fn begin(&self, what: Option<String>) -> Control {
        let (cancel, transfer, now) = (Cancel::default(), Arc::<Mutex<Transfer>>::default(), Instant::now());
        let told = Arc::clone(&transfer);
        let progress = move |now| *told.lock().unwrap_or_else(PoisonError::into_inner) = now;
        *self.asking() = Some(Asking { cancel: cancel.clone(), what, since: now, transfer, moved: (0, now) });
        Control { cancel, progress: Some(Arc::new(progress)) }
    }

    fn end(&self) {
        *self.asking() = None;
    }

    fn asking(&self) -> MutexGuard<'_, Option<Asking>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::SeqCst)
    }
}

/// A checkpoint that can be used.
struct Candidate<'a> {
    shelf: &'a Shelf,
    manifest: Manifest,
    offset: Offset,
    epoch: u64,
}

impl Restore<'_> {
    /// Brings the best checkpoint that reaches beyond `beyond` and is whole, and says from where. `None`: there is none to be had, for which the log
    /// says why.
    ///
    /// # Errors
    /// There is one, and it must not be used; or it cannot be put on the disk.
    pub(crate) fn bring(&self, beyond: Option<Offset>) -> Result<Option<CheckpointPlace>, OpenFailure> {
        let deadline = Instant::now() + self.watch.patience;
        let mut candidates = Vec::new();
        for (index, shelf) in self.shelves.iter().enumerate() {
            candidates.extend(self.candidates(shelf, beyond, deadline));
            candidates.sort_by_key(|candidate| choice::rank(candidate.offset, self.committed, candidate.epoch));
            let is_last = index + 1 == self.shelves.len();
            let is_near = |best: &Candidate<'_>| (0..=NEAR).contains(&(self.committed - best.offset));
            while !self.watch.is_given_up() && candidates.first().is_some_and(|best| is_last || is_near(best)) {
                let candidate = candidates.remove(0);
                if self.try_one(&candidate, deadline)? {
                    return Ok(Some(candidate.shelf.place()));
                }
            }
        }
        if self.watch.is_given_up() {
            return Err(OpenFailure::Other("the partition has gone while its state was restored".into()));
        }
        Ok(None)
    }

    /// Those of a shelf that can be used, in no order.
    fn candidates<'a>(&self, shelf: &'a Shelf, beyond: Option<Offset>, deadline: Instant) -> Vec<Candidate<'a>> {
        let asked = self.patiently(shelf, deadline, None, |control| shelf.depot()?.candidates(&self.place, control));
        let Candidates { manifests, damaged, .. } = match asked {
            Ok(candidates) => candidates,
            Err(DepotError::Cancelled) => return Vec::new(),
            Err(error) => {
                self.told.failed(shelf.place());
                tracing::warn!(place = %self.place, shelf = shelf.name(), %error, "no checkpoints from here");
                return Vec::new();
            }
        };
        for (name, error) in damaged {
            self.told.damaged();
            tracing::warn!(place = %self.place, shelf = shelf.name(), checkpoint = name, %error, "checkpoint passed over");
        }
        let (manifests, foreign): (Vec<Manifest>, Vec<Manifest>) =
            manifests.into_iter().partition(|manifest| self.seed.is_none_or(|seed| manifest.about().seed == seed));
        if !foreign.is_empty() {
            tracing::warn!(
                place = %self.place, shelf = shelf.name(), checkpoints = foreign.len(),
                "checkpoints passed over that were made before the group's offsets were deleted: their keys are hashed \
                 with another seed"
            );
        }
        let says: Vec<Says> = manifests.iter().map(says).collect();
        let order = choice::order(&says, self.committed, self.wanted.bounds.log_start);
        let candidate = |(place, manifest): (usize, Manifest)| {
            let Says { offset, epoch, .. } = *says.get(place)?;
            let is_usable = order.contains(&place) && beyond.is_none_or(|beyond| offset > beyond);
            is_usable.then_some(Candidate { shelf, manifest, offset, epoch })
        };
        manifests.into_iter().enumerate().filter_map(candidate).collect()
    }

    /// `false`: it is damaged, or cannot be reached.
    fn try_one(&self, candidate: &Candidate<'_>, deadline: Instant) -> Result<bool, OpenFailure> {
        let Candidate { shelf, manifest, offset, .. } = candidate;
        let (name, dir) = (manifest.name().to_owned(), fetched(self.into));
        let what = format!("restoring checkpoint {name} (offset {offset}) from {}", shelf.name());
        tracing::info!(place = %self.place, size = plain_text::size(manifest.bytes()), committed = self.committed, "{what}");
        // What is here already need not come again.
        let have = if self.into.is_dir() { vec![self.into.to_owned()] } else { Vec::new() };
        let start = Instant::now();
        let brought =
            self.patiently(shelf, deadline, Some(what), |control| shelf.depot()?.fetch(manifest, &dir, &have, control));
        let brought = match brought {
            Ok(brought) => brought,
            Err(error) => {
                self.passed_over(shelf, &name, &error);
                return Ok(false);
            }
        };
        let is_adopted = self.adopt(&dir, shelf, &name)?;
        if is_adopted {
            tracing::info!(
                place = %self.place, shelf = shelf.name(), checkpoint = name, offset,
                fetched = plain_text::size(brought.fetched_bytes), seconds = start.elapsed().as_secs_f64(), "state restored"
            );
        }
        Ok(is_adopted)
    }

    fn passed_over(&self, shelf: &Shelf, name: &str, error: &DepotError) {
        if matches!(error, DepotError::Cancelled) {
            return;
        }
        if matches!(error, DepotError::Damaged { .. } | DepotError::Missing { .. } | DepotError::Unknown { .. }) {
            self.told.damaged();
        } else {
            self.told.failed(shelf.place());
        }
        tracing::warn!(place = %self.place, shelf = shelf.name(), checkpoint = name, %error, "checkpoint passed over");
    }

    /// Puts what was fetched in the place of what is there. `false`: it is damaged.
    fn adopt(&self, from: &Path, shelf: &Shelf, name: &str) -> Result<bool, OpenFailure> {
        let old = replaced(self.into);
        let failed = |error: io::Error| {
            let error = OpenError::Io { dir: self.into.to_owned(), cause: error.to_string() };
            OpenFailure::Other(error.into())
        };
        captured::remove(&old).map_err(failed)?;
        let is_replacing = fs::read_dir(self.into).is_ok_and(|mut files| files.next().is_some());
        if is_replacing {
            fs::rename(self.into, &old).map_err(failed)?;
        }
        let adopted = PartitionStore::adopt(from, self.into, self.identity);
        if adopted.is_err() && is_replacing {
            fs::rename(&old, self.into).map_err(failed)?;
        }
        match adopted {
            Ok(_) => Ok(true),
            Err(error @ (OpenError::Snapshot { .. } | OpenError::Corrupt { .. })) => {
                self.told.damaged();
                tracing::warn!(place = %self.place, shelf = shelf.name(), checkpoint = name, %error, "checkpoint passed over");
                captured::remove(from).map_err(failed)?;
                Ok(false)
            }
            Err(error) => {
                tracing::error!(
                    place = %self.place, shelf = shelf.name(), checkpoint = name,
                    "this checkpoint must not be used. to start without it, give another --local-checkpoint-dir and \
                     --s3-key-prefix, or remove this group's checkpoints there; --checkpoint-interval-secs 0 does without any"
                );
                captured::remove(from).map_err(failed)?;
                Err(OpenFailure::Other(error.into()))
            }
        }
    }

    /// Asks until there is an answer, or it is time. A disk that does not answer is not waited for.
    fn patiently<A>(
        &self,
        shelf: &Shelf,
        deadline: Instant,
        what: Option<String>,
        ask: impl Fn(&Control) -> Result<A, DepotError>,
    ) -> Result<A, DepotError> {
        let mut said_at: Option<Instant> = None;
        loop {
            let answer = ask(&self.watch.begin(what.clone()));
            self.watch.end();
            let error = match answer {
                Err(error @ DepotError::Unreachable { .. }) => error,
                Err(DepotError::Cancelled) if !self.watch.is_given_up() => {
                    let cause = format!("no answer for {} s", shelf.patience().as_secs());
                    DepotError::Unreachable { object: shelf.name(), cause }
                }
                answer => return answer,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if self.watch.is_given_up() || left.is_zero() || shelf.place() == CheckpointPlace::Local {
                return Err(error);
            }
            let seconds = left.as_secs();
            let words = format!("{} cannot be reached, tried for {seconds} s more: {error}", shelf.name());
            self.wanted.waits.restoring(&words);
            if said_at.is_none_or(|at| at.elapsed() >= SAY_PAUSE) {
                said_at = Some(Instant::now());
                tracing::warn!(place = %self.place, shelf = shelf.name(), %error, seconds, "a state cannot be restored yet");
            }
            std::thread::sleep(RETRY_PAUSE.min(left));
        }
    }
}

fn says(manifest: &Manifest) -> Says {
    let about = manifest.about();
    let offset = about.next_offset.map_or(0, |next| Offset::try_from(next).unwrap_or(Offset::MAX));
    Says { offset, epoch: about.epoch, from: publisher::from(about) }
}
