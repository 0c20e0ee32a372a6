//! A filter in memory over a bucket's keys: "surely not there" for nearly all unseen keys. Not durable, not exact.
//!
//! Split-block Bloom filter (Putze, Sanders and Singler, "Cache-, hash- and space-efficient Bloom filters", 2007; the
//! shape that Apache Parquet uses): a key lives in one cache line, one bit in each of its eight 64-bit words. Ten bits
//! a key let one or two unseen keys in a hundred through, which the tables' own filters then catch.

use engine::fingerprint::Fingerprint;

/// Bits of filter a key at a segment's full load.
const BITS_PER_KEY: usize = 10;

/// Smallest segment, in keys.
const SEGMENT_KEYS_MIN: usize = 1 << 12;

/// Keys tested together: their blocks fit the fastest cache.
const CHUNK_KEYS: usize = 256;

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

/// A filter that grows by further segments: a full one is never rewritten.
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
        let blocks = (keys_max * BITS_PER_KEY).div_ceil(512);
        self.segments.push(Segment { blocks: vec![Block::default(); blocks], keys: 0, keys_max });
    }

    /// Adds a key.
    pub(crate) fn insert(&mut self, fingerprint: Fingerprint) {
        self.keys += 1;
        let Some(last) = self.segments.last_mut() else { return };
        last.keys += 1;
        let at = place(fingerprint, last.blocks.len());
        let Some(Block(words)) = last.blocks.get_mut(at) else { return };
        let mut bits = low(fingerprint);
        for word in words {
            *word |= 1 << (bits & 63);
            bits >>= 6;
        }
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
        self.segments.iter().map(|segment| segment.blocks.len() * size_of::<Block>()).sum()
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
    }
}
