//! A system, its log as the tests remember it, and what is committed held against a plain reading.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use connectors::Lane;
use connectors::memory::{Lanes, MemorySystem};
use engine::record::{NewRecord, Offset};
use line::Plugins;
use plugin::{Limits, Runtime, Texts};
use tempfile::TempDir;

use crate::reading::{Left, Slot};

/// What does not come within this time does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Events with such keys make the brittle build fail.
pub(crate) const POISON: &str = "poison";

/// The same keys by two builds, of which one traps on some of them.
pub(crate) struct Builds {
    pub(crate) honest: Plugins,
    pub(crate) brittle: Plugins,
}

pub(crate) fn builds() -> &'static Builds {
    static BUILDS: OnceLock<Builds> = OnceLock::new();
    BUILDS.get_or_init(|| {
        let dist = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dist/plugins");
        let dir = std::env::var_os("DEDUP_PLUGINS_DIR").map_or(dist, PathBuf::from);
        let runtime = Runtime::new(Limits::default()).expect("a runtime");
        let texts = || Texts { extractor: None, scorer: None };
        let load = |name: &str| {
            let extractor = runtime.load_with(&dir.join(name), texts());
            let extractor = extractor.expect("run `make build` first: it leaves dist/plugins");
            Plugins { extractor, scorer: None }
        };
        Builds { honest: load("composite_key.wasm"), brittle: load("for-tests/brittle_key.wasm") }
    })
}

/// The lanes of every test.
pub(crate) fn lanes() -> Lanes {
    Lanes::listening(&[Lane::Output, Lane::Duplicates, Lane::DeadLetter])
}

/// See the module.
pub(crate) struct Scene {
    pub(crate) system: MemorySystem,
    pub(crate) dir: TempDir,
    logs: Mutex<Vec<Vec<Slot>>>,
}

impl Scene {
    pub(crate) fn new(partitions: usize) -> Self {
        Self {
            system: MemorySystem::new(partitions, lanes()),
            dir: tempfile::tempdir().expect("a directory"),
            logs: Mutex::new(vec![Vec::new(); partitions]),
        }
    }

    fn logs(&self) -> MutexGuard<'_, Vec<Vec<Slot>>> {
        self.logs.lock().expect("a lock")
    }

    pub(crate) fn partitions(&self) -> i32 {
        self.logs().len() as i32
    }

    /// Appends events with these keys. A payload of its own filling is for those that are to be refused.
    pub(crate) fn append<'a>(&self, partition: i32, keys: impl IntoIterator<Item = &'a str>) {
        for key in keys {
            self.append_filled(partition, key, "");
        }
    }

    pub(crate) fn append_filled(&self, partition: i32, key: &str, filling: &str) -> Offset {
        let offset = self.logs()[partition as usize].len();
        let payload = format!(
            r#"{{"timestamp":0,"distinct_id":"{key}","token":"","event":"","uuid":"u{offset}","filling":"{filling}"}}"#
        );
        self.append_payload(partition, &payload, Slot::Event(key.to_owned()))
    }

    pub(crate) fn append_no_event(&self, partition: i32) -> Offset {
        self.append_payload(partition, "no JSON", Slot::NoEvent)
    }

    fn append_payload(&self, partition: i32, payload: &str, slot: Slot) -> Offset {
        let record = NewRecord { timestamp: Some(1_000), payload: Some(payload.as_bytes()), ..NewRecord::default() };
        self.logs()[partition as usize].push(slot);
        self.system.append(partition, &record)
    }

    pub(crate) fn append_gap(&self, partition: i32) {
        self.logs()[partition as usize].push(Slot::Nothing);
        self.system.append_gap(partition);
    }

    pub(crate) fn append_unreadable(&self, partition: i32) -> Offset {
        self.logs()[partition as usize].push(Slot::Nothing);
        self.system.append_unreadable(partition)
    }

    /// The offset after the last record, or after the last that can be said anything of.
    fn done_at(&self, partition: i32) -> Offset {
        let logs = self.logs();
        let last = logs[partition as usize].iter().rposition(|slot| *slot != Slot::Nothing);
        last.map_or(0, |last| last as Offset + 1)
    }

    pub(crate) fn committed(&self, partition: i32) -> Offset {
        self.system.committed(partition).map_or(-1, |committed| committed.offset)
    }

    fn is_done(&self, partition: i32) -> bool {
        self.committed(partition) >= self.done_at(partition)
    }

    /// Waits until something of what there is has been committed that was not, but no longer than this.
    pub(crate) fn give_time(&self, time: Duration) {
        let deadline = Instant::now() + time;
        let at_first: Vec<Offset> = (0..self.partitions()).map(|partition| self.committed(partition)).collect();
        let waits =
            |partition: i32| !self.is_done(partition) && self.committed(partition) == at_first[partition as usize];
        while (0..self.partitions()).any(waits) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until all of these partitions is committed.
    pub(crate) fn until_done(&self, partitions: impl IntoIterator<Item = i32> + Clone) {
        let is_done = || partitions.clone().into_iter().all(|at| self.is_done(at));
        let found: Vec<_> = until(is_done)
            .then(Vec::new)
            .unwrap_or_else(|| partitions.clone().into_iter().map(|at| self.committed(at)).collect());
        assert!(is_done(), "not all is committed: {found:?}, owners {:?}", self.system.owners());
    }

    pub(crate) fn until_all_done(&self) {
        self.until_done(0..self.partitions());
    }

    /// What is committed of a partition.
    pub(crate) fn left(&self, partition: i32) -> Left {
        self.system.settle();
        Left::of_sent(&self.system.visible(), partition)
    }

    /// What a plain reading says of it, where these went out undecided.
    pub(crate) fn wanted(&self, partition: i32, undecided: &[Offset]) -> Left {
        Left::of_log(&self.logs()[partition as usize], &undecided.iter().copied().collect())
    }

    /// What is committed is what a plain reading says, where what became a letter went out undecided; and C never fell.
    pub(crate) fn check(&self) {
        for partition in 0..self.partitions() {
            let left = self.left(partition);
            let letters: BTreeSet<Offset> = left.letters.iter().copied().collect();
            let wanted = Left::of_log(&self.logs()[partition as usize], &letters);
            assert_eq!(left, wanted, "partition {partition}");
            let history = self.system.history(partition);
            assert!(history.is_sorted_by_key(|committed| committed.offset), "partition {partition}: {history:?}");
        }
    }
}

/// Waits until something holds; whether it does in the end.
pub(crate) fn until(holds: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !holds() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    holds()
}
