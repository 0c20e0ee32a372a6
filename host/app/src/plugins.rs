//! The components of a run and the roles they play: one extracts keys, at most one scores. Not what they are asked.

use plugin::{LoadError, Plugin, Runtime, Texts};

use crate::settings::config::PluginConfig;

/// The components of a run; one component may play both roles.
#[derive(Debug, Clone)]
pub struct Plugins {
    /// Says what makes two events the same.
    pub extractor: Plugin,
    /// Says how alike two events are.
    pub scorer: Option<Plugin>,
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

impl Plugins {
    /// Loads all components and gives each its role.
    ///
    /// # Errors
    /// A component is not usable, none extracts keys, or two play the same role.
    pub fn load(runtime: &Runtime, config: &PluginConfig) -> Result<Self, PluginsError> {
        let texts = Texts {
            extractor: config.extractor_configuration.as_deref(),
            scorer: config.scorer_configuration.as_deref(),
        };
        let (mut extractor, mut scorer) = (None, None);
        for path in &config.files {
            let plugin = runtime.load_with(path, texts)?;
            let roles = plugin.roles();
            tracing::info!(
                plugin = plugin.name(),
                version = plugin.version(),
                sha256 = plugin.sha256(),
                extracts_keys = roles.extracts_keys,
                scores = roles.scores,
                "plugin loaded"
            );
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
            let none =
                "--scorer-config is given, and no plugin scores: give one, such as --plugin property_similarity.wasm";
            return Err(PluginsError::Roles(none.to_owned()));
        }
        Ok(Self { extractor, scorer })
    }
}
