//! Entries not yet in tables: what is committed since the last table, and what is staged on top. Not durable.

use std::hash::{BuildHasherDefault, Hasher};

use engine::entry::{Entry, Found};
use engine::fingerprint::Fingerprint;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry as Place;

use crate::table::Row;

/// Marks the end of a chain of older entries.
const NONE: u32 = u32::MAX;

/// Fingerprints are uniform already: their low half is the hash.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Fingerprints hash by `write_u128`; anything else still gets a valid, if poor, hash.
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

/// The newest entry of a key, and where the one before it is.
#[derive(Clone, Copy)]
struct Slot {
    entry: Entry,
    bucket: i64,
    older: u32,
}

/// A hash map of recent entries with undo.
///
/// A key mostly has one entry. It has several when it came again in another bucket, after its window: all of them are
/// kept and found, because any of them may be the one that an event being replayed asks for.
#[derive(Default)]
pub(crate) struct Front {
    slots: HashMap<Fingerprint, Slot, BuildHasherDefault<Identity>>,
    older: Vec<(Fingerprint, Slot)>,
    /// What staged writes replaced, newest last.
    undo: Vec<(Fingerprint, Option<Slot>)>,
    /// Length of `older` at the last commit.
    older_committed: usize,
}

impl Front {
    /// Memory of so many entries: a table of twice as many places or nearly so, as it doubles when it is full.
    pub(crate) fn bytes_of(entries: usize) -> usize {
        let places = entries.saturating_mul(8).div_ceil(7).checked_next_power_of_two().unwrap_or(usize::MAX);
        places.saturating_mul(size_of::<(Fingerprint, Slot)>() + 1)
    }

    /// Appends the key's entries to `found`, and says whether one of them is older than `before_offset`.
    pub(crate) fn find(&self, key: u32, fingerprint: &Fingerprint, before_offset: i64, found: &mut Vec<Found>) -> bool {
        let mut slot = self.slots.get(fingerprint);
        let mut settled = false;
        while let Some(Slot { entry, older, .. }) = slot {
            found.push(Found { key, entry: *entry });
            settled |= entry.offset < before_offset;
            slot = self.older.get(*older as usize).map(|(_, slot)| slot);
        }
        settled
    }

    /// Adds an entry. Across buckets both stay. Within a bucket the new one stays: it is written only when the old one is
    /// ahead of a replay, or not live any more because the window is shorter than a bucket or a clock was wrong.
    pub(crate) fn stage(&mut self, fingerprint: Fingerprint, entry: Entry, bucket: i64) {
        let new = Slot { entry, bucket, older: NONE };
        let mut place = match self.slots.entry(fingerprint) {
            Place::Vacant(place) => {
                place.insert(new);
                self.undo.push((fingerprint, None));
                return;
            }
            Place::Occupied(place) => place,
        };
        let old = *place.get();
        let same_bucket = old.bucket == bucket;
        if same_bucket && old.entry == entry {
            return;
        }
        self.undo.push((fingerprint, Some(old)));
        let (head, behind) = if old.entry.offset <= entry.offset { (new, old) } else { (old, new) };
        if same_bucket {
            *place.get_mut() = Slot { older: old.older, ..new };
            return;
        }
        // The one behind takes its place between the head and what was behind the old head.
        let index = u32::try_from(self.older.len()).unwrap_or(NONE);
        self.older.push((fingerprint, Slot { older: old.older, ..behind }));
        *place.get_mut() = Slot { older: index, ..head };
    }

    /// Makes what is staged part of the truth.
    pub(crate) fn commit(&mut self) {
        self.undo.clear();
        self.older_committed = self.older.len();
    }

    /// Takes back what is staged.
    pub(crate) fn rollback(&mut self) {
        while let Some((fingerprint, before)) = self.undo.pop() {
            match before {
                Some(slot) => self.slots.insert(fingerprint, slot),
                None => self.slots.remove(&fingerprint),
            };
        }
        self.older.truncate(self.older_committed);
    }

    /// Number of writes that neither `commit` nor `rollback` has settled.
    pub(crate) fn staged(&self) -> usize {
        self.undo.len()
    }

    /// Number of entries, staged ones included.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() + self.older.len()
    }

    /// All entries, in no order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> {
        let older = self.older.iter().map(|(fingerprint, slot)| (fingerprint, slot));
        self.slots.iter().chain(older).map(|(fingerprint, slot)| Row {
            bucket: slot.bucket,
            fingerprint: *fingerprint,
            entry: slot.entry,
        })
    }

    /// Forgets all entries and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.older.clear();
        self.undo.clear();
        self.older_committed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_entries_is_known_before_they_come() {
        for entries in [100, 4_095, 65_536, 300_000_u64] {
            let mut front = Front::default();
            for n in 0..entries {
                front.stage(Fingerprint(u128::from(n) << 64 | u128::from(n)), Entry { offset: 0, time: 0 }, 0);
                front.commit();
            }
            let (takes, bound) = (front.slots.allocation_size(), Front::bytes_of(entries as usize));
            assert!(takes <= bound + 64 && bound <= 2 * takes, "{entries} entries take {takes}, and not {bound}");
        }
    }
}
