//! What a store says about itself, under one key of the database and written in one step: what it belongs to, how its
//! entries are to be read, and how far it reaches. Not what is in the tables, and not when it is written.
//!
//! Sections, all of them required where they are there: 1 identity, 3 layout, 5 applied and 8 progress (JSON, whose
//! members may be added to); 2 seed (16 bytes); 4 kinds of entries beside own ones (LEB128 each); 6 clock and 7 extra
//! (bytes of others). 9 is reserved for the partitions and epochs that adopted entries come from.

use std::path::Path;

use engine::fingerprint::Seed;
use engine::varint;
use rocksdb::{DB, WriteBatch, WriteOptions};
use serde::{Deserialize, Serialize};

use super::{Applied, Progress};
use crate::error::OpenError;
use crate::frame::{self, FrameError, What, Writer};
use crate::identity::{Description, StoreIdentity};
use crate::table;

/// Key of the manifest in the default column family.
pub(super) const KEY: &[u8] = b"manifest";

/// Key under which earlier versions described a store, in JSON: format 1.
const EARLIER_KEY: &[u8] = b"description";
const EARLIER_FORMAT: u32 = 1;

const IDENTITY: u64 = 1;
const SEED: u64 = 2;
const LAYOUT: u64 = 3;
const ENTRY_KINDS: u64 = 4;
const APPLIED: u64 = 5;
const CLOCK: u64 = 6;
const EXTRA: u64 = 7;
const PROGRESS: u64 = 8;

#[derive(Serialize, Deserialize)]
struct Layout {
    bucket_ms: Option<i64>,
}

/// The manifest of a database, if it has one.
pub(super) fn read(dir: &Path, db: &DB) -> Result<Option<(Description, Progress)>, OpenError> {
    let get = |key: &[u8]| db.get(key).map_err(|error| OpenError::rocks(dir, &error));
    if get(EARLIER_KEY)?.is_some() {
        return Err(OpenError::Format { dir: dir.to_owned(), stored: EARLIER_FORMAT });
    }
    let Some(bytes) = get(KEY)? else { return Ok(None) };
    let (description, progress) = decode(&bytes).map_err(|error| OpenError::frame(dir, error))?;
    if let Some(part) = description.entry_kinds.iter().find_map(|tag| table::refusal(*tag)) {
        return Err(OpenError::Unknown { dir: dir.to_owned(), part });
    }
    Ok(Some((description, progress)))
}

/// A manifest as bytes.
pub(super) fn encode(description: &Description, progress: &Progress) -> Result<Vec<u8>, serde_json::Error> {
    let mut frame = Writer::new(What::Manifest);
    describe(description, &mut frame)?;
    if let Some(applied) = &progress.applied {
        put_applied(applied, &mut frame)?;
        frame.section(EXTRA, &applied.extra);
    }
    frame.section(PROGRESS, &serde_json::to_vec(progress)?);
    Ok(frame.end())
}

/// The sections that say what a store is. A snapshot has them too, under the same numbers.
pub(super) fn describe(description: &Description, frame: &mut Writer) -> Result<(), serde_json::Error> {
    let mut kinds = Vec::new();
    description.entry_kinds.iter().for_each(|tag| varint::push(*tag, &mut kinds));
    frame.section(IDENTITY, &serde_json::to_vec(&description.identity)?);
    frame.section(SEED, &description.seed.0);
    frame.section(LAYOUT, &serde_json::to_vec(&Layout { bucket_ms: description.bucket_ms })?);
    frame.section(ENTRY_KINDS, &kinds);
    Ok(())
}

/// Numbers of the sections of [`describe`], in the order in which [`described`] takes what is in them.
pub(super) const DESCRIPTION: [u64; 4] = [IDENTITY, SEED, LAYOUT, ENTRY_KINDS];

/// What a store is, from its sections.
pub(super) fn described(sections: [Option<&[u8]>; 4]) -> Result<Description, FrameError> {
    let [identity, seed, layout, kinds] = sections;
    let identity: StoreIdentity = json("identity", identity)?;
    let seed = seed.and_then(|seed| seed.try_into().ok()).map(Seed).ok_or_else(|| damaged("has no seed"))?;
    let Layout { bucket_ms } = json("layout", layout)?;
    let (mut rest, mut entry_kinds) = (kinds.ok_or_else(|| damaged("does not say what entries it has"))?, Vec::new());
    while !rest.is_empty() {
        entry_kinds.push(varint::take(&mut rest).ok_or_else(|| damaged("does not say what entries it has"))?);
    }
    Ok(Description { identity, bucket_ms, seed, entry_kinds })
}

/// What bytes say.
pub(super) fn decode(bytes: &[u8]) -> Result<(Description, Progress), FrameError> {
    let numbers = [IDENTITY, SEED, LAYOUT, ENTRY_KINDS, APPLIED, CLOCK, EXTRA, PROGRESS];
    let [identity, seed, layout, kinds, applied, clock, extra, progress] = frame::read(What::Manifest, bytes, numbers)?;
    let description = described([identity, seed, layout, kinds])?;
    let mut progress: Progress = json("progress", progress)?;
    if applied.is_some() {
        let extra = extra.unwrap_or_default().to_vec();
        progress.applied = Some(Applied { extra, ..take_applied(applied, clock)? });
    }
    Ok((description, progress))
}

/// The note of a clock as bytes.
pub(super) fn encode_note(applied: &Applied) -> Result<Vec<u8>, serde_json::Error> {
    let mut frame = Writer::new(What::Clock);
    put_applied(applied, &mut frame)?;
    Ok(frame.end())
}

pub(super) fn decode_note(bytes: &[u8]) -> Result<Applied, FrameError> {
    let [applied, clock] = frame::read(What::Clock, bytes, [APPLIED, CLOCK])?;
    take_applied(applied, clock)
}

fn put_applied(applied: &Applied, frame: &mut Writer) -> Result<(), serde_json::Error> {
    frame.section(APPLIED, &serde_json::to_vec(applied)?);
    frame.section(CLOCK, &applied.clock);
    Ok(())
}

fn take_applied(applied: Option<&[u8]>, clock: Option<&[u8]>) -> Result<Applied, FrameError> {
    let clock = clock.ok_or_else(|| damaged("has no clock"))?.to_vec();
    Ok(Applied { clock, ..json("applied", applied)? })
}

/// What a section in JSON says.
pub(super) fn json<'a, T: Deserialize<'a>>(name: &str, bytes: Option<&'a [u8]>) -> Result<T, FrameError> {
    let bytes = bytes.ok_or_else(|| damaged(&format!("has no section '{name}'")))?;
    serde_json::from_slice(bytes).map_err(|error| damaged(&format!("has a section '{name}' that is none: {error}")))
}

fn damaged(cause: &str) -> FrameError {
    FrameError::Damaged(format!("what it says about itself {cause}"))
}

/// Writes a manifest, and makes it durable.
pub(super) fn write(dir: &Path, db: &DB, description: &Description, progress: &Progress) -> Result<(), OpenError> {
    let bytes = encode(description, progress).map_err(|error| OpenError::io(dir, error))?;
    let mut batch = WriteBatch::default();
    batch.put(KEY, &bytes);
    write_batch(db, batch).map_err(|error| OpenError::rocks(dir, &error))
}

/// The flush is what makes it durable: there is no log.
pub(super) fn write_batch(db: &DB, batch: WriteBatch) -> Result<(), rocksdb::Error> {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    db.write_opt(batch, &options)?;
    db.flush()
}

#[cfg(test)]
mod tests {
    use super::super::places::{Facts, Place, SegmentFile};
    use super::*;

    fn example() -> (Description, Progress) {
        let identity = StoreIdentity { topic: "events".into(), partition: 3, ..StoreIdentity::default() };
        let description = Description { identity, bucket_ms: Some(125), seed: Seed([7; 16]), entry_kinds: vec![18] };
        let place = Place { index: i64::MIN, slice: 1 };
        let file = SegmentFile { number: 4, bytes: 70, base: 60 };
        let applied = Applied {
            next_offset: 5,
            clock: vec![0, 255],
            watermark: Some(-1),
            clock_records: 9,
            clock_is_ahead: true,
            extra: b"{}".to_vec(),
        };
        let progress = Progress {
            applied: Some(applied),
            places: vec![(place, Facts::default())],
            filters: vec![(place, vec![file])],
            next_filter: 5,
            clocks: vec![1, 2],
            ..Progress::default()
        };
        (description, progress)
    }

    #[test]
    fn a_manifest_and_a_note_come_back() {
        let (description, progress) = example();
        let bytes = encode(&description, &progress).unwrap();
        assert_eq!(decode(&bytes).unwrap(), (description.clone(), progress.clone()));
        let nothing = Progress::default();
        assert_eq!(decode(&encode(&description, &nothing).unwrap()).unwrap(), (description, nothing));
        let note = Applied { extra: Vec::new(), ..progress.applied.unwrap() };
        assert_eq!(decode_note(&encode_note(&note).unwrap()).unwrap(), note);
    }

    #[test]
    fn a_member_that_a_later_version_adds_is_passed_over_and_one_that_an_earlier_lacked_is_made_up() {
        let (description, progress) = example();
        let mut frame = Writer::new(What::Manifest);
        describe(&description, &mut frame).unwrap();
        frame.section(PROGRESS, br#"{"added later":[1],"next_filter":9}"#);
        let (_, read) = decode(&frame.end()).unwrap();
        assert_eq!(read, Progress { next_filter: 9, ..Progress::default() });
        assert_ne!(read, progress);
    }
}
