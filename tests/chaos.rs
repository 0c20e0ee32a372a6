//! The host under faults at random moments, against a real Kafka: after each, the topics must hold exactly what they
//! would hold had nothing happened. The seed is printed; `CHAOS_SEED` repeats it, `CHAOS_EVENTS` makes the runs shorter, and
//! `CHAOS_ROUNDS` the storm longer.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot set its scene fails loudly")]

#[path = "chaos/control.rs"]
mod control;
#[path = "chaos/end_markers.rs"]
mod end_markers;
#[path = "chaos/explained.rs"]
mod explained;
#[path = "chaos/member.rs"]
mod member;
#[path = "chaos/own_broker.rs"]
mod own_broker;
#[path = "chaos/plan.rs"]
mod plan;
#[path = "chaos/silent.rs"]
mod silent;
#[path = "chaos/storm.rs"]
mod storm;
#[path = "chaos/unasked.rs"]
mod unasked;
#[path = "chaos/way.rs"]
mod way;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cases::Rng;
use dedup_host_tests::broker::Broker;
use dedup_host_tests::generated::{Expected, feed, generate, wait_progress};
use dedup_host_tests::program::get;
use dedup_host_tests::scene::{Host, LANES, Scene};
use dedup_host_tests::{Group, Need, Test, run_groups_on};

use self::own_broker::OwnBroker;

const TESTS: &[Test] = &[
    ("killed_again_and_again", killed_again_and_again),
    ("a_zombie_wakes_after_another_took_over", a_zombie_wakes_after_another_took_over),
];

/// These kill the broker, so they start one that nobody else uses.
const BROKER_TESTS: &[Test] = &[
    ("the_broker_is_killed_and_comes_back", the_broker_is_killed_and_comes_back),
    ("a_connection_that_goes_silent_is_given_up", silent::a_connection_that_goes_silent_is_given_up),
    ("two_hundred_partitions_and_a_broker_that_hangs", two_hundred_partitions_and_a_broker_that_hangs),
    (
        "limits_that_may_not_be_asked_are_learnt_from_refusals",
        unasked::limits_that_may_not_be_asked_are_learnt_from_refusals,
    ),
    ("a_broker_that_may_lose_end_markers_is_outlived", end_markers::a_broker_that_may_lose_end_markers_is_outlived),
];

/// These need a bucket besides.
const STORM: &[Test] = &[
    ("everything_at_once", storm::everything_at_once),
    ("a_seed_draws_the_same_rounds_and_all_faults_come", plan::a_seed_draws_the_same_rounds),
];

fn main() -> ExitCode {
    let all = Group { tests: [TESTS, explained::TESTS, control::TESTS].concat(), needs: vec![Need::kafka()] };
    let own_broker = [Need::of("kafka"), Need::of("own-broker")];
    let broker = Group { tests: BROKER_TESTS.to_vec(), needs: own_broker.to_vec() };
    let missing = std::env::var_os("TEST_S3_ENDPOINT").is_none();
    let missing = missing.then_some("TEST_S3_ENDPOINT is not set; scripts/s3.sh up prints it");
    let needs = [&own_broker[..], &[Need { part: "s3", missing }]].concat();
    let storm = Group { tests: STORM.to_vec(), needs };
    // One at a time: what a test shows depends on how far the host gets between two faults.
    run_groups_on(&[all, broker, storm], 1).exit_code()
}

const PARTITIONS: i32 = 4;
const KILLS: usize = 6;
const ZOMBIE_ROUNDS: u64 = 4;

/// A dead member is noticed after a second and a half, an abandoned transaction ends after five.
const SETTINGS: &[&str] = &[
    "--kafka-property",
    "consumer.session.timeout.ms=1500",
    "--kafka-property",
    "consumer.heartbeat.interval.ms=300",
    "--kafka-transaction-timeout-ms",
    "5000",
    "--kafka-message-timeout-ms",
    "5000",
];

/// The seed of a test, which is printed.
fn seed(test: &str) -> u64 {
    let now = u64::from(std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.subsec_nanos()));
    let seed = number("CHAOS_SEED", now);
    println!("{test}: CHAOS_SEED={seed}");
    seed
}

fn number(variable: &str, default: u64) -> u64 {
    let given = std::env::var(variable).ok().filter(|number| !number.is_empty());
    given.map_or(default, |number| number.parse().unwrap_or_else(|_| panic!("{variable}: `{number}` is no number")))
}

/// Numbers for the moments of faults.
struct Moments(Rng);

impl Moments {
    fn new(test: &str) -> Self {
        Self(Rng::new(seed(test)))
    }

    fn below(&mut self, bound: i64) -> i64 {
        let bound = usize::try_from(bound).unwrap_or(0);
        i64::try_from(self.0.below(bound)).expect("below an i64")
    }

    /// Up to this many milliseconds, so that faults do not keep step with commits.
    fn pause(&mut self, millis_max: i64) {
        std::thread::sleep(Duration::from_millis(self.below(millis_max).unsigned_abs()));
    }
}

fn events() -> i64 {
    i64::try_from(number("CHAOS_EVENTS", 600_000)).expect("an i64")
}

fn assert_runs(host: &mut Host) {
    assert!(host.running.is_running(), "a host has ended:\n{}", host.running.stderr());
}

/// However a test ends: who feeds as long as this is wanted would go on for ever.
struct StopsFeeding<'a>(&'a AtomicBool);

impl Drop for StopsFeeding<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A scene with its events, and a host's view of how far it is.
struct Chaos {
    scene: Scene,
    expected: Expected,
    moments: Moments,
    events: i64,
    at: i64,
}

impl Chaos {
    fn new(test: &str) -> Self {
        Self::at(Broker::connect(test), test)
    }

    fn at(broker: Broker, test: &str) -> Self {
        let (scene, mut moments, events) = (Scene::at(broker, PARTITIONS, &[]), Moments::new(test), events());
        let seed = moments.below(1 << 40).unsigned_abs();
        let expected = generate(&scene, events.unsigned_abs(), seed);
        Self { scene, expected, moments, events, at: 0 }
    }

    /// Waits until some more is committed, by chance so much that `faults` of them fit in, and a moment longer.
    fn some_progress(&mut self, faults: usize, hosts: &mut [&mut Host]) {
        let share = self.events / i64::try_from(faults + 1).expect("few");
        let more = 1 + self.moments.below(share);
        let alive = || hosts.iter_mut().for_each(|host| assert_runs(host));
        self.at = wait_progress(&self.scene, self.at, more, self.events, alive);
        self.moments.pause(100);
    }

    fn finish(mut self, mut hosts: Vec<Host>) {
        self.scene.drain(&mut hosts.iter_mut().collect::<Vec<_>>());
        for host in hosts {
            host.stop();
        }
        self.scene.check_stable();
        self.expected.check(&self.scene);
        let verified = self.scene.verify(LANES, &[]);
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
        let (unique, duplicates) = self.expected.counts();
        println!("  {unique} unique events and {duplicates} duplicates, each exactly once");
    }
}

fn killed_again_and_again() {
    let mut chaos = Chaos::new("killed");
    let mut kills_under_way = 0;
    for kill in 0..KILLS {
        let mut host = chaos.scene.start(SETTINGS);
        chaos.some_progress(KILLS, &mut [&mut host]);
        kills_under_way += usize::from(chaos.at < chaos.events);
        println!("  kill {kill} at {} of {} committed records", chaos.at, chaos.events);
        host.running.kill();
    }
    assert!(kills_under_way > KILLS / 2, "most kills came too late to show anything");
    let host = chaos.scene.start(SETTINGS);
    chaos.finish(vec![host]);
}

/// Stopped for longer than its session, and at times than its transaction may last; then it goes on where it was, with a
/// batch half sent, and must not disturb the one who has its partitions. Events come in all the while.
fn a_zombie_wakes_after_another_took_over() {
    let (scene, mut moments) = (Scene::new("zombie", PARTITIONS), Moments::new("zombie"));
    let (piece, feeding) = (events().unsigned_abs() / 50, AtomicBool::new(true));
    let first_seed = moments.below(1 << 40).unsigned_abs();
    let (mut expected, mut zombie) = std::thread::scope(|scope| {
        let feeder = scope.spawn(|| feed(&scene, &feeding, piece, first_seed));
        let stops_feeding = StopsFeeding(&feeding);
        let zombie = stop_and_wake(&scene, &mut moments, i64::try_from(piece).expect("few"));
        drop(stops_feeding);
        (feeder.join().expect("fed"), zombie)
    });
    scene.drain(&mut [&mut zombie]);
    zombie.stop();
    expected.check(&scene);
    let (unique, duplicates) = expected.counts();
    println!("  {unique} unique events and {duplicates} duplicates, each exactly once");
}

fn stop_and_wake(scene: &Scene, moments: &mut Moments, piece: i64) -> Host {
    let mut zombie = scene.start_member("zombie", LANES, SETTINGS);
    let mut at = 0;
    for round in 0..ZOMBIE_ROUNDS {
        at = wait_progress(scene, at, 1 + moments.below(piece), i64::MAX, || assert_runs(&mut zombie));
        moments.pause(300);
        zombie.running.signal("STOP");
        println!("  stopped at {at} committed records");
        let mut other = scene.start_member("other", LANES, SETTINGS);
        at = wait_progress(scene, at, 2 * piece, i64::MAX, || assert_runs(&mut other));
        std::thread::sleep(Duration::from_secs(2 * round));
        println!("  woken after the other has committed up to {at}");
        zombie.running.signal("CONT");
        at = wait_progress(scene, at, 2 * piece, i64::MAX, || assert_runs(&mut other));
        other.stop();
    }
    zombie
}

fn the_broker_is_killed_and_comes_back() {
    let mut broker = OwnBroker::start();
    let mut chaos = Chaos::at(Broker::connect_to(&broker.hosts, "broker"), "broker");
    let mut host = chaos.scene.start(SETTINGS);
    for seconds in [0, 3, 12] {
        chaos.some_progress(4, &mut [&mut host]);
        println!("  broker killed for {seconds} s at {} of {} committed records", chaos.at, chaos.events);
        broker.kill();
        std::thread::sleep(Duration::from_secs(seconds));
        broker.start_again();
        chaos.scene.check_stable();
    }
    chaos.finish(vec![host]);
}

/// The broker stops answering for longer than it takes to ask for every partition in turn, and comes back within the
/// session: liveness holds all the time, and so does the membership.
fn two_hundred_partitions_and_a_broker_that_hangs() {
    let broker = OwnBroker::start();
    let scene = Scene::at(Broker::connect_to(&broker.hosts, "many"), 200, &[]);
    let session = ["--kafka-property", "consumer.session.timeout.ms=60000"];
    let mut host = scene.start(&[&session[..], &["--plugin-config", "/id"]].concat());
    host.ready();
    scene.broker.produce(&scene.input, ["{\"id\":1}"]);
    scene.drain(&mut [&mut host]);
    broker.signal("STOP");
    let oldest = (0..120).map(|_| {
        std::thread::sleep(Duration::from_millis(250));
        let (code, body) = get(host.port, "/_liveness").expect("it answers");
        assert_eq!(code, 200, "{body}");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        body.get("heartbeat_age_ms").and_then(serde_json::Value::as_u64).expect("an age")
    });
    let oldest = oldest.max();
    broker.signal("CONT");
    assert!(oldest < Some(3_000), "the polling thread stood still for {oldest:?} ms");
    scene.broker.produce(&scene.input, ["{\"id\":2}"]);
    scene.drain(&mut [&mut host]);
    host.ready();
    let metrics = host.metrics();
    let log = host.stop().stderr;
    assert_eq!(metrics.count("dedup_host_rebalances_total", &["kind=\"lost\""]), 0, "{log}");
    assert_eq!(metrics.count("dedup_host_rebalances_total", &["kind=\"assigned\""]), 200, "{log}");
    assert_eq!(scene.read("output").len(), 2, "{log}");
}
