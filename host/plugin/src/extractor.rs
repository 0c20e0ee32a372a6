//! Extracts the keys of one partition's batches, whatever a plugin does in a call. Not a policy: events on which it
//! fails come back as invalid, with the reason.

use std::ops::Range;
use std::sync::Arc;

use engine::fields::{Extraction, FieldBatch, KeyStatus};

use crate::answer::absorb_keys;
use crate::bindings::types;
use crate::error::{LoadError, PluginFailure};
use crate::fault::Fault;
use crate::instance::{Cause, Instance};
use crate::isolate::{Caller, Calls, Work};
use crate::limits::Limits;
use crate::load::{Loaded, Plugin};
use crate::role::Role;
use crate::slice;

/// Extracts keys for one partition. It owns an instance of the plugin, which lives until it fails.
pub struct Extractor {
    caller: Caller,
    /// Ends of a slice of a batch, which count from the start of the slice.
    slice_ends: Vec<u32>,
}

impl std::fmt::Debug for Extractor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extractor").field("plugin", &self.caller.name()).finish_non_exhaustive()
    }
}

impl Plugin {
    /// An extractor for one partition, with an instance of its own.
    ///
    /// # Errors
    /// The plugin extracts no keys, or an instance cannot be made.
    pub fn extractor(&self) -> Result<Extractor, LoadError> {
        self.require(Role::KeyExtractor, self.roles().extracts_keys)?;
        Extractor::new(Arc::clone(&self.0)).map_err(|cause| self.cannot_start(cause))
    }
}

impl Extractor {
    fn new(plugin: Arc<Loaded>) -> Result<Self, Cause> {
        Ok(Self { caller: Caller::new(plugin, Role::KeyExtractor)?, slice_ends: Vec::new() })
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
        let limits = *self.caller.limits();
        let mut work = Extracting { events, out, limits, slice_ends: &mut self.slice_ends };
        let answered = self.caller.answer(events.events(), &mut work);
        if answered.is_err() {
            clear(out);
        }
        answered
    }
}

pub(crate) fn clear(out: &mut Extraction) {
    out.keys.clear();
    out.owners.clear();
    out.status.clear();
    out.notes.clear();
}

struct Extracting<'a> {
    events: &'a FieldBatch,
    out: &'a mut Extraction,
    limits: Limits,
    slice_ends: &'a mut Vec<u32>,
}

impl Work for Extracting<'_> {
    fn call(&mut self, instance: &mut Instance, slice: &Range<usize>) -> Option<Result<(), Fault>> {
        extract_slice(instance, self.events, slice, self.slice_ends, &self.limits, self.out)
    }

    fn give_up(&mut self, event: usize, cause: &Cause) {
        self.out.status.push(KeyStatus::Invalid);
        self.out.notes.push((u32::try_from(event).unwrap_or(u32::MAX), cause.clone()));
    }
}

/// Makes one call with the events of `slice`, and appends what is said of them to `out`. `None`: the batch is malformed.
pub(crate) fn extract_slice(
    instance: &mut Instance,
    events: &FieldBatch,
    slice: &Range<usize>,
    slice_ends: &mut Vec<u32>,
    limits: &Limits,
    out: &mut Extraction,
) -> Option<Result<(), Fault>> {
    let batch = slice_of(events, slice, slice_ends)?;
    let event_bytes = |event: usize| {
        let first = (slice.start + event) * events.width as usize;
        (first..first + events.width as usize).map(|value| events.values.get(value).map_or(0, <[u8]>::len)).sum()
    };
    let absorb = |answer| absorb_keys(answer, slice.len(), event_bytes, limits, out).map_err(Fault::lie);
    Some(instance.extract(batch).and_then(absorb))
}

/// The events of `slice` as they cross to the plugin.
fn slice_of<'a>(
    events: &'a FieldBatch,
    slice: &Range<usize>,
    slice_ends: &'a mut Vec<u32>,
) -> Option<types::Batch<'a>> {
    let width = events.width as usize;
    if width == 0 {
        return None;
    }
    let values = slice.start * width..slice.end * width;
    let kinds = events.kinds.get(values.clone())?;
    Some(types::Batch { width: events.width, values: slice::column(&events.values, &values, slice_ends)?, kinds })
}
