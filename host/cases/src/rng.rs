//! Numbers from a seed (SplitMix64): the same on every machine. For tests that replay a seed exactly.

/// See the module.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The numbers of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// Any number.
    fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.any() % bound.max(1) as u64) as usize
    }

    /// Yes, so many times in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.any() % 1_000 < per_mille
    }

    /// One of these; `None` if there are none.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { of.get(self.below(of.len())).copied() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seed that somebody wrote down has to fail again, with a later build too.
    #[test]
    fn the_numbers_of_a_seed_never_change() {
        let numbers = |seed| {
            let mut rng = Rng::new(seed);
            [(); 4].map(|()| rng.below(1_000))
        };
        assert_eq!((numbers(0), numbers(1)), ([375, 618, 930, 762], [143, 544, 89, 855]));
    }

    #[test]
    fn one_of_many_is_any_of_them_and_one_of_none_is_none() {
        let mut rng = Rng::new(7);
        let picked: std::collections::BTreeSet<_> = (0..100).filter_map(|_| rng.pick(&[1, 2, 3])).collect();
        assert_eq!(picked, [1, 2, 3].into());
        assert_eq!((rng.pick::<u8>(&[]), rng.below(0)), (None, 0));
    }
}
