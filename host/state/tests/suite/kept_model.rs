//! Any sequence of steps with originals and histories against what follows from the log alone. Not about keys: see
//! `model`; not about time and capacity: see `originals`.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::history::History;
use engine::record::RecordBatch;
use proptest::prelude::*;
use state::{PartitionStore, StoreOptions};

use crate::common::{applied, batch, event, keep_shared, keeping, kept, open_with};

#[derive(Debug, Clone)]
enum Step {
    /// Reads so many more events of the log, and keeps the first-seen ones as the pattern says, over and over.
    Read(i64, Vec<Keep>),
    Commit,
    Rollback,
    Persist,
    /// A crash: memory is lost, and reading goes on from the applied offset.
    Reopen,
    /// Reading goes on from so many events before, with the state ahead.
    Rewind(i64),
}

/// How an event is kept.
#[derive(Debug, Clone, Copy)]
enum Keep {
    Copied,
    Shared,
    /// Shared, with a tail longer than the body.
    LongTail,
    /// From a batch that has equal bytes, but is not the one to be held.
    Elsewhere,
    /// Shared with a batch that is held for this event alone.
    Alone,
}

fn keep() -> impl Strategy<Value = Keep> {
    prop_oneof![
        2 => Just(Keep::Copied),
        6 => Just(Keep::Shared),
        1 => Just(Keep::LongTail),
        1 => Just(Keep::Elsewhere),
        1 => Just(Keep::Alone),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1..60i64, proptest::collection::vec(keep(), 1..6)).prop_map(|(events, keeps)| Step::Read(events, keeps)),
        3 => Just(Step::Commit),
        1 => Just(Step::Rollback),
        2 => Just(Step::Persist),
        1 => Just(Step::Reopen),
        1 => (0..80i64).prop_map(Step::Rewind),
    ]
}

/// The original of which the event at `offset` is a duplicate: one of few for some, so that they are hot.
fn original_of(offset: i64) -> Option<i64> {
    match offset % 7 {
        1 => Some(0),
        3 => Some(offset - 3),
        5 => Some(offset - offset % 70),
        _ => None,
    }
}

fn uuid(offset: i64) -> Option<u64> {
    (offset % 5 != 0).then(|| offset.unsigned_abs() % 11)
}

/// A reader of the log, and how far it is.
struct Reader {
    store: PartitionStore,
    /// The next offset, and the same at the last commit.
    position: i64,
    committed: i64,
    /// The same at the last persist.
    persisted: i64,
}

impl Reader {
    fn read(&mut self, events: i64, keeps: &[Keep]) {
        let offsets = self.position..self.position + events;
        let originals: Vec<i64> = offsets.clone().filter_map(original_of).collect();
        self.store.load_histories(&originals).unwrap();
        let records = batch(offsets.clone());
        for ((record, offset), keep) in offsets.enumerate().zip(keeps.iter().cycle()) {
            match original_of(offset) {
                None => self.keep(&records, record, *keep),
                Some(original) => {
                    let make = || History::of(Some(uuid(original)));
                    self.store.history(original, make).unwrap().unwrap().count(offset, uuid(offset));
                }
            }
        }
        self.position += events;
    }

    fn keep(&mut self, records: &Arc<RecordBatch>, record: usize, keep: Keep) {
        let payload = records.get(record).unwrap();
        let offset = payload.offset();
        match keep {
            Keep::Copied => self.store.keep(offset, &event(offset)).unwrap(),
            Keep::Shared => keep_shared(&mut self.store, records, record, false),
            Keep::LongTail => keep_shared(&mut self.store, records, record, true),
            Keep::Elsewhere => {
                let event = event(offset);
                let (head, rest) = event.split_at(7);
                let (body, tail) = rest.split_at(80);
                self.store.keep_shared(offset, head, records, body, tail).unwrap();
            }
            Keep::Alone => keep_shared(&mut self.store, &batch([offset - 1, offset]), 1, false),
        }
    }

    fn commit(&mut self) {
        self.store.commit(applied(self.position, Some(0)));
        self.committed = self.position;
    }

    fn check_originals(&mut self) {
        let firsts: Vec<i64> = (0..self.position).filter(|offset| original_of(*offset).is_none()).collect();
        assert_eq!(kept(&mut self.store, (0..self.position).rev()).into_iter().rev().collect::<Vec<_>>(), firsts);
        // What lies ahead may be there or not, but only where it belongs, and as it is.
        let ahead = kept(&mut self.store, self.position..self.position + 300);
        assert!(ahead.iter().all(|offset| original_of(*offset).is_none()));
    }

    /// A history is of all duplicates up to the one that it counted last: none is missing, none counted twice. After a
    /// rewind it may be ahead of what was read again.
    fn check_histories(&mut self) {
        for original in (0..self.position).filter(|offset| original_of(*offset).is_none()) {
            let history = self.store.history(original, || History::of(Some(uuid(original)))).unwrap().unwrap();
            let last = history.last_offset().unwrap_or(-1);
            let is_duplicate = |offset: &i64| original_of(*offset) == Some(original);
            assert!(last >= (0..self.position).rfind(is_duplicate).unwrap_or(-1), "one of {original} is missing");
            let duplicates: Vec<i64> = (0..=last).filter(is_duplicate).collect();
            assert_eq!(history.duplicates(), duplicates.len() as u64, "duplicates of {original}");
            let uuids: BTreeSet<u64> =
                duplicates.iter().chain([&original]).filter_map(|offset| uuid(*offset)).collect();
            assert_eq!(history.distinct_uuids(), Some((uuids.len() as u64, true)));
        }
    }
}

fn check(steps: Vec<Step>, options: &StoreOptions) {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), options);
    let mut reader = Reader { store, position: 0, committed: 0, persisted: 0 };
    for (steps_done, step) in steps.into_iter().enumerate() {
        match step {
            Step::Read(events, keeps) => reader.read(events, &keeps),
            Step::Commit => reader.commit(),
            Step::Rollback => {
                reader.store.rollback();
                reader.position = reader.committed;
            }
            Step::Persist => {
                reader.commit();
                reader.store.persist().unwrap();
                reader.persisted = reader.committed;
            }
            Step::Reopen => {
                drop(reader.store);
                let store = open_with(dir.path(), options);
                let position = store.applied().map_or(0, |applied| applied.next_offset);
                assert_eq!(position, reader.persisted);
                let persisted = reader.persisted;
                reader = Reader { store, position, committed: position, persisted };
            }
            Step::Rewind(events) => {
                reader.store.rollback();
                reader.position = (reader.committed - events).max(0);
                reader.commit();
            }
        }
        reader.check_originals();
        if steps_done % 3 == 0 {
            while let Some(batch) = reader.store.take_released_batch() {
                assert!(batch.is_empty());
            }
        }
    }
    reader.commit();
    reader.check_histories();
    reader.store.rollback();
    reader.store.persist().unwrap();
    reader.check_histories();
}

proptest! {
    #![proptest_config(cases::cases(48))]
    #[test]
    fn any_sequence_of_steps_keeps_and_counts_what_the_log_says(
        steps in proptest::collection::vec(step(), 1..30), chunk_bytes in 400..20_000_usize, memory in 1..60_000_usize,
    ) {
        check(steps, &keeping(chunk_bytes, memory));
    }
}
