//! The key of an outgoing record: the event's id as it is written there, whatever is compared. Not Kafka.

#![expect(clippy::expect_used, reason = "a test that cannot set its scene fails loudly")]

use std::path::PathBuf;
use std::sync::Arc;

use connectors::Lane;
use connectors::memory::MemorySink;
use engine::decide::Window;
use engine::projection::{JsonIn, Numbers};
use engine::record::{NewRecord, RecordBatch, TopicPartition};
use engine::time::ClockRules;
use line::{ExplanationConfig, LatePolicy, Line, OnMissingKey, OnPluginFailure, OnUnsendable, Plugins, Rules};
use plugin::{Limits, Runtime, Texts};
use state::{PartitionStore, StoreIdentity, StoreOptions};

/// What becomes the key of records with these ids and the key `input`.
fn keys(ids: &[&str], numbers: Numbers) -> Vec<Option<String>> {
    let dist = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dist/plugins");
    let plugins = std::env::var_os("DEDUP_PLUGINS_DIR").map_or(dist, PathBuf::from);
    let runtime = Runtime::new(Limits::default()).expect("a runtime");
    let texts = Texts { extractor: Some("/n"), scorer: None };
    let extractor = runtime.load_with(&plugins.join("composite_key.wasm"), texts);
    let plugins = Plugins { extractor: extractor.expect("run `make build` first"), scorer: None };
    let clock = ClockRules { out_of_orderness_max: 0, jump_max: 1_000_000 };
    let rules = Rules {
        window: Window { length: None, allowed_lateness: 0, clock },
        uuid_field: "/id".to_owned(),
        event_time: None,
        json_in: JsonIn::default(),
        numbers,
        on_missing_key: OnMissingKey::Pass,
        late: LatePolicy::Pass,
        on_plugin_failure: OnPluginFailure::DeadLetter,
        on_unsendable: OnUnsendable::Stop,
        breaker: None,
        dumps: None,
        explain: ExplanationConfig { keep_originals: false, forward_below: None, redact: false },
        redaction: None,
    };
    let identity = StoreIdentity {
        topic: "t".to_owned(),
        topic_id: None,
        partition: 0,
        extractor: String::new(),
        key_version: 1,
        window_ms: None,
        allowed_lateness_ms: 0,
        ..StoreIdentity::default()
    };
    let dir = tempfile::tempdir().expect("a directory");
    let store = PartitionStore::open(dir.path(), &identity, StoreOptions::for_window(None, 0)).expect("a store");
    let source = TopicPartition { topic: "t".to_owned(), partition: 0 };
    let mut line = Line::new(source, Arc::new(rules), &plugins, store).expect("a line");
    let mut batch = RecordBatch::new();
    for (offset, id) in (0..).zip(ids) {
        let payload = format!("{{\"n\":{offset},\"id\":{id}}}");
        batch.push(NewRecord { offset, timestamp: None, key: Some(b"input"), payload: Some(payload.as_bytes()) });
    }
    let mut sink = MemorySink::listening(&[Lane::Output]);
    line.process(&Arc::new(batch), 0, &mut sink).expect("processed");
    let key = |key: Vec<u8>| String::from_utf8_lossy(&key).into_owned();
    sink.sent.into_iter().map(|sent| sent.key.map(key)).collect()
}

#[test]
fn an_id_of_any_kind_is_the_key_as_written() {
    let ids = [
        ("102", "102"),
        ("1.0", "1.0"),
        ("1E2", "1E2"),
        ("-0", "-0"),
        ("true", "true"),
        ("\"a\\u0041\"", "aA"),
        ("\"01890A5DAC96774BBCCEB302099A8057\"", "01890A5DAC96774BBCCEB302099A8057"),
        ("\"{01890a5d-ac96-774b-bcce-b302099a8057}\"", "{01890a5d-ac96-774b-bcce-b302099a8057}"),
        ("null", "input"),
        ("\"\"", "input"),
        ("{}", "input"),
        ("[1]", "input"),
    ];
    for numbers in [Numbers::AsWritten, Numbers::Canonical] {
        let found = keys(&ids.map(|(id, _)| id), numbers);
        assert_eq!(found, ids.map(|(_, key)| Some(key.to_owned())), "{numbers:?}");
    }
}
