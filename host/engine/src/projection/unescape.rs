//! The text of a string that is JSON text itself, in one pass: nearly all of its escapes are those of quotes and
//! backslashes, whose backslash is left out 64 bytes at a time. Not for strings that nobody looks into: see `text`.

use super::error::{DecodeError, Expected, syntax};
use super::simd::Level;
use super::text::{low_half, unit};
use super::walk::Tokens;

/// Replaces `out` by the text of the string at `token`, whose escapes have been checked.
///
/// The escape of half a character (a lone surrogate) stays as it is: no UTF-8 can hold what it spells, and inside a
/// string of the text, the only place where it can stand, it spells the same.
///
/// # Errors
/// Half a character stands right after a backslash, where it would become another escape.
pub(super) fn unescape_text(
    level: Level,
    text: Tokens<'_>,
    token: usize,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let raw = text.string(token);
    if !text.escaped(token) {
        out.clear();
        out.extend_from_slice(raw);
        return Ok(());
    }
    // No escape is shorter than what it spells; and blocks are written whole, over whatever stands there.
    out.resize(raw.len() + 64, 0);
    let (mut read, mut written) = (0, 0);
    loop {
        let rest = raw.get(read..).unwrap_or_default();
        let stripped = level.strip(rest, out.get_mut(written..).unwrap_or_default());
        read += stripped.read;
        written += stripped.written;
        if read >= raw.len() {
            break;
        }
        while raw.get(read) == Some(&b'\\') && !matches!(raw.get(read + 1), Some(b'"' | b'\\' | b'/') | None) {
            read += resolve(raw, read, out, &mut written)?;
        }
    }
    out.truncate(written);
    Ok(())
}

/// Writes what the escape at `at` spells, and gives its length.
fn resolve(raw: &[u8], at: usize, out: &mut [u8], written: &mut usize) -> Result<usize, DecodeError> {
    let short = match raw.get(at + 1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        _ => return resolve_unit(raw, at, out, written),
    };
    write(short.encode_utf8(&mut [0; 4]).as_bytes(), out, written);
    Ok(2)
}

/// The same of `\uXXXX`, or of a pair of these.
fn resolve_unit(raw: &[u8], at: usize, out: &mut [u8], written: &mut usize) -> Result<usize, DecodeError> {
    let unit = unit(raw, at).unwrap_or_default();
    let low = if (0xd800..0xdc00).contains(&unit) { low_half(raw, at + 6) } else { None };
    let code = low.map_or(unit, |low| 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
    match char::from_u32(code) {
        Some(character) => write(character.encode_utf8(&mut [0; 4]).as_bytes(), out, written),
        None if ends_in_escape(out.get(..*written).unwrap_or_default()) => {
            return Err(syntax(*written, Expected::Escape));
        }
        None => write(raw.get(at..at + 6).unwrap_or_default(), out, written),
    }
    Ok(if low.is_some() { 12 } else { 6 })
}

fn write(bytes: &[u8], out: &mut [u8], written: &mut usize) {
    if let Some(to) = out.get_mut(*written..*written + bytes.len()) {
        to.copy_from_slice(bytes);
        *written += bytes.len();
    }
}

/// Whether the last backslash of a text waits for what it escapes.
fn ends_in_escape(text: &[u8]) -> bool {
    text.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}
