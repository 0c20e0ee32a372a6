//! What a worker does about single records that block it: those that the sink refuses although nothing predicted it,
//! and those that cannot be read. Does not predict refusals.
//!
//! Records may be refused together with others. After the first refusal, the records of the transaction are therefore
//! sent one by one, over a new connection: what is refused then is refused for its own sake, is set aside, and leaves as a
//! dead letter when it is decided the next time. When the records that were in the way are committed, records are sent
//! together again.

use connectors::{CommittingSink, Origin, RefusedRecord, Remedy};
use engine::protocol::{Event, RefusedAt};
use engine::record::Offset;
use engine::state::DurableState;
use line::{LineError, Unread};

use super::Worker;
use crate::failure::Failure;
use crate::report::Report;
use crate::setup::OnUnreadable;
use crate::unreadable::Obstacle;

impl<K: CommittingSink, S: DurableState, R: Report<S>> Worker<K, S, R> {
    /// Where the records come from, as far as their partitions are owned.
    pub(super) fn places(&self, refused: &[RefusedRecord]) -> Vec<RefusedAt> {
        refused.iter().filter_map(|record| self.place(record)).collect()
    }

    fn place(&self, record: &RefusedRecord) -> Option<RefusedAt> {
        let RefusedRecord { partition, is_alone, .. } = *record;
        let offset = record.offset_near(self.machine.position(partition)?);
        Some(RefusedAt { partition, offset, is_alone })
    }

    /// Remembers what was refused for itself.
    pub(super) fn set_aside(&mut self, records: &[RefusedAt]) {
        let Some(Remedy::SetAside(refused)) = self.failure.as_ref().map(|failure| failure.remedy.clone()) else {
            return;
        };
        for record in &refused {
            let Some(place) = self.place(record).filter(|place| records.contains(place)) else { continue };
            let origin = Origin { partition: place.partition, offset: place.offset };
            tracing::warn!(
                partition = origin.partition, offset = origin.offset, lane = record.lane.name(), why = %record.why,
                "a record was refused and is set aside"
            );
            self.sink.set_aside(origin, record);
        }
    }

    /// Something that cannot be read comes next. What a first pass has passed over, a replay passes over too; else the policy
    /// decides.
    pub(super) fn skip(&mut self, partition: i32, live_from: Offset) -> Result<Event, Failure> {
        let (Some(obstacle), Some(owned)) = (self.obstacle.take(), self.owned.get_mut(&partition)) else {
            return Ok(Event::NotSkipped);
        };
        let Obstacle { unreadable, .. } = *obstacle;
        let is_live = unreadable.next > live_from;
        let was_passed = !is_live && owned.line.past().is_some_and(|past| past.is_exception(unreadable.from));
        if !was_passed && self.setup.policies.on_unreadable == OnUnreadable::Stop {
            return Ok(Event::NotSkipped);
        }
        if !is_live && !was_passed {
            tracing::warn!(
                partition,
                from = unreadable.from,
                next = unreadable.next,
                "records that were decided before cannot be read again: duplicates of them pass"
            );
        }
        let cause = format!("it cannot be read ({}): {}", unreadable.reason.as_str(), unreadable.cause);
        let unread = Unread { from: unreadable.from.max(live_from), next: unreadable.next, cause };
        match owned.line.skip(&unread, is_live, &mut self.sink) {
            Ok(()) => Ok(Event::Decided { is_crowded: owned.is_commit_due() }),
            Err(LineError::Sink(failure)) => Ok(self.failed(failure)),
            Err(error) => Err(error.into()),
        }
    }
}
