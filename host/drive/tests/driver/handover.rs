//! Partitions go from one host to another: in peace, late, by force; and all hosts hash their keys alike.

use std::collections::BTreeSet;
use std::time::Duration;

use connectors::memory::{Call, Trouble};
use drive::Change;
use engine::progress::Progress;

use crate::host::{Habits, Host, Said};
use crate::scene::{PATIENCE, Scene, until};

const KEYS: [&str; 8] = ["a", "b", "a", "c", "b", "d", "e", "a"];

#[test]
fn a_partition_that_moves_goes_on_where_its_owner_left_off() {
    let scene = Scene::new(2);
    (0..2).for_each(|partition| scene.append(partition, KEYS));
    let a = Host::start(&scene, "a");
    scene.until_all_done();
    let b = Host::start(&scene, "b");
    assert!(until(|| scene.system.owners().values().any(|owner| owner == "b")));
    (0..2).for_each(|partition| scene.append(partition, KEYS));
    scene.until_all_done();
    assert!(a.diary.has(&Said::Rebalanced(Change::Revoked, 1)));
    a.stop_well();
    (0..2).for_each(|partition| scene.append(partition, ["f", "a"]));
    scene.until_all_done();
    b.stop_well();
    scene.check();
}

#[test]
fn what_is_decided_and_not_committed_when_a_partition_goes_is_committed_by_who_decided_it() {
    let scene = Scene::new(1);
    scene.append(0, KEYS);
    // Nothing else would commit it for an hour.
    let habits = Habits { commit_interval: Duration::from_secs(3_600), ..Habits::default() };
    let a = Host::start_with(&scene, "a", habits.clone());
    assert!(until(|| scene.system.owners().contains_key(&0)));
    // All of it is decided once the partition is drained.
    assert!(until(|| a.diary.said().iter().any(|said| matches!(said, Said::Stage(0, _)))));
    let beats = a.diary.beats();
    assert!(until(|| a.diary.beats() > beats + 20));
    scene.system.wish(0, "b");
    let b = Host::start_with(&scene, "b", habits);
    assert!(until(|| scene.system.owners().get(&0).is_some_and(|owner| owner == "b")));
    assert_eq!(scene.committed(0), KEYS.len() as i64, "before b had it");
    b.stop_well();
    a.stop_well();
    scene.check();
}

#[test]
fn a_zombie_commits_nothing_and_its_successor_everything() {
    let scene = Scene::new(1);
    let a = Host::start(&scene, "a");
    scene.append(0, KEYS);
    scene.until_all_done();
    scene.system.trouble_once(Call::Commit, Trouble::Waits);
    scene.append(0, ["x", "a"]);
    assert!(scene.system.waits(1, PATIENCE), "a is about to commit");
    scene.system.throw_out("a");
    scene.system.wish(0, "b");
    let b = Host::start(&scene, "b");
    // b has no state, and reads all of it.
    scene.until_all_done();
    scene.check();
    scene.system.release();
    scene.append(0, ["x", "y"]);
    scene.until_all_done();
    a.diary.until(&Said::Rebalanced(Change::Lost, 1));
    a.stop_well();
    b.stop_well();
    scene.check();
}

#[test]
fn a_worker_that_lets_go_too_late_has_lost_the_partition() {
    let scene = Scene::new(1);
    let habits = Habits { release_timeout: Duration::from_millis(50), ..Habits::default() };
    let a = Host::start_with(&scene, "a", habits);
    scene.append(0, KEYS);
    scene.until_all_done();
    scene.system.trouble_once(Call::Flush, Trouble::Waits);
    scene.append(0, ["x", "a"]);
    assert!(scene.system.waits(1, PATIENCE));
    scene.system.wish(0, "b");
    let b = Host::start(&scene, "b");
    assert!(until(|| scene.system.owners().get(&0).is_some_and(|owner| owner == "b")), "nobody waits for a for ever");
    scene.until_all_done();
    scene.system.release();
    // What a had under way is given up; it is a member still, and gets the partition when b has gone.
    a.diary.until(&Said::RolledBack(0));
    b.stop_well();
    scene.append(0, ["x", "z"]);
    scene.until_all_done();
    let _late = a.stop();
    scene.check();
}

#[test]
fn a_host_that_was_cut_off_and_replaced_comes_back_and_has_lost_everything() {
    let scene = Scene::new(2);
    let a = Host::start(&scene, "a");
    (0..2).for_each(|partition| scene.append(partition, KEYS));
    scene.until_all_done();
    scene.system.cut_off("a", true);
    (0..2).for_each(|partition| scene.append(partition, ["x", "a"]));
    scene.system.throw_out("a");
    let b = Host::start(&scene, "b");
    scene.until_all_done();
    scene.system.cut_off("a", false);
    a.diary.until(&Said::Rebalanced(Change::Lost, 2));
    assert!(until(|| scene.system.owners().values().collect::<BTreeSet<_>>().len() == 2));
    (0..2).for_each(|partition| scene.append(partition, ["x", "y"]));
    scene.until_all_done();
    a.stop_well();
    b.stop_well();
    scene.check();
}

#[test]
fn partitions_come_and_go_all_the_time_and_nothing_is_lost() {
    let scene = Scene::new(3);
    let hosts = ["a", "b"].map(|name| Host::start_with(&scene, name, Habits { workers: 2, ..Habits::default() }));
    for round in 0..10 {
        for partition in 0..3 {
            scene.append(partition, KEYS);
            scene.system.wish(partition, ["a", "b"][(round + partition as usize) % 2]);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    scene.until_all_done();
    hosts.into_iter().for_each(Host::stop_well);
    scene.check();
}

#[test]
fn hosts_that_start_with_nothing_hash_their_keys_alike() {
    let scene = Scene::new(4);
    let hosts = ["a", "b", "c"].map(|name| Host::start(&scene, name));
    // Nothing is written to partition 0, whose owner chooses.
    (1..4).for_each(|partition| scene.append(partition, KEYS));
    scene.until_done(1..4);
    let opened: usize = hosts.iter().map(|host| host.disk.seeds().len()).sum();
    let seeds: BTreeSet<[u8; 16]> = hosts.iter().flat_map(|host| host.disk.seeds()).map(|seed| seed.0).collect();
    assert!(opened >= 4 && seeds.len() == 1, "{opened} states, {seeds:?}");
    for partition in 0..4 {
        let committed = scene.system.committed(partition).expect("committed");
        let progress = Progress::read(&committed.metadata, committed.offset).expect("sound").expect("there");
        assert_eq!(progress.seed().map(|seed| seed.0).as_ref(), seeds.first(), "partition {partition}");
    }
    hosts.into_iter().for_each(Host::stop_well);
    scene.check();
}
