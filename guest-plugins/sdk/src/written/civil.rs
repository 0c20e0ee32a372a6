//! From a date and a time of day to an instant. Not how they are written.

use super::{Instant, NoInstant};

/// A date and a time of day as they stand in a text, unchecked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) nanos: u32,
}

impl Civil {
    /// The instant, for a clock that is so many seconds east of UTC.
    pub(super) fn instant(&self, offset_seconds: i64) -> Result<Instant, NoInstant> {
        let Self { year, month, day, hour, minute, second, nanos } = *self;
        let is_date = (1..=12).contains(&month) && day >= 1 && (day <= 28 || day <= days_in_month(year, month));
        let is_time = hour < 24 && minute < 60 && (second < 60 || second == 60 && self.may_leap(offset_seconds));
        if !is_date || !is_time {
            return Err(NoInstant::ImpossibleDate);
        }
        let of_day = hour * 3_600 + minute * 60 + second - offset_seconds;
        Ok(Instant { seconds: days_from_civil(year, month, day) * 86_400 + of_day, nanos })
    }

    /// A leap second ends the last minute of an hour, here or in UTC: zones may be half an hour off.
    fn may_leap(&self, offset_seconds: i64) -> bool {
        self.minute == 59 || (self.minute - offset_seconds / 60).rem_euclid(60) == 59
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date
/// algorithms", `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}
