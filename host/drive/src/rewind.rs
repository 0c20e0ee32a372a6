//! Where a partition starts if the group was set back below what its state contains. Which events were late depends on
//! the clock at that time: the state returns to the latest saved clock before it, and the records from there to the
//! group's offset are read again with outputs off.

use connectors::Bounds;
use engine::protocol::start::{Assigned, LogTimes, Start, StartRules, start};
use engine::record::{Offset, TopicPartition};
use engine::state::DurableState;

use crate::assignment::Assignment;
use crate::failure::Failure;

/// [`start`], with the state taken back where it is ahead of the group.
pub(crate) fn start_with(
    source: &TopicPartition,
    state: &mut impl DurableState,
    assignment: &Assignment,
    rules: &StartRules,
    times: impl FnOnce() -> Result<LogTimes, Failure>,
) -> Result<Start, Failure> {
    let applied = state.applied().map(|(applied, _)| applied);
    let (partition, committed) = (assignment.partition, assignment.committed());
    let Bounds { log_start, log_end, stable_end } = assignment.bounds;
    let assigned = Assigned { partition, committed, log_start, log_end, stable_end };
    let found = start(&assigned, applied, rules, times)?;
    match (applied, committed) {
        (Some(applied), Some(committed)) if applied > committed && found.live_from == committed => {
            rewound(source, state, log_start, (applied, committed), found)
        }
        _ => Ok(found),
    }
}

fn rewound(
    source: &TopicPartition,
    state: &mut impl DurableState,
    log_start: Offset,
    (applied, committed): (Offset, Offset),
    found: Start,
) -> Result<Start, Failure> {
    let Some(read_from) = state.rewind_to(committed, log_start).map_err(Failure::state)? else {
        tracing::warn!(
            %source, applied, committed,
            "the group's offset was set back, and no clock from that time is saved: until offset {applied} no event \
             is late, so some that were late before may be forwarded as unique. duplicates of keys that have expired \
             since then are forwarded as unique too"
        );
        return Ok(found);
    };
    tracing::warn!(
        %source, applied, committed, read_from,
        "the group's offset was set back: its events are decided again, and late ones are late again. duplicates \
         whose original lies before offset {committed} and has expired since are forwarded as unique, and counted as \
         decided without memory; duplicates that were counted before are reported without a count"
    );
    Ok(Start { read_from, ..found })
}
