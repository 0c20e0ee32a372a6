//! One pass over the input and one over each lane: what is read becomes rows. Nothing is compared yet.

use std::collections::BTreeMap;

use connectors::{Lane, SeenRecord};

use crate::clock::Clock;
use crate::config::{Places, Rules};
use crate::digest::Digester;
use crate::error::AuditError;
use crate::events::{Events, Understood};
use crate::facts::{Parts, Place};
use crate::findings::{Findings, Kind, Violation};
use crate::joined::write_place;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::reading::{number, read_input, read_lane};
use crate::row::Pen;
use crate::sorted::{Sorter, TempError};
use crate::told::Teller;

/// Rows of the input, and of lanes that name its records, by place: what the row is.
pub(crate) const INPUT_ROW: u8 = 0;
pub(crate) const DUPLICATE_ROW: u8 = 1;
pub(crate) const DEAD_ROW: u8 = 2;

/// Rows of what has to be in order: a record that comes of one of the input, or one of which nobody knows.
pub(crate) const KNOWN_ROW: u8 = 0;
pub(crate) const FOREIGN_ROW: u8 = 1;

/// Records with a time that are looked at to see how far back the times go where a log begins.
const BEGINNING: u64 = 4_096;

/// Where rows go.
pub(crate) struct Rows {
    pub(crate) by_place: Sorter,
    pub(crate) by_content: Sorter,
    pub(crate) by_order: Sorter,
}

/// Of which times a partition of the input has all events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Of all.
    Whole,
    /// Of those later than this; `None`: of none, as far as is known.
    After(Option<i64>),
}

/// What is known of a partition while it is read.
struct Partition {
    clock: Clock,
    timed: u64,
    latest: i64,
    is_whole: bool,
}

impl Partition {
    fn reach(&self) -> Reach {
        match self.is_whole {
            true => Reach::Whole,
            false => Reach::After(Some(self.latest).filter(|_| self.timed >= BEGINNING)),
        }
    }
}

/// Reads the input.
pub(crate) struct InputPass<'a> {
    pub(crate) places: &'a Places,
    pub(crate) plan: &'a Plan,
    pub(crate) rules: &'a Rules,
    pub(crate) events: Events,
}

impl InputPass<'_> {
    /// Returns how far back each partition reaches.
    pub(crate) fn run(
        self,
        rows: &mut Sorter,
        digester: &Digester,
        findings: &mut Findings,
        progress: &mut Progress,
    ) -> Result<BTreeMap<i32, Reach>, AuditError> {
        let Self { places, plan, rules, mut events } = self;
        let (mut partitions, mut pen) = (BTreeMap::new(), Pen::default());
        let mut take = |events: &mut Events| {
            events.understand(|record| {
                let partition = partitions.entry(record.place.partition).or_insert_with(|| {
                    let is_whole = plan.input.get(&record.place.partition).is_none_or(|plan| plan.is_whole);
                    Partition { clock: Clock::new(is_whole), timed: 0, latest: i64::MIN, is_whole }
                });
                write_input(&record, partition, rules, digester, &mut pen);
                Ok(rows.push(pen.row())?)
            })
        };
        let mut count = 0;
        read_input(places, plan, &mut |record| {
            count += 1;
            progress.done();
            let place = Place { partition: record.partition, offset: record.offset };
            if events.push(record, plan.is_judged(place)) { take(&mut events) } else { Ok(()) }
        })?;
        take(&mut events)?;
        findings.read("input", count);
        Ok(partitions.into_iter().map(|(number, partition)| (number, partition.reach())).collect())
    }
}

fn write_input(record: &Understood<'_>, partition: &mut Partition, rules: &Rules, digester: &Digester, pen: &mut Pen) {
    let mut facts = record.facts;
    facts.time = partition.clock.time_of(record.time);
    if rules.window.is_some() {
        facts.late = partition.clock.is_late(facts.time, rules.late_after);
    }
    partition.clock.observe(record.time);
    if let Some(time) = record.time.filter(|_| partition.timed < BEGINNING) {
        partition.timed += 1;
        partition.latest = partition.latest.max(time);
    }
    write_place(record.place, pen.begin());
    pen.u8(INPUT_ROW);
    facts.write(pen);
    let has_odd_key = record.keys.iter().any(|key| std::str::from_utf8(key).is_err());
    pen.u8(u8::from(has_odd_key)).u16(u16::try_from(record.keys.len()).unwrap_or(u16::MAX));
    for key in &record.keys {
        pen.u128(digester.of(key));
    }
}

/// Reads a lane.
pub(crate) struct LanePass<'a> {
    pub(crate) places: &'a Places,
    pub(crate) plan: &'a Plan,
    pub(crate) teller: Teller<'a>,
}

impl LanePass<'_> {
    /// Returns whether the broker gave its records their times.
    pub(crate) fn run(
        &self,
        lane: Lane,
        rows: &mut Rows,
        findings: &mut Findings,
        progress: &mut Progress,
    ) -> Result<bool, AuditError> {
        let (mut pen, mut count, mut has_append_time) = (Pen::default(), 0, false);
        read_lane(self.places, lane, self.plan, &mut |record| {
            count += 1;
            progress.done();
            has_append_time |= record.has_append_time;
            match lane {
                Lane::Output | Lane::Late => self.forwarded(lane, record, rows, &mut pen)?,
                Lane::Duplicates => self.duplicate(record, rows, findings, &mut pen)?,
                Lane::DeadLetter => self.dead(record, rows, findings, &mut pen)?,
            }
            Ok(())
        })?;
        findings.read(lane.name(), count);
        Ok(has_append_time)
    }

    fn forwarded(&self, lane: Lane, record: &SeenRecord<'_>, rows: &mut Rows, pen: &mut Pen) -> Result<(), TempError> {
        let digester = self.teller.digester;
        let parts = Parts {
            payload: record.payload.map_or(0, |payload| digester.of(payload)),
            headers: digester.headers(record.headers.iter().copied()),
            key: digester.optional(record.key),
            timestamp: record.timestamp.filter(|_| !record.has_append_time),
        };
        pen.begin().u128(content(digester, &parts, parts.timestamp)).u8(rank_of(lane));
        write_place(spot(record), pen);
        parts.write(pen);
        rows.by_content.push(pen.row())
    }

    fn duplicate(
        &self,
        record: &SeenRecord<'_>,
        rows: &mut Rows,
        findings: &mut Findings,
        pen: &mut Pen,
    ) -> Result<(), TempError> {
        let told = match self.teller.duplicate(record) {
            Ok(told) => told,
            Err(why) => {
                malformed(Lane::Duplicates, record, why, findings);
                return Ok(());
            }
        };
        write_place(told.place, pen.begin());
        pen.u8(DUPLICATE_ROW);
        write_place(spot(record), pen);
        pen.i64(told.original).u8(u8::from(told.key.is_some())).u128(told.key.unwrap_or_default());
        pen.u8(u8::from(told.event.is_some())).u64(told.event.unwrap_or_default());
        pen.u64(self.teller.digester.optional(record.key));
        pen.optional(record.timestamp.filter(|_| !record.has_append_time));
        rows.by_place.push(pen.row())?;
        push_order(Lane::Duplicates, spot(record), Some(told.place), &mut rows.by_order, pen)
    }

    fn dead(
        &self,
        record: &SeenRecord<'_>,
        rows: &mut Rows,
        findings: &mut Findings,
        pen: &mut Pen,
    ) -> Result<(), TempError> {
        let told = match self.teller.dead(record) {
            Ok(told) => told,
            Err(why) => {
                malformed(Lane::DeadLetter, record, why, findings);
                return Ok(());
            }
        };
        write_place(told.place, pen.begin());
        pen.u8(DEAD_ROW);
        write_place(spot(record), pen);
        pen.u8(told.stage.number()).u8(u8::from(told.is_stub));
        told.parts.write(pen);
        rows.by_place.push(pen.row())?;
        push_order(Lane::DeadLetter, spot(record), Some(told.place), &mut rows.by_order, pen)
    }
}

fn malformed(lane: Lane, record: &SeenRecord<'_>, why: String, findings: &mut Findings) {
    let violation = Violation::new(Kind::Malformed, "a record as the host writes it", why);
    findings.violation(violation.at(lane, spot(record)));
}

pub(crate) fn spot(record: &SeenRecord<'_>) -> Place {
    Place { partition: record.partition, offset: record.offset }
}

/// Rows of the same content are in this order: those of the two lanes first, then records of the input by how surely they
/// left by one of them.
pub(crate) fn rank_of(lane: Lane) -> u8 {
    u8::from(lane == Lane::Late)
}

/// A digest of all that must leave as it came.
pub(crate) fn content(digester: &Digester, parts: &Parts, timestamp: Option<i64>) -> u128 {
    let mut pen = Pen::default();
    Parts { timestamp, ..*parts }.write(&mut pen);
    digester.of(pen.row())
}

/// Notes where a record stands in a lane.
pub(crate) fn push_order(
    lane: Lane,
    spot: Place,
    origin: Option<Place>,
    rows: &mut Sorter,
    pen: &mut Pen,
) -> Result<(), TempError> {
    pen.begin().u8(number(lane));
    write_place(spot, pen);
    pen.u8(if origin.is_some() { KNOWN_ROW } else { FOREIGN_ROW });
    write_place(origin.unwrap_or(Place { partition: 0, offset: 0 }), pen);
    rows.push(pen.row())
}
