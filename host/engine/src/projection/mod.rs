//! Fields of JSON events, found in one pass by JSON pointers (RFC 6901). Not a parser: no tree of values is built.
//!
//! What counts as JSON, whichever fields are asked for
//! - The whole event is one JSON text of RFC 8259 in UTF-8, with nothing but whitespace around it, and perhaps a byte
//!   order mark before it, which is skipped. An event that is empty is refused.
//! - Values may be nested to any depth, and no depth uses the thread's stack.
//!
//! What a field is
//! - Nothing there is [`Kind::Absent`]; `null` is [`Kind::Null`]; both have no bytes. `true` and `false` are
//!   [`Kind::Bool`] with these words as bytes.
//! - A [`Kind::String`] is its text in UTF-8, escapes resolved.
//! - A string with an escape that names half a surrogate pair without the other (`"\ud83d"`, what cutting an emoji in two
//!   leaves) is JSON by its grammar, and no text that UTF-8 could hold: it is a [`Kind::Json`] too, in quotes, the half
//!   as an escape in lower case. A name may hold one as well, and no pointer reaches that.
//! - A [`Kind::Number`] is its text as written, or one text for each value: see [`Numbers`].
//! - A [`Kind::Json`] is an object or array as canonical text: no whitespace, members ordered by the UTF-8 bytes of
//!   their names, strings with the fewest escapes (RFC 8785, section 3.2.2.2), numbers by the same rule as fields.
//! - Of members with one name only the last counts, at every level, even if the values are of different types: in
//!   `{"a":{"b":1},"a":2}` there is no `/a/b`. Names are compared after their escapes are resolved.
//! - The pointer `""` is the whole event. In an array a segment is an index, `0` or digits that do not begin with `0`;
//!   `-` names no element.
//! - Where a member's string is known to be JSON text ([`JsonIn`]), pointers go on inside it: see `inside`.
//!
//! How: `simd` names bytes 64 at a time, `index` turns that into positions of tokens, `walk` checks the grammar
//! over these and notes where fields stand, and only what was asked for is copied. `inside` and `strip` do the same for
//! texts in strings.

mod canonical;
mod error;
mod index;
mod inside;
mod number;
mod pointer;
mod reader;
mod simd;
mod strip;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod unescape;
mod walk;

pub use error::{DecodeError, Expected, PointerError, Refused};
pub use inside::{Expander, JSON_IN_MAX, JsonIn, JsonInError};

use std::ops::Range;

use crate::fields::{FieldBatch, Kind};
pub(crate) use canonical::Canonical;
use inside::Inside;
use pointer::Tree;
pub(crate) use pointer::word;
pub(crate) use reader::Reader;
pub use text::one_line;
pub use text::quote;
pub(crate) use text::{half, push_half, unescape};
use walk::{Found, Walk};
pub(crate) use walk::{Nesting, Tokens, push_range};

/// Bytes of the longest event, for positions to fit 32 bits.
pub const EVENT_BYTES_MAX: usize = u32::MAX as usize - 128;

/// May stand before an event. It is no part of the JSON text, and goes out as it came.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Segments of the longest pointer.
pub const SEGMENTS_MAX: usize = 1024;

/// What text a number becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numbers {
    /// As it stands in the event: `1`, `1.0` and `1e0` are three values.
    #[default]
    AsWritten,
    /// One text for each value, by exact decimal arithmetic: `1`, `1.0` and `1e0` become `1`, `-0` becomes `0`, and
    /// no digit is lost. The form is that of ECMAScript's `Number::toString` with all digits kept: plain digits where
    /// the value is at least 1e-6 and less than 1e21, else `d.ddde+x` or `d.ddde-x`.
    Canonical,
}

impl Numbers {
    pub(crate) fn write(self, text: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::AsWritten => out.extend_from_slice(text),
            Self::Canonical => number::canonical(text, out),
        }
    }
}

/// Pointers compiled, and the memory to look for them; one for each thread. It keeps five bytes for each byte of the
/// longest event it was given, more where objects and arrays are asked for whole.
#[derive(Debug)]
pub struct Projection {
    tree: Tree,
    /// For each group the nodes of its pointers.
    groups: Vec<Vec<u32>>,
    /// The nodes whose places are asked for.
    asked_spans: Vec<u32>,
    numbers: Numbers,
    /// A group whose numbers come as written all the same.
    written: Option<usize>,
    reader: Reader,
    walk: Walk,
    canonical: Canonical,
    spans: Vec<Range<u32>>,
    /// `None` where no member's string is JSON text.
    inside: Option<Box<Inside>>,
}

impl Projection {
    /// Compiles groups of pointers: each group fills one [`FieldBatch`], in the order of its pointers. A pointer may
    /// stand more than once, in one group or in several.
    ///
    /// # Errors
    /// A pointer is not one of RFC 6901, or is longer than [`SEGMENTS_MAX`].
    pub fn compile<S: AsRef<str>>(groups: &[&[S]], numbers: Numbers) -> Result<Self, PointerError> {
        Self::compile_with_spans::<S, S>(groups, &[], numbers)
    }

    /// As [`Projection::compile`], and finds the places of further values in the same pass: see [`Projection::spans`].
    ///
    /// # Errors
    /// A pointer is not one of RFC 6901, or is longer than [`SEGMENTS_MAX`].
    pub fn compile_with_spans<S: AsRef<str>, P: AsRef<str>>(
        groups: &[&[S]],
        spans: &[P],
        numbers: Numbers,
    ) -> Result<Self, PointerError> {
        Self::compile_inside(groups, spans, &JsonIn::default(), numbers)
    }

    /// As [`Projection::compile_with_spans`]; pointers that go on below a member of `json_in` whose value is a string go on
    /// in the JSON text that the string is.
    ///
    /// # Errors
    /// A pointer is not one of RFC 6901, or is longer than [`SEGMENTS_MAX`].
    pub fn compile_inside<S: AsRef<str>, P: AsRef<str>>(
        groups: &[&[S]],
        spans: &[P],
        json_in: &JsonIn,
        numbers: Numbers,
    ) -> Result<Self, PointerError> {
        let pointers = groups.iter().copied().flatten().map(AsRef::as_ref);
        let (tree, nodes) = Tree::compile(pointers.chain(spans.iter().map(AsRef::as_ref)).chain(json_in.iter()))?;
        let mut nodes = nodes.into_iter();
        let groups = groups.iter().map(|group| nodes.by_ref().take(group.len()).collect()).collect();
        let asked_spans = nodes.by_ref().take(spans.len()).collect();
        Ok(Self {
            inside: Inside::new(json_in, nodes.as_slice(), &tree),
            tree,
            groups,
            asked_spans,
            numbers,
            written: None,
            reader: Reader::default(),
            walk: Walk::default(),
            canonical: Canonical::default(),
            spans: Vec::new(),
        })
    }

    /// Has the numbers of one group come as written, whatever was asked for.
    #[must_use]
    pub fn with_numbers_as_written(self, group: usize) -> Self {
        Self { written: Some(group), ..self }
    }

    /// Pointers in each group: the widths of the batches that [`Projection::project`] fills.
    #[must_use]
    pub fn widths(&self) -> Vec<u32> {
        self.groups.iter().map(|group| error::position(group.len())).collect()
    }

    /// Appends one event to every batch; there are as many batches as groups.
    ///
    /// # Errors
    /// The event, or a string in it that should be, is not JSON, or too long. Nothing is then appended to any batch.
    pub fn project(&mut self, json: &[u8], out: &mut [FieldBatch]) -> Result<(), Refused> {
        debug_assert_eq!(out.len(), self.groups.len(), "one batch for each group");
        match json.strip_prefix(BYTE_ORDER_MARK) {
            None => self.project_at(0, json, out),
            Some(text) => self.project_marked(text, out),
        }
    }

    /// Projects what stands behind a byte order mark.
    #[cold]
    fn project_marked(&mut self, text: &[u8], out: &mut [FieldBatch]) -> Result<(), Refused> {
        let start = error::position(BYTE_ORDER_MARK.len());
        self.project_at(start, text, out).map_err(|error| error.moved(start))
    }

    /// Projects a text that begins at byte `start` of its event.
    #[inline]
    fn project_at(&mut self, start: u32, json: &[u8], out: &mut [FieldBatch]) -> Result<(), Refused> {
        self.spans.clear();
        let text = self.reader.read(json)?;
        self.walk.run(text, &self.tree)?;
        let numbers_of = |group| if self.written == Some(group) { Numbers::AsWritten } else { self.numbers };
        if let Some(inside) = &mut self.inside {
            inside.open(text, &mut self.walk, &self.tree)?;
            inside.spans(&self.asked_spans, &self.walk.found, text, &mut self.spans)?;
            let text_of = |node| inside.text_of(node, text);
            fill(out, &self.groups, &self.walk.found, text_of, numbers_of, &mut self.canonical);
            if inside.joined().is_none() {
                self.spans.iter_mut().for_each(|span| *span = moved(span, start));
            }
            return Ok(());
        }
        fill(out, &self.groups, &self.walk.found, |_| text, numbers_of, &mut self.canonical);
        for node in &self.asked_spans {
            let found = self.walk.found.get(*node as usize).copied().unwrap_or(Found::ABSENT);
            let span =
                if found.kind == Kind::Absent { 0..0 } else { text.span(found.first as usize, found.last as usize) };
            self.spans.push(moved(&span, start));
        }
        Ok(())
    }

    /// Where the values asked for stand in the event projected last, as written and without whitespace around them: a
    /// range of bytes for each pointer, in their order. It is empty where the event has no such value; no value is.
    /// There are none after an event that was refused. See [`Projection::spans_text`] for what they stand in.
    #[must_use]
    pub fn spans(&self) -> &[Range<u32>] {
        &self.spans
    }

    /// The text in which [`Projection::spans`] stand, where that is not the event: one of the values stands in the string
    /// of a member. It is then in one line.
    #[must_use]
    pub fn spans_text(&self) -> Option<&[u8]> {
        self.inside.as_ref().and_then(|inside| inside.joined()).filter(|_| !self.spans.is_empty())
    }
}

/// A place in a text that begins at byte `start` of its event; nothing is nowhere.
#[inline]
fn moved(span: &Range<u32>, start: u32) -> Range<u32> {
    if span.is_empty() { 0..0 } else { span.start + start..span.end + start }
}

/// Appends what was found to every batch.
#[inline(always)]
fn fill<'a>(
    out: &mut [FieldBatch],
    groups: &[Vec<u32>],
    found: &[Found],
    text_of: impl Fn(u32) -> Tokens<'a>,
    numbers_of: impl Fn(usize) -> Numbers,
    canonical: &mut Canonical,
) {
    for (at, (batch, group)) in out.iter_mut().zip(groups).enumerate() {
        let numbers = numbers_of(at);
        for node in group {
            let found = found.get(*node as usize).copied().unwrap_or(Found::ABSENT);
            append(batch, text_of(*node), found, numbers, canonical);
        }
    }
}

/// Inlined: a call for each value of each event would be felt.
#[inline(always)]
fn append(batch: &mut FieldBatch, text: Tokens<'_>, found: Found, numbers: Numbers, canonical: &mut Canonical) {
    let token = found.first as usize;
    let data = &mut batch.values.data;
    let kind = if found.kind == Kind::String { text.kind(token, b'"') } else { found.kind };
    match kind {
        Kind::Absent | Kind::Null | Kind::Bytes => {}
        Kind::Bool => data.extend_from_slice(text.scalar(token)),
        Kind::Number => numbers.write(text.scalar(token), data),
        Kind::String => text.push_text(token, data),
        Kind::Json => canonical.write(text, token, numbers, data),
    }
    batch.values.end_value();
    batch.kinds.push(kind as u8);
}
