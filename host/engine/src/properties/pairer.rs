//! Keeps what a scorer wants of originals, and lays originals and duplicates side by side. Not the scorer.

use std::ops::Range;

use thiserror::Error;

use super::atlas::Atlas;
use super::cut::{cut, digest_of_list};
use super::flatten::{Flatten, Leaf, Scratch, Stop};
use super::join::{Join, PathsBefore, push_column};
use super::kept::{CUT, Form, Kept, push_head, push_number};
use super::values::{Lengths, push_kept, push_property, push_values, value};
use super::{HEAD_BYTES_MAX, KEPT_BYTES_MAX, LEVELS, PAYLOAD, PairBatch, ROOTS_MAX};
use crate::fields::Kind;
use crate::projection::{Canonical, Expander, JsonIn, Reader, Tokens};

/// Why a pair was not made. Nothing was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The original was kept for a scorer that reads something else.
    #[error("the original was kept for other fields")]
    OtherFields,
    /// What was kept, or what stands at the duplicate's spans, is not what it should be.
    #[error("the original or the duplicate is damaged")]
    Damaged,
}

/// A scorer asks for more than [`ROOTS_MAX`] fields. It is a mistake of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{count} fields are asked for, and {ROOTS_MAX} is the most: ask for an object that holds several")]
pub struct TooManyRoots {
    /// How many there are.
    pub count: usize,
}

/// One event of a pair.
#[derive(Debug, Default)]
struct Side {
    reader: Reader,
    leaves: Vec<Leaf>,
    /// Of the value of each root; 0 where there is none.
    lengths: Lengths,
    /// The values of the roots, a newline between.
    joined: Vec<u8>,
    /// The same with strings that are JSON text replaced by what they spell.
    expanded: Vec<u8>,
}

/// One for each root; none where nothing is to be expanded.
type Expanders = Vec<Option<Expander>>;

/// The values of the roots with strings that are JSON text replaced by what they spell, and `lengths` theirs.
#[inline]
fn expanded<'a>(
    expanders: &mut Expanders,
    values: &'a [u8],
    lengths: &mut Lengths,
    out: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    if expanders.is_empty() {
        return Some(values);
    }
    out.clear();
    let mut at = 0;
    for (length, expander) in std::iter::zip(&mut lengths.0, expanders).filter(|(length, _)| **length > 0) {
        let value = values.get(at..at + *length as usize)?;
        at += value.len() + 1;
        let start = out.len();
        match expander {
            Some(expander) => expander.expand(value, out)?,
            None => out.extend_from_slice(value),
        }
        *length = u32::try_from(out.len() - start).ok()?;
        out.push(b'\n');
    }
    Some(out.strip_suffix(b"\n").unwrap_or(out))
}

/// What there is of the original.
#[derive(Clone, Copy)]
enum Original<'a> {
    Text(Tokens<'a>),
    Properties,
    /// Its values are those of the duplicate, byte by byte.
    Same,
}

/// What stands after each kept value.
const VALUE_END: &[u8] = b"\n";

/// Keeps and pairs events for one scorer, with the memory for it; one for each thread. It keeps ten bytes for each byte
/// of the longest event it was given, more where arrays and objects are properties, and some megabytes at most for
/// pointers.
#[derive(Debug)]
pub struct Pairer {
    roots: Option<Vec<String>>,
    roots_digest: u32,
    root_nodes: Vec<u32>,
    expanders: Expanders,
    atlas: Atlas,
    scratch: Scratch,
    original: Side,
    duplicate: Side,
    canonical: Canonical,
    join: Join,
    paths: PathsBefore,
}

impl Pairer {
    /// A pairer for a scorer that reads the values at `roots` (JSON pointers, which [`crate::projection`] has accepted),
    /// or the whole payload where there are none.
    ///
    /// # Errors
    /// There are more than [`ROOTS_MAX`].
    pub fn new(roots: Option<&[String]>) -> Result<Self, TooManyRoots> {
        Self::new_inside(roots, &JsonIn::default())
    }

    /// As [`Pairer::new`]; the properties of a string that is JSON text, because its member is one of `json_in`, are those
    /// of what it spells.
    ///
    /// # Errors
    /// There are more than [`ROOTS_MAX`].
    pub fn new_inside(roots: Option<&[String]>, json_in: &JsonIn) -> Result<Self, TooManyRoots> {
        let count = roots.map_or(0, <[String]>::len);
        if count > ROOTS_MAX {
            return Err(TooManyRoots { count });
        }
        let mut expanders: Expanders =
            roots.unwrap_or_default().iter().map(|root| Expander::new(json_in, root)).collect();
        if expanders.iter().all(Option::is_none) {
            expanders.clear();
        }
        Ok(Self {
            expanders,
            roots_digest: roots.map_or(0, digest_of_list),
            roots: roots.map(<[String]>::to_vec),
            root_nodes: Vec::new(),
            atlas: Atlas::default(),
            scratch: Scratch::default(),
            original: Side::default(),
            duplicate: Side::default(),
            canonical: Canonical::default(),
            join: Join::default(),
            paths: PathsBefore::default(),
        })
    }

    /// Appends what is to be kept of an original: at most [`KEPT_BYTES_MAX`] bytes. `spans` are those of the roots, as
    /// [`crate::projection::Projection::spans`] gives them; they say nothing where the payload is read.
    pub fn keep(&mut self, uuid: Option<&[u8]>, payload: &[u8], spans: &[Range<u32>], out: &mut Vec<u8>) {
        if self.roots.is_none() {
            return keep_payload(uuid, payload, out);
        }
        let values = self.root_nodes_max().map(|at| value(payload, spans, at));
        let bytes: usize = values.clone().map(|value| value.len() + 5).sum();
        if bytes > KEPT_BYTES_MAX - HEAD_BYTES_MAX {
            return self.keep_properties(uuid, payload, spans, out);
        }
        push_head(Form::Values, self.roots_digest, uuid, out);
        push_number(values.len(), out);
        values.clone().for_each(|value| push_number(value.len(), out));
        for value in values.filter(|value| !value.is_empty()) {
            out.extend_from_slice(value);
            out.extend_from_slice(VALUE_END);
        }
    }

    /// As [`Pairer::keep`] where one value, taken from the payload as it is, makes up nearly all that is kept: what comes
    /// before it is appended to `head`, and the value and what comes after it are given back. `None`, and nothing is
    /// appended, where it has to be put together.
    pub fn keep_around<'a>(
        &self,
        uuid: Option<&[u8]>,
        payload: &'a [u8],
        spans: &[Range<u32>],
        head: &mut Vec<u8>,
    ) -> Option<(&'a [u8], &'static [u8])> {
        if self.root_nodes_max() != (0..1) {
            return None;
        }
        let value = value(payload, spans, 0);
        if value.is_empty() || value.len() + 5 > KEPT_BYTES_MAX - HEAD_BYTES_MAX {
            return None;
        }
        push_head(Form::Values, self.roots_digest, uuid, head);
        push_number(1, head);
        push_number(value.len(), head);
        Some((value, VALUE_END))
    }

    fn root_nodes_max(&self) -> Range<usize> {
        0..self.roots.as_ref().map_or(0, Vec::len)
    }

    /// Keeps the properties at the first level at which they fit. The last always does.
    #[cold]
    fn keep_properties(&mut self, uuid: Option<&[u8]>, payload: &[u8], spans: &[Range<u32>], out: &mut Vec<u8>) {
        self.renew();
        let start = out.len();
        let Self { original: side, atlas, scratch, canonical, join, expanders, .. } = self;
        let text = side
            .lengths
            .of(payload, spans, self.root_nodes.len(), &mut side.joined)
            .and_then(|text| expanded(expanders, text, &mut side.lengths, &mut side.expanded))
            .and_then(|text| side.reader.read(text).ok());
        for (level, bounds) in LEVELS.iter().enumerate() {
            out.truncate(start);
            push_head(Form::Properties, self.roots_digest, uuid, out);
            out.push(level as u8);
            let Some(text) = text else { break };
            let mut flatten = Flatten::new(atlas, scratch, &mut side.leaves, text, bounds.depth);
            match flatten.run(&self.root_nodes, &side.lengths.0) {
                Ok(()) => {}
                Err(Stop::TooMany) => continue,
                Err(Stop::NotJson) => break,
            }
            join.rows_of(atlas, &side.leaves, &[]);
            let roots = self.roots.as_deref().unwrap_or_default();
            push_number(join.rows.len(), out);
            let fits = join.rows.iter().all(|row| {
                let Some(leaf) = side.leaves.get(row.original as usize) else { return false };
                push_property(roots, atlas.path(row.node), text, *leaf, *bounds, canonical, out);
                out.len() - start <= KEPT_BYTES_MAX
            });
            if fits {
                return;
            }
        }
        // Spans that are no values of the payload: the event has no properties then.
        out.truncate(start);
        push_head(Form::Properties, self.roots_digest, uuid, out);
        out.extend_from_slice(&[0, 0]);
    }

    /// Appends one pair.
    ///
    /// # Errors
    /// The original was kept for other fields, or one of the two is damaged. Nothing is then appended.
    pub fn pair(
        &mut self,
        original: &Kept<'_>,
        duplicate: &[u8],
        spans: &[Range<u32>],
        out: &mut PairBatch,
    ) -> Result<(), Refusal> {
        let payload_form = matches!(original.form, Form::Payload | Form::PayloadCut);
        if original.roots_digest != self.roots_digest || payload_form != self.roots.is_none() {
            return Err(Refusal::OtherFields);
        }
        if payload_form {
            pair_payloads(original.body, duplicate, out);
            return Ok(());
        }
        self.pair_values(original, duplicate, spans, out).ok_or(Refusal::Damaged)
    }

    fn pair_values(
        &mut self,
        kept: &Kept<'_>,
        payload: &[u8],
        spans: &[Range<u32>],
        out: &mut PairBatch,
    ) -> Option<()> {
        self.renew();
        let Self { original, duplicate, atlas, scratch, canonical, join, root_nodes, expanders, .. } = self;
        let values = duplicate.lengths.of(payload, spans, root_nodes.len(), &mut duplicate.joined)?;
        let mut level = 0;
        let form = if kept.form == Form::Properties {
            level = kept_leaves(kept, atlas, root_nodes, &mut original.leaves)?;
            Original::Properties
        } else {
            let text = original.lengths.kept(kept, root_nodes.len())?;
            // Most duplicates are the same event sent again.
            let same = original.lengths == duplicate.lengths && text.strip_suffix(b"\n").unwrap_or(text) == values;
            if same {
                Original::Same
            } else {
                let text = expanded(expanders, text, &mut original.lengths, &mut original.expanded)?;
                Original::Text(original.reader.read(text).ok()?)
            }
        };
        let values = expanded(expanders, values, &mut duplicate.lengths, &mut duplicate.expanded)?;
        let duplicate_text = duplicate.reader.read(values).ok()?;
        let mut take_apart = |side: &mut Vec<Leaf>, text, lengths: &[u32], depth| {
            Flatten::new(atlas, scratch, side, text, depth).run(root_nodes, lengths)
        };
        let bounds = loop {
            let bounds = *LEVELS.get(level)?;
            level += 1;
            let mut result = take_apart(&mut duplicate.leaves, duplicate_text, &duplicate.lengths.0, bounds.depth);
            if let (Ok(()), Original::Text(text)) = (result, form) {
                result = take_apart(&mut original.leaves, text, &original.lengths.0, bounds.depth);
            }
            match result {
                Ok(()) => break bounds,
                Err(Stop::TooMany) => {}
                Err(Stop::NotJson) => return None,
            }
        };
        let originals = if matches!(form, Original::Same) { &duplicate.leaves } else { &original.leaves };
        join.rows_of(atlas, originals, &duplicate.leaves);
        self.paths.push(atlas, &join.rows, &mut out.paths);
        let (first, start) = (out.duplicates.len(), out.duplicates.data.len());
        let of_duplicate = join.rows.iter().map(|row| duplicate.leaves.get(row.duplicate as usize));
        push_values(duplicate_text, of_duplicate, bounds, canonical, (&mut out.duplicate_kinds, &mut out.duplicates));
        let of_original = join.rows.iter().map(|row| original.leaves.get(row.original as usize));
        let sink = (&mut out.original_kinds, &mut out.originals);
        match form {
            Original::Text(text) => push_values(text, of_original, bounds, canonical, sink),
            Original::Properties => push_kept(kept.body, of_original, sink),
            Original::Same => {
                sink.0.extend_from_slice(out.duplicate_kinds.get(first..).unwrap_or_default());
                push_column(&out.duplicates, first, start, sink.1);
            }
        }
        out.end_pair();
        Some(())
    }

    #[cfg(test)]
    pub(super) fn paths_bytes(&self) -> usize {
        self.atlas.paths_bytes()
    }

    /// Starts the atlas anew where it is too large, with the roots.
    fn renew(&mut self) {
        if self.atlas.renew() {
            let roots = self.roots.as_deref().unwrap_or_default();
            let node = |root: &String| self.atlas.pointer(0, root.as_bytes(), usize::MAX).unwrap_or_default();
            self.root_nodes = roots.iter().map(node).collect();
            self.join = Join::default();
        }
    }
}

#[inline]
fn keep_payload(uuid: Option<&[u8]>, payload: &[u8], out: &mut Vec<u8>) {
    if payload.len() <= PAYLOAD.value_bytes_max {
        push_head(Form::Payload, 0, uuid, out);
        return out.extend_from_slice(payload);
    }
    push_head(Form::PayloadCut, 0, uuid, out);
    let start = out.len();
    out.extend_from_slice(payload);
    cut(out, start, PAYLOAD);
}

fn pair_payloads(original: &[u8], duplicate: &[u8], out: &mut PairBatch) {
    out.paths.push(b"");
    out.original_kinds.push(Kind::Bytes as u8);
    out.originals.push(original);
    out.duplicate_kinds.push(Kind::Bytes as u8);
    let start = out.duplicates.data.len();
    out.duplicates.data.extend_from_slice(duplicate);
    cut(&mut out.duplicates.data, start, PAYLOAD);
    out.duplicates.end_value();
    out.end_pair();
}

/// Reads kept properties; gives the level they were taken apart at.
#[cold]
fn kept_leaves(kept: &Kept<'_>, atlas: &mut Atlas, roots: &[u32], leaves: &mut Vec<Leaf>) -> Option<usize> {
    leaves.clear();
    kept.properties(|property| {
        let node = atlas.pointer(*roots.get(property.root)?, property.rest, super::PATH_BYTES_MAX)?;
        // Where the value stands in the body: what follows it is not looked at.
        let start = property.value.as_ptr() as usize - kept.body.as_ptr() as usize;
        leaves.push(Leaf::kept(node, start, start + property.value.len(), property.kind & !CUT));
        Some(())
    })
}
