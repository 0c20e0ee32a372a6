//! Goes along each partition of each lane: records of one partition of the input keep their order in it. Of records that come
//! of nothing it says between which they stand.

use std::collections::BTreeMap;

use connectors::Lane;

use crate::error::AuditError;
use crate::facts::Place;
use crate::findings::{Findings, Kind, Violation};
use crate::joined::read_place;
use crate::passes::FOREIGN_ROW;
use crate::plan::Plan;
use crate::reading::number;
use crate::row::Eye;
use crate::sorted::Sorted;

/// Gaps that are kept.
const GAPS_MAX: usize = 10_000;

/// Where a record stands that comes of nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gap {
    pub(crate) lane: Lane,
    pub(crate) spot: Place,
    /// Records of the input that the nearest ones in the lane come of.
    before: Option<Place>,
    after: Option<Place>,
}

impl Gap {
    /// Whether a record of the input could have stood there.
    pub(crate) fn holds(&self, place: Place) -> bool {
        self.before.is_none_or(|before| before < place) && self.after.is_none_or(|after| place < after)
    }
}

/// Looks at every lane.
pub(crate) fn look(rows: &mut Sorted, plan: &Plan, findings: &mut Findings) -> Result<Vec<Gap>, AuditError> {
    let (mut of, mut gaps, mut open) = (None, Vec::new(), 0);
    let (mut last, mut before): (BTreeMap<i32, i64>, Option<Place>) = (BTreeMap::new(), None);
    while let Some(row) = rows.next()? {
        let mut eye = Eye(row);
        let lane = eye.u8();
        let (spot, kind, origin) = (read_place(&mut eye), eye.u8(), read_place(&mut eye));
        let Some(lane) = Lane::ALL.into_iter().find(|other| number(*other) == lane) else { continue };
        if of.replace((lane, spot.partition)) != Some((lane, spot.partition)) {
            (last, before, open) = (BTreeMap::new(), None, gaps.len());
        }
        if kind == FOREIGN_ROW {
            if gaps.len() < GAPS_MAX {
                gaps.push(Gap { lane, spot, before, after: None });
            }
            continue;
        }
        gaps.iter_mut().skip(open).for_each(|gap| gap.after = Some(origin));
        (open, before) = (gaps.len(), Some(origin));
        let earlier = last.insert(origin.partition, origin.offset);
        if let Some(earlier) = earlier.filter(|earlier| *earlier > origin.offset) {
            if plan.is_judged(origin) {
                let found = format!("it stands behind the record that comes of offset {earlier}");
                let violation = Violation::new(Kind::Order, "the order of the input's partition", found);
                findings.violation(violation.of(origin).at(lane, spot));
            }
            last.insert(origin.partition, earlier);
        }
    }
    Ok(gaps)
}
