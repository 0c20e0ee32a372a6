//! Dates that begin with the year: RFC 3339, ISO 8601, and what databases and languages make of them.

use super::civil::Civil;
use super::text::Text;
use super::{Instant, NoInstant, zone};

/// The common form, and nothing else: `2026-01-01T12:00:00.5Z`, a space for the `T`, and the offset as `Z`, `+01:00`,
/// `+0100` or not at all. Other forms cost what they cost; this one must be cheap.
#[inline]
pub(super) fn rfc3339(text: &[u8]) -> Option<Instant> {
    let mut text = Text { rest: text };
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
    let nanos = text.fraction_nanos();
    let offset_seconds = match text.rest {
        [] | [b'Z' | b'z'] => 0,
        _ => zone::plain_offset(text)?,
    };
    Civil { year, month, day, hour, minute, second, nanos }.instant(offset_seconds).ok()
}

/// Whether a text begins with a year, a month and a day.
pub(super) fn is_date(text: &[u8]) -> bool {
    let text_of = Text { rest: text };
    match text_of.digits() {
        4 => matches!(text.get(4), Some(b'-' | b'/')),
        8 => true,
        _ => false,
    }
}

/// A date, and what may follow it.
pub(super) fn parse(text: &[u8]) -> Result<Instant, NoInstant> {
    let mut text = Text { rest: text };
    let mut civil = date(&mut text).ok_or(NoInstant::Unreadable)?;
    let has_time = match text.rest {
        [b'T' | b't' | b'_', ..] => text.one_of(b"Tt_").is_some(),
        [b' ', ..] => {
            text.skip_spaces();
            text.digits() > 0
        }
        _ => false,
    };
    if has_time {
        let time = text.time_of_day()?;
        (civil.hour, civil.minute, civil.second, civil.nanos) = (time.hour, time.minute, time.second, time.nanos);
    }
    civil.instant(zone::tail(text.rest)?)
}

/// `2026-01-01`, `2026/01/01` or `20260101`.
fn date(text: &mut Text<'_>) -> Option<Civil> {
    let year = text.number(4)?;
    let separator = text.one_of(b"-/");
    let month = text.number(2)?;
    if let Some(separator) = separator {
        text.one_of(&[separator])?;
    }
    let day = text.number(2)?;
    Some(Civil { year, month, day, ..Civil::default() })
}
