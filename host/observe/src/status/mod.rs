//! What the host is doing now, shared between the line that writes it and the HTTP server that reads it.
//! Not history, and not counters: those are metrics.

mod partition;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::record::{Millis, TopicPartition};
use serde::Serialize;

pub use self::partition::{CheckpointStatus, OpeningStatus, PartitionStatus, Phase, StateSize, TimeStatus};

/// A line whose loop has not turned for this long is not alive. Longer than any single step: a transaction may wait for the
/// broker until its timeout, 15 s by default.
pub const HEARTBEAT_AGE_MAX: Duration = Duration::from_secs(60);

/// A loaded component, and what it has cost since the process began.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PluginStatus {
    /// As the component describes itself.
    pub name: String,
    /// As the component describes itself.
    pub version: String,
    /// SHA-256 of the file, in hex.
    pub digest: String,
    /// Its roles: `key-extractor`, `similarity-scorer`.
    pub roles: Vec<&'static str>,
    /// When it was loaded, in milliseconds since the epoch.
    pub since: Millis,
    /// What it cost.
    #[serde(flatten)]
    pub used: PluginUse,
}

/// An attempt to replace the plugins in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SwapStatus {
    /// When, in milliseconds since the epoch.
    pub at: Millis,
    /// What asked for it: `file`, `signal` or `admin`.
    pub by: &'static str,
    /// What became of it: `swapped` or `refused`.
    pub result: &'static str,
    /// What took over, or why nothing did.
    pub detail: String,
}

/// What the calls of a component add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct PluginUse {
    /// Calls.
    pub calls: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Time in calls.
    pub seconds: f64,
    /// Events passed to it; for a scorer, pairs of events.
    pub events: u64,
}

/// What the host is doing; shared by reference.
#[derive(Debug)]
pub struct Status {
    started: Instant,
    started_at: Millis,
    beat: AtomicI64,
    assigned: AtomicBool,
    stopping: AtomicBool,
    partitions: Mutex<BTreeMap<TopicPartition, PartitionStatus>>,
    /// Apart from the others, from which the last owner of such a partition may still be about to remove it.
    opening: Mutex<BTreeMap<TopicPartition, OpeningStatus>>,
    plugins: Mutex<Vec<PluginStatus>>,
    generation: AtomicU64,
    last_swap: Mutex<Option<SwapStatus>>,
    notes: Mutex<Vec<String>>,
}

/// A copy of the status at one moment, as it is sent.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// Version of the host.
    pub version: &'static str,
    /// When the process began, in milliseconds since the epoch.
    pub started_at: Millis,
    /// How long ago that is.
    pub uptime_seconds: u64,
    /// Age of the line's last heartbeat.
    pub heartbeat_age_ms: u64,
    /// Whether every owned partition is live.
    pub ready: bool,
    /// Why it is not ready; empty when it is.
    pub reasons: Vec<String>,
    /// What operators should know although the host works normally.
    pub notes: Vec<String>,
    /// Loaded components.
    pub plugins: Vec<PluginStatus>,
    /// The number of the plugins in force: 1 at first, and one more after each swap; 0 before there are any.
    pub plugin_generation: u64,
    /// The last attempt to swap plugins.
    pub last_swap: Option<SwapStatus>,
    /// Owned partitions, by topic and number.
    pub partitions: Vec<OwnedPartition>,
}

/// A partition in a [`Snapshot`].
#[derive(Debug, Clone, Serialize)]
pub struct OwnedPartition {
    /// Topic name.
    pub topic: String,
    /// Partition number.
    pub partition: i32,
    /// Where it is.
    #[serde(flatten)]
    pub status: PartitionStatus,
}

impl Default for Status {
    fn default() -> Self {
        Self::new()
    }
}

impl Status {
    /// The host has started and owns nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            started: Instant::now(),
            started_at: millis(since_epoch),
            beat: AtomicI64::new(0),
            assigned: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            partitions: Mutex::default(),
            opening: Mutex::default(),
            plugins: Mutex::default(),
            generation: AtomicU64::new(0),
            last_swap: Mutex::default(),
            notes: Mutex::default(),
        }
    }

    /// The line makes progress or has a reason to wait. To be called at every turn of its loop, paused or not.
    pub fn beat(&self) {
        self.beat.store(millis(self.started.elapsed()), Ordering::Relaxed);
    }

    /// Time since [`Status::beat`], by a clock that nobody can set.
    #[must_use]
    pub fn heartbeat_age(&self) -> Duration {
        let age = millis(self.started.elapsed()) - self.beat.load(Ordering::Relaxed);
        Duration::from_millis(u64::try_from(age).unwrap_or(0))
    }

    /// The first assignment has come, with or without partitions: from now on a host that owns nothing is ready.
    pub fn assigned(&self) {
        self.assigned.store(true, Ordering::Relaxed);
    }

    /// A stop was asked for: never ready again.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Sets the components of a generation. Those that were in force before keep what is known about them.
    pub fn set_plugins(&self, plugins: Vec<PluginStatus>, generation: u64) {
        let mut known = lock(&self.plugins);
        let kept = |plugin: PluginStatus| {
            let same = known.iter().find(|known| known.digest == plugin.digest);
            same.map_or(plugin.clone(), |known| PluginStatus { since: known.since, used: known.used, ..plugin })
        };
        *known = plugins.into_iter().map(kept).collect();
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// Records an attempt to swap plugins.
    pub fn set_last_swap(&self, swap: SwapStatus) {
        *lock(&self.last_swap) = Some(swap);
    }

    /// Replaces what operators should know.
    pub fn set_notes(&self, notes: Vec<String>) {
        *lock(&self.notes) = notes;
    }

    /// The component of this digest was used.
    pub fn plugin_used(&self, digest: &str, used: PluginUse) {
        for plugin in lock(&self.plugins).iter_mut().filter(|plugin| plugin.digest == digest) {
            plugin.used.calls += used.calls;
            plugin.used.failures += used.failures;
            plugin.used.seconds += used.seconds;
            plugin.used.events += used.events;
        }
    }

    /// Sets a partition, owned from now on.
    pub fn set_partition(&self, partition: TopicPartition, status: PartitionStatus) {
        lock(&self.partitions).insert(partition, status);
    }

    /// Changes a partition if it is owned.
    pub fn update_partition(&self, partition: &TopicPartition, change: impl FnOnce(&mut PartitionStatus)) {
        if let Some(status) = lock(&self.partitions).get_mut(partition) {
            change(status);
        }
    }

    /// The partition is no longer ours.
    pub fn remove_partition(&self, partition: &TopicPartition) {
        lock(&self.partitions).remove(partition);
    }

    /// All partitions that are assigned and cannot be read yet.
    pub fn set_opening(&self, opening: BTreeMap<TopicPartition, OpeningStatus>) {
        *lock(&self.opening) = opening;
    }

    /// Everything at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let owned = |(partition, status): (TopicPartition, PartitionStatus)| OwnedPartition {
            topic: partition.topic,
            partition: partition.partition,
            status,
        };
        let opening: Vec<_> =
            lock(&self.opening).iter().map(|(key, opening)| (key.clone(), opening.to_partition())).collect();
        // A partition that is being opened counts as that, whatever its last owner has left.
        let mut all = lock(&self.partitions).clone();
        all.extend(opening);
        let partitions = all.into_iter().map(owned).collect::<Vec<_>>();
        let reasons = self.reasons(&partitions);
        Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            started_at: self.started_at,
            uptime_seconds: self.started.elapsed().as_secs(),
            heartbeat_age_ms: u64::try_from(self.heartbeat_age().as_millis()).unwrap_or(u64::MAX),
            ready: reasons.is_empty(),
            reasons,
            notes: lock(&self.notes).clone(),
            plugins: lock(&self.plugins).clone(),
            plugin_generation: self.generation.load(Ordering::Relaxed),
            last_swap: lock(&self.last_swap).clone(),
            partitions,
        }
    }

    fn reasons(&self, partitions: &[OwnedPartition]) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.stopping.load(Ordering::Relaxed) {
            reasons.push("the host is stopping".to_owned());
        }
        if !self.assigned.load(Ordering::Relaxed) {
            reasons.push("no partitions have been assigned yet".to_owned());
        }
        for owned in partitions.iter().filter(|owned| owned.status.phase != Phase::Live) {
            let (phase, why) = (owned.status.phase.as_str(), &owned.status.reason);
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            reasons.push(format!("{}[{}] is {phase}{why}", owned.topic, owned.partition));
        }
        for owned in partitions {
            let unreadable = owned.status.unreadable.iter();
            reasons.extend(unreadable.map(|why| format!("{}[{}] is stuck: {why}", owned.topic, owned.partition)));
        }
        reasons
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A thread that panicked while it held the lock left a consistent value: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_out_and_a_window_without_a_bound_is_null() {
        let status = Status::new();
        let partition = TopicPartition { topic: "events".into(), partition: 0 };
        status.set_partition(partition.clone(), PartitionStatus::new(Phase::Live));
        let (roles, used) = (vec!["key-extractor"], PluginUse::default());
        let (name, version, digest) = ("key".into(), "1.0.0".into(), "ab".into());
        status.set_plugins(vec![PluginStatus { name, version, digest, roles, since: 1, used }], 1);
        let answer = serde_json::to_value(status.snapshot()).unwrap();
        assert_eq!(answer["partitions"][0].get("keys"), None);
        let size =
            StateSize { keys: 3, state_bytes: 4, originals_bytes: 5, window_seconds: None, window_offsets: None };
        status.update_partition(&partition, |status| status.size = Some(size));
        for calls in [3, 4] {
            status.plugin_used("ab", PluginUse { calls, failures: 1, seconds: 0.5, events: 700 });
        }
        let answer = serde_json::to_value(status.snapshot()).unwrap();
        assert_eq!(answer["partitions"][0]["window_seconds"], serde_json::Value::Null);
        assert_eq!((&answer["partitions"][0]["keys"], &answer["plugins"][0]["calls"]), (&3.into(), &7.into()));
    }

    #[test]
    fn a_swap_keeps_what_is_known_of_plugins_that_stay() {
        let status = Status::new();
        let plugin = |digest: &str, since| PluginStatus {
            name: "key".into(),
            version: "1.0.0".into(),
            digest: digest.into(),
            roles: vec!["key-extractor"],
            since,
            used: PluginUse::default(),
        };
        status.set_plugins(vec![plugin("ab", 1), plugin("cd", 1)], 1);
        for digest in ["ab", "cd"] {
            status.plugin_used(digest, PluginUse { calls: 5, ..PluginUse::default() });
        }
        status.set_plugins(vec![plugin("ef", 2), plugin("cd", 2)], 2);
        let snapshot = status.snapshot();
        let known = snapshot.plugins.iter().map(|plugin| (plugin.digest.as_str(), plugin.since, plugin.used.calls));
        assert_eq!(known.collect::<Vec<_>>(), [("ef", 2, 0), ("cd", 1, 5)]);
        assert_eq!((snapshot.plugin_generation, snapshot.last_swap), (2, None));
    }

    #[test]
    fn ready_only_once_assigned_and_while_every_partition_is_live() {
        let status = Status::new();
        assert_eq!(status.snapshot().reasons, ["no partitions have been assigned yet"]);
        status.assigned();
        assert!(status.snapshot().ready, "a spare host of the group owns nothing and is ready");
        let partition = TopicPartition { topic: "events".into(), partition: 2 };
        status.set_partition(partition.clone(), PartitionStatus::new(Phase::Restoring));
        status.update_partition(&partition, |status| {
            status.phase = Phase::Replaying;
            status.reason = "410 records to go".into();
        });
        assert_eq!(status.snapshot().reasons, ["events[2] is replaying: 410 records to go"]);
        status.update_partition(&partition, |status| status.phase = Phase::Live);
        assert!(status.snapshot().ready);
        status.update_partition(&partition, |status| status.unreadable = Some("offset 7 is damaged".into()));
        assert_eq!(status.snapshot().reasons, ["events[2] is stuck: offset 7 is damaged"]);
        status.update_partition(&partition, |status| status.unreadable = None);
        assert!(status.snapshot().ready);
        status.stopping();
        assert_eq!(status.snapshot().reasons, ["the host is stopping"]);
        status.remove_partition(&partition);
        assert!(status.snapshot().partitions.is_empty());
    }
}
