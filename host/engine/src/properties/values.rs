//! Values: where those of the roots stand in an event, and the text of each property. Not which properties there are.

use std::ops::Range;

use super::Level;
use super::cut::cut;
use super::flatten::Leaf;
use super::kept::{CUT, Kept, push_number};
use crate::fields::{Column, Kind};
use crate::projection::{Canonical, Numbers, Tokens};

/// Bytes of the value of each root; 0 where there is none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lengths(pub(super) Vec<u32>);

impl Lengths {
    /// The values of an event. One value stays where it is, several are copied one after the other.
    #[inline]
    pub(super) fn of<'a>(
        &mut self,
        payload: &'a [u8],
        spans: &[Range<u32>],
        roots: usize,
        joined: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        self.0.clear();
        if let (1, [span]) = (roots, spans) {
            self.0.push(span.end.saturating_sub(span.start));
            return payload.get(span.start as usize..span.end as usize);
        }
        joined.clear();
        for value in (0..roots).map(|at| value(payload, spans, at)) {
            self.0.push(value.len() as u32);
            if !value.is_empty() {
                joined.extend_from_slice(value);
                joined.push(b'\n');
            }
        }
        Some(joined.strip_suffix(b"\n").unwrap_or(joined))
    }

    /// The values of an original.
    pub(super) fn kept<'a>(&mut self, kept: &Kept<'a>, roots: usize) -> Option<&'a [u8]> {
        self.0.clear();
        let text = kept.values(|length| self.0.push(length))?;
        (self.0.len() == roots).then_some(text)
    }
}

/// The value at span `at`; empty where there is none.
#[inline]
pub(super) fn value<'a>(payload: &'a [u8], spans: &[Range<u32>], at: usize) -> &'a [u8] {
    spans.get(at).and_then(|span| payload.get(span.start as usize..span.end as usize)).unwrap_or_default()
}

/// Appends the values of one side of a pair.
#[inline]
pub(super) fn push_values<'a>(
    text: Tokens<'_>,
    leaves: impl Iterator<Item = Option<&'a Leaf>>,
    bounds: Level,
    canonical: &mut Canonical,
    (kinds, values): (&mut Vec<u8>, &mut Column),
) {
    for leaf in leaves {
        let kind = match leaf {
            Some(leaf) => push_value(text, *leaf, bounds, canonical, &mut values.data).0,
            None => Kind::Absent,
        };
        kinds.push(kind as u8);
        values.end_value();
    }
}

#[cold]
pub(super) fn push_kept<'a>(
    body: &[u8],
    leaves: impl Iterator<Item = Option<&'a Leaf>>,
    (kinds, values): (&mut Vec<u8>, &mut Column),
) {
    for leaf in leaves {
        let value = leaf.and_then(|leaf| body.get(leaf.first as usize..leaf.last as usize));
        values.push(value.unwrap_or_default());
        kinds.push(leaf.map_or(Kind::Absent as u8, |leaf| leaf.byte));
    }
}

/// Appends one value; says what it is, and whether it was cut.
#[inline]
fn push_value(
    text: Tokens<'_>,
    leaf: Leaf,
    bounds: Level,
    canonical: &mut Canonical,
    out: &mut Vec<u8>,
) -> (Kind, bool) {
    let (token, start) = (leaf.first as usize, out.len());
    let kind = text.kind(token, leaf.byte);
    match kind {
        Kind::Absent | Kind::Null | Kind::Bytes => return (kind, false),
        Kind::Bool => text.push_scalar(token, out),
        Kind::Number => Numbers::Canonical.write(text.scalar(token), out),
        Kind::String => text.push_text(token, out),
        Kind::Json => canonical.write(text, token, Numbers::Canonical, out),
    }
    (kind, cut(out, start, bounds.values))
}

/// Appends one kept property.
pub(super) fn push_property(
    roots: &[String],
    path: &[u8],
    text: Tokens<'_>,
    leaf: Leaf,
    bounds: Level,
    canonical: &mut Canonical,
    out: &mut Vec<u8>,
) {
    let below = |root: &String| path.strip_prefix(root.as_bytes()).filter(|rest| matches!(rest, [] | [b'/', ..]));
    // The longest root, for the least to be written.
    let candidates = roots.iter().enumerate().filter_map(|(at, root)| below(root).map(|rest| (at, rest)));
    let (root, rest) = candidates.min_by_key(|(_, rest)| rest.len()).unwrap_or((0, path));
    let mut value = Vec::new();
    let (kind, cut) = push_value(text, leaf, bounds, canonical, &mut value);
    out.push(if cut { kind as u8 | CUT } else { kind as u8 });
    push_number(root, out);
    push_number(rest.len(), out);
    out.extend_from_slice(rest);
    push_number(value.len(), out);
    out.extend_from_slice(&value);
}
