//! How many partitions the owners of partitions knew when they last committed, as the records beside the group's offsets say.
//! What follows from it is the engine's (`engine::growth`); nothing here asks anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use connectors::Word;
use engine::growth::Layout;

use crate::assignment::record_beside;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Layouts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    layouts: BTreeMap<i32, Layout>,
    /// What these say is not known, as a transaction is to change it.
    pending: BTreeSet<i32>,
    /// Those that nothing was ever committed of.
    silent: BTreeSet<i32>,
}

impl Layouts {
    /// Takes in what the group said of some partitions.
    pub(crate) fn learn(&self, answers: &[(i32, Word)]) {
        let mut known = self.lock();
        for (partition, answer) in answers {
            known.pending.remove(partition);
            known.silent.remove(partition);
            let layout = match answer {
                Word::Pending => {
                    known.pending.insert(*partition);
                    continue;
                }
                Word::Stable(None) => {
                    known.silent.insert(*partition);
                    None
                }
                Word::Stable(Some(_)) => layout(answer),
            };
            match layout {
                Some(layout) => drop(known.layouts.insert(*partition, layout)),
                None => drop(known.layouts.remove(partition)),
            }
        }
    }

    /// What a partition waits for, in words: one that nothing was ever committed of learns from all others whether it has
    /// come later than they.
    pub(crate) fn awaits(&self, partition: i32) -> Option<String> {
        let known = self.lock();
        let pending = known.pending.first().filter(|_| known.silent.contains(&partition))?;
        Some(format!(
            "whether partition {partition} was added later shows in what is committed of the others, and the offset of \
             partition {pending} is pending: waiting for it"
        ))
    }

    /// What the commits of the other partitions say.
    pub(crate) fn others(&self, partition: i32) -> Vec<Layout> {
        let known = self.lock();
        known.layouts.iter().filter(|(other, _)| **other != partition).map(|(_, layout)| *layout).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the record of a partition says, if it says something.
pub(crate) fn layout(answer: &Word) -> Option<Layout> {
    let Word::Stable(Some(committed)) = answer else { return None };
    // A record that cannot be read is refused when its partition is opened.
    record_beside(committed).ok().flatten().and_then(|record| record.layout())
}

#[cfg(test)]
mod tests {
    use connectors::Committed;
    use engine::progress::Progress;

    use super::*;

    fn with(partitions: Option<i32>) -> Word {
        let layout = partitions.map(|partitions| Layout { partitions, growth: None });
        let metadata = Progress::starting_at(7).with_layout(layout).text(7);
        Word::Stable(Some(Committed { offset: 7, metadata }))
    }

    #[test]
    fn what_the_others_know_is_what_their_commits_said_last() {
        let layouts = Layouts::default();
        layouts.learn(&[(0, with(Some(4))), (1, with(Some(4))), (2, with(None))]);
        let partitions = |partition| layouts.others(partition).iter().map(|other| other.partitions).collect::<Vec<_>>();
        assert_eq!((partitions(0), partitions(2)), (vec![4], vec![4, 4]));
        layouts.learn(&[(0, with(Some(6))), (1, Word::Stable(None))]);
        assert_eq!(partitions(2), [6]);
    }

    #[test]
    fn only_a_partition_that_nothing_was_committed_of_waits_for_what_is_pending() {
        let layouts = Layouts::default();
        layouts.learn(&[(0, with(Some(4))), (1, Word::Pending), (5, Word::Stable(None))]);
        assert_eq!(layouts.awaits(0), None);
        assert!(layouts.awaits(5).unwrap().contains("partition 1 is pending"));
        layouts.learn(&[(1, with(Some(4)))]);
        assert_eq!(layouts.awaits(5), None);
    }
}
