//! The text of a string that is JSON text itself, in one pass: nearly all of its escapes are those of quotes and
//! backslashes, whose backslash is left out 64 bytes at a time. Not for strings that nobody looks into: see `text`.

use super::error::{DecodeError, Expected, syntax};
use super::index::Carry;
use super::simd::Level;
use super::text::{low_half, unit};
use super::walk::Tokens;

/// Which of 64 bytes are backslashes, and which may stand after one that is simply left out: `"`, `\` and `/`.
pub(super) struct Backslashes {
    pub(super) backslash: u64,
    pub(super) simple: u64,
}

/// How far [`strip`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stripped {
    /// Bytes read: all, or those before a backslash that is not simply left out.
    pub(super) read: usize,
    /// Bytes written.
    pub(super) written: usize,
}

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

/// Copies to `out`, which is 64 bytes longer than `raw`, leaving out each backslash that escapes a byte that stands for
/// itself. `classify` names the bytes, `compress` writes those whose bit is set: they differ by processor, and are inlined
/// here.
#[inline(always)]
pub(super) fn strip(
    raw: &[u8],
    out: &mut [u8],
    classify: impl Fn(&[u8; 64]) -> Backslashes,
    compress: impl Fn(&[u8; 64], u64, &mut [u8; 64]),
) -> Stripped {
    let (blocks, tail) = raw.as_chunks::<64>();
    let mut last = [b' '; 64];
    if let Some(start) = last.get_mut(..tail.len()) {
        start.copy_from_slice(tail);
    }
    let mut carry = Carry::default();
    let (mut read, mut written) = (0, 0);
    for block in blocks.iter().chain([&last]) {
        let length = (raw.len() - read).min(64);
        let inside = if length == 64 { u64::MAX } else { (1 << length) - 1 };
        let Backslashes { backslash, simple } = classify(block);
        let escapes = carry.escapes(backslash);
        let other = escapes.escaped & !simple & inside;
        let before = if other == 0 { inside } else { (1 << other.trailing_zeros()) - 1 };
        let keep = before & !escapes.starts;
        let Some(to) = out.get_mut(written..).and_then(|rest| rest.first_chunk_mut::<64>()) else { break };
        compress(block, keep, to);
        written += keep.count_ones() as usize;
        if other != 0 {
            // Its backslash is the byte before, which may be the last of the block before.
            return Stripped { read: read + other.trailing_zeros() as usize - 1, written };
        }
        read += length;
    }
    Stripped { read, written }
}
