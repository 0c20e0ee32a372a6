//! How far a partition's log reaches back: event times of its first records, and of the last ones before the committed
//! offset. A few records are read for this, beside the run.

use connectors::{Inquiry, SourceFailure};
use engine::fields::FieldBatch;
use engine::projection::Projection;
use engine::protocol::start::LogTimes;
use engine::record::{Millis, Offset, Record, RecordBatch};
use engine::time::{event_time, record_time};
use line::{Rules, kind_of};

use crate::assignment::Assignment;

/// Most records looked at on either side; the middle one counts, so that a bad clock or two show nothing.
const RECORDS_MAX: usize = 31;

/// How far before the committed offset records are looked for: there may be markers of transactions only.
const BACK_MAX: [Offset; 3] = [64, 4_096, 262_144];

/// Reads both ends of what the log has below the committed offset.
///
/// # Errors
/// No answer in time.
pub(crate) fn log_times(
    inquiry: &impl Inquiry,
    assignment: &Assignment,
    rules: &Rules,
) -> Result<LogTimes, SourceFailure> {
    let (partition, log_start) = (assignment.partition, assignment.bounds.log_start);
    let committed = assignment.committed().filter(|committed| *committed > log_start);
    let Some(committed) = committed else { return Ok(LogTimes::default()) };
    let wanted = usize::try_from((committed - log_start) / 4).unwrap_or(RECORDS_MAX).clamp(1, RECORDS_MAX);
    let first = inquiry.peek(partition, log_start..committed, wanted)?;
    let first = upper_middle(event_times(rules, &first));
    for back in BACK_MAX {
        let from = (committed - back).max(log_start);
        let batch = inquiry.peek(partition, from..committed, usize::try_from(back).unwrap_or(usize::MAX))?;
        let mut times = event_times(rules, &batch);
        if !times.is_empty() || from == log_start {
            times.drain(..times.len().saturating_sub(wanted));
            return Ok(LogTimes { first, committed: lower_middle(times) });
        }
    }
    Ok(LogTimes { first, committed: None })
}

/// The times that decisions go by, of the records that have one.
fn event_times(rules: &Rules, batch: &RecordBatch) -> Vec<Millis> {
    let pointer = rules.event_time.as_ref().map(std::slice::from_ref);
    let compile = |pointer| Projection::compile_inside::<_, &str>(&[pointer], &[], &rules.json_in, rules.numbers).ok();
    let Some(mut projection) = pointer.and_then(compile) else {
        return batch.iter().filter_map(|record| record_time(record.timestamp())).collect();
    };
    let mut fields = [FieldBatch::new(1)];
    let mut said = |payload: &[u8], timestamp: Option<Millis>| {
        fields.iter_mut().for_each(FieldBatch::clear);
        projection.project(payload, &mut fields).ok()?;
        let [field] = &fields;
        let kind = kind_of(*field.kinds.first()?);
        event_time(kind, field.values.get(0)?, timestamp, &rules.window.clock).time
    };
    let time = |record: Record<'_>| {
        let timestamp = record.timestamp();
        record.payload().and_then(|payload| said(payload, timestamp)).or(record_time(timestamp))
    };
    batch.iter().filter_map(time).collect()
}

/// The later of two middles: in doubt the log reaches less far back.
fn upper_middle(mut times: Vec<Millis>) -> Option<Millis> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// The earlier of two middles.
fn lower_middle(mut times: Vec<Millis>) -> Option<Millis> {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_deaf_to_a_few_bad_clocks_and_cautious_between_two() {
        assert_eq!([upper_middle(vec![]), lower_middle(vec![])], [None, None]);
        assert_eq!([upper_middle(vec![7]), lower_middle(vec![7])], [Some(7), Some(7)]);
        assert_eq!([upper_middle(vec![9, 1]), lower_middle(vec![9, 1])], [Some(9), Some(1)]);
        let bad = vec![0, 5, i64::MAX, 6, 7];
        assert_eq!([upper_middle(bad.clone()), lower_middle(bad)], [Some(6), Some(6)]);
    }
}
