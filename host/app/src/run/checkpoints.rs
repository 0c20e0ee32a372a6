//! Where a run keeps its checkpoints, as the settings say; refused at the start where that cannot work. Not their making.

use std::path::Path;
use std::time::Duration;

use checkpoint::{Credentials, Limits, S3Options};
use keeper::{At, Shelf};
use observe::metrics::{CheckpointPlace, Metrics};
use private_files::Trust;

use super::error::RunError;
use crate::settings::config::{CheckpointConfig, Config, S3Config};

/// What the user asked for, or nothing where checkpoints are switched off. What nobody asked for and cannot work is warned
/// about, counted, and tried again.
///
/// # Errors
/// What the user asked for cannot work.
pub(super) fn shelves(config: &Config, store: &Path, topic: &str, metrics: &Metrics) -> Result<Vec<Shelf>, RunError> {
    let asked = &config.checkpoints;
    if asked.interval.is_zero() {
        tracing::info!("no checkpoints are made or restored, as --checkpoint-interval-secs is 0");
        return Ok(Vec::new());
    }
    let limits = limits(asked);
    let trust = if config.state.trust_owner { Trust::Anyone } else { Trust::Ours };
    let local = Shelf::new(At::Directory(asked.local_dir.clone(), trust), limits.clone(), asked.local_max);
    let refused = |flag: &str, cause: String| RunError::Checkpoints(format!("--{flag}: {cause}"));
    local.check_apart(store, topic).map_err(|cause| refused("local-checkpoint-dir", cause))?;
    if let Err(error) = local.check() {
        if asked.is_local_dir_given {
            return Err(refused("local-checkpoint-dir", error.to_string()));
        }
        metrics.process.checkpoint_failures.inc(CheckpointPlace::Local);
        tracing::warn!(
            %error,
            "no checkpoints can be kept in the default directory for now: give --local-checkpoint-dir, or switch them off with \
             --checkpoint-interval-secs 0"
        );
    }
    let Some(s3) = &asked.s3 else { return Ok(vec![local]) };
    let remote = Shelf::new(At::S3(options(s3)), limits, s3.max);
    match remote.check() {
        Ok(()) => {}
        Err(error) if error.is_temporary() => {
            metrics.process.checkpoint_failures.inc(CheckpointPlace::S3);
            tracing::warn!(shelf = remote.name(), %error, "checkpoints wait until the bucket can be reached");
        }
        Err(error) => return Err(refused("s3-bucket", error.to_string())),
    }
    Ok(vec![local, remote])
}

/// A state is written at least as often as checkpoints are to be made of it.
pub(super) fn persist_interval(config: &CheckpointConfig, at_least: Duration) -> Duration {
    if config.interval.is_zero() { at_least } else { at_least.min(config.interval) }
}

/// Transfers that there are at once, over all places.
pub(super) fn transfers(config: &CheckpointConfig) -> u64 {
    let places = if config.interval.is_zero() { 0 } else { 1 + usize::from(config.s3.is_some()) };
    (places * keeper::THREADS * limits(config).parallel) as u64
}

/// Checkpoints of a partition that there are on this disk.
pub(super) fn copies(config: &CheckpointConfig) -> u64 {
    if config.interval.is_zero() { 0 } else { config.local_max as u64 }
}

/// What a place of checkpoints is asked for at most.
pub(crate) fn limits(config: &CheckpointConfig) -> Limits {
    Limits { timeout: config.timeout, bytes_per_second: config.bandwidth, ..Limits::default() }
}

/// The bucket.
pub(crate) fn options(s3: &S3Config) -> S3Options {
    let credentials = s3.credentials.as_ref().map(|(key, secret)| Credentials {
        key: key.clone(),
        secret: secret.expose().to_owned(),
        token: s3.session_token.as_ref().map(|token| token.expose().to_owned()),
    });
    S3Options {
        bucket: s3.bucket.clone(),
        prefix: s3.key_prefix.clone(),
        region: s3.region.clone(),
        endpoint: s3.endpoint.clone(),
        allow_http: s3.allow_http,
        credentials,
    }
}
