//! What would be wrong with a host that forgets is found: the control of the storm's verdict. The same run twice, once with
//! a disk that was put back to an earlier copy, which costs a replay and nothing else, and once with that copy changed to say
//! that it has all of the log. Of such a state no host can know; that `verify` finds what comes of it shows that the storm would.

use std::path::Path;

use checkpoint::{Control, Depot, Limits};
use dedup_host_tests::Test;
use dedup_host_tests::generated::generate;
use dedup_host_tests::program::{Ended, run};
use dedup_host_tests::scene::{LANES, Scene};
use private_files::Trust;
use state::{Applied, PartitionStore, StoreIdentity, StoreOptions};

pub(crate) const TESTS: &[Test] =
    &[("a_state_that_claims_more_than_it_has_is_found_by_the_verdict", a_state_that_claims_more_is_found)];

const EVENTS: u64 = 20_000;
const VIOLATED: i32 = 11;

/// The defaults of the program, in milliseconds.
const WINDOW_MS: i64 = 86_400_000;
const LATENESS_MS: i64 = 3_600_000;

fn a_state_that_claims_more_is_found() {
    let honest = put_back("put-back", |_| {});
    assert_eq!(honest.code, Some(0), "{}{}", honest.stdout, honest.stderr);
    let lying = put_back("claims-more", claim_all);
    assert_eq!(lying.code, Some(VIOLATED), "{}{}", lying.stdout, lying.stderr);
    println!("  verify says:\n{}", lying.stdout);
}

/// A run whose disk is put back to what it was after its first half, and the verdict.
fn put_back(name: &str, meanwhile: impl Fn(&Scene)) -> Ended {
    let scene = Scene::new(name, 2);
    let _first = generate(&scene, EVENTS, 1);
    go_on(&scene);
    copy(&scene.store(), &scene.path("saved"));
    let _second = generate(&scene, EVENTS, 2);
    go_on(&scene);
    std::fs::remove_dir_all(scene.store()).expect("it was there");
    copy(&scene.path("saved"), &scene.store());
    meanwhile(&scene);
    again(&scene, 2);
    go_on(&scene);
    scene.verify(LANES, &[])
}

/// A host decides all there is, and leaves.
fn go_on(scene: &Scene) {
    let dir = scene.path("checkpoints").display().to_string();
    let mut host = scene.start(&["--checkpoint-interval-secs", "3600", "--local-checkpoint-dir", &dir]);
    scene.drain(&mut [&mut host]);
    host.stop();
}

/// The events of a seed come once more, so that all are duplicates.
fn again(scene: &Scene, seed: u64) {
    let start = 1_767_225_600_000 + seed * 86_400_000;
    let (hosts, input, partitions) = (&scene.broker.hosts, &scene.input, scene.partitions);
    let words = format!(
        "generate --kafka-hosts {hosts} --topic {input} --partitions {partitions} --events {EVENTS} --seed {seed} --start \
         {start} --duplicates 0.1"
    );
    let _ended = run(words.split(' ')).ok();
}

/// Has the states say that they have all that the group has committed. Its checkpoints know what they belong to; they go, as
/// they have what the states lack.
fn claim_all(scene: &Scene) {
    let dir = scene.path("checkpoints");
    let depot = Depot::directory(&dir, Trust::Anyone, Limits::default()).expect("a depot");
    let committed = scene.broker.committed(&scene.group, &scene.input, scene.partitions);
    for place in depot.places(&Control::default()).expect("places") {
        let found = depot.candidates(&place, &Control::default()).expect("checkpoints").manifests;
        let identity: StoreIdentity = serde_json::from_str(&found[0].about().identity).expect("an identity");
        let partition = place.partition as usize;
        let store = scene.store().join(&scene.input).join(partition.to_string());
        claim(&store, &identity, committed[partition].expect("committed"));
    }
    std::fs::remove_dir_all(dir).expect("it was there");
}

fn claim(store: &Path, identity: &StoreIdentity, next_offset: i64) {
    let options = StoreOptions::for_window(Some(WINDOW_MS), LATENESS_MS);
    let mut store = PartitionStore::open(store, identity, options).expect("a state");
    let has = store.applied().expect("something").clone();
    assert!(has.next_offset < next_offset, "it has all of it");
    store.commit(Applied { next_offset, ..has });
    store.persist().expect("written");
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp -a {} {}", from.display(), to.display());
}
