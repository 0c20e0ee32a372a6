//! What a run is given as plugins, and which of them plays which role: one extracts keys, at most one scores. Does not
//! call them.

use std::path::PathBuf;

use line::Plugins;
use plugin::{Candidate, LoadError, Plugin, Texts, Wasi};

/// What a run is given as plugins.
#[derive(Debug, Clone)]
pub struct ReloadConfig {
    /// The files, in the order given.
    pub files: Vec<PathBuf>,
    /// Handed to the key extractor as it is.
    pub extractor_configuration: Option<String>,
    /// Handed to the similarity scorer as it is.
    pub scorer_configuration: Option<String>,
    /// What components get that were built with WASI.
    pub wasi: Wasi,
    /// Whether the files are watched.
    pub watch: bool,
}

/// Components that cannot be used, or not together.
#[derive(Debug, thiserror::Error)]
pub enum PluginsError {
    /// One of them.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// All of them.
    #[error("{0}")]
    Roles(String),
}

/// Gives a component the operator's texts.
pub(crate) fn configure(candidate: &Candidate, config: &ReloadConfig) -> Result<Plugin, PluginsError> {
    let plugin = candidate.configured(Texts {
        extractor: config.extractor_configuration.as_deref(),
        scorer: config.scorer_configuration.as_deref(),
    })?;
    let roles = plugin.roles();
    tracing::info!(
        plugin = plugin.name(),
        version = plugin.version(),
        sha256 = plugin.sha256(),
        extracts_keys = roles.extracts_keys,
        scores = roles.scores,
        compiled_ms = u64::try_from(candidate.compile_time().as_millis()).unwrap_or(u64::MAX),
        from_cache = candidate.from_cache(),
        "plugin loaded"
    );
    Ok(plugin)
}

/// Gives each component its role.
///
/// # Errors
/// None extracts keys, or two play the same role.
pub(crate) fn of(files: &[(PathBuf, Plugin)], config: &ReloadConfig) -> Result<Plugins, PluginsError> {
    let (mut extractor, mut scorer) = (None, None);
    for (path, plugin) in files {
        let roles = plugin.roles();
        for (plays, place, role) in
            [(roles.extracts_keys, &mut extractor, "extract keys"), (roles.scores, &mut scorer, "score")]
        {
            if !plays {
                continue;
            }
            if let Some((other, _)) = place.replace((path.display(), plugin.clone())) {
                let both = format!("both {other} and {} {role}; give one of them", path.display());
                return Err(PluginsError::Roles(both));
            }
        }
    }
    let Some((_, extractor)) = extractor else {
        let none = "no plugin extracts keys: give one that does, such as --plugin composite_key.wasm";
        return Err(PluginsError::Roles(none.to_owned()));
    };
    let scorer = scorer.map(|(_, plugin)| plugin);
    if scorer.is_none() && config.scorer_configuration.is_some() {
        let none = "--scorer-config is set, but no plugin scores: add one, such as --plugin property_similarity.wasm";
        return Err(PluginsError::Roles(none.to_owned()));
    }
    Ok(Plugins { extractor, scorer })
}
