//! Times as instants, however they are written. What counts as a time is what the host takes for an event's time; other
//! than the host this goes to nanoseconds, as it must tell two instants apart.

use dedup_plugin::{Kind, Value};

/// Nanoseconds since the Unix epoch.
type Nanos = i128;

/// Whether both are times, and the same one.
pub(crate) fn same_instant(left: Value<'_>, right: Value<'_>) -> bool {
    matches!((instant(left), instant(right)), (Some(left), Some(right)) if left == right)
}

/// The instant that a value says.
///
/// A number, or a string that holds one, counts since the Unix epoch in seconds below 1e11, milliseconds below 1e14,
/// microseconds below 1e17, else nanoseconds. Other strings are read by [`dedup_plugin::written::parse`], as the host does. Digits
/// below the nanosecond are cut. Anything else is no time.
fn instant(value: Value<'_>) -> Option<Nanos> {
    match value.kind {
        Kind::Number => since_epoch(value.text()?),
        Kind::String => since_epoch(value.text()?).or_else(|| written(value.bytes)),
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

fn written(value: &[u8]) -> Option<Nanos> {
    let instant = dedup_plugin::written::parse(value).ok()?;
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
            "2024-01-01 12:00:00+00",
            "2024-01-01 12:00:00 UTC",
            "20240101T120000Z",
            "Mon, 01 Jan 2024 12:00:00 GMT",
            "1704110400",
            "1704110400000",
            "1704110400000000",
            "1704110400000000000",
            "1704110400.000",
            "1.7041104e9",
            "+17041104E2",
            "0001704110400",
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
            "2021-02-30T00:00:00Z",
            "2021-07-21T00:00:01Q",
            "nan",
            "inf",
            "1e30",
        ] {
            assert_eq!(string(text), None, "{text}");
        }
        assert_eq!(instant(Value::NULL), None);
        assert_eq!(instant(Value::new(Kind::Bool, "true")), None);
        assert!(!same_instant(Value::new(Kind::String, "soon"), Value::new(Kind::String, "soon")));
    }
}
