//! An operator sets the group's offset back: which events are late is what it was, as far as notes of the clock reach. Not
//! crashes: see `crash_simulation`.

#![expect(clippy::expect_used, reason = "a test that cannot set its scene fails loudly")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectors::{Lane, Outgoing, Sink, SinkFailure};
use dedup_host::line::{Line, Rules};
use dedup_host::plugins::Plugins;
use dedup_host::settings::config::{ExplanationConfig, LatePolicy, OnMissingKey, OnPluginFailure, OnUnsendable};
use engine::decide::Window;
use engine::projection::{JsonIn, Numbers};
use engine::record::{NewRecord, RecordBatch, TopicPartition};
use engine::time::ClockRules;
use plugin::{Limits, Runtime, Texts};
use state::{PartitionStore, StoreIdentity, StoreOptions};

const WINDOW: Window = Window {
    length: Some(600_000),
    allowed_lateness: 5_000,
    clock: ClockRules { out_of_orderness_max: 500, jump_max: 1_000_000 },
};

/// Records of the log, and of a batch, which is committed and persisted.
const LOG: i64 = 40_000;
const BATCH: i64 = 1_000;

/// A record every 10 ms; now and then one that is minutes old, and late or not as the clock stands.
fn time_of(offset: i64) -> i64 {
    let jitter = if offset % 7 == 0 { offset % 11 * 4_000 } else { 0 };
    1_000_000 + offset * 10 - jitter
}

fn payload(offset: i64) -> Vec<u8> {
    format!("{{\"id\":\"{offset}\"}}").into_bytes()
}

fn batch(from: i64, to: i64) -> Arc<RecordBatch> {
    let mut batch = RecordBatch::new();
    for offset in from..to {
        let payload = payload(offset);
        batch.push(NewRecord { offset, timestamp: Some(time_of(offset)), key: None, payload: Some(&payload) });
    }
    Arc::new(batch)
}

/// Late events, as they came.
#[derive(Default)]
struct Late(Vec<Vec<u8>>);

impl Sink for Late {
    fn has(&self, lane: Lane) -> bool {
        matches!(lane, Lane::Output | Lane::Late)
    }

    fn send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkFailure> {
        if lane == Lane::Late {
            self.0.push(record.payload.expect("a payload").to_vec());
        }
        Ok(())
    }
}

fn store(dir: &Path) -> PartitionStore {
    let identity = StoreIdentity { topic: "set back".to_owned(), ..StoreIdentity::default() };
    let options = StoreOptions::for_window(WINDOW.length, WINDOW.allowed_lateness);
    PartitionStore::open(dir, &identity, options).expect("a store")
}

fn line(plugins: &Plugins, store: PartitionStore) -> Line {
    let rules = Rules {
        window: WINDOW,
        uuid_field: "/uuid".to_owned(),
        event_time: None,
        json_in: JsonIn::default(),
        numbers: Numbers::AsWritten,
        on_missing_key: OnMissingKey::Pass,
        late: LatePolicy::Divert,
        on_plugin_failure: OnPluginFailure::DeadLetter,
        on_unsendable: OnUnsendable::Stop,
        breaker: None,
        dumps: None,
        explain: ExplanationConfig { keep_originals: false, forward_below: None, redact: false },
        redaction: None,
    };
    let source = TopicPartition { topic: "set back".to_owned(), partition: 0 };
    Line::new(source, Arc::new(rules), plugins, store).expect("a line")
}

/// Reads on to the end of the log, outputs off before `live_from`.
fn read(line: &mut Line, from: i64, live_from: i64) -> Late {
    let mut late = Late::default();
    let mut from = from;
    while from < LOG {
        let to = (from / BATCH + 1) * BATCH;
        line.process(&batch(from, to), live_from, &mut late).expect("processed");
        line.commit(to, Vec::new());
        line.store().persist().expect("persisted");
        from = to;
    }
    late
}

fn plugins() -> Plugins {
    let dist = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dist/plugins");
    let dir = std::env::var_os("DEDUP_PLUGINS_DIR").map_or(dist, PathBuf::from);
    let runtime = Runtime::new(Limits::default()).expect("a runtime");
    let texts = Texts { extractor: Some("/id"), scorer: None };
    let extractor = runtime.load_with(&dir.join("composite_key.wasm"), texts);
    Plugins { extractor: extractor.expect("run `make build` first: it leaves dist/plugins"), scorer: None }
}

#[test]
fn events_that_were_late_are_late_again() {
    let (plugins, dir) = (plugins(), tempfile::tempdir().expect("a directory"));
    let first = read(&mut line(&plugins, store(dir.path())), 0, 0);
    assert!(first.0.len() > 500, "only {} were late", first.0.len());
    for committed in [39_000, 25_500, 10_001, 7_777] {
        let mut store = store(dir.path());
        let from = store.rewind_to(committed, 0).expect("read").expect("a note").next_offset;
        assert!(from <= committed && from > committed - 12_000, "{from} for {committed}");
        let again = read(&mut line(&plugins, store), from, committed);
        let wanted: Vec<Vec<u8>> = (committed..LOG).map(payload).filter(|event| first.0.contains(event)).collect();
        assert_eq!(again.0, wanted, "set back to {committed}");
    }
}
