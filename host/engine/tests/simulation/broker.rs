//! A broker that does all that real ones do: its logs have gaps, and their start moves; transactions time out, end late, or
//! end without anybody knowing how; offsets are pending; producers fence each other; the group's generation decides who may
//! commit; commits are lost. Every commit is compared with a plain reading of the log.

use std::collections::{BTreeMap, BTreeSet};

use cases::Rng;
use engine::protocol::{Answer, Failure, RefusedAt};
use engine::record::Offset;

use crate::line::{Out, Slot};
use crate::reading::Reading;
use crate::world::Kind;

/// Steps after which the coordinator aborts a transaction; and during the calm, where only the simulation is slow.
const TRANSACTION_STEPS_MAX: u64 = 150;
const CALM_TRANSACTION_STEPS_MAX: u64 = 1_500;

#[derive(Default)]
pub(crate) struct Partition {
    pub(crate) log: Vec<Slot>,
    pub(crate) start: Offset,
    /// The end of what can be read: behind it, transactions upstream may be open.
    pub(crate) stable_end: Offset,
    pub(crate) committed: Option<(Offset, String)>,
    history: Vec<(Offset, String)>,
    pub(crate) reading: Reading,
}

impl Partition {
    pub(crate) fn end(&self) -> Offset {
        self.log.len() as Offset
    }
}

#[derive(Debug, Default)]
struct Transaction {
    outs: Vec<Out>,
    offsets: BTreeMap<i32, (Offset, String)>,
    /// The outcome is decided, and the marker that frees the offsets is on its way.
    is_ending: bool,
    since: u64,
}

#[derive(Debug, Default)]
struct Producer {
    epoch: u32,
    open: Option<Transaction>,
}

/// What a member identifies itself by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) member: u64,
    pub(crate) generation: u64,
}

/// How a transaction ended.
pub(crate) enum Ended {
    Acknowledged,
    /// The producer is not told.
    Unknown,
}

#[derive(Default)]
pub(crate) struct Broker {
    pub(crate) partitions: Vec<Partition>,
    producers: BTreeMap<u32, Producer>,
    /// Requests to end a transaction that are still in the network.
    late: Vec<(u32, u32)>,
    pub(crate) members: BTreeSet<u64>,
    pub(crate) generation: u64,
    pub(crate) kind: Kind,
    /// Large records are refused.
    pub(crate) limit_is_low: bool,
    /// The most characters of metadata beside an offset.
    pub(crate) text_chars_max: usize,
    pub(crate) now: u64,
    pub(crate) is_calm: bool,
    unwell_until: u64,
    /// The first violation that was found.
    pub(crate) violation: Option<String>,
    /// How often each of the troubles happened that the simulation exists for.
    pub(crate) met: BTreeMap<&'static str, u64>,
}

impl Broker {
    pub(crate) fn new(kind: Kind, text_chars_max: usize) -> Self {
        Self { kind, text_chars_max, ..Self::default() }
    }

    pub(crate) fn meet(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    pub(crate) fn violate(&mut self, words: String) {
        self.violation.get_or_insert(words);
    }

    /// Whether a step fails, which it does more often for a while after the broker has lost something.
    fn unlucky(&self, rng: &mut Rng, per_mille: u64) -> bool {
        let times = if self.now < self.unwell_until { 6 } else { 1 };
        !self.is_calm && rng.chance(per_mille * times)
    }

    /// A producer registers an id: its predecessor is fenced, and the predecessor's transaction ends. `None`: not now.
    pub(crate) fn connect(&mut self, rng: &mut Rng, id: u32) -> Option<u32> {
        if self.unlucky(rng, 150) || self.is_ending(id) {
            return None;
        }
        let producer = self.producers.entry(id).or_default();
        producer.epoch += 1;
        producer.open = None;
        Some(producer.epoch)
    }

    fn is_ending(&self, id: u32) -> bool {
        self.producers.get(&id).and_then(|producer| producer.open.as_ref()).is_some_and(|open| open.is_ending)
    }

    fn producer(&mut self, rng: &mut Rng, id: u32, epoch: u32) -> Result<&mut Producer, Failure> {
        let is_fenced = self.producers.get(&id).is_none_or(|producer| producer.epoch != epoch);
        if is_fenced {
            self.meet("fenced");
            return Err(if rng.chance(500) { Failure::Fenced } else { Failure::Other });
        }
        if self.is_ending(id) {
            // No transaction begins before this one has ended: the client waits.
            self.mark(id);
        }
        Ok(self.producers.entry(id).or_default())
    }

    pub(crate) fn send(&mut self, rng: &mut Rng, id: u32, epoch: u32, outs: Vec<Out>) -> Result<(), Failure> {
        if self.unlucky(rng, 20) {
            return Err(Failure::Other);
        }
        let now = self.now;
        let open = self.producer(rng, id, epoch)?.open.get_or_insert_with(Transaction::default);
        if open.outs.is_empty() {
            open.since = now;
        }
        open.outs.extend(outs);
        Ok(())
    }

    pub(crate) fn flush(&mut self, rng: &mut Rng, id: u32, epoch: u32, is_alone: bool) -> Result<(), Failure> {
        if self.unlucky(rng, 20) {
            return Err(Failure::Other);
        }
        let limit_is_low = self.limit_is_low;
        let Some(open) = &mut self.producer(rng, id, epoch)?.open else { return Ok(()) };
        let refused: Vec<RefusedAt> = open
            .outs
            .extract_if(.., |out| out.large && limit_is_low)
            .map(|out| RefusedAt { partition: out.partition, offset: out.offset, is_alone })
            .collect();
        if refused.is_empty() {
            return Ok(());
        }
        self.meet("refused");
        Err(Failure::Records(refused))
    }

    /// The first half of a commit: from now on the offsets are pending. Only the generation is checked (KIP-447).
    pub(crate) fn add_offsets(
        &mut self,
        rng: &mut Rng,
        (id, epoch): (u32, u32),
        membership: Membership,
        offsets: BTreeMap<i32, (Offset, String)>,
    ) -> Result<(), Failure> {
        if self.unlucky(rng, 30) {
            return Err(Failure::Other);
        }
        if let Some(chars) = offsets.values().map(|(_, text)| text.len()).find(|chars| *chars > self.text_chars_max) {
            return Err(Failure::TextTooLong { chars });
        }
        let (is_member, now) = (self.is_member(membership), self.now);
        let producer = self.producer(rng, id, epoch)?;
        if !is_member {
            self.meet("an old generation refused");
            return Err(Failure::Other);
        }
        let open = producer.open.get_or_insert_with(|| Transaction { since: now, ..Transaction::default() });
        open.offsets = offsets;
        Ok(())
    }

    fn is_member(&self, membership: Membership) -> bool {
        self.members.contains(&membership.member) && membership.generation == self.generation
    }

    /// The second half of a commit.
    pub(crate) fn end(&mut self, rng: &mut Rng, id: u32, epoch: u32) -> Result<Ended, Failure> {
        self.producer(rng, id, epoch)?;
        if self.unlucky(rng, 40) {
            self.meet("a commit that never arrived");
            return Ok(Ended::Unknown);
        }
        if self.unlucky(rng, 60) {
            self.meet("a commit that is late");
            self.late.push((id, epoch));
            return Ok(Ended::Unknown);
        }
        self.complete(rng, id);
        if self.unlucky(rng, 60) {
            self.meet("a commit that was not acknowledged");
            return Ok(Ended::Unknown);
        }
        Ok(Ended::Acknowledged)
    }

    /// Takes effect now, or when the marker arrives: until then the offsets are pending.
    fn complete(&mut self, rng: &mut Rng, id: u32) {
        if self.unlucky(rng, 200)
            && let Some(open) = self.producers.get_mut(&id).and_then(|producer| producer.open.as_mut())
        {
            open.is_ending = true;
            return;
        }
        self.mark(id);
    }

    fn mark(&mut self, id: u32) {
        let open = self.producers.get_mut(&id).and_then(|producer| producer.open.take());
        if let Some(open) = open
            && let Err(words) = self.materialise(open)
        {
            self.violate(words);
        }
    }

    /// A transaction is committed: whatever is wrong with it cannot be undone.
    fn materialise(&mut self, transaction: Transaction) -> Result<(), String> {
        let Transaction { outs, mut offsets, .. } = transaction;
        if let Some(first) = outs.first()
            && let Some(other) = outs.iter().find(|out| out.plugins != first.plugins)
        {
            return Err(format!("{first:?} and {other:?} of one transaction were decided by other plugins"));
        }
        if let Some(out) = outs.iter().find(|out| !offsets.contains_key(&out.partition)) {
            return Err(format!("{out:?} is committed without an offset"));
        }
        let kind = self.kind;
        while let Some((number, (next, text))) = offsets.pop_first() {
            let of: Vec<Out> = outs.iter().filter(|out| out.partition == number).copied().collect();
            let at = usize::try_from(number).map_err(|error| error.to_string())?;
            let Some(partition) = self.partitions.get_mut(at) else { return Err(format!("no partition {number}")) };
            let held = partition.reading.commit(&partition.log, &of, next, &text, kind);
            held.map_err(|words| format!("partition {number}: {words}"))?;
            partition.history.push((next, text.clone()));
            partition.committed = Some((next, text));
        }
        Ok(())
    }

    /// The group's offset. The worker that asks has to go by the answer from now on.
    pub(crate) fn committed(&mut self, partition: i32) -> Answer {
        let is_pending =
            |producer: &Producer| producer.open.as_ref().is_some_and(|open| open.offsets.contains_key(&partition));
        if self.producers.values().any(is_pending) {
            self.meet("a pending offset");
            return Answer::Pending;
        }
        let Some(of) = usize::try_from(partition).ok().and_then(|at| self.partitions.get_mut(at)) else {
            return Answer::Nothing;
        };
        of.reading.heard();
        of.committed.as_ref().map_or(Answer::Nothing, |(offset, _)| Answer::At(*offset))
    }

    /// What happens by itself.
    pub(crate) fn tick(&mut self, rng: &mut Rng) {
        self.now += 1;
        if !self.late.is_empty() && rng.chance(60) {
            let at = rng.below(self.late.len());
            let (id, epoch) = self.late.swap_remove(at);
            let producer = self.producers.get(&id);
            let counts = producer.is_some_and(|producer| producer.epoch == epoch && producer.open.is_some());
            if counts && !self.is_ending(id) {
                self.meet("a late commit arrived");
                self.complete(rng, id);
            }
        }
        let ids: Vec<u32> = self.producers.keys().copied().collect();
        for id in ids {
            if self.is_ending(id) && rng.chance(if self.is_calm { 300 } else { 20 }) {
                self.mark(id);
            }
            let now = self.now;
            let Some(producer) = self.producers.get_mut(&id) else { continue };
            let steps_max = if self.is_calm { CALM_TRANSACTION_STEPS_MAX } else { TRANSACTION_STEPS_MAX };
            let is_old = |open: &Transaction| !open.is_ending && now - open.since > steps_max;
            if producer.open.as_ref().is_some_and(is_old) {
                producer.open = None;
                producer.epoch += 1;
                self.meet("a transaction timed out");
            }
        }
    }

    /// The broker forgets a commit.
    pub(crate) fn lose_a_commit(&mut self, rng: &mut Rng) {
        let at = rng.below(self.partitions.len());
        let is_busy = |producer: &Producer| producer.open.as_ref().is_some_and(|open| open.is_ending);
        if self.producers.values().any(is_busy) {
            return;
        }
        let Some(partition) = self.partitions.get_mut(at).filter(|partition| partition.history.len() > 1) else {
            return;
        };
        let keep = 1 + rng.below(partition.history.len() - 1);
        let Some((offset, text)) = partition.history.get(keep - 1).cloned() else { return };
        if offset < partition.start {
            return;
        }
        partition.history.truncate(keep);
        partition.reading.set_back(offset, &partition.log);
        partition.committed = Some((offset, text));
        self.unwell_until = self.now + 120;
        self.meet("a commit that the broker lost");
    }

    /// Whether everything that can be read is committed, and no transaction is open.
    pub(crate) fn is_settled(&self) -> bool {
        let is_done = |partition: &Partition| {
            let next = partition.committed.as_ref().map(|(next, _)| *next);
            let last = partition.log.iter().rposition(|slot| *slot != Slot::Gap).map_or(0, |last| last as Offset + 1);
            partition.reading.unheard.is_none() && next.is_some_and(|next| next >= last)
        };
        self.partitions.iter().all(is_done) && self.producers.values().all(|producer| producer.open.is_none())
    }
}
