//! Event time and the watermark of one partition: a fold over its records. Never the clock of the machine.

use crate::fields::Kind;
use crate::record::{Millis, Offset};

/// How a partition's clock follows the times of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockRules {
    /// The watermark stays this far behind the highest event time, in milliseconds.
    pub out_of_orderness_max: Millis,
    /// A time further ahead of the clock than this does not move it, unless [`JUMP_CONFIRMATIONS`] records in a row
    /// agree. One bad clock would otherwise make every other event late.
    pub jump_max: Millis,
}

/// Records in a row that must lie beyond `jump_max` before the clock believes them: after an idle night all records do,
/// while a producer with a bad clock seldom fills a partition alone.
pub const JUMP_CONFIRMATIONS: u32 = 64;

/// The clock of one partition. It depends on the records before an offset alone, so a replay finds the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// Highest event time believed.
    highest: Option<Millis>,
    /// Records in a row that lay too far ahead, and the lowest time among them.
    ahead: u32,
    ahead_lowest: Millis,
    /// The next offset the clock has not seen. Records before it are being read again and move nothing.
    next_offset: Offset,
}

/// Length of [`Clock::encode`].
const ENCODED_BYTES: usize = 29;

impl Clock {
    /// Takes in the record at `offset`. Offsets already seen change nothing.
    pub fn observe(&mut self, offset: Offset, time: Option<Millis>, rules: &ClockRules) {
        if self.has_seen(offset) {
            return;
        }
        self.next_offset = offset.saturating_add(1);
        let Some(time) = time else { return };
        match self.highest {
            Some(highest) if time <= highest.saturating_add(rules.jump_max) => {
                self.highest = Some(highest.max(time));
                self.ahead = 0;
            }
            Some(_) | None => self.observe_far_ahead(time),
        }
    }

    fn observe_far_ahead(&mut self, time: Millis) {
        self.ahead_lowest = if self.ahead == 0 { time } else { self.ahead_lowest.min(time) };
        self.ahead += 1;
        if self.ahead >= JUMP_CONFIRMATIONS {
            self.highest = Some(self.ahead_lowest);
            self.ahead = 0;
        }
    }

    /// Whether the record at `offset` was taken in before: it is being replayed.
    #[must_use]
    pub fn has_seen(&self, offset: Offset) -> bool {
        offset < self.next_offset
    }

    /// No event is expected to be older than this; `None` until the clock has a time it believes.
    #[must_use]
    pub fn watermark(&self, rules: &ClockRules) -> Option<Millis> {
        self.highest.map(|highest| highest.saturating_sub(rules.out_of_orderness_max))
    }

    /// The time to use for an event that has none.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.highest.unwrap_or(0)
    }

    /// The clock as bytes, to be stored with the state it belongs to.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ENCODED_BYTES);
        bytes.push(u8::from(self.highest.is_some()));
        bytes.extend_from_slice(&self.now().to_le_bytes());
        bytes.extend_from_slice(&self.ahead.to_le_bytes());
        bytes.extend_from_slice(&self.ahead_lowest.to_le_bytes());
        bytes.extend_from_slice(&self.next_offset.to_le_bytes());
        bytes
    }

    /// The clock from [`Clock::encode`]; `None` if the bytes are not such.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != ENCODED_BYTES {
            return None;
        }
        let (flag, rest) = bytes.split_first()?;
        let (highest, rest) = rest.split_first_chunk::<8>()?;
        let (ahead, rest) = rest.split_first_chunk::<4>()?;
        let (ahead_lowest, rest) = rest.split_first_chunk::<8>()?;
        let (next_offset, _) = rest.split_first_chunk::<8>()?;
        Some(Self {
            highest: (*flag != 0).then(|| Millis::from_le_bytes(*highest)),
            ahead: u32::from_le_bytes(*ahead),
            ahead_lowest: Millis::from_le_bytes(*ahead_lowest),
            next_offset: Offset::from_le_bytes(*next_offset),
        })
    }
}

/// The event time that a payload's field says, in milliseconds.
///
/// A number, or a string that holds one, counts since the Unix epoch in seconds below 1e11, milliseconds below 1e14,
/// microseconds below 1e17, else nanoseconds (by magnitude: 1e11 seconds is the year 5138, 1e11 milliseconds is 1973).
/// Other strings are RFC 3339, the `T` optional, UTC where no offset is given. Anything else is no time.
#[must_use]
pub fn parse_event_time(kind: Kind, value: &[u8]) -> Option<Millis> {
    match kind {
        Kind::Number => parse_epoch(value),
        Kind::String => parse_epoch(value).or_else(|| parse_rfc3339(value)),
        Kind::Absent | Kind::Null | Kind::Bool | Kind::Json | Kind::Bytes => None,
    }
}

fn parse_epoch(value: &[u8]) -> Option<Millis> {
    let number: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    if !number.is_finite() {
        return None;
    }
    let millis = match number.abs() {
        n if n < 1e11 => number * 1e3,
        n if n < 1e14 => number,
        n if n < 1e17 => number / 1e3,
        _ => number / 1e6,
    };
    (millis.abs() < 9e15).then_some(millis.round() as Millis)
}

fn parse_rfc3339(value: &[u8]) -> Option<Millis> {
    let mut text = Digits { rest: value };
    let year = text.number(4)?;
    text.one_of(b"-")?;
    let month = text.number(2)?;
    text.one_of(b"-")?;
    let day = text.number(2)?;
    text.one_of(b"Tt ")?;
    let hour = text.number(2)?;
    text.one_of(b":")?;
    let minute = text.number(2)?;
    text.one_of(b":")?;
    let second = text.number(2)?;
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !in_range {
        return None;
    }
    let millis = text.fraction_millis();
    let offset_minutes = text.offset_minutes()?;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + (minute - offset_minutes) * 60 + second;
    Some(seconds * 1_000 + millis)
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

struct Digits<'a> {
    rest: &'a [u8],
}

impl Digits<'_> {
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (head, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        head.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    }

    fn one_of(&mut self, accepted: &[u8]) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        accepted.contains(first).then_some(*first)
    }

    /// Milliseconds of an optional fraction; further digits are cut.
    fn fraction_millis(&mut self) -> i64 {
        let [b'.' | b',', digits @ ..] = self.rest else { return 0 };
        let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
        let (fraction, rest) = digits.split_at(count);
        self.rest = rest;
        let padded = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(3);
        padded.fold(0, |n, b| n * 10 + i64::from(b - b'0'))
    }

    /// Minutes east of UTC; nothing at all means UTC.
    fn offset_minutes(&mut self) -> Option<i64> {
        if self.rest.is_empty() {
            return Some(0);
        }
        let sign = self.one_of(b"Zz+-")?;
        if matches!(sign, b'Z' | b'z') {
            return self.rest.is_empty().then_some(0);
        }
        let hours = self.number(2)?;
        if self.rest.first() == Some(&b':') {
            self.one_of(b":")?;
        }
        let minutes = hours * 60 + self.number(2)?;
        let minutes = if sign == b'-' { -minutes } else { minutes };
        self.rest.is_empty().then_some(minutes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: ClockRules = ClockRules { out_of_orderness_max: 10, jump_max: 1_000 };

    fn clock_after(times: &[Millis]) -> Clock {
        let mut clock = Clock::default();
        for (offset, time) in times.iter().enumerate() {
            clock.observe(offset as Offset, Some(*time), &RULES);
        }
        clock
    }

    fn steady(time: Millis) -> Vec<Millis> {
        vec![time; JUMP_CONFIRMATIONS as usize]
    }

    #[test]
    fn the_clock_starts_when_enough_records_agree() {
        let few = vec![5_000; JUMP_CONFIRMATIONS as usize - 1];
        assert_eq!(clock_after(&few).watermark(&RULES), None);
        assert_eq!(clock_after(&steady(5_000)).watermark(&RULES), Some(4_990));
    }

    #[test]
    fn one_bad_clock_moves_nothing() {
        let mut times = steady(5_000);
        times.extend([9_999_999, 5_001, 9_999_999, 5_500]);
        assert_eq!(clock_after(&times).watermark(&RULES), Some(5_490));
    }

    #[test]
    fn a_night_without_records_is_followed_once_confirmed() {
        let mut times = steady(5_000);
        times.extend(steady(90_000_000));
        assert_eq!(clock_after(&times).watermark(&RULES), Some(89_999_990));
    }

    #[test]
    fn records_read_again_do_not_count_twice() {
        let mut clock = clock_after(&steady(5_000));
        let before = clock;
        clock.observe(3, Some(5_900), &RULES);
        assert_eq!(clock, before);
    }

    #[test]
    fn a_clock_survives_its_encoding() {
        let clock = clock_after(&[steady(5_000), vec![999_999]].concat());
        assert_eq!(Clock::decode(&clock.encode()), Some(clock));
        assert_eq!(Clock::decode(&[1, 2]), None);
    }

    #[test]
    fn event_times_are_read_by_kind() {
        let check = |kind, text: &str| parse_event_time(kind, text.as_bytes());
        assert_eq!(check(Kind::String, "2021-07-21T00:00:01Z"), Some(1_626_825_601_000));
        assert_eq!(check(Kind::String, "2021-07-21 02:00:01.5+02:00"), Some(1_626_825_601_500));
        assert_eq!(check(Kind::String, "2021-07-21T00:00:01.123456"), Some(1_626_825_601_123));
        assert_eq!(check(Kind::String, "2000-02-29T00:00:00-0030"), Some(951_784_200_000));
        assert_eq!(check(Kind::Number, "1626825601"), Some(1_626_825_601_000));
        assert_eq!(check(Kind::Number, "1626825601000"), Some(1_626_825_601_000));
        assert_eq!(check(Kind::Number, "1626825601000000"), Some(1_626_825_601_000));
        assert_eq!(check(Kind::String, "1626825601"), Some(1_626_825_601_000));
        for wrong in ["", "yesterday", "2021-13-01T00:00:00Z", "2021-07-21T00:00:01Q", "nan", "inf"] {
            assert_eq!(check(Kind::String, wrong), None, "{wrong}");
        }
        assert_eq!(check(Kind::Null, "1626825601"), None);
    }
}
