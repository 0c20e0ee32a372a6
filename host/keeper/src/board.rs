//! What is to be copied where, and when: of each partition how far its newest checkpoint on each shelf reaches, whose claim
//! holds, and what waits. Decides, and copies nothing; time is an argument.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use checkpoint::Cancel;
use drive::Leave;
use engine::record::Offset;

use crate::captured::Captured;

/// Captured states that may wait for a shelf, those of partitions that leave not counted: a shelf that is slow or away does
/// not pile up directories, which keep files of the state from going.
const WAITING_MAX: usize = 2;

/// A partition's first checkpoint is made after a share of the interval, by its number: the golden ratio spreads any run of
/// numbers evenly.
const SPREAD: f64 = 0.618_033_988_749_895;

/// The claim on a partition's checkpoints on a shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// To be made.
    Due,
    /// Made: its epoch.
    Made(u64),
    /// Somebody made a later one. It is made anew when this host has committed again since it knew: beyond the offset.
    Overtaken(Option<Offset>),
}

/// A checkpoint that was published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Newest {
    pub(crate) offset: Offset,
    pub(crate) bytes: u64,
    /// When the state was last known to be no further.
    pub(crate) at: Instant,
}

/// A partition on a shelf.
#[derive(Debug)]
pub(crate) struct OnShelf {
    pub(crate) claim: Claim,
    /// Where this host began with the partition, or began again.
    from: Offset,
    pub(crate) newest: Option<Newest>,
    /// Since when there could be one.
    since: Instant,
    /// Ends what is under way.
    busy: Option<Cancel>,
    /// Why the last attempt failed.
    pub(crate) failing: Option<String>,
}

impl OnShelf {
    fn new(from: Offset, now: Instant) -> Self {
        Self { claim: Claim::Due, from, newest: None, since: now, busy: None, failing: None }
    }

    /// How old the newest checkpoint is, or how long there could have been one.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.newest.map_or(self.since, |newest| newest.at))
    }

    /// The state contains what is before this, and this shelf may be without it. What is on it already is as good as new.
    fn is_without(&mut self, offset: Offset, now: Instant) -> bool {
        match (&mut self.newest, self.claim) {
            (Some(newest), _) if newest.offset == offset => {
                newest.at = now;
                return false;
            }
            // The group's offset was set back: what is there reaches too far.
            (Some(newest), Claim::Made(_)) if newest.offset > offset => (self.claim, self.from) = (Claim::Due, offset),
            (_, Claim::Overtaken(None)) => self.claim = Claim::Overtaken(Some(offset)),
            (_, Claim::Overtaken(Some(known))) if offset > known => self.claim = Claim::Due,
            _ => {}
        }
        !matches!(self.claim, Claim::Overtaken(_))
    }
}

/// A partition that goes, held until its last checkpoint is on every shelf, or it is time.
struct Leaving {
    leave: Leave,
    left: usize,
}

/// A partition that this host has.
struct Slot {
    ownership: u64,
    due: Instant,
    shelves: Vec<OnShelf>,
    leaving: Option<Leaving>,
}

/// Something to be done on a shelf.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) partition: i32,
    pub(crate) shelf: usize,
    ownership: u64,
    /// What is to be published; `None`: only the claim is made.
    pub(crate) captured: Option<Arc<Captured>>,
    /// The partition waits for it.
    is_last: bool,
    pub(crate) cancel: Cancel,
}

/// A job, and what is known for it when it is begun.
pub(crate) struct Begun {
    pub(crate) job: Job,
    pub(crate) claim: Claim,
    pub(crate) from: Offset,
}

/// How a job ended.
pub(crate) enum Ended {
    /// The claim is made.
    Claimed,
    /// The checkpoint is on the shelf.
    Published(Newest),
    /// Somebody made a later claim.
    Overtaken,
    /// The claim has published a later offset before.
    Behind,
    /// Nobody wants it any more.
    Cancelled,
    /// It could not be done.
    Failed(String),
}

/// See the module.
pub(crate) struct Board {
    interval: Duration,
    shelves: usize,
    slots: BTreeMap<i32, Slot>,
    queues: Vec<VecDeque<Job>>,
    ownerships: u64,
}

impl Board {
    pub(crate) fn new(interval: Duration, shelves: usize) -> Self {
        let queues = (0..shelves).map(|_| VecDeque::new()).collect();
        Self { interval, shelves, slots: BTreeMap::new(), queues, ownerships: 0 }
    }

    /// A partition comes: a claim is to be made on each shelf. Whatever there was of it before goes.
    pub(crate) fn come(&mut self, partition: i32, from: Offset, now: Instant) {
        self.lose(partition);
        self.ownerships += 1;
        let share = ((f64::from(partition) + 1.0) * SPREAD).fract().abs();
        let due = now + self.interval.mul_f64(share);
        let shelves = (0..self.shelves).map(|_| OnShelf::new(from, now)).collect();
        self.slots.insert(partition, Slot { ownership: self.ownerships, due, shelves, leaving: None });
        for shelf in 0..self.shelves {
            self.queue(partition, shelf, None, false);
        }
    }

    /// The partition is another's, or soon: nothing more is done for it.
    pub(crate) fn lose(&mut self, partition: i32) {
        self.forget_jobs(partition);
        self.slots.remove(&partition);
    }

    /// On which shelves a checkpoint of the state is to be put that was just written.
    pub(crate) fn wants(&mut self, partition: i32, offset: Offset, now: Instant) -> Vec<usize> {
        let has_room = |queue: &VecDeque<Job>| {
            let publishes = |job: &&Job| job.captured.is_some() && !job.is_last;
            queue.iter().filter(publishes).count() < WAITING_MAX
        };
        let is_free = |queue: &VecDeque<Job>| queue.iter().all(|job| job.partition != partition);
        let free: Vec<bool> = self.queues.iter().map(|queue| has_room(queue) && is_free(queue)).collect();
        let Some(slot) = self.slots.get_mut(&partition) else { return Vec::new() };
        let is_due = now >= slot.due;
        let mut wanted = Vec::new();
        for (shelf, (on_shelf, is_free)) in slot.shelves.iter_mut().zip(free).enumerate() {
            if on_shelf.is_without(offset, now) && is_due && is_free && on_shelf.busy.is_none() {
                wanted.push(shelf);
            }
        }
        wanted
    }

    /// The state was captured for these shelves; or could not be, and it is tried again after the interval.
    pub(crate) fn put(&mut self, partition: i32, captured: Option<&Arc<Captured>>, shelves: &[usize], now: Instant) {
        if let Some(slot) = self.slots.get_mut(&partition) {
            slot.due = now + self.interval;
        }
        for shelf in shelves {
            if let Some(captured) = captured {
                self.queue(partition, *shelf, Some(captured), false);
            }
        }
    }

    /// Which shelves are without the state of a partition that goes. What was on its way to them is given up.
    pub(crate) fn last(&mut self, partition: i32, offset: Offset, now: Instant) -> Vec<usize> {
        let Some(slot) = self.slots.get_mut(&partition) else { return Vec::new() };
        let without = |(shelf, on): (usize, &mut OnShelf)| on.is_without(offset, now).then_some(shelf);
        let shelves = slot.shelves.iter_mut().enumerate().filter_map(without).collect();
        self.forget_jobs(partition);
        shelves
    }

    /// The last of a partition was captured for these shelves. It is held until they have it.
    pub(crate) fn put_last(&mut self, partition: i32, captured: &Arc<Captured>, shelves: &[usize], leave: Leave) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        slot.leaving = Some(Leaving { leave, left: shelves.len() });
        for shelf in shelves {
            self.queue(partition, *shelf, Some(captured), true);
        }
    }

    /// Takes the next thing to do on a shelf, one of a partition at a time.
    pub(crate) fn begin(&mut self, shelf: usize) -> Option<Begun> {
        loop {
            let queue = self.queues.get(shelf)?;
            let is_busy = |job: &Job| self.slots.get(&job.partition).is_some_and(|slot| slot.is_busy(shelf));
            let at = queue.iter().position(|job| !is_busy(job))?;
            let job = self.queues.get_mut(shelf)?.remove(at)?;
            if let Some(on_shelf) = self.on_shelf(&job) {
                on_shelf.busy = Some(job.cancel.clone());
                let (claim, from) = (on_shelf.claim, on_shelf.from);
                return Some(Begun { job, claim, from });
            }
        }
    }

    /// The claim of a job was made.
    pub(crate) fn claimed(&mut self, job: &Job, epoch: u64) {
        if let Some(on_shelf) = self.on_shelf(job) {
            on_shelf.claim = Claim::Made(epoch);
        }
    }

    /// A job has ended.
    pub(crate) fn end(&mut self, job: &Job, ended: Ended) {
        let Some(on_shelf) = self.on_shelf(job) else { return };
        on_shelf.busy = None;
        match ended {
            Ended::Claimed => on_shelf.failing = None,
            Ended::Published(newest) => (on_shelf.newest, on_shelf.failing) = (Some(newest), None),
            Ended::Overtaken => on_shelf.claim = Claim::Overtaken(None),
            Ended::Behind => on_shelf.claim = Claim::Due,
            Ended::Cancelled => {}
            Ended::Failed(cause) => on_shelf.failing = Some(cause),
        }
        if job.is_last {
            self.end_last(job.partition);
        }
    }

    /// What is on a shelf, as long as the partition is this host's.
    pub(crate) fn on_shelf(&mut self, job: &Job) -> Option<&mut OnShelf> {
        let slot = self.slots.get_mut(&job.partition).filter(|slot| slot.ownership == job.ownership)?;
        slot.shelves.get_mut(job.shelf)
    }

    /// What is on the shelves of each partition.
    pub(crate) fn all(&self) -> impl Iterator<Item = (i32, &[OnShelf])> {
        self.slots.iter().map(|(partition, slot)| (*partition, slot.shelves.as_slice()))
    }

    /// Lets go of what has to be by now, whatever its shelves have; when to look again.
    pub(crate) fn let_go(&mut self, now: Instant) -> Option<Instant> {
        let until = |slot: &Slot| slot.leaving.as_ref().map(|leaving| leaving.leave.until);
        let late = |(partition, slot): (&i32, &Slot)| until(slot).filter(|at| *at <= now).map(|_| *partition);
        let late: Vec<i32> = self.slots.iter().filter_map(late).collect();
        for partition in late {
            tracing::warn!(
                partition,
                "the last checkpoint of a partition that goes to another host is not on every shelf in time: the next \
                 owner replays what came after the one before. a longer --shutdown-timeout-secs gives it more time"
            );
            self.lose(partition);
        }
        self.slots.values().filter_map(until).min()
    }

    fn end_last(&mut self, partition: i32) {
        let Some(leaving) = self.slots.get_mut(&partition).and_then(|slot| slot.leaving.as_mut()) else { return };
        leaving.left = leaving.left.saturating_sub(1);
        if leaving.left == 0 {
            self.slots.remove(&partition);
        }
    }

    fn queue(&mut self, partition: i32, shelf: usize, captured: Option<&Arc<Captured>>, is_last: bool) {
        let (Some(slot), Some(queue)) = (self.slots.get(&partition), self.queues.get_mut(shelf)) else { return };
        let (ownership, cancel) = (slot.ownership, Cancel::default());
        let job = Job { partition, shelf, ownership, captured: captured.map(Arc::clone), is_last, cancel };
        if is_last { queue.push_front(job) } else { queue.push_back(job) }
    }

    /// Takes back what waits, and ends what is under way.
    fn forget_jobs(&mut self, partition: i32) {
        self.queues.iter_mut().for_each(|queue| queue.retain(|job| job.partition != partition));
        let shelves = self.slots.get(&partition).into_iter().flat_map(|slot| &slot.shelves);
        shelves.filter_map(|on_shelf| on_shelf.busy.as_ref()).for_each(Cancel::cancel);
    }
}

impl Slot {
    fn is_busy(&self, shelf: usize) -> bool {
        self.shelves.get(shelf).is_some_and(|on_shelf| on_shelf.busy.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(100);

    fn board(partitions: i32, now: Instant) -> Board {
        let mut board = Board::new(INTERVAL, 1);
        for partition in 0..partitions {
            board.come(partition, 0, now);
            let begun = board.begin(0).expect("a claim is to be made");
            assert_eq!((begun.claim, begun.job.captured.is_none()), (Claim::Due, true));
            board.claimed(&begun.job, 1);
            board.end(&begun.job, Ended::Claimed);
        }
        board
    }

    fn captured(offset: Offset) -> Arc<Captured> {
        Arc::new(Captured::nothing(offset))
    }

    fn leave(until: Instant, held: &Arc<()>) -> Leave {
        Leave { until, hold: Box::new(Arc::clone(held)) }
    }

    #[test]
    fn first_checkpoints_are_spread_over_the_interval() {
        let now = Instant::now();
        let mut board = board(8, now);
        let due = |board: &mut Board, second: u64| {
            let at = now + Duration::from_secs(second);
            (0..8).filter(|partition| !board.wants(*partition, 7, at).is_empty()).count()
        };
        let counts: Vec<usize> = [0, 25, 50, 75, 100].into_iter().map(|second| due(&mut board, second)).collect();
        assert!(counts.is_sorted() && counts[0] == 0 && counts[4] == 8, "{counts:?}");
        assert!(counts.windows(2).all(|pair| pair[1] - pair[0] <= 3), "{counts:?}");
    }

    #[test]
    fn what_is_there_already_is_as_good_as_new_and_the_next_comes_after_the_interval() {
        let now = Instant::now();
        let mut board = board(1, now);
        let first = now + INTERVAL;
        assert_eq!(board.wants(0, 7, first), [0]);
        board.put(0, Some(&captured(7)), &[0], first);
        let later = now + 3 * INTERVAL;
        assert!(board.wants(0, 8, later).is_empty(), "one of a partition at a time");
        let begun = board.begin(0).unwrap();
        assert!(board.wants(0, 8, later).is_empty() && begun.claim == Claim::Made(1));
        board.end(&begun.job, Ended::Published(Newest { offset: 7, bytes: 1, at: now }));
        assert!(board.wants(0, 7, later).is_empty());
        assert_eq!(board.all().next().unwrap().1[0].age(later), Duration::ZERO);
        assert_eq!(board.wants(0, 8, later), [0]);
        board.put(0, None, &[0], later);
        assert!(board.wants(0, 8, later + INTERVAL / 2).is_empty(), "it could not be captured");
        assert_eq!(board.wants(0, 8, later + INTERVAL), [0]);
    }

    #[test]
    fn a_shelf_that_does_not_answer_holds_up_no_more_than_it_may() {
        let now = Instant::now();
        let mut board = board(20, now);
        let late = now + INTERVAL;
        let mut put = 0;
        for partition in 0..20 {
            let shelves = board.wants(partition, 7, late);
            if !shelves.is_empty() {
                board.put(partition, Some(&captured(7)), &shelves, late);
                put += 1;
            }
        }
        assert_eq!(put, WAITING_MAX);
        // One that leaves does not wait behind them.
        assert_eq!(board.last(19, 7, late), [0]);
        let held = Arc::new(());
        board.put_last(19, &captured(7), &[0], leave(late + INTERVAL, &held));
        assert_eq!(board.begin(0).unwrap().job.partition, 19);
    }

    #[test]
    fn a_partition_that_leaves_is_held_until_its_checkpoint_is_there_or_it_is_time() {
        let now = Instant::now();
        let (mut board, held) = (board(2, now), Arc::new(()));
        for partition in 0..2 {
            assert_eq!(board.last(partition, 7, now), [0]);
            board.put_last(partition, &captured(7), &[0], leave(now + INTERVAL, &held));
        }
        assert_eq!(board.let_go(now), Some(now + INTERVAL));
        let first = board.begin(0).unwrap();
        board.end(&first.job, Ended::Published(Newest { offset: 7, bytes: 1, at: now }));
        assert_eq!(Arc::strong_count(&held), 2);
        let second = board.begin(0).unwrap();
        assert_eq!(board.let_go(now + INTERVAL), None);
        assert!(Arc::strong_count(&held) == 1 && second.job.cancel.is_cancelled());
        board.end(&second.job, Ended::Cancelled);
        // What failed is not held for ever either.
        board.come(2, 0, now);
        board.last(2, 7, now);
        board.put_last(2, &captured(7), &[0], leave(now + INTERVAL, &held));
        let third = board.begin(0).unwrap();
        board.end(&third.job, Ended::Failed("full".to_owned()));
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn what_comes_back_has_nothing_to_do_with_what_went() {
        let now = Instant::now();
        let mut board = board(1, now);
        board.put(0, Some(&captured(7)), &[0], now);
        let old = board.begin(0).unwrap();
        board.lose(0);
        assert!(old.job.cancel.is_cancelled() && board.wants(0, 7, now + INTERVAL).is_empty());
        board.come(0, 7, now);
        board.end(&old.job, Ended::Published(Newest { offset: 7, bytes: 1, at: now }));
        assert!(board.all().next().unwrap().1[0].newest.is_none());
        assert!(board.begin(0).unwrap().job.captured.is_none(), "its own claim comes first");
    }

    #[test]
    fn a_claim_that_was_overtaken_is_made_anew_only_after_a_commit() {
        let now = Instant::now();
        let mut board = board(1, now);
        board.put(0, Some(&captured(7)), &[0], now);
        let begun = board.begin(0).unwrap();
        board.end(&begun.job, Ended::Overtaken);
        let mut late = now;
        for offset in [9, 9, 9] {
            late += INTERVAL;
            assert!(board.wants(0, offset, late).is_empty(), "what it had committed before proves nothing");
        }
        assert_eq!(board.wants(0, 10, late), [0]);
        board.put(0, Some(&captured(10)), &[0], late);
        assert_eq!(board.begin(0).unwrap().claim, Claim::Due);
    }

    #[test]
    fn an_offset_that_is_set_back_begins_anew_under_another_claim() {
        let now = Instant::now();
        let mut board = board(1, now);
        board.put(0, Some(&captured(70)), &[0], now);
        let begun = board.begin(0).unwrap();
        board.end(&begun.job, Ended::Published(Newest { offset: 70, bytes: 1, at: now }));
        assert_eq!(board.wants(0, 50, now + INTERVAL), [0]);
        board.put(0, Some(&captured(50)), &[0], now);
        let begun = board.begin(0).unwrap();
        assert_eq!((begun.claim, begun.from), (Claim::Due, 50));
    }
}
