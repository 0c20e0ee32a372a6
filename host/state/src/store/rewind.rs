//! Saved clocks, so that reading that is set back can continue with the clock of that time: which events are late is a
//! function of the log only if the clock is. Does not take entries back: the rule copes with a state that is ahead.

use engine::record::Offset;
use engine::time::CLOCK_RECORDS;
use rocksdb::WriteBatch;

use super::{Applied, PartitionStore, manifest};
use crate::error::StateError;

/// Keys of notes in the default column family: this, and the offset.
const PREFIX: &[u8] = b"clock ";

/// Notes at most. With more, every second one goes: reading then starts a little earlier.
const NOTES_MAX: usize = 64;

/// Offsets between two notes at least.
const SPACING: Offset = CLOCK_RECORDS as Offset;

fn key(offset: Offset) -> Vec<u8> {
    [PREFIX, &offset.cast_unsigned().to_be_bytes()].concat()
}

impl PartitionStore {
    /// Notes the clock as it stands, if the last note is long enough ago.
    pub(super) fn note_clock(&mut self, batch: &mut WriteBatch) -> Result<(), StateError> {
        let Some(applied) = self.progress.applied.as_ref().filter(|applied| !applied.clock_is_ahead) else {
            return Ok(());
        };
        let offset = applied.next_offset;
        let clocks = &mut self.progress.clocks;
        let at = clocks.partition_point(|noted| *noted <= offset - SPACING);
        if clocks.get(at).is_some_and(|noted| *noted < offset + SPACING) {
            return Ok(());
        }
        let note = Applied { extra: Vec::new(), ..applied.clone() };
        batch.put(key(offset), manifest::encode_note(&note).map_err(|error| StateError::io(&self.dir, error))?);
        clocks.insert(at, offset);
        if clocks.len() > NOTES_MAX {
            let mut keep = false;
            clocks.retain(|noted| {
                keep = !keep;
                if !keep {
                    batch.delete(key(*noted));
                }
                keep
            });
        }
        Ok(())
    }

    /// Reading is to start at `wanted`, before what is contained. Takes `applied` back to the latest point at or before
    /// `wanted`, and not before `log_start`, of which the clock is known; records between the two are then to be read
    /// again. Entries stay: the rule copes with a state that is ahead. `None`, and nothing is changed, where no such
    /// point is known.
    ///
    /// # Errors
    /// When the note cannot be read, or after a durable write has failed.
    pub fn rewind_to(&mut self, wanted: Offset, log_start: Offset) -> Result<Option<&Applied>, StateError> {
        self.refuse_after_failure()?;
        let clocks = &self.progress.clocks;
        let before = clocks.partition_point(|noted| *noted <= wanted);
        let Some(offset) = before.checked_sub(1).and_then(|at| clocks.get(at)).filter(|at| **at >= log_start) else {
            return Ok(None);
        };
        let bytes = self.db.get(key(*offset)).map_err(|error| StateError::rocks(&self.dir, &error))?;
        let note = bytes.and_then(|bytes| manifest::decode_note(&bytes).ok());
        let note = note.ok_or_else(|| StateError::corrupt(&self.dir, "a note of the clock cannot be read"))?;
        self.progress.applied = Some(note);
        self.changed = true;
        Ok(self.progress.applied.as_ref())
    }
}
