//! Times as instants, however they are written: for keys and scores in which `12:00:00Z` and `13:00:00.000+01:00` are one
//! time. Exact to the nanosecond, as two instants must be told apart. Not a calendar, and not the clock of a window: that
//! is the host's.

use crate::{Kind, Value};

/// Nanoseconds since the Unix epoch.
pub type Nanos = i128;

/// The instant that a value says.
///
/// A number, or a string that holds one, counts since the Unix epoch in seconds below 1e11, milliseconds below 1e14,
/// microseconds below 1e17, else nanoseconds. Other strings are dates with a time of day in RFC 3339 or in the looser
/// forms of ISO 8601: a space for the `T`, no seconds, no hyphens and colons, a comma before the fraction, and as the
/// offset `+01`, `+0100` or `+01:00`, `Z`, `UTC` or `GMT`, after a space or not; UTC where none is given. Digits below the
/// nanosecond are cut, and a leap second is the second after it, as in POSIX. Anything else is no time: impossible dates
/// and offsets, dates alone, words.
#[must_use]
pub fn instant(value: Value<'_>) -> Option<Nanos> {
    match value.kind {
        Kind::Number => since_epoch(value.text()?),
        Kind::String => date_time(value.bytes).or_else(|| since_epoch(value.text()?)),
        Kind::Absent | Kind::Null | Kind::Bool | Kind::Json | Kind::Bytes => None,
    }
}

/// The number's own digits are used: as a float, nanoseconds of our days would be off by a hundred.
fn since_epoch(text: &str) -> Option<Nanos> {
    let size: f64 = text.parse().ok()?;
    let (digits_to_nanos, unit_nanos) = match size.abs() {
        size if size < 1e11 => (9, 1e9),
        size if size < 1e14 => (6, 1e6),
        size if size < 1e17 => (3, 1e3),
        _ => (0, 1.0),
    };
    // Not a number is not below anything.
    let in_range = size.abs() * unit_nanos < 9e21;
    if !in_range || size == 0.0 {
        return in_range.then_some(0);
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let negative = mantissa.starts_with('-');
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches(['-', '+']);
    let count = i64::try_from(whole.len()).ok()? + exponent.parse::<i64>().ok()? + digits_to_nanos;
    let mut digits = whole.bytes().chain(fraction.bytes());
    let digit = |byte: Option<u8>| Nanos::from(byte.map_or(0, |byte| byte - b'0'));
    let nanos = (0..count).try_fold(0, |nanos: Nanos, _| nanos.checked_mul(10)?.checked_add(digit(digits.next())))?;
    let cut = digits.any(|byte| byte != b'0');
    // Time runs on below zero too: what is cut is the later part.
    Some(if negative { -nanos - Nanos::from(cut) } else { nanos })
}

fn date_time(value: &[u8]) -> Option<Nanos> {
    let mut text = Digits { rest: value };
    let year = text.number(4)?;
    let hyphens = text.skip(b"-");
    let month = text.number(2)?;
    if hyphens {
        text.one_of(b"-")?;
    }
    let day = text.number(2)?;
    text.one_of(b"Tt ")?;
    let seconds = text.seconds_of_day()?;
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let nanos = text.fraction_nanos()?;
    let seconds = days_from_civil(year, month, day) * 86_400 + seconds - text.offset_minutes()? * 60;
    Some(Nanos::from(seconds) * 1_000_000_000 + Nanos::from(nanos))
}

fn days_in(year: i64, month: i64) -> i64 {
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

    /// Whether this byte comes next; it is then passed over.
    fn skip(&mut self, accepted: &[u8]) -> bool {
        let found = self.rest.first().is_some_and(|first| accepted.contains(first));
        if found {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        found
    }

    /// `12:00:00`, `12:00`, `120000` or `1200`.
    fn seconds_of_day(&mut self) -> Option<i64> {
        let hour = self.number(2)?;
        let colons = self.skip(b":");
        let minute = self.number(2)?;
        let has_second = if colons { self.skip(b":") } else { self.rest.first().is_some_and(u8::is_ascii_digit) };
        let second = if has_second { self.number(2)? } else { 0 };
        (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3_600 + minute * 60 + second)
    }

    /// Nanoseconds of an optional fraction; further digits are cut.
    fn fraction_nanos(&mut self) -> Option<i64> {
        if !self.skip(b".,") {
            return Some(0);
        }
        let count = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (fraction, rest) = self.rest.split_at_checked(count).filter(|_| count > 0)?;
        self.rest = rest;
        let padded = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
        Some(padded.fold(0, |n, b| n * 10 + i64::from(b - b'0')))
    }

    /// Minutes east of UTC; nothing at all means UTC.
    fn offset_minutes(&mut self) -> Option<i64> {
        if self.rest.is_empty() {
            return Some(0);
        }
        let _spaced = self.skip(b" ");
        if [&b"Z"[..], b"UTC", b"GMT"].iter().any(|name| self.rest.eq_ignore_ascii_case(name)) {
            return Some(0);
        }
        let sign = self.one_of(b"+-")?;
        let hours = self.number(2)?;
        let minutes = if self.skip(b":") || !self.rest.is_empty() { self.number(2)? } else { 0 };
        let whole = self.rest.is_empty() && hours < 24 && minutes < 60;
        let east = hours * 60 + minutes;
        whole.then_some(if sign == b'-' { -east } else { east })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Nanos = 1_704_110_400_000_000_000;

    fn number(text: &str) -> Option<Nanos> {
        instant(Value::new(Kind::Number, text))
    }

    fn string(text: &str) -> Option<Nanos> {
        instant(Value::new(Kind::String, text))
    }

    #[test]
    fn spellings_of_one_instant() {
        for text in [
            "2024-01-01T12:00:00Z",
            "2024-01-01t12:00:00.000z",
            "2024-01-01 12:00:00",
            "2024-01-01T14:00:00+02:00",
            "2024-01-01T06:30:00-0530",
            "2024-01-01T12:00:00,0Z",
            "1704110400",
            "1704110400000",
            "1704110400000000",
            "1704110400000000000",
            "1704110400.000",
            "1.7041104e9",
            "+17041104E2",
            "0001704110400",
            "2024-01-01T12:00Z",
            "2024-01-01 12:00:00+00",
            "2024-01-01 12:00:00 UTC",
            "2024-01-01 12:00:00.000 +0000",
            "2024-01-01T07:00:00-05",
            "20240101T120000Z",
            "20240101T120000.000+0000",
            "20240101T1200Z",
        ] {
            assert_eq!(string(text), Some(NOON), "{text}");
        }
        assert_eq!(number("1704110400"), Some(NOON));
        assert_eq!(number("1.7041104e12"), Some(NOON));
    }

    #[test]
    fn nanoseconds_tell_instants_apart() {
        assert_eq!(string("2024-01-01T12:00:00.000000001Z"), Some(NOON + 1));
        assert_eq!(number("1704110400000000001"), Some(NOON + 1));
        assert_eq!(number("1704110400.000000001"), Some(NOON + 1));
        assert_eq!(number("1704110400000.000001"), Some(NOON + 1));
        assert_eq!(number("1704110400000000.001"), Some(NOON + 1));
        assert_eq!(string("2024-01-01T12:00:00.0000000009Z"), Some(NOON), "below a nanosecond digits are cut");
        assert_eq!(number("1704110400.0000000009"), Some(NOON));
    }

    #[test]
    fn before_the_epoch() {
        assert_eq!(string("1969-12-31T23:59:59.5Z"), Some(-500_000_000));
        assert_eq!(number("-0.5"), Some(-500_000_000));
        assert_eq!(number("-5e-1"), Some(-500_000_000));
        assert_eq!(number("-0.0000000005"), string("1969-12-31T23:59:59.9999999995Z"));
        assert_eq!(number("-0"), Some(0));
        assert_eq!(number("0e99999999999999999999"), Some(0));
        assert_eq!(number("1e-300"), Some(0));
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "yesterday",
            "2021-13-01T00:00:00Z",
            "2021-02-29T00:00:00Z",
            "2021-02-30T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2021-04-31T00:00:00Z",
            "2021-07-00T00:00:00Z",
            "2021-07-21T24:00:00Z",
            "2021-07-21T00:60:00Z",
            "2021-07-21T00:00:61Z",
            "2021-07-21T00:00:01Q",
            "2021-07-21T00:00:01.Z",
            "2021-07-21T00:00:01+99:00",
            "2021-07-21T00:00:01+00:60",
            "2021-07-21T00:00:01+1",
            "2021-07-21T00:00:01+",
            "2021-07-21T00:00:01 ",
            "2021-07-21T00:00:01Z ",
            " 2021-07-21T00:00:01Z",
            "2021-07-21T00:00:01+01:00x",
            "2021-07-21",
            "nan",
            "inf",
            "1e30",
        ] {
            assert_eq!(string(text), None, "{text}");
        }
        assert_eq!(instant(Value::NULL), None);
        assert_eq!(instant(Value::ABSENT), None);
        assert_eq!(instant(Value::new(Kind::Bool, "true")), None);
        assert_eq!(instant(Value::new(Kind::Json, "[1]")), None);
    }

    #[test]
    fn leap_days_and_leap_seconds() {
        let day = 86_400_000_000_000;
        assert_eq!(string("2024-03-01T12:00:00Z").unwrap() - string("2024-02-29T12:00:00Z").unwrap(), day);
        assert_eq!(string("2000-03-01T12:00:00Z").unwrap() - string("2000-02-29T12:00:00Z").unwrap(), day);
        assert_eq!(string("2016-12-31T23:59:60Z"), string("2017-01-01T00:00:00Z"));
    }
}
