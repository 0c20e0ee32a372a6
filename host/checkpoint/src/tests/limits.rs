//! Cancelling, bandwidth, and files that are not read again.

use std::fs::{self, File, FileTimes};
use std::thread;
use std::time::{Instant, SystemTime};

use super::faulty::{Faulty, Plan};
use super::*;

#[test]
fn a_request_that_hangs_ends_when_it_is_cancelled() {
    let memory = Arc::new(InMemory::new());
    let plan = Plan { delay: Duration::from_secs(60), ..Plan::sound() };
    let patient = Limits { timeout: Duration::from_secs(300), ..limits() };
    let depot = over(Arc::new(Faulty::new(&memory, plan)), patient);
    let control = Control::default();
    let began = Instant::now();
    thread::scope(|scope| {
        let running = scope.spawn(|| depot.claim(&place(), 0, &control));
        thread::sleep(Duration::from_millis(50));
        control.cancel.cancel();
        assert!(matches!(running.join().unwrap(), Err(DepotError::Cancelled)));
    });
    assert!(control.cancel.is_cancelled() && began.elapsed() < Duration::from_secs(2));
    let (_store, depot) = in_memory();
    assert!(matches!(depot.claim(&place(), 0, &control), Err(DepotError::Cancelled)), "it stays cancelled");
}

#[test]
fn a_store_that_never_answers_is_an_error_that_says_so() {
    let memory = Arc::new(InMemory::new());
    let plan = Plan { delay: Duration::from_secs(60), ..Plan::sound() };
    let depot = over(
        Arc::new(Faulty::new(&memory, plan)),
        Limits { timeout: Duration::from_millis(20), attempts: 2, ..limits() },
    );
    let error = refused(depot.candidates(&place(), &control()), &["newest", "no answer within 0.02 s"]);
    assert!(error.is_temporary());
}

#[test]
fn publishing_takes_no_more_than_its_share() {
    let store = Arc::new(InMemory::new());
    let slow = Limits { bytes_per_second: Some(400_000), ..limits() };
    let depot = over(store, slow);
    let dir = snapshot(&(0..8_u8).map(|at| (at.to_string(), vec![at; 40_000])).collect());
    let began = Instant::now();
    depot.publish(&place(), dir.path(), &about(1, 1), Full::Every(3), &control()).unwrap();
    let took = began.elapsed();
    // The first passes at once.
    assert!(took > Duration::from_millis(600), "320 kB at 400 kB a second took {took:?}");
}

#[test]
fn files_that_stay_as_they_were_are_read_once_and_all_of_them_when_everything_is_sent() {
    let (_store, depot) = in_memory();
    let dir = snapshot(&state(100, "w"));
    let then = SystemTime::now() - Duration::from_secs(3_600);
    let path = dir.path().join("000010.sst");
    let backdate = || File::open(&path).unwrap().set_times(FileTimes::new().set_modified(then)).unwrap();
    backdate();
    let publish = |full| depot.publish(&place(), dir.path(), &about(100, 1), full, &control()).unwrap();
    publish(Full::Every(9));
    // Nobody changes a table so: same size, same time, same file.
    let (changed, mut bytes) = (|| restored(&depot).unwrap().1["000010.sst"].clone(), fs::read(&path).unwrap());
    bytes[0] ^= 1;
    fs::write(&path, &bytes).unwrap();
    backdate();
    publish(Full::Every(9));
    assert_ne!(changed(), bytes, "it was read again, though nothing said that it had changed");
    publish(Full::Always);
    assert_eq!(changed(), bytes);
    // Changed a moment ago: not relied on.
    for at in 0..3 {
        bytes[0] = at;
        fs::write(&path, &bytes).unwrap();
        publish(Full::Every(9));
        assert_eq!(changed(), bytes);
    }
}
