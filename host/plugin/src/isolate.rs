//! Has a batch answered by one call, and finds the items on which a plugin fails by calling again with fewer, each time
//! on a new instance. Not what the items are: an extractor's are events, a scorer's are pairs.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::PluginFailure;
use crate::fault::{Fault, FaultKind};
use crate::instance::{Cause, Instance};
use crate::limits::Limits;
use crate::load::Loaded;
use crate::role::Role;

/// Items of a slice of a batch in which something fails at once. Such a call costs an instance, about 100 us, and one
/// that goes well 0.3 us: among 1,000 items one is found by two cuts, one into slices of 32 and one into single items.
const SLICE_ITEMS: usize = 32;

/// For so many items after a failure batches are cut before anything fails in them. Where one item in 1,000 fails, that
/// saves an instance each; where none does it costs about 10 ns an item.
const WARY_ITEMS: usize = 10_000;

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
    fn call(&mut self, instance: &mut Instance, slice: &Range<usize>) -> Option<Result<(), Fault>>;

    /// Takes down that the plugin has no answer for this item.
    fn give_up(&mut self, item: usize, cause: &Cause);
}

/// What failed lately, and so how the next batch is cut.
#[derive(Debug, Default)]
struct Caution {
    /// Items that go on being called with care.
    items_left: usize,
    /// Whether failures were such as take long: a second for an endless loop. Then every item is called alone, so that
    /// each costs one of them.
    slow: bool,
    /// The last failure.
    cause: Cause,
}

impl Caution {
    /// Items of each slice of the next batch.
    fn next_batch(&mut self, items: usize) -> usize {
        let slice_items = match self.items_left {
            0 => items,
            _ if self.slow => 1,
            _ => SLICE_ITEMS,
        };
        self.items_left = self.items_left.saturating_sub(items);
        self.slow &= self.items_left > 0;
        slice_items
    }

    /// Items of each part of a slice of so many items that failed.
    fn after(&mut self, fault: &Fault, items: usize) -> usize {
        let slow = matches!(fault.kind, FaultKind::TimedOut | FaultKind::Resources);
        self.items_left = WARY_ITEMS;
        self.slow |= slow;
        self.cause.clone_from(&fault.words);
        if slow || items <= SLICE_ITEMS { 1 } else { SLICE_ITEMS }
    }
}

/// An instance of a plugin in one of its roles, which lives until it fails, and the means to make another.
pub(crate) struct Caller {
    plugin: Arc<Loaded>,
    role: Role,
    instance: Option<Instance>,
    /// Of the instance when it had been configured.
    memory_bytes_at_start: usize,
    caution: Caution,
}

impl Caller {
    pub(crate) fn new(plugin: Arc<Loaded>, role: Role) -> Result<Self, Cause> {
        let instance = plugin.start(role)?;
        let memory_bytes_at_start = instance.last_call().memory_bytes;
        Ok(Self { plugin, role, instance: Some(instance), memory_bytes_at_start, caution: Caution::default() })
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
        let mut pending = Vec::new();
        cut(&(0..items), self.caution.next_batch(items), &mut pending);
        while let Some(slice) = pending.pop() {
            let started = Instant::now();
            let answered = self.call(&slice, work)?;
            calls.calls += 1;
            calls.time += started.elapsed();
            if let Err(fault) = answered {
                calls.traps += 1;
                let part = self.caution.after(&fault, slice.len());
                if slice.len() == 1 {
                    work.give_up(slice.start, &fault.words);
                    calls.failed.push((u32::try_from(slice.start).unwrap_or(u32::MAX), fault.words));
                } else {
                    cut(&slice, part, &mut pending);
                }
            }
            if calls.time > self.plugin.limits.isolation_time_max && !pending.is_empty() {
                return Err(self.too_slow(&calls));
            }
        }
        Ok(calls)
    }

    /// Makes one call. The inner error is what the plugin ran into; its instance is gone then.
    fn call(&mut self, slice: &Range<usize>, work: &mut impl Work) -> Result<Result<(), Fault>, PluginFailure> {
        let name = &self.plugin.name;
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => {
                let restart = |cause| PluginFailure::Restart { name: name.clone(), cause };
                let instance = self.plugin.start(self.role).map_err(restart)?;
                self.memory_bytes_at_start = instance.last_call().memory_bytes;
                instance
            }
        };
        let answered = work.call(&mut instance, slice);
        // A malformed batch was never put to it.
        if !matches!(answered, Some(Err(_))) && !self.is_bloated(&instance) {
            self.instance = Some(instance);
        }
        answered.ok_or_else(|| PluginFailure::Malformed { name: name.clone() })
    }

    /// Whether an instance has grown by half of what it may have: memory never shrinks, and tools of some languages make
    /// components that lose a little in each call. A new one takes its place before one of its calls fails.
    fn is_bloated(&self, instance: &Instance) -> bool {
        let memory_bytes = instance.last_call().memory_bytes;
        let grown_bytes = memory_bytes.saturating_sub(self.memory_bytes_at_start);
        let is_bloated = grown_bytes > self.plugin.limits.memory_bytes_max / 2;
        if is_bloated {
            tracing::debug!(plugin = self.plugin.name, memory_bytes, "an instance has grown too far and is replaced");
        }
        is_bloated
    }

    fn too_slow(&self, calls: &Calls) -> PluginFailure {
        let (name, cause) = (self.plugin.name.clone(), self.caution.cause.clone());
        PluginFailure::TooSlow { name, seconds: calls.time.as_secs(), calls: calls.calls, failed: calls.traps, cause }
    }
}

/// Cuts a slice into parts of so many items, the first of them last.
fn cut(slice: &Range<usize>, part_items: usize, parts: &mut Vec<Range<usize>>) {
    let part = |start: usize| start..(start + part_items).min(slice.end);
    parts.extend(slice.clone().step_by(part_items.max(1)).map(part).rev());
}
