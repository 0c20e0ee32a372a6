//! What a worker does about single records that block it: those that the broker refuses although nothing predicted it,
//! and those that cannot be read. Does not predict refusals.
//!
//! The broker refuses a batch of records as a whole. After the first refusal, the records of the transaction are
//! therefore sent one by one, by another producer: what is refused then is refused for its own sake, is set aside, and
//! leaves as a dead letter when it is decided the next time. When the records that were in the way are committed,
//! batches are sent again.

use connectors::Origin;
use kafka_connector::{KafkaSink, RefusedRecord};
use line::{LineError, Unread};
use observe::status::Phase;

use super::{Outcome, RunError, Worker};
use crate::run::dispatch::{Reading, Rewind};
use crate::run::unreadable::Obstacle;
use crate::settings::kafka::OnUnreadable;

impl Worker {
    /// Remembers what was refused for itself; where that is not known, sees to it that the next time it will be.
    pub(super) fn set_aside(&mut self, refused: &[RefusedRecord]) {
        let are_alone = self.one_by_one.is_some();
        let mut noted = 0;
        for record in refused.iter().filter(|record| are_alone || record.is_alone) {
            let Some(owned) = self.owned.get(&record.partition) else { continue };
            let origin = Origin { partition: record.partition, offset: record.offset_near(owned.position) };
            tracing::warn!(
                partition = origin.partition, offset = origin.offset, lane = record.lane.name(), why = %record.why,
                "a record was refused and is set aside"
            );
            self.refused.note(origin, record.lane, record.why.clone());
            self.setup.limits.learn(record);
            noted += 1;
        }
        if noted > 0 {
            // That is getting on, not failing again.
            self.commit_failures = 0;
        } else if !are_alone {
            self.setup.limits.ask_again();
            let mut until: std::collections::BTreeMap<_, _> =
                self.owned.iter().map(|(partition, owned)| (*partition, owned.position)).collect();
            for record in refused {
                if let Some(end) = until.get_mut(&record.partition) {
                    *end = (*end).max(record.offset_near(*end) + 1);
                }
            }
            self.one_by_one = Some(until);
        }
    }

    /// After a commit: forgets what is behind, and sends batches again where nothing is in the way any more.
    pub(super) fn settle_refused(&mut self) -> Result<(), RunError> {
        if !self.refused.is_empty() {
            self.owned.iter().for_each(|(partition, owned)| self.refused.settle(*partition, owned.committed));
        }
        let is_behind =
            |(partition, until): (&i32, &_)| self.owned.get(partition).is_none_or(|owned| owned.committed >= *until);
        if self.one_by_one.as_ref().is_some_and(|until| until.iter().all(is_behind)) {
            self.one_by_one = None;
            self.reconnect()?;
        }
        Ok(())
    }

    /// Something that cannot be read comes next. What a first pass has passed over, a replay passes over too; else the policy
    /// decides.
    pub(super) fn pass_obstacle(&mut self, obstacle: &Obstacle) -> Result<(), RunError> {
        let Obstacle { partition, epoch, position, unreadable } = obstacle;
        let Some(owned) = self.owned.get_mut(partition).filter(|owned| {
            owned.epoch == *epoch && owned.flow.epoch() == *epoch && owned.position == *position && owned.hold.is_none()
        }) else {
            return Ok(());
        };
        let is_live = unreadable.next > owned.live_from;
        let was_passed = !is_live && owned.line.past().is_some_and(|past| past.is_exception(unreadable.from));
        if !was_passed && self.setup.on_unreadable == OnUnreadable::Stop {
            return Ok(());
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
        let unread = Unread { from: unreadable.from.max(owned.live_from), next: unreadable.next, cause };
        let limits = self.setup.limits.get();
        let (topics, refused) = (&self.setup.topics, &self.refused);
        let mut sink = KafkaSink { producer: &mut self.producer, topics, limits: &limits, refused };
        match owned.line.skip(&unread, is_live, &mut sink) {
            Ok(()) => {}
            Err(LineError::Sink(failure)) => return self.recover(&failure.into(), Outcome::Aborted),
            Err(error) => return Err(error.into()),
        }
        owned.position = unreadable.next;
        if owned.position >= owned.live_from {
            owned.observer.phase(Phase::Live, "");
        }
        self.uncommitted_since.get_or_insert_with(std::time::Instant::now);
        let rewind = Rewind { partition: *partition, epoch: *epoch, offset: unreadable.next };
        let _gone = self.readings.send(Reading::Again(rewind));
        Ok(())
    }
}
