//! Dumps the calls on which a plugin failed, one file per record, for `dedup-host plugin replay`. Not a dead letter,
//! and never an obstacle to one: if nothing can be written, the log says so and the run continues.

#[cfg(test)]
mod tests;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::fields::FieldBatch;
use engine::properties::PairBatch;
use engine::record::{Offset, TopicPartition};
use plugin::{Plugin, Role};
use plugin_dump::{Dump, DumpRow, DumpValue};

/// Files a process writes. A plugin that fails on more has shown what there is to see.
const FILES_MAX: u32 = 100;

/// Values a file holds; where a record has more, their kinds and lengths have to do.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// Writes a file whole or not at all, so that only this user may read it.
type Write = fn(&Path, &[u8]) -> std::io::Result<()>;

/// Where records go that plugins fail on; one a process.
#[derive(Debug)]
pub struct Dumps {
    dir: PathBuf,
    write: Write,
    with_values: bool,
    files_left: AtomicU32,
}

impl Dumps {
    /// Nothing is written, and no directory made, before a plugin fails. `write` writes a file whole or not at all, so that
    /// only this user may read it.
    #[must_use]
    pub fn new(dir: PathBuf, with_values: bool, write: Write) -> Self {
        Self { dir, write, with_values, files_left: AtomicU32::new(FILES_MAX) }
    }

    fn is_full(&self) -> bool {
        self.files_left.load(Ordering::Relaxed) == 0
    }

    /// Whether one more file may be written, which counts it.
    fn claim(&self) -> bool {
        let before = self.files_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if before == Ok(1) {
            tracing::warn!(files = FILES_MAX, "this is the last call that this run dumps for replay");
        }
        before.is_ok()
    }

    /// Writes one file, unless it is there: what fails again after a restart is known.
    fn write(&self, dump: &Dump) {
        let path = self.dir.join(dump.file_name());
        // A link of that name is somebody else's, whatever it leads to.
        if path.symlink_metadata().is_ok() || !self.claim() {
            return;
        }
        let (plugin, topic, partition, offset) = (&dump.plugin.name, &dump.topic, dump.partition, dump.offset);
        match self.write_new(&path, dump) {
            Ok(()) => tracing::warn!(
                plugin, topic, partition, offset, path = %path.display(),
                "dumped the call that the plugin failed on; repeat it with `dedup-host plugin replay`"
            ),
            Err(error) => tracing::error!(
                plugin, topic, partition, offset, path = %path.display(), %error,
                "cannot dump the call that the plugin failed on; check --plugin-dump-dir"
            ),
        }
    }

    /// It may hold what events hold: nobody else may look into the directory either.
    fn write_new(&self, path: &Path, dump: &Dump) -> std::io::Result<()> {
        if let Some(dir) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let mut text = serde_json::to_vec_pretty(dump)?;
        text.push(b'\n');
        (self.write)(path, &text)
    }
}

/// Writes down what one plugin fails on in one role and one partition.
#[derive(Debug)]
pub(crate) struct Dumper {
    dumps: Arc<Dumps>,
    /// All but the record.
    head: Dump,
}

impl Dumper {
    /// `None` where nobody wants dumps.
    pub(crate) fn new(
        dumps: Option<&Arc<Dumps>>,
        plugin: &Plugin,
        role: Role,
        source: &TopicPartition,
    ) -> Option<Self> {
        let dumps = Arc::clone(dumps?);
        let head = Dump::head(plugin, role, source, dumps.with_values);
        Some(Self { dumps, head })
    }

    /// Events that the extractor failed on, each with the cause. `offset` is that of the record of an event.
    pub(crate) fn events(&self, failed: &[(u32, String)], events: &FieldBatch, offset: impl Fn(u32) -> Offset) {
        let width = events.width as usize;
        for (event, cause) in failed.iter().take_while(|_| !self.dumps.is_full()) {
            let first = *event as usize * width;
            let values: Vec<(u8, &[u8])> = (first..first + width)
                .map(|value| (kind(&events.kinds, value), events.values.get(value).unwrap_or_default()))
                .collect();
            let keeps = self.keeps(values.iter().map(|(_, value)| value.len()).sum());
            let values = values.iter().map(|(kind, value)| DumpValue::of(*kind, value, keeps.is_none())).collect();
            self.write(offset(*event), cause, Dump { values, values_left_out: keeps, ..self.head.clone() });
        }
    }

    /// Pairs that the scorer failed on, each with the cause. `offset` is that of the duplicate of a pair.
    pub(crate) fn pairs(&self, failed: &[(u32, String)], pairs: &PairBatch, offset: impl Fn(u32) -> Offset) {
        for (pair, cause) in failed.iter().take_while(|_| !self.dumps.is_full()) {
            let texts = |row| [&pairs.paths, &pairs.originals, &pairs.duplicates].map(|column| column.get(row));
            let rows = pairs.rows(*pair as usize);
            let bytes = rows.clone().flat_map(|row| texts(row).map(|text| text.map_or(0, <[u8]>::len))).sum();
            let keeps = self.keeps(bytes);
            let rows = rows.map(|row| {
                let [path, original, duplicate] = texts(row).map(Option::unwrap_or_default);
                let value = |kinds: &[u8], text| DumpValue::of(kind(kinds, row), text, keeps.is_none());
                DumpRow {
                    // The names of properties may be as private as their values.
                    path: keeps.is_none().then(|| String::from_utf8_lossy(path).into_owned()),
                    original: value(&pairs.original_kinds, original),
                    duplicate: value(&pairs.duplicate_kinds, duplicate),
                }
            });
            let rows = rows.collect();
            self.write(offset(*pair), cause, Dump { rows, values_left_out: keeps, ..self.head.clone() });
        }
    }

    /// Why values of so many bytes are left out; `None`: they are not.
    fn keeps(&self, bytes: usize) -> Option<String> {
        match self.dumps.with_values {
            false => Some("values are written only with --plugin-dump-values".to_owned()),
            true if bytes > VALUE_BYTES_MAX => {
                Some(format!("the values have {bytes} bytes, and a dump holds at most {VALUE_BYTES_MAX}"))
            }
            true => None,
        }
    }

    fn write(&self, offset: Offset, cause: &str, dump: Dump) {
        self.dumps.write(&Dump { offset, cause: cause.to_owned(), ..dump });
    }
}

fn kind(kinds: &[u8], value: usize) -> u8 {
    kinds.get(value).copied().unwrap_or_default()
}
