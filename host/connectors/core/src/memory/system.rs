//! The system as tests see it: they fill logs, move the group, make trouble, and look at what came of it. Its source, sink and
//! inquiry see it by the same handle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::record::{NewRecord, Offset};

use super::group::{Group, Turn};
use super::lanes::Lanes;
use super::log::Log;
use super::outbox::Sent;
use super::producers::Producers;
use super::trouble::{Call, Trouble};
use crate::inquiry::{Bounds, Committed};
use crate::lane::Lane;
use crate::outgoing::Outgoing;

/// A call that is never released goes on after this: a test that hangs says nothing.
const WAIT_MAX: Duration = Duration::from_secs(120);

type Troubles = Box<dyn FnMut(&str, Call) -> Option<Trouble> + Send>;
type RefuseWhere = Box<dyn Fn(Lane, &Outgoing<'_>) -> bool + Send>;

/// Everything that there is.
#[derive(Default)]
pub(super) struct World {
    pub(super) logs: Vec<Log>,
    pub(super) is_over: bool,
    pub(super) group: Group,
    pub(super) producers: Producers,
    pub(super) lanes: Lanes,
    pub(super) refuse_where: Option<RefuseWhere>,
    pub(super) text_chars_max: usize,
    pub(super) letters_were_deleted: bool,
    troubles: Option<Troubles>,
    cut_off: BTreeSet<String>,
    /// Calls that wait, and how often they were released.
    waiting: usize,
    releases: u64,
}

impl World {
    pub(super) fn partitions(&self) -> i32 {
        i32::try_from(self.logs.len()).unwrap_or(i32::MAX)
    }

    pub(super) fn log(&self, partition: i32) -> Option<&Log> {
        self.logs.get(usize::try_from(partition).ok()?)
    }

    pub(super) fn is_cut_off(&self, host: &str) -> bool {
        self.cut_off.contains(host)
    }
}

#[derive(Default)]
struct Shared {
    world: Mutex<World>,
    changed: Condvar,
}

/// See the module. All handles are of the same system.
#[derive(Clone)]
pub struct MemorySystem(Arc<Shared>);

impl MemorySystem {
    /// So many empty partitions, and these lanes.
    #[must_use]
    pub fn new(partitions: usize, lanes: Lanes) -> Self {
        let logs = vec![Log::default(); partitions];
        let world = World { logs, lanes, text_chars_max: usize::MAX, ..World::default() };
        Self(Arc::new(Shared { world: Mutex::new(world), changed: Condvar::new() }))
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the world, and wakes up who waits for that.
    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let changed = change(&mut self.world());
        self.0.changed.notify_all();
        changed
    }

    /// Changes a partition's log. One that is not there is left alone.
    fn change_log<T: Default>(&self, partition: i32, change: impl FnOnce(&mut Log) -> T) -> T {
        self.change(|world| {
            let log = usize::try_from(partition).ok().and_then(|at| world.logs.get_mut(at));
            log.map(change).unwrap_or_default()
        })
    }

    /// Adds partitions, and deals them out.
    pub fn add_partitions(&self, count: usize) {
        self.change(|world| {
            world.logs.extend(std::iter::repeat_with(Log::default).take(count));
            world.group.rebalance();
        });
    }

    /// Appends a record, whatever its offset says. Returns the offset that it gets.
    pub fn append(&self, partition: i32, record: &NewRecord<'_>) -> Offset {
        self.change_log(partition, |log| log.append(record))
    }

    /// Appends an offset at which there is nothing.
    pub fn append_gap(&self, partition: i32) -> Offset {
        self.change_log(partition, Log::append_gap)
    }

    /// Appends an offset that cannot be read.
    pub fn append_unreadable(&self, partition: i32) -> Offset {
        self.change_log(partition, Log::append_unreadable)
    }

    /// A transaction upstream is open: nothing from this offset on can be read until it is not (`None`).
    pub fn hold_back(&self, partition: i32, at: Option<Offset>) {
        self.change_log(partition, |log| log.hold_back(at));
    }

    /// The log loses what is below an offset.
    pub fn expire(&self, partition: i32, start: Offset) {
        self.change_log(partition, |log| log.expire(start));
    }

    /// Nothing will be appended any more.
    pub fn end_input(&self) {
        self.change(|world| world.is_over = true);
    }

    /// A partition goes to a host, and stays there while it is a member.
    pub fn wish(&self, partition: i32, host: &str) {
        self.change(|world| world.group.wish(partition, host));
    }

    /// The group begins a rebalance.
    pub fn rebalance(&self) {
        self.change(|world| world.group.rebalance());
    }

    /// The group gives a host up that does not know: what it owned goes to others, and it finds out when it polls.
    pub fn throw_out(&self, host: &str) {
        self.change(|world| world.group.throw_out(host));
    }

    /// No call of a host gets through any more, or all do again. The group does not notice.
    pub fn cut_off(&self, host: &str, is_cut_off: bool) {
        self.change(|world| match is_cut_off {
            true => world.cut_off.insert(host.to_owned()),
            false => world.cut_off.remove(host),
        });
    }

    /// Who owns what.
    #[must_use]
    pub fn owners(&self) -> BTreeMap<i32, String> {
        self.world().group.owners().into_iter().map(|(partition, name)| (partition, name.to_owned())).collect()
    }

    /// Asked at each call what goes wrong with it, by the name of the host. It must not call the system.
    pub fn trouble_with(&self, troubles: impl FnMut(&str, Call) -> Option<Trouble> + Send + 'static) {
        self.change(|world| world.troubles = Some(Box::new(troubles)));
    }

    /// Once, the next call of this kind by anybody goes wrong. It takes the place of what was said before.
    pub fn trouble_once(&self, call: Call, trouble: Trouble) {
        let mut left = Some(trouble);
        self.trouble_with(move |_, called| left.take_if(|_| called == call));
    }

    /// Nothing goes wrong any more.
    pub fn no_trouble(&self) {
        self.change(|world| (world.troubles, world.cut_off) = (None, BTreeSet::new()));
        self.release();
    }

    /// Calls that wait go on.
    pub fn release(&self) {
        self.change(|world| world.releases += 1);
    }

    /// What the lanes take from now on. Sinks hear of it when they connect or ask.
    pub fn set_lanes(&self, lanes: Lanes) {
        self.change(|world| world.lanes = lanes);
    }

    /// Records that no lane takes though no limit says so.
    pub fn refuse_where(&self, is_refused: impl Fn(Lane, &Outgoing<'_>) -> bool + Send + 'static) {
        self.change(|world| world.refuse_where = Some(Box::new(is_refused)));
    }

    /// Longer texts beside an offset are refused.
    pub fn set_text_chars_max(&self, chars: usize) {
        self.change(|world| world.text_chars_max = chars);
    }

    /// Dead letters may be missing: some were deleted, as far as anybody can tell.
    pub fn delete_letters(&self) {
        self.change(|world| {
            world.letters_were_deleted = true;
            world.producers.visible.retain(|sent| sent.lane != Lane::DeadLetter);
        });
    }

    /// Somebody else writes C of a partition.
    pub fn set_committed(&self, partition: i32, committed: Committed) {
        self.change(|world| world.producers.history.entry(partition).or_default().push(committed));
    }

    /// The last commits of a partition are lost, so many of them. What was sent with them stays.
    pub fn lose_commits(&self, partition: i32, count: usize) {
        self.change(|world| {
            let history = world.producers.history.entry(partition).or_default();
            history.truncate(history.len().saturating_sub(count));
        });
    }

    /// C of a partition.
    #[must_use]
    pub fn committed(&self, partition: i32) -> Option<Committed> {
        self.world().producers.history.get(&partition)?.last().cloned()
    }

    /// All that was committed of a partition, one after the other.
    #[must_use]
    pub fn history(&self, partition: i32) -> Vec<Committed> {
        self.world().producers.history.get(&partition).cloned().unwrap_or_default()
    }

    /// What is committed, in the order of the commits.
    #[must_use]
    pub fn visible(&self) -> Vec<Sent> {
        self.world().producers.visible.clone()
    }

    /// What is ending has ended.
    pub fn settle(&self) {
        self.change(|world| world.producers.settle());
    }

    /// Where a partition begins and ends.
    #[must_use]
    pub fn bounds(&self, partition: i32) -> Option<Bounds> {
        self.world().log(partition).map(Log::bounds)
    }

    /// Whether, within a time, so many calls wait for [`MemorySystem::release`].
    #[must_use]
    pub fn waits(&self, calls: usize, patience: Duration) -> bool {
        self.wait(patience, |world| (world.waiting >= calls).then_some(())).is_some()
    }

    /// Looks until there is something to see, or for so long.
    pub(super) fn wait<T>(&self, patience: Duration, mut look: impl FnMut(&mut World) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut world = self.world();
        loop {
            if let Some(seen) = look(&mut world) {
                return Some(seen);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            world = match self.0.changed.wait_timeout(world, left) {
                Ok((world, _)) => world,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// A host calls. What goes wrong, once it has waited.
    pub(super) fn called(&self, host: &str, call: Call) -> Option<Trouble> {
        let mut world = self.world();
        let mut trouble = world.troubles.as_mut().and_then(|troubles| troubles(host, call));
        if trouble == Some(Trouble::Waits) {
            let released = world.releases;
            world.waiting += 1;
            drop(world);
            self.0.changed.notify_all();
            self.wait(WAIT_MAX, |world| (world.releases > released).then_some(()));
            world = self.world();
            world.waiting -= 1;
            trouble = None;
        }
        if world.is_cut_off(host) { Some(Trouble::Fails) } else { trouble }
    }

    pub(super) fn take_turn(&self, member: u64, host: &str) -> Option<Turn> {
        let mut world = self.world();
        let partitions = world.partitions();
        world.group.take_turn(member, host, partitions)
    }

    pub(super) fn join(&self, host: &str) -> u64 {
        self.change(|world| world.group.join(host))
    }

    pub(super) fn answer(&self, member: u64) {
        self.change(|world| world.group.answer(member));
    }

    pub(super) fn leave(&self, member: u64) {
        self.change(|world| world.group.leave(member));
    }

    pub(super) fn fence(&self, producer: &str) {
        self.change(|world| world.producers.fence(producer));
    }
}
