//! Any sequence of steps against a model of plain maps. Not about files, filters or speed.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{applied, lookup, open, write};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Stage(Vec<(u64, i64, i64)>),
    Commit,
    Rollback,
    Persist,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0..12u64, 0..60i64, 0..5i64).prop_map(|(key, offset, bucket)| (key, offset, bucket * 10_000 + offset));
    prop_oneof![
        4 => proptest::collection::vec(write, 1..8).prop_map(Step::Stage),
        3 => Just(Step::Commit),
        1 => Just(Step::Rollback),
        2 => Just(Step::Persist),
        1 => Just(Step::Reopen),
    ]
}

/// Offset and time.
type Entry = (i64, i64);

/// Entries in memory by key, with their buckets, as they are looked at: the first decides where the next one goes.
type Front = BTreeMap<u64, Vec<(i64, Entry)>>;

#[derive(Debug, Clone, Default)]
struct Model {
    front: Front,
    committed: Front,
    tables: BTreeMap<(u64, i64), Entry>,
    commits: i64,
    persisted: i64,
}

/// The offset of a commit: with the first ones some entries are ahead of it, with later ones none.
fn next_offset(commits: i64) -> i64 {
    commits * 20
}

impl Model {
    fn stage(&mut self, writes: &[(u64, i64, i64)]) {
        for (key, offset, time) in writes {
            let (bucket, entry) = (time / 10_000, (*offset, *time));
            let entries = self.front.entry(*key).or_default();
            match entries.first_mut() {
                None => entries.push((bucket, entry)),
                Some((same, first)) if *same == bucket => *first = entry,
                Some((_, first)) if first.0 <= *offset => entries.insert(0, (bucket, entry)),
                Some(_) => entries.insert(1, (bucket, entry)),
            }
        }
    }

    fn persist(&mut self) {
        for (key, entries) in std::mem::take(&mut self.front) {
            let mut first: BTreeMap<(u64, i64), Entry> = BTreeMap::new();
            for (bucket, entry) in entries {
                let place = first.entry((key, bucket)).or_insert(entry);
                *place = (*place).min(entry);
            }
            self.tables.append(&mut first);
        }
        self.committed.clear();
        self.persisted = self.commits;
    }

    /// What was persisted, without entries ahead of the offset that was.
    fn reopened(mut self) -> Self {
        self.tables.retain(|_, (offset, _)| *offset < next_offset(self.persisted));
        Self { tables: self.tables, commits: self.persisted, persisted: self.persisted, ..Self::default() }
    }

    fn expected(&self, key: u64, before_offset: i64) -> BTreeSet<Entry> {
        let front: BTreeSet<Entry> = self.front.get(&key).into_iter().flatten().map(|(_, entry)| *entry).collect();
        if front.iter().any(|(offset, _)| *offset < before_offset) {
            return front;
        }
        front.into_iter().chain(self.tables.range((key, 0)..(key + 1, 0)).map(|(_, entry)| *entry)).collect()
    }
}

fn check(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Stage(writes) => {
                model.stage(&writes);
                let writes: Vec<_> = writes.iter().map(|(n, offset, time)| write(*n, *offset, *time)).collect();
                store.stage(&writes);
            }
            Step::Commit => {
                model.committed = model.front.clone();
                model.commits += 1;
                store.commit(applied(next_offset(model.commits), Some(0)));
            }
            Step::Rollback => {
                model.front = model.committed.clone();
                store.rollback();
            }
            Step::Persist if model.front != model.committed => assert!(store.persist().is_err()),
            Step::Persist => {
                // A staged write that changed nothing may or may not count as uncommitted.
                if store.persist().is_ok() {
                    model.persist();
                }
            }
            Step::Reopen => {
                drop(store);
                store = open(dir.path());
                model = model.reopened();
            }
        }
        assert_eq!(store.applied().map_or(0, |applied| applied.next_offset), next_offset(model.commits));
        for before_offset in [0, 30, 100] {
            let keys: Vec<u64> = (0..12).collect();
            let found = lookup(&mut store, &keys, before_offset);
            let expected: Vec<_> = keys
                .iter()
                .flat_map(|key| model.expected(*key, before_offset).into_iter().map(|e| (*key as u32, e.0, e.1)))
                .collect();
            assert_eq!(found, expected, "before {before_offset}");
        }
    }
}

proptest! {
    #![proptest_config(cases::cases(64))]
    #[test]
    fn any_sequence_of_steps_is_as_the_model_says(steps in proptest::collection::vec(step(), 1..30)) {
        check(steps);
    }
}
