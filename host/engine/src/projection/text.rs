//! Strings: their escapes checked, resolved and written. Not where strings stand in a text.

use super::error::{DecodeError, Expected, syntax};

/// Checks every escape of a text. One outside a string is left to the grammar, which has no backslash. Says whether one
/// names half a surrogate pair without the other half: that is JSON by its grammar, and no Unicode text.
///
/// # Errors
/// An unknown escape, or `\u` without four digits.
pub(super) fn check_escapes(json: &[u8], escapes: &[u32]) -> Result<bool, DecodeError> {
    let mut halves = false;
    let mut escapes = escapes.iter().map(|at| *at as usize);
    while let Some(at) = escapes.next() {
        match json.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {}
            Some(b'u') => match unit(json, at).ok_or_else(|| syntax(at + 2, Expected::Hex))? {
                // The first half takes the escape that follows it as its second; only the pair is a character.
                0xd800..0xdc00 if low_half(json, at + 6).is_some() => drop(escapes.next()),
                0xd800..0xe000 => halves = true,
                _ => {}
            },
            _ => return Err(syntax(at + 1, Expected::Escape)),
        }
    }
    Ok(halves)
}

/// The UTF-16 unit of the escape `\uXXXX` at `at`.
pub(super) fn unit(json: &[u8], at: usize) -> Option<u32> {
    let digits = json.get(at + 2..at + 6)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

/// The second half of a pair, if its escape stands at `at`.
pub(super) fn low_half(json: &[u8], at: usize) -> Option<u32> {
    if json.get(at..at + 2)? != b"\\u" {
        return None;
    }
    unit(json, at).filter(|unit| (0xdc00..0xe000).contains(unit))
}

/// Appends the text of a string given without its quotes, whose escapes have been checked: UTF-8, but for half a
/// surrogate pair without the other, which becomes the three bytes that UTF-8 would have for it and never has (WTF-8).
/// So different strings stay different.
pub(crate) fn unescape(mut raw: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'\\', raw) {
        out.extend_from_slice(raw.get(..at).unwrap_or_default());
        let mut length = 2;
        let resolved = match raw.get(at + 1) {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let (code, bytes) = character(raw, at);
                length = bytes;
                match char::from_u32(code) {
                    Some(character) => character,
                    None => {
                        push_half(code, out);
                        raw = raw.get(at + length..).unwrap_or_default();
                        continue;
                    }
                }
            }
            Some(other) => char::from(*other),
            None => return,
        };
        out.extend_from_slice(resolved.encode_utf8(&mut [0; 4]).as_bytes());
        raw = raw.get(at + length..).unwrap_or_default();
    }
    out.extend_from_slice(raw);
}

/// The code of one `\u` escape or of a pair, and how many bytes it was written in.
fn character(raw: &[u8], at: usize) -> (u32, usize) {
    let unit = unit(raw, at).unwrap_or_default();
    let pair = if (0xd800..0xdc00).contains(&unit) { low_half(raw, at + 6) } else { None };
    match pair {
        Some(low) => (0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00), 12),
        None => (unit, 6),
    }
}

/// Appends half a surrogate pair as [`unescape`] does.
pub(crate) fn push_half(unit: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xed, 0x80 | (unit >> 6 & 0x3f) as u8, 0x80 | (unit & 0x3f) as u8]);
}

/// The half of a surrogate pair that a text of [`unescape`] begins with.
pub(crate) fn half(text: &[u8]) -> Option<u32> {
    match text {
        [0xed, high @ 0xa0..=0xbf, low, ..] => Some(0xd000 | u32::from(high & 0x3f) << 6 | u32::from(low & 0x3f)),
        _ => None,
    }
}

/// As [`quote`], for what [`unescape`] made of a text that has halves of surrogate pairs: these become escapes again, so
/// that the result is UTF-8.
pub(super) fn quote_halves(text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    quote(text, out);
    let quoted = out.split_off(start);
    let mut rest = quoted.as_slice();
    while let Some((first, after)) = rest.split_first() {
        match half(rest) {
            Some(unit) => {
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                rest = rest.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
}

/// Appends a string, UTF-8, in quotes and with the fewest escapes (RFC 8785, section 3.2.2.2).
pub fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = first_escaped(rest) {
        let (plain, after) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, after)) = after.split_first() else { break };
        escape(*byte, out);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// The first byte that cannot stand in a string as it is. Most strings have none, which is found out sixteen at a time.
fn first_escaped(text: &[u8]) -> Option<usize> {
    let escaped = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    let (blocks, _) = text.as_chunks::<16>();
    let plain = blocks.iter().take_while(|block| !block.iter().fold(false, |any, byte| any | escaped(byte))).count();
    let rest = text.get(plain * 16..).unwrap_or_default();
    rest.iter().position(escaped).map(|at| plain * 16 + at)
}

/// Appends the escape of a quote, a backslash or a control character.
fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        0x8 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0xc => b'f',
        b'\r' => b'r',
        0..0x20 => {
            out.extend_from_slice(if byte < 0x10 { b"\\u000" } else { b"\\u001" });
            return out.push(char::from_digit(u32::from(byte % 16), 16).unwrap_or('0') as u8);
        }
        other => other,
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Makes one line of the JSON text in `out` from `start` on, for every reader of lines: line breaks between its tokens
/// become spaces, and the characters in its strings that some take for the end of a line (U+0085, U+2028, U+2029) become
/// escapes. Its value stays what it is.
pub fn one_line(out: &mut Vec<u8>, start: usize) {
    let Some(first) = out.get(start..).and_then(line_end) else { return };
    let tail = out.split_off(start + first);
    let mut rest = tail.as_slice();
    while let Some((before, end)) = line_end(rest).and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(before);
        let (replacement, length): (&[u8], usize) = match end {
            [0xc2, ..] => (br"\u0085", 2),
            [0xe2, _, 0xa8, ..] => (br"\u2028", 3),
            [0xe2, ..] => (br"\u2029", 3),
            _ => (b" ", 1),
        };
        out.extend_from_slice(replacement);
        rest = end.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Where the first end of a line stands. Most texts have none, which is found out by vector instructions.
fn line_end(text: &[u8]) -> Option<usize> {
    let ascii = memchr::memchr2(b'\n', b'\r', text);
    let before = text.get(..ascii.unwrap_or(text.len()))?;
    let is_end = |at: &usize| matches!(text.get(*at..), Some([0xc2, 0x85, ..] | [0xe2, 0x80, 0xa8 | 0xa9, ..]));
    memchr::memchr2_iter(0xc2, 0xe2, before).find(is_end).or(ascii)
}
