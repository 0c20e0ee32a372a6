//! The sandbox of a run, made for one command: the same limits by the same settings. Not what is asked of a component.

use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;
use plugin::{Candidate, Fault, Input, Limits, LoadError, Options, Probe, Role, Runtime, Texts, Wasi};

use super::screen;
use crate::settings::plugin::SandboxConfig;

/// What components are run under, but that work may be counted.
pub(super) fn options(config: &SandboxConfig, fuel: bool) -> Options {
    let limits = Limits {
        memory_bytes_max: usize::try_from(config.memory_bytes).unwrap_or(usize::MAX),
        time_per_batch: config.time_limit,
        ..Limits::default()
    };
    Options { limits, wasi: config.wasi, cache_dir: config.cache_dir.clone(), fuel }
}

/// A runtime for these options.
pub(super) fn runtime(config: &SandboxConfig, fuel: bool) -> Result<Runtime, LoadError> {
    Runtime::with(options(config, fuel))
}

/// Files of at least this size are announced: engines of other languages take some ten seconds to compile.
const ANNOUNCED_BYTES: u64 = 1 << 20;

/// Opens a component; says so on a terminal where that may take long.
pub(super) fn open(runtime: &Runtime, path: &Path) -> Result<Candidate, LoadError> {
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if bytes < ANNOUNCED_BYTES {
        return runtime.open(path);
    }
    // Hidden where standard error is no terminal.
    let bar = ProgressBar::new_spinner();
    bar.set_message(format!("compiling {} ({})", path.display(), screen::bytes(bytes)));
    bar.enable_steady_tick(Duration::from_millis(100));
    let opened = runtime.open(path);
    bar.finish_and_clear();
    opened
}

/// The operator's texts.
pub(super) fn texts(config: &SandboxConfig) -> Texts<'_> {
    Texts { extractor: config.extractor_configuration.as_deref(), scorer: config.scorer_configuration.as_deref() }
}

/// The operator's text for a role.
pub(super) fn text(config: &SandboxConfig, role: Role) -> &str {
    let text = match role {
        Role::KeyExtractor => config.extractor_configuration.as_deref(),
        Role::SimilarityScorer => config.scorer_configuration.as_deref(),
    };
    text.unwrap_or_default()
}

/// The flag that text comes from.
pub(super) fn flag(role: Role) -> &'static str {
    match role {
        Role::KeyExtractor => "--plugin-config",
        Role::SimilarityScorer => "--scorer-config",
    }
}

/// The value of `--plugin-wasi`.
pub(super) fn wasi_name(wasi: Wasi) -> &'static str {
    match wasi {
        Wasi::None => "none",
        Wasi::Stub => "stub",
        Wasi::Inert => "inert",
    }
}

/// An instance that was configured for one role, and what it reads.
pub(super) fn configured(candidate: &Candidate, role: Role, text: &str) -> Result<(Probe, Input), String> {
    let failed = |step: &'static str| move |fault: Fault| format!("{step}: {fault}");
    let mut probe = candidate.probe().map_err(failed("it failed to start"))?;
    match probe.configure(role, text).map_err(failed("it failed to be configured"))? {
        Ok(input) => Ok((probe, input)),
        Err(message) => Err(format!("it refuses its configuration: {message}")),
    }
}
