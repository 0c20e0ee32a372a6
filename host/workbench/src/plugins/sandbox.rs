//! The sandbox of a run, set up for one command: the same limits from the same settings. Does not call the component.

use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;
use plugin::{Bounds, Candidate, Fault, Image, Input, Limits, LoadError, Options, Probe, Role, Runtime, Texts, Wasi};

use super::config::SandboxConfig;
use super::screen;

/// What components are run under, but that work may be counted.
pub(super) fn options(config: &SandboxConfig, fuel: bool) -> Options {
    let limits = Limits {
        memory_bytes_max: usize::try_from(config.memory_bytes).unwrap_or(usize::MAX),
        time_per_batch: config.time_limit,
        compile_memory_bytes_max: config.compile_memory_bytes,
        compile_time_max: config.compile_time,
        ..Limits::default()
    };
    Options { limits, wasi: config.wasi, cache_dir: config.cache_dir.clone(), fuel, ..Options::default() }
}

/// A runtime for these options.
pub(super) fn runtime(config: &SandboxConfig, fuel: bool) -> Result<Runtime, LoadError> {
    Runtime::with(options(config, fuel))
}

/// Files of at least this size are announced: engines of other languages take some ten seconds to compile.
const ANNOUNCED_BYTES: u64 = 1 << 20;

/// Opens a component; says so on a terminal where that may take long.
pub(super) fn open(runtime: &Runtime, path: &Path) -> Result<Candidate, LoadError> {
    open_image(runtime, path, &runtime.read(path)?)
}

/// As [`open`], of a file that was read.
pub(super) fn open_image(runtime: &Runtime, path: &Path, image: &Image) -> Result<Candidate, LoadError> {
    let bytes = image.bytes().len() as u64;
    if bytes < ANNOUNCED_BYTES {
        return runtime.open_image(image);
    }
    // Hidden if standard error is not a terminal.
    let bar = ProgressBar::new_spinner();
    bar.set_message(format!("compiling {} ({})", path.display(), screen::bytes(bytes)));
    bar.enable_steady_tick(Duration::from_millis(100));
    let opened = runtime.open_image(image);
    bar.finish_and_clear();
    opened
}

/// What a process may use that reads a module or a component without compiling it.
pub(super) const READER: Bounds =
    Bounds { memory_bytes_max: 2 << 30, time_max: Duration::from_secs(60), steps_back: false };

/// Bytes of a module or a component that is read.
pub(super) const FILE_BYTES_MAX: u64 = 256 << 20;

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
