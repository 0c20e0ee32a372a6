//! Numbers, uuids and times as text, appended without allocation. Not a general formatter.

const MS_A_DAY: u64 = 86_400_000;

/// Appends a number in decimal.
pub(super) fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        first -= 1;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}

/// Eight hexadecimal digits, the four bits of each spread to a byte of their own.
pub(super) fn hex(number: u32) -> [u8; 8] {
    let mut spread = u64::from(number);
    spread = (spread | (spread << 16)) & 0x0000_ffff_0000_ffff;
    spread = (spread | (spread << 8)) & 0x00ff_00ff_00ff_00ff;
    spread = (spread | (spread << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = ((spread + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    (spread + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

/// The text of a uuid of its two halves.
pub(super) fn uuid(high: u64, low: u64) -> [u8; 36] {
    let [a, b, c, d, e, f, g, h] = hex((high >> 32) as u32);
    let [i, j, k, l, m, n, o, p] = hex(high as u32);
    let [q, r, s, t, u, v, w, x] = hex((low >> 32) as u32);
    let [y, z, aa, ab, ac, ad, ae, af] = hex(low as u32);
    [
        a, b, c, d, e, f, g, h, b'-', i, j, k, l, b'-', m, n, o, p, b'-', q, r, s, t, b'-', u, v, w, x, y, z, aa, ab,
        ac, ad, ae, af,
    ]
}

/// A uuid of version 7 (RFC 9562, section 5.7): milliseconds, then `random`, all of whose bits are in the text.
pub(super) fn uuid7(timestamp_ms: u64, random: u64) -> [u8; 36] {
    let more = random.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
    let high = (timestamp_ms << 16) | 0x7000 | ((random >> 62) << 10) | more;
    uuid(high, (0b10 << 62) | (random & (u64::MAX >> 2)))
}

/// Remembers the date of the last day written: most events are of the same one.
#[derive(Debug)]
pub(super) struct Clock {
    day: u64,
    date: [u8; 10],
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { day: 0, date: *b"1970-01-01" }
    }

    /// Appends an ISO 8601 time in UTC with milliseconds, of a year up to 9999.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, timestamp_ms: u64) {
        let (day, ms) = (timestamp_ms / MS_A_DAY, timestamp_ms % MS_A_DAY);
        if day != self.day {
            (self.day, self.date) = (day, date(day));
        }
        let [hour, minute, second] = [ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60].map(two_digits);
        let [[h, i], [m, n], [s, t]] = [hour, minute, second];
        let [[u, v], [_, w]] = [two_digits(ms % 1_000 / 10), two_digits(ms % 10)];
        out.extend_from_slice(&self.date);
        out.extend_from_slice(&[b'T', h, i, b':', m, n, b':', s, t, b'.', u, v, w, b'Z']);
    }
}

fn two_digits(number: u64) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

/// The date of a day since the epoch, after Howard Hinnant's `civil_from_days`.
fn date(day: u64) -> [u8; 10] {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let [[y, e], [a, r], [m, n], [d, g]] = [year / 100, year % 100, month, day_of_month].map(two_digits);
    [y, e, a, r, b'-', m, n, b'-', d, g]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_iso_8601() {
        let check = |timestamp_ms, expected: &str| {
            let mut out = Vec::new();
            Clock::new().write(&mut out, timestamp_ms);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(1_767_225_599_999, "2025-12-31T23:59:59.999Z");
        check(1_767_225_600_000, "2026-01-01T00:00:00.000Z");
        check(1_709_210_096_789, "2024-02-29T12:34:56.789Z");
        check(253_402_300_799_999, "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn numbers_are_written_in_decimal_and_hexadecimal() {
        for number in [0, 1, 9, 10, 99, 100, 1_234_567_890, u64::MAX] {
            let mut out = Vec::new();
            decimal(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
        for number in [0, 9, 10, 0x0123_4567, 0x89ab_cdef, u32::MAX] {
            assert_eq!(std::str::from_utf8(&hex(number)).unwrap(), format!("{number:08x}"));
        }
    }

    #[test]
    fn a_uuid_of_version_7_holds_its_time_and_all_random_bits() {
        let text = |random| String::from_utf8(uuid7(0x0123_4567_89ab, random).to_vec()).unwrap();
        assert!(text(0).starts_with("01234567-89ab-7000-8000-000000000000"));
        assert_eq!(&text(u64::MAX)[..24], "01234567-89ab-7d87-bfff-");
        assert_ne!(text(1 << 63), text(1 << 62));
    }
}
