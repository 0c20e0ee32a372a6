//! The validated whole: every setting with its type and unit, checked one by one and against the others.
//! Plain values; the components make their own options of them. Not the text the user typed, see `typed`.

use std::time::Duration;

use connectors::Lane;
use setting::{Kind, Row, Runs, SettingsError, Typed, units};

use super::files::{self, FilesConfig};
use super::kafka::{self, KafkaConfig, output};
use super::table::settings;
use super::{checkpoints, components, explanation, http, limits, process, records, store, window};

pub use super::checkpoints::{CheckpointConfig, S3Config};
pub use super::components::PluginConfig;
pub use super::http::HttpConfig;
pub use super::limits::LimitsConfig;
pub use super::process::{LogConfig, LogFormat};
pub use super::records::RecordsConfig;
pub use super::store::StateConfig;
pub use super::window::WindowConfig;
pub use line::{ExplanationConfig, LatePolicy, OnMissingKey, OnPluginFailure, OnUnsendable};
pub use plain_text::Secret;

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

impl Config {
    /// Lets defaults give way to what the user said, then checks every setting. Changes `typed` to what is in force.
    ///
    /// # Errors
    /// The first setting that does not hold, with where it comes from.
    pub(super) fn of(typed: &mut Typed) -> Result<Self, SettingsError> {
        let mut notes = Vec::new();
        let in_files = typed.text(&files::INPUT).is_some();
        store::derive(typed)?;
        window::derive(typed)?;
        limits::derive(typed)?;
        let mode = if in_files {
            refuse_kafka(typed)?;
            Mode::Files(files::config(typed, &mut notes)?)
        } else {
            refuse_files(typed)?;
            kafka::derive(typed, &mut notes)?;
            Mode::Kafka(Box::new(kafka::config(typed)?))
        };
        let config = Self {
            plugin: components::config(typed)?,
            window: window::config(typed, in_files)?,
            records: records::config(typed)?,
            explanation: explanation::config(typed)?,
            redaction_key: typed.get(&explanation::REDACTION_KEY)?,
            state: store::config(typed)?,
            checkpoints: checkpoints::config(typed)?,
            limits: limits::config(typed)?,
            http: http::config(typed, in_files)?,
            log: process::log(typed)?,
            shutdown_timeout: typed.need(&process::SHUTDOWN_TIMEOUT_SECS)?,
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
            Mode::Kafka(kafka) => kafka.topics.outputs[Lane::DeadLetter].is_some(),
            Mode::Files(files) => files.lanes[Lane::DeadLetter].is_some(),
        }
    }

    fn check_dead_letters(&self, typed: &Typed) -> Result<(), SettingsError> {
        let unplaced = self.records.on_missing_key == OnMissingKey::DeadLetter && !self.has_dead_letters();
        if !unplaced {
            return Ok(());
        }
        let place =
            if matches!(self.mode, Mode::Kafka(_)) { "--dead-letter-topic TOPIC" } else { "--dead-letter FILE" };
        Err(typed
            .wrong(&records::ON_MISSING_KEY, format!("is dead-letter, but there is nowhere to put them: give {place}")))
    }
}

/// Flags of Kafka have no meaning with `--input`, and silence about them would mislead. Variables and the file may
/// name them: they are often the same for every run on a machine.
fn refuse_kafka(typed: &Typed) -> Result<(), SettingsError> {
    match settings().find(|setting| setting.runs == Runs::Kafka && typed.on_command_line(setting)) {
        Some(setting) => {
            let reason = "cannot be combined with --input: a run reads files or Kafka, so leave one of them out";
            Err(typed.wrong(setting, reason))
        }
        None => Ok(()),
    }
}

/// Flags of files have no meaning without `--input`.
fn refuse_files(typed: &Typed) -> Result<(), SettingsError> {
    for setting in settings().filter(|setting| setting.runs == Runs::Files) {
        if says_something(typed, setting)? {
            let reason = match topic_instead(setting) {
                Some(topic) => format!("needs --input; for Kafka it is --{}", topic.flag),
                None => "needs --input: it applies to runs over files".to_owned(),
            };
            return Err(typed.wrong(setting, reason));
        }
    }
    Ok(())
}

/// The topic that a run over topics has in the place of a file.
fn topic_instead(file: &Row) -> Option<&'static Row> {
    let lane = Lane::ALL.into_iter().find(|lane| files::row_of(*lane).flag == file.flag)?;
    Some(output::topic_of(lane))
}

/// Whether a setting of files says more than that it is as always: what has a default may stand in variables and in the
/// file, which are often the same for every run on a machine.
fn says_something(typed: &Typed, setting: &Row) -> Result<bool, SettingsError> {
    let Some(text) = typed.text(setting) else { return Ok(false) };
    match (setting.kind, setting.default) {
        (Kind::Switch, _) => units::switch(text).map_err(|reason| typed.wrong(setting, reason)),
        (_, None) => Ok(true),
        (_, Some(_)) => Ok(typed.on_command_line(setting)),
    }
}
