//! What is known about the records below the committed offset when a partition is opened: from the progress record of
//! the offset, else from its copy in the state, else from the dead-letter topic. Not what a line does with it.

use connectors::LettersFound;
use engine::fingerprint::Seed;
use engine::progress::{Missing, Progress, ProgressError, Proof, Ranges};
use engine::protocol::start::Start;
use engine::record::Offset;
use line::Past;

use crate::assignment::{Assignment, record_beside};
use crate::setup::OnIncompleteProgress;

/// A replay would have to guess which records below the committed offset went out undecided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecallError {
    /// The record beside the offset cannot be used.
    #[error(
        "partition {partition}: the progress record in the metadata of the group's offset cannot be used: {cause}; \
         --on-incomplete-progress accept continues without it"
    )]
    Record {
        /// Partition number.
        partition: i32,
        /// What is wrong with it.
        cause: ProgressError,
    },
    /// Exceptions that the record had no room for are nowhere to be found.
    #[error(
        "partition {partition}: {count} records of offsets {from} to {to} went out undecided; a replay from offset \
         {read_from} must know which, and {place}. to fix this: restore a copy of the state that contains offset \
         {to}; or start with --on-incomplete-progress accept, which decides them by what the plugin says now: if it \
         gives one of them a key, a corrected copy that is sent again is dropped as its duplicate"
    )]
    Lost {
        /// Partition number.
        partition: i32,
        /// How many.
        count: u64,
        /// First offset that one can have.
        from: Offset,
        /// The offset after the last that one can have.
        to: Offset,
        /// Where the replay starts.
        read_from: Offset,
        /// Why they cannot be read back.
        place: String,
    },
}

/// Where a partition is opened from.
pub(crate) struct Opening<'a> {
    pub(crate) assignment: &'a Assignment,
    pub(crate) start: Start,
    /// A, and the copy of the record that is kept with it.
    pub(crate) applied: Option<(Offset, &'a [u8])>,
    pub(crate) on_incomplete: OnIncompleteProgress,
    /// What the keys of the state are hashed with: every commit says so.
    pub(crate) seed: Seed,
}

impl Opening<'_> {
    /// What the line has to know. `read_back` finds the letters of some offsets; it answers `None` where there is no
    /// dead-letter topic.
    ///
    /// # Errors
    /// See [`RecallError`]; or the dead-letter topic cannot be read.
    pub(crate) fn past<E: From<RecallError>>(
        &self,
        read_back: impl FnOnce(&Missing) -> Result<Option<LettersFound>, E>,
    ) -> Result<Past, E> {
        let Start { read_from, live_from, .. } = self.start;
        let record = self.record()?.with_seed(self.seed);
        let durable = self.applied.map_or(read_from, |(applied, _)| applied);
        let missing = record.missing(read_from);
        if read_from >= live_from || missing.is_nothing() {
            return Ok(Past::new(record, Ranges::default(), self.known(read_from), durable));
        }
        let letters = read_back(&missing)?;
        let found = letters.as_ref().map_or(0, |letters| letters.offsets.count());
        self.prove(&missing, letters.as_ref())?;
        let known_from = missing.unknown_below.unwrap_or(read_from);
        if let Some(unknown_below) = missing.unknown_below {
            tracing::warn!(
                partition = self.assignment.partition,
                unknown_below,
                found,
                "it is unknown which records below this offset went out undecided, because an earlier version ran or \
                 the group's offset was reset: those in the dead-letter topic leave no key, others get the key that \
                 the plugin gives them now"
            );
        }
        let offsets = letters.map(|letters| letters.offsets).unwrap_or_default();
        tracing::info!(partition = self.assignment.partition, found, "exceptions read back from the dead-letter topic");
        Ok(Past::new(record, offsets, self.known(known_from), durable))
    }

    fn known(&self, known_from: Offset) -> Offset {
        match self.on_incomplete {
            OnIncompleteProgress::Stop => known_from,
            OnIncompleteProgress::Accept => Offset::MAX,
        }
    }

    /// The record beside the offset, else the copy in the state, which may be older: somebody who moves a group's offset
    /// writes it anew, mostly with no text.
    fn record(&self) -> Result<Progress, RecallError> {
        let partition = self.assignment.partition;
        let Some(committed) = &self.assignment.committed else {
            return Ok(Progress::starting_at(self.start.read_from));
        };
        let beside = match record_beside(committed) {
            Ok(beside) => beside,
            Err(cause) if self.on_incomplete == OnIncompleteProgress::Stop => {
                return Err(RecallError::Record { partition, cause });
            }
            Err(cause) => {
                tracing::warn!(partition, %cause, "continuing without the progress record, as \
                 --on-incomplete-progress says");
                None
            }
        };
        if let Some(record) = beside {
            return Ok(record);
        }
        let metadata: String = committed.metadata.chars().take(40).collect();
        let committed = committed.offset;
        let copy = self.applied.and_then(|(_, copy)| std::str::from_utf8(copy).ok());
        let copy = copy.and_then(|copy| Progress::read(copy, committed).ok().flatten());
        let (from_state, replay) = (copy.is_some(), self.start.live_from - self.start.read_from);
        tracing::info!(
            partition,
            committed,
            metadata,
            from_state,
            replay,
            "the group's offset has no progress record of this host; the next commit writes one"
        );
        Ok(copy.unwrap_or_else(|| Progress::starting_at(committed)))
    }

    /// Whether what was read back is what the record dropped.
    fn prove(&self, missing: &Missing, letters: Option<&LettersFound>) -> Result<(), RecallError> {
        let found = letters.map(|letters| &letters.offsets);
        let is_whole = letters.is_some_and(|letters| letters.is_whole);
        for dropped in &missing.dropped {
            match found.map_or(Proof::None, |found| dropped.compare(found)) {
                Proof::Exact => continue,
                Proof::More if is_whole => {
                    let (from, to) = (dropped.from, dropped.to);
                    tracing::warn!(from, to, "dead letters of an earlier pass over these offsets count too");
                    continue;
                }
                Proof::More | Proof::None => {}
            }
            let place = match found {
                None => "there is no --dead-letter-topic to read them from".to_owned(),
                Some(found) => {
                    format!("the dead-letter topic names {} of them", found.count_in(dropped.from, dropped.to))
                }
            };
            let (partition, read_from) = (self.assignment.partition, self.start.read_from);
            let lost = RecallError::Lost {
                partition,
                count: dropped.count,
                from: dropped.from,
                to: dropped.to,
                read_from,
                place,
            };
            match self.on_incomplete {
                OnIncompleteProgress::Stop => return Err(lost),
                OnIncompleteProgress::Accept => tracing::warn!(%lost, "continuing, as --on-incomplete-progress says"),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use connectors::{Bounds, Committed};
    use engine::progress::Ledger;
    use engine::protocol::start::Gap;

    use super::*;

    /// A record whose exceptions are those even offsets below `next` for which there was room, and the others dropped.
    fn record(next: Offset, chars_max: usize) -> String {
        let mut ledger = Ledger::new(Progress::starting_at(0), 0);
        (0..next).step_by(2).for_each(|offset| ledger.note(offset));
        ledger.offer(next, 0, chars_max).unwrap()
    }

    struct Case {
        metadata: String,
        copy: String,
        applied: Option<Offset>,
        on_incomplete: OnIncompleteProgress,
        letters: Option<LettersFound>,
    }

    impl Case {
        fn of(metadata: &str) -> Self {
            let on_incomplete = OnIncompleteProgress::Stop;
            Self { metadata: metadata.to_owned(), copy: String::new(), applied: None, on_incomplete, letters: None }
        }

        fn letters(offsets: impl IntoIterator<Item = Offset>, is_whole: bool) -> Option<LettersFound> {
            Some(LettersFound { offsets: offsets.into_iter().collect(), is_whole })
        }

        /// With C at 1,000 and the log from 0.
        fn open(&self) -> Result<Past, String> {
            let committed = Some(Committed { offset: 1_000, metadata: self.metadata.clone() });
            let bounds = Bounds { log_start: 0, log_end: 2_000, stable_end: 2_000 };
            let assignment = Assignment { partition: 0, committed, bounds };
            let start = Start { read_from: self.applied.unwrap_or(0), live_from: 1_000, gap: Gap::default() };
            let applied = self.applied.map(|applied| (applied, self.copy.as_bytes()));
            let (on_incomplete, seed) = (self.on_incomplete, Seed([5; 16]));
            let opening = Opening { assignment: &assignment, start, applied, on_incomplete, seed };
            let past = opening.past(|_| Ok::<_, RecallError>(self.letters.clone()));
            past.map_err(|error| error.to_string())
        }
    }

    #[test]
    fn every_commit_says_what_keys_are_hashed_with() {
        for metadata in [record(1_000, 3_840), String::new()] {
            let past = Case::of(&metadata).open().unwrap();
            assert_eq!(past.ledger.settled().seed(), Some(Seed([5; 16])), "{metadata}");
        }
    }

    #[test]
    fn a_record_that_lists_all_is_enough() {
        let past = Case::of(&record(1_000, 3_840)).open().unwrap();
        assert!(past.is_exception(0) && past.is_exception(998) && !past.is_exception(1));
        assert!(past.was_decided(0));
    }

    #[test]
    fn what_the_record_dropped_is_read_back_and_proven() {
        let metadata = record(1_000, 400);
        let even = || (0..1_000).step_by(2);
        let open = |letters| Case { letters, ..Case::of(&metadata) }.open();
        let past = open(Case::letters(even(), false)).unwrap();
        assert!(past.is_exception(0) && past.is_exception(998) && !past.is_exception(1) && past.was_decided(0));
        let refused = |letters, words: &str| {
            let error = open(letters).unwrap_err();
            assert!(error.contains(words) && error.contains("--on-incomplete-progress accept"), "{error}");
        };
        refused(None, "no --dead-letter-topic");
        refused(Case::letters(even().skip(1), true), "of them");
        refused(Case::letters(even().chain([1]), false), "of them");
        assert!(open(Case::letters(even().chain([1]), true)).unwrap().is_exception(1));
    }

    #[test]
    fn a_state_that_contains_what_was_dropped_needs_nothing() {
        let case = Case { applied: Some(990), ..Case::of(&record(1_000, 400)) };
        assert!(case.open().unwrap().is_exception(998));
    }

    #[test]
    fn an_offset_without_a_record_goes_on_and_knows_nothing_of_what_is_below() {
        for text in ["", "of somebody else"] {
            let past = Case::of(text).open().unwrap();
            assert!(!past.was_decided(999) && past.was_decided(1_000));
        }
        let letters = Case::letters([7], true);
        assert!(Case { letters, ..Case::of("") }.open().unwrap().is_exception(7), "the letters that there are count");
    }

    #[test]
    fn the_copy_in_the_state_stands_in_for_a_record_that_an_operator_dropped() {
        let case = Case { applied: Some(600), copy: record(1_000, 3_840), ..Case::of("") };
        let past = case.open().unwrap();
        assert!(past.is_exception(998) && past.was_decided(600));
        let older = Case { applied: Some(600), copy: record(600, 3_840), ..Case::of("") };
        let past = older.open().unwrap();
        assert!(past.is_exception(598) && !past.was_decided(999));
    }

    #[test]
    fn a_record_of_a_later_version_is_refused_unless_the_operator_accepts() {
        let case = Case::of("dedup-host/9:AAAA");
        let error = case.open().unwrap_err();
        assert!(error.contains("version 9") && error.contains("--on-incomplete-progress accept"), "{error}");
        let accept = Case { on_incomplete: OnIncompleteProgress::Accept, ..case };
        assert!(!accept.open().unwrap().was_decided(999));
    }

    #[test]
    fn an_operator_may_accept_what_cannot_be_proven() {
        let on_incomplete = OnIncompleteProgress::Accept;
        let past = Case { on_incomplete, letters: Case::letters([0], true), ..Case::of(&record(1_000, 400)) }.open();
        let past = past.unwrap();
        assert!(past.is_exception(0) && !past.is_exception(2) && !past.was_decided(1));
    }
}
