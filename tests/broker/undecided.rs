//! Records that went out undecided because a plugin failed on them: whatever is lost afterwards, the mended copy that is
//! sent again is not taken for a duplicate, and no duplicate of the others passes. Not the rules of replays.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dedup_host_tests::Test;
use dedup_host_tests::broker::Seen;
use dedup_host_tests::program::get;
use dedup_host_tests::scene::{Host, LANES, PATIENCE, Scene};

use crate::made::{brittle, put, shipped};

pub(crate) const TESTS: &[Test] = &[
    ("five_thousand_failures_and_a_wiped_disk_lose_nothing", five_thousand_failures_and_a_wiped_disk),
    ("failures_whose_letters_are_gone_are_refused_with_the_ways_out", failures_whose_letters_are_gone_are_refused),
    ("time_outs_that_a_replay_does_not_repeat_lose_nothing", time_outs_that_a_replay_does_not_repeat),
    ("a_replay_holds_where_a_plugin_fails_on_what_it_had_decided", a_replay_holds_where_a_plugin_fails),
    ("failures_that_passed_without_a_dead_letter_topic_leave_no_key", failures_that_passed_leave_no_key),
    ("at_least_once_keeps_the_record_too", at_least_once_keeps_the_record_too),
];

const STATE: i32 = 5;

/// A scene with a plugin that traps on values that begin with T and loops for ever on those that begin with L.
fn scene(name: &str) -> (Scene, PathBuf) {
    let scene = Scene::new(name, 1);
    let path = scene.path("key.wasm");
    put(&path, &brittle(1));
    (scene, path)
}

fn settings<'a>(path: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["--plugin", path, "--plugin-config", "/x", "--plugin-breaker", "off"], more].concat()
}

fn events(values: impl IntoIterator<Item = String>) -> Vec<String> {
    values.into_iter().map(|value| format!(r#"{{"x":"{value}"}}"#)).collect()
}

/// So many events, every fourth of them one that the brittle plugin fails on in the way of this letter.
fn mixed(letter: char, count: usize) -> Vec<String> {
    events((0..count).map(|index| if index % 4 == 3 { format!("{letter}{index}") } else { format!("a{index}") }))
}

fn texts(records: &[Seen]) -> BTreeSet<String> {
    records.iter().map(Seen::text).collect()
}

/// Runs the brittle plugin over these and kills the host once all is committed.
fn run_and_kill(scene: &Scene, events: &[String], lanes: &[&str], settings: &[&str]) {
    let mut host = scene.start_member("", lanes, settings);
    scene.broker.produce(&scene.input, events);
    scene.drain(&mut [&mut host]);
    drop(host.running.kill());
}

/// With the mended plugin, sends all of it again: what had failed is new, what had not is a duplicate.
fn check_sent_again(scene: &Scene, events: &[String], failed: usize, settings: &[&str]) -> String {
    put(&scene.path("key.wasm"), &shipped());
    let mut host = scene.start(settings);
    host.ready();
    scene.broker.produce(&scene.input, events);
    scene.drain(&mut [&mut host]);
    let log = host.stop().stderr;
    let output = scene.read("output");
    assert_eq!(output.len(), events.len(), "each of them once\n{log}");
    assert_eq!(texts(&output), events.iter().cloned().collect(), "{log}");
    assert_eq!(scene.read("duplicates").len(), events.len() - failed, "{log}");
    assert_eq!(scene.read("dead-letter").len(), failed);
    log
}

fn wipe(scene: &Scene) {
    std::fs::remove_dir_all(scene.store()).expect("deleted");
}

fn five_thousand_failures_and_a_wiped_disk() {
    let (scene, path) = scene("wiped");
    let path = path.display().to_string();
    let (events, settings) = (mixed('T', 20_000), settings(&path, &[]));
    run_and_kill(&scene, &events, LANES, &settings);
    assert_eq!(scene.read("dead-letter").len(), 5_000);
    wipe(&scene);
    let log = check_sent_again(&scene, &events, 5_000, &settings);
    assert!(log.contains("exceptions read back from the dead-letter topic"), "too few to overflow the record:\n{log}");
}

fn failures_whose_letters_are_gone_are_refused() {
    let (scene, path) = scene("letters-gone");
    let path = path.display().to_string();
    let (events, settings) = (mixed('T', 20_000), settings(&path, &[]));
    run_and_kill(&scene, &events, LANES, &settings);
    wipe(&scene);
    scene.broker.delete_records(&scene.lane("dead-letter"), &[(0, 4_000)]);
    put(&scene.path("key.wasm"), &shipped());
    let ended = scene.refused(LANES, &settings);
    ended.refused(STATE, &["went out undecided", "names", "to fix this", "--on-incomplete-progress accept"]);
    let ended = scene.refused(&["output", "duplicates"], &settings);
    ended.refused(STATE, &["went out undecided", "no --dead-letter-topic"]);
    let accept = [settings.as_slice(), &["--on-incomplete-progress", "accept"]].concat();
    let mut host = scene.start(&accept);
    host.ready();
    let log = host.stop().stderr;
    assert!(log.contains("continuing, as --on-incomplete-progress says"), "{log}");
}

fn time_outs_that_a_replay_does_not_repeat() {
    let (scene, path) = scene("time-outs");
    let path = path.display().to_string();
    let (events, settings) = (mixed('L', 40), settings(&path, &["--plugin-time-limit-ms", "30"]));
    run_and_kill(&scene, &events, LANES, &settings);
    assert_eq!(scene.read("dead-letter").len(), 10);
    // Killed before anything was written: the state is behind, and the plugin that reads it again has more time.
    check_sent_again(&scene, &events, 10, &settings);
}

fn wait_held(host: &mut Host) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // It does not listen from the first moment on.
        let body = get(host.port, "/_readiness").map(|(_, body)| body).unwrap_or_default();
        if body.contains("cannot be decided in the same way") || body.contains("is held") {
            return body;
        }
        let running = host.running.is_running();
        assert!(running && Instant::now() < deadline, "never held: {body}\n{}", host.running.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn a_replay_holds_where_a_plugin_fails() {
    let (scene, path) = scene("replay-holds");
    let path_text = path.display().to_string();
    put(&path, &shipped());
    let (events, settings) = (mixed('T', 400), settings(&path_text, &[]));
    run_and_kill(&scene, &events, LANES, &settings);
    wipe(&scene);
    put(&path, &brittle(1));
    let mut host = scene.start(&settings);
    let held = wait_held(&mut host);
    assert!(held.contains("offset 3"), "{held}");
    scene.broker.produce(&scene.input, &events);
    put(&path, &shipped());
    scene.drain(&mut [&mut host]);
    let log = host.stop().stderr;
    assert_eq!((scene.read("output").len(), scene.read("duplicates").len()), (400, 400), "{log}");
    assert_eq!(scene.read("dead-letter").len(), 0, "a replay buries nothing");
}

fn failures_that_passed_leave_no_key() {
    let (scene, path) = scene("passed");
    let path = path.display().to_string();
    let lanes = &["output", "duplicates"];
    let (events, settings) = (mixed('T', 400), settings(&path, &[]));
    run_and_kill(&scene, &events, lanes, &settings);
    assert_eq!(scene.read("output").len(), 400, "they pass unchanged");
    wipe(&scene);
    put(&scene.path("key.wasm"), &shipped());
    // What went out undecided was never the first of its key, with the first plugin and with the mended one.
    let mut host = scene.start_member("", lanes, &settings);
    scene.broker.produce(&scene.input, &events);
    scene.broker.produce(&scene.input, &events);
    scene.drain(&mut [&mut host]);
    host.stop();
    assert_eq!((scene.read("output").len(), scene.read("duplicates").len()), (500, 700));
}

fn at_least_once_keeps_the_record_too() {
    let (scene, path) = scene("at-least-undecided");
    let path = path.display().to_string();
    let (events, settings) = (mixed('T', 20_000), settings(&path, &["--delivery", "at-least-once"]));
    let mut host = scene.start(&settings);
    scene.broker.produce(&scene.input, &events);
    scene.drain(&mut [&mut host]);
    host.stop();
    wipe(&scene);
    check_sent_again(&scene, &events, 5_000, &settings);
}
