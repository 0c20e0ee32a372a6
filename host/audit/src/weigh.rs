//! Puts each record beside what its keys come to, and both where records of the same content meet those of the lanes. Not
//! what is made of it there.

use crate::digest::Digester;
use crate::error::AuditError;
use crate::expected::{Lawful, Ways};
use crate::facts::{Facts, Place};
use crate::join::RECORD_ROW;
use crate::joined::{Joined, Marks, Met, read_place};
use crate::passes::content;
use crate::row::{Eye, Pen};
use crate::sorted::{Sorted, Sorter, TempError};

/// Ranks of records of the same content, behind those of lanes: who leaves by the output, who is late, who may do either, who
/// does neither, and who has left by a lane that names records.
pub(crate) const OUTPUT_RANK: u8 = 2;
pub(crate) const LATE_RANK: u8 = 3;
pub(crate) const EITHER_RANK: u8 = 4;
pub(crate) const NEITHER_RANK: u8 = 5;
pub(crate) const ACCOUNTED_RANK: u8 = 6;

/// See the module.
pub(crate) struct Weigh<'a> {
    pub(crate) lawful: &'a Lawful<'a>,
    pub(crate) digester: &'a Digester,
    /// Whether lanes keep the times of records.
    pub(crate) keeps_times: bool,
    pub(crate) contents: &'a mut Sorter,
}

impl Weigh<'_> {
    pub(crate) fn run(&mut self, rows: &mut Sorted) -> Result<(), AuditError> {
        let (mut pen, mut current): (Pen, Option<Joined>) = (Pen::default(), None);
        while let Some(row) = rows.next()? {
            let mut eye = Eye(row);
            let (place, kind) = (read_place(&mut eye), eye.u8());
            if kind == RECORD_ROW {
                self.finish(current.take(), &mut pen)?;
                current = Some(record(place, &mut eye));
            } else if let Some(current) = current.as_mut().filter(|current| current.place == place) {
                let (index, met) = (eye.u16(), Met::read(&mut eye));
                current.met = if index == 0 { met } else { current.met.and(met) };
            }
        }
        Ok(self.finish(current, &mut pen)?)
    }

    fn finish(&mut self, current: Option<Joined>, pen: &mut Pen) -> Result<(), TempError> {
        let Some(current) = current else { return Ok(()) };
        let timestamp = current.facts.parts.timestamp.filter(|_| self.keeps_times);
        let content = content(self.digester, &current.facts.parts, timestamp);
        pen.begin().u128(content).u8(self.rank(&current));
        current.write(pen);
        self.contents.push(pen.row())
    }

    fn rank(&self, record: &Joined) -> u8 {
        let ways = self.lawful.expected(record).all();
        match (ways.has(Ways::OUTPUT), ways.has(Ways::LATE), ways.has(Ways::DUPLICATES.or(Ways::NOWHERE))) {
            _ if record.marks.is_accounted() => ACCOUNTED_RANK,
            (true, false, false) => OUTPUT_RANK,
            (false, true, false) => LATE_RANK,
            (false, false, _) => NEITHER_RANK,
            _ => EITHER_RANK,
        }
    }
}

fn record(place: Place, eye: &mut Eye<'_>) -> Joined {
    Joined { place, facts: Facts::read(eye), marks: Marks::read(eye), met: Met::Nothing }
}
