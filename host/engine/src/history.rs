//! What is counted of the duplicates of one event: how many, and how many uuids. Not where it is kept.

use crate::record::Offset;
use crate::varint;

/// Distinct uuids that are counted exactly; beyond that their number is estimated.
pub const UUIDS_EXACT_MAX: usize = 16;

/// Longest encoding of a [`History`], in bytes.
pub const HISTORY_BYTES_MAX: usize = 2 * NUMBER_BYTES_MAX + 2 + REGISTERS;

/// Registers of the sketch: the standard error of the estimate is 1.04 / sqrt(256) = 6.5 %.
const REGISTERS: usize = 256;

/// Bits of a hash that choose the register; the others give the rank.
const REGISTER_BITS: u32 = REGISTERS.trailing_zeros();

/// Highest rank: all bits that do not choose the register are zero.
const RANK_MAX: u8 = (64 - REGISTER_BITS + 1) as u8;

/// Version of the encoding, in the upper half of the first byte.
const VERSION: u8 = 1;

/// Flags in the lower half of the first byte.
const ORIGINAL_UNKNOWN: u8 = 1;
const SKETCHED: u8 = 2;

/// Bytes of a 64-bit number, seven bits a byte.
const NUMBER_BYTES_MAX: usize = 10;

/// The duplicates of one event, of which the offset is known elsewhere.
///
/// It costs the same at the millionth duplicate as at the hundredth: its size has a bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    duplicates: u64,
    /// Offset of the duplicate counted last; -1 before the first.
    last_offset: Offset,
    uuids: DistinctUuids,
    original_unknown: bool,
}

impl History {
    /// The history of an event without duplicates so far, from the 64-bit hash of its uuid: `Some(None)` is an event
    /// without a uuid, `None` is an event that was not kept, so that nobody knows its uuid any more.
    #[must_use]
    pub fn of(original_uuid: Option<Option<u64>>) -> Self {
        let mut uuids = DistinctUuids::default();
        if let Some(Some(uuid)) = original_uuid {
            uuids.insert(uuid);
        }
        Self { duplicates: 0, last_offset: -1, uuids, original_unknown: original_uuid.is_none() }
    }

    /// Counts the duplicate at `offset`, with the hash of its uuid if it has one. An offset that is not after the last
    /// one counted is being read again: nothing is counted twice. Says whether it was counted.
    pub fn count(&mut self, offset: Offset, uuid: Option<u64>) -> bool {
        if offset <= self.last_offset {
            return false;
        }
        self.last_offset = offset;
        self.duplicates = self.duplicates.saturating_add(1);
        if let Some(uuid) = uuid {
            self.uuids.insert(uuid);
        }
        true
    }

    /// Duplicates so far; the original is none of them.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Offset of the duplicate counted last, if there is one.
    #[must_use]
    pub fn last_offset(&self) -> Option<Offset> {
        (self.last_offset >= 0).then_some(self.last_offset)
    }

    /// How many distinct uuids the original and its duplicates have together, and whether that is exact. `None` if the
    /// original's is not known.
    #[must_use]
    pub fn distinct_uuids(&self) -> Option<(u64, bool)> {
        (!self.original_unknown).then(|| self.uuids.distinct())
    }

    /// Bytes that it holds beside its own.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match &self.uuids {
            DistinctUuids::Exact(hashes) => hashes.capacity() * size_of::<u64>(),
            DistinctUuids::Sketch(_) => size_of::<Sketch>(),
        }
    }

    /// Appends it to `bytes`: version and flags, the count, the last offset, the uuids. At most [`HISTORY_BYTES_MAX`].
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let mut flags = if self.original_unknown { ORIGINAL_UNKNOWN } else { 0 };
        if matches!(self.uuids, DistinctUuids::Sketch(_)) {
            flags |= SKETCHED;
        }
        bytes.push(VERSION << 4 | flags);
        varint::push(self.duplicates, bytes);
        varint::push(self.last_offset.wrapping_add(1).cast_unsigned(), bytes);
        match &self.uuids {
            DistinctUuids::Exact(hashes) => hashes.iter().for_each(|hash| bytes.extend(hash.to_le_bytes())),
            DistinctUuids::Sketch(sketch) => bytes.extend_from_slice(&sketch.registers),
        }
    }

    /// The history of an encoding; `None` if the bytes are not what [`History::encode`] wrote.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        bytes = rest;
        let flags = first & 0x0f;
        if first >> 4 != VERSION || flags & !(ORIGINAL_UNKNOWN | SKETCHED) != 0 {
            return None;
        }
        let duplicates = varint::take(&mut bytes)?;
        let last_offset = varint::take(&mut bytes)?.cast_signed().wrapping_sub(1);
        if last_offset < -1 || (duplicates == 0) != (last_offset == -1) {
            return None;
        }
        let uuids = if flags & SKETCHED == 0 { DistinctUuids::exact(bytes) } else { DistinctUuids::sketch(bytes) }?;
        let original_unknown = flags & ORIGINAL_UNKNOWN != 0;
        // Each duplicate brings one uuid at most, and so does the original.
        let uuids_max = duplicates.saturating_add(u64::from(!original_unknown));
        (uuids.least() <= uuids_max).then_some(Self { duplicates, last_offset, uuids, original_unknown })
    }
}

/// A set of uuids, given by 64-bit hashes, that only knows its size: exact up to [`UUIDS_EXACT_MAX`], beyond that a
/// HyperLogLog (Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog: the analysis of a near-optimal cardinality
/// estimation algorithm", 2007).
#[derive(Debug, Clone, PartialEq, Eq)]
enum DistinctUuids {
    Exact(Vec<u64>),
    Sketch(Box<Sketch>),
}

/// The highest rank seen in each register, and what follows from them: reckoned when one changes, which gets rare, and
/// not whenever somebody asks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sketch {
    registers: [u8; REGISTERS],
    estimate: u64,
}

impl Sketch {
    fn of(registers: [u8; REGISTERS]) -> Self {
        Self { estimate: estimate(&registers), registers }
    }

    fn insert(&mut self, hash: u64) {
        if see(&mut self.registers, hash) {
            self.estimate = estimate(&self.registers);
        }
    }
}

impl Default for DistinctUuids {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

impl DistinctUuids {
    fn insert(&mut self, hash: u64) {
        match self {
            Self::Exact(hashes) if hashes.contains(&hash) => {}
            Self::Exact(hashes) if hashes.len() < UUIDS_EXACT_MAX => hashes.push(hash),
            Self::Exact(hashes) => {
                let mut registers = [0; REGISTERS];
                for hash in hashes.iter().chain([&hash]) {
                    see(&mut registers, *hash);
                }
                *self = Self::Sketch(Box::new(Sketch::of(registers)));
            }
            Self::Sketch(sketch) => sketch.insert(hash),
        }
    }

    fn distinct(&self) -> (u64, bool) {
        match self {
            Self::Exact(_) => (self.least(), true),
            Self::Sketch(sketch) => (sketch.estimate.max(self.least()), false),
        }
    }

    /// There are as many at least.
    fn least(&self) -> u64 {
        match self {
            Self::Exact(hashes) => hashes.len() as u64,
            // It became a sketch because there were more than can be exact.
            Self::Sketch(_) => UUIDS_EXACT_MAX as u64 + 1,
        }
    }

    fn exact(bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() || hashes.len() > UUIDS_EXACT_MAX {
            return None;
        }
        let mut seen: Vec<u64> = Vec::with_capacity(hashes.len());
        for hash in hashes {
            let hash = u64::from_le_bytes(*hash);
            if seen.contains(&hash) {
                return None;
            }
            seen.push(hash);
        }
        Some(Self::Exact(seen))
    }

    fn sketch(bytes: &[u8]) -> Option<Self> {
        let registers: [u8; REGISTERS] = bytes.try_into().ok()?;
        registers.iter().all(|rank| *rank <= RANK_MAX).then(|| Self::Sketch(Box::new(Sketch::of(registers))))
    }
}

/// The upper bits choose a register; the rank is the place of the first one among the others. Says whether the register
/// changed.
fn see(registers: &mut [u8; REGISTERS], hash: u64) -> bool {
    let at = (hash >> (64 - REGISTER_BITS)) as usize;
    let rank = ((hash << REGISTER_BITS).leading_zeros() + 1).min(u32::from(RANK_MAX)) as u8;
    let register = registers.get_mut(at).filter(|register| **register < rank);
    let changed = register.is_some();
    if let Some(register) = register {
        *register = rank;
    }
    changed
}

/// Flajolet et al., figure 3. Hashes of 64 bits need no correction of large numbers.
fn estimate(registers: &[u8; REGISTERS]) -> u64 {
    let m = REGISTERS as f64;
    let alpha = 0.7213 / (1.0 + 1.079 / m);
    let sum: f64 = registers.iter().map(|rank| 1.0 / (1_u64 << rank.min(&RANK_MAX)) as f64).sum();
    let raw = alpha * m * m / sum;
    let empty = registers.iter().filter(|rank| **rank == 0).count();
    if raw > 2.5 * m || empty == 0 {
        return raw.round() as u64;
    }
    // Small range: linear counting, m ln(m / empty), as the sum whose limit the logarithm is. Sums and quotients are the
    // same on every machine, logarithms need not be.
    let filled: f64 = (empty + 1..=REGISTERS).map(|left| m / left as f64).sum();
    filled.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Uniform numbers from a counter (SplitMix64).
    fn hash(n: u64) -> u64 {
        let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn encoded(history: &History) -> Vec<u8> {
        let mut bytes = Vec::new();
        history.encode(&mut bytes);
        bytes
    }

    fn counted(original: Option<Option<u64>>, uuids: impl IntoIterator<Item = Option<u64>>) -> History {
        let mut history = History::of(original);
        for (offset, uuid) in (0..).zip(uuids) {
            assert!(history.count(offset, uuid));
        }
        history
    }

    #[test]
    fn a_replay_counts_nothing_twice() {
        let mut history = History::of(Some(Some(1)));
        assert_eq!((history.duplicates(), history.last_offset()), (0, None));
        assert!(history.count(5, Some(2)) && history.count(9, Some(1)));
        let before = history.clone();
        assert!(!history.count(5, Some(2)) && !history.count(9, Some(3)) && !history.count(0, None));
        assert_eq!(history, before);
        assert_eq!((history.duplicates(), history.last_offset()), (2, Some(9)));
        assert_eq!(history.distinct_uuids(), Some((2, true)));
    }

    #[test]
    fn an_original_without_a_uuid_is_not_one_that_is_unknown() {
        assert_eq!(counted(Some(None), [None, None]).distinct_uuids(), Some((0, true)));
        assert_eq!(counted(Some(None), [Some(7), Some(7)]).distinct_uuids(), Some((1, true)));
        let unknown = counted(None, [Some(7)]);
        assert_eq!((unknown.distinct_uuids(), unknown.duplicates()), (None, 1));
    }

    #[test]
    fn uuids_are_exact_to_the_bound_and_near_beyond_it() {
        let all = |n: u64| counted(Some(Some(hash(0))), (1..n).map(|n| Some(hash(n)))).distinct_uuids();
        assert_eq!(all(16), Some((16, true)));
        for n in [17_u64, 20, 50, 200, 640, 1_000, 10_000, 1_000_000] {
            let (distinct, exact) = all(n).unwrap();
            let error = (distinct as f64 - n as f64).abs() / n as f64;
            assert!(!exact && error < 0.15, "{distinct} for {n}");
        }
    }

    #[test]
    fn the_error_over_many_sets_is_that_of_the_paper() {
        for n in [100_u64, 600, 3_000] {
            let squares = (0..200_u64).map(|set| {
                let uuids = (0..n).map(|k| Some(hash(set << 32 | k)));
                let (distinct, _) = counted(Some(None), uuids).distinct_uuids().unwrap();
                (distinct as f64 / n as f64 - 1.0).powi(2)
            });
            let error = (squares.sum::<f64>() / 200.0).sqrt();
            assert!(error < 0.08, "{n} uuids: root mean square error {error}");
        }
    }

    #[test]
    fn uuids_seen_again_change_nothing() {
        let once = counted(Some(None), (0..100).map(|n| Some(hash(n))));
        let thrice = counted(Some(None), (0..300).map(|n| Some(hash(n % 100))));
        assert_eq!(once.distinct_uuids(), thrice.distinct_uuids());
    }

    #[test]
    fn the_first_history_of_a_key_is_small_and_the_largest_has_a_bound() {
        let mut first = History::of(Some(Some(1)));
        first.count(1_000_000_000, Some(1));
        assert_eq!(encoded(&first).len(), 15);
        let mut largest = counted(Some(Some(1)), (0..100_000).map(|n| Some(hash(n))));
        assert!(largest.count(i64::MAX - 1, None));
        assert!(encoded(&largest).len() <= HISTORY_BYTES_MAX);
        assert_eq!(largest.heap_bytes(), 264);
    }

    proptest! {
        #![proptest_config(cases::cases(256))]

        #[test]
        fn any_history_survives_encoding(
            original in proptest::option::of(proptest::option::of(0..40_u64)),
            uuids in proptest::collection::vec(proptest::option::of(0..40_u64), 0..60),
        ) {
            let uuids = uuids.into_iter().map(|uuid| uuid.map(hash));
            let history = counted(original.map(|uuid| uuid.map(hash)), uuids);
            prop_assert_eq!(History::decode(&encoded(&history)), Some(history));
        }

        #[test]
        fn damaged_bytes_are_refused_or_another_history_of_the_same_bytes(
            count in 0..40_u64, at in 0..300_usize, bit in 0..8_u32, cut in 0..300_usize,
        ) {
            let whole = encoded(&counted(Some(None), (0..count).map(|n| Some(hash(n)))));
            let mut damaged = whole.clone();
            let at = at % damaged.len();
            damaged[at] ^= 1 << bit;
            damaged.truncate(cut.max(1));
            if let Some(history) = History::decode(&damaged) {
                prop_assert_eq!(encoded(&history), damaged);
            }
        }
    }

    #[test]
    fn what_is_no_history_is_refused() {
        let whole = encoded(&counted(Some(None), (0..3).map(|n| Some(hash(n)))));
        assert!(History::decode(&[]).is_none());
        assert!(History::decode(&whole[..whole.len() - 1]).is_none());
        let longer: Vec<u8> = whole.iter().copied().chain([0]).collect();
        assert!(History::decode(&longer).is_none());
        let mut other_version = whole.clone();
        other_version[0] += 0x10;
        assert!(History::decode(&other_version).is_none());
        let twice: Vec<u8> = whole.iter().chain(&whole[whole.len() - 8..]).copied().collect();
        assert!(History::decode(&twice).is_none());
        // More uuids than events, among few and among many.
        let mut uuids = encoded(&counted(Some(None), (0..3).map(|n| Some(hash(n)))));
        uuids.extend([7_u64, 8].map(u64::to_le_bytes).concat());
        assert!(History::decode(&uuids).is_none());
        let mut sketch = encoded(&counted(Some(None), (0..100).map(|n| Some(hash(n)))));
        sketch[1] = 15;
        assert!(History::decode(&sketch).is_none());
        let mut sketch = encoded(&counted(Some(None), (0..100).map(|n| Some(hash(n)))));
        *sketch.last_mut().unwrap() = RANK_MAX + 1;
        assert!(History::decode(&sketch).is_none());
    }
}
