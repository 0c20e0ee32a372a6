//! What the keys of a group are hashed with: one random seed for all partitions of the topic, so that keys can be compared
//! across partitions. It stands in the progress record beside every offset that the group commits. Here it is decided who
//! chooses it, once; nothing here asks anybody.
//!
//! The seed is the one that a record of the group says: the partition's own, else that of the lowest partition that has
//! one. Where no record has one, the owner of partition 0 alone chooses, and the others wait until it has committed
//! partition 0, which it does at once, even where there is nothing else to commit. The group has one owner of partition 0 at a time, and the broker refuses commits of
//! earlier ones; an offset that is pending is waited for. So all hosts come to the same seed, however many start with
//! nothing. A state that is hashed with another one is refused when it is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use connectors::Word;
use engine::fingerprint::Seed;
use engine::progress::Progress;

use crate::assignment::{Assignment, record_beside};

/// The partition whose owner chooses.
const CHOOSER: i32 = 0;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lineage(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// What the records say, by partition.
    seeds: BTreeMap<i32, Seed>,
    /// Partitions whose offset was pending when last asked for: what their records say is not known.
    pending: BTreeSet<i32>,
}

impl Lineage {
    /// Takes in what the group said of some partitions.
    pub(crate) fn learn(&self, answers: &[(i32, Word)]) {
        let mut known = self.lock();
        for (partition, answer) in answers {
            let Word::Stable(committed) = answer else {
                known.pending.insert(*partition);
                continue;
            };
            known.pending.remove(partition);
            let record = committed.as_ref().map(record_beside);
            // One that cannot be read is refused when its partition is opened.
            match record.and_then(|record| record.ok().flatten()).and_then(|record| record.seed()) {
                Some(seed) => known.seeds.insert(*partition, seed),
                None => known.seeds.remove(partition),
            };
        }
    }

    /// Of which partitions beside those asked for the group has to be asked: of all, until one of them has a seed.
    pub(crate) fn wants_to_hear_of(&self, asked: &[i32], partitions: i32) -> Vec<i32> {
        if !self.lock().seeds.is_empty() {
            return Vec::new();
        }
        (0..partitions).filter(|partition| !asked.contains(partition)).collect()
    }

    /// What a partition waits for, in words; `None` where its state can be opened.
    pub(crate) fn awaits(&self, partition: i32) -> Option<String> {
        let known = self.lock();
        if !known.seeds.is_empty() {
            return None;
        }
        if partition != CHOOSER {
            return Some(format!(
                "the group has not committed yet what its keys are hashed with: waiting for the owner of partition \
                 {CHOOSER}, which does so once, when the group starts"
            ));
        }
        known.pending.first().map(|pending| {
            format!(
                "no partition says yet what the group's keys are hashed with, and the offset of partition {pending} is \
                 pending: waiting for it"
            )
        })
    }

    /// What a partition's keys are to be hashed with; `None`: the state says, or chooses.
    pub(crate) fn seed(&self, partition: i32) -> Option<Seed> {
        let known = self.lock();
        known.seeds.get(&partition).or_else(|| known.seeds.values().next()).copied()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the group waits for a commit of this partition to say what its keys are hashed with: it has an offset already,
/// set by hand or by an earlier version, and a commit that waits for records would keep the others waiting.
pub(crate) fn owes_seed(assignment: &Assignment) -> bool {
    let record = assignment.committed.as_ref().map(record_beside);
    let is_silent =
        |record: Result<Option<Progress>, _>| record.ok().flatten().is_none_or(|record| record.seed().is_none());
    assignment.partition == CHOOSER && record.is_some_and(is_silent)
}

#[cfg(test)]
mod tests {
    use connectors::{Bounds, Committed};
    use proptest::prelude::*;

    use super::*;

    fn with(seed: Option<Seed>) -> Word {
        let progress = Progress::starting_at(7);
        let metadata = seed.map_or_else(|| progress.clone(), |seed| progress.clone().with_seed(seed)).text(7);
        Word::Stable(Some(Committed { offset: 7, metadata }))
    }

    const NONE: Word = Word::Stable(None);
    const ONE: Seed = Seed([1; 16]);
    const TWO: Seed = Seed([2; 16]);

    #[test]
    fn the_owner_of_partition_0_chooses_and_the_others_wait_for_it() {
        let lineage = Lineage::default();
        lineage.learn(&[(0, NONE), (1, NONE), (2, with(None))]);
        assert_eq!((lineage.awaits(0), lineage.seed(0)), (None, None));
        assert!(lineage.awaits(2).unwrap().contains("owner of partition 0"));
        assert_eq!(lineage.wants_to_hear_of(&[2], 4), [0, 1, 3]);
        lineage.learn(&[(0, with(Some(ONE)))]);
        assert_eq!((lineage.awaits(2), lineage.seed(2)), (None, Some(ONE)));
        assert_eq!(lineage.wants_to_hear_of(&[2], 4), [0; 0]);
    }

    #[test]
    fn partition_0_takes_the_seed_of_any_record_and_waits_for_one_that_is_pending() {
        let lineage = Lineage::default();
        lineage.learn(&[(0, NONE), (3, Word::Pending)]);
        assert!(lineage.awaits(0).unwrap().contains("partition 3"));
        lineage.learn(&[(3, with(Some(TWO)))]);
        assert_eq!((lineage.awaits(0), lineage.seed(0)), (None, Some(TWO)));
    }

    #[test]
    fn a_partitions_own_record_counts_first() {
        let lineage = Lineage::default();
        lineage.learn(&[(0, with(Some(ONE))), (3, with(Some(TWO)))]);
        assert_eq!([0, 2, 3].map(|partition| lineage.seed(partition)), [Some(ONE), Some(ONE), Some(TWO)]);
        lineage.learn(&[(3, with(None))]);
        assert_eq!(lineage.seed(3), Some(ONE), "an operator has moved its offset");
    }

    #[test]
    fn partition_0_commits_at_once_where_its_offset_says_no_seed() {
        let assigned = |partition, committed: Option<i64>, metadata: &str| Assignment {
            partition,
            committed: committed.map(|offset| Committed { offset, metadata: metadata.to_owned() }),
            bounds: Bounds { log_start: 0, log_end: 9, stable_end: 9 },
        };
        let said = Progress::starting_at(7).with_seed(ONE).text(7);
        assert!(
            owes_seed(&assigned(0, Some(7), "")) && owes_seed(&assigned(0, Some(7), &Progress::starting_at(7).text(7)))
        );
        assert!(!owes_seed(&assigned(0, Some(7), &said)) && !owes_seed(&assigned(1, Some(7), "")));
        assert!(!owes_seed(&assigned(0, None, "")), "the first commit does not wait for records anyway");
    }

    /// A group of three partitions and its empty hosts. Owners change at any time; a commit is refused where its owner is
    /// none any more, and may stay pending, to end either way.
    #[derive(Debug, Clone)]
    enum Step {
        Ask { host: usize },
        Open { host: usize, partition: i32 },
        Commit { host: usize, partition: i32 },
        Begin { host: usize, partition: i32 },
        End { partition: i32, commits: bool },
        Move { partition: i32, to: usize },
    }

    const HOSTS: usize = 3;
    const PARTITIONS: i32 = 3;

    fn step() -> impl Strategy<Value = Step> {
        let (host, partition) = (0..HOSTS, 0..PARTITIONS);
        prop_oneof![
            3 => host.clone().prop_map(|host| Step::Ask { host }),
            4 => (host.clone(), partition.clone()).prop_map(|(host, partition)| Step::Open { host, partition }),
            3 => (host.clone(), partition.clone()).prop_map(|(host, partition)| Step::Commit { host, partition }),
            1 => (host.clone(), partition.clone()).prop_map(|(host, partition)| Step::Begin { host, partition }),
            2 => (partition.clone(), any::<bool>()).prop_map(|(partition, commits)| Step::End { partition, commits }),
            2 => (partition, host).prop_map(|(partition, to)| Step::Move { partition, to }),
        ]
    }

    #[derive(Default)]
    struct World {
        records: [Option<Seed>; PARTITIONS as usize],
        pending: [Option<Seed>; PARTITIONS as usize],
        owners: [usize; PARTITIONS as usize],
        lineages: [Lineage; HOSTS],
        /// What each host has open, by host and partition.
        open: BTreeMap<(usize, i32), Seed>,
        chosen: u8,
    }

    impl World {
        fn ask(&self, host: usize) {
            let answer = |partition: i32| {
                let at = partition as usize;
                match (self.pending[at], self.records[at]) {
                    (Some(_), _) => (partition, Word::Pending),
                    (None, None) => (partition, NONE),
                    (None, some) => (partition, with(some)),
                }
            };
            self.lineages[host].learn(&(0..PARTITIONS).map(answer).collect::<Vec<_>>());
        }

        fn go(&mut self, step: &Step) {
            match *step {
                Step::Ask { host } => self.ask(host),
                Step::Open { host, partition } => {
                    let at = partition as usize;
                    if self.owners[at] != host
                        || self.pending[at].is_some()
                        || self.open.contains_key(&(host, partition))
                    {
                        return;
                    }
                    // A partition is asked for before it is opened.
                    self.ask(host);
                    if self.lineages[host].awaits(partition).is_none() {
                        let seed = self.lineages[host].seed(partition).unwrap_or_else(|| {
                            self.chosen += 1;
                            Seed([self.chosen; 16])
                        });
                        self.open.insert((host, partition), seed);
                    }
                }
                Step::Commit { host, partition } | Step::Begin { host, partition } => {
                    let at = partition as usize;
                    let Some(seed) = self.open.get(&(host, partition)).filter(|_| self.owners[at] == host) else {
                        return;
                    };
                    if self.pending[at].is_none() {
                        let begins = matches!(step, Step::Begin { .. });
                        let place = if begins { &mut self.pending[at] } else { &mut self.records[at] };
                        *place = Some(*seed);
                    }
                }
                Step::End { partition, commits } => {
                    let ended = self.pending[partition as usize].take();
                    if commits && ended.is_some() {
                        self.records[partition as usize] = ended;
                    }
                }
                Step::Move { partition, to } => {
                    self.open.retain(|(host, open), _| *open != partition || *host == to);
                    self.owners[partition as usize] = to;
                }
            }
        }
    }

    proptest! {
        #![proptest_config(cases::cases(2_000))]

        #[test]
        fn any_number_of_empty_hosts_commit_one_seed(steps in prop::collection::vec(step(), 0..60)) {
            let mut world = World::default();
            for step in &steps {
                world.go(step);
                let seeds: BTreeSet<[u8; 16]> = world.records.iter().flatten().map(|seed| seed.0).collect();
                prop_assert!(seeds.len() <= 1, "{seeds:?} after {steps:?}");
            }
        }
    }
}
