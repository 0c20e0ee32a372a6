//! What goes and what stays.

use std::thread;

use futures_util::TryStreamExt;
use object_store::ObjectStoreExt;

use super::faulty::{Faulty, Plan};
use super::*;

fn without_grace() -> (Arc<InMemory>, Depot) {
    let store = Arc::new(InMemory::new());
    let depot = over(Arc::clone(&store) as Arc<dyn ObjectStore>, Limits { grace: Duration::ZERO, ..limits() });
    (store, depot)
}

fn offsets(depot: &Depot) -> Vec<u64> {
    let manifests = depot.candidates(&place(), &control()).unwrap().manifests;
    manifests.iter().map(|manifest| manifest.about().next_offset.unwrap()).collect()
}

fn objects(store: &InMemory) -> Vec<String> {
    let listed = pollster(store.list(None).try_collect::<Vec<_>>()).unwrap();
    listed.into_iter().map(|meta| meta.location.to_string()).filter(|name| name.contains("/objects/")).collect()
}

fn pollster<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn the_newest_stay_with_all_that_they_need_and_nothing_else() {
    let (store, depot) = without_grace();
    for next_offset in [100, 110, 120, 130, 140, 150] {
        publish(&depot, next_offset, 1, Full::Every(4)).unwrap();
    }
    let pruned = depot.prune(&place(), 2, &control()).unwrap();
    assert_eq!((pruned.checkpoints, pruned.kept), (4, 2));
    assert_eq!(offsets(&depot), [150, 140]);
    assert!(depot.verify(&place(), &control()).unwrap().iter().all(|checked| checked.result.is_ok()));
    // Both begin with the full one at 140: eight objects, and three that are new.
    assert_eq!(objects(&store).len(), 11);
    assert_eq!(depot.prune(&place(), 2, &control()).unwrap().objects, 0);
    assert_eq!(depot.prune(&place(), 0, &control()).unwrap().kept, 1, "one always stays");
}

#[test]
fn after_a_rewind_the_newest_epoch_stays() {
    let (_store, depot) = without_grace();
    for (next_offset, epoch) in [(500, 1), (510, 1), (100, 2)] {
        publish(&depot, next_offset, epoch, Full::Every(9)).unwrap();
    }
    depot.prune(&place(), 1, &control()).unwrap();
    assert_eq!(offsets(&depot), [100]);
    assert_eq!(restored(&depot).unwrap().1, state(100, "w"));
}

#[test]
fn what_is_young_or_leased_stays() {
    let (store, depot) = in_memory();
    publish(&depot, 100, 1, Full::Every(9)).unwrap();
    let old = depot.candidates(&place(), &control()).unwrap().manifests.remove(0);
    publish(&depot, 300, 1, Full::Every(9)).unwrap();
    let before = objects(&store).len();
    let pruned = depot.prune(&place(), 1, &control()).unwrap();
    assert_eq!((pruned.checkpoints, pruned.objects), (1, 0), "younger than the grace time");
    assert_eq!(objects(&store).len(), before);
    refused(fetched(&depot, &old), &["pruned meanwhile"]);
}

#[test]
fn what_somebody_fetches_stays_as_long_as_its_lease_is_young() {
    let memory = Arc::new(InMemory::new());
    let faulty = Faulty::new(&memory, Plan::sound());
    let depot = over(Arc::new(faulty.clone()), Limits { grace: Duration::from_millis(900), ..limits() });
    publish(&depot, 100, 1, Full::Every(9)).unwrap();
    let old = depot.candidates(&place(), &control()).unwrap().manifests.remove(0);
    publish(&depot, 300, 1, Full::Every(9)).unwrap();
    fetched(&depot, &old).unwrap();
    let lease = faulty.written().into_iter().find(|name| name.contains("/leases/")).unwrap();
    let leases = || pollster(memory.list(Some(&"prefix".into())).try_collect::<Vec<_>>()).unwrap();
    assert!(!leases().iter().any(|meta| meta.location.to_string().contains("/leases/")), "it is given back");

    thread::sleep(Duration::from_millis(1_000));
    pollster(memory.put(&lease.as_str().into(), old.body.encode().unwrap().into())).unwrap();
    let pruned = depot.prune(&place(), 1, &control()).unwrap();
    assert_eq!((pruned.checkpoints, pruned.objects), (1, 0));
    thread::sleep(Duration::from_millis(1_000));
    assert_eq!(depot.prune(&place(), 1, &control()).unwrap().objects, 7, "whoever had the lease is dead");
    assert_eq!(restored(&depot).unwrap().1, state(300, "w"));
}

#[test]
fn what_dead_writers_left_in_a_directory_goes() {
    let dir = tempfile::tempdir().unwrap();
    let patient = in_directory(dir.path());
    publish(&patient, 100, 1, Full::Every(9)).unwrap();
    let left = dir.path().join(place().prefix()).join("objects/.0123456789abcdef.part");
    std::fs::write(&left, "half").unwrap();
    patient.prune(&place(), 1, &control()).unwrap();
    assert!(left.exists(), "somebody may be writing it");
    let hasty = Limits { grace: Duration::from_millis(30), ..limits() };
    let depot = Depot::directory(dir.path(), Trust::Ours, hasty).unwrap();
    thread::sleep(Duration::from_millis(40));
    depot.prune(&place(), 1, &control()).unwrap();
    assert!(!left.exists());
    assert_eq!(restored(&depot).unwrap().1, state(100, "w"));
}

#[test]
fn objects_of_a_generation_stay_whose_manifest_cannot_be_read() {
    let (store, depot) = without_grace();
    publish(&depot, 100, 1, Full::Every(9)).unwrap();
    publish(&depot, 300, 1, Full::Every(9)).unwrap();
    let newest = depot.candidates(&place(), &control()).unwrap().manifests.remove(0);
    let name = format!("prefix/of/ours/{}/manifests/{}", place().prefix(), newest.name());
    let put = |bytes: &'static [u8]| {
        pollster(store.put(&name.as_str().into(), bytes.into())).unwrap();
    };
    put(b"dedup-host checkpoint manifest 9 sha256 0\n{}");
    let before = objects(&store).len();
    let pruned = depot.prune(&place(), 1, &control()).unwrap();
    assert_eq!((pruned.objects, pruned.kept, objects(&store).len()), (0, 1, before));
    assert_eq!(restored(&depot).unwrap().1, state(100, "w"));
    let candidates = depot.candidates(&place(), &control()).unwrap();
    refused(Err::<(), _>(candidates.damaged.into_iter().next().unwrap().1), &["format 9", "a later one"]);
    // The next one goes on from none of it.
    assert!(publish(&depot, 310, 1, Full::Every(9)).unwrap().is_full);
    assert_eq!(restored(&depot).unwrap().1, state(310, "w"));
}
