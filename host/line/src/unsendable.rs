//! Finds the events that could not be forwarded, whatever they turn out to be, before they are decided: one that cannot go
//! on must leave no key. The sink knows what its lanes take.

use connectors::{Lane, Sink};
use engine::record::{Offset, RecordBatch, TopicPartition};

use crate::departure::Departure;
use crate::scratch::Scratch;

/// Marks them. Replayed ones need not be.
pub(crate) fn find_unsendable(
    source: &TopicPartition,
    batch: &RecordBatch,
    live_from: Offset,
    scratch: &mut Scratch,
    sink: &dyn Sink,
) {
    scratch.is_tight = !sink.takes_all(&batch.outline());
    if !scratch.is_tight {
        return;
    }
    let mut event = 0;
    for (index, record) in (0_u32..).zip(batch.iter()) {
        let decoded = scratch.decoded.get(event) == Some(&index);
        let uuid = if decoded { scratch.uuid(event) } else { None };
        event += usize::from(decoded);
        if record.offset() < live_from {
            continue;
        }
        let departure = Departure { source, record, uuid, reason: None };
        if let Some(why) = sink.refusal(Lane::Output, &departure.passed(departure.key().as_deref())) {
            scratch.unsendable.push((index, why));
            if let Some(candidate) = scratch.candidates.get_mut(index as usize) {
                candidate.sendable = false;
            }
        }
    }
}
