//! One event as a plugin sees it: its values in the order of the fields asked for. Not JSON: the host has parsed that.

use crate::bindings::types::Batch;

/// What a value is. The numbers are those of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The event has no such field.
    Absent = 0,
    /// JSON null.
    Null = 1,
    /// `true` or `false`.
    Bool = 2,
    /// A number's JSON text.
    Number = 3,
    /// A string without quotes, its escapes resolved: UTF-8.
    String = 4,
    /// An object or array as canonical JSON text. So is, in its quotes, a string that UTF-8 cannot hold: one with half a
    /// surrogate pair.
    Json = 5,
    /// The whole payload as it came.
    Bytes = 6,
}

impl Kind {
    #[inline]
    pub(crate) fn of(number: u8) -> Self {
        match number {
            0 => Self::Absent,
            1 => Self::Null,
            2 => Self::Bool,
            3 => Self::Number,
            4 => Self::String,
            5 => Self::Json,
            _ => Self::Bytes,
        }
    }
}

/// One value of an event.
#[derive(Debug, Clone, Copy, Eq)]
pub struct Value<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its text or bytes; empty where it is absent or null.
    pub bytes: &'a [u8],
}

impl PartialEq for Value<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && same_bytes(self.bytes, other.bytes)
    }
}

/// Eight bytes at a time: in wasm `==` of slices is a call that goes byte by byte.
#[inline]
pub(crate) fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let (Some(left_last), Some(right_last)) = (left.last_chunk::<8>(), right.last_chunk::<8>()) else {
        return left.iter().zip(right).all(|(left, right)| left == right);
    };
    // The last eight overlap with the chunks before, and save a loop over the rest.
    let ((left, _), (right, _)) = (left.as_chunks::<8>(), right.as_chunks::<8>());
    let same = |left: &[u8; 8], right: &[u8; 8]| u64::from_le_bytes(*left) == u64::from_le_bytes(*right);
    same(left_last, right_last) && left.iter().zip(right).all(|(left, right)| same(left, right))
}

impl<'a> Value<'a> {
    /// No such field.
    pub const ABSENT: Self = Self { kind: Kind::Absent, bytes: b"" };
    /// JSON null.
    pub const NULL: Self = Self { kind: Kind::Null, bytes: b"" };

    /// A value of a kind.
    #[must_use]
    pub const fn new(kind: Kind, text: &'a str) -> Self {
        Self { kind, bytes: text.as_bytes() }
    }

    /// Whether it is absent or null.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.kind, Kind::Absent | Kind::Null)
    }

    /// The value as text, unless it is a payload that is not UTF-8. It costs a look at every byte; keys need only `bytes`.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes).ok()
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::new(Kind::String, text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::new(Kind::String, text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { kind: Kind::Bytes, bytes }
    }
}

impl From<bool> for Value<'_> {
    fn from(is: bool) -> Self {
        Self::new(Kind::Bool, if is { "true" } else { "false" })
    }
}

/// One event of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    batch: &'a Batch,
    first: usize,
    width: usize,
}

impl<'a> Event<'a> {
    /// The events of a batch, in order.
    pub(crate) fn all(batch: &'a Batch) -> impl ExactSizeIterator<Item = Event<'a>> {
        let width = (batch.width as usize).max(1);
        (0..batch.kinds.len() / width).map(move |event| Event { batch, first: event * width, width })
    }

    /// Number of values: as many as fields were asked for, or 1 for the payload.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The value of field `field`, counted from 0 in the order asked for; absent where there is no such field.
    #[inline]
    #[must_use]
    pub fn value(&self, field: usize) -> Value<'a> {
        if field < self.width { self.value_at(self.first + field).unwrap_or(Value::ABSENT) } else { Value::ABSENT }
    }

    /// All values in order.
    pub fn values(&self) -> impl Iterator<Item = Value<'a>> {
        let event = *self;
        (0..self.width).map(move |field| event.value(field))
    }

    #[inline]
    fn value_at(&self, index: usize) -> Option<Value<'a>> {
        let kind = Kind::of(*self.batch.kinds.get(index)?);
        let end = *self.batch.values.ends.get(index)? as usize;
        let start = match index.checked_sub(1) {
            Some(before) => *self.batch.values.ends.get(before)? as usize,
            None => 0,
        };
        Some(Value { kind, bytes: self.batch.values.data.get(start..end)? })
    }
}

#[cfg(test)]
mod tests {
    use super::same_bytes;

    #[test]
    fn one_byte_makes_the_difference_wherever_it_stands() {
        for length in 0..40 {
            let text: Vec<u8> = (0..length).collect();
            assert!(same_bytes(&text, &text.clone()));
            for at in 0..text.len() {
                let mut other = text.clone();
                other[at] ^= 0x80;
                assert!(!same_bytes(&text, &other), "byte {at} of {length}");
                assert!(!same_bytes(&text, &text[..at]), "{at} of {length} bytes");
            }
        }
    }
}
