//! Records that are in no lane, and records in lanes that come of none: where two of them are one that was changed, that is
//! said. Only so many are kept to be paired; all others are what they are.

use std::collections::HashMap;

use connectors::Lane;

use crate::expected::Ways;
use crate::facts::{Parts, Place};
use crate::findings::{Findings, Kind, Violation};
use crate::order::Gap;

/// Records of either side that are kept.
const KEPT_MAX: usize = 5_000;

/// Parts of four that have to be the same for two records to be one.
const SAME_MIN: usize = 3;

/// A record of the input in no lane.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    pub(crate) place: Place,
    pub(crate) parts: Parts,
    /// By which it should have left.
    pub(crate) ways: Ways,
}

/// A record of a lane that comes of none of the input.
#[derive(Debug, Clone)]
pub(crate) struct Foreign {
    pub(crate) lane: Lane,
    pub(crate) spot: Place,
    pub(crate) parts: Parts,
}

/// See the module.
pub(crate) struct Pairs {
    /// Lines have a payload and nothing else, by which they could be known: their places say which belong together.
    pub(crate) is_lines: bool,
    /// Whether all of the input is read, of which a record of a lane may come.
    pub(crate) is_whole: bool,
    pub(crate) lost: Vec<Lost>,
    pub(crate) foreign: Vec<Foreign>,
}

impl Pairs {
    pub(crate) fn lost(&mut self, lost: Lost, findings: &mut Findings) {
        if self.lost.len() < KEPT_MAX { self.lost.push(lost) } else { findings.violation(of_lost(&lost)) }
    }

    pub(crate) fn foreign(&mut self, foreign: Foreign, findings: &mut Findings) {
        if self.foreign.len() < KEPT_MAX {
            self.foreign.push(foreign);
        } else {
            self.of_foreign(foreign.lane, Some(foreign.spot), findings);
        }
    }

    pub(crate) fn foreign_without_place(&self, lane: Lane, findings: &mut Findings) {
        self.of_foreign(lane, None, findings);
    }

    fn of_foreign(&self, lane: Lane, spot: Option<Place>, findings: &mut Findings) {
        if !self.is_whole {
            return findings.note("records in lanes that come of none that is read: the log may have lost theirs", 1);
        }
        let found = format!("in {}, one that the input does not have", lane.name());
        let violation = Violation::new(Kind::Foreign, "records of the input", found);
        findings.violation(spot.map_or(violation.clone(), |spot| violation.at(lane, spot)));
    }

    /// Tells what was changed, and then what is lost and what is foreign.
    pub(crate) fn finish(mut self, gaps: &[Gap], findings: &mut Findings) {
        let gaps: HashMap<(Lane, Place), &Gap> = gaps.iter().map(|gap| ((gap.lane, gap.spot), gap)).collect();
        let mut lost: Vec<Option<Lost>> = std::mem::take(&mut self.lost).into_iter().map(Some).collect();
        for foreign in std::mem::take(&mut self.foreign) {
            let gap = gaps.get(&(foreign.lane, foreign.spot)).copied();
            let is_its = |lost: &Option<Lost>| lost.as_ref().is_some_and(|lost| self.belong(lost, &foreign, gap));
            match lost.iter_mut().find(|lost| is_its(lost)).and_then(Option::take) {
                Some(lost) => tell_change(&lost, &foreign, findings),
                None => self.of_foreign(foreign.lane, Some(foreign.spot), findings),
            }
        }
        lost.iter().flatten().for_each(|lost| findings.violation(of_lost(lost)));
    }

    fn belong(&self, lost: &Lost, foreign: &Foreign, gap: Option<&Gap>) -> bool {
        let way = if foreign.lane == Lane::Late { Ways::LATE } else { Ways::OUTPUT };
        let fits = lost.ways.has(way);
        match self.is_lines {
            true => fits && gap.is_some_and(|gap| gap.holds(lost.place)),
            false => fits && differences(&lost.parts, &foreign.parts).len() <= 4 - SAME_MIN,
        }
    }
}

fn of_lost(lost: &Lost) -> Violation {
    Violation::new(Kind::Lost, lost.ways.words(), "no lane").of(lost.place)
}

fn differences(one: &Parts, other: &Parts) -> Vec<(Kind, &'static str)> {
    let parts = [
        (one.payload != other.payload, Kind::ChangedPayload, "payload"),
        (one.headers != other.headers, Kind::ChangedHeaders, "headers"),
        (one.key != other.key, Kind::ChangedKey, "key"),
        (one.timestamp != other.timestamp, Kind::ChangedTimestamp, "timestamp"),
    ];
    parts.into_iter().filter(|(differ, ..)| *differ).map(|(_, kind, name)| (kind, name)).collect()
}

fn tell_change(lost: &Lost, foreign: &Foreign, findings: &mut Findings) {
    for (kind, name) in differences(&lost.parts, &foreign.parts) {
        if kind == Kind::ChangedTimestamp && lost.parts.timestamp.is_none() {
            findings.undecidable("the time of a record that had none in the input");
            continue;
        }
        let (expected, found) = match (kind, lost.parts.timestamp, foreign.parts.timestamp) {
            (Kind::ChangedTimestamp, Some(was), Some(is)) => (format!("{was} ms"), format!("{is} ms")),
            _ => (format!("the {name} of the input"), format!("another {name}")),
        };
        findings.violation(Violation::new(kind, expected, found).of(lost.place).at(foreign.lane, foreign.spot));
    }
}
