//! What follows for decisions when an input gets more partitions. Producers then send a key to another partition than
//! before, where nobody knows it, unless the partition asks the *elders*: the keys of the partitions that there were
//! before, as they were when the input grew. The rule which of their entries count for which events, and how a partition
//! gets from one layout to the next. Not where elders come from, and not when anybody waits for them.
//!
//! The owner of a partition draws two lines through its log when it sees that the input has grown, and commits them beside
//! its offset. `from` is what was committed by then: all of it was read before anybody could see the growth. `to` is where
//! the log ended: nobody who knows of the growth has sent what is new by the old layout after it.
//!
//! ```text
//!            from            to
//!   before    |    between    |    after
//! ```
//!
//! An event before `from` is decided by the partition's own keys. One after `to` also knows all entries of the other
//! partitions below their `to`. Between the two both layouts meet, so partitions take turns by their numbers: an event also
//! knows the entries below `to` of partitions with lower numbers, and those below `from` of the others. So of two events of
//! one key in two partitions, one always knows of the other, and never both: none is lost and none goes out twice. The
//! exception are events after `to` in both partitions, of which one was sent by the old layout: those [`Partitioner`]
//! can tell.

use crate::entry::Entry;
use crate::record::{Millis, Offset};

/// How many retentions after an input grew its elders are asked. An event may be ahead of its partition's clock by as much as
/// one.
const RETENTIONS: i64 = 2;

/// The lines through the log of one partition. One that has come with the growth begins after both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// How many partitions there were.
    pub before: i32,
    /// How many there are since.
    pub after: i32,
    /// First offset that was not committed when the growth was seen.
    pub from: Offset,
    /// Where the log ended then.
    pub to: Offset,
    /// The partition's watermark then, if there was one.
    pub time: Option<Millis>,
}

/// How many partitions the owner of one knew when it committed, and what came of the last growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Partitions of the input.
    pub partitions: i32,
    /// The growth whose elders are asked.
    pub growth: Option<Growth>,
}

/// An entry of another partition, from before the input grew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elder {
    /// Index of the key in the look-up.
    pub key: u32,
    /// What is remembered there.
    pub entry: Entry,
    /// The partition in whose log its offset is.
    pub partition: i32,
    /// It counts for events from this offset on.
    pub counts_from: Offset,
}

/// What a partition that is opened finds.
#[derive(Debug, Clone, Copy)]
pub struct Finding {
    /// Its number.
    pub partition: i32,
    /// How many the input has now.
    pub partitions: i32,
    /// What is committed of it.
    pub committed: Offset,
    /// Where its log ends.
    pub log_end: Offset,
    /// Its watermark, if it has one.
    pub watermark: Option<Millis>,
    /// How long a key has to be kept; `None` is for ever.
    pub retention: Option<Millis>,
}

/// What a partition that is opened does about the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing has changed.
    Same,
    /// From now on commits say how many partitions there are. What came before is not known.
    Begin,
    /// It draws its lines.
    Grow,
    /// The input has grown again before the keys from before the last growth were forgotten: they stay where they are, and
    /// those since then are not known elsewhere.
    Decline,
    /// Nobody needs the elders any more.
    Forget,
}

impl Growth {
    /// Whether a partition has come with the growth.
    #[must_use]
    pub fn is_new(&self, partition: i32) -> bool {
        partition >= self.before
    }

    /// From which event of a partition, whose growth this is, an entry of another one counts; `None`: for none.
    #[must_use]
    pub fn counts_from(&self, partition: i32, elder: (i32, &Self), entry: Offset) -> Option<Offset> {
        let (other, lines) = elder;
        let takes_turns = other < partition && entry < lines.to;
        if entry < lines.from || takes_turns {
            return Some(self.from);
        }
        (entry < lines.to).then_some(self.to)
    }

    /// Of how many of the partitions with the lowest numbers what is between the lines must be known before a partition
    /// may decide up to `last`; `None`: elders are not asked at all.
    #[must_use]
    pub fn turns_before(&self, partition: i32, last: Offset) -> Option<i32> {
        match last {
            _ if last < self.from => None,
            _ if last < self.to => Some(partition.min(self.before)),
            _ => Some(self.before),
        }
    }

    /// From this event time on no entry of before the growth can be live; `None`: never.
    #[must_use]
    pub fn ends_at(&self, retention: Option<Millis>) -> Option<Millis> {
        Some(self.time?.saturating_add(retention?.saturating_mul(RETENTIONS)))
    }

    fn is_over(&self, finding: &Finding) -> bool {
        self.ends_at(finding.retention).zip(finding.watermark).is_some_and(|(end, watermark)| watermark >= end)
    }

    fn of(finding: &Finding, before: i32) -> Self {
        let Finding { partition, partitions: after, committed: from, log_end, watermark: time, .. } = *finding;
        let to = if partition >= before { from } else { log_end.max(from) };
        Self { before, after, from, to, time }
    }
}

impl Layout {
    /// What a partition goes on with: `known` is what its own commit says, `others` what those of the other partitions say.
    #[must_use]
    pub fn next(known: Option<&Self>, others: &[Self], finding: &Finding) -> (Self, Step) {
        let now = finding.partitions;
        let with = |growth| Self { partitions: now, growth };
        match known {
            Some(known) if known.partitions >= now => match known.growth {
                Some(growth) if growth.is_over(finding) => (Self { growth: None, ..*known }, Step::Forget),
                Some(_) | None => (*known, Step::Same),
            },
            Some(known) => match known.growth.filter(|growth| !growth.is_over(finding)) {
                Some(growth) => (with(Some(growth)), Step::Decline),
                None => (with(Some(Growth::of(finding, known.partitions))), Step::Grow),
            },
            None => match Self::before(others, now) {
                Some(before) => (with(Some(Growth::of(finding, before))), Step::Grow),
                None => (with(None), Step::Begin),
            },
        }
    }

    /// How many partitions there were, where others have seen the growth to `now`, or are about to.
    fn before(others: &[Self], now: i32) -> Option<i32> {
        let growing = |other: &Self| match other.growth {
            Some(growth) if growth.after == now => Some(growth.before),
            None if other.partitions < now => Some(other.partitions),
            Some(_) | None => None,
        };
        others.iter().filter_map(growing).max()
    }

    /// The lines of a partition for a growth to so many, or nothing where it has declined; `None`: it has not said yet.
    #[must_use]
    pub fn lines(&self, after: i32) -> Option<Option<Growth>> {
        (self.partitions >= after).then(|| self.growth.filter(|growth| growth.after == after))
    }
}

/// How a producer finds the partition of a key. It is found out by looking at what it did before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitioner {
    /// Java's default, and that of many others: murmur2 of the key.
    Murmur2,
    /// librdkafka's default: CRC-32 of the key.
    Crc32,
    /// Sarama's default: FNV-1a of the key.
    Fnv1a,
}

impl Partitioner {
    const ALL: [Self; 3] = [Self::Murmur2, Self::Crc32, Self::Fnv1a];

    /// The partition of a key, out of so many.
    #[must_use]
    pub fn partition(self, key: &[u8], partitions: i32) -> i32 {
        let partitions = partitions.max(1);
        let place = |hash: u32| i32::try_from(hash % partitions.unsigned_abs()).unwrap_or(0);
        match self {
            Self::Murmur2 => place(murmur2(key) & 0x7fff_ffff),
            Self::Crc32 => place(crc32(key)),
            Self::Fnv1a => (fnv1a(key).cast_signed() % partitions).abs(),
        }
    }

    /// Whether the key was sent to a partition by the layout of before a growth.
    #[must_use]
    pub fn is_of_before(self, key: &[u8], partition: i32, growth: &Growth) -> bool {
        self.partition(key, growth.after) != partition && self.partition(key, growth.before) == partition
    }
}

/// Partitioners that may have sent what was seen.
#[derive(Debug, Clone, Copy)]
pub struct Suspects {
    seen: u64,
    wrong: [u64; 3],
}

/// Fewer records do not say how producers find partitions.
const SEEN_MIN: u64 = 20;

impl Suspects {
    /// Nothing was seen.
    #[must_use]
    pub fn new() -> Self {
        Self { seen: 0, wrong: [0; 3] }
    }

    /// A record with this key was in a partition, when there were so many.
    pub fn see(&mut self, key: &[u8], partition: i32, partitions: i32) {
        self.seen += 1;
        for (wrong, suspect) in self.wrong.iter_mut().zip(Partitioner::ALL) {
            *wrong += u64::from(suspect.partition(key, partitions) != partition);
        }
    }

    /// The one that has sent all of it, if one has.
    #[must_use]
    pub fn found(&self) -> Option<Partitioner> {
        let is_it = |(suspect, wrong): (Partitioner, &u64)| (*wrong == 0).then_some(suspect);
        Partitioner::ALL.into_iter().zip(&self.wrong).find_map(is_it).filter(|_| self.seen >= SEEN_MIN)
    }
}

impl Default for Suspects {
    fn default() -> Self {
        Self::new()
    }
}

/// As Kafka's clients have it.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mix = |word: u32| {
        let word = word.wrapping_mul(M);
        (word ^ (word >> 24)).wrapping_mul(M)
    };
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut hash = 0x9747_b28c ^ length;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        hash = hash.wrapping_mul(M) ^ mix(u32::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0_u32, |tail, byte| (tail << 8) | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// The polynomial of zlib.
fn crc32(key: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !key.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
}

fn fnv1a(key: &[u8]) -> u32 {
    key.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests;
