//! Opening a store: the database, what it says about itself, its buckets and their filters. Not what is done with it
//! afterwards.
//!
//! Nothing is written, and nothing removed, before it is certain that the store is the one that was asked for. No key of
//! a bucket is read, except where a filter is damaged, or where a crash or a rewind left entries ahead of what is applied.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::fingerprint::Seed;
use engine::record::Offset;
use rocksdb::{ColumnFamily, ColumnFamilyDescriptor, DB, DBRawIterator, Options, WriteBatch, WriteOptions, properties};

use super::Progress;
use super::filters::{Filters, Found};
use super::histories::HISTORIES;
use super::kept::{Kept, ORIGINALS};
use super::manifest;
use super::places::{BUCKET_PREFIX, Bucket, Place};
use crate::error::OpenError;
use crate::identity::{Description, StoreIdentity};
use crate::options::StoreOptions;
use crate::rocks;
use crate::table::{self, Stored};

/// What opening a store took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opened {
    /// Filters that were read as they were stored.
    pub filters_loaded: u64,
    /// Filters that were torn or missing, and were made again from their bucket's tables.
    pub filters_rebuilt: u64,
    /// Buckets that were searched for entries ahead of what is applied, as a crash or a rewind leaves them.
    pub buckets_searched: u64,
    /// Keys that were read for either.
    pub keys_read: u64,
}

/// Opens the database, and names its buckets.
pub(super) fn open_database(
    dir: &Path,
    database: &Options,
    options: &StoreOptions,
) -> Result<(DB, Vec<String>), OpenError> {
    let listing = std::fs::read_dir(dir).map_err(|error| OpenError::io(dir, error))?;
    let files: Vec<_> = listing.filter_map(|file| Some(PathBuf::from(file.ok()?.file_name()))).collect();
    let exists = files.iter().any(|file| file.as_os_str() == "CURRENT");
    if !exists && files.iter().any(|file| file.extension().is_some_and(|extension| extension == "sst")) {
        return Err(OpenError::corrupt(dir, "there are tables, but no file CURRENT to say which count"));
    }
    let failed = |error: rocksdb::Error| OpenError::rocks(dir, &error);
    let names = if exists { DB::list_cf(database, dir).map_err(failed)? } else { vec!["default".into()] };
    let families = names.iter().map(|name| ColumnFamilyDescriptor::new(name, family_options(name, options)));
    let db = DB::open_cf_descriptors(database, dir, families).map_err(failed)?;
    Ok((db, names.into_iter().filter(|name| name.starts_with(BUCKET_PREFIX)).collect()))
}

/// Settings of a column family by its name.
fn family_options(name: &str, options: &StoreOptions) -> Options {
    match name {
        ORIGINALS => rocks::originals(options),
        HISTORIES => rocks::histories(options),
        bucket if bucket.starts_with(BUCKET_PREFIX) => rocks::bucket(options),
        _ => rocks::plain(),
    }
}

/// What the store is and how far it reaches: as it says itself, compared with what is wanted; or as a new one.
pub(super) fn describe(
    dir: &Path,
    db: &DB,
    identity: &StoreIdentity,
    options: &StoreOptions,
    buckets: &[String],
) -> Result<(Description, Progress), OpenError> {
    let bucket_ms = options.retention_ms.map(|_| options.bucket_ms);
    let Some((stored, progress)) = manifest::read(dir, db)? else {
        if !buckets.is_empty() {
            return Err(OpenError::corrupt(dir, "there are keys, but nothing that says what they belong to"));
        }
        let seed = identity.seed.map_or_else(|| random_seed(dir), Ok)?;
        let identity = StoreIdentity { seed: None, ..identity.clone() };
        let description = Description { identity, bucket_ms, seed, entry_kinds: Vec::new() };
        manifest::write(dir, db, &description, &Progress::default())?;
        return Ok((description, Progress::default()));
    };
    let mut description = compared(dir, stored.clone(), identity, bucket_ms)?;
    description.seed = match identity.seed {
        Some(wanted) if wanted != stored.seed && progress.applied.is_some() => {
            return Err(OpenError::Seed { dir: dir.to_owned() });
        }
        // Nothing was ever applied here, so nothing is hashed with the seed that was there.
        Some(wanted) => wanted,
        None => stored.seed,
    };
    if description != stored {
        manifest::write(dir, db, &description, &progress)?;
    }
    Ok((description, progress))
}

/// What is stored, where it is what is wanted. What is known of the topic is never forgotten, so that a later change of it
/// is seen; what is wanted anew counts from now on.
pub(super) fn compared(
    dir: &Path,
    stored: Description,
    wanted: &StoreIdentity,
    bucket_ms: Option<i64>,
) -> Result<Description, OpenError> {
    let differences = stored.differences(wanted, bucket_ms);
    if !differences.is_empty() {
        return Err(OpenError::Identity { dir: dir.to_owned(), differences });
    }
    let topic_id = wanted.topic_id.clone().or(stored.identity.topic_id);
    Ok(Description { identity: StoreIdentity { topic_id, seed: None, ..wanted.clone() }, ..stored })
}

fn random_seed(dir: &Path) -> Result<Seed, OpenError> {
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(|error| OpenError::io(dir, error))?;
    Ok(Seed(seed))
}

/// Makes the column families of originals and histories where they are missing, or drops them where none are to be kept.
/// Originals ahead of what is applied go, as their entries do.
///
/// A store that has keys already knows nothing of the duplicates before: that is written down at once, as the column
/// families will be there after a crash.
pub(super) fn open_kept(
    dir: &Path,
    db: &mut DB,
    options: &StoreOptions,
    description: &Description,
    progress: &mut Progress,
) -> Result<Option<Kept>, OpenError> {
    let failed = |error: rocksdb::Error| OpenError::rocks(dir, &error);
    let begins = options.originals.is_some() && db.cf_handle(HISTORIES).is_none();
    if let Some(next_offset) = progress.applied.as_ref().filter(|_| begins).map(|applied| applied.next_offset) {
        progress.counted_from = next_offset;
        manifest::write(dir, db, description, progress)?;
    }
    for name in [ORIGINALS, HISTORIES] {
        match (options.originals.is_some(), db.cf_handle(name).is_some()) {
            (true, false) => db.create_cf(name, &family_options(name, options)).map_err(failed)?,
            (false, true) => db.drop_cf(name).map_err(failed)?,
            (true, true) | (false, false) => {}
        }
    }
    let Some(originals) = &options.originals else { return Ok(None) };
    let next_offset = progress.applied.as_ref().map_or(0, |applied| applied.next_offset);
    let tables = super::kept::cut(db, next_offset.saturating_sub(1)).map_err(failed)?;
    Ok(Some(Kept::new(originals, options, tables)))
}

/// The buckets of a store with their filters.
pub(super) struct Buckets {
    pub(super) buckets: BTreeMap<Place, Bucket>,
    pub(super) filters: Filters,
    pub(super) opened: Opened,
}

/// Drops buckets that a crash kept from going, removes entries ahead of what is applied, and loads the filters.
///
/// A crash in the middle of a persist, or a rewind, leaves entries ahead of the applied offset. Their events are decided
/// again, and one that ends as a dead letter this time must not be the first of its key.
pub(super) fn open_buckets(
    dir: &Path,
    db: &mut DB,
    names: &[String],
    description: &Description,
    progress: &mut Progress,
) -> Result<Buckets, OpenError> {
    let failed = |error: rocksdb::Error| OpenError::rocks(dir, &error);
    let (filters, found) = Filters::open(dir, progress.next_filter).map_err(|error| OpenError::io(dir, error))?;
    let mut all = Buckets { buckets: BTreeMap::new(), filters, opened: Opened::default() };
    let mut is_repaired = false;
    for name in names {
        let Some(place) = Place::of_name(name) else { continue };
        if progress.gone.contains(&place) {
            db.drop_cf(name).map_err(failed)?;
            continue;
        }
        let mut bucket = Bucket::new(place);
        if !all.load(place, &mut bucket, progress, &found) {
            is_repaired = true;
            all.read(dir, db, place, &mut bucket, description, progress)?;
        }
        all.buckets.insert(place, bucket);
    }
    if is_repaired {
        all.note(progress);
        manifest::write(dir, db, description, progress)?;
    }
    all.filters.outdate(&found, &all.buckets);
    all.filters.remove_outdated();
    Ok(all)
}

impl Buckets {
    /// Takes a bucket as the manifest says it is, with the filter as it was stored. `false` where its tables have to be read.
    fn load(&mut self, place: Place, bucket: &mut Bucket, progress: &Progress, found: &Found) -> bool {
        let known = progress.places.iter().find(|(known, _)| *known == place);
        let files = progress.filters.iter().find(|(known, _)| *known == place).map_or(&[][..], |(_, files)| files);
        let next_offset = next_offset(progress);
        let is_ahead = known.is_none_or(|(_, facts)| facts.newest >= next_offset)
            || found.is_ahead(place, files, progress.next_filter);
        if let Some((_, facts)) = known {
            bucket.facts = *facts;
        } else {
            // Its entries were ahead of what is contained, and come again.
            bucket.facts.oldest = next_offset;
        }
        if is_ahead {
            self.opened.buckets_searched += 1;
            return false;
        }
        match self.filters.load(place, files).filter(|_| !files.is_empty()) {
            Some(filter) => {
                self.opened.filters_loaded += 1;
                bucket.filter = filter;
                bucket.stored = files.to_vec();
                true
            }
            None => {
                self.opened.filters_rebuilt += 1;
                false
            }
        }
    }

    /// Reads the keys of a bucket: removes those ahead of what is applied, and stores a filter of the others.
    fn read(
        &mut self,
        dir: &Path,
        db: &DB,
        place: Place,
        bucket: &mut Bucket,
        description: &Description,
        progress: &Progress,
    ) -> Result<(), OpenError> {
        let failed = |error: rocksdb::Error| OpenError::rocks(dir, &error);
        let Some(family) = db.cf_handle(&bucket.name) else { return Ok(()) };
        let keys = usize::try_from(keys_estimate(db, bucket)).unwrap_or(0);
        bucket.filter.reserve(keys.max(1), 0);
        let start_ms = place.start_ms(description.bucket_ms.unwrap_or(0));
        let next_offset = next_offset(progress);
        let (mut ahead, mut newest) = (WriteBatch::default(), -1);
        let mut rows: DBRawIterator<'_> = db.raw_iterator_cf(family);
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            self.opened.keys_read += 1;
            let fingerprint =
                table::fingerprint(key).ok_or_else(|| OpenError::corrupt(dir, "a key of no fingerprint"))?;
            // The offset of an adopted entry is one of another log.
            let own = match table::stored(value, start_ms) {
                Ok(Stored::Own(entry)) => Some(entry.offset),
                Ok(Stored::Adopted(..) | Stored::PassedOver) | Err(_) => None,
            };
            if own.is_some_and(|offset| offset >= next_offset) {
                ahead.delete_cf(family, key);
            } else {
                bucket.filter.reserve(1, 0);
                bucket.filter.insert(fingerprint);
                newest = newest.max(own.unwrap_or(-1));
            }
            rows.next();
        }
        rows.status().map_err(failed)?;
        remove(db, family, ahead).map_err(failed)?;
        bucket.facts.newest = newest;
        self.filters.store(place, bucket, &[]).map_err(|error| OpenError::io(dir, error))
    }

    /// What the manifest is to say of them.
    fn note(&self, progress: &mut Progress) {
        progress.places = self.buckets.iter().map(|(place, bucket)| (*place, bucket.facts)).collect();
        progress.filters = self.buckets.iter().map(|(place, bucket)| (*place, bucket.stored.clone())).collect();
        progress.next_filter = self.filters.next;
    }
}

fn next_offset(progress: &Progress) -> Offset {
    progress.applied.as_ref().map_or(0, |applied| applied.next_offset)
}

fn keys_estimate(db: &DB, bucket: &Bucket) -> u64 {
    let family = db.cf_handle(&bucket.name);
    let keys = family.and_then(|family| db.property_int_value_cf(family, properties::ESTIMATE_NUM_KEYS).ok().flatten());
    keys.unwrap_or(0)
}

fn remove(db: &DB, family: &ColumnFamily, removed: WriteBatch) -> Result<(), rocksdb::Error> {
    if removed.is_empty() {
        return Ok(());
    }
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    db.write_opt(removed, &options)?;
    db.flush_cf(family)
}
