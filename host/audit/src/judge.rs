//! Where records of the input meet records of the same content in the output and among the late ones: which of them left,
//! and whether they should have. Records with the same bytes are told apart by what should have become of them.

use std::collections::VecDeque;

use connectors::Lane;

use crate::error::AuditError;
use crate::expected::{Expected, Lawful, Ways};
use crate::facts::{Certainty, Class, Parts, Place};
use crate::findings::{Findings, Kind, Violation};
use crate::joined::{Joined, Met, read_place};
use crate::pairs::{Foreign, Lost, Pairs};
use crate::passes::push_order;
use crate::row::{Eye, Pen};
use crate::sorted::{Sorted, Sorter, TempError};
use crate::weigh::{NEITHER_RANK, OUTPUT_RANK};

/// Records of one content in one lane whose places are kept; the others are only counted.
const SPOTS_MAX: usize = 64;

/// Records of one content in a lane.
#[derive(Debug, Default)]
struct Spots {
    count: u64,
    known: VecDeque<(Place, Parts)>,
}

impl Spots {
    fn add(&mut self, spot: Place, parts: Parts) {
        self.count += 1;
        if self.known.len() < SPOTS_MAX {
            self.known.push_back((spot, parts));
        }
    }

    /// Takes one, where there is one; its place, where that is known.
    fn take(&mut self) -> Option<Option<Place>> {
        self.count = self.count.checked_sub(1)?;
        Some(self.known.pop_front().map(|(spot, _)| spot))
    }
}

/// Records of one content.
#[derive(Debug, Default)]
struct Group {
    content: u128,
    output: Spots,
    late: Spots,
    /// Records of the input that may have left by either.
    candidates: u64,
    /// The last that did, with the record that it became.
    left: Option<(Lane, Option<Place>, Place)>,
    /// A record of the input, and whether it is judged.
    any: Option<(Place, bool)>,
}

/// See the module.
pub(crate) struct Judge<'a> {
    pub(crate) lawful: &'a Lawful<'a>,
    pub(crate) findings: &'a mut Findings,
    pub(crate) pairs: &'a mut Pairs,
    pub(crate) by_order: &'a mut Sorter,
    /// Records of the input that were judged.
    pub(crate) judged: u64,
    pub(crate) pen: Pen,
}

impl Judge<'_> {
    pub(crate) fn run(&mut self, rows: &mut Sorted) -> Result<(), AuditError> {
        let mut group = Group::default();
        while let Some(row) = rows.next()? {
            let mut eye = Eye(row);
            let (content, rank) = (eye.u128(), eye.u8());
            if content != group.content {
                self.finish(std::mem::take(&mut group))?;
                group.content = content;
            }
            if rank < OUTPUT_RANK {
                let (spot, parts) = (read_place(&mut eye), Parts::read(&mut eye));
                let spots = if rank == 0 { &mut group.output } else { &mut group.late };
                spots.add(spot, parts);
            } else {
                self.record(&mut group, rank, &Joined::read(&mut eye));
            }
        }
        Ok(self.finish(group)?)
    }

    /// Decides whether a record of the input left by the output or as late, and judges it.
    fn record(&mut self, group: &mut Group, rank: u8, record: &Joined) {
        group.candidates += u64::from(rank < NEITHER_RANK);
        if group.any.is_none_or(|(_, judged)| !judged) {
            group.any = Some((record.place, record.facts.judged));
        }
        let expected = self.lawful.expected(record);
        let lanes = match expected.all().has(Ways::LATE) && !expected.all().has(Ways::OUTPUT) {
            true => [Lane::Late, Lane::Output],
            false => [Lane::Output, Lane::Late],
        };
        let mut left = None;
        // One that has left by another lane takes only what nobody else can have.
        for lane in lanes {
            let spots = if lane == Lane::Output { &mut group.output } else { &mut group.late };
            if left.is_none()
                && let Some(spot) = spots.take()
            {
                left = Some(lane);
                group.left = Some((lane, spot, record.place));
            }
        }
        if record.facts.judged {
            self.judged += 1;
            self.judge(record, expected, left);
        }
    }

    fn judge(&mut self, record: &Joined, expected: Expected, left: Option<Lane>) {
        let marks = record.marks;
        let times = u32::from(marks.duplicates) + u32::from(marks.dead) + u32::from(left.is_some());
        if times > 1 && !self.lawful.rules.at_least_once {
            let mut lanes = vec!["duplicates"; marks.duplicates.into()];
            lanes.extend(vec!["dead letters"; marks.dead.into()]);
            lanes.extend(left.map(Lane::name));
            let violation = Violation::new(Kind::Twice, "one record in one lane", lanes.join(", "));
            return self.findings.violation(violation.of(record.place));
        }
        self.findings
            .note("repeated records, which --delivery at-least-once allows", u64::from(times.saturating_sub(1)));
        let went = match left {
            Some(Lane::Late) => Ways::LATE,
            Some(_) => Ways::OUTPUT,
            None if marks.dead > 0 => Ways::DEAD,
            None if marks.duplicates > 0 => Ways::DUPLICATES,
            None => Ways::NOWHERE,
        };
        if expected.right.has(went) {
            self.outcome(record, went);
            self.check_words(record, went);
        } else if expected.possible.has(went) {
            self.outcome(record, went);
            self.check_words(record, went);
            self.findings.undecidable(self.why_undecidable(record));
        } else {
            self.wrong_way(record, expected, went);
        }
    }

    fn why_undecidable(&self, record: &Joined) -> &'static str {
        match (record.facts.class, record.met) {
            (Class::Failed, _) => "the plugin fails on the event now, and did not in the run",
            (_, Met::Original { .. }) if self.lawful.rules.forwards_dissimilar => {
                "a duplicate that was forwarded, as --forward-below-similarity may have wanted"
            }
            (Class::Keyed, Met::Unsure { .. }) => {
                "earlier events of the key may lie before the start of the log, or their times are not known"
            }
            (Class::Keyed, _) => "whether the event is late depends on what lies before the start of the log",
            (Class::Keyless | Class::Invalid | Class::Undecodable, _) => {
                "a record in no lane, which --on-unsendable skip may have dropped"
            }
        }
    }

    fn outcome(&mut self, record: &Joined, went: Ways) {
        let name = match (record.facts.class, went) {
            (_, Ways::DEAD) => "dead_letter",
            (_, Ways::LATE) => "late",
            (Class::Keyless, _) => "keyless",
            (Class::Invalid | Class::Undecodable | Class::Failed, _) => "dead_letter_passed",
            (Class::Keyed, _) if record.facts.late == Certainty::Yes => "late",
            (Class::Keyed, Ways::OUTPUT) => "unique",
            (Class::Keyed, _) => "duplicate",
        };
        self.findings.outcome(name);
    }

    /// What lanes that name records say of it.
    fn check_words(&mut self, record: &Joined, went: Ways) {
        if went == Ways::DEAD
            && let Some(found) = self.lawful.wrong_stage(record)
        {
            let violation = Violation::new(Kind::WrongReason, "a stage that the record fails in", found);
            self.findings.violation(violation.of(record.place));
        }
        if went != Ways::DUPLICATES {
            return;
        }
        let claim = record.marks.claim.unwrap_or(-1);
        let is_right = match record.met {
            Met::Original { offset, is_sure: true, .. } => claim == offset,
            Met::Original { offset, is_possible, .. } => claim == offset || is_possible,
            Met::Unsure { is_possible } => is_possible,
            Met::Nothing => true,
        };
        if is_right || claim >= record.place.offset {
            return;
        }
        if self.lawful.rules.forwards_dissimilar {
            self.findings.undecidable("an original that may be one by --forward-below-similarity");
            return;
        }
        let expected = match record.met {
            Met::Original { offset, .. } => format!("the original at offset {offset}"),
            Met::Unsure { .. } | Met::Nothing => "an earlier event with the same key".to_owned(),
        };
        let violation = Violation::new(Kind::WrongOriginal, expected, format!("offset {claim}"));
        self.findings.violation(violation.of(record.place));
    }

    fn wrong_way(&mut self, record: &Joined, expected: Expected, went: Ways) {
        let ways = expected.all();
        if went == Ways::NOWHERE {
            return self.pairs.lost(Lost { place: record.place, parts: record.facts.parts, ways }, self.findings);
        }
        let (kind, reason) = match (went, record.met) {
            (Ways::OUTPUT, Met::Original { offset, .. }) => {
                (Kind::WrongFirst, format!(", as the event at offset {offset} has its key"))
            }
            (Ways::DUPLICATES, Met::Nothing) => (Kind::HeldBack, ", as no earlier event has its key".to_owned()),
            (Ways::LATE, _) => (Kind::NotLate, String::new()),
            _ => (Kind::WrongLane, String::new()),
        };
        let violation = Violation::new(kind, format!("{}{reason}", ways.words()), went.words());
        self.findings.violation(violation.of(record.place));
    }

    /// What is left of a content comes of nothing, or once too often.
    fn finish(&mut self, mut group: Group) -> Result<(), TempError> {
        let is_rest = group.output.count + group.late.count > 0;
        if let (Some((lane, Some(spot), place)), 1, false) = (group.left, group.candidates, is_rest) {
            push_order(lane, spot, Some(place), self.by_order, &mut self.pen)?;
        }
        for (lane, spots) in [(Lane::Output, &mut group.output), (Lane::Late, &mut group.late)] {
            while let Some((spot, parts)) = spots.known.pop_front() {
                spots.count -= 1;
                match group.any {
                    Some(origin) => self.once_too_often(lane, Some(spot), origin),
                    None => {
                        push_order(lane, spot, None, self.by_order, &mut self.pen)?;
                        self.pairs.foreign(Foreign { lane, spot, parts }, self.findings);
                    }
                }
            }
            for _ in 0..std::mem::take(&mut spots.count) {
                match group.any {
                    Some(origin) => self.once_too_often(lane, None, origin),
                    None => self.pairs.foreign_without_place(lane, self.findings),
                }
            }
        }
        Ok(())
    }

    fn once_too_often(&mut self, lane: Lane, spot: Option<Place>, (place, judged): (Place, bool)) {
        if self.lawful.rules.at_least_once {
            return self.findings.note("repeated records, which --delivery at-least-once allows", 1);
        }
        if !judged {
            return self.findings.note("repeated records of which nothing is judged", 1);
        }
        let violation = Violation::new(Kind::Twice, "one record in one lane", format!("another in {}", lane.name()));
        let violation = violation.of(place);
        self.findings.violation(match spot {
            Some(spot) => violation.at(lane, spot),
            None => violation,
        });
    }
}
