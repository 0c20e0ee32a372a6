//! The settings of a run that the subcommands of `plugin` share with it. Not their own arguments.

use workbench::plugins::SandboxConfig;

use crate::settings::typed::Typed;
use crate::settings::{SettingsError, config, units};

/// What a component gets and may use: the same settings as of a run.
pub(super) fn sandbox(typed: &Typed) -> Result<SandboxConfig, SettingsError> {
    let numbers = typed.get("numbers", config::canonical_numbers)?;
    Ok(SandboxConfig {
        extractor_configuration: typed.get("plugin-config", config::text_or_file)?,
        scorer_configuration: typed.get("scorer-config", config::text_or_file)?,
        wasi: typed.need("plugin-wasi", config::wasi)?,
        memory_bytes: typed.need("plugin-memory-mib", config::plugin_memory)?,
        time_limit: typed.need("plugin-time-limit-ms", units::millis)?,
        cache_dir: typed.need("plugin-cache-dir", config::cache_dir)?,
        compile_memory_bytes: typed.need("plugin-compile-memory-mib", config::compile_memory)?,
        compile_time: typed.need("plugin-compile-timeout-secs", units::seconds)?,
        canonical_numbers: numbers.unwrap_or(false),
        json_in: config::json_in(typed)?,
    })
}
