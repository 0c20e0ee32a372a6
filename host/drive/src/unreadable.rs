//! Notices that a partition is stuck at a position in the log, and has that position examined beside the run. The signs
//! are a complaint of the client, which does not name the partition, and a position that stands still while the log has
//! more. Not what is done about it, and not the examination itself.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use connectors::{Inquiry, ReadComplaint, Sight, SourceFailure, Unreadable};
use engine::protocol::Epoch;
use engine::record::Offset;

use crate::failure::Failure;
use crate::stop::Stop;

/// A position that stays for so long although the log has more is looked at.
const STALL: Duration = Duration::from_secs(3);

/// One that stays when the client has complained is looked at sooner.
const COMPLAINED_STALL: Duration = Duration::from_millis(500);

/// Time between two looks at what cannot be read, which doubles up to the longest: the log may lose it, or an operator
/// mend it.
const RECHECK_MIN: Duration = Duration::from_secs(10);
const RECHECK_MAX: Duration = Duration::from_secs(300);

/// One partition's way past what cannot be read.
#[derive(Debug)]
pub(crate) struct Snag {
    /// The position, and since when it is that.
    at: Offset,
    since: Instant,
    /// Where the log was last known to end when all that can be read of it had been: markers of transactions are no records.
    seen_end: Option<Offset>,
    /// Where something could not be read of some partition. One that gets beyond it without having had it may have lost it.
    wary: Option<Wary>,
    asked: bool,
    blocked: Option<Blocked>,
}

#[derive(Debug, Clone, Copy)]
struct Wary {
    /// `None`: nobody knows where; any gap is suspicious.
    offset: Option<Offset>,
}

#[derive(Debug)]
struct Blocked {
    recheck_at: Instant,
    pause: Duration,
}

impl Snag {
    pub(crate) fn new(at: Offset) -> Self {
        Self { at, since: Instant::now(), seen_end: None, wary: None, asked: false, blocked: None }
    }

    /// Whether nothing can be read until the place is behind.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Whether a record may be taken although the client has complained: not one beyond a place that was not seen.
    pub(crate) fn may_take(&mut self, next: Offset, offset: Offset) -> bool {
        let Some(wary) = self.wary else { return true };
        let is_jump = match wary.offset {
            Some(bad) => next <= bad && bad < offset,
            None => offset != next,
        };
        if !is_jump && wary.offset.is_some_and(|bad| offset >= bad) {
            self.wary = None;
        }
        !is_jump
    }

    /// The client could not take something in; it may have been of this partition.
    pub(crate) fn complained(&mut self, complaint: &ReadComplaint, next: Offset) {
        if complaint.offset.is_none_or(|offset| offset >= next) {
            self.wary = Some(Wary { offset: complaint.offset });
        }
    }

    /// Whether the place is to be looked at now. `next` is the position, and the log is known to have `end`; `jumped`: a
    /// record was not taken.
    pub(crate) fn is_due(&mut self, next: Offset, end: Option<Offset>, jumped: bool) -> bool {
        if let Some(blocked) = &self.blocked {
            return !self.asked && Instant::now() >= blocked.recheck_at;
        }
        if next != self.at {
            (self.at, self.since) = (next, Instant::now());
        }
        let (patience, has_more) = match self.wary {
            Some(_) => (COMPLAINED_STALL, end.is_none_or(|end| end > next)),
            None => (STALL, end.is_some_and(|end| end > next) && end > self.seen_end),
        };
        !self.asked && (jumped || has_more && self.since.elapsed() >= patience)
    }

    pub(crate) fn asked(&mut self) {
        self.asked = true;
    }

    /// All that can be read has been, and the log was last known to end at `end`.
    pub(crate) fn reached(&mut self, end: Option<Offset>) {
        self.seen_end = end.max(self.seen_end);
    }

    /// Nobody could say: it is asked again after a while.
    pub(crate) fn unanswered(&mut self) {
        (self.asked, self.since) = (false, Instant::now());
        if let Some(blocked) = &mut self.blocked {
            blocked.recheck_at = Instant::now() + blocked.pause;
        }
    }

    /// It cannot be read. Answers whether that is new.
    pub(crate) fn block(&mut self) -> bool {
        let is_new = self.blocked.is_none();
        let pause = self.blocked.as_ref().map_or(RECHECK_MIN, |blocked| (blocked.pause * 2).min(RECHECK_MAX));
        (self.asked, self.wary) = (false, None);
        self.blocked = Some(Blocked { recheck_at: Instant::now() + pause, pause });
        is_new
    }
}

/// A question about a place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) partition: i32,
    pub(crate) epoch: Epoch,
    pub(crate) from: Offset,
    pub(crate) end: Offset,
}

/// What was found there.
pub(crate) struct Answer {
    pub(crate) of: Question,
    pub(crate) sight: Result<Sight, SourceFailure>,
}

/// Looks at places on a thread of its own.
pub(crate) struct Inspector {
    questions: Sender<Question>,
    answers: Receiver<Answer>,
}

impl Inspector {
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn start(inquiry: Arc<impl Inquiry>, stop: Stop) -> Result<Self, Failure> {
        let (questions, inbox) = mpsc::channel::<Question>();
        let (outbox, answers) = mpsc::channel();
        let thread = std::thread::Builder::new().name("inspector".to_owned());
        let inspect = move || {
            for of in inbox {
                let is_cancelled = || stop.is_requested();
                let sight = inquiry.inspect(of.partition, of.from..of.end, &is_cancelled);
                if outbox.send(Answer { of, sight }).is_err() {
                    return;
                }
            }
        };
        thread.spawn(inspect).map_err(Failure::Thread)?;
        Ok(Self { questions, answers })
    }

    pub(crate) fn ask(&self, question: Question) {
        // Without the thread no answer comes, and the partition stays where it is.
        let _gone = self.questions.send(question);
    }

    pub(crate) fn answers(&self) -> Vec<Answer> {
        self.answers.try_iter().collect()
    }
}

/// What a worker is told of a place that cannot be read.
pub(crate) struct Obstacle {
    pub(crate) partition: i32,
    /// The epoch that it was met under.
    pub(crate) epoch: Epoch,
    /// The position: everything before it was delivered.
    pub(crate) position: Offset,
    pub(crate) unreadable: Unreadable,
}

#[cfg(test)]
mod tests {
    use connectors::UnreadableReason;

    use super::*;

    fn complaint(offset: Option<Offset>) -> ReadComplaint {
        ReadComplaint { reason: UnreadableReason::Damaged, offset, cause: String::new() }
    }

    #[test]
    fn a_record_beyond_a_place_that_was_not_seen_is_not_taken() {
        let mut snag = Snag::new(5);
        assert!(snag.may_take(5, 9), "a gap means nothing by itself");
        snag.complained(&complaint(Some(7)), 5);
        assert!(snag.may_take(5, 5) && snag.may_take(6, 6) && !snag.may_take(7, 8));
        assert!(snag.may_take(7, 7), "it has the offset: it was another partition's");
        assert!(snag.may_take(8, 20));
        snag.complained(&complaint(Some(7)), 8);
        assert!(snag.may_take(8, 20), "the place is behind");
        snag.complained(&complaint(None), 8);
        assert!(snag.may_take(8, 8) && !snag.may_take(9, 11));
    }

    #[test]
    fn a_position_that_stays_is_looked_at_once_and_what_is_blocked_again_after_a_while() {
        let mut snag = Snag::new(5);
        assert!(!snag.is_due(5, Some(9), false), "it has just come there");
        assert!(snag.is_due(5, Some(9), true), "a record was passed over");
        snag.since = Instant::now().checked_sub(STALL).unwrap();
        assert!(!snag.is_due(5, Some(5), false) && !snag.is_due(5, None, false), "there is no more");
        assert!(snag.is_due(5, Some(6), false));
        snag.asked();
        assert!(!snag.is_due(5, Some(6), false));
        assert!(snag.block() && snag.is_blocked());
        assert!(!snag.is_due(5, Some(6), false));
        snag.blocked.as_mut().unwrap().recheck_at = Instant::now();
        assert!(snag.is_due(5, Some(6), false));
        snag.asked();
        assert!(!snag.block(), "as before");
        assert_eq!(snag.blocked.as_ref().unwrap().pause, RECHECK_MIN * 2);
        let mut snag = Snag::new(5);
        snag.reached(Some(6));
        snag.since = Instant::now().checked_sub(STALL).unwrap();
        assert!(!snag.is_due(5, Some(6), false), "there are only markers");
        assert!(snag.is_due(5, Some(7), false));
    }
}
