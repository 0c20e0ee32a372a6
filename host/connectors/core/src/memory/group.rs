//! The group that deals out partitions: cooperative rebalances in two rounds, as KIP-429 has them; members that come, go, and
//! are thrown out without knowing. Generations only grow, and a commit is of one.

use std::collections::{BTreeMap, VecDeque};

/// Who a member is in one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) member: u64,
    pub(super) generation: u64,
}

/// What a member is told when it polls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    /// Partitions go; the group waits for the answer.
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

#[derive(Debug)]
struct Member {
    name: String,
    turns: VecDeque<Turn>,
}

/// The first round of a rebalance: members give back what others are to get.
#[derive(Debug)]
struct Round {
    waiting: BTreeMap<u64, Vec<i32>>,
    target: BTreeMap<i32, u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Group {
    members: BTreeMap<u64, Member>,
    owners: BTreeMap<i32, u64>,
    generation: u64,
    round: Option<Round>,
    is_due: bool,
    last_member: u64,
    /// Whom a partition is to go to, if that host is a member.
    wishes: BTreeMap<i32, String>,
    /// Who each host was in its last rebalance; `None`: it knows that it was thrown out.
    standings: BTreeMap<String, Option<Membership>>,
}

impl Group {
    pub(super) fn join(&mut self, name: &str) -> u64 {
        self.last_member += 1;
        self.members.insert(self.last_member, Member { name: name.to_owned(), turns: VecDeque::new() });
        self.is_due = true;
        self.last_member
    }

    pub(super) fn wish(&mut self, partition: i32, name: &str) {
        self.wishes.insert(partition, name.to_owned());
        self.is_due = true;
    }

    pub(super) fn rebalance(&mut self) {
        self.is_due = true;
    }

    pub(super) fn leave(&mut self, member: u64) {
        if let Some(gone) = self.members.remove(&member) {
            self.standings.insert(gone.name, None);
        }
        self.forget(member);
    }

    /// The members of this name are out, and do not know.
    pub(super) fn throw_out(&mut self, name: &str) {
        let gone: Vec<u64> = self.members.extract_if(.., |_, member| member.name == name).map(|(id, _)| id).collect();
        gone.into_iter().for_each(|member| self.forget(member));
    }

    fn forget(&mut self, member: u64) {
        self.owners.retain(|_, owner| *owner != member);
        if let Some(round) = &mut self.round {
            round.waiting.remove(&member);
        }
        self.is_due = true;
    }

    pub(super) fn is_out(&self, member: u64) -> bool {
        !self.members.contains_key(&member)
    }

    pub(super) fn is_member(&self, membership: Membership) -> bool {
        self.members.contains_key(&membership.member) && membership.generation == self.generation
    }

    /// As of the last turn that the host took.
    pub(super) fn standing(&self, name: &str) -> Option<Membership> {
        self.standings.get(name).copied().flatten()
    }

    /// Who owns what, by name.
    pub(super) fn owners(&self) -> BTreeMap<i32, &str> {
        let name = |member: &u64| self.members.get(member).map_or("", |member| member.name.as_str());
        self.owners.iter().map(|(partition, owner)| (*partition, name(owner))).collect()
    }

    /// What a member is told now, and with it who it is from now on.
    pub(super) fn take_turn(&mut self, member: u64, name: &str, partitions: i32) -> Option<Turn> {
        self.go_on(partitions);
        let turn = match self.members.get_mut(&member) {
            None => Turn::ThrownOut,
            Some(member) => member.turns.pop_front()?,
        };
        let standing = match &turn {
            Turn::Revoke { membership, .. } | Turn::Assign { membership, .. } => Some(*membership),
            Turn::ThrownOut => None,
        };
        self.standings.insert(name.to_owned(), standing);
        Some(turn)
    }

    /// Whether a member would be told something.
    pub(super) fn has_turn(&mut self, member: u64, partitions: i32) -> bool {
        self.go_on(partitions);
        self.members.get(&member).is_none_or(|member| !member.turns.is_empty())
    }

    /// A member has given back what it was to give.
    pub(super) fn answer(&mut self, member: u64) {
        let answered = self.round.as_mut().and_then(|round| round.waiting.remove(&member));
        for partition in answered.into_iter().flatten() {
            self.owners.remove(&partition);
        }
    }

    fn go_on(&mut self, partitions: i32) {
        if let Some(round) = self.round.take_if(|round| round.waiting.is_empty()) {
            self.finish(&round.target, partitions);
        }
        if self.is_due && self.round.is_none() && !self.members.is_empty() {
            self.begin(partitions);
        }
    }

    fn begin(&mut self, partitions: i32) {
        self.is_due = false;
        let target = self.target(partitions);
        let goes = |(partition, owner): (&i32, &u64)| (target.get(partition) != Some(owner)).then_some(*partition);
        let mut waiting = BTreeMap::new();
        for id in self.members.keys() {
            let owned = self.owners.iter().filter(|(_, owner)| *owner == id);
            waiting.insert(*id, owned.filter_map(goes).collect::<Vec<_>>());
        }
        self.tell(&waiting, |membership, partitions| Turn::Revoke { membership, partitions });
        self.round = Some(Round { waiting, target });
    }

    fn finish(&mut self, target: &BTreeMap<i32, u64>, partitions: i32) {
        let mut coming: BTreeMap<u64, Vec<i32>> = self.members.keys().map(|id| (*id, Vec::new())).collect();
        for (partition, id) in target {
            if let Some(of_member) = coming.get_mut(id).filter(|_| !self.owners.contains_key(partition)) {
                self.owners.insert(*partition, *id);
                of_member.push(*partition);
            }
        }
        self.tell(&coming, |membership, partitions| Turn::Assign { membership, partitions });
        self.is_due |= (0..partitions).any(|partition| !self.owners.contains_key(&partition));
    }

    /// All members hear of a new generation.
    fn tell(&mut self, what: &BTreeMap<u64, Vec<i32>>, turn: fn(Membership, Vec<i32>) -> Turn) {
        self.generation += 1;
        for (id, member) in &mut self.members {
            let membership = Membership { member: *id, generation: self.generation };
            member.turns.push_back(turn(membership, what.get(id).cloned().unwrap_or_default()));
        }
    }

    /// Whom each partition is to go to: to whom it was wished, else to its owner, else to who has the fewest.
    fn target(&self, partitions: i32) -> BTreeMap<i32, u64> {
        let share = usize::try_from(partitions).unwrap_or(0).div_ceil(self.members.len().max(1));
        let mut target = BTreeMap::new();
        for partition in 0..partitions {
            let wish = self.wishes.get(&partition);
            let named = |(_, member): &(&u64, &Member)| Some(&member.name) == wish;
            if let Some((id, _)) = self.members.iter().find(named) {
                target.insert(partition, *id);
            }
        }
        let load = |target: &BTreeMap<i32, u64>, id: u64| target.values().filter(|other| **other == id).count();
        for (partition, owner) in &self.owners {
            if !target.contains_key(partition) && self.members.contains_key(owner) && load(&target, *owner) < share {
                target.insert(*partition, *owner);
            }
        }
        for partition in 0..partitions {
            let idlest = self.members.keys().copied().min_by_key(|id| load(&target, *id));
            if let Some(id) = idlest.filter(|_| !target.contains_key(&partition)) {
                target.insert(partition, id);
            }
        }
        target
    }
}
