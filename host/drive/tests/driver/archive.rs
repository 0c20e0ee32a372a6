//! Copies of states in a directory that all hosts share, made at once and in the plainest way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use drive::{Copies, Leave};
use engine::record::Offset;
use state::{PartitionStore, StoreIdentity};

use crate::mortal::Mortal;

/// What an archive was told of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Written,
    Leaves,
    Lost,
}

/// See the module.
pub(crate) struct Archive {
    dir: PathBuf,
    /// Snapshots by partition and by the offset up to which they reach.
    taken: Mutex<BTreeMap<(i32, Offset), PathBuf>>,
    told: Mutex<Vec<(i32, Told)>>,
    /// How long it takes to put away a copy of a partition that leaves.
    pub(crate) takes: Mutex<Duration>,
    held: Mutex<Vec<Leave>>,
}

impl Archive {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.join("archive"),
            taken: Mutex::default(),
            told: Mutex::default(),
            takes: Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// Makes the newest snapshot that does not reach beyond C the state in `into`.
    pub(crate) fn restore(&self, partition: i32, committed: Option<Offset>, into: &Path, identity: &StoreIdentity) {
        let Some(committed) = committed.filter(|_| !into.exists()) else { return };
        let taken = self.taken.lock().expect("a lock");
        if let Some((_, from)) = taken.range((partition, 0)..=(partition, committed)).next_back() {
            PartitionStore::adopt(from, into, identity).expect("a whole snapshot");
        }
    }

    pub(crate) fn was_told(&self, partition: i32, told: Told) -> bool {
        self.told.lock().expect("a lock").contains(&(partition, told))
    }

    fn take(&self, partition: i32, state: &Mortal, told: Told) {
        self.told.lock().expect("a lock").push((partition, told));
        let Some(applied) = state.store.applied().map(|applied| applied.next_offset) else { return };
        let mut taken = self.taken.lock().expect("a lock");
        taken.entry((partition, applied)).or_insert_with(|| {
            let into = self.dir.join(format!("{partition}-{applied}"));
            let snapshot = state.store.capture(&into).expect("a snapshot");
            assert_eq!(snapshot.next_offset, Some(applied), "all that was committed was written");
            into
        });
    }
}

impl Copies<Mortal> for Archive {
    fn written(&self, partition: i32, state: &mut Mortal) {
        self.take(partition, state, Told::Written);
    }

    fn leaves(&self, partition: i32, state: &mut Mortal, leave: Leave) {
        self.take(partition, state, Told::Leaves);
        let takes = *self.takes.lock().expect("a lock");
        if takes == Duration::MAX {
            return self.held.lock().expect("a lock").push(leave);
        }
        assert!(leave.until > Instant::now(), "{leave:?}");
        std::thread::spawn(move || {
            std::thread::sleep(takes);
            drop(leave.hold);
        });
    }

    fn lost(&self, partition: i32) {
        self.told.lock().expect("a lock").push((partition, Told::Lost));
    }
}
