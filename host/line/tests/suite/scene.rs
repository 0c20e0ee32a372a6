//! What the tests of the line share: plugins, and a line over a state in a directory of its own.

use std::path::PathBuf;
use std::sync::Arc;

use connectors::memory::Outbox;
use engine::record::{NewRecord, RecordBatch, TopicPartition};
use line::{Line, LineError, Plugins, Rules, Tally};
use plugin::{Limits, Runtime, Texts};
use state::{OriginalsOptions, OriginalsWriter, PartitionStore, StoreIdentity, StoreOptions};

/// `composite_key`, and `property_similarity` where something scores, with these configurations.
pub(crate) fn plugins(extractor: &str, scorer: Option<&str>) -> Plugins {
    let dist = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dist/plugins");
    let dir = std::env::var_os("DEDUP_PLUGINS_DIR").map_or(dist, PathBuf::from);
    let runtime = Runtime::new(Limits::default()).expect("a runtime");
    let load = |name: &str, texts| runtime.load_with(&dir.join(name), texts).expect("run `make build` first");
    Plugins {
        extractor: load("composite_key.wasm", Texts { extractor: Some(extractor), scorer: None }),
        scorer: scorer.map(|config| {
            let config = Some(config).filter(|config| !config.is_empty());
            load("property_similarity.wasm", Texts { extractor: None, scorer: config })
        }),
    }
}

pub(crate) fn source() -> TopicPartition {
    TopicPartition { topic: "t".to_owned(), partition: 0 }
}

/// Records with the key `input`, the first at `offset`.
pub(crate) fn batch(offset: i64, payloads: &[&str], timestamp: Option<i64>) -> Arc<RecordBatch> {
    let mut batch = RecordBatch::new();
    for (offset, payload) in (offset..).zip(payloads) {
        batch.push(NewRecord { offset, timestamp, key: Some(b"input"), payload: Some(payload.as_bytes()) });
    }
    Arc::new(batch)
}

/// A line, and its place in the log.
pub(crate) struct World {
    pub(crate) line: Line<PartitionStore>,
    next: i64,
    _dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(rules: Rules, plugins: &Plugins) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut options = StoreOptions::for_window(None, 0);
        options.originals = Some(OriginalsOptions::new(OriginalsWriter::start().expect("a thread")));
        let identity = StoreIdentity { topic: "t".to_owned(), ..StoreIdentity::default() };
        let store = PartitionStore::open(dir.path(), &identity, options).expect("a store");
        let line = Line::new(source(), Arc::new(rules), plugins, store).expect("a line");
        Self { line, next: 0, _dir: dir }
    }

    /// Processes a batch and commits it.
    pub(crate) fn process(&mut self, payloads: &[&str], sink: &mut Outbox) -> Result<Tally, LineError> {
        self.process_at(payloads, None, sink)
    }

    /// The same of records with a time.
    pub(crate) fn process_at(
        &mut self,
        payloads: &[&str],
        time: Option<i64>,
        sink: &mut Outbox,
    ) -> Result<Tally, LineError> {
        let batch = batch(self.next, payloads, time);
        self.next += batch.len() as i64;
        self.line.process(&batch, 0, sink)?;
        Ok(self.line.commit(self.next, Vec::new()).0)
    }
}
