//! The keys that partitions had before the input grew, as far as they are gathered, and how another partition asks them. Not
//! how they are gathered, and not which of them count: that is the engine's rule.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use engine::decide::Gone;
use engine::entry::{Entry, Found, UNTIMED, Write};
use engine::fingerprint::{Fingerprint, Seed};
use engine::growth::{Elder, Growth, Partitioner};
use engine::history::History;
use engine::record::{Millis, Offset, RecordBatch};
use engine::state::{Frontier, Originals, PartitionState};
use engine::time::Clock;
use line::Elders;

/// What is gathered of one growth, for all partitions of this process.
pub(crate) struct Gathered<S> {
    /// How many partitions there were.
    pub(crate) before: i32,
    /// How many there are since.
    pub(crate) after: i32,
    /// How long keys are remembered.
    window: Option<Millis>,
    known: RwLock<Known<S>>,
}

struct Known<S> {
    /// In the order of their partitions.
    members: Vec<Arc<Member<S>>>,
    /// Of how many of the partitions with the lowest numbers all is there; `None`: not even what was committed of all.
    turns: Option<i32>,
    end: Option<Millis>,
    partitioner: Option<Partitioner>,
    /// What is waited for.
    words: String,
}

/// The keys of one partition, from before.
pub(crate) struct Member<S> {
    pub(crate) partition: i32,
    pub(crate) lines: Growth,
    state: Arc<Mutex<S>>,
}

impl<S> Member<S> {
    pub(crate) fn new(partition: i32, lines: Growth, state: S) -> Self {
        Self { partition, lines, state: Arc::new(Mutex::new(state)) }
    }

    /// Its state. It is not kept for long: those who ask wait meanwhile.
    pub(crate) fn state(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its state, for a line that puts keys in.
    pub(crate) fn lend(&self) -> Lent<S> {
        Lent(Arc::clone(&self.state))
    }
}

impl<S> Gathered<S> {
    pub(crate) fn new(growth: &Growth, window: Option<Millis>) -> Self {
        let words = "the keys of the other partitions are not gathered yet".to_owned();
        let known = Known { members: Vec::new(), turns: None, end: None, partitioner: None, words };
        Self { before: growth.before, after: growth.after, window, known: RwLock::new(known) }
    }

    /// Says what is waited for.
    pub(crate) fn waits(&self, words: String) {
        self.change(|known| known.words = words);
    }

    /// All is there that was committed when the input grew. `end`: from this event time on nothing counts.
    pub(crate) fn begin(&self, members: Vec<Arc<Member<S>>>, end: Option<Millis>, partitioner: Option<Partitioner>) {
        self.change(|known| {
            (known.members, known.end, known.partitioner) = (members, end, partitioner);
            known.turns = Some(0);
        });
    }

    /// All is there of so many partitions.
    pub(crate) fn take_turn(&self, turns: i32) {
        self.change(|known| known.turns = Some(turns));
    }

    fn change(&self, change: impl FnOnce(&mut Known<S>)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn known(&self) -> RwLockReadGuard<'_, Known<S>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an entry ends with the others. One of a wrong clock would never.
    fn is_ending(&self, entry: Entry, end: Option<Millis>) -> bool {
        let Some((end, window)) = end.zip(self.window) else { return true };
        entry.time != UNTIMED && entry.time < end.saturating_sub(window)
    }
}

/// One partition that asks.
pub(crate) struct Asking<S> {
    pub(crate) partition: i32,
    pub(crate) growth: Growth,
    pub(crate) gathered: Arc<Gathered<S>>,
}

impl<S: PartitionState + Send> Elders for Asking<S> {
    fn awaited(&self, last: Offset) -> Option<String> {
        let needed = self.growth.turns_before(self.partition, last)?;
        let known = self.gathered.known();
        known.turns.is_none_or(|turns| turns < needed).then(|| known.words.clone())
    }

    fn end_at(&self) -> Option<Millis> {
        self.gathered.known().end
    }

    fn partitioner(&self) -> Option<Partitioner> {
        self.gathered.known().partitioner
    }

    fn look_up(&self, keys: &[Fingerprint], found: &mut Vec<Elder>) -> Result<(), Box<dyn Error + Send + Sync>> {
        found.clear();
        let (known, mut entries) = (self.gathered.known(), Vec::new());
        for member in known.members.iter().filter(|member| member.partition != self.partition) {
            let partition = member.partition;
            // No entry is left out: whichever is the newest, an older one may count earlier.
            member.state().lookup(keys, Offset::MIN, &mut entries)?;
            let counts =
                |entry: Entry| self.growth.counts_from(self.partition, (partition, &member.lines), entry.offset);
            let elder = |Found { key, entry }: &Found| {
                let counts_from = counts(*entry).filter(|_| self.gathered.is_ending(*entry, known.end))?;
                Some(Elder { key: *key, entry: *entry, partition, counts_from })
            };
            found.extend(entries.iter().filter_map(elder));
        }
        found.sort_by_key(|elder| elder.key);
        Ok(())
    }
}

/// The state of a member, for a line that puts keys in while others ask. Nothing but keys is kept.
pub(crate) struct Lent<S>(Arc<Mutex<S>>);

impl<S> Lent<S> {
    fn lock(&self) -> MutexGuard<'_, S> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: PartitionState> PartitionState for Lent<S> {
    type Failure = S::Failure;

    fn seed(&self) -> Seed {
        self.lock().seed()
    }

    fn clock(&self) -> Option<Clock> {
        self.lock().clock()
    }

    fn gone(&self) -> Gone {
        self.lock().gone()
    }

    fn lookup(&mut self, keys: &[Fingerprint], before: Offset, found: &mut Vec<Found>) -> Result<(), S::Failure> {
        self.lock().lookup(keys, before, found)
    }

    fn stage(&mut self, writes: &[Write]) {
        self.lock().stage(writes);
    }

    fn keep(&mut self, _offset: Offset, _bytes: &[u8]) -> Result<(), S::Failure> {
        Ok(())
    }

    fn keep_shared(
        &mut self,
        _offset: Offset,
        _head: &[u8],
        _batch: &Arc<RecordBatch>,
        _body: &[u8],
        _tail: &[u8],
    ) -> Result<(), S::Failure> {
        Ok(())
    }

    fn originals(&mut self, _offsets: &[Offset], out: &mut Originals) -> Result<(), S::Failure> {
        out.clear();
        Ok(())
    }

    fn load_histories(&mut self, _originals: &[Offset]) -> Result<(), S::Failure> {
        Ok(())
    }

    fn history(
        &mut self,
        _original: Offset,
        _make: impl FnOnce() -> History,
    ) -> Result<Option<&mut History>, S::Failure> {
        Ok(None)
    }

    fn commit(&mut self, frontier: Frontier<'_>) {
        self.lock().commit(frontier);
    }

    fn rollback(&mut self) {
        self.lock().rollback();
    }
}
