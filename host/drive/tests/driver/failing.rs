//! A plugin that fails, and parts of a log that cannot be read.

use std::sync::Arc;

use drive::OnUnreadable;
use engine::protocol::Stage;
use line::Rules;

use crate::host::{Habits, Host, Said};
use crate::scene::{POISON, Scene, builds, until};

fn brittle() -> Habits {
    Habits { plugins: builds().brittle.clone(), ..Habits::default() }
}

fn breaking() -> Habits {
    Habits { rules: Arc::new(Rules { breaker: Some(0.5), ..Rules::default() }), ..brittle() }
}

fn append_poison(scene: &Scene, partition: i32, count: usize) {
    let keys: Vec<String> = (0..count).map(|key| format!("{POISON}{key}")).collect();
    scene.append(partition, keys.iter().map(String::as_str));
}

#[test]
fn a_plugin_that_is_broken_holds_its_partition_and_a_fixed_one_lets_it_go_on() {
    let scene = Scene::new(2);
    let host = Host::start_with(&scene, "a", breaking());
    scene.append(0, ["a", "b"]);
    scene.append(1, ["a"]);
    scene.until_all_done();
    append_poison(&scene, 0, 1_000);
    host.diary.until(&Said::Held(0));
    scene.append(1, ["b", "a"]);
    scene.until_done([1]);
    assert!(scene.committed(0) < 1_002 && !host.diary.has(&Said::Held(1)));
    host.plugins.publish(builds().honest.clone());
    host.diary.until(&Said::Released(0));
    append_poison(&scene, 0, 3);
    scene.until_all_done();
    host.stop_well();
    // Before it was clear that the plugin is to blame, some events may have left as letters; none of those held.
    scene.check();
}

#[test]
fn a_partition_that_is_held_can_be_let_go_of() {
    let scene = Scene::new(1);
    let a = Host::start_with(&scene, "a", breaking());
    append_poison(&scene, 0, 300);
    a.diary.until(&Said::Held(0));
    scene.system.wish(0, "b");
    let b = Host::start(&scene, "b");
    scene.until_all_done();
    a.stop_well();
    b.stop_well();
    scene.check();
}

#[test]
fn an_event_that_the_plugin_fails_on_leaves_no_key_whoever_reads_it_again() {
    let scene = Scene::new(1);
    scene.append(0, ["a", "poison1", "b", "a"]);
    let host = Host::start_with(&scene, "a", brittle());
    scene.until_all_done();
    assert_eq!(scene.left(0).letters, [1]);
    let generation = host.plugins.publish(builds().honest.clone());
    host.diary.until(&Said::DecidesWith(0, generation));
    scene.append(0, ["poison1", "poison1"]);
    scene.until_all_done();
    host.stop_well();
    // Another host rebuilds the state with a plugin that does not fail.
    let host = Host::start(&scene, "b");
    host.diary.until(&Said::Stage(0, Stage::Live));
    scene.append(0, ["poison1", "b"]);
    scene.until_all_done();
    host.stop_well();
    scene.check();
    assert_eq!(scene.left(0).output, [0, 2, 4]);
}

#[test]
fn a_replay_with_a_plugin_that_fails_on_what_was_decided_waits_for_one_that_does_not() {
    let scene = Scene::new(1);
    scene.append(0, ["a", "poison1", "b"]);
    let host = Host::start(&scene, "a");
    scene.until_all_done();
    host.stop_well();
    let host = Host::start_with(&scene, "b", brittle());
    scene.append(0, ["poison1"]);
    host.diary.until(&Said::Held(0));
    assert_eq!(scene.committed(0), 3);
    host.plugins.publish(builds().honest.clone());
    scene.until_all_done();
    host.stop_well();
    scene.check();
    assert_eq!(scene.left(0).duplicates, [(3, 1, 1)]);
}

#[test]
fn what_cannot_be_read_stops_its_partition_or_is_passed_over_as_the_operator_says() {
    for on_unreadable in [OnUnreadable::Stop, OnUnreadable::Skip] {
        let scene = Scene::new(2);
        scene.append(0, ["a"]);
        scene.append_unreadable(0);
        scene.append_unreadable(0);
        scene.append(0, ["a", "b"]);
        scene.append(1, ["a"]);
        let host = Host::start_with(&scene, "a", Habits { on_unreadable, ..Habits::default() });
        host.diary.until(&Said::Unreadable(0));
        scene.append(1, ["b", "a"]);
        scene.until_done([1]);
        match on_unreadable {
            OnUnreadable::Stop => assert_eq!((scene.committed(0), scene.left(0).output), (1, vec![0])),
            OnUnreadable::Skip => {
                scene.until_all_done();
                let left = scene.left(0);
                assert_eq!((left.output, left.letters), (vec![0, 4], vec![1]));
                assert_eq!(left.duplicates, [(3, 0, 1)]);
            }
        }
        host.stop_well();
    }
}

#[test]
fn plugins_are_taken_up_between_two_transactions_and_nothing_is_lost() {
    let scene = Scene::new(2);
    let host = Host::start(&scene, "a");
    for round in 0..10 {
        (0..2).for_each(|partition| scene.append(partition, ["a", "b", "c", "d"]));
        let builds = builds();
        host.plugins.publish(if round % 2 == 0 { builds.brittle.clone() } else { builds.honest.clone() });
        assert!(until(|| scene.committed(0) > round * 4));
    }
    scene.until_all_done();
    host.stop_well();
    scene.check();
}
