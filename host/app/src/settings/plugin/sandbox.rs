//! The settings of a run that the subcommands of `plugin` share with it. Not their own arguments.

use setting::{SettingsError, Typed};
use workbench::plugins::SandboxConfig;

use crate::settings::{components, records};

/// What a component gets and may use: the same settings as of a run.
pub(super) fn sandbox(typed: &Typed) -> Result<SandboxConfig, SettingsError> {
    Ok(SandboxConfig {
        extractor_configuration: typed.get(&components::PLUGIN_CONFIG)?,
        scorer_configuration: typed.get(&components::SCORER_CONFIG)?,
        wasi: typed.need(&components::PLUGIN_WASI)?,
        memory_bytes: typed.need(&components::PLUGIN_MEMORY_MIB)?,
        time_limit: typed.need(&components::PLUGIN_TIME_LIMIT_MS)?,
        cache_dir: typed.need(&components::PLUGIN_CACHE_DIR)?,
        compile_memory_bytes: typed.need(&components::PLUGIN_COMPILE_MEMORY_MIB)?,
        compile_time: typed.need(&components::PLUGIN_COMPILE_TIMEOUT_SECS)?,
        canonical_numbers: typed.get(&records::NUMBERS)?.unwrap_or(false),
        json_in: records::json_in(typed)?,
    })
}
