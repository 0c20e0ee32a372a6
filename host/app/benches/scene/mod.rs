//! What the benchmarks of the line share: plugins, rules, a store with keys in it, an output that keeps nothing.

use std::path::{Path, PathBuf};

use connectors::{Lane, Outgoing, Sink, SinkFailure};
use engine::decide::Window;
use engine::entry::{Entry, Write};
use engine::fingerprint::Fingerprint;
use engine::time::ClockRules;
use line::{ExplanationConfig, Plugins, Rules};
use plugin::{Plugin, Runtime};
use state::{Applied, PartitionStore, StoreIdentity, StoreOptions};

pub(crate) const BATCH_RECORDS: usize = 1_024;

/// As often as transactions are committed at a million events a second and the default interval.
pub(crate) const BATCHES_PER_COMMIT: usize = 100;

pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

const WINDOW: Window = Window {
    length: Some(DAY_MS),
    allowed_lateness: 60 * 60 * 1_000,
    clock: ClockRules { out_of_orderness_max: 60_000, jump_max: 60 * 60 * 1_000 },
};

/// Somebody who listens to the output and the duplicates and keeps nothing.
#[derive(Default)]
pub(crate) struct Nowhere {
    pub(crate) bytes: u64,
}

impl Sink for Nowhere {
    fn has(&self, lane: Lane) -> bool {
        matches!(lane, Lane::Output | Lane::Duplicates)
    }

    fn send(&mut self, _: Lane, record: &Outgoing<'_>) -> Result<(), SinkFailure> {
        self.bytes += record.payload.map_or(0, <[u8]>::len) as u64;
        Ok(())
    }
}

pub(crate) fn load(runtime: &Runtime, name: &str) -> Plugin {
    let dist = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dist/plugins");
    let dir = std::env::var_os("DEDUP_PLUGINS_DIR").map_or(dist, PathBuf::from);
    runtime.load(&dir.join(name).with_extension("wasm"), None).expect("make build leaves it in dist/plugins")
}

pub(crate) fn plugins(runtime: &Runtime, scorer: Option<&str>) -> Plugins {
    Plugins { extractor: load(runtime, "composite_key"), scorer: scorer.map(|name| load(runtime, name)) }
}

pub(crate) fn rules(keep_originals: bool) -> Rules {
    let explain = ExplanationConfig { keep_originals, ..ExplanationConfig::default() };
    Rules { window: WINDOW, explain, ..Rules::default() }
}

pub(crate) fn open(dir: &Path, options: impl FnOnce(&mut StoreOptions)) -> PartitionStore {
    let identity = StoreIdentity {
        topic: "bench".to_owned(),
        topic_id: None,
        partition: 0,
        extractor: String::new(),
        key_version: 1,
        window_ms: WINDOW.length,
        allowed_lateness_ms: WINDOW.allowed_lateness,
        ..StoreIdentity::default()
    };
    let mut layout = StoreOptions::for_window(WINDOW.length, WINDOW.allowed_lateness);
    options(&mut layout);
    PartitionStore::open(dir, &identity, layout).expect("a store")
}

/// Keys nobody will ask for, over the whole of the window, as a day of events leaves them.
pub(crate) fn fill(store: &mut PartitionStore, keys: u64) {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut writes = Vec::new();
    for key in 0..keys {
        let time = (u128::from(key) * DAY_MS as u128 / u128::from(keys)) as i64;
        let fingerprint = Fingerprint(u128::from(next()) << 64 | u128::from(next()));
        writes.push(Write { fingerprint, entry: Entry { offset: key.cast_signed(), time } });
        if writes.len() == 1_000_000 || key + 1 == keys {
            store.stage(&writes);
            let next_offset = key.cast_signed() + 1;
            store.commit(Applied { next_offset, watermark: Some(time), ..Applied::default() });
            store.persist().expect("persisted");
            writes.clear();
        }
    }
}
