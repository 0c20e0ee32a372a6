//! Histories in memory: those read from tables and those changed since, with undo. Not durable.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use engine::history::History;
use engine::record::Offset;

/// What a place in the map costs beside the history's own heap, in bytes: the slot, its key, and half as much again for
/// places that are free.
const PLACE_BYTES: usize = 3 * (size_of::<Slot>() + size_of::<Offset>()) / 2;

#[derive(Debug, Clone, Default)]
struct Slot {
    /// `None`: tables have none, and none was made.
    history: Option<History>,
    /// Whether tables have something else.
    changed: bool,
    /// The turn in which it was changed last. Turns end with a commit or a rollback, and begin at 1.
    turn: u64,
    /// Heap bytes of the history that are accounted for.
    heap_bytes: usize,
}

/// Offsets are no producer's choice, and nearly consecutive: a multiplication spreads them (Knuth, "The art of computer
/// programming", volume 3, section 6.4).
#[derive(Debug, Default)]
struct ByOffset(u64);

impl Hasher for ByOffset {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Offsets hash by `write_i64`; anything else still gets a valid, if poor, hash.
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_i64(&mut self, offset: i64) {
        let product = offset.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }
}

/// A map of histories by the original's offset.
#[derive(Debug, Default)]
pub(crate) struct Histories {
    slots: HashMap<Offset, Slot, BuildHasherDefault<ByOffset>>,
    /// What a slot was before its first change in this turn: one a slot, however often it changes.
    undo: Vec<(Offset, Slot)>,
    /// Ended turns.
    turns: u64,
    heap_bytes: usize,
}

impl Histories {
    /// Whether it is known what tables have for an original.
    pub(crate) fn is_loaded(&self, original: Offset) -> bool {
        self.slots.contains_key(&original)
    }

    /// Takes in what tables have for an original that was not loaded.
    pub(crate) fn load(&mut self, original: Offset, history: Option<History>) {
        let heap_bytes = history.as_ref().map_or(0, History::heap_bytes);
        self.heap_bytes += heap_bytes;
        self.slots.insert(original, Slot { history, heap_bytes, ..Slot::default() });
    }

    /// The history of a loaded original, to be changed. Before the first change of a turn it is remembered.
    pub(crate) fn change(&mut self, original: Offset, make: impl FnOnce() -> History) -> &mut History {
        let slot = self.slots.entry(original).or_default();
        if slot.turn <= self.turns {
            self.undo.push((original, slot.clone()));
            slot.turn = self.turns + 1;
            slot.changed = true;
        }
        slot.history.get_or_insert_with(make)
    }

    /// Makes the changes part of the truth.
    pub(crate) fn commit(&mut self) {
        for (original, _) in self.undo.drain(..) {
            let Some(slot) = self.slots.get_mut(&original) else { continue };
            let heap_bytes = slot.history.as_ref().map_or(0, History::heap_bytes);
            self.heap_bytes = self.heap_bytes.saturating_sub(slot.heap_bytes) + heap_bytes;
            slot.heap_bytes = heap_bytes;
        }
        self.turns += 1;
    }

    /// Takes the changes back.
    pub(crate) fn rollback(&mut self) {
        for (original, slot) in self.undo.drain(..) {
            self.slots.insert(original, slot);
        }
        self.turns += 1;
    }

    /// Changed histories that neither `commit` nor `rollback` has settled.
    pub(crate) fn staged(&self) -> usize {
        self.undo.len()
    }

    /// Histories and known absences.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Memory, by and large.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.slots.len() * PLACE_BYTES + self.heap_bytes
    }

    /// Those that tables do not have as they are, ascending by the original's offset.
    pub(crate) fn rows(&self) -> Vec<(Offset, &History)> {
        let changed = self.slots.iter().filter(|(_, slot)| slot.changed);
        let mut rows: Vec<_> = changed.filter_map(|(offset, slot)| Some((*offset, slot.history.as_ref()?))).collect();
        rows.sort_unstable_by_key(|(offset, _)| *offset);
        rows
    }

    /// Forgets all of them and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.undo.clear();
        self.heap_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_takes_back_every_change_since_the_commit_and_none_before() {
        let mut histories = Histories::default();
        let of = || History::of(Some(Some(1)));
        histories.load(5, None);
        histories.change(5, of).count(6, Some(2));
        histories.commit();
        for offset in 7..10 {
            histories.change(5, of).count(offset, Some(2));
            histories.change(8, of).count(offset, None);
        }
        assert_eq!(histories.staged(), 2, "once a history, however often it changes");
        histories.rollback();
        assert_eq!(histories.rows().iter().map(|(at, h)| (*at, h.duplicates())).collect::<Vec<_>>(), [(5, 1)]);
        histories.change(5, of).count(7, None);
        assert_eq!(histories.staged(), 1);
        histories.rollback();
        assert_eq!(histories.change(5, of).duplicates(), 1);
    }

    #[test]
    fn what_was_only_loaded_is_not_written_again() {
        let mut histories = Histories::default();
        histories.load(1, Some(History::of(None)));
        histories.load(2, None);
        assert!(histories.is_loaded(2) && !histories.is_loaded(3));
        assert_eq!(histories.rows(), []);
        histories.change(1, || History::of(None)).count(9, None);
        histories.commit();
        assert_eq!(histories.rows().len(), 1);
    }

    #[test]
    fn a_million_duplicates_of_one_event_take_the_memory_of_a_hundred() {
        let mut histories = Histories::default();
        let mut memory = Vec::new();
        for offset in 0..1_000_000_u64 {
            let uuid = offset.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            histories.change(0, || History::of(None)).count(offset.cast_signed() + 1, Some(uuid));
            if offset % 500 == 99 {
                histories.commit();
                memory.push(histories.memory_bytes());
            }
        }
        assert!(memory.iter().all(|bytes| *bytes == memory[0]), "{} to {:?}", memory[0], memory.last());
        assert!(histories.undo.capacity() < 16);
    }
}
