//! A keeper with real states and a directory of checkpoints, without a driver: what it makes of what it is told, and what it
//! brings back. Not the program, and no broker.

#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene fails loudly")]

mod damage;
mod world;

use std::fs;
use std::time::{Duration, Instant};

use checkpoint::{Control, Depot, Limits};
use connectors::Bounds;
use drive::{Copies, OpenFailure, States, Wanted};
use engine::fingerprint::Seed;
use private_files::Trust;

use self::world::{ALWAYS, NEVER, PATIENCE, Patient, World, applied, files, known, quick_leave, until, write};

#[test]
fn a_state_that_leaves_is_there_for_the_next_host_before_its_partition_is() {
    let world = World::new();
    let (a, b) = (world.host("a", NEVER), world.host("b", NEVER));
    let mut store = a.open(None, 0).unwrap();
    a.came_from("nothing");
    a.write(&mut store, 0..300);
    quick_leave(&a, store);
    assert_eq!(world.offsets(), [300]);
    let mut store = b.open(Some(300), 300).unwrap();
    b.came_from("local");
    assert_eq!((applied(&store), known(&mut store)), (Some(300), 300));
    let beside: Vec<_> =
        fs::read_dir(b.store.join("events")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside, ["0"], "nothing is left beside the state");
    b.write(&mut store, 300..400);
    quick_leave(&b, store);
    assert_eq!(world.offsets(), [400, 300]);
    // The first has a state of its own that is good enough.
    let store = a.open(Some(400), 0).unwrap();
    assert_eq!(applied(&store), Some(300));
    drop(store);
    // And one that is not: the log lacks what comes after it.
    let mut store = a.open(Some(400), 350).unwrap();
    assert_eq!((applied(&store), known(&mut store)), (Some(400), 400));
    a.came_from("local");
}

#[test]
fn checkpoints_are_made_while_a_state_is_written_and_older_ones_go() {
    let world = World::new();
    let host = world.host("a", ALWAYS);
    let mut store = host.open(None, 0).unwrap();
    host.shows();
    for round in 0..6 {
        host.write(&mut store, round * 50..round * 50 + 50);
        let offset = round * 50 + 50;
        let deadline = Instant::now() + PATIENCE;
        let reaches =
            format!("dedup_host_checkpoint_offset{{partition=\"0\",place=\"local\",topic=\"events\"}} {offset}");
        while !host.says(&reaches) {
            assert!(Instant::now() < deadline, "{}", host.metrics.render().unwrap());
            std::thread::sleep(Duration::from_millis(5));
            // As a worker does that has nothing new.
            host.keeper.written(0, &mut store);
        }
    }
    until(|| world.offsets() == [300, 250, 200]);
    let checkpoints = host.status.snapshot().partitions[0].status.checkpoints.clone();
    assert_eq!((checkpoints.len(), checkpoints[0].offset, checkpoints[0].place), (1, Some(300), "local"));
    let published = host.metrics.render().unwrap();
    host.keeper.written(0, &mut store);
    std::thread::sleep(Duration::from_millis(50));
    let count = |text: &str| {
        text.lines().find(|line| line.starts_with("dedup_host_checkpoints_total{place=\"local\"")).map(str::to_owned)
    };
    assert_eq!(count(&host.metrics.render().unwrap()), count(&published), "nothing has changed");
    until(|| fs::read_dir(host.store.join("events/0.captured")).map_or(true, |mut left| left.next().is_none()));
}

#[test]
fn a_shelf_that_cannot_be_used_costs_no_state_and_piles_nothing_up() {
    let world = World::new();
    let file = world.dir.path().join("file");
    fs::write(&file, "no directory").unwrap();
    let host = world.host_with("a", ALWAYS, None, &file.join("checkpoints"));
    let mut store = host.open(None, 0).unwrap();
    host.shows();
    for round in 0..50 {
        host.write(&mut store, round * 10..round * 10 + 10);
        std::thread::sleep(Duration::from_millis(2));
        let captured = fs::read_dir(host.store.join("events/0.captured")).map_or(0, Iterator::count);
        assert!(captured <= 2, "{captured} captured states wait");
    }
    until(|| host.status.snapshot().partitions[0].status.checkpoints.iter().any(|shown| shown.failing.is_some()));
    let took = host.leave(store, Duration::from_millis(500));
    assert!(took < PATIENCE, "{took:?}");
    let store = host.open(Some(500), 0).unwrap();
    assert_eq!(applied(&store), Some(500));
    // It is mended.
    fs::remove_file(&file).unwrap();
    let mut store = store;
    host.write(&mut store, 500..510);
    quick_leave(&host, store);
    let depot = Depot::directory(&file.join("checkpoints"), Trust::Anyone, Limits::default()).unwrap();
    assert_eq!(depot.candidates(&World::place(0), &Control::default()).unwrap().manifests.len(), 1);
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before() {
    let world = World::new();
    let a = world.host("a", NEVER);
    let mut store = a.open(None, 0).unwrap();
    a.write(&mut store, 0..300);
    quick_leave(&a, store);
    let before = files(&world.shelf());
    let mut store = a.open(Some(300), 0).unwrap();
    a.write(&mut store, 300..400);
    quick_leave(&a, store);
    let new: Vec<_> = files(&world.shelf()).difference(&before).cloned().collect();
    // Objects first, then whatever else is new: each way the newest cannot be used, and the one before can.
    for path in &new {
        let whole = fs::read(path).unwrap();
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, &bytes).unwrap();
        let host = world.host("b", NEVER);
        let mut store = host.open(Some(400), 0).unwrap();
        assert!([Some(300), Some(400)].contains(&applied(&store)), "{path:?}");
        assert_eq!(i64::try_from(known(&mut store)).ok(), applied(&store), "{path:?}");
        drop((store, host));
        fs::remove_dir_all(world.dir.path().join("b")).unwrap();
        fs::write(path, whole).unwrap();
    }
    for path in &new {
        fs::write(path, "nothing").unwrap();
    }
    let host = world.host("b", NEVER);
    let mut store = host.open(Some(400), 0).unwrap();
    assert_eq!((applied(&store), known(&mut store)), (Some(300), 300));
    assert!(!host.says("dedup_host_checkpoints_damaged_total 0"));
}

#[test]
fn a_damaged_state_gives_way_to_a_checkpoint_and_is_refused_where_there_is_none() {
    let world = World::new();
    let a = world.host("a", NEVER);
    let mut store = a.open(None, 0).unwrap();
    a.write(&mut store, 0..300);
    drop(store);
    let manifest = || {
        let dir = a.store.join("events/0");
        dir.join(fs::read_to_string(dir.join("CURRENT")).unwrap().trim())
    };
    let spoil = || fs::write(manifest(), "no manifest of RocksDB").unwrap();
    let whole = fs::read(manifest()).unwrap();
    spoil();
    let refused = a.open(Some(300), 0).map(drop);
    assert!(matches!(&refused, Err(OpenFailure::Other(error)) if error.to_string().contains("damaged")), "{refused:?}");
    fs::write(manifest(), whole).unwrap();
    let mut store = a.open(Some(300), 0).unwrap();
    a.write(&mut store, 300..400);
    quick_leave(&a, store);
    spoil();
    let mut store = a.open(Some(400), 0).unwrap();
    assert_eq!((applied(&store), known(&mut store)), (Some(400), 400));
    a.came_from("local");
}

#[test]
fn a_checkpoint_of_another_window_is_refused_and_one_of_another_seed_is_none() {
    let world = World::new();
    let a = world.host("a", NEVER);
    let mut store = a.open(None, 0).unwrap();
    a.write(&mut store, 0..300);
    quick_leave(&a, store);
    let other = world.host_with("b", NEVER, Some(5_000), &world.shelf());
    let refused = other.open(Some(300), 0).map(|_| ()).unwrap_err().into_cause().to_string();
    assert!(refused.contains("--window"), "{refused}");
    let (waits, bounds) = (Patient::default(), Bounds { log_start: 0, log_end: 900, stable_end: 900 });
    let c = world.host("c", NEVER);
    let wanted = Wanted { partition: 0, seed: Some(Seed([8; 16])), committed: Some(300), bounds, waits: &waits };
    let store = c.keeper.open(&wanted).unwrap();
    assert_eq!((applied(&store), store.seed()), (None, Seed([8; 16])));
    c.came_from("nothing");
}

#[test]
fn what_reaches_beyond_the_group_is_the_last_resort() {
    let world = World::new();
    let a = world.host("a", NEVER);
    let mut store = a.open(None, 0).unwrap();
    a.write(&mut store, 0..300);
    quick_leave(&a, store);
    let mut store = a.open(Some(300), 0).unwrap();
    a.write(&mut store, 300..400);
    quick_leave(&a, store);
    let open = |name: &str, committed, log_start| {
        let host = world.host(name, NEVER);
        let store = host.open(Some(committed), log_start).unwrap();
        applied(&store)
    };
    assert_eq!(open("b", 350, 0), Some(300));
    assert_eq!(open("c", 250, 0), None, "the log has all of it");
    assert_eq!(open("d", 250, 100), Some(300), "the least of those beyond");
}

#[test]
fn an_offset_that_was_set_back_lets_a_lower_checkpoint_follow() {
    let world = World::new();
    let a = world.host("a", NEVER);
    let mut store = a.open(None, 0).unwrap();
    a.write(&mut store, 0..400);
    quick_leave(&a, store);
    // The group is set back to 200: another host begins there.
    let b = world.host("b", NEVER);
    let mut store = b.open(Some(200), 0).unwrap();
    assert_eq!(applied(&store), None);
    b.write(&mut store, 0..250);
    quick_leave(&b, store);
    assert_eq!(world.offsets(), [400, 250]);
    // What is beyond the place where it began is superseded, even when the group has passed it again.
    let c = world.host("c", NEVER);
    assert_eq!(applied(&c.open(Some(500), 0).unwrap()), Some(250));
}

#[test]
fn a_zombie_publishes_nothing_once_its_successor_has_claimed_the_partition() {
    let world = World::new();
    let (zombie, heir) = (world.host("a", ALWAYS), world.host("b", NEVER));
    let mut old = zombie.open(None, 0).unwrap();
    zombie.write(&mut old, 0..100);
    until(|| {
        zombie.keeper.written(0, &mut old);
        world.offsets() == [100]
    });
    let mut store = heir.open(Some(100), 0).unwrap();
    heir.write(&mut store, 100..200);
    quick_leave(&heir, store);
    // It had committed a little more when it lost the partition, and writes that now, again and again.
    write(&mut old, 100..150);
    for _ in 0..50 {
        zombie.keeper.written(0, &mut old);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(world.offsets(), [200, 100]);
    // One that commits again is none.
    for round in 150..153 {
        zombie.write(&mut old, round..round + 1);
    }
    until(|| {
        zombie.keeper.written(0, &mut old);
        world.offsets().contains(&153)
    });
}

#[test]
fn a_partition_that_is_lost_is_copied_no_more() {
    let world = World::new();
    let a = world.host("a", NEVER);
    let mut store = a.open(None, 0).unwrap();
    a.write(&mut store, 0..100);
    a.keeper.lost(0);
    let took = a.leave(store, PATIENCE);
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(world.offsets().is_empty());
}
