//! A run: what the configuration asks for, joined together and driven to its end. Not the line itself.

mod assignments;
mod dispatch;
mod files;
mod kafka;
mod kafka_settings;
mod observe;
mod read_ahead;
mod report;
mod start;
mod worker;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use kafka_settings::client_settings;

use connectors::SinkError;
use connectors::files::FileError;
use connectors::kafka::KafkaFailure;
use engine::decide::Window;
use engine::projection::Numbers;
use engine::record::TopicPartition;
use engine::time::ClockRules;
use plugin::{Limits, Plugin, Runtime};
use sha2::{Digest, Sha256};
use state::{OpenError, OriginalsOptions, OriginalsWriter, PartitionStore, StateError, StoreIdentity, StoreOptions};

use self::observe::Observed;
use crate::exit::ExitCode;
use crate::http;
use crate::insights::Insights;
use crate::line::{LineError, Rules};
use crate::metrics::Metrics;
use crate::plugins::{Plugins, PluginsError};
use crate::settings::config::{Config, Mode};
use crate::status::{PluginStatus, PluginUse, Status};

/// Why a run ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A plugin cannot be used, or not together with another.
    #[error(transparent)]
    Plugins(#[from] PluginsError),
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] KafkaFailure),
    /// The input file.
    #[error(transparent)]
    Input(FileError),
    /// An output file.
    #[error(transparent)]
    Output(FileError),
    /// The state cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The state cannot be written or read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The line.
    #[error(transparent)]
    Line(LineError),
    /// The state and the topic do not agree on where to go on.
    #[error("{0}")]
    Start(#[from] start::StartError),
    /// An earlier run over files did not end.
    #[error("{0}")]
    Interrupted(String),
    /// The HTTP server.
    #[error(transparent)]
    Http(#[from] crate::http::HttpError),
    /// Something that has no code of its own.
    #[error("{0}")]
    Other(String),
}

impl RunError {
    /// What the shell is told.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Plugins(_) | Self::Line(LineError::Roots(_) | LineError::Load(_) | LineError::Plugin(_)) => {
                ExitCode::Plugin
            }
            Self::Kafka(KafkaFailure::Settings(_)) | Self::Line(LineError::Pointer(_)) => ExitCode::Usage,
            Self::Kafka(KafkaFailure::Write { .. } | KafkaFailure::Refused { .. })
            | Self::Output(_)
            | Self::Line(LineError::Sink(_)) => ExitCode::Output,
            Self::Kafka(_) | Self::Input(_) => ExitCode::Input,
            Self::Open(_) | Self::State(_) | Self::Start(_) | Self::Line(LineError::State(_)) => ExitCode::State,
            Self::Line(LineError::PoisonRecord { .. }) => ExitCode::PluginFailure,
            Self::Interrupted(_) => ExitCode::Interrupted,
            Self::Http(_) => ExitCode::Address,
            Self::Other(_) => ExitCode::Internal,
        }
    }
}

impl From<LineError> for RunError {
    fn from(error: LineError) -> Self {
        match error {
            LineError::Sink(SinkError::File(error)) => Self::Output(error),
            LineError::Sink(SinkError::Kafka(error)) => Self::Kafka(error),
            LineError::State(error) => Self::State(error),
            error @ (LineError::Pointer(_)
            | LineError::Roots(_)
            | LineError::Load(_)
            | LineError::Plugin(_)
            | LineError::PoisonRecord { .. }) => Self::Line(error),
        }
    }
}

/// Set once by a signal, read by everything that loops.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// The flag itself, for signal handlers.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Asks for an orderly end.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Runs until the input ends, the operator stops it, or it cannot go on.
///
/// # Errors
/// With the exit code that tells scripts which part failed.
pub fn run(config: Config, stop: &Stop) -> Result<ExitCode, RunError> {
    for note in &config.notes {
        tracing::info!("{note}");
    }
    if let Some(s3) = &config.checkpoints.s3 {
        tracing::warn!(
            bucket = s3.bucket,
            "S3_BUCKET is set, but this version makes no checkpoints: state that is lost is rebuilt from the log"
        );
    }
    let metrics = Metrics::new().map_err(|error| RunError::Other(error.to_string()))?;
    let insights = Arc::new(Insights::new(config.explanation.redact));
    metrics.show(&insights).map_err(|error| RunError::Other(error.to_string()))?;
    let observed = Observed { metrics, status: Arc::new(Status::new()), insights };
    let _server = match &config.http {
        Some(http) => {
            let Observed { metrics, status, insights } = observed.clone();
            Some(http::serve(http, status, metrics, insights)?)
        }
        None => None,
    };
    let parts = Parts::load(&config)?;
    observed.status.set_plugins(parts.plugin_statuses());
    match &config.mode {
        Mode::Files(files) => files::run(&config, files, parts, &observed, stop),
        Mode::Kafka(kafka) => kafka::run(&config, kafka, parts, &observed, stop),
    }
}

/// Entries of the state in memory, over all partitions, at some 60 bytes each.
const FRONT_ENTRIES_TOTAL: usize = 4_000_000;

/// And at least so many for each.
const FRONT_ENTRIES_MIN: usize = 65_536;

/// Bytes of originals in memory, over all partitions, and as many of counts of duplicates; and the least of one chunk.
const ORIGINALS_MEMORY_BYTES: usize = 256 << 20;
const ORIGINALS_CHUNK_BYTES_MIN: usize = 256 << 10;

/// What every partition shares: the plugins, the rules, and how its state is laid out.
pub(crate) struct Parts {
    plugins: Plugins,
    rules: Arc<Rules>,
    store_options: StoreOptions,
    /// The broker's id of the input topic.
    topic_id: Option<String>,
    /// Keeps the clock that limits plugins.
    _runtime: Runtime,
}

impl Parts {
    fn load(config: &Config) -> Result<Self, RunError> {
        let limits = Limits {
            memory_bytes_max: usize::try_from(config.plugin.memory_bytes).unwrap_or(usize::MAX),
            time_per_batch: config.plugin.time_limit,
            ..Limits::default()
        };
        let runtime = Runtime::new(limits).map_err(PluginsError::Load)?;
        let plugins = Plugins::load(&runtime, &config.plugin)?;
        let rules = Arc::new(rules(config));
        if rules.explain.forward_below.is_some() && plugins.scorer.is_none() {
            let none = "--forward-below-similarity is given, and no plugin scores: give one, such as \
                        --plugin property_similarity.wasm";
            return Err(PluginsError::Roles(none.to_owned()).into());
        }
        let mut store_options = StoreOptions::for_window(rules.window.length, rules.window.allowed_lateness);
        store_options.capacity_bytes_max = Some(config.state.capacity_bytes);
        if rules.explain.keep_originals {
            let writer = OriginalsWriter::start().map_err(|error| RunError::Other(format!("no thread: {error}")))?;
            store_options.originals = Some(OriginalsOptions::new(writer));
        }
        Ok(Self { plugins, rules, store_options, topic_id: None, _runtime: runtime })
    }

    /// Entries in memory are bounded for the process, whatever the number of partitions; tables stay large enough to
    /// be worth their files.
    fn share_front(&mut self, partitions: usize) {
        let share = FRONT_ENTRIES_TOTAL / partitions.max(1);
        self.store_options.front_entries_max = share.clamp(FRONT_ENTRIES_MIN, self.store_options.front_entries_max);
        if let Some(originals) = &mut self.store_options.originals {
            let share = ORIGINALS_MEMORY_BYTES / partitions.max(1);
            originals.chunk_bytes = (share / 16).clamp(ORIGINALS_CHUNK_BYTES_MIN, originals.chunk_bytes);
            originals.originals_memory_bytes_max = share;
            originals.histories_memory_bytes_max = share.min(originals.histories_memory_bytes_max);
        }
    }

    fn plugin_statuses(&self) -> Vec<PluginStatus> {
        let status = |plugin: &Plugin| PluginStatus {
            name: plugin.name().to_owned(),
            version: plugin.version().to_owned(),
            digest: plugin.sha256().to_owned(),
            roles: plugin.roles().names(),
            used: PluginUse::default(),
        };
        let mut statuses: Vec<_> =
            std::iter::once(&self.plugins.extractor).chain(&self.plugins.scorer).map(status).collect();
        // One component may play both roles.
        statuses.dedup_by(|one, other| one.digest == other.digest);
        statuses
    }

    /// Digest of all that decides keys: the component, its configuration, and how numbers reach it.
    fn extractor_digest(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.plugins.extractor.sha256());
        digest.update([0]);
        digest.update(self.plugins.extractor.extractor_config());
        digest.update([0, u8::from(self.rules.numbers == Numbers::Canonical)]);
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn open_store(&self, root: &Path, source: &TopicPartition) -> Result<PartitionStore, OpenError> {
        let identity = StoreIdentity {
            topic: source.topic.clone(),
            topic_id: self.topic_id.clone(),
            partition: source.partition,
            extractor: self.extractor_digest(),
            key_version: self.plugins.extractor.key_version(),
            window_ms: self.rules.window.length,
            allowed_lateness_ms: self.rules.window.allowed_lateness,
        };
        let dir = root.join(&source.topic).join(source.partition.to_string());
        PartitionStore::open(&dir, &identity, self.store_options.clone())
    }
}

fn rules(config: &Config) -> Rules {
    let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let window = &config.window;
    Rules {
        window: Window {
            length: window.window.map(millis),
            allowed_lateness: millis(window.allowed_lateness),
            clock: ClockRules {
                out_of_orderness_max: millis(window.max_out_of_orderness),
                jump_max: millis(window.max_time_jump),
            },
        },
        uuid_field: config.records.uuid_field.clone(),
        event_time: config.records.event_time.clone(),
        numbers: if config.records.canonical_numbers { Numbers::Canonical } else { Numbers::AsWritten },
        on_missing_key: config.records.on_missing_key,
        late: window.late,
        on_plugin_failure: config.plugin.on_failure,
        explain: config.explanation,
    }
}
