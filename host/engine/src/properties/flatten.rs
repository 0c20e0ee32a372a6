//! An event taken apart into its properties: which there are and where they stand in its text. No value is copied.
//! The text is checked on the way, so that one that is not JSON is refused.

use super::atlas::{Atlas, NONE};
use super::{DEPTH_MAX, NAMES_MAX, PROPERTIES_MAX};
use crate::projection::{Nesting, Tokens, unescape};

/// One property.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    pub(super) node: u32,
    /// Its first token and its last; of a kept value the bytes it stands at.
    pub(super) first: u32,
    pub(super) last: u32,
    /// The first byte of its text; the kind of a kept value.
    pub(super) byte: u8,
    visit: u32,
}

impl Leaf {
    /// A value that stands at bytes, and not at tokens.
    pub(super) fn kept(node: u32, start: usize, end: usize, kind: u8) -> Self {
        Self { node, first: start as u32, last: end as u32, byte: kind, visit: 0 }
    }
}

/// Why an event was not taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The text is not JSON.
    NotJson,
    /// It has more than [`PROPERTIES_MAX`] properties, or more than [`NAMES_MAX`] names were looked at.
    TooMany,
}

/// An object that is being taken apart.
#[derive(Debug, Clone, Copy)]
struct Frame {
    node: u32,
    /// The member before.
    before: u32,
    /// What it would be as a property.
    token: u32,
    visit: u32,
    /// How many properties there were before it.
    leaves: usize,
}

/// Memory for taking apart; kept from event to event.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    frames: Vec<Frame>,
    nesting: Nesting,
    name: Vec<u8>,
}

/// One event being taken apart.
pub(super) struct Flatten<'a> {
    pub(super) atlas: &'a mut Atlas,
    pub(super) scratch: &'a mut Scratch,
    pub(super) leaves: &'a mut Vec<Leaf>,
    text: Tokens<'a>,
    depth: usize,
    names: usize,
    /// Whether a name stands in an object more than once.
    repeated: bool,
    /// How many escapes stand before the name looked at last.
    escapes_before: usize,
    /// Visits before this root.
    base: u32,
}

impl<'a> Flatten<'a> {
    /// Objects are taken apart down to `depth` levels.
    pub(super) fn new(
        atlas: &'a mut Atlas,
        scratch: &'a mut Scratch,
        leaves: &'a mut Vec<Leaf>,
        text: Tokens<'a>,
        depth: usize,
    ) -> Self {
        leaves.clear();
        let depth = depth.min(DEPTH_MAX);
        Self { atlas, scratch, leaves, text, depth, names: 0, repeated: false, escapes_before: 0, base: 0 }
    }

    /// Appends the properties of the values of all roots. `lengths` has the bytes of each value, 0 where there is none;
    /// the values stand in the text one after the other, with a byte between.
    ///
    /// # Errors
    /// Values are not JSON, or there are too many properties.
    pub(super) fn run(&mut self, roots: &[u32], lengths: &[u32]) -> Result<(), Stop> {
        let (mut token, mut at) = (0, 0);
        for (root, length) in std::iter::zip(roots, lengths).filter(|(_, length)| **length > 0) {
            let end = at + *length as usize;
            if self.text.start(token) >= end {
                return Err(Stop::NotJson);
            }
            let from = self.leaves.len();
            token = self.root(*root, token)?;
            if self.repeated {
                self.drop_replaced(*root, from);
            }
            let after = token == self.text.tokens.len() || self.text.start(token) > end;
            if !after {
                return Err(Stop::NotJson);
            }
            at = end + 1;
        }
        match token == self.text.tokens.len() {
            true if self.leaves.len() <= PROPERTIES_MAX => Ok(()),
            true => Err(Stop::TooMany),
            false => Err(Stop::NotJson),
        }
    }

    /// Takes the value at `token` apart, and gives the token after it.
    fn root(&mut self, root: u32, mut token: usize) -> Result<usize, Stop> {
        self.base = self.atlas.visits();
        self.scratch.frames.clear();
        let text = self.text;
        let mut node = Some(root);
        self.atlas.visit(root);
        loop {
            if let Some(here) = node {
                let (first, visit) = (text.byte(token), self.atlas.visits());
                let deep = self.scratch.frames.len() >= self.depth;
                if first == b'{' && !deep && text.byte(token + 1) != b'}' {
                    let leaves = self.leaves.len();
                    self.scratch.frames.push(Frame { node: here, before: NONE, token: token as u32, visit, leaves });
                    (token, node) = self.name(token + 1)?;
                    continue;
                }
                token = self.leaf(here, token, first, visit)?;
            } else {
                // A name is too long: what it stands in is one property.
                let Some(frame) = self.scratch.frames.pop() else { return Err(Stop::NotJson) };
                self.leaves.truncate(frame.leaves);
                token = self.leaf(frame.node, frame.token as usize, b'{', frame.visit)?;
            }
            loop {
                if self.scratch.frames.is_empty() {
                    return Ok(token);
                }
                token += 1;
                match text.byte(token - 1) {
                    b',' => break,
                    b'}' => drop(self.scratch.frames.pop()),
                    _ => return Err(Stop::NotJson),
                }
            }
            (token, node) = self.name(token)?;
        }
    }

    #[inline]
    fn leaf(&mut self, node: u32, token: usize, first: u8, visit: u32) -> Result<usize, Stop> {
        let next = self.text.skip(token, first, &mut self.scratch.nesting).map_err(|_| Stop::NotJson)?;
        self.leaves.push(Leaf { node, first: token as u32, last: next as u32 - 1, byte: first, visit });
        Ok(next)
    }

    /// The member whose name stands at `token`, and the token of its value; `None` where its pointer is too long.
    #[inline(always)]
    fn name(&mut self, token: usize) -> Result<(usize, Option<u32>), Stop> {
        let text = self.text;
        text.check_name(token).map_err(|_| Stop::NotJson)?;
        self.names += 1;
        if self.names > NAMES_MAX {
            return Err(Stop::TooMany);
        }
        let Some(frame) = self.scratch.frames.last_mut() else { return Err(Stop::NotJson) };
        let (start, end) = (text.start(token) + 1, text.end(token) - 1);
        while text.escapes.get(self.escapes_before).is_some_and(|at| (*at as usize) < start) {
            self.escapes_before += 1;
        }
        let node = if text.escapes.get(self.escapes_before).is_some_and(|at| (*at as usize) < end) {
            let name = &mut self.scratch.name;
            name.clear();
            unescape(text.string(token), name);
            self.atlas.member(frame.node, frame.before, name, 0, name.len())
        } else {
            self.atlas.member(frame.node, frame.before, text.json, start, end)
        };
        let Some((node, visited)) = node else { return Ok((token + 2, None)) };
        frame.before = node;
        self.repeated |= visited > self.base;
        Ok((token + 2, Some(node)))
    }

    /// Of repeated members the last counts: drops what stands in one that was met again later.
    #[cold]
    fn drop_replaced(&mut self, root: u32, from: usize) {
        let mut kept = from;
        for at in from..self.leaves.len() {
            if self.leaves.get(at).is_some_and(|leaf| self.atlas.stands(leaf.node, root, leaf.visit)) {
                self.leaves.swap(kept, at);
                kept += 1;
            }
        }
        self.leaves.truncate(kept);
        self.repeated = false;
    }
}
