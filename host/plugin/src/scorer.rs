//! Has one partition's duplicates compared with their originals, whatever a plugin does in a call. Not a policy: pairs
//! on which it fails come back without a score.

use std::ops::Range;
use std::sync::Arc;

use engine::properties::{Comparisons, PairBatch, Verdict};

use crate::answer::absorb_scores;
use crate::bindings::types;
use crate::error::{LoadError, PluginFailure};
use crate::fault::Fault;
use crate::instance::{Cause, Instance};
use crate::isolate::{Caller, Calls, Work};
use crate::load::{Loaded, Plugin};
use crate::role::Role;
use crate::slice;

/// Scores pairs for one partition. It owns an instance of the plugin, which lives until it fails.
pub struct Scorer {
    caller: Caller,
    ends: SliceEnds,
}

/// Ends of a slice of a batch, which count from the start of the slice.
#[derive(Default)]
pub(crate) struct SliceEnds {
    pairs: Vec<u32>,
    paths: Vec<u32>,
    originals: Vec<u32>,
    duplicates: Vec<u32>,
}

impl std::fmt::Debug for Scorer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scorer").field("plugin", &self.caller.name()).finish_non_exhaustive()
    }
}

impl Plugin {
    /// A scorer for one partition, with an instance of its own.
    ///
    /// # Errors
    /// The plugin scores nothing, or an instance cannot be made.
    pub fn scorer(&self) -> Result<Scorer, LoadError> {
        self.require(Role::SimilarityScorer, self.roles().scores)?;
        Scorer::new(Arc::clone(&self.0)).map_err(|cause| self.cannot_start(cause))
    }
}

impl Scorer {
    fn new(plugin: Arc<Loaded>) -> Result<Self, Cause> {
        Ok(Self { caller: Caller::new(plugin, Role::SimilarityScorer)?, ends: SliceEnds::default() })
    }

    /// Compares the pairs of a batch into `out`, replacing what was there.
    ///
    /// Pairs on which the plugin traps, loops or lies are found by calling again with fewer, on a new instance. They
    /// have no score in `out`, all their rows are [`Verdict::Ignored`], and they are named in [`Calls::failed`]; the
    /// others come out as if those had not been there.
    ///
    /// # Errors
    /// The counts of `pairs` do not agree, no instance could be made, or isolating pairs took longer than
    /// [`crate::Limits::isolation_time_max`]; `out` is empty then.
    pub fn compare(&mut self, pairs: &PairBatch, out: &mut Comparisons) -> Result<Calls, PluginFailure> {
        clear(out);
        if !is_whole(pairs) {
            return Err(PluginFailure::Malformed { name: self.caller.name().to_owned() });
        }
        let mut work = Scoring { pairs, out, ends: &mut self.ends };
        let answered = self.caller.answer(pairs.pairs(), &mut work);
        if answered.is_err() {
            clear(out);
        }
        answered
    }
}

pub(crate) fn clear(out: &mut Comparisons) {
    out.scores.clear();
    out.verdicts.clear();
}

/// Whether every list has one entry a row, and the pairs share the rows out among them.
pub(crate) fn is_whole(pairs: &PairBatch) -> bool {
    let rows = pairs.ends.last().map_or(0, |end| *end as usize);
    let values = [pairs.paths.len(), pairs.originals.len(), pairs.duplicates.len()];
    let kinds = [pairs.original_kinds.len(), pairs.duplicate_kinds.len()];
    pairs.ends.is_sorted() && values.into_iter().chain(kinds).all(|count| count == rows)
}

struct Scoring<'a> {
    pairs: &'a PairBatch,
    out: &'a mut Comparisons,
    ends: &'a mut SliceEnds,
}

impl Work for Scoring<'_> {
    fn call(&mut self, instance: &mut Instance, slice: &Range<usize>) -> Option<Result<(), Fault>> {
        compare_slice(instance, self.pairs, slice, self.ends, self.out)
    }

    fn give_up(&mut self, pair: usize, _cause: &Cause) {
        let rows = self.pairs.rows(pair).len();
        self.out.scores.push(None);
        self.out.verdicts.extend(std::iter::repeat_n(Verdict::Ignored, rows));
    }
}

/// Makes one call with the pairs of `slice`, and appends what is said of them to `out`. `None`: the batch is malformed.
pub(crate) fn compare_slice(
    instance: &mut Instance,
    pairs: &PairBatch,
    slice: &Range<usize>,
    ends: &mut SliceEnds,
    out: &mut Comparisons,
) -> Option<Result<(), Fault>> {
    let pairs = slice_of(pairs, slice, ends)?;
    let rows = pairs.original_kinds.len();
    let absorb = |answer| absorb_scores(&answer, slice.len(), rows, out).map_err(Fault::lie);
    Some(instance.compare(pairs).and_then(absorb))
}

/// The pairs of `slice` as they cross to the plugin.
fn slice_of<'a>(pairs: &'a PairBatch, slice: &Range<usize>, buffers: &'a mut SliceEnds) -> Option<types::Pairs<'a>> {
    let ends = pairs.ends.get(slice.clone())?;
    let start = slice::start_of(&pairs.ends, slice.start)?;
    let rows = start as usize..ends.last().copied().unwrap_or(start) as usize;
    Some(types::Pairs {
        ends: slice::counted_from(start, ends, &mut buffers.pairs),
        paths: slice::column(&pairs.paths, &rows, &mut buffers.paths)?,
        original_kinds: pairs.original_kinds.get(rows.clone())?,
        originals: slice::column(&pairs.originals, &rows, &mut buffers.originals)?,
        duplicate_kinds: pairs.duplicate_kinds.get(rows.clone())?,
        duplicates: slice::column(&pairs.duplicates, &rows, &mut buffers.duplicates)?,
    })
}
