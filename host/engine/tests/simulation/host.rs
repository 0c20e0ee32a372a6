//! A host: the thread that polls, those that open states, and its workers. It may freeze and wake up later, and may die
//! between any two steps; its disk survives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use cases::Rng;
use engine::progress::{Progress, Proof, Ranges};
use engine::protocol::start::{Assigned, LogTimes, OnLogGap, Start, StartError, StartRules, start};
use engine::protocol::{Answer, Batch, Epoch, Handover, Obstacle, Standing};
use engine::record::Offset;

use crate::broker::{Broker, Membership, Partition};
use crate::flaws::Flaw;
use crate::group::{Callback, Group};
use crate::line::{Begin, Disk, Line, Slot};
use crate::worker::{Around, Worker};
use crate::{WARM, WINDOW};

/// A worker that does not release a partition within this many steps loses it.
const RELEASE_STEPS_MAX: u64 = 60;

/// Batches that may wait for a worker before the polling thread waits for it.
const INBOX_MAX: usize = 6;

/// What a worker is asked to do.
pub(crate) enum Work {
    Opened { assignment: u64, partition: i32, line: Box<Line>, start: Start, group: Option<Offset> },
    Batch(Delivered),
    Reached { partition: i32, epoch: Epoch },
    Obstacle(Obstacle),
}

pub(crate) struct Delivered {
    pub(crate) batch: Batch,
    pub(crate) records: Vec<(Offset, Slot)>,
}

/// What a worker asks the polling thread to do.
pub(crate) struct Reading {
    pub(crate) partition: i32,
    pub(crate) epoch: Epoch,
    pub(crate) from: Offset,
    pub(crate) is_first: bool,
}

/// What the threads of a host share.
#[derive(Default)]
pub(crate) struct Shell {
    pub(crate) flows: BTreeMap<u64, Standing>,
    pub(crate) readings: VecDeque<Reading>,
    pub(crate) stopped: BTreeSet<i32>,
    pub(crate) membership: Option<Membership>,
    /// States that are open.
    pub(crate) locked: BTreeSet<i32>,
    pub(crate) disks: BTreeMap<i32, Disk>,
    pub(crate) plugins: u64,
    pub(crate) is_broken: bool,
    pub(crate) text_chars_max: usize,
    pub(crate) capacity: usize,
}

struct Feed {
    epoch: Epoch,
    next: Offset,
}

/// A partition on its way to a worker.
struct Opening {
    partition: i32,
    assignment: u64,
    /// The group's answer, as soon as nothing is pending.
    answer: Option<GroupHas>,
}

/// What the group has stored for a partition: an offset and its metadata.
#[derive(Clone)]
struct GroupHas {
    committed: Option<Offset>,
    text: String,
}

/// A rebalance that waits for workers.
struct Leaving {
    assignments: Vec<u64>,
    since: u64,
}

pub(crate) struct Host {
    pub(crate) name: &'static str,
    member: u64,
    /// By partition: the assignment, and the worker.
    assigned: BTreeMap<i32, (u64, usize)>,
    feeds: BTreeMap<i32, Feed>,
    openings: Vec<Opening>,
    leaving: Option<Leaving>,
    pub(crate) workers: Vec<Worker>,
    /// Frozen until then.
    pub(crate) frozen_until: u64,
    flaw: Option<Flaw>,
}

/// What a host is started with.
pub(crate) struct Birth<'a> {
    pub(crate) name: &'static str,
    /// Ids of its producers.
    pub(crate) ids: &'a [u32],
    pub(crate) flaw: Option<Flaw>,
}

/// Numbers of assignments, unique within the run.
pub(crate) struct Numbers(pub u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

impl Host {
    /// `None`: its producers cannot be created now. They fence their predecessors before the group is asked for anything.
    pub(crate) fn start(
        birth: &Birth<'_>,
        shell: &Shell,
        group: &mut Group,
        broker: &mut Broker,
        rng: &mut Rng,
    ) -> Option<Self> {
        let mut workers = Vec::new();
        for (index, id) in birth.ids.iter().enumerate() {
            let epoch = broker.connect(rng, *id)?;
            let interval = Duration::from_millis(200 + rng.below(1_500) as u64);
            workers.push(Worker::new(format!("{}{index}", birth.name), *id, epoch, interval, shell, birth.flaw));
        }
        Some(Self {
            name: birth.name,
            member: group.join(broker),
            assigned: BTreeMap::new(),
            feeds: BTreeMap::new(),
            openings: Vec::new(),
            leaving: None,
            workers,
            frozen_until: 0,
            flaw: birth.flaw,
        })
    }

    pub(crate) fn member(&self) -> u64 {
        self.member
    }

    pub(crate) fn is_over(&self) -> bool {
        self.workers.iter().any(|worker| worker.is_over)
    }

    /// One step of the polling thread.
    pub(crate) fn poll(&mut self, numbers: &mut Numbers, group: &mut Group, around: &mut Around<'_>) {
        if self.leaving.is_some() {
            return self.wait_released(group, around);
        }
        if let Some(callback) = group.poll(self.member) {
            around.tell(|| format!("{} is told {callback:?}", self.name));
            return self.follow(callback, numbers, group, around);
        }
        if let Some(reading) = around.shell.readings.pop_front() {
            return self.read(&reading);
        }
        let partitions: Vec<i32> = self.feeds.keys().copied().collect();
        if let Some(partition) = around.rng.pick(&partitions) {
            self.fetch(partition, around);
        }
    }

    fn follow(&mut self, callback: Callback, numbers: &mut Numbers, group: &mut Group, around: &mut Around<'_>) {
        match callback {
            Callback::Revoke { membership, partitions } => {
                // Before anything is released: until this is answered, workers commit with the generation that revokes the
                // partitions.
                around.shell.membership = Some(membership);
                let assignments = self.hand_over(&partitions, Handover::Leave, around.shell);
                self.leaving = Some(Leaving { assignments, since: around.broker.now });
            }
            Callback::Assign { membership, partitions } => {
                around.shell.membership = Some(membership);
                for partition in partitions {
                    let (assignment, worker) = (numbers.next(), around.rng.below(self.workers.len()));
                    around.shell.flows.insert(assignment, Standing::Opening);
                    self.assigned.insert(partition, (assignment, worker));
                    self.openings.push(Opening { partition, assignment, answer: None });
                }
            }
            Callback::ThrownOut => {
                around.shell.membership = None;
                let all: Vec<i32> = self.assigned.keys().copied().collect();
                self.hand_over(&all, Handover::Lose, around.shell);
                self.member = group.join(around.broker);
            }
        }
    }

    fn hand_over(&mut self, partitions: &[i32], handover: Handover, shell: &mut Shell) -> Vec<u64> {
        let mut assignments = Vec::new();
        for partition in partitions {
            self.feeds.remove(partition);
            self.openings.retain(|opening| opening.partition != *partition);
            let Some((assignment, _)) = self.assigned.remove(partition) else { continue };
            if let Some(standing) = shell.flows.get_mut(&assignment) {
                *standing = standing.after(handover).unwrap_or(*standing);
                assignments.push(assignment);
            }
        }
        assignments
    }

    /// Partitions that workers have not released in time are lost.
    fn wait_released(&mut self, group: &mut Group, around: &mut Around<'_>) {
        let Some(leaving) = &self.leaving else { return };
        let standings = |shell: &Shell| -> Vec<Standing> {
            leaving.assignments.iter().filter_map(|assignment| shell.flows.get(assignment)).copied().collect()
        };
        let is_late = around.broker.now - leaving.since > RELEASE_STEPS_MAX;
        if !is_late && standings(around.shell).iter().any(|standing| *standing != Standing::Released) {
            return;
        }
        for assignment in &leaving.assignments {
            if let Some(standing) = around.shell.flows.get_mut(assignment)
                && let Some(lost) = standing.after(Handover::Expire)
            {
                *standing = lost;
                around.broker.meet("a partition that was not released in time");
            }
        }
        self.leaving = None;
        group.answer(self.member);
        around.tell(|| format!("{} answers the rebalance", self.name));
    }

    fn read(&mut self, reading: &Reading) {
        let Reading { partition, epoch, from, is_first } = *reading;
        if self.assigned.get(&partition).is_none_or(|(assignment, _)| *assignment != epoch.assignment) {
            return;
        }
        if is_first || self.feeds.contains_key(&partition) {
            self.feeds.insert(partition, Feed { epoch, next: from });
        }
    }

    fn fetch(&mut self, partition: i32, around: &mut Around<'_>) {
        let Some(feed) = self.feeds.get_mut(&partition) else { return };
        let Some((_, worker)) = self.assigned.get(&partition) else { return };
        let Some(of) = around.broker.partitions.get(partition as usize) else { return };
        if around.shell.stopped.contains(&partition) {
            return;
        }
        let is_free = |worker: &&mut Worker| worker.inbox.len() < INBOX_MAX;
        let Some(worker) = self.workers.get_mut(*worker).filter(is_free) else { return };
        let records_max = if feed.next < WARM { 700 } else { 1 + around.rng.below(25) };
        let (from, epoch, mut records, mut obstacle) = (feed.next, feed.epoch, Vec::new(), None);
        for offset in from..of.stable_end {
            match of.log.get(offset as usize) {
                Some(slot @ Slot::Record { .. }) if records.len() < records_max => records.push((offset, *slot)),
                Some(Slot::Unreadable) => {
                    obstacle = Some(offset);
                    break;
                }
                Some(Slot::Record { .. }) | None => break,
                Some(Slot::Gap) => {}
            }
        }
        worker.inbox.push_back(match (records.last(), obstacle) {
            (Some((last, _)), _) => {
                let (next, count) = (last + 1, records.len());
                feed.next = next;
                Work::Batch(Delivered { batch: Batch { partition, epoch, from, next, records: count }, records })
            }
            (None, Some(at)) => Work::Obstacle(Obstacle { partition, epoch, position: from, next: at + 1 }),
            (None, None) => Work::Reached { partition, epoch },
        });
    }

    /// One step of opening the partitions that were assigned.
    pub(crate) fn open(&mut self, around: &mut Around<'_>) {
        let at = around.rng.below(self.openings.len());
        let Some(opening) = self.openings.get_mut(at) else { return };
        let Some(has) = opening.answer.clone() else {
            let committed = match around.broker.committed(opening.partition) {
                Answer::At(offset) => Some(offset),
                Answer::Nothing => None,
                Answer::Pending if self.flaw == Some(Flaw::PendingIsNone) => None,
                // The host waits for as long as that takes.
                Answer::Pending => return,
            };
            let of = around.broker.partitions.get(opening.partition as usize);
            let text = of.and_then(|of| Some(of.committed.as_ref()?.1.clone())).unwrap_or_default();
            opening.answer = Some(GroupHas { committed, text });
            return;
        };
        let (partition, assignment) = (opening.partition, opening.assignment);
        if !around.shell.locked.insert(partition) {
            return;
        }
        self.openings.remove(at);
        match self.opened(partition, &has, around) {
            Ok((line, start)) => {
                around.tell(|| format!("{} opens partition {partition}: {start:?}", self.name));
                let work = Work::Opened { assignment, partition, line: Box::new(line), start, group: has.committed };
                let worker = self.assigned.get(&partition).and_then(|(_, worker)| self.workers.get_mut(*worker));
                match worker {
                    Some(worker) => worker.inbox.push_back(work),
                    None => drop(around.shell.locked.remove(&partition)),
                }
            }
            Err(words) => around.broker.violate(format!("{} cannot open partition {partition}: {words}", self.name)),
        }
    }

    fn opened(&self, partition: i32, has: &GroupHas, around: &mut Around<'_>) -> Result<(Line, Start), String> {
        let GroupHas { committed, text } = has;
        let committed = *committed;
        let disk = around.shell.disks.entry(partition).or_default().clone();
        let applied = disk.applied.as_ref().map(|applied| applied.next);
        let of = around.broker.partitions.get(partition as usize).ok_or("no such partition")?;
        let started = Self::start_at(partition, committed, applied, of, self.flaw)?;
        let record = match committed {
            Some(committed) => Progress::read(text, committed).map_err(|error| error.to_string())?,
            None => None,
        };
        let record = record.unwrap_or_else(|| Progress::starting_at(started.read_from));
        let missing = record.missing(started.read_from);
        let letters: Ranges = of.reading.dead.range(..committed.unwrap_or(0)).copied().collect();
        if missing.dropped.iter().any(|dropped| dropped.compare(&letters) != Proof::Exact) {
            return Err(format!("{missing:?} is not proven"));
        }
        let recovered = if missing.is_nothing() { Ranges::default() } else { letters };
        if !missing.is_nothing() {
            around.broker.meet("exceptions read back");
        }
        let known_from = missing.unknown_below.unwrap_or(started.read_from);
        let (capacity, flaw) = (around.shell.capacity, self.flaw);
        let begin = Begin { partition, disk: &disk, record, recovered, known_from, capacity, flaw };
        Ok((Line::open(begin), started))
    }

    fn start_at(
        partition: i32,
        committed: Option<Offset>,
        applied: Option<Offset>,
        of: &Partition,
        flaw: Option<Flaw>,
    ) -> Result<Start, String> {
        let (log_start, log_end, stable_end) = (of.start, of.end(), of.stable_end);
        let assigned = Assigned { partition, committed, log_start, log_end, stable_end };
        let memory = WINDOW.length.map(|length| length + WINDOW.allowed_lateness + WINDOW.clock.out_of_orderness_max);
        let rules = StartRules { latest_from: None, on_log_gap: OnLogGap::Stop, memory };
        let time = |slot: &Slot| match slot {
            Slot::Record { time, .. } => Some(*time),
            Slot::Gap | Slot::Unreadable => None,
        };
        let first = of.log.iter().skip(log_start as usize).find_map(time);
        let last = of.log.iter().take(committed.unwrap_or(0) as usize).rev().find_map(time);
        let times = || Ok::<_, StartError>(LogTimes { first, committed: last });
        match (flaw, committed, applied) {
            (Some(Flaw::EmptyStateIsLevel), Some(committed), None) => return Ok(Start::live(committed)),
            (Some(Flaw::StateAheadTrusted), Some(committed), Some(applied)) if applied > committed => {
                return Ok(Start::live(applied));
            }
            _ => {}
        }
        start(&assigned, applied, &rules, times).map_err(|error| error.to_string())
    }
}
