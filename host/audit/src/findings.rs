//! What was found: violations by kind, of which the first few are kept and all are counted, what nobody could decide, and
//! what became of the records. Not how it is shown.

use std::collections::BTreeMap;

use connectors::Lane;

use crate::facts::Place;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A record of the input is in no lane.
    Lost,
    /// A record of the input is in lanes more than once.
    Twice,
    /// An event was forwarded although an earlier one has its key.
    WrongFirst,
    /// An event was held back although no earlier one has its key.
    HeldBack,
    /// A record left by a lane that its rules do not lead to.
    WrongLane,
    /// An event is among the late ones and is not late.
    NotLate,
    /// The payload is not that of the input.
    ChangedPayload,
    /// The headers are not those of the input.
    ChangedHeaders,
    /// The key is not what follows from the input.
    ChangedKey,
    /// The timestamp is not that of the input.
    ChangedTimestamp,
    /// A record in a lane comes of none of the input.
    Foreign,
    /// Records of one partition of the input changed places.
    Order,
    /// A duplicate names another original than its own.
    WrongOriginal,
    /// A record that the host wrote itself cannot be understood.
    Malformed,
    /// A dead letter was made by a stage that could not have.
    WrongReason,
}

impl Kind {
    /// All kinds, in the order in which they are shown.
    pub const ALL: [(Self, &'static str); 15] = [
        (Self::Lost, "lost"),
        (Self::Twice, "twice"),
        (Self::WrongFirst, "wrong_first"),
        (Self::HeldBack, "held_back"),
        (Self::WrongLane, "wrong_lane"),
        (Self::NotLate, "not_late"),
        (Self::ChangedPayload, "changed_payload"),
        (Self::ChangedHeaders, "changed_headers"),
        (Self::ChangedKey, "changed_key"),
        (Self::ChangedTimestamp, "changed_timestamp"),
        (Self::Foreign, "foreign"),
        (Self::Order, "order"),
        (Self::WrongOriginal, "wrong_original"),
        (Self::Malformed, "malformed"),
        (Self::WrongReason, "wrong_reason"),
    ];

    /// One word.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// One violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong.
    pub kind: Kind,
    /// The record of the input that it is about.
    pub(crate) input: Option<Place>,
    /// The record in a lane.
    pub(crate) lane: Option<(Lane, Place)>,
    /// The keys of the record of the input.
    pub key: Option<String>,
    /// What should be.
    pub expected: String,
    /// What is.
    pub found: String,
}

impl Violation {
    pub(crate) fn new(kind: Kind, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { kind, input: None, lane: None, key: None, expected: expected.into(), found: found.into() }
    }

    pub(crate) fn of(mut self, input: Place) -> Self {
        self.input = Some(input);
        self
    }

    pub(crate) fn at(mut self, lane: Lane, spot: Place) -> Self {
        self.lane = Some((lane, spot));
        self
    }
}

/// Violations of one kind.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// All of them.
    pub count: u64,
    /// The first.
    pub shown: Vec<Violation>,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    shown_max: usize,
    /// Violations.
    pub violations: BTreeMap<Kind, Found>,
    /// Records whose fate no reader can judge, by reason.
    pub undecidable: BTreeMap<&'static str, u64>,
    /// What became of the judged records.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// What else there is to say, with counts.
    pub notes: BTreeMap<&'static str, u64>,
    /// Records read, by where.
    pub read: BTreeMap<&'static str, u64>,
}

impl Findings {
    pub(crate) fn new(shown_max: usize) -> Self {
        Self { shown_max, ..Self::default() }
    }

    pub(crate) fn violation(&mut self, violation: Violation) {
        let found = self.violations.entry(violation.kind).or_default();
        found.count += 1;
        if found.shown.len() < self.shown_max {
            found.shown.push(violation);
        }
    }

    pub(crate) fn undecidable(&mut self, why: &'static str) {
        *self.undecidable.entry(why).or_default() += 1;
    }

    pub(crate) fn outcome(&mut self, name: &'static str) {
        *self.outcomes.entry(name).or_default() += 1;
    }

    pub(crate) fn note(&mut self, note: &'static str, count: u64) {
        if count > 0 {
            *self.notes.entry(note).or_default() += count;
        }
    }

    pub(crate) fn read(&mut self, place: &'static str, count: u64) {
        *self.read.entry(place).or_default() += count;
    }

    /// Violations of all kinds.
    #[must_use]
    pub fn violated(&self) -> u64 {
        self.violations.values().map(|found| found.count).sum()
    }

    /// Records that could not be judged.
    #[must_use]
    pub fn unjudged(&self) -> u64 {
        self.undecidable.values().sum()
    }

    /// The violations that are shown.
    pub(crate) fn shown_mut(&mut self) -> impl Iterator<Item = &mut Violation> {
        self.violations.values_mut().flat_map(|found| found.shown.iter_mut())
    }
}
