//! What is stored beside the keys: chunks in memory, tables being written, tables that RocksDB has. Not how it is read
//! (`originals`, `histories`), nor when it is dropped (`expiry`).

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

use engine::record::{Offset, RecordBatch};
use rocksdb::{DB, Options, WriteOptions};

use super::INCOMING;
use crate::chunk::{Chunk, NewValue, Recent, Remembered};
use crate::error::StateError;
use crate::histories::Histories;
use crate::options::{OriginalsOptions, StoreOptions};
use crate::writer::Written;
use crate::{rocks, table};

/// Column family of originals.
pub(super) const ORIGINALS: &str = "originals";

/// The latest tables are merged when there are so many of no more bytes together: each persist makes one, however small,
/// and each table keeps a file open.
const TABLES_MERGED_AT: usize = 8;
const MERGED_BYTES_MAX: u64 = 8 << 20;

/// Bytes of originals after which a persist is due, so that a crash leaves no more than that to be read again.
const UNPERSISTED_BYTES_MAX: u64 = 1 << 30;

/// Largest chunk: positions in it are 32 bits wide.
const CHUNK_BYTES_MAX: usize = 1 << 30;

/// A table of originals that RocksDB has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) first: Offset,
    pub(super) last: Offset,
    pub(super) bytes: u64,
    pub(super) events: u64,
}

/// A table that the writer is to write, or has written.
struct Outgoing {
    first: Offset,
    last: Offset,
    events: u64,
    path: PathBuf,
}

/// What is kept beside the keys.
pub(super) struct Kept {
    pub(super) options: OriginalsOptions,
    pub(super) histories: Histories,
    /// Histories below this are deleted, as far as is known.
    pub(super) histories_deleted_below: Offset,
    /// Oldest first, disjoint.
    pub(super) tables: VecDeque<Table>,
    table_options: Arc<Options>,
    recent: Recent,
    writing: VecDeque<(Outgoing, Receiver<Written>)>,
    written: Vec<Outgoing>,
    /// Tells the writer not to begin what it has not begun.
    cancelled: Arc<AtomicBool>,
    /// The highest offset seen, or -1.
    last: Offset,
    /// The same at the last commit.
    committed_last: Offset,
    /// What tables, or chunks on their way there, have after this offset was taken back.
    taken_back_after: Option<Offset>,
    files: u64,
    too_long: u64,
    unpersisted_bytes: u64,
}

impl Drop for Kept {
    /// Waits until the writer has left the directory: the next to open the store makes files of the same names.
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        for (_, written) in self.writing.drain(..) {
            let _ = written.recv();
        }
    }
}

impl Kept {
    /// What is kept in a database that has these tables.
    pub(super) fn new(options: &OriginalsOptions, store: &StoreOptions, tables: VecDeque<Table>) -> Self {
        let mut options = options.clone();
        options.chunk_bytes = options.chunk_bytes.min(CHUNK_BYTES_MAX);
        let last = tables.back().map_or(-1, |table| table.last);
        Self {
            recent: Recent::new(options.chunk_bytes),
            options,
            histories: Histories::default(),
            histories_deleted_below: 0,
            last,
            committed_last: last,
            taken_back_after: None,
            tables,
            table_options: Arc::new(rocks::originals(store)),
            writing: VecDeque::new(),
            written: Vec::new(),
            cancelled: Arc::default(),
            files: 0,
            too_long: 0,
            unpersisted_bytes: 0,
        }
    }

    pub(super) fn is_persist_due(&self) -> bool {
        self.unpersisted_bytes >= UNPERSISTED_BYTES_MAX
            || self.histories.memory_bytes() >= self.options.histories_memory_bytes_max
    }

    pub(super) fn table_bytes(&self) -> u64 {
        self.tables.iter().map(|table| table.bytes).sum()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.recent.memory_bytes()
    }

    pub(super) fn too_long(&self) -> u64 {
        self.too_long
    }

    /// The first offset that is kept, in tables or only in memory.
    pub(super) fn first(&self) -> Option<Offset> {
        self.tables.front().map(|table| table.first).or_else(|| self.recent.first())
    }

    pub(super) fn persisted(&mut self) {
        self.histories.clear();
        self.unpersisted_bytes = 0;
    }

    /// What memory knows of an offset.
    pub(super) fn recent(&self, offset: Offset) -> Remembered<'_> {
        self.recent.get(offset)
    }

    /// A batch that was held and is not any more.
    pub(super) fn take_released(&mut self) -> Option<RecordBatch> {
        self.recent.take_released()
    }

    /// Whether batches as large as this one can be held.
    pub(super) fn can_hold(&self, batch: &RecordBatch) -> bool {
        self.recent.can_hold(batch)
    }

    /// What was kept stays.
    pub(super) fn commit(&mut self) {
        self.histories.commit();
        self.committed_last = self.last;
    }

    /// Takes back what was kept since the last commit: read again, an event need not be an original, and one between two
    /// that were may be. Tables are cut when the next original comes.
    pub(super) fn rollback(&mut self) {
        self.histories.rollback();
        if self.last <= self.committed_last {
            return;
        }
        self.last = self.committed_last;
        let in_tables = self.tables.back().is_some_and(|table| table.last > self.last);
        if self.recent.cut(self.last) || in_tables {
            self.taken_back_after = Some(self.last);
        }
    }

    /// Removes what tables have after an offset, those included that the writer is at.
    #[cold]
    fn cut_tables(&mut self, db: &DB, dir: &Path, after: Offset) -> Result<(), StateError> {
        while !self.writing.is_empty() {
            self.await_oldest(dir)?;
        }
        self.ingest(db, dir)?;
        self.recent.forget_sealed();
        self.tables = cut(db, after).map_err(|error| StateError::rocks(dir, &error))?;
        Ok(())
    }

    /// Keeps an original, unless its offset was seen before.
    pub(super) fn keep(&mut self, db: &DB, dir: &Path, offset: Offset, new: &NewValue<'_>) -> Result<(), StateError> {
        if offset <= self.last {
            return Ok(());
        }
        if let Some(after) = self.taken_back_after {
            self.cut_tables(db, dir, after)?;
            self.taken_back_after = None;
        }
        self.last = offset;
        if !self.recent.takes(new) && !self.make_room(db, dir, new)? {
            self.too_long += 1;
            return Ok(());
        }
        self.recent.push(offset, new);
        Ok(())
    }

    /// Sees to it that there is memory for a value: in the open chunk, or in the next. `false` if it fits no chunk.
    #[cold]
    fn make_room(&mut self, db: &DB, dir: &Path, new: &NewValue<'_>) -> Result<bool, StateError> {
        if Chunk::cost(new.len()) > self.options.chunk_bytes {
            return Ok(false);
        }
        if self.recent.is_for_next_chunk(new) {
            self.seal(dir);
        }
        while self.recent.is_full(new, self.options.originals_memory_bytes_max) {
            if self.recent.shed() {
                continue;
            }
            if !self.recent.has_sealed() {
                break;
            }
            self.ingest_several(db, dir)?;
        }
        self.recent.grow(new);
        Ok(true)
    }

    /// Ingests what the writer has finished, at least half of what it was given. Ingesting takes milliseconds, however
    /// many the tables: so they wait for each other until memory is full, and the writer is left with work meanwhile.
    fn ingest_several(&mut self, db: &DB, dir: &Path) -> Result<(), StateError> {
        let given = self.writing.len() + self.written.len();
        self.collect(dir)?;
        while self.written.len() < given.div_ceil(2) {
            self.await_oldest(dir)?;
        }
        self.ingest(db, dir)
    }

    /// Hands the open chunk to the writer; waits while the writer's queue is full.
    pub(super) fn seal(&mut self, dir: &Path) {
        let Some(chunk) = self.recent.seal() else { return };
        let (Some(first), Some(last)) = (chunk.first(), chunk.last()) else { return };
        let path = dir.join(INCOMING).join(format!("originals-{}.sst", self.files));
        self.files += 1;
        self.unpersisted_bytes += chunk.used_bytes() as u64;
        let outgoing = Outgoing { first, last, events: chunk.len() as u64, path: path.clone() };
        let (options, cancelled) = (Arc::clone(&self.table_options), Arc::clone(&self.cancelled));
        self.writing.push_back((outgoing, self.options.writer.write(chunk, path, options, cancelled)));
    }

    /// Waits for all that is sealed, and has it ingested: then every original below the open chunk is durable.
    pub(super) fn settle(&mut self, db: &DB, dir: &Path) -> Result<(), StateError> {
        while !self.writing.is_empty() {
            self.await_oldest(dir)?;
        }
        self.ingest(db, dir)?;
        self.merge(db, dir)
    }

    fn await_oldest(&mut self, dir: &Path) -> Result<(), StateError> {
        let Some((outgoing, written)) = self.writing.pop_front() else { return Ok(()) };
        let written = written.recv().map_err(|_| StateError::io(dir, "the writer of originals is gone"))?;
        written.map_err(|error| StateError::rocks(dir, &error))?;
        self.written.push(outgoing);
        Ok(())
    }

    /// Takes in what the writer has finished, without waiting.
    fn collect(&mut self, dir: &Path) -> Result<(), StateError> {
        while let Some((_, written)) = self.writing.front() {
            let Ok(written) = written.try_recv() else { return Ok(()) };
            written.map_err(|error| StateError::rocks(dir, &error))?;
            self.written.extend(self.writing.pop_front().map(|(outgoing, _)| outgoing));
        }
        Ok(())
    }

    fn ingest(&mut self, db: &DB, dir: &Path) -> Result<(), StateError> {
        if self.written.is_empty() {
            return Ok(());
        }
        let mut tables = Vec::with_capacity(self.written.len());
        for Outgoing { first, last, events, path } in &self.written {
            let bytes = std::fs::metadata(path).map_err(|error| StateError::io(dir, error))?.len();
            tables.push(Table { first: *first, last: *last, bytes, events: *events });
        }
        let family = db.cf_handle(ORIGINALS).ok_or_else(|| StateError::corrupt(dir, "the originals are gone"))?;
        let paths = self.written.iter().map(|outgoing| outgoing.path.clone()).collect();
        let ingested = db.ingest_external_file_cf_opts(family, &rocks::ingestion(), paths);
        ingested.map_err(|error| StateError::rocks(dir, &error))?;
        self.recent.settle(self.written.len());
        self.written.clear();
        self.tables.extend(tables);
        Ok(())
    }

    /// Writes the latest tables as one if they are many and small.
    fn merge(&mut self, db: &DB, dir: &Path) -> Result<(), StateError> {
        let mut bytes = 0;
        let small = self.tables.iter().rev().take_while(|table| {
            bytes += table.bytes;
            bytes <= MERGED_BYTES_MAX
        });
        let small: Vec<&Table> = small.collect();
        let (Some(last), Some(first), Some(family)) = (small.first(), small.last(), db.cf_handle(ORIGINALS)) else {
            return Ok(());
        };
        if small.len() < TABLES_MERGED_AT {
            return Ok(());
        }
        let range = (table::offset_key(first.first), table::offset_key(last.last));
        db.compact_range_cf_opt(family, Some(range.0), Some(range.1), &rocks::merging());
        self.tables = tables(db).map_err(|error| StateError::rocks(dir, &error))?;
        Ok(())
    }
}

/// Removes the originals after an offset; returns the tables that are left.
pub(super) fn cut(db: &DB, after: Offset) -> Result<VecDeque<Table>, rocksdb::Error> {
    let left = tables(db)?;
    let Some(family) = db.cf_handle(ORIGINALS).filter(|_| left.back().is_some_and(|table| table.last > after)) else {
        return Ok(left);
    };
    let (from, to) = (table::offset_key(after + 1), table::offset_key(Offset::MAX));
    db.delete_file_in_range_cf(family, from, to)?;
    let left = tables(db)?;
    if let Some(cut) = left.iter().find(|table| table.last > after) {
        let mut unlogged = WriteOptions::default();
        unlogged.disable_wal(true);
        db.delete_range_cf_opt(family, from, to, &unlogged)?;
        // So that no table seems to reach further than it does.
        db.compact_range_cf_opt(family, Some(table::offset_key(cut.first)), Some(to), &rocks::merging());
    }
    tables(db)
}

/// The tables of originals, as RocksDB has them.
pub(super) fn tables(db: &DB) -> Result<VecDeque<Table>, rocksdb::Error> {
    let files = db.live_files()?.into_iter().filter(|file| file.column_family_name == ORIGINALS);
    let mut tables: Vec<Table> = files
        .filter_map(|file| {
            let first = table::offset(&file.start_key?)?;
            let last = table::offset(&file.end_key?)?;
            Some(Table { first, last, bytes: file.size as u64, events: file.num_entries })
        })
        .collect();
    tables.sort_unstable_by_key(|table| table.first);
    Ok(tables.into())
}
