//! `dedup-host verify`: gives the audit the settings of a run in its own terms, and tells the shell its verdict. Not the
//! verifying.

use std::time::Duration;

use audit::{AuditError, FilePlaces, KafkaPlaces, KeylessEvents, LateEvents, Places, Report, Rules, Verdict};
use connectors::{ByLane, Lane};
use engine::projection::Numbers;
use file_connector::Stream;
use plugin::{LoadError, Plugin, Runtime, Texts};

use crate::exit::ExitCode;
use crate::run::{kafka_settings, plugin_options};
use crate::settings::config::{Config, LatePolicy, Mode, OnMissingKey, OnPluginFailure, OnUnsendable, PluginConfig};
use crate::settings::files::FilesConfig;
use crate::settings::kafka::Delivery;
use crate::settings::verify::VerifyConfig;

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The outputs could not be judged.
    #[error("could not check: {0}")]
    Audit(#[from] AuditError),
    /// A plugin cannot be loaded.
    #[error("could not check: {0}")]
    Load(#[from] LoadError),
    /// Not exactly one of them extracts keys.
    #[error(
        "could not check: {0} of the plugins extract keys: give the one of the run, such as --plugin composite_key.wasm"
    )]
    Extractors(usize),
    /// A standard stream cannot be read twice, nor after the run.
    #[error(
        "could not check: --{0} is a standard stream, and verify reads what a run has left in files: name the file"
    )]
    Stream(&'static str),
}

/// Verifies what a run with these settings has left, and tells the verdict on standard output.
///
/// # Errors
/// There is none.
pub fn run(config: VerifyConfig) -> Result<ExitCode, VerifyError> {
    let report = audit::verify(&audit::VerifyConfig {
        places: places(&config)?,
        extractor: extractor(&config.run.plugin)?,
        rules: rules(&config.run),
        from: config.from,
        to: config.to,
        memory_bytes: usize::try_from(config.memory_bytes).unwrap_or(usize::MAX),
        temp_dir: config.temp_dir,
        shown_max: config.shown_max,
    })?;
    let text = if config.json { format!("{}\n", plain_text::json(&report.json().to_string())) } else { report.text() };
    Ok(match terminal::answer(&text) {
        Ok(()) => code(&report),
        Err(_) => ExitCode::Unverified,
    })
}

fn code(report: &Report) -> ExitCode {
    match report.verdict() {
        Verdict::Right => ExitCode::Ok,
        Verdict::Violated => ExitCode::Violated,
        Verdict::Unchecked => ExitCode::Unverified,
    }
}

fn extractor(config: &PluginConfig) -> Result<Plugin, VerifyError> {
    let runtime = Runtime::with(plugin_options(config))?;
    let candidates = config.files.iter().map(|path| runtime.open(path)).collect::<Result<Vec<_>, _>>()?;
    let extractors: Vec<_> = candidates.iter().filter(|candidate| candidate.roles().extracts_keys).collect();
    let [extractor] = extractors.as_slice() else { return Err(VerifyError::Extractors(extractors.len())) };
    let (extractor_text, scorer) = (config.extractor_configuration.as_deref(), config.scorer_configuration.as_deref());
    Ok(extractor.configured(Texts { extractor: extractor_text, scorer })?)
}

fn places(config: &VerifyConfig) -> Result<Places, VerifyError> {
    match &config.run.mode {
        Mode::Kafka(kafka) => {
            let topics = kafka.topics.outputs.clone();
            Ok(Places::Kafka(Box::new(KafkaPlaces { settings: kafka_settings(kafka), topics })))
        }
        Mode::Files(files) => Ok(Places::Files(file_places(files, config.first_offset)?)),
    }
}

fn file_places(files: &FilesConfig, first_offset: i64) -> Result<FilePlaces, VerifyError> {
    let path = |flag, stream: &Stream| match stream {
        Stream::Standard => Err(VerifyError::Stream(flag)),
        Stream::File(path) => Ok(path.clone()),
    };
    let flags = ByLane::new(|lane| match lane {
        Lane::Output => "output",
        Lane::Duplicates => "duplicates",
        Lane::Late => "late",
        Lane::DeadLetter => "dead-letter",
    });
    let of_lane = |lane| Ok((lane, files.lanes[lane].as_ref().map(|stream| path(flags[lane], stream)).transpose()?));
    let lanes = Lane::ALL.into_iter().map(of_lane).collect::<Result<ByLane<_>, VerifyError>>()?;
    let input = path("input", &files.input)?;
    let (line_bytes_max, expansion_max) = (files.line_bytes_max, files.expansion_max);
    Ok(FilePlaces { input, lanes, first_offset, line_bytes_max, expansion_max })
}

fn rules(config: &Config) -> Rules {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let (window, records) = (&config.window, &config.records);
    Rules {
        window: window.window.map(millis),
        late_after: millis(window.allowed_lateness).saturating_add(millis(window.max_out_of_orderness)),
        time_jump_max: millis(window.max_time_jump),
        event_time: records.event_time.clone(),
        uuid_field: records.uuid_field.clone(),
        numbers: if records.canonical_numbers { Numbers::Canonical } else { Numbers::AsWritten },
        json_in: records.json_in.clone(),
        late: match window.late {
            LatePolicy::Pass => LateEvents::Pass,
            LatePolicy::Drop => LateEvents::Drop,
            LatePolicy::Divert => LateEvents::Divert,
        },
        keyless: match records.on_missing_key {
            OnMissingKey::Pass => KeylessEvents::Pass,
            OnMissingKey::DeadLetter => KeylessEvents::DeadLetter,
            OnMissingKey::Drop => KeylessEvents::Drop,
        },
        passes_failures: config.plugin.on_failure == OnPluginFailure::Pass,
        skips_unsendable: records.on_unsendable == OnUnsendable::Skip,
        forwards_dissimilar: config.explanation.forward_below.is_some(),
        hides_values: config.explanation.redact,
        at_least_once: match &config.mode {
            Mode::Kafka(kafka) => matches!(kafka.delivery, Delivery::AtLeastOnce),
            Mode::Files(_) => false,
        },
    }
}
