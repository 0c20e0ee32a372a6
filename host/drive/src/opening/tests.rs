//! Opening with a broker that does not answer, pending transactions, and states that take their time.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;

use connectors::Committed;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A world whose parts can be told how to behave.
#[derive(Default)]
struct World {
    dead: AtomicBool,
    pending: Mutex<BTreeSet<i32>>,
    in_use: Mutex<BTreeSet<i32>>,
    opens: AtomicUsize,
    /// States that are being opened now, and the most that were at a time.
    opening: AtomicUsize,
    opening_max: AtomicUsize,
    open_takes: Mutex<Duration>,
    /// Whether the group has not said yet what keys are hashed with.
    seedless: AtomicBool,
    /// Partitions that were handed over, with the group's offset.
    opened: Mutex<Vec<(i32, Option<i64>)>>,
    waiting: Mutex<Vec<WaitingFor>>,
    /// States are brought from elsewhere, for as long as they are wanted.
    restores: AtomicBool,
    given_up: AtomicUsize,
    failures: Mutex<Vec<String>>,
    alive: Arc<AtomicUsize>,
}

/// A state that says when it is closed.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Ground for Arc<World> {
    type State = Open;

    fn committed(&self, partitions: &[i32]) -> Result<Vec<(i32, Word)>, NoAnswer> {
        if self.dead.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(300));
            return Err(NoAnswer { cause: "Local: Timed out".to_owned(), hopeless: false });
        }
        let pending = self.pending.lock().unwrap();
        let answer = |partition: &i32| match pending.contains(partition) {
            true => Word::Pending,
            false => {
                let (offset, metadata) = (i64::from(*partition), "m".to_owned());
                Word::Stable((*partition > 0).then_some(Committed { offset, metadata }))
            }
        };
        Ok(partitions.iter().map(|partition| (*partition, answer(partition))).collect())
    }

    fn bounds(&self, partitions: &[i32]) -> Result<Vec<(i32, Bounds)>, NoAnswer> {
        let bounds = Bounds { log_start: 0, log_end: 900, stable_end: 800 };
        Ok(partitions.iter().map(|partition| (*partition, bounds)).collect())
    }

    fn why_pending(&self, partition: i32) -> String {
        format!("{partition} is pending; this host's own ids: host-0 to host-3")
    }

    fn awaits_seed(&self, partition: i32) -> Option<String> {
        (partition > 0 && self.seedless.load(Ordering::SeqCst)).then(|| "waiting for partition 0".to_owned())
    }

    fn open(&self, assignment: &Assignment, waits: &dyn Waits) -> Result<Open, OpenFailure> {
        let partition = assignment.partition;
        if self.in_use.lock().unwrap().contains(&partition) {
            return Err(OpenFailure::InUseHere("lock hold by current process".into()));
        }
        if self.restores.load(Ordering::SeqCst) {
            waits.restoring("1 of 2 bytes");
            while waits.is_wanted() {
                std::thread::sleep(Duration::from_millis(1));
            }
            self.given_up.fetch_add(1, Ordering::SeqCst);
            return Err(OpenFailure::Other("given up".into()));
        }
        self.alive.fetch_add(1, Ordering::SeqCst);
        self.opens.fetch_add(1, Ordering::SeqCst);
        let takes = *self.open_takes.lock().unwrap();
        let at_a_time = self.opening.fetch_add(1, Ordering::SeqCst) + 1;
        self.opening_max.fetch_max(at_a_time, Ordering::SeqCst);
        std::thread::sleep(takes);
        self.opening.fetch_sub(1, Ordering::SeqCst);
        Ok(Open(Arc::clone(&self.alive)))
    }

    fn opened(&self, assignment: Assignment, flow: Arc<Flow>, state: Open) -> Result<(), Failure> {
        assert!(flow.adopt());
        drop(state);
        self.opened.lock().unwrap().push((assignment.partition, assignment.committed()));
        Ok(())
    }

    fn waiting(&self, waiting: &[WaitingFor]) {
        *self.waiting.lock().unwrap() = waiting.to_vec();
    }

    fn failed(&self, error: Failure) {
        self.failures.lock().unwrap().push(error.to_string());
    }
}

struct Test {
    world: Arc<World>,
    openings: Openings<Arc<World>>,
}

impl Test {
    fn new(openers: usize) -> Self {
        let world = Arc::new(World::default());
        let openings = Openings::start(Arc::clone(&world), openers, Duration::from_millis(250)).unwrap();
        Self { world, openings }
    }

    fn add(&self, partitions: impl IntoIterator<Item = i32>) -> Vec<Arc<Flow>> {
        let new: Vec<_> = partitions.into_iter().map(|partition| (partition, Arc::new(Flow::new(0, 0)))).collect();
        self.openings.add(new.clone());
        new.into_iter().map(|(_, flow)| flow).collect()
    }

    fn until(&self, what: &str, holds: impl Fn(&World) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.world) {
            let waiting = self.world.waiting.lock().unwrap().clone();
            assert!(Instant::now() < deadline, "never {what}: {waiting:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn reasons(&self) -> BTreeMap<i32, OpeningReason> {
        self.world.waiting.lock().unwrap().iter().map(|waits| (waits.partition, waits.reason)).collect()
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        self.openings.end(Instant::now() + PATIENCE);
    }
}

fn opened(world: &World) -> usize {
    world.opened.lock().unwrap().len()
}

#[test]
fn two_hundred_partitions_with_states_that_take_their_time_keep_nobody_waiting() {
    let test = Test::new(4);
    *test.world.open_takes.lock().unwrap() = Duration::from_secs(60);
    let start = Instant::now();
    let flows = test.add(0..200);
    test.until("opening", |world| world.opens.load(Ordering::SeqCst) == 4);
    let gone = flows.iter().filter(|flow| flow.leave()).count();
    test.openings.cancel(&(0..200).collect::<Vec<_>>());
    assert_eq!(gone, 0, "no worker has one, so a revocation waits for none");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // Threads that sleep for a minute are not waited for.
    test.openings.end(Instant::now());
    std::mem::forget(test);
}

#[test]
fn a_broker_that_does_not_answer_is_asked_until_it_does() {
    let test = Test::new(2);
    test.world.dead.store(true, Ordering::SeqCst);
    let start = Instant::now();
    let _flows = test.add(0..200);
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    test.until("said", |world| {
        world.waiting.lock().unwrap().iter().all(|waits| waits.reason == OpeningReason::NoAnswer)
    });
    assert!(test.world.waiting.lock().unwrap()[0].words.contains("Timed out"));
    test.world.dead.store(false, Ordering::SeqCst);
    test.until("opened", |world| opened(world) == 200);
    let mut opened = test.world.opened.lock().unwrap().clone();
    opened.sort_unstable();
    assert_eq!(opened[..2], [(0, None), (1, Some(1))]);
    assert_eq!(*test.world.failures.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn a_pending_transaction_holds_up_its_own_partitions_only() {
    let test = Test::new(2);
    test.world.pending.lock().unwrap().extend([1, 3]);
    let _flows = test.add(0..4);
    test.until("opened", |world| opened(world) == 2);
    test.until("said", |world| {
        world.waiting.lock().unwrap().iter().filter(|waits| waits.words.contains("host-0 to host-3")).count() == 2
    });
    let reasons = test.reasons();
    assert_eq!((reasons[&1], reasons[&3]), (OpeningReason::Pending, OpeningReason::Pending));
    test.world.pending.lock().unwrap().clear();
    test.until("opened", |world| opened(world) == 4);
}

#[test]
fn a_state_that_a_worker_still_has_is_waited_for() {
    let test = Test::new(1);
    test.world.in_use.lock().unwrap().insert(1);
    let _flows = test.add([1, 2]);
    test.until("opened the other", |world| *world.opened.lock().unwrap() == [(2, Some(2))]);
    test.until("said", |world| {
        world
            .waiting
            .lock()
            .unwrap()
            .iter()
            .any(|waits| waits.words.contains("the worker that had the partition before"))
    });
    assert_eq!(test.reasons()[&1], OpeningReason::StateInUse);
    test.world.in_use.lock().unwrap().clear();
    test.until("opened", |world| opened(world) == 2);
    assert_eq!(*test.world.failures.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn a_partition_that_goes_while_its_state_is_being_opened_is_closed_and_handed_to_nobody() {
    let test = Test::new(1);
    *test.world.open_takes.lock().unwrap() = Duration::from_millis(300);
    let flows = test.add([1]);
    test.until("opening", |world| world.opens.load(Ordering::SeqCst) == 1);
    flows[0].lose();
    test.openings.cancel(&[1]);
    assert!(test.world.waiting.lock().unwrap().is_empty(), "it is nobody's business any more");
    // It comes back at once, as another assignment: it waits for its own state.
    let again = test.add([1]);
    test.until("opened", |world| opened(world) == 1);
    assert_eq!(test.world.opens.load(Ordering::SeqCst), 2, "the first state was dropped");
    assert!(!again[0].is_opening(), "the second assignment got it");
    test.until("closed", |world| world.alive.load(Ordering::SeqCst) == 0);
}

#[test]
fn a_state_is_opened_by_one_thread_at_a_time_however_soon_its_partition_comes_back() {
    let test = Test::new(2);
    *test.world.open_takes.lock().unwrap() = Duration::from_millis(200);
    let flows = test.add([1]);
    test.until("opening", |world| world.opens.load(Ordering::SeqCst) == 1);
    flows[0].lose();
    test.openings.cancel(&[1]);
    let _again = test.add([1]);
    test.until("opened", |world| opened(world) == 1);
    assert_eq!(test.world.opening_max.load(Ordering::SeqCst), 1);
}

#[test]
fn partitions_wait_until_the_group_says_what_keys_are_hashed_with() {
    let test = Test::new(1);
    test.world.seedless.store(true, Ordering::SeqCst);
    let _flows = test.add([0, 1, 2]);
    test.until("opened the partition that chooses", |world| world.opened.lock().unwrap().len() == 1);
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(test.world.opened.lock().unwrap().iter().map(|(partition, _)| *partition).collect::<Vec<_>>(), [0]);
    let words: Vec<_> = test.world.waiting.lock().unwrap().iter().map(|waits| waits.words.clone()).collect();
    assert!(words.iter().filter(|words| words.contains("waiting for partition 0")).count() == 2, "{words:?}");
    test.world.seedless.store(false, Ordering::SeqCst);
    test.until("opened the others", |world| world.opened.lock().unwrap().len() == 3);
}

#[test]
fn a_state_that_is_brought_from_elsewhere_says_how_far_it_is_and_is_given_up_when_its_partition_goes() {
    let test = Test::new(1);
    test.world.restores.store(true, Ordering::SeqCst);
    let flows = test.add([1]);
    test.until("restoring", |world| {
        let waiting = world.waiting.lock().unwrap();
        waiting.iter().any(|waits| waits.reason == OpeningReason::Checkpoint && waits.words == "1 of 2 bytes")
    });
    flows[0].lose();
    test.openings.cancel(&[1]);
    test.until("given up", |world| world.given_up.load(Ordering::SeqCst) == 1);
    test.world.restores.store(false, Ordering::SeqCst);
    let _again = test.add([1]);
    test.until("opened", |world| opened(world) == 1);
    assert!(test.world.failures.lock().unwrap().is_empty(), "nobody waits for what was given up");
}
