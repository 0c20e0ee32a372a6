//! States that are lost, or behind: what the log says below C is learnt, and not sent again.

use engine::protocol::Stage;

use crate::host::{Host, Said, dir_of};
use crate::scene::{Scene, until};

const KEYS: [&str; 6] = ["a", "b", "a", "c", "b", "a"];

#[test]
fn a_state_that_is_lost_is_rebuilt_from_the_log_with_outputs_off() {
    let scene = Scene::new(1);
    let host = Host::start(&scene, "a");
    scene.append(0, KEYS);
    scene.append_gap(0);
    scene.append_no_event(0);
    scene.until_all_done();
    host.stop_well();
    std::fs::remove_dir_all(dir_of(&scene, "a")).expect("it was there");
    let host = Host::start(&scene, "a");
    host.diary.until(&Said::Stage(0, Stage::Live));
    assert!(host.diary.has(&Said::Stage(0, Stage::Replaying(8))), "{:?}", host.diary.said());
    scene.append(0, ["c", "d", "a"]);
    scene.until_all_done();
    host.stop_well();
    scene.check();
}

#[test]
fn a_host_that_dies_replays_what_its_state_had_not_written() {
    let scene = Scene::new(2);
    for round in 0..4 {
        let host = Host::start(&scene, "a");
        (0..2).for_each(|partition| scene.append(partition, KEYS));
        scene.until_all_done();
        // What the first commit covers is written with it.
        if round > 1 {
            assert!(until(|| host.diary.said().iter().any(|said| matches!(said, Said::Stage(_, Stage::Replaying(_))))));
        }
        host.crash();
    }
    let host = Host::start(&scene, "a");
    scene.append(0, ["z"]);
    scene.until_all_done();
    host.stop_well();
    scene.check();
}

#[test]
fn a_state_that_is_far_ahead_of_c_is_not_trusted_with_what_was_never_committed() {
    let scene = Scene::new(1);
    let a = Host::start(&scene, "a");
    scene.append(0, KEYS);
    scene.until_all_done();
    a.stop_well();
    let before = scene.left(0);
    // The group has lost everything since its first commit; another host does it again.
    let commits = scene.system.history(0).len();
    scene.system.lose_commits(0, commits - 1);
    let from = scene.committed(0);
    let b = Host::start(&scene, "b");
    scene.until_all_done();
    b.stop_well();
    let a = Host::start(&scene, "a");
    scene.append(0, ["c", "d"]);
    scene.until_all_done();
    a.stop_well();
    let again = scene.wanted(0, &[]).from(from);
    assert_eq!(scene.left(0).uncounted(), before.and(again).uncounted());
}
