//! Reads an instant from text, in the notations that databases, loggers and languages write by default. The host reads the
//! times of events by this very source. No clock, no time zone database, no numbers since the epoch, no allocation.
//!
//! Understood, with UTC where no offset is given:
//! - RFC 3339 and ISO 8601: `2026-01-01T12:00:00Z`, `20260101T120000Z`, a space for the `T`, seconds left out, fractions
//!   after a point or a comma, dates alone (midnight); `/` for `-` in the date;
//! - offsets `+05:30`, `+0530`, `-03`, and the names UTC, GMT, UT, Z and those of RFC 2822 (EST to PDT);
//! - what follows an offset: Java's `[Europe/Paris]`, Go's `+0000 UTC m=+0.01`, JavaScript's `(Coordinated Universal Time)`;
//! - names of months: RFC 2822 and HTTP dates, ctime, `date`, Java's and JavaScript's `Date`, access logs.
//!
//! Not understood, because a wrong guess is worse than none: dates whose order of day and month is open (`01/02/2026`),
//! years of two digits, dates without a year, zones known by a regional name only, weeks and days of the year.

mod civil;
mod iso;
mod named;
mod text;
mod zone;

/// A moment on the UTC time scale without leap seconds, as Unix counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub seconds: i64,
    /// Nanoseconds into that second, 0 to 999,999,999. Digits below a nanosecond are cut.
    pub nanos: u32,
}

/// Why a text is no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoInstant {
    /// It is in none of the notations.
    Unreadable,
    /// A date or a time of day that no calendar or clock has, such as February 30 or 24:30.
    ImpossibleDate,
    /// An offset of a day or more, or a zone whose name says no offset.
    ImpossibleZone,
}

/// The instant that a text says.
///
/// # Errors
/// Why it says none.
#[inline]
pub fn parse(text: &[u8]) -> Result<Instant, NoInstant> {
    match iso::rfc3339(text) {
        Some(instant) => Ok(instant),
        None => parse_any(text),
    }
}

/// All notations, one after the other.
#[cold]
fn parse_any(text: &[u8]) -> Result<Instant, NoInstant> {
    let text = text.trim_ascii();
    if text.len() > TEXT_BYTES_MAX {
        return Err(NoInstant::Unreadable);
    }
    if iso::is_date(text) { iso::parse(text) } else { named::parse(text) }
}

/// Longer texts are read by nobody: JavaScript's names of zones end well before.
const TEXT_BYTES_MAX: usize = 128;
