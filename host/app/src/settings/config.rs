//! The validated whole: every setting with its type and unit, checked one by one and against the others.
//! Plain values; the components make their own options of them. Not the text the user typed, see `typed`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::projection::JsonIn;
pub use http_server::HttpConfig;
pub use line::{ExplanationConfig, LatePolicy, OnMissingKey, OnPluginFailure, OnUnsendable};
pub use plain_text::Secret;
use plugin::Wasi;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::SettingsError;
use super::files::{self, FilesConfig};
use super::kafka::{self, KafkaConfig};
use super::store;
use super::typed::Typed;
use super::units;

/// Everything a run needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where records come from and go to.
    pub mode: Mode,
    /// The components.
    pub plugin: PluginConfig,
    /// How long a key counts.
    pub window: WindowConfig,
    /// What is read of a record, and what becomes of those without a key.
    pub records: RecordsConfig,
    /// How duplicates are explained.
    pub explanation: ExplanationConfig,
    /// Secret of the digests that stand for keys where values are hidden; `None`: the one beside the state.
    pub redaction_key: Option<Secret>,
    /// The keys seen.
    pub state: StateConfig,
    /// Copies of the state.
    pub checkpoints: CheckpointConfig,
    /// What bounds memory and work.
    pub limits: LimitsConfig,
    /// The HTTP server; `None`: there is none.
    pub http: Option<HttpConfig>,
    /// The log.
    pub log: LogConfig,
    /// How long a stop may drain.
    pub shutdown_timeout: Duration,
    /// What the user should be told when the run starts: one log line each.
    pub notes: Vec<String>,
}

/// Kafka, or files.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Topics of a broker.
    Kafka(Box<KafkaConfig>),
    /// Newline-delimited JSON.
    Files(FilesConfig),
}

/// The components and their bounds.
#[derive(Debug, Clone)]
pub struct PluginConfig {
    /// The files, in the order given; empty only where the run needs none, see [`Config::require_plugin`].
    pub files: Vec<PathBuf>,
    /// Handed to the key extractor as it is; an `@file` is read already.
    pub extractor_configuration: Option<String>,
    /// Handed to the similarity scorer as it is; an `@file` is read already.
    pub scorer_configuration: Option<String>,
    /// Longest call for 1 MiB.
    pub time_limit: Duration,
    /// Most memory of an instance.
    pub memory_bytes: u64,
    /// What becomes of a record that a plugin fails on.
    pub on_failure: OnPluginFailure,
    /// Share of the latest events, 0 to 1, on which a plugin may fail; `None`: all.
    pub breaker: Option<f64>,
    /// What components get that were built with WASI.
    pub wasi: Wasi,
    /// The digests a component may have, in lower-case hexadecimal; empty: any.
    pub sha256: Vec<String>,
    /// Where compiled components are kept; `None`: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// Most memory that compiling takes.
    pub compile_memory_bytes: u64,
    /// Longest time that compiling takes.
    pub compile_time: Duration,
    /// Whether the files are watched.
    pub watch: bool,
    /// Where records that a plugin fails on are written down.
    pub dump_dir: Option<PathBuf>,
    /// Whether values of events are written there.
    pub dump_values: bool,
}

/// How long a key counts, and what event time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowConfig {
    /// From a key's first event; `None`: for ever.
    pub window: Option<Duration>,
    /// How far behind the watermark an event may be.
    pub allowed_lateness: Duration,
    /// Watermark = the partition's clock less this.
    pub max_out_of_orderness: Duration,
    /// How far ahead of its record's timestamp a payload's time may be.
    pub max_time_jump: Duration,
    /// What becomes of later events.
    pub late: LatePolicy,
}

/// What is read of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsConfig {
    /// JSON pointer of the event time; `None`: the record's timestamp.
    pub event_time: Option<String>,
    /// JSON pointer of the uuid.
    pub uuid_field: String,
    /// Whether numbers reach a plugin by value.
    pub canonical_numbers: bool,
    /// Members whose strings are JSON text.
    pub json_in: JsonIn,
    /// What becomes of a record without a key.
    pub on_missing_key: OnMissingKey,
    /// What becomes of a record that can leave neither by its lane nor as a dead letter.
    pub on_unsendable: OnUnsendable,
}

/// The keys seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateConfig {
    /// Directory.
    pub path: PathBuf,
    /// Whether a directory is believed whoever owns it or may write it.
    pub trust_owner: bool,
    /// Most bytes a partition.
    pub capacity_bytes: u64,
}

/// Copies of the state.
#[derive(Debug, Clone)]
pub struct CheckpointConfig {
    /// Time between two.
    pub interval: Duration,
    /// Directory.
    pub local_dir: PathBuf,
    /// How many are kept.
    pub local_max: usize,
    /// Every n-th is whole.
    pub full_upload_every: usize,
    /// The object store, if there is one.
    pub s3: Option<S3Config>,
}

/// An object store.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// Bucket.
    pub bucket: String,
    /// Start of the object names.
    pub key_prefix: String,
    /// Region.
    pub region: String,
    /// Address, where it is not AWS.
    pub endpoint: Option<String>,
    /// Whether plain HTTP may be used.
    pub allow_http: bool,
    /// Longest request.
    pub timeout: Duration,
    /// Access key and its secret; `None`: the usual chain.
    pub credentials: Option<(String, Secret)>,
    /// Session token.
    pub session_token: Option<Secret>,
}

/// What bounds memory and work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Most records read and not committed.
    pub in_flight_records: usize,
    /// The same of one partition.
    pub in_flight_records_per_partition: usize,
    /// Most bytes of the records in flight.
    pub in_flight_bytes: u64,
    /// Threads that decide.
    pub worker_threads: usize,
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Lines for people or for machines.
    pub format: LogFormat,
    /// Level or filter.
    pub level: String,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; coloured where standard error is a terminal.
    Auto,
    /// For people, as `Auto`.
    Human,
    /// One JSON object a line.
    Json,
}

/// A secret of any text that is not empty.
pub(super) fn secret(text: &str) -> Result<Secret, String> {
    units::text(text).map(Secret::new)
}

/// A path that is not empty.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    units::text(text).map(PathBuf::from)
}

impl Config {
    /// Lets defaults give way to what the user said, then checks every setting. Changes `typed` to what is in force.
    ///
    /// # Errors
    /// The first setting that does not hold, with where it comes from.
    pub fn of(typed: &mut Typed) -> Result<Self, SettingsError> {
        let mut notes = Vec::new();
        let in_files = typed.text("input").is_some();
        store::derive(typed)?;
        give_way(typed, "allowed-lateness", "window", units::bound)?;
        give_way(typed, "max-in-flight-messages-per-partition", "max-in-flight-messages", |text| {
            units::count(text).map(Some)
        })?;
        if in_files {
            files::refuse_kafka(typed)?;
        } else {
            files::refuse_files(typed)?;
            kafka::derive(typed, &mut notes)?;
        }
        let mode = if in_files {
            Mode::Files(files::config(typed, &mut notes)?)
        } else {
            Mode::Kafka(Box::new(kafka::config(typed)?))
        };
        let config = Self {
            plugin: plugin(typed)?,
            window: window(typed, in_files)?,
            records: records(typed)?,
            explanation: explanation(typed)?,
            redaction_key: typed.get("redaction-key", redaction_key)?,
            state: state(typed)?,
            checkpoints: checkpoints(typed)?,
            limits: limits(typed)?,
            http: http(typed, in_files)?,
            log: log(typed)?,
            shutdown_timeout: typed.need("shutdown-timeout-secs", units::seconds)?,
            mode,
            notes,
        };
        config.check_dead_letters(typed)?;
        Ok(config)
    }

    /// A run needs at least one component; showing the configuration does not.
    ///
    /// # Errors
    /// If no plugin is named.
    pub fn require_plugin(&self) -> Result<(), SettingsError> {
        if !self.plugin.files.is_empty() {
            return Ok(());
        }
        Err(SettingsError::Conflict(
            "no plugin: give the component that says what makes two events the same, \
             such as --plugin composite_key.wasm"
                .into(),
        ))
    }

    /// Whether dead letters have a place to go.
    #[must_use]
    pub fn has_dead_letters(&self) -> bool {
        match &self.mode {
            Mode::Kafka(kafka) => kafka.topics.dead_letter.is_some(),
            Mode::Files(files) => files.dead_letter.is_some(),
        }
    }

    fn check_dead_letters(&self, typed: &Typed) -> Result<(), SettingsError> {
        let unplaced = self.records.on_missing_key == OnMissingKey::DeadLetter && !self.has_dead_letters();
        if !unplaced {
            return Ok(());
        }
        let place =
            if matches!(self.mode, Mode::Kafka(_)) { "--dead-letter-topic TOPIC" } else { "--dead-letter FILE" };
        Err(typed.wrong("on-missing-key", format!("is dead-letter, but there is nowhere to put them: give {place}")))
    }
}

/// A default that is larger than what the user said as its upper bound becomes that bound; two that the user said and
/// that do not fit are an error.
fn give_way<T: PartialOrd>(
    typed: &mut Typed,
    smaller: &'static str,
    larger: &'static str,
    parse: impl Fn(&str) -> Result<Option<T>, String>,
) -> Result<(), SettingsError> {
    let bound = typed.need(larger, &parse)?;
    let value = typed.need(smaller, &parse)?;
    let (Some(bound), Some(value)) = (bound, value) else { return Ok(()) };
    if value <= bound {
        return Ok(());
    }
    let text = typed.text(larger).unwrap_or_default().to_owned();
    if typed.given(smaller) {
        return Err(
            typed.wrong(smaller, format!("is more than --{larger}, which is {text} ({})", typed.origin(larger)))
        );
    }
    typed.derive(smaller, text, format!("not more than {larger}"));
    Ok(())
}

fn plugin(typed: &Typed) -> Result<PluginConfig, SettingsError> {
    let on_failure = [
        ("stop", OnPluginFailure::Stop),
        ("dead-letter", OnPluginFailure::DeadLetter),
        ("pass", OnPluginFailure::Pass),
    ];
    Ok(PluginConfig {
        files: typed.all("plugin").iter().map(PathBuf::from).collect(),
        extractor_configuration: typed.get("plugin-config", text_or_file)?,
        scorer_configuration: typed.get("scorer-config", text_or_file)?,
        time_limit: typed.need("plugin-time-limit-ms", units::millis)?,
        memory_bytes: typed.need("plugin-memory-mib", plugin_memory)?,
        on_failure: typed.need("on-plugin-failure", |text| units::one_of(text, &on_failure))?,
        breaker: typed
            .need("plugin-breaker", |text| if text == "off" { Ok(None) } else { units::share(text).map(Some) })?,
        wasi: typed.need("plugin-wasi", wasi)?,
        sha256: digests(typed)?,
        cache_dir: typed.need("plugin-cache-dir", cache_dir)?,
        compile_memory_bytes: typed.need("plugin-compile-memory-mib", compile_memory)?,
        compile_time: typed.need("plugin-compile-timeout-secs", units::seconds)?,
        watch: typed.need("plugin-watch", |text| units::one_of(text, &[("on", true), ("off", false)]))?,
        dump_dir: typed.get("plugin-dump-dir", path)?,
        dump_values: dump_values(typed)?,
    })
}

/// Values are written only where something is written.
fn dump_values(typed: &Typed) -> Result<bool, SettingsError> {
    let values = typed.need("plugin-dump-values", units::switch)?;
    if values && typed.text("plugin-dump-dir").is_none() {
        return Err(
            typed.wrong("plugin-dump-values", "is set, but nothing is dumped: give --plugin-dump-dir DIR".into())
        );
    }
    Ok(values)
}

/// Most bytes of an instance, from MiB.
pub(super) fn plugin_memory(text: &str) -> Result<u64, String> {
    match units::small(text)? {
        mib @ ..=4096 => Ok(u64::from(mib) << 20),
        _ => Err("is more than the 4096 MiB that a component can address".to_owned()),
    }
}

/// Most bytes that compiling takes, from MiB.
pub(super) fn compile_memory(text: &str) -> Result<u64, String> {
    Ok(u64::from(units::small(text)?) << 20)
}

/// What components get that were built with WASI.
pub(super) fn wasi(text: &str) -> Result<Wasi, String> {
    units::one_of(text, &[("none", Wasi::None), ("stub", Wasi::Stub), ("inert", Wasi::Inert)])
}

/// Where compiled components are kept.
pub(super) fn cache_dir(text: &str) -> Result<Option<PathBuf>, String> {
    match text {
        "off" => Ok(None),
        "auto" => {
            let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
            let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
            Ok(base.map(|base| base.join("dedup-host/components")))
        }
        _ => path(text).map(Some),
    }
}

fn digests(typed: &Typed) -> Result<Vec<String>, SettingsError> {
    let digest = |text: &String| {
        let digest = text.trim().to_ascii_lowercase();
        if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(digest);
        }
        let reason = format!("`{text}` is not a SHA-256: give 64 hexadecimal digits, as `sha256sum FILE` prints them");
        Err(typed.wrong("plugin-sha256", reason))
    };
    typed.all("plugin-sha256").iter().map(digest).collect()
}

/// Bytes of a configuration of a plugin that stands in a file.
const TEXT_BYTES_MAX: u64 = 16 << 20;

/// The text, or what is in the file after `@`.
pub(super) fn text_or_file(text: &str) -> Result<String, String> {
    match text.strip_prefix('@') {
        Some(path) => {
            plugin::read_text(Path::new(path), TEXT_BYTES_MAX).map_err(|error| format!("cannot read {path}: {error}"))
        }
        None => Ok(text.to_owned()),
    }
}

fn window(typed: &Typed, in_files: bool) -> Result<WindowConfig, SettingsError> {
    let late = |text: &str| match text {
        "pass" => Ok(LatePolicy::Pass),
        "drop" => Ok(LatePolicy::Drop),
        _ if in_files || text == "topic" => Ok(LatePolicy::Divert),
        _ => Err(format!("`{text}` is not one of pass, drop, topic (a file only together with --input)")),
    };
    Ok(WindowConfig {
        window: typed.need("window", |text| match units::bound(text)? {
            Some(Duration::ZERO) => Err("of length zero remembers nothing: write none for no limit".to_owned()),
            window => Ok(window),
        })?,
        allowed_lateness: typed.need("allowed-lateness", units::duration)?,
        max_out_of_orderness: typed.need("max-out-of-orderness", units::duration)?,
        max_time_jump: typed.need("max-time-jump", units::duration)?,
        late: typed.need("late", late)?,
    })
}

/// Whether numbers reach a plugin by value.
pub(super) fn canonical_numbers(text: &str) -> Result<bool, String> {
    units::one_of(text, &[("as-written", false), ("canonical", true)])
}

/// Members whose strings are JSON text.
pub(super) fn json_in(typed: &Typed) -> Result<JsonIn, SettingsError> {
    JsonIn::new(typed.all("json-in")).map_err(|error| typed.wrong("json-in", error.to_string()))
}

fn records(typed: &Typed) -> Result<RecordsConfig, SettingsError> {
    let on_missing_key =
        [("pass", OnMissingKey::Pass), ("dead-letter", OnMissingKey::DeadLetter), ("drop", OnMissingKey::Drop)];
    let on_unsendable = [("stop", OnUnsendable::Stop), ("skip", OnUnsendable::Skip)];
    Ok(RecordsConfig {
        event_time: typed.get("event-time", units::pointer)?,
        uuid_field: typed.need("uuid-field", units::pointer)?,
        canonical_numbers: typed.need("numbers", canonical_numbers)?,
        json_in: json_in(typed)?,
        on_missing_key: typed.need("on-missing-key", |text| units::one_of(text, &on_missing_key))?,
        on_unsendable: typed.need("on-unsendable", |text| units::one_of(text, &on_unsendable))?,
    })
}

fn explanation(typed: &Typed) -> Result<ExplanationConfig, SettingsError> {
    let config = ExplanationConfig {
        keep_originals: typed.need("keep-originals", |text| units::one_of(text, &[("on", true), ("off", false)]))?,
        forward_below: typed.get("forward-below-similarity", units::share)?,
        redact: typed.need("redact-values", units::switch)?,
    };
    if config.forward_below.is_some() && !config.keep_originals {
        let reason = "needs the originals to compare with: leave --keep-originals on".to_owned();
        return Err(typed.wrong("forward-below-similarity", reason));
    }
    Ok(config)
}

/// A short one could be found by trying, and then the keys as well.
fn redaction_key(text: &str) -> Result<Secret, String> {
    const CHARACTERS_MIN: usize = 16;
    match text.chars().count() {
        CHARACTERS_MIN.. => secret(text),
        few => Err(format!(
            "has {few} characters, and at least {CHARACTERS_MIN} are required: use a random one, such as from \
             `openssl rand -hex 32`"
        )),
    }
}

fn state(typed: &Typed) -> Result<StateConfig, SettingsError> {
    Ok(StateConfig {
        path: typed.need("store-path", path)?,
        trust_owner: typed.need("trust-store-owner", units::switch)?,
        capacity_bytes: typed.need("max-store-capacity", units::bytes)?,
    })
}

fn checkpoints(typed: &Typed) -> Result<CheckpointConfig, SettingsError> {
    Ok(CheckpointConfig {
        interval: typed.need("checkpoint-interval-secs", units::seconds)?,
        local_dir: typed.need("local-checkpoint-dir", path)?,
        local_max: typed.need("max-local-checkpoints", units::count)?,
        full_upload_every: typed.need("full-upload-interval", units::count)?,
        s3: s3(typed)?,
    })
}

fn s3(typed: &Typed) -> Result<Option<S3Config>, SettingsError> {
    let Some(bucket) = typed.get("s3-bucket", units::text)? else { return Ok(None) };
    let id = typed.get("aws-access-key-id", units::text)?;
    let key = typed.get("aws-secret-access-key", secret)?;
    let credentials = match (id, key) {
        (Some(id), Some(key)) => Some((id, key)),
        (None, None) => None,
        (Some(_), None) => return Err(typed.wrong("aws-access-key-id", "needs AWS_SECRET_ACCESS_KEY".into())),
        (None, Some(_)) => return Err(typed.wrong("aws-secret-access-key", "needs AWS_ACCESS_KEY_ID".into())),
    };
    Ok(Some(S3Config {
        bucket,
        key_prefix: typed.need("s3-key-prefix", units::text)?,
        region: typed.need("aws-region", units::text)?,
        endpoint: typed.get("aws-endpoint-url", units::text)?,
        allow_http: typed.need("aws-allow-http", units::switch)?,
        timeout: typed.need("s3-timeout-secs", units::seconds)?,
        credentials,
        session_token: typed.get("aws-session-token", secret)?,
    }))
}

fn limits(typed: &Typed) -> Result<LimitsConfig, SettingsError> {
    Ok(LimitsConfig {
        in_flight_records: typed.need("max-in-flight-messages", units::count)?,
        in_flight_records_per_partition: typed.need("max-in-flight-messages-per-partition", units::count)?,
        in_flight_bytes: typed.need("max-memory-bytes", units::bytes)?,
        worker_threads: typed.need("worker-threads", units::count)?,
    })
}

fn http(typed: &Typed, in_files: bool) -> Result<Option<HttpConfig>, SettingsError> {
    let config = HttpConfig {
        host: typed.need("bind-host", units::text)?,
        port: typed.need("bind-port", units::port)?,
        allowed_hosts: allowed_hosts(typed)?,
        admin_token: typed.get("admin-token", |text| units::token(text).map(Secret::new))?,
    };
    let asked_for = typed.on_command_line("bind-host") || typed.on_command_line("bind-port");
    Ok(Some(config).filter(|_| !in_files || asked_for))
}

fn allowed_hosts(typed: &Typed) -> Result<Vec<String>, SettingsError> {
    let names = typed.all("http-allowed-hosts").iter().flat_map(|text| text.split(','));
    let names = names.map(|name| units::host_name(name.trim()));
    names.collect::<Result<_, _>>().map_err(|reason| typed.wrong("http-allowed-hosts", reason))
}

fn log(typed: &Typed) -> Result<LogConfig, SettingsError> {
    let formats = [("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)];
    let level = |text: &str| match text.split(',').all(is_directive) && EnvFilter::try_new(text).is_ok() {
        true => Ok(text.to_owned()),
        false => {
            Err(format!("`{text}` is not error, warn, info, debug, trace, off or a filter such as info,state=debug"))
        }
    };
    Ok(LogConfig {
        format: typed.need("log-format", |text| units::one_of(text, &formats))?,
        level: typed.need("log-level", level)?,
    })
}

/// A level, or `target=level`. A bare target is legal for the filter, but here it is a level with a typing error.
fn is_directive(part: &str) -> bool {
    part.contains('=') || part.parse::<LevelFilter>().is_ok()
}
