//! How a run ends, by itself or because it is asked to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use connectors::memory::{Call, Trouble};
use drive::{Ending, Failure, OnStuck};
use engine::protocol::{Stage, Transaction};
use line::Rules;

use crate::host::{Habits, Host, Said};
use crate::scene::{POISON, Scene, builds, until};

#[test]
fn an_input_that_is_over_ends_the_run_when_all_of_it_is_committed() {
    // With one partition no commit would be due for an hour.
    for (partitions, commit_interval) in [(1, Duration::from_secs(3_600)), (3, Duration::from_millis(20))] {
        let scene = Scene::new(partitions);
        for partition in 0..scene.partitions() {
            scene.append(partition, ["a", "b", "a"]);
            scene.append_gap(partition);
        }
        scene.system.end_input();
        let habits = Habits { commit_interval, ..Habits::default() };
        let host = Host::start_with(&scene, "a", habits.clone());
        assert_eq!(host.end().expect("well"), Ending::Over);
        scene.check();
        assert!((0..scene.partitions()).all(|partition| scene.committed(partition) == 3));
        let commits = scene.system.history(0).len();
        // Its state says all: nothing is sent again, nothing is replayed.
        let host = Host::start_with(&scene, "a", habits);
        let diary = Arc::clone(&host.diary);
        assert_eq!(host.end().expect("well"), Ending::Over);
        scene.check();
        assert_eq!(scene.system.history(0).len(), commits);
        let is_replay = |said: &Said| matches!(said, Said::Stage(_, Stage::Replaying(_)));
        assert!(!diary.said().iter().any(is_replay), "{:?}", diary.said());
    }
}

#[test]
fn an_input_that_is_over_is_read_again_where_its_last_commit_fails() {
    for trouble in [Trouble::Fails, Trouble::Unknown { is_committed: false, pending: 0 }] {
        let scene = Scene::new(1);
        scene.append(0, ["a", "b", "a"]);
        scene.system.end_input();
        scene.system.trouble_once(Call::Commit, trouble);
        let habits = Habits { commit_interval: Duration::from_secs(3_600), ..Habits::default() };
        let host = Host::start_with(&scene, "a", habits);
        let diary = Arc::clone(&host.diary);
        assert_eq!(host.end().expect("well"), Ending::Over, "{trouble:?}");
        scene.check();
        assert_eq!(scene.committed(0), 3, "{trouble:?}: {:?}", diary.said());
    }
}

#[test]
fn what_was_read_before_the_source_fails_is_committed() {
    let scene = Scene::new(1);
    scene.append(0, ["a", "b"]);
    let host = Host::start(&scene, "a");
    scene.until_all_done();
    // It stands at 2, and the log begins later from now on.
    scene.system.hold_back(0, Some(2));
    scene.append(0, ["c", "d"]);
    scene.system.expire(0, 3);
    scene.system.hold_back(0, None);
    let failure = host.end().expect_err("a failure");
    assert!(matches!(failure, Failure::Source(_)) && failure.to_string().contains("offset 2"), "{failure}");
    assert_eq!((scene.committed(0), scene.left(0).output), (2, vec![0, 1]));
}

#[test]
fn a_state_that_cannot_be_opened_ends_the_run_and_what_was_decided_is_committed() {
    let scene = Scene::new(1);
    scene.append(0, ["a", "b"]);
    let host = Host::start(&scene, "a");
    scene.until_all_done();
    host.disk.is_broken.store(true, Ordering::SeqCst);
    scene.append(0, ["c"]);
    scene.until_all_done();
    scene.system.throw_out("a");
    let failure = host.end().expect_err("a failure");
    assert!(matches!(failure, Failure::Open(_)), "{failure}");
    assert_eq!(failure.to_string(), "the disk is broken");
    scene.check();
}

#[test]
fn a_sink_that_refuses_for_ever_ends_the_run_and_nothing_of_the_transaction_is_seen() {
    for call in [Call::Flush, Call::Commit] {
        let scene = Scene::new(1);
        scene.append(0, ["a", "b"]);
        scene.system.trouble_with(move |_, called| (called == call).then_some(Trouble::Hopeless));
        let failure = Host::start(&scene, "a").end().expect_err("a failure");
        assert!(matches!(failure, Failure::Sink(_)), "{call:?}: {failure}");
        assert_eq!((scene.committed(0), scene.left(0).output.len()), (-1, 0), "{call:?}");
    }
}

#[test]
fn a_name_that_is_taken_again_and_again_ends_the_run_and_once_does_not() {
    let scene = Scene::new(1);
    let host = Host::start(&scene, "a");
    scene.append(0, ["a"]);
    scene.system.trouble_once(Call::Commit, Trouble::Fenced);
    scene.append(0, ["b", "a"]);
    scene.until_all_done();
    assert!(until(|| host.diary.has(&Said::Fenced)));
    scene.system.trouble_with(|_, called| (called == Call::Commit).then_some(Trouble::Fenced));
    scene.append(0, ["c"]);
    let failure = host.end().expect_err("a failure");
    assert!(matches!(failure, Failure::Fenced { times: 3, .. }), "{failure}");
    assert_eq!(scene.left(0).output, [0, 1]);
}

#[test]
fn commits_that_fail_again_and_again_end_the_run() {
    let scene = Scene::new(1);
    scene.append(0, ["a"]);
    scene.system.trouble_with(|_, called| (called == Call::Commit).then_some(Trouble::Fails));
    let host = Host::start(&scene, "a");
    let diary = Arc::clone(&host.diary);
    let failure = host.end().expect_err("a failure");
    assert!(matches!(failure, Failure::GaveUp(_)), "{failure}");
    let aborted = diary.said().iter().filter(|said| **said == Said::Ended(Transaction::UnknownAborted)).count();
    assert_eq!((aborted, scene.left(0).output.len()), (30, 0));
}

#[test]
fn a_plugin_that_is_to_blame_ends_the_run_where_that_is_wanted_after_what_was_decided_is_committed() {
    let scene = Scene::new(1);
    let good: Vec<String> = (0..150).map(|key| format!("good{key}")).collect();
    scene.append(0, good.iter().map(String::as_str));
    let rules = Arc::new(Rules { breaker: Some(0.5), ..Rules::default() });
    let plugins = builds().brittle.clone();
    let host = Host::start_with(&scene, "a", Habits { rules, plugins, on_stuck: OnStuck::End, ..Habits::default() });
    scene.until_all_done();
    let poison: Vec<String> = (0..1_000).map(|key| format!("{POISON}{key}")).collect();
    scene.append(0, poison.iter().map(String::as_str));
    let failure = host.end().expect_err("a failure");
    assert!(matches!(failure, Failure::Line(line::LineError::Breaker { .. })), "{failure}");
    let left = scene.left(0);
    assert_eq!(left.output, (0..150).collect::<Vec<_>>());
    assert_eq!(scene.committed(0), 150 + left.letters.len() as i64, "what went before it is committed");
}
