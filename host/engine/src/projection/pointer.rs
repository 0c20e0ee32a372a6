//! Pointers (RFC 6901) compiled to a tree that the walk descends. It knows names; it does not know JSON text.

use std::collections::BTreeSet;

use super::SEGMENTS_MAX;
use super::error::{PointerError, position};

/// Stands for "nobody asks for this value".
pub(super) const UNASKED: u32 = u32::MAX;

/// The way from a value to a member or an element of it.
#[derive(Debug)]
struct Edge {
    name: Box<[u8]>,
    /// The first eight bytes of the name as a little-endian word, and which of its bits count.
    head: u64,
    mask: u64,
    /// The name as an array index: digits without a leading zero.
    index: Option<u64>,
    node: u32,
}

#[derive(Debug)]
struct Node {
    /// The node's subtree is the nodes from itself to before this one.
    subtree_end: u32,
    edges: Vec<Edge>,
    /// Bit `min(length, 63)` is set where some edge has a name of that length: most names are refused by this alone.
    lengths: u64,
}

/// Everything asked for, and the ways there. Node 0 is the whole event; a parent stands before its subtree.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

type Path = Vec<Box<[u8]>>;

impl Tree {
    /// Compiles pointers; the second value has each pointer's node, in the order given.
    pub(super) fn compile<'a>(pointers: impl Iterator<Item = &'a str>) -> Result<(Self, Vec<u32>), PointerError> {
        let paths = pointers.map(parse).collect::<Result<Vec<_>, _>>()?;
        // Ordered by segments, a path stands right before everything under it.
        let ways: BTreeSet<&[Box<[u8]>]> = paths
            .iter()
            .flat_map(|path| (0..=path.len()).filter_map(|depth| path.get(..depth)))
            .chain([&[][..]])
            .collect();
        let ways: Vec<_> = ways.into_iter().collect();
        let nodes = ways.iter().enumerate().map(|(at, way)| Node::new(&ways, at, way)).collect();
        let asked = paths.iter().map(|path| position(ways.partition_point(|way| *way < path.as_slice()))).collect();
        Ok((Self { nodes }, asked))
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether members or elements of this value are asked for.
    #[inline]
    pub(super) fn goes_deeper(&self, node: u32) -> bool {
        self.nodes.get(node as usize).is_some_and(|node| !node.edges.is_empty())
    }

    #[inline]
    pub(super) fn subtree_end(&self, node: u32) -> u32 {
        self.nodes.get(node as usize).map_or(0, |node| node.subtree_end)
    }

    /// The node of the member whose name is `text[start..end]`, a name without escapes.
    #[inline]
    pub(super) fn member(&self, node: u32, text: &[u8], start: usize, end: usize) -> u32 {
        let Some(node) = self.nodes.get(node as usize) else { return UNASKED };
        let length = end - start;
        if node.lengths >> length.min(63) & 1 == 0 {
            return UNASKED;
        }
        let word = word(text, start);
        let found = node.edges.iter().find(|edge| {
            edge.name.len() == length
                && word & edge.mask == edge.head
                && (length <= 8 || text.get(start + 8..end) == edge.name.get(8..))
        });
        found.map_or(UNASKED, |edge| edge.node)
    }

    /// The node of element `index` of an array.
    pub(super) fn element(&self, node: u32, index: u64) -> u32 {
        let Some(node) = self.nodes.get(node as usize) else { return UNASKED };
        node.edges.iter().find(|edge| edge.index == Some(index)).map_or(UNASKED, |edge| edge.node)
    }
}

impl Node {
    fn new(ways: &[&[Box<[u8]>]], at: usize, way: &[Box<[u8]>]) -> Self {
        let below = ways.iter().enumerate().skip(at).take_while(|(_, other)| other.starts_with(way));
        let mut subtree_end = at;
        let mut edges = Vec::new();
        for (child, other) in below {
            subtree_end = child + 1;
            if let Some([name]) = other.get(way.len()..) {
                edges.push(Edge::new(name, position(child)));
            }
        }
        let lengths = edges.iter().fold(0, |bits, edge| bits | 1 << edge.name.len().min(63));
        Self { subtree_end: position(subtree_end), edges, lengths }
    }
}

impl Edge {
    fn new(name: &[u8], node: u32) -> Self {
        let mask = match name.len() {
            0 => 0,
            length => u64::MAX >> (64 - 8 * length.min(8)),
        };
        Self { name: name.into(), head: word(name, 0) & mask, mask, index: index(name), node }
    }
}

/// RFC 6901, section 4: `0`, or digits that do not begin with `0`. `-` names no element that exists.
fn index(name: &[u8]) -> Option<u64> {
    let canonical = name == b"0" || name.first().is_some_and(|first| (b'1'..=b'9').contains(first));
    let digits = name.iter().all(u8::is_ascii_digit);
    if canonical && digits { std::str::from_utf8(name).ok()?.parse().ok() } else { None }
}

/// Eight bytes from `start` as a little-endian word, zeros where the text has ended.
#[inline]
pub(crate) fn word(text: &[u8], start: usize) -> u64 {
    let rest = text.get(start..).unwrap_or_default();
    match rest.first_chunk::<8>() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

fn parse(pointer: &str) -> Result<Path, PointerError> {
    if pointer.is_empty() {
        return Ok(Path::new());
    }
    let Some(rest) = pointer.strip_prefix('/') else {
        return Err(PointerError::NoSlash { pointer: pointer.to_owned() });
    };
    if rest.split('/').count() > SEGMENTS_MAX {
        return Err(PointerError::TooDeep { pointer: pointer.to_owned() });
    }
    let segments = rest.split('/').map(segment).collect::<Option<_>>();
    segments.ok_or_else(|| PointerError::BadEscape { pointer: pointer.to_owned() })
}

/// One segment with `~1` and `~0` resolved; `None` where a `~` is neither.
fn segment(escaped: &str) -> Option<Box<[u8]>> {
    let mut name = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.bytes();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'~' => match bytes.next()? {
                b'0' => b'~',
                b'1' => b'/',
                _ => return None,
            },
            byte => byte,
        });
    }
    Some(name.into_boxed_slice())
}
