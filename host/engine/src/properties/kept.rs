//! What is kept of an original event for a scorer to compare later duplicates with: its encoding, and its text for the
//! topic of duplicates. It finds no values and compares none.
//!
//! The encoding, with numbers as unsigned LEB128 unless said otherwise:
//! - one byte for the form, which is also the version: 1 payload, 2 payload cut, 3 values, 4 properties;
//! - four bytes, little-endian: a digest of the scorer's pointers, 0 for the payload forms;
//! - 0, or the length of the uuid and 1, and the uuid;
//! - payload forms: the payload;
//! - values: how many roots there are, for each the length of its value (0 where there is none), and the values as they
//!   were written, each followed by a newline;
//! - properties: the level (one byte), how many there are, and for each: its kind (one byte, with bit 7 where the value
//!   is cut), the number of its root, what its pointer has after that of the root, and its value, both with their
//!   lengths before them.

use super::cut::{Bound, cut};
use super::{HEAD_BYTES_MAX, KEPT_BYTES_MAX, LEVELS, PROPERTIES_MAX};
use crate::fields::Kind;
use crate::identity::is_same;
use crate::projection::quote;

/// In the byte of a kind: the value is cut.
pub(super) const CUT: u8 = 0x80;
/// A uuid that is longer is cut.
const UUID: Bound = Bound { value_bytes_max: 256, head_bytes: 64 };
const _: () = assert!(UUID.value_bytes_max + 16 < HEAD_BYTES_MAX, "what stands before the values has its room");

/// How an original was kept. The numbers are those of the encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Form {
    /// The whole payload, as it came.
    Payload = 1,
    /// The payload was too long: its beginning, its length and a digest.
    PayloadCut = 2,
    /// The values of the roots, as they were written.
    Values = 3,
    /// The values were too long: the properties, taken apart, long ones cut.
    Properties = 4,
}

/// What was kept of one original, read from its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept<'a> {
    pub(super) form: Form,
    pub(super) roots_digest: u32,
    uuid: Option<&'a [u8]>,
    pub(super) body: &'a [u8],
}

/// One kept property.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeptProperty<'a> {
    /// With [`CUT`].
    pub(super) kind: u8,
    pub(super) root: usize,
    /// What its pointer has after that of the root.
    pub(super) rest: &'a [u8],
    pub(super) value: &'a [u8],
}

impl<'a> Kept<'a> {
    /// Reads an encoding; `None` where it is none, or is damaged in a way that shows without looking into values.
    #[must_use]
    pub fn decode(encoded: &'a [u8]) -> Option<Self> {
        if encoded.len() > KEPT_BYTES_MAX {
            return None;
        }
        let (form, rest) = encoded.split_first()?;
        let form = match form {
            1 => Form::Payload,
            2 => Form::PayloadCut,
            3 => Form::Values,
            4 => Form::Properties,
            _ => return None,
        };
        let (digest, mut rest) = rest.split_first_chunk::<4>()?;
        let uuid = match read_number(&mut rest)? {
            0 => None,
            length => Some(take(&mut rest, length - 1)?),
        };
        let kept = Self { form, roots_digest: u32::from_le_bytes(*digest), uuid, body: rest };
        let whole = match form {
            Form::Payload | Form::PayloadCut => true,
            Form::Values => kept.values(|_| {}).is_some(),
            Form::Properties => kept.properties(|_| Some(())).is_some(),
        };
        whole.then_some(kept)
    }

    /// How it was kept.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// Whether the original was too long to be kept as it was.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(self.form, Form::PayloadCut | Form::Properties)
    }

    /// The uuid as it was kept: one of more than 256 bytes is cut. See [`Kept::has_uuid`].
    #[must_use]
    pub fn uuid(&self) -> Option<&'a [u8]> {
        self.uuid
    }

    /// Whether the original had this uuid, in whatever spelling, or had none either: see [`crate::identity`].
    #[must_use]
    pub fn has_uuid(&self, uuid: Option<&[u8]>) -> bool {
        match uuid {
            Some(long) if long.len() > UUID.value_bytes_max => {
                let mut short = long.to_vec();
                cut(&mut short, 0, UUID);
                self.uuid == Some(&short)
            }
            Some(uuid) => self.uuid.is_some_and(|own| is_same(own, uuid)),
            None => self.uuid.is_none(),
        }
    }

    /// Gives the length of the value of each root, and then the text with the values.
    pub(super) fn values(&self, mut length_of: impl FnMut(u32)) -> Option<&'a [u8]> {
        let mut rest = self.body;
        let mut sum = 0;
        for _ in 0..read_number(&mut rest)? {
            let length = read_number(&mut rest)?;
            sum += length + usize::from(length > 0);
            length_of(length as u32);
        }
        (rest.len() == sum).then_some(rest)
    }

    /// Gives each kept property, and then the level.
    pub(super) fn properties(&self, mut each: impl FnMut(KeptProperty<'a>) -> Option<()>) -> Option<usize> {
        let (level, mut rest) = self.body.split_first()?;
        let count = read_number(&mut rest)?;
        if count > PROPERTIES_MAX || usize::from(*level) >= LEVELS.len() {
            return None;
        }
        for _ in 0..count {
            let (kind, after) = rest.split_first()?;
            if !(Kind::Null as u8..=Kind::Json as u8).contains(&(kind & !CUT)) {
                return None;
            }
            rest = after;
            let root = read_number(&mut rest)?;
            let length = read_number(&mut rest)?;
            let pointer = take(&mut rest, length)?;
            let length = read_number(&mut rest)?;
            each(KeptProperty { kind: *kind, root, rest: pointer, value: take(&mut rest, length)? })?;
        }
        rest.is_empty().then_some(usize::from(*level))
    }
}

/// Appends the head of an encoding.
#[inline]
pub(super) fn push_head(form: Form, roots_digest: u32, uuid: Option<&[u8]>, out: &mut Vec<u8>) {
    out.push(form as u8);
    out.extend_from_slice(&roots_digest.to_le_bytes());
    match uuid {
        None => out.push(0),
        Some(uuid) if uuid.len() <= UUID.value_bytes_max => {
            push_number(uuid.len() + 1, out);
            out.extend_from_slice(uuid);
        }
        Some(long) => {
            let mut short = long.to_vec();
            cut(&mut short, 0, UUID);
            push_number(short.len() + 1, out);
            out.extend_from_slice(&short);
        }
    }
}

/// Appends a number as unsigned LEB128.
#[inline]
pub(super) fn push_number(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A number of at most 28 bits; more are in no encoding.
#[inline]
fn read_number(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in [0, 7, 14, 21] {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= usize::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

/// Appends the original, as far as it is kept, as one JSON text. `roots` are the pointers it was kept for.
///
/// - A payload is a string, or `{"hex":"..."}` where it is not UTF-8.
/// - The event itself stands where the values of the roots are kept and one root is `""`.
/// - Else an object from pointer to value: from the roots that the event has, or from its properties where these are
///   kept; a value that was cut is a string.
///
/// Values are not checked: the text is JSON if what was kept is whole. Nothing is appended, and the answer is false,
/// where it was kept for other pointers.
#[must_use]
pub fn fields_text(kept: &Kept<'_>, roots: &[String], out: &mut Vec<u8>) -> bool {
    match kept.form {
        Form::Payload | Form::PayloadCut => {
            payload_text(kept.body, out);
            true
        }
        _ if kept.roots_digest != super::cut::digest_of_list(roots) => false,
        Form::Values => values_text(kept, roots, out).is_some(),
        Form::Properties => {
            let start = out.len();
            let whole = properties_text(kept, roots, out).is_some();
            out.truncate(if whole { out.len() } else { start });
            whole
        }
    }
}

fn payload_text(payload: &[u8], out: &mut Vec<u8>) {
    if std::str::from_utf8(payload).is_ok() {
        return quote(payload, out);
    }
    out.extend_from_slice(b"{\"hex\":\"");
    for byte in payload {
        let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
        out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    out.extend_from_slice(b"\"}");
}

fn values_text(kept: &Kept<'_>, roots: &[String], out: &mut Vec<u8>) -> Option<()> {
    let mut lengths = Vec::new();
    let mut rest = kept.values(|length| lengths.push(length as usize))?;
    let mut values = Vec::new();
    for length in lengths {
        values.push(take(&mut rest, length)?);
        take(&mut rest, usize::from(length > 0))?;
    }
    let present = || std::iter::zip(roots, &values).enumerate().filter(|(_, (_, value))| !value.is_empty());
    if let Some((_, (_, event))) = present().find(|(_, (root, _))| root.is_empty()) {
        out.extend_from_slice(event);
        return Some(());
    }
    out.push(b'{');
    let start = out.len();
    for (at, (root, value)) in present() {
        if !roots.iter().take(at).any(|before| before == root) {
            push_member(root.as_bytes(), start, out);
            out.extend_from_slice(value);
        }
    }
    out.push(b'}');
    Some(())
}

fn properties_text(kept: &Kept<'_>, roots: &[String], out: &mut Vec<u8>) -> Option<()> {
    out.push(b'{');
    let start = out.len();
    let mut path = Vec::new();
    kept.properties(|property| {
        path.clear();
        path.extend_from_slice(roots.get(property.root)?.as_bytes());
        path.extend_from_slice(property.rest);
        push_member(&path, start, out);
        if property.kind == Kind::Null as u8 {
            out.extend_from_slice(b"null");
        } else if property.kind == Kind::String as u8 || property.kind & CUT != 0 {
            quote(property.value, out);
        } else {
            out.extend_from_slice(property.value);
        }
        Some(())
    })?;
    out.push(b'}');
    Some(())
}

fn push_member(name: &[u8], start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
    quote(name, out);
    out.push(b':');
}
