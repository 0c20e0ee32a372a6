//! By which ways a record may leave, as the documentation says. Not by which it did.

use connectors::Lane;

use crate::config::{KeylessEvents, LateEvents, Rules};
use crate::facts::{Certainty, Class};
use crate::joined::{Joined, Met};
use crate::told::Stage;

/// Ways out, as a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ways(u8);

impl Ways {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const OUTPUT: Self = Self(1);
    pub(crate) const DUPLICATES: Self = Self(2);
    pub(crate) const LATE: Self = Self(4);
    pub(crate) const DEAD: Self = Self(8);
    pub(crate) const NOWHERE: Self = Self(16);

    const NAMES: [(Self, &'static str); 5] = [
        (Self::OUTPUT, "output"),
        (Self::DUPLICATES, "duplicates"),
        (Self::LATE, "late"),
        (Self::DEAD, "dead letters"),
        (Self::NOWHERE, "no lane"),
    ];

    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// In words.
    pub(crate) fn words(self) -> String {
        let named = Self::NAMES.iter().filter(|(way, _)| self.has(*way)).map(|(_, name)| *name);
        named.collect::<Vec<_>>().join(" or ")
    }
}

/// Ways that are right, and ways that nobody can judge; all others are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) right: Ways,
    pub(crate) possible: Ways,
}

impl Expected {
    fn sure(right: Ways) -> Self {
        Self { right, possible: Ways::NONE }
    }

    /// All that is not wrong.
    pub(crate) fn all(self) -> Ways {
        self.right.or(self.possible)
    }

    /// What holds where either may be true.
    fn or(self, other: Self) -> Self {
        Self { right: self.right.and(other.right), possible: self.all().or(other.all()) }
    }
}

/// The rules, and which lanes there are.
pub(crate) struct Lawful<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) lanes: Vec<Lane>,
}

impl Lawful<'_> {
    fn has(&self, lane: Lane) -> bool {
        self.lanes.contains(&lane)
    }

    /// What may become of a record.
    pub(crate) fn expected(&self, record: &Joined) -> Expected {
        let mut expected = match record.facts.class {
            Class::Keyed => self.of_keyed(record),
            Class::Keyless => Expected::sure(self.of_keyless()),
            Class::Invalid | Class::Undecodable => Expected::sure(self.dead()),
            Class::Failed => Expected {
                right: if self.rules.passes_failures { Ways::OUTPUT } else { self.dead() },
                possible: Ways::OUTPUT.or(self.held_back()).or(Ways::LATE),
            },
        };
        if record.facts.class != Class::Undecodable && self.has(Lane::DeadLetter) {
            // A plugin may have failed on any event, and a topic may not have accepted it: the stage says so.
            expected.right = expected.right.or(Ways::DEAD);
        }
        if self.rules.skips_unsendable && !self.has(Lane::DeadLetter) {
            expected.possible = expected.possible.or(Ways::NOWHERE);
        }
        expected
    }

    fn of_keyed(&self, record: &Joined) -> Expected {
        let in_time = match record.met {
            Met::Nothing => Expected::sure(Ways::OUTPUT),
            Met::Original { .. } if self.rules.forwards_dissimilar => {
                Expected { right: self.held_back(), possible: Ways::OUTPUT }
            }
            Met::Original { .. } => Expected::sure(self.held_back()),
            Met::Unsure { .. } => Expected { right: Ways::NONE, possible: Ways::OUTPUT.or(self.held_back()) },
        };
        let late = Expected::sure(match self.rules.late {
            LateEvents::Pass => Ways::OUTPUT,
            LateEvents::Drop => Ways::NOWHERE,
            LateEvents::Divert => Ways::LATE,
        });
        match record.facts.late {
            Certainty::No => in_time,
            Certainty::Yes => late,
            Certainty::Unsure => in_time.or(late),
        }
    }

    fn of_keyless(&self) -> Ways {
        match self.rules.keyless {
            KeylessEvents::Pass => Ways::OUTPUT,
            KeylessEvents::DeadLetter => self.dead(),
            KeylessEvents::Drop => Ways::NOWHERE,
        }
    }

    fn held_back(&self) -> Ways {
        if self.has(Lane::Duplicates) { Ways::DUPLICATES } else { Ways::NOWHERE }
    }

    fn dead(&self) -> Ways {
        if self.has(Lane::DeadLetter) { Ways::DEAD } else { Ways::OUTPUT }
    }

    /// Why a dead letter of this stage cannot be of the record; `None`: it can.
    pub(crate) fn wrong_stage(&self, record: &Joined) -> Option<String> {
        let stage = record.marks.stage?;
        let class = record.facts.class;
        let is_decodable = class != Class::Undecodable;
        let is_right = match stage {
            Stage::Decode => !is_decodable,
            Stage::Key => match class {
                Class::Invalid | Class::Failed => true,
                Class::Keyless => self.rules.keyless == KeylessEvents::DeadLetter,
                Class::Keyed | Class::Undecodable => false,
            },
            Stage::Plugin => is_decodable,
            Stage::Output => is_decodable && record.marks.is_stub,
            Stage::Duplicates => is_decodable && record.marks.is_stub && record.met != Met::Nothing,
            Stage::Late => is_decodable && record.marks.is_stub && record.facts.late != Certainty::No,
            Stage::Read => false,
        };
        let name = match class {
            Class::Keyed => "an event with a key",
            Class::Keyless => "an event without a key",
            Class::Invalid => "an event that the plugin calls invalid",
            Class::Failed => "an event that the plugin fails on",
            Class::Undecodable => "no event",
        };
        (!is_right).then(|| format!("a dead letter of the stage \"{}\" of a record that is {name}", stage.name()))
    }
}
