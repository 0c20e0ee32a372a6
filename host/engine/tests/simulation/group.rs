//! The group's coordinator: cooperative rebalances in two rounds (KIP-429); members that join, leave, and are removed
//! without their knowledge. It decides who owns what; the broker only checks generations.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cases::Rng;

use crate::broker::{Broker, Membership};

/// A member that does not answer a rebalance within this many steps is removed.
const REBALANCE_STEPS_MAX: u64 = 250;

/// What a member is told when it polls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Callback {
    /// Partitions are revoked; the group waits for the answer.
    Revoke {
        membership: Membership,
        partitions: Vec<i32>,
    },
    Assign {
        membership: Membership,
        partitions: Vec<i32>,
    },
    ThrownOut,
}

#[derive(Debug, Default)]
enum Round {
    #[default]
    Stable,
    Revoking {
        waiting: BTreeMap<u64, Vec<i32>>,
        target: Vec<Option<u64>>,
        since: u64,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Group {
    owners: Vec<Option<u64>>,
    round: Round,
    /// A rebalance is due.
    is_due: bool,
    inboxes: BTreeMap<u64, VecDeque<Callback>>,
    last_member: u64,
}

impl Group {
    pub(crate) fn join(&mut self, broker: &mut Broker) -> u64 {
        self.last_member += 1;
        broker.members.insert(self.last_member);
        self.inboxes.insert(self.last_member, VecDeque::new());
        self.is_due = true;
        self.last_member
    }

    pub(crate) fn poll(&mut self, member: u64) -> Option<Callback> {
        self.inboxes.get_mut(&member)?.pop_front()
    }

    pub(crate) fn rebalance(&mut self) {
        self.is_due = true;
    }

    /// A member answers: the partitions that it had to give back are free.
    pub(crate) fn answer(&mut self, member: u64) {
        let Round::Revoking { waiting, .. } = &mut self.round else { return };
        for partition in waiting.remove(&member).unwrap_or_default() {
            if let Some(owner) = self.owners.get_mut(usize::try_from(partition).expect("a partition")) {
                *owner = None;
            }
        }
    }

    pub(crate) fn throw_out(&mut self, broker: &mut Broker, member: u64) {
        if !broker.members.remove(&member) {
            return;
        }
        if let Round::Revoking { waiting, .. } = &mut self.round {
            waiting.remove(&member);
        }
        self.owners.iter_mut().filter(|owner| **owner == Some(member)).for_each(|owner| *owner = None);
        self.is_due = true;
        if let Some(inbox) = self.inboxes.get_mut(&member) {
            inbox.clear();
            inbox.push_back(Callback::ThrownOut);
        }
        broker.meet("a member thrown out");
    }

    pub(crate) fn tick(&mut self, broker: &mut Broker, rng: &mut Rng) {
        self.owners.resize(broker.partitions.len(), None);
        match std::mem::take(&mut self.round) {
            Round::Stable if self.is_due && !broker.members.is_empty() => self.begin(broker, rng),
            Round::Stable => {}
            Round::Revoking { waiting, target, .. } if waiting.is_empty() => self.finish(broker, &target),
            Round::Revoking { waiting, target, since } => {
                let late: Vec<u64> = waiting.keys().copied().collect();
                self.round = Round::Revoking { waiting, target, since };
                if broker.now - since > REBALANCE_STEPS_MAX {
                    late.into_iter().for_each(|member| self.throw_out(broker, member));
                }
            }
        }
    }

    fn begin(&mut self, broker: &mut Broker, rng: &mut Rng) {
        self.is_due = false;
        broker.generation += 1;
        let members: Vec<u64> = broker.members.iter().copied().collect();
        let sticks = |owner: &Option<u64>| owner.filter(|owner| broker.members.contains(owner));
        let target: Vec<Option<u64>> = self
            .owners
            .iter()
            .map(|owner| sticks(owner).filter(|_| rng.chance(500)).or_else(|| rng.pick(&members)))
            .collect();
        let mut waiting = BTreeMap::new();
        for member in members {
            let goes =
                |at: &usize| self.owners.get(*at) == Some(&Some(member)) && target.get(*at) != Some(&Some(member));
            let partitions: Vec<i32> = (0..target.len()).filter(goes).map(|at| at as i32).collect();
            waiting.insert(member, partitions.clone());
            let membership = Membership { member, generation: broker.generation };
            self.tell(member, Callback::Revoke { membership, partitions });
        }
        self.round = Round::Revoking { waiting, target, since: broker.now };
    }

    fn finish(&mut self, broker: &mut Broker, target: &[Option<u64>]) {
        broker.generation += 1;
        let members: BTreeSet<u64> = broker.members.clone();
        for member in members {
            let mut partitions = Vec::new();
            for (at, owner) in self.owners.iter_mut().enumerate() {
                if owner.is_none() && target.get(at) == Some(&Some(member)) {
                    *owner = Some(member);
                    partitions.push(at as i32);
                }
            }
            let membership = Membership { member, generation: broker.generation };
            self.tell(member, Callback::Assign { membership, partitions });
        }
        // Partitions without an owner.
        self.is_due |= self.owners.iter().any(Option::is_none);
    }

    fn tell(&mut self, member: u64, callback: Callback) {
        self.inboxes.entry(member).or_default().push_back(callback);
    }
}
