//! States whose disk is lost, or whose partition goes to another host: brought back from checkpoints in a directory that
//! hosts share, and what comes out is what would have come out anyway. Where the topic has lost what a state contains, only
//! a checkpoint can have brought it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dedup_host_tests::Test;
use dedup_host_tests::broker::{Seen, record};
use dedup_host_tests::disk::Disk;
use dedup_host_tests::program::{Running, get};
use dedup_host_tests::scene::{Host, LANES, PATIENCE, Scene};

pub(crate) const TESTS: &[Test] = &[
    ("a_partition_that_moves_as_planned_to_an_empty_disk_gives_what_it_would_have", moves_as_planned),
    ("partitions_that_a_second_host_takes_from_a_running_one_replay_nothing", a_second_host_joins),
    ("a_disk_that_is_wiped_after_a_kill_gives_what_it_would_have", a_disk_that_is_wiped_after_a_kill),
    ("a_damaged_checkpoint_is_passed_over_for_the_one_before", a_damaged_checkpoint_is_passed_over),
    ("a_state_far_behind_a_checkpoint_is_replaced_where_the_log_lacks_the_rest", a_state_that_is_too_old_is_replaced),
    ("a_checkpoint_of_another_window_is_refused_like_a_state", a_checkpoint_of_another_window_is_refused),
    ("a_directory_that_was_named_and_cannot_be_used_is_refused", a_directory_that_cannot_be_used_is_refused),
    ("the_default_directory_may_be_unusable", the_default_directory_may_be_unusable),
    ("a_checkpoint_beyond_the_groups_offset_is_not_taken", a_checkpoint_beyond_the_groups_offset_is_not_taken),
];

/// These need to mount file systems.
pub(crate) const TESTS_OF_SMALL_DISKS: &[Test] = &[
    ("a_full_checkpoint_disk_stops_nothing_and_is_used_again", a_full_checkpoint_disk_stops_nothing),
    ("a_full_disk_under_the_state_ends_the_run_and_costs_nothing", a_full_disk_under_the_state_costs_nothing),
];

const BY_ID: &[&str] = &["--plugin-config", "/id", "--uuid-field", "/uuid"];

/// Only what leaves makes a checkpoint.
const SELDOM: &str = "3600";
const OFTEN: &str = "1";

const STATE: i32 = 5;
const USAGE: i32 = 2;

/// The time of all events, so that what is said of them is the same in every scene.
fn time() -> i64 {
    static TIME: OnceLock<i64> = OnceLock::new();
    *TIME.get_or_init(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        i64::try_from(now.as_millis()).expect("a time")
    })
}

/// Events of these ids, spread over partitions, each with a uuid of its own.
fn produce(scene: &Scene, round: &str, ids: impl IntoIterator<Item = i32>) {
    let event = |id: i32| {
        let text = format!(r#"{{"id":"{id}","uuid":"{round}-{id}","name":"event {id}"}}"#);
        Seen { partition: id % scene.partitions, timestamp: Some(time()), ..record(text) }
    };
    scene.broker.produce_records(&scene.input, &ids.into_iter().map(event).collect::<Vec<_>>());
}

fn shared(scene: &Scene) -> String {
    scene.path("checkpoints").display().to_string()
}

fn start(scene: &Scene, member: &str, interval: &str, more: &[&str]) -> Host {
    let dir = shared(scene);
    let settings = ["--checkpoint-interval-secs", interval, "--local-checkpoint-dir", &dir];
    scene.start_member(member, LANES, &[BY_ID, &settings, more].concat())
}

/// The log is gone up to where the group is.
fn forget_log(scene: &Scene) {
    let ends = scene.broker.ends(&scene.input, scene.partitions);
    let offsets: Vec<(i32, i64)> = (0..scene.partitions).zip(ends).collect();
    scene.broker.delete_records(&scene.input, &offsets);
}

/// What a lane has, in its order, without names that differ between scenes.
fn came_out(scene: &Scene, lane: &str) -> Vec<(Option<Vec<u8>>, String)> {
    let plain = |text: String| text.replace(&scene.input, "INPUT");
    scene.read(lane).into_iter().map(|seen| (seen.key.clone(), plain(seen.text()))).collect()
}

/// The rounds of a test on one partition, by a host that keeps its disk, and without checkpoints.
fn as_if_nothing_happened(name: &str, rounds: &[(&str, std::ops::Range<i32>)]) -> Scene {
    let scene = Scene::new(&format!("{name}-plain"), 1);
    let mut host = scene.start(BY_ID);
    for (round, ids) in rounds {
        produce(&scene, round, ids.clone());
        scene.drain(&mut [&mut host]);
    }
    host.stop();
    scene
}

fn check_same(scene: &Scene, plain: &Scene) {
    for lane in ["output", "duplicates", "dead-letter"] {
        assert_eq!(came_out(scene, lane), came_out(plain, lane), "{lane}");
    }
}

fn origin(host: &Host, origin: &str) -> u64 {
    host.metrics().count("dedup_host_states_opened_total", &[&format!("origin=\"{origin}\"")])
}

fn replayed(host: &Host) -> u64 {
    host.metrics().count("dedup_host_replayed_total", &[])
}

/// Waits until checkpoints contain all of the input.
fn wait_checkpoints(scene: &Scene, host: &mut Host) {
    let ends = scene.broker.ends(&scene.input, scene.partitions);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let metrics = host.metrics();
        let reaches = |(partition, end): (usize, &i64)| {
            let labels = [&*format!("partition=\"{partition}\""), "place=\"local\""];
            metrics.count("dedup_host_checkpoint_offset", &labels) == end.unsigned_abs()
        };
        if ends.iter().enumerate().all(reaches) {
            return;
        }
        assert!(host.running.is_running() && Instant::now() < deadline, "no checkpoint:\n{}", host.running.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn moves_as_planned() {
    let rounds = [("one", 0..400), ("two", 200..600), ("three", 0..700)];
    let plain = as_if_nothing_happened("moves", &rounds);
    let scene = Scene::new("moves", 1);
    for (member, (round, ids)) in ["first", "second", "third"].into_iter().zip(rounds) {
        let mut host = start(&scene, member, SELDOM, &[]);
        produce(&scene, round, ids);
        scene.drain(&mut [&mut host]);
        let wanted = if member == "first" { ["nothing", "local"] } else { ["local", "nothing"] };
        assert_eq!(wanted.map(|from| origin(&host, from)), [1, 0], "{member}:\n{}", host.running.stderr());
        assert_eq!(replayed(&host), 0, "{member}");
        host.stop();
        forget_log(&scene);
    }
    check_same(&scene, &plain);
}

fn a_second_host_joins() {
    let scene = Scene::new("joins", 4);
    let mut first = start(&scene, "first", SELDOM, &[]);
    produce(&scene, "one", 0..400);
    scene.drain(&mut [&mut first]);
    forget_log(&scene);
    let mut second = start(&scene, "second", SELDOM, &[]);
    second.ready();
    let deadline = Instant::now() + PATIENCE;
    while origin(&second, "local") < 2 {
        assert!(Instant::now() < deadline, "it got no partitions:\n{}", second.running.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    produce(&scene, "two", 200..800);
    scene.drain(&mut [&mut first, &mut second]);
    assert_eq!((origin(&second, "nothing"), replayed(&second)), (0, 0), "{}", second.running.stderr());
    first.stop();
    // What the first still had goes to the second as well.
    produce(&scene, "three", 0..800);
    scene.drain(&mut [&mut second]);
    second.stop();
    let texts: Vec<String> = scene.read("output").iter().map(Seen::text).collect();
    let distinct: BTreeSet<_> = texts.iter().collect();
    assert_eq!((texts.len(), distinct.len()), (800, 800), "each id goes out once");
    assert_eq!(scene.read("duplicates").len(), 200 + 800);
}

fn a_disk_that_is_wiped_after_a_kill() {
    let rounds = [("one", 0..400), ("two", 200..600), ("three", 0..700)];
    let plain = as_if_nothing_happened("wiped", &rounds);
    let scene = Scene::new("wiped", 1);
    let mut host = start(&scene, "", OFTEN, &[]);
    produce(&scene, "one", 0..400);
    scene.drain(&mut [&mut host]);
    wait_checkpoints(&scene, &mut host);
    // The log lacks what the checkpoint has.
    forget_log(&scene);
    produce(&scene, "two", 200..600);
    scene.drain(&mut [&mut host]);
    host.running.kill();
    fs::remove_dir_all(scene.store()).expect("it was there");
    let mut host = start(&scene, "", OFTEN, &[]);
    produce(&scene, "three", 0..700);
    scene.drain(&mut [&mut host]);
    assert_eq!([origin(&host, "local"), origin(&host, "nothing")], [1, 0], "{}", host.running.stderr());
    host.stop();
    check_same(&scene, &plain);
}

/// All files below a directory.
fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut directories = vec![dir.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                found.insert(path);
            }
        }
    }
    found
}

fn a_damaged_checkpoint_is_passed_over() {
    let rounds = [("one", 0..400), ("two", 200..600), ("three", 0..700)];
    let plain = as_if_nothing_happened("damaged", &rounds);
    let scene = Scene::new("damaged", 1);
    let run = |round: &str, ids: std::ops::Range<i32>| {
        let mut host = start(&scene, "", SELDOM, &[]);
        produce(&scene, round, ids);
        scene.drain(&mut [&mut host]);
        (host.metrics(), host.stop().stderr)
    };
    run("one", 0..400);
    let before = files(&scene.path("checkpoints"));
    // The log still has what comes after the first checkpoint.
    forget_log(&scene);
    run("two", 200..600);
    for path in files(&scene.path("checkpoints")).difference(&before) {
        let mut bytes = fs::read(path).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).expect("written");
    }
    fs::remove_dir_all(scene.store()).expect("it was there");
    let (metrics, said) = run("three", 0..700);
    assert!(said.contains("checkpoint passed over") && said.contains("state restored"), "{said}");
    assert_eq!(metrics.count("dedup_host_states_opened_total", &["origin=\"local\""]), 1, "{said}");
    assert!(metrics.count("dedup_host_checkpoints_damaged_total", &[]) >= 1, "{said}");
    check_same(&scene, &plain);
}

fn a_state_that_is_too_old_is_replaced() {
    let rounds = [("one", 0..400), ("two", 200..600), ("three", 0..700)];
    let plain = as_if_nothing_happened("old", &rounds);
    let scene = Scene::new("old", 1);
    let run = |member: &str, round: &str, ids: std::ops::Range<i32>| {
        let mut host = start(&scene, member, SELDOM, &[]);
        produce(&scene, round, ids);
        scene.drain(&mut [&mut host]);
        let metrics = host.metrics();
        (metrics.count("dedup_host_states_opened_total", &["origin=\"local\""]), host.stop().stderr)
    };
    run("first", "one", 0..400);
    run("second", "two", 200..600);
    // The first has a state of the time before, and the log does not reach back to its end.
    forget_log(&scene);
    let (restored, said) = run("first", "three", 0..700);
    assert_eq!(restored, 1, "{said}");
    check_same(&scene, &plain);
}

fn a_checkpoint_of_another_window_is_refused() {
    let scene = Scene::new("other-window", 1);
    let mut host = start(&scene, "", SELDOM, &[]);
    produce(&scene, "one", 0..10);
    scene.drain(&mut [&mut host]);
    host.stop();
    fs::remove_dir_all(scene.store()).expect("it was there");
    let ended = start(&scene, "", SELDOM, &["--window", "1h"]).running.wait(PATIENCE);
    ended.refused(STATE, &["belongs to something else", "--window", "--local-checkpoint-dir"]);
    // The way out that is not to look at them.
    let mut host = start(&scene, "", "0", &["--window", "1h"]);
    host.ready();
    host.stop();
}

fn a_directory_that_cannot_be_used_is_refused() {
    let scene = Scene::new("unusable", 1);
    let file = scene.path("file");
    fs::write(&file, "no directory").expect("written");
    let within = scene.store().join(&scene.input).display().to_string();
    let below = file.join("checkpoints").display().to_string();
    let store = scene.store().display().to_string();
    for (dir, words) in [(&below, "checkpoints"), (&store, "in each other's way"), (&within, "in each other's way")] {
        let settings = ["--checkpoint-interval-secs", SELDOM, "--local-checkpoint-dir", dir];
        let ended = scene.refused(LANES, &[BY_ID, &settings].concat());
        ended.refused(USAGE, &["--local-checkpoint-dir", words]);
    }
}

fn the_default_directory_may_be_unusable() {
    let scene = Scene::new("default-dir", 1);
    fs::write(scene.path("checkpoints"), "no directory").expect("written");
    let (mut command, port) = scene.command("", LANES, &[BY_ID, &["--checkpoint-interval-secs", OFTEN]].concat());
    command.current_dir(scene.path("."));
    let mut host = Host { running: Running::start_command(command), port };
    produce(&scene, "one", 0..100);
    scene.drain(&mut [&mut host]);
    let deadline = Instant::now() + PATIENCE;
    while host.metrics().count("dedup_host_checkpoint_failures_total", &["place=\"local\""]) < 3 {
        assert!(Instant::now() < deadline, "it is counted each time:\n{}", host.running.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    let (_, status) = get(host.port, "/api/status").expect("it answers");
    assert!(status.contains("\"failing\""), "{status}");
    produce(&scene, "two", 50..150);
    scene.drain(&mut [&mut host]);
    let said = host.stop().stderr;
    assert!(said.contains("no checkpoints can be kept in the default directory"), "{said}");
    assert_eq!((scene.read("output").len(), scene.read("duplicates").len()), (150, 50));
}

fn a_checkpoint_beyond_the_groups_offset_is_not_taken() {
    let scene = Scene::new("beyond", 1);
    let run = |round: &str, ids: std::ops::Range<i32>| {
        let mut host = start(&scene, "", SELDOM, &[]);
        produce(&scene, round, ids);
        scene.drain(&mut [&mut host]);
        host.stop().stderr
    };
    run("one", 0..100);
    run("two", 50..150);
    // The operator sets the group back to between the two checkpoints, and the disk is lost.
    scene.broker.set_committed(&scene.group, &scene.input, &[(0, 120)]);
    fs::remove_dir_all(scene.store()).expect("it was there");
    let mut host = start(&scene, "", SELDOM, &[]);
    scene.drain(&mut [&mut host]);
    let said = host.running.stderr();
    assert!(said.contains("state restored") && said.contains("offset=100"), "{said}");
    assert_eq!(origin(&host, "local"), 1);
    host.stop();
    // Offsets from 120 on were decided again: ids 70 to 149, of which those from 100 on are unique.
    assert_eq!((scene.read("output").len(), scene.read("duplicates").len()), (150 + 50, 50 + 30));
}

fn a_full_checkpoint_disk_stops_nothing() {
    let scene = Scene::new("full-disk", 1);
    let dir = scene.path("checkpoints");
    fs::create_dir(&dir).expect("a directory");
    let disk = Disk::mount(&dir, "size=4m,mode=700").expect("mounted before");
    let mut host = start(&scene, "", OFTEN, &[]);
    host.ready();
    disk.fill();
    produce(&scene, "one", 0..2_000);
    scene.drain(&mut [&mut host]);
    let deadline = Instant::now() + PATIENCE;
    while host.metrics().count("dedup_host_checkpoint_failures_total", &["place=\"local\""]) < 2 {
        assert!(Instant::now() < deadline, "never full:\n{}", host.running.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    produce(&scene, "two", 1_000..3_000);
    scene.drain(&mut [&mut host]);
    disk.empty();
    wait_checkpoints(&scene, &mut host);
    let captured = scene.store().join(&scene.input).join("0.captured");
    let left = fs::read_dir(&captured).map_or(0, Iterator::count);
    assert!(left <= 1, "{left} captured states are left");
    host.stop();
    assert_eq!((scene.read("output").len(), scene.read("duplicates").len()), (3_000, 1_000));
}

fn a_full_disk_under_the_state_costs_nothing() {
    let scene = Scene::new("full-state", 2);
    fs::create_dir(scene.store()).expect("a directory");
    let disk = Disk::mount(&scene.store(), "size=16m,mode=700").expect("mounted before");
    produce(&scene, "one", 0..2_000);
    let mut host = start(&scene, "", OFTEN, &[]);
    scene.drain(&mut [&mut host]);
    disk.fill();
    produce(&scene, "two", 1_000..4_000);
    host.running.wait(PATIENCE).refused(STATE, &["full", "free some space", &scene.input]);
    disk.empty();
    let mut host = start(&scene, "", OFTEN, &[]);
    produce(&scene, "three", 0..4_000);
    scene.drain(&mut [&mut host]);
    host.stop();
    assert_eq!((scene.read("output").len(), scene.read("duplicates").len()), (4_000, 1_000 + 4_000));
    let _right = scene.verify(LANES, BY_ID).ok();
}
