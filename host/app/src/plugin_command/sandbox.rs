//! The sandbox of a run, made for one command: the same limits by the same settings. Not what is asked of a component.

use plugin::{Candidate, Fault, Input, Limits, LoadError, Options, Probe, Role, Runtime, Texts, Wasi};

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
