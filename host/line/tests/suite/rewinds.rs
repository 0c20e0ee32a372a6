//! An operator sets the group's offset back: which events are late is what it was, as far as notes of the clock reach. Not
//! crashes: those are simulated with the whole protocol.

use std::path::Path;
use std::sync::Arc;

use connectors::Lane;
use connectors::memory::Outbox;
use engine::decide::Window;
use engine::record::{NewRecord, RecordBatch};
use engine::time::ClockRules;
use line::{ExplanationConfig, LatePolicy, Line, Plugins, Rules};
use state::{PartitionStore, StoreIdentity, StoreOptions};

use crate::scene;

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

fn store(dir: &Path) -> PartitionStore {
    let identity = StoreIdentity { topic: "set back".to_owned(), ..StoreIdentity::default() };
    let options = StoreOptions::for_window(WINDOW.length, WINDOW.allowed_lateness);
    PartitionStore::open(dir, &identity, options).expect("a store")
}

fn line(plugins: &Plugins, store: PartitionStore) -> Line<PartitionStore> {
    let explain = ExplanationConfig { keep_originals: false, forward_below: None, redact: false };
    let rules = Rules { window: WINDOW, late: LatePolicy::Divert, explain, ..Rules::default() };
    Line::new(scene::source(), Arc::new(rules), plugins, store).expect("a line")
}

/// Reads on to the end of the log, outputs off before `live_from`. Returns the late events, as they came.
fn read(line: &mut Line<PartitionStore>, from: i64, live_from: i64) -> Vec<Vec<u8>> {
    let mut sink = Outbox::listening(&[Lane::Output, Lane::Late]);
    let mut from = from;
    while from < LOG {
        let to = (from / BATCH + 1) * BATCH;
        line.process(&batch(from, to), live_from, &mut sink).expect("processed");
        line.commit(to, Vec::new());
        line.store().persist().expect("persisted");
        from = to;
    }
    sink.of(Lane::Late).into_iter().map(|sent| sent.payload.clone().expect("a payload")).collect()
}

#[test]
fn events_that_were_late_are_late_again() {
    let (plugins, dir) = (scene::plugins("/id", None), tempfile::tempdir().expect("a directory"));
    let first = read(&mut line(&plugins, store(dir.path())), 0, 0);
    assert!(first.len() > 500, "only {} were late", first.len());
    for committed in [39_000, 25_500, 10_001, 7_777] {
        let mut store = store(dir.path());
        let from = store.rewind_to(committed, 0).expect("read").expect("a note").next_offset;
        assert!(from <= committed && from > committed - 12_000, "{from} for {committed}");
        let again = read(&mut line(&plugins, store), from, committed);
        let wanted: Vec<Vec<u8>> = (committed..LOG).map(payload).filter(|event| first.contains(event)).collect();
        assert_eq!(again, wanted, "set back to {committed}");
    }
}
