//! Partitions that move to a host whose disk is empty, with a copy of their state that their last owner left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use connectors::memory::{Call, Trouble};
use engine::protocol::Stage;

use crate::archive::{Archive, Told};
use crate::host::{Habits, Host, Said, dir_of};
use crate::scene::{PATIENCE, Scene, until};

const KEYS: [&str; 8] = ["a", "b", "a", "c", "b", "d", "e", "a"];

fn with(archive: &Arc<Archive>) -> Habits {
    Habits { archive: Some(Arc::clone(archive)), ..Habits::default() }
}

fn has_replayed(host: &Host) -> bool {
    host.diary.said().iter().any(|said| matches!(said, Said::Stage(_, Stage::Replaying(_))))
}

#[test]
fn a_partition_that_moves_as_planned_is_live_on_an_empty_disk_without_a_replay() {
    let scene = Scene::new(1);
    let archive = Arc::new(Archive::new(scene.dir.path()));
    // The next owner gets the partition when the copy is there, and not before.
    *archive.takes.lock().unwrap() = Duration::from_millis(150);
    let a = Host::start_with(&scene, "a", with(&archive));
    scene.append(0, KEYS);
    scene.until_all_done();
    scene.system.wish(0, "b");
    let since = Instant::now();
    let b = Host::start_with(&scene, "b", with(&archive));
    assert!(until(|| scene.system.owners().get(&0).is_some_and(|owner| owner == "b")));
    assert!(since.elapsed() >= Duration::from_millis(150) && archive.was_told(0, Told::Leaves));
    b.diary.until(&Said::Stage(0, Stage::Live));
    scene.append(0, ["a", "f", "c"]);
    scene.until_all_done();
    assert!(!has_replayed(&b), "{:?}", b.diary.said());
    b.stop_well();
    a.stop_well();
    scene.check();
}

#[test]
fn a_stop_leaves_a_copy_of_all_that_was_committed() {
    let scene = Scene::new(2);
    let archive = Arc::new(Archive::new(scene.dir.path()));
    let a = Host::start_with(&scene, "a", with(&archive));
    (0..2).for_each(|partition| scene.append(partition, KEYS));
    scene.until_all_done();
    a.stop_well();
    std::fs::remove_dir_all(dir_of(&scene, "a")).unwrap();
    let a = Host::start_with(&scene, "a", with(&archive));
    (0..2).for_each(|partition| scene.append(partition, ["e", "g", "a"]));
    scene.until_all_done();
    assert!(!has_replayed(&a), "{:?}", a.diary.said());
    a.stop_well();
    scene.check();
}

#[test]
fn what_came_after_the_last_copy_is_replayed() {
    let scene = Scene::new(1);
    let archive = Arc::new(Archive::new(scene.dir.path()));
    let a = Host::start_with(&scene, "a", with(&archive));
    // What the first commit covers is written with it; the rest would be within half a minute.
    scene.append(0, ["a"]);
    scene.until_all_done();
    assert!(until(|| archive.was_told(0, Told::Written)));
    scene.append(0, KEYS);
    scene.until_all_done();
    a.crash();
    std::fs::remove_dir_all(dir_of(&scene, "a")).unwrap();
    let a = Host::start_with(&scene, "a", with(&archive));
    scene.append(0, ["e", "g", "a"]);
    scene.until_all_done();
    let replayed = |said: &Said| matches!(said, Said::Stage(0, Stage::Replaying(behind)) if *behind < 9);
    assert!(a.diary.said().iter().any(replayed), "{:?}", a.diary.said());
    a.stop_well();
    scene.check();
}

#[test]
fn a_copy_that_is_never_put_away_costs_time_and_nothing_else() {
    let scene = Scene::new(1);
    let archive = Arc::new(Archive::new(scene.dir.path()));
    *archive.takes.lock().unwrap() = Duration::MAX;
    let habits = Habits { release_timeout: Duration::from_millis(200), ..with(&archive) };
    let a = Host::start_with(&scene, "a", habits);
    scene.append(0, KEYS);
    scene.until_all_done();
    scene.system.wish(0, "b");
    let b = Host::start(&scene, "b");
    assert!(until(|| scene.system.owners().get(&0).is_some_and(|owner| owner == "b")), "nobody waits for ever");
    scene.append(0, ["a", "f"]);
    scene.until_all_done();
    b.stop_well();
    let _late = a.stop();
    scene.check();
}

#[test]
fn what_was_lost_is_copied_no_more() {
    let scene = Scene::new(1);
    let archive = Arc::new(Archive::new(scene.dir.path()));
    let a = Host::start_with(&scene, "a", with(&archive));
    scene.append(0, KEYS);
    scene.until_all_done();
    scene.system.trouble_once(Call::Commit, Trouble::Waits);
    scene.append(0, ["x", "a"]);
    assert!(scene.system.waits(1, PATIENCE), "a is about to commit");
    scene.system.throw_out("a");
    scene.system.wish(0, "b");
    let b = Host::start_with(&scene, "b", with(&archive));
    scene.until_all_done();
    scene.system.release();
    assert!(until(|| archive.was_told(0, Told::Lost)) && !archive.was_told(0, Told::Leaves));
    a.stop_well();
    b.stop_well();
    scene.check();
}
