//! Numbers as text: their grammar, and one spelling for each value by exact decimal arithmetic. Never floating point.

use super::error::{DecodeError, Expected, syntax};
use super::pointer::word;

/// Numbers whose decimal point stands within so many digits are written without an exponent, as ECMAScript does.
const PLAIN_DIGITS_MAX: i64 = 21;
/// Fractions with fewer leading zeros than this are written without an exponent, as ECMAScript does.
const PLAIN_ZEROS_MAX: i64 = 6;
/// An exponent of so many digits fits `i64` with all that is added to it; a longer one is kept as digits.
const SHORT_EXPONENT_DIGITS: usize = 17;

/// The end of the number that begins at `start` (RFC 8259, section 6).
///
/// # Errors
/// A digit is missing.
#[inline]
pub(super) fn number_end(json: &[u8], start: usize) -> Result<usize, DecodeError> {
    let byte = |at: usize| json.get(at).copied().unwrap_or_default();
    let mut at = start + usize::from(byte(start) == b'-');
    at = if byte(at) == b'0' { at + 1 } else { some_digits(json, at)? };
    if byte(at) == b'.' {
        at = some_digits(json, at + 1)?;
    }
    if byte(at) | 0x20 == b'e' {
        let signed = matches!(byte(at + 1), b'+' | b'-');
        at = some_digits(json, at + 1 + usize::from(signed))?;
    }
    Ok(at)
}

/// The end of one or more digits, looked at eight at a time.
#[inline]
fn some_digits(json: &[u8], start: usize) -> Result<usize, DecodeError> {
    let mut at = start;
    loop {
        let digits = word(json, at) ^ 0x3030_3030_3030_3030;
        // The high bit of a byte over 9; a carry disturbs only bytes after the first such, which do not count.
        let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
        if others != 0 {
            at += others.trailing_zeros() as usize / 8;
            break;
        }
        at += 8;
    }
    if at == start { Err(syntax(at, Expected::Number)) } else { Ok(at) }
}

/// The parts of a number's text that count.
struct Decimal<'a> {
    negative: bool,
    /// Digits before and after the point, leading and trailing zeros still there.
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent_negative: bool,
    /// Without leading zeros.
    exponent: &'a [u8],
}

/// Appends the one spelling of the number's value. With D its digits from the first to the last that is not 0, n their
/// count, and the value 0.D times ten to the p:
/// - 0 is `0`, whatever its sign;
/// - p from n to 21: D and p - n zeros; p from 1 to 21: D with the point after p digits;
/// - p from -5 to 0: `0.`, -p zeros, D;
/// - else the first digit, the others after a point, `e`, the sign and digits of p - 1.
///
/// This is ECMAScript's `Number::toString`, hence RFC 8785's, with all digits kept.
pub(super) fn canonical(text: &[u8], out: &mut Vec<u8>) {
    if is_plain(text) {
        return out.extend_from_slice(text);
    }
    let number = Decimal::split(text);
    let digits = || number.whole.iter().chain(number.fraction).copied();
    let length = number.whole.len() + number.fraction.len();
    let leading = digits().take_while(|digit| *digit == b'0').count();
    if leading == length {
        return out.push(b'0');
    }
    let trailing = digits().rev().take_while(|digit| *digit == b'0').count();
    let count = length - leading - trailing;
    let significant = || digits().skip(leading).take(count);
    if number.negative {
        out.push(b'-');
    }
    // 0.D has its point here before the exponent is applied.
    let shift = number.whole.len() as i64 - leading as i64;
    match number.point(shift) {
        Some(point) if (1..=PLAIN_DIGITS_MAX).contains(&point) => {
            let point = point as usize;
            out.extend(significant().take(point));
            out.extend(std::iter::repeat_n(b'0', point.saturating_sub(count)));
            if point < count {
                out.push(b'.');
                out.extend(significant().skip(point));
            }
        }
        Some(point) if (1 - PLAIN_ZEROS_MAX..=0).contains(&point) => {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', point.unsigned_abs() as usize));
            out.extend(significant());
        }
        point => {
            out.extend(significant().take(1));
            if count > 1 {
                out.push(b'.');
                out.extend(significant().skip(1));
            }
            match point {
                Some(point) => {
                    out.extend_from_slice(if point > 0 { b"e+" } else { b"e-" });
                    out.extend_from_slice((point - 1).unsigned_abs().to_string().as_bytes());
                }
                None => number.long_exponent(shift - 1, out),
            }
        }
    }
}

/// Whether a number is seen at once to be in canonical form, as most are.
fn is_plain(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let zero = digits.first() == Some(&b'0');
    let whole = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if whole > PLAIN_DIGITS_MAX as usize {
        return false;
    }
    match digits.get(whole..) {
        Some([b'.', fraction @ .., b'1'..=b'9']) => {
            fraction.iter().all(u8::is_ascii_digit) && !(zero && fraction.starts_with(b"00000"))
        }
        Some([]) => !zero || digits.len() == text.len(),
        _ => false,
    }
}

impl<'a> Decimal<'a> {
    fn split(text: &'a [u8]) -> Self {
        let (negative, text) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let at = text.iter().position(|byte| byte | 0x20 == b'e').unwrap_or(text.len());
        let (mantissa, exponent) = text.split_at_checked(at).unwrap_or((text, &[]));
        let exponent = exponent.get(1..).unwrap_or_default();
        let (exponent_negative, exponent) = match exponent {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let zeros = exponent.iter().take_while(|digit| **digit == b'0').count();
        let exponent = exponent.get(zeros..).unwrap_or_default();
        let point = memchr::memchr(b'.', mantissa).unwrap_or(mantissa.len());
        let (whole, fraction) = mantissa.split_at_checked(point).unwrap_or((mantissa, &[]));
        Self { negative, whole, fraction: fraction.get(1..).unwrap_or_default(), exponent_negative, exponent }
    }

    /// Where the point stands, or `None` where the exponent is too long for that to matter: the value is then far from
    /// any plain form, as a text has fewer digits than its length.
    fn point(&self, shift: i64) -> Option<i64> {
        if self.exponent.len() > SHORT_EXPONENT_DIGITS {
            return None;
        }
        let exponent = self.exponent.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        Some(if self.exponent_negative { shift - exponent } else { shift + exponent })
    }

    /// Appends the exponent plus `shift`, digit by digit. The exponent is the larger by far, so its sign stays.
    fn long_exponent(&self, shift: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.exponent_negative { b"e-" } else { b"e+" });
        let start = out.len();
        out.push(b'0');
        out.extend_from_slice(self.exponent);
        let mut carry = if self.exponent_negative { -shift } else { shift };
        for digit in out.iter_mut().skip(start).rev() {
            let sum = i64::from(*digit - b'0') + carry;
            *digit = b'0' + sum.rem_euclid(10) as u8;
            carry = sum.div_euclid(10);
        }
        let zeros = out.iter().skip(start).take_while(|digit| **digit == b'0').count();
        out.drain(start..start + zeros);
    }
}
