//! Offsets from UTC, and what stands where one may stand. No time zone database: a name that says no offset is none.

use super::NoInstant;
use super::text::Text;

/// Names that say an offset, in hours: of UTC, and of North America as RFC 2822 fixes them.
const NAMES: [(&[u8], i64); 12] = [
    (b"Z", 0),
    (b"UTC", 0),
    (b"GMT", 0),
    (b"UT", 0),
    (b"EST", -5),
    (b"EDT", -4),
    (b"CST", -6),
    (b"CDT", -5),
    (b"MST", -7),
    (b"MDT", -6),
    (b"PST", -8),
    (b"PDT", -7),
];

/// Seconds east of UTC of `+01:00` or `+0100`, which end the text.
pub(super) fn plain_offset(mut text: Text<'_>) -> Option<i64> {
    let sign = text.one_of(b"+-")?;
    let hours = text.number(2)?;
    let _colon = text.one_of(b":");
    let minutes = text.number(2)?;
    let in_range = text.rest.is_empty() && hours < 24 && minutes < 60;
    in_range.then_some(signed(sign, hours * 3_600 + minutes * 60))
}

fn signed(sign: u8, seconds: i64) -> i64 {
    if sign == b'-' { -seconds } else { seconds }
}

/// Seconds east of UTC by what follows a time of day, all of it.
pub(super) fn tail(text: &[u8]) -> Result<i64, NoInstant> {
    let (text, region) = without_remarks(text)?;
    let mut text = Text { rest: text };
    if text.rest.is_empty() {
        return region.map_or(Ok(0), named);
    }
    let seconds = zone(&mut text)?;
    // Go repeats an offset as the zone's abbreviation: `+0100 CET`, `-0300 -03`.
    let is_abbreviation = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b':');
    match text.rest {
        [] => Ok(seconds),
        [b' ', rest @ ..] if rest.len() <= ABBREVIATION_BYTES_MAX && rest.iter().all(is_abbreviation) => Ok(seconds),
        _ => Err(NoInstant::Unreadable),
    }
}

const ABBREVIATION_BYTES_MAX: usize = 6;

/// One zone at the front of a text: an offset, a name, or a name with an offset such as `GMT+0100`.
pub(super) fn zone(text: &mut Text<'_>) -> Result<i64, NoInstant> {
    let name = text.take_while(|b| b.is_ascii_alphabetic());
    match (name, text.rest) {
        ([], [b'+' | b'-', ..]) => offset(text, 2),
        ([], _) => Err(NoInstant::Unreadable),
        (_, [b'+' | b'-', ..]) if named(name) == Ok(0) => offset(text, 1),
        _ => named(name),
    }
}

fn named(name: &[u8]) -> Result<i64, NoInstant> {
    let found = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, hours)| hours * 3_600).ok_or(NoInstant::ImpossibleZone)
}

/// `+05:30`, `+0530`, `+05`, `+05:30:00`; of at least so many digits.
fn offset(text: &mut Text<'_>, digits_min: usize) -> Result<i64, NoInstant> {
    let sign = text.one_of(b"+-").ok_or(NoInstant::Unreadable)?;
    let digits = text.digits();
    let part = |text: &mut Text<'_>, digits| text.number(digits).ok_or(NoInstant::Unreadable);
    let mut parts = [0; 3];
    let [hours, minutes, seconds] = &mut parts;
    match digits {
        1 | 2 if digits >= digits_min => {
            *hours = part(text, digits)?;
            if text.one_of(b":").is_some() {
                *minutes = part(text, 2)?;
            }
            if text.one_of(b":").is_some() {
                *seconds = part(text, 2)?;
            }
        }
        4 => (*hours, *minutes) = (part(text, 2)?, part(text, 2)?),
        _ => return Err(NoInstant::Unreadable),
    }
    let [hours, minutes, seconds] = parts;
    if hours > 23 || minutes > 59 || seconds > 59 {
        return Err(NoInstant::ImpossibleZone);
    }
    Ok(signed(sign, hours * 3_600 + minutes * 60 + seconds))
}

/// Without what says the zone once more in words: Go's monotonic clock, a remark in parentheses, a region in brackets,
/// which is returned.
fn without_remarks(text: &[u8]) -> Result<(&[u8], Option<&[u8]>), NoInstant> {
    let mut text = text.trim_ascii();
    if let Some(at) = text.windows(3).position(|at| at == b" m=") {
        text = text.get(..at).unwrap_or_default().trim_ascii_end();
    }
    if let [before @ .., b')'] = text {
        let open = before.iter().position(|b| *b == b'(').ok_or(NoInstant::Unreadable)?;
        text = before.get(..open).unwrap_or_default().trim_ascii_end();
    }
    let [before @ .., b']'] = text else { return Ok((text, None)) };
    let open = before.iter().position(|b| *b == b'[').ok_or(NoInstant::Unreadable)?;
    let region = before.get(open + 1..);
    Ok((before.get(..open).unwrap_or_default().trim_ascii_end(), region))
}
