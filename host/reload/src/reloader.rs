//! Loads the plugins of a run, and swaps them on a thread of its own. Whatever is wrong with the new ones, the old ones
//! stay.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use conformance::Verdict;
use drive::{InForce, Stop};
use http_server::{ReloadRequests, Swap};
use line::{Plugins, Rules};
use observe::metrics::{Metrics, SwapResult};
use observe::status::{PluginStatus, PluginUse, Status, SwapStatus};
use plugin::{Candidate, LoadError, Plugin, Runtime};

use crate::hang_ups::HangUps;
use crate::roles::{self, PluginsError, ReloadConfig};
use crate::same_keys::{Reading, same_keys};
use crate::watch::{Look, Stamp, Watched};

/// Time between two looks whether somebody asks for a swap.
const TICK: Duration = Duration::from_millis(200);

/// Time between two looks at the files.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Time for the rules that a new plugin is held to.
const CONFORMANCE_TIME_MAX: Duration = Duration::from_secs(60);

/// What asked for a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    File,
    Signal,
    Admin,
}

impl By {
    fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Signal => "signal",
            Self::Admin => "admin",
        }
    }
}

/// The plugins of a run, from their files to what is in force.
pub struct Reloader {
    runtime: Runtime,
    config: ReloadConfig,
    rules: Arc<Rules>,
    /// In the order of the configuration.
    files: Vec<(PathBuf, Plugin)>,
    watched: Vec<Watched>,
    in_force: Arc<InForce>,
    metrics: Metrics,
    status: Arc<Status>,
}

impl Reloader {
    /// Loads the plugins of a run.
    ///
    /// # Errors
    /// One cannot be used, or not together with another.
    pub fn load(
        runtime: Runtime,
        config: ReloadConfig,
        rules: Arc<Rules>,
        metrics: Metrics,
        status: Arc<Status>,
    ) -> Result<Self, PluginsError> {
        // Before they are read: a file that changes meanwhile is another one.
        let watched = config.files.iter().map(|path| Watched::new(Stamp::of(path))).collect();
        let load = |path: &PathBuf| Ok((path.clone(), roles::configure(&runtime.open(path)?, &config)?));
        let files = config.files.iter().map(load).collect::<Result<Vec<_>, PluginsError>>()?;
        let plugins = roles::of(&files, &config)?;
        if rules.explain.forward_below.is_some() && plugins.scorer.is_none() {
            let none = "--forward-below-similarity is set, but no plugin scores: add one, such as --plugin \
             property_similarity.wasm";
            return Err(PluginsError::Roles(none.to_owned()));
        }
        let in_force = Arc::new(InForce::new(plugins));
        let runtime = runtime.stepping_back();
        let reloader = Self { runtime, config, rules, files, watched, in_force, metrics, status };
        reloader.show();
        Ok(reloader)
    }

    /// The plugins in force, now and later.
    #[must_use]
    pub fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force)
    }

    /// Swaps plugins until nobody can ask for it any more.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(self, requests: ReloadRequests, hang_ups: HangUps, stop: Stop) -> std::io::Result<JoinHandle<()>> {
        let go = move || self.go(&requests, &hang_ups, &stop);
        std::thread::Builder::new().name("reload".to_owned()).spawn(go)
    }

    fn go(mut self, requests: &ReloadRequests, hang_ups: &HangUps, stop: &Stop) {
        let mut looked = Instant::now();
        while let Ok(request) = requests.next(TICK) {
            if let Some(request) = request.filter(|request| !request.is_abandoned()) {
                request.answer(self.reload(By::Admin));
            }
            if hang_ups.take() {
                if hang_ups.is_terminal_gone() {
                    tracing::info!("the terminal is gone");
                    stop.request();
                } else {
                    self.reload(By::Signal);
                }
            }
            if self.config.watch && looked.elapsed() >= LOOK_INTERVAL {
                looked = Instant::now();
                if self.is_settled() {
                    self.reload(By::File);
                }
            }
        }
    }

    /// Whether a file has changed, and none is being changed.
    fn is_settled(&mut self) -> bool {
        let files = self.watched.iter_mut().zip(&self.files);
        let looks: Vec<Look> = files.map(|(watched, (path, _))| watched.look(Stamp::of(path))).collect();
        looks.contains(&Look::Settled) && !looks.contains(&Look::Moving)
    }

    fn reload(&mut self, by: By) -> Swap {
        for (watched, (path, _)) in self.watched.iter_mut().zip(&self.files) {
            watched.tried(Stamp::of(path));
        }
        let tried = self.attempt();
        let (generation, plugins) = self.in_force.get();
        let plugins = || plugins.iter().map(words).collect::<Vec<_>>();
        let (swap, result) = match tried {
            Ok(true) => (Swap::Swapped { generation, plugins: plugins() }, SwapResult::Swapped),
            Ok(false) => (Swap::Unchanged { generation }, SwapResult::Unchanged),
            Err(reason) => (Swap::Refused { generation, reason }, SwapResult::Refused),
        };
        self.metrics.process.plugin_swaps.inc(result);
        if result == SwapResult::Swapped {
            self.show();
        }
        self.tell(by, &swap, result);
        swap
    }

    /// Whether other plugins are in force now; or why they cannot be.
    fn attempt(&mut self) -> Result<bool, String> {
        let said = |error: PluginsError| error.to_string();
        let not_loaded = |error: LoadError| error.to_string();
        let (mut files, mut fresh) = (Vec::new(), Vec::new());
        for (path, plugin) in &self.files {
            let image = self.runtime.read(path).map_err(not_loaded)?;
            if image.sha256() == plugin.sha256() {
                files.push((path.clone(), plugin.clone()));
                continue;
            }
            let candidate = self.runtime.open_image(&image).map_err(not_loaded)?;
            files.push((path.clone(), roles::configure(&candidate, &self.config).map_err(said)?));
            fresh.push(candidate);
        }
        if fresh.is_empty() {
            return Ok(false);
        }
        let plugins = roles::of(&files, &self.config).map_err(said)?;
        let (_, old) = self.in_force.get();
        comparable(&old, &plugins)?;
        let events = self.in_force.recent();
        fresh.iter().try_for_each(|candidate| conforms(candidate, &self.config, &events))?;
        line::try_plugins(&self.rules, &plugins).map_err(|error| error.to_string())?;
        let reading = Reading { numbers: self.rules.numbers, json_in: &self.rules.json_in };
        let compared = same_keys(&old.extractor, &plugins.extractor, reading, &events)?;
        tracing::info!(compared, "the old and the new plugin give recent events the same keys");
        self.in_force.publish(plugins);
        self.files = files;
        Ok(true)
    }

    /// Shows what is in force.
    fn show(&self) {
        let (generation, plugins) = self.in_force.get();
        let mut statuses: Vec<PluginStatus> = plugins.iter().map(status_of).collect();
        // One component may play both roles.
        statuses.dedup_by(|one, other| one.digest == other.digest);
        self.metrics.set_plugins(&statuses, generation);
        self.status.set_plugins(statuses, generation);
    }

    fn tell(&self, by: By, swap: &Swap, result: SwapResult) {
        let by = by.as_str();
        let detail = match swap {
            Swap::Swapped { generation, plugins } => {
                let plugins = plugins.join(", ");
                tracing::info!(by, generation, plugins, "plugins swapped");
                plugins
            }
            Swap::Unchanged { generation } => {
                return tracing::info!(by, generation, "the plugin files are those already running");
            }
            // Only who asks calls it so.
            Swap::Pending => return,
            Swap::Refused { generation, reason } => {
                tracing::error!(by, generation, reason, "plugins not swapped; the old ones stay in force");
                reason.clone()
            }
        };
        self.status.set_last_swap(SwapStatus { at: now_ms(), by, result: result.as_str(), detail });
    }
}

/// Whether keys of the new extractor can be compared with those in the state, and no role is left without a plugin.
fn comparable(old: &Plugins, new: &Plugins) -> Result<(), String> {
    let (old_key, new_key) = (&old.extractor, &new.extractor);
    if old.scorer.is_some() && new.scorer.is_none() {
        return Err(format!(
            "no plugin scores any more: put {} back, or a plugin that scores",
            words_of(old.scorer.as_ref())
        ));
    }
    let what = if old_key.name() != new_key.name() {
        format!("the plugin is {}, but the keys in the state are from {}", new_key.name(), old_key.name())
    } else if old_key.key_version() != new_key.key_version() {
        let (old, new) = (old_key.key_version(), new_key.key_version());
        format!("the plugin has key-version {new}, but the keys in the state have key-version {old}")
    } else {
        return Ok(());
    };
    Err(format!(
        "{what}: they cannot be compared. to fix this: put {} back, which is still running; or stop the host and \
         start it with another --store-path: the new plugin then rebuilds the keys from the log, outputs off, and \
         nothing is forwarded twice",
        words(old_key)
    ))
}

/// Whether a component keeps to the rules that every plugin has to keep to, as far as they can be tried quickly; else the
/// first that it breaks. `events` are what a plugin that reads payloads may make sense of.
fn conforms(candidate: &Candidate, config: &ReloadConfig, events: &[Vec<u8>]) -> Result<(), String> {
    let options = conformance::Options {
        extractor_config: config.extractor_configuration.clone(),
        scorer_config: config.scorer_configuration.clone(),
        samples: events.to_vec(),
        wasi: config.wasi,
        limits: *candidate.limits(),
        time_max: Some(CONFORMANCE_TIME_MAX),
        ..conformance::Options::default()
    };
    let report = conformance::check(candidate, &options);
    let rules = report.outcomes.len();
    tracing::info!(path = %candidate.path().display(), rules, seconds = report.time.as_secs_f64(), "conformance checked");
    let Some(first) = report.bad().next() else { return Ok(()) };
    let why = match &first.verdict {
        Verdict::Failed(failure) => format!("it gives {}, but {} would be right", failure.got, failure.wanted),
        Verdict::Blocked(why) => why.clone(),
        Verdict::Passed | Verdict::Untried(_) | Verdict::NotApplicable(_) => String::new(),
    };
    let (more, rule) = (report.bad().count() - 1, first.rule);
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    Err(format!(
        "plugin {} breaks a conformance rule, {}: {} {why}{more}. see: {}",
        candidate.path().display(),
        rule.id,
        rule.sentence,
        first.rerun
    ))
}

fn words(plugin: &Plugin) -> String {
    format!("{} {} sha256:{}", plugin.name(), plugin.version(), plugin.sha256())
}

fn words_of(plugin: Option<&Plugin>) -> String {
    plugin.map(words).unwrap_or_default()
}

fn status_of(plugin: &Plugin) -> PluginStatus {
    PluginStatus {
        name: plugin.name().to_owned(),
        version: plugin.version().to_owned(),
        digest: plugin.sha256().to_owned(),
        roles: plugin.roles().names(),
        since: now_ms(),
        used: PluginUse::default(),
    }
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
