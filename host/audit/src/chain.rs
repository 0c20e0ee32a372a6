//! Goes along the events that share a key, in the order of the log: an event is a duplicate if and only if an earlier one
//! that was first is not older than the window. Told here once more from the documentation, and not the host's own rule.

use std::collections::{BTreeMap, VecDeque};

use crate::error::AuditError;
use crate::facts::{Certainty, Place, Time};
use crate::join::MET_ROW;
use crate::joined::{Met, write_place};
use crate::passes::Reach;
use crate::row::{Eye, Pen};
use crate::sorted::{Sorted, Sorter};

/// First events of one key that are kept in mind. Of more windows than these, the oldest have ended long ago.
const FIRST_MAX: usize = 1_024;

/// An event that was, or may have been, the first of a key.
#[derive(Debug, Clone, Copy)]
struct First {
    offset: i64,
    time: Time,
    is_sure: bool,
}

/// An event of the key.
struct Event {
    offset: i64,
    time: Time,
    participates: Certainty,
    claim: Option<i64>,
}

/// The firsts of one key in one partition.
struct Chain {
    window: Option<i64>,
    reach: Reach,
    firsts: VecDeque<First>,
}

impl Chain {
    fn is_live(&self, first: &First, time: Time) -> Certainty {
        let is_live = match (self.window, first.time, time) {
            (None, _, _) => Certainty::Yes,
            (Some(_), Time::Unknown, _) | (Some(_), _, Time::Unknown) => Certainty::Unsure,
            (Some(_), Time::Never, _) | (Some(_), _, Time::Never) => Certainty::Yes,
            (Some(window), Time::At(first), Time::At(time)) if first >= time.saturating_sub(window) => Certainty::Yes,
            (Some(_), Time::At(_), Time::At(_)) => Certainty::No,
        };
        if is_live == Certainty::Yes && !first.is_sure { Certainty::Unsure } else { is_live }
    }

    /// Whether nothing that could be live for an event at this time came before what was read.
    fn reaches(&self, time: Time) -> bool {
        match (self.reach, self.window, time) {
            (Reach::Whole, _, _) => true,
            (Reach::After(Some(latest)), Some(window), Time::At(time)) => time.saturating_sub(window) > latest,
            (Reach::After(_), _, _) => false,
        }
    }

    /// What an event meets; where it may be the first, it is kept in mind.
    fn next(&mut self, event: &Event) -> Met {
        let (mut sure, mut unsure, mut is_possible) = (None, None, false);
        for first in self.firsts.iter().filter(|first| first.offset < event.offset) {
            let live = self.is_live(first, event.time);
            match live {
                Certainty::Yes => sure = Some(first.offset),
                Certainty::Unsure => unsure = Some(first.offset),
                Certainty::No => {}
            }
            is_possible |= live != Certainty::No && event.claim == Some(first.offset);
        }
        let reaches = self.reaches(event.time);
        let met = match (sure, unsure) {
            (Some(offset), later) => {
                Met::Original { offset, is_sure: later.is_none_or(|later| later < offset), is_possible }
            }
            (None, Some(_)) => Met::Unsure { is_possible: is_possible || !reaches },
            (None, None) if reaches => Met::Nothing,
            (None, None) => Met::Unsure { is_possible: true },
        };
        let is_kept = self.firsts.back().is_some_and(|last| last.offset == event.offset);
        if sure.is_none() && !is_kept {
            let is_sure = met == Met::Nothing && event.participates == Certainty::Yes;
            self.firsts.push_back(First { offset: event.offset, time: event.time, is_sure });
            if self.firsts.len() > FIRST_MAX {
                self.firsts.pop_front();
            }
        }
        met
    }
}

/// Goes along all keys.
pub(crate) fn follow(
    rows: &mut Sorted,
    window: Option<i64>,
    reach: &BTreeMap<i32, Reach>,
    records: &mut Sorter,
) -> Result<(), AuditError> {
    let (mut of, mut pen) = (None, Pen::default());
    let mut chain = Chain { window, reach: Reach::Whole, firsts: VecDeque::new() };
    while let Some(row) = rows.next()? {
        let mut eye = Eye(row);
        let (partition, key, offset, index) = (eye.i32(), eye.u128(), eye.i64(), eye.u16());
        if of.replace((partition, key)) != Some((partition, key)) {
            chain.firsts.clear();
            chain.reach = reach.get(&partition).copied().unwrap_or(Reach::After(None));
        }
        let time = Time::read(&mut eye);
        let event = Event { offset, time, participates: Certainty::read(&mut eye), claim: eye.optional() };
        let met = chain.next(&event);
        write_place(Place { partition, offset }, pen.begin());
        pen.u8(MET_ROW).u16(index);
        met.write(&mut pen);
        records.push(pen.row())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(reach: Reach) -> Chain {
        Chain { window: Some(10), reach, firsts: VecDeque::new() }
    }

    fn event(offset: i64, time: Time) -> Event {
        Event { offset, time, participates: Certainty::Yes, claim: None }
    }

    fn original(offset: i64) -> Met {
        Met::Original { offset, is_sure: true, is_possible: false }
    }

    #[test]
    fn the_window_counts_from_the_first_and_begins_anew_behind_it() {
        let mut chain = chain(Reach::Whole);
        let met: Vec<Met> =
            [0, 10, 11, 21, 22, 5].iter().zip(0..).map(|(time, at)| chain.next(&event(at, Time::At(*time)))).collect();
        // The last one is older than the key's second window, which is live for it as for all that is not later.
        let expected = [Met::Nothing, original(0), Met::Nothing, original(2), Met::Nothing, original(4)];
        assert_eq!(met, expected);
    }

    #[test]
    fn without_a_time_an_event_is_live_for_ever_and_with_an_unknown_one_nobody_can_say() {
        let mut never = chain(Reach::Whole);
        assert_eq!(never.next(&event(0, Time::Never)), Met::Nothing);
        assert_eq!(never.next(&event(1, Time::At(1_000_000))), original(0));
        let mut unknown = chain(Reach::Whole);
        assert_eq!(unknown.next(&event(0, Time::Unknown)), Met::Nothing);
        assert_eq!(unknown.next(&event(1, Time::At(0))), Met::Unsure { is_possible: false });
        assert_eq!(unknown.next(&event(2, Time::At(1))), Met::Unsure { is_possible: false });
    }

    #[test]
    fn where_the_log_begins_later_a_first_event_is_sure_one_window_behind_it() {
        let mut chain = chain(Reach::After(Some(100)));
        assert_eq!(chain.next(&event(0, Time::At(110))), Met::Unsure { is_possible: true });
        assert_eq!(chain.next(&event(1, Time::At(111))), Met::Unsure { is_possible: false });
        assert_eq!(chain.next(&event(2, Time::At(140))), Met::Nothing);
        assert_eq!(chain.next(&event(3, Time::At(141))), original(2));
    }
}
