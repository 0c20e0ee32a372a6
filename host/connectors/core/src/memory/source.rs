//! A source over the system: one host's member of the group. It joins when it is made, and comes back as another member
//! where it was thrown out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use engine::record::{Offset, RecordBatch};

use super::group::Turn;
use super::log::Met;
use super::system::{MemorySystem, World};
use super::trouble::{Call, Trouble};
use crate::source::{Assignments, Polled, Source, SourceFailure};
use crate::unreadable::{ReadComplaint, UnreadableReason};

/// Records of one partition that a poll brings at most.
const RECORDS_MAX: usize = 64;

/// A partition that is read.
#[derive(Debug)]
struct Reading {
    at: Offset,
    is_paused: bool,
    /// Whether all that is to be said of the place was: its end, or what is wrong with it.
    is_told: bool,
}

/// What comes next.
enum Next {
    Turn,
    Met(i32, Met),
    Over,
}

/// See the module.
pub struct MemorySource {
    system: MemorySystem,
    host: String,
    assignments: Arc<dyn Assignments>,
    member: u64,
    /// Partitions that the group has given and not taken.
    held: BTreeSet<i32>,
    begun: BTreeMap<i32, Reading>,
    /// The partition that was read last: the others come first.
    last: i32,
}

impl MemorySource {
    /// Joins the group under a host's name.
    #[must_use]
    pub fn join(system: &MemorySystem, host: &str, assignments: Arc<dyn Assignments>) -> Self {
        Self {
            system: system.clone(),
            host: host.to_owned(),
            assignments,
            member: system.join(host),
            held: BTreeSet::new(),
            begun: BTreeMap::new(),
            last: 0,
        }
    }

    /// Takes up what the group says. Nobody else waits for this host but the group.
    fn follow(&mut self, turn: Turn) {
        match turn {
            Turn::Revoke { partitions, .. } => {
                self.let_go(&partitions, false);
                self.system.answer(self.member);
            }
            Turn::Assign { partitions, .. } => {
                self.held.extend(&partitions);
                self.assignments.assigned(&partitions);
            }
            Turn::ThrownOut => {
                let all: Vec<i32> = self.held.iter().copied().collect();
                self.let_go(&all, true);
                self.member = self.system.join(&self.host);
            }
        }
    }

    fn let_go(&mut self, partitions: &[i32], is_lost: bool) {
        if !partitions.is_empty() {
            self.assignments.revoked(partitions, is_lost);
        }
        self.held.retain(|partition| !partitions.contains(partition));
        self.begun.retain(|partition, _| !partitions.contains(partition));
    }

    /// What comes next; of the partitions, those after the last one come first.
    fn next(&self, world: &mut World) -> Option<Next> {
        let partitions = world.partitions();
        if world.group.has_turn(self.member, partitions) {
            return Some(Next::Turn);
        }
        let after = self.begun.range((Bound::Excluded(self.last), Bound::Unbounded));
        let mut is_over = world.is_over && !self.held.is_empty() && self.begun.len() == self.held.len();
        for (partition, reading) in after.chain(self.begun.range(..=self.last)) {
            let met = world.log(*partition).map_or(Met::End, |log| log.next(reading.at));
            is_over &= met == Met::End;
            let is_news = !reading.is_told || matches!(met, Met::Record(_));
            if !reading.is_paused && is_news {
                return Some(Next::Met(*partition, met));
            }
        }
        is_over.then_some(Next::Over)
    }

    /// Where a partition is read from, from now on.
    fn place(&mut self, partition: i32, at: Offset) {
        let is_paused = self.begun.get(&partition).is_some_and(|reading| reading.is_paused);
        self.begun.insert(partition, Reading { at, is_paused, is_told: false });
    }
}

impl Source for MemorySource {
    fn poll<'a>(
        &mut self,
        wait: Duration,
        pick: impl FnOnce(i32, Offset) -> Option<&'a mut RecordBatch>,
    ) -> Result<Polled, SourceFailure> {
        let seen = self.system.wait(wait, |world| match world.is_cut_off(&self.host) {
            true => None,
            false => self.next(world),
        });
        match seen {
            None => Ok(Polled::Nothing),
            Some(Next::Over) => Ok(Polled::Over),
            Some(Next::Turn) => {
                if let Some(turn) = self.system.take_turn(self.member, &self.host) {
                    self.follow(turn);
                }
                Ok(Polled::Nothing)
            }
            Some(Next::Met(partition, met)) => self.meet(partition, met, pick),
        }
    }

    fn begin(&mut self, partition: i32, at: Offset) -> Result<bool, SourceFailure> {
        match self.system.called(&self.host, Call::Begin) {
            Some(Trouble::Hopeless) => return Err(SourceFailure::new("the source refuses to begin")),
            Some(_) => return Ok(false),
            None if !self.held.contains(&partition) => return Ok(false),
            None => {}
        }
        self.place(partition, at);
        Ok(true)
    }

    fn begin_anew(&mut self, partition: i32, at: Offset) -> Result<bool, SourceFailure> {
        self.begun.remove(&partition);
        self.begin(partition, at)
    }

    fn seek(&mut self, partition: i32, at: Offset) -> bool {
        if self.system.called(&self.host, Call::Seek).is_some() {
            return false;
        }
        self.place(partition, at);
        true
    }

    fn pause(&mut self, partition: i32) {
        self.begun.get_mut(&partition).into_iter().for_each(|reading| reading.is_paused = true);
    }

    fn resume(&mut self, partition: i32) {
        self.begun.get_mut(&partition).into_iter().for_each(|reading| reading.is_paused = false);
    }

    fn renew(&mut self, timeout: Duration) -> Result<(), SourceFailure> {
        self.leave(timeout);
        self.member = self.system.join(&self.host);
        Ok(())
    }

    /// Polls no longer than it takes to hear that it was thrown out before.
    fn leave(&mut self, _timeout: Duration) {
        let was_thrown_out = self.system.world().group.is_out(self.member);
        let all: Vec<i32> = self.held.iter().copied().collect();
        self.let_go(&all, was_thrown_out);
        self.system.leave(self.member);
    }
}

impl MemorySource {
    fn meet<'a>(
        &mut self,
        partition: i32,
        met: Met,
        pick: impl FnOnce(i32, Offset) -> Option<&'a mut RecordBatch>,
    ) -> Result<Polled, SourceFailure> {
        self.last = partition;
        let Some(reading) = self.begun.get_mut(&partition) else { return Ok(Polled::Nothing) };
        reading.is_told = true;
        match met {
            Met::End => Ok(Polled::End { partition }),
            Met::Gone => {
                let at = reading.at;
                Err(SourceFailure::new(format!("partition {partition} does not go back to offset {at} any more")))
            }
            Met::Unreadable(at) => {
                let cause = format!("what stands at offset {at} is damaged");
                Ok(Polled::Complaint(ReadComplaint { reason: UnreadableReason::Damaged, offset: Some(at), cause }))
            }
            Met::Record(at) => {
                (reading.at, reading.is_told) = (at + 1, false);
                let Some(batch) = pick(partition, at) else { return Ok(Polled::Nothing) };
                let world = self.system.world();
                let Some(log) = world.log(partition) else { return Ok(Polled::Nothing) };
                reading.at = log.read(at..Offset::MAX, RECORDS_MAX, batch).max(at + 1);
                Ok(Polled::Records { partition, next: reading.at })
            }
        }
    }
}
