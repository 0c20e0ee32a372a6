//! Times as instants, however they are written: for keys and scores in which `12:00:00Z` and `13:00:00.000+01:00` are one
//! time. Exact to the nanosecond, as two instants must be told apart. Not a calendar, and not the clock of a window: that
//! is the host's.

use crate::{Kind, Value};

/// Nanoseconds since the Unix epoch.
pub type Nanos = i128;

/// The instant that a value says.
///
/// A number, or a string that holds one, counts since the Unix epoch in seconds below 1e11, milliseconds below 1e14,
/// microseconds below 1e17, else nanoseconds. Other strings are read by [`crate::written::parse`], as the host reads event
/// times. Digits below the nanosecond are cut. Anything else is no time.
#[must_use]
pub fn instant(value: Value<'_>) -> Option<Nanos> {
    match value.kind {
        Kind::Number => since_epoch(value.bytes),
        Kind::String => since_epoch(value.bytes).or_else(|| written(value.bytes)),
        Kind::Absent | Kind::Null | Kind::Bool | Kind::Json | Kind::Bytes => None,
    }
}

/// By the number's own digits: as a float, nanoseconds of our days would be off by a hundred, and the code that reads
/// floats is a fifth of a small plugin.
fn since_epoch(text: &[u8]) -> Option<Nanos> {
    let number = Decimal::read(text)?;
    let Some(magnitude) = number.magnitude() else { return Some(0) };
    let (digits_to_nanos, nanos_digits) = match magnitude {
        ..=11 => (9, magnitude + 9),
        12..=14 => (6, magnitude + 6),
        15..=17 => (3, magnitude + 3),
        18.. => (0, magnitude),
    };
    if nanos_digits > NANOS_DIGITS_MAX {
        return None;
    }
    let mut digits = number.digits();
    let digit = |byte: Option<u8>| Nanos::from(byte.map_or(0, |byte| byte - b'0'));
    let count = number.point() + digits_to_nanos;
    let nanos = (0..count).fold(0, |nanos: Nanos, _| nanos * 10 + digit(digits.next()));
    let cut = digits.any(|byte| byte != b'0');
    // Time runs on below zero too: what is cut is the later part.
    Some(if number.negative { -nanos - Nanos::from(cut) } else { nanos })
}

/// Digits of nanoseconds since the epoch: 300,000 years to either side.
const NANOS_DIGITS_MAX: i64 = 22;

/// Digits of an exponent that are read. A number whose exponent has more is no time, unless it is 0.
const EXPONENT_DIGITS_MAX: usize = 6;

/// A number as it is written.
struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Decimal<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let mut rest = text;
        let sign = rest.split_off_first_of(b"+-");
        let whole = rest.split_off_digits();
        let fraction = if rest.split_off_first_of(b".").is_some() { rest.split_off_digits() } else { &[] };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut exponent = 0;
        if rest.split_off_first_of(b"eE").is_some() {
            let sign = rest.split_off_first_of(b"+-");
            let digits = rest.split_off_digits();
            if digits.is_empty() {
                return None;
            }
            let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
            let short = digits.iter().skip(zeros).take(EXPONENT_DIGITS_MAX + 1);
            exponent = short.fold(0, |exponent, digit| exponent * 10 + i64::from(digit - b'0'));
            exponent = if sign == Some(b'-') { -exponent } else { exponent };
        }
        rest.is_empty().then_some(Self { negative: sign == Some(b'-'), whole, fraction, exponent })
    }

    fn digits(&self) -> impl Iterator<Item = u8> + use<'a> {
        self.whole.iter().chain(self.fraction).copied()
    }

    /// How many of the digits stand before the point.
    fn point(&self) -> i64 {
        (self.whole.len() as i64).saturating_add(self.exponent)
    }

    /// How many digits the number has before the point, from the first that is not 0; negative where zeros follow the
    /// point. `None` is 0.
    fn magnitude(&self) -> Option<i64> {
        let zeros = self.digits().position(|digit| digit != b'0')?;
        Some(self.point() - zeros as i64)
    }
}

trait SplitOff<'a> {
    fn split_off_first_of(&mut self, accepted: &[u8]) -> Option<u8>;
    fn split_off_digits(&mut self) -> &'a [u8];
}

impl<'a> SplitOff<'a> for &'a [u8] {
    fn split_off_first_of(&mut self, accepted: &[u8]) -> Option<u8> {
        let (first, rest) = self.split_first().filter(|(first, _)| accepted.contains(first))?;
        *self = rest;
        Some(*first)
    }

    fn split_off_digits(&mut self) -> &'a [u8] {
        let count = self.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.split_at_checked(count).unwrap_or((&[], *self));
        *self = rest;
        digits
    }
}

fn written(value: &[u8]) -> Option<Nanos> {
    let instant = crate::written::parse(value).ok()?;
    Some(Nanos::from(instant.seconds) * 1_000_000_000 + Nanos::from(instant.nanos))
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
    fn units_change_at_powers_of_ten() {
        assert_eq!(number("99999999999"), Some(99_999_999_999_000_000_000));
        assert_eq!(number("100000000000"), Some(100_000_000_000_000_000));
        assert_eq!(number("99999999999999"), Some(99_999_999_999_999_000_000));
        assert_eq!(number("100000000000000"), Some(100_000_000_000_000_000));
        assert_eq!(number("99999999999999999"), Some(99_999_999_999_999_999_000));
        assert_eq!(number("100000000000000000"), Some(100_000_000_000_000_000));
        assert_eq!(number("9999999999999999999999"), Some(9_999_999_999_999_999_999_999));
        assert_eq!(number("10000000000000000000000"), None);
        assert_eq!(number("0.00000000000000000001e31"), number("100000000000"));
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
        assert_eq!(number("1e-99999999999999999999"), Some(0));
        assert_eq!(number("-1e-300"), Some(-1));
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
            "2021-07-21T00:00:01+99:00",
            "2021-07-21T00:00:01+00:60",
            "2021-07-21T00:00:01+1",
            "2021-07-21T00:00:01+",
            "2021-07-21T00:00:01+01:00x",
            "nan",
            "inf",
            "1e30",
            "1e99999999999999999999",
            "1e",
            "e1",
            ".",
            "+",
            "1.5x",
            "0x10",
            "1_000",
            "--1",
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
