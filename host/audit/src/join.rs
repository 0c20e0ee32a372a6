//! Puts what lanes say of records by their coordinates beside those records, and compares. Then the keys of each record that
//! was decided go where keys are looked at, and the record goes on.

use connectors::Lane;

use crate::digest::Digester;
use crate::error::AuditError;
use crate::facts::{Certainty, Class, Facts, Parts, Place, Time};
use crate::findings::{Findings, Kind, Violation};
use crate::joined::{Marks, read_place, write_place};
use crate::passes::{DUPLICATE_ROW, INPUT_ROW};
use crate::plan::Plan;
use crate::row::{Eye, Pen};
use crate::sorted::{Sorted, Sorter, TempError};
use crate::told::Stage;

/// Rows of a record and of what its keys come to, by place: what the row is.
pub(crate) const RECORD_ROW: u8 = 0;
pub(crate) const MET_ROW: u8 = 1;

/// See the module.
pub(crate) struct Join<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) digester: &'a Digester,
    /// What dead letters without a key of their own may have for one.
    pub(crate) source: &'a str,
    pub(crate) hides_values: bool,
    pub(crate) findings: &'a mut Findings,
    pub(crate) keys: &'a mut Sorter,
    pub(crate) records: &'a mut Sorter,
    pub(crate) pen: Pen,
}

/// A record of the input under way.
struct Current {
    place: Place,
    facts: Facts,
    has_odd_key: bool,
    keys: Vec<u128>,
    marks: Marks,
}

impl Join<'_> {
    pub(crate) fn run(&mut self, rows: &mut Sorted) -> Result<(), AuditError> {
        let mut current: Option<Current> = None;
        while let Some(row) = rows.next()? {
            let mut eye = Eye(row);
            let (place, kind) = (read_place(&mut eye), eye.u8());
            if kind == INPUT_ROW {
                self.finish(current.take())?;
                current = Some(input(place, &mut eye));
                continue;
            }
            let spot = read_place(&mut eye);
            let lane = if kind == DUPLICATE_ROW { Lane::Duplicates } else { Lane::DeadLetter };
            match current.as_mut().filter(|current| current.place == place) {
                None => self.of_nothing(place, lane, spot, &mut eye),
                Some(current) if lane == Lane::Duplicates => self.duplicate(current, spot, &mut eye),
                Some(current) => self.dead(current, spot, &mut eye),
            }
        }
        Ok(self.finish(current)?)
    }

    /// A record of a lane names one that the input does not have.
    fn of_nothing(&mut self, place: Place, lane: Lane, spot: Place, eye: &mut Eye<'_>) {
        let is_read = lane == Lane::DeadLetter && Stage::of_number(eye.u8()) == Some(Stage::Read);
        if is_read {
            self.findings.note("dead letters of offsets that could not be read", 1);
        } else if self.plan.is_outside(place) {
            self.findings.note("records in lanes about records that the log no longer has", 1);
        } else {
            let found = "the input has no record there";
            let violation = Violation::new(Kind::Foreign, "a record of the input", found);
            self.findings.violation(violation.of(place).at(lane, spot));
        }
    }

    fn violation(&mut self, current: &Current, lane: Lane, spot: Place, violation: Violation) {
        if current.facts.judged {
            self.findings.violation(violation.of(current.place).at(lane, spot));
        }
    }

    fn duplicate(&mut self, current: &mut Current, spot: Place, eye: &mut Eye<'_>) {
        let original = eye.i64();
        let (has_key, key, has_event, event) = (eye.flag(), eye.u128(), eye.flag(), eye.u64());
        let (own_key, timestamp) = (eye.u64(), eye.optional());
        current.marks.duplicates = current.marks.duplicates.saturating_add(1);
        current.marks.claim = Some(original);
        let (lane, facts) = (Lane::Duplicates, current.facts);
        if original >= current.place.offset {
            let found = format!("offset {original}");
            self.violation(current, lane, spot, Violation::new(Kind::WrongOriginal, "an earlier record", found));
        }
        if has_key && !current.has_odd_key && !current.keys.contains(&key) && facts.class == Class::Keyed {
            let violation = Violation::new(Kind::WrongOriginal, "a key of the event", "a key that it does not have");
            self.violation(current, lane, spot, violation);
        }
        if has_event && event != facts.event {
            let violation = Violation::new(Kind::ChangedPayload, "the event of the input", "another event");
            self.violation(current, lane, spot, violation);
        }
        if !self.hides_values && facts.told_key != 0 && own_key != facts.told_key {
            self.violation(current, lane, spot, changed_key());
        }
        self.compare_times(current, timestamp);
    }

    fn dead(&mut self, current: &mut Current, spot: Place, eye: &mut Eye<'_>) {
        let (stage, is_stub, parts) = (Stage::of_number(eye.u8()), eye.flag(), Parts::read(eye));
        current.marks.dead = current.marks.dead.saturating_add(1);
        (current.marks.stage, current.marks.is_stub) = (stage, is_stub);
        let (lane, facts) = (Lane::DeadLetter, current.facts);
        if is_stub && parts.payload != 0 {
            let violation = Violation::new(Kind::ChangedPayload, "no payload in the place of one", "a payload");
            self.violation(current, lane, spot, violation);
        }
        if is_stub {
            return;
        }
        if parts.payload != facts.parts.payload {
            let violation = Violation::new(Kind::ChangedPayload, "the payload of the input", "another payload");
            self.violation(current, lane, spot, violation);
        }
        if parts.headers != facts.parts.headers {
            let violation = Violation::new(Kind::ChangedHeaders, "the headers of the input", "other headers");
            self.violation(current, lane, spot, violation);
        }
        let Place { partition, offset } = current.place;
        let place = format!("{}/{partition}/{offset}", self.source);
        let is_stand_in = facts.own_key == 0 && parts.key == self.digester.optional(Some(place.as_bytes()));
        if parts.key != facts.own_key && !is_stand_in {
            self.violation(current, lane, spot, changed_key());
        }
        self.compare_times(current, parts.timestamp);
    }

    /// Where a topic does not take a time, the host leaves it out of what it writes itself.
    fn compare_times(&mut self, current: &Current, timestamp: Option<i64>) {
        let differ = timestamp.zip(current.facts.parts.timestamp).is_some_and(|(is, was)| is != was);
        if differ && current.facts.judged {
            self.findings
                .undecidable("the time of a dead letter or a duplicate's record, which the topic may have refused");
        }
    }

    fn finish(&mut self, current: Option<Current>) -> Result<(), TempError> {
        let Some(current) = current else { return Ok(()) };
        let participates = participates(&current);
        for (index, key) in (0..).zip(&current.keys).filter(|_| participates != Certainty::No) {
            let Facts { time, .. } = current.facts;
            self.push_key(current.place, index, *key, (time, participates, current.marks.claim))?;
        }
        write_place(current.place, self.pen.begin());
        self.pen.u8(RECORD_ROW);
        current.facts.write(&mut self.pen);
        current.marks.write(&mut self.pen);
        self.records.push(self.pen.row())
    }

    fn push_key(
        &mut self,
        place: Place,
        index: u16,
        key: u128,
        (time, participates, claim): (Time, Certainty, Option<i64>),
    ) -> Result<(), TempError> {
        self.pen.begin().i32(place.partition).u128(key).i64(place.offset).u16(index);
        time.write(&mut self.pen);
        participates.write(&mut self.pen);
        self.pen.optional(claim);
        self.keys.push(self.pen.row())
    }
}

fn input(place: Place, eye: &mut Eye<'_>) -> Current {
    let facts = Facts::read(eye);
    let (has_odd_key, count) = (eye.flag(), eye.u16());
    let keys = (0..count).map(|_| eye.u128()).collect();
    Current { place, facts, has_odd_key, keys, marks: Marks::default() }
}

fn changed_key() -> Violation {
    Violation::new(Kind::ChangedKey, "the key that follows from the input", "another key")
}

/// Whether an event is looked up by its keys, and remembered where it is first. A dead letter of a stage before the decision
/// leaves no key.
fn participates(current: &Current) -> Certainty {
    let is_undecided = match current.marks.stage {
        Some(Stage::Decode | Stage::Key | Stage::Plugin | Stage::Output) => true,
        Some(Stage::Duplicates | Stage::Late | Stage::Read) | None => false,
    };
    match (current.facts.class, current.facts.late) {
        (Class::Keyed, late) if !is_undecided => match late {
            Certainty::No => Certainty::Yes,
            Certainty::Unsure => Certainty::Unsure,
            Certainty::Yes => Certainty::No,
        },
        _ => Certainty::No,
    }
}
