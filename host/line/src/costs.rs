//! What the work of a line costs: time by stage, and calls into plugins. Plain numbers; who shows them takes them.

use std::time::Duration;

use plugin::Calls;

/// Time spent in each stage since it was last taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct StageTimes {
    /// Projection of fields.
    pub decode: Duration,
    /// The plugin's call.
    pub extract: Duration,
    /// Hashing keys and asking the state.
    pub lookup: Duration,
    /// The rule.
    pub decide: Duration,
    /// Keeping originals, comparing duplicates with theirs.
    pub explain: Duration,
    /// Handing records to the sink.
    pub produce: Duration,
}

/// What the plugin's calls cost since it was last taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct PluginCost {
    /// Calls into the component.
    pub calls: u64,
    /// Calls that trapped, ran out of time or lied.
    pub failures: u64,
    /// Time in calls.
    pub time: Duration,
    /// Events in calls; pairs of events where it scores.
    pub events: u64,
}

impl PluginCost {
    pub(crate) fn add(&mut self, calls: &Calls, events: usize) {
        self.events += events as u64;
        self.calls += u64::from(calls.calls);
        self.failures += u64::from(calls.traps);
        self.time += calls.time;
    }
}
