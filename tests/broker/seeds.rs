//! What keys are hashed with: one seed for all partitions and hosts of a group, whoever starts first and whatever is lost.

use std::fs;
use std::time::{Duration, Instant};

use dedup_host_tests::Test;
use dedup_host_tests::broker::{Seen, record};
use dedup_host_tests::program::Running;
use dedup_host_tests::scene::{LANES, PATIENCE, Scene};

pub(crate) const TESTS: &[Test] = &[
    ("hosts_that_start_together_with_nothing_hash_keys_alike", hosts_that_start_together_with_nothing_hash_keys_alike),
    ("a_group_whose_records_are_gone_agrees_anew_and_refuses_other_states", a_group_whose_records_are_gone_agrees_anew),
];

const BY_ID: &[&str] = &["--plugin-config", "/id"];
const PARTITIONS: i32 = 4;
const STATE: i32 = 5;

fn produce(scene: &Scene, ids: std::ops::Range<i32>) {
    let event = |id: i32| Seen { partition: id % PARTITIONS, ..record(format!(r#"{{"id":"{id}"}}"#)) };
    scene.broker.produce_records(&scene.input, &ids.map(event).collect::<Vec<_>>());
}

/// The one seed of the group, once each partition's offset says it.
fn seed(scene: &Scene) -> Vec<u8> {
    let progress = scene.broker.progress(&scene.group, &scene.input, PARTITIONS);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seeds = progress.seeds();
        let mut said: Vec<_> = seeds.iter().flatten().collect();
        said.dedup();
        assert!(said.len() <= 1, "partitions hash their keys differently");
        if let (Some(seed), false) = (said.first(), seeds.contains(&None)) {
            assert_eq!(seed.len(), 16);
            return (*seed).clone();
        }
        assert!(Instant::now() < deadline, "only {} of {PARTITIONS} partitions say it", seeds.iter().flatten().count());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn hosts_that_start_together_with_nothing_hash_keys_alike() {
    let scene = Scene::new("seeds", PARTITIONS);
    let members = ["first", "second", "third"];
    let mut hosts: Vec<_> = members.iter().map(|member| scene.start_member(member, LANES, BY_ID)).collect();
    // Not one record has come yet.
    let chosen = seed(&scene);
    hosts.iter_mut().for_each(|host| host.ready());
    produce(&scene, 0..400);
    scene.drain(&mut hosts.iter_mut().collect::<Vec<_>>());
    assert_eq!(seed(&scene), chosen);
    hosts.drain(..).for_each(|host| drop(host.stop()));
    // A host that has lost its state, and one that never had any, go on with it.
    fs::remove_dir_all(scene.path("first")).expect("it was there");
    for member in ["first", "new"] {
        produce(&scene, 0..400);
        let mut host = scene.start_member(member, LANES, BY_ID);
        scene.drain(&mut [&mut host]);
        host.stop();
        assert_eq!(seed(&scene), chosen, "{member}");
    }
    assert_eq!(scene.read("output").len(), 400);
}

fn a_group_whose_records_are_gone_agrees_anew() {
    let scene = Scene::new("reseeded", PARTITIONS);
    produce(&scene, 0..400);
    let mut host = scene.start_member("old", LANES, BY_ID);
    scene.drain(&mut [&mut host]);
    let before = seed(&scene);
    host.stop();
    // As an operator does it, who knows of no metadata; and nothing comes that had to be committed.
    let ends: Vec<(i32, i64)> = (0..PARTITIONS).zip(scene.broker.ends(&scene.input, PARTITIONS)).collect();
    scene.broker.set_committed(&scene.group, &scene.input, &ends);
    let mut host = scene.start_member("empty", LANES, BY_ID);
    host.ready();
    produce(&scene, 0..800);
    scene.drain(&mut [&mut host]);
    host.stop();
    assert_ne!(seed(&scene), before, "chance does not choose the same one twice");
    assert_eq!(scene.read("output").len(), 800, "the state was rebuilt under it");
    let (command, _) = scene.command("old", LANES, BY_ID);
    let said = Running::start_command(command).wait(PATIENCE);
    said.refused(STATE, &["another seed", "delete the directory", "rebuilt from the topic"]);
    fs::remove_dir_all(scene.path("old")).expect("it was there");
    let mut host = scene.start_member("old", LANES, BY_ID);
    host.ready();
    host.stop();
    // With the state that goes with them, a group without records stays with its seed.
    let chosen = seed(&scene);
    let ends: Vec<(i32, i64)> = (0..PARTITIONS).zip(scene.broker.ends(&scene.input, PARTITIONS)).collect();
    scene.broker.set_committed(&scene.group, &scene.input, &ends);
    let mut host = scene.start_member("empty", LANES, BY_ID);
    host.ready();
    produce(&scene, 800..1_200);
    scene.drain(&mut [&mut host]);
    host.stop();
    assert_eq!(seed(&scene), chosen);
}
