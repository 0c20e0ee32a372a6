//! Which components play which role: one extracts keys, at most one scores; and which of them are in force while files
//! change. Does not call them, and does not watch files.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::record::RecordBatch;
use line::Plugins;
use plugin::{Candidate, LoadError, Plugin, Texts};

use crate::settings::config::PluginConfig;

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
pub(crate) fn configure(candidate: &Candidate, config: &PluginConfig) -> Result<Plugin, PluginsError> {
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
pub(crate) fn of(files: &[(PathBuf, Plugin)], config: &PluginConfig) -> Result<Plugins, PluginsError> {
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

/// Events that are remembered to try new plugins with, and the most bytes of them.
const RECENT_EVENTS_MAX: usize = 256;
const RECENT_BYTES_MAX: usize = 1 << 20;

/// The plugins in force. Published by the one who loads them; each line takes them up between two of its batches.
#[derive(Debug)]
pub(crate) struct InForce {
    now: Mutex<(u64, Arc<Plugins>)>,
    /// Payloads of a recent batch.
    recent: Mutex<Vec<Vec<u8>>>,
}

impl InForce {
    /// The first generation is 1.
    pub(crate) fn new(plugins: Plugins) -> Self {
        Self { now: Mutex::new((1, Arc::new(plugins))), recent: Mutex::default() }
    }

    /// The number of the generation in force, which only grows, and its plugins.
    pub(crate) fn get(&self) -> (u64, Arc<Plugins>) {
        lock(&self.now).clone()
    }

    /// The plugins in force, if they are of another generation.
    pub(crate) fn newer_than(&self, generation: u64) -> Option<(u64, Arc<Plugins>)> {
        let now = lock(&self.now);
        (now.0 != generation).then(|| now.clone())
    }

    /// Returns the number of the new generation.
    pub(crate) fn publish(&self, plugins: Plugins) -> u64 {
        let mut now = lock(&self.now);
        *now = (now.0 + 1, Arc::new(plugins));
        now.0
    }

    /// Keeps some events of a batch in the place of those kept before.
    pub(crate) fn remember(&self, batch: &RecordBatch) {
        let mut bytes = 0;
        let payloads = batch.iter().filter_map(|record| record.payload()).take(RECENT_EVENTS_MAX);
        let few = payloads.take_while(|payload| {
            bytes += payload.len();
            bytes <= RECENT_BYTES_MAX
        });
        let few: Vec<Vec<u8>> = few.map(<[u8]>::to_vec).collect();
        if !few.is_empty() {
            *lock(&self.recent) = few;
        }
    }

    /// The events kept last.
    pub(crate) fn recent(&self) -> Vec<Vec<u8>> {
        lock(&self.recent).clone()
    }
}

/// A thread that panicked while it held the lock left a whole value: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
