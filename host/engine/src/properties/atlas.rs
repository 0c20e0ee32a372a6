//! The pointers met so far, each with a number and its place among all in the order of bytes. Events of one stream
//! have mostly the same members in the same order, so most names are found by one comparison with the name that
//! followed last time, and no event sorts its properties. Not the values, and nothing that outlives the process.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::PATH_BYTES_MAX;
use crate::projection::{half, push_half, push_range, word};

/// Stands for "no pointer".
pub(super) const NONE: u32 = u32::MAX;

/// Pointers kept from pair to pair. Reaching it costs a start from nothing.
const NODES_MAX: usize = 4096;
/// Bytes of pointers kept from pair to pair.
const PATHS_BYTES_MAX: usize = 1 << 20;
/// Members left out before a name is looked up in the table.
const HOPS_MAX: usize = 4;
/// Visits before their count is started anew, to fit 32 bits.
const VISITS_MAX: u32 = 1 << 31;

/// As large as a line of the processor's cache, and placed like one.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Node {
    /// The first eight bytes of the name as a little-endian word, and which of its bits count.
    head: u64,
    mask: u64,
    /// The last eight bytes of a name that has so many.
    tail: u64,
    name_start: u32,
    name_bytes: u32,
    path_start: u32,
    path_end: u32,
    parent: u32,
    /// The member met first in this one the last time.
    child: u32,
    /// The member that came after this one the last time.
    next: u32,
    /// When it was met last.
    visit: u32,
    rank: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Atlas {
    nodes: Vec<Node>,
    names: Vec<u8>,
    paths: Vec<u8>,
    table: HashTable<u32>,
    /// Names are chosen by strangers, so where they fall in the table must not be.
    hasher: RandomState,
    /// The nodes that have a rank, by rank.
    order: Vec<u32>,
    fresh: Vec<u32>,
    visits: u32,
    /// How often it was started anew.
    generation: u32,
}

impl Atlas {
    /// Forgets everything if it has grown too large; true if so. Numbers given before then mean nothing.
    pub(super) fn renew(&mut self) -> bool {
        let small = self.nodes.len() <= NODES_MAX && self.paths.len() <= PATHS_BYTES_MAX && self.visits < VISITS_MAX;
        if small && !self.nodes.is_empty() {
            return false;
        }
        *self = Self { hasher: self.hasher.clone(), generation: self.generation.wrapping_add(1), ..Self::default() };
        self.nodes.push(Node {
            head: 0,
            mask: 0,
            tail: 0,
            name_start: 0,
            name_bytes: 0,
            path_start: 0,
            path_end: 0,
            parent: NONE,
            child: NONE,
            next: NONE,
            visit: 0,
            rank: 0,
        });
        true
    }

    /// Changes when numbers change their meaning.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// The node at `pointer` below `node`; `None` where that is no pointer.
    pub(super) fn pointer(&mut self, mut node: u32, pointer: &[u8], path_bytes_max: usize) -> Option<u32> {
        let Some((first, rest)) = pointer.split_first() else { return Some(node) };
        if *first != b'/' {
            return None;
        }
        let mut name = Vec::new();
        for segment in rest.split(|byte| *byte == b'/') {
            name.clear();
            let mut parts = segment.split(|byte| *byte == b'~');
            name.extend_from_slice(parts.next()?);
            for part in parts {
                let (escape, after) = part.split_first()?;
                match (escape, after.split_first_chunk::<4>()) {
                    (b'u', Some((digits, rest))) => {
                        push_half(u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?, &mut name);
                        name.extend_from_slice(rest);
                    }
                    _ => {
                        name.push(if *escape == b'1' { b'/' } else { b'~' });
                        name.extend_from_slice(after);
                    }
                }
            }
            node = self.search(node, &name, path_bytes_max)?;
        }
        Some(node)
    }

    /// Visits the member `text[start..end]`, a name without escapes, of `parent`: its node, and its visit before this
    /// one. `before` is the member that stood before it. `None`: its pointer would be too long.
    #[inline(always)]
    pub(super) fn member(
        &mut self,
        parent: u32,
        before: u32,
        text: &[u8],
        start: usize,
        end: usize,
    ) -> Option<(u32, u32)> {
        let above = self.nodes.get((if before == NONE { parent } else { before }) as usize)?;
        let guess = if before == NONE { above.child } else { above.next };
        if let Some(node) = self.nodes.get_mut(guess as usize) {
            let length = end - start;
            if node.name_bytes as usize == length
                && word(text, start) & node.mask == node.head
                && (length <= 8 || word(text, end - 8) == node.tail)
                && (length <= 16
                    || text.get(start..end)
                        == self.names.get(node.name_start as usize..node.name_start as usize + length))
            {
                self.visits += 1;
                return Some((guess, std::mem::replace(&mut node.visit, self.visits)));
            }
        }
        self.unexpected(parent, before, guess, text.get(start..end)?)
    }

    /// The same for a member that did not follow there last time.
    #[inline(never)]
    fn unexpected(&mut self, parent: u32, before: u32, mut guess: u32, name: &[u8]) -> Option<(u32, u32)> {
        // Most often a few members are left out that stood there. They are remembered for when they come again.
        for _ in 0..HOPS_MAX {
            guess = self.nodes.get(guess as usize).map_or(NONE, |node| node.next);
            let Some(node) = self.nodes.get(guess as usize) else { break };
            if self.name(node) == name {
                return Some((guess, self.visit(guess)));
            }
        }
        let found = self.search(parent, name, PATH_BYTES_MAX)?;
        if before == NONE {
            self.nodes.get_mut(parent as usize)?.child = found;
        } else {
            self.nodes.get_mut(before as usize)?.next = found;
        }
        Some((found, self.visit(found)))
    }

    fn name(&self, node: &Node) -> &[u8] {
        let start = node.name_start as usize;
        self.names.get(start..start + node.name_bytes as usize).unwrap_or_default()
    }

    fn search(&mut self, parent: u32, name: &[u8], path_bytes_max: usize) -> Option<u32> {
        let above = *self.nodes.get(parent as usize)?;
        let escapes = name.iter().filter(|byte| matches!(byte, b'~' | b'/')).count();
        // Half a surrogate pair has three bytes in a name, and six in a pointer.
        let halves = memchr::memchr_iter(0xed, name).filter(|at| name.get(*at..).and_then(half).is_some()).count();
        let name_bytes = name.len() + escapes + 3 * halves;
        if (above.path_end - above.path_start) as usize + 1 + name_bytes >= path_bytes_max {
            return None;
        }
        let hash = self.hasher.hash_one((parent, name));
        let same = |node: &u32| {
            self.nodes.get(*node as usize).is_some_and(|node| node.parent == parent && self.name(node) == name)
        };
        if let Some(found) = self.table.find(hash, same) {
            return Some(*found);
        }
        let found = self.insert(parent, above, name);
        // Growing asks for every hash again.
        let mut table = std::mem::take(&mut self.table);
        table.insert_unique(hash, found, |node| {
            self.nodes.get(*node as usize).map_or(0, |node| self.hasher.hash_one((node.parent, self.name(node))))
        });
        self.table = table;
        Some(found)
    }

    fn insert(&mut self, parent: u32, above: Node, name: &[u8]) -> u32 {
        let path_start = self.paths.len();
        self.paths.extend_from_within(above.path_start as usize..above.path_end as usize);
        self.paths.push(b'/');
        let mut rest = name;
        while let Some((byte, after)) = rest.split_first() {
            let half = half(rest);
            rest = after;
            match (byte, half) {
                (_, Some(unit)) => {
                    self.paths.extend_from_slice(format!("~u{unit:04x}").as_bytes());
                    rest = after.get(2..).unwrap_or_default();
                }
                (b'~', None) => self.paths.extend_from_slice(b"~0"),
                (b'/', None) => self.paths.extend_from_slice(b"~1"),
                (other, None) => self.paths.push(*other),
            }
        }
        let name_start = self.names.len();
        self.names.extend_from_slice(name);
        let mask = match name.len() {
            0 => 0,
            length => u64::MAX >> (64 - 8 * length.min(8)),
        };
        self.nodes.push(Node {
            head: word(name, 0) & mask,
            mask,
            tail: word(name, name.len().saturating_sub(8)),
            name_start: name_start as u32,
            name_bytes: name.len() as u32,
            path_start: path_start as u32,
            path_end: self.paths.len() as u32,
            parent,
            child: NONE,
            next: NONE,
            visit: 0,
            rank: 0,
        });
        self.nodes.len() as u32 - 1
    }

    /// The time now, as visits count it.
    #[inline]
    pub(super) fn visits(&self) -> u32 {
        self.visits
    }

    /// Notes that a node is met now, and says when it was met before.
    #[inline]
    pub(super) fn visit(&mut self, node: u32) -> u32 {
        self.visits += 1;
        let visits = self.visits;
        self.nodes.get_mut(node as usize).map_or(0, |node| std::mem::replace(&mut node.visit, visits))
    }

    /// Whether neither `node` nor what it lies in, up to `root`, was met again after `visit`.
    pub(super) fn stands(&self, mut node: u32, root: u32, visit: u32) -> bool {
        loop {
            match self.nodes.get(node as usize) {
                Some(found) if found.visit <= visit || node == root => {
                    if node == root {
                        return found.visit <= visit;
                    }
                    node = found.parent;
                }
                _ => return false,
            }
        }
    }

    #[inline]
    pub(super) fn path(&self, node: u32) -> &[u8] {
        let node = self.nodes.get(node as usize);
        node.and_then(|node| self.paths.get(node.path_start as usize..node.path_end as usize)).unwrap_or_default()
    }

    /// Appends the pointer of a node.
    #[inline]
    pub(super) fn push_path(&self, node: u32, out: &mut Vec<u8>) {
        if let Some(node) = self.nodes.get(node as usize) {
            push_range(&self.paths, node.path_start as usize, node.path_end as usize, out);
        }
    }

    /// The place of a node in the order of pointers. It has one only after [`Atlas::rank_all`].
    #[inline]
    pub(super) fn rank(&self, node: u32) -> u32 {
        self.nodes.get(node as usize).map_or(0, |node| node.rank)
    }

    /// The nodes in the order of the bytes of their pointers.
    #[inline]
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Bytes of all pointers.
    #[cfg(test)]
    pub(super) fn paths_bytes(&self) -> usize {
        self.paths.capacity()
    }

    /// Gives the nodes that are new their places.
    #[inline]
    pub(super) fn rank_all(&mut self) {
        if self.order.len() < self.nodes.len() {
            self.rank_fresh();
        }
    }

    #[inline(never)]
    fn rank_fresh(&mut self) {
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.clear();
        fresh.extend(self.order.len() as u32..self.nodes.len() as u32);
        fresh.sort_unstable_by(|a, b| self.path(*a).cmp(self.path(*b)));
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut rest = self.order.as_slice();
        for node in &fresh {
            let (before, after) = rest.split_at(rest.partition_point(|old| self.path(*old) < self.path(*node)));
            order.extend_from_slice(before);
            order.push(*node);
            rest = after;
        }
        order.extend_from_slice(rest);
        for (rank, node) in order.iter().enumerate() {
            if let Some(node) = self.nodes.get_mut(*node as usize) {
                node.rank = rank as u32;
            }
        }
        (self.order, self.fresh) = (order, fresh);
    }
}
