//! Extracts the keys of one partition's batches, and finds the events on which a plugin fails. Not a policy: those
//! events come back as invalid, with the reason.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::fields::{Extraction, FieldBatch, KeyStatus};

use crate::answer::absorb;
use crate::bindings::types;
use crate::error::PluginFailure;
use crate::instance::{Cause, Instance};
use crate::load::Loaded;

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
    /// The events on which the plugin failed, ascending, and what it ran into. They are invalid in the extraction.
    pub failed: Vec<(u32, String)>,
}

/// Extracts keys for one partition. It owns an instance of the plugin, which lives until it fails.
pub struct Extractor {
    plugin: Arc<Loaded>,
    instance: Option<Instance>,
    /// Ends of a slice of a batch, which count from the start of the slice.
    slice_ends: Vec<u32>,
}

impl std::fmt::Debug for Extractor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extractor").field("plugin", &self.plugin.name).finish_non_exhaustive()
    }
}

impl Extractor {
    pub(crate) fn new(plugin: Arc<Loaded>) -> Result<Self, Cause> {
        let instance = plugin.start_extractor()?;
        Ok(Self { plugin, instance: Some(instance), slice_ends: Vec::new() })
    }

    /// Extracts the keys of a batch into `out`, replacing what was there.
    ///
    /// Events on which the plugin traps, loops or lies are found by calling again with fewer, on a new instance. They
    /// are invalid in `out` and named in [`Calls::failed`]; the others come out as if those had not been there.
    ///
    /// # Errors
    /// No instance could be made, or isolating events took longer than [`crate::Limits::isolation_time_max`]; `out` is
    /// empty then.
    pub fn extract(&mut self, events: &FieldBatch, out: &mut Extraction) -> Result<Calls, PluginFailure> {
        clear(out);
        let mut calls = Calls::default();
        let answered = self.extract_slices(events, out, &mut calls);
        if answered.is_err() {
            clear(out);
        }
        answered.map(|()| calls)
    }

    fn extract_slices(
        &mut self,
        events: &FieldBatch,
        out: &mut Extraction,
        calls: &mut Calls,
    ) -> Result<(), PluginFailure> {
        // Slices that have no answer yet, the first of them last.
        let mut pending: Vec<Range<usize>> = std::iter::once(0..events.events()).collect();
        while let Some(slice) = pending.pop() {
            if slice.is_empty() {
                continue;
            }
            let started = Instant::now();
            let answered = self.extract_slice(events, &slice, out)?;
            calls.calls += 1;
            calls.time += started.elapsed();
            let Err(cause) = answered else { continue };
            calls.traps += 1;
            if slice.len() == 1 {
                give_up(cause, out, calls);
            } else if calls.time > self.plugin.limits.isolation_time_max {
                return Err(self.too_slow(calls, cause));
            } else {
                let step = slice.len().div_ceil(SLICES);
                let slices = slice.clone().step_by(step).map(|start| start..(start + step).min(slice.end));
                pending.extend(slices.rev());
            }
        }
        Ok(())
    }

    /// Makes one call. The inner error is what the plugin ran into; its instance is gone then, and `out` as it was.
    fn extract_slice(
        &mut self,
        events: &FieldBatch,
        slice: &Range<usize>,
        out: &mut Extraction,
    ) -> Result<Result<(), Cause>, PluginFailure> {
        let name = &self.plugin.name;
        let batch = slice_of(events, slice, &mut self.slice_ends)
            .ok_or_else(|| PluginFailure::Malformed { name: name.clone() })?;
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => {
                let restart = |cause| PluginFailure::Restart { name: name.clone(), cause };
                self.plugin.start_extractor().map_err(restart)?
            }
        };
        let answered = instance
            .extract(batch)
            .and_then(|answer| absorb(answer, slice.len(), self.plugin.limits.note_bytes_max, out));
        if answered.is_ok() {
            self.instance = Some(instance);
        }
        Ok(answered)
    }

    fn too_slow(&self, calls: &Calls, cause: Cause) -> PluginFailure {
        let name = self.plugin.name.clone();
        PluginFailure::TooSlow { name, seconds: calls.time.as_secs(), calls: calls.calls, failed: calls.traps, cause }
    }
}

fn clear(out: &mut Extraction) {
    out.keys.clear();
    out.owners.clear();
    out.status.clear();
    out.notes.clear();
}

fn give_up(cause: Cause, out: &mut Extraction, calls: &mut Calls) {
    let event = u32::try_from(out.status.len()).unwrap_or(u32::MAX);
    out.status.push(KeyStatus::Invalid);
    out.notes.push((event, cause.clone()));
    calls.failed.push((event, cause));
}

/// The events of `slice` as they cross to the plugin: views, but for the ends where the slice does not start at 0.
fn slice_of<'a>(
    events: &'a FieldBatch,
    slice: &Range<usize>,
    slice_ends: &'a mut Vec<u32>,
) -> Option<types::Batch<'a>> {
    let width = events.width as usize;
    let values = slice.start * width..slice.end * width;
    let ends = events.values.ends.get(values.clone())?;
    let start = match values.start.checked_sub(1) {
        Some(before) => *events.values.ends.get(before)?,
        None => 0,
    };
    let data = events.values.data.get(start as usize..*ends.last()? as usize)?;
    let ends = if start == 0 {
        ends
    } else {
        slice_ends.clear();
        slice_ends.extend(ends.iter().map(|end| end.saturating_sub(start)));
        slice_ends.as_slice()
    };
    let kinds = events.kinds.get(values)?;
    Some(types::Batch { width: events.width, values: types::ColumnParam { data, ends }, kinds })
}
