//! Several writers, readers and a pruner at the same time, on threads.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::faulty::{Faulty, Plan};
use super::*;

fn claim_all(depots: &[Depot]) -> Vec<u64> {
    thread::scope(|scope| {
        let claims: Vec<_> =
            depots.iter().map(|depot| scope.spawn(|| depot.claim(&place(), 0, &control()).unwrap())).collect();
        claims.into_iter().map(|claim| claim.join().unwrap()).collect()
    })
}

#[test]
fn no_epoch_is_given_twice() {
    let dir = tempfile::tempdir().unwrap();
    let memory = Arc::new(InMemory::new());
    let many = |depot: &dyn Fn() -> Depot| (0..8).map(|_| depot()).collect::<Vec<_>>();
    let in_memory = many(&|| over(Arc::clone(&memory) as Arc<dyn ObjectStore>, limits()));
    for depots in [in_memory, many(&|| in_directory(dir.path()))] {
        for _ in 0..5 {
            let epochs = claim_all(&depots);
            assert_eq!(epochs.iter().collect::<BTreeSet<_>>().len(), epochs.len(), "{epochs:?}");
        }
    }
}

/// A short grace, slow requests: what the publisher relies on must still not go.
#[test]
fn what_is_published_stays_whole_while_others_prune() {
    let memory = Arc::new(InMemory::new());
    let grace = Duration::from_secs(3);
    let slow = |seed| {
        let plan = Plan { dice: Dice::new(seed), delay: Duration::from_millis(2), ..Plan::sound() };
        over(Arc::new(Faulty::new(&memory, plan)), Limits { grace, ..limits() })
    };
    let is_over = AtomicBool::new(false);
    let sound = over(Arc::clone(&memory) as Arc<dyn ObjectStore>, limits());
    thread::scope(|scope| {
        scope.spawn(|| {
            let depot = slow(1);
            let mut removed = 0;
            while !is_over.load(Ordering::Relaxed) {
                removed += depot.prune(&place(), 1, &control()).unwrap().objects;
            }
            assert!(removed > 0, "nothing was ever pruned");
        });
        scope.spawn(|| {
            let depot = slow(2);
            while !is_over.load(Ordering::Relaxed) {
                let newest = depot.candidates(&place(), &control()).unwrap().manifests.into_iter().next();
                let Some(manifest) = newest else { continue };
                match fetched(&depot, &manifest) {
                    Ok(files) => assert_eq!(files, state(manifest.about().next_offset.unwrap(), "w")),
                    // Between the list and the lease.
                    Err(DepotError::Missing { object }) => assert!(object.contains("/manifests/"), "{object}"),
                    Err(error) => panic!("{error}"),
                }
            }
        });
        let depot = slow(3);
        let (began, mut round) = (Instant::now(), 0_u64);
        while began.elapsed() < grace * 4 || round < 20 {
            round += 1;
            let full = if round % 7 == 0 { Full::Always } else { Full::Every(0) };
            match publish(&depot, 100 + round * 3, 1, full) {
                Ok(_) => assert_eq!(restored(&sound).unwrap().0.about().next_offset, Some(100 + round * 3)),
                // On a machine so busy that what was sent is old before it is named.
                Err(DepotError::Unreachable { cause, .. }) => assert!(cause.contains("again and again"), "{cause}"),
                Err(error) => panic!("{error}"),
            }
            let (manifest, files) = restored(&sound).unwrap();
            assert_eq!(files, state(manifest.about().next_offset.unwrap(), "w"));
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn two_that_publish_under_one_epoch_leave_whole_checkpoints() {
    let (_memory, depot) = in_memory();
    thread::scope(|scope| {
        for writer in 0..3_u64 {
            let depot = &depot;
            scope.spawn(move || {
                for round in 0..15 {
                    // Behind, or overtaken again and again: nothing else.
                    match publish(depot, 100 + round * 10 + writer, 1, Full::Every(5)) {
                        Ok(_) | Err(DepotError::Behind { .. } | DepotError::Unreachable { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    let all = depot.verify(&place(), &control()).unwrap();
    assert!(!all.is_empty() && all.iter().all(|checked| checked.result.is_ok()), "{all:?}");
}
