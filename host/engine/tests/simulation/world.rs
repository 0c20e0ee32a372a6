//! A run from a seed: hosts, a group and a broker, and all that may happen to them; then a calm, during which everything
//! that was ever written has to be committed.

use std::collections::BTreeMap;

use cases::Rng;
use engine::record::Offset;

use crate::WARM;
use crate::broker::{Broker, Partition};
use crate::flaws::Flaw;
use crate::group::Group;
use crate::host::{Birth, Host, Numbers, Shell};
use crate::line::Slot;
use crate::worker::Around;

const CHAOS_STEPS: u64 = 2_200;
/// During the calm, all remaining work is done within this many steps.
const CALM_STEPS_MAX: u64 = 60_000;

/// What a world is about. Some troubles exclude each other: if the group's offset goes back below a state with a clock, late
/// events are decided anew, which no plain reading predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// The broker may lose commits, and the log its start.
    #[default]
    Forgetful,
    /// The clock runs, and events are late.
    Clocked,
    /// The state has room for few keys.
    Crowded,
    /// The output refuses records.
    Refusing,
}

struct Seat {
    name: &'static str,
    ids: Vec<u32>,
    shell: Shell,
    host: Option<Host>,
    /// When a host that died restarts, and when the group notices that it is gone.
    back_at: u64,
    missed: Option<(u64, u64)>,
    is_retired: bool,
}

pub(crate) struct World {
    rng: Rng,
    broker: Broker,
    group: Group,
    numbers: Numbers,
    seats: Vec<Seat>,
    flaw: Option<Flaw>,
    story: Option<Vec<String>>,
}

/// The result of a run.
pub(crate) struct Run {
    pub(crate) violation: Option<String>,
    pub(crate) story: Vec<String>,
    pub(crate) met: BTreeMap<&'static str, u64>,
    pub(crate) records: u64,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, flaw: Option<Flaw>, with_story: bool) -> Run {
    let mut world = World::new(seed, flaw, with_story);
    world.go();
    let records = world.broker.partitions.iter().map(|partition| partition.reading.outcomes.len() as u64).sum();
    let World { broker, story, .. } = world;
    Run { violation: broker.violation, story: story.unwrap_or_default(), met: broker.met, records }
}

const NAMES: [&str; 3] = ["a", "b", "c"];

impl World {
    fn new(seed: u64, flaw: Option<Flaw>, with_story: bool) -> Self {
        let mut rng = Rng::new(seed);
        let kind = [Kind::Forgetful, Kind::Forgetful, Kind::Refusing, Kind::Crowded, Kind::Clocked][rng.below(5)];
        let text_chars_max = if rng.chance(500) { 3_840 } else { 260 };
        let mut broker = Broker::new(kind, if rng.chance(700) { 3_840 } else { 150 });
        for _ in 0..2 + rng.below(3) {
            let mut partition = Partition::default();
            append(&mut partition, &mut rng, kind, 20);
            broker.partitions.push(partition);
        }
        let are_twins = rng.chance(50);
        let seat = |(at, name): (usize, &&'static str), rng: &mut Rng| {
            let first = if are_twins { 0 } else { at as u32 * 10 };
            let capacity = if kind == Kind::Crowded { 12 } else { usize::MAX };
            let shell = Shell { plugins: 1, text_chars_max, capacity, ..Shell::default() };
            let ids = (0..1 + rng.below(2) as u32).map(|worker| first + worker).collect();
            Seat { name, ids, shell, host: None, back_at: rng.below(100) as u64, missed: None, is_retired: false }
        };
        let count = 1 + rng.below(3);
        let seats = NAMES.iter().enumerate().take(count).map(|named| seat(named, &mut rng)).collect();
        let story = with_story.then(Vec::new);
        Self { rng, broker, group: Group::default(), numbers: Numbers(0), seats, flaw, story }
    }

    fn go(&mut self) {
        while self.broker.now < CHAOS_STEPS && self.broker.violation.is_none() {
            self.trouble();
            self.step();
        }
        self.calm();
        let until = self.broker.now + CALM_STEPS_MAX;
        while self.broker.violation.is_none() && !self.broker.is_settled() {
            self.step();
            if self.broker.now > until {
                let left: Vec<_> = self.broker.partitions.iter().map(|p| (p.reading.next, p.end())).collect();
                self.broker.violate(format!("not all is committed in the end: {left:?}"));
            }
        }
    }

    fn say(&mut self, words: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{:>5} ** {}", self.broker.now, words()));
        }
    }

    fn step(&mut self) {
        self.broker.tick(&mut self.rng);
        self.group.tick(&mut self.broker, &mut self.rng);
        for partition in &mut self.broker.partitions {
            if self.rng.chance(300) {
                partition.stable_end = partition.end();
            }
        }
        let at = self.rng.below(self.seats.len());
        self.revive(at);
        let Some(seat) = self.seats.get_mut(at) else { return };
        let Some(host) = seat.host.as_mut().filter(|host| host.frozen_until <= self.broker.now) else { return };
        let story = &mut self.story;
        let mut around = Around { shell: &mut seat.shell, broker: &mut self.broker, rng: &mut self.rng, story };
        match around.rng.below(20) {
            0..7 => host.poll(&mut self.numbers, &mut self.group, &mut around),
            7..9 => host.open(&mut around),
            _ => {
                let worker = around.rng.below(host.workers.len());
                if let Some(worker) = host.workers.get_mut(worker) {
                    worker.step(&mut around);
                }
            }
        }
        if seat.host.as_ref().is_some_and(Host::is_over) {
            self.die(at);
        }
    }

    fn die(&mut self, at: usize) {
        let (soon, missed) = (self.rng.below(120) as u64, self.rng.below(80) as u64);
        let Some(seat) = self.seats.get_mut(at) else { return };
        let Some(host) = seat.host.take() else { return };
        seat.missed = Some((host.member(), self.broker.now + missed));
        seat.back_at = self.broker.now + soon;
        let Shell { disks, plugins, text_chars_max, capacity, is_broken, .. } = std::mem::take(&mut seat.shell);
        seat.shell = Shell { disks, plugins, text_chars_max, capacity, is_broken, ..Shell::default() };
    }

    /// The group notices a dead host, and the host restarts.
    fn revive(&mut self, at: usize) {
        let now = self.broker.now;
        let Some(seat) = self.seats.get_mut(at) else { return };
        if let Some((member, _)) = seat.missed.filter(|(_, at)| *at <= now) {
            seat.missed = None;
            self.group.throw_out(&mut self.broker, member);
        }
        if seat.host.is_none() && seat.back_at <= now && !seat.is_retired {
            let birth = Birth { name: seat.name, ids: &seat.ids, flaw: self.flaw };
            seat.host = Host::start(&birth, &seat.shell, &mut self.group, &mut self.broker, &mut self.rng);
            if seat.host.is_some() {
                let name = seat.name;
                self.say(|| format!("{name} starts"));
            }
        }
    }

    /// One of the things that happen, now and then.
    fn trouble(&mut self) {
        let at = self.rng.below(self.seats.len());
        let now = self.broker.now;
        match self.rng.below(1_000) {
            0..50 => self.write_some(),
            50..53 => self.freeze(at),
            53..56 => self.crash(at),
            56..58 => {
                let member = self.seats.get(at).and_then(|seat| seat.host.as_ref()).map(Host::member);
                if let Some(member) = member {
                    self.say(|| format!("member {member} is thrown out"));
                    self.group.throw_out(&mut self.broker, member);
                }
            }
            58..62 => self.group.rebalance(),
            62..68 if self.broker.kind == Kind::Forgetful && now + 400 < CHAOS_STEPS => {
                self.say(|| "the broker may lose a commit".to_owned());
                self.broker.lose_a_commit(&mut self.rng);
            }
            68..72 => self.swap(at),
            72..74 => {
                if let Some(seat) = self.seats.get_mut(at) {
                    seat.shell.is_broken = true;
                }
            }
            74..84 if self.broker.kind != Kind::Clocked => self.move_start(),
            84..85 if self.broker.partitions.len() < 5 => {
                let mut partition = Partition::default();
                append(&mut partition, &mut self.rng, self.broker.kind, 5);
                self.broker.partitions.push(partition);
                self.group.rebalance();
                self.broker.meet("a partition added");
            }
            85..91 if self.broker.kind == Kind::Refusing => self.broker.limit_is_low = self.rng.chance(500),
            91..95 => self.stall(at),
            _ => {}
        }
    }

    fn write_some(&mut self) {
        let (partition, count) = (self.rng.below(self.broker.partitions.len()), 1 + self.rng.below(10));
        let kind = self.broker.kind;
        if let Some(partition) = self.broker.partitions.get_mut(partition) {
            append(partition, &mut self.rng, kind, count);
        }
    }

    /// The whole host freezes: if that takes long enough, it wakes up as a zombie.
    fn freeze(&mut self, at: usize) {
        let until = self.broker.now + 50 + self.rng.below(350) as u64;
        if let Some(host) = self.seats.get_mut(at).and_then(|seat| seat.host.as_mut()) {
            host.frozen_until = until;
            let name = host.name;
            self.say(|| format!("{name} freezes until {until}"));
        }
    }

    /// A worker freezes, and its host goes on without it.
    fn stall(&mut self, at: usize) {
        let until = self.broker.now + 30 + self.rng.below(150) as u64;
        let workers = self.seats.get_mut(at).and_then(|seat| seat.host.as_mut()).map(|host| &mut host.workers);
        if let Some(worker) = workers.and_then(|workers| workers.first_mut()) {
            worker.stalled_until = until;
        }
    }

    fn crash(&mut self, at: usize) {
        let Some(seat) = self.seats.get_mut(at).filter(|seat| seat.host.is_some()) else { return };
        // The log must still have what a lost state would need.
        let is_whole = self.broker.partitions.iter().all(|partition| partition.start == 0);
        let is_lost = self.rng.chance(200) && is_whole;
        if is_lost {
            seat.shell.disks.clear();
        }
        let name = seat.name;
        self.say(|| format!("{name} is killed, its disk lost: {is_lost}"));
        self.die(at);
    }

    /// Swaps in other plugins, which are not broken.
    fn swap(&mut self, at: usize) {
        if let Some(seat) = self.seats.get_mut(at) {
            seat.shell.plugins += 1;
            seat.shell.is_broken = false;
        }
    }

    /// Retention deletes only what every state contains. A window begins with a first event, which depends on the events
    /// before it: a state that is rebuilt from a part of the log may place the beginnings differently.
    fn move_start(&mut self) {
        let at = self.rng.below(self.broker.partitions.len());
        let applied = |seat: &Seat| seat.shell.disks.get(&(at as i32))?.applied.as_ref().map(|applied| applied.next);
        let Some(contained) = self.seats.iter().map(applied).min().flatten() else { return };
        let Some(partition) = self.broker.partitions.get_mut(at) else { return };
        let Some((committed, _)) = partition.committed else { return };
        let start = contained.min(committed);
        if start > partition.start && self.rng.chance(500) {
            (partition.start, partition.reading.log_start) = (start, start);
            self.broker.meet("a log whose start moved");
        }
    }

    /// Nothing goes wrong from now on, and a few more records arrive.
    fn calm(&mut self) {
        self.say(|| "calm".to_owned());
        self.broker.is_calm = true;
        let are_twins = self.seats.len() > 1 && self.seats.iter().all(|seat| seat.ids.first() == Some(&0));
        for at in (0..self.seats.len()).rev() {
            if are_twins && at > 0 {
                self.die(at);
            }
            let Some(seat) = self.seats.get_mut(at) else { continue };
            seat.is_retired = are_twins && at > 0;
            seat.shell.is_broken = false;
            seat.shell.plugins += 1;
            if let Some(host) = &mut seat.host {
                host.frozen_until = 0;
                host.workers.iter_mut().for_each(|worker| worker.stalled_until = 0);
            }
        }
        let kind = self.broker.kind;
        for partition in &mut self.broker.partitions {
            append(partition, &mut self.rng, kind, 3);
        }
    }
}

const STEP_MS: i64 = 300;

/// Appends records, with gaps and markers between them.
fn append(partition: &mut Partition, rng: &mut Rng, kind: Kind, count: usize) {
    let is_clocked = kind == Kind::Clocked;
    while is_clocked && partition.end() < WARM {
        let time = 1_000_000 + (partition.end() - WARM / 2).max(0) * STEP_MS;
        partition.log.push(Slot::Record { key: u8::MAX, time, poison: false, large: false });
    }
    for _ in 0..count {
        let at: Offset = partition.end() - if is_clocked { WARM / 2 } else { 0 };
        let jitter = rng.below(if is_clocked { 9_000 } else { 3_000 }) as i64;
        let time = 1_000_000 + at * STEP_MS - jitter;
        partition.log.push(match rng.below(100) {
            0..8 => Slot::Gap,
            8..9 => Slot::Unreadable,
            _ => {
                let large = kind == Kind::Refusing && rng.chance(150);
                Slot::Record { key: rng.below(12) as u8, time, poison: rng.chance(150), large }
            }
        });
    }
}
