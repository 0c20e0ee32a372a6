//! The properties of two events side by side, in the order of their pointers. Not their values.

use super::atlas::{Atlas, NONE};
use super::flatten::Leaf;
use crate::fields::Column;

/// A pointer, and the property there in either event, or [`NONE`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) node: u32,
    pub(super) original: u32,
    pub(super) duplicate: u32,
}

/// Which properties there are in two events, in the order of their pointers.
#[derive(Debug, Default)]
pub(super) struct Join {
    /// A bit for each rank that has a property.
    present: Vec<u64>,
    /// For each such rank the properties of the two events.
    slots: Vec<[u32; 2]>,
    pub(super) rows: Vec<Row>,
}

/// The pointers of the pair before, for those of the next are mostly the same.
#[derive(Debug, Default)]
pub(super) struct PathsBefore {
    generation: u32,
    nodes: Vec<u32>,
    paths: Column,
}

impl Join {
    /// Lays the properties of two events side by side. Of one pointer the last property counts.
    pub(super) fn rows_of(&mut self, atlas: &mut Atlas, originals: &[Leaf], duplicates: &[Leaf]) {
        atlas.rank_all();
        let order = atlas.order();
        if self.slots.len() < order.len() {
            self.slots.resize(order.len(), [NONE; 2]);
            self.present.resize(order.len().div_ceil(64), 0);
        }
        self.fill::<0>(atlas, originals);
        self.fill::<1>(atlas, duplicates);
        self.rows.clear();
        for (at, word) in self.present.iter_mut().enumerate() {
            let mut bits = std::mem::take(word);
            while bits != 0 {
                let rank = at * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if let (Some(node), Some([original, duplicate])) = (order.get(rank), self.slots.get(rank)) {
                    self.rows.push(Row { node: *node, original: *original, duplicate: *duplicate });
                }
            }
        }
    }

    #[inline]
    fn fill<const SIDE: usize>(&mut self, atlas: &Atlas, leaves: &[Leaf]) {
        for (at, leaf) in leaves.iter().enumerate() {
            let rank = atlas.rank(leaf.node) as usize;
            let (Some(word), Some(slot)) = (self.present.get_mut(rank / 64), self.slots.get_mut(rank)) else {
                continue;
            };
            if *word >> (rank % 64) & 1 == 0 {
                *word |= 1 << (rank % 64);
                *slot = [NONE; 2];
            }
            if let Some(own) = slot.get_mut(SIDE) {
                *own = at as u32;
            }
        }
    }
}

impl PathsBefore {
    /// Appends the pointers of the rows.
    pub(super) fn push(&mut self, atlas: &Atlas, rows: &[Row], out: &mut Column) {
        let same = self.generation == atlas.generation()
            && self.nodes.len() == rows.len()
            && std::iter::zip(&self.nodes, rows).all(|(node, row)| *node == row.node);
        if same {
            return push_column(&self.paths, 0, 0, out);
        }
        let (first, start) = (out.len(), out.data.len());
        for row in rows {
            atlas.push_path(row.node, &mut out.data);
            out.end_value();
        }
        self.generation = atlas.generation();
        self.nodes.clear();
        self.nodes.extend(rows.iter().map(|row| row.node));
        self.paths.clear();
        push_column(out, first, start, &mut self.paths);
    }
}

/// Appends the values of `column` from value `first`, whose bytes begin at `start`.
#[inline]
pub(super) fn push_column(column: &Column, first: usize, start: usize, out: &mut Column) {
    let shift = (out.data.len() as u32).wrapping_sub(start as u32);
    out.data.extend_from_slice(column.data.get(start..).unwrap_or_default());
    let ends = column.ends.get(first..).unwrap_or_default();
    out.ends.extend(ends.iter().map(|end| end.wrapping_add(shift)));
}
