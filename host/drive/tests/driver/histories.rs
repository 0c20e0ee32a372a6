//! Histories made up from seeds: hosts that come, go, freeze and die, partitions that move, calls that fail in every way,
//! plugins that change, states that are lost; then calm. Threads run as they like, so that a seed is a history of the same
//! kind, not the same one.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use cases::Rng;
use connectors::Lane;
use connectors::memory::{Call, Trouble};
use drive::Change;
use engine::protocol::{Stage, Transaction};

use crate::host::{Habits, Host, Said, dir_of};
use crate::scene::{POISON, Scene, builds};

const SEEDS: u64 = 12;

/// Seeds at a time: most of their time is spent waiting.
const AT_A_TIME: u64 = 4;

const STEPS: usize = 40;

/// Events with this in them are refused by the output.
const REFUSED: &str = "not to be taken";

/// Often enough that most histories have some, seldom enough that something is committed; of a thousand calls.
fn trouble(rng: &mut Rng, fencings_left: &mut u32, call: Call) -> Option<Trouble> {
    let unknown = |rng: &mut Rng| Trouble::Unknown { is_committed: rng.chance(500), pending: rng.below(3) as u32 };
    match call {
        Call::Commit if *fencings_left > 0 && rng.chance(60) => {
            *fencings_left -= 1;
            Some(Trouble::Fenced)
        }
        Call::Commit if rng.chance(250) => Some(unknown(rng)),
        Call::Commit | Call::Flush | Call::Connect | Call::Committed | Call::Bounds => {
            rng.chance(60).then_some(Trouble::Fails)
        }
        // Letters that cannot be read back end the run.
        Call::Read => None,
        Call::Begin | Call::Seek => rng.chance(200).then_some(Trouble::Fails),
        Call::Send => rng.chance(3).then_some(Trouble::Fails),
    }
}

/// What a run of the tests has to meet, by words for it.
fn trouble_met(said: &Said) -> Option<&'static str> {
    match said {
        Said::Ended(Transaction::UnknownCommitted) => Some("a commit that was not acknowledged"),
        Said::Ended(Transaction::UnknownAborted) => Some("a commit that came to nothing"),
        Said::Ended(Transaction::Aborted) => Some("a transaction given up"),
        Said::Rebalanced(Change::Lost, _) => Some("partitions lost"),
        Said::Rebalanced(Change::Revoked, _) => Some("partitions revoked"),
        Said::Stage(_, Stage::Replaying(_)) => Some("a replay"),
        Said::Held(_) => Some("a partition held"),
        Said::Fenced => Some("a sink fenced"),
        Said::Stage(..)
        | Said::Ended(_)
        | Said::Rebalanced(..)
        | Said::Released(_)
        | Said::WentBack(..)
        | Said::RolledBack(_)
        | Said::Shortened(_)
        | Said::Unreadable(_)
        | Said::DecidesWith(..) => None,
    }
}

const TROUBLES: usize = 8;

/// How often, by words.
type Met = Mutex<BTreeMap<&'static str, u64>>;

const NAMES: [&str; 2] = ["a", "b"];

struct History<'a> {
    met: &'a Met,
    rng: Rng,
    scene: Scene,
    hosts: [Option<Host>; 2],
    is_refusing: bool,
    is_brittle: bool,
    story: Vec<String>,
}

impl<'a> History<'a> {
    fn new(seed: u64, met: &'a Met) -> Self {
        let mut rng = Rng::new(seed);
        let scene = Scene::new(2 + rng.below(2));
        let is_refusing = rng.chance(500);
        if is_refusing {
            let is_refused = |payload: Option<&[u8]>| {
                payload.is_some_and(|payload| String::from_utf8_lossy(payload).contains(REFUSED))
            };
            scene.system.refuse_where(move |lane, record| lane == Lane::Output && is_refused(record.payload));
        }
        let (mut of_calls, mut fencings_left) = (Rng::new(seed ^ 0xabcd), 2);
        scene.system.trouble_with(move |_, call| trouble(&mut of_calls, &mut fencings_left, call));
        Self { met, rng, scene, hosts: [None, None], is_refusing, is_brittle: false, story: Vec::new() }
    }

    fn say(&mut self, words: String) {
        self.story.push(words);
    }

    fn start(&mut self, at: usize) {
        let builds = builds();
        let plugins = if self.is_brittle { builds.brittle.clone() } else { builds.honest.clone() };
        let habits = Habits { workers: 1 + self.rng.below(2), plugins, ..Habits::default() };
        self.say(format!("{} starts", NAMES[at]));
        self.hosts[at] = Some(Host::start_with(&self.scene, NAMES[at], habits));
    }

    /// A host whose time has come, and what it has met.
    fn take(&mut self, at: usize) -> Option<Host> {
        let host = self.hosts[at].take()?;
        let mut met = self.met.lock().expect("a lock");
        host.diary.said().iter().filter_map(trouble_met).for_each(|what| *met.entry(what).or_default() += 1);
        Some(host)
    }

    fn append(&mut self, count: usize) {
        let partition = self.rng.below(self.scene.partitions() as usize) as i32;
        for _ in 0..count {
            let key = self.rng.below(40);
            match self.rng.below(20) {
                0 => drop(self.scene.append_no_event(partition)),
                1 => self.scene.append_gap(partition),
                2 | 3 => self.scene.append(partition, [format!("{POISON}{key}").as_str()]),
                4 if self.is_refusing => drop(self.scene.append_filled(partition, &format!("good{key}"), REFUSED)),
                _ => self.scene.append(partition, [format!("good{key}").as_str()]),
            }
        }
    }

    fn step(&mut self) {
        let at = self.rng.below(2);
        let name = NAMES[at];
        if self.hosts[at].is_none() {
            return self.start(at);
        }
        match self.rng.below(20) {
            0 => {
                self.say(format!("{name} stops"));
                // What cannot be committed at its end is read again.
                let _whatever = self.take(at).map(Host::stop);
                self.scene.system.throw_out(name);
            }
            1 => self.crash(at),
            2 => {
                self.say(format!("{name} freezes"));
                self.scene.system.cut_off(name, true);
                std::thread::sleep(Duration::from_millis(30));
                if self.rng.chance(600) {
                    self.say(format!("{name} is thrown out"));
                    self.scene.system.throw_out(name);
                    std::thread::sleep(Duration::from_millis(30));
                }
                self.scene.system.cut_off(name, false);
            }
            3 => self.scene.system.throw_out(name),
            4 => {
                let partition = self.rng.below(self.scene.partitions() as usize) as i32;
                self.say(format!("partition {partition} goes to {name}"));
                self.scene.system.wish(partition, name);
            }
            5 | 6 => {
                self.is_brittle = !self.is_brittle;
                self.publish();
            }
            _ => {
                let count = 1 + self.rng.below(20);
                self.append(count);
            }
        }
        match self.rng.chance(400) {
            true => std::thread::sleep(Duration::from_millis(self.rng.below(10) as u64)),
            false => self.scene.give_time(Duration::from_millis(150)),
        }
    }

    fn crash(&mut self, at: usize) {
        let is_lost = self.rng.chance(300);
        self.say(format!("{} dies, its disk lost: {is_lost}", NAMES[at]));
        if let Some(host) = self.take(at) {
            host.crash();
        }
        if is_lost {
            let _was_there = std::fs::remove_dir_all(dir_of(&self.scene, NAMES[at]));
        }
    }

    fn publish(&mut self) {
        self.say(format!("the brittle plugin: {}", self.is_brittle));
        let builds = builds();
        for host in self.hosts.iter().flatten() {
            host.plugins.publish(if self.is_brittle { builds.brittle.clone() } else { builds.honest.clone() });
        }
    }

    /// Nothing goes wrong any more, and all that was ever written has to be committed.
    fn calm(&mut self) {
        self.say("calm".to_owned());
        self.scene.system.no_trouble();
        self.is_brittle = false;
        self.publish();
        for (at, name) in NAMES.into_iter().enumerate() {
            let is_over = self.hosts[at].as_ref().is_some_and(|host| !host.is_running());
            if is_over && let Some(host) = self.take(at) {
                let ended = host.end();
                panic!("{name} has ended by itself: {ended:?}");
            }
            if self.hosts[at].is_none() {
                self.start(at);
            }
        }
        (0..self.scene.partitions()).for_each(|partition| self.scene.append(partition, ["good1", "last"]));
        self.scene.until_all_done();
        (0..2).for_each(|at| self.take(at).into_iter().for_each(Host::stop_well));
        self.scene.check();
    }

    fn go(&mut self) {
        (0..STEPS).for_each(|_| self.step());
        self.calm();
    }
}

/// Runs a seed. What it did is told where it fails.
fn run(seed: u64, met: &Met) {
    let mut history = History::new(seed, met);
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| history.go()));
    if let Err(panic) = done {
        println!("seed {seed}:\n{}", history.story.join("\n"));
        std::panic::resume_unwind(panic);
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn whatever_happens_what_is_committed_is_what_a_plain_reading_says() {
    let (from, seeds) = (number("DRIVE_FROM", 0), number("DRIVE_SEEDS", SEEDS));
    let met = Met::default();
    std::thread::scope(|scope| {
        for lane in 0..AT_A_TIME {
            let met = &met;
            scope
                .spawn(move || (from + lane..from + seeds).step_by(AT_A_TIME as usize).for_each(|seed| run(seed, met)));
        }
    });
    let met = met.into_inner().expect("a lock");
    met.iter().for_each(|(what, times)| println!("{times:>6} {what}"));
    // A history in which nothing happens shows nothing.
    assert!(seeds < SEEDS || met.len() == TROUBLES, "not all is met: {met:?}");
}
