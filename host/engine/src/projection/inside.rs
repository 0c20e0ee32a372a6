//! Members whose strings are JSON text: opened, so that pointers go on inside as if the string were the value it spells.
//! Not the grammar, and not which fields are asked for.
//!
//! - A member that is absent, or is no string, is left as it is: producers may send either form.
//! - A string that is not one JSON text is no event: see [`Refused::Inside`].
//! - The string itself keeps its kind and text: what asks for the member, or for what holds it, gets the string; what
//!   asks for something below the member gets what stands in the text.
//! - A text may hold strings that are JSON texts again, each named by its own pointer.

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use thiserror::Error;

use super::EVENT_BYTES_MAX;
use super::error::{DecodeError, PointerError, Refused};
use super::pointer::Tree;
use super::reader::Reader;
use super::unescape::unescape_text;
use super::walk::{Found, Tokens, Walk};
use crate::fields::Kind;

/// Members that may be named.
pub const JSON_IN_MAX: usize = 16;

/// The pointers of members whose strings are JSON text: in order, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonIn(Vec<Arc<str>>);

/// Members that cannot be named. It is a mistake of the configuration, never of an event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JsonInError {
    /// One of them is no pointer.
    #[error(transparent)]
    Pointer(#[from] PointerError),
    /// More than [`JSON_IN_MAX`].
    #[error("{count} members are named, and {JSON_IN_MAX} is the most")]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

impl JsonIn {
    /// Members named by JSON pointers (RFC 6901); the order does not matter. `""` is the whole event, where it is sent
    /// as a string.
    ///
    /// # Errors
    /// One is no pointer, or there are more than [`JSON_IN_MAX`].
    pub fn new<S: AsRef<str>>(pointers: &[S]) -> Result<Self, JsonInError> {
        Tree::compile(pointers.iter().map(AsRef::as_ref))?;
        let mut members: Vec<Arc<str>> = pointers.iter().map(|pointer| Arc::from(pointer.as_ref())).collect();
        members.sort_unstable();
        members.dedup();
        if members.len() > JSON_IN_MAX {
            return Err(JsonInError::TooMany { count: members.len() });
        }
        Ok(Self(members))
    }

    /// The pointers; what holds a member comes before it.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether no member is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members at and below `root`, named from there.
    pub(crate) fn below(&self, root: &str) -> Self {
        let rest = |member: &Arc<str>| {
            let rest = member.strip_prefix(root)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| Arc::from(rest))
        };
        Self(self.0.iter().filter_map(rest).collect())
    }
}

/// Stands for the event itself, where else stands the number of a member and 1.
const EVENT: usize = 0;

/// One member, and what its string spells in the event read last.
#[derive(Debug)]
struct Member {
    pointer: Arc<str>,
    node: u32,
    /// The member that it lies below.
    above: usize,
    /// Whether it is a string, and hence was opened.
    is_open: bool,
    /// In whose text it stands, and where there; quotes included.
    holder: usize,
    place: Range<u32>,
    reader: Reader,
    text: Vec<u8>,
}

impl Member {
    fn tokens(&self) -> Tokens<'_> {
        self.reader.tokens(&self.text)
    }
}

/// The members of one projection. Kept from event to event for its memory: six bytes for each byte of the longest text of
/// each member.
#[derive(Debug)]
pub(super) struct Inside {
    /// What holds a member comes before it.
    members: Vec<Member>,
    /// For each node the member it lies below.
    above: Vec<usize>,
    /// For each number of a member: in whose text stands what lies below it.
    texts: Vec<usize>,
    /// The event and texts, one after the other, for values that stand in more than one of them.
    joined: Vec<u8>,
}

impl Inside {
    /// `nodes` are those of the pointers in `tree`. `None` where no member is named.
    pub(super) fn new(json_in: &JsonIn, nodes: &[u32], tree: &Tree) -> Option<Box<Self>> {
        if json_in.is_empty() {
            return None;
        }
        let mut above = vec![EVENT; tree.len()];
        let mut members = Vec::new();
        for (pointer, node) in std::iter::zip(&json_in.0, nodes) {
            let below = *node as usize + 1..tree.subtree_end(*node) as usize;
            members.push(Member {
                pointer: pointer.clone(),
                node: *node,
                above: above.get(*node as usize).copied().unwrap_or(EVENT),
                is_open: false,
                holder: EVENT,
                place: 0..0,
                reader: Reader::default(),
                text: Vec::new(),
            });
            above.get_mut(below).unwrap_or_default().fill(members.len());
        }
        Some(Box::new(Self { texts: vec![EVENT; members.len() + 1], members, above, joined: Vec::new() }))
    }

    /// Opens the members of an event that was walked through, and walks through their texts.
    ///
    /// # Errors
    /// The string of a member is not JSON text.
    pub(super) fn open(&mut self, event: Tokens<'_>, walk: &mut Walk, tree: &Tree) -> Result<(), Refused> {
        for number in 1..self.texts.len() {
            let (before, rest) = self.members.split_at_mut(number - 1);
            let Some(member) = rest.first_mut() else { break };
            let holder = self.texts.get(member.above).copied().unwrap_or(EVENT);
            let found = walk.found.get(member.node as usize).copied().unwrap_or(Found::ABSENT);
            member.is_open = found.kind == Kind::String;
            if let Some(text) = self.texts.get_mut(number) {
                *text = if member.is_open { number } else { holder };
            }
            if member.is_open {
                let text = holder.checked_sub(1).and_then(|holder| before.get(holder)).map_or(event, Member::tokens);
                member.holder = holder;
                member.place = text.span(found.first as usize, found.last as usize);
                let refused = |cause| Refused::Inside { member: member.pointer.clone(), cause };
                unescape_text(member.reader.level, text, found.first as usize, &mut member.text).map_err(refused)?;
                let tokens = member.reader.read(&member.text).map_err(refused)?;
                walk.run_below(tokens, tree, member.node).map_err(refused)?;
                // Who asks for the member itself asks for the string.
                if let Some(own) = walk.found.get_mut(member.node as usize) {
                    *own = found;
                }
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn set_level(&mut self, level: super::simd::Level) {
        self.members.iter_mut().for_each(|member| member.reader.level = level);
    }

    /// The text in which the value of a node stands.
    pub(super) fn text_of<'a>(&'a self, node: u32, event: Tokens<'a>) -> Tokens<'a> {
        self.member(self.text_number(node)).map_or(event, Member::tokens)
    }

    fn text_number(&self, node: u32) -> usize {
        let above = self.above.get(node as usize).copied().unwrap_or(EVENT);
        self.texts.get(above).copied().unwrap_or(EVENT)
    }

    fn member(&self, number: usize) -> Option<&Member> {
        number.checked_sub(1).and_then(|at| self.members.get(at))
    }

    /// Where the values of nodes stand: in the event, or, where one of them stands in the text of a member, in what
    /// [`Inside::joined`] then gives.
    ///
    /// # Errors
    /// The texts together are too long.
    pub(super) fn spans(
        &mut self,
        nodes: &[u32],
        found: &[Found],
        event: Tokens<'_>,
        spans: &mut Vec<Range<u32>>,
    ) -> Result<(), DecodeError> {
        self.joined.clear();
        let all_in_event = nodes.iter().all(|node| self.text_number(*node) == EVENT);
        // Where each text begins in what is joined.
        let mut starts = [None; JSON_IN_MAX + 1];
        for node in nodes {
            let found = found.get(*node as usize).copied().unwrap_or(Found::ABSENT);
            if found.kind == Kind::Absent {
                spans.push(0..0);
                continue;
            }
            let number = self.text_number(*node);
            let text = self.member(number).map_or(event, Member::tokens);
            let span = text.span(found.first as usize, found.last as usize);
            let Some(start) = starts.get_mut(number).filter(|_| !all_in_event) else {
                spans.push(span);
                continue;
            };
            let start = *start.get_or_insert(self.joined.len());
            if start == self.joined.len() {
                if start + text.json.len() > EVENT_BYTES_MAX {
                    spans.clear();
                    return Err(DecodeError::TooLong);
                }
                let text = self.members.get(number.wrapping_sub(1)).map_or(event.json, |member| &member.text);
                push_in_one_line(text, &mut self.joined);
            }
            spans.push(span.start + start as u32..span.end + start as u32);
        }
        Ok(())
    }

    /// The text in which [`Inside::spans`] stand, where that is not the event.
    pub(super) fn joined(&self) -> Option<&[u8]> {
        (!self.joined.is_empty()).then_some(&self.joined)
    }

    /// Appends a value with the strings of its members replaced by what they spell. It stands in the text of `holder`.
    fn expand(&self, holder: usize, text: &[u8], value: Range<usize>, out: &mut Vec<u8>) {
        let mut at = value.start;
        let members = || (1..).zip(&self.members).filter(|(_, member)| member.is_open && member.holder == holder);
        while let Some((number, member)) = members()
            .filter(|(_, member)| member.place.start as usize >= at)
            .min_by_key(|(_, member)| member.place.start)
        {
            out.extend_from_slice(text.get(at..member.place.start as usize).unwrap_or_default());
            let tokens = member.tokens();
            let inner = tokens.span(0, tokens.tokens.len().saturating_sub(1));
            self.expand(number, &member.text, inner.start as usize..inner.end as usize, out);
            at = member.place.end as usize;
        }
        out.extend_from_slice(text.get(at..value.end).unwrap_or_default());
    }
}

/// Appends JSON text without line breaks. Control characters stand in no string, so that they are whitespace.
fn push_in_one_line(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().map(|byte| if *byte < b' ' { b' ' } else { *byte }));
}

/// Writes values with the strings of their members replaced by what they spell.
#[derive(Debug)]
pub struct Expander {
    tree: Tree,
    reader: Reader,
    walk: Walk,
    inside: Box<Inside>,
}

impl Expander {
    /// For the values at `root`, a pointer; `None` where nothing there is to be opened.
    #[must_use]
    pub fn new(json_in: &JsonIn, root: &str) -> Option<Self> {
        let below = json_in.below(root);
        let (tree, nodes) = Tree::compile(below.iter()).ok()?;
        let inside = Inside::new(&below, &nodes, &tree)?;
        Some(Self { tree, reader: Reader::default(), walk: Walk::default(), inside })
    }

    /// Appends a value. `None` where it is not JSON, or a string in it is not; what was then appended has no meaning.
    pub fn expand(&mut self, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let Self { tree, reader, walk, inside } = self;
        let tokens = reader.read(value).ok()?;
        walk.run(tokens, tree).ok()?;
        inside.open(tokens, walk, tree).ok()?;
        inside.expand(EVENT, value, 0..value.len(), out);
        Some(())
    }
}
