//! Everything at once, round after round: hosts that are killed, stopped, sent away and lose their disks, others that come and
//! go, a broker that hangs, is killed or ended, a bucket that is away, slow or lies, a disk that is full. All of it is drawn
//! from a seed; records come in all the while, half of them repetitions of earlier rounds. `dedup-host verify` gives the
//! verdict, and at last one host with an empty disk has to know every key from the bucket alone.
//!
//! `CHAOS_SEED` repeats the draws, not the moments: how far the hosts are when something happens is up to the machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use cases::Rng;
use dedup_host_tests::broker::Broker;
use dedup_host_tests::program::{Ended, run};
use dedup_host_tests::scene::{LANES, Scene};

use crate::member::{Common, Member};
use crate::own_broker::OwnBroker;
use crate::plan::{Loss, MEMBERS, Outage, Round, Strike, Terms};
use crate::way::{Way, Weather};
use crate::{number, seed};

/// Rounds of `make test`; `CHAOS_ROUNDS` says another number.
const ROUNDS: u64 = 6;

/// After so many, topics, group and hosts are new: with the next seed.
const ROUNDS_OF_A_SCENE: u64 = 25;

/// Events of a piece; a round has two, of which one repeats one of an earlier round.
const PIECE: u64 = 8_000;

/// How long hosts wait for the bucket: so little that they often go on without, and at last as long as it takes.
const IMPATIENT_SECONDS: u32 = 4;
const PATIENT_SECONDS: u32 = 120;

/// Faults are over, and all that came in has to be decided.
const DRAIN_MAX: Duration = Duration::from_secs(150);
const STOP_MAX: Duration = Duration::from_secs(60);

/// What hosts may end with while the broker is out of order: it is missing, and an output cannot be written.
const BROKEN_OFF: [i32; 2] = [4, 6];
const STATE: i32 = 5;

/// A host that starts while the bucket lies may take it for one that cannot be used.
const USAGE: i32 = 2;
const LIED: &str = "rounds with the bucket Lying";

/// Words of the log that are counted: what they say, and what they must stand beside in their line.
const TOLD: &[(&str, &str, &str)] = &[
    ("checkpoints published in the bucket", "checkpoint published", "s3://"),
    ("checkpoints published on a disk", "checkpoint published", "/checkpoints"),
    ("publications that failed", "checkpoint failed", ""),
    ("states restored from the bucket", "state restored", "s3://"),
    ("states restored from a disk", "state restored", "/checkpoints"),
    ("checkpoints passed over", "checkpoint passed over", ""),
    ("states rebuilt from the log", "the state is rebuilt from the log", ""),
];

/// What has happened in all rounds.
#[derive(Default)]
pub(crate) struct Counts(BTreeMap<String, u64>);

impl Counts {
    fn add(&mut self, what: impl Into<String>, times: u64) {
        *self.0.entry(what.into()).or_default() += times;
    }

    fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    fn log(&mut self, text: &str) {
        for (name, words, beside) in TOLD {
            let is_told = |line: &&str| line.contains(words) && line.contains(beside);
            self.add(*name, text.lines().filter(is_told).count() as u64);
        }
    }

    fn text(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (what, times)| {
            let _written = write!(text, "\n  {times:>7} {what}");
            text
        })
    }
}

pub(crate) fn everything_at_once() {
    let (rounds, seed) = (number("CHAOS_ROUNDS", ROUNDS), seed("everything-at-once"));
    let mut broker = OwnBroker::start();
    let mut counts = Counts::default();
    for first in (0..rounds).step_by(usize::try_from(ROUNDS_OF_A_SCENE).expect("few")) {
        let (seed, rounds) = (seed + first / ROUNDS_OF_A_SCENE, ROUNDS_OF_A_SCENE.min(rounds - first));
        println!("everything-at-once: CHAOS_SEED={seed} CHAOS_ROUNDS={rounds}");
        Storm::new(&broker, seed).rage(&mut broker, rounds, &mut counts);
    }
    println!("  in {rounds} rounds:{}", counts.text());
    if rounds >= 2 * ROUNDS_OF_A_SCENE {
        check_all_happened(&counts);
    }
}

/// A storm that brings no rain shows nothing.
fn check_all_happened(counts: &Counts) {
    let told = TOLD.iter().map(|(name, ..)| *name);
    let done = ["kills", "stops", "leaves", "visits", "wiped disks", "broker hangs", "broker killed", "broker ended"];
    let missing: Vec<&str> = told.chain(done).filter(|what| counts.of(what) == 0).collect();
    assert!(missing.is_empty(), "these never happened: {missing:?}");
}

/// One topic with its hosts.
struct Storm {
    rng: Rng,
    way: Way,
    common: Common,
    window: &'static str,
    members: Vec<Member>,
    /// The pieces that came in, by their seeds.
    pieces: Vec<u64>,
    /// What may be wrong now, so that a host may end by itself: the broker, a disk.
    is_broker_out: bool,
    is_disk_full: bool,
    visitors: u32,
    counts: Counts,
    log: String,
    scene: Scene,
}

impl Storm {
    fn new(broker: &OwnBroker, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let terms = Terms::draw(&mut rng);
        println!("  {terms:?}");
        let scene = Scene::at(Broker::connect_to(&broker.hosts, "storm"), terms.partitions, &[]);
        let way = Way::to(&std::env::var("TEST_S3_ENDPOINT").expect("a store"), rng.clone());
        let common = Common {
            port: way.port,
            prefix: format!("chaos/{}-{seed}", scene.group),
            directory: terms.shares_directory.then(|| scene.path("checkpoints")),
            settings: settings(terms.window, IMPATIENT_SECONDS),
        };
        let [first, second, last] = MEMBERS;
        let mut members = vec![Member::new(&scene, first), Member::new(&scene, second)];
        members.push(Member::on_small_disk(&scene, last));
        if members.iter().all(|member| member.disk.is_none()) {
            println!("  NOT RUN: full disks, as mounting small disks is not permitted here");
        }
        members.iter_mut().for_each(|member| member.start(&scene, &common));
        let (pieces, counts, log) = (Vec::new(), Counts::default(), String::new());
        let (is_broker_out, is_disk_full, visitors) = (false, false, 0);
        Self {
            rng,
            way,
            common,
            window: terms.window,
            members,
            pieces,
            is_broker_out,
            is_disk_full,
            visitors,
            counts,
            log,
            scene,
        }
    }

    fn rage(mut self, broker: &mut OwnBroker, rounds: u64, counts: &mut Counts) {
        for number in 1..=rounds {
            let round = Round::draw(&mut self.rng);
            println!("  round {number}: {round}");
            let start = Instant::now();
            self.round(broker, &round);
            println!("    {:.1} s", start.elapsed().as_secs_f64());
        }
        self.verify();
        self.come_back_from_the_bucket();
        self.verify();
        for (fate, times) in self.way.met() {
            self.counts.add(format!("requests to the bucket: {fate:?}"), times);
        }
        for (what, times) in std::mem::take(&mut self.counts.0) {
            counts.add(what, times);
        }
    }

    fn round(&mut self, broker: &mut OwnBroker, round: &Round) {
        self.way.set(round.weather);
        self.counts.add(format!("rounds with the bucket {:?}", round.weather), 1);
        self.is_broker_out = round.outage.is_some();
        let pieces = self.next_pieces();
        let (hosts, input, partitions) =
            (self.scene.broker.hosts.clone(), self.scene.input.clone(), self.scene.partitions);
        thread::scope(|scope| {
            let feeding = scope.spawn(move || pieces.iter().for_each(|seed| feed(&hosts, &input, partitions, *seed)));
            let breaking = scope.spawn(|| round.outage.into_iter().for_each(|outage| suffer(broker, outage)));
            self.strike(round);
            breaking.join().expect("a broker");
            feeding.join().expect("fed");
        });
        if let Some(outage) = round.outage {
            self.counts.add(name_of(outage), 1);
        }
        self.mend();
        self.drain();
        self.is_broker_out = false;
    }

    /// A new piece, and one that was there before.
    fn next_pieces(&mut self) -> Vec<u64> {
        let again = self.rng.pick(&self.pieces);
        let new = self.pieces.len() as u64;
        self.pieces.push(new);
        [Some(new), again].into_iter().flatten().collect()
    }

    fn pause(&mut self, millis_max: usize) {
        thread::sleep(Duration::from_millis(self.rng.below(millis_max) as u64));
    }

    fn strike(&mut self, round: &Round) {
        if round.fills_disk
            && let Some(disk) = self.members.iter().find_map(|member| member.disk.as_ref())
        {
            disk.fill();
            self.is_disk_full = true;
            self.counts.add("full disks", 1);
        }
        let mut stopped_until = Instant::now();
        for (member, strike, comes_back) in &round.strikes {
            self.pause(800);
            if let Strike::Stop(millis) = strike {
                self.members[*member].signal("STOP");
                self.counts.add("stops", 1);
                stopped_until = stopped_until.max(Instant::now() + Duration::from_millis(*millis));
                continue;
            }
            self.put_down(*member, *strike);
            if *comes_back {
                self.members[*member].start(&self.scene, &self.common);
            }
        }
        for is_killed in &round.visits {
            self.visit(*is_killed);
        }
        thread::sleep(stopped_until.saturating_duration_since(Instant::now()));
    }

    fn put_down(&mut self, member: usize, strike: Strike) {
        let (kind, loss) = match strike {
            Strike::Kill(loss) => ("kills", loss),
            Strike::Leave(loss) => ("leaves", loss),
            Strike::Stop(_) => return,
        };
        let Some(host) = self.members[member].host.take() else { return };
        self.counts.add(kind, 1);
        let name = self.members[member].name.clone();
        if kind == "kills" {
            let said = host.running.kill();
            self.bury(&name, &Ended { code: None, stdout: String::new(), stderr: said });
        } else {
            host.running.signal("CONT");
            let ended = host.running.stop(STOP_MAX);
            self.bury(&name, &ended);
        }
        self.members[member].lose(loss);
        match loss {
            Loss::Nothing => {}
            Loss::Disk => self.counts.add("wiped disks", 1),
            Loss::Store | Loss::Checkpoints | Loss::PutBack => self.counts.add(format!("disks that lose: {loss:?}"), 1),
        }
        // The next copy is a later one.
        if loss == Loss::PutBack {
            self.members[member].forget_saved();
        }
    }

    /// A host that nobody has seen before takes part for a moment.
    fn visit(&mut self, is_killed: bool) {
        self.visitors += 1;
        self.counts.add("visits", 1);
        let mut visitor = Member::new(&self.scene, &format!("visitor-{}", self.visitors));
        visitor.start(&self.scene, &self.common);
        self.pause(2_500);
        let Some(host) = visitor.host.take() else { return };
        let ended = if is_killed {
            Ended { code: None, stdout: String::new(), stderr: host.running.kill() }
        } else {
            host.running.stop(STOP_MAX)
        };
        self.bury(&visitor.name, &ended);
    }

    /// What is left of a host is looked at: whether it may have ended like that, and what it has said.
    fn bury(&mut self, name: &str, ended: &Ended) {
        let _written = writeln!(self.log, "==== {name} ended: {:?}\n{}", ended.code, ended.stderr);
        self.counts.log(&ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{name} panicked:\n{}", ended.stderr);
        let may_end = match ended.code {
            None | Some(0) => true,
            Some(code) if BROKEN_OFF.contains(&code) => self.is_broker_out,
            Some(USAGE) => self.counts.of(LIED) > 0 && ended.stderr.contains("--s3-bucket"),
            Some(STATE) => self.is_disk_full && MEMBERS.last() == Some(&name),
            Some(_) => false,
        };
        if let Some(code @ 1..) = ended.code {
            let said = ended.stderr.lines().last().unwrap_or_default();
            println!("    {name} has ended with {code}: {said}");
            self.counts.add(format!("hosts that ended by themselves: {code}"), 1);
        }
        assert!(may_end, "{name} has ended with {:?}:\n{}", ended.code, ended.stderr);
    }

    /// Everything but the bucket is as it should be again.
    fn mend(&mut self) {
        self.members.iter().filter_map(|member| member.disk.as_ref()).for_each(|disk| disk.empty());
        self.members.iter().for_each(|member| member.signal("CONT"));
        self.start_the_dead();
    }

    fn start_the_dead(&mut self) {
        for at in 0..self.members.len() {
            let has_ended = self.members[at].host.as_mut().is_some_and(|host| !host.running.is_running());
            if has_ended && let Some(host) = self.members[at].host.take() {
                let name = self.members[at].name.clone();
                let ended = host.running.wait(STOP_MAX);
                self.bury(&name, &ended);
                assert_ne!(ended.code, Some(0), "{name} has left, and nobody asked it to:\n{}", ended.stderr);
            }
            if self.members[at].host.is_none() {
                self.members[at].start(&self.scene, &self.common);
            }
        }
    }

    /// Waits until all that came in is decided. Hosts that have ended are started again, as an orchestrator does.
    fn drain(&mut self) {
        let ends = self.scene.broker.ends(&self.scene.input, self.scene.partitions);
        let progress = self.scene.broker.progress(&self.scene.group, &self.scene.input, self.scene.partitions);
        let deadline = Instant::now() + DRAIN_MAX;
        loop {
            let committed = progress.committed();
            if committed.iter().zip(&ends).all(|(committed, end)| committed.unwrap_or(0) >= *end) {
                break;
            }
            assert!(Instant::now() < deadline, "the hosts are at {committed:?} of {ends:?} and do not get on");
            self.start_the_dead();
            thread::sleep(Duration::from_millis(100));
        }
        self.start_the_dead();
        self.is_disk_full = false;
    }

    fn verify(&mut self) {
        self.scene.check_stable();
        let settings: Vec<&str> = self.common.settings.iter().map(String::as_str).collect();
        let verified = self.scene.verify(LANES, &settings);
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
        let is_short = |line: &&str| line.starts_with("judged") || line.starts_with("verdict");
        verified.stdout.lines().filter(is_short).for_each(|line| println!("  verify: {line}"));
        self.counts.add("verdicts: right", 1);
    }

    /// All hosts leave in good order, all disks are lost, and a new host takes everything over. What comes in was all there
    /// before.
    fn come_back_from_the_bucket(&mut self) {
        self.way.set(Weather::Fair);
        for member in 0..self.members.len() {
            self.put_down(member, Strike::Leave(Loss::Disk));
        }
        self.common.directory = None;
        self.common.settings = settings(self.window, PATIENT_SECONDS);
        let mut heir = Member::new(&self.scene, "heir");
        heir.start(&self.scene, &self.common);
        self.members.push(heir);
        let rest = self.members.split_off(MEMBERS.len());
        self.members = rest;
        for piece in self.pieces.clone() {
            feed(&self.scene.broker.hosts, &self.scene.input, self.scene.partitions, piece);
        }
        self.drain();
        self.put_down(0, Strike::Leave(Loss::Nothing));
        let said = self.log.split("==== heir ended").nth(1).unwrap_or_default();
        let restored = said.lines().filter(|line| line.contains("state restored") && line.contains("s3://")).count();
        let partitions = usize::try_from(self.scene.partitions).expect("few");
        assert_eq!(restored, partitions, "states that came from the bucket:\n{said}");
    }
}

/// However a storm ends badly, what its hosts have said is there to be read.
impl Drop for Storm {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        for member in &self.members {
            let said = member.host.as_ref().map(|host| host.running.stderr()).unwrap_or_default();
            let _written = writeln!(self.log, "==== {} runs\n{said}", member.name);
        }
        let place = std::env::temp_dir().join(format!("dedup-host-chaos-{}.log", std::process::id()));
        let place = std::env::var_os("CHAOS_LOG").map_or(place, PathBuf::from);
        match std::fs::write(&place, &self.log) {
            Ok(()) => println!("  what the hosts have said is in {}", place.display()),
            Err(error) => println!("  what the hosts have said cannot be written to {}: {error}", place.display()),
        }
    }
}

/// What hosts do as this scene has it, and how long they wait for the bucket.
fn settings(window: &str, patience_seconds: u32) -> Vec<String> {
    let patience = patience_seconds.to_string();
    ["--window", window, "--s3-timeout-secs", &patience].map(str::to_owned).into()
}

fn name_of(outage: Outage) -> &'static str {
    match outage {
        Outage::Hangs(_) => "broker hangs",
        Outage::Killed(_) => "broker killed",
        Outage::Ended(_) => "broker ended",
    }
}

fn suffer(broker: &mut OwnBroker, outage: Outage) {
    thread::sleep(Duration::from_millis(500));
    let (Outage::Hangs(millis) | Outage::Killed(millis) | Outage::Ended(millis)) = outage;
    match outage {
        Outage::Hangs(_) => broker.signal("STOP"),
        Outage::Killed(_) => broker.kill(),
        Outage::Ended(_) => broker.end(),
    }
    thread::sleep(Duration::from_millis(millis));
    match outage {
        Outage::Hangs(_) => broker.signal("CONT"),
        Outage::Killed(_) | Outage::Ended(_) => broker.start_again(),
    }
}

/// Adds the events of a piece, the same ones each time; a broker that is away is tried again, whatever it has already.
fn feed(hosts: &str, input: &str, partitions: i32, piece: u64) {
    let words = format!(
        "generate --kafka-hosts {hosts} --topic {input} --partitions {partitions} --events {PIECE} --duplicates 0.1 \
         --seed {piece}"
    );
    let deadline = Instant::now() + DRAIN_MAX;
    loop {
        let ended = run(words.split(' '));
        if ended.code == Some(0) {
            return;
        }
        assert!(Instant::now() < deadline, "{}", ended.stderr);
        thread::sleep(Duration::from_millis(500));
    }
}
