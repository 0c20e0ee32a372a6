//! The state of one partition: look up, stage, commit, persist. Not thread-safe, and not the rule of what is a duplicate.

mod expiry;
mod filters;
mod histories;
mod inspect;
mod kept;
mod lock;
mod manifest;
mod opening;
mod originals;
mod places;
mod rewind;
mod seam;
mod sizes;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use engine::entry::{Found, Write};
use engine::fingerprint::{Fingerprint, Seed};
use engine::record::{Millis, Offset};
use rocksdb::{DB, Options, SstFileWriter, WriteBatch};
use serde::{Deserialize, Serialize};

use crate::error::{OpenError, StateError};
use crate::front::Front;
use crate::identity::{Description, StoreIdentity};
use crate::options::StoreOptions;
use crate::rocks;
use crate::table::{self, Row, Stored, ValueError};

use self::expiry::Mark;
use self::filters::Filters;
pub use self::inspect::{Inspected, inspect};
use self::kept::Kept;
use self::lock::Lock;
use self::opening::Buckets;
pub use self::opening::Opened;
use self::places::{Bucket, Facts, Forgotten, Place, SegmentFile, Sort, median_time};
pub use self::sizes::{FilterCounts, StoreSizes};
pub use self::snapshot::Snapshot;

/// Where tables are written before RocksDB takes them over, inside the store's directory.
const INCOMING: &str = "incoming";

/// Buckets beyond the watermark's own. Later times share one place: no clock may make column families without end.
const BUCKETS_AHEAD_MAX: i64 = 16;

/// How far the partition's log is contained in the state; stored in one step, after the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The offset after the last one that is contained.
    pub next_offset: Offset,
    /// The engine's clock of the partition, opaque here.
    #[serde(skip)]
    pub clock: Vec<u8>,
    /// Watermark of event time, by which buckets expire; `None` before the clock says anything.
    pub watermark: Option<Millis>,
    /// Records that the clock has taken in: as many as [`engine::time::CLOCK_RECORDS`] more, and it has forgotten all
    /// that came before.
    pub clock_records: u64,
    /// Whether the clock has seen records beyond `next_offset`: reading was set back, and no older clock was known.
    pub clock_is_ahead: bool,
    /// Whatever else the caller needs to go on, opaque here.
    #[serde(skip)]
    pub extra: Vec<u8>,
}

/// What is written last, and by which a store is understood when it is opened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Progress {
    #[serde(skip)]
    applied: Option<Applied>,
    /// What is known of the entries in each place.
    places: Vec<(Place, Facts)>,
    /// Files of their filters, and the number of the next.
    filters: Vec<(Place, Vec<SegmentFile>)>,
    next_filter: u64,
    /// Offsets of which the clock is noted, ascending.
    clocks: Vec<Offset>,
    /// Places that are gone, or about to go.
    gone: BTreeSet<Place>,
    forgotten: Forgotten,
    /// How often the place for entries far ahead has changed; what was applied and how many records the clock had taken
    /// in when it last did; and the watermark once the clock has nothing left of what came before.
    far_turns: u64,
    far_turned_at: Offset,
    far_turned_at_records: u64,
    far_since: Option<Millis>,
    /// Which offsets had come when the watermark was where: oldest first.
    marks: Vec<Mark>,
    /// Originals and histories of offsets below these are gone, or about to go.
    originals_from: Offset,
    histories_from: Offset,
    /// Duplicates of originals below this were not all counted: it was switched off, or not there yet.
    counted_from: Offset,
    originals_dropped_early: u64,
    originals_dropped_early_bytes: u64,
}

/// What is remembered of one partition.
pub struct PartitionStore {
    dir: PathBuf,
    options: StoreOptions,
    /// Holds the statistics.
    database_options: Options,
    bucket_options: Options,
    db: DB,
    description: Description,
    opened: Opened,
    is_new: bool,
    front: Front,
    buckets: BTreeMap<Place, Bucket>,
    filters: Filters,
    progress: Progress,
    /// Originals and histories, where they are kept.
    kept: Option<Kept>,
    /// Tables have no history of an original from here on: it came after they were written.
    histories_below: Offset,
    /// Whether a commit came after what is on disk.
    changed: bool,
    /// The first failed durable write.
    failed: Option<String>,
    /// Reused by look-ups.
    asked: Vec<(Fingerprint, u32)>,
    candidates: Vec<(Fingerprint, u32)>,
    /// Dropped after the database is closed.
    _lock: Lock,
}

impl PartitionStore {
    /// Opens the store in `dir`, or makes one where there is none: with the seed that the identity names, or a random one.
    ///
    /// # Errors
    /// See [`OpenError`]: it belongs to something else, it is in use, it cannot be read or written, it is damaged.
    pub fn open(dir: &Path, identity: &StoreIdentity, mut options: StoreOptions) -> Result<Self, OpenError> {
        options.front_entries_max = options.front_entries_max.min(options.slice_entries_max());
        let database_options = rocks::database();
        let bucket_options = rocks::bucket(&options);
        private_files::make(dir).map_err(|error| OpenError::io(dir, error))?;
        let lock = Lock::take(dir)?;
        let (mut db, bucket_names) = opening::open_database(dir, &database_options, &options)?;
        let (description, mut progress) = opening::describe(dir, &db, identity, &options, &bucket_names)?;
        let incoming = dir.join(INCOMING);
        // What lies here is of a persist that did not finish.
        let _ = std::fs::remove_dir_all(&incoming);
        private_files::make(&incoming).map_err(|error| OpenError::io(dir, error))?;
        let Buckets { buckets, filters, opened } =
            opening::open_buckets(dir, &mut db, &bucket_names, &description, &mut progress)?;
        let kept = opening::open_kept(dir, &mut db, &options, &description, &mut progress)?;
        let histories_below = progress.applied.as_ref().map_or(0, |applied| applied.next_offset);
        Ok(Self {
            dir: dir.to_owned(),
            options,
            database_options,
            bucket_options,
            db,
            description,
            opened,
            is_new: progress.applied.is_none(),
            front: Front::default(),
            buckets,
            filters,
            progress,
            kept,
            histories_below,
            changed: false,
            failed: None,
            asked: Vec::new(),
            candidates: Vec::new(),
            _lock: lock,
        })
    }

    /// What opening it took.
    #[must_use]
    pub fn opened(&self) -> Opened {
        self.opened
    }

    /// Whether nothing was ever persisted here when the store was opened.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// What was committed last, persisted or not.
    #[must_use]
    pub fn applied(&self) -> Option<&Applied> {
        self.progress.applied.as_ref()
    }

    /// What its keys are hashed with.
    #[must_use]
    pub fn seed(&self) -> Seed {
        self.description.seed
    }

    /// Replaces `found` by what is known of the keys, staged writes included, ascending by key index, then by offset.
    ///
    /// `before_offset` is the first offset that asks. Where memory has an entry below it, tables are not searched: for
    /// every asking event that entry is newer than all that tables could add, except what a replay finds ahead of
    /// itself, which the rule ignores. Entries may be long dead: the caller looks at their times.
    ///
    /// # Errors
    /// When tables cannot be read, or after a durable write has failed.
    pub fn lookup(
        &mut self,
        keys: &[Fingerprint],
        before_offset: Offset,
        found: &mut Vec<Found>,
    ) -> Result<(), StateError> {
        self.refuse_after_failure()?;
        found.clear();
        self.asked.clear();
        for (index, fingerprint) in (0..).zip(keys) {
            if !self.front.find(index, fingerprint, before_offset, found) {
                self.asked.push((*fingerprint, index));
            }
        }
        for (place, bucket) in &self.buckets {
            let start_ms = place.start_ms(self.options.bucket_ms);
            self.candidates.clear();
            bucket.filter.pass(&self.asked, &mut self.candidates);
            if self.candidates.is_empty() {
                continue;
            }
            self.candidates.sort_unstable_by_key(|(fingerprint, _)| fingerprint.0);
            let keys: Vec<[u8; 16]> = self.candidates.iter().map(|(key, _)| table::key(*key)).collect();
            let Some(family) = self.db.cf_handle(&bucket.name) else { continue };
            let values = self.db.batched_multi_get_cf(family, &keys, true);
            for ((_, key), value) in self.candidates.iter().zip(values) {
                let Some(bytes) = value.map_err(|error| StateError::rocks(&self.dir, &error))? else { continue };
                match table::stored(&bytes, start_ms) {
                    Ok(Stored::Own(entry)) => found.push(Found { key: *key, entry }),
                    Ok(Stored::PassedOver) => {}
                    strange => return Err(unusable(&self.dir, &bucket.name, strange)),
                }
            }
        }
        found.sort_unstable_by_key(|found| (found.key, found.entry.offset, found.entry.time));
        found.dedup();
        Ok(())
    }

    /// Adds entries, visible to look-ups at once; `rollback` takes them back.
    pub fn stage(&mut self, writes: &[Write]) {
        for write in writes {
            let bucket = self.bucket_of(write.entry.time);
            self.front.stage(write.fingerprint, write.entry, bucket);
        }
    }

    /// Makes what is staged part of the truth, in memory.
    pub fn commit(&mut self, applied: Applied) {
        self.front.commit();
        if let Some(kept) = &mut self.kept {
            kept.commit();
        }
        self.progress.applied = Some(applied);
        self.changed = true;
    }

    /// Takes back what was staged since the last commit, the changes of histories, and the originals that were kept.
    pub fn rollback(&mut self) {
        self.front.rollback();
        if let Some(kept) = &mut self.kept {
            kept.rollback();
        }
    }

    /// Whether memory holds enough to become tables.
    #[must_use]
    pub fn should_persist(&self) -> bool {
        self.front.len() >= self.options.front_entries_max || self.kept.as_ref().is_some_and(Kept::is_persist_due)
    }

    /// Writes what is committed to disk: entries with their filters, originals and histories first, then, in a durable
    /// step of its own, how far they reach; last, what is expired goes. Killed at any point, the store opens with an `applied` below which
    /// nothing is missing.
    ///
    /// # Errors
    /// [`StateError::Uncommitted`] while writes are staged. After any other error the store refuses further work.
    pub fn persist(&mut self) -> Result<(), StateError> {
        self.refuse_after_failure()?;
        let writes = self.front.staged() + self.kept.as_ref().map_or(0, |kept| kept.histories.staged());
        if writes > 0 {
            return Err(StateError::Uncommitted { dir: self.dir.clone(), writes });
        }
        if !self.changed {
            return Ok(());
        }
        let written = self.persist_steps();
        self.fail_with(written)
    }

    fn persist_steps(&mut self) -> Result<(), StateError> {
        if let Some(kept) = &mut self.kept {
            // The writer works on these while this thread writes the keys.
            kept.seal(&self.dir);
        }
        let mut gone = BTreeSet::new();
        self.turn_far(&mut gone);
        self.ingest_front()?;
        if let Some(kept) = &mut self.kept {
            kept.settle(&self.db, &self.dir)?;
        }
        self.write_histories()?;
        self.decide_what_goes(gone);
        self.write_progress()?;
        self.front.clear();
        if let Some(kept) = &mut self.kept {
            kept.persisted();
        }
        self.histories_below = self.applied().map_or(0, |applied| applied.next_offset);
        self.changed = false;
        self.delete_what_is_gone()
    }

    /// Writes the front as tables: one a bucket, or several where the capacity wants that they can go one by one.
    fn ingest_front(&mut self) -> Result<(), StateError> {
        let mut rows: Vec<Row> = self.front.rows().collect();
        let (floor, ceiling, far) = (self.floor(), self.ceiling(), self.far(0));
        let slice = self.options.slice_entries_max();
        if rows.len() > slice {
            rows.sort_unstable_by_key(|row| row.entry.offset);
        }
        while !rows.is_empty() {
            let rest = rows.split_off(slice.min(rows.len()));
            let median = median_time(&rows);
            table::arrange(&mut rows, floor, ceiling, far);
            for rows in rows.chunk_by(|a, b| a.bucket == b.bucket) {
                self.ingest(rows, median)?;
            }
            rows = rest;
        }
        Ok(())
    }

    /// Writes one table of one bucket and hands it over to RocksDB.
    fn ingest(&mut self, rows: &[Row], median: Millis) -> Result<(), StateError> {
        let Some(index) = rows.first().map(|row| row.bucket) else { return Ok(()) };
        let place = self.place_for(index);
        let dir = self.dir.clone();
        let failed = |error: rocksdb::Error| StateError::rocks(&dir, &error);
        let start_ms = place.start_ms(self.options.bucket_ms);
        let path = dir.join(INCOMING).join(format!("{}.sst", place.name()));
        let mut writer = SstFileWriter::create(&self.bucket_options);
        writer.open(&path).map_err(failed)?;
        for row in rows {
            let value = table::Value::of(row.entry, start_ms);
            writer.put(table::key(row.fingerprint), value.bytes()).map_err(failed)?;
        }
        writer.finish().map_err(failed)?;
        let expected = self.buckets.values().map(|bucket| bucket.filter.keys()).max().unwrap_or(0);
        let bucket = self.buckets.entry(place).or_insert_with(|| Bucket::new(place));
        bucket.filter.reserve(rows.len(), expected);
        rows.iter().for_each(|row| bucket.filter.insert(row.fingerprint));
        // Before the table: a crash in between leaves the trace that this bucket may have more than it should.
        let stored = self.filters.store(place, bucket, rows);
        stored.map_err(|error| StateError::io(&dir, error))?;
        if self.db.cf_handle(&bucket.name).is_none() {
            self.db.create_cf(&bucket.name, &self.bucket_options).map_err(failed)?;
        }
        let family = self.db.cf_handle(&bucket.name).ok_or_else(|| StateError::corrupt(&dir, "a bucket is gone"))?;
        self.db.ingest_external_file_cf_opts(family, &rocks::ingestion(), vec![path]).map_err(failed)?;
        let is_bucket = place.sort() == Sort::Timed && self.options.retention_ms.is_some();
        bucket.facts.learn(rows, (!is_bucket).then_some(median));
        Ok(())
    }

    /// The flush is what makes it durable: there is no log.
    fn write_progress(&mut self) -> Result<(), StateError> {
        let stays = || self.buckets.iter().filter(|(place, _)| !self.progress.gone.contains(place));
        let places = stays().map(|(place, bucket)| (*place, bucket.facts)).collect();
        let filters = stays().map(|(place, bucket)| (*place, bucket.stored.clone())).collect();
        (self.progress.places, self.progress.filters) = (places, filters);
        self.progress.next_filter = self.filters.next;
        let mut batch = WriteBatch::default();
        self.note_clock(&mut batch)?;
        let manifest = manifest::encode(&self.description, &self.progress);
        batch.put(manifest::KEY, manifest.map_err(|error| StateError::io(&self.dir, error))?);
        manifest::write_batch(&self.db, batch).map_err(|error| StateError::rocks(&self.dir, &error))
    }

    /// Remembers a failed durable write.
    fn fail_with(&mut self, done: Result<(), StateError>) -> Result<(), StateError> {
        if let Err(error) = &done {
            self.failed = Some(error.to_string());
        }
        done
    }

    fn refuse_after_failure(&self) -> Result<(), StateError> {
        match &self.failed {
            Some(cause) => Err(StateError::Refused { dir: self.dir.clone(), cause: cause.clone() }),
            None => Ok(()),
        }
    }
}

/// Why an answer of a table cannot be used.
#[cold]
fn unusable(dir: &Path, bucket: &str, value: Result<Stored, ValueError>) -> StateError {
    let part = match value {
        Ok(Stored::Adopted(origin, _)) => {
            format!("an entry adopted from partition {} (epoch {})", origin.partition, origin.epoch)
        }
        Err(ValueError::Kind(kind)) => format!("an entry of kind {kind}"),
        Ok(Stored::Own(_) | Stored::PassedOver) | Err(ValueError::None) => {
            return StateError::corrupt(dir, format!("{bucket}: a value of no entry"));
        }
    };
    StateError::Unknown { dir: dir.to_owned(), part }
}

impl std::fmt::Debug for PartitionStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartitionStore").field("dir", &self.dir).finish_non_exhaustive()
    }
}
