//! Shapes of data that has no fixed beginning: encodings with several bytes a character, binary messages, and what is no
//! text at all. It measures; the names are given elsewhere.

use super::Looks;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Units of text in an encoding of several bytes that are looked at.
const UNITS_MAX: usize = 64;
/// Bytes of an event in which what stands outside of strings tells it from binary data.
const JSON_BYTES_MAX: usize = 64;
/// A control character among so many bytes of the first line makes binary data of all.
const BYTES_A_CONTROL: usize = 32;
/// A control character among so many bytes of whatever there is does.
const BYTES_A_CONTROL_ANYWHERE: usize = 16;
/// Fewer bytes say nothing about data of which the first line is text.
const SAMPLE_BYTES_MIN: usize = 512;
/// Bytes of the identity of a schema in AWS Glue, with the version and the compression before it.
const GLUE_HEADER_BYTES: usize = 18;

/// Text in UTF-16 or UTF-32 without a byte order mark: it begins with a character of ASCII, as JSON does.
pub(super) fn wide(head: &[u8]) -> Option<Looks> {
    match head {
        [first, 0, 0, 0] | [first, 0, 0, 0, _, _, 0..=0x10, 0, ..] if is_printed(*first) => {
            return Some(Looks::Utf32 { big_endian: false, marked: false });
        }
        [0, 0, 0, first] | [0, 0, 0, first, 0, 0..=0x10, ..] if is_printed(*first) => {
            return Some(Looks::Utf32 { big_endian: true, marked: false });
        }
        _ => {}
    }
    let (units, _) = head.as_chunks::<2>();
    let units = units.get(..UNITS_MAX).unwrap_or(units);
    let big_endian = head.first() == Some(&0);
    let [high, low] = if big_endian { [0, 1] } else { [1, 0] };
    let ascii = |unit: &&[u8; 2]| unit.get(high) == Some(&0) && unit.get(low).is_some_and(|byte| is_printed(*byte));
    let looks = units.first().is_some_and(|unit| ascii(&unit))
        && units.iter().filter(ascii).count() * 2 >= units.len()
        && units.iter().all(|unit| *unit != [0, 0]);
    looks.then_some(Looks::Utf16 { big_endian, marked: false })
}

fn is_printed(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte) || is_space(byte)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether a name of so many characters of ASCII stands here.
pub(super) fn name(bytes: &[u8], length: u8) -> bool {
    bytes.get(..usize::from(length)).is_some_and(|name| name.iter().all(|byte| (0x20..0x7f).contains(byte)))
}

/// Whether the bytes are data of no text.
pub(super) fn is_binary(head: &[u8]) -> bool {
    let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head).trim_ascii_start();
    match text.first() {
        None => false,
        // What begins as JSON does is lines, of which each can be judged by itself, however bad it is.
        Some(b'{' | b'[') => has_control_outside_strings(text),
        Some(b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => beginning(text).iter().any(|byte| is_control(*byte)),
        Some(_) => is_no_text(text, head),
    }
}

fn beginning(text: &[u8]) -> &[u8] {
    text.get(..JSON_BYTES_MAX).unwrap_or(text)
}

/// Looked for from the bracket at the beginning to the one that closes it.
fn has_control_outside_strings(text: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
    for byte in beginning(text) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return false,
            b'}' | b']' => depth -= 1,
            byte if is_control(*byte) => return true,
            _ => {}
        }
    }
    false
}

/// A control character that stands in no text; those that Hive parts fields by, and those that terminals know, do.
fn is_control(byte: u8) -> bool {
    matches!(byte, 0 | 0x04..=0x07 | 0x0e..=0x1a)
}

/// Whether the first line has a NUL or many control characters, or all that there is has very many.
fn is_no_text(text: &[u8], head: &[u8]) -> bool {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let controls = |bytes: &[u8]| bytes.iter().filter(|byte| is_control(**byte)).count();
    let more_than = |bytes: &[u8], share: usize| controls(bytes) > 0 && controls(bytes) * share >= bytes.len();
    let is_odd = |bytes: &[u8]| std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some());
    // A terminal is told something by an escape, and never at the end of a line.
    line.contains(&0)
        || line.last() == Some(&0x1b)
        || more_than(line, BYTES_A_CONTROL)
        || controls(line) > 0 && is_odd(line)
        || more_than(head, BYTES_A_CONTROL_ANYWHERE)
        || head.len() >= SAMPLE_BYTES_MIN && more_than(head, BYTES_A_CONTROL) && is_odd(head)
}

/// What kind of message the bytes are, if they have the shape of one; they are no text.
pub(super) fn message(bytes: &[u8]) -> Option<Looks> {
    match bytes {
        [0, a, b, c, d, _, ..] if *a == 0 && [*b, *c, *d] != [0; 3] => {
            Some(Looks::SchemaRegistry { id: u32::from_be_bytes([*a, *b, *c, *d]) })
        }
        [3, 0 | 5, ..] if bytes.len() > GLUE_HEADER_BYTES => Some(Looks::GlueRegistry),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Some(Looks::Zlib),
        _ if is_bson(bytes) => Some(Looks::Bson),
        _ if is_protobuf(bytes) => Some(Looks::Protobuf),
        _ => None,
    }
}

/// A document: its length, the type and the name of its first member.
fn is_bson(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return false };
    let length = u32::from_le_bytes(*length) as usize;
    let Some((1..=0x13, name)) = rest.split_first() else { return false };
    let named = name.split(|byte| *byte == 0).next().is_some_and(|name| name.iter().all(u8::is_ascii_graphic));
    length <= bytes.len() && bytes.get(length.wrapping_sub(1)) == Some(&0) && named
}

/// One field after the other, to the end.
fn is_protobuf(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let Some(rest) = after_field(bytes) else { return false };
        bytes = rest;
    }
    true
}

fn after_field(mut bytes: &[u8]) -> Option<&[u8]> {
    let tag = varint(&mut bytes)?;
    if !(1..1 << 29).contains(&(tag >> 3)) {
        return None;
    }
    let length = match tag & 7 {
        0 => varint(&mut bytes).map(|_| 0)?,
        1 => 8,
        2 => varint(&mut bytes)?,
        5 => 4,
        _ => return None,
    };
    bytes.get(usize::try_from(length).ok()?..)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}
