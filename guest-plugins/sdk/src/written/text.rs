//! A text read from its front. It knows digits and nothing of dates.

use super::NoInstant;

/// What is left of a text.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Text<'a> {
    /// A number of so many digits, at most 18.
    pub(super) fn number(&mut self, digits: usize) -> Option<i64> {
        let (head, rest) = self.rest.split_at_checked(digits)?;
        let number = head.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))?;
        self.rest = rest;
        Some(number)
    }

    pub(super) fn one_of(&mut self, accepted: &[u8]) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        let first = accepted.contains(first).then_some(*first)?;
        self.rest = rest;
        Some(first)
    }

    /// How many digits come next.
    pub(super) fn digits(&self) -> usize {
        self.rest.iter().take_while(|b| b.is_ascii_digit()).count()
    }

    /// Nanoseconds of an optional fraction; further digits are cut.
    pub(super) fn fraction_nanos(&mut self) -> u32 {
        let [b'.' | b',', digits @ ..] = self.rest else { return 0 };
        let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
        let (fraction, rest) = digits.split_at(count);
        self.rest = rest;
        let padded = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
        padded.fold(0, |n, b| n * 10 + u32::from(b - b'0'))
    }

    /// Takes the bytes up to the first that is not wanted.
    pub(super) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let count = self.rest.iter().take_while(|b| wanted(**b)).count();
        let (head, rest) = self.rest.split_at(count);
        self.rest = rest;
        head
    }

    pub(super) fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    /// Hour, minute and second, with the fraction: `12:00`, `12:00:00.5`, `1200`, `120000`.
    pub(super) fn time_of_day(&mut self) -> Result<TimeOfDay, NoInstant> {
        self.read_time_of_day().ok_or(NoInstant::Unreadable)
    }

    fn read_time_of_day(&mut self) -> Option<TimeOfDay> {
        let basic = self.digits() > 2;
        let hour = self.number(2)?;
        if !basic {
            self.one_of(b":")?;
        }
        let minute = self.number(2)?;
        let has_second = if basic { self.digits() > 0 } else { self.one_of(b":").is_some() };
        let second = if has_second { self.number(2)? } else { 0 };
        let nanos = if has_second { self.fraction_nanos() } else { 0 };
        Some(TimeOfDay { hour, minute, second, nanos })
    }
}

pub(super) struct TimeOfDay {
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) nanos: u32,
}
