//! Tells a broken plugin from bad events, by the share of the latest events on which it failed. Not a clock: the driver
//! decides when to call the plugin again.

/// Events looked back at; those before them count less and less, and no more once this many came after them.
const LATEST_EVENTS: f64 = 1_000.0;

/// Fewer events than this say nothing about a plugin.
const EVENTS_MIN: f64 = 100.0;

/// What becomes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The events on which the plugin failed are to blame, and follow their policy.
    Go,
    /// The plugin is to blame, and none of the batch's events.
    Hold,
}

/// The breaker of one partition. Closed, it lets batches go by the share of failures over the latest events; open, it
/// looks at each batch alone, and closes with the first that is good enough.
#[derive(Debug, Clone)]
pub(crate) struct Breaker {
    /// More than this share, 0 to 1, opens it; `None`: it never opens.
    share_max: Option<f64>,
    /// The latest events, at most [`LATEST_EVENTS`], and how many of them failed.
    events: f64,
    failed: f64,
    is_open: bool,
}

impl Breaker {
    pub(crate) fn new(share_max: Option<f64>) -> Self {
        Self { share_max, events: 0.0, failed: 0.0, is_open: false }
    }

    /// Whether it can open at all.
    fn is_armed(&self) -> bool {
        self.share_max.is_some()
    }

    #[cfg(test)]
    fn is_open(&self) -> bool {
        self.is_open
    }

    /// The share on which the plugin failed, of the latest events.
    pub(crate) fn share(&self) -> f64 {
        if self.events > 0.0 { self.failed / self.events } else { 0.0 }
    }

    /// A batch of `events` was answered, all but `failed` of them. A batch of no events says nothing and goes.
    pub(crate) fn answered(&mut self, events: usize, failed: usize) -> Verdict {
        let Some(share_max) = self.share_max.filter(|_| events > 0) else { return Verdict::Go };
        if self.is_open {
            self.forget();
        }
        self.add(events as f64, failed as f64);
        let is_bad = self.share() > share_max;
        // An open one stays open whatever the size of the batch: the events it was opened for are still to come.
        self.is_open = is_bad && (self.is_open || self.events >= EVENTS_MIN);
        if self.is_open { Verdict::Hold } else { Verdict::Go }
    }

    /// The plugin gave no answer to a batch as a whole.
    pub(crate) fn gave_up(&mut self) -> Verdict {
        self.is_open = self.is_armed();
        if self.is_open { Verdict::Hold } else { Verdict::Go }
    }

    /// Another plugin takes over: what the one before did is not its fault. Whether it is any better shows with the next
    /// batch.
    pub(crate) fn forget(&mut self) {
        (self.events, self.failed) = (0.0, 0.0);
    }

    fn add(&mut self, events: f64, failed: f64) {
        let room = (LATEST_EVENTS - events).max(0.0);
        if self.events > room {
            self.failed *= room / self.events;
            self.events = room;
        }
        let counted = events.min(LATEST_EVENTS);
        self.failed += failed * counted / events;
        self.events += counted;
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Go, Hold};
    use super::*;

    fn half() -> Breaker {
        Breaker::new(Some(0.5))
    }

    #[test]
    fn a_few_bad_events_never_open_it() {
        let mut breaker = half();
        for _ in 0..10_000 {
            assert_eq!(breaker.answered(1_000, 400), Go);
        }
        assert!((breaker.share() - 0.4).abs() < 1e-9, "{}", breaker.share());
    }

    #[test]
    fn too_few_events_say_nothing() {
        let mut breaker = half();
        assert_eq!(breaker.answered(99, 99), Go);
        assert_eq!(breaker.answered(1, 1), Hold);
    }

    #[test]
    fn a_long_good_past_does_not_outweigh_the_latest_events() {
        let mut breaker = half();
        for _ in 0..1_000 {
            assert_eq!(breaker.answered(1_024, 0), Go);
        }
        assert_eq!(breaker.answered(1_024, 1_024), Hold);
        let mut breaker = half();
        breaker.answered(1_000, 0);
        let verdicts: Vec<_> =
            (0..30).map(|_| breaker.answered(100, 100)).take_while(|verdict| *verdict == Go).collect();
        assert!((5..=8).contains(&verdicts.len()), "half of the latest thousand, about: {}", verdicts.len());
    }

    #[test]
    fn open_it_looks_at_each_batch_alone_and_closes_with_a_good_one() {
        let mut breaker = half();
        assert_eq!(breaker.answered(500, 500), Hold);
        assert!(breaker.is_open());
        assert_eq!(breaker.answered(3, 2), Hold, "however small the batch is");
        assert_eq!(breaker.answered(4, 2), Go, "just at the share");
        assert!(!breaker.is_open());
        assert_eq!(breaker.answered(95, 60), Go, "what was before it opened is forgotten");
        assert_eq!(breaker.answered(2, 2), Hold);
    }

    #[test]
    fn a_batch_without_events_goes_and_leaves_it_as_it_was() {
        let mut breaker = half();
        breaker.answered(500, 500);
        assert_eq!(breaker.answered(0, 0), Go);
        assert!(breaker.is_open());
    }

    #[test]
    fn a_plugin_that_gives_up_opens_it_at_once() {
        let mut breaker = half();
        assert_eq!(breaker.gave_up(), Hold);
        assert_eq!(breaker.answered(10, 0), Go);
        assert!(!breaker.is_open());
    }

    #[test]
    fn switched_off_it_never_opens() {
        let mut breaker = Breaker::new(None);
        assert_eq!((breaker.answered(1_000, 1_000), breaker.gave_up()), (Go, Go));
        assert!(!breaker.is_open() && !breaker.is_armed());
    }

    #[test]
    fn a_share_of_zero_bears_no_failure_and_a_share_of_one_bears_all() {
        assert_eq!(Breaker::new(Some(0.0)).answered(1_000, 1), Hold);
        assert_eq!(Breaker::new(Some(1.0)).answered(1_000, 1_000), Go);
    }

    #[test]
    fn another_plugin_starts_with_a_clean_slate_and_has_to_prove_itself() {
        let mut breaker = half();
        breaker.answered(90, 90);
        breaker.forget();
        assert_eq!(breaker.answered(90, 90), Go);
        breaker.answered(500, 500);
        breaker.forget();
        assert!(breaker.is_open());
        assert_eq!(breaker.answered(1, 0), Go);
    }
}
