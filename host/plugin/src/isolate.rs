//! Has a batch answered by one call, and finds the items on which a plugin fails by calling again with fewer, each time
//! on a new instance. Not what the items are: an extractor's are events, a scorer's are pairs.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::PluginFailure;
use crate::instance::{Cause, Instance};
use crate::limits::Limits;
use crate::load::Loaded;
use crate::role::Role;

/// Into how many slices a batch is cut that fails. A call costs microseconds and a timeout a second: halves would find
/// an endless loop among 1,000 events after eleven timeouts, sixteenths find it after four.
const SLICES: usize = 16;

/// What it took to answer a batch.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Calls {
    /// Calls made; 1 if all went well, 0 for an empty batch.
    pub calls: u32,
    /// Calls that trapped, took too long or gave an answer that breaks the contract; each cost an instance.
    pub traps: u32,
    /// Time in calls and in starting instances anew.
    pub time: Duration,
    /// The events (of an extractor) or pairs (of a scorer) on which the plugin failed, ascending, and what it ran into.
    pub failed: Vec<(u32, String)>,
}

/// A batch that is being answered: how its items are put to the plugin, and where the answers go. Items are answered in
/// their order, each once.
pub(crate) trait Work {
    /// Puts the items of a slice to the plugin and takes the answer, if it is one. The inner error leaves no trace.
    /// `None`: the batch is not what its type promises.
    fn call(&mut self, instance: &mut Instance, slice: &Range<usize>) -> Option<Result<(), Cause>>;

    /// Takes down that the plugin has no answer for this item.
    fn give_up(&mut self, item: usize, cause: &Cause);
}

/// An instance of a plugin in one of its roles, which lives until it fails, and the means to make another.
pub(crate) struct Caller {
    plugin: Arc<Loaded>,
    role: Role,
    instance: Option<Instance>,
}

impl Caller {
    pub(crate) fn new(plugin: Arc<Loaded>, role: Role) -> Result<Self, Cause> {
        let instance = plugin.start(role)?;
        Ok(Self { plugin, role, instance: Some(instance) })
    }

    pub(crate) fn name(&self) -> &str {
        &self.plugin.name
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.plugin.limits
    }

    /// Has all `items` of a batch answered, or given up.
    pub(crate) fn answer(&mut self, items: usize, work: &mut impl Work) -> Result<Calls, PluginFailure> {
        let mut calls = Calls::default();
        // Slices that have no answer yet, the first of them last.
        let mut pending: Vec<Range<usize>> = std::iter::once(0..items).collect();
        while let Some(slice) = pending.pop() {
            if slice.is_empty() {
                continue;
            }
            let started = Instant::now();
            let answered = self.call(&slice, work)?;
            calls.calls += 1;
            calls.time += started.elapsed();
            let Err(cause) = answered else { continue };
            calls.traps += 1;
            if slice.len() == 1 {
                work.give_up(slice.start, &cause);
                calls.failed.push((u32::try_from(slice.start).unwrap_or(u32::MAX), cause));
            } else if calls.time > self.plugin.limits.isolation_time_max {
                return Err(self.too_slow(&calls, cause));
            } else {
                let step = slice.len().div_ceil(SLICES);
                let slices = slice.clone().step_by(step).map(|start| start..(start + step).min(slice.end));
                pending.extend(slices.rev());
            }
        }
        Ok(calls)
    }

    /// Makes one call. The inner error is what the plugin ran into; its instance is gone then.
    fn call(&mut self, slice: &Range<usize>, work: &mut impl Work) -> Result<Result<(), Cause>, PluginFailure> {
        let name = &self.plugin.name;
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => {
                let restart = |cause| PluginFailure::Restart { name: name.clone(), cause };
                self.plugin.start(self.role).map_err(restart)?
            }
        };
        let answered = work.call(&mut instance, slice);
        // A malformed batch was never put to it.
        if !matches!(answered, Some(Err(_))) {
            self.instance = Some(instance);
        }
        answered.ok_or_else(|| PluginFailure::Malformed { name: name.clone() })
    }

    fn too_slow(&self, calls: &Calls, cause: Cause) -> PluginFailure {
        let name = self.plugin.name.clone();
        PluginFailure::TooSlow { name, seconds: calls.time.as_secs(), calls: calls.calls, failed: calls.traps, cause }
    }
}
