//! Dates that name the month: RFC 2822 and HTTP, ctime, `date`, Java's and JavaScript's `Date`, access logs. The parts
//! may stand in any order that leaves no doubt.

use super::civil::Civil;
use super::text::Text;
use super::{Instant, NoInstant, zone};

const MONTHS: [&[u8]; 12] = [
    b"January",
    b"February",
    b"March",
    b"April",
    b"May",
    b"June",
    b"July",
    b"August",
    b"September",
    b"October",
    b"November",
    b"December",
];

const DAYS: [&[u8]; 7] = [b"Monday", b"Tuesday", b"Wednesday", b"Thursday", b"Friday", b"Saturday", b"Sunday"];

/// What was found so far.
#[derive(Default)]
struct Parts {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    time: Option<Civil>,
    offset: Option<i64>,
}

pub(super) fn parse(text: &[u8]) -> Result<Instant, NoInstant> {
    let mut parts = Parts::default();
    // A remark in parentheses ends what is read.
    let text = text.split(|b| *b == b'(').next().unwrap_or_default();
    for word in text.split(|b| b.is_ascii_whitespace() || *b == b',').filter(|word| !word.is_empty()) {
        parts.take(word)?;
    }
    let (Some(year), Some(month), Some(day)) = (parts.year, parts.month, parts.day) else {
        return Err(NoInstant::Unreadable);
    };
    Civil { year, month, day, ..parts.time.unwrap_or_default() }.instant(parts.offset.unwrap_or(0))
}

impl Parts {
    fn take(&mut self, word: &[u8]) -> Result<(), NoInstant> {
        if let [b'0'..=b'9', ..] = word {
            return self.take_number(word);
        }
        if let Some(month) = position(&MONTHS, word) {
            return once(&mut self.month, month);
        }
        if position(&DAYS, word).is_some() {
            return Ok(());
        }
        // Without a month, words are no date at all.
        if self.month.is_none() {
            return Err(NoInstant::Unreadable);
        }
        let mut text = Text { rest: word };
        let offset = zone::zone(&mut text)?;
        if !text.rest.is_empty() {
            return Err(NoInstant::Unreadable);
        }
        // An abbreviation after an offset says the same in letters.
        self.offset.get_or_insert(offset);
        Ok(())
    }

    /// A day, a year, a time of day, or a date in one word: `01-Jan-2026`, `01/Jan/2026:12:00:00`.
    fn take_number(&mut self, word: &[u8]) -> Result<(), NoInstant> {
        let mut text = Text { rest: word };
        let digits = text.digits();
        let number = |text: &mut Text<'_>| text.number(digits).ok_or(NoInstant::Unreadable);
        match (digits, word.get(digits)) {
            (2, Some(b':')) => self.take_time(text),
            (1 | 2, None) => once(&mut self.day, number(&mut text)?),
            (4, None) => once(&mut self.year, number(&mut text)?),
            (1 | 2, Some(b'-' | b'/')) => {
                once(&mut self.day, number(&mut text)?)?;
                self.take_month_and_year(text)
            }
            _ => Err(NoInstant::Unreadable),
        }
    }

    fn take_month_and_year(&mut self, mut text: Text<'_>) -> Result<(), NoInstant> {
        let separator = text.one_of(b"-/").ok_or(NoInstant::Unreadable)?;
        let month = text.take_while(|b| b.is_ascii_alphabetic());
        once(&mut self.month, position(&MONTHS, month).ok_or(NoInstant::Unreadable)?)?;
        text.one_of(&[separator]).ok_or(NoInstant::Unreadable)?;
        if text.digits() != 4 {
            return Err(NoInstant::Unreadable);
        }
        once(&mut self.year, text.number(4).ok_or(NoInstant::Unreadable)?)?;
        match text.one_of(b":T") {
            Some(_) => self.take_time(text),
            None if text.rest.is_empty() => Ok(()),
            None => Err(NoInstant::Unreadable),
        }
    }

    fn take_time(&mut self, mut text: Text<'_>) -> Result<(), NoInstant> {
        let time = text.time_of_day()?;
        if !text.rest.is_empty() {
            once(&mut self.offset, zone::tail(text.rest)?)?;
        }
        let (hour, minute, second, nanos) = (time.hour, time.minute, time.second, time.nanos);
        once(&mut self.time, Civil { hour, minute, second, nanos, ..Civil::default() })
    }
}

/// Its place in a list of names, from 1, by the whole name or its first three letters.
fn position(names: &[&[u8]], word: &[u8]) -> Option<i64> {
    let word = word.strip_suffix(b".").unwrap_or(word);
    let is =
        |name: &&[u8]| name.eq_ignore_ascii_case(word) || name.get(..3).is_some_and(|n| n.eq_ignore_ascii_case(word));
    (1..).zip(names).find(|(_, name)| is(name)).map(|(place, _)| place)
}

fn once<T>(part: &mut Option<T>, value: T) -> Result<(), NoInstant> {
    if part.is_some() {
        return Err(NoInstant::Unreadable);
    }
    *part = Some(value);
    Ok(())
}
