//! Counts in fixed buckets: of values that were observed, and of keys that grow from bucket to bucket. No labels, no
//! names, no locks.

/// Bounds of similarities. The last but one tells what is the same from what is nearly so: a scorer that adds up parts
/// may miss 1 by a rounding error, and an event would need a million properties to come so close by a difference.
pub const SIMILARITY: [f64; 13] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999_999, 1.0];

/// Bounds of times between two events, in seconds: a millisecond to a week.
pub const GAP_SECONDS: [f64; 13] =
    [0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0, 259_200.0, 604_800.0];

/// Bounds of what is counted for a key.
pub const PER_KEY: [u64; 13] = [1, 2, 3, 5, 10, 20, 50, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Values by bucket. A value belongs to the first bucket whose bound it does not exceed.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram<const N: usize> {
    /// Upper bounds of the buckets, ascending.
    pub bounds: &'static [f64; N],
    counts: [u64; N],
    above: u64,
    /// All that was observed, added up.
    pub sum: f64,
}

impl<const N: usize> Histogram<N> {
    /// No values yet.
    #[must_use]
    pub const fn new(bounds: &'static [f64; N]) -> Self {
        Self { bounds, counts: [0; N], above: 0, sum: 0.0 }
    }

    /// Counts a value; what is not a number is not counted, as one such would spoil the sum for ever.
    pub fn observe(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        // Comparing with all of them is faster than leaving early: no branch depends on the value.
        let exceeded = self.bounds.iter().filter(|bound| value > **bound).count();
        *self.counts.get_mut(exceeded).unwrap_or(&mut self.above) += 1;
        self.sum += value;
    }

    /// Adds another histogram of the same bounds to this one.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.above += other.above;
        self.sum += other.sum;
    }

    /// Values of each bucket, those above all bounds last.
    pub fn counts(&self) -> impl Iterator<Item = u64> {
        self.counts.iter().copied().chain([self.above])
    }
}

/// Keys by how much is counted of each, where a key changes its bucket as it grows.
///
/// Kept as how many keys went past each bound while somebody looked, which only ever grows and needs no memory of any
/// key. A key that had grown before, in another process or on another host, is then known only by the bounds it passes
/// from now on; whoever passes a high bound has passed the low ones, and that is how the gap is filled. So the numbers
/// are exact for keys that were watched from the start, and never too high or below zero for the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spread {
    keys: u64,
    passed: [u64; PER_KEY.len()],
    /// All that was counted, over all keys.
    pub sum: u64,
}

impl Spread {
    /// A key grew; `from` is `None` where it was not counted before.
    pub fn grow(&mut self, from: Option<u64>, to: u64) {
        let before = from.unwrap_or(0);
        self.keys += u64::from(from.is_none());
        for (passed, bound) in self.passed.iter_mut().zip(&PER_KEY) {
            *passed += u64::from(before <= *bound && *bound < to);
        }
        self.sum += to.saturating_sub(before);
    }

    /// Adds another spread to this one.
    pub fn add(&mut self, other: &Self) {
        self.keys += other.keys;
        self.passed.iter_mut().zip(&other.passed).for_each(|(mine, theirs)| *mine += theirs);
        self.sum += other.sum;
    }

    /// The same with the gaps filled: no bound was passed by more keys than a lower one.
    #[must_use]
    pub fn settled(&self) -> Self {
        let mut settled = *self;
        let mut most = 0;
        for passed in settled.passed.iter_mut().rev() {
            most = most.max(*passed);
            *passed = most;
        }
        settled.keys = settled.keys.max(most);
        settled
    }

    /// Of a settled spread: keys that are not past each bound, and all keys last.
    pub fn at_most(&self) -> impl Iterator<Item = u64> {
        self.passed.iter().map(|passed| self.keys.saturating_sub(*passed)).chain([self.keys])
    }

    /// Of a settled spread: keys of each bucket, those past all bounds last.
    pub fn counts(&self) -> impl Iterator<Item = u64> {
        self.at_most().scan(0, |below, at_most| Some(at_most - std::mem::replace(below, at_most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_told_from_what_is_nearly_the_same() {
        let mut histogram = Histogram::new(&SIMILARITY);
        for value in [0.0, 0.1, 0.100_001, 0.9999, 0.999_999, 1.0, 1.0, 1.5, f64::NAN, f64::INFINITY] {
            histogram.observe(value);
        }
        let wanted = [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 1];
        assert_eq!(histogram.counts().collect::<Vec<_>>(), wanted);
        assert!((histogram.sum - 5.699_9).abs() < 1e-5, "{}", histogram.sum);
    }

    #[test]
    fn a_key_is_in_one_bucket_however_it_grew() {
        let mut spread = Spread::default();
        for key in [1, 1, 2, 3, 4, 7, 100, 101, 20_000] {
            for count in 1..=key {
                spread.grow((count > 1).then_some(count - 1), count);
            }
        }
        let counts: Vec<_> = spread.settled().counts().collect();
        assert_eq!(counts, [2, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 0, 0, 0]);
        assert_eq!((spread.sum, spread.settled()), (20_219, spread));
    }

    #[test]
    fn a_key_that_grew_elsewhere_is_known_by_the_bounds_it_passes_here() {
        let mut spread = Spread::default();
        spread.grow(Some(4), 5);
        assert_eq!(spread.settled().counts().sum::<u64>(), 0);
        spread.grow(Some(5), 6);
        spread.grow(None, 1);
        let settled = spread.settled();
        assert_eq!(settled.counts().collect::<Vec<_>>(), [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        spread.grow(Some(1), 2);
        spread.grow(None, 1);
        assert!(spread.settled().counts().sum::<u64>() <= 3);
    }
}
