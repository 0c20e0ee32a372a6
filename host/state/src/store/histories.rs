//! Histories of a partition: loaded from tables, changed, written. Not how they are counted: that is the engine's.

use engine::history::{HISTORY_BYTES_MAX, History};
use engine::record::Offset;
use rocksdb::SstFileWriter;

use super::{INCOMING, PartitionStore};
use crate::error::StateError;
use crate::{rocks, table};

/// Column family of histories.
pub(super) const HISTORIES: &str = "histories";

impl PartitionStore {
    /// Loads the histories of originals, given by their offsets, with one question to the tables for all of them.
    ///
    /// # Errors
    /// When tables cannot be read or are damaged, or after a durable write has failed.
    pub fn load_histories(&mut self, originals: &[Offset]) -> Result<(), StateError> {
        self.refuse_after_failure()?;
        let Some(kept) = &self.kept else { return Ok(()) };
        let mut asked: Vec<Offset> =
            originals.iter().copied().filter(|original| !kept.histories.is_loaded(*original)).collect();
        asked.sort_unstable();
        asked.dedup();
        let (asked, fresh) = asked.split_at(asked.partition_point(|original| *original < self.histories_below));
        let mut loaded = Vec::with_capacity(asked.len());
        for (original, value) in asked.iter().zip(self.read(HISTORIES, asked)) {
            let value = value.map_err(|error| StateError::rocks(&self.dir, &error))?;
            let history = match value.filter(|_| *original >= self.progress.histories_from) {
                Some(bytes) => Some(History::decode(&bytes).ok_or_else(|| {
                    StateError::corrupt(&self.dir, format!("the history of offset {original} is none"))
                })?),
                None => None,
            };
            loaded.push((*original, history));
        }
        loaded.extend(fresh.iter().map(|original| (*original, None)));
        if let Some(kept) = &mut self.kept {
            loaded.into_iter().for_each(|(original, history)| kept.histories.load(original, history));
        }
        Ok(())
    }

    /// The history of an original, to be changed; made by `make` if there is none. Changes are part of the truth after
    /// `commit`, and `rollback` takes them back. `None` where histories are not kept, or were not yet when the original
    /// came.
    ///
    /// [`PartitionStore::load_histories`] before, for a whole batch, saves asking the tables here one by one.
    ///
    /// # Errors
    /// As [`PartitionStore::load_histories`].
    pub fn history(
        &mut self,
        original: Offset,
        make: impl FnOnce() -> History,
    ) -> Result<Option<&mut History>, StateError> {
        if original < self.progress.counted_from {
            return Ok(None);
        }
        if self.kept.as_ref().is_some_and(|kept| !kept.histories.is_loaded(original)) {
            self.load_histories(&[original])?;
        }
        self.refuse_after_failure()?;
        Ok(self.kept.as_mut().map(|kept| kept.histories.change(original, make)))
    }

    /// Writes the changed histories as one table and hands it over to RocksDB.
    pub(super) fn write_histories(&self) -> Result<(), StateError> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let mut rows = kept.histories.rows();
        rows.retain(|(original, _)| *original >= self.progress.histories_from);
        if rows.is_empty() {
            return Ok(());
        }
        let failed = |error: rocksdb::Error| StateError::rocks(&self.dir, &error);
        let path = self.dir.join(INCOMING).join("histories.sst");
        let options = rocks::histories(&self.options);
        let mut writer = SstFileWriter::create(&options);
        writer.open(&path).map_err(failed)?;
        let mut bytes = Vec::with_capacity(HISTORY_BYTES_MAX);
        for (original, history) in rows {
            bytes.clear();
            history.encode(&mut bytes);
            writer.put(table::offset_key(original), &bytes).map_err(failed)?;
        }
        writer.finish().map_err(failed)?;
        let family =
            self.db.cf_handle(HISTORIES).ok_or_else(|| StateError::corrupt(&self.dir, "the histories are gone"))?;
        self.db.ingest_external_file_cf_opts(family, &rocks::ingestion(), vec![path]).map_err(failed)
    }
}
