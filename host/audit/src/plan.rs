//! What is read: of the input and of each lane, from where to where, and which part of it is judged. Not the reading.

use std::collections::BTreeMap;
use std::ops::Range;

use kafka_connector::Spans;

use crate::config::{At, Bound};
use crate::facts::Place;

/// A partition of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionPlan {
    /// What is read.
    pub(crate) read: Range<i64>,
    /// What is judged of it.
    pub(crate) judged: Range<i64>,
    /// Whether nothing came before what is read.
    pub(crate) is_whole: bool,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) input: BTreeMap<i32, PartitionPlan>,
    /// By the lane's number; empty over files, which are read whole.
    pub(crate) lanes: BTreeMap<u8, Spans>,
}

impl Plan {
    /// Whether a record of the input is judged.
    pub(crate) fn is_judged(&self, place: Place) -> bool {
        self.input.get(&place.partition).is_some_and(|plan| plan.judged.contains(&place.offset))
    }

    /// Whether a record may have been there that is not read.
    pub(crate) fn is_outside(&self, place: Place) -> bool {
        self.input.get(&place.partition).is_some_and(|plan| !plan.is_whole && place.offset < plan.read.start)
    }

    /// Whether all that there ever was is read.
    pub(crate) fn is_whole(&self) -> bool {
        self.input.values().all(|plan| plan.is_whole)
    }

    pub(crate) fn input_spans(&self) -> Spans {
        self.input.iter().map(|(partition, plan)| (*partition, plan.read.clone())).collect()
    }
}

/// Where a partition's end of the span lies: its own word, else the one for all.
pub(crate) fn bound(bounds: &[Bound], partition: i32) -> Option<At> {
    let own = bounds.iter().rfind(|bound| bound.partition == Some(partition));
    own.or_else(|| bounds.iter().rfind(|bound| bound.partition.is_none())).map(|bound| bound.at)
}
