//! What `dedup-host plugin test` finds out: what a component said of each event, and of all of them together. Does not call
//! it, and does not show it.

use serde::Serialize;

use super::answers::{Compared, Extracted, Spent, Status};

/// What a component said of some events.
#[derive(Debug, Serialize)]
pub(super) struct Trial {
    pub(super) plugin: Who,
    pub(super) events: Vec<Tried>,
    pub(super) summary: Summary,
}

#[derive(Debug, Serialize)]
pub(super) struct Who {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) sha256: String,
}

/// What it said of one event.
#[derive(Debug, Serialize)]
pub(super) struct Tried {
    /// From 1, as lines are numbered.
    pub(super) number: usize,
    /// As text; bytes that are not UTF-8 are escaped.
    pub(super) event: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extraction: Option<Extracted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comparison: Option<Compared>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    pub(super) events: usize,
    /// Whether the input has more than was read.
    pub(super) more: bool,
    pub(super) keyed: usize,
    pub(super) no_key: usize,
    pub(super) invalid: usize,
    pub(super) undecodable: usize,
    /// Calls, of both roles, on which the plugin failed.
    pub(super) failed: usize,
    /// Events that have a key in common with an earlier one, whatever the time between.
    pub(super) duplicates: usize,
    pub(super) compared: usize,
    pub(super) nanoseconds_mean: u64,
    pub(super) fuel_mean: u64,
    pub(super) fuel_max: u64,
    pub(super) memory_bytes_max: usize,
}

impl Summary {
    pub(super) fn of(events: &[Tried], more: bool) -> Self {
        let extractions = || events.iter().filter_map(|tried| tried.extraction.as_ref());
        let comparisons = || events.iter().filter_map(|tried| tried.comparison.as_ref());
        let with = |status: Status| extractions().filter(|extracted| extracted.status == status).count();
        let costs: Vec<Spent> = (extractions().filter_map(|extracted| extracted.cost))
            .chain(comparisons().filter_map(|compared| compared.cost))
            .collect();
        let mean = |total: u64| total / (costs.len() as u64).max(1);
        Self {
            events: events.len(),
            more,
            keyed: with(Status::Keyed),
            no_key: with(Status::NoKey),
            invalid: with(Status::Invalid),
            undecodable: with(Status::Undecodable),
            failed: with(Status::Failed) + comparisons().filter(|compared| compared.failed).count(),
            duplicates: extractions().filter(|extracted| extracted.duplicate_of.is_some()).count(),
            compared: comparisons().filter(|compared| compared.similarity.is_some()).count(),
            nanoseconds_mean: mean(costs.iter().map(|cost| cost.nanoseconds).sum()),
            fuel_mean: mean(costs.iter().filter_map(|cost| cost.fuel).sum()),
            fuel_max: costs.iter().filter_map(|cost| cost.fuel).max().unwrap_or(0),
            memory_bytes_max: costs.iter().map(|cost| cost.memory_bytes).max().unwrap_or(0),
        }
    }
}
