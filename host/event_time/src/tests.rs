//! Texts and what they say.

use super::*;
use proptest::prelude::*;

const NOON: i64 = 1_767_268_800;

fn seconds(text: &str) -> Result<i64, NoInstant> {
    parse(text.as_bytes()).map(|instant| instant.seconds)
}

#[test]
fn noon_as_everybody_writes_it() {
    for text in [
        "2026-01-01T12:00:00Z",
        "2026-01-01t12:00:00z",
        "2026-01-01 12:00:00",
        "2026-01-01 12:00:00Z",
        "2026-01-01 12:00:00.000000",
        "2026-01-01 12:00:00.123456+00:00",
        "2026-01-01 12:00:00+00",
        "2026-01-01 12:00:00.5+00",
        "2026-01-01 17:30:00+05:30",
        "2026-01-01 09:00:00-03",
        "2026-01-01 12:00:00 UTC",
        "2026-01-01 12:00:00 utc",
        "2026-01-01 12:00:00 GMT",
        "2026-01-01 12:00:00 +0000",
        "2026-01-01 12:00:00 +00:00",
        "2026-01-01T12:00:00+0000",
        "2026-01-01 13:00:00 +0100 CET",
        "2026-01-01 12:00:00 +0000 UTC",
        "2026-01-01 12:00:00.999999999 +0000 UTC m=+0.000012345",
        "2026-01-01 05:00:00.999999999 -0700 MST",
        "2026-01-01 09:00:00 -0300 -03",
        "2026-01-01T12:00:00Z[UTC]",
        "2026-01-01T12:00Z",
        "2026-01-01T12:00Z[UTC]",
        "2026-01-01T12:00[UTC]",
        "2026-01-01T13:00+01:00[Europe/Paris]",
        "2026-01-01T13:00:00.5+01:00[Europe/Paris]",
        "20260101T120000Z",
        "20260101T1200Z",
        "20260101T120000,5Z",
        "20260101T130000+0100",
        "20260101T130000+01",
        "20260101 120000",
        "2026-01-01T120000Z",
        "2026-01-01 12:00:00,123",
        "2026-01-01T12:00:00,123Z",
        "2026-01-01T12:00",
        "2026/01/01 12:00:00",
        "2026-01-01_12:00:00",
        "  2026-01-01 12:00:00\n",
        "Thu, 01 Jan 2026 12:00:00 GMT",
        "Thu, 01 Jan 2026 12:00:00 +0000",
        "Thu, 1 Jan 2026 12:00 +0000",
        "1 Jan 2026 07:00:00 EST",
        "Thu, 01 Jan 2026 12:00:00 +0000 (UTC)",
        "Thu Jan  1 12:00:00 2026",
        "Thu Jan 01 12:00:00 2026",
        "Thu Jan  1 12:00:00 UTC 2026",
        "Thu Jan 01 04:00:00 PST 2026",
        "Thu Jan 01 12:00:00 +0000 2026",
        "Thu Jan 1 13:00:00 2026 +0100",
        "Thu Jan 01 2026 12:00:00 GMT+0000 (Coordinated Universal Time)",
        "Thu Jan 01 2026 13:00:00 GMT+0100 (Central European Standard Time)",
        "Thu Jan 01 2026 12:00:00 GMT",
        "Thu, 01 Jan 2026 13:00:00 UTC+1",
        "Jan 1, 2026 12:00:00",
        "January 1, 2026 12:00:00 UTC",
        "Jan  1 2026 12:00:00",
        "01-JAN-2026 12:00:00",
        "01/Jan/2026:12:00:00 +0000",
        "Thursday, 01 January 2026 12:00:00 UTC",
    ] {
        assert_eq!(seconds(text), Ok(NOON), "{text}");
    }
}

#[test]
fn dates_alone_are_their_midnight() {
    for text in ["2026-01-01", "2026/01/01", "2026-01-01Z", "2026-01-01+00:00", "Thu, 01 Jan 2026", "1 January 2026"] {
        assert_eq!(seconds(text), Ok(NOON - 43_200), "{text}");
    }
}

#[test]
fn fractions_reach_the_nanosecond() {
    let nanos = |text: &str| parse(text.as_bytes()).map(|instant| instant.nanos);
    assert_eq!(nanos("2026-01-01T12:00:00.5Z"), Ok(500_000_000));
    assert_eq!(nanos("2026-01-01 12:00:00,123456789 +0000"), Ok(123_456_789));
    assert_eq!(nanos("20260101T120000.0000000019Z"), Ok(1));
    assert_eq!(nanos("1969-12-31T23:59:59.25Z"), Ok(250_000_000));
}

#[test]
fn leap_days_and_leap_seconds() {
    assert_eq!(seconds("2024-02-29T00:00:00Z"), Ok(1_709_164_800));
    assert_eq!(seconds("2000-02-29T00:00:00Z"), Ok(951_782_400));
    assert_eq!(seconds("2016-12-31T23:59:60Z"), Ok(1_483_228_800));
    assert_eq!(seconds("2017-01-01T05:29:60+05:30"), Ok(1_483_228_800));
    for text in ["2016-12-31T23:58:60Z", "2016-12-31T12:30:60Z", "2016-12-31T23:59:61Z"] {
        assert_eq!(seconds(text), Err(NoInstant::ImpossibleDate), "{text}");
    }
}

#[test]
fn dates_that_no_calendar_has() {
    for text in [
        "2026-02-30T00:00:00Z",
        "2026-02-29",
        "1900-02-29T00:00:00Z",
        "2026-04-31 12:00:00",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "0000-00-00 00:00:00",
        "2026-01-01T24:00:00Z",
        "2026-01-01T12:60:00Z",
        "20260230T120000Z",
        "Mon, 30 Feb 2026 12:00:00 GMT",
        "Thu Jan 01 25:00:00 2026",
    ] {
        assert_eq!(seconds(text), Err(NoInstant::ImpossibleDate), "{text}");
    }
}

#[test]
fn zones_that_no_place_has() {
    for text in [
        "2026-01-01T12:00:00+99:00",
        "2026-01-01T12:00:00+24:00",
        "2026-01-01T12:00:00-0060",
        "2026-01-01 12:00:00 XYZ",
        "2026-01-01T12:00:00Q",
        "2026-01-01T12:00:00[Europe/Paris]",
        "Thu, 01 Jan 2026 12:00:00 +9900",
        "Thu Jan 01 12:00:00 CEST 2026",
    ] {
        assert_eq!(seconds(text), Err(NoInstant::ImpossibleZone), "{text}");
    }
}

#[test]
fn what_nobody_can_read_for_sure() {
    for text in [
        "",
        "yesterday",
        "now",
        "Thursday",
        "01/02/2026",
        "01/02/2026 12:00:00",
        "1/1/26",
        "Jan  1 12:00:00",
        "01-Jan-26 12:00:00",
        "2026",
        "2026-01",
        "2026-1-1",
        "2026-01-01T",
        "2026-01-01T12",
        "2026-01-01T12:00:0",
        "2026-01-01T12:00:00+2",
        "2026-01-01T12:00:00+02:00:00:00",
        "2026-01-01T12:00:00+02:00tail",
        "2026-01-01T12:00:00 +02:00 a tail",
        "2026-01/01",
        "Thu, 01 Jan 2026 12:00:00 GMT 2026",
        "Thu, 01 Jan 2026 12:00:00 12:00:00",
        "12:00:00",
        "infinity",
        "\u{665}",
    ] {
        assert_eq!(seconds(text), Err(NoInstant::Unreadable), "{text}");
    }
}

/// A day long ago, now or far ahead, as the calendar has it.
fn days() -> impl Strategy<Value = (i64, i64, i64)> {
    (0_i64..=9_999, 1_i64..=12, 1_i64..=28)
}

proptest! {
    #![proptest_config(cases::cases(256))]

    #[test]
    fn any_bytes_are_an_instant_or_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn any_text_of_dates_letters_is_an_instant_or_a_reason(text in "[0-9:+TZ/., \\-\\[\\]()JanUTCGMm=]{0,60}") {
        let _ = parse(text.as_bytes());
    }

    #[test]
    fn the_quick_way_and_the_others_agree((year, month, day) in days(), of_day in 0_i64..86_400, zone in -1_439_i64..=1_439) {
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        let (sign, east) = (if zone < 0 { '-' } else { '+' }, zone.abs());
        let offset = format!("{sign}{:02}:{:02}", east / 60, east % 60);
        let quick = parse(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{offset}").as_bytes());
        prop_assert!(quick.is_ok());
        let basic = format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}{offset}");
        prop_assert_eq!(parse(basic.as_bytes()), quick);
        let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month as usize - 1];
        let mail = format!("{day:02} {name} {year:04} {hour:02}:{minute:02}:{second:02} {offset}");
        prop_assert_eq!(parse(mail.as_bytes()), quick);
    }
}
