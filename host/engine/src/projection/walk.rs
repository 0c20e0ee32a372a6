//! The grammar, token by token, and on the way there the places of what is asked for. It copies no value.

use std::ops::Range;

use super::error::{DecodeError, Expected, syntax};
use super::number::number_end;
use super::pointer::{Tree, UNASKED};
use super::text::unescape;
use crate::fields::Kind;

/// A text and where its tokens and escapes stand.
#[derive(Clone, Copy)]
pub(crate) struct Tokens<'a> {
    pub(crate) json: &'a [u8],
    pub(crate) tokens: &'a [u32],
    pub(crate) firsts: &'a [u8],
    pub(crate) escapes: &'a [u32],
    /// Whether an escape names half a surrogate pair without the other half.
    pub(crate) halves: bool,
}

/// What was found for one node of the tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) kind: Kind,
    /// Its first token.
    pub(super) first: u32,
    /// Its last token: the one that closes an object or array.
    pub(super) last: u32,
}

impl Found {
    pub(super) const ABSENT: Self = Self { kind: Kind::Absent, first: 0, last: 0 };
}

impl<'a> Tokens<'a> {
    /// The first byte of a token; the end of the text after the last.
    #[inline(always)]
    pub(crate) fn start(&self, token: usize) -> usize {
        self.tokens.get(token).map_or(self.json.len(), |at| *at as usize)
    }

    /// The byte a token begins with; 0, which begins none, after the last.
    #[inline(always)]
    pub(crate) fn byte(&self, token: usize) -> u8 {
        self.firsts.get(token).copied().unwrap_or_default()
    }

    /// The end of a string, number or word: where the whitespace before the next token begins.
    #[inline(always)]
    pub(crate) fn end(&self, token: usize) -> usize {
        let mut end = self.start(token + 1);
        while end > 0 && self.json.get(end - 1).is_some_and(|byte| is_space(*byte)) {
            end -= 1;
        }
        end
    }

    /// Where a value stands in the text, from its first token to its last.
    #[inline]
    pub(crate) fn span(&self, first: usize, last: usize) -> Range<u32> {
        self.start(first) as u32..self.end(last) as u32
    }

    /// Appends the bytes of a string with its quotes, a number or a word.
    #[inline(always)]
    pub(crate) fn push_scalar(&self, token: usize, out: &mut Vec<u8>) {
        push_range(self.json, self.start(token), self.end(token), out);
    }

    /// The bytes of a number or word.
    pub(crate) fn scalar(&self, token: usize) -> &'a [u8] {
        self.json.get(self.start(token)..self.end(token)).unwrap_or_default()
    }

    /// The bytes of a string between its quotes, as written.
    #[inline]
    pub(crate) fn string(&self, token: usize) -> &'a [u8] {
        self.json.get(self.start(token) + 1..self.end(token) - 1).unwrap_or_default()
    }

    /// Appends the text of a string, its escapes resolved.
    #[inline]
    pub(crate) fn push_text(&self, token: usize, out: &mut Vec<u8>) {
        if self.escaped(token) {
            unescape(self.string(token), out);
        } else {
            push_range(self.json, self.start(token) + 1, self.end(token) - 1, out);
        }
    }

    /// Whether a string has an escape.
    #[inline]
    pub(crate) fn escaped(&self, token: usize) -> bool {
        if self.escapes.is_empty() {
            return false;
        }
        let start = self.start(token);
        let after = self.escapes.partition_point(|at| (*at as usize) < start);
        self.escapes.get(after).is_some_and(|at| (*at as usize) < self.start(token + 1))
    }

    /// What the value at a token is, of which the first byte is given: a string that holds half a surrogate pair is no
    /// text that UTF-8 could hold, and goes as JSON.
    #[inline(always)]
    pub(crate) fn kind(&self, token: usize, first: u8) -> Kind {
        if first == b'"' && self.halves && self.has_half(token) { Kind::Json } else { kind(first) }
    }

    #[cold]
    fn has_half(&self, token: usize) -> bool {
        let mut text = Vec::new();
        unescape(self.string(token), &mut text);
        std::str::from_utf8(&text).is_err()
    }

    #[cold]
    fn fail(&self, token: usize, expected: Expected) -> DecodeError {
        syntax(self.start(token), expected)
    }

    /// Checks a value that is no object and no array.
    #[inline(always)]
    fn check_scalar(&self, token: usize, first: u8) -> Result<(), DecodeError> {
        if first == b'"' {
            return Ok(());
        }
        let start = self.start(token);
        let (end, expected) = match first {
            b'0'..=b'9' | b'-' => (number_end(self.json, start)?, Expected::Number),
            b't' if self.json.get(start..start + 4) == Some(b"true") => (start + 4, Expected::Literal),
            b'f' if self.json.get(start..start + 5) == Some(b"false") => (start + 5, Expected::Literal),
            b'n' if self.json.get(start..start + 4) == Some(b"null") => (start + 4, Expected::Literal),
            b't' | b'f' | b'n' => return Err(syntax(start, Expected::Literal)),
            _ => return Err(syntax(start, Expected::Value)),
        };
        // What follows is the next token or whitespace; else the number or word goes on.
        if end == self.start(token + 1) || self.json.get(end).is_some_and(|byte| is_space(*byte)) {
            return Ok(());
        }
        Err(syntax(end, expected))
    }

    /// Checks that a name and a colon stand here.
    #[inline(always)]
    pub(crate) fn check_name(&self, token: usize) -> Result<(), DecodeError> {
        if self.firsts.get(token..token + 2) == Some(b"\":") {
            return Ok(());
        }
        Err(match self.byte(token) {
            b'"' => self.fail(token + 1, Expected::Colon),
            _ => self.fail(token, Expected::Name),
        })
    }

    /// Checks a value nobody looks into, and gives the token after it.
    #[inline(always)]
    pub(crate) fn skip(&self, token: usize, first: u8, nesting: &mut Nesting) -> Result<usize, DecodeError> {
        match first {
            b'{' | b'[' => self.skip_nested(token, nesting),
            _ => self.check_scalar(token, first).map(|()| token + 1),
        }
    }

    #[inline(never)]
    fn skip_nested(&self, mut token: usize, nesting: &mut Nesting) -> Result<usize, DecodeError> {
        nesting.clear();
        loop {
            // A value begins here.
            match self.byte(token) {
                b'{' => {
                    nesting.push(true);
                    token += 1;
                    if self.byte(token) != b'}' {
                        self.check_name(token)?;
                        token += 2;
                        continue;
                    }
                }
                b'[' => {
                    nesting.push(false);
                    token += 1;
                    if self.byte(token) != b']' {
                        continue;
                    }
                }
                first => {
                    self.check_scalar(token, first)?;
                    token += 1;
                }
            }
            // A value has ended, or an object or array is about to.
            loop {
                let object = nesting.in_object();
                // Most members are strings, which need nothing but their place.
                while object && self.firsts.get(token..token + 4) == Some(b",\":\"") {
                    token += 4;
                }
                let byte = self.byte(token);
                if byte == b',' {
                    token += 1;
                    if object {
                        self.check_name(token)?;
                        token += 2;
                    }
                    break;
                }
                if byte != if object { b'}' } else { b']' } {
                    return Err(self.fail(token, after_value(object)));
                }
                token += 1;
                nesting.pop();
                if nesting.depth == 0 {
                    return Ok(token);
                }
            }
        }
    }
}

/// How many escapes stand before `start`, of which `known` are known to. Most often few are between two names; where a
/// string is JSON text, hundreds are.
#[inline(never)]
fn escapes_before(escapes: &[u32], known: usize, start: usize) -> usize {
    let rest = escapes.get(known..).unwrap_or_default();
    let before = |at: &u32| (*at as usize) < start;
    match rest.iter().take(8).position(|at| !before(at)) {
        Some(few) => known + few,
        None => known + rest.partition_point(before),
    }
}

/// Appends `bytes[start..end]`. Most values are short, and to copy more than is wanted, but of a size known beforehand,
/// costs less than to copy just what is wanted.
#[inline(always)]
pub(crate) fn push_range(bytes: &[u8], start: usize, end: usize, out: &mut Vec<u8>) {
    let length = end.saturating_sub(start);
    match bytes.get(start..).and_then(|rest| rest.first_chunk::<32>()) {
        Some(chunk) if length <= 32 => {
            let before = out.len();
            out.extend_from_slice(chunk);
            out.truncate(before + length);
        }
        _ => out.extend_from_slice(bytes.get(start..end).unwrap_or_default()),
    }
}

fn after_value(object: bool) -> Expected {
    if object { Expected::CommaOrBrace } else { Expected::CommaOrBracket }
}

#[inline(always)]
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Which of the open values are objects: a bit for each, so that depth costs next to no memory.
#[derive(Debug, Default)]
pub(crate) struct Nesting {
    depth: usize,
    /// The innermost in bit 0.
    top: u64,
    below: Vec<u64>,
}

impl Nesting {
    fn clear(&mut self) {
        self.depth = 0;
        self.below.clear();
    }

    #[inline(always)]
    fn push(&mut self, object: bool) {
        if self.depth.is_multiple_of(64) {
            self.below.push(self.top);
        }
        self.top = self.top << 1 | u64::from(object);
        self.depth += 1;
    }

    #[inline(always)]
    fn pop(&mut self) {
        self.depth -= 1;
        self.top >>= 1;
        if self.depth.is_multiple_of(64) {
            self.top = self.below.pop().unwrap_or_default();
        }
    }

    #[inline(always)]
    fn in_object(&self) -> bool {
        self.top & 1 == 1
    }
}

/// An open object or array that is looked into. There are never more of these than a pointer has segments.
#[derive(Debug, Clone, Copy)]
struct Frame {
    node: u32,
    object: bool,
    element: u64,
}

/// One way through a text. Kept from event to event for its memory.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// What was found, by node.
    pub(super) found: Vec<Found>,
    frames: Vec<Frame>,
    nesting: Nesting,
    name: Vec<u8>,
    /// How many escapes stand before the name looked at last.
    escapes_before: usize,
}

impl Walk {
    /// Checks the whole text and notes where the last value of every node of the tree stands.
    ///
    /// # Errors
    /// The text is not one JSON value.
    pub(super) fn run(&mut self, text: Tokens<'_>, tree: &Tree) -> Result<(), DecodeError> {
        self.found.clear();
        self.found.resize(tree.len(), Found::ABSENT);
        self.run_below(text, tree, 0)
    }

    /// As [`Walk::run`] for a text whose value is that of `node`: what was found elsewhere stays.
    ///
    /// # Errors
    /// The text is not one JSON value.
    pub(super) fn run_below(&mut self, text: Tokens<'_>, tree: &Tree, node: u32) -> Result<(), DecodeError> {
        self.frames.clear();
        self.escapes_before = 0;
        if text.tokens.is_empty() {
            return Err(DecodeError::Empty);
        }
        let (mut token, mut node) = (0, node);
        loop {
            let first = text.byte(token);
            let container = matches!(first, b'{' | b'[');
            if container && node != UNASKED && tree.goes_deeper(node) {
                self.note(tree, node, Kind::Json, token, token);
                self.frames.push(Frame { node, object: first == b'{', element: 0 });
                token += 1;
                if text.byte(token) != first + 2 {
                    (token, node) = self.enter(text, tree, token)?;
                    continue;
                }
            } else {
                let next = text.skip(token, first, &mut self.nesting)?;
                if node != UNASKED {
                    self.note(tree, node, kind(first), token, next - 1);
                }
                token = next;
            }
            match self.leave(text, tree, token)? {
                Some((value, asked)) => (token, node) = (value, asked),
                None => return Ok(()),
            }
        }
    }

    /// Goes on after a value: to the next value and its node, or `None` at the end of the text.
    #[inline(always)]
    fn leave(&mut self, text: Tokens<'_>, tree: &Tree, mut token: usize) -> Result<Option<(usize, u32)>, DecodeError> {
        loop {
            let byte = text.byte(token);
            let Some(frame) = self.frames.last_mut() else {
                let end = token == text.tokens.len();
                return if end { Ok(None) } else { Err(text.fail(token, Expected::End)) };
            };
            if byte == b',' {
                frame.element += 1;
                return self.enter(text, tree, token + 1).map(Some);
            }
            if byte != if frame.object { b'}' } else { b']' } {
                return Err(text.fail(token, after_value(frame.object)));
            }
            if let Some(found) = self.found.get_mut(frame.node as usize) {
                found.last = token as u32;
            }
            token += 1;
            self.frames.pop();
        }
    }

    /// The next member's or element's value, and its node.
    #[inline(always)]
    fn enter(&mut self, text: Tokens<'_>, tree: &Tree, token: usize) -> Result<(usize, u32), DecodeError> {
        let Some(frame) = self.frames.last().copied() else { return Ok((token, UNASKED)) };
        if !frame.object {
            return Ok((token, tree.element(frame.node, frame.element)));
        }
        text.check_name(token)?;
        let start = text.start(token) + 1;
        let end = text.end(token) - 1;
        if self.escape_within(text.escapes, start, end) {
            self.name.clear();
            unescape(text.string(token), &mut self.name);
            return Ok((token + 2, tree.member(frame.node, &self.name, 0, self.name.len())));
        }
        Ok((token + 2, tree.member(frame.node, text.json, start, end)))
    }

    /// Whether an escape stands in a name; names are asked about in the order of the text.
    #[inline(always)]
    fn escape_within(&mut self, escapes: &[u32], start: usize, end: usize) -> bool {
        if escapes.get(self.escapes_before).is_some_and(|at| (*at as usize) < start) {
            self.escapes_before = escapes_before(escapes, self.escapes_before, start);
        }
        escapes.get(self.escapes_before).is_some_and(|at| (*at as usize) < end)
    }

    /// Notes a value. What an earlier member of the same name had below it is gone: the last member counts.
    #[inline(always)]
    fn note(&mut self, tree: &Tree, node: u32, kind: Kind, first: usize, last: usize) {
        let subtree = self.found.get_mut(node as usize..tree.subtree_end(node) as usize);
        if let Some((own, below)) = subtree.and_then(<[Found]>::split_first_mut) {
            *own = Found { kind, first: first as u32, last: last as u32 };
            below.fill(Found::ABSENT);
        }
    }
}

/// What a checked value is, by its first byte.
pub(crate) fn kind(first: u8) -> Kind {
    match first {
        b'"' => Kind::String,
        b'{' | b'[' => Kind::Json,
        b't' | b'f' => Kind::Bool,
        b'n' => Kind::Null,
        _ => Kind::Number,
    }
}
