//! A run: what the configuration asks for, joined together. The driver drives it, the line decides.

mod bounds;
mod checkpoints;
mod error;
mod files;
mod kafka;
mod parts;
mod redaction;

use std::sync::Arc;

use drive::Stop;
use http_server::{Facts, reload_channel};
use observe::insights::Insights;
use observe::metrics::Metrics;
use private_files::keep_new_files_private;
use reload::HangUps;
use reporting::Observed;

use self::parts::Parts;
use crate::descriptors;
use crate::exit::ExitCode;
use crate::settings::config::{Config, Mode};
use crate::settings::store;

pub(crate) use checkpoints::{limits as checkpoint_limits, options as s3_options};
pub use error::RunError;
pub(crate) use kafka::{client_settings, kafka_settings};
pub(crate) use parts::plugin_options;

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
    let metrics = Metrics::new().map_err(|error| RunError::Other(error.to_string()))?;
    let insights = Arc::new(Insights::new(config.explanation.redact));
    metrics.show(&insights).map_err(|error| RunError::Other(error.to_string()))?;
    let observed = Observed::new(metrics, insights);
    let no_signals = |error| RunError::Other(format!("cannot handle signals: {error}"));
    let hang_ups = HangUps::listen().map_err(no_signals)?;
    // Whoever holds `client` keeps the thread that reloads plugins.
    let (client, requests) = reload_channel();
    let _server = match &config.http {
        Some(http) => {
            let Observed { metrics, status, insights, .. } = observed.clone();
            let facts = Facts { status, metrics, insights };
            Some(http_server::serve(http, facts, client.clone(), descriptors::limit())?)
        }
        None => None,
    };
    let (parts, reloader) = Parts::load(&config, &observed)?;
    reloader.start(requests, hang_ups, stop.clone()).map_err(RunError::no_thread)?;
    match &config.mode {
        Mode::Files(files) => files::run(files, parts, &observed, 0o666 & !kept_back, stop),
        Mode::Kafka(kafka) => kafka::run(&config, kafka, parts, &observed, stop),
    }
}
