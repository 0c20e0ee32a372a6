//! The format of a dump: what a call was on which a plugin failed, as JSON, so that people can read it. A run writes dumps,
//! and `dedup-host plugin replay` reads them. Decides neither when dumps are written nor where, and calls no plugin.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use engine::fields::{Column, FieldBatch, Kind};
use engine::properties::PairBatch;
use engine::record::TopicPartition;
use plugin::{FileError, Input, Limits, Plugin, Role, read_file};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Version of the format. Members may be added without a new one.
const VERSION: u32 = 1;

/// Longest file that is read: more than the values of the largest, escaped.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// Most memory that is believed of a run's limits: what --plugin-memory-mib takes.
const MEMORY_BYTES_MAX: usize = 4096 << 20;

/// Longest call that is believed of a run's limits; who wants longer gives --plugin-time-limit-ms.
const TIME_PER_BATCH_MAX: Duration = Duration::from_secs(60);

/// One record that a plugin failed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dump {
    /// Version of the format, 1.
    pub version: u32,
    /// Version of the host that wrote it.
    pub host: String,
    /// The plugin.
    pub plugin: DumpPlugin,
    /// What it was asked for.
    pub role: DumpRole,
    /// The operator's text for it.
    pub config: DumpConfig,
    /// Topic of the record; `(files)` in a run over files.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset; of a pair, that of the duplicate.
    pub offset: i64,
    /// What the plugin ran into.
    pub cause: String,
    /// What it was allowed to use.
    pub limits: DumpLimits,
    /// The fields it asked for, JSON pointers; none where it reads the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// Why there are no values; none where there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_left_out: Option<String>,
    /// Of an event: a value for each field, or the payload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<DumpValue>,
    /// Of a pair: its properties.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<DumpRow>,
}

/// Which plugin it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpPlugin {
    /// What it calls itself.
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// Keys of different key versions cannot be compared.
    pub key_version: u32,
    /// Digest of the component's file, in hexadecimal.
    pub sha256: String,
    /// Where the file was.
    pub path: PathBuf,
}

/// What a plugin was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DumpRole {
    /// Keys of an event.
    KeyExtractor,
    /// How alike the events of a pair are.
    SimilarityScorer,
}

/// The operator's text for a plugin. It may hold secrets: it is there only with the values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpConfig {
    /// Its digest, in hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// The text itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What a plugin was allowed to use; see [`Limits`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the limits, with their units")]
pub struct DumpLimits {
    pub memory_bytes_max: u64,
    pub table_elements_max: u64,
    pub stack_bytes_max: u64,
    pub time_per_batch_ms: u64,
    pub time_per_byte_ns: u64,
    pub time_to_start_ms: u64,
    pub result_bytes_max: u64,
    pub log_bytes_per_call_max: u64,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpValue {
    /// absent, null, bool, number, string, json or bytes.
    pub kind: String,
    /// Its length.
    pub bytes: u64,
    /// The value, if it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The value, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

/// One property of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpRow {
    /// Its place, a JSON pointer; there only with the values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What the original has there.
    pub original: DumpValue,
    /// What the duplicate has there.
    pub duplicate: DumpValue,
}

/// What a plugin is called with to see it fail again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DumpBatch {
    /// One event.
    Event(FieldBatch),
    /// One pair.
    Pair(PairBatch),
}

/// Why a file is of no use as a dump.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// It cannot be read.
    #[error("cannot read {}: {cause}; give a file that a run with --plugin-dump-dir wrote", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says, or what it is instead of a file.
        cause: FileError,
    },
    /// It is no dump, or it was changed.
    #[error("{} is not a dump of dedup-host: {cause}; give a file that a run with --plugin-dump-dir wrote", path.display())]
    NotADump {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// Another version of the host wrote it.
    #[error("{} is a dump of version {version}, but this dedup-host reads version {VERSION}: use the one that wrote \
     it", path.display())]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// It cannot be replayed.
    #[error("the dump has no values to call the plugin with: {cause}")]
    NoValues {
        /// Why not.
        cause: String,
    },
}

const KINDS: [(Kind, &str); 7] = [
    (Kind::Absent, "absent"),
    (Kind::Null, "null"),
    (Kind::Bool, "bool"),
    (Kind::Number, "number"),
    (Kind::String, "string"),
    (Kind::Json, "json"),
    (Kind::Bytes, "bytes"),
];

impl Dump {
    /// All that is known of a plugin's failures before it fails.
    #[must_use]
    pub fn head(plugin: &Plugin, role: Role, source: &TopicPartition, with_texts: bool) -> Self {
        let (role, input) = match role {
            Role::KeyExtractor => (DumpRole::KeyExtractor, Some(plugin.input())),
            Role::SimilarityScorer => (DumpRole::SimilarityScorer, plugin.scorer_input()),
        };
        let text = plugin.config(role.into());
        Self {
            version: VERSION,
            host: env!("CARGO_PKG_VERSION").to_owned(),
            plugin: DumpPlugin {
                name: plugin.name().to_owned(),
                version: plugin.version().to_owned(),
                key_version: plugin.key_version(),
                sha256: plugin.sha256().to_owned(),
                path: plugin.candidate().path().to_owned(),
            },
            role,
            config: DumpConfig {
                sha256: format!("{:x}", Sha256::digest(text)),
                bytes: text.len() as u64,
                text: with_texts.then(|| text.to_owned()),
            },
            topic: source.topic.clone(),
            partition: source.partition,
            offset: -1,
            cause: String::new(),
            limits: DumpLimits::of(plugin.candidate().limits()),
            fields: match input {
                Some(Input::Fields(fields)) => Some(fields.clone()),
                Some(Input::Payload) | None => None,
            },
            values_left_out: None,
            values: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// The same for the same record and the same component.
    #[must_use]
    pub fn file_name(&self) -> String {
        let plain = |char: &char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-');
        let topic: String = self.topic.chars().filter(plain).collect();
        let role = Role::from(self.role).name();
        let component: String = self.plugin.sha256.chars().take(8).collect();
        format!("{topic}-{}-{}-{role}-{component}.json", self.partition, self.offset)
    }

    /// Reads a dump.
    ///
    /// # Errors
    /// The file cannot be read, is no dump, or one of another version.
    pub fn read(path: &Path) -> Result<Self, DumpError> {
        let unreadable = |cause| DumpError::Unreadable { path: path.to_owned(), cause };
        let not_a_dump = |cause| DumpError::NotADump { path: path.to_owned(), cause };
        let text = read_file(path, FILE_BYTES_MAX).map_err(|error| match error {
            FileError::TooLarge { max, .. } => not_a_dump(format!("it has more than {max} bytes")),
            cause @ (FileError::Unreadable(_) | FileError::NotRegular(_)) => unreadable(cause),
        })?;
        Self::parse(path, &text)
    }

    /// Reads `text` as the file at `path`.
    ///
    /// # Errors
    /// It is no dump, or one of another version.
    pub fn parse(path: &Path, text: &[u8]) -> Result<Self, DumpError> {
        let not_a_dump =
            |error: serde_json::Error| DumpError::NotADump { path: path.to_owned(), cause: error.to_string() };
        let Version { version } = serde_json::from_slice(text).map_err(not_a_dump)?;
        if version != VERSION {
            return Err(DumpError::OtherVersion { path: path.to_owned(), version });
        }
        serde_json::from_slice(text).map_err(not_a_dump)
    }

    /// The event or the pair, as the plugin got it.
    ///
    /// # Errors
    /// The dump holds no values, or such as cannot have been written.
    pub fn batch(&self) -> Result<DumpBatch, DumpError> {
        let no_values = |cause: String| DumpError::NoValues { cause };
        if let Some(cause) = &self.values_left_out {
            return Err(no_values(cause.clone()));
        }
        match self.role {
            DumpRole::KeyExtractor => self.event().map(DumpBatch::Event),
            DumpRole::SimilarityScorer => self.pair().map(DumpBatch::Pair),
        }
        .map_err(no_values)
    }

    fn event(&self) -> Result<FieldBatch, String> {
        let width = self.fields.as_ref().map_or(1, Vec::len);
        if width == 0 {
            return Err("it has no fields, and a plugin asks for one at least".to_owned());
        }
        if self.values.len() != width {
            return Err(format!("it has {} values for {width} fields", self.values.len()));
        }
        let mut event = FieldBatch::new(u32::try_from(width).unwrap_or(u32::MAX));
        self.values.iter().try_for_each(|value| value.put(&mut event.values, &mut event.kinds))?;
        Ok(event)
    }

    fn pair(&self) -> Result<PairBatch, String> {
        let mut pair = PairBatch::default();
        for row in &self.rows {
            let path = row.path.as_ref().ok_or_else(|| "a row has no path".to_owned())?;
            pair.paths.push(path.as_bytes());
            row.original.put(&mut pair.originals, &mut pair.original_kinds)?;
            row.duplicate.put(&mut pair.duplicates, &mut pair.duplicate_kinds)?;
        }
        pair.ends.push(u32::try_from(self.rows.len()).unwrap_or(u32::MAX));
        Ok(pair)
    }
}

/// What is read first.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl From<DumpRole> for Role {
    fn from(role: DumpRole) -> Self {
        match role {
            DumpRole::KeyExtractor => Self::KeyExtractor,
            DumpRole::SimilarityScorer => Self::SimilarityScorer,
        }
    }
}

impl DumpLimits {
    /// As a dump says them.
    #[must_use]
    pub fn of(limits: &Limits) -> Self {
        let whole = |time: u128| u64::try_from(time).unwrap_or(u64::MAX);
        Self {
            memory_bytes_max: limits.memory_bytes_max as u64,
            table_elements_max: limits.table_elements_max as u64,
            stack_bytes_max: limits.stack_bytes_max as u64,
            time_per_batch_ms: whole(limits.time_per_batch.as_millis()),
            time_per_byte_ns: whole(limits.time_per_byte.as_nanos()),
            time_to_start_ms: whole(limits.time_to_start.as_millis()),
            result_bytes_max: limits.result_bytes_max as u64,
            log_bytes_per_call_max: limits.log_bytes_per_call_max as u64,
        }
    }

    /// The same for a plugin that is to be run under them, as far as a run can have had them: a dump is a file that
    /// anybody may have written. What settings cannot raise is no more than it is by default, and what a dump does not say
    /// is as in `others`.
    #[must_use]
    pub fn to_limits(&self, others: &Limits) -> Limits {
        let default = Limits::default();
        let size = |size: u64, max: usize| usize::try_from(size).unwrap_or(usize::MAX).min(max);
        Limits {
            memory_bytes_max: size(self.memory_bytes_max, MEMORY_BYTES_MAX),
            table_elements_max: size(self.table_elements_max, default.table_elements_max),
            stack_bytes_max: size(self.stack_bytes_max, default.stack_bytes_max).max(1),
            time_per_batch: Duration::from_millis(self.time_per_batch_ms).min(TIME_PER_BATCH_MAX),
            time_per_byte: Duration::from_nanos(self.time_per_byte_ns).min(default.time_per_byte),
            time_to_start: Duration::from_millis(self.time_to_start_ms).min(default.time_to_start),
            result_bytes_max: size(self.result_bytes_max, default.result_bytes_max),
            log_bytes_per_call_max: size(self.log_bytes_per_call_max, default.log_bytes_per_call_max),
            ..*others
        }
    }
}

impl DumpValue {
    /// A value of a kind, without what it is where that is not to be kept.
    #[must_use]
    pub fn of(kind: u8, value: &[u8], keeps: bool) -> Self {
        let name = KINDS.iter().find(|(known, _)| *known as u8 == kind).map_or("unknown", |(_, name)| name);
        let text = std::str::from_utf8(value).ok();
        Self {
            kind: name.to_owned(),
            bytes: value.len() as u64,
            text: text.filter(|_| keeps).map(str::to_owned),
            base64: (keeps && text.is_none()).then(|| BASE64_STANDARD.encode(value)),
        }
    }

    /// Appends the value.
    fn put(&self, values: &mut Column, kinds: &mut Vec<u8>) -> Result<(), String> {
        let known = KINDS.iter().find(|(_, name)| *name == self.kind);
        let (kind, _) = known.ok_or_else(|| format!("there is no kind \"{}\"", self.kind))?;
        let value = match (&self.text, &self.base64) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(text)) => BASE64_STANDARD.decode(text).map_err(|_| format!("\"{text}\" is not base64"))?,
            (None, None) | (Some(_), Some(_)) => return Err("a value has no text, or two".to_owned()),
        };
        if value.len() as u64 != self.bytes {
            return Err(format!("a value of {} bytes has {}", self.bytes, value.len()));
        }
        values.push(&value);
        kinds.push(*kind as u8);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_believed_as_far_as_a_run_can_have_had_them() {
        let default = Limits::default();
        let limits = DumpLimits {
            memory_bytes_max: u64::MAX,
            table_elements_max: u64::MAX,
            stack_bytes_max: u64::MAX,
            time_per_batch_ms: u64::MAX,
            time_per_byte_ns: u64::MAX,
            time_to_start_ms: u64::MAX,
            result_bytes_max: u64::MAX,
            log_bytes_per_call_max: u64::MAX,
        };
        let capped = Limits { memory_bytes_max: 4096 << 20, time_per_batch: Duration::from_secs(60), ..default };
        assert_eq!(limits.to_limits(&default), capped);
        let tight = DumpLimits { memory_bytes_max: 1 << 20, stack_bytes_max: 0, time_per_batch_ms: 5, ..limits };
        let tight = tight.to_limits(&default);
        assert_eq!((tight.memory_bytes_max, tight.stack_bytes_max, tight.time_per_batch.as_millis()), (1 << 20, 1, 5));
    }
}
