//! The time of one event, or why what should say it is of no use. Not the clock that is made of many.

use event_time::{Instant, NoInstant};

use super::ClockRules;
use crate::fields::Kind;
use crate::record::Millis;

/// Times are taken for such to the year 287,396: beyond, milliseconds are something else.
const MILLIS_MAX: i64 = 9_000_000_000_000_000;

/// What the payload says of an event's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTime {
    /// The time to go by; `None`: the event has none.
    pub time: Option<Millis>,
    /// Why the payload's own was not taken.
    pub unusable: Option<Unusable>,
}

/// Why what should be an event's time is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unusable {
    /// There is nothing there, or null.
    Absent,
    /// It is neither a string nor a number.
    NotText,
    /// It is in no notation that is understood.
    Unreadable,
    /// A date or a time of day that no calendar or clock has.
    ImpossibleDate,
    /// An offset of a day or more, or a zone whose name says no offset.
    ImpossibleZone,
    /// A number too large to be a time.
    OutOfRange,
    /// It is further ahead of the record's own timestamp than a clock that is right can be.
    Ahead,
}

impl Unusable {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Absent,
        Self::NotText,
        Self::Unreadable,
        Self::ImpossibleDate,
        Self::ImpossibleZone,
        Self::OutOfRange,
        Self::Ahead,
    ];

    /// One word, for metrics and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::NotText => "not_text",
            Self::Unreadable => "unreadable",
            Self::ImpossibleDate => "impossible_date",
            Self::ImpossibleZone => "impossible_zone",
            Self::OutOfRange => "out_of_range",
            Self::Ahead => "ahead",
        }
    }

    /// What is wrong with it, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Absent => "there is no value at that place",
            Self::NotText => "it is neither a string nor a number",
            Self::Unreadable => "it is in no notation of time that is understood",
            Self::ImpossibleDate => "no calendar has such a date, or no clock such a time",
            Self::ImpossibleZone => "no time zone has such an offset, or its name does not say one",
            Self::OutOfRange => "the number is too large to be a time",
            Self::Ahead => "it is further ahead of the record's timestamp than --max-time-jump allows",
        }
    }
}

impl From<NoInstant> for Unusable {
    fn from(no: NoInstant) -> Self {
        match no {
            NoInstant::Unreadable => Self::Unreadable,
            NoInstant::ImpossibleDate => Self::ImpossibleDate,
            NoInstant::ImpossibleZone => Self::ImpossibleZone,
        }
    }
}

/// A record's own timestamp, if it is one: Kafka has -1 where there is none, and clients write 0 for the same.
#[must_use]
pub fn record_time(timestamp: Option<Millis>) -> Option<Millis> {
    timestamp.filter(|timestamp| (1..MILLIS_MAX).contains(timestamp))
}

/// The time of an event whose payload has one, or should: the payload's where it is of use, else the record's.
///
/// A time further ahead of the record's timestamp than [`ClockRules::jump_max`] is a bad clock's: whoever wrote the
/// record had a clock too, and an event is not recorded before it happens. It may be as far behind as it likes.
#[must_use]
pub fn event_time(kind: Kind, value: &[u8], timestamp: Option<Millis>, rules: &ClockRules) -> EventTime {
    let record = record_time(timestamp);
    let bound = record.map_or(Millis::MAX, |record| record.saturating_add(rules.jump_max));
    match parse_event_time(kind, value) {
        Ok(time) if time <= bound => EventTime { time: Some(time), unusable: None },
        Ok(_) => EventTime { time: record, unusable: Some(Unusable::Ahead) },
        Err(unusable) => EventTime { time: record, unusable: Some(unusable) },
    }
}

/// The event time that a payload's field says, in milliseconds.
///
/// A number, or a string that holds one, counts since the Unix epoch in seconds below 1e11, milliseconds below 1e14,
/// microseconds below 1e17, else nanoseconds (by magnitude: 1e11 seconds is the year 5138, 1e11 milliseconds is 1973).
/// Other strings are read by [`event_time::parse`].
///
/// # Errors
/// Why it says no time.
pub fn parse_event_time(kind: Kind, value: &[u8]) -> Result<Millis, Unusable> {
    match kind {
        Kind::Number => parse_epoch(value).unwrap_or(Err(Unusable::Unreadable)),
        Kind::String => parse_epoch(value).unwrap_or_else(|| parse_text(value)),
        Kind::Absent | Kind::Null => Err(Unusable::Absent),
        Kind::Bool | Kind::Json | Kind::Bytes => Err(Unusable::NotText),
    }
}

fn parse_text(value: &[u8]) -> Result<Millis, Unusable> {
    let Instant { seconds, nanos } = event_time::parse(value)?;
    Ok(seconds * 1_000 + i64::from(nanos / 1_000_000))
}

/// `None` where it is not a number.
fn parse_epoch(value: &[u8]) -> Option<Result<Millis, Unusable>> {
    let number: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    // The words for infinity and for no number are no numbers.
    if !number.is_finite() && !value.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let millis = match number.abs() {
        n if n < 1e11 => number * 1e3,
        n if n < 1e14 => number,
        n if n < 1e17 => number / 1e3,
        _ => number / 1e6,
    };
    Some(if millis.abs() < MILLIS_MAX as f64 { Ok(millis.round() as Millis) } else { Err(Unusable::OutOfRange) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Millis = 1_767_268_800_000;
    const RULES: ClockRules = ClockRules { out_of_orderness_max: 10, jump_max: 1_000 };

    #[test]
    fn event_times_are_read_by_kind() {
        let check = |kind, text: &str| parse_event_time(kind, text.as_bytes());
        assert_eq!(check(Kind::String, "2021-07-21T00:00:01Z"), Ok(1_626_825_601_000));
        assert_eq!(check(Kind::String, "2021-07-21 02:00:01.5+02:00"), Ok(1_626_825_601_500));
        assert_eq!(check(Kind::String, "2021-07-21T00:00:01.123456"), Ok(1_626_825_601_123));
        assert_eq!(check(Kind::String, "2000-02-29T00:00:00-0030"), Ok(951_784_200_000));
        assert_eq!(check(Kind::String, "1969-12-31T23:59:59.5Z"), Ok(-500));
        assert_eq!(check(Kind::String, "2026-01-01 12:00:00+00"), Ok(NOON));
        assert_eq!(check(Kind::Number, "1626825601"), Ok(1_626_825_601_000));
        assert_eq!(check(Kind::Number, "1626825601000"), Ok(1_626_825_601_000));
        assert_eq!(check(Kind::Number, "1626825601000000"), Ok(1_626_825_601_000));
        assert_eq!(check(Kind::String, "1626825601"), Ok(1_626_825_601_000));
    }

    #[test]
    fn what_is_no_time_says_why() {
        let check = |kind, text: &str| parse_event_time(kind, text.as_bytes());
        for (text, why) in [
            ("", Unusable::Unreadable),
            ("yesterday", Unusable::Unreadable),
            ("nan", Unusable::Unreadable),
            ("inf", Unusable::Unreadable),
            ("1e999", Unusable::OutOfRange),
            ("1e30", Unusable::OutOfRange),
            ("2026-02-30T00:00:00Z", Unusable::ImpossibleDate),
            ("2026-01-01T00:00:00+99:00", Unusable::ImpossibleZone),
        ] {
            assert_eq!(check(Kind::String, text), Err(why), "{text}");
        }
        assert_eq!(check(Kind::Number, "1e30"), Err(Unusable::OutOfRange));
        assert_eq!(check(Kind::Null, "1626825601"), Err(Unusable::Absent));
        assert_eq!(check(Kind::Absent, ""), Err(Unusable::Absent));
        assert_eq!(check(Kind::Bool, "true"), Err(Unusable::NotText));
        assert_eq!(check(Kind::Json, "{}"), Err(Unusable::NotText));
    }

    #[test]
    fn the_records_own_timestamp_stands_in_and_bounds() {
        let check = |text: &str, timestamp| {
            let EventTime { time, unusable } = event_time(Kind::String, text.as_bytes(), timestamp, &RULES);
            (time, unusable)
        };
        let noon = "2026-01-01T12:00:00Z";
        assert_eq!(check(noon, None), (Some(NOON), None));
        assert_eq!(check(noon, Some(NOON - 1_000)), (Some(NOON), None));
        assert_eq!(check(noon, Some(NOON - 1_001)), (Some(NOON - 1_001), Some(Unusable::Ahead)));
        assert_eq!(check(noon, Some(NOON + 1_000_000_000)), (Some(NOON), None));
        assert_eq!(check("soon", Some(NOON)), (Some(NOON), Some(Unusable::Unreadable)));
        assert_eq!(check("soon", None), (None, Some(Unusable::Unreadable)));
        // A record without a timestamp bounds nothing.
        for none in [-1, 0, i64::MAX] {
            assert_eq!(check(noon, Some(none)), (Some(NOON), None));
            assert_eq!(check("soon", Some(none)), (None, Some(Unusable::Unreadable)));
        }
    }
}
