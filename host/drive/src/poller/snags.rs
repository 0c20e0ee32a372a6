//! What the polling thread does when a partition is stuck: it has the position examined, stops reading the partition,
//! reports it, and tells its worker, which decides what follows. Does not detect it: see `unreadable`.

use connectors::{ReadComplaint, Sight, Source, Unreadable};
use engine::record::Offset;

use super::{Feed, Poller};
use crate::dispatch::{Reading, Rewind};
use crate::failure::Failure;
use crate::inboxes::Work;
use crate::report::{FeedReport, Report};
use crate::unreadable::{Answer, Obstacle, Question, Snag};

/// A partition that has been begun anew so often in one place needs another client.
const ANEW_MAX: u32 = 1;

impl<C: Source, S, R: Report<S>> Poller<C, S, R> {
    /// The source could not take something in, of a partition that it does not name.
    pub(super) fn hear(&mut self, complaint: &ReadComplaint) {
        for feed in self.feeds.values_mut().filter(|feed| !feed.snag.is_blocked()) {
            feed.snag.complained(complaint, feed.next_offset);
        }
    }

    /// Has the places looked at where partitions do not get on.
    pub(super) fn look_at_snags(&mut self) {
        for (partition, feed) in &mut self.feeds {
            let waits = feed.seeking || feed.flow.held_at().is_some() || (feed.paused && !feed.snag.is_blocked());
            let bounds = self.ends.of(*partition);
            let end = bounds.map(|bounds| bounds.stable_end);
            if waits || !feed.snag.is_due(feed.next_offset, end, feed.jumped) {
                continue;
            }
            feed.snag.asked();
            let (from, epoch) = (feed.next_offset, feed.epoch);
            let end = bounds.map_or(from + 1, |bounds| bounds.log_end.max(from + 1));
            self.inspector.ask(Question { partition: *partition, epoch, from, end });
        }
    }

    pub(super) fn take_answers(&mut self) -> Result<(), Failure> {
        for Answer { of, sight } in self.inspector.answers() {
            let is_stale = |feed: &&mut Feed<R::Feed>| feed.epoch != of.epoch || feed.next_offset != of.from;
            let Some(feed) = self.feeds.get_mut(&of.partition).filter(|feed| !is_stale(feed)) else {
                if let Some(feed) = self.feeds.get_mut(&of.partition) {
                    feed.snag.unanswered();
                }
                continue;
            };
            match sight {
                Ok(Sight::Readable) => self.go_on(of.partition)?,
                Ok(Sight::Unreadable(unreadable)) => self.block(of.partition, unreadable),
                Err(failure) => {
                    tracing::debug!(
                        %failure,
                        partition = of.partition,
                        "cannot inspect the offset at which reading stopped"
                    );
                    feed.snag.unanswered();
                }
            }
        }
        Ok(())
    }

    /// Nothing is wrong at the position: the partition is read from there again. Where the client has not complained either,
    /// it has stopped fetching the partition, and is made to begin anew. A log that ends with what is no record gets here
    /// too, and then its end is reached again.
    fn go_on(&mut self, partition: i32) -> Result<(), Failure> {
        self.flush(partition);
        let Some(feed) = self.feeds.get_mut(&partition) else { return Ok(()) };
        if feed.jumped || feed.snag.is_blocked() {
            let rewind = Rewind { partition, epoch: feed.epoch, offset: feed.next_offset };
            self.waiting.push_back(Reading::Again(rewind));
            return Ok(());
        }
        let (at, times) = feed.anew;
        feed.anew = if at == feed.next_offset { (at, times + 1) } else { (feed.next_offset, 1) };
        let (offset, times) = feed.anew;
        if times > ANEW_MAX {
            return self.renew_client(partition, offset);
        }
        tracing::warn!(partition, offset, "the client is stuck; restarting the partition");
        feed.snag = Snag::new(offset);
        self.source.begin_anew(partition, offset)?;
        Ok(())
    }

    /// Lets go of all partitions, as at the end, and joins the group with a new client, as a restart would. If that one stops
    /// in the same place, there is nothing left to try.
    fn renew_client(&mut self, partition: i32, offset: Offset) -> Result<(), Failure> {
        if self.renewed_for.insert(partition, offset) == Some(offset) {
            return Err(Failure::Stalled { partition, offset });
        }
        tracing::warn!(
            partition,
            offset,
            "the client has stopped fetching; joining the group again with a new one. nothing is lost"
        );
        self.report.renewed();
        self.source.renew(self.setup.release_timeout)?;
        self.take_revoked();
        Ok(())
    }

    /// The partition does not get past its position. What was read before it is processed; then the worker is told.
    fn block(&mut self, partition: i32, unreadable: Unreadable) {
        self.flush(partition);
        let Some(feed) = self.feeds.get_mut(&partition) else { return };
        let is_new = feed.snag.block();
        if !std::mem::replace(&mut feed.paused, true) {
            self.source.pause(partition);
        }
        feed.report.unreadable(&unreadable, self.setup.policies.on_unreadable, is_new);
        let (worker, epoch, position) = (feed.flow.worker, feed.epoch, feed.next_offset);
        let obstacle = Obstacle { partition, epoch, position, unreadable };
        if let Some(inbox) = self.inboxes.get(worker) {
            let _gone = inbox.send(Work::Obstacle(Box::new(obstacle)));
        }
    }

    /// The partition is read from another place.
    pub(super) fn unblock(&mut self, partition: i32) {
        let Some(feed) = self.feeds.get_mut(&partition) else { return };
        feed.jumped = false;
        if feed.snag.is_blocked() {
            feed.report.readable();
        }
        feed.snag = Snag::new(feed.next_offset);
    }
}
