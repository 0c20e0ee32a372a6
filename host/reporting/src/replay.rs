//! How far a partition has come with reading its log again, and how long the rest takes. Not what is read.

use std::time::{Duration, Instant};

use engine::record::Offset;

/// Time between two words in the status.
const SHOW_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two words in the log.
const SAY_INTERVAL: Duration = Duration::from_secs(10);

/// A replay under way.
pub(crate) struct Replay {
    /// Offsets that were to be read again at its beginning.
    total: Offset,
    /// Where it began, and when; known from its first batch on.
    first: Option<(Offset, Instant)>,
    shown: Option<Instant>,
    said: Option<Instant>,
}

/// What is to be told now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) words: String,
    /// Also in the log.
    pub(crate) is_said: bool,
}

impl Replay {
    pub(crate) fn new(total: Offset) -> Self {
        Self { total, first: None, shown: None, said: None }
    }

    /// A batch has come that begins at an offset. `None`: nothing is to be told yet.
    pub(crate) fn reads(&mut self, offset: Offset, now: Instant) -> Option<Told> {
        let (first, since) = *self.first.get_or_insert((offset, now));
        let is_due = |last: Instant, pause| now.saturating_duration_since(last) >= pause;
        if !is_due(self.shown.unwrap_or(since), SHOW_INTERVAL) {
            return None;
        }
        self.shown = Some(now);
        let is_said = is_due(self.said.unwrap_or(since), SAY_INTERVAL);
        if is_said {
            self.said = Some(now);
        }
        let words = self.words(offset.saturating_sub(first), now.saturating_duration_since(since));
        Some(Told { words, is_said })
    }

    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn words(&self, done: Offset, took: Duration) -> String {
        let left = self.total.saturating_sub(done).max(0);
        let share = format!("{left} of {} offsets left, outputs off", self.total);
        if done <= 0 || left == 0 {
            return share;
        }
        let seconds = took.as_secs_f64() / done as f64 * left as f64;
        format!("{share}; about {seconds:.0} s to go")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_is_done_says() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut replay = Replay::new(10_000);
        assert_eq!(replay.reads(500, start), None);
        assert_eq!(replay.reads(1_000, at(900)), None);
        let told = replay.reads(3_000, at(5_000)).unwrap();
        assert_eq!(
            (told.words.as_str(), told.is_said),
            ("7500 of 10000 offsets left, outputs off; about 15 s to go", false)
        );
        assert_eq!(replay.reads(3_500, at(5_500)), None, "not more often than people read");
        let told = replay.reads(5_500, at(10_000)).unwrap();
        assert_eq!(
            (told.words.as_str(), told.is_said),
            ("5000 of 10000 offsets left, outputs off; about 10 s to go", true)
        );
        assert!(!replay.reads(6_000, at(12_000)).unwrap().is_said);
    }

    #[test]
    fn a_log_with_holes_never_has_less_than_nothing_left() {
        let start = Instant::now();
        let mut replay = Replay::new(100);
        assert_eq!(replay.reads(0, start), None);
        let told = replay.reads(5_000, start + Duration::from_secs(2)).unwrap();
        assert_eq!(told.words, "0 of 100 offsets left, outputs off");
    }
}
