//! A filter over a bucket's keys: "surely not there" for nearly all unseen keys. Not exact, and not the files that it is
//! stored in.
//!
//! Split-block Bloom filter (Putze, Sanders and Singler, "Cache-, hash- and space-efficient Bloom filters", 2007; the
//! shape that Apache Parquet uses): a key lives in one cache line, one bit in each of its eight 64-bit words. Ten bits
//! a key let one or two unseen keys in a hundred through, which the tables' own filters then catch.

use engine::fingerprint::Fingerprint;
use engine::varint;

/// Bits of filter a key at a segment's full load.
const BITS_PER_KEY: usize = 10;

/// Smallest segment, in keys.
const SEGMENT_KEYS_MIN: usize = 1 << 12;

/// Keys tested together: their blocks fit the fastest cache.
const CHUNK_KEYS: usize = 256;

/// Most keys of a segment that is believed: beyond it, what was stored cannot have been written.
const SEGMENT_KEYS_MAX: u64 = 1 << 36;

const BLOCK_BYTES: usize = size_of::<Block>();

/// 512 bits: one cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Block([u64; 8]);

struct Segment {
    blocks: Vec<Block>,
    keys: usize,
    keys_max: usize,
}

impl Segment {
    fn test(&self, keys: &[(Fingerprint, u32)], may: &mut [bool; CHUNK_KEYS]) {
        // First only a word of every block, so that the memory fetches of all keys are under way at once.
        let touched = keys.iter().map(|(key, _)| self.block(*key).0[0]).fold(0, std::ops::BitOr::bitor);
        std::hint::black_box(touched);
        for ((key, _), may) in keys.iter().zip(may) {
            let mut bits = low(*key);
            let mut all = 1;
            for word in self.block(*key).0 {
                all &= word >> (bits & 63);
                bits >>= 6;
            }
            *may |= all == 1;
        }
    }

    fn block(&self, fingerprint: Fingerprint) -> &Block {
        static EMPTY: Block = Block([0; 8]);
        self.blocks.get(place(fingerprint, self.blocks.len())).unwrap_or(&EMPTY)
    }
}

impl Segment {
    /// Room for so many keys.
    fn of(keys_max: usize) -> Self {
        Self { blocks: vec![Block::default(); blocks_for(keys_max)], keys: 0, keys_max }
    }

    fn insert(&mut self, fingerprint: Fingerprint) {
        self.keys += 1;
        let at = place(fingerprint, self.blocks.len());
        let Some(Block(words)) = self.blocks.get_mut(at) else { return };
        let mut bits = low(fingerprint);
        for word in words {
            *word |= 1 << (bits & 63);
            bits >>= 6;
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.blocks.len() * BLOCK_BYTES + 2 * size_of::<u64>() + 4);
        varint::push(self.keys as u64, &mut bytes);
        varint::push(self.keys_max as u64, &mut bytes);
        for Block(words) in &self.blocks {
            words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        }
        bytes
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let keys = usize::try_from(varint::take(&mut bytes)?).ok()?;
        let keys_max = varint::take(&mut bytes).filter(|keys| (1..=SEGMENT_KEYS_MAX).contains(keys))?;
        let keys_max = usize::try_from(keys_max).ok()?;
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        if blocks.len() != blocks_for(keys_max) || !rest.is_empty() {
            return None;
        }
        let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        let block = |bytes: &[u8; BLOCK_BYTES]| {
            let mut words = [0; 8];
            words.iter_mut().zip(bytes.as_chunks().0).for_each(|(to, bytes)| *to = word(bytes));
            Block(words)
        };
        Some(Self { blocks: blocks.iter().map(block).collect(), keys, keys_max })
    }
}

fn blocks_for(keys_max: usize) -> usize {
    (keys_max * BITS_PER_KEY).div_ceil(8 * BLOCK_BYTES)
}

/// A filter that grows by further segments: a full one is never changed again.
#[derive(Default)]
pub(crate) struct KeyFilter {
    segments: Vec<Segment>,
    keys: usize,
}

impl KeyFilter {
    /// Makes room for `keys` more; `expected` is a guess of how many the bucket will have at last.
    pub(crate) fn reserve(&mut self, keys: usize, expected: usize) {
        if self.segments.last().is_some_and(|last| last.keys + keys <= last.keys_max) {
            return;
        }
        // Doubling keeps the number of segments, and so of probes, logarithmic.
        let keys_max = keys.max(self.keys).max(expected.saturating_sub(self.keys)).max(SEGMENT_KEYS_MIN);
        self.segments.push(Segment::of(keys_max));
    }

    /// Adds a key. `reserve` must have made room for it: without, it is not added.
    pub(crate) fn insert(&mut self, fingerprint: Fingerprint) {
        let Some(last) = self.segments.last_mut() else { return };
        last.insert(fingerprint);
        self.keys += 1;
    }

    /// Number of segments.
    pub(crate) fn segments(&self) -> usize {
        self.segments.len()
    }

    /// A segment as it is stored; empty where there is none.
    pub(crate) fn encode(&self, segment: usize) -> Vec<u8> {
        self.segments.get(segment).map(Segment::encode).unwrap_or_default()
    }

    /// Bytes of a segment.
    pub(crate) fn segment_bytes(&self, segment: usize) -> usize {
        self.segments.get(segment).map_or(0, |segment| segment.blocks.len() * BLOCK_BYTES)
    }

    /// Takes in a segment that was stored, as the next one. `None`, and nothing is changed, where the bytes are none.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Option<()> {
        let segment = Segment::decode(bytes)?;
        self.keys += segment.keys;
        self.segments.push(segment);
        Some(())
    }

    /// Appends to `passed` the keys that may be there; only keys that were never inserted are left out.
    pub(crate) fn pass(&self, keys: &[(Fingerprint, u32)], passed: &mut Vec<(Fingerprint, u32)>) {
        for keys in keys.chunks(CHUNK_KEYS) {
            let mut may = [false; CHUNK_KEYS];
            for segment in &self.segments {
                segment.test(keys, &mut may);
            }
            passed.extend(keys.iter().zip(may).filter(|(_, may)| *may).map(|(key, _)| *key));
        }
    }

    /// Keys inserted.
    pub(crate) fn keys(&self) -> usize {
        self.keys
    }

    /// Memory of the bits.
    pub(crate) fn bytes(&self) -> usize {
        self.segments.iter().map(|segment| segment.blocks.len() * BLOCK_BYTES).sum()
    }
}

/// Maps the upper half of the fingerprint to a block, in order: sorted keys touch blocks one after the other.
fn place(fingerprint: Fingerprint, blocks: usize) -> usize {
    (((fingerprint.0 >> 64) * blocks as u128) >> 64) as usize
}

fn low(fingerprint: Fingerprint) -> u64 {
    fingerprint.0 as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform numbers from a counter (SplitMix64).
    fn mixed(n: u64) -> Fingerprint {
        let mix = |mut z: u64| {
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let high = mix(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Fingerprint(u128::from(high) << 64 | u128::from(mix(high ^ n)))
    }

    #[test]
    fn every_inserted_key_is_found_and_few_others_are() {
        let passed = |filter: &KeyFilter, numbers: std::ops::Range<u64>| {
            let mut passed = Vec::new();
            filter.pass(&numbers.map(|n| (mixed(n), 0)).collect::<Vec<_>>(), &mut passed);
            passed.len()
        };
        let mut filter = KeyFilter::default();
        assert_eq!(passed(&filter, 0..1_000), 0, "an empty filter contains nothing");
        for batch in 0..10 {
            filter.reserve(5_000, 0);
            (batch * 5_000..(batch + 1) * 5_000).for_each(|n| filter.insert(mixed(n)));
        }
        assert_eq!(passed(&filter, 0..50_000), 50_000);
        let wrong = passed(&filter, 50_000..150_000);
        assert!(wrong < 6_000, "{wrong} of 100,000 unseen keys passed");
        assert!(filter.segments.len() <= 5, "{} segments", filter.segments.len());
        let mut stored = KeyFilter::default();
        (0..filter.segments()).for_each(|segment| stored.decode(&filter.encode(segment)).unwrap());
        assert_eq!((passed(&stored, 0..50_000), passed(&stored, 50_000..150_000)), (50_000, wrong), "as it was stored");
        assert_eq!((stored.keys(), stored.bytes()), (filter.keys(), filter.bytes()));
    }

    #[test]
    fn no_bytes_of_strangers_are_a_segment_that_cannot_have_been_stored() {
        let mut filter = KeyFilter::default();
        filter.reserve(10, 0);
        let bytes = filter.encode(0);
        for cut in [0, 1, 2, 3, 60, bytes.len() - 1] {
            assert_eq!(KeyFilter::default().decode(&bytes[..cut]), None, "{cut}");
        }
        for (keys, keys_max) in [(1, u64::MAX), (0, 0), (u64::MAX, 1 << 40)] {
            let mut huge = Vec::new();
            varint::push(keys, &mut huge);
            varint::push(keys_max, &mut huge);
            assert_eq!(KeyFilter::default().decode(&huge), None);
        }
    }
}
