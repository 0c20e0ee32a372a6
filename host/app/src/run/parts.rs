//! What every partition of a run shares: the plugins, the rules, and how its state is laid out and opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use drive::InForce;
use engine::decide::Window;
use engine::fingerprint::Seed;
use engine::projection::Numbers;
use engine::record::TopicPartition;
use engine::time::ClockRules;
use keeper::Local;
use line::{Dumps, Identity, Rules};
use plugin::{Limits, Options, Runtime};
use private_files::{PrivateDir, Trust};
use reload::{PluginsError, ReloadConfig, Reloader};
use reporting::Observed;
use state::{
    OpenError, Opened, OriginalsOptions, OriginalsWriter, PartitionStore, StoreBounds, StoreIdentity, StoreOptions,
};

use super::error::RunError;
use super::redaction::redaction;
use crate::settings::config::{Config, PluginConfig};

/// Directory of the keys from before a topic grew, beside the states of its partitions.
const ELDERS: &str = "elders";

/// Entries of the state in memory, over all partitions, at some 60 bytes each.
const FRONT_ENTRIES_TOTAL: usize = 4_000_000;

/// And at least so many for each.
const FRONT_ENTRIES_MIN: usize = 65_536;

/// Bytes of originals in memory, over all partitions, and as many of counts of duplicates; and the least of one chunk.
const ORIGINALS_MEMORY_BYTES: usize = 256 << 20;
const ORIGINALS_CHUNK_BYTES_MIN: usize = 256 << 10;

/// What every partition shares: the plugins, the rules, and how its state is laid out.
pub(crate) struct Parts {
    pub(super) plugins: Arc<InForce>,
    pub(super) rules: Arc<Rules>,
    /// Where the state lies.
    pub(super) store: PrivateDir,
    store_options: StoreOptions,
    /// The broker's id of the input topic.
    pub(super) topic_id: Option<String>,
}

/// What plugins run under.
pub(crate) fn plugin_options(config: &PluginConfig) -> Options {
    Options {
        limits: Limits {
            memory_bytes_max: usize::try_from(config.memory_bytes).unwrap_or(usize::MAX),
            time_per_batch: config.time_limit,
            compile_memory_bytes_max: config.compile_memory_bytes,
            compile_time_max: config.compile_time,
            ..Limits::default()
        },
        wasi: config.wasi,
        cache_dir: config.cache_dir.clone(),
        fuel: false,
        sha256: config.sha256.clone(),
    }
}

fn reload_config(config: &PluginConfig) -> ReloadConfig {
    ReloadConfig {
        files: config.files.clone(),
        extractor_configuration: config.extractor_configuration.clone(),
        scorer_configuration: config.scorer_configuration.clone(),
        wasi: config.wasi,
        watch: config.watch,
    }
}

impl Parts {
    pub(super) fn load(config: &Config, observed: &Observed) -> Result<(Self, Reloader), RunError> {
        let runtime = Runtime::with(plugin_options(&config.plugin)).map_err(PluginsError::Load)?;
        let tried = Arc::new(rules(config));
        let (metrics, status) = (observed.metrics.clone(), Arc::clone(&observed.status));
        let reloader = Reloader::load(runtime, reload_config(&config.plugin), Arc::clone(&tried), metrics, status)?;
        // Not before the plugins are good: a run that cannot be leaves nothing behind.
        let trust = if config.state.trust_owner { Trust::Anyone } else { Trust::Ours };
        let store = PrivateDir::open(&config.state.path, trust)?;
        let rules = Arc::new(Rules { redaction: redaction(config, &store)?, ..(*tried).clone() });
        let mut store_options = StoreOptions::for_window(rules.window.length, rules.window.allowed_lateness);
        store_options.capacity_bytes_max = Some(config.state.capacity_bytes);
        if rules.explain.keep_originals {
            let writer = OriginalsWriter::start().map_err(RunError::no_thread)?;
            store_options.originals = Some(OriginalsOptions::new(writer));
        }
        let parts = Self { plugins: reloader.in_force(), rules, store, store_options, topic_id: None };
        Ok((parts, reloader))
    }

    /// Entries in memory are bounded for the process, whatever the number of partitions; tables stay large enough to
    /// be worth their files.
    pub(super) fn share_front(&mut self, partitions: usize) {
        let share = FRONT_ENTRIES_TOTAL / partitions.max(1);
        self.store_options.front_entries_max = share.clamp(FRONT_ENTRIES_MIN, self.store_options.front_entries_max);
        if let Some(originals) = &mut self.store_options.originals {
            let share = ORIGINALS_MEMORY_BYTES / partitions.max(1);
            originals.chunk_bytes = (share / 16).clamp(ORIGINALS_CHUNK_BYTES_MIN, originals.chunk_bytes);
            originals.originals_memory_bytes_max = share;
            originals.histories_memory_bytes_max = share.min(originals.histories_memory_bytes_max);
        }
    }

    /// What the state of a partition takes at most.
    pub(super) fn store_bounds(&self) -> StoreBounds {
        self.store_options.bounds()
    }

    /// Instances of plugins that a partition has.
    pub(super) fn instances(&self) -> u64 {
        let (_, plugins) = self.plugins.get();
        1 + u64::from(plugins.scorer.is_some())
    }

    /// What the state of a partition belongs to; `seed` is what its keys are hashed with, where the group has said so.
    fn identity(&self, source: &TopicPartition, seed: Option<Seed>) -> StoreIdentity {
        let (_, plugins) = self.plugins.get();
        let Identity { extractor, settings, explanation } = Identity::of(&plugins, &self.rules);
        StoreIdentity {
            topic: source.topic.clone(),
            topic_id: self.topic_id.clone(),
            partition: source.partition,
            extractor,
            key_version: plugins.extractor.key_version(),
            window_ms: self.rules.window.length,
            allowed_lateness_ms: self.rules.window.allowed_lateness,
            settings,
            explanation,
            seed,
        }
    }

    /// Opens the state for the keys that a partition had before the topic grew.
    fn open_elder(&self, source: &TopicPartition, seed: Seed, growth: (i32, i32)) -> Result<PartitionStore, OpenError> {
        let elders = self.store.below(&source.topic)?.below(ELDERS)?.below(&elders_of(growth))?;
        let dir = elders.below(&source.partition.to_string())?;
        dir.check_contents()?;
        let options = StoreOptions { originals: None, ..self.store_options.clone() };
        PartitionStore::open(dir.path(), &self.identity(source, Some(seed)), options)
    }

    /// Opens the state of a partition.
    pub(super) fn open_store(&self, source: &TopicPartition, seed: Option<Seed>) -> Result<PartitionStore, OpenError> {
        let identity = self.identity(source, seed);
        let dir = self.store.below(&source.topic)?.below(&source.partition.to_string())?;
        dir.check_contents()?;
        let store = PartitionStore::open(dir.path(), &identity, self.store_options.clone())?;
        let Opened { filters_loaded, filters_rebuilt, buckets_searched, keys_read } = store.opened();
        if filters_rebuilt > 0 {
            tracing::warn!(
                %source, filters_rebuilt, keys_read,
                "filters of the state were damaged or missing, and were made again from its tables"
            );
        }
        tracing::debug!(%source, filters_loaded, buckets_searched, keys_read, "state opened");
        Ok(store)
    }
}

/// The directory of a growth.
fn elders_of((before, after): (i32, i32)) -> String {
    format!("{before}-{after}")
}

/// The states of a topic's partitions.
pub(super) struct Stores {
    pub(super) parts: Arc<Parts>,
    pub(super) topic: String,
}

impl Stores {
    fn source(&self, partition: i32) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition }
    }
}

impl Local for Stores {
    fn identity(&self, partition: i32, seed: Option<Seed>) -> StoreIdentity {
        self.parts.identity(&self.source(partition), seed)
    }

    fn dir(&self, partition: i32) -> Result<PathBuf, OpenError> {
        Ok(self.parts.store.below(&self.topic)?.path().join(partition.to_string()))
    }

    fn open(&self, partition: i32, seed: Option<Seed>) -> Result<PartitionStore, OpenError> {
        self.parts.open_store(&self.source(partition), seed)
    }

    fn open_elder(&self, partition: i32, seed: Seed, growth: (i32, i32)) -> Result<PartitionStore, OpenError> {
        self.parts.open_elder(&self.source(partition), seed, growth)
    }

    fn forget_elders(&self, but: Option<(i32, i32)>) {
        let Ok(topic) = self.parts.store.below(&self.topic) else { return };
        let (elders, kept) = (topic.path().join(ELDERS), but.map(elders_of));
        for entry in std::fs::read_dir(&elders).into_iter().flatten().flatten() {
            let is_kept = kept.as_deref().is_some_and(|kept| entry.file_name() == kept);
            if !is_kept && let Err(error) = std::fs::remove_dir_all(entry.path()) {
                tracing::warn!(dir = %entry.path().display(), %error, "keys from before the topic grew cannot be removed");
            }
        }
    }
}

/// All but the secret beside the state.
fn rules(config: &Config) -> Rules {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let window = &config.window;
    Rules {
        window: Window {
            length: window.window.map(millis),
            allowed_lateness: millis(window.allowed_lateness),
            clock: ClockRules {
                out_of_orderness_max: millis(window.max_out_of_orderness),
                jump_max: millis(window.max_time_jump),
            },
        },
        uuid_field: config.records.uuid_field.clone(),
        event_time: config.records.event_time.clone(),
        numbers: if config.records.canonical_numbers { Numbers::Canonical } else { Numbers::AsWritten },
        json_in: config.records.json_in.clone(),
        on_missing_key: config.records.on_missing_key,
        late: window.late,
        on_plugin_failure: config.plugin.on_failure,
        on_unsendable: config.records.on_unsendable,
        breaker: config.plugin.breaker,
        dumps: config
            .plugin
            .dump_dir
            .clone()
            .map(|dir| Arc::new(Dumps::new(dir, config.plugin.dump_values, private_files::replace))),
        explain: config.explanation,
        redaction: None,
    }
}
