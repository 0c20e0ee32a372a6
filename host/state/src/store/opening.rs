//! Opening a store: the database, its description, its buckets. Not what is done with it afterwards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rocksdb::{ColumnFamily, ColumnFamilyDescriptor, DB, IteratorMode, Options, WriteBatch, WriteOptions, properties};
use serde::Deserialize;

use super::histories::HISTORIES;
use super::kept::{Kept, ORIGINALS};
use super::places::{BUCKET_PREFIX, Bucket, Place};
use super::{PROGRESS_KEY, Progress};
use crate::error::OpenError;
use crate::identity::{Description, FORMAT_VERSION, StoreIdentity};
use crate::options::StoreOptions;
use crate::{private, rocks, table};

/// Key of the description in the default column family.
const DESCRIPTION_KEY: &[u8] = b"description";

/// Opens the database, and names its buckets.
pub(super) fn open_database(
    dir: &Path,
    database: &Options,
    options: &StoreOptions,
) -> Result<(DB, Vec<String>), OpenError> {
    private::make(dir).map_err(|error| OpenError::io(dir, error))?;
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

/// Makes the column families of originals and histories where they are missing, or drops them where none are to be kept.
/// Originals ahead of what is applied go, as their entries do.
///
/// A store that has keys already knows nothing of the duplicates before: that is written down at once, as the column
/// families will be there after a crash.
pub(super) fn open_kept(
    dir: &Path,
    db: &mut DB,
    options: &StoreOptions,
    progress: &mut Progress,
) -> Result<Option<Kept>, OpenError> {
    let failed = |error: rocksdb::Error| OpenError::rocks(dir, &error);
    let begins = options.originals.is_some() && db.cf_handle(HISTORIES).is_none();
    if let Some(applied) = progress.applied.as_ref().filter(|_| begins) {
        progress.counted_from = applied.next_offset;
        let bytes = serde_json::to_vec(progress).map_err(|error| OpenError::io(dir, error))?;
        write(db, PROGRESS_KEY, &bytes).map_err(failed)?;
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

/// Before anything else of a description is read: what else it says may be of another shape.
fn refuse_other_formats(dir: &Path, db: &DB) -> Result<(), OpenError> {
    #[derive(Deserialize)]
    struct Format {
        format_version: u32,
    }
    let stored: Option<Format> = read(dir, db, DESCRIPTION_KEY)?;
    match stored {
        Some(Format { format_version }) if format_version != FORMAT_VERSION => {
            Err(OpenError::Format { dir: dir.to_owned(), stored: format_version })
        }
        Some(_) | None => Ok(()),
    }
}

/// Compares the stored description with the wanted one, or writes it to a store that has none.
pub(super) fn describe(
    dir: &Path,
    db: &DB,
    identity: &StoreIdentity,
    options: &StoreOptions,
    buckets: &[String],
) -> Result<Description, OpenError> {
    refuse_other_formats(dir, db)?;
    let stored: Option<Description> = read(dir, db, DESCRIPTION_KEY)?;
    if stored.is_none() && !buckets.is_empty() {
        return Err(OpenError::corrupt(dir, "there are keys, but no description of what they belong to"));
    }
    let mut seed = [0; 16];
    match &stored {
        Some(stored) => seed = stored.seed,
        None => getrandom::fill(&mut seed).map_err(|error| OpenError::io(dir, error))?,
    }
    let bucket_ms = options.retention_ms.map(|_| options.bucket_ms);
    let mut wanted = Description { format_version: FORMAT_VERSION, identity: identity.clone(), bucket_ms, seed };
    if let Some(stored) = &stored {
        let differences = stored.differences(&wanted);
        if !differences.is_empty() {
            return Err(OpenError::Identity { dir: dir.to_owned(), differences });
        }
        // What is known of the topic is never forgotten, so that a later change of it is seen.
        wanted.identity.topic_id = wanted.identity.topic_id.or_else(|| stored.identity.topic_id.clone());
    }
    if stored.as_ref() != Some(&wanted) {
        let bytes = serde_json::to_vec(&wanted).map_err(|error| OpenError::io(dir, error))?;
        write(db, DESCRIPTION_KEY, &bytes).map_err(|error| OpenError::rocks(dir, &error))?;
    }
    Ok(wanted)
}

/// Drops buckets that a crash kept from going, removes entries ahead of what is applied, and fills the filters.
///
/// A crash in the middle of a persist, or a rewind, leaves entries ahead of the applied offset. Their events are decided
/// again, and one that ends as a dead letter this time must not be the first of its key.
pub(super) fn open_buckets(
    dir: &Path,
    db: &mut DB,
    names: Vec<String>,
    progress: &Progress,
    bucket_ms: i64,
) -> Result<BTreeMap<Place, Bucket>, OpenError> {
    let failed = |error: rocksdb::Error| OpenError::rocks(dir, &error);
    let next_offset = progress.applied.as_ref().map_or(0, |applied| applied.next_offset);
    let mut buckets = BTreeMap::new();
    for name in names {
        let Some(place) = Place::of_name(&name) else { continue };
        if progress.gone.contains(&place) {
            db.drop_cf(&name).map_err(failed)?;
            continue;
        }
        let Some(family) = db.cf_handle(&name) else { continue };
        let keys = db.property_int_value_cf(family, properties::ESTIMATE_NUM_KEYS).map_err(failed)?.unwrap_or(0);
        let mut bucket = Bucket::new(place);
        bucket.filter.reserve(usize::try_from(keys).unwrap_or(0), 0);
        let start_ms = place.start_ms(bucket_ms);
        let mut ahead = WriteBatch::default();
        for row in db.iterator_cf(family, IteratorMode::Start) {
            let (key, value) = row.map_err(failed)?;
            let fingerprint =
                table::fingerprint(&key).ok_or_else(|| OpenError::corrupt(dir, "a key of no fingerprint"))?;
            if table::entry(&value, start_ms).is_some_and(|entry| entry.offset >= next_offset) {
                ahead.delete_cf(family, &key);
            } else {
                bucket.filter.insert(fingerprint);
            }
        }
        remove(db, family, ahead).map_err(failed)?;
        match progress.places.iter().find(|(known, _)| *known == place) {
            Some((_, facts)) => bucket.facts = *facts,
            // Its entries were ahead of what is contained, and come again.
            None => bucket.facts.oldest = next_offset,
        }
        buckets.insert(place, bucket);
    }
    Ok(buckets)
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

pub(super) fn read<T: for<'a> Deserialize<'a>>(dir: &Path, db: &DB, key: &[u8]) -> Result<Option<T>, OpenError> {
    let bytes = db.get(key).map_err(|error| OpenError::rocks(dir, &error))?;
    let parsed = bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose();
    parsed.map_err(|error| OpenError::corrupt(dir, format!("{}: {error}", key.escape_ascii())))
}

pub(super) fn write(db: &DB, key: &[u8], value: &[u8]) -> Result<(), rocksdb::Error> {
    let mut batch = WriteBatch::default();
    batch.put(key, value);
    write_batch(db, batch)
}

pub(super) fn write_batch(db: &DB, batch: WriteBatch) -> Result<(), rocksdb::Error> {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    db.write_opt(batch, &options)?;
    db.flush()
}
