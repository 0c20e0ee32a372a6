//! A run: what the configuration asks for, joined together and driven to its end. Not the line itself.

mod assignments;
mod dispatch;
mod ends;
mod files;
mod ground;
mod identity;
mod kafka;
mod kafka_settings;
mod log_times;
mod observer;
mod opening;
mod owned;
mod partitions;
mod read_ahead;
mod reasons;
mod recall;
mod report;
mod rewind;
mod transactional_id;
mod unreadable;
mod watch;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) use kafka_settings::client_settings;

use connectors::Remedy;
use engine::decide::Window;
use engine::projection::Numbers;
use engine::protocol::start::StartError;
use engine::record::TopicPartition;
use engine::time::ClockRules;
use file_connector::FileError;
use kafka_connector::KafkaFailure;
use line::{Dumps, LineError, Redaction, Rules};
use observe::insights::Insights;
use observe::metrics::Metrics;
use observe::status::Status;
use plugin::{Limits, Options, Runtime};
use state::private::{PrivateDir, PrivateError, Trust, keep_new_files_private};
use state::{OpenError, OriginalsOptions, OriginalsWriter, PartitionStore, StateError, StoreIdentity, StoreOptions};

use self::observer::Observed;
use crate::descriptors;
use crate::exit::ExitCode;
use crate::http;
use crate::plugins::{InForce, PluginsError};
use crate::redaction;
use crate::reload::{self, HangUps, Reloader};
use crate::settings::config::{Config, Mode, PluginConfig};
use crate::settings::store;

/// The line of a partition whose state is on this disk.
pub(crate) type Line = line::Line<PartitionStore>;

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
    Line(#[from] LineError),
    /// The state and the topic do not agree on where to go on.
    #[error("{0}")]
    Start(#[from] StartError),
    /// What has to be kept beside the state cannot be.
    #[error("{0}")]
    Kept(String),
    /// The topic is not the one that the run began with.
    #[error(
        "topic {topic} was replaced while it was read ({change}): the new topic is another log, and the group's \
         offsets and the state do not belong to it. to fix this: read the right topic, or reset the group's offsets \
         and delete the topic's directory under --store-path"
    )]
    TopicReplaced {
        /// The topic.
        topic: String,
        /// What is different.
        change: String,
    },
    /// Another host uses our transactional id.
    #[error(
        "fenced by another host with the transactional id {transactional_id}, {times} times within {} s: two hosts \
         with one id abort each other's transactions; nothing was lost or committed twice. to fix this: stop the \
         other host, or give each its own id ({way_out})",
        within.as_secs()
    )]
    Fenced {
        /// The id that both use.
        transactional_id: String,
        /// How often.
        times: usize,
        /// Within this time.
        within: Duration,
        /// Where this host's id comes from.
        way_out: String,
    },
    /// A replay would have to guess.
    #[error("{0}")]
    Recall(#[from] recall::RecallError),
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
            Self::Line(LineError::Sink(failure)) if failure.remedy == Remedy::Fenced => ExitCode::Fenced,
            Self::Fenced { .. } | Self::Kafka(KafkaFailure::Fenced { .. }) => ExitCode::Fenced,
            Self::Kafka(KafkaFailure::Settings(_)) | Self::Line(LineError::Pointer(_)) => ExitCode::Usage,
            Self::Kafka(KafkaFailure::Write { .. } | KafkaFailure::Refused { .. } | KafkaFailure::Records { .. })
            | Self::Output(_)
            | Self::Line(LineError::Sink(_) | LineError::Unsendable { .. }) => ExitCode::Output,
            Self::Kafka(_) | Self::Input(_) => ExitCode::Input,
            Self::TopicReplaced { .. } | Self::Kept(_) => ExitCode::State,
            Self::Open(_) | Self::State(_) | Self::Start(_) | Self::Recall(_) | Self::Line(LineError::State(_)) => {
                ExitCode::State
            }
            Self::Line(LineError::PoisonRecord { .. } | LineError::Breaker { .. } | LineError::Replay { .. }) => {
                ExitCode::PluginFailure
            }
            Self::Interrupted(_) => ExitCode::Interrupted,
            Self::Http(_) => ExitCode::Address,
            Self::Other(_) => ExitCode::Internal,
        }
    }
}

impl From<PrivateError> for RunError {
    fn from(error: PrivateError) -> Self {
        Self::Open(error.into())
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
    descriptors::raise();
    let kept_back = keep_new_files_private();
    let left_behind = store::left_behind(&config.state.path);
    for note in config.notes.iter().chain(&left_behind) {
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
    let no_signals = |error| RunError::Other(format!("cannot handle signals: {error}"));
    let hang_ups = HangUps::listen().map_err(no_signals)?;
    // Whoever holds `asking` keeps the thread that reloads plugins.
    let (asking, asked) = reload::requests();
    let _server = match &config.http {
        Some(http) => {
            let Observed { metrics, status, insights } = observed.clone();
            Some(http::serve(http, status, metrics, insights, asking.clone())?)
        }
        None => None,
    };
    let (parts, reloader) = Parts::load(&config, &observed)?;
    reloader.start(asked, hang_ups, stop.clone()).map_err(no_thread)?;
    match &config.mode {
        Mode::Files(files) => files::run(files, parts, &observed, 0o666 & !kept_back, stop),
        Mode::Kafka(kafka) => kafka::run(&config, kafka, parts, &observed, stop),
    }
}

/// Time after which the events that new plugins are tried with are replaced by others.
const REMEMBER_INTERVAL: Duration = Duration::from_secs(5);

/// Entries of the state in memory, over all partitions, at some 60 bytes each.
const FRONT_ENTRIES_TOTAL: usize = 4_000_000;

/// And at least so many for each.
const FRONT_ENTRIES_MIN: usize = 65_536;

/// Bytes of originals in memory, over all partitions, and as many of counts of duplicates; and the least of one chunk.
const ORIGINALS_MEMORY_BYTES: usize = 256 << 20;
const ORIGINALS_CHUNK_BYTES_MIN: usize = 256 << 10;

/// What every partition shares: the plugins, the rules, and how its state is laid out.
pub(crate) struct Parts {
    plugins: Arc<InForce>,
    rules: Arc<Rules>,
    /// Where the state lies.
    store: PrivateDir,
    store_options: StoreOptions,
    /// The broker's id of the input topic.
    topic_id: Option<String>,
}

/// What plugins run under.
fn plugin_options(config: &PluginConfig) -> Options {
    Options {
        limits: Limits {
            memory_bytes_max: usize::try_from(config.memory_bytes).unwrap_or(usize::MAX),
            time_per_batch: config.time_limit,
            compile_memory_bytes_max: config.compile_memory_bytes,
            compile_time_max: config.compile_time,
            ..Limits::default()
        },
        wasi: config.wasi,
        cache_dir: config.cache_dir.clone(),
        fuel: false,
        sha256: config.sha256.clone(),
    }
}

impl Parts {
    fn load(config: &Config, observed: &Observed) -> Result<(Self, Reloader), RunError> {
        let runtime = Runtime::with(plugin_options(&config.plugin)).map_err(PluginsError::Load)?;
        let tried = Arc::new(rules(config));
        let (metrics, status) = (observed.metrics.clone(), Arc::clone(&observed.status));
        let reloader = Reloader::load(runtime, &config.plugin, Arc::clone(&tried), metrics, status)?;
        // Not before the plugins are good: a run that cannot be leaves nothing behind.
        let trust = if config.state.trust_owner { Trust::Anyone } else { Trust::Ours };
        let store = PrivateDir::open(&config.state.path, trust)?;
        let rules = Arc::new(Rules { redaction: redaction(config, &store)?, ..(*tried).clone() });
        let mut store_options = StoreOptions::for_window(rules.window.length, rules.window.allowed_lateness);
        store_options.capacity_bytes_max = Some(config.state.capacity_bytes);
        if rules.explain.keep_originals {
            let writer = OriginalsWriter::start().map_err(no_thread)?;
            store_options.originals = Some(OriginalsOptions::new(writer));
        }
        let parts = Self { plugins: reloader.in_force(), rules, store, store_options, topic_id: None };
        Ok((parts, reloader))
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

    fn open_store(&self, source: &TopicPartition) -> Result<PartitionStore, OpenError> {
        let (_, plugins) = self.plugins.get();
        let identity = StoreIdentity {
            topic: source.topic.clone(),
            topic_id: self.topic_id.clone(),
            partition: source.partition,
            extractor: identity::extractor(&plugins.extractor, &self.rules),
            key_version: plugins.extractor.key_version(),
            window_ms: self.rules.window.length,
            allowed_lateness_ms: self.rules.window.allowed_lateness,
            settings: identity::settings(&self.rules, plugins.scorer.as_ref()),
            explanation: identity::explanation(&self.rules),
        };
        let dir = self.store.below(&source.topic)?.below(&source.partition.to_string())?;
        dir.check_contents()?;
        PartitionStore::open(dir.path(), &identity, self.store_options.clone())
    }
}

/// What keys are shown as where values are hidden.
fn redaction(config: &Config, store: &PrivateDir) -> Result<Option<Redaction>, RunError> {
    match &config.redaction_key {
        _ if !config.explanation.redact => Ok(None),
        Some(secret) => Ok(Some(redaction::chosen(secret))),
        None => redaction::kept(store).map(Some).map_err(RunError::Kept),
    }
}

/// All but the secret beside the state.
fn rules(config: &Config) -> Rules {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
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
        json_in: config.records.json_in.clone(),
        on_missing_key: config.records.on_missing_key,
        late: window.late,
        on_plugin_failure: config.plugin.on_failure,
        on_unsendable: config.records.on_unsendable,
        breaker: config.plugin.breaker,
        dumps: config
            .plugin
            .dump_dir
            .clone()
            .map(|dir| Arc::new(Dumps::new(dir, config.plugin.dump_values, state::private::replace))),
        explain: config.explanation,
        redaction: None,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn no_thread(error: std::io::Error) -> RunError {
    RunError::Other(format!("cannot start a thread: {error}"))
}
