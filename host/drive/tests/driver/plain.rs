//! Nothing goes wrong.

use std::time::Duration;

use engine::protocol::Stage;

use crate::host::{Habits, Host, Said};
use crate::scene::{Scene, until};

#[test]
fn first_events_leave_once_and_duplicates_are_told_whatever_partitions_and_workers_there_are() {
    let scene = Scene::new(3);
    for partition in 0..3 {
        scene.append(partition, ["a", "b", "a", "c", "a", "b"]);
        scene.append_no_event(partition);
        scene.append_gap(partition);
        scene.append(partition, ["c", "d"]);
    }
    let host = Host::start_with(&scene, "a", Habits { workers: 2, ..Habits::default() });
    scene.until_all_done();
    scene.append(1, ["d", "e"]);
    scene.append_gap(1);
    scene.until_all_done();
    host.stop_well();
    scene.check();
    assert_eq!(scene.left(0).output, [0, 1, 3, 9]);
    assert_eq!(scene.left(0).duplicates, [(2, 0, 1), (4, 0, 2), (5, 1, 1), (8, 3, 1)]);
    assert_eq!(scene.left(0).letters, [6]);
}

#[test]
fn what_was_read_before_is_remembered_after_a_stop() {
    let scene = Scene::new(1);
    for keys in [["a", "b"], ["b", "c"], ["c", "a"]] {
        scene.append(0, keys);
        let host = Host::start(&scene, "a");
        scene.until_all_done();
        host.stop_well();
    }
    scene.check();
    assert_eq!(scene.left(0).output, [0, 1, 3]);
}

#[test]
fn what_is_behind_an_open_transaction_upstream_waits_for_its_end() {
    let scene = Scene::new(1);
    scene.append(0, ["a", "b"]);
    scene.system.hold_back(0, Some(1));
    let host = Host::start(&scene, "a");
    assert!(until(|| scene.committed(0) == 1));
    scene.append(0, ["a"]);
    let beats = host.diary.beats();
    assert!(until(|| host.diary.beats() > beats + 5));
    assert_eq!((scene.committed(0), scene.left(0).output), (1, vec![0]));
    scene.system.hold_back(0, None);
    scene.until_all_done();
    host.stop_well();
    scene.check();
}

#[test]
fn a_replay_that_ends_among_markers_of_transactions_is_live() {
    let scene = Scene::new(1);
    scene.append(0, ["a", "b"]);
    (0..5).for_each(|_| scene.append_gap(0));
    // Another program has committed beyond the last record.
    scene.system.set_committed(0, connectors::Committed { offset: 6, metadata: String::new() });
    let host = Host::start(&scene, "a");
    host.diary.until(&Said::Stage(0, Stage::Live));
    assert!(host.diary.has(&Said::Stage(0, Stage::Replaying(6))), "{:?}", host.diary.said());
    scene.append(0, ["b", "c"]);
    scene.until_all_done();
    host.stop_well();
    let left = scene.left(0);
    assert_eq!(
        (left.output, left.duplicates),
        (vec![8], vec![(7, 1, 1)]),
        "a and b are known, and were not sent again"
    );
}

#[test]
fn an_open_that_takes_seconds_keeps_neither_the_poll_nor_other_partitions_waiting() {
    let scene = Scene::new(2);
    scene.append(0, ["a"]);
    scene.append(1, ["a"]);
    let open_takes = Duration::from_millis(2_500);
    let host = Host::start_with(&scene, "a", Habits { open_takes, workers: 2, ..Habits::default() });
    scene.until_done([0]);
    let beats = host.diary.beats();
    scene.append(0, ["b", "a"]);
    scene.until_done([0]);
    assert_eq!(scene.committed(1), -1, "it is still being opened");
    assert!(until(|| host.diary.beats() > beats + 20));
    scene.until_all_done();
    let silence = host.diary.longest_silence();
    assert!(silence < open_takes / 2, "the polling thread was silent for {silence:?}");
    host.stop_well();
    scene.check();
}
