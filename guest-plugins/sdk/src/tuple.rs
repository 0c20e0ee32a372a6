//! Keys made of several values, such that no two different tuples meet in one key. Not a hash: the text can be read.
//!
//! Parts are joined by `:`. In a part, `:` and `\` are written `\:` and `\\`. A string stands as it is; other kinds take
//! a mark that no string can have, so that the number 1 and the string "1" stay apart:
//!
//! | value | written |
//! |---|---|
//! | the string `a:b` | `a\:b` |
//! | the number 1 | `\n1` |
//! | `true` | `\btrue` |
//! | an object or array, or a string that UTF-8 cannot hold | `\j` and its canonical text, escaped |
//! | an instant | `\t` and its number of units since the Unix epoch |
//! | null | `\z` |
//! | no such field | `\a` |
//!
//! The last two appear only where [`Missing::Marked`] asks for them, an instant only where [`Tuple::with_instant`] does:
//! what is no time stands there as anywhere else, and so never meets a time.
//!
//! [`Tuple`] takes fields of the event as they are. [`write_values`] takes any values, such as those that a plugin has
//! worked out, and so does [`crate::Keys::push_tuple`].

use crate::instant::{Nanos, instant};
use crate::pointers::check;
use crate::{Event, Kind, Value};

/// What an event gets that lacks a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// No key at all.
    #[default]
    NoKey,
    /// A key with a mark in the place of the part. Absent, null and the empty string stay three different things.
    Marked,
}

/// Whether the kind of a value counts, or its text alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kinds {
    /// The number 1 and the string "1" are different.
    #[default]
    Distinct,
    /// They are the same: strings, numbers and booleans with one text meet.
    Ignored,
}

/// How finely instants are told apart. What is finer is cut off, towards the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resolution {
    /// To the second.
    Seconds,
    /// To the millisecond.
    #[default]
    Milliseconds,
    /// To the microsecond.
    Microseconds,
    /// To the nanosecond.
    Nanoseconds,
}

impl Resolution {
    const fn nanos(self) -> Nanos {
        match self {
            Self::Seconds => 1_000_000_000,
            Self::Milliseconds => 1_000_000,
            Self::Microseconds => 1_000,
            Self::Nanoseconds => 1,
        }
    }
}

/// One part of a key.
#[derive(Debug, Clone)]
struct Part {
    /// The numbers of its fields, of which the first that has a value counts.
    fields: std::ops::Range<usize>,
    /// How finely it is told apart where it is a time.
    instant: Option<Resolution>,
}

/// Which fields make up a key.
#[derive(Debug, Clone)]
pub struct Tuple {
    parts: Vec<Part>,
    missing: Missing,
    kinds: Kinds,
}

impl Tuple {
    /// A tuple of `parts`, each a list of pointers of which the first that has a value counts. The pointers are
    /// appended to `fields`, which is what to ask the host for.
    ///
    /// # Errors
    /// There is no part, or one without a pointer, or a pointer is none of RFC 6901.
    pub fn new(
        parts: &[Vec<String>],
        missing: Missing,
        kinds: Kinds,
        fields: &mut Vec<String>,
    ) -> Result<Self, String> {
        if parts.is_empty() {
            return Err("the list of fields is empty: name at least one, such as \"/id\"".to_owned());
        }
        let mut made = Vec::with_capacity(parts.len());
        for part in parts {
            if part.is_empty() {
                return Err("a list of alternative fields is empty: name at least one, such as \"/id\"".to_owned());
            }
            part.iter().try_for_each(|pointer| check(pointer))?;
            let start = fields.len();
            fields.extend_from_slice(part);
            made.push(Part { fields: start..fields.len(), instant: None });
        }
        Ok(Self { parts: made, missing, kinds })
    }

    /// Takes part number `part`, counted from 0, for an instant: all spellings of a time make one key, as
    /// [`crate::instant`] reads them. A tuple without such a part is as it was.
    #[must_use]
    pub fn with_instant(mut self, part: usize, resolution: Resolution) -> Self {
        if let Some(part) = self.parts.get_mut(part) {
            part.instant = Some(resolution);
        }
        self
    }

    /// Appends the tuple's key to `out`.
    ///
    /// # Errors
    /// The number of the field that is missing, where there is to be no key then. What was written is left in `out`.
    #[inline]
    pub fn write(&self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), usize> {
        for (place, part) in self.parts.iter().enumerate() {
            if place > 0 {
                out.push(b':');
            }
            let value = first_present(event, &part.fields);
            if value.is_missing() && self.missing == Missing::NoKey {
                return Err(part.fields.start);
            }
            match part.instant.and_then(|resolution| units(value, resolution)) {
                Some(units) => write_instant(units, out),
                None => write_value(value, self.kinds, out),
            }
        }
        Ok(())
    }
}

/// Appends the key of these values to `out`, whether they are the event's or worked out: no two different lists of values
/// have one key. Null and absent values are marked; a list without any value is `\e`.
pub fn write_values(values: &[Value<'_>], out: &mut Vec<u8>) {
    if values.is_empty() {
        out.extend_from_slice(b"\\e");
    }
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            out.push(b':');
        }
        write_value(*value, Kinds::Distinct, out);
    }
}

#[inline]
fn write_value(value: Value<'_>, kinds: Kinds, out: &mut Vec<u8>) {
    let mark = match value.kind {
        Kind::String | Kind::Bytes => None,
        Kind::Number => (kinds == Kinds::Distinct).then_some(b"\\n"),
        Kind::Bool => (kinds == Kinds::Distinct).then_some(b"\\b"),
        Kind::Json => Some(b"\\j"),
        Kind::Null => Some(b"\\z"),
        Kind::Absent => Some(b"\\a"),
    };
    if let Some(mark) = mark {
        out.extend_from_slice(mark);
    }
    write_escaped(value.bytes, out);
}

/// A time as whole units since the Unix epoch; `None` where the value is no time. A number is one where it is written
/// whole: whether `1.0` is `1` is for the host to say (`--numbers`), here as in every part of a key.
fn units(value: Value<'_>, resolution: Resolution) -> Option<Nanos> {
    let digits = value.bytes.strip_prefix(b"-").unwrap_or(value.bytes);
    let is_whole = digits.iter().all(u8::is_ascii_digit) && value.bytes != b"-0";
    if value.kind == Kind::Number && !is_whole {
        return None;
    }
    instant(value).map(|nanos| nanos.div_euclid(resolution.nanos()))
}

/// Digits of the largest number of 128 bits.
const DIGITS_MAX: usize = 39;

/// A string has no backslash that stands alone, so none meets this. Without the formatting of the standard library, which
/// is a large part of a small plugin.
fn write_instant(units: Nanos, out: &mut Vec<u8>) {
    out.extend_from_slice(if units < 0 { b"\\t-" } else { b"\\t" });
    let mut digits = [b'0'; DIGITS_MAX];
    let mut rest = units.unsigned_abs();
    let mut first = DIGITS_MAX - 1;
    for (at, place) in digits.iter_mut().enumerate().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
        first = at;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}

/// The first value that is neither absent nor null; where there is none, null if any is, so that null beats absent.
#[inline]
fn first_present<'a>(event: &Event<'a>, part: &std::ops::Range<usize>) -> Value<'a> {
    let mut missing = Value::ABSENT;
    for field in part.clone() {
        let value = event.value(field);
        match value.kind {
            Kind::Absent => {}
            Kind::Null => missing = value,
            Kind::Bool | Kind::Number | Kind::String | Kind::Json | Kind::Bytes => return value,
        }
    }
    missing
}

/// Eight bytes at a time: in wasm a call that copies costs more than most parts are long.
#[inline]
fn write_escaped(text: &[u8], out: &mut Vec<u8>) {
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        write_word_escaped(*word, 8, out);
    }
    if rest.is_empty() {
        return;
    }
    let last = match text.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
        None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    write_word_escaped(last.to_le_bytes(), rest.len(), out);
}

/// Writes the first `len` bytes of a word, of which the others are zero.
#[inline]
fn write_word_escaped(bytes: [u8; 8], len: usize, out: &mut Vec<u8>) {
    let word = u64::from_le_bytes(bytes);
    if !has_byte(word, b':') && !has_byte(word, b'\\') {
        let end = out.len() + len;
        out.extend_from_slice(&bytes);
        out.truncate(end);
        return;
    }
    for &byte in bytes.get(..len).unwrap_or_default() {
        if matches!(byte, b':' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

/// Whether any byte of the word is `byte`: that byte becomes zero, and only a zero borrows from its own highest bit.
#[inline]
fn has_byte(word: u64, byte: u8) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let zeroed = word ^ (ONES * byte as u64);
    zeroed.wrapping_sub(ONES) & !zeroed & HIGH != 0
}

#[cfg(test)]
mod tests {
    use super::{write_escaped, write_values};
    use crate::{Kind, Value};

    fn written(values: &[Value<'_>]) -> String {
        let mut out = Vec::new();
        write_values(values, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn values_that_were_worked_out() {
        let number = Value::new(Kind::Number, "17");
        assert_eq!(written(&["a:b".into(), number, true.into()]), "a\\:b:\\n17:\\btrue");
        assert_eq!(written(&[Value::NULL, Value::ABSENT, Value::new(Kind::Json, "[1]")]), "\\z:\\a:\\j[1]");
        assert_eq!(written(&[b"\xc3\xa9"[..].into()]), "é");
        assert_eq!(
            (written(&[]), written(&["".into()]), written(&["".into(), "".into()])),
            (r"\e".into(), String::new(), ":".into())
        );
    }

    #[test]
    fn no_two_lists_of_values_meet() {
        let texts = ["", ":", "\\", "a", "a:", ":a", "\\:", "1", "\\n1", "\\z", "\\e", "true", "é:\\"];
        let mut values: Vec<Value<'_>> = texts.into_iter().map(Value::from).collect();
        values.extend([
            Value::new(Kind::Number, "1"),
            true.into(),
            Value::new(Kind::Json, "a"),
            Value::NULL,
            Value::ABSENT,
        ]);
        let mut lists: Vec<Vec<Value<'_>>> = vec![Vec::new()];
        for one in &values {
            lists.push(vec![*one]);
            lists.extend(values.iter().map(|other| vec![*one, *other]));
        }
        let keys: std::collections::BTreeSet<String> = lists.iter().map(|list| written(list)).collect();
        assert_eq!(keys.len(), lists.len());
    }

    #[test]
    fn escapes_wherever_they_stand_in_texts_of_every_length() {
        for length in 0..40 {
            for first in 0..=length {
                for second in first..=length {
                    let mut text = vec![b'x'; length];
                    text.get_mut(first).into_iter().for_each(|byte| *byte = b':');
                    text.get_mut(second).into_iter().for_each(|byte| *byte = b'\\');
                    let expected = String::from_utf8_lossy(&text).replace('\\', "\\\\").replace(':', "\\:");
                    let mut out = b"before".to_vec();
                    write_escaped(&text, &mut out);
                    assert_eq!(String::from_utf8_lossy(&out), format!("before{expected}"));
                }
            }
        }
    }

    #[test]
    fn bytes_near_the_escaped_ones_stand_as_they_are() {
        let all: Vec<u8> = (0..=255).filter(|byte| !matches!(byte, b':' | b'\\')).collect();
        let mut out = Vec::new();
        write_escaped(&all, &mut out);
        assert_eq!(out, all);
    }
}
